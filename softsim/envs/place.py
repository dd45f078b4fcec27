"""Who appears where."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.params import EnvParams
from softsim.envs.rules import in_set
from softsim.envs.skipping import while_needed
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
    slot, index = jnp.arange(num_agents, dtype=jnp.int32), jnp.arange(num_spawns, dtype=jnp.uint32)
    keep = ~jnp.uint32((1 << num_spawns.bit_length()) - 1)
    ticket = (noise.bits(seed, (num_spawns,)) & keep) | (index + 1)

    def settle(running):  # the first who waits; where nobody does, nothing happens
        waiting, free, cell = running
        agent = jnp.argmax(waiting)
        theirs = free & (allowed if allowed.ndim == 1 else allowed[agent])
        best = jnp.where(theirs & waiting.any(), ticket, jnp.uint32(0)).max() & ~keep
        chosen = jnp.where(best > 0, spawn[best.astype(jnp.int32) - 1], -1)
        turn = waiting & (slot == agent)
        return waiting & ~turn, free & (index + 1 != best), jnp.where(turn, chosen, cell)

    free = ~(spawn[:, None] == held[None]).any(1)
    running = wanted, free, jnp.full(num_agents, -1, jnp.int32)
    return while_needed(lambda running: running[0].any(), settle, running, num_agents)[2]
