"""What a beam strikes.

A beam of length L and half-width R is 2R + 1 rays, the geometry of Melting Pot's `hitBeam`. The ray of lane x goes
|x| cells sideways and then L - |x| cells ahead, so every ray has L cells, and a ray that is blocked sideways has no
continuation. A ray ends at the first cell that stops it; that cell is struck too.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from softsim.envs import encounter, needs
from softsim.envs.movement import apart, cells, direction
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally, in_set
from softsim.envs.skipping import where_needed
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import WALL
from softsim.types import Array, struct


@struct
class Rays:
    """The cells in front of an agent, by lane (left to right) and depth (near to far)."""

    cell: Array  # [lanes, depth] int32   flat index
    item: Array  # [lanes, depth] int32
    struck: Array  # [lanes, depth] bool   cells the beam reaches, each once


def offsets(length: int, half_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells ahead and to the right of the shooter, each [lanes, depth] int32."""
    lane = np.arange(-half_width, half_width + 1, dtype=np.int32)[:, None]
    depth = np.arange(1, length + 1, dtype=np.int32)[None]
    sideways = np.minimum(depth, np.abs(lane))
    return depth - sideways, np.sign(lane) * sideways


def cast(
    spec: WorldSpec, params: EnvParams, state: EnvState, stood: Array, agent: Array, beam: Array, fires: Array
) -> Rays:
    """Follow the rays of an agent's beam until something stops them.

    Args:
        stood: [H * W] bool cells where agents stand.
        agent, beam: [] int32; fires: [] bool whether the agent fires it.
    """
    law, position, heading = params.beams, state.position[agent], state.heading[agent]
    ahead, right = (jnp.asarray(offset) for offset in offsets(spec.beam_length, spec.beam_half_width))
    (row_ahead, column_ahead), (row_right, column_right) = direction(heading), direction(heading + 1)
    row = position // spec.width + ahead * row_ahead + right * row_right
    column = position % spec.width + ahead * column_ahead + right * column_right
    index, inside = cells(spec, params.layout, row, column)
    item = jnp.where(inside, state.cell.reshape(-1)[index], WALL).astype(jnp.int32)
    stops = law.stops[beam][item] | (stood[index] & inside & law.strikes_agents[beam])

    lane = jnp.abs(jnp.arange(-spec.beam_half_width, spec.beam_half_width + 1, dtype=jnp.int32))[:, None]
    depth = jnp.arange(spec.beam_length, dtype=jnp.int32)[None]
    struck = (lane <= law.half_width[beam]) & (depth < law.length[beam]) & inside & fires
    # The way sideways is shared by all lanes of a side: its cells belong to the nearest of them.
    struck = struck & (depth + 1 >= lane)
    end = jnp.where(stops, depth, spec.beam_length).min(1, keepdims=True)
    return Rays(index, item, struck & (depth <= end))


def guarded(spec: WorldSpec, params: EnvParams, state: EnvState, beam: Array, present: Array) -> Array:
    """[A, A] bool: whom strikers (rows) cannot harm, because more of its role than of theirs are near it.

    The exhausted, in the lowest band of stamina, and those busy with what they are owed do not count.
    """
    down, across = apart(spec, params.layout, state.position[:, None], state.position[None])
    near = (down**2 + across**2)[None] <= (params.beams.guard[beam] ** 2)[:, None, None]  # [striker, struck, other]
    counts = present
    if spec.has("need"):
        counts = counts & ((needs.bands(params, state) < 3) | (params.need.most[params.role] == 0))
    if spec.has("debt"):
        counts = counts & (state.owed == 0)
    near = near & counts[None, None]
    alike = params.role[:, None] == params.role[None]
    friends = (near & alike[None]).sum(-1, dtype=jnp.int32)
    foes = (near & alike[:, None]).sum(-1, dtype=jnp.int32)
    return (params.beams.guard[beam] > 0)[:, None] & (friends > foes)


def strike(
    spec: WorldSpec,
    params: EnvParams,
    state: EnvState,
    tally: Tally,
    beam: Array,
    reached: Array,
    present: Array,
    priority: Array,
) -> tuple[EnvState, Tally, Array]:
    """Mark, freeze, remove, fine, give to and meet the agents struck.

    Args:
        beam: [A] int32 of each striker; reached: [A, A] bool whom its rays reach; present: [A] bool.

    Returns:
        The state, the tally, and who struck whom, [A, A] bool.
    """
    law = params.beams
    struck = reached & law.strikes_agents[beam][:, None]
    if spec.has("role"):
        struck = struck & in_set(law.targets[beam, params.role][:, None], params.role[None])
    if spec.has("guard"):
        struck = where_needed(
            (law.guard > 0).any(), lambda struck: struck & ~guarded(spec, params, state, beam, present), struck
        )
    if spec.has("gift"):
        gives = lambda both: give(spec, params, *both, beam)  # noqa: E731
        state, struck = where_needed(law.gives.any(), gives, (state, struck))
    if spec.has("encounter"):
        meets = law.meets[beam]
        state, tally, struck = where_needed(
            (struck & meets[:, None]).any(),
            lambda given: encounter.meet(params, *given, meets, priority),
            (state, tally, struck),
        )
    times = struck.sum(1, dtype=jnp.int32)
    tally = dataclasses.replace(
        tally, payoff=tally.payoff + jnp.where(times > 0, law.reward[beam] * times.astype(jnp.float32), 0.0)
    ).count(law.event[beam], times)
    freezes = removes = fines = struck
    if spec.has("mark"):
        gradual, marked = (law.mark_for[beam] > 0)[:, None], (state.mark > 0)[None]
        freezes, removes = struck & ~(gradual & marked), struck & ~(gradual & ~marked)
        fines = removes
        marks = jnp.where(struck & gradual & ~marked, law.mark_for[beam][:, None], 0).max(0)
        cleared = (struck & gradual & marked).any(0)
        state = dataclasses.replace(state, mark=jnp.where(cleared, 0, jnp.maximum(state.mark, marks)))
    suffered = jnp.where(fines, law.fine[beam][:, None], 0.0).sum(0)
    removed = jnp.where(removes, law.removes_for[beam][:, None], 0).max(0)
    frozen = jnp.where(freezes, law.freezes_for[beam][:, None], 0).max(0)
    state = dataclasses.replace(
        state, removed=jnp.maximum(state.removed, removed), frozen=jnp.maximum(state.frozen, frozen)
    )
    return state, dataclasses.replace(tally, payoff=tally.payoff + suffered), struck


def give(spec: WorldSpec, params: EnvParams, state: EnvState, struck: Array, beam: Array) -> tuple[EnvState, Array]:
    """Pass a token of the last slot that has one to the first agent struck; strikes with nothing to give are none."""
    bag, gives = params.bag, params.beams.gives[beam]
    slots = jnp.arange(spec.num_slots, dtype=jnp.int32)
    slot = jnp.where(state.bag > 0, slots[None] + 1, 0).max(1) - 1  # [A], -1 for an empty bag
    gift = struck & (gives & (slot >= 0))[:, None]
    gift = gift & (jnp.cumsum(gift, 1, dtype=jnp.int32) == 1)
    into = (bag.gift_to[slot][:, None] == slots[None]) * bag.gift_amount[slot][:, None]  # [A, G] per giver
    out = (slot[:, None] == slots[None]) & gift.any(1)[:, None]
    received = jnp.where(gift[..., None], into[:, None], 0).sum(0)
    held = jnp.minimum(state.bag - out + received, bag.cap[None])
    return dataclasses.replace(state, bag=held), jnp.where(gives[:, None], gift, struck)
