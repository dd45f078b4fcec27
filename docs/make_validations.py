"""Write `docs/minds.md`, `docs/selection.md` and their pictures from the results in `docs/validations`.

python docs/make_validations.py             write the pages
python docs/make_validations.py moran pbt   run these first, and keep what they find; `all` runs all
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from make_games import markdown

from softsim.cli import finite
from softsim.validation import kin_grid, pbt, registry

DOCS = Path(__file__).parent
RESULTS = DOCS / "validations"

PAGES = {
    "minds": ("Does it learn what it should?", registry.MINDS),
    "selection": ("Is selection right?", registry.EVOLUTION),
}

DIFFERS = {
    "minds": (
        "`type-inference`: 29.25 has been given as the best that a player can get who sees the clock and remembers "
        "nothing else. Dynamic programming says 30: its own last move serves as a note to itself. Learners stop at or "
        "between the two.",
        "`shaping-ipd`: naive learners, LOLA, aligned advantages and the static shaper are exact and without samples "
        "here, and so no learners for `softsim train`; what they share with its PPO is how advantages are aligned. "
        "Foerster et al. 2018 report -1.06 (0.19) for LOLA, with other rates and lookahead; ours get "
        "a little more. The shaper that remembers, after M-FOS, gets about what is published, but from pupils whose "
        "naive steps are too small to answer it well, so that they get less than -2, which good learners never would.",
        "`coin-game`: published figures for greedy and cooperative bots differ from the chains' in the third digit. "
        "Learners with aligned advantages take their own coins nearly always, but fewer coins than plain "
        "learners do, and get about four tenths (two coins) or seven tenths (one coin) of what cooperators get. The "
        "budget here is minutes; the published runs are far longer.",
        "`mixed-pool`: Weis et al. 2026 was replicated without its hyperparameters and payoffs. The contrast is there "
        "in every seed, but cooperation is partial and differs between seeds, and it went away with most other "
        "settings that were tried; they are listed below the method.",
        "`memory`: gated recurrent units hold the cue for 10 steps and, in this budget, not for 50. Claims are about "
        "the median of four learners: one of four transformers found nothing at lags of 50 and 200 each.",
    ),
    "selection": (
        "`nowak-may`: at b = 1.75 exactly, seven cooperating neighbours at 1 equal four at b, so what happens depends "
        "on who wins ties, which published descriptions leave open. The targets .87 and .71, which are those of an "
        "independent simulation and not published, hold where ties go to cooperators; where cells stay with equals, "
        "as our rule says, somewhat more cooperate.",
        "`five-rules`: b/c = k is for endless networks; for rings of N the exact (N - 2) / (N / k - 2) is the target. "
        "Likewise 1 + n / m is for many and large groups: one mutant at a time needs 1 + n / (m - 2), and generations "
        "of groups, as we simulate them, about .6 % more than 1 + n / m. They divide so seldom that all in a group are "
        "alike by then, and selection is weak: its effect to first order.",
        "`kin-grid`: of learners only the onset is at c / b, where they begin to push more than chance does. The curve "
        "rises slowly from there, and passes one quarter, and one half, at higher relatedness "
        "(`learned_switch_at_0.25`, `learned_switch_at_0.5`): just above c / b pushing is worth little, and learning "
        "it takes long. What evolves switches a little above c / b, as populations are small and learners "
        "imperfect; with other draws of the same distribution its 95 % interval was .41 to .45.",
        "`pbt`: in the published toy a hyperparameter must leave 0, which no factor can do; two workers therefore add "
        "a normal step, and ten workers, none of whom begins at 0, multiply.",
    ),
}
"""What came out otherwise than where it was published, or was done otherwise."""

Result = dict[str, Any]


def result(name: str) -> Result:
    """What a validation found when it was last run."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def keep(name: str) -> None:
    """Run a validation at full size, and keep what it finds."""
    found = registry.validate(name, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(registry.explain(found))
    RESULTS.mkdir(exist_ok=True)
    laid_out = json.dumps(finite(found), indent=1)
    # Rows of numbers on one line each.
    rows = re.sub(r"\[[^][{}]*\]", lambda row: f"[{' '.join(row[0][1:-1].split())}]", laid_out)
    (RESULTS / f"{name}.json").write_text(rows + "\n", encoding="utf-8")


def pages() -> dict[str, str]:
    """Write all pages, by name."""
    return {name: page(name) for name in PAGES}


def page(about: str) -> str:
    """Write one page: an overview, then each validation with its method and its figures."""
    title, names = PAGES[about]
    found = [result(name) for name in names]
    missed = sum(not figure["passed"] for each in found for figure in each["figures"].values())
    claims = sum(figure["target"] is not None for each in found for figure in each["figures"].values())
    overview = [
        [
            f"[{r['name']}](#{r['name']})",
            registry.shows(r["name"]),
            "yes" if r["passed"] else "**no**",
            f"{r['seconds']:.0f}",
        ]
        for r in found
    ]
    parts = [
        f"# {title}",
        "Experiments whose answers are known on paper or from the literature, with this library's own learners, worlds "
        "and rules of selection. "
        "`softsim validate NAME` repeats one with the same seeds, `softsim validate --list` names them, and "
        "`python docs/make_validations.py` makes this page from what `docs/validations` holds. "
        f"Of {claims} claims here, {claims - missed} held. Seconds are those of two CPU cores, some of which did "
        "other work as well, compilation included.",
        markdown([["validation", "shows", "holds", "seconds"], *overview]),
        f"![Distance of each measurement from its target, in tolerances]({about}.png)",
        "## Where it differs from the literature",
        "\n".join(f"- {difference}" for difference in DIFFERS[about]),
        *(section(each) for each in found),
    ]
    return "\n\n".join(parts) + "\n"


def section(found: Result) -> str:
    """Lay out one validation: what it shows, how, and what came out."""
    name = found["name"]
    shows, _, method = inspect.cleandoc(registry.module(name).__doc__).partition("\n")
    rows = [
        [key, text(f["measured"]), text(f["target"]), bound(f["tolerance"]), "yes" if f["passed"] else "**no**"]
        if f["target"] is not None
        else [key, text(f["measured"]), "as found", "", ""]
        for key, f in found["figures"].items()
    ]
    table = markdown([["figure", "measured", "target", "tolerance", "holds"], *rows])
    picture = [f"![{PICTURES[name][0]}]({name}.png)"] if name in PICTURES else []
    return "\n\n".join([f"## {name}", shows, method.strip(), f"```bash\nsoftsim validate {name}\n```", *picture, table])


LONGEST = 12
"""Numbers of a row that are shown; the file has all of them."""


def text(value: Any) -> str:
    """A number, the beginning of a row of them, or how large a table is."""
    if isinstance(value, list) and np.ndim(value) > 2:
        return " x ".join(map(str, np.shape(value))) + " numbers"
    if isinstance(value, list):
        shown = ", ".join(text(each) for each in value[:LONGEST])
        return f"{shown}, …" if len(value) > LONGEST else shown
    if value is None:
        return "none"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def bound(tolerance: Any) -> str:
    return f"± {text(tolerance)}" if isinstance(tolerance, float) else str(tolerance)


def distances(names: tuple[str, ...]) -> list[tuple[str, list[float]]]:
    """How far every measurement with a tolerance is from its target, in tolerances, by validation."""
    rows = []
    for each in map(result, names):
        far: list[float] = []
        for figure in each["figures"].values():
            if isinstance(figure["tolerance"], float) and figure["tolerance"] > 0:
                gap = np.subtract(figure["measured"], figure["target"]) / figure["tolerance"]
                far += np.ravel(gap).tolist()
        rows.append((each["name"], far))
    return rows


def draw(names: tuple[str, ...], path: Path) -> None:
    """Draw how far every measurement is from its target: between the lines it holds."""
    rows = [row for row in distances(names) if row[1]]
    figure = canvas(8, 0.6 + 0.45 * len(rows))
    axis = figure.subplots()
    for height, (_, far) in enumerate(reversed(rows)):
        axis.plot(far, [height] * len(far), "o", color="#0072B2", alpha=0.5, markeredgewidth=0)
    axis.axvspan(-1, 1, color="#009E73", alpha=0.15, linewidth=0)
    axis.axvline(0, color="#6B6B6B", linewidth=0.8)
    farthest = max(abs(gap) for _, far in rows for gap in far)
    axis.set_xlim(-max(1.2, 1.1 * farthest), max(1.2, 1.1 * farthest))
    axis.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axis.set_xlabel("measured minus target, in tolerances; the band is what holds")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def canvas(width: float, height: float) -> Any:
    """Begin a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def measured(name: str) -> Callable[[str], np.ndarray]:
    """What a validation measured, by the name of a figure."""
    figures = result(name)["figures"]
    return lambda key: np.array(figures[key]["measured"], np.float64)


def draw_kin_grid(path: Path) -> None:
    """Draw how much is given against relatedness, with intervals."""
    told, figure = measured("kin-grid"), canvas(6, 3.6)
    axis = figure.subplots()
    related = told("relatedness")
    for arm, colour in (("learned", "#0072B2"), ("evolved", "#D55E00")):
        low, high = told(f"{arm}_pushes_ci95_low"), told(f"{arm}_pushes_ci95_high")
        axis.fill_between(related, low, high, color=colour, alpha=0.25, linewidth=0)
        axis.plot(related, told(f"{arm}_pushes"), "o-", color=colour, markersize=4, label=arm)
    axis.axvline(kin_grid.COST / kin_grid.BENEFIT, color="#6B6B6B", linewidth=0.8, linestyle="--", label="c / b")
    axis.axhline(kin_grid.LEVELS["learned"], color="#6B6B6B", linewidth=0.8, linestyle=":", label="by chance")
    axis.set_xlabel("relatedness r")
    axis.set_ylabel("pushes per step")
    axis.set_ylim(0, 1)
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_pbt(path: Path) -> None:
    """Draw where two workers go, above, and with what h, below, in each arm."""
    told, figure = measured("pbt"), canvas(11, 5.2)
    axes = figure.subplots(2, len(pbt.TWO), sharex="row", sharey="row")
    for arm, above, below in zip(pbt.TWO, *axes, strict=True):
        above.set_title(arm.replace("_", " "))
        above.set_xlabel("first weight")
        below.set_xlabel("generation")
        for worker, colour in enumerate(("#0072B2", "#D55E00")):
            above.plot(*told(f"two_{arm}_weights")[worker].T, ".-", color=colour, markersize=4, linewidth=0.8)
            for coordinate, line in enumerate(("-", "--")):
                h = told(f"two_{arm}_h")[worker, :, coordinate]
                below.plot(h, line, color=colour, label=f"worker {worker + 1}, h{coordinate}")
        for axis in (above, below):
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("second weight (best: 0, 0)")
    axes[1, 0].set_ylabel("h")
    axes[1, -1].legend(frameon=False)
    figure.savefig(path, dpi=110)


PICTURES = {
    "kin-grid": ("Pushes per step against relatedness, of learners and of what evolves", draw_kin_grid),
    "pbt": ("Weights and hyperparameters of two workers in each arm", draw_pbt),
}
"""Of single validations: what is on them, and who draws it."""


def main(arguments: list[str]) -> None:
    for name in registry.names() if arguments == ["all"] else arguments:
        keep(name)
    for name, text in pages().items():
        (DOCS / f"{name}.md").write_text(text, encoding="utf-8")
        draw(PAGES[name][1], DOCS / f"{name}.png")
    for name, (_, draw_one) in PICTURES.items():
        draw_one(DOCS / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
