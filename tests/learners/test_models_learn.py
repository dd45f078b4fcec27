"""Opponent models learn what they are for, as far as that can be known."""

from __future__ import annotations

import numpy as np
import pytest

from softsim import HyperConfig, MatrixGame, TrainConfig, assemble, compile_matrix_games
from softsim.learners import strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import PPOConfig
from softsim.validation.lessons import falling, opposite, teach


def taught(model: str, world, situations, partners, steps: int, rounds: int):
    """Teach two learners opposite two partners; gives the losses of every round, [R], by name."""
    config = TrainConfig(
        num_members=2,
        num_envs=64,
        num_steps=steps,
        network=NetworkConfig(hidden=16, memory=16, opponent=OpponentConfig(model)),
        ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        hyper=HyperConfig(learning_rate=1e-2, opponent_weight=1.0),
    )
    program = assemble(config, world, situations, partners)
    state = program.init()
    hyper = falling(state.population.hyper, rounds, ("learning_rate",))
    _, metrics = teach(program, state.key, situations, opposite(1, 2, 32), state.population, hyper)
    return {name: np.asarray(metrics[name]).mean((1, 2)) for name in metrics if name.endswith("_loss")}


def of_constants(model: str, episodes: int, horizon: int):
    """Losses at last opposite partners who always cooperate or always defect, for so many episodes."""
    world, situations = compile_matrix_games([MatrixGame("nothing at stake", np.zeros((2, 2, 2)), horizon=horizon)])
    partners = [strategies.always(2, 2, move) for move in (0, 1)]
    steps = episodes * (horizon + 1) - 1  # the step after an episode begins the next
    losses = taught(model, world, situations, partners, steps, 100)
    return {name: loss[-10:].mean() for name, loss in losses.items()}


@pytest.mark.slow
def test_types_are_told_apart_as_soon_as_they_show():
    """One bit that the first move tells, so ln 2 in eight predictions."""
    losses = of_constants("type", 1, 8)
    for loss in ("hidden_loss", "opponent_loss"):
        np.testing.assert_allclose(losses[loss], np.log(2) / 8, atol=0.01)


@pytest.mark.slow
def test_a_character_is_known_from_earlier_episodes():
    """The first move of the first of three episodes of two moves is a guess, and then none is; without a character
    each episode's first is."""
    np.testing.assert_allclose(of_constants("character", 3, 2)["opponent_loss"], np.log(2) / 6, atol=0.02)
    np.testing.assert_allclose(of_constants("policy", 3, 2)["opponent_loss"], np.log(2) / 2, atol=0.02)


@pytest.mark.slow
def test_what_another_observes_is_decoded_from_its_embedding():
    """It is one's own observation from the other's side, so that all can be told but what the first move is."""
    losses = of_constants("embedding", 1, 8)
    assert losses["hidden_loss"] < 0.02  # 0.5 for who says nothing
    assert losses["opponent_loss"] < 0.15  # 0.09 at best, and ln 2 = 0.69 by chance
