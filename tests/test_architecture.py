"""The house is built as drawn: imports point one way, what is light stays light, rooms are small."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import softsim

ROOT = Path(softsim.__file__).parent
MAX_FILE, MAX_FUNCTION = 400, 80

LEVELS = (
    ("types", "keys", "machine"),
    ("theory",),
    ("envs", "learners"),
    ("heredity", "population", "rollout", "partners", "matchmaking", "curriculum", "selection", "rewards"),
    ("minds", "train", "train_config"),
    ("presets", "checkpoint", "compilations", "metrics"),
    ("evaluation",),
    (
        "validation",
        "bench",
        "bench_evolve",
        "doctor",
        "forecast",
        "pedigree",
        "run",
        "report",
        "report_card",
        "replay",
        "adapters",
        "cli",
        "__main__",
    ),
)
"""Lowest first: what stands on one level may import its own kind, and what is below it."""

APART = 2
"""The level whose members never import each other: a world knows no learner, and a learner no world."""

HEAVY = ("chex", "flax", "matplotlib", "optax", "orbax", "psutil", "rich", "tyro")


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the library by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text())


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Modules of the library that a module names in an import, wherever in it that stands."""
    named = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively, in line {node.lineno}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                named.add(inner if inner in modules() else str(node.module))
    return frozenset(each for each in named if each.split(".")[0] == "softsim")


def room(name: str) -> str:
    """The first name below the package; the package itself is the roof."""
    return [*name.split("."), "softsim"][1]


def level(name: str) -> int:
    for number, rooms in enumerate(LEVELS):
        if room(name) in rooms:
            return number
    return len(LEVELS)


def test_every_module_has_its_level():
    """A new room in the house is given a level here before anything is built on it."""
    known = {each for rooms in LEVELS for each in rooms} | {"softsim"}
    assert {room(name) for name in modules()} <= known
    assert {"types", "envs", "learners", "rollout", "train"} <= {room(name) for name in modules()}


@pytest.mark.parametrize("name", [name for name in modules() if name != "softsim"])
def test_imports_point_down(name):
    for other in imports(name):
        assert other in modules(), f"{name} imports {other}, which does not exist"
        if other == "softsim":
            assert level(name) == len(LEVELS) - 1, f"{name} imports the whole package; name the module it needs"
        if other == "softsim" or room(other) == room(name):
            continue
        assert level(other) <= level(name), f"{name} imports {other}, which is above it"
        assert not level(other) == level(name) == APART, f"{name} imports {other}, and neither may know the other"


def test_no_module_imports_itself_in_a_circle():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in sorted(imports(name) & modules().keys() - {"softsim"}):
                visit(other, (*path, name))
            done.add(name)

    for name in modules():
        if name != "softsim":  # the roof, which loads what it names when it is first asked for
            visit(name, ())
    assert done == modules().keys() - {"softsim"}


def test_importing_worlds_or_the_library_stays_light():
    """In a fresh interpreter: jax and numpy, and nothing that learns, saves, draws or parses."""
    code = "import sys, softsim.envs, softsim; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = set(answer.stdout.split())
    assert {"jax", "numpy", "softsim"} <= loaded
    assert not loaded & set(HEAVY)


def test_every_public_name_is_there():
    for name in softsim.__all__:
        assert getattr(softsim, name) is not None
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = softsim.nothing


@pytest.mark.parametrize("name", modules())
def test_files_and_functions_are_small(name):
    lines = len(modules()[name].read_text().splitlines())
    assert lines <= MAX_FILE, f"{name} has {lines} lines; at most {MAX_FILE} are allowed"
    for node in ast.walk(tree(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{name}.{node.name} has {length} lines; at most {MAX_FUNCTION} are allowed"
