"""All validations by name. Each is a module: what it shows is its first line, `run` does it."""

from __future__ import annotations

import difflib
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from softsim.types import UserError

MINDS = (
    "opponent-bayes",
    "type-inference",
    "shaping-ipd",
    "best-response",
    "coin-game",
    "mixed-pool",
    "memory",
)
EVOLUTION = ("moran", "nowak-may", "five-rules", "repeated-games", "alpha-rank", "kin-grid", "pbt")

Say = Callable[[str], None]


def names() -> tuple[str, ...]:
    """Names of all validations: of minds, then of evolution."""
    return MINDS + EVOLUTION


def module(name: str) -> Any:
    """The module of a validation.

    Raises:
        UserError: there is none of that name; the nearest is suggested.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}? Known" if near else "; known"
        raise UserError(f"validate: {name!r} is unknown{hint} are {', '.join(names())}.")
    return importlib.import_module(f"softsim.validation.{name.replace('-', '_')}")


def shows(name: str) -> str:
    """What a validation shows, in one sentence."""
    return module(name).__doc__.splitlines()[0]


def validate(name: str, small: bool = False, say: Say = lambda text: None) -> dict[str, Any]:
    """Run one validation.

    Args:
        small: at a size for tests, with wider tolerances; no evidence for a publication.
        say: called with a line of progress now and then.

    Returns:
        `name`, `passed`, `small`, `seconds`, and `figures`: per name `measured`, `target`, `tolerance`, `passed`.
    """
    run = module(name).run
    began = time.perf_counter()
    figures = run(small, say)
    return {
        "name": name,
        "passed": all(figure.passed for figure in figures.values()),
        "small": small,
        "seconds": round(time.perf_counter() - began, 1),
        "figures": {key: figure.as_json() for key, figure in figures.items()},
    }


def explain(result: dict[str, Any]) -> str:
    """Lay out a result as text."""
    from softsim.report import format_table

    def show(value: Any) -> str:
        if isinstance(value, list) and np.ndim(value) > 2:  # a history: the JSON has it
            return " x ".join(map(str, np.shape(value))) + " numbers"
        if isinstance(value, list):
            return " ".join(show(each) for each in value)
        return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)

    rows = [
        [key, *(show(figure[part]) for part in ("measured", "target", "tolerance")), "ok" if figure["passed"] else "NO"]
        for key, figure in result["figures"].items()
    ]
    verdict = "passed" if result["passed"] else "FAILED"
    table = format_table(["figure", "measured", "target", "tolerance", ""], rows)
    return f"{table}\n{result['name']} {verdict} in {result['seconds']} s"
