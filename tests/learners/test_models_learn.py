"""Opponent models learn what they are for, as far as that can be known."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import HyperConfig, MatrixGame, TrainConfig, assemble, compile_matrix_games, rollout
from softsim.envs import GridWorld, make
from softsim.evaluation import false_belief
from softsim.learners import ppo, strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import PPOConfig
from softsim.partners import partner
from softsim.train import improve, lay_out
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


def of_constants(model: str, episodes: int, horizon: int, rounds: int = 100):
    """Losses at last opposite partners who always cooperate or always defect, for so many episodes."""
    world, situations = compile_matrix_games([MatrixGame("nothing at stake", np.zeros((2, 2, 2)), horizon=horizon)])
    partners = [strategies.always(2, 2, move) for move in (0, 1)]
    steps = episodes * (horizon + 1) - 1  # the step after an episode begins the next
    losses = taught(model, world, situations, partners, steps, rounds)
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
    losses = of_constants("embedding", 1, 8, 200)
    assert losses["hidden_loss"] < 0.02  # 0.5 for who says nothing
    assert losses["opponent_loss"] < 0.15  # 0.09 at best, and ln 2 = 0.69 by chance


def beliefs_told(rounds: int, exams: int, num_envs: int = 64):
    """Teach a subordinate of `hidden_bait` opposite a believer what that one believes, then ask for it in new trials.

    Returns:
        Cross-entropy [trials, steps] in nats, whether the likeliest belief was right [trials, steps], and whether the
        belief was false in the end [trials].
    """
    world, situations = make(("hidden_bait",))
    assert isinstance(world, GridWorld)
    opponent = OpponentConfig("belief", seen_only=False)  # they see each other near the boxes at most
    config = TrainConfig(
        num_members=1,
        num_envs=num_envs,
        num_steps=20,  # a trial
        network=NetworkConfig(hidden=32, memory=32, opponent=opponent),
        ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        hyper=HyperConfig(learning_rate=5e-3, opponent_weight=1.0),
    )
    program = assemble(config, world, situations, [partner("believer", world, situations)])
    params = lay_out(situations, 1, num_envs)
    seating = rollout.seating_of(jnp.arange(2 * num_envs, dtype=jnp.int32).reshape(num_envs, 2).T[None, ::-1])

    @jax.jit
    def play(key, mind):
        begun = rollout.begin(program.table, key[:1], params)
        end, experience = rollout.unroll(program.table, config.num_steps, key[1:], params, mind, seating, begun)
        trial = jax.vmap(functools.partial(false_belief.choices, world))(params, end.state)
        return trial.bait != trial.belief, experience.trajectory

    @jax.jit
    def ask(mind, trajectory):
        mind, seen = jax.tree.map(lambda leaf: leaf[0, 0], (mind, trajectory))
        say = functools.partial(ppo.unroll, program.table.policy)
        said = jax.nn.log_softmax(jax.vmap(say, (None, 0, 0))(mind, seen.carry, seen.percept).hidden)
        right = (said.argmax(-1) == seen.hidden.value).all((-2, -1))
        return -jnp.take_along_axis(said, seen.hidden.value[..., None], -1).mean((-3, -2, -1)), right

    learn = jax.jit(functools.partial(improve, program.learner))
    people, found = jax.jit(program.init)().population, []
    for key in jax.random.split(jax.random.key(1), (rounds, 3)):
        people, _ = learn(key[2:], people, play(key[:2], people.mind)[1])
    for key in jax.random.split(jax.random.key(2), (exams, 2)):
        false, trajectory = play(key, people.mind)
        found.append((*ask(people.mind, trajectory), false))
    return (np.concatenate(parts) for parts in zip(*found, strict=True))


@pytest.mark.slow
def test_a_false_belief_is_told_from_what_is_so():
    """All of a belief can be told, from what lay in the boxes when the screen was last down: 0 nats at best.

    Who says what is so is wrong in every trial with a false belief. Who says that a belief is false as soon as there
    was a swap behind the screen is right in 90 % of the others: two swaps make it true again.
    """
    events = 8
    cross_entropy, right, false = beliefs_told(rounds=200, exams=10)
    for trials in (right[false], right[~false]):
        assert trials[:, events:].mean() > 0.95
    # The screen is down; it is up and what the dominant believes is true; it is up and that is false.
    step = np.array([[12, 3, 1], [4, 9, 3], [4, 3, 9]]) / 16
    chance = np.linalg.matrix_power(step, events)[0]
    np.testing.assert_allclose(false.mean(), chance[2], atol=4 * np.sqrt(chance[2] / len(false)))
    # What who sees all that is so, and remembers nothing, cannot know of it.
    unknown = (chance[1:] * np.log(chance[1:].sum() / chance[1:])).sum()
    assert cross_entropy[:, events:].mean() < unknown / 4
