"""What agents do to what is ahead of them, and to each other."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import beams, meeting, rules
from softsim.envs.body import MESSAGE
from softsim.envs.draws import Draws
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.envs.skipping import for_agents, where_needed
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import NUM_MOVES
from softsim.types import Array


def fire(
    spec: WorldSpec,
    draws: Draws,
    params: EnvParams,
    state: EnvState,
    tally: Tally,
    alarm: Array,
    fires: Array,
    present: Array,
    action: Array,
) -> tuple[EnvState, Tally, Array]:
    """Fire: act, change the items struck, and let the agents struck feel it. Also: whether an alarm was raised."""
    law = params.beams
    beam = jnp.maximum(action - NUM_MOVES, 0)
    if spec.has("price"):
        tally = dataclasses.replace(tally, payoff=tally.payoff - jnp.where(fires, law.price[beam], 0.0))
    if spec.has("speech"):
        state = speak(spec, params, state, beam, fires)
    nowhere, rows, cells = state.cell.size, [], []
    if spec.has("act"):
        rows.append(jnp.where(fires, params.rules.fire[beam], 0).astype(jnp.int32)[:, None])
        cells.append(jnp.full_like(rows[-1], nowhere))
    if spec.beam_length:
        before, (row, where, reached) = state, shoot(spec, params, state, beam, fires, present)
        if spec.num_hits:
            rows.append(row)
            cells.append(where)
        state, tally, struck = beams.strike(spec, params, state, tally, beam, reached, present, draws.priority)
        if spec.has("hit"):
            row = jnp.where(struck, params.rules.hit[beam][:, params.role], 0).astype(jnp.int32)
            rows.append(rules.pick(row, rules.first_hits(row, spec.num_struck), 0))
            cells.append(jnp.full_like(rows[-1], nowhere))
        if spec.has("meet"):
            strikes = struck & (beam == params.meeting.alarm)[:, None] & meeting.active(params, before)[None]
            alarm = where_needed(
                strikes.any(), lambda _, state=state: meeting.witnessed(spec, params, state, strikes), alarm
            )
    if rows:
        row, where = jnp.concatenate(rows, 1), jnp.concatenate(cells, 1)
        state, tally = rules.apply(spec, params, state, tally, row, where, draws.seed["strike"], draws.priority)
    shot = fires[:, None] & (beam[:, None] == jnp.arange(len(spec.beams), dtype=jnp.int32)[None])
    pause = jnp.maximum(law.cooldown - 1, 0)[None]
    return dataclasses.replace(state, cooldown=jnp.where(shot, pause, state.cooldown)), tally, alarm


def shoot(
    spec: WorldSpec, params: EnvParams, state: EnvState, beam: Array, fires: Array, present: Array
) -> tuple[Array, Array, Array]:
    """Find what everybody's shots strike.

    Returns:
        [A, num_hits] int32 first rule rows to try and their cells, and [A, A] bool whom the rays of whom reach.
    """
    nowhere, stands = state.cell.size, jnp.where(present, state.position, state.cell.size)
    stood = jnp.zeros(nowhere, bool).at[stands].set(True, mode="drop")

    def of(agent):
        rays = beams.cast(spec, params, state, stood, agent, beam[agent], fires[agent])
        reached = (jnp.where(rays.struck, rays.cell, -1).reshape(-1, 1) == stands[None]).any(0)
        row = rules.lookup(params.rules, rules.STRUCK + beam[agent], rays.item, rays.struck).reshape(-1)
        hit = rules.first_hits(row, spec.num_hits)
        return rules.pick(row, hit, 0), rules.pick(rays.cell.reshape(-1), hit, nowhere), reached

    return for_agents(fires, of)


def speak(spec: WorldSpec, params: EnvParams, state: EnvState, beam: Array, fires: Array) -> EnvState:
    """Show a signal as a colour, and add it to what others hear."""
    says = jnp.where(fires, params.beams.says[beam], 0).astype(jnp.uint8)
    said = says[:, None] == 1 + jnp.arange(MESSAGE, dtype=jnp.uint8)[None]
    paint = jnp.where(says > 0, says, state.paint)
    return dataclasses.replace(state, paint=paint, message=state.message + said)
