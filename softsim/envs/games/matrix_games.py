"""Repeated 2x2 and n-player games by name, with the field's usual numbers.

Prisoner's dilemma: Axelrod 1984 (3, 0, 5, 1). Donation: b - c, -c, b, 0 (Nowak 2006, Science 314:1560), with b = 4 and
c = 1. Optional: who leaves takes an outside option that pays both more than mutual defection and less than mutual
cooperation (Orbell and Dawes 1993, Am. Sociol. Rev. 58:787; Batali and Kitcher 1995, J. Theor. Biol. 175:161); the
numbers are ours. Chicken and stag hunt: the matrices of Melting Pot 2.0's "in the matrix" family (Agapiou et al. 2022).
Public good and volunteer's dilemma: `softsim.envs.matrix` states the payoffs. Horizons and tremble are ours, and are
params.
"""

from __future__ import annotations

import numpy as np

from softsim.envs.matrix import MatrixGame, public_good, two_by_two, volunteer


def prisoners_dilemma() -> MatrixGame:
    return MatrixGame(
        "prisoners_dilemma",
        two_by_two(3.0, 0.0, 5.0, 1.0),
        question="Will two who could exploit each other learn to return kindness?",
        dilemma="prisoner's dilemma",
    )


def donation() -> MatrixGame:
    return MatrixGame(
        "donation",
        two_by_two(3.0, -1.0, 4.0, 0.0),
        question="Will anybody pay 1 so that somebody else gets 4?",
        dilemma="prisoner's dilemma",
    )


def optional_prisoners_dilemma() -> MatrixGame:
    row = np.array([[3.0, 0.0, 2.0], [5.0, 1.0, 2.0], [2.0, 2.0, 2.0]], np.float32)
    return MatrixGame(
        "optional_prisoners_dilemma",
        np.stack([row, row.T]),
        action_names=("cooperate", "defect", "leave"),
        question="Does walking away from those who defect keep cooperation alive?",
        dilemma="prisoner's dilemma with an outside option",
    )


def chicken() -> MatrixGame:
    return MatrixGame(
        "chicken",
        two_by_two(3.0, 2.0, 5.0, 0.0),
        question="Who yields when both insisting is worst for both?",
        dilemma="chicken",
    )


def stag_hunt() -> MatrixGame:
    return MatrixGame(
        "stag_hunt",
        two_by_two(4.0, 0.0, 2.0, 2.0),
        question="Does each trust the other enough to risk the better outcome?",
        dilemma="stag hunt",
    )


def harmony() -> MatrixGame:
    return MatrixGame(
        "harmony",
        two_by_two(5.0, 3.0, 1.0, 0.0),
        question="Do they cooperate where it is best for each in any case?",
        dilemma="none (a control)",
    )


def public_good_5() -> MatrixGame:
    return MatrixGame(
        "public_good_5",
        public_good(5, 3.0),
        question="Who contributes to what all share, when each is better off if only the others do?",
        dilemma="public good",
    )


def volunteers_dilemma_5() -> MatrixGame:
    return MatrixGame(
        "volunteers_dilemma_5",
        volunteer(5, 2.0, 1.0),
        question="Who does the job that needs only one?",
        dilemma="volunteer's dilemma",
    )


GAMES = {
    game.__name__: game
    for game in (
        prisoners_dilemma,
        donation,
        optional_prisoners_dilemma,
        chicken,
        stag_hunt,
        harmony,
        public_good_5,
        volunteers_dilemma_5,
    )
}
