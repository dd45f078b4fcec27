"""Scripted partners: policies without weights, members like any other.

They know their observations by convention alone: `move` [A, K], one-hot last moves by relative slot with one's own
first (matrix games), or `window` [rows, columns, 2], items in channel 0 (grid worlds).
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from softsim.types import Array, Output, Percept, Policy

SURE = 30.0
"""Logit that makes an action certain to float precision."""

DISLIKED = -30.0


def scripted(num_actions: int, num_agents: int, logits: Callable[[Percept], Array]) -> Policy:
    """Make a memoryless policy of a function from a percept to logits [K]; it predicts nothing of the others."""

    def apply(params, carry, percept):
        opponent = jnp.zeros((num_agents - 1, num_actions), jnp.float32)
        return carry, Output(logits(percept), jnp.float32(0.0), opponent)

    return Policy(init=lambda key: (), start=lambda: (), apply=apply)


def random(num_actions: int, num_agents: int) -> Policy:
    """Choose uniformly among the allowed actions."""
    return scripted(num_actions, num_agents, lambda percept: jnp.zeros(num_actions, jnp.float32))


def always(num_actions: int, num_agents: int, action: int) -> Policy:
    """Choose one action whatever happens."""
    sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)[action]
    return scripted(num_actions, num_agents, lambda percept: sure)


def tit_for_tat(num_actions: int, num_agents: int) -> Policy:
    """Begin with action 0 (cooperate), then do what the next agent did last (Axelrod 1984)."""
    sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)
    return scripted(
        num_actions,
        num_agents,
        lambda percept: jnp.where(percept.first, sure[0], SURE * percept.observation.move[1]),
    )


def greedy(
    num_actions: int, num_agents: int, worth: Array, place: tuple[int, int], moves: tuple[int, int, int, int]
) -> Policy:
    """Walk to the nearest item of positive worth in view, and wander where there is none. Never fires a beam.

    Args:
        worth: [I] float32 reward for entering each item.
        place: the observer's own row and column in its window.
        moves: the actions forward, backward, step left, step right; the two after them turn left and right.
    """
    forward, backward, left, right = moves
    known = jnp.arange(num_actions) <= right + 2
    wander = jnp.zeros(num_actions, jnp.float32).at[forward].set(2.0)

    def logits(percept: Percept) -> Array:
        item = percept.observation.window[..., 0].astype(jnp.int32)
        rows, columns = item.shape
        down = jnp.arange(rows, dtype=jnp.int32)[:, None] - place[0]
        across = jnp.arange(columns, dtype=jnp.int32)[None] - place[1]
        far = rows + columns
        distance = jnp.where(worth[item] > 0, jnp.abs(down) + jnp.abs(across), far)
        distance = distance.at[place].set(far)
        nearest = jnp.argmin(distance)
        down, across = nearest // columns - place[0], nearest % columns - place[1]
        sideways = jnp.where(across > 0, right, left)
        straight = jnp.where(down > 0, backward, forward)
        choice = jnp.where(jnp.abs(across) > jnp.abs(down), sideways, straight)
        # Three in a hundred moves go elsewhere, so that a wall in the way holds nobody for long.
        walk = jnp.where(jnp.arange(num_actions) == choice, 5.0, 0.0)
        return jnp.where(known, jnp.where(distance.min() < far, walk, wander), DISLIKED)

    return scripted(num_actions, num_agents, logits)
