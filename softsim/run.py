"""One training run and its folder: config, metrics, checkpoints, picture. Starting it again goes on where it stopped.

The folder is written between chunks of rounds, and chunks do not depend on when the process was stopped, so a killed
run that is started again ends in the same state as one that was never stopped, bit for bit.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from softsim import __version__, checkpoint
from softsim.compilations import Shelf
from softsim.evaluation.outcomes import random_return
from softsim.metrics import MetricsLog, interval
from softsim.presets import RunConfig, stored_config
from softsim.train import Program, TrainState
from softsim.types import UserError

CHECKPOINT_SECONDS = 10.0
"""At least this long between checkpoints of a running run: the most that a kill can cost, plus one chunk."""

Report = Callable[[dict[str, Any]], None]


class Interrupted(Exception):
    """The run was asked to stop by a signal, and has saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name} and saved; the same command goes on from there.")
        self.number = number


def versions() -> dict[str, str]:
    import flax
    import jaxlib
    import optax

    modules = {"jax": jax, "jaxlib": jaxlib, "flax": flax, "optax": optax, "numpy": np}
    return {"softsim": __version__} | {name: module.__version__ for name, module in modules.items()}


def prepare(folder: Path, config: RunConfig) -> None:
    """Make the run folder and write the config, or check that the one there is the same.

    Raises:
        UserError: the folder cannot be written, or belongs to another config. Nothing is overwritten.
    """
    path = folder / "config.json"
    try:
        if path.exists():
            changed = difference(stored_config(path), config.as_json())
            if changed:
                raise UserError(f"run: {folder} holds a run of another config ({changed}); choose another folder.")
            return
        if folder.exists() and not folder.is_dir():
            raise UserError(f"run: {folder} is a file; a folder that is new, empty or of this run is allowed.")
        if folder.exists() and any(file.name != "config.tmp" for file in folder.iterdir()):
            raise UserError(f"run: {folder} holds other files; a folder that is new, empty or of this run is allowed.")
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"config": config.as_json(), "versions": versions()}, indent=2)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(text + "\n")
        unfinished.replace(path)
    except OSError as error:
        raise UserError(f"run: {folder} cannot be written ({error.strerror}); choose a writable folder.") from None


