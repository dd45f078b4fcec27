"""Reward transforms: the matrices, where they make giving pay, the schedule, and that play is rewarded by them."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import (
    HyperConfig,
    MatrixGame,
    NetworkConfig,
    PPOConfig,
    TrainConfig,
    UserError,
    assemble,
    compile_matrix_games,
    make,
)
from softsim.envs.matrix import two_by_two
from softsim.evaluation.outcomes import play_out
from softsim.heredity import HeredityConfig
from softsim.learners import strategies
from softsim.rewards import RewardConfig, apply, weights
from softsim.rollout import Table

BENEFIT, COST = 3.0, 1.0
EVERYONE = jnp.ones(2, bool)
matrix = functools.partial(jax.jit, static_argnums=0)(weights)


@pytest.mark.parametrize(
    ("config", "own", "each"),
    [
        (RewardConfig("individual"), 1.0, 0.0),
        (RewardConfig("inequity"), 1.0, 0.0),
        (RewardConfig("common"), 1 / 3, 1 / 3),
        (RewardConfig("kinship", relatedness=0.25), 1.0, 0.25),
        (RewardConfig("svo", angle=30.0), np.cos(np.pi / 6), np.sin(np.pi / 6) / 2),
        (RewardConfig("exchange", self_interest=0.6), 0.6, 0.2),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_each_kind_has_two_weights_among_those_in_play(config, own, each):
    in_play = jnp.array([True, True, False, True])
    found = np.asarray(matrix(config, jnp.int32(7), in_play))
    np.testing.assert_allclose(np.diag(found), own, rtol=1e-6)
    np.testing.assert_allclose(found[~np.eye(4, dtype=bool)], each, rtol=1e-6)


def advantage_of_giving(config: RewardConfig) -> float:
    """What giving 3 at a cost of 1 adds to the reward of the first of two."""
    given = jnp.array([-COST, BENEFIT])
    return float(matrix(config, jnp.int32(0), EVERYONE)[0] @ given)


@pytest.mark.parametrize(
    ("kind", "field", "threshold", "more"),
    [
        ("kinship", "relatedness", COST / BENEFIT, 1),  # Hamilton 1964
        ("exchange", "self_interest", BENEFIT / (BENEFIT + COST), -1),
        ("svo", "angle", np.degrees(np.arctan2(COST, BENEFIT)), 1),
    ],
)
def test_giving_pays_from_the_threshold_on(kind, field, threshold, more):
    at = lambda step: advantage_of_giving(RewardConfig(kind, **{field: threshold + more * step}))  # noqa: E731
    assert at(-0.01) < 0 < at(0.01)
    assert abs(at(0.0)) < 1e-5


def test_giving_among_all_alike_pays_when_it_adds_up():
    assert advantage_of_giving(RewardConfig("common")) == pytest.approx((BENEFIT - COST) / 2)
    assert advantage_of_giving(RewardConfig("individual")) == -COST


def test_the_schedule_goes_straight_from_the_first_to_the_last():
    config = RewardConfig("exchange", self_interest=1.0, final_self_interest=0.5, rounds=10)
    kept = [float(matrix(config, jnp.int32(done), EVERYONE)[0, 0]) for done in (0, 4, 10, 25)]
    np.testing.assert_allclose(kept, [1.0, 0.8, 0.5, 0.5], rtol=1e-6)
    constant = dataclasses.replace(config, rounds=0)
    assert float(matrix(constant, jnp.int32(25), EVERYONE)[0, 1]) == 0.0


def test_agents_out_of_play_are_not_counted():
    world, situations = make(("commons_harvest_open",), 3)
    absent = dataclasses.replace(situations, agent_mask=jnp.array([[True, False, True]]))
    changed = jax.jit(functools.partial(apply, RewardConfig("exchange", self_interest=0.6)))(jnp.int32(0), absent)
    np.testing.assert_allclose(changed.sharing.weights[0, 0], [0.6, 0.4, 0.4], rtol=1e-6)
    unjust = apply(RewardConfig("inequity", envy=2.0, guilt=0.5, memory=0.9), 0, situations)
    np.testing.assert_allclose(unjust.sharing.envy, 2.0)
    np.testing.assert_allclose(unjust.sharing.guilt, 0.5)
    np.testing.assert_allclose(unjust.sharing.memory, np.float32(0.9))
    assert apply(RewardConfig(), 0, situations) is situations
    assert world.num_agents == 3


def dilemma(horizon: int = 4):
    """Gifts of 3 at a cost of 1, so many times."""
    return compile_matrix_games([MatrixGame("gifts", two_by_two(2.0, -1.0, 3.0, 0.0), horizon=horizon)])


SMALL = TrainConfig(num_members=2, num_envs=2, num_steps=4, ppo=PPOConfig(num_minibatches=1))


def test_play_is_rewarded_by_the_matrix_and_paid_as_before():
    """Somebody who gives meets somebody who does not."""
    world, situations = dilemma()
    program = assemble(dataclasses.replace(SMALL, reward=RewardConfig("common")), world, situations)
    table = Table(world, strategies.always(2, 2, 0), 1, (strategies.always(2, 2, 1),), 1, 1)
    play = jax.jit(play_out, static_argnums=(0, 1))
    place = jnp.array([[[0], [1]]], jnp.int32)
    ledger = play(table, 4, jax.random.split(jax.random.key(0), 1), program.situations, (), place)[1].ledger
    np.testing.assert_allclose(ledger.payoff[0, 0], [-4.0, 12.0])
    np.testing.assert_allclose(ledger.reward[0, 0], [4.0, 4.0])


@pytest.mark.slow
def test_learners_begin_to_give_when_the_schedule_passes_the_threshold():
    """One round of gifts: who keeps more than 3/4 of its own payoff defects, who keeps less gives.

    Without discount 0 the time limit would leave a future open, which is worth as much as the last gifts make it seem.
    """
    config = dataclasses.replace(
        SMALL, num_populations=8, num_envs=32, num_steps=8, num_rounds=120, rounds_per_chunk=120,
        network=NetworkConfig(hidden=8, memory=8), hyper=HyperConfig(learning_rate=1e-2, gamma=0.0, entropy_weight=0.1),
        reward=RewardConfig("exchange", self_interest=1.0, final_self_interest=0.5, rounds=100),
    )  # fmt: skip
    world, situations = dilemma(horizon=1)
    program = assemble(config, world, situations)
    events = jax.jit(program.chunk)(jax.jit(program.init)(), program.situations)[1]["events"]
    gives = np.asarray(events)[..., 0].mean(2)  # in every population
    assert gives[30:40].max() < 0.2  # it keeps .8 to .85
    assert gives[-10:].min() > 0.8  # it keeps half


def test_what_cannot_be_meant_is_refused():
    world, situations = dilemma()

    def refuse(message, situations, **fields):
        with pytest.raises(UserError, match=message):
            assemble(dataclasses.replace(SMALL, **fields), world, situations)

    refuse("reward.kind: 'fair'; allowed are", situations, reward=RewardConfig("fair"))
    refuse("reward.self_interest: 1.5; it must be a number from 0.0 to 1.0", situations,
           reward=RewardConfig("exchange", self_interest=1.5))  # fmt: skip
    refuse("reward.angle: 30.0 counts where reward.kind is 'svo', and it is 'kinship'; .* must be left at 45.0",
           situations, reward=RewardConfig("kinship", angle=30.0))  # fmt: skip
    refuse("reward.final_self_interest: 0.2; .* reward.rounds of at least 1", situations,
           reward=RewardConfig("exchange", final_self_interest=0.2))  # fmt: skip
    refuse("no field `sharing`", situations.payoff, reward=RewardConfig("common"))
    refuse("members share by their own svo", situations, reward=RewardConfig("common"),
           heredity=HeredityConfig(svo=0.5))  # fmt: skip
