"""What a beam strikes.

A beam of length L and half-width R is 2R + 1 rays, the geometry of Melting Pot's `hitBeam`. The ray of lane x goes
|x| cells sideways and then L - |x| cells ahead, so every ray has L cells, and a ray that is blocked sideways has no
continuation. A ray ends at the first cell that stops it; that cell is struck too.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from softsim.envs.movement import direction
from softsim.envs.params import Beams
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


def cast(
    shape: tuple[int, int],
    reach: tuple[int, int],
    beams: Beams,
    beam: Array,
    fires: Array,
    position: Array,
    heading: Array,
    present: Array,
    cell: Array,
) -> Rays:
    """Follow the rays of every agent's chosen beam until something stops them.

    Args:
        shape: height and width of the grid.
        reach: greatest length and half-width of any beam.
        beam: [A] int32 the beam each agent fires; fires: [A] bool whether it does.
        position: [A] int32; heading: [A] int32; present: [A] bool agents on the map.
        cell: [H * W] uint8 items.
    """
    height, width = shape
    ahead, right = (jnp.asarray(offset)[None] for offset in offsets(*reach))
    row_ahead, column_ahead = (d[:, None, None] for d in direction(heading))
    row_right, column_right = (d[:, None, None] for d in direction(heading + 1))
    row = (position // width)[:, None, None] + ahead * row_ahead + right * row_right
    column = (position % width)[:, None, None] + ahead * column_ahead + right * column_right
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    index = jnp.where(inside, row * width + column, 0)
    item = jnp.where(inside, cell[index], WALL).astype(jnp.int32)

    stands = (index[..., None] == position[None, None, None]) & (inside[..., None] & present[None, None, None])
    num_items = beams.stops.shape[1]
    stops = beams.stops.reshape(-1)[beam[:, None, None] * num_items + item]
    stops = stops | (stands.any(-1) & beams.strikes_agents[beam][:, None, None])

    lane = jnp.abs(jnp.arange(-reach[1], reach[1] + 1, dtype=jnp.int32))[None, :, None]
    depth = jnp.arange(reach[0], dtype=jnp.int32)[None, None]
    struck = (lane <= beams.half_width[beam][:, None, None]) & (depth < beams.length[beam][:, None, None])
    # The way sideways is shared by all lanes of a side: its cells belong to the nearest of them.
    struck = struck & inside & fires[:, None, None] & (depth + 1 >= lane)
    open_so_far = [jnp.ones_like(struck[..., 0])]
    for d in range(reach[0] - 1):
        open_so_far.append(open_so_far[-1] & ~stops[..., d])
    return Rays(index, item, struck & jnp.stack(open_so_far, -1))


def first_claims(cell: Array, claims: Array, priority: Array, num_cells: int) -> Array:
    """Keep, of the agents that claim one cell, the one of highest priority.

    Args:
        cell: [A, ...] int32; claims: [A, ...] bool; priority: [A] uint32, distinct and above 0.
    """
    shape = (-1,) + (1,) * (cell.ndim - 1)
    bid = jnp.where(claims, priority.reshape(shape), jnp.uint32(0))
    best = jnp.zeros(num_cells, jnp.uint32).at[cell.reshape(-1)].max(bid.reshape(-1))
    return claims & (best[cell] == bid)
