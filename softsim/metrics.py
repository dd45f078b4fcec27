"""What a run leaves behind to be read: one JSON line per round, and every member's numbers per chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

LINES = "metrics.jsonl"
MEMBERS = "members"
NO_MEANS = ("events", "parent", "home", "fitness", "gene_tag")
"""Numbers of members whose mean says nothing."""


class MetricsLog:
    """The metrics files of one run folder.

    `metrics.jsonl` holds, per round, means over all members, and of the return its spread; `members/` holds one .npz
    per chunk with arrays [rounds, N, M, ...] (learners first) or [rounds, N, P, ...].
    """

    def __init__(self, folder: Path):
        self.lines, self.members = folder / LINES, folder / MEMBERS

    def forget_after(self, done: int) -> None:
        """Drop what was written about rounds after the first `done`, which will be done again."""
        if self.lines.exists():
            kept = [line for line in self.lines.read_text().splitlines() if self._round(line) <= done]
            unfinished = self.lines.with_suffix(".tmp")
            unfinished.write_text("".join(line + "\n" for line in kept))
            unfinished.replace(self.lines)
        for path in self.members.glob("round_*.npz"):
            if int(path.stem.split("_")[1]) > done:
                path.unlink()

    @staticmethod
    def _round(line: str) -> float:
        try:
            return json.loads(line)["round"]
        except (json.JSONDecodeError, KeyError):
            return float("inf")

    def append(self, done: int, chunk: dict[str, np.ndarray], num_learners: int, events: tuple[str, ...]) -> None:
        """Write one chunk of metrics, leading axis of rounds; `done` is the number of rounds after it."""
        rounds = len(chunk["return"])
        self.members.mkdir(exist_ok=True)
        arrays: dict[str, Any] = chunk
        np.savez_compressed(self.members / f"round_{done:08d}.npz", **arrays)
        with self.lines.open("a") as file:
            for r in range(rounds):
                row = round_row(done - rounds + r + 1, chunk, r, num_learners, events)
                file.write(json.dumps(row) + "\n")

    def history(self) -> dict[str, np.ndarray]:
        """Every member's numbers of all rounds so far."""
        chunks = []
        for path in sorted(self.members.glob("round_*.npz")):
            with np.load(path, allow_pickle=False) as file:
                chunks.append({name: file[name] for name in file.files})
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]} if chunks else {}


def round_row(
    number: int, chunk: dict[str, np.ndarray], r: int, num_learners: int, events: tuple[str, ...]
) -> dict[str, Any]:
    """Reduce one round to means over learners and the 10th and 90th percentile of their returns."""
    learners = {name: values[r][:, :num_learners] for name, values in chunk.items()}
    row: dict[str, Any] = {"round": number}
    row |= {name: float(np.mean(learners[name])) for name in learners if name not in NO_MEANS}
    row["return_p10"], row["return_p90"] = (float(np.percentile(learners["return"], q)) for q in (10, 90))
    row["events"] = {name: float(value) for name, value in zip(events, learners["events"].mean((0, 1)), strict=True)}
    others = chunk["return"][r][:, num_learners:]
    if others.size:
        row["others_return"] = [float(value) for value in others.mean(0)]  # past members, then scripted ones
    return row


def interval(values: np.ndarray) -> list[float]:
    """95 % confidence interval of the mean by Student's t; NaN at both ends of a single value."""
    from scipy import stats

    values = np.asarray(values, np.float64).reshape(-1)
    if len(values) < 2:
        return [float("nan"), float("nan")]
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]
