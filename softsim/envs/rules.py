"""Event -> rule -> effects: a table lookup, conditions, and one gathered row, the same arithmetic for every rule."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import growth, noise
from softsim.envs.movement import first_claims
from softsim.envs.params import EnvParams, EnvState, Rules
from softsim.envs.sharing import add_up
from softsim.envs.skipping import for_agents, where_needed, while_needed
from softsim.envs.spec import WorldSpec
from softsim.types import Array, struct

KEEP = 255
"""Of what a row may change: it stays as it is. Of what it may ask for: anything will do."""

REDRAW = 254
"""In `Rules.turns`: nature draws its state anew."""

ENTER, TOUCH, FACE, STRUCK = 0, 1, 2, 3
"""Triggers; beam b is `STRUCK + b`."""

ANYBODYS, NOBODYS, MINE, OTHERS = KEEP, 0, 1, 2
"""In `Rules.relation`: whose the cell must be."""

TAKE, JOIN, DROP = 0, 1, 2
"""In `Rules.claim`: the actor's alone, the actor's too, nobody's."""


@struct
class Tally:
    """What a step has brought so far."""

    payoff: Array  # [A] float32
    events: Array  # [A, E] int32
    freeze: Array  # [A] int32   steps for which agents have frozen themselves
    exile: Array  # [A] int32   steps for which agents leave the map
    blight: Array  # [I] float32   probability with which items decay in this step
    met: Array  # [A, 2 G] float32   the two bags of an encounter, one's own first; -1 without one

    def count(self, event: Array, times: Array) -> Tally:
        """Add `times` [A] int32 occurrences of `event` [A] int32 (-1 for none)."""
        hit = event[:, None] == jnp.arange(self.events.shape[1], dtype=jnp.int32)[None]
        return dataclasses.replace(self, events=self.events + hit * times[:, None])

    def pay(self, own: Array, others: Array, present: Array) -> Tally:
        """Pay each agent `own` [A], and `others` [A] to every other agent of those present, [A] bool."""
        spread = jnp.where(present, others.sum() - others, 0.0)
        return dataclasses.replace(self, payoff=self.payoff + own + spread)


def blank(spec: WorldSpec) -> Tally:
    """A tally of a step in which nothing has happened yet."""
    nothing = jnp.zeros(spec.num_agents, jnp.int32)
    return Tally(
        payoff=nothing.astype(jnp.float32),
        events=jnp.zeros((spec.num_agents, len(spec.events)), jnp.int32),
        freeze=nothing,
        exile=nothing,
        blight=jnp.zeros(spec.num_items if spec.has("blight") else 0, jnp.float32),
        met=jnp.full((spec.num_agents, 2 * spec.num_slots if spec.has("encounter") else 0), -1.0, jnp.float32),
    )


def lookup(rules: Rules, trigger: Array, item: Array, active: Array) -> Array:
    """Find the first rule row to try for each event, 0 where not active. All arguments have the events' shape."""
    row = rules.lookup.reshape(-1)[trigger * rules.lookup.shape[1] + item]
    return jnp.where(active, row, 0).astype(jnp.int32)


def in_set(roles: Array, role: Array) -> Array:
    """Whether a role is in a set of roles, a byte whose bit r is role r."""
    return (roles.astype(jnp.int32) >> role) & 1 == 1


def at(values: Array, where: Array) -> Array:
    """Values [H * W] at cells, of which those beyond the map stand for the last."""
    return values[jnp.minimum(where, values.shape[0] - 1)]


