"""From material payoff to felt reward: kinship or any other mixing matrix, then envy and guilt."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs.params import Sharing
from softsim.types import Array


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
    envy = sharing.envy * jnp.maximum(gap, 0.0).sum(1)
    guilt = sharing.guilt * jnp.maximum(-gap, 0.0).sum(1)
    # A product and a sum rather than a matmul: exact addition order, the same alone as in a batch.
    reward = (sharing.weights * payoff[None]).sum(1) - (envy + guilt) / others
    return jnp.where(agent_mask, reward, 0.0), trace
