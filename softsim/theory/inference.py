"""What can be foreseen of a partner of unknown kind, and what that is worth: exactly.

Games have two players and two moves; see `theory.memory_one` for how strategies are written. `told`, `inferred` and
`unremembered` are for partners that follow one of a few deterministic strategies, each as likely; values are sums over
all rounds, undiscounted.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Sequence

import jax
import jax.numpy as jnp

from softsim.types import Array

Move = int  # 0 cooperates, 1 defects
Round = tuple[Move, Move] | None  # the joint move of a round, one's own first; None before the first


def answer(strategy: Sequence[float], before: Round) -> Move:
    """The partner's next move."""
    return int(1 - strategy[4 if before is None else 2 * before[1] + before[0]])


def told(kinds: Sequence[Sequence[float]], own: Sequence[float], rounds: int) -> float:
    """The greatest mean value for who is told the partner's kind.

    Args:
        kinds: [5] each, of zeros and ones. own: [4] one's payoff at CC, CD, DC, DD.
    """
    return sum(inferred([kind], own, rounds) for kind in kinds) / len(kinds)


def inferred(kinds: Sequence[Sequence[float]], own: Sequence[float], rounds: int) -> float:
    """The greatest mean value for who remembers everything: dynamic programming over what may still be true."""

    @functools.cache
    def worth(left: int, possible: tuple[tuple[int, Round], ...]) -> float:
        if left == 0:
            return 0.0

        def of(move: Move) -> float:
            after: dict[Move, list[tuple[int, Round]]] = {}
            for kind, before in possible:
                reply = answer(kinds[kind], before)
                after.setdefault(reply, []).append((kind, (move, reply)))
            now = sum(own[2 * move + reply] * len(group) for reply, group in after.items())
            return now + sum(worth(left - 1, tuple(group)) for group in after.values())

        return max(of(0), of(1))

    return worth(rounds, tuple((kind, None) for kind in range(len(kinds)))) / len(kinds)


def unremembered(kinds: Sequence[Sequence[float]], own: Sequence[float], rounds: int) -> float:
    """The greatest mean value for who knows the clock and the last joint move, and remembers nothing else.

    Such a policy is a move for each last joint move of each round. No mixture is better than the best pure one, since
    no partner meets the same choice twice; so it is planned round by round what is done with all kinds at once.
    """

    @functools.cache
    def worth(left: int, last: tuple[Round, ...]) -> float:
        if left == 0:
            return 0.0
        seen: list[Hashable] = sorted(set(last), key=str)

        def of(moves: tuple[Move, ...]) -> float:
            plan = dict(zip(seen, moves, strict=True))
            after = tuple((plan[before], answer(kind, before)) for kind, before in zip(kinds, last, strict=True))
            return sum(own[2 * mine + theirs] for mine, theirs in after) + worth(left - 1, after)

        return max(map(of, itertools.product((0, 1), repeat=len(seen))))

    return worth(rounds, (None,) * len(kinds)) / len(kinds)


def predictive(own: Array, others: Array, alpha: Array | float) -> Array:
    """Bayes's probability that a partner of random memory-one strategy cooperates, before each of its moves: [T].

    Each of its five probabilities is taken to be from Beta(alpha, alpha), so all that counts is how often each move
    came after the same joint move before: (alpha + n_C) / (2 alpha + n).

    Args:
        own, others: [T] int32 moves of one episode.
    """
    before = jnp.concatenate([jnp.full(1, 4, jnp.int32), 2 * own[:-1] + others[:-1]])
    led = jax.nn.one_hot(before, 5)[:, :, None] * jax.nn.one_hot(others, 2)[:, None]  # [T, 5, 2]
    counts = jnp.take_along_axis(jnp.cumsum(led, 0) - led, before[:, None, None], 1)[:, 0]
    return (alpha + counts[:, 0]) / (2 * alpha + counts.sum(1))
