"""Memory-one strategies in repeated games of two players and two moves: what happens, exactly.

A strategy is [5], the probability to cooperate after CC, CD, DC, DD and at the start; one's own move comes first. What
happens is told in the first player's view, so a game is [2, 4]: what each player gets at the first player's CC, CD, DC,
DD, as in `softsim.envs.matrix.MatrixParams`. After every round another follows with probability `continuation`; it may
as well be read as a discount. All values are per round. Everything is written for one pair and can be differentiated.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from softsim.theory.equations import solve
from softsim.types import Array

SWAP = (0, 2, 1, 3, 4)
"""The rows of a strategy as the partner sees them."""

STRATEGIES = {
    "cooperate": (1.0, 1.0, 1.0, 1.0, 1.0),  # ALLC
    "defect": (0.0, 0.0, 0.0, 0.0, 0.0),  # ALLD
    "tit_for_tat": (1.0, 0.0, 1.0, 0.0, 1.0),  # Axelrod 1984
    "win_stay_lose_shift": (1.0, 0.0, 0.0, 1.0, 1.0),  # Nowak and Sigmund 1993
    "grim": (1.0, 0.0, 0.0, 0.0, 1.0),  # Friedman 1971, as far as one round's memory goes
}
"""Strategies that are the same in every game; `generous` and `extortion` depend on the payoffs."""

dot = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def symmetric(own: Array) -> Array:
    """The game [2, 4] in which either player gets R, S, T, P, `own` [4], at its own CC, CD, DC, DD."""
    return jnp.stack([own, own[jnp.array(SWAP[:4])]])


def generous(own: Array) -> Array:
    """Generous tit for tat [5], which forgives a defection as often as it can afford to.

    With probability min(1 - (T - R) / (R - S), (R - P) / (T - P)), cut to [0, 1] (Molander 1985; Nowak and Sigmund
    1992, Nature 355:250).
    """
    reward, sucker, temptation, punishment = own
    deterred = 1 - (temptation - reward) / (reward - sucker)
    unexploited = (reward - punishment) / (temptation - punishment)
    mercy = jnp.clip(jnp.minimum(deterred, unexploited), 0.0, 1.0)
    sure = jnp.ones_like(mercy)
    return jnp.stack([sure, mercy, sure, mercy, sure])


def extortion(own: Array, factor: Array | float, strength: Array | float, start: Array | float = 0.0) -> Array:
    """Zero-determinant extortion [5] (Press and Dyson 2012, PNAS 109:10409).

    In the long run s_X - P = factor (s_Y - P) against whatever partner that leaves mutual defection now and then.

    Args:
        own: [4] R, S, T, P of a prisoner's dilemma. factor: [] at least 1.
        strength: [] in (0, 1], of the greatest that leaves all probabilities in [0, 1]. start: [] cooperation at first.
    """
    game = symmetric(own)
    surplus = game - game[0, 3]
    move = surplus[0] - factor * surplus[1]
    stay = jnp.array([1.0, 1.0, 0.0, 0.0], move.dtype)
    scale = strength / jnp.abs(move).max()
    return jnp.append(jnp.clip(stay + scale * move, 0.0, 1.0), start)


def joint_moves(first: Array, second: Array) -> Array:
    """Probabilities [5, 4] of the joint moves CC, CD, DC, DD after each of them, and, last, at the start."""
    p, q = jnp.asarray(first), jnp.asarray(second)[jnp.array(SWAP)]
    return jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], -1)


def propagate(first: Array, second: Array, weight: Array) -> Array:
    """Play round by round: push the distribution of the joint move forward, and sum it with `weight` [T]. Gives [4].

    Weights of 1 count the joint moves in T rounds; `(1 - w) w**t` approaches `occupancy`.
    """
    moves = joint_moves(first, second)

    def play_round(running, weight):
        now, total = running
        return (dot(now, moves[:4]), total + weight * now), None

    return jax.lax.scan(play_round, (moves[4], jnp.zeros_like(moves[4])), jnp.asarray(weight))[0][1]


def occupancy(first: Array, second: Array, continuation: Array | float) -> Array:
    """Share [4] of the rounds that end in each joint move, round t counting (1 - w) w**t; `continuation` w below 1.

    The closed form start (I - w M)^-1 of the geometric series, as used by Foerster et al. 2018 (LOLA).
    """
    moves = joint_moves(first, second)
    system = jnp.eye(4, dtype=moves.dtype) - continuation * moves[:4].T
    return (1 - continuation) * solve(system, moves[4])


SQUARINGS = 60
"""Doublings of the time in `long_run`: chains that need up to about 10**16 rounds to mix are followed to their end."""


def long_run(first: Array, second: Array) -> Array:
    """Share [4] of the rounds that end in each joint move, averaged over ever more rounds from the start on.

    It exists for every pair, also where the start decides for ever or moves alternate for ever: the lazy chain
    (M + I) / 2 has the same averages, and its powers converge to them.
    """
    moves = joint_moves(first, second)
    lazy = (moves[:4] + jnp.eye(4, dtype=moves.dtype)) / 2

    def double(_, power):
        power = dot(power, power)
        return power / power.sum(-1, keepdims=True)

    return dot(moves[4], jax.lax.fori_loop(0, SQUARINGS, double, lazy))


def value(game: Array, first: Array, second: Array, continuation: Array | float) -> Array:
    """What each of the two gets per round, [2], in a game [2, 4] with `continuation` below 1."""
    return dot(game, occupancy(first, second, continuation))


def best_response(partner: Array, own: Array, continuation: Array | float) -> tuple[Array, Array]:
    """The best that any strategy can do against a memory-one partner, by exact dynamic programming.

    Against such a partner some pure memory-one strategy is best, so all 16 are solved for; the best one is best in
    every state. Where moves are equally good it defects.

    Args:
        own: [4] the responder's R, S, T, P. continuation: [] below 1.

    Returns:
        [5] the strategy, of zeros and ones, and [] its value per round.
    """
    partner, own = jnp.asarray(partner), jnp.asarray(own)
    responses = (jnp.arange(16)[:, None] >> jnp.arange(5)[None]) & 1

    def future(response):
        moves = joint_moves(response, partner)[:4]
        return solve(jnp.eye(4, dtype=moves.dtype) - continuation * moves, dot(moves, own))

    worth = own + continuation * jax.vmap(future)(responses.astype(partner.dtype)).max(0)  # [4]   of a joint move
    helps = partner[jnp.array(SWAP)]
    gains = jnp.stack([helps * worth[2 * move] + (1 - helps) * worth[2 * move + 1] for move in (0, 1)])  # [2, 5]
    return (gains[0] > gains[1]).astype(partner.dtype), (1 - continuation) * gains[:, 4].max()
