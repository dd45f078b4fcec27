"""Who gets which cell when all move at once.

Given distinct positions, the cells after a move are distinct too. An agent that stays keeps its cell; of several that
want one cell a random one wins; a cell is free for its winner only if its occupant leaves it, so trains and rotations
of three or more move as one, and two that would swap both stay.
"""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs.params import Layout
from softsim.envs.spec import WorldSpec
from softsim.types import Array


def direction(heading: Array) -> tuple[Array, Array]:
    """Rows and columns of one step along a heading (0 north, 1 east, 2 south, 3 west)."""
    heading = heading & 3
    vertical, sign = heading & 1 == 0, (heading >> 1) * 2 - 1
    return jnp.where(vertical, sign, 0), jnp.where(vertical, 0, -sign)


def cells(spec: WorldSpec, layout: Layout, row: Array, column: Array) -> tuple[Array, Array]:
    """Flat cell at rows and columns, and whether they are on the map; where its edges meet, all near it are."""
    if spec.has("torus"):
        wrapped_row, wrapped_column = wrap(row, layout.height), wrap(column, layout.width)
        row = jnp.where(layout.torus, wrapped_row, row)
        column = jnp.where(layout.torus, wrapped_column, column)
    inside = (row >= 0) & (row < spec.height) & (column >= 0) & (column < spec.width)
    return jnp.where(inside, row * spec.width + column, 0), inside


def wrap(place: Array, size: Array) -> Array:
    """Bring a coordinate back between 0 and `size`."""
    return place - size * jnp.floor_divide(place, size)


def apart(spec: WorldSpec, layout: Layout, position: Array, cell: Array) -> tuple[Array, Array]:
    """Rows and columns from flat cells to others, the short way round."""
    row, column = cell // spec.width - position // spec.width, cell % spec.width - position % spec.width
    if spec.has("torus"):
        row = jnp.where(layout.torus, around(row, layout.height), row)
        column = jnp.where(layout.torus, around(column, layout.width), column)
    return row, column


def around(difference: Array, size: Array) -> Array:
    """The shorter of two ways between coordinates on a ring."""
    half = size // 2
    return wrap(difference + half, size) - half


def resolve(position: Array, target: Array, mover: Array, present: Array, priority: Array) -> Array:
    """Decide which agents move.

    Args:
        position: [A] int32 flat cell of each agent, distinct among those present.
        target: [A] int32 cell each agent wants.
        mover: [A] bool agents that want to leave their cell for a target they could stand on.
        present: [A] bool agents on the map; movers are present.
        priority: [A] uint32, distinct: the highest of those that want one cell wins.

    Returns:
        [A] bool: who arrives at its target; the others stay.
    """
    num_agents = position.shape[0]
    follows = (target[:, None] == position[None]) & present[None] & mover[:, None]
    rivals = (target[:, None] == target[None]) & mover[None] & (priority[None] > priority[:, None])
    stays = ~mover | rivals.any(1) | (follows & follows.T).any(1)
    # Whoever waits behind one that stays, stays. Chains are at most A long, and each round doubles their reach.
    nobody = jnp.int32(num_agents)
    ahead = jnp.min(jnp.where(follows, jnp.arange(num_agents, dtype=jnp.int32)[None], nobody), 1)
    stays, ahead = jnp.append(stays, False), jnp.append(ahead, nobody)
    for _ in range(max(num_agents - 1, 0).bit_length()):
        stays, ahead = stays | stays[ahead], ahead[ahead]
    return ~stays[:num_agents]


def first_claims(cell: Array, claims: Array, priority: Array, num_cells: int) -> Array:
    """Keep, of the agents that claim one cell, the one of highest priority.

    Args:
        cell: [A, ...] int32; claims: [A, ...] bool; priority: [A] uint32, distinct and above 0.
    """
    shape = (-1,) + (1,) * (cell.ndim - 1)
    bid = jnp.where(claims, priority.reshape(shape), jnp.uint32(0)).reshape(-1)
    where = cell.reshape(-1)
    if where.size**2 <= num_cells:  # so few that to compare each with each costs less than to clear a map
        rivals = (where[:, None] == where[None]) & (bid[None] > bid[:, None])
        return claims & ~rivals.any(1).reshape(cell.shape)
    best = jnp.zeros(num_cells, jnp.uint32).at[where].max(bid, mode="drop")
    return claims & (best.at[cell].get(mode="clip") == bid.reshape(cell.shape))
