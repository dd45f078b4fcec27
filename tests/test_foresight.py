"""Scores of foresight, against numbers known on paper."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import MatrixGame, Policy, PPOConfig, TrainConfig, assemble, compile_matrix_games
from softsim.envs.matrix import two_by_two
from softsim.evaluation.foresight import (
    BINS,
    Reliability,
    calibration_error,
    draw_reliability,
    foresight,
    reliability,
    skill,
)
from softsim.learners import strategies
from softsim.learners.networks import tell
from softsim.types import SEATS, Learner, Output

ROUNDS = 8
KEYS = {"cross_entropy", "frequency", "divergence", "skill", "calibration_error", "reliability", "return"}


def log(*chances: float) -> jax.Array:
    return jnp.log(jnp.array(chances, jnp.float32))


def test_who_is_as_sure_as_right_is_calibrated():
    """Eight of ten right at 0.8 is no error; five of ten at 0.9 is 0.4; together they are half of that."""
    eight = jnp.broadcast_to(log(0.8, 0.2), (10, 2)), (jnp.arange(10) >= 8).astype(jnp.int32)
    five = jnp.broadcast_to(log(0.1, 0.9), (10, 2)), (jnp.arange(10) >= 5).astype(jnp.int32)
    everything = jnp.ones((2, 10), bool)
    model, action = (jnp.stack(pair) for pair in zip(eight, five, strict=True))
    np.testing.assert_allclose(calibration_error(reliability(model, action, everything, 1)), [0.0, 0.4], atol=1e-6)
    found = reliability(model, action, everything, 0)
    np.testing.assert_allclose(calibration_error(found), 0.2, atol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(found.count), [int(0.8 * BINS), int(0.9 * BINS)])
    np.testing.assert_array_equal(found.hits[found.count > 0], [8.0, 5.0])
    half = everything & (jnp.arange(2) == 0)[:, None]
    np.testing.assert_allclose(calibration_error(reliability(model, action, half, 0)), 0.0, atol=1e-6)


def test_certainty_is_in_the_last_bin():
    found = reliability(log(1.0, 1e-30)[None], jnp.zeros(1, jnp.int32), jnp.ones(1, bool), 0)
    assert found.count[-1] == 1.0
    np.testing.assert_allclose(calibration_error(found), 0.0)


def test_skill_is_nothing_as_the_frequency_and_one_as_the_best():
    assert skill(0.7, 0.7, 0.5) == 0.0
    assert skill(0.5, 0.7, 0.5) == 1.0
    np.testing.assert_allclose(skill(0.55, 0.7, 0.5), 0.75)


def test_what_is_told_in_evaluations():
    """The average is the same in all focal seats; another's is that of another of them. The rest are told their own."""
    said = jnp.asarray(np.random.default_rng(0).normal(size=(8, 3, 4)), jnp.float32)
    of_seats = lambda told: jax.vmap(lambda said: tell(said, told, 6), axis_name=SEATS)(said)  # noqa: E731
    np.testing.assert_array_equal(of_seats("own"), said)
    for told in ("average", "another's"):
        np.testing.assert_array_equal(of_seats(told)[6:], said[6:])
    average = of_seats("average")[:6]
    np.testing.assert_allclose(average, np.broadcast_to(said[:6].mean(0), average.shape), rtol=1e-5)
    others = np.asarray(of_seats("another's"))[:6]
    origin = [int(np.flatnonzero((np.asarray(said) == seat).all((1, 2)))[0]) for seat in others]
    assert sorted(origin) == list(range(6))
    assert all(seat != told for seat, told in enumerate(origin))


def settled(told: str = "own", seats: int = 0) -> Policy:
    """A mind whose weights say how likely it is to cooperate, and how likely it thinks others are.

    It cooperates for sure where it is told the average of predictions, and defects for sure where another seat's.
    """
    changed = {"average": log(1.0, 1e-30), "another's": log(1e-30, 1.0)}

    def apply(params, carry, percept):
        own, other = (jnp.log(jnp.stack([chance, 1.0 - chance])) for chance in params)
        logits = jnp.where(jax.lax.axis_index(SEATS) < seats, changed.get(told, own), own)
        return carry, Output(logits, jnp.float32(0.0), other[None])

    return Policy(init=lambda key: jnp.full(2, 0.5), start=lambda: (), apply=apply, retold=settled)


def divergence(truth: float, model: float) -> float:
    return truth * np.log(truth / model) + (1 - truth) * np.log((1 - truth) / (1 - model))


@pytest.mark.slow
def test_pools_are_scored_as_on_paper():
    """Two learners, two earlier members, one partner from training and one that is new, each of fixed habits."""
    game = MatrixGame("dilemma", two_by_two(3.0, 0.0, 5.0, 1.0), horizon=ROUNDS)
    world, situations = compile_matrix_games([game])
    nothing = Learner(init=lambda params: (), update=lambda *inputs: (*inputs[2:4], {}))
    config = TrainConfig(num_members=2, num_envs=3, num_steps=ROUNDS, ppo=PPOConfig(num_minibatches=1))
    familiar, new = (strategies.memory_one(jnp.full(5, chance)) for chance in (0.5, 0.1))
    program = assemble(config, world, situations, [familiar], policy=settled(), learner=nothing)
    state = program.init()
    minds = jnp.array([[[0.9, 0.5], [0.2, 0.4]]])
    past = jnp.array([[[0.7, 0.5], [0.6, 0.5]]])
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, mind=minds))
    found = foresight(program, state, jax.random.key(0), past, [new], repeats=400)

    pools = {"current": (0.9, 0.2, 0.5), "past": (0.7, 0.6), "held_out": (0.1,)}
    assert set(found) == set(pools)
    for pool, truths in pools.items():
        assert set(found[pool]) == KEYS | {"usefulness", "causal_use"}
        for member, (own, model) in enumerate(np.asarray(minds[0])):
            numbers = {name: value[0, member] for name, value in found[pool].items() if name != "reliability"}
            exact = np.mean([divergence(truth, model) for truth in truths])
            np.testing.assert_allclose(numbers["divergence"], exact, rtol=1e-4)
            entropy = np.mean([divergence(truth, 0.5) for truth in truths])
            np.testing.assert_allclose(numbers["cross_entropy"], exact + np.log(2) - entropy, atol=0.02)
            # Among cooperators of chance p a sure cooperator gets 3 p and a sure defector 1 + 4 p in every round.
            sure = np.mean([[3 * truth, 1 + 4 * truth] for truth in truths], 0) * ROUNDS
            value = own * sure[0] + (1 - own) * sure[1]
            np.testing.assert_allclose(numbers["return"], value, atol=0.4)
            np.testing.assert_allclose(numbers["usefulness"], value - sure[0], atol=0.5)
            np.testing.assert_allclose(numbers["causal_use"], value - sure[1], atol=0.5)
            if pool == "held_out":
                likeliest = max(model, 1 - model)
                right = truths[0] if model > 0.5 else 1 - truths[0]
                if model != 0.5:
                    np.testing.assert_allclose(numbers["calibration_error"], abs(likeliest - right), atol=0.03)


def test_the_reliability_plot_is_drawn(tmp_path):
    rows = np.linspace(0.0, 10.0, BINS)
    path = draw_reliability(
        Reliability(jnp.asarray(rows), jnp.asarray(rows * 0.8), jnp.asarray(rows * 0.7)), tmp_path / "plot.png"
    )
    assert path.stat().st_size > 1000
