"""How far apart two situations are, and how well a set of them covers the manifold of 2x2 games."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from softsim.envs.manifold import sphere
from softsim.envs.manifold.cells import NUM_CELLS, ordinal_cell
from softsim.envs.manifold.coordinates import images, payoff_of
from softsim.envs.manifold.situation import PRIOR, MatrixPrior, MatrixSituation, axes
from softsim.types import Array


def game_distance(left: Array, right: Array) -> Array:
    """Measure the geodesic distance of games [..., 2, 3] in radians: the root of both players' squared angles."""
    return jnp.linalg.norm(sphere.angle(left, right), axis=-1)


def distance(
    left: MatrixSituation, right: MatrixSituation, prior: MatrixPrior = PRIOR, invariant: bool = False
) -> Array:
    """Measure how far apart two situations are, [] float32.

    The root of the summed squares of the games' distance in radians (`game_distance`) and of the distances on the other
    axes, as fractions of the prior's range (`situation.axes`).

    Args:
        invariant: take the nearest of the 8 games that differ by labels of moves and players only. In sequential
            games a swap of players also says who moves first; that difference is then not counted.
    """
    if invariant:
        game = game_distance(images(left.direction), jnp.broadcast_to(right.direction, (8, 2, 3))).min()
    else:
        game = game_distance(left.direction, right.direction)
    rest = axes(left, prior) - axes(right, prior)
    return jnp.sqrt(game**2 + (rest**2).sum())


def nearest(
    situation: MatrixSituation,
    others: MatrixSituation,
    prior: MatrixPrior = PRIOR,
    invariant: bool = True,
) -> Array:
    """Measure the distance to the nearest of others, leaves [n, ...]: how new a situation is to those trained there."""
    return jax.vmap(lambda other: distance(situation, other, prior, invariant))(others).min()


def ordinal_coverage(direction: Array) -> Array:
    """Give the fraction, [] float32, of the 144 ordinal cells that games [n, 2, 3] visit."""
    cell = jax.vmap(lambda each: ordinal_cell(payoff_of(each)))(direction)
    return jnp.zeros(NUM_CELLS, jnp.float32).at[cell].set(1.0).mean()


def expected_coverage(count: int) -> float:
    """Give the ordinal coverage that `count` uniform games have on average: their cells are equally likely."""
    return 1.0 - (1.0 - 1.0 / NUM_CELLS) ** count


MEAN_CHORD = 8.0 / 15.0 * (4.0 * math.sqrt(2.0) - 2.0)
"""Mean Euclidean distance, in R^6, of any game to a uniform one: squared chords of a sphere are uniform on [0, 4]."""


def energy_distance(direction: Array) -> Array:
    """Measure how far games [n, 2, 3] are from uniform, [] float32 >= 0: their energy distance in R^6.

    2 E|x - U| - E|x - x'| - E|U - U'| (Székely & Rizzo 2013, "Energy statistics", section 2) with x, x' among the
    games and U uniform; the terms with U are known. n uniform games score `MEAN_CHORD / n` on average. Takes n^2
    operations, and memory for n of them at a time.
    """
    flat = direction.reshape(-1, 6)
    mean = jax.lax.map(lambda each: jnp.linalg.norm(flat - each[None], axis=1).mean(), flat)
    return MEAN_CHORD - mean.mean()
