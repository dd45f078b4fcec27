"""Coins, classic: the coin game of 3 x 3 cells that opponent shaping is tried on.

Follows `coin_game` of JaxMARL 0.2.0 (Rutherford et al. 2023, arXiv 2311.10090), which is the source of every number;
the game is from Lerer and Peysakhovich 2017 (arXiv 1707.01068). One red and one blue coin always lie on a torus of 3 by
3 cells. Any coin pays 1 to who takes it, and takes 2 from the other if it is of the other's colour. Ten inner episodes
of ten steps make an outer one. Where this differs:

- The two agents stand on distinct cells, cannot swap them, and never take one coin together: of two who step onto it, a
  random one gets there and has it.
- Agents move relative to their heading, in 7 actions instead of 5, and see the torus turned that way, themselves in the
  middle.
- A coin that is taken comes back on a random cell with neither a coin nor an agent.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Cell, Draw, Ending, Enter, Game, Growth, Rule
from softsim.envs.spec import View

ROLES = ("red", "blue")
INNER, OUTER = 10, 10


def coins_classic() -> Game:
    """Declare the coin game on a torus of 3 x 3 cells."""
    coin = {role: f"{role}_coin" for role in ROLES}
    return Game(
        name="coins_classic",
        family="coins",
        question="Do two learn to leave the other's coin alone when both see all there is?",
        dilemma="reciprocity",
        map="ccc\nccc\nccc",
        legend={"c": Cell(site="coin", spawn="always")},
        rules=[_take(role, colour) for role in ROLES for colour in ROLES],
        draws=[Draw(coin[role], on="coin", count=1) for role in ROLES],
        growth=[Growth(coin[role], on="coin", per_step=1.0, cap=1) for role in ROLES],
        num_agents=2,
        roles=ROLES,
        torus=True,
        view=View(ahead=1, behind=1, side=1),
        ending=Ending(INNER * OUTER, round=INNER),
    )


def _take(role: str, colour: str) -> Rule:
    own = role == colour
    return Rule(
        on=Enter(f"{colour}_coin"),
        role=role,
        becomes="floor",
        reward=1.0,
        reward_others=0.0 if own else -2.0,
        event="took_own" if own else "took_other",
    )


GAMES: dict[str, Callable[[], Game]] = {"coins_classic": coins_classic}
