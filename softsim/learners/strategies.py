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


def believer(num_actions: int, num_agents: int, sought: int, dark: int, moves: tuple[int, int, int, int]) -> Policy:
    """Go to where it last saw an item, until that is right ahead, whether or not it can see now.

    It remembers the place relative to itself, and keeps account of its own steps and turns; it takes for granted that
    nothing is in its way. It faces along the longer way first, then steps aside, then walks ahead. Before it has seen
    the item it stands still.

    Args:
        sought: the item's symbol; dark: the symbol that those who cannot see anything see everywhere.
        moves: the actions forward, backward, step left, step right; the two after them turn left and right.
    """
    forward, _, left, right = moves
    turn_left, turn_right = right + 1, right + 2

    def locate(window: Array, memory: Array) -> Array:
        """[3] int32 cells ahead and to the right, and whether they are known, after a look at a window."""
        item = window[..., 0].astype(jnp.int32)
        columns = item.shape[1]
        self_row, self_column = jnp.divmod(jnp.argmax(window[..., 1] == 1), columns)
        row, column = jnp.divmod(jnp.argmax(item == sought), columns)
        found = jnp.stack([self_row - row, column - self_column, jnp.ones_like(row)]).astype(jnp.int32)
        return jnp.where((item == sought).any() & (item[0, 0] != dark), found, memory)

    def choose(ahead: Array, aside: Array) -> Array:
        turn = jnp.where(aside > 0, turn_right, turn_left)
        step = jnp.where(aside > 0, right, left)
        on = jnp.where(ahead > 1, forward, 0)
        return jnp.where((ahead < 1) | (ahead < jnp.abs(aside)), turn, jnp.where(aside != 0, step, on))

    def move(memory: Array, action: Array) -> Array:
        """Where the place is after one's own action."""
        ahead, aside, known = memory
        ahead, aside = ahead - (action == forward), aside - (action == right) + (action == left)
        turned_ahead = jnp.where(action == turn_right, aside, jnp.where(action == turn_left, -aside, ahead))
        turned_aside = jnp.where(action == turn_right, -ahead, jnp.where(action == turn_left, ahead, aside))
        return jnp.stack([turned_ahead, turned_aside, known])

    def apply(params, carry, percept):
        memory = locate(percept.observation.window, jnp.where(percept.first, 0, carry))
        action = jnp.where(memory[2] > 0, choose(memory[0], memory[1]), 0)
        action = jnp.where(percept.action_mask[action], action, 0)
        sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)[action]
        opponent = jnp.zeros((num_agents - 1, num_actions), jnp.float32)
        return move(memory, action), Output(sure, jnp.float32(0.0), opponent)

    return Policy(init=lambda key: (), start=lambda: jnp.zeros(3, jnp.int32), apply=apply)


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
