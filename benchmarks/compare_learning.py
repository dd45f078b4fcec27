"""Measure learning beside JaxMARL's feed-forward IPPO, at its settings, in one run, by turns.

    python benchmarks/compare_learning.py --python envs/jaxmarl/bin/python --checkout JaxMARL

`--python` is an interpreter with `pip install "jaxmarl[algs]"`, `--checkout` the repository of JaxMARL, whose package
does not bring its baselines. Its script is run as it is, with its own config.

Ours has the same number of environments, steps, epochs, minibatches and layer widths, one mind for all seats as theirs,
and no memory. It is measured twice: without an opponent model, as theirs, and with the default one.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import jax
import tyro
from runners import RUNNERS, PeerError, runner, spread

from softsim import NetworkConfig, PPOConfig, SelectionConfig, TrainConfig, bench, machine
from softsim.bench import Row
from softsim.cli import run_script
from softsim.compilations import options
from softsim.learners.opponent import OpponentConfig
from softsim.presets import RunConfig
from softsim.train_config import HyperConfig
from softsim.types import UserError

KITCHENS = {"cramped_room": "cooking_cramped_room", "coord_ring": "cooking_coordination_ring"}
"""Their kitchens, and ours of the same size and task. The second is the one that their config names."""

MODELS = {
    "none": OpponentConfig(model="none", condition=False),
    "default": OpponentConfig(),
}

HORIZON = 400
"""Steps of an episode of theirs."""

SETTINGS = {"NUM_ENVS": 16, "NUM_STEPS": 128, "UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4}
"""Theirs, which ours are set to; what they answer is checked."""

WIDTH = 64
"""Of every layer of theirs."""


def config_of(game: str, model: str, updates: int) -> RunConfig:
    """Our run at their settings. A chunk is so many updates, between which episodes go on, as theirs do."""
    train = TrainConfig(
        num_populations=1,
        num_members=1,
        num_envs=SETTINGS["NUM_ENVS"],
        num_steps=SETTINGS["NUM_STEPS"],
        updates_per_round=updates,
        num_rounds=1,
        rounds_per_chunk=1,
        network=NetworkConfig(hidden=WIDTH, memory=WIDTH, recurrence="none", opponent=MODELS[model]),
        ppo=PPOConfig(num_epochs=SETTINGS["UPDATE_EPOCHS"], num_minibatches=SETTINGS["NUM_MINIBATCHES"]),
        hyper=HyperConfig(learning_rate=2.5e-4),
        selection=SelectionConfig(every=0),
    )
    return RunConfig(game=(game,), horizon=HORIZON, train=train)


def ours(game: str, model: str, updates: int) -> tuple[Callable[[], float], Row]:
    """Compile our run. Returns what does one chunk and says how long that took, and facts for the row."""
    program = config_of(game, model, updates).program()
    state = jax.jit(program.init)()
    jitted = jax.jit(program.chunk, donate_argnums=0, compiler_options=options())
    chunk, compile_s = bench.compiled(jitted, state, program.situations)
    weights = sum(leaf.size for leaf in jax.tree.leaves(state.population.mind))

    def play():
        nonlocal state
        (state, _), spent = bench.timed(chunk, state, program.situations)
        return spent

    play()
    facts = {"num_agents": float(program.table.world.num_agents), "compile_s": compile_s, "num_weights": weights}
    return play, facts


def measure_kitchen(kitchen: str, command: Sequence[str], updates: int, repeats: int, timeout: float) -> list[Row]:
    """Measure ours with each model and theirs by turns: a row for each model.

    Raises:
        PeerError: theirs could not be measured, or has other settings than ours.
    """
    game, load = KITCHENS[kitchen], os.getloadavg()[0]
    runs = {model: ours(game, model, updates) for model in MODELS}
    with runner(command, timeout) as (ready, repeat):
        peer = ready()
        found = {name: peer["settings"][name] for name in SETTINGS}
        if found != SETTINGS:
            raise PeerError(f"its settings are {found}, and ours {SETTINGS}.")
        turns = [({model: play() for model, (play, _) in runs.items()}, repeat()) for _ in range(repeats)]
    theirs, steps = [rate * peer["num_agents"] for _, rate in turns], updates * SETTINGS["NUM_STEPS"]
    rows = []
    for model, (_, facts) in runs.items():
        spent = [ours[model] for ours, _ in turns]
        row = bench.rates(game, SETTINGS["NUM_ENVS"], facts["num_agents"], steps, spent, facts["compile_s"])
        mine = [row["num_envs"] * steps * row["num_agents"] / each for each in spent]
        rows.append(
            {"peer": "jaxmarl", "world": kitchen, "opponent_model": model}
            | row
            | {
                "num_weights": facts["num_weights"],
                "updates": updates,
                "matrix_operations": products(facts["num_weights"], facts["num_agents"]),
                "matrix_operations_per_s": machine.matrix_rate(),
                "versions": {name: importlib.metadata.version(name) for name in ("softsim", "jax")},
                "load": load,
                **spread("ratio", [one / other for one, other in zip(mine, theirs, strict=True)]),
                **spread("peer_agent_steps_per_s", theirs),
                **{f"peer_{name}": value for name, value in peer.items() if name != "num_agents"},
            }
        )
    return rows


def products(num_weights: int, num_agents: float) -> float:
    """Floating-point operations of an update's matrix products: a step forward to play, and in every epoch a step
    forward and one back, which is twice as much, each a product and a sum per weight."""
    samples = SETTINGS["NUM_ENVS"] * SETTINGS["NUM_STEPS"] * num_agents
    return 2.0 * num_weights * samples * (1 + 3 * SETTINGS["UPDATE_EPOCHS"])


COLUMNS = {
    "kitchen": lambda row: row["world"],
    "opponent model": lambda row: row["opponent_model"],
    "agent-steps/s, ours": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "theirs": lambda row: f"{row['peer_agent_steps_per_s']:,.0f}",
    "ratio": lambda row: f"{row['ratio']:.2f} ({row['ratio_min']:.2f} - {row['ratio_max']:.2f})",
    "compile s": lambda row: f"{row['compile_s']:.1f} : {row['peer_compile_s']:.1f}",
    "weights": lambda row: f"{row['num_weights']:,} : {row['peer_num_weights']:,}",
}


def measure(
    python: Path,
    checkout: Path,
    kitchens: tuple[str, ...] = tuple(KITCHENS),
    updates: int = 30,
    repeats: int = 5,
    timeout: float = 400.0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure whole updates, play and learning, beside JaxMARL's.

    Args:
        python: an interpreter with JaxMARL and what its baselines need.
        checkout: the repository of JaxMARL.
        kitchens: of theirs, to learn in.
        updates: of one repeat.
        repeats: turns of ours, with each model, and of theirs.
        timeout: seconds after which theirs is given up, our turns among them.
        as_json: end with one JSON object.
        out: a JSON Lines file to append each row to.
    """
    for name in kitchens:
        if name not in KITCHENS:
            raise UserError(f"kitchens: {name!r} is unknown; known are {', '.join(KITCHENS)}.")
    if not (checkout / "baselines" / "IPPO" / "ippo_ff_overcooked.py").is_file():
        raise UserError(f"checkout: {str(checkout)!r} is no checkout of JaxMARL with its baselines.")
    rows = []
    for kitchen in kitchens:
        print(kitchen, file=sys.stderr, flush=True)
        command = [str(python.absolute()), str(RUNNERS / "learn_jaxmarl.py"), kitchen]
        command += ["--checkout", str(checkout.absolute()), "--updates", str(updates)]
        try:
            measured = measure_kitchen(kitchen, command, updates, repeats, timeout)
        except PeerError as error:
            measured = [{"peer": "jaxmarl", "world": kitchen, "skipped": str(error)}]
        rows += measured
        if out:
            bench.keep(measured, out)
    print(table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for people; below them who was skipped, and why."""
    lines = [list(COLUMNS), *([column(row) for column in COLUMNS.values()] for row in rows if "ratio" in row)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join(text + [f"{row['world']} was skipped: {row['skipped']}" for row in rows if "skipped" in row])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
