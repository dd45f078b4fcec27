"""A finished or running run, restored and examined: returns, opponent models, cross-play, ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from softsim.evaluation.cross_play import cross_play
from softsim.evaluation.foresight import draw_reliability, foresight
from softsim.evaluation.outcomes import mixed_play
from softsim.evaluation.rating import rate
from softsim.partners import partners, parts
from softsim.presets import reopen
from softsim.report import format_table
from softsim.train import Program, TrainState
from softsim.train_config import TrainConfig
from softsim.types import Array, UserError

RATED = 32
"""Populations that are rated, at most: among 16 members Nash averaging takes about a third of a second."""

MEASURES = ("elo", "nash", "alpha_rank")


def evaluate(folder: Path, seed: int = 1, pools: bool = False) -> dict[str, Any]:
    """Restore the newest intact checkpoint of a run and measure its members, without learning.

    Args:
        pools: whether to score opponent models by pool of partners, which takes several times as long.

    Returns:
        `returns`: per population and member (learners first), in mixed company; `opponent`: means over learners, in
        nats, nothing if they have no model; `cross_play`: per population, row member among column members; `ratings`:
        see `ratings_of`; names and origin beside them; `pools`, if asked for: see `by_pool`.

    Raises:
        UserError: the folder holds no run, none of its checkpoints can be read, or there is no model to score.
    """
    config, program, (done, state, path) = reopen(folder)
    train = config.train
    if pools and not train.models_others:
        raise UserError(f"pools: True, but learners {train.learner!r} of {folder} have no opponent model to score.")
    key_mixed, key_pairs, key_pools = jax.random.split(jax.random.key(seed), 3)
    keys = jax.random.split(key_mixed, train.num_populations)
    steps = train.num_steps * train.updates_per_round
    scores = mixed_play(program.table, steps, keys, program.situations, program.minds(state))
    events = getattr(program.table.world, "event_names", ())
    by_event = np.asarray(scores["events"]).mean(0)
    pairs = cross_play(program, state, key_pairs)
    opponent = {
        "cross_entropy": float(scores["opponent_ce"].mean()),
        "cross_entropy_frequency": float(scores["opponent_ce_frequency"].mean()),
        "kl": float(scores["opponent_kl"].mean()),
    }
    report = {
        "run": str(folder),
        "checkpoint": str(path),
        "round": done,
        "members": names_of(train),
        "returns": np.asarray(scores["return"]).tolist(),
        "events": {name: by_event[:, index].tolist() for index, name in enumerate(events)},
        "opponent": opponent if train.models_others else None,
        "cross_play": pairs.tolist(),
        "ratings": ratings_of(pairs),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
    }
    return report | (by_pool(folder, train, program, state, key_pools) if pools else {})


def by_pool(folder: Path, train: TrainConfig, program: Program, state: TrainState, key: Array) -> dict[str, Any]:
    """Score the opponent models among current, past and held-out partners, and draw how calibrated they are.

    Held out are the scripted partners that the world has a place for and training did not have, whatever numbers came
    with their names there.

    Returns:
        `pools`: by pool, means over learners of what `foresight` says; `reliability`: the picture.
    """
    made = partners(program.table.world, program.situations)
    met = {parts(text)[0] for text in train.scripted}
    found = foresight(program, state, key, held_out=[made[name]() for name in made if name not in met])
    sums = [jax.tree.map(lambda leaf: leaf.sum((0, 1)), scores.pop("reliability")) for scores in found.values()]
    picture = draw_reliability(jax.tree.map(lambda *leaves: sum(leaves), *sums), folder / "reliability.png")
    means = {pool: {name: float(np.mean(value)) for name, value in scores.items()} for pool, scores in found.items()}
    return {"pools": means, "reliability": str(picture)}


def ratings_of(pairs: np.ndarray) -> dict[str, list[list[float]]]:
    """Rate the members of each of the first `RATED` populations by what they get among each other, [N, M, M].

    Returns:
        Per population and member: `elo`, points around 0; `nash` and `alpha_rank`, shares (`evaluation.rating`).
        Nothing where there is one member.
    """
    rated = [rate(table) for table in pairs[:RATED]] if pairs.shape[1] > 1 else []
    return {name: [getattr(rating, name).tolist() for rating in rated] for name in MEASURES}


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
    pools = [[pool, *scores.values()] for pool, scores in report.get("pools", {}).items()]
    ratings = [np.mean(values, 0).tolist() for values in report["ratings"].values() if values]
    rated = [list(row) for row in zip(members, *ratings, strict=True)] if ratings else []
    scored = ["", format_table(["pool", *next(iter(report["pools"].values()))], pools)] if pools else []
    return "\n".join(
        [
            f"{report['run']} after {report['round']} rounds, means over {len(report['returns'])} populations",
            "",
            format_table(["per episode", *members], [["return", *map(float, returns)], *events]),
            "",
            "no opponent model"
            if opponent is None
            else f"opponent model: cross-entropy {opponent['cross_entropy']:.3f} nats, running frequency "
            f"{opponent['cross_entropy_frequency']:.3f}, KL from the truth {opponent['kl']:.3f}",
            *scored,
            "",
            "cross-play: return of the row member among column members",
            format_table(["", *members], rows),
            *(["", format_table(["rating", "Elo", "Nash average", "alpha-rank"], rated)] if rated else []),
        ]
    )
