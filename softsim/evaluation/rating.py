"""Who is good? Payoff tables of everyone against everyone, and what to make of them: Elo, Nash averaging, alpha-rank.

A table is [K, K]: what row gets from column. `payoff_table` plays one out for anything that two can play; a trained
population's comes from `softsim.evaluation.cross_play`, which plays its members in their world. `rate` takes either.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import ArrayLike

from softsim.evaluation.cross_play import cross_play
from softsim.theory import fixation
from softsim.train import Program, TrainState
from softsim.types import Array, PyTree, UserError

POINTS = 400 / math.log(10)
"""Elo points per natural log-odds: 400 make odds of ten to one (Elo 1978)."""

DRAWN = 0.02
"""Share of drawn games added to what was played, so that who always wins gets a finite Elo: 798 more than the loser."""


@dataclasses.dataclass(frozen=True)
class Rating:
    """What a payoff table says of its K members, float64 each."""

    table: np.ndarray  # [K, K]   what row gets from column
    elo: np.ndarray  # [K]   points around a mean of 0; blind to cycles
    nash: np.ndarray  # [K]   shares in the equilibrium of greatest entropy
    nash_margin: np.ndarray  # [K]   what each gains on that equilibrium: 0 where `nash` is positive, else 0 or less
    alpha_rank: np.ndarray  # [K]   shares of the time under rare mutations and strong selection


def payoff_table(members: PyTree, play: Callable[[PyTree, PyTree], Array]) -> Array:
    """Play every member against every member, itself included, in one mapped call. Gives [K, K].

    Args:
        members: leaves [K, ...]; strategies [K, 5] as much as weights. play: (one, other) -> what the first gets, [].
    """
    return jax.jit(jax.vmap(jax.vmap(play, in_axes=(None, 0)), in_axes=(0, None)))(members, members)


def rate(table: ArrayLike, alpha: float = 100.0) -> Rating:
    """Rate the members of a payoff table [K, K]. Only margins count, so it may be of any game for two.

    Args:
        alpha: intensity of selection of alpha-rank, per unit of the greatest margin.

    Raises:
        UserError: the table is not square, or holds something that is not finite.
    """
    payoff = np.asarray(table, np.float64)
    if payoff.ndim != 2 or payoff.shape[0] != payoff.shape[1] or payoff.shape[0] < 2:
        raise UserError(f"table: has shape {payoff.shape}; it must be [K, K] with 2 members or more.")
    if not np.isfinite(payoff).all():
        raise UserError(f"table: holds {payoff[~np.isfinite(payoff)][0]}; every payoff must be finite.")
    scaled = margins(payoff)
    share = nash_average(scaled)
    with jax.enable_x64(True):
        _, visits = alpha_rank(jnp.asarray(scaled), alpha)
    return Rating(payoff, elo((1 + scaled) / 2), share, scaled @ share, np.asarray(visits))


def rate_members(
    program: Program, state: TrainState, key: Array, repeats: int = 8, alpha: float = 100.0
) -> list[Rating]:
    """Rate the members, learners and scripted, of each of the N populations of a run by playing them with each other.

    Args:
        key: [] random key. repeats: as of `cross_play`. alpha: as of `rate`.
    """
    return [rate(table, alpha) for table in cross_play(program, state, key, repeats)]


def margins(table: np.ndarray) -> np.ndarray:
    """By how much row beats column, [K, K] antisymmetric, in units of the greatest margin of all: from -1 to 1."""
    margin = table - table.T
    return margin / max(np.abs(margin).max(), np.finfo(np.float64).tiny)


def elo(score: np.ndarray) -> np.ndarray:
    """Fit Elo points [K], of mean 0, to scores [K, K]: the share of games that row wins against column.

    The maximum of the likelihood of Bradley and Terry 1952: expected scores 1 / (1 + 10^(-difference / 400)) add up to
    the scores in every row. `DRAWN` of the games are taken to be draws.
    """
    score = (1 - DRAWN) * score + DRAWN / 2

    def loss(rating):
        """Cross-entropy of the scores, and its gradient; a little weight keeps the mean, which they leave open."""
        difference = rating[:, None] - rating[None]
        surprise = np.logaddexp(0, -difference)
        gradient = (scipy.special.expit(difference) - score).sum(1) + rating.mean()
        return (score * surprise).sum() + rating.sum() * rating.mean() / 2, gradient

    fit = scipy.optimize.minimize(loss, np.zeros(len(score)), jac=True, method="BFGS", options={"gtol": 1e-10})
    return POINTS * (fit.x - fit.x.mean())


def nash_average(margin: np.ndarray) -> np.ndarray:
    """The equilibrium [K] of greatest entropy of the zero-sum game with an antisymmetric margin [K, K].

    Copies of a member share its weight and change nothing else (Balduzzi et al. 2018, arXiv 1806.02643). First a linear
    program finds all who are in any equilibrium. Among these the entropy is greatest at weights exp(-margin' u), which
    a smooth convex program finds: the multipliers u are free where a margin must be 0, and else not negative.
    """
    present = in_some_equilibrium(margin)
    game = margin[:, present]

    def dual(multiplier):
        weight = -multiplier @ game
        return scipy.special.logsumexp(weight), -game @ scipy.special.softmax(weight)

    fit = scipy.optimize.minimize(
        dual,
        np.zeros(len(margin)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None if each else 0, None) for each in present],
        options={"gtol": 1e-12, "ftol": 0, "maxiter": 10_000, "maxfun": 100_000},
    )
    share = np.zeros(len(margin))
    share[present] = scipy.special.softmax(-fit.x @ game)
    return share


def in_some_equilibrium(margin: np.ndarray) -> np.ndarray:
    """Who has weight in any equilibrium, [K] bool: the most weights of at least 1, unnormalised, that nobody beats."""
    num = len(margin)
    identity, nothing = np.eye(num), np.zeros((num, num))
    program = scipy.optimize.linprog(
        np.r_[np.zeros(num), -np.ones(num)],  # (weight, how much of its first unit counts)
        A_ub=np.block([[margin, nothing], [-identity, identity]]),
        b_ub=np.zeros(2 * num),
        bounds=[(0, None)] * num + [(0, 1)] * num,
    )
    return program.x[num:] > 0.5


@jax.jit
def alpha_rank(table: Array, alpha: Array | float, num_members: int = 50) -> tuple[Array, Array]:
    """Transitions [K, K] and stationary shares [K] of alpha-rank in one population (Omidshafiei et al. 2019, Sci. Rep.
    9:9937).

    The chain of rare mutations where a mutant's advantage over residents is alpha times its margin in the mixed pair,
    the same at every number of mutants.

    Args:
        table: [K, K] what row gets from column. alpha: [] intensity of selection, per unit of payoff.
        num_members: m, of the finite population imagined; the paper's 50.
    """

    def log_fixation(contest):
        return fixation.log_fixation_constant(alpha * (contest[0, 1] - contest[1, 0]), num_members)

    return fixation.rare_mutations(table, log_fixation)