def fits(
    spec: WorldSpec, params: EnvParams, state: EnvState, agent: Array, row: Array, where: Array, word: Array
) -> Array:
    """Whether the conditions of rows hold, as row 0 always does: all [Z], of one agent's events at cells `where`."""
    rules, role = params.rules, params.role[agent]
    met = jnp.ones(row.shape, bool)
    if spec.has("role"):
        met &= in_set(rules.roles[row], role)
    if spec.has("hand"):
        hand = rules.hand[row]
        met &= (hand == KEEP) | (hand == state.hand[agent])
    if spec.has("bag"):
        met &= state.bag[agent][rules.slot[row]] >= rules.least[row]
    if spec.has("stake"):
        asked, stake = rules.relation[row], at(state.stake, where)
        mine = (stake >> agent.astype(stake.dtype)) & 1
        relation = jnp.where(stake == 0, NOBODYS, jnp.where(mine == 1, MINE, OTHERS))
        met &= (asked == ANYBODYS) | (asked == relation)
    if spec.has("ripe"):
        met &= at(state.age, where) >= rules.ripe[row]
    if spec.has("nature"):
        asked = rules.nature[row]
        met &= (asked == KEEP) | (asked == state.nature[0])
    if spec.has("need"):
        met &= state.need[agent] >= rules.fit[row]
    if spec.has("present"):
        asked, there = rules.present[row], params.agent_mask & (state.removed == 0)
        roles = jnp.arange(spec.num_roles, dtype=jnp.int32)
        found = (there[:, None] & (params.role[:, None] == roles[None])).any(0)
        here = (found.astype(jnp.uint8) << roles.astype(jnp.uint8)).sum(dtype=jnp.uint8)
        met &= (asked == 0) | ((asked & here) > 0)
    if spec.has("chance"):
        met &= noise.happens(word, noise.threshold(rules.chance[row]))
    return met | (row == 0)


def choose(spec: WorldSpec, params: EnvParams, state: EnvState, row: Array, where: Array, seed: Array) -> Array:
    """Find the first row of each chain that fits, 0 for none.

    Args:
        row: [A, Z] int32 first rows to try; where: [A, Z] int32 cells, H * W for none; seed: [2] uint32.
    """
    if not spec.conditions:
        return row
    word = noise.bits(seed, row.shape) if spec.has("chance") else row

    def of(agent):
        def attempt(trying):
            row, _ = trying
            fit = fits(spec, params, state, agent, row, where[agent], word[agent])
            return jnp.where(fit, row, params.rules.otherwise[row].astype(jnp.int32)), ~fit.all()

        return while_needed(lambda trying: trying[1], attempt, (row[agent], (row[agent] > 0).any()))[0]

    return for_agents((row > 0).any(1), of)


def first_hits(row: Array, num_hits: int) -> Array:
    """Positions [..., num_hits] int32 of the first events that have a rule, of [..., Z]; Z where there are no more."""
    size = row.shape[-1]
    index, hits = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32), row.shape), []
    beyond = jnp.full((*row.shape[:-1], 1), -1, jnp.int32)
    for _ in range(num_hits):
        beyond = jnp.where((row > 0) & (index > beyond), index, size).min(-1, keepdims=True)
        hits.append(beyond)
    return jnp.concatenate(hits, -1) if hits else jnp.zeros((*row.shape[:-1], 0), jnp.int32)


def pick(values: Array, index: Array, missing: int) -> Array:
    """Values [..., Z] at positions [..., N], `missing` beyond them."""
    padding = [(0, 0)] * (values.ndim - 1) + [(0, 1)]
    return jnp.take_along_axis(jnp.pad(values, padding, constant_values=missing), index, -1)


def replace_cells(rules: Rules, row: Array, where: Array, cell: Array) -> Array:
    """Leave in the cells `where` what their rule rows say; the rows of one cell must be one row.

    Args:
        row, where: [...] int32 rule rows and flat cell indices.
        cell: [H * W] uint8.
    """
    item = rules.becomes[row]
    target = jnp.where((row > 0) & (item != KEEP), where, cell.shape[0])
    return cell.at[target.reshape(-1)].set(item.reshape(-1), mode="drop")


