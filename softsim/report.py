"""What people look at: the learning curve of a run, and the live table while it grows."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from softsim.presets import RunConfig
from softsim.train import Program

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""


def picture(
    folder: Path, config: RunConfig, history: dict[str, np.ndarray], at_random: float, program: Program
) -> Path:
    """Draw return, opponent model, events and entropy against agent steps into `learning_curve.png`."""
    train, world = config.train, program.table.world
    steps = np.arange(1, len(history["return"]) + 1) * train.env_steps_per_round * world.num_agents
    figure, axes = canvas(11, 7, 2, 2)
    title = f"{' + '.join(config.game)}: {train.num_populations} populations of {train.num_members} learners"
    figure.suptitle(title)

    members = history["return"].reshape(len(steps), train.num_populations, -1)
    learners = members[:, :, : train.num_members].reshape(len(steps), -1)
    curve(axes[0, 0], steps, learners, BLUE, "learners (mean, 10 to 90 % of members)")
    axes[0, 0].axhline(at_random, color=GREY, linestyle="--", label="everyone at random")
    for index, name in enumerate(train.scripted):
        axes[0, 0].plot(steps, members[:, :, train.num_members + index].mean(1), linestyle=":", label=name)
    axes[0, 0].set_title("return per episode")

    curve(axes[0, 1], steps, flat(history["opponent_ce_frequency"]), ORANGE, "running frequency")
    axes[0, 1].set_title("cross-entropy of the others' next actions (nats)")
    if train.models_others:
        curve(axes[0, 1], steps, flat(history["opponent_ce"]), BLUE, "opponent model")
        curve(axes[1, 1], steps, flat(history["opponent_kl"]), GREEN, "from the true action distribution to the model")
    axes[1, 1].set_title("KL divergence (nats)")

    events = history["events"][:, :, : train.num_members].mean((1, 2))
    for index, name in enumerate(getattr(world, "event_names", ())):
        axes[1, 0].plot(steps, events[:, index], label=name)
    axes[1, 0].set_title("events per episode and member")
    for axis in axes.flat:
        axis.set_xlabel("agent steps")
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    path = folder / "learning_curve.png"
    figure.savefig(path, dpi=110)
    return path


def canvas(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, np.ndarray]:
    """Make a figure of so many inches and its axes, [rows, columns], without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def curve(axis: Any, steps: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """Draw the mean over members and the band that holds the middle 80 % of them."""
    low, high = np.percentile(values, [10, 90], axis=1)
    axis.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(steps, values.mean(1), color=colour, label=label)


class Progress:
    """Shows how a run goes, on standard error: a live table in a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool = False):
        from rich.console import Console
        from rich.live import Live

        self.quiet, self.began, self.phase = quiet, time.perf_counter(), ""
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal and not quiet else None

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, row: dict[str, Any]) -> None:
        if self.quiet:
            return
        if self.live:
            self.live.update(self.table(row), refresh=True)
        else:
            print(self.line(row), file=sys.stderr, flush=True)

    def cells(self, row: dict[str, Any]) -> dict[str, str]:
        cells = {"": row["phase"], "round": f"{row['done']}/{row['rounds']}"}
        if "return" in row:
            cells["agent steps/s"] = f"{row['agent_steps_per_s']:,.0f}"
            cells["return"] = f"{row['return']:.3f} (random {row['return_random']:.3f})"
            if "opponent_ce" in row:
                cells["opponent CE"] = f"{row['opponent_ce']:.3f} (frequency {row['opponent_ce_frequency']:.3f})"
                cells["KL"] = f"{row['opponent_kl']:.3f}"
            cells["left"] = f"{row['seconds_left']:.0f} s"
        return cells | {"elapsed": f"{time.perf_counter() - self.began:.0f} s"}

    def line(self, row: dict[str, Any]) -> str:
        return "  ".join(f"{name} {value}".strip() for name, value in self.cells(row).items())

    def table(self, row: dict[str, Any]) -> Any:
        from rich.table import Table

        cells = self.cells(row)
        table = Table()
        for name in cells:
            table.add_column(name, justify="right")
        table.add_row(*cells.values())
        return table


def format_table(header: list[str], rows: list[list[Any]]) -> str:
    """Lay out rows as aligned text."""
    shown = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *shown, strict=True)]
    lines = [header, *shown]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
