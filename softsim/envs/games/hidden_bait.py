"""Hidden bait: whether to take the bait depends on where another, who may not have seen it move, believes it to be.

The competition of a dominant and a subordinate chimpanzee over food that only one has seen being moved (Hare, Call
and Tomasello 2001), as a room. Bait lies in one of two boxes in the wall between two rooms. For the first `events`
steps nobody can move; in each of them the boxes' contents trade places with probability 1/4, and a screen that blinds
the dominant goes up or down with probability 1/4. Then both may walk, the subordinate three steps before the
dominant, and each chooses the box it first has right ahead of it, for good. The dominant gets 1 for the bait. The
subordinate gets 1 for the bait if the dominant chose the other box, 0 for an empty box that the dominant leaves
alone, and -1 for the dominant's box. So it does best to choose the box in which the dominant does not believe the
bait to be: the bait if that belief is false, an empty box if it is true.

- Boxes are open: who is not blinded sees what is in them. So the dominant's belief is false only if the contents have
  traded places an odd number of times since the screen last went up, and it is up at the end; it then stays up.
- The dominant is paid as it chooses, the subordinate one step after the later choice. The subordinate must choose no
  later than the dominant, which its lead allows whichever way the two look at first: both boxes are as far from both.
  They see three cells around them, not each other from where they start.
- Everybody knows whether the screen is up. `EnvState.belief` is what each agent last saw in the boxes.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Cell, Draw, Ending, Face, Game, Nature, Rule, Trick
from softsim.envs.spec import View

MAP = """
#########
#...D...#
#.......#
#.......#
##x###x##
#.......#
#.......#
#...S...#
#########
"""

WALK = 12
"""Steps from the end of the events to the end of an episode. Either box is at most six away, with turns."""

LEAD = 3

OPEN, AT_BAIT, AT_EMPTY = 0, 1, 2
"""States of nature, which nobody sees: where the dominant is."""


def hidden_bait(events: int = 8) -> Game:
    """Declare a trial with so many steps of events."""
    length = events + WALK
    return Game(
        name="hidden_bait",
        family="theory_of_mind",
        question="Does one act on what another believes, where that is not what is so?",
        dilemma="competition with false beliefs",
        map=MAP,
        legend={
            "D": Cell(spawn="start", role="dominant"),
            "S": Cell(spawn="start", role="subordinate"),
            "x": Cell("box", site="boxes"),
        },
        rules=_choices(length),
        draws=(Draw("bait", on="boxes", count=1),),
        num_agents=2,
        roles=("dominant", "subordinate"),
        solid=("wall", "box", "bait"),
        hands=("choice", "outcome"),  # what the subordinate waits for, and what it has had
        nature=Nature(count=3, shown=(), first=OPEN),
        trick=Trick(
            site="boxes",
            until=events,
            swap=0.25,
            screen=0.25,
            blinds="dominant",
            hold=("dominant", "subordinate"),
            lead=LEAD,
        ),
        view=View(ahead=3, behind=3, side=3),
        ending=Ending(maximum=length, minimum=length, rate=1.0),
    )


def _choices(length: int) -> list[Rule]:
    """The dominant's choice turns nature; the subordinate's waits in its hand for that. Both stand still from then."""
    rules = []
    for item, place, worth in (("bait", AT_BAIT, 1.0), ("box", AT_EMPTY, 0.0)):
        on, event = Face(item), f"chose_{item}"
        rules.append(Rule(on=on, role="dominant", nature=OPEN, turns=place, freeze=length, reward=worth, event=event))
        pick = Rule(on=on, role="subordinate", nature=OPEN, hand="", holds="choice", freeze=length, event=event)
        rules.append(pick)
        for where in (AT_BAIT, AT_EMPTY):
            contested = where == place
            pay, outcome = (-1.0, "collided") if contested else (worth, f"had_{item}")
            rules.append(
                Rule(
                    on=on,
                    role="subordinate",
                    nature=where,
                    hand="choice",
                    holds="outcome",
                    reward=pay,
                    event=outcome,
                )
            )
    return rules


GAMES: dict[str, Callable[[], Game]] = {"hidden_bait": hidden_bait}
