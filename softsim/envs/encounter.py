"""Two who meet play a matrix game with what is in their bags."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.types import Array


def ready(params: EnvParams, state: EnvState) -> Array:
    """[A] bool: who has picked up something, and is not in an encounter already."""
    return (state.bag.sum(1) > params.bag.start.sum()) & (state.exile == 0)


def meet(
    params: EnvParams, state: EnvState, tally: Tally, struck: Array, meets: Array, priority: Array
) -> tuple[EnvState, Tally, Array]:
    """Let strikers meet whom they strike, each agent at most one other in a step.

    The bags' proportions are mixed strategies: with p and q those of the row and the column player, they are owed
    p A q and p B q (the `in_the_matrix` games of Leibo et al. 2021, arXiv 2107.06857). Of several who strike or are
    struck, those of the highest priority meet; a pair whose either side is in a stronger one does not.

    Args:
        struck: [A, A] bool; meets: [A] bool whose shots are encounters; priority: [A] uint32, distinct.

    Returns:
        The state, the tally, and `struck` without the encounters that did not come about.
    """
    law, num_agents = params.encounter, struck.shape[0]
    able = ready(params, state)
    pair = struck & meets[:, None] & able[:, None] & able[None]
    pair = pair & (~law.by_role | (params.role[:, None] != params.role[None]))
    rank = jnp.where(pair, priority[None], jnp.uint32(0))
    pair = pair & (rank == rank.max(1, keepdims=True))  # of those a striker struck, one
    bid = jnp.where(pair, priority[:, None], jnp.uint32(0))
    best = jnp.maximum(bid.max(0), bid.max(1))
    pair = pair & (bid == best[:, None]) & (bid == best[None])

    slot = jnp.arange(num_agents, dtype=jnp.int32)
    struck_by = jnp.where(pair.any(0), jnp.argmax(pair, 0).astype(jnp.int32), slot)
    partner = jnp.where(pair.any(1), jnp.argmax(pair, 1).astype(jnp.int32), struck_by)
    met = partner != slot
    rows = jnp.where(law.by_role, params.role == 0, pair.any(1))
    bag = state.bag.astype(jnp.float32)
    mixture = bag / jnp.maximum(bag.sum(1, keepdims=True), 1.0)
    own, other = mixture, mixture[partner]
    as_row = (own[:, :, None] * law.row[None] * other[:, None]).sum((1, 2))
    as_column = (other[:, :, None] * law.column[None] * own[:, None]).sum((1, 2))
    owed = jnp.where(met, jnp.where(rows, as_row, as_column), 0.0)
    tally = dataclasses.replace(
        tally.count(jnp.full(num_agents, law.event), met.astype(jnp.int32)),
        met=jnp.where(met[:, None], jnp.concatenate([bag, bag[partner]], 1), -1.0),
    )
    state = dataclasses.replace(
        state,
        owed=state.owed + owed,
        frozen=jnp.where(met, law.freezes_for, state.frozen),
        exile=jnp.where(met, law.removes_for, state.exile),
    )
    return state, tally, jnp.where(meets[:, None], pair, struck)
