"""A social situation of two as a point: a game's directions, and how it is repeated, seen, trembled at and shared."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from softsim.envs.manifold import coordinates, sphere
from softsim.envs.matrix import MatrixParams
from softsim.envs.params import Sharing
from softsim.types import Array, UserError, struct

NUM_DRAWS = 10
"""Uniform numbers that make one situation: two per player's direction, one per other axis."""


@struct
class MatrixSituation:
    """One repeated 2x2 game."""

    direction: Array  # [2, 3] float32   unit vectors (a, b, g) per player; see `coordinates`
    kinship: Array  # [] float32   what the other's payoff is worth to each, beside its own
    continuation: Array  # [] float32   probability that another round follows
    tremble: Array  # [] float32   probability that a move slips
    observability: Array  # [] float32   probability that a move is seen by the other
    sequential: Array  # [] bool   player 0 moves first, and player 1 may see it
    horizon: Array  # [] int32   rounds at most


@dataclasses.dataclass(frozen=True)
class MatrixPrior:
    """What situations are drawn from; directions are uniform on the two spheres. Ranges are (low, high)."""

    rounds: tuple[float, float] = (1.0, 100.0)  # 1 / (1 - continuation), log-uniform
    tremble: tuple[float, float] = (1e-3, 0.2)  # log-uniform
    kinship: tuple[float, float] = (-0.5, 1.0)  # uniform
    observability: tuple[float, float] = (0.0, 1.0)  # uniform
    sequential: float = 0.5  # probability
    horizon: tuple[int, int] = (128, 128)  # rounds, log-uniform

    def __post_init__(self) -> None:
        allowed = {
            "rounds": (1.0, 2.0**20),
            "tremble": (0.0, 1.0),
            "kinship": (-1e6, 1e6),
            "observability": (0.0, 1.0),
            "horizon": (1, 2**20),
        }
        for field, (least, most) in allowed.items():
            low, high = getattr(self, field)
            if not least <= low <= high <= most:
                raise UserError(
                    f"prior: {field} is ({low}, {high}); it must be low to high, within {least:g} to {most:g}."
                )
        if not 0.0 <= self.sequential <= 1.0:
            raise UserError(f"prior: sequential is {self.sequential}; it must be a probability from 0 to 1.")
        if self.tremble[0] == 0.0 < self.tremble[1]:
            raise UserError(
                f"prior: tremble is {self.tremble}; a log-uniform range starts above 0, unless it is (0, 0)."
            )
        if any(value != int(value) for value in self.horizon):
            raise UserError(f"prior: horizon is {self.horizon}; it must be whole rounds.")


PRIOR = MatrixPrior()
"""Situations of every kind, most of them short enough to be played to their end."""


def between(share: Array, low: float, high: float) -> Array:
    """Go a share of the way, [] in [0, 1]; never beyond the ends."""
    return jnp.clip(low + share * (high - low), low, high).astype(jnp.float32)


def log_between(share: Array, low: float, high: float) -> Array:
    """Go a share of the way by factors instead of differences."""
    if low == high:
        return jnp.full_like(share, low)
    return jnp.clip(jnp.exp(math.log(low) + share * math.log(high / low)), low, high)


def matrix_at(point: Array, prior: MatrixPrior = PRIOR) -> MatrixSituation:
    """Carry a point of the unit cube, [NUM_DRAWS] float32 in [0, 1), to a situation: uniform to the prior.

    Points of a low-discrepancy sequence make an evaluation grid.
    """
    low, high = prior.horizon
    horizon = jnp.floor(log_between(point[9], low, high + 1)).astype(jnp.int32)
    return MatrixSituation(
        direction=coordinates.direction_at(point[:4]),
        kinship=between(point[4], *prior.kinship),
        continuation=1.0 - 1.0 / log_between(point[5], *prior.rounds),
        tremble=log_between(point[6], *prior.tremble),
        observability=between(point[7], *prior.observability),
        sequential=point[8] < prior.sequential,
        horizon=jnp.clip(horizon, int(low), int(high)),
    )


def sample_matrix(key: Array, prior: MatrixPrior = PRIOR) -> MatrixSituation:
    """Draw a situation from the prior."""
    return matrix_at(jax.random.uniform(key, (NUM_DRAWS,)), prior)


def to_params(situation: MatrixSituation) -> MatrixParams:
    """Make the params of `MatrixWorld(2, ...)` of a situation: payoffs of mean 0 and standard deviation 1."""
    one, nothing = jnp.float32(1.0), jnp.zeros(2, jnp.float32)
    other = situation.kinship
    return MatrixParams(
        payoff=coordinates.payoff_of(situation.direction).reshape(2, 4),
        continuation=situation.continuation,
        tremble=situation.tremble,
        observability=situation.observability,
        sequential=situation.sequential,
        horizon=situation.horizon,
        sharing=Sharing(
            weights=jnp.stack([jnp.stack([one, other]), jnp.stack([other, one])]),
            envy=nothing,
            guilt=nothing,
            memory=jnp.float32(0.0),
        ),
    )


def felt(situation: MatrixSituation) -> Array:
    """Give the directions [2, 3] of the game that is played for rewards: the payoffs after kinship."""
    return sphere.unit(coordinates.kin(situation.direction, situation.kinship))


def mutate(
    key: Array, situation: MatrixSituation, size: float, jitter: float, prior: MatrixPrior = PRIOR
) -> MatrixSituation:
    """Change a situation a little, as a curriculum does; order of moves and horizon stay.

    Args:
        size: how far each player's direction walks along a great circle, in radians.
        jitter: standard deviation of the change of the other axes as a fraction of their range, which they never leave.
    """
    key_bearing, key_axes = jax.random.split(key)
    bearing = 2.0 * jnp.pi * jax.random.uniform(key_bearing, (2,))
    change = jitter * jax.random.normal(key_axes, (4,))
    rounds, tremble, kinship, observability = jnp.clip(axes(situation, prior)[:4] + change, 0.0, 1.0)
    return dataclasses.replace(
        situation,
        direction=jax.vmap(sphere.move, in_axes=(0, 0, None))(situation.direction, bearing, jnp.float32(size)),
        continuation=1.0 - 1.0 / log_between(rounds, *prior.rounds),
        tremble=log_between(tremble, *prior.tremble),
        kinship=between(kinship, *prior.kinship),
        observability=between(observability, *prior.observability),
    )


def axes(situation: MatrixSituation, prior: MatrixPrior = PRIOR) -> Array:
    """Place a situation on its axes beside the game, each scaled so that the prior spans 0 to 1.

    Returns:
        [6] float32: log rounds, log tremble, kinship, observability, order of moves (0 or 1), log horizon. An axis
        that the prior fixes is not scaled, and counts from the fixed value. Ending probabilities below 2**-25 and
        trembles below 2**-31 count as these: the environment's random words cannot tell them from 0.
    """
    values = (
        (-jnp.log(jnp.maximum(1.0 - situation.continuation, 2.0**-25)), *map(math.log, prior.rounds)),
        (jnp.log(jnp.maximum(situation.tremble, 2.0**-31)), *(math.log(max(end, 2.0**-31)) for end in prior.tremble)),
        (situation.kinship, *prior.kinship),
        (situation.observability, *prior.observability),
        (situation.sequential.astype(jnp.float32), 0.0, 1.0),
        (jnp.log(situation.horizon.astype(jnp.float32)), *map(math.log, prior.horizon)),
    )
    return jnp.stack([(value - low) / ((high - low) or 1.0) for value, low, high in values])
