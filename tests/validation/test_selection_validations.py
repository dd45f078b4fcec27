"""Is selection right? The validations of its rules, at a size for tests."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from softsim.theory import fixation
from softsim.validation import five_rules, moran
from softsim.validation.nowak_may import DEFECTORS
from softsim.validation.registry import validate

pytestmark = pytest.mark.slow


def targets(result: dict) -> dict:
    return {name: figure["target"] for name, figure in result["figures"].items() if figure["target"] is not None}


def test_moran():
    """The answers are those of theory, and |z| is below 4 in every case."""
    giving = fixation.donation(3.0, 1.0)
    on_ring = [fixation.cycle_death_birth(giving, 20, 0.1), fixation.cycle_birth_death(giving, 20, 0.1)]
    paper = {
        "complete": fixation.moran(1.1, 10),
        "torus": fixation.moran(1.1, 25),
        "torus_neutral": fixation.moran(1.0, 25),
        "star": fixation.star(1.1, 10),
        "cycle_death_birth": np.exp(fixation.log_fixation(on_ring[0])),
        "cycle_birth_death": np.exp(fixation.log_fixation(on_ring[1])),
    }
    result = validate("moran", small=True)
    assert result["passed"], result
    assert targets(result) == pytest.approx({name: float(value) for name, value in paper.items()}, abs=1e-6)
    assert all(abs(result["figures"][f"{name}_z"]["measured"]) < 4 for name in paper)


def test_runs_are_as_many_as_asked_for():
    """A mutant that always wins, and one that never does: every run counts, once."""
    choose, place = moran.moran_birth_death(), moran.well_mixed(3)
    for advantage, wanted in ((1e9, 1.0), (0.0, 0.0)):
        assert moran.fixation(jax.random.key(0), choose, place, moran.constant(advantage), 2 * moran.SLOTS) == wanted


def test_nowak_may():
    result = validate("nowak-may", small=True)
    assert result["passed"], result
    prints = [figure for name, figure in result["figures"].items() if name.startswith("fingerprint")]
    assert len(prints) == 3
    assert all(figure["measured"] == list(DEFECTORS[: len(figure["measured"])]) for figure in prints)
    assert {"periodic", "fixed", "b_1.75_half", "no_self_1.63"} <= set(targets(result))


def test_five_rules():
    result = validate("five-rules", small=True)
    assert result["passed"], result
    rules = {"kin", "direct", "indirect", "sharing", "group"}
    assert {f"{rule}_mean_field" for rule in rules} <= set(targets(result))
    assert {f"{rule}_agents" for rule in rules | {"network"}} <= set(targets(result))
    for rule in rules:
        figure = result["figures"][f"{rule}_mean_field"]
        assert figure["target"] == five_rules.TARGETS[rule]
        assert figure["tolerance"] == 1e-12
