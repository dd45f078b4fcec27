"""Write `docs/minds.md`, `docs/selection.md` and their pictures from the results in `docs/validations`.

python docs/make_validations.py             write the pages
python docs/make_validations.py moran pbt   run these first, and keep what they find; `all` runs all
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from make_games import markdown

from softsim.validation import registry

DOCS = Path(__file__).parent
RESULTS = DOCS / "validations"

PAGES = {
    "minds": ("Does it learn what it should?", registry.MINDS),
    "selection": ("Is selection right?", registry.EVOLUTION),
}

Result = dict[str, Any]


def result(name: str) -> Result:
    """What a validation found when it was last run."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def keep(name: str) -> None:
    """Run a validation at full size, and keep what it finds."""
    found = registry.validate(name, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(registry.explain(found))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def page(title: str, names: tuple[str, ...], picture: str) -> str:
    """Write one page: an overview, then each validation with its method and its figures."""
    found = [result(name) for name in names]
    missed = sum(not figure["passed"] for each in found for figure in each["figures"].values())
    claims = sum(figure["target"] is not None for each in found for figure in each["figures"].values())
    overview = [
        [f"[{r['name']}](#{r['name']})", registry.shows(r["name"]), "yes" if r["passed"] else "**no**", r["seconds"]]
        for r in found
    ]
    parts = [
        f"# {title}",
        "Experiments whose answers are known on paper or from the literature, run by the code that users run. "
        "`softsim validate NAME` repeats one with the same seeds, `softsim validate --list` names them, and "
        "`python docs/make_validations.py` makes this page from what `docs/validations` holds. "
        f"Of {claims} claims here, {claims - missed} held. Seconds are those of two CPU cores that did other work as "
        "well, compilation included.",
        markdown([["validation", "shows", "holds", "seconds"], *overview]),
        f"![Distance of each measurement from its target, in tolerances]({picture})",
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
    return "\n\n".join([f"## {name}", shows, method.strip(), f"```bash\nsoftsim validate {name}\n```", table])


LONGEST = 12
"""Numbers of a row that are shown; the file has all of them."""


def text(value: Any) -> str:
    """A number, or the beginning of a row of them."""
    if isinstance(value, list):
        shown = ", ".join(text(each) for each in value[:LONGEST])
        return f"{shown}, …" if len(value) > LONGEST else shown
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def bound(tolerance: Any) -> str:
    return f"± {text(tolerance)}" if isinstance(tolerance, float) else str(tolerance)


def distances(names: tuple[str, ...]) -> list[tuple[str, list[float]]]:
    """How far every measurement with a tolerance is from its target, in tolerances, by validation."""
    import numpy as np

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in distances(names) if row[1]]
    figure = Figure(figsize=(8, 0.6 + 0.45 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for height, (_, far) in enumerate(reversed(rows)):
        axis.plot(far, [height] * len(far), "o", color="#0072B2", alpha=0.5, markeredgewidth=0)
    axis.axvspan(-1, 1, color="#009E73", alpha=0.15, linewidth=0)
    axis.axvline(0, color="#6B6B6B", linewidth=0.8)
    axis.set_xscale("symlog", linthresh=1.5)
    axis.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axis.set_xlabel("measured minus target, in tolerances; the band is what holds")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(arguments: list[str]) -> None:
    for name in registry.names() if arguments == ["all"] else arguments:
        keep(name)
    for name, (title, names) in PAGES.items():
        (DOCS / f"{name}.md").write_text(page(title, names, f"{name}.png"), encoding="utf-8")
        draw(names, DOCS / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
