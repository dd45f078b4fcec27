"""Advantage alignment: learners that mind what their actions teach the others.

Duque et al. 2025 (arXiv 2406.14662). A learner that assumes that the others follow their advantages profits where
theirs are positive after its own were. So the others' advantages, times its own past ones, are added to its own:

    A*_t = A_t + weight past_t sum_{j != i} A_{j, t}

Every agent's advantages are needed. In a population they are at hand: `train.regard_others` carries them to each table.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

from softsim.learners.categorical import standardize
from softsim.types import Array

Form = Literal["none", "advantage_alignment", "advantage_alignment_released"]
"""Of `PPOConfig.shaping`. The two forms of alignment differ in `past_t` and in the scale of all advantages:

advantage_alignment: gamma sum_{k < t} gamma^(t - k) A_k, of advantages as they are (the formula in the authors' README;
    with their beta as the weight, it carries the square of the reward's scale).
advantage_alignment_released: the plain mean of A_k over k < t, of advantages with mean 0 and deviation 1 over the
    member's experience (their code for Melting Pot).
"""


def compared(form: Form, advantage: Array, played: Array) -> Array:
    """Advantages [S, T] of one member on the scale on which a form multiplies them; 0 where it did not act, `played`
    [S, T] bool."""
    advantage = standardize(advantage, played) if form == "advantage_alignment_released" else advantage
    return jnp.where(played, advantage, 0.0)


def discounted_past(advantage: Array, last: Array, gamma: Array) -> Array:
    """Gamma times the discounted sum of the advantages [T] before each step of its episode.

    Args:
        last: [T] bool   percepts whose action is not played: what follows them begins anew.
    """

    def step(past, now):
        advantage, last = now
        return jnp.where(last, 0.0, gamma * (past + advantage)), gamma * past

    return jax.lax.scan(step, jnp.zeros_like(advantage[0]), (advantage, last))[1]


def mean_past(advantage: Array, last: Array) -> Array:
    """Mean of the advantages [T] before each step of its episode; 0 at its first."""

    def step(past, now):
        (total, count), (advantage, last) = past, now
        after = jnp.where(last, 0.0, jnp.stack([total + advantage, count + 1.0]))
        return (after[0], after[1]), total / jnp.maximum(count, 1.0)

    nothing = jnp.zeros_like(advantage[0])
    return jax.lax.scan(step, (nothing, nothing), (advantage, last))[1]


def align(form: Form, advantage: Array, others: Array, last: Array, gamma: Array, weight: Array) -> Array:
    """Add what an agent's actions are worth for what they teach the others.

    What came before begins with the episode, or with the unroll if that begins later.

    Args:
        form: "advantage_alignment" or "advantage_alignment_released".
        advantage: [T] float32   its own; 0 where it does not act.
        others: [T] float32   sum of the others' at the same time.
        last: [T] bool   percepts whose action is not played.
        gamma, weight: [] float32.

    Returns:
        [T] float32.
    """
    released = form == "advantage_alignment_released"
    past = mean_past(advantage, last) if released else discounted_past(advantage, last, gamma)
    return advantage + weight * past * others
