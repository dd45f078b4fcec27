"""Speed, measured as it is met in use: situations that all differ, observations that are read, episodes that
end and begin again, the compiler's time apart from the program's.

Every function returns rows, one dict per measurement, which `table` prints and JSON holds.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp

from softsim import __version__, machine, rollout
from softsim.compilations import options
from softsim.envs import GridWorld, MatrixWorld, make, noise
from softsim.envs.params import EnvParams
from softsim.learners import strategies
from softsim.train import Program, lay_out
from softsim.types import Array, Environment, PyTree, Timestep, UserError, struct

Row = dict[str, Any]

STEPS_TO_CALIBRATE = 8

SECONDS_PER_REPEAT = 0.7
"""What calibration aims at: long against the clock and the scheduler, short enough to wait for."""

SPREAD = 0.05
"""Numbers of a situation differ between environments by up to this fraction to either side."""


DRAW_OPERATIONS, LOOK_OPERATIONS = 20, 8
"""A random word for a cell (two rounds of `noise.mix`), and to find, read and write a cell in view."""


@struct
class Running:
    """What the measured loop carries. The last timestep is part of it, so observations are written out."""

    key: Array  # [1]
    play: rollout.Play
    seen: Array  # [] float32   sum of all numbers observed, so that they are read from there too
    resets: Array  # [] int32   steps in which some environment was reset


def bench_env(
    games: Sequence[str],
    num_envs: int,
    mixed: bool = False,
    num_steps: int | None = None,
    repeats: int = 5,
    num_agents: int | None = None,
    seed: int = 0,
) -> list[Row]:
    """Measure how fast worlds step under uniformly random actions, with nothing learned.

    One repeat is one call of a compiled loop over `num_steps` steps of `num_envs` environments. Each has a
    situation of its own; episodes start at random ages, so that resets come as often as in a long run.

    Args:
        mixed: step all games in one batch, each in as many environments, for one row; else one row per game.
        num_steps: steps in one repeat; by default as many as take some 0.7 seconds, found after the warm-up.
        num_agents: agents in play, where the games leave a choice.

    Raises:
        UserError: a game or a number is not allowed.
    """
    if not games:
        raise UserError("games: none given; name at least one.")
    least = {"num_envs": len(games) if mixed else 1, "repeats": 1, "num_steps": 1}
    for field, value in (("num_envs", num_envs), ("repeats", repeats), ("num_steps", num_steps)):
        if value is not None and value < least[field]:
            raise UserError(f"{field}: {value}; it must be at least {least[field]}.")
    batches = [list(games)] if mixed else [[game] for game in games]
    made = [make(batch, num_agents=num_agents) for batch in batches]
    labels = ["mixed:" + "+".join(batch) if mixed else batch[0] for batch in batches]
    return [
        measure_world(label, world, situations, num_envs, num_steps, repeats, seed)
        for label, (world, situations) in zip(labels, made, strict=True)
    ]


def measure_world(
    game: str,
    world: Environment,
    situations: PyTree,
    num_envs: int,
    num_steps: int | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> Row:
    """Measure one world as `bench_env` says. Situations have leaves [G, ...]; `lay_out` spreads them."""
    program, compile_s, params, running = stepping(world, situations, num_envs, seed)
    running, _ = timed(program, params, running, 1)
    steps = num_steps
    if steps is None:
        running, spent = timed(program, params, running, STEPS_TO_CALIBRATE)
        steps = max(1, round(SECONDS_PER_REPEAT / spent * STEPS_TO_CALIBRATE))
    resets, seconds = int(running.resets), []
    for _ in range(repeats):
        running, spent = timed(program, params, running, steps)
        seconds.append(spent)

    row = rates(game, num_envs, agents_in_play(running.play.timestep), steps, seconds, compile_s)
    row |= {
        "state_bytes": size_of(running.play.state) // num_envs,
        "observation_bytes": size_of(running.play.timestep.observation) // num_envs,
        "params_bytes": size_of(params) // num_envs,
        "reset_fraction": (int(running.resets) - resets) / (repeats * steps),  # of steps, in any environment
        "program_bytes": machine.memory_of(program),
    }
    row |= floor(world, params, running.play, row["env_steps_per_s"])
    return row | ({"phases": list(world.spec.phases)} if isinstance(world, GridWorld) else {})


def stepping(
    world: Environment, situations: PyTree, num_envs: int, seed: int
) -> tuple[Callable[..., Running], float, PyTree, Running]:
    """Compile the measured loop: `(params, running, steps) -> running`, by one program for any number of steps.

    Returns:
        The program, the seconds of compiling, and what it begins with; params have leaves [E, ...].
    """
    table, params, running = prepare(world, situations, num_envs, jax.random.key(seed))

    def run(params, running, steps):
        return jax.lax.fori_loop(0, steps, lambda _, running: advance(table, params, running), running)

    return *compiled(jax.jit(run, donate_argnums=1), params, running, 1), params, running


def floor(world: Environment, params: PyTree, play: rollout.Play, rate: float) -> Row:
    """Compare a rate, in environment steps per second, to what this device could do at best.

    A step must read and write the state, read the situation, write what it shows, and have that read once. It must
    draw a word for every cell where anything grows, and look every cell in view up. Whichever of the two takes longer,
    at the device's measured rates of copying and of arithmetic, is the floor; all else is taken to be free.
    """
    num_envs = play.timestep.last.size
    moved = size_of(params) + 2 * size_of((play.state, play.timestep))
    operations = 0
    if isinstance(world, GridWorld):
        spec = world.spec
        draws = spec.height * spec.width if any(map(spec.has, ("grow", "emerge", "decay"))) else 0
        looks = spec.num_agents * spec.view.shape[0] * spec.view.shape[1]
        operations = num_envs * (DRAW_OPERATIONS * draws + LOOK_OPERATIONS * looks)
    copy, arithmetic = machine.copy_rate(), machine.arithmetic_rate()
    best = num_envs / max(moved / copy, operations / arithmetic)
    return {
        "floor_bytes": moved // num_envs,
        "floor_operations": operations // num_envs,
        "copy_bytes_per_s": copy,
        "operations_per_s": arithmetic,
        "floor_env_steps_per_s": best,
        "times_floor": best / rate,
    }


def prepare(world: Environment, situations: PyTree, num_envs: int, key: Array) -> tuple[rollout.Table, PyTree, Running]:
    """Vary the situations and begin the games at random ages. Returns params with leaves [E, ...]."""
    nobody = strategies.random(world.num_actions, world.num_agents)
    table = rollout.Table(world, nobody, 0, (nobody,), num_populations=1, num_envs=num_envs)

    def begin(key, situations):
        key_vary, key_begin, key_age, key_run = jax.random.split(key, 4)
        params = vary(key_vary, lay_out(situations, 1, num_envs))
        play = grow_old(key_age, world, params, rollout.begin(table, key_begin[None], params))
        return params, Running(key_run[None], play, jnp.float32(0.0), jnp.int32(0))

    return table, *jax.jit(begin)(key, situations)


def bench_train(program: Program, game: str, repeats: int = 5) -> list[Row]:
    """Measure whole rounds: play, learning and selection.

    One repeat is one chunk, `program.config.rounds_per_chunk` rounds. `state_bytes` is of the training state,
    per member; `num_envs` counts the environments of all populations.

    Raises:
        UserError: `repeats` is below 1.
    """
    if repeats < 1:
        raise UserError(f"repeats: {repeats}; it must be at least 1.")
    config, table = program.config, program.table
    state = program.place(jax.jit(program.init)())
    jitted = jax.jit(program.chunk, donate_argnums=0, compiler_options=options())
    chunk, compile_s = compiled(jitted, state, program.situations)
    seconds = []
    for _ in range(1 + repeats):
        (state, _), spent = timed(chunk, state, program.situations)
        seconds.append(spent)

    keys = jax.random.split(jax.random.key(config.seed), table.num_envs)
    params = lay_out(program.situations, 1, table.num_envs)
    timestep = jax.jit(jax.vmap(table.world.reset))(keys, params)[1]
    steps = config.rounds_per_chunk * config.updates_per_round * config.num_steps
    num_envs = config.num_populations * config.num_envs
    num_members = config.num_populations * config.num_members
    row = rates(game, num_envs, agents_in_play(timestep), steps, seconds[1:], compile_s)
    return [
        row
        | {
            "state_bytes": size_of(state) // num_members,
            "observation_bytes": size_of(timestep.observation) // table.num_envs,
            "program_bytes": machine.memory_of(chunk, program.devices),
            "num_populations": config.num_populations,
            "num_members": config.num_members,
            "devices": program.devices,
            "network": dataclasses.asdict(config.network),
            "rounds_per_s": config.rounds_per_chunk * row["env_steps_per_s"] / (num_envs * steps),
        }
    ]


def advance(table: rollout.Table, params: PyTree, running: Running) -> Running:
    """Read the last observations, draw actions and step, as in a rollout."""
    key, key_act, key_world = jax.random.split(running.key[0], 3)
    world, play = table.world, running.play
    word = jax.random.bits(key_act, (table.num_places,), jnp.uint32)
    action = noise.choice(word, jnp.uint32(world.num_actions)).astype(jnp.int32)
    action = action.reshape(1, table.num_envs, world.num_agents)
    resets = running.resets + rollout.happens_anywhere(play.timestep.last).astype(jnp.int32)
    seen = running.seen + add_up(play.timestep.observation)
    key_world = jax.random.split(key_world, table.num_envs)
    state, timestep = rollout.advance(table, key_world, params, play, action)
    return Running(key[None], rollout.Play(state, timestep, play.memory, play.seen), seen, resets)


def add_up(observation: PyTree) -> Array:
    """Sum every number of every leaf, in float32, which XLA adds four times as fast on a CPU as integers."""
    return sum((leaf.astype(jnp.float32).sum() for leaf in jax.tree.leaves(observation)), jnp.float32(0.0))


def vary(key: Array, params: PyTree) -> PyTree:
    """Make all situations [E] differ: each multiplies its payoffs, rates and sharing by its own factors."""
    leaves, tree = jax.tree.flatten(params)
    varied = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    # One draw for all leaves: one for each would take most of the time of compiling the benchmark.
    size = sum(leaves[i].size for i in varied)
    factors, start = jax.random.uniform(key, (size,), jnp.float32, 1.0 - SPREAD, 1.0 + SPREAD), 0
    for i in varied:
        leaf = leaves[i]
        factor = factors[start : start + leaf.size].reshape(leaf.shape)
        leaves[i], start = (leaf * factor).astype(leaf.dtype), start + leaf.size
    return tree.unflatten(leaves)


def grow_old(key: Array, world: Environment, params: PyTree, play: rollout.Play) -> rollout.Play:
    """Set episodes to random ages: begun together they end together, and a short run would see no end."""
    state = play.state
    if isinstance(world, GridWorld):
        assert isinstance(params, EnvParams)
        horizon = params.horizon
        rest = horizon.interval / jnp.maximum(horizon.rate, 1.0 / 2**30)
        age = jnp.minimum(horizon.maximum, horizon.minimum + rest)
    elif isinstance(world, MatrixWorld):
        age = params.horizon
    else:
        return play
    fraction = jax.random.uniform(key, age.shape)
    state = dataclasses.replace(state, step=(fraction * age).astype(jnp.int32))
    return dataclasses.replace(play, state=state)


def compiled(function: Any, *arguments: Any) -> tuple[Callable[..., Any], float]:
    """Compile a jitted function for these arguments; also returns the seconds of tracing and compiling."""
    start = time.perf_counter()
    program = function.lower(*arguments).compile()
    return program, time.perf_counter() - start


def timed(program: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Call, and wait until the result is there; also returns the seconds that took."""
    start = time.perf_counter()
    result = jax.block_until_ready(program(*arguments))
    return result, time.perf_counter() - start


