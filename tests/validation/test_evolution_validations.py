"""Validations of what evolves in training, at the size of tests."""

from __future__ import annotations

import numpy as np
import pytest

from softsim.validation import kin_grid
from softsim.validation.registry import validate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pbt", {"two_pbt", "two_fixed", "ten_gain_over_random_search", "ten_gain_over_explore_only", "history_h0"}),
        ("kin-grid", {"learned_switch", "learned_above", "evolved_switch", "evolved_below", "evolved_switch_ci95"}),
    ],
)
def test_it_holds(name, told):
    result = validate(name, small=True)
    failed = {key: figure for key, figure in result["figures"].items() if not figure["passed"]}
    assert not failed
    assert told <= set(result["figures"])


def test_where_a_curve_rises_through_a_level():
    related = np.array([0.0, 0.2, 0.4])
    assert kin_grid.crossing(related, np.array([0.1, 0.4, 0.8]), 0.5) == pytest.approx(0.25)
    assert np.isnan(kin_grid.crossing(related, np.array([0.1, 0.2, 0.3]), 0.5))
    assert np.isnan(kin_grid.crossing(related, np.array([0.9, 0.8, 0.7]), 0.5))
