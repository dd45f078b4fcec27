"""What a step costs, counted and not timed: bytes of an environment, and kernels of the compiled step."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest
from choosing import few

from softsim import bench
from softsim.envs import make

BYTES = {  # state, observation and situation of one environment
    "coins": (299, 524, 1483),
    "commons_harvest_open": (604, 1834, 2318),
    "clean_up": (830, 1862, 2511),
}

KERNELS = {"coins": 97, "commons_harvest_open": 120, "clean_up": 140}
"""At most so many run in a step, loops and branches counted once; with XLA of jax 0.10.2 just so many do."""


def batch(game, num_envs=8):
    world, situation = make(game)
    params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_envs, *leaf.shape)), situation)
    keys = jax.random.split(jax.random.key(0), num_envs)
    state, timestep = jax.eval_shape(jax.vmap(world.reset), keys, params)
    return world, params, keys, state, timestep


@pytest.mark.parametrize("game", few(BYTES))
def test_an_environment_takes_no_more_bytes(game):
    _, params, _, state, timestep = batch(game)

    def count(tree):
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree)) // 8

    assert (count(state), count(timestep.observation), bench.size_of(params) // 8) == BYTES[game]


@pytest.mark.parametrize("game", few(KERNELS))
def test_a_step_runs_no_more_kernels(game):
    world, params, keys, state, _ = batch(game)
    action = jax.ShapeDtypeStruct((8, world.num_agents), jnp.int32)
    quickly = {"xla_backend_optimization_level": 0}
    step = jax.jit(jax.vmap(world.step), compiler_options=quickly)
    text = step.lower(keys, params, state, action).compile().as_text()
    # What a computation that is no fusion's body holds, but for what only names or views an array.
    free = r"parameter|constant|tuple|get-tuple-element|bitcast|after-all"
    kernels, inside = 0, False
    for line in text.splitlines():
        if line.endswith("{") and not line.startswith(" "):
            inside = "fused_computation" in line or line.startswith(("%region", "%wrapped"))
        elif " = " in line and not inside and not re.search(rf"\s({free})\(", line):
            kernels += 1
    assert 20 < kernels <= KERNELS[game]