def rates(
    game: str, num_envs: int, num_agents: float, num_steps: int, seconds: Sequence[float], compile_s: float
) -> Row:
    """Make the part of a row that all measurements share, from the seconds of each repeat."""
    rate = sorted(num_envs * num_steps / spent for spent in seconds)
    median = statistics.median(rate)
    device, settings = jax.devices()[0], cast(Any, jax.config)
    return {
        "game": game,
        "num_envs": num_envs,
        "num_agents": num_agents,
        "env_steps_per_s": median,
        "env_steps_per_s_min": rate[0],
        "env_steps_per_s_max": rate[-1],
        "agent_steps_per_s": median * num_agents,
        "compile_s": compile_s,
        "compile_cache": bool(settings.jax_compilation_cache_dir),
        "repeats": len(rate),
        "num_steps": num_steps,
        "device": device.device_kind,
        "jax": jax.__version__,
        "softsim": __version__,
    }


def agents_in_play(timestep: Timestep) -> float:
    """Mean number of agents in play; leaves are [E, ...]."""
    return float(timestep.agent_mask.sum(-1).mean())


def size_of(tree: PyTree) -> int:
    """Bytes of all arrays of a tree."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def keep(rows: Sequence[Row], path: Path) -> None:
    """Append rows to a JSON Lines file; its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "game": lambda row: row["game"],
    "envs": lambda row: f"{row['num_envs']:,}",
    "agents": lambda row: f"{row['num_agents']:g}",
    "env-steps/s": lambda row: f"{row['env_steps_per_s']:,.0f}",
    "from - to": lambda row: f"{row['env_steps_per_s_min']:,.0f} - {row['env_steps_per_s_max']:,.0f}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
    "state B": lambda row: f"{row['state_bytes']:,}",
    "observation B": lambda row: f"{row['observation_bytes']:,}",
    "program MB": lambda row: f"{row['program_bytes'] / 1e6:,.1f}",
    "x floor": lambda row: f"{row['times_floor']:.1f}" if "times_floor" in row else "",
}


def table(rows: Sequence[Row], columns: Mapping[str, Callable[[Row], str]] = COLUMNS) -> str:
    """Lay rows out for people; the last line says what they were measured with."""
    if not rows:
        return "nothing measured"
    lines = [list(columns), *([column(row) for column in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    measured = sorted({f"{row['device']}, jax {row['jax']}, median of {row['repeats']}" for row in rows})
    return "\n".join([*text, "; ".join(measured)])
