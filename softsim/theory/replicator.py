"""Replicator dynamics: infinite well-mixed populations that grow by payoff."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.theory.memory_one import dot
from softsim.types import Array


def velocity(share: Array, payoff: Array) -> Array:
    """How fast the shares [K] change: x_i ((A x)_i - x A x) (Taylor and Jonker 1978).

    Args:
        share: [K] of the population. payoff: [K, K] A, what row gets from column.
    """
    fitness = dot(payoff, share)
    return share * (fitness - dot(share, fitness))


def advance(share: Array, payoff: Array, step: Array | float) -> Array:
    """Shares [K] after a time `step`, by one Runge-Kutta step of fourth order.

    It is taken in log-shares, whose motion is A x up to a common shift: shares stay positive and sum to 1 at any step,
    and what is gone stays gone.
    """

    def fitness(shift):
        return dot(payoff, jax.nn.softmax(jnp.log(share) + shift))

    first = fitness(jnp.zeros_like(share))
    second = fitness(step / 2 * first)
    third = fitness(step / 2 * second)
    fourth = fitness(step * third)
    return jax.nn.softmax(jnp.log(share) + step / 6 * (first + 2 * second + 2 * third + fourth))


def integrate(share: Array, payoff: Array, step: Array | float, num_steps: int) -> Array:
    """Shares [K] after `num_steps` steps of `advance`."""
    return jax.lax.fori_loop(0, num_steps, lambda _, share: advance(share, payoff, step), share)
