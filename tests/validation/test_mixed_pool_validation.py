"""The validation of mixed pools at reduced size: who meets whom, who is told, and what is reported."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs.matrix import MatrixGame, compile_matrix_games, two_by_two
from softsim.validation.mixed_pool import ARMS, PAYOFF, Introduced, companies, interval, places, sit
from softsim.validation.registry import validate


@pytest.mark.parametrize(("name", "random"), [("mixed pool", 0.5), ("learners only", 0.0), ("partners named", 0.5)])
def test_arms_differ_in_whom_learners_meet_and_in_nothing_else(name, random):
    sitting = sit(ARMS[name], 16)
    place = places(sitting, 2)
    assert place.shape == (2, 2, 16)
    np.testing.assert_array_equal(np.sort(place[0].reshape(-1)), np.arange(32))
    partner = sitting[:, ::-1].reshape(-1)[place[0, 0]]
    assert partner.mean() == random
    if random:
        assert (place[0, 0][partner == 1] % 2).mean() == 0.5  # in either slot, as often


@pytest.mark.parametrize(("name", "told"), [("mixed pool", [0.0, 0.0]), ("partners named", [-1.0, 1.0])])
def test_only_one_arm_tells_who_the_partner_is(name, told):
    """The first sits with somebody random, the second with a learner."""
    game, situations = compile_matrix_games([MatrixGame("dilemma", two_by_two(*PAYOFF))])
    params = jax.tree.map(lambda leaf: leaf[0], companies(ARMS[name], np.array([[0, 1]]), situations))
    world = Introduced(game)
    state, begun = world.reset(jax.random.key(0), params)
    _, after = jax.jit(world.step)(jax.random.key(1), params, state, jnp.array([0, 1]))
    for timestep in (begun, after):
        np.testing.assert_array_equal(timestep.observation.partner, told)
    np.testing.assert_allclose(after.payoff, [PAYOFF[1], PAYOFF[2]])


def test_the_interval_is_that_of_resampled_means():
    low, high = interval(np.array([0.0, 1.0] * 20))
    assert abs(low - (0.5 - 1.96 * 0.5 / np.sqrt(40))) < 0.03
    assert abs(high - (0.5 + 1.96 * 0.5 / np.sqrt(40))) < 0.03
    assert interval(np.full(5, 0.25)) == (0.25, 0.25)


@pytest.mark.slow
def test_mixed_pool():
    result = validate("mixed-pool", small=True)
    assert result["passed"], result
    figures = result["figures"]
    for name in ARMS:
        mean, low, high = figures[f"{name}, cooperation among learners, mean and 95 % interval"]["measured"]
        assert 0 < low <= mean <= high < 0.7  # hardly anything is learnt, least of all to cooperate
        assert len(figures[f"{name}, of every seed"]["measured"]) == 2
    assert "learners only, cooperation with random partners and payoff per round" not in figures
