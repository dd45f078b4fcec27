"""Measure how long `softsim train` takes from its start to the first step, with nothing compiled before and again:

python benchmarks/starts.py --presets quickstart dilemma
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import jax
import tyro

from softsim import __version__, bench
from softsim.cli import run_script
from softsim.presets import PRESETS
from softsim.types import UserError

CHILD = """
import os, sys, time
from softsim import cli, run
def stop(*_):
    print(time.time(), flush=True)
    os._exit(0)
run.loop = stop  # where the first step would be taken
cli.main(sys.argv[1:])
"""


def measure(
    presets: tuple[str, ...] = ("quickstart", "dilemma"),
    repeats: int = 5,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure starts of runs, in processes of their own, with a folder of compiled programs of their own.

    Args:
        repeats: of starts that find everything compiled.
        as_json: end with one JSON object.
        out: a JSON Lines file to append the rows to.
    """
    if repeats < 1:
        raise UserError(f"repeats: {repeats}; it must be at least 1.")
    rows = []
    for preset in presets:
        if preset not in PRESETS:
            raise UserError(f"presets: {preset!r} is unknown; known are {', '.join(PRESETS)}.")
        rows.append(measure_preset(preset, repeats))
        print(explain(rows[-1]), flush=True)
        if out:
            bench.keep(rows[-1:], out)
    if as_json:
        print(json.dumps({"rows": rows}))


def measure_preset(preset: str, repeats: int) -> bench.Row:
    """Start once with nothing compiled, and then again and again."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home:
        cold, cold_cpu = start(preset, home)
        again = [start(preset, home) for _ in range(repeats)]
    seconds = sorted(wall for wall, _ in again)
    return {
        "game": preset,
        "first_start_s": cold,
        "first_start_cpu_s": cold_cpu,
        "start_s": statistics.median(seconds),
        "start_s_min": seconds[0],
        "start_s_max": seconds[-1],
        "start_cpu_s": statistics.median(cpu for _, cpu in again),
        "repeats": repeats,
        "load": load,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "softsim": __version__,
    }


def start(preset: str, home: str) -> tuple[float, float]:
    """Seconds from the start of the process to its first step, by the clock and of processors."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", CHILD, "train", "--preset", preset, "--quiet", "--run", f"{folder}/run"]
        env = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        done = subprocess.run(command, env=env | {"HOME": home}, stdout=subprocess.PIPE, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(done.stdout.split()[-1]) - began, spent


def explain(row: bench.Row) -> str:
    """Say in a line how long starts took."""
    return (
        f"{row['game']}: {row['start_s']:.1f} s ({row['start_s_min']:.1f} - {row['start_s_max']:.1f}) to the first "
        f"step, {row['start_cpu_s']:.1f} s of processors; {row['first_start_s']:.1f} s with nothing compiled before"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
