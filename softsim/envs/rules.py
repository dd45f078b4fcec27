"""Event -> rule -> effects: a table lookup, conditions, and one gathered row, the same arithmetic for every rule."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from softsim.envs import growth, noise
from softsim.envs.params import EnvParams, EnvState, Rules
from softsim.envs.sharing import add_up
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


def fits(spec: WorldSpec, params: EnvParams, state: EnvState, row: Array, where: Array, word: Array) -> Array:
    """Whether the conditions of rows hold: all [A, Z], of agents' events at cells `where`."""
    rules, role = params.rules, params.role[:, None]
    holds = jnp.ones(row.shape, bool)
    if spec.has("role"):
        holds &= in_set(rules.roles[row], role)
    if spec.has("hand"):
        hand = rules.hand[row]
        holds &= (hand == KEEP) | (hand == state.hand[:, None])
    if spec.has("bag"):
        holds &= jnp.take_along_axis(state.bag, rules.slot[row], 1) >= rules.least[row]
    if spec.has("stake"):
        asked, stake = rules.relation[row], at(state.stake, where)
        mine = (stake >> jnp.arange(spec.num_agents, dtype=jnp.uint32)[:, None]) & 1
        relation = jnp.where(stake == 0, NOBODYS, jnp.where(mine == 1, MINE, OTHERS))
        holds &= (asked == ANYBODYS) | (asked == relation)
    if spec.has("ripe"):
        holds &= at(state.age, where) >= rules.ripe[row]
    if spec.has("nature"):
        asked = rules.nature[row]
        holds &= (asked == KEEP) | (asked == state.nature[0])
    if spec.has("need"):
        holds &= state.need[:, None] >= rules.fit[row]
    if spec.has("present"):
        asked, there = rules.present[row], params.agent_mask & (state.removed == 0)
        roles = jnp.arange(spec.num_roles, dtype=jnp.int32)
        found = (there[:, None] & (params.role[:, None] == roles[None])).any(0)
        here = (found.astype(jnp.uint8) << roles.astype(jnp.uint8)).sum(dtype=jnp.uint8)
        holds &= (asked == 0) | ((asked & here) > 0)
    if spec.has("chance"):
        holds &= noise.happens(word, noise.threshold(rules.chance[row]))
    return holds


def choose(spec: WorldSpec, params: EnvParams, state: EnvState, row: Array, where: Array, seed: Array) -> Array:
    """Find the first row of each chain that fits, 0 for none.

    Args:
        row: [A, Z] int32 first rows to try; where: [A, Z] int32 cells, H * W for none; seed: [2] uint32.
    """
    if not spec.conditions:
        return row
    word = noise.bits(seed, row.shape) if spec.has("chance") else row

    def attempt(row, _):
        otherwise = params.rules.otherwise[row].astype(jnp.int32)
        return jnp.where(fits(spec, params, state, row, where, word), row, otherwise), None

    # A loop, since XLA would compute each try anew inside every use of the next. A chain ends in row 0, which fits.
    return jax.lax.scan(attempt, row, None, spec.num_tries)[0]


def first_hits(row: Array, num_hits: int) -> Array:
    """Positions [A, num_hits] int32 of the first events that have a rule, of [A, Z]; Z where there are no more."""
    index, size = jnp.arange(row.shape[1], dtype=jnp.int32)[None], row.shape[1]
    hits, beyond = [], jnp.full((row.shape[0], 1), -1, jnp.int32)
    for _ in range(num_hits):
        beyond = jnp.where((row > 0) & (index > beyond), index, size).min(1, keepdims=True)
        hits.append(beyond)
    return jnp.concatenate(hits, 1)


def pick(values: Array, index: Array, missing: int) -> Array:
    """Values [A, Z] at positions [A, N], `missing` beyond them."""
    return jnp.take_along_axis(jnp.pad(values, ((0, 0), (0, 1)), constant_values=missing), index, 1)


