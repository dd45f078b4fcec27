"""Speed of evolution: selections alone, and whole generations of learners, against how many populations there are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

import jax

from softsim import selection
from softsim.bench import Row, bench_train, compiled, timed
from softsim.learners.networks import NetworkConfig
from softsim.learners.ppo import PPOConfig
from softsim.presets import RunConfig
from softsim.selection import Rule, SelectionConfig
from softsim.train import Program
from softsim.train_config import TrainConfig
from softsim.types import Array, PyTree, UserError

SELECTIONS = 10
"""In one repeat."""


def learners(game: str, num_populations: int, num_members: int, rule: Rule) -> RunConfig:
    """Small learners of a game, one episode of 32 steps a generation in as many environments as a population has
    members, and selection."""
    train = TrainConfig(
        num_populations=num_populations,
        num_members=num_members,
        num_envs=num_members,
        num_steps=32,
        rounds_per_chunk=1,
        network=NetworkConfig(hidden=16, memory=16),
        ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        selection=SelectionConfig(every=1, rule=rule, fraction=0.5),
    )
    return RunConfig((game,), horizon=32, train=train)


def bench_evolve(
    populations: Sequence[int] = (256, 1024, 4096),
    num_members: int = 4,
    rule: Rule = "truncation",
    repeats: int = 5,
    game: str = "prisoners_dilemma",
) -> list[Row]:
    """Measure selection as it is met in training: after every round, of all that a member is.

    A generation is a round: play, learning and selection, by one compiled program. Selection alone is the same
    function on the same arrays, with fitness drawn anew each time, `SELECTIONS` times in a loop. Its share is what it
    takes alone, of what a generation takes.

    Returns:
        One row for each number of populations.

    Raises:
        UserError: a number or the rule is not allowed.
    """
    if not populations:
        raise UserError("populations: none given; at least one number is needed.")
    if repeats < 1:
        raise UserError(f"repeats: {repeats}; it must be at least 1.")
    return [measure(game, learners(game, number, num_members, rule).program(), repeats) for number in populations]


def measure(game: str, program: Program, repeats: int) -> Row:
    """Measure one size."""
    row = bench_train(program, game, repeats)[0]
    per_generation = row["rounds_per_s"] / row["env_steps_per_s"]
    seconds, compile_s = selections(program, repeats)
    rate = sorted(SELECTIONS / spent for spent in seconds)
    median = statistics.median(rate)
    return row | {
        "rule": program.config.selection.rule,
        "members": program.config.num_populations * program.config.num_members,
        "generations_per_s": row["rounds_per_s"],
        "generations_per_s_min": row["env_steps_per_s_min"] * per_generation,
        "generations_per_s_max": row["env_steps_per_s_max"] * per_generation,
        "selections_per_s": median,
        "selections_per_s_min": rate[0],
        "selections_per_s_max": rate[-1],
        "selection_share": row["rounds_per_s"] / median,
        "selection_compile_s": compile_s,
    }


def selections(program: Program, repeats: int) -> tuple[list[float], float]:
    """Seconds of `SELECTIONS` selections, once for each repeat, and those of compiling."""
    config, state = program.config, jax.jit(program.init)()

    def select(number: Array, running: tuple[Array, PyTree]) -> tuple[Array, PyTree]:
        key, people = running
        both = jax.vmap(jax.random.split)(key)
        measured = jax.vmap(lambda key: jax.random.uniform(key, (config.num_members,)))(both[:, 0])
        people, _ = selection.evolve(config.selection, config.heredity.step, both[:, 1], people, measured, number)
        return jax.vmap(jax.random.fold_in, in_axes=(0, None))(key, number), people

    def run(key: Array, people: PyTree) -> tuple[Array, PyTree]:
        return jax.lax.fori_loop(0, SELECTIONS, select, (key, people))

    running = state.key, state.population
    program_of, compile_s = compiled(jax.jit(run, donate_argnums=(0, 1)), *running)
    seconds = []
    for _ in range(1 + repeats):
        running, spent = timed(program_of, *running)
        seconds.append(spent)
    return seconds[1:], compile_s


COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "populations": lambda row: f"{row['num_populations']:,}",
    "members": lambda row: f"{row['members']:,}",
    "generations/s": lambda row: f"{row['generations_per_s']:.3g}",
    "from - to": lambda row: f"{row['generations_per_s_min']:.3g} - {row['generations_per_s_max']:.3g}",
    "selections/s": lambda row: f"{row['selections_per_s']:.3g}",
    "selection": lambda row: f"{row['selection_share']:.1%}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "state B": lambda row: f"{row['state_bytes']:,}",
    "program MB": lambda row: f"{row['program_bytes'] / 1e6:,.1f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
}
