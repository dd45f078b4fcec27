"""A social situation of many on a grid as a point: what taking does to oneself and to others, and all around it.

Apples are what the situation is about: eating one brings its eater `effect[0]`, and all others together `effect[1]`.
Coins are the way out, worth 1 to whoever takes one and nothing to others; gold needs `threshold` agents who strike it
within `WINDOW` steps, and then pays each of them the `prize`. A beam punishes. With kinship r, eating is favoured where
`effect[0] + r effect[1] > 0` (Hamilton 1964), whatever the size of the group.

Apples count the live neighbours that crowding asks for on this side of the map's edges only, also on a torus.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import mapgen
from softsim.envs.manifold.situation import between, log_between
from softsim.types import Array, UserError, struct

NUM_PROPOSALS = 4
"""Maps drawn before the open room is taken."""

MEMORY = 0.975
"""Decay of the payoffs that envy and guilt compare (Hughes et al. 2018, arXiv 1803.08884, section 3.1)."""

CROWD = (0.0, 0.1, 0.2, 1.0)
"""Regrowth at 0, 1, 2 and 3 or more live neighbours where crowding is 1, as in `commons_harvest_open`."""

WINDOW = 5
STAKES = ("apple", "red_coin", "gold")  # what grows on the sites of classes 1, 2 and 3, by growth laws 0, 1 and 2

QUADRANTS = ("mutualism", "selfishness", "altruism", "spite")
"""By the signs of the effects on oneself and on others: ++, +-, -+, -- (Hamilton 1964; West et al. 2007, table 1)."""


@struct
class GridSituation:
    """One situation. All are single numbers; whole ones int32, flags bool, the rest float32."""

    height: Array  # rows
    width: Array  # columns
    torus: Array  # flag: the map's edges meet
    walls: Array  # share of the cells that are wall
    apples: Array  # share of the open cells, beside spawn cells, where apples grow
    coins: Array  # the same of coins
    gold: Array  # the same of gold
    stock: Array  # share of the sites that hold something at first
    growth: Array  # probability per step that something grows on a free site, away from crowds
    crowding: Array  # how much apples need other apples around to grow back: 0 not at all, 1 as `CROWD` says
    angle: Array  # radians: of the effect of an apple, in the plane of effects on oneself and on others
    strength: Array  # size of that effect
    threshold: Array  # agents that gold takes, at most the group
    prize: Array  # what gold pays each of them
    freeze: Array  # steps for which the punished cannot act
    removal: Array  # steps for which they are off the map
    fine: Array  # what they lose
    price: Array  # what punishing costs
    reach: Array  # cells that the punishing beam goes; 0: there is none
    ahead: Array  # cells that agents see
    behind: Array
    side: Array
    identity: Array  # flag: agents can tell the others apart
    group: Array  # agents
    kinship: Array  # what each other's payoff is worth to each, beside its own
    envy: Array  # weight of others having more
    guilt: Array  # weight of having more
    minimum: Array  # steps that an episode lasts for sure, and then on average
    further: Array  # so many more


AXES = dict.fromkeys(GridSituation.__annotations__, "linear")
"""How values of each axis are spread: evenly, evenly in their logarithm, over whole numbers, or as a flag."""

AXES |= dict.fromkeys(("growth", "strength", "further"), "log")
AXES |= dict.fromkeys(("height", "width", "threshold", "freeze", "removal", "reach", "ahead", "behind"), "whole")
AXES |= dict.fromkeys(("side", "group", "minimum"), "whole") | dict.fromkeys(("torus", "identity"), "flag")

NUM_AXES = len(AXES)

ALLOWED: dict[str, tuple[float, float]] = (
    dict.fromkeys(("height", "width"), (4, mapgen.MAX_WIDTH))
    | dict.fromkeys(("apples",), (1e-3, 0.9))
    | dict.fromkeys(("walls", "coins", "gold"), (0.0, 0.9))
    | dict.fromkeys(("torus", "identity", "stock", "crowding"), (0.0, 1.0))
    | {"growth": (1e-6, 1.0), "angle": (-math.pi, math.pi), "strength": (1e-2, 1e3), "threshold": (1, 16)}
    | dict.fromkeys(("prize", "kinship"), (-1e3, 1e3))
    | dict.fromkeys(("fine", "price", "envy", "guilt"), (0.0, 1e3))
    | dict.fromkeys(("freeze", "removal"), (0, 1000))
    | dict.fromkeys(("reach", "ahead", "behind", "side"), (0, 16))
    | {"group": (2, 32), "minimum": (0, 2**20), "further": (1.0, 2.0**20)}
)


@dataclasses.dataclass(frozen=True)
class GridPrior:
    """What situations are drawn from: (low, high) per axis, see `AXES` for how; flags by probability.

    Raises:
        UserError: a range is empty, beyond what is allowed, or leaves no room on the smallest map.
    """

    height: tuple[int, int] = (8, 16)
    width: tuple[int, int] = (8, 16)
    torus: float = 0.5
    walls: tuple[float, float] = (0.0, 0.3)
    apples: tuple[float, float] = (0.1, 0.4)
    coins: tuple[float, float] = (0.0, 0.2)
    gold: tuple[float, float] = (0.0, 0.2)
    stock: tuple[float, float] = (0.25, 1.0)
    growth: tuple[float, float] = (1e-3, 0.1)
    crowding: tuple[float, float] = (0.0, 1.0)
    angle: tuple[float, float] = (-math.pi, math.pi)
    strength: tuple[float, float] = (0.25, 4.0)
    threshold: tuple[int, int] = (1, 3)
    prize: tuple[float, float] = (0.5, 4.0)
    freeze: tuple[int, int] = (0, 20)
    removal: tuple[int, int] = (0, 20)
    fine: tuple[float, float] = (0.0, 4.0)
    price: tuple[float, float] = (0.0, 1.0)
    reach: tuple[int, int] = (0, 5)
    ahead: tuple[int, int] = (3, 7)
    behind: tuple[int, int] = (0, 2)
    side: tuple[int, int] = (2, 4)
    identity: float = 0.5
    group: tuple[int, int] = (2, 6)
    kinship: tuple[float, float] = (-0.5, 1.0)
    envy: tuple[float, float] = (0.0, 1.0)
    guilt: tuple[float, float] = (0.0, 1.0)
    minimum: tuple[int, int] = (50, 200)
    further: tuple[float, float] = (10.0, 200.0)
    longest: int = 1000  # steps at which all episodes are cut off

    def __post_init__(self) -> None:
        for name, (least, most) in ALLOWED.items():
            low, high = self.range(name)
            if not least <= low <= high <= most:
                raise UserError(
                    f"prior: {name} is ({low}, {high}); it must be low to high, within {least:g} to {most:g}."
                )
            if AXES[name] == "whole" and (low != int(low) or high != int(high)):
                raise UserError(f"prior: {name} is ({low}, {high}); it must be whole numbers.")
        if not 1 <= self.longest <= 2**20 or self.longest != int(self.longest):
            raise UserError(f"prior: longest is {self.longest}; it must be a whole number from 1 to {2**20}.")
        smallest, needed = self.height[0] * self.width[0], 2 * self.group[1] + 30
        if smallest < needed:
            raise UserError(f"prior: the smallest map has {smallest} cells; for this group it takes {needed}.")
        share = self.apples[1] + self.coins[1] + self.gold[1]
        if share > 0.9:
            raise UserError(f"prior: apples, coins and gold go up to {share:g} of all cells; at most 0.9 is allowed.")
        if self.torus and self.reach[1] >= min(self.height[0], self.width[0]):
            raise UserError(f"prior: reach goes up to {self.reach[1]}, around the smallest torus; it must be below.")

    def range(self, name: str) -> tuple[float, float]:
        """Lowest and highest value of an axis; of a flag, its probability twice."""
        value = getattr(self, name)
        return (value, value) if AXES[name] == "flag" else value


GRID_PRIOR = GridPrior()


def place_on(kind: str, share: Array, low: float, high: float) -> Array:
    """Go a share of the way along an axis, [] float32 in [0, 1]."""
    if kind == "flag":
        return share < low
    if kind == "whole":
        whole = jnp.floor(low + share * (high - low + 1)).astype(jnp.int32)
        return jnp.clip(whole, int(low), int(high))
    return log_between(share, low, high) if kind == "log" else between(share, low, high)


def share_of(kind: str, value: Array, low: float, high: float) -> Array:
    """Undo `place_on`: whole numbers are in the middle of their share, and flags 0 or 1; see `axes`."""
    value = value.astype(jnp.float32)
    if kind == "flag":
        return value
    if kind == "whole":
        return (value - low + 0.5) / (high - low + 1) if high > low else value - low
    if kind == "log":
        value, low, high = jnp.log(value), math.log(low), math.log(high)
    return (value - low) / ((high - low) or 1.0)


def grid_at(point: Array, prior: GridPrior = GRID_PRIOR) -> GridSituation:
    """Carry a point of the unit cube, [NUM_AXES] float32 in [0, 1), to a situation: uniform to the prior."""
    value = {name: place_on(kind, point[i], *prior.range(name)) for i, (name, kind) in enumerate(AXES.items())}
    value["threshold"] = jnp.minimum(value["threshold"], value["group"])
    return GridSituation(**value)


def sample_grid(key: Array, prior: GridPrior = GRID_PRIOR) -> GridSituation:
    """Draw a situation from the prior."""
    return grid_at(jax.random.uniform(key, (NUM_AXES,)), prior)


def axes(situation: GridSituation, prior: GridPrior = GRID_PRIOR) -> Array:
    """Place a situation on its axes, [NUM_AXES] float32 in the order of `AXES`: the prior spans 0 to 1.

    An axis that the prior fixes is not scaled, and counts from the fixed value.
    """
    return jnp.stack([share_of(kind, getattr(situation, name), *prior.range(name)) for name, kind in AXES.items()])


def effect(situation: GridSituation) -> Array:
    """What eating an apple does to oneself, and to all others together: [2] float32."""
    return situation.strength * jnp.stack([jnp.cos(situation.angle), jnp.sin(situation.angle)])


def quadrant(situation: GridSituation) -> Array:
    """Which of the `QUADRANTS` eating is in, [] int32."""
    own, others = effect(situation)
    return 2 * (own < 0).astype(jnp.int32) + (others < 0).astype(jnp.int32)


def felt(situation: GridSituation) -> Array:
    """What eating does to one's own reward and to those of all others together, [2] float32: the effect after kinship.

    Among n agents, (s, o) becomes (s + r o, o + r (n - 1) s + r (n - 2) o).
    """
    own, others = effect(situation)
    r, rivals = situation.kinship, (situation.group - 1).astype(jnp.float32)
    return jnp.stack([own + r * others, others + r * rivals * own + r * (rivals - 1.0) * others])


def grid_distance(left: GridSituation, right: GridSituation, prior: GridPrior = GRID_PRIOR) -> Array:
    """Measure how far apart two situations are, [] float32.

    The root of the summed squares of the distance in the plane of effects, as a fraction of the prior's diameter, and
    of those on the other axes, as fractions of the prior's range.
    """
    plane = jnp.linalg.norm(effect(left) - effect(right)) / (2.0 * prior.strength[1])
    others = np.array([name not in ("angle", "strength") for name in AXES])
    rest = jnp.where(others, axes(left, prior) - axes(right, prior), 0.0)
    return jnp.sqrt(plane**2 + (rest**2).sum())


def mutate(
    key: Array, situation: GridSituation, size: float, jitter: float, prior: GridPrior = GRID_PRIOR
) -> GridSituation:
    """Change a situation a little, as a curriculum does; flags stay.

    Args:
        size: how far the effect of an apple turns, in radians, either way, as far as the prior allows.
        jitter: standard deviation of the change of the other axes as a fraction of their range, which they never leave.
    """
    key_turn, key_axes = jax.random.split(key)
    turned = situation.angle + jnp.where(jax.random.bernoulli(key_turn), size, -size)
    turned = jnp.mod(turned + jnp.pi, 2.0 * jnp.pi) - jnp.pi
    point = jnp.clip(axes(situation, prior) + jitter * jax.random.normal(key_axes, (NUM_AXES,)), 0.0, 1.0)
    return dataclasses.replace(
        grid_at(point, prior),
        torus=situation.torus,
        identity=situation.identity,
        angle=jnp.clip(turned, *prior.angle).astype(jnp.float32),
    )
