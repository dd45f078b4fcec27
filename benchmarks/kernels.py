"""Say in which kernels the time of a step goes: `python benchmarks/kernels.py --games coop_mining coins_classic`."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from softsim import bench
from softsim.cli import run_script
from softsim.envs import GRID_GAMES, make
from softsim.types import UserError


def measure(
    games: tuple[str, ...] = ("coop_mining",),
    num_envs: int = 1024,
    mixed: bool = False,
    num_steps: int = 50,
    top: int = 12,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Profile steps under random actions.

    Args:
        games: `all` for every grid game.
        num_envs: environments in one batch.
        mixed: all games side by side in one batch, instead of each alone.
        num_steps: steps to profile.
        top: kernels to name, the slowest first.
        as_json: end with one JSON object.
        out: a JSON Lines file to append the rows to.
    """
    for field, value in {"num_envs": num_envs, "num_steps": num_steps, "top": top}.items():
        if value < 1:
            raise UserError(f"{field}: {value}; it must be at least 1.")
    rows, games = [], GRID_GAMES if games == ("all",) else games
    for batch in [games] if mixed else [(game,) for game in games]:
        rows.append(profile(batch, num_envs, num_steps, top, seed))
        print(explain(rows[-1]), flush=True)
        if out:
            bench.keep(rows[-1:], out)
    if as_json:
        print(json.dumps({"rows": rows}))


def profile(games: Sequence[str], num_envs: int, num_steps: int, top: int, seed: int = 0) -> bench.Row:
    """Profile one batch. Shares are of the time that all kernels take; times in microseconds per environment step, and
    in seconds to trace and compile the step alone."""
    world, situations = make(games)
    program, _, params, running = bench.stepping(world, situations, num_envs, seed)
    keys, action = jax.random.split(jax.random.key(seed), num_envs), running.play.timestep.action_mask.argmax(-1)
    _, compile_s = bench.compiled(jax.jit(jax.vmap(world.step)), keys, params, running.play.state, action)
    running, _ = bench.timed(program, params, running, num_steps)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            bench.timed(program, params, running, num_steps)
        (file,) = Path(folder).rglob("*.xplane.pb")
        planes = jax.profiler.ProfileData.from_file(str(file)).planes
        kernels = set(re.findall(r"^\s*(?:ROOT )?%?([\w.\-]+) = ", program.as_text(), re.MULTILINE))
        lines = [list(line.events) for plane in planes for line in plane.lines]
    spent = sum((own_time(events, kernels) for events in lines), Counter())
    total, name = sum(spent.values()), games[0] if len(games) == 1 else f"{len(games)} games mixed"
    return {
        "game": name,
        "num_envs": num_envs,
        "num_steps": num_steps,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "step_compile_s": compile_s,
        "microseconds": total / 1e3 / num_steps / num_envs,
        "kernels": len(spent),
        "shares": {kernel: round(time / total, 4) for kernel, time in spent.most_common(top)},
    }


def own_time(events: Iterable[Any], kernels: set[str]) -> Counter[str]:
    """Nanoseconds of each kernel in one thread, without those of the kernels that loops and branches call."""
    spent: Counter[str] = Counter()
    running: list[tuple[float, str]] = []
    for event in sorted((e for e in events if e.name in kernels), key=lambda e: (e.start_ns, -e.duration_ns)):
        while running and running[-1][0] <= event.start_ns:
            running.pop()
        if running:
            spent[running[-1][1]] -= event.duration_ns
        spent[event.name] += event.duration_ns
        running.append((event.start_ns + event.duration_ns, event.name))
    return spent


def explain(row: bench.Row) -> str:
    """One line for the batch, and one for each of its slowest kernels."""
    head = f"{row['game']}: {row['microseconds']:.2f} us an environment step in {row['kernels']} kernels"
    return "\n".join([head, *(f"  {share:6.1%}  {kernel}" for kernel, share in row["shares"].items())])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
