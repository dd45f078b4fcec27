"""Advantages against a slow reference and against returns known on paper."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners.returns import generalized_advantage

estimate = jax.jit(jax.vmap(generalized_advantage))


def slow_advantage(reward, discount, value, last, gamma, gae_lambda):
    """Sum temporal differences forward from every step, as the definition is written."""
    advantage = np.zeros(len(reward))
    for start in range(len(reward)):
        if last[start]:
            continue
        weight = 1.0
        for t in range(start, len(reward)):
            advantage[start] += weight * (reward[t] + gamma * discount[t] * value[t + 1] - value[t])
            if last[t + 1]:
                break
            weight *= gamma * gae_lambda * discount[t]
    return advantage


def advantage_of(reward, discount, value, last, gamma, gae_lambda):
    rows = (np.asarray(row, np.float32)[None] for row in (reward, discount, value))
    number = (np.float32([gamma]), np.float32([gae_lambda]))
    return np.asarray(estimate(*rows, np.asarray(last, bool)[None], *number))[0]


@pytest.mark.parametrize("steps", [1, 2, 17])
def test_equals_the_slow_reference(steps):
    """500 random trajectories: a tenth of the steps end truly, a fifth of the percepts are the last of an episode."""
    random, cases = np.random.default_rng(steps), 500
    reward = random.normal(size=(cases, steps)).astype(np.float32)
    value = random.normal(size=(cases, steps + 1)).astype(np.float32)
    last = random.random((cases, steps + 1)) < 0.2
    discount = (random.random((cases, steps)) > 0.1).astype(np.float32)
    gamma, gae_lambda = random.random((2, cases)).astype(np.float32)
    found = estimate(reward, discount, value, last, gamma, gae_lambda)
    expected = [slow_advantage(*case) for case in zip(reward, discount, value, last, gamma, gae_lambda, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_time_limit_bootstraps_and_stops_the_sum():
    """The episode is cut after the second step; what follows it must not leak back."""
    #        step: 0    1    2 (not played)   3
    reward = [1.0, 2.0, 100.0, 100.0]
    value = [10.0, 20.0, 40.0, 500.0, 700.0]
    last = [False, False, True, False, False]
    found = advantage_of(reward, np.ones(4), value, last, gamma=0.5, gae_lambda=0.5)
    step_1 = 2.0 + 0.5 * 40.0 - 20.0
    step_0 = 1.0 + 0.5 * 20.0 - 10.0 + 0.25 * step_1
    np.testing.assert_allclose(found, [step_0, step_1, 0.0, 100.0 + 0.5 * 700.0 - 500.0])


def test_a_true_end_does_not_bootstrap():
    """As above, but the second step ended the episode for good: discount 0."""
    found = advantage_of([1.0, 2.0], [1.0, 0.0], [10.0, 20.0, 40.0], [False, False, True], 0.5, 0.5)
    np.testing.assert_allclose(found, [1.0 + 0.5 * 20.0 - 10.0 + 0.25 * (2.0 - 20.0), 2.0 - 20.0])


def test_actions_at_last_percepts_get_nothing():
    random = np.random.default_rng(0)
    last = np.array([True, False, True, False, True, True])
    found = advantage_of(random.normal(size=5), np.ones(5), random.normal(size=6), last, 0.9, 0.9)
    assert (found[last[:-1]] == 0.0).all()
    assert (found[~last[:-1]] != 0.0).all()


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_lambda_one_is_monte_carlo(gamma):
    """Advantage plus value is the discounted sum of rewards, and at the end of the data the value of what comes."""
    random = np.random.default_rng(1)
    reward, value = random.normal(size=20), random.normal(size=21)
    found = advantage_of(reward, np.ones(20), value, np.zeros(21, bool), gamma, 1.0)
    expected = [
        sum(gamma ** (t - s) * reward[t] for t in range(s, 20)) + gamma ** (20 - s) * value[20] for s in range(20)
    ]
    np.testing.assert_allclose(found + value[:-1], expected, rtol=1e-4, atol=1e-5)


def test_lambda_zero_is_one_step():
    random = np.random.default_rng(2)
    reward, value = random.normal(size=6), random.normal(size=7)
    found = advantage_of(reward, np.ones(6), value, np.zeros(7, bool), 0.9, 0.0)
    np.testing.assert_allclose(found, reward + 0.9 * value[1:] - value[:-1], atol=1e-6)


@pytest.mark.parametrize(("discount", "expected"), [(1.0, 3.0 + 0.9 * 7.0 - 5.0), (0.0, 3.0 - 5.0)])
def test_one_step(discount, expected):
    for is_last in (False, True):
        found = advantage_of([3.0], [discount], [5.0, 7.0], [False, is_last], 0.9, 0.95)
        np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_dtype_and_shape_stay():
    found = estimate(
        jnp.ones((2, 3)),
        jnp.ones((2, 3)),
        jnp.ones((2, 4)),
        jnp.zeros((2, 4), bool),
        jnp.ones(2),
        jnp.ones(2),
    )
    assert (found.shape, found.dtype) == ((2, 3), jnp.float32)
