"""Coins: both coins are worth taking, but taking the other's costs the other more than it brings.

Follows `coins` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config is the source of
every number; the game is from Lerer and Peysakhovich 2017 (arXiv 1707.01068). Where this differs:

- The first agent is always red and the second blue, and each observes its own role; Melting Pot draws the
  two colours from a palette.
- That the other took its coin an agent observes only as part of its own reward: 2 less.
- The agents start in the middle row, at the west and at the east wall, on the two cells that never hold a
  coin.
- A coin never appears under an agent.
"""

from __future__ import annotations

import numpy as np

from softsim.envs.game import Cell, Ending, Enter, Game, Growth, Rule

ROLES = ("red", "blue")
LOW, HIGH = 10, 15


def coins(height: int | None = None, width: int | None = None, seed: int = 0) -> Game:
    """Declare coins on a walled floor of `height` x `width` cells.

    Each is drawn uniformly from 10 to 15 by `seed` unless given; giving one leaves the other as drawn.
    """
    drawn = np.random.default_rng(seed).integers(LOW, HIGH + 1, 2)
    height = int(drawn[0]) if height is None else height
    width = int(drawn[1]) if width is None else width
    return Game(
        name="coins",
        family="coins",
        question="Do two who could each rob the other learn to leave the other's coins alone?",
        dilemma="reciprocity",
        map=_map(height, width),
        legend={"c": Cell(site="coin")},
        rules=[_take(role, coin) for role in ROLES for coin in ROLES],
        growth=(Growth(tuple(f"{colour}_coin" for colour in ROLES), on="coin", rate=0.0005),),
        num_agents=2,
        roles=ROLES,
        ending=Ending(maximum=5000, minimum=300, interval=100, rate=0.05),
    )


def _take(role: str, coin: str) -> Rule:
    own = role == coin
    return Rule(
        on=Enter(f"{coin}_coin"),
        role=role,
        becomes="floor",
        reward=1.0,
        reward_others=0.0 if own else -2.0,
        event="took_own" if own else "took_other",
    )


def _map(height: int, width: int) -> str:
    wall, row, starts = "#" * (width + 2), f"#{'c' * width}#", f"#P{'c' * (width - 2)}P#"
    above = (height - 1) // 2
    return "\n".join([wall, *[row] * above, starts, *[row] * (height - 1 - above), wall])


GAMES = {"coins": coins}
