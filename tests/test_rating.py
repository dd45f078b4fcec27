"""Ratings: on games whose answer is known by symmetry, by dominance, or by the conditions that define it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import Learner, MatrixGame, Policy, PPOConfig, TrainConfig, assemble, compile_matrix_games
from softsim.envs.matrix import two_by_two
from softsim.evaluation import rating
from softsim.learners import strategies
from softsim.theory import memory_one
from softsim.types import Output, UserError

CYCLE = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def random_margin(seed: int, number: int) -> np.ndarray:
    return rating.margins(np.random.default_rng(seed).normal(size=(number, number)))


def test_payoff_table_is_everyone_against_everyone():
    """Row gets from column, as one pair after the other would."""
    game = memory_one.symmetric(jnp.array([3.0, 0.0, 5.0, 1.0]))
    members = jnp.array(np.random.default_rng(0).uniform(size=(4, 5)), jnp.float32)
    play = lambda one, other: memory_one.value(game, one, other, 0.9)[0]  # noqa: E731
    table = rating.payoff_table(members, play)
    alone = jax.jit(play)
    for i, j in np.ndindex(4, 4):
        assert float(table[i, j]) == pytest.approx(float(alone(members[i], members[j])), rel=1e-5)


def test_a_cycle_has_no_best():
    found = rating.rate(7.0 + 3.0 * CYCLE)
    for share in (found.nash, found.alpha_rank):
        np.testing.assert_allclose(share, 1 / 3, atol=1e-9)
    np.testing.assert_allclose(found.elo, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.nash_margin, 0.0, atol=1e-9)


def test_who_always_wins_has_all():
    found = rating.rate([[1.0, 2.0, 9.0], [1.5, 1.0, 2.0], [3.0, 2.5, 1.0]])  # row 0 beats both, row 2 beats row 1
    np.testing.assert_allclose(found.nash, [1.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(found.alpha_rank, [1.0, 0.0, 0.0], atol=1e-9)
    assert np.argmax(found.elo) == 0
    np.testing.assert_allclose(found.nash_margin, [0.0, -0.5 / 6, -1.0], atol=1e-9)


def test_nobody_better_than_anybody():
    """A game without margins, even without payoffs."""
    found = rating.rate(np.zeros((4, 4)))
    for share in (found.nash, found.alpha_rank):
        np.testing.assert_allclose(share, 0.25, atol=1e-9)
    assert found.elo.tolist() == [0.0] * 4


@pytest.mark.parametrize("chance", [0.5, 0.64, 0.99])
def test_elo_of_two(chance):
    """Odds of ten to one are 400 points, after `DRAWN` games."""
    expected = (1 - rating.DRAWN) * chance + rating.DRAWN / 2
    difference = np.diff(rating.elo(np.array([[0.5, 1 - chance], [chance, 0.5]])))[0]
    assert difference == pytest.approx(400 * np.log10(expected / (1 - expected)), abs=1e-4)


@pytest.mark.parametrize("number", [3, 12])
def test_elo_expects_the_scores_that_were_made(number):
    score = (1 + random_margin(number, number)) / 2
    points = rating.elo(score)
    expected = 1 / (1 + 10 ** (-(points[:, None] - points[None]) / 400))
    np.testing.assert_allclose(expected.sum(1), ((1 - rating.DRAWN) * score + rating.DRAWN / 2).sum(1), atol=1e-6)
    assert points.mean() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("number", [2, 5, 20])
def test_nash_average_is_an_equilibrium(number):
    margin = random_margin(number, number)
    share = rating.nash_average(margin)
    assert (margin @ share).max() < 1e-7
    assert (share >= 0).all()
    assert share.sum() == pytest.approx(1.0)


def test_equilibrium_of_uneven_stakes():
    """Rock, paper, scissors with margins 1, 2 and 3: each is played in proportion to the one it is not in."""
    margin = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -3.0], [-2.0, 3.0, 0.0]])
    np.testing.assert_allclose(rating.nash_average(margin), np.array([3.0, 2.0, 1.0]) / 6, atol=1e-8)


@pytest.mark.parametrize("whom", [0, 1, 2])
def test_copies_share_and_change_nothing(whom):
    who = [0, 1, 2, whom]
    share = rating.nash_average(CYCLE[np.ix_(who, who)])
    expected = np.full(4, 1 / 3)
    expected[[whom, 3]] /= 2
    np.testing.assert_allclose(share, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("margin", "share"),
    [
        ([[0, 0, 0], [0, 0, -1], [0, 1, 0]], [0.5, 0.0, 0.5]),  # 1 loses to 2; many equilibria of 0 and 2
        ([[0, 0, 1], [0, 0, -1], [-1, 1, 0]], [0.5, 0.5, 0.0]),  # 2 may not win against the mixture: that binds
        ([[0, 0, -1], [0, 0, -1], [1, 1, 0]], [0.0, 0.0, 1.0]),
    ],
)
def test_of_many_equilibria_the_most_even(margin, share):
    np.testing.assert_allclose(rating.nash_average(np.array(margin, float)), share, atol=1e-8)


def test_alpha_rank_from_drift_to_certainty():
    """Without selection all kinds are as common; with much, those nobody can beat."""
    dilemma = jnp.array([[3.0, 0.0], [5.0, 1.0]])
    for alpha, defects in ((0.0, 0.5), (0.01, 1 / (1 + np.exp(-49 * 0.05))), (10.0, 1.0)):
        transition, share = rating.alpha_rank(dilemma, alpha)
        assert float(share[1]) == pytest.approx(defects, rel=1e-5)
        np.testing.assert_allclose(transition.sum(1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.zeros((1, 1)), r"shape \(1, 1\)"),
        (np.zeros(4), r"shape \(4,\)"),
        ([[0.0, np.nan], [0.0, 0.0]], "holds nan"),
    ],
)
def test_tables_that_cannot_be_rated(table, says):
    with pytest.raises(UserError, match=f"table: .*{says}.*must be"):
        rating.rate(table)


@pytest.mark.slow
def test_members_of_a_run_are_rated_by_playing():
    """Two populations of the same two settled learners, in either order, and a scripted defector."""

    def apply(params, carry, percept):
        return carry, Output(params, jnp.float32(0.0), jnp.zeros((1, 2)))

    policy = Policy(init=lambda key: jnp.zeros(2), start=lambda: (), apply=apply)
    nothing = Learner(init=lambda params: (), update=lambda *inputs: (*inputs[2:4], {}))
    world, params = compile_matrix_games([MatrixGame("game", two_by_two(3.0, 0.0, 5.0, 1.0), horizon=10)])
    config = TrainConfig(num_populations=2, num_members=2, num_envs=6, num_steps=10, ppo=PPOConfig(num_minibatches=1))
    program = assemble(config, world, params, (strategies.always(2, 2, 1),), policy=policy, learner=nothing)
    state = jax.jit(program.init)()
    minds = jnp.array([[[30.0, -30.0], [-30.0, 30.0]], [[-30.0, 30.0], [30.0, -30.0]]])
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, mind=minds))
    first, second = rating.rate_members(program, state, jax.random.key(0))
    np.testing.assert_allclose(first.table, 10 * np.array([[3.0, 0.0, 0.0], [5.0, 1.0, 1.0], [5.0, 1.0, 1.0]]))
    np.testing.assert_allclose(first.nash, [0.0, 0.5, 0.5], atol=1e-9)
    for measure in ("elo", "nash", "nash_margin", "alpha_rank"):
        swapped = getattr(second, measure)[[1, 0, 2]]
        np.testing.assert_allclose(getattr(first, measure), swapped, atol=1e-6, err_msg=measure)
