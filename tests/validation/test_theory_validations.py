"""The validations that need no learning, at reduced size."""

from __future__ import annotations

import numpy as np
import pytest

from softsim.validation.registry import validate


@pytest.mark.slow
def test_repeated_games():
    result = validate("repeated-games", small=True)
    assert result["passed"], result
    figures = result["figures"]
    assert abs(figures["rounds against closed form, greatest error of a payoff"]["measured"]) < 1e-10
    switches = figures["best response to TFT switches, 3 0 5 1"]["measured"]
    np.testing.assert_allclose(switches, [1 / 4, 2 / 3], atol=1e-9)
    simulated = figures["ALLC ALLD TFT under rare mutations, N = 20, simulated, z"]
    assert (simulated["target"], simulated["tolerance"]) == ([0.0, 0.0, 0.0], 4.0)
    assert 0 < figures["matches in the world, greatest |z| of a mean payoff"]["measured"] < 4


@pytest.mark.slow
def test_alpha_rank():
    result = validate("alpha-rank", small=True)
    assert result["passed"], result
    figures = result["figures"]
    np.testing.assert_allclose(figures["rock paper scissors, alpha = 100"]["measured"], 1 / 3)
    np.testing.assert_allclose(
        figures["ALLC ALLD TFT under rare mutations, N = 20"]["measured"], [0.0763, 0.3527, 0.5710], atol=5e-5
    )
    assert sum(figures["eight strategies, alpha-rank"]["measured"]) == pytest.approx(1.0)
