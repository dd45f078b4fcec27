"""Gift refinements: a token given is worth five, so whoever gives trusts the other to give back.

Follows `gift_refinements` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and components are
the source of every number. Where this differs:

- The map is our own, the plan of our `coop_mining`: 27 x 27 with its walls, 538 token cells, 18 start cells.
- `consumed` counts every press, also of those who hold nothing.
- What roles earn for giving, used to train background bots, is left out.
- All act at the same instant: two who give to each other both give of what they had before.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Cell, Ending, Enter, Game, Growth, Rule, Slot
from softsim.envs.games.coop_mining import MAP

CAP, MULTIPLIER = 15, 5


def gift_refinements() -> Game:
    """Declare the investment game: a raw token given twice may become twenty-five."""
    return Game(
        name="gift_refinements",
        family="gift_refinements",
        question="Does anyone give away a token that is worth five to the other, and is it given back?",
        dilemma="trust, an investment game",
        map=MAP,
        legend={"o": Cell(site="token")},
        bag={
            "raw": Slot(CAP, into="refined", amount=MULTIPLIER),
            "refined": Slot(CAP, into="pure", amount=MULTIPLIER),
            "pure": Slot(CAP),
        },
        rules=(
            Rule(on=Enter("token"), becomes="floor", gains={"raw": 1}, event="collected"),
            Rule(on=Act("consume"), cash=1.0, event="consumed"),
        ),
        growth=(Growth("token", on="token", rate=0.0002),),
        beams=(
            Beam("gift", length=5, half_width=0, cooldown=3, strikes_agents=True, gives=True, event="gave"),
            Beam("consume", length=0, half_width=0),
        ),
        num_agents=6,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.2),
    )


GAMES: dict[str, Callable[[], Game]] = {"gift_refinements": gift_refinements}
