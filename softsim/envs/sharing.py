"""From material payoff to felt reward: kinship or any other mixing matrix, then envy and guilt."""

from __future__ import annotations

import functools
import operator

import jax.numpy as jnp

from softsim.envs.params import Sharing
from softsim.types import Array


def add_up(values: Array) -> Array:
    """Sum the columns of [A, Z] one after another: the same alone as in a batch, as reductions of floats are not."""
    return functools.reduce(operator.add, [values[:, z] for z in range(values.shape[1])])


def share(sharing: Sharing, payoff: Array, trace: Array, agent_mask: Array) -> tuple[Array, Array]:
    """Make rewards of payoffs.

    `reward_i = sum_j weights_ij payoff_j - envy_i / (n - 1) sum_j max(e_j - e_i, 0)
    - guilt_i / (n - 1) sum_j max(e_i - e_j, 0)` with the payoff trace `e <- memory * e + payoff` and n agents in play:
    inequity aversion of Hughes et al. 2018 (arXiv 1803.08884, section 3.1) on top of a sharing matrix.

    Args:
        payoff, trace: [A] float32; agent_mask: [A] bool. Agents out of play neither give nor get.

    Returns:
        [A] float32 reward, and the new trace.
    """
    payoff = jnp.where(agent_mask, payoff, 0.0)
    trace = sharing.memory * trace + payoff
    both = agent_mask[:, None] & agent_mask[None]
    others = jnp.maximum(agent_mask.sum(dtype=jnp.int32) - 1, 1).astype(jnp.float32)
    gap = jnp.where(both, trace[None] - trace[:, None], 0.0)
    envy = sharing.envy * add_up(jnp.maximum(gap, 0.0))
    guilt = sharing.guilt * add_up(jnp.maximum(-gap, 0.0))
    reward = add_up(sharing.weights * payoff[None]) - (envy + guilt) / others
    return jnp.where(agent_mask, reward, 0.0), trace
