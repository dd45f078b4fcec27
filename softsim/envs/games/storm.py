"""STORM: a matrix game in a small world. Two gather coins of two colours and play what they have gathered.

Follows `storm_2p` of JaxMARL 0.2.0 (Rutherford et al. 2023, arXiv 2311.10090), whose environment is the source of every
number; the game is from Khan et al. 2024 (arXiv 2312.12568). Where this differs:

- The map is our own, of the same size and counts: 8 x 8, 6 coins of either colour, and starts apart from them.
- Agents can step backward and sideways, too, and do so without turning. Two never swap cells.
- An interaction strikes 6 cells, two ahead in the agent's own column and in either column beside it; JaxMARL's strikes
  two ahead, and those ahead to the left and right. The striker plays rows; there the first agent does, which with
  payoffs that treat both alike is the same.
- Two who meet are paid one step later, not at once. They stand still for 5 steps, leave for one, and come back on
  random cells with empty bags, to a map with all its coins.
- The other's bag is seen in the step of the encounter, not as long as both stand still.
- Ten inner episodes make an outer one, as in pax; JaxMARL has one unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Beam, Cell, Encounter, Ending, Enter, Game, Rule, Slot
from softsim.envs.spec import View

MAP = """
P..PP..P
.r.b.rb.
..P..P..
Pr.P.Pbr
..P.PP..
.br..r..
..P..Pb.
PP.bP..P
"""

INNER, OUTER = 152, 10


def storm() -> Game:
    """Declare the prisoner's dilemma in a small world."""
    colours = ("red", "blue")
    return Game(
        name="storm",
        family="storm",
        question="Do two who meet again and again shape one another towards cooperation?",
        dilemma="iterated prisoner's dilemma",
        map=MAP,
        legend={colour[0]: Cell(f"{colour}_coin") for colour in colours},
        rules=[
            Rule(on=Enter(f"{colour}_coin"), becomes="floor", gains={colour: 1}, paint=1, event=f"gathered_{colour}")
            for colour in colours
        ],
        beams=(Beam("interact", length=2, half_width=1, strikes_agents=True, meets=True),),
        num_agents=2,
        bag={colour: Slot(cap=6) for colour in colours},
        encounter=Encounter(
            row=((3, 0), (5, 1)), column=((3, 5), (0, 1)), freezes_for=5, removes_for=1, event="interacted"
        ),
        instalments=(5,),
        view=View(ahead=4, behind=0, side=2),
        ending=Ending(INNER * OUTER, round=INNER, renew=True),
    )


GAMES: dict[str, Callable[[], Game]] = {"storm": storm}
