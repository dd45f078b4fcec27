"""Measure learning beside JaxMARL's feed-forward IPPO, at its settings, in one run: ours, theirs, and ours again.

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
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from compare import RUNNERS, PeerError, ask

from softsim import NetworkConfig, PPOConfig, SelectionConfig, TrainConfig, bench
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


def ours(game: str, model: str, updates: int) -> tuple[Callable[[], float], bench.Row]:
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


def measure_kitchen(kitchen: str, ask_theirs: Callable[[], Any], updates: int, repeats: int) -> list[bench.Row]:
    """Measure ours with each model, theirs, and ours again: a row for each model.

    Raises:
        PeerError: theirs could not be measured, or has other settings than ours.
    """
    game, load = KITCHENS[kitchen], os.getloadavg()[0]
    runs = {model: ours(game, model, updates) for model in MODELS}
    before = {model: [play() for _ in range(repeats)] for model, (play, _) in runs.items()}
    answer = ask_theirs()
    after = {model: [play() for _ in range(repeats)] for model, (play, _) in runs.items()}
    found = {name: answer["settings"][name] for name in SETTINGS}
    if found != SETTINGS:
        raise PeerError(f"its settings are {found}, and ours {SETTINGS}.")
    rate, agents, rows = sorted(answer["env_steps_per_s"]), answer["num_agents"], []
    for model, (_, facts) in runs.items():
        spent, steps = before[model] + after[model], updates * SETTINGS["NUM_STEPS"]
        row = bench.rates(game, SETTINGS["NUM_ENVS"], facts["num_agents"], steps, spent, facts["compile_s"])
        theirs = statistics.median(rate) * agents
        rows.append(
            {"peer": "jaxmarl", "world": kitchen, "opponent_model": model}
            | row
            | {
                "num_weights": facts["num_weights"],
                "agent_steps_per_s_before": row["num_envs"] * steps * agents / statistics.median(before[model]),
                "agent_steps_per_s_after": row["num_envs"] * steps * agents / statistics.median(after[model]),
                "updates": updates,
                "versions": {name: importlib.metadata.version(name) for name in ("softsim", "jax")},
                "load": load,
                "ratio": row["agent_steps_per_s"] / theirs,
                "ratio_min": row["env_steps_per_s_min"] / rate[-1],
                "ratio_max": row["env_steps_per_s_max"] / rate[0],
                "peer_agent_steps_per_s": theirs,
                "peer_agent_steps_per_s_min": rate[0] * agents,
                "peer_agent_steps_per_s_max": rate[-1] * agents,
                "peer_repeats": len(rate),
                **{
                    f"peer_{key}": answer[key] for key in ("compile_s", "num_weights", "settings", "device", "versions")
                },
            }
        )
    return rows


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
        repeats: of theirs; ours has as many before and as many after.
        timeout: seconds after which theirs is given up.
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
        runner = [
            str(python.absolute()),
            str(RUNNERS / "learn_jaxmarl.py"),
            kitchen,
            "--checkout",
            str(checkout.absolute()),
        ]
        runner += ["--updates", str(updates), "--repeats", str(repeats)]
        try:
            measured = measure_kitchen(kitchen, lambda runner=runner: ask(runner, timeout), updates, repeats)
        except PeerError as error:
            measured = [{"peer": "jaxmarl", "world": kitchen, "skipped": str(error)}]
        rows += measured
        if out:
            bench.keep(measured, out)
    print(table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def table(rows: Sequence[bench.Row]) -> str:
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
