"""Coordinates of 2x2 games: what each player's own move, the other's move, and their match are worth to it.

With s = +1 for the first move (cooperate) and -1 for the second, a player's payoff is

    payoff(s_own, s_other) = mean + scale * (a s_own + b s_other + g s_own s_other),   a^2 + b^2 + g^2 = 1.

These are the actor control, partner control and joint control of interdependence theory (Kelley & Thibaut 1978,
"Interpersonal Relations"). Preferences do not change with mean and scale, so what is social about a 2x2 game is one
point of a sphere per player, its `direction`. Best responses depend on a and g alone; whether they are good for the
other depends on b.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.manifold import sphere
from softsim.types import Array, struct

SIGNS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)
"""s_own, s_other and their product at the outcomes CC, CD, DC, DD, one's own move first."""

BEST_RESPONSES = ("cooperate", "defect", "match", "differ")
"""Dominant first or second move; or as the other does (stag hunt); or as it does not (chicken)."""


@struct
class Coordinates:
    """A 2x2 game."""

    mean: Array  # [2] float32
    scale: Array  # [2] float32   standard deviation over the four outcomes
    direction: Array  # [2, 3] float32   unit vectors (a, b, g); zeros where all payoffs are equal


def coordinates_of(payoff: Array) -> Coordinates:
    """Locate a game, [2, 2, 2] float32, indexed by player and by the moves of both in turn."""
    own_first = jnp.stack([payoff[0], payoff[1].T]).reshape(2, 4)
    vector = (own_first[:, :, None] * SIGNS[None]).mean(1)
    scale = jnp.linalg.norm(vector, axis=-1)
    return Coordinates(own_first.mean(1), scale, sphere.unit(vector))


def payoff_of(direction: Array) -> Array:
    """Pay by directions [2, 3]: payoffs [2, 2, 2] of mean 0 and, for unit vectors, standard deviation 1."""
    own, other, match = jnp.asarray(SIGNS.T)
    a, b, g = direction.T[:, :, None]
    table = ((a * own[None] + b * other[None]) + g * match[None]).reshape(2, 2, 2)
    return jnp.stack([table[0], table[1].T])


def restore(coordinates: Coordinates) -> Array:
    """Undo `coordinates_of`."""
    mean, scale = coordinates.mean[:, None, None], coordinates.scale[:, None, None]
    return mean + scale * payoff_of(coordinates.direction)


def symmetric(reward: Array, sucker: Array, temptation: Array, punishment: Array) -> Array:
    """Give (a, b, g), [3] float32 of any length, of the symmetric game that pays R, S, T, P at CC, CD, DC, DD."""
    payoff = jnp.stack([jnp.asarray(value, jnp.float32) for value in (reward, sucker, temptation, punishment)])
    return (payoff[:, None] * SIGNS).mean(0)


def kin(direction: Array, relatedness: Array) -> Array:
    """Move a game, [2, 3], as kinship does: everyone adds `relatedness` times the other's payoff to its own.

    A symmetric game moves from (a, b, g) to (a + r b, b + r a, (1 + r) g); with g = 0 cooperation then dominates where
    a + r b > 0 (Hamilton 1964). The result, [2, 3], is not of length 1.
    """
    other = jnp.stack([direction[1], direction[0]])
    # One's own move is the other's to the other.
    return direction + relatedness * jnp.stack([other[:, 1], other[:, 0], other[:, 2]], 1)


def images(direction: Array) -> Array:
    """List a game [2, 3] and its equals, [8, 2, 3]: rows relabelled or not, columns too, and players swapped or not."""
    rows = np.array([[-1, 1, -1], [1, -1, -1]], np.float32)  # player 0's moves: a of player 0, b of player 1
    columns = rows[::-1]
    flips = jnp.asarray(np.stack([np.ones_like(rows), rows, columns, rows * columns]))
    flipped = flips * direction[None]
    return jnp.concatenate([flipped, flipped[:, ::-1]])


def best_response(vector: Array) -> Array:
    """Class of a player's best responses, [] int32: an index into `BEST_RESPONSES`.

    Args:
        vector: [3] float32, (a, b, g) of any length. On a border the dominant move counts.
    """
    a, g = vector[0], vector[2]
    dominant = jnp.where(a >= 0, 0, 1)
    return jnp.where(jnp.abs(a) >= jnp.abs(g), dominant, jnp.where(g > 0, 2, 3)).astype(jnp.int32)


def direction_at(point: Array) -> Array:
    """Carry a point of the unit cube, [4] float32 in [0, 1), to directions [2, 3]: uniform to uniform."""
    return jnp.stack([sphere.uniform(point[0:2]), sphere.uniform(point[2:4])])


def uniform_game(key: Array, num_rows: int, num_columns: int) -> Array:
    """Draw a game of two players, [2, num_rows, num_columns] float32: uniform up to mean and scale.

    Each player's payoffs have mean 0 and standard deviation 1, and lie uniformly on the sphere of such payoffs.
    """
    drawn = jax.random.normal(key, (2, num_rows, num_columns))
    centred = drawn - drawn.mean((1, 2), keepdims=True)
    return centred / jnp.sqrt((centred**2).mean((1, 2), keepdims=True))
