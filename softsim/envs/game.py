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

from softsim.envs.parts import (
    Act,
    Beam,
    Cell,
    Decay,
    Draw,
    Encounter,
    Ending,
    Enter,
    Face,
    Goal,
    Growth,
    Hit,
    Income,
    Meeting,
    Nature,
    Need,
    Rule,
    Slot,
    Slowdown,
    Speech,
    Struck,
    Touch,
    Trick,
    Work,
)
from softsim.envs.spec import View
from softsim.types import UserError

__all__ = [
    "STANDARD_LEGEND",
    "Act",
    "Beam",
    "Cell",
    "Decay",
    "Draw",
    "Encounter",
    "Ending",
    "Enter",
    "Face",
    "Game",
    "Goal",
    "Growth",
    "Hit",
    "Income",
    "Meeting",
    "Nature",
    "Need",
    "Rule",
    "Slot",
    "Slowdown",
    "Speech",
    "Struck",
    "Touch",
    "Trick",
    "View",
    "Work",
]


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
    roles: tuple[str, ...] = ("any",)  # agent i has role i modulo their number, unless `role_of` says otherwise
    role_of: tuple[str, ...] = ()  # the role of each agent
    show_role: bool = False  # whether roles can be seen from outside
    level: Mapping[str, float] = dataclasses.field(default_factory=dict)  # per role, 1 unless given
    items: tuple[str, ...] = ()  # that are neither of the vocabulary nor on the map at first
    solid: tuple[str, ...] = ("wall",)
    barred: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)  # per role: further solid items
    look: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)  # per role: item -> what it sees,
    # also in hands, its own included
    hands: tuple[str, ...] = ()  # what a hand can hold, up to three
    bag: Mapping[str, Slot] = dataclasses.field(default_factory=dict)
    work: Sequence[Work] = ()
    draws: Sequence[Draw] = ()
    income: Sequence[Income] = ()
    encounter: Encounter | None = None
    instalments: tuple[int, ...] = (1,)  # steps still frozen at which what is owed is paid, in equal parts; up to three
    need: Need | None = None
    nature: Nature | None = None
    speech: Speech | None = None
    meeting: Meeting | None = None
    goals: Sequence[Goal] = ()
    trick: Trick | None = None
    torus: bool = False  # the map's edges meet
    view: View = View()
    ending: Ending = Ending(1000)
    show_identity: bool = True
    endless: bool = False  # rules may create value from nothing
    family: str = ""
    question: str = ""
    dilemma: str = ""

    @property
    def rows(self) -> list[str]:
        return self.map.strip("\n").splitlines()

    def cells(self) -> list[list[Cell]]:
        """The map as cells; `#` is wall, `.` and space are floor, `P` is a floor cell where agents appear."""
        legend = STANDARD_LEGEND | dict(self.legend)
        width = len(self.rows[0]) if self.rows else 0
        cells = []
        for r, line in enumerate(self.rows):
            if len(line) != width:
                raise UserError(
                    f"{self.name}: map row {r} has {len(line)} symbols and row 0 has {width}; make them as long."
                )
            for c, symbol in enumerate(line):
                if symbol not in legend:
                    raise UserError(
                        f"{self.name}: map has symbol {symbol!r} at row {r}, column {c}; "
                        f"known symbols are {' '.join(map(repr, sorted(legend)))}."
                    )
            cells.append([legend[symbol] for symbol in line])
        return cells

    def all_rules(self) -> list[Rule]:
        """The rules on events, then those of work done."""
        return [*self.rules, *(work.done for work in self.work)]

    def item_names(self) -> list[str]:
        """Every item that can exist in the game, in order of appearance."""
        names = ["floor", "wall"] + [cell.item for row in self.cells() for cell in row]
        names += [item for draw in self.draws for item in draw.items]
        names += [item for law in self.growth for item in law.items]
        names += [rule.becomes for rule in self.all_rules() if rule.becomes]
        names += [law.into for law in self.decay]
        return list(dict.fromkeys(names))

    def event_names(self) -> list[str]:
        events = [rule.event for rule in self.all_rules()] + [beam.event for beam in self.beams]
        events += [goal.event for goal in self.goals] + ([self.encounter.event] if self.encounter else [])
        return list(dict.fromkeys(event for event in events if event))

    def roles_of(self) -> list[str]:
        """The role of each agent."""
        named = self.role_of or self.roles
        return [named[agent % len(named)] for agent in range(self.num_agents)]


STANDARD_LEGEND = {
    "#": Cell("wall"),
    ".": Cell(),
    " ": Cell(),
    "P": Cell(spawn="always"),
}
