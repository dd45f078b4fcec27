"""Collaborative cooking: soups that two make faster together, and in some kitchens only together.

Follows `collaborative_cooking` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose configs are the source
of every number, in the five kitchens of Overcooked-AI (Carroll et al. 2019, arXiv 1910.05789). A pot takes three
tomatoes and cooks them for 20 steps; the soup is collected with a dish, and its delivery pays 20 to everybody. Hands
and counters hold one thing. Where this differs:

- The maps are our own, of the sizes and with the tasks of the five: `cramped_room`, in which two are in each other's
  way; `asymmetric_advantages`, two kitchens apart around shared pots, of which one is near the tomatoes and the other
  near the hatch; `coordination_ring`, a corridor round a counter that both must walk the same way;
  `forced_coordination`, where one has the ingredients and the other pots and hatch; `counter_circuit`, a long way round
  that handing things over the counter in the middle spares.
- Of two who reach for one thing in the same step a random one has it.
- How far a soup is cooked cannot be seen: a full pot looks the same until it is done.
- The other's hands are seen, as in Melting Pot; so is one's own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

from softsim.envs.game import Beam, Cell, Decay, Ending, Game, Rule, Struck
from softsim.envs.spec import View

CRAMPED_ROOM = """
cTcTc
O.P.D
c.P.c
ccHcc
"""
ASYMMETRIC_ADVANTAGES = """
ccccccccc
T...c...H
c.P.O.P.c
c...O...c
ccHDcDTcc
"""
COORDINATION_RING = """
ccDcc
T.P.c
T.c.O
cP..O
ccHcc
"""
FORCED_COORDINATION = """
cTDTc
c.P.c
ccccc
c.P.c
cOHOc
"""
COUNTER_CIRCUIT = """
ccTcTccc
c..P...c
H.cccc.D
c...P..c
cccOcOcc
"""
"""`c` is a counter, `T` a box of tomatoes, `D` one of dishes, `O` a pot, `H` the hatch."""

LEGEND = {
    "c": Cell("counter"),
    "T": Cell("tomato_box"),
    "D": Cell("dish_box"),
    "O": Cell("pot"),
    "H": Cell("hatch"),
    "P": Cell(spawn="start"),
}
THINGS = ("tomato", "dish", "soup")
POTS = ("pot", "pot_1", "pot_2", "pot_3")
FURNITURE = (
    *("counter", *(f"counter_{thing}" for thing in THINGS)),
    *("tomato_box", "dish_box", "hatch", *POTS, "pot_done"),
)

QUESTIONS = {
    "cramped_room": (CRAMPED_ROOM, "Do two who are in each other's way find a rhythm?"),
    "asymmetric_advantages": (ASYMMETRIC_ADVANTAGES, "Does each do what its own side is good for?"),
    "coordination_ring": (COORDINATION_RING, "Do two agree which way round to walk?"),
    "forced_coordination": (FORCED_COORDINATION, "Does each hand over what only the other can use?"),
    "counter_circuit": (COUNTER_CIRCUIT, "Do two see that handing things over saves the way?"),
}


def _use(
    item: str, hand: str, holds: str, becomes: str | None = None, reward: float = 0.0, event: str | None = None
) -> Rule:
    """A rule on reaching for an item with `hand`, which `holds` something else then."""
    on = Struck(item, by="interact")
    return Rule(on=on, hand=hand, holds=holds, becomes=becomes, reward=reward, reward_others=reward, event=event)


RULES = (
    _use("tomato_box", "", "tomato"),
    _use("dish_box", "", "dish"),
    *(_use("counter", thing, "", f"counter_{thing}", event="put_down") for thing in THINGS),
    *(_use(f"counter_{thing}", "", thing, "counter", event="picked_up") for thing in THINGS),
    *(_use(pot, "tomato", "", fuller, event="potted") for pot, fuller in itertools.pairwise(POTS)),
    _use("pot_done", "dish", "soup", "pot", event="dished"),
    _use("hatch", "soup", "", reward=20.0, event="delivered"),
)


def cooking(kitchen: str) -> Game:
    """Declare one of the five kitchens."""
    layout, question = QUESTIONS[kitchen]
    return Game(
        name=f"cooking_{kitchen}",
        family="cooking",
        question=question,
        dilemma="coordination",
        map=layout,
        legend=LEGEND,
        rules=RULES,
        decay=(Decay("pot_3", rate=1.0, into="pot_done", ripe=20),),
        beams=(Beam("interact", length=1, half_width=0),),
        num_agents=2,
        solid=("wall", *FURNITURE),
        hands=THINGS,
        view=View(ahead=3, behind=1, side=2),
        ending=Ending(1000),
        endless=True,
    )


GAMES: dict[str, Callable[[], Game]] = {
    f"cooking_{kitchen}": functools.partial(cooking, kitchen) for kitchen in QUESTIONS
}
