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
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import WALL
from softsim.types import Array, struct


@struct
class Rays:
    """The cells in front of each agent, by lane (left to right) and depth (near to far)."""

    cell: Array  # [A, lanes, depth] int32   flat index
    item: Array  # [A, lanes, depth] int32
    struck: Array  # [A, lanes, depth] bool   cells the beam reaches, each once


def offsets(length: int, half_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells ahead and to the right of the shooter, each [lanes, depth] int32."""
    lane = np.arange(-half_width, half_width + 1, dtype=np.int32)[:, None]
    depth = np.arange(1, length + 1, dtype=np.int32)[None]
    sideways = np.minimum(depth, np.abs(lane))
    return depth - sideways, np.sign(lane) * sideways


def cast(spec: WorldSpec, params: EnvParams, state: EnvState, beam: Array, fires: Array, present: Array) -> Rays:
    """Follow the rays of every agent's chosen beam until something stops them.

    Args:
        beam: [A] int32 the beam each agent fires; fires: [A] bool whether it does; present: [A] bool who is on the map.
    """
    law, position = params.beams, state.position
    ahead, right = (jnp.asarray(offset)[None] for offset in offsets(spec.beam_length, spec.beam_half_width))
    row_ahead, column_ahead = (d[:, None, None] for d in direction(state.heading))
    row_right, column_right = (d[:, None, None] for d in direction(state.heading + 1))
    row = (position // spec.width)[:, None, None] + ahead * row_ahead + right * row_right
    column = (position % spec.width)[:, None, None] + ahead * column_ahead + right * column_right
    index, inside = cells(spec, params.layout, row, column)
    item = jnp.where(inside, state.cell.reshape(-1)[index], WALL).astype(jnp.int32)

    stands = (index[..., None] == position[None, None, None]) & (inside[..., None] & present[None, None, None])
    num_items = law.stops.shape[1]
    stops = law.stops.reshape(-1)[beam[:, None, None] * num_items + item]
    stops = stops | (stands.any(-1) & law.strikes_agents[beam][:, None, None])

    lane = jnp.abs(jnp.arange(-spec.beam_half_width, spec.beam_half_width + 1, dtype=jnp.int32))[None, :, None]
    depth = jnp.arange(spec.beam_length, dtype=jnp.int32)[None, None]
    struck = (lane <= law.half_width[beam][:, None, None]) & (depth < law.length[beam][:, None, None])
    # The way sideways is shared by all lanes of a side: its cells belong to the nearest of them.
    struck = struck & inside & fires[:, None, None] & (depth + 1 >= lane)
    open_so_far = [jnp.ones_like(struck[..., 0])]
    for d in range(spec.beam_length - 1):
        open_so_far.append(open_so_far[-1] & ~stops[..., d])
    return Rays(index, item, struck & jnp.stack(open_so_far, -1))


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
    rays: Rays,
    present: Array,
    priority: Array,
) -> tuple[EnvState, Tally, Array]:
    """Mark, freeze, remove, fine, give to and meet the agents struck; also returns who struck whom, [A, A] bool."""
    law, num_agents = params.beams, spec.num_agents
    reached = jnp.where(rays.struck, rays.cell, -1).reshape(num_agents, -1, 1)
    stands = jnp.where(present, state.position, -2)
    struck = (reached == stands[None, None]).any(1) & law.strikes_agents[beam][:, None]
    if spec.has("role"):
        struck = struck & in_set(law.targets[beam, params.role][:, None], params.role[None])
    if spec.has("guard"):
        struck = struck & ~guarded(spec, params, state, beam, present)
    if spec.has("gift"):
        state, struck = give(spec, params, state, beam, struck)
    if spec.has("encounter"):
        state, tally, struck = encounter.meet(params, state, tally, law.meets[beam], struck, priority)
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


def give(spec: WorldSpec, params: EnvParams, state: EnvState, beam: Array, struck: Array) -> tuple[EnvState, Array]:
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
