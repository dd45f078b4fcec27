"""What passes with every step: timers, debts, and nature."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import growth, meeting, noise, trick
from softsim.envs.draws import Draws
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.envs.skipping import where_needed
from softsim.envs.spec import WorldSpec
from softsim.types import Array


def tick(spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally) -> tuple[EnvState, Tally]:
    """Let a step pass: timers run down, and those whose freeze is over are paid and go."""
    frozen = jnp.maximum(state.frozen - 1, 0)
    state = dataclasses.replace(
        state,
        step=state.step + 1,
        removed=jnp.maximum(state.removed - 1, 0),
        frozen=frozen,
        cooldown=jnp.maximum(state.cooldown - 1, 0),
    )
    if spec.has("age"):
        state = dataclasses.replace(state, age=state.age + (state.age < 255).astype(jnp.uint8))
    if spec.has("income"):
        state = dataclasses.replace(state, tenure=state.tenure + (state.tenure < 255).astype(jnp.uint8))
    if spec.has("mark"):
        state = dataclasses.replace(state, mark=jnp.maximum(state.mark - 1, 0))
    if spec.has("speech"):
        state = dataclasses.replace(state, message=state.message * params.speech.fades)
    if spec.has("debt"):
        owes = (state.owed != 0).any() | (state.exile > 0).any()
        state, tally = where_needed(owes, lambda both: settle_debts(spec, params, *both), (state, tally))
    return state, tally


def settle_debts(spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally) -> tuple[EnvState, Tally]:
    """Pay the instalments of those still frozen, and send off those whose freeze is over."""
    when = params.debt.when
    parts = jnp.maximum((when >= 0).sum(dtype=jnp.int32), 1).astype(jnp.float32)
    # `frozen` has been counted down: an instalment at 1 is paid in the last step that an agent stands still.
    due = (state.frozen[:, None] + 1 == when[None]).any(1) & (state.owed != 0)
    tally = dataclasses.replace(tally, payoff=tally.payoff + jnp.where(due, state.owed / parts, 0.0))
    over = state.frozen == 0
    goes = over & (state.exile > 0)
    tally = dataclasses.replace(tally, exile=jnp.where(goes, state.exile, 0))
    changes = {"owed": jnp.where(over, 0.0, state.owed), "exile": jnp.where(over, 0, state.exile)}
    if spec.has("goal"):  # an encounter is over for the two who met in it
        made = params.encounter.progress * ((goes.sum(dtype=jnp.int32) + 1) // 2)
        changes["progress"] = state.progress + made
    if spec.has("bag"):
        changes["bag"] = jnp.where(goes[:, None], params.bag.start[None], state.bag)
    if spec.has("paint"):
        changes["paint"] = jnp.where(goes, jnp.uint8(0), state.paint)
    return dataclasses.replace(state, **changes), tally


def pass_time(
    spec: WorldSpec, draws: Draws, params: EnvParams, state: EnvState, tally: Tally
) -> tuple[EnvState, Tally]:
    """Let things grow and emerge where no agent stands, decay and pay anywhere."""
    cell, site = state.cell.reshape(-1), params.layout.site.reshape(-1)
    before = cell
    if spec.has("stake"):  # before what decays forgets that it was worked on
        state = dataclasses.replace(state, stake=lapse(spec, params, state))
    if spec.has("grow") or spec.has("emerge"):
        present = params.agent_mask & (state.removed == 0)
        held = jnp.where(present, state.position, cell.size)
        free = jnp.ones(cell.size, bool).at[held].set(False, mode="drop")
    age, pending = state.age, state.pending
    if spec.has("grow"):
        law = params.growth
        cell = where_needed(
            (law.rate > 0).any(),
            lambda cell: growth.grow(spec, law, site, cell, age, free, draws.seed["grow"]),
            cell,
        )
    if spec.has("emerge"):
        cell, pending = growth.emerge(
            spec, params.emergence, site, cell, free, draws.seed["emerge"], state.step, pending
        )
    if spec.has("decay"):
        cell = growth.decay(params.decay, cell, age, tally.blight, draws.seed["decay"])
    state = dataclasses.replace(state, cell=cell.reshape(state.cell.shape), pending=pending)
    if spec.has("age"):
        state = dataclasses.replace(state, age=jnp.where(cell == before, state.age, jnp.uint8(0)))
    if spec.has("income"):
        paid = growth.income(params.income, cell, state.tenure, state.stake, draws.seed["income"], spec.num_agents)
        tally = dataclasses.replace(tally, payoff=tally.payoff + paid)
    if spec.has("trick"):
        on = (params.trick.site > 0).any()
        state = where_needed(on, lambda state: trick.play(spec, params, state, draws.seed["trick"]), state)
    if spec.has("nature"):
        period = params.nature.period
        due = (period > 0) & (state.step % jnp.maximum(period, 1) == 0)
        new = drawn(spec, params, draws.seed["nature"])
        state = dataclasses.replace(state, nature=jnp.where(due, new, state.nature))
    return state, tally


def lapse(spec: WorldSpec, params: EnvParams, state: EnvState) -> Array:
    """Drop the stakes of agents out of the game, and in cells whose item forgets them by now."""
    there = meeting.active(params, state)
    bit = spec.bit_of_each
    stake = state.stake & jnp.where(there, bit, bit.dtype.type(0)).sum(dtype=bit.dtype)
    if spec.has("lapse"):
        window = params.work.window[state.cell.reshape(-1)]
        stake = jnp.where((window > 0) & (state.age + 1 >= window), stake.dtype.type(0), stake)
    return stake


def first_state(spec: WorldSpec, params: EnvParams, seed: Array) -> Array:
    """[1] int32 the state of nature that an episode starts in."""
    return jnp.where(params.nature.first >= 0, params.nature.first, drawn(spec, params, seed))


def drawn(spec: WorldSpec, params: EnvParams, seed: Array) -> Array:
    """[1] int32 a fresh state of nature."""
    return noise.choice(noise.bits(seed, (1,)), params.nature.count.astype(jnp.uint32)).astype(jnp.int32)
