"""Daycare: a parent must find out what a child wants that looks like something else to it.

Follows `daycare` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and components are the
source of every number. The parent sees bananas as apples and the child sees trees as shrubs, in hands as well. Where
this differs:

- The map is our own: 20 x 13 with its walls, 84 cells where plants may stand, in blocks of two rows, so that each can
  be reached from a path.
- Plants are solid with and without fruit; fruit on the ground is not. What is held is in the hand, not in the cell
  ahead, and `interact` puts it on empty floor alone.
- A fruit is back 50 steps after it was picked; in Melting Pot, after it was eaten.
- A child that was hungry comes back on a random start cell rather than beside the parent.
- Rewards for reaching, dropping and the like, used to train background bots, are left out; `reached` counts.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Cell, Decay, Draw, Ending, Game, Need, Rule, Struck
from softsim.envs.vocabulary import ACTIONS

MAP = """
####################
#..................#
#.ssss.ssss.ssss.ss#
#.ssss.ssss.ssss.ss#
#..................#
#.ssss.ssss.ssss.ss#
#.ssss.ssss.ssss.ss#
#..................#
#.ssss.ssss.ssss.ss#
#.ssss.ssss.ssss.ss#
#..................#
#...PPPPPPPPPPPP...#
####################
"""

BARE = {
    "apple_tree": "bare_tree",
    "apple_shrub": "bare_shrub",
    "banana_tree": "bare_banana_tree",
    "banana_shrub": "bare_banana_shrub",
}
DRAWS = {"apple_tree": 0.15, "apple_shrub": 0.01, "banana_tree": 0.03, "banana_shrub": 0.01}
ALIKE = {"bare_banana_tree": "bare_tree", "bare_banana_shrub": "bare_shrub"}
"""What nobody can tell: which fruit a bare plant will bear."""

LOOK = {
    "parent": ALIKE | {"banana": "apple", "banana_tree": "apple_tree", "banana_shrub": "apple_shrub"},
    "child": {
        "apple_tree": "apple_shrub",
        "banana_tree": "banana_shrub",
        "bare_tree": "bare_shrub",
        "bare_banana_tree": "bare_shrub",
        "bare_banana_shrub": "bare_shrub",
    },
}
HUNGRY = 200


def daycare() -> Game:
    """Declare the garden of parent and child."""
    return Game(
        name="daycare",
        family="daycare",
        question="Does a parent learn which fruit its child is after, though it cannot tell them apart?",
        dilemma="care without shared perception",
        map=MAP,
        legend={"s": Cell(site="plants")},
        rules=(*_grasp(), *_eat()),
        draws=[Draw(plant, on="plants", rate=rate) for plant, rate in DRAWS.items()],
        decay=[Decay(bare, rate=1.0, into=plant, ripe=50) for plant, bare in BARE.items()],
        beams=(Beam("interact", length=1, half_width=0), Beam("consume", length=0)),
        num_agents=2,
        roles=("parent", "child"),
        show_role=True,
        solid=("wall", *BARE, *BARE.values()),
        look=LOOK,
        hands=("apple", "banana"),
        need=Need(most=HUNGRY, role="child", change=dict.fromkeys((*ACTIONS, "interact", "consume"), -1.0), exile=100),
        ending=Ending(1000),
        endless=True,  # fruit grows back by a law of decay
    )


def _grasp() -> list[Rule]:
    """Pick, lift and put down. The child gets nothing from trees."""
    rules = []
    for plant, bare in BARE.items():
        fruit, grasp = plant.split("_")[0], Struck(plant, by="interact")
        rules.append(Rule(on=grasp, role="parent", hand="", becomes=bare, holds=fruit, event="picked"))
        if plant.endswith("shrub"):
            rules.append(Rule(on=grasp, role="child", hand="", chance=0.3, becomes=bare, holds=fruit, event="picked"))
        rules.append(Rule(on=grasp, role="child", hand="", event="reached"))
    for fruit in ("apple", "banana"):
        rules.append(Rule(on=Struck(fruit, by="interact"), hand="", becomes="floor", holds=fruit, event="lifted"))
        rules.append(Rule(on=Struck("floor", by="interact"), hand=fruit, becomes=fruit, holds="", event="dropped"))
    return rules


def _eat() -> list[Rule]:
    """Only bananas please and still the child; the parent likes either, with the child there."""
    on, rules = Act("consume"), []
    for fruit, worth in (("apple", 0.0), ("banana", 1.0)):
        event = f"ate_{fruit}"
        rules += [
            Rule(on=on, role="child", hand=fruit, holds="", reward=worth, feeds=worth * HUNGRY, event=event),
            Rule(on=on, role="parent", hand=fruit, present="child", holds="", reward=1.0, event=event),
            Rule(on=on, role="parent", hand=fruit, holds="", event=event),
        ]
    return rules


GAMES: dict[str, Callable[[], Game]] = {"daycare": daycare}
