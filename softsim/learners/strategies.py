"""Scripted partners for any world and for matrix games: policies without weights, members like any other.

In matrix games they know their observations by convention alone: `move` [A, K], one-hot last moves by relative slot,
one's own first, where move 0 is to cooperate. `softsim.learners.bots` walk in grid worlds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners import categorical
from softsim.types import Array, Output, Percept, Policy, PyTree

SURE = 30.0
"""Logit that makes an action certain to float precision."""

LEAST = float(np.exp(-SURE))
"""Probability of what is as good as impossible."""


def silent(num_actions: int, num_agents: int, logits: Array) -> Output:
    """What a policy says that acts, but judges nothing and predicts nothing of the others."""
    return Output(logits, jnp.float32(0.0), jnp.zeros((num_agents - 1, num_actions), jnp.float32))


def scripted(num_actions: int, num_agents: int, logits: Callable[[Percept], Array]) -> Policy:
    """Make a memoryless policy of a function from a percept to logits [K]."""

    def apply(params, carry, percept):
        return carry, silent(num_actions, num_agents, logits(percept))

    return Policy(init=lambda key: (), start=lambda: (), apply=apply)


def random(num_actions: int, num_agents: int) -> Policy:
    """Choose uniformly among the allowed actions."""
    return scripted(num_actions, num_agents, lambda percept: jnp.zeros(num_actions, jnp.float32))


def always(num_actions: int, num_agents: int, action: int) -> Policy:
    """Choose one action whatever happens."""
    sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)[action]
    return scripted(num_actions, num_agents, lambda percept: sure)


def tit_for_tat(num_actions: int, num_agents: int) -> Policy:
    """Begin with action 0 (cooperate), then do what the next agent did last (Axelrod 1984)."""
    sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)
    return scripted(
        num_actions,
        num_agents,
        lambda percept: jnp.where(percept.first, sure[0], SURE * percept.observation.move[1]),
    )


def cooperation(table: Array, move: Array) -> Array:
    """Probability [] that a memory-one strategy cooperates next.

    Args:
        table: [5] after CC, CD, DC, DD and at the start, one's own move first.
        move: [2, 2] one-hot last moves, one's own first; zeros where unseen, which is as at the start.
    """
    joint = (move[0][:, None] * move[1][None]).reshape(-1)
    return jnp.where(joint.sum() > 0, jnp.sum(joint * table[:4]), table[4])


def two_way(probability: Array) -> Array:
    """Logits [2] that choose move 0 with a probability []."""
    return jnp.log(jnp.maximum(jnp.stack([probability, 1.0 - probability]), LEAST))


def memory_one(table: Array) -> Policy:
    """Follow a memory-one strategy in a game of two players and two moves.

    Args:
        table: [5] probability to cooperate after CC, CD, DC, DD and at the start (`theory.memory_one.STRATEGIES`).
    """
    table = jnp.asarray(table, jnp.float32)
    return scripted(2, 2, lambda percept: two_way(cooperation(table, percept.observation.move)))


QUANTILES = 4096
"""A random probability is one of so many equally likely quantiles of its distribution."""


def random_memory_one(alpha: float = 1.0, beta: float = 1.0) -> Policy:
    """Follow a memory-one strategy that is drawn afresh for every episode and seat.

    Each of its five probabilities is from Beta(alpha, beta), independently. The memory holds the table of this episode
    and the word from which the next is drawn.
    """
    import scipy.special  # takes longer to load than all else here

    middle = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantile = jnp.asarray(scipy.special.betaincinv(alpha, beta, middle), jnp.float32)

    def wake(key: Array) -> tuple[Array, Array]:
        return jax.random.key_data(key), jnp.zeros(5, jnp.float32)

    def apply(params: PyTree, carry: tuple[Array, Array], percept: Percept) -> tuple[tuple[Array, Array], Output]:
        key_next, key_draw = jax.random.split(jax.random.wrap_key_data(carry[0]))
        drawn = quantile[jax.random.randint(key_draw, (5,), 0, QUANTILES)]
        fresh = jax.random.key_data(key_next), drawn
        word, table = jax.tree.map(lambda new, old: jnp.where(percept.first, new, old), fresh, carry)
        logits = two_way(cooperation(table, percept.observation.move))
        return (word, table), silent(2, 2, logits)

    return Policy(init=lambda key: (), start=lambda: wake(jax.random.key(0)), apply=apply, wake=wake)


def tremble(policy: Policy, probability: float) -> Policy:
    """Let a policy slip: with a probability it does one of the other allowed actions, each as likely."""

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        carry, output = policy.apply(params, carry, percept)
        mask = percept.action_mask
        meant = jnp.exp(categorical.log_probs(output.logits, mask))
        others = jnp.maximum(mask.sum() - 1, 1).astype(jnp.float32)
        slip = jnp.where(mask.sum() > 1, probability, 0.0)
        done = (1.0 - slip) * meant + slip * (1.0 - meant) / others
        return carry, dataclasses.replace(output, logits=jnp.log(jnp.maximum(done, LEAST)))

    return policy._replace(apply=apply, unroll=None)