def difference(before: Any, after: Any, name: str = "") -> str:
    """Say the first field in which two configs differ, or nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for field in {**before, **after}:
            found = difference(before.get(field), after.get(field), f"{name}.{field}".lstrip("."))
            if found:
                return found
        return ""
    return "" if before == after else f"{name} was {before}, now {after}"


class Stopper:
    """Notes SIGTERM and SIGINT, so that the loop can save before it ends; a second one ends at once."""

    def __enter__(self) -> Stopper:
        self.number = 0
        # Python takes signals in the main thread only; in another, training goes on without them.
        watched = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        self.before = {number: signal.signal(number, self._note) for number in watched}
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def train(
    folder: Path, config: RunConfig, report: Report = lambda row: None, compiled: Path | None = None
) -> dict[str, Any]:
    """Do a run, or what is left of it, and summarise it.

    Args:
        report: called with the phase while it compiles, and with the newest numbers after every chunk.
        compiled: folder of compiled programs, which a second start takes from there.

    Returns:
        The summary that `softsim train --json` prints.

    Raises:
        UserError: the config or the folder is not allowed. Interrupted: a signal came; the state is saved.
    """
    began = time.perf_counter()
    program = config.program()
    prepare(folder, config)
    log, checkpoints = MetricsLog(folder), folder / "checkpoints"

    root = jax.random.key(config.train.seed)
    init = functools.cache(lambda: jax.jit(program.init).trace(root))  # which a start that finds everything does not do
    restored = checkpoint.restore(checkpoints, lambda: init().out_info)
    if restored is None and checkpoint.read_manifest(checkpoints):
        raise UserError(f"run: {folder} holds checkpoints, and none can be read; choose another folder.")
    done, state, path = restored if restored else (0, None, None)
    log.forget_after(done)
    report({"phase": "compiling", "done": done, "rounds": config.train.num_rounds})
    before = time.perf_counter()
    shelf = Shelf(compiled, [config.as_json(), checkpoint.digest(program.past)])
    chunk = jax.jit(program.chunk, donate_argnums=0)
    advance = shelf.ready("chunk", lambda: chunk.lower(init().out_info, program.situations))
    if state is None:
        state = shelf.ready("init", lambda: init().lower(), quickly=True)(root)
    state = program.place(state)
    compile_seconds = time.perf_counter() - before
    at_random = functools.cache(lambda: random_return(program, shelf))

    with Stopper() as stopper:
        state, path, seconds = loop(program, advance, state, done, path, folder, log, report, stopper, at_random)
    summary = summarize(folder, config, program, log, at_random())
    rounds = config.train.num_rounds - done
    rate = config.train.env_steps_per_round * rounds / seconds if rounds else None
    return summary | {
        "checkpoint": str(path),
        "state_sha256": checkpoint.digest(state),
        "env_steps_per_s": rate,
        "agent_steps_per_s": rate and rate * program.table.world.num_agents,
        "compile_s": compile_seconds,
        "wall_s": time.perf_counter() - began,
        "peak_memory_bytes": peak_memory(),
    }


def loop(
    program: Program,
    advance: Any,
    state: TrainState,
    done: int,
    path: Path | None,
    folder: Path,
    log: MetricsLog,
    report: Report,
    stopper: Stopper,
    at_random: Callable[[], float],
) -> tuple[TrainState, Path | None, float]:
    """Run the chunks that are left; returns the last state, its checkpoint and the seconds of computing.

    Args:
        at_random: what members who act at random get; asked for after the first chunk.
    """
    config, world = program.config, program.table.world
    events = getattr(world, "event_names", ())
    seconds, saved = 0.0, time.perf_counter()
    while done < config.num_rounds:
        start = time.perf_counter()
        state, metrics = advance(state, program.situations)
        metrics = jax.device_get(metrics)
        took = time.perf_counter() - start
        seconds, done = seconds + took, done + config.rounds_per_chunk
        log.append(done, metrics, config.num_members, events)
        final = done == config.num_rounds
        if final or stopper.number or time.perf_counter() - saved > CHECKPOINT_SECONDS:
            path, saved = checkpoint.save(folder / "checkpoints", done, state), time.perf_counter()
        newest = {name: float(np.mean(values[-1][:, : config.num_members])) for name, values in metrics.items()}
        rate = config.env_steps_per_round * config.rounds_per_chunk / took
        left = (config.num_rounds - done) / config.rounds_per_chunk * took
        progress = {"phase": "training", "done": done, "rounds": config.num_rounds, "seconds_left": left}
        if not config.models_others:
            newest = {name: value for name, value in newest.items() if not name.startswith("opponent_")}
        report(newest | progress | {"agent_steps_per_s": rate * world.num_agents, "return_random": at_random()})
        if stopper.number and not final:
            raise Interrupted(stopper.number)
    return state, path, seconds


def summarize(folder: Path, config: RunConfig, program: Program, log: MetricsLog, at_random: float) -> dict[str, Any]:
    """Compare the first and the last tenth of training, over all learners, and draw the pictures."""
    from softsim import pedigree
    from softsim.report import picture

    history = log.history()
    learners = history["return"][:, :, : config.train.num_members]
    tenth = max(1, len(learners) // 10)
    first, last = learners[:tenth].mean(0), learners[-tenth:].mean(0)
    scores = ("opponent_ce", "opponent_ce_frequency", "opponent_kl")
    late = {name: float(history[name][-tenth:].mean()) if config.train.models_others else None for name in scores}
    descent = pedigree.draw(folder, history) if config.train.selection.every else {}
    return descent | {
        "run": str(folder),
        "picture": str(picture(folder, config, history, at_random, program)),
        "return_random": at_random,
        "return_first": float(first.mean()),
        "return_last": float(last.mean()),
        "return_gain_ci95": interval(last - first),
        "return_over_random_ci95": interval(last - at_random),
        **late,
        "rounds": len(learners),
        "members": int(first.size),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def peak_memory() -> int:
    """Most bytes ever held: of the accelerator if it tells, else of this process."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
