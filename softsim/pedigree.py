"""Pictures of descent: the family tree of a population, and what its members inherited."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from softsim.report import GREY, canvas, curve, flat

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255", "#999933", "#44AA99")
"""Of founders, in turn: Okabe and Ito's palette and Tol's, without yellow."""


@dataclasses.dataclass(frozen=True)
class Pedigree:
    """Who descends from whom in a run of R rounds, as metrics tell."""

    parent: np.ndarray  # [R, N, P] int   whose copy each is after a round; below 0: see `selection.tell`
    home: np.ndarray  # [R, N, P] int   the population that one was in
    founder: np.ndarray  # [R + 1, N, P] int   the founder each descends from, n * P + m, before and after each round


def trace(parent: np.ndarray, home: np.ndarray | None = None) -> Pedigree:
    """Follow everybody's descent through all rounds; `home` is None where nobody moves to another population.

    Where somebody does, nobody's parent is in an archive.
    """
    rounds, populations, members = parent.shape
    here = np.arange(populations)[:, None]
    home = np.broadcast_to(here, parent.shape) if home is None else home
    founder = [(here * members + np.arange(members)).astype(np.int32)]
    for r in range(rounds):
        kept = founder[0][here, -1 - parent[r]]
        founder.append(np.where(parent[r] < 0, kept, founder[-1][home[r], parent[r]]))
    return Pedigree(parent, home, np.stack(founder))


@dataclasses.dataclass(frozen=True)
class Generation:
    """One row of a family tree: every member after a selection or a migration."""

    round: int  # rounds done
    start: np.ndarray  # [P] float   place of its parent in the row above
    place: np.ndarray  # [P] int   its own place: members stand in the order of their parents, so that no lines cross
    native: np.ndarray  # [P] bool   its parent was in this population, and alive
    lives: np.ndarray  # [P] bool   it has descendants here in the end
    founder: np.ndarray  # [P] int


def generations(pedigree: Pedigree, population: int) -> list[Generation]:
    """Lay out one population's family tree, the first generation first."""
    parent = pedigree.parent[:, population]
    native = (pedigree.home[:, population] == population) & (parent >= 0)
    member = np.arange(parent.shape[1])
    place, rows = member, []
    for r in np.flatnonzero((parent != member).any(1) | ~native.all(1)):
        start = np.where(native[r], place[parent[r]], member).astype(float)
        place = np.argsort(np.lexsort((member, start)))
        rows.append(Generation(int(r) + 1, start, place, native[r], native[r], pedigree.founder[r + 1, population]))
    lives = np.ones(len(member), bool)
    for index in reversed(range(len(rows))):
        row = rows[index] = dataclasses.replace(rows[index], lives=lives)
        lives = np.isin(member, parent[row.round - 1][lives & row.native])
    return rows


def draw(folder: Path, history: dict[str, np.ndarray], population: int = 0) -> dict[str, str]:
    """Draw a run's descent into its folder.

    Args:
        history: metrics of every round, [R, N, P, ...]: `parent`, `home` where members migrate, `hyper_*`, `gene_*`.

    Returns:
        `family_tree` and `inheritance`: paths of the pictures.
    """
    pedigree = trace(history["parent"], history.get("home"))
    tree = family_tree(folder / "family_tree.png", pedigree, population)
    return {"family_tree": str(tree), "inheritance": str(inheritance(folder, history, pedigree, population))}


def family_tree(path: Path, pedigree: Pedigree, population: int) -> Path:
    """Draw one population's generations downwards: who is whose copy, coloured by founder.

    Lines to those who have descendants in the end are strong, others faint; who comes from another population, or from
    an archive, has none.
    """
    from matplotlib.collections import LineCollection

    figure, axes = canvas(9, 7)
    axis, above = axes[0, 0], 0
    for row in generations(pedigree, population):
        ends = np.stack([row.start, np.full_like(row.start, above), row.place, np.full_like(row.start, row.round)], 1)
        strength = np.where(row.lives, 1.0, 0.4)[row.native]
        colour = [COLOURS[founder % len(COLOURS)] for founder in row.founder[row.native]]
        lines = list(ends.reshape(-1, 2, 2)[row.native])
        axis.add_collection(LineCollection(lines, colors=colour, alpha=strength, linewidths=0.5 + strength))
        above = row.round
    members, rounds = pedigree.parent.shape[2], len(pedigree.parent)
    axis.set(
        xlim=(-0.5, members - 0.5),
        ylim=(max(above, 1), 0),
        xlabel="members, in the order of their parents",
        ylabel="round",
    )
    axis.set_title(
        f"population {population} over {rounds} rounds: who descends from whom, coloured by founder\n"
        f"strong lines: those who have descendants here in the end"
    )
    figure.savefig(path, dpi=110)
    return path


def inheritance(folder: Path, history: dict[str, np.ndarray], pedigree: Pedigree, population: int) -> Path:
    """Draw hyperparameters and genes round by round into `inheritance.png`: of all members, and of one population's,
    each coloured by its founder. Those that never change are left out; of a row of numbers it is the mean."""
    names = [name for name in history if name.startswith(("hyper_", "gene_"))]
    names = [name for name in names if np.ptp(history[name]) > 0] or names
    rows = -(-len(names) // 2)
    figure, axes = canvas(11, 2.4 * rows, rows, 2)
    rounds = np.arange(1, len(history["parent"]) + 1)
    for axis, name in zip(axes.flat, names, strict=False):
        curve(axis, rounds, flat(history[name]), GREY, "all")
        founder = pedigree.founder[1:, population]
        values = history[name][:, population].reshape(*founder.shape, -1).mean(-1)
        for owner in np.unique(founder):
            lines = np.where(founder == owner, values, np.nan)
            axis.plot(rounds, lines, color=COLOURS[owner % len(COLOURS)], linewidth=0.7)
        axis.set(title=name.split("_", 1)[1].replace("_", " "), xlabel="round")
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(f"what population {population} inherits, coloured by founder; grey: all populations, 10 to 90 %")
    path = folder / "inheritance.png"
    figure.savefig(path, dpi=110)
    return path
