"""Measure environment steps: `python benchmarks/env_steps.py --games clean_up coins --num-envs 1024 4096`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from softsim import bench
from softsim.cli import run_script
from softsim.envs import GRID_GAMES, declare

ONE_OF_EACH = tuple({declare(name).family: name for name in reversed(GRID_GAMES)}.values())[::-1]
"""The first game of every family."""


def measure(
    games: tuple[str, ...] = ONE_OF_EACH,
    num_envs: tuple[int, ...] = (1024,),
    mixed: bool = False,
    num_steps: int | None = None,
    num_agents: int | None = None,
    repeats: int = 5,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure environment steps under random actions.

    Args:
        games: by default one of each family; `all` for every grid game.
        num_envs: environments in one batch; each number given is measured.
        mixed: all games side by side in one batch, instead of each alone.
        num_steps: steps of one repeat; by default as many as take some 0.7 s.
        num_agents: agents in play, where the games leave a choice.
        as_json: end with one JSON object.
        out: a JSON Lines file to append the rows to.
    """
    rows, games = [], GRID_GAMES if games == ("all",) else games
    for count in num_envs:
        for batch in [games] if mixed else [(game,) for game in games]:
            measured = bench.bench_env(batch, count, mixed, num_steps, repeats, num_agents, seed)
            rows += measured
            print(bench.table(measured).splitlines()[1], file=sys.stderr)
            if out:  # at once: a long list of games may be cut short
                bench.keep(measured, out)
    print(bench.table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
