"""How a person declares a game.

    commons = Game(
        name="orchard",
        map="#####\n#aPa#\n#####",
        legend={"a": Cell("apple", site="orchard")},
        rules=[Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate")],
        growth=[Growth("apple", on="orchard", rate=0.01)],
    )
    world, params = compile_games([commons])

`compiler.compile_games` turns declarations into arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from softsim.envs.spec import View
from softsim.types import UserError


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a map symbol stands for: the item lying there at first, what may grow there, who may appear there."""

    item: str = "floor"
    site: str | None = None
    spawn: str = ""  # "" never, "start" when an episode begins, "later" for those who return, "always" both


@dataclasses.dataclass(frozen=True)
class Enter:
    """An agent steps onto an item."""

    item: str


@dataclasses.dataclass(frozen=True)
class Touch:
    """An agent walks into a solid item, and stays where it is."""

    item: str


@dataclasses.dataclass(frozen=True)
class Struck:
    """A beam strikes an item."""

    item: str
    by: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an event does. `role` limits it to actors of one role; `becomes` is the item left in the cell."""

    on: Enter | Touch | Struck
    becomes: str | None = None
    reward: float = 0.0
    reward_others: float = 0.0  # to every other agent
    freeze: int = 0  # steps the actor cannot act
    event: str | None = None
    role: str | None = None


@dataclasses.dataclass(frozen=True)
class Slowdown:
    """A rate that falls linearly with the fraction of site `of` covered by `item`: full up to `low`, 0 from `high`."""

    item: str
    of: str
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Growth:
    """Something appears on the cells of a site, where `over` lies and no agent stands.

    With `rate`, in each such cell with that probability per step; four numbers are the probabilities at 0, 1, 2 and 3
    or more cells within `radius` (Euclidean, in cells) that hold the item. With `per_step`, in one random such cell
    with that probability per step, once more than `after` steps have passed. Of several items each is as likely.
    """

    item: str | tuple[str, ...]
    on: str
    rate: float | Sequence[float] | None = None
    per_step: float | None = None
    after: int = 0
    over: str = "floor"
    radius: float = 2.0
    slowed_by: Slowdown | None = None

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item,) if isinstance(self.item, str) else self.item

    @property
    def rates(self) -> tuple[float, ...]:
        return tuple(self.rate) if isinstance(self.rate, Sequence) else (self.rate or 0.0,) * 4

    @property
    def offsets(self) -> set[tuple[int, int]]:
        """Neighbours that the rate depends on."""
        if not isinstance(self.rate, Sequence):
            return set()
        reach = range(-int(self.radius), int(self.radius) + 1)
        return {(r, c) for r in reach for c in reach if 0 < r * r + c * c <= self.radius**2}


@dataclasses.dataclass(frozen=True)
class Decay:
    """An item turns into another with a probability per step."""

    item: str
    rate: float
    into: str = "floor"


@dataclasses.dataclass(frozen=True)
class Beam:
    """An action that strikes cells ahead (`beams.py` has the shape). It stops at solid items, at what its rules strike
    unless it `passes`, and, if it `strikes_agents`, at agents, who then suffer the rest."""

    name: str
    length: int = 3
    half_width: int = 1
    cooldown: int = 1
    passes: bool = False
    strikes_agents: bool = False
    removes_for: int = 0
    freezes_for: int = 0
    reward: float = 0.0
    fine: float = 0.0  # added to the struck agent's payoff: a loss is negative
    event: str | None = None


@dataclasses.dataclass(frozen=True)
class Ending:
    """When an episode is over: at `maximum` steps (a time limit), or from `minimum` on, at every multiple of
    `interval`, with probability `rate` (a true end)."""

    maximum: int
    minimum: int = 0
    interval: int = 1
    rate: float = 0.0


@dataclasses.dataclass(frozen=True)
class Game:
    """A grid game as its author thinks of it. `compile_games` checks it."""

    name: str
    map: str
    legend: Mapping[str, Cell] = dataclasses.field(default_factory=dict)
    rules: Sequence[Rule] = ()
    growth: Sequence[Growth] = ()
    decay: Sequence[Decay] = ()
    beams: Sequence[Beam] = ()
    num_agents: int = 1
    roles: tuple[str, ...] = ("any",)  # agent i has role i modulo their number
    items: tuple[str, ...] = ()  # that are neither of the vocabulary nor on the map at first
    solid: tuple[str, ...] = ("wall",)
    view: View = View()
    ending: Ending = Ending(1000)
    show_identity: bool = True
    family: str = ""
    question: str = ""
    dilemma: str = ""

    @property
    def rows(self) -> list[str]:
        return self.map.strip("\n").splitlines()

    def cells(self) -> list[list[Cell]]:
        """The map as cells; `#` is wall, `.` and space are floor, `P` is a floor cell where agents appear."""
        legend = STANDARD_LEGEND | dict(self.legend)
        width = max(map(len, self.rows), default=0)
        cells = []
        for r, line in enumerate(self.rows):
            for c, symbol in enumerate(line):
                if symbol not in legend:
                    raise UserError(
                        f"{self.name}: map has symbol {symbol!r} at row {r}, column {c}; "
                        f"known symbols are {' '.join(map(repr, sorted(legend)))}."
                    )
            cells.append([legend[symbol] for symbol in line.ljust(width, "#")])
        return cells

    def item_names(self) -> list[str]:
        """Every item that can exist in the game, in order of appearance."""
        names = ["floor", "wall"] + [cell.item for row in self.cells() for cell in row]
        names += [item for law in self.growth for item in law.items]
        names += [rule.becomes for rule in self.rules if rule.becomes]
        names += [law.into for law in self.decay]
        return list(dict.fromkeys(names))

    def event_names(self) -> list[str]:
        events = [rule.event for rule in self.rules] + [beam.event for beam in self.beams]
        return list(dict.fromkeys(event for event in events if event))


STANDARD_LEGEND = {
    "#": Cell("wall"),
    ".": Cell(),
    " ": Cell(),
    "P": Cell(spawn="always"),
}
