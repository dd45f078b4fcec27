"""Advantages of one trajectory."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.types import Array


def generalized_advantage(
    reward: Array, discount: Array, value: Array, last: Array, gamma: Array, gae_lambda: Array
) -> Array:
    """Estimate advantages (Schulman et al. 2016, arXiv 1506.02438, eq. 16), bootstrapping where time ran out.

    A time limit leaves `discount` at 1 and sets `last` on the percept it leads to, whose value is that of the final
    observation: the estimate bootstraps from it and the sum stops there. The action at a `last` percept is not played
    (the next call resets), so its advantage is 0.

    Args:
        reward, discount: [T] float32 what action t led to.
        value: [T + 1] float32; last: [T + 1] bool.
        gamma, gae_lambda: [] float32.

    Returns:
        [T] float32.
    """
    played = ~last[:-1]
    delta = reward + gamma * discount * value[1:] - value[:-1]

    def back(advantage, step):
        delta, discount, played = step
        advantage = jnp.where(played, delta + gamma * gae_lambda * discount * advantage, 0.0)
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(value[0]), (delta, discount, played), reverse=True)[1]
