"""Coop mining: iron anyone can dig alone; gold pays far more, to two who dig together.

Follows `coop_mining` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and component are the
source of every number. Where this differs:

- The map is our own, of the same size and counts: 27 x 27 with its walls, 538 ore sites, 18 start cells.
- Two who strike gold in the same step have it at once; a third who strikes it in that step is paid, too.
- The tastes of hidden roles (gold diggers, iron diggers) are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Cell, Decay, Ending, Game, Growth, Rule, Struck, Work

MAP = """
###########################
#PoooooooooooPoooooooooooP#
#ooooooooooooooooooooooooo#
#oooo#ooo#ooooooo#ooo#oooo#
#oooo#ooo#ooooooo#ooo#oooo#
#oooo#ooo#oooPooo#ooo#oooo#
#oooo#ooo#ooooooo#ooo#oooo#
#ooooooooooooooooooooooooo#
#oooPoooo###ooo###ooooPooo#
#ooooooooooooooooooooooooo#
#ooooooo#ooooooooo#ooooooo#
#ooo##oo#oooo#oooo#oo##ooo#
#oooooooooooo#oooooooooooo#
#PoooooooPo#####oPoooooooP#
#oooooooooooo#oooooooooooo#
#ooo##oo#oooo#oooo#oo##ooo#
#ooooooo#ooooooooo#ooooooo#
#ooooooooooooooooooooooooo#
#oooPoooo###ooo###ooooPooo#
#ooooooooooooooooooooooooo#
#oooo#ooo#ooooooo#ooo#oooo#
#oooo#ooo#oooPooo#ooo#oooo#
#oooo#ooo#ooooooo#ooo#oooo#
#oooo#ooo#ooooooo#ooo#oooo#
#oooooooPoooooooooPooooooo#
#PoooooooooooPoooooooooooP#
###########################
"""


def coop_mining() -> Game:
    """Declare the stag hunt in a mine."""
    return Game(
        name="coop_mining",
        family="coop_mining",
        question="Do agents wait for one another at the gold, or dig the iron that needs nobody?",
        dilemma="stag hunt with extraction",
        map=MAP,
        legend={"o": Cell(site="ore")},
        rules=(
            Rule(on=Struck("iron", by="mine"), becomes="floor", reward=1.0, event="mined_iron"),
            Rule(on=Struck("gold", by="mine"), becomes="partial_gold", claim="join"),
            Rule(on=Struck("partial_gold", by="mine"), claim="join"),
        ),
        work=(
            Work(
                "partial_gold",
                need=2,
                window=3,
                done=Rule(on=Act("mine"), becomes="floor", reward=8.0, event="mined_gold"),
            ),
        ),
        growth=(Growth("iron", on="ore", rate=0.0002), Growth("gold", on="ore", rate=0.00008)),
        # Struck at step t, gold waits for a second agent through t + 2: three steps, the first included.
        decay=(Decay("partial_gold", rate=1.0, into="gold", ripe=2),),
        beams=(Beam("mine", length=3, half_width=0, cooldown=3),),
        num_agents=6,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.2),
    )


GAMES: dict[str, Callable[[], Game]] = {"coop_mining": coop_mining}
