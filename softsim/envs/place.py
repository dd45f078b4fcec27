"""Who appears where."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.params import EnvParams
from softsim.envs.rules import in_set
from softsim.envs.spec import WorldSpec
from softsim.types import Array


def open_to(spec: WorldSpec, params: EnvParams, allowed: Array) -> Array:
    """Which of the allowed spawn cells, [X] bool, are for whom: [A, X] bool, or [X] where there are no roles."""
    if not spec.has("role"):
        return allowed
    return allowed[None] & in_set(params.layout.spawn_roles[None], params.role[:, None])


def place(seed: Array, spawn: Array, allowed: Array, held: Array, wanted: Array) -> Array:
    """Give each agent that wants one its own random spawn cell.

    Args:
        seed: [2] uint32.
        spawn: [X] int32 cells, distinct where allowed; allowed: [X] bool, or [A, X] where that depends on who.
        held: [A] int32 cells already taken, -1 for none; wanted: [A] bool.

    Returns:
        [A] int32 cell, or -1 where the agent wants none or none is left. Each free cell is equally likely, if all
        are for all, or no cell is for two kinds of agents that differ in others: the cells are shuffled once.
    """
    num_agents, num_spawns = held.shape[0], spawn.shape[0]
    free = ~(spawn[:, None] == held[None]).any(1)
    theirs = wanted[:, None] & jnp.broadcast_to(allowed, (num_agents, num_spawns))
    index = jnp.arange(num_spawns, dtype=jnp.uint32)
    keep = ~jnp.uint32((1 << num_spawns.bit_length()) - 1)
    ticket = (noise.bits(seed, (num_spawns,)) & keep) | (index + 1)

    def choose(free, theirs):
        best = jnp.where(free & theirs, ticket, jnp.uint32(0)).max() & ~keep
        return free & (index + 1 != best), jnp.where(best > 0, spawn[best.astype(jnp.int32) - 1], -1)

    return jax.lax.scan(choose, free, theirs)[1]
