"""What a run will need, before it begins: memory from the compiled program, speed from what the device can do."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import jax

from softsim import checkpoint, machine
from softsim.compilations import Shelf
from softsim.doctor import gigabytes
from softsim.presets import RunConfig
from softsim.train import Program


def forecast(config: RunConfig, compiled: Path | None = None) -> dict[str, Any]:
    """Compile a run without making its arrays, and say what it needs.

    Args:
        compiled: folder of compiled programs, where the run itself will find them.

    Returns:
        What `softsim train --dry-run --json` prints: bytes, seconds, and agent-steps per second as an upper bound.

    Raises:
        UserError: the config is not allowed.
    """
    program, train = config.program(), config.train
    state = jax.eval_shape(program.init)
    start = time.perf_counter()
    shelf = Shelf(compiled, [config.as_json(), checkpoint.digest(program.past)])
    jitted = jax.jit(program.chunk, donate_argnums=0)
    chunk = shelf.ready("chunk", lambda: jitted.lower(state, program.situations))
    compile_seconds = time.perf_counter() - start
    needed, free = machine.memory_of(chunk, program.devices), machine.memory_free()
    agent_steps = train.env_steps_per_round * program.table.world.num_agents
    most = machine.matrix_rate() / operations_per_agent_step(program)
    return {
        "memory_bytes": needed,
        "memory_free_bytes": free,
        "fits": None if free is None else needed <= free,
        "state_bytes": sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
        "members": train.num_populations * train.num_members,
        "environments": train.num_populations * train.num_envs,
        "agent_steps": agent_steps * train.num_rounds,
        "agent_steps_per_s_at_most": most,
        "seconds_at_least": agent_steps * train.num_rounds / most,
        "compile_s": compile_seconds,
        "device": jax.devices()[0].device_kind,
    }


def operations_per_agent_step(program: Program) -> float:
    """Floating-point operations that learning from one agent's step takes: two per weight to act, and in every epoch
    two to judge again and four for the gradient. The world, and sampling, are taken to be free."""
    mind = jax.eval_shape(program.table.policy.init, jax.random.key(0))
    weights = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(mind))
    return max(weights, 1) * (2.0 + 6.0 * program.config.ppo.num_epochs)


def explain(told: dict[str, Any]) -> str:
    """Say a forecast in plain lines."""
    fits = {
        None: "how much is free could not be found out",
        True: f"{gigabytes(told['memory_free_bytes'])} is free: it fits",
        False: f"{gigabytes(told['memory_free_bytes'])} is free: it does not fit; lower num_populations, num_envs or "
        "num_steps",
    }
    return "\n".join(
        [
            f"{told['members']:,} members, {told['environments']:,} environments, {told['agent_steps']:,} agent-steps",
            f"memory: {gigabytes(told['memory_bytes'])}, of which {gigabytes(told['state_bytes'])} are minds and their "
            f"optimisers; {fits[told['fits']]}",
            f"speed: at most {told['agent_steps_per_s_at_most']:,.0f} agent-steps/s, by the device's rate of matrix "
            f"products; at least {told['seconds_at_least']:,.0f} s in all",
            f"compiled in {told['compile_s']:.1f} s for {told['device']}",
        ]
    )
