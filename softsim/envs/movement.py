"""Who gets which cell when all move at once.

Given distinct positions, the cells after a move are distinct too. An agent that stays keeps its cell; of several that
want one cell a random one wins; a cell is free for its winner only if its occupant leaves it, so trains and rotations
of three or more move as one, and two that would swap both stay.
"""

from __future__ import annotations

import jax.numpy as jnp

from softsim.types import Array


def direction(heading: Array) -> tuple[Array, Array]:
    """Rows and columns of one step along a heading (0 north, 1 east, 2 south, 3 west)."""
    heading = heading & 3
    vertical, sign = heading & 1 == 0, (heading >> 1) * 2 - 1
    return jnp.where(vertical, sign, 0), jnp.where(vertical, 0, -sign)


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
