"""In the matrix: what two have gathered is how they play when they meet, and the others can watch them gather.

Follows the `*_in_the_matrix` substrates of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose configs are
the source of every number; the idea is from Vezhnevets et al. 2020 (arXiv 1906.01470). There are seven matrix games,
each in an arena for eight, as a repeated game of two, and as one shot. Where these differ:

- The maps are our own. The arenas have the same size and counts of sites: 25 x 24 with its walls; 13 of either class
  and 10 of a random one, in stag hunt 23 of stag, 40 of hare and 12, with three classes 12 of each and 8. The others
  are 23 x 15 with 13 cells to appear on and 12 sites of either class and 12 random ones, with three classes 6 of each
  and 18. One shot is played on the map of the repeated game; Melting Pot has it for rock, paper, scissors alone, on
  a map of its own.
- The class of a random site is drawn anew whenever something grows there; in Melting Pot it stays for the episode.
- A bag holds at most 100 of each class.
- Two who meet stand still for exactly 16 steps and are paid in the last of them. (Melting Pot adds two, lest anybody
  moves before the payment.) One shot ends with the payment.
- Of several whom one beam strikes, and who are ready, a random one is met, and of several encounters that exclude
  each other a random one comes about.
- A resource that is struck shows how often, and is as new once it grows back. Those ready to meet are coloured; the
  colour of the result is left out.
- The tastes that were used to train background bots are left out.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

from softsim.envs.game import Beam, Cell, Draw, Encounter, Ending, Enter, Game, Goal, Growth, Rule, Slot, Struck
from softsim.envs.spec import View

ARENA = """
#########################
#PPP........#........PPP#
#PPP........#........PPP#
#PP....##.......##....PP#
#P.....................P#
#.....1.1..2.2..1.1.....#
#.....1.1..2.2..1.1.....#
#....#.....2a2.....#....#
#..#.................#..#
#..#.2.2..#...#..2.2.#..#
#....2....#.a.#....2....#
#........1..1..1........#
#.....a...........a.....#
#..##....#..2..#....##..#
#........#.....#........#
#.......a..1.1..a.......#
#...#...............#...#
#...#a.............a#...#
#.........a...a.........#
#.....##.........##.....#
#P.....................P#
#PP.........#.........PP#
#PPP........#........PPP#
#########################
"""
STAG_ARENA = """
#########################
#PPP....#.......#....PPP#
#PPP......22.22......PPP#
#PP.......22.22.......PP#
#P..2...............2..P#
#...22.............22...#
#...22..#.11.11.#..22...#
#.......#..111..#.......#
#..22......1.1......22..#
#..22.....a...a.....22..#
#.....##..a...a..##.....#
##........1...1........##
##.a...1..1...1..1...a.##
#......1..1...1..1......#
#.....##..a...a..##.....#
#..2......a...a......2..#
#..2...a...1.1...a...2..#
#..2....#..1.1..#....2..#
#.......#.......#.......#
#...22.............22...#
#P..22.............22..P#
#PP...................PP#
#PPP....#.......#....PPP#
#########################
"""
THREE_CLASS_ARENA = """
#########################
#PPP.................PPP#
#PPP.....#.....#.....PPP#
#PP..11..#.....#..11..PP#
#P...11...........11...P#
#....11..3.....3..11....#
#..#.....3.....3.....#..#
#..#...a.3.....3.a...#..#
#........3.....3........#
#...a.......#.......a...#
#.2.....##..#..##.....2.#
#.2.......3...3.......2.#
#.2.......3...3.......2.#
#.2.....##..#..##.....2.#
#...a.......#.......a...#
#.......................#
#..#...a.........a...#..#
#..#.....22...22.....#..#
#.......................#
#......##.......##......#
#P.......#.....#.......P#
#PP......#.....#......PP#
#PPP.................PPP#
#########################
"""
ROOM = """
#######################
#P....#....P....#....P#
#.....#.........#.....#
#..111...........111..#
#P.111....#.#....111.P#
#..aaa....#.#....aaa..#
#.....##.......##.....#
#P.........P.........P#
#..#...............#..#
#....222..#.#..222....#
#....222..#.#..222....#
#.P..aaa.......aaa..P.#
#.....#....#....#.....#
#P....#....P....#....P#
#######################
"""
THREE_CLASS_ROOM = """
#######################
#P.........P.........P#
#..111.##.....##.111..#
#.....................#
#....aaa.......aaa....#
#P...##....#....##...P#
#.a.....222.222.....a.#
#.a........P........a.#
#.a.....aa...aa.....a.#
#P...##.........##...P#
#P...a...........a...P#
#..333.##.....##.333..#
#..........#..........#
#P.........P.........P#
#######################
"""
"""`1`, `2` and `3` are sites of a class of resources, `a` those of a random class."""

CLASSES = ("green", "red", "blue")
"""The resources of the first, second and third pure strategy."""

Table = tuple[tuple[float, ...], ...]


class Kind(NamedTuple):
    """A matrix game, and the probabilities with which an episode of it ends every 100 steps from step 1000 on."""

    row: Table  # payoff of the row player, at its own and the column player's pure strategy
    column: Table  # of the column player, same axes
    arena_rate: float
    repeated_rate: float
    question: str
    dilemma: str
    roles: tuple[str, ...] = ("any",)  # with two, the first plays rows and the second columns
    repeated_maximum: int = 5000
    repeated_ripe: int = 10  # steps before anything grows back


def _transposed(table: Table) -> Table:
    return tuple(zip(*table, strict=True))


def _symmetric(row: Table, *rest: object, **more: object) -> Kind:
    return Kind(row, _transposed(row), *rest, **more)  # ty: ignore[invalid-argument-type]


UNIT: Table = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
RANKED: Table = ((1, 0, 0), (0, 2, 0), (0, 0, 3))
SCISSORS: Table = ((0, -10, 10), (10, 0, -10), (-10, 10, 0))

KINDS = {
    "prisoners_dilemma": _symmetric(
        ((3, 0), (5, 1)), 0.15, 0.1, "Do those who could exploit one another gather to cooperate?", "prisoner's dilemma"
    ),
    "chicken": _symmetric(((3, 2), (5, 0)), 0.2, 0.1, "Who gives way when two hawks lose all?", "chicken"),
    "stag_hunt": _symmetric(
        ((4, 0), (2, 2)), 0.1, 0.1, "Do they trust one another with the stag, or play safe?", "stag hunt",
        repeated_maximum=2500,
    ),
    "bach_or_stravinsky": Kind(
        ((3, 0), (0, 2)), ((2, 0), (0, 3)), 0.2, 0.1, "Whose favourite do they settle on?", "battle of the sexes",
        roles=("bach", "stravinsky"),
    ),
    "pure_coordination": _symmetric(
        UNIT, 0.2, 0.1, "Do they find one of three conventions that are as good?", "coordination"
    ),
    "rationalizable_coordination": _symmetric(
        RANKED, 0.2, 0.1, "Do they find the best of three conventions?", "coordination on ranked conventions"
    ),
    "running_with_scissors": _symmetric(
        SCISSORS, 0.2, 0.2, "Who sees through whom, when every choice can be beaten and watched?", "zero sum",
        repeated_ripe=15,
    ),
}  # fmt: skip


def in_the_matrix(kind: str, variant: str) -> Game:
    """Declare one of `KINDS` as an "arena", "repeated", or as "one_shot"."""
    law, arena = KINDS[kind], variant == "arena"
    classes = CLASSES[: len(law.row)]
    three, one_shot = len(classes) == 3, variant == "one_shot"
    arena_map = THREE_CLASS_ARENA if three else STAG_ARENA if kind == "stag_hunt" else ARENA
    ripe = law.repeated_ripe if variant == "repeated" else 10
    return Game(
        name=f"{kind}_in_the_matrix_{variant}",
        family="in_the_matrix",
        question=law.question,
        dilemma=law.dilemma,
        map=arena_map if arena else THREE_CLASS_ROOM if three else ROOM,
        legend={str(c): Cell(f"{name}_resource", site=name) for c, name in enumerate(CLASSES, 1)}
        | {"a": Cell(site="any")},
        rules=[rule for name in classes for rule in _rules(name)],
        growth=() if one_shot else _growth(classes, 0.04 if arena else 0.02, ripe),
        draws=(Draw(tuple(f"{name}_resource" for name in classes), on="any", rate=1.0),),
        beams=(Beam("interact", length=3, half_width=1, cooldown=2, strikes_agents=True, meets=True),),
        num_agents=8 if arena else 2,
        roles=law.roles,
        show_role=len(law.roles) > 1,
        bag={name: Slot(cap=100, start=1) for name in classes},
        encounter=Encounter(
            law.row,
            law.column,
            by_role=len(law.roles) > 1,
            freezes_for=16,
            removes_for={"arena": 50, "repeated": 5, "one_shot": 100}[variant],
            event="interacted",
            progress=1,
        ),
        goals=(Goal({}, progress=1),) if one_shot else (),
        view=View() if arena else View(ahead=3, behind=1, side=2),
        ending=_ending(law, variant),
    )


def _rules(name: str) -> list[Rule]:
    """Gathering one class makes ready to meet, and three strikes destroy it."""
    states = (f"{name}_resource", f"cracked_{name}", f"broken_{name}", "floor")
    rules = []
    for item, struck in itertools.pairwise(states):
        rules.append(Rule(on=Enter(item), becomes="floor", gains={name: 1}, paint=1, event=f"gathered_{name}"))
        event = "destroyed" if struck == "floor" else None
        rules.append(Rule(on=Struck(item, by="interact"), becomes=struck, event=event))
    return rules


def _growth(classes: tuple[str, ...], rate: float, ripe: int) -> list[Growth]:
    laws = [Growth(f"{name}_resource", on=name, rate=rate, ripe=ripe) for name in classes]
    return [*laws, Growth(tuple(f"{name}_resource" for name in classes), on="any", rate=rate, ripe=ripe)]


def _ending(law: Kind, variant: str) -> Ending:
    if variant == "one_shot":
        return Ending(maximum=1000)
    if variant == "arena":
        return Ending(maximum=5000, minimum=1000, interval=100, rate=law.arena_rate)
    maximum, rate = law.repeated_maximum, law.repeated_rate
    return Ending(maximum, minimum=1000, interval=100, rate=rate, renew=True)


GAMES: dict[str, Callable[[], Game]] = {
    f"{kind}_in_the_matrix_{variant}": functools.partial(in_the_matrix, kind, variant)
    for kind in KINDS
    for variant in ("arena", "repeated", "one_shot")
}
