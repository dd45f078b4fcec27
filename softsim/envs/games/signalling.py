"""Lewis signalling: one knows the state of the world, the other can act on it, and signals mean nothing yet.

The game of Lewis 1969 ("Convention"), in space: nature is in one of m states, drawn evenly. The sender, in a booth,
sees which; the receiver, in a room, sees the sender's colour and hears its message, and steps on one of m pads. The
right pad pays both 1; either way nature draws anew, and the receiver is off the map for a step and comes back in the
middle, as far from one pad as from any other. So a new round begins cleanly but for the sender's colour, which stays
until it signals again: it has the steps of the receiver's way to do so. Rounds, pay and states are ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from softsim.envs.game import Beam, Cell, Ending, Enter, Game, Nature, Rule, Speech
from softsim.envs.spec import View

MAP = """
###########
#####S#####
###########
#1.......2#
#.........#
#....R....#
#.........#
#3.......4#
###########
"""


def lewis_signalling(states: int = 2) -> Game:
    """Declare a signalling game with 2 to 4 `states`, as many signals, and as many pads."""
    kinds = range(1, states + 1)
    legend = {"S": Cell(spawn="always", role="sender"), "R": Cell(spawn="always", role="receiver")}
    pads = {str(k): Cell(f"pad_{k}" if k in kinds else "floor") for k in range(1, 5)}
    return Game(
        name="lewis_signalling" if states == 2 else f"lewis_signalling_{states}",
        family="signalling",
        question="Do two with nothing but a common interest come to mean something by arbitrary signals?",
        dilemma="pure coordination under asymmetric information",
        map=MAP,
        legend=legend | pads,
        rules=[rule for k in kinds for rule in _pad(k)],
        beams=[Beam(f"signal_{k}", length=0, role="sender", says=k) for k in kinds],
        num_agents=2,
        roles=("sender", "receiver"),
        nature=Nature(count=states, shown="sender"),
        speech=Speech(fades=0.5, range=10),
        view=View(ahead=5, behind=5, side=5),
        ending=Ending(200),
    )


def _pad(k: int) -> list[Rule]:
    """State k - 1 is the one in which pad k is right."""
    on = Enter(f"pad_{k}")
    again = functools.partial(Rule, on=on, role="receiver", turns="redraw", exile=1)
    return [again(nature=k - 1, reward=1.0, reward_others=1.0, event="right"), again(event="wrong")]


GAMES: dict[str, Callable[[], Game]] = {
    "lewis_signalling": lewis_signalling,
    "lewis_signalling_4": functools.partial(lewis_signalling, 4),
}
