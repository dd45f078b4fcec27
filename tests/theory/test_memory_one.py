"""Repeated games: against sums by hand, against play round by round, and against every other response."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.theory import memory_one
from softsim.theory.memory_one import STRATEGIES

OWN = (3.0, 0.0, 5.0, 1.0)


def strategies(seed: int, number: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(number, 5))


@jax.jit
def values(first, second, continuation):
    """Per round, in the game of `OWN`."""
    return memory_one.value(memory_one.symmetric(jnp.array(OWN)), first, second, continuation)


long_run = jax.jit(memory_one.long_run)
best_response = jax.jit(memory_one.best_response)


def test_values_by_hand():
    """Per round at continuation .9: the first round counts a tenth."""
    paper = {
        ("cooperate", "cooperate"): (3.0, 3.0),
        ("cooperate", "defect"): (0.0, 5.0),
        ("tit_for_tat", "defect"): (0.9 * 1.0, 0.1 * 5.0 + 0.9 * 1.0),
        ("grim", "defect"): (0.9 * 1.0, 0.1 * 5.0 + 0.9 * 1.0),
        ("win_stay_lose_shift", "defect"): (0.9 / 1.9 * 1.0, (5.0 + 0.9 * 1.0) / 1.9),  # C D C D ...
        ("win_stay_lose_shift", "tit_for_tat"): (3.0, 3.0),
    }
    for (one, other), expected in paper.items():
        found = values(jnp.array(STRATEGIES[one]), jnp.array(STRATEGIES[other]), 0.9)
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=f"{one}, {other}")


def test_closed_form_is_play_round_by_round():
    with jax.enable_x64(True):
        game = jnp.array(np.random.default_rng(0).normal(size=(2, 4)))  # of two different players
        weight = 0.2 * 0.8 ** jnp.arange(150)
        one, other = jnp.array(strategies(1, 200)), jnp.array(strategies(2, 200))

        @jax.jit
        @jax.vmap
        def both_ways(one, other):
            played = memory_one.dot(game, memory_one.propagate(one, other, weight))
            return played, memory_one.value(game, one, other, 0.8)

        played, solved = both_ways(one, other)
        assert solved.dtype == jnp.float64
        np.testing.assert_allclose(played, solved, atol=1e-13)


def test_each_player_sees_its_own_move_first():
    for one, other in zip(jnp.float32(strategies(3, 5)), jnp.float32(strategies(4, 5)), strict=True):
        np.testing.assert_allclose(values(one, other, 0.7), values(other, one, 0.7)[::-1], rtol=1e-5)


def test_counts_of_joint_moves_in_some_rounds():
    """Tit for tat against one who defects, and repents when both did: CD, DD, DC, CC, CC."""
    repents = jnp.array([1.0, 1.0, 0.0, 1.0, 0.0])
    count = jax.jit(memory_one.propagate)(jnp.array(STRATEGIES["tit_for_tat"]), repents, jnp.ones(5))
    assert count.tolist() == [2.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ((1, 0, 1, 0, 1), (1, 0, 1, 0, 0), [0, 0.5, 0.5, 0]),  # tit for tat, two starts: alternates for ever
        ((1, 0, 0, 0, 1), (1, 0, 0, 0, 1), [1, 0, 0, 0]),  # grim: the start decides
        ((1, 0, 0, 0, 1), (1, 0, 0, 0, 0.25), [0.25, 0, 0, 0.75]),
        ((1, 0, 0, 1, 1), (0, 0, 0, 0, 0), [0, 0.5, 0, 0.5]),  # win-stay lose-shift, exploited every other round
        ((1, 1e-6, 1, 1e-6, 0), (1, 0, 1, 0, 0), [1, 0, 0, 0]),  # forgives once in a million rounds
    ],
)
def test_long_run(first, second, share):
    found = long_run(jnp.array(first, jnp.float32), jnp.array(second, jnp.float32))
    np.testing.assert_allclose(found, share, atol=1e-5)


def test_long_run_is_the_limit_of_long_games():
    with jax.enable_x64(True):
        one, other = jnp.array(strategies(5, 100)), jnp.array(strategies(6, 100))
        limit = jax.vmap(long_run)(one, other)
        nearly = jax.jit(jax.vmap(lambda one, other: memory_one.occupancy(one, other, 1 - 1e-9)))(one, other)
        np.testing.assert_allclose(limit, nearly, atol=1e-7)


def test_extortioners_take_their_factor():
    with jax.enable_x64(True):
        own = jnp.array([4.0, -1.0, 6.0, 0.5])
        game, partners = memory_one.symmetric(own), jnp.array(strategies(7, 100))
        factor, strength = jnp.array([1.0, 3.0, 10.0]), jnp.array([1.0, 0.5, 1.0])

        @jax.jit
        @jax.vmap
        def play(factor, strength):
            extortioner = memory_one.extortion(own, factor, strength)
            share = jax.vmap(lambda partner: memory_one.long_run(extortioner, partner))(partners)
            return extortioner, memory_one.dot(share, game.T) - own[3]

        extortioner, surplus = play(factor, strength)
        assert ((extortioner >= 0) & (extortioner <= 1)).all()
        np.testing.assert_allclose(surplus[..., 0], factor[:, None] * surplus[..., 1], atol=1e-11)


def test_strategies_of_the_literature():
    """Press and Dyson 2012 give (11/13, 1/2, 7/26, 0) at factor 3; generosity is 1/3 at 3, 0, 5, 1."""
    own = jnp.array(OWN)
    np.testing.assert_allclose(jax.jit(memory_one.extortion)(own, 3.0, 0.5), [11 / 13, 1 / 2, 7 / 26, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(jax.jit(memory_one.generous)(own), [1, 1 / 3, 1, 1 / 3, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("own", "continuation", "response"),
    [
        (OWN, 0.24, [0, 0, 0, 0, 0]),
        (OWN, 0.26, [0, 0, 1, 1, 0]),  # alternate
        (OWN, 0.66, [0, 0, 1, 1, 0]),
        (OWN, 0.67, [1, 1, 1, 1, 1]),
        ((-1.0, -3.0, 0.0, -2.0), 0.49, [0, 0, 0, 0, 0]),
        ((-1.0, -3.0, 0.0, -2.0), 0.51, [1, 1, 1, 1, 1]),
    ],
)
def test_best_response_to_tit_for_tat(own, continuation, response):
    found, _ = best_response(jnp.array(STRATEGIES["tit_for_tat"]), jnp.array(own), continuation)
    assert found.tolist() == response


def test_nothing_beats_the_best_response():
    with jax.enable_x64(True):
        own, partners = jnp.array(OWN), jnp.array(strategies(8, 20))
        game = memory_one.symmetric(own)
        responses = jnp.array(strategies(9, 300))

        @jax.jit
        @jax.vmap
        def judge(partner):
            best, promised = memory_one.best_response(partner, own, 0.9)
            worth = lambda response: memory_one.value(game, response, partner, 0.9)[0]  # noqa: E731
            return promised, worth(best), jax.vmap(worth)(responses).max()

        promised, kept, others = judge(partners)
        np.testing.assert_allclose(promised, kept, atol=1e-12)
        assert (others <= kept).all()


def test_float32_unless_asked():
    assert best_response(jnp.array(STRATEGIES["grim"]), jnp.array(OWN), 0.9)[1].dtype == jnp.float32
    assert long_run(jnp.full(5, 0.5), jnp.full(5, 0.5)).dtype == jnp.float32
