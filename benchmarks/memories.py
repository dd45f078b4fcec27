"""Measure learning with each memory: `python benchmarks/memories.py --num-steps 128 512`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import jax
import jax.numpy as jnp
import tyro

from softsim import __version__, bench
from softsim.cli import run_script
from softsim.learners.networks import NetworkConfig, memory_of, recurrent_policy
from softsim.learners.ppo import Hyper, PPOConfig, ppo
from softsim.report import format_table
from softsim.train_config import HyperConfig
from softsim.types import Array, Percept, Policy, PyTree, Trajectory, UserError

Kind = Literal["gru", "linear", "transformer", "none"]
OBSERVED, NUM_ACTIONS, NUM_AGENTS = 16, 5, 4
EPISODE = 64  # mean steps


def measure(
    memories: tuple[Kind, ...] = get_args(Kind),
    num_steps: tuple[int, ...] = (512,),
    num_members: int = 4,
    seats: int = 8,
    width: int = 64,
    repeats: int = 9,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure what memories cost a member stack: one epoch of PPO, and the memory alone with its gradient.

    All memories are measured by turns, so that a neighbour on the machine slows them alike; the experience is random.

    Args:
        num_steps: of an unroll; each number given is measured.
        num_members: learners side by side.
        seats: of each member; an epoch learns from a quarter of them at a time.
        width: of perception and memory.
        as_json: end with one JSON object.
        out: a JSON Lines file to append the rows to.
    """
    if repeats < 1:
        raise UserError(f"repeats: {repeats}; it must be at least 1.")
    rows = []
    for steps in num_steps:
        for what, make in {"epoch": epoch, "memory": alone}.items():
            runs = {str(kind): make(kind, width, num_members, seats, steps) for kind in memories}
            sizes = {"num_steps": steps, "num_members": num_members, "seats": seats, "width": width}
            rows += [{"what": what} | row | sizes | of_machine() for row in by_turns(runs, repeats)]
    if out:
        bench.keep(rows, out)
    print(table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def epoch(kind: Kind, width: int, num_members: int, seats: int, steps: int) -> tuple[Callable[..., Any], PyTree]:
    """One epoch of PPO with the default network: the function, and what it is called with."""
    seen = jax.ShapeDtypeStruct((OBSERVED,), jnp.float32)
    policy = recurrent_policy(NetworkConfig(hidden=width, memory=width, recurrence=kind), NUM_ACTIONS, NUM_AGENTS, seen)
    learner = ppo(policy, PPOConfig(num_epochs=1))
    keys = jax.random.split(jax.random.key(0), num_members)
    params = jax.jit(jax.vmap(policy.init))(keys)
    experience = jax.jit(jax.vmap(lambda key: imagine(key, policy, seats, steps)))(keys)
    hyper = Hyper(**{name: jnp.full(num_members, number) for name, number in asdict(HyperConfig()).items()})
    update = jax.vmap(lambda *inputs: learner.update(*inputs)[:2])
    return update, (keys, hyper, params, jax.vmap(learner.init)(params), experience)


def imagine(key: Array, policy: Policy, seats: int, steps: int) -> Trajectory:
    """Random experience of one member."""
    key_see, key_first, key_act, key_other, key_reward = jax.random.split(key, 5)
    here, others = (seats, steps), (seats, steps, NUM_AGENTS - 1)
    last = jax.random.bernoulli(key_first, 1 / EPISODE, (seats, steps + 1))
    percept = Percept(
        observation=jax.random.normal(key_see, (*here, OBSERVED)),
        reward=jnp.zeros(here),
        action_mask=jnp.ones((*here, NUM_ACTIONS), bool),
        first=jnp.roll(last, 1, 1)[:, :-1],
    )
    return Trajectory(
        percept=percept,
        carry=jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (seats, *leaf.shape)), policy.start()),
        action=jax.random.randint(key_act, here, 0, NUM_ACTIONS),
        log_prob=jnp.full(here, -jnp.log(NUM_ACTIONS)),
        reward=jax.random.normal(key_reward, here),
        discount=jnp.ones(here),
        value=jnp.zeros((seats, steps + 1)),
        last=last,
        agent_mask=jnp.ones(here, bool),
        others_action=jax.random.randint(key_other, others, 0, NUM_ACTIONS),
        others_mask=jnp.ones(others, bool),
    )


def alone(kind: Kind, width: int, num_members: int, seats: int, steps: int) -> tuple[Callable[..., Any], PyTree]:
    """A memory reading whole sequences, and the gradient of that: the function, and what it is called with."""
    memory = memory_of(NetworkConfig(hidden=width, memory=width, recurrence=kind))
    run: Any = memory.apply
    key_init, key_see, key_forget = jax.random.split(jax.random.key(0), 3)
    seen = jax.random.normal(key_see, (num_members, seats, steps, width))
    forget = jax.random.bernoulli(key_forget, 1 / EPISODE, (num_members, seats, steps))

    def cost(params, seen, forget):
        read = lambda seen, forget: run(params, memory.start(), seen, forget, method=memory.sequence)  # noqa: E731
        return (jax.vmap(read)(seen, forget) ** 2).mean()

    init = lambda key: memory.init(key, memory.start(), seen[0, 0, 0], forget[0, 0, 0])  # noqa: E731
    params = jax.jit(jax.vmap(init))(jax.random.split(key_init, num_members))
    return jax.vmap(jax.grad(cost, argnums=(0, 1))), (params, seen, forget)


def by_turns(runs: dict[str, tuple[Callable[..., Any], PyTree]], repeats: int) -> list[dict[str, Any]]:
    """Compile all, call one after another, again and again; rates are per second, and over the first one's."""
    programs = {name: bench.compiled(jax.jit(function), *inputs) for name, (function, inputs) in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(1 + repeats):
        for name, (_, inputs) in runs.items():
            seconds[name].append(bench.timed(programs[name][0], *inputs)[1])
    rates = {name: sorted(1.0 / spent for spent in each[1:]) for name, each in seconds.items()}
    base = next(iter(runs))
    return [
        {
            "memory": name,
            "per_s": statistics.median(rate),
            "per_s_min": rate[0],
            "per_s_max": rate[-1],
            f"times_{base}": statistics.median(rate) / statistics.median(rates[base]),
            "compile_s": programs[name][1],
            "repeats": repeats,
        }
        for name, rate in rates.items()
    ]


def of_machine() -> dict[str, str]:
    return {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "softsim": __version__}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Lay rows out for people."""
    ratio = next(key for key in rows[0] if key.startswith("times_"))
    columns = ("what", "memory", "num_steps", "per_s", "per_s_min", "per_s_max", ratio, "compile_s")
    return format_table(list(columns), [[row[column] for column in columns] for row in rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
