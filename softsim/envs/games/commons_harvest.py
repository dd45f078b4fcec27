"""Commons harvest: apples grow back only beside other apples, so a patch that is eaten up is lost for good.

Follows `commons_harvest__open`, `__closed` and `__partnership` of Melting Pot 2.0 (Agapiou et al. 2022,
arXiv 2211.13746), whose configs are the source of every number. The regrowth law is that of Perolat et al.
2017 (arXiv 1707.06600). Where this differs:

- The map is our own, of the same size and counts: 24 x 18 with its walls, 64 apple cells in 6 patches
  further than the radius of regrowth apart, and 60 cells at the bottom where those who were zapped come
  back. One picture serves all three games: `closed` has two rooms, each behind a corridor one cell wide;
  `partnership` opens a second corridor to each, so that one agent cannot guard a room; `open` has no inner
  walls.
- All agents start on the 12 cells among the apples, half of them in each room. In Melting Pot the first two
  players do, one in each room, and the others start at the bottom.
- The `partnership` tiles that fine players of a hidden role, used to train background bots, are left out.
- An apple never grows under an agent, all act at the same instant, and two that zap each other both go.
"""

from __future__ import annotations

from softsim.envs.game import Beam, Cell, Ending, Enter, Game, Growth, Rule

MAP = """
########################
#..a...aaaa==aaaa...a..#
#.aaa...aa.==.aa...aaa.#
#aaaaa.....==.....aaaaa#
#.aaa......==......aaa.#
#..a...a...==...a...a..#
#.....aaa..==..aaa.....#
#sss.aaaaa.==.aaaaa.sss#
#sss..aaa..==..aaa..sss#
#......a...==...a......#
#==.=====+====+=====.==#
#==.=====+====+=====.==#
#==.=====+====+=====.==#
#......................#
#.llllllllllllllllllll.#
#.llllllllllllllllllll.#
#.llllllllllllllllllll.#
########################
"""
"""`=` is a wall where there are rooms, `+` one where a room has a single entrance."""

Rates = tuple[float, float, float, float]
LEGEND = {"a": Cell("apple", site="patch"), "s": Cell(spawn="start"), "l": Cell(spawn="later")}
LONG_ZAP = Beam("zap", length=4, half_width=1, cooldown=1, strikes_agents=True, removes_for=100, event="zapped")


def commons_harvest_open() -> Game:
    """Declare the commons that nobody can fence off."""
    return _harvest(
        "open",
        rate=(0.0, 0.0025, 0.005, 0.025),
        zap=Beam("zap", length=3, half_width=1, cooldown=2, strikes_agents=True, removes_for=4, event="zapped"),
        question="Do agents who share patches that only regrow beside fruit leave enough standing?",
        dilemma="common-pool resource",
        inner="floor",
        door="floor",
    )


def commons_harvest_closed() -> Game:
    """Declare the commons whose rooms one agent can defend."""
    return _harvest(
        "closed",
        rate=(0.0, 0.001, 0.005, 0.025),
        zap=LONG_ZAP,
        question="Does a commons that one can defend become property, and is it then kept alive?",
        dilemma="common-pool resource, excludable",
        inner="wall",
        door="wall",
    )


def commons_harvest_partnership() -> Game:
    """Declare the commons whose rooms it takes two to defend."""
    return _harvest(
        "partnership",
        rate=(0.0, 0.001, 0.005, 0.025),
        zap=LONG_ZAP,
        question="Do two trust each other to guard one entrance each and to spare what they share?",
        dilemma="common-pool resource, excludable by two",
        inner="wall",
        door="floor",
    )


def _harvest(variant: str, rate: Rates, zap: Beam, question: str, dilemma: str, inner: str, door: str) -> Game:
    return Game(
        name=f"commons_harvest_{variant}",
        family="commons_harvest",
        question=question,
        dilemma=dilemma,
        map=MAP,
        legend=LEGEND | {"=": Cell(inner), "+": Cell(door)},
        rules=(Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),),
        growth=(Growth("apple", on="patch", rate=rate, radius=2.0),),
        beams=(zap,),
        num_agents=7,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.15),
    )


GAMES = {
    "commons_harvest_open": commons_harvest_open,
    "commons_harvest_closed": commons_harvest_closed,
    "commons_harvest_partnership": commons_harvest_partnership,
}
