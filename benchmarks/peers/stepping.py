"""What the runners share: a command line, the measured loops, and how they answer.

A runner needs the peer and, for peers on JAX, jax; nothing else, and softsim least of all. It compiles, and prints
one line of JSON with facts. Then it plays one repeat for every line that it reads, and prints its rate; before the
first it warms up. By hand, five repeats are `yes | head -5 | python run_jaxmarl.py coin_game`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

STEPS_TO_CALIBRATE = 4

LEAST_STEPS = 2
"""Of one repeat, however long they take: a call has costs of its own, which are not what is measured."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What a runner is asked for."""

    world: str
    num_envs: int = 1024
    num_agents: int | None = None
    seconds: float = 0.25
    seed: int = 0
    checkout: str = ""


def options(worlds: Sequence[str], arguments: Sequence[str] | None = None) -> Options:
    """Read the command line given, or the process's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("world", choices=worlds)
    parser.add_argument("--num-envs", type=int, default=Options.num_envs)
    parser.add_argument("--num-agents", type=int, help="where the world leaves a choice")
    parser.add_argument("--seconds", type=float, default=Options.seconds, help="of one repeat")
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--checkout", default=Options.checkout, help="the peer's folder, if it is not installed")
    return Options(**vars(parser.parse_args(arguments)))


def versions(*packages: str) -> dict[str, str]:
    """The versions of packages, by their names."""
    return {name: importlib.metadata.version(name) for name in packages}


def take_turns(play: Callable[[int], None], facts: dict[str, Any], asked: Options) -> None:
    """Print the facts, and play whenever asked to, some `asked.seconds` each time.

    Args:
        play: steps `facts["num_envs"]` environments so many times.
    """

    @functools.cache
    def steps():
        spent, trial = timed(play, 1), 1
        if spent < asked.seconds:
            spent, trial = timed(play, STEPS_TO_CALIBRATE), STEPS_TO_CALIBRATE
        return max(LEAST_STEPS, round(asked.seconds / spent * trial))

    serve(lambda: facts["num_envs"] * steps() / timed(play, steps()), facts)


def serve(repeat: Callable[[], float], facts: dict[str, Any]) -> None:
    """Print the facts, then the environment steps per second of one repeat for every line of the standard input."""
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"env_steps_per_s": repeat()}), flush=True)


def measure_jax(
    reset: Any, step: Any, num_actions: int, num_agents: int, packages: dict[str, str], asked: Options
) -> None:
    """Take turns with a world on JAX: `vmap` over environments in a loop inside one jitted program, the state donated.

    Actions are uniformly random and drawn inside. Observations are carried from step to step, hence written
    out, and every number of them is read and summed.

    Args:
        reset: `key -> (observation, state)`, of one environment.
        step: `(key, state, action [A] int32) -> (observation, state)`, with the resets that are to be measured.
        packages: what it is measured with, and their versions.
    """
    import jax
    import jax.numpy as jnp

    shape = asked.num_envs, num_agents

    def begin(key):
        key, key_reset = jax.random.split(key)
        observation, state = jax.vmap(reset)(jax.random.split(key_reset, asked.num_envs))
        return key, state, observation, jnp.float32(0.0)

    def advance(_, carry):
        key, state, observation, seen = carry
        key, key_act, key_step = jax.random.split(key, 3)
        seen += sum(leaf.astype(jnp.float32).sum() for leaf in jax.tree.leaves(observation))
        action = (jax.random.bits(key_act, shape, jnp.uint32) % jnp.uint32(num_actions)).astype(jnp.int32)
        observation, state = jax.vmap(step)(jax.random.split(key_step, asked.num_envs), state, action)
        return jax.tree.map(same_type, (key, state, observation, seen), carry)

    def same_type(new, old):  # a loop's carry keeps its types, also where a peer's reset and step differ in them
        return new if new.dtype == old.dtype else new.astype(old.dtype)

    carry = jax.jit(begin)(jax.random.PRNGKey(asked.seed))
    run = jax.jit(lambda carry, steps: jax.lax.fori_loop(0, steps, advance, carry), donate_argnums=0)
    start = time.perf_counter()
    program = run.lower(carry, 1).compile()
    compile_s = time.perf_counter() - start
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(carry[2])) // asked.num_envs

    def play(steps):
        nonlocal carry
        carry = jax.block_until_ready(program(carry, steps))

    facts = {
        "num_envs": asked.num_envs,
        "num_agents": num_agents,
        "compile_s": compile_s,
        "observation_bytes": size,
        "device": jax.devices()[0].device_kind,
        "versions": packages,
    }
    take_turns(play, facts, asked)


def timed(play: Callable[[int], None], steps: int) -> float:
    """Seconds that so many steps take."""
    start = time.perf_counter()
    play(steps)
    return time.perf_counter() - start
