"""Level-based foraging: food that is too much for one is lifted by those who come together at it.

Follows `lb_foraging` of SocialJax (Guo et al. 2025, arXiv 2503.14576), whose environment is the source of every number;
the game is from Albrecht and Ramamoorthy 2013 (arXiv 1506.01170). Where this differs:

- The map is our own, of the same size and counts: 8 x 8 with its walls and 4 cells to start on.
- Two of the four agents are of level 1 and two of level 2, by role; there every level is drawn. The levels of the
  food are drawn.
- An agent loads what it faces, not whatever lies beside it.
- All who load a food that is lifted have their own level times the food's; the fraction of all of it that SocialJax
  makes of this is left to the user, and so is its cost of trying in vain.
- An episode goes on to its 100th step when nothing is left.
- The window is 9 x 9, turned with the agent, which then sees the whole room from its middle; there it is 8 x 8.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Cell, Draw, Ending, Game, Rule, Struck, Work
from softsim.envs.spec import View

MAP = """
########
#ffffff#
#fPffPf#
#ffffff#
#ffffff#
#fPffPf#
#ffffff#
########
"""

LEVELS, FOODS = (1, 2), (1, 2, 3)


def lb_foraging() -> Game:
    """Declare the foraging of four, of two levels."""
    food = {level: f"food_{level}" for level in FOODS}
    return Game(
        name="lb_foraging",
        family="lb_foraging",
        question="Do agents find who is needed where, and come together there?",
        dilemma="coordination with unequal partners",
        map=MAP,
        legend={"f": Cell(site="field"), "P": Cell(spawn="start")},
        solid=("wall", *food.values()),
        draws=(Draw(tuple(food.values()), on="field", count=4),),
        rules=[Rule(on=Struck(item, by="interact"), claim="join") for item in food.values()],
        work=[
            Work(
                item,
                need=level,
                window=1,
                done=Rule(on=Act("interact"), becomes="floor", reward=level, by_level=True, event="loaded"),
            )
            for level, item in food.items()
        ],
        beams=(Beam("interact", length=1, half_width=0),),
        num_agents=4,
        roles=tuple(f"level_{level}" for level in LEVELS),
        level={f"level_{level}": level for level in LEVELS},
        show_role=True,
        view=View(ahead=4, behind=4, side=4),
        ending=Ending(100),
    )


GAMES: dict[str, Callable[[], Game]] = {"lb_foraging": lb_foraging}
