"""Externality mushrooms: what one eats feeds others, or hurts all, and decides what grows next.

Follows `externality_mushrooms__dense` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and
components are the source of every number. Red pays the eater alone, green all alike, blue only the others, and orange
costs all; spores of what is eaten bring up the same kind and those that are kinder to oneself. Where this differs:

- The map is our own, of the same size and counts: 23 x 14 with its walls, 3 red, 3 green, 3 blue and 1 orange mushroom
  at first, and any cell of the floor may host one.
- A spore that comes up does so on a cell where no agent stands; in Melting Pot it is lost if it falls under one.
- At most three spores of a kind come up in a step. More, when two eat in the same step, wait for the next.
- Orange mushrooms never perish; in Melting Pot they do after 10^7 steps, two thousand times the longest episode.
- All act at the same instant, and two that zap each other are both struck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from softsim.envs.game import Beam, Cell, Decay, Ending, Enter, Game, Growth, Rule, Struck

MAP = """
#######################
#.....................#
#.P....r....P.....b.P.#
#.........#...........#
#...g.....#....###....#
#.........#...........#
#.P...##.....b......P.#
#...........P.........#
#.r............g......#
#.......###.......#...#
#.P...b...........#.P.#
#.............r...#...#
#.g...P....o......P...#
#######################
"""

COLOURS = ("red", "green", "blue", "orange")
SPORES = {"red": 0.25, "green": 0.4, "blue": 0.6, "orange": 1.0}
"""Probability that a spore of a kind comes up, whatever was eaten."""

PERISHES = {"red": 200, "green": 100, "blue": 75}


def externality_mushrooms() -> Game:
    """Declare the mushrooms, whose eaters are rarely those who gain."""
    return Game(
        name="externality_mushrooms",
        family="externality_mushrooms",
        question="Does anyone eat what feeds only the others, and is anyone made to leave what harms all alone?",
        dilemma="externalities, positive and negative",
        map=MAP,
        legend={".": Cell(site="soil"), "P": Cell(site="soil", spawn="always")}
        | {colour[0]: Cell(f"{colour}_mushroom", site="soil") for colour in COLOURS},
        rules=(
            _eat("red", {"red": 3}, reward=1.0),
            _eat("green", {"red": 3, "green": 3}, split=2.0, freeze=10),
            _eat("blue", {"red": 3, "green": 3, "blue": 3}, split_others=3.0, freeze=15),
            _eat("orange", {"orange": 1}, split=-1.0, freeze=15, blight=("red_mushroom", 0.25)),
            *(
                Rule(on=Struck(f"{colour}_mushroom", by="zap"), becomes="floor", event="destroyed")
                for colour in COLOURS
            ),
        ),
        growth=tuple(Growth(f"{colour}_mushroom", on="soil", per_try=rate) for colour, rate in SPORES.items()),
        decay=tuple(Decay(f"{colour}_mushroom", rate=1.0, ripe=steps) for colour, steps in PERISHES.items()),
        beams=(
            Beam(
                "zap",
                length=3,
                half_width=1,
                cooldown=3,
                passes=True,
                strikes_agents=True,
                mark_for=50,
                freezes_for=25,
                removes_for=50,
                event="zapped",
            ),
        ),
        num_agents=5,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.2),
    )


def _eat(colour: str, tries: Mapping[str, int], **effects) -> Rule:
    spores = {f"{kind}_mushroom": count for kind, count in tries.items()}
    return Rule(on=Enter(f"{colour}_mushroom"), becomes="floor", spores=spores, event=f"ate_{colour}", **effects)


GAMES: dict[str, Callable[[], Game]] = {"externality_mushrooms": externality_mushrooms}
