"""A finished or running run, restored and examined: returns, opponent models, cross-play."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from softsim import checkpoint
from softsim.evaluation.cross_play import cross_play
from softsim.evaluation.outcomes import mixed_play
from softsim.report import format_table
from softsim.run import read_config
from softsim.train_config import TrainConfig
from softsim.types import UserError


def evaluate(folder: Path, seed: int = 1) -> dict[str, Any]:
    """Restore the newest intact checkpoint of a run and measure its members, without learning.

    Returns:
        `returns`: per population and member (learners first), in mixed company; `opponent`: means over learners, in
        nats; `cross_play`: per population, row member among column members; names and origin beside them.

    Raises:
        UserError: the folder holds no run, or none of its checkpoints can be read.
    """
    config = read_config(folder)
    program = config.program()
    restored = checkpoint.restore(folder / "checkpoints", jax.eval_shape(program.init))
    if restored is None:
        raise UserError(f"run: {folder} holds no checkpoint yet; train it for longer first.")
    done, state, path = restored
    train = config.train
    key_mixed, key_pairs = jax.random.split(jax.random.key(seed))
    keys = jax.random.split(key_mixed, train.num_populations)
    steps = train.num_steps * train.updates_per_round
    scores = mixed_play(program.table, steps, keys, program.situations, program.minds(state))
    events = getattr(program.table.world, "event_names", ())
    by_event = np.asarray(scores["events"]).mean(0)
    return {
        "run": str(folder),
        "checkpoint": str(path),
        "round": done,
        "members": names_of(train),
        "returns": np.asarray(scores["return"]).tolist(),
        "events": {name: by_event[:, index].tolist() for index, name in enumerate(events)},
        "opponent": {
            "cross_entropy": float(scores["opponent_ce"].mean()),
            "cross_entropy_frequency": float(scores["opponent_ce_frequency"].mean()),
            "kl": float(scores["opponent_kl"].mean()),
        },
        "cross_play": cross_play(program, state, key_pairs).tolist(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }


def names_of(train: TrainConfig) -> list[str]:
    """Name all members at the tables: learners, past members who are there for the next round, scripted ones."""
    learners = [f"learner {m}" for m in range(train.num_members)]
    return [*learners, *(f"past member {m}" for m in range(train.league.seats)), *train.scripted]


def explain(report: dict[str, Any]) -> str:
    """Lay the report out as tables, means over populations."""
    members, opponent = report["members"], report["opponent"]
    returns, pairs = np.mean(report["returns"], 0), np.mean(report["cross_play"], 0)
    events = [[name, *map(float, values)] for name, values in report["events"].items()]
    rows = [[name, *map(float, pairs[i])] for i, name in enumerate(members)]
    return "\n".join(
        [
            f"{report['run']} after {report['round']} rounds, means over {len(report['returns'])} populations",
            "",
            format_table(["per episode", *members], [["return", *map(float, returns)], *events]),
            "",
            f"opponent model: cross-entropy {opponent['cross_entropy']:.3f} nats, running frequency "
            f"{opponent['cross_entropy_frequency']:.3f}, KL from the truth {opponent['kl']:.3f}",
            "",
            "cross-play: return of the row member among column members",
            format_table(["", *members], rows),
        ]
    )
