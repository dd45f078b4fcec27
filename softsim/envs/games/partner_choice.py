"""Partner choice: eight in four rooms of two, who can help the one they are with, or leave and take their chance.

Our own design, for the question whether the freedom to leave keeps cooperation alive (Aktipis 2004, "Know when to walk
away", J. Theor. Biol. 231). A room is two cells, so two fill it:

- `gift` reaches the other in the room, if that is ahead of the giver or beside it. It costs the giver 1 and is worth
  3 to the other, so that giving in every step is a prisoner's dilemma: 2 for both, 3 for who is given to and gives
  nothing, -1 for who gives alone, 0. A gift that nobody is there to receive costs nothing.
- `leave` takes the agent off the map for 20 steps, in which it earns nothing. Then it comes back on a random free cell
  of all the rooms, and so beside somebody else only if others have left, too. The one left behind stays until somebody
  comes, or leaves as well.
- Nobody sees into other rooms. Whom it is with an agent can tell, and remember.
- An episode has 1000 steps.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Ending, Game, Rule
from softsim.envs.spec import View

MAP = """
#########
#PP###PP#
#########
#########
#########
#PP###PP#
#########
"""

COST, BENEFIT, AWAY = 1.0, 3.0, 20


def prisoners_dilemma_in_rooms() -> Game:
    """Declare the prisoner's dilemma of pairs that either side can break up."""
    return Game(
        name="prisoners_dilemma_in_rooms",
        family="partner_choice",
        question="Does it keep cooperation alive that one can walk away from who does not return it?",
        dilemma="prisoner's dilemma with an exit",
        map=MAP,
        rules=(Rule(on=Act("leave"), exile=AWAY, event="leave"),),
        beams=(
            Beam("gift", length=1, half_width=1, strikes_agents=True, reward=-COST, fine=BENEFIT, event="gave"),
            Beam("leave", length=0, half_width=0),
        ),
        num_agents=8,
        view=View(ahead=1, behind=1, side=1),
        ending=Ending(1000),
    )


GAMES: dict[str, Callable[[], Game]] = {"prisoners_dilemma_in_rooms": prisoners_dilemma_in_rooms}
