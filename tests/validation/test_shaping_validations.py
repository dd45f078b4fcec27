"""Shaping and best responses, at a size for tests."""

from __future__ import annotations

import numpy as np
import pytest

from softsim.validation.registry import validate


@pytest.mark.slow
def test_shaping_ipd():
    result = validate("shaping-ipd", small=True)
    assert result["passed"], result
    figures = result["figures"]
    assert figures["naive_reward"]["measured"] < -1.9 < -1.1 < figures["lola_reward"]["measured"]
    assert figures["unaligned_cooperative"]["measured"] == 0.0 < figures["alignment_cooperative"]["measured"]
    teacher, pupil = figures["teacher_and_pupil_reward"]["measured"]
    assert pupil < -1.5 < teacher < -0.5


@pytest.mark.slow
def test_best_response():
    result = validate("best-response", small=True)
    assert result["passed"], result
    assert len(result["figures"]["switches_alternate"]["measured"]) == 3


@pytest.mark.slow
def test_coin_game():
    result = validate("coin-game", small=True)
    assert result["passed"], result
    for version in ("two_coins", "one_coin"):
        assert result["figures"][f"{version}_cooperator_and_defector"]["target"][0] < 0.2
        for arm in ("plain", "aligned"):
            mean, low, high = result["figures"][f"{version}_{arm}_reward"]["measured"]
            assert low <= mean <= high
            np.testing.assert_allclose(mean, (low + high) / 2, atol=1e-6)
    intervals = [figure["measured"] for name, figure in result["figures"].items() if name.endswith("plain_reward")]
    assert any(low < high for _, low, high in intervals)
