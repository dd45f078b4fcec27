"""Maps made on the device: random walls, what can be reached between them, sites, and cells to appear on.

Everything that says what a map is like is data (`Plan`); only the grid and the number of spawn rows are static, so
that maps of many sizes are made side by side, in one program.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.vocabulary import FLOOR, WALL
from softsim.types import Array, UserError, struct

MAX_WIDTH = 32
"""Columns of a grid: those of one row are the bits of a word."""


@struct
class Plan:
    """What a map should be like; the letter S counts classes of sites."""

    height: Array  # [] int32   rows in use, in the upper left part of the grid; beyond them all is wall
    width: Array  # [] int32
    torus: Array  # [] bool   the map's edges meet
    walls: Array  # [] float32   probability that a cell is wall, 0 to below 1
    sites: Array  # [S] float32   share of the cells that remain beside the spawn cells, per class; at most 1 in all
    stock: Array  # [] float32   share of the cells of each class that hold something at first
    spawns: Array  # [] int32   cells to appear on


@struct
class Map:
    """A map whose open cells can all be reached from one another."""

    cell: Array  # [H, W] uint8   `FLOOR` or `WALL`
    site: Array  # [H, W] uint8   0 for none, else 1 + the class
    stocked: Array  # [H, W] bool   sites that hold something at first
    spawn: Array  # [X] int32   distinct flat cells without a site; 0 beyond the mask
    spawn_mask: Array  # [X] bool   rows in use
    lost: Array  # [] int32   open cells that were walled up because they could not be reached


def within(shape: tuple[int, int], plan: Plan) -> Array:
    """Cells of the grid that the map has, [H, W] bool."""
    row, column = (jnp.arange(size, dtype=jnp.int32) for size in shape)
    return (row < plan.height)[:, None] & (column < plan.width)[None]


def pack(cells: Array) -> Array:
    """Write each row of a set of cells, [H, W] bool, as a word, [H] uint32, whose bit c is column c."""
    bit = jnp.uint32(1) << jnp.arange(cells.shape[1], dtype=jnp.uint32)
    return jnp.where(cells, bit[None], jnp.uint32(0)).sum(1, dtype=jnp.uint32)


def beside(word: Array, height: Array, width: Array, torus: Array) -> Array:
    """Cells next to any of a set, both [H] uint32 as `pack` writes them, and across the edges too where they meet.

    Cells found beyond `width` mean nothing.
    """
    row, none = jnp.arange(word.shape[0], dtype=jnp.int32), jnp.zeros(1, jnp.uint32)
    near = (word << 1) | (word >> 1) | jnp.append(none, word[:-1]) | jnp.append(word[1:], none)
    edge = (width - 1).astype(jnp.uint32)
    first, last = row == 0, row == height - 1
    lowest = jnp.where(last, word, jnp.uint32(0)).sum(dtype=jnp.uint32)
    across = (word >> edge) | ((word & 1) << edge)
    across = across | jnp.where(first, lowest, jnp.uint32(0)) | jnp.where(last, word[0], jnp.uint32(0))
    return near | jnp.where(torus, across, jnp.uint32(0))


def reach(free: Array, start: Array, height: Array, width: Array, torus: Array, rounds: int) -> Array:
    """Find what lies within so many steps of a set of cells, [H, W] bool, on free cells alone.

    Args:
        free, start: [H, W] bool, within `height` and `width`, each [] int32. Whatever `rounds` is, each cell found is
            connected to the start through cells that were found.
    """
    if free.shape[1] > MAX_WIDTH:
        raise UserError(f"map: its width is {free.shape[1]}; at most {MAX_WIDTH} is allowed.")
    allowed = pack(free)

    def spread(_: Array, found: Array) -> Array:
        return found | (beside(found, height, width, torus) & allowed)

    # A row is one word, so that a round is a few operations on as many numbers as there are rows.
    found = jax.lax.fori_loop(0, rounds, spread, pack(start) & allowed)
    column = jnp.arange(free.shape[1], dtype=jnp.uint32)
    return (found[:, None] >> column[None]) & 1 == 1


def enough_rounds(shape: tuple[int, int]) -> int:
    """Steps that reach all of nearly every map of a grid, and of every open one."""
    return 2 * (shape[0] + shape[1])


def generate(key: Array, plan: Plan, shape: tuple[int, int], num_spawns: int) -> Map:
    """Draw a map: walls, then one of the open regions, then sites and spawn cells in it.

    Args:
        shape: the grid's height and width; num_spawns: X, at least `plan.spawns`.
    """
    return furnish(carve(key, plan, plan.walls, shape), plan, num_spawns)


@struct
class Room:
    """An open region, before anything is put there."""

    kept: Array  # [H, W] bool   its cells
    ticket: Array  # [H, W] uint32   distinct random words above 0, which order the cells
    lost: Array  # [] int32   other open cells


def carve(key: Array, plan: Plan, walls: Array, shape: tuple[int, int]) -> Room:
    """Draw walls, each cell with the same probability, and keep one of the open regions.

    A region is as likely as it is large, since it is the one around a random open cell; the others are walled up, as
    is what of it lies further than `enough_rounds` from that cell.
    """
    seed, size = jax.random.bits(key, (2, 2), jnp.uint32), shape[0] * shape[1]
    free = within(shape, plan) & ~noise.happens(noise.bits(seed[0], shape), noise.threshold(walls))
    index = jnp.arange(1, size + 1, dtype=jnp.uint32)
    low = jnp.uint32((1 << size.bit_length()) - 1)
    ticket = ((noise.bits(seed[1], (size,)) & ~low) | index).reshape(shape)
    bid = jnp.where(free, ticket, jnp.uint32(0))
    kept = reach(free, bid == bid.max(), plan.height, plan.width, plan.torus, enough_rounds(shape))
    return Room(kept, ticket, (free & ~kept).sum(dtype=jnp.int32))


def furnish(room: Room, plan: Plan, num_spawns: int) -> Map:
    """Put spawn cells and sites into a region: so many of each, on random cells."""
    shape, size = room.kept.shape, room.kept.size
    bid = jnp.where(room.kept, room.ticket, jnp.uint32(0)).reshape(-1)
    order = jnp.argsort(bid, descending=True).astype(jnp.int32)
    left = room.kept.sum(dtype=jnp.int32) - plan.spawns
    rank = jnp.arange(size, dtype=jnp.int32)
    kind, stocked = deal(plan, rank - plan.spawns, left)
    spawn_mask = rank[:num_spawns] < plan.spawns + jnp.minimum(left, 0)
    return Map(
        cell=jnp.where(room.kept, FLOOR, WALL).astype(jnp.uint8),
        site=jnp.zeros(size, jnp.uint8).at[order].set(kind).reshape(shape),
        stocked=jnp.zeros(size, bool).at[order].set(stocked).reshape(shape),
        spawn=jnp.where(spawn_mask, order[:num_spawns], 0),
        spawn_mask=spawn_mask,
        lost=room.lost,
    )


def quota(plan: Plan, left: Array) -> Array:
    """Cells that each class of sites gets of those left beside the spawn cells, [] int32: [S] int32.

    That is its share, rounded down, but at least one unless the share is 0.
    """
    share = jnp.floor(plan.sites * jnp.maximum(left, 0).astype(jnp.float32)).astype(jnp.int32)
    return jnp.where(plan.sites > 0, jnp.maximum(share, 1), 0)


def deal(plan: Plan, rank: Array, left: Array) -> tuple[Array, Array]:
    """Deal shuffled cells out to the classes of sites, one class after another.

    Args:
        rank: [N] int32 places of the cells in the shuffled order; those from 0 to below `left`, [] int32, are dealt.

    Returns:
        [N] uint8 site, 0 for none; [N] bool whether the site holds something at first: a share of each class does,
        rounded up.
    """
    count = quota(plan, left)
    end = jnp.cumsum(count, dtype=jnp.int32)
    mine = (rank[:, None] >= (end - count)[None]) & (rank[:, None] < end[None])  # [N, S]
    mine = mine & (rank < left)[:, None]
    held = jnp.ceil(plan.stock * count.astype(jnp.float32)).astype(jnp.int32)
    stocked = mine & (rank[:, None] < (end - count + held)[None])
    kind = jnp.where(mine, 1 + jnp.arange(plan.sites.shape[0], dtype=jnp.uint8)[None], jnp.uint8(0))
    return kind.max(1), stocked.any(1)


def propose(key: Array, plan: Plan, shape: tuple[int, int], num_spawns: int, num_proposals: int) -> Map:
    """Draw a few maps and take the first with room for all that is planned and at least half of its open cells.

    Where there is none, the map is an open room: one without walls. A map with room for all is never `degenerate`,
    since whatever is kept can be reached from one another.
    """
    walls = jnp.append(jnp.broadcast_to(plan.walls, (num_proposals,)), jnp.float32(0.0))

    def attempt(key: Array, walls: Array) -> tuple[Room, Array]:
        room = carve(key, plan, walls, shape)
        size = room.kept.sum(dtype=jnp.int32)
        left = size - plan.spawns
        return room, (left >= quota(plan, left).sum(dtype=jnp.int32)) & (room.lost <= size)

    rooms, fine = jax.vmap(attempt)(jax.random.split(key, num_proposals + 1), walls)
    first = jnp.argmax(fine.at[-1].set(True))
    return furnish(jax.tree.map(lambda leaf: leaf[first], rooms), plan, num_spawns)


def degenerate(drawn: Map, plan: Plan) -> Array:
    """Say whether a map cannot be played on, [] bool.

    It can where there are as many spawn cells as planned, all of them and some site of every planned class can be
    reached from one another, and of these sites some hold something at first if anything should.
    """
    height, width = drawn.cell.shape
    shape = (height, width)
    free = (drawn.cell != WALL) & within(shape, plan)
    start = (jnp.arange(free.size, dtype=jnp.int32) == drawn.spawn[0]).reshape(shape) & drawn.spawn_mask[0]
    # From the cell where a map begins, all else is within `enough_rounds`; from a spawn cell, within twice that.
    found = reach(free, start, plan.height, plan.width, plan.torus, 2 * enough_rounds(shape))
    spawns = drawn.spawn_mask & found.reshape(-1)[drawn.spawn]
    kind = 1 + jnp.arange(plan.sites.shape[0], dtype=jnp.uint8)
    there = found[..., None] & (drawn.site[..., None] == kind[None, None])  # [H, W, S]
    missing = (plan.sites > 0) & ~there.any((0, 1))
    bare = (plan.sites > 0) & (plan.stock > 0) & ~(there & drawn.stocked[..., None]).any((0, 1))
    return (spawns.sum(dtype=jnp.int32) < plan.spawns) | (drawn.spawn_mask & ~spawns).any() | missing.any() | bare.any()