def replace_cells(rules: Rules, row: Array, where: Array, cell: Array) -> Array:
    """Leave in the cells `where` what their rule rows say; the rows of one cell must be one row.

    Args:
        row, where: [...] int32 rule rows and flat cell indices.
        cell: [H * W] uint8.
    """
    item = rules.becomes[row]
    target = jnp.where((row > 0) & (item != KEEP), where, cell.shape[0])
    return cell.at[target.reshape(-1)].set(item.reshape(-1), mode="drop")


def first_claims(cell: Array, claims: Array, priority: Array, num_cells: int) -> Array:
    """Keep, of the agents that claim one cell, the one of highest priority.

    Args:
        cell: [A, ...] int32; claims: [A, ...] bool; priority: [A] uint32, distinct and above 0.
    """
    shape = (-1,) + (1,) * (cell.ndim - 1)
    bid = jnp.where(claims, priority.reshape(shape), jnp.uint32(0))
    best = jnp.zeros(num_cells, jnp.uint32).at[cell.reshape(-1)].max(bid.reshape(-1), mode="drop")
    return claims & (at(best, cell) == bid)


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
    if spec.has("stake"):
        state = join(spec, state, joins, where)
    if spec.has("work"):
        state, tally = complete(spec, params, state, tally, joins, where)
    return state, tally


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
        own = jnp.uint32(1) << jnp.arange(spec.num_agents, dtype=jnp.uint32)[:, None]
        stake = jnp.where(claim == TAKE, own, jnp.uint32(0)).reshape(-1)
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
    rules, acts = params.rules, row > 0
    own = jnp.where(acts, rules.reward[row], 0.0)
    if spec.has("level"):
        own = own * jnp.where(rules.by_level[row], params.work.level[params.role][:, None], 1.0)
    others = add_up(jnp.where(acts, rules.reward_others[row], 0.0))
    tally = tally.pay(add_up(own), others, params.agent_mask & (state.removed == 0))
    freeze = jnp.where(acts, rules.freeze[row], 0).max(1)
    event = jnp.where(acts, rules.event[row], -1)
    hits = event[:, None, :] == jnp.arange(tally.events.shape[1], dtype=jnp.int32)[None, :, None]
    events = tally.events + hits.sum(2, dtype=jnp.int32)
    tally = dataclasses.replace(tally, freeze=jnp.maximum(tally.freeze, freeze), events=events)
    if spec.has("exile"):
        tally = dataclasses.replace(tally, exile=jnp.maximum(tally.exile, jnp.where(acts, rules.exile[row], 0).max(1)))
    if spec.has("blight"):
        rate = jnp.where(acts, rules.blight_rate[row], 0.0).reshape(-1)
        item = rules.blight[row].astype(jnp.int32).reshape(-1)
        tally = dataclasses.replace(tally, blight=tally.blight.at[item].max(rate))
    return carry_over(spec, params, state, row, seed, tally)


def changed(rule: Array, row: Array, before: Array) -> Array:
    """What the rows [A, Z] make of the agents' bytes [A]: the greatest value they set, or what was before."""
    new = jnp.where((row > 0) & (rule[row] != KEEP), rule[row].astype(jnp.int32) + 1, 0).max(1)
    return jnp.where(new > 0, new - 1, before).astype(before.dtype)


