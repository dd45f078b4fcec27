"""Holding a region of games out: what is never trained on, and nothing that is the same game under other labels.

Regions contain a game with all 8 of its relabellings. A game within `BORDER` of a region's border is dealt to neither
side, so that rounding cannot carry it across.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.manifold import sphere
from softsim.envs.manifold.cells import (
    CELLS,
    NUM_CELLS,
    NUM_PATTERNS,
    cell_index,
    direction_in_cell,
    ordinal_cell,
)
from softsim.envs.manifold.coordinates import coordinates_of, direction_at, images, payoff_of
from softsim.envs.manifold.measures import game_distance
from softsim.envs.manifold.situation import NUM_DRAWS, PRIOR, MatrixPrior, MatrixSituation, felt, matrix_at
from softsim.types import Array, UserError

BORDER = 1e-5
NUM_SPARES, NUM_TRIES = 64, 4096
NUM_GAME_DRAWS = 7
"""Uniform numbers that make one game of a region."""


def pick(share: Array, options: Array) -> Array:
    """Choose one of the options [n, ...] by a uniform number, [] float32 in [0, 1)."""
    return options[jnp.minimum((share * len(options)).astype(jnp.int32), len(options) - 1)]


class Region(Protocol):
    """A part of the manifold, closed under relabelling of moves and players. Directions are [2, 3] unit vectors."""

    def contains(self, direction: Array) -> Array:
        """Say whether a game is inside, [] bool."""
        ...

    def border(self, direction: Array) -> Array:
        """Say how far a game is from the border at least, [] float32."""
        ...

    def propose(self, point: Array, inside: bool) -> Array:
        """Carry a point of the unit cube, [NUM_GAME_DRAWS], to a game that is probably on the wanted side."""
        ...


@dataclasses.dataclass(frozen=True)
class Cells:
    """Whole ordinal games, by name ("ordinal_pd_ch", or "pd_ch") or by index, with their mirror images.

    Raises:
        UserError: a cell does not exist, or none or all are given.
    """

    games: tuple[str | int, ...]

    def __post_init__(self) -> None:
        for game in self.games:
            index = isinstance(game, (int, np.integer)) and 0 <= game < NUM_CELLS
            if not isinstance(game, str) and not index:
                raise UserError(f"cells: {game} is no cell; indices are 0 to {NUM_CELLS - 1}.")
        if not 0 < self.mask.sum() < NUM_CELLS:
            raise UserError(f"cells: {int(self.mask.sum())} are held out; it must be 1 to {NUM_CELLS - 1}.")

    @functools.cached_property
    def mask(self) -> np.ndarray:
        """Cells inside, [144] bool."""
        inside = np.zeros((NUM_PATTERNS, NUM_PATTERNS), bool)
        for game in self.games:
            inside.reshape(-1)[cell_index(game) if isinstance(game, str) else game] = True
        return (inside | inside.T).reshape(-1)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, inside in zip(CELLS, self.mask, strict=True) if inside)

    def contains(self, direction: Array) -> Array:
        return jnp.asarray(self.mask)[ordinal_cell(payoff_of(direction))]

    def border(self, direction: Array) -> Array:
        return jnp.diff(jnp.sort(payoff_of(direction).reshape(2, 4), axis=1), axis=1).min()

    def propose(self, point: Array, inside: bool) -> Array:
        cells = np.flatnonzero(self.mask == inside).astype(np.int32)
        return direction_in_cell(point[1:], pick(point[0], jnp.asarray(cells)))


@dataclasses.dataclass(frozen=True)
class Cap:
    """Games within `radius` radians (`measures.game_distance`) of a centre or of any of its relabellings.

    Raises:
        UserError: the centre is no pair of directions, or the radius is not above 0.
    """

    centre: tuple[tuple[float, float, float], tuple[float, float, float]]  # directions (a, b, g), scaled to length 1
    radius: float

    def __post_init__(self) -> None:
        centre = np.asarray(self.centre, np.float64)
        if centre.shape != (2, 3) or not np.isfinite(centre).all() or not (np.abs(centre).max(1) > 0).all():
            raise UserError(f"cap: centre is {self.centre}; it must be two directions of three numbers, not all 0.")
        if not 0.0 < self.radius < np.inf:
            raise UserError(f"cap: radius is {self.radius}; it must be an angle above 0, in radians.")

    @staticmethod
    def around(payoff: np.ndarray, radius: float) -> Cap:
        """Take a game, [2, 2, 2], as the centre."""
        first, second = np.asarray(coordinates_of(jnp.asarray(payoff, jnp.float32)).direction).tolist()
        return Cap((tuple(first), tuple(second)), radius)

    def _gap(self, direction: Array) -> Array:
        """Distance to the nearest of the centres minus the radius, [] float32."""
        centre = sphere.unit(jnp.asarray(self.centre, jnp.float32))
        return game_distance(images(direction), jnp.broadcast_to(centre, (8, 2, 3))).min() - self.radius

    def contains(self, direction: Array) -> Array:
        return self._gap(direction) <= 0

    def border(self, direction: Array) -> Array:
        return jnp.abs(self._gap(direction))

    def propose(self, point: Array, inside: bool) -> Array:
        if not inside:
            return direction_at(point[:4])
        first, second = pick(point[0], images(sphere.unit(jnp.asarray(self.centre, jnp.float32))))
        reach = min(self.radius, np.pi)
        return jnp.stack([sphere.near(point[1:3], first, reach), sphere.near(point[3:5], second, reach)])


class Split(NamedTuple):
    """Two samplers, (key) -> MatrixSituation, that share no game."""

    train: Callable[[Array], MatrixSituation]  # neither payoffs nor rewards make a game of the region
    test: Callable[[Array], MatrixSituation]  # payoffs make a game of the region


def split(region: Region, prior: MatrixPrior = PRIOR, num_proposals: int = 8) -> Split:
    """Hold a region out of training, and keep it for testing.

    Kinship turns one game into another, so a training situation is also refused where the game of its rewards
    (`situation.felt`) is inside. Each sampler draws `num_proposals` situations and takes the first on its side; where
    there is none, it takes one of 64 that were drawn and checked beforehand. Both are pure, and can be mapped.

    Raises:
        UserError: nothing, or nearly nothing, is on one of the sides.
    """
    if num_proposals < 1:
        raise UserError(f"num_proposals: {num_proposals}; it must be at least 1.")
    return Split(sampler(region, prior, False, num_proposals), sampler(region, prior, True, num_proposals))


def sampler(region: Region, prior: MatrixPrior, inside: bool, num_proposals: int) -> Callable[[Array], MatrixSituation]:
    """Make the sampler of one side of a split."""

    def propose(point: Array) -> tuple[MatrixSituation, Array]:
        direction = region.propose(point[NUM_DRAWS:], inside)
        situation = dataclasses.replace(matrix_at(point[:NUM_DRAWS], prior), direction=direction)
        return situation, accept(situation)

    def clear(direction: Array) -> Array:
        return (region.contains(direction) == inside) & (region.border(direction) > BORDER)

    def accept(situation: MatrixSituation) -> Array:
        return clear(situation.direction) & (inside | clear(felt(situation)))

    points = np.random.default_rng(0).random((NUM_TRIES, NUM_DRAWS + NUM_GAME_DRAWS), np.float32)
    tried, good = jax.jit(jax.vmap(propose))(points)
    found = np.flatnonzero(np.asarray(good))[:NUM_SPARES]
    if not found.size:
        side = "inside" if inside else "outside"
        raise UserError(f"region: {region} leaves no games {side}, in {NUM_TRIES} tries; choose another size.")
    spares = jax.tree.map(lambda leaf: np.asarray(leaf)[found], tried)

    def sample(key: Array) -> MatrixSituation:
        key_propose, key_spare = jax.random.split(key)
        points = jax.random.uniform(key_propose, (num_proposals, NUM_DRAWS + NUM_GAME_DRAWS))
        proposal, good = jax.vmap(propose)(points)
        first, spare = jnp.argmax(good), jax.random.randint(key_spare, (), 0, len(found))
        return jax.tree.map(
            lambda drawn, kept: jnp.where(good[first], drawn[first], jnp.asarray(kept)[spare]), proposal, spares
        )

    return sample
