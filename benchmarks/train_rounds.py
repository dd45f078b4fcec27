"""Measure whole rounds: `python benchmarks/train_rounds.py --presets dilemma --num-populations 1 8 64`."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from softsim import bench, machine
from softsim.cli import run_script
from softsim.learners.opponent import OpponentConfig
from softsim.presets import PRESETS, RunConfig
from softsim.types import UserError

Model: Any = get_type_hints(OpponentConfig)["model"]


def measure(
    presets: tuple[str, ...] = ("quickstart", "dilemma", "five_games"),
    num_populations: tuple[int, ...] = (),
    num_members: int | None = None,
    hidden: tuple[int, ...] = (),
    precision: tuple[Literal["float32", "bfloat16"], ...] = ("float32",),
    opponent: tuple[Model, ...] = ("policy",),
    rounds_per_chunk: int | None = None,
    repeats: int = 5,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure rounds of play, learning and selection.

    Args:
        presets: the runs to measure; `softsim bench train` takes every other flag of a run as well.
        num_populations: side by side, instead of the preset's own; each number given is measured.
        num_members: learners of each population, instead of the preset's own.
        hidden: widths of perception and memory, instead of the preset's own; each is measured.
        precision: of matrix products; each is measured.
        opponent: model of the others; each is measured.
        rounds_per_chunk: rounds of one repeat, instead of the preset's own.
        as_json: end with one JSON object.
        out: a JSON Lines file to append the rows to.
    """
    machine.spread_over_cores()
    rows = []
    for preset in presets:
        choices = num_populations or (None,), hidden or (None,), precision, opponent
        for count, width, kind, model in itertools.product(*choices):
            numbers = {"num_populations": count, "num_members": num_members, "rounds_per_chunk": rounds_per_chunk}
            config = choose(preset, width, kind, model, **numbers)
            label = f"{preset}:{'+'.join(config.game)}"
            measured = bench.bench_train(config.program(), label, repeats)
            rows += measured
            print(bench.table(measured).splitlines()[1], file=sys.stderr)
            if out:
                bench.keep(measured, out)
    print(bench.table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def choose(preset: str, width: int | None, precision: str, model: str, **numbers: int | None) -> RunConfig:
    """Look a preset up, and replace what is given."""
    if preset not in PRESETS:
        raise UserError(f"presets: {preset!r} is unknown; known are {', '.join(PRESETS)}.")
    given = {field: number for field, number in numbers.items() if number is not None}
    if "rounds_per_chunk" in given:
        given["num_rounds"] = given["rounds_per_chunk"]
    config = PRESETS[preset]
    sizes = {"hidden": width, "memory": width} if width else {}
    others: Any = dataclasses.replace(config.train.network.opponent, model=model, condition=model != "none")
    network: Any = dataclasses.replace(config.train.network, precision=precision, opponent=others, **sizes)
    return dataclasses.replace(config, train=dataclasses.replace(config.train, network=network, **given))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