def carry_over(
    spec: WorldSpec, params: EnvParams, state: EnvState, row: Array, seed: Array, tally: Tally
) -> tuple[EnvState, Tally]:
    """Change what agents have about them, and the state of the whole world."""
    rules, acts, changes = params.rules, row > 0, {}
    if spec.has("hand"):
        changes["hand"] = changed(rules.holds, row, state.hand)
    if spec.has("paint"):
        changes["paint"] = changed(rules.paint, row, state.paint)
    if spec.has("wash"):
        bound = noise.threshold(1.0 - growth.commonest(params.growth, state.cell))
        washed = (acts & rules.wash[row]).any(1) & noise.happens(noise.bits(seed, row.shape[:1]), bound)
        changes["paint"] = jnp.where(washed, jnp.uint8(0), changes["paint"])
    if spec.has("bag"):
        cash = jnp.where(acts, rules.cash[row], 0.0).max(1)
        worth = cash * state.bag.sum(1).astype(jnp.float32)
        tally = dataclasses.replace(tally, payoff=tally.payoff + worth)
        bag = jnp.where(cash[:, None] != 0, 0, state.bag)
        bag = bag + jnp.where(acts[..., None], rules.gains[row], 0).sum(1)
        changes["bag"] = jnp.clip(bag, 0, params.bag.cap[None])
    if spec.has("need"):
        fed = state.need + jnp.where(acts, rules.feeds[row], 0.0).sum(1)
        changes["need"] = jnp.clip(fed, 0.0, params.need.most[params.role])
    if spec.has("debt"):
        changes["owed"] = state.owed + jnp.where(acts, rules.owes[row], 0.0).sum(1)
    if spec.has("spores"):
        changes["pending"] = state.pending + jnp.where(acts[..., None], rules.spores[row], 0).sum((0, 1))
    if spec.has("nature"):
        turned = jnp.where(acts & (rules.turns[row] != KEEP), rules.turns[row].astype(jnp.int32) + 1, 0).max()
        drawn = noise.choice(noise.mix(seed[0] ^ noise.mix(~seed[1])), params.nature.count.astype(jnp.uint32))
        new = jnp.where(turned == REDRAW + 1, drawn.astype(jnp.int32), turned - 1)
        changes["nature"] = jnp.where(turned > 0, new, state.nature)
    if spec.has("goal"):
        changes["progress"] = state.progress + jnp.where(acts, rules.progress[row], 0).sum()
    return dataclasses.replace(state, **changes), tally


def join(spec: WorldSpec, state: EnvState, joins: Array, where: Array) -> EnvState:
    """Give agents a stake beside those that others have: [A, Z] events, one per agent and cell."""
    bit = jnp.uint32(1) << jnp.arange(spec.num_agents, dtype=jnp.uint32)[:, None]
    new = jnp.where(joins, bit & ~at(state.stake, where), jnp.uint32(0)).reshape(-1)
    target = jnp.where(joins, where, state.cell.size).reshape(-1)
    return dataclasses.replace(state, stake=state.stake.at[target].add(new, mode="drop"))


def complete(
    spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally, joins: Array, where: Array
) -> tuple[EnvState, Tally]:
    """Reward all who worked on a cell, [A, Z] int32 `where` they joined in, if together they are enough for it.

    An agent completes at most one thing in a step: of several, the first.
    """
    rules, work, num_agents, size = params.rules, params.work, spec.num_agents, state.cell.size
    slot = jnp.arange(num_agents, dtype=jnp.uint32)
    level = jnp.where(params.agent_mask, work.level[params.role], 0.0)
    item = at(state.cell.reshape(-1), where).astype(jnp.int32)
    worked = (at(state.stake, where)[..., None] >> slot[None, None]) & 1 == 1  # [A, Z, A]
    need = work.need[item]
    enough = joins & (need > 0) & (jnp.where(worked, level[None, None], 0.0).sum(-1) >= need)
    chosen = jnp.argmax(enough, 1, keepdims=True)
    where, item = (jnp.take_along_axis(each, chosen, 1) for each in (where, item))
    enough = first_claims(where, enough.any(1, keepdims=True), slot + 1, size)
    row = jnp.where(enough, work.done[item], 0).astype(jnp.int32)  # [A, 1]
    workers = ((at(state.stake, where) >> slot[None]) & 1 == 1) & enough  # [A, A]
    state = on_cells(spec, params, state, row, where)
    met = jnp.where(enough, where, size).reshape(-1)
    state = dataclasses.replace(state, stake=state.stake.at[met].set(jnp.uint32(0), mode="drop"))
    own = rules.reward[row] * jnp.where(rules.by_level[row], level[None], 1.0)
    kind = rules.event[row] == jnp.arange(tally.events.shape[1], dtype=jnp.int32)[None]  # [A, E]
    # A matrix product, since XLA would work the chain above out anew for every pair of agent and event.
    times = jnp.dot(workers.T.astype(jnp.float32), kind.astype(jnp.float32)).astype(jnp.int32)
    payoff = tally.payoff + jnp.where(workers, own, 0.0).sum(0)
    return state, dataclasses.replace(tally, payoff=payoff, events=tally.events + times)
