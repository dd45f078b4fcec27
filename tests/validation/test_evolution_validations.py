"""Validations of what evolves in training, at the size of tests."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from softsim.validation import kin_grid, pbt
from softsim.validation.registry import validate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pbt", {"two_pbt", "two_fixed", "ten_gain_over_random_search", "ten_gain_over_explore_only", "two_pbt_h"}),
        (
            "kin-grid",
            {"learned_switch", "learned_above", "evolved_switch", "evolved_below", "learned_switch_at_0.5"},
        ),
    ],
)
def test_it_holds(name, told):
    result = validate(name, small=True)
    failed = {key: figure for key, figure in result["figures"].items() if not figure["passed"]}
    assert not failed
    assert told <= set(result["figures"])


def test_histories_are_those_of_the_workers():
    """Each gradient step is what its h says, and who copied goes on from where the other was."""
    found = pbt.train(pbt.TWO["pbt"], 0.5, pbt.two_workers, jnp.arange(3))
    before, after = found.weights[:, :, ::2], found.weights[:, :, 1::2]
    np.testing.assert_allclose(after, before * (1 - 2 * pbt.RATE * found.h) ** pbt.STEPS, rtol=1e-4)
    start, end = before[:, :, 1:], after[:, :, :-1]
    kept = (start == end).all(-1)
    copied = (start == end[:, ::-1]).all(-1)
    assert (kept | copied).all()
    assert (kept.sum(1) >= 1).all()
    assert copied.any()
    moved = (found.h[:, :, 1:] != found.h[:, :, :-1]).any(-1)
    assert not (moved & kept & ~copied).any()


def test_where_a_curve_rises_through_a_level():
    related = np.array([0.0, 0.2, 0.4])
    assert kin_grid.crossing(related, np.array([0.1, 0.4, 0.8]), 0.5) == pytest.approx(0.25)
    assert np.isnan(kin_grid.crossing(related, np.array([0.1, 0.2, 0.3]), 0.5))
    assert np.isnan(kin_grid.crossing(related, np.array([0.9, 0.8, 0.7]), 0.5))