def changes_cell(spec: WorldSpec, rules: Rules, row: Array) -> Array:
    """Whether rows change the item in the cell or who has a stake in it, other than by joining in."""
    changes = rules.becomes[row] != KEEP
    if spec.has("stake"):
        changes = changes | (rules.claim[row] == TAKE) | (rules.claim[row] == DROP)
    return changes


def apply(
    spec: WorldSpec,
    params: EnvParams,
    state: EnvState,
    tally: Tally,
    row: Array,
    where: Array,
    seed: Array,
    priority: Array | None = None,
) -> tuple[EnvState, Tally]:
    """Let rule rows take effect.

    Args:
        row: [A, Z] int32 first rows to try, 0 where there is no event; where: [A, Z] int32 their cells, H * W for none.
        seed: [2] uint32, for the chances of rules.
        priority: [A] uint32, distinct: whose change of a cell counts, of several agents at it; None where all cells
            differ. Rows that change nothing in the cell take effect for everybody.
    """
    row = choose(spec, params, state, row, where, seed)
    first = row > 0
    if priority is not None:
        changes = first & changes_cell(spec, params.rules, row)
        first = first & ~changes | first_claims(where, changes, priority, state.cell.size)
    joins = (row > 0) & (params.rules.claim[row] == JOIN) if spec.has("stake") else jnp.zeros(row.shape, bool)
    state, tally = on_agents(spec, params, state, tally, jnp.where(first | joins, row, 0), seed)
    state = on_cells(spec, params, state, jnp.where(first, row, 0), where)
    if not spec.has("stake"):
        return state, tally

    def work(both):
        state, tally = both
        state = join(spec, state, joins, where)
        return complete(spec, params, state, tally, joins, where) if spec.has("work") else (state, tally)

    return where_needed(joins.any(), work, (state, tally))


def on_cells(spec: WorldSpec, params: EnvParams, state: EnvState, row: Array, where: Array) -> EnvState:
    """Change the cells that rule rows meet; one row per cell."""
    rules, size = params.rules, state.cell.size
    cell = replace_cells(rules, row, where, state.cell.reshape(-1)).reshape(state.cell.shape)
    state = dataclasses.replace(state, cell=cell)
    met = jnp.where(row > 0, where, size).reshape(-1)
    if spec.has("age"):
        state = dataclasses.replace(state, age=state.age.at[met].set(jnp.uint8(0), mode="drop"))
    if spec.has("stake"):
        claim = rules.claim[row]
        own = jnp.asarray(spec.bit_of_each)[:, None]
        stake = jnp.where(claim == TAKE, own, own.dtype.type(0)).reshape(-1)
        changed = jnp.where((row > 0) & ((claim == TAKE) | (claim == DROP)), where, size).reshape(-1)
        state = dataclasses.replace(state, stake=state.stake.at[changed].set(stake, mode="drop"))
    if spec.has("income"):
        claimed = jnp.where((row > 0) & (rules.claim[row] != KEEP), where, size).reshape(-1)
        state = dataclasses.replace(state, tenure=state.tenure.at[claimed].set(jnp.uint8(0), mode="drop"))
    return state


def on_agents(
    spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally, row: Array, seed: Array
) -> tuple[EnvState, Tally]:
    """Pay, freeze, count, and change what agents carry, for the rule rows of each agent, [A, Z] int32."""
    acts = (row > 0).any(1)
    sums = for_agents(acts, lambda agent: add_effects(spec, params, agent, row[agent]))
    tally = tally.pay(sums["reward"], sums["reward_others"], params.agent_mask & (state.removed == 0))
    tally = dataclasses.replace(
        tally, freeze=jnp.maximum(tally.freeze, sums["freeze"]), events=tally.events + sums["event"]
    )
    if spec.has("exile"):
        tally = dataclasses.replace(tally, exile=jnp.maximum(tally.exile, sums["exile"]))
    if spec.has("blight"):
        rate = jnp.where(row > 0, params.rules.blight_rate[row], 0.0).reshape(-1)
        item = params.rules.blight[row].astype(jnp.int32).reshape(-1)
        strike = lambda blight: blight.at[item].max(rate)  # noqa: E731
        tally = dataclasses.replace(tally, blight=where_needed((rate > 0).any(), strike, tally.blight))
    return carry_over(spec, params, state, sums, seed, tally)


