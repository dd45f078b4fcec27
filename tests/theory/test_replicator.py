"""Replicator dynamics against solutions on paper and what they conserve."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.theory import replicator

integrate = jax.jit(replicator.integrate, static_argnums=3)

CYCLE = ((0.0, -1.0, 2.0), (1.0, 0.0, -1.0), (-2.0, 1.0, 0.0))


def test_advantage_alone_is_logistic_growth():
    """Where the first always gets 1 more, its log-odds grow by the time."""
    share = integrate(jnp.array([0.1, 0.9]), jnp.array([[3.0, 3.0], [2.0, 2.0]]), 0.25, 12)
    assert float(share[0]) == pytest.approx(1 / (1 + 9 * np.exp(-3.0)), rel=1e-5)


def test_short_steps_follow_the_velocity():
    with jax.enable_x64(True):
        generator = np.random.default_rng(0)
        share, payoff = jnp.array(generator.dirichlet(np.ones(4))), jnp.array(generator.normal(size=(4, 4)))
        velocity = replicator.velocity(share, payoff)
        assert float(velocity.sum()) == pytest.approx(0.0, abs=1e-15)
        moved = replicator.advance(share, payoff, 1e-6) - replicator.advance(share, payoff, -1e-6)
        np.testing.assert_allclose(moved / 2e-6, velocity, atol=1e-9)


def test_zero_sum_games_go_round():
    """The product of x_i to the power of the equilibrium, here (1, 2, 1) / 4, never changes."""
    with jax.enable_x64(True):
        start = jnp.array([0.5, 0.3, 0.2])
        equilibrium = jnp.array([1.0, 2.0, 1.0]) / 4
        np.testing.assert_allclose(replicator.velocity(equilibrium, jnp.array(CYCLE)), 0.0, atol=1e-16)
        end = integrate(start, jnp.array(CYCLE), 0.02, 5000)
        level = lambda share: float((equilibrium * jnp.log(share)).sum())  # noqa: E731
        assert level(end) == pytest.approx(level(start), abs=1e-8)
        assert float(jnp.abs(end - start).max()) > 0.01


def test_shares_stay_shares():
    """At any step and for ever; what is gone stays gone."""
    share = integrate(jnp.array([0.0, 0.5, 0.3, 0.2]), 50 * jnp.eye(4), 1.0, 100)
    np.testing.assert_allclose(share, [0.0, 1.0, 0.0, 0.0], atol=1e-6)


def test_snowdrift_ends_where_both_earn_the_same():
    """At S / (S + T - 1) cooperators, from anywhere within."""
    payoff = jnp.array([[1.0, 0.6], [1.2, 0.0]])
    end = jax.vmap(lambda share: integrate(share, payoff, 0.5, 400))(jnp.array([[0.05, 0.95], [0.9, 0.1]]))
    np.testing.assert_allclose(end[:, 0], 0.6 / 0.8, rtol=1e-4)
