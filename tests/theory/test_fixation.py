"""Fixation: numbers of the literature, and every graph of a few members solved configuration by configuration."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from softsim.theory import fixation


@functools.partial(jax.jit, static_argnums=(0, 2))
def fixes(process, contest, num_members, intensity):
    return jnp.exp(fixation.log_fixation(process(contest, num_members, intensity)))


moran = jax.jit(fixation.moran)
star = jax.jit(fixation.star, static_argnums=1)
stationary = jax.jit(fixation.stationary)

TIT_FOR_TAT = ((30.0, 9.0), (14.0, 10.0))
"""Against ALLD in ten rounds of 3, 0, 5, 1."""


@pytest.mark.parametrize(
    ("fitness", "num_members", "probability"),
    [
        (1.1, 10, 0.147950),
        (2.0, 10, 0.500489),
        (0.9, 10, 0.059482),
        (1.1, 25, 0.100153),
        (1.05, 50, 0.052168),
        (2.0, 5, 0.516129),
        (1.0, 25, 0.04),
    ],
)
def test_moran(fitness, num_members, probability):
    assert float(moran(fitness, num_members)) == pytest.approx(probability, abs=1e-6)


def test_constant_advantage_of_any_size():
    """The closed form is the sum, from certain failure to certain success, and through 0."""
    with jax.enable_x64(True):
        advantage = jnp.array([-800.0, -3.0, -0.2, -1e-9, 0.0, 1e-9, 0.01, 2.0, 800.0])
        closed = jax.jit(fixation.log_fixation_constant)(advantage, 30)
        total = jax.jit(jax.vmap(lambda each: fixation.log_fixation(jnp.full(29, each))))(advantage)
        np.testing.assert_allclose(closed, total, rtol=1e-7, atol=1e-12)
        assert closed[0] == pytest.approx(-800.0 * 29)


@pytest.mark.parametrize(("intensity", "over_neutral"), [(1.0, (2.457, 4.184)), (0.01, (1.329, 2.474))])
def test_tit_for_tat_among_defectors(intensity, over_neutral):
    for num_members, expected in zip((20, 100), over_neutral, strict=True):
        found = fixes(fixation.moran_advantage, jnp.array(TIT_FOR_TAT), num_members, intensity)
        assert num_members * float(found) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("process", "benefit", "probability"),
    [
        (fixation.cycle_death_birth, 1.5, 0.024414),
        (fixation.cycle_death_birth, 2.0, 0.039734),
        (fixation.cycle_death_birth, 2.5, 0.057482),
        (fixation.cycle_death_birth, 3.0, 0.075930),
        (fixation.cycle_death_birth, 4.0, 0.110252),
        (fixation.cycle_birth_death, 3.0, 0.003601),
        (fixation.fermi_advantage, 3.0, 0.0134414),
    ],
)
def test_donation_among_twenty(process, benefit, probability):
    found = fixes(process, fixation.donation(benefit, 1.0), 20, 0.1)
    assert float(found) == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize("num_members", [10, 50])
def test_critical_ratio_on_cycles(num_members):
    with jax.enable_x64(True):

        def gain(benefit):
            contest = fixation.donation(benefit, 1.0)
            return num_members * float(fixes(fixation.cycle_death_birth, contest, num_members, 1e-4)) - 1

        found = scipy.optimize.brentq(gain, 1.0, 5.0)
    assert found == pytest.approx(fixation.critical_ratio(num_members, 2), abs=1e-3)


RING = {5: [(i, (i + 1) % 5) for i in range(5)], 6: [(i, (i + 1) % 6) for i in range(6)]}


def by_configuration(edges, num_members: int, fitness, death_birth: bool) -> float:
    """Fixation probability of one mutant anywhere, from the equations of all 2^N configurations."""
    neighbours = [[j for edge in edges for j in edge if i in edge and j != i] for i in range(num_members)]
    states = list(itertools.product((0, 1), repeat=num_members))
    number = {state: index for index, state in enumerate(states)}
    system, right = np.eye(len(states)), np.zeros(len(states))
    right[-1] = 1.0
    for state in states[1:-1]:
        strength = np.array([fitness(state, i, neighbours[i]) for i in range(num_members)])
        for i in range(num_members):
            rival = strength[neighbours[i]]
            for j, fit in zip(neighbours[i], rival, strict=True):
                birth = i if not death_birth else j
                death = j if not death_birth else i
                chance = fit / rival.sum() / num_members if death_birth else strength[i] / strength.sum() / len(rival)
                after = list(state)
                after[death] = state[birth]
                system[number[state], number[tuple(after)]] -= chance
    fixes = np.linalg.solve(system, right)
    return float(np.mean([fixes[2**i] for i in range(num_members)]))


@pytest.mark.parametrize("num_members", [5, 6])
@pytest.mark.parametrize("death_birth", [False, True])
def test_cycles_by_configuration(num_members, death_birth):
    contest, intensity = np.array([[2.0, 0.5], [3.0, 1.0]]), 0.6

    def fitness(state, i, around):
        payoff = sum(contest[1 - state[i], 1 - state[j]] for j in around)
        return 1 - intensity + intensity * payoff

    process = fixation.cycle_death_birth if death_birth else fixation.cycle_birth_death
    found = fixes(process, jnp.array(contest), num_members, intensity)
    assert float(found) == pytest.approx(
        by_configuration(RING[num_members], num_members, fitness, death_birth), rel=1e-5
    )


@pytest.mark.parametrize("fitness", [0.8, 1.0, 1.7])
def test_star_by_configuration(fitness):
    edges = [(0, leaf) for leaf in range(1, 6)]
    expected = by_configuration(edges, 6, lambda state, i, around: fitness if state[i] else 1.0, death_birth=False)
    assert float(star(fitness, 6)) == pytest.approx(expected, rel=1e-5)


def test_star_amplifies():
    with jax.enable_x64(True):
        assert float(star(1.1, 10)) == pytest.approx(0.181863, abs=1e-6)
        assert float(star(1.1, 100)) == pytest.approx(0.170274, abs=1e-6)


@pytest.mark.parametrize("num_states", [2, 7])
def test_stationary_shares_stay(num_states):
    with jax.enable_x64(True):
        log_rate = jnp.array(np.random.default_rng(num_states).normal(-3.0, 1.0, (num_states, num_states)))
        rate = jnp.exp(log_rate) * (1 - jnp.eye(num_states))
        share = stationary(log_rate)
        np.testing.assert_allclose(share @ rate, share * rate.sum(1), atol=1e-15)
        assert float(share.sum()) == pytest.approx(1.0)


def test_stationary_shares_however_small_the_rates():
    """Detailed balance with rates from e^-900 on, far below what a float holds; also in float32."""
    height = jnp.array([-3.0, 700.0, 0.0, 1.0, -450.0])
    log_rate = -900.0 + (height[None] - height[:, None]) / 2
    np.testing.assert_allclose(stationary(log_rate), jax.nn.softmax(height), atol=1e-6)


def test_rare_mutations():
    """ALLC, ALLD and TFT in the game of Imhof, Fudenberg and Nowak 2005."""
    table = jnp.array([[30.0, 1.0, 30.0], [50.0, 10.0, 14.0], [29.2, 8.3, 29.2]])

    @jax.jit
    def chain(table):
        def log_fixation(contest):
            return fixation.log_fixation(fixation.moran_advantage(contest, 20, 1.0))

        return fixation.rare_mutations(table, log_fixation)

    transition, share = chain(table)
    np.testing.assert_allclose(share, [0.0763, 0.3527, 0.5710], atol=1e-4)
    np.testing.assert_allclose(transition.sum(1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(share @ transition, share, atol=1e-6)
    invasion = fixes(fixation.moran_advantage, table[jnp.array([[2], [1]]), jnp.array([[2, 1]])], 20, 1.0)
    assert float(transition[1, 2]) == pytest.approx(float(invasion) / 2, rel=1e-5)  # from ALLD to TFT
