"""How much of the grid situations a set covers, and holding a part of them out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.manifold.grid import (
    ALLOWED,
    AXES,
    GRID_PRIOR,
    NUM_AXES,
    GridPrior,
    GridSituation,
    axes,
    felt,
    grid_at,
)
from softsim.envs.manifold.regions import BORDER, NUM_SPARES, NUM_TRIES
from softsim.types import Array, UserError

BINS = (("angle", 8), ("strength", 2), ("growth", 2), ("kinship", 2))
"""A coarse grid: the plane of effects, how fast things grow, and kinship."""


def grid_coverage(
    situation: GridSituation, prior: GridPrior = GRID_PRIOR, bins: tuple[tuple[str, int], ...] = BINS
) -> Array:
    """Give the fraction, [] float32, of the cells of a binning that situations, leaves [n], visit.

    Args:
        bins: axes, of real numbers, that the prior does not fix, and into how many equally likely parts each is cut.
    """
    share = jax.vmap(lambda each: axes(each, prior))(situation)
    cell, count = jnp.zeros(share.shape[0], jnp.int32), 1
    for name, parts in bins:
        along = (share[:, list(AXES).index(name)] * parts).astype(jnp.int32)
        cell, count = cell * parts + jnp.clip(along, 0, parts - 1), count * parts
    return jnp.zeros(count, jnp.float32).at[cell].set(1.0).mean()


def expected_grid_coverage(count: int, bins: tuple[tuple[str, int], ...] = BINS) -> float:
    """Give the coverage that `count` situations drawn from the prior have on average."""
    return 1.0 - (1.0 - 1.0 / math.prod(parts for _, parts in bins)) ** count


@dataclasses.dataclass(frozen=True)
class Box:
    """Situations whose values lie within ranges on some axes, ends included: `Box.of(kinship=(0.5, 1.0))`.

    Flags are 0 or 1. A map on its side is the same map: height and width are interchangeable.

    Raises:
        UserError: no axis is given, one is unknown or given twice, or a range is empty or beyond what is allowed.
    """

    ranges: tuple[tuple[str, float, float], ...]

    @staticmethod
    def of(**ranges: tuple[float, float]) -> Box:
        return Box(tuple((name, *ends) for name, ends in ranges.items()))

    def __post_init__(self) -> None:
        names = [name for name, _, _ in self.ranges]
        if not names or len(set(names)) < len(names) or not set(names) <= set(AXES):
            raise UserError(f"box: axes are {names}; one or more, each once, of {', '.join(AXES)} are allowed.")
        for name, low, high in self.ranges:
            least, most = ALLOWED[name]
            if not least <= low <= high <= most or (AXES[name] in ("linear", "log") and low == high):
                raise UserError(
                    f"box: {name} is ({low}, {high}); it must be a range low to high, within {least:g} to {most:g}."
                )

    def contains(self, situation: GridSituation, slack: float = 0.0) -> Array:
        """Say whether a situation is inside, [] bool, real ranges being wider by `slack` of their ends' size."""
        turned = dataclasses.replace(situation, height=situation.width, width=situation.height)
        return self._holds(situation, slack) | self._holds(turned, slack)

    def _holds(self, situation: GridSituation, slack: float) -> Array:
        inside = jnp.bool_(True)
        for name, low, high in self.ranges:
            value = getattr(situation, name).astype(jnp.float32)
            real = AXES[name] in ("linear", "log")
            below, above = (slack * max(abs(end), 1e-3) if real else 0.0 for end in (low, high))
            values = value + 2.0 * jnp.pi * jnp.array([-1.0, 0.0, 1.0]) if name == "angle" else value[None]
            inside = inside & ((values >= low - below) & (values <= high + above)).any()
        return inside

    def narrow(self, prior: GridPrior) -> GridPrior:
        """Cut a prior down to what lies inside.

        Raises:
            UserError: nothing does.
        """
        cut: dict[str, Any] = {}
        for name, low, high in self.ranges:
            least, most = prior.range(name)
            if AXES[name] == "flag":
                cut[name] = least if low < high else low
                possible = low < high or least != 1.0 - low
            else:
                cut[name] = (max(low, least), min(high, most))
                possible = max(low, least) <= min(high, most)
            if not possible:
                raise UserError(f"box: {name} is ({low}, {high}), and the prior has ({least}, {most}); none is inside.")
        return dataclasses.replace(prior, **cut)


class GridSplit(NamedTuple):
    """Two samplers, (key) -> GridSituation, that share no situation."""

    train: Callable[[Array], GridSituation]  # neither payoffs nor rewards make a situation inside
    test: Callable[[Array], GridSituation]


def grid_split(box: Box, prior: GridPrior = GRID_PRIOR, num_proposals: int = 8) -> GridSplit:
    """Hold a box of situations out of training, and keep it for testing; as `regions.split` does for games.

    Kinship turns the effect of an apple into another (`felt`), so a training situation is also refused where that is
    inside. What lies within `BORDER` of the box's border is dealt to neither side.

    Raises:
        UserError: nothing, or nearly nothing, is on one of the sides.
    """
    if num_proposals < 1:
        raise UserError(f"num_proposals: {num_proposals}; it must be at least 1.")
    inner = box.narrow(prior)

    def trains(situation: GridSituation) -> Array:
        own, others = felt(situation)
        as_felt = dataclasses.replace(situation, angle=jnp.arctan2(others, own), strength=jnp.hypot(own, others))
        return ~box.contains(situation, BORDER) & ~box.contains(as_felt, BORDER)

    def tests(situation: GridSituation) -> Array:
        return box.contains(situation, -BORDER)

    sides: Mapping[str, tuple[GridPrior, Callable[[GridSituation], Array]]]
    sides = {"outside": (prior, trains), "inside": (inner, tests)}
    return GridSplit(
        *(first_fit(*side, num_proposals, f"box: {box} leaves none {name}") for name, side in sides.items())
    )


def first_fit(
    prior: GridPrior, fits: Callable[[GridSituation], Array], num_proposals: int, complaint: str
) -> Callable[[Array], GridSituation]:
    """Make a sampler of situations that fit: the first of some proposals that does, or else one found beforehand."""
    points = np.random.default_rng(0).random((NUM_TRIES, NUM_AXES), np.float32)
    tried, good = jax.jit(jax.vmap(lambda point: (s := grid_at(point, prior), fits(s))))(points)
    found = np.flatnonzero(np.asarray(good))[:NUM_SPARES]
    if not found.size:
        raise UserError(f"{complaint}, in {NUM_TRIES} tries; choose another size.")
    spares = jax.tree.map(lambda leaf: np.asarray(leaf)[found], tried)

    def sample(key: Array) -> GridSituation:
        key_propose, key_spare = jax.random.split(key)
        points = jax.random.uniform(key_propose, (num_proposals, NUM_AXES))
        proposal = jax.vmap(lambda point: grid_at(point, prior))(points)
        good = jax.vmap(fits)(proposal)
        first, spare = jnp.argmax(good), jax.random.randint(key_spare, (), 0, len(found))
        return jax.tree.map(
            lambda drawn, kept: jnp.where(good[first], drawn[first], jnp.asarray(kept)[spare]), proposal, spares
        )

    return sample