def add_effects(spec: WorldSpec, params: EnvParams, agent: Array, row: Array) -> dict[str, Array]:
    """What rule rows, [Z] int32, together do to the agent, [] int32, that they are of; all 0 where all rows are.

    New bytes are 1 + the greatest that a row sets, 0 for none.
    """
    rules, acts = params.rules, row > 0

    def total(values, exact=True):  # floats are added in order, since reductions of them differ alone and in a batch
        values = jnp.where(acts.reshape(-1, *[1] * (values.ndim - 1)), values[row] if exact else values, 0)
        return values.sum(0) if values.dtype == jnp.int32 else add_up(values[None])[0]

    def greatest(values):
        return jnp.where(acts, values[row], 0).max()

    def new(values):
        return jnp.where(acts & (values[row] != KEEP), values[row].astype(jnp.int32) + 1, 0).max()

    reward = rules.reward[row]
    if spec.has("level"):
        reward = reward * jnp.where(rules.by_level[row], params.work.level[params.role[agent]], 1.0)
    event = jnp.where(acts, rules.event[row], -1)
    kinds = jnp.arange(len(spec.events), dtype=jnp.int32)
    sums = {
        "reward": total(reward, exact=False),
        "reward_others": total(rules.reward_others),
        "freeze": greatest(rules.freeze),
        "event": (event[None] == kinds[:, None]).sum(1, dtype=jnp.int32),
    }
    if spec.has("exile"):
        sums["exile"] = greatest(rules.exile)
    if spec.has("hand"):
        sums["hand"] = new(rules.holds)
    if spec.has("paint"):
        sums["paint"] = new(rules.paint)
    if spec.has("wash"):
        sums["wash"] = (acts & rules.wash[row]).any()
    if spec.has("bag"):
        sums["cash"], sums["gains"] = greatest(rules.cash), total(rules.gains)
    if spec.has("need"):
        sums["feeds"] = total(rules.feeds)
    if spec.has("debt"):
        sums["owes"] = total(rules.owes)
    if spec.has("spores"):
        sums["spores"] = total(rules.spores)
    if spec.has("nature"):
        sums["turns"] = new(rules.turns)
    if spec.has("goal"):
        sums["progress"] = total(rules.progress)
    return sums


def carry_over(
    spec: WorldSpec, params: EnvParams, state: EnvState, sums: dict[str, Array], seed: Array, tally: Tally
) -> tuple[EnvState, Tally]:
    """Change what agents have about them, and the state of the whole world, as `add_effects` says, leaves [A, ...]."""
    changes = {}
    if spec.has("hand"):
        changes["hand"] = renewed(sums["hand"], state.hand)
    if spec.has("paint"):
        changes["paint"] = renewed(sums["paint"], state.paint)
    if spec.has("wash"):

        def wash(paint):
            bound = noise.threshold(1.0 - growth.commonest(params.growth, state.cell))
            washed = sums["wash"] & noise.happens(noise.bits(seed, paint.shape), bound)
            return jnp.where(washed, jnp.uint8(0), paint)

        changes["paint"] = where_needed(sums["wash"].any(), wash, changes["paint"])
    if spec.has("bag"):
        cash = sums["cash"]
        worth = cash * state.bag.sum(1).astype(jnp.float32)
        tally = dataclasses.replace(tally, payoff=tally.payoff + worth)
        bag = jnp.where(cash[:, None] != 0, 0, state.bag) + sums["gains"]
        changes["bag"] = jnp.clip(bag, 0, params.bag.cap[None])
    if spec.has("need"):
        changes["need"] = jnp.clip(state.need + sums["feeds"], 0.0, params.need.most[params.role])
    if spec.has("debt"):
        changes["owed"] = state.owed + sums["owes"]
    if spec.has("spores"):
        changes["pending"] = state.pending + sums["spores"].sum(0)
    if spec.has("nature"):
        turned = sums["turns"].max()
        drawn = noise.choice(noise.mix(seed[0] ^ noise.mix(~seed[1])), params.nature.count.astype(jnp.uint32))
        new = jnp.where(turned == REDRAW + 1, drawn.astype(jnp.int32), turned - 1)
        changes["nature"] = jnp.where(turned > 0, new, state.nature)
    if spec.has("goal"):
        changes["progress"] = state.progress + sums["progress"].sum()
    return dataclasses.replace(state, **changes), tally


