"""All 144 strict ordinal 2x2 games by name: what each player prefers, and nothing about by how much.

There are 4! x 4! orderings of four outcomes by two players, and relabelling rows or columns joins four of them each,
which leaves 144 games (Robinson & Goforth 2005, "The Topology of the 2x2 Games"). A game is named after the symmetric
games from which its row player and its column player have their preferences (Bruns 2015, "Names for Games: Locating
2x2 Games", Games 6(4), section 4): `ordinal_pd_ch` is a prisoner's dilemma to the row player and chicken to the
column player. The moves of both are labelled as in those symmetric games, so that each player's best outcome needs
the other to cooperate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from softsim.envs.matrix import MatrixGame, two_by_two


class Pattern(NamedTuple):
    """Preferences of a player in a symmetric game: ranks, 4 the best, of both, self alone, ... cooperating."""

    name: str
    reward: int  # both cooperate
    sucker: int  # only oneself does
    temptation: int  # only the other does
    punishment: int  # neither does


PATTERNS = {
    "Ch": Pattern("chicken", 3, 2, 4, 1),
    "Ba": Pattern("battle", 2, 3, 4, 1),
    "Hr": Pattern("hero", 1, 3, 4, 2),
    "Cm": Pattern("compromise", 1, 2, 4, 3),
    "Dl": Pattern("deadlock", 2, 1, 4, 3),
    "Pd": Pattern("prisoner's dilemma", 3, 1, 4, 2),
    "Sh": Pattern("stag hunt", 4, 1, 3, 2),
    "As": Pattern("assurance", 4, 1, 2, 3),
    "Co": Pattern("coordination", 4, 2, 1, 3),
    "Pc": Pattern("peace", 4, 3, 1, 2),
    "Ha": Pattern("harmony", 4, 3, 2, 1),
    "Nc": Pattern("concord", 4, 2, 3, 1),
}
"""By Bruns's abbreviation, in his order: neighbours, the last and the first included, differ by one swap of ranks."""

DILEMMAS = {
    "none": "Do they take what is best for both?",
    "second best": "Do they settle for an outcome that is nobody's best?",
    "unequal": "Does the one who is worse off accept the only equilibrium?",
    "tragic": "Do they find an outcome that both prefer to the only equilibrium?",
    "trust": "Does each trust the other to choose the better of two equilibria?",
    "contested": "Whose equilibrium is played, when each prefers another?",
    "cyclic": "What do they do where one of them always wants to change?",
}
"""What is hard about a game, told by its pure equilibria, and the question it asks."""


def payoffs(row: str, column: str) -> np.ndarray:
    """Ranks, [2, 2, 2] float32, of the game that two patterns make."""
    return np.stack([two_by_two(*PATTERNS[row][1:])[0], two_by_two(*PATTERNS[column][1:])[1]])


def equilibria(payoff: Any) -> Any:
    """Mark the pure Nash equilibria, [M, N] bool, of a game [2, M, N]; arrays of NumPy or of a device."""
    return (payoff[0] >= payoff[0].max(0, keepdims=True)) & (payoff[1] >= payoff[1].max(1, keepdims=True))


def dilemma(payoff: np.ndarray) -> str:
    """Name what is hard about a strict ordinal game of ranks 1 to 4, [2, 2, 2]: a key of `DILEMMAS`."""
    outcomes = payoff.reshape(2, 4).T
    stable = outcomes[equilibria(payoff).reshape(4)]
    win_win = (stable == 4).all(1).any()
    if len(stable) == 0:
        return "cyclic"
    if len(stable) == 2:
        return "trust" if win_win else "contested"
    if win_win:
        return "none"
    if (outcomes > stable[0]).all(1).any():
        return "tragic"
    return "second best" if stable[0, 0] == stable[0, 1] else "unequal"


def ordinal(row: str, column: str) -> MatrixGame:
    """Declare the game of two patterns, by their abbreviations."""
    payoff = payoffs(row, column)
    kind = dilemma(payoff)
    name = f"ordinal_{row}_{column}".lower()
    return MatrixGame(name, payoff, family="ordinal", question=DILEMMAS[kind], dilemma=kind)


ORDINAL: dict[str, Callable[[], MatrixGame]] = {
    f"ordinal_{row}_{column}".lower(): functools.partial(ordinal, row, column)
    for row in PATTERNS
    for column in PATTERNS
}
"""Game k has the row player's pattern k // 12 and the column player's k % 12."""