def renewed(new: Array, before: Array) -> Array:
    """Bytes [A] after rules have set new ones, given as 1 + the byte, 0 for none."""
    return jnp.where(new > 0, new - 1, before).astype(before.dtype)


def join(spec: WorldSpec, state: EnvState, joins: Array, where: Array) -> EnvState:
    """Give agents a stake beside those that others have: [A, Z] events, one per agent and cell."""
    bit = jnp.asarray(spec.bit_of_each)[:, None]
    new = jnp.where(joins, bit & ~at(state.stake, where), bit.dtype.type(0)).reshape(-1)
    target = jnp.where(joins, where, state.cell.size).reshape(-1)
    return dataclasses.replace(state, stake=state.stake.at[target].add(new, mode="drop"))


def complete(
    spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally, joins: Array, where: Array
) -> tuple[EnvState, Tally]:
    """Reward all who worked on a cell, [A, Z] int32 `where` they joined in, if together they are enough for it.

    An agent completes at most one thing in a step: of several, the first.
    """
    rules, work, num_agents, size = params.rules, params.work, spec.num_agents, state.cell.size
    bit, slot = jnp.asarray(spec.bit_of_each), jnp.arange(num_agents, dtype=jnp.uint32)
    level = jnp.where(params.agent_mask, work.level[params.role], 0.0)
    item = at(state.cell.reshape(-1), where).astype(jnp.int32)
    worked = (at(state.stake, where)[..., None] & bit[None, None]) > 0  # [A, Z, A]
    need = work.need[item]
    enough = joins & (need > 0) & (jnp.where(worked, level[None, None], 0.0).sum(-1) >= need)
    chosen = jnp.argmax(enough, 1, keepdims=True)
    where, item = (jnp.take_along_axis(each, chosen, 1) for each in (where, item))
    enough = first_claims(where, enough.any(1, keepdims=True), slot + 1, size)[:, 0]
    where = where[:, 0]
    row = jnp.where(enough, work.done[item[:, 0]], 0).astype(jnp.int32)  # [A], by who completes something
    party = jnp.where(enough, at(state.stake, where), bit.dtype.type(0))  # [A], as bits
    event = rules.event[row]

    def reward(both):
        state, tally = both
        workers = (party[:, None] & bit[None]) > 0  # [A, A]
        state = on_cells(spec, params, state, row[:, None], where[:, None])
        met = jnp.where(enough, where, size)
        state = dataclasses.replace(state, stake=state.stake.at[met].set(bit.dtype.type(0), mode="drop"))
        own = rules.reward[row][:, None] * jnp.where(rules.by_level[row][:, None], level[None], 1.0)
        kind = event[:, None] == jnp.arange(tally.events.shape[1], dtype=event.dtype)[None]  # [A, E]
        times = (workers[:, :, None] & kind[:, None]).sum(0, dtype=jnp.int32)
        payoff = tally.payoff + jnp.where(workers, own, 0.0).sum(0)
        return state, dataclasses.replace(tally, payoff=payoff, events=tally.events + times)

    return where_needed(enough.any(), reward, (state, tally))
