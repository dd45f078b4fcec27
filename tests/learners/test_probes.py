"""Learner probes: worlds so small that the answer is known, each in need of one thing more than the one before."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import CONFIG, GAMMA, LONGEST, Graduate, compiled, probe, timestep

from softsim import HyperConfig, Percept, Policy, assemble
from softsim.evaluation.outcomes import play_out
from softsim.types import Output


@pytest.mark.slow
def test_value_of_a_constant():
    value, _ = Graduate(probe(horizon=1, reward=1.0)).watch(0)
    np.testing.assert_allclose(value[:, 0], 1.0, atol=0.02)


def test_value_of_a_constant_for_ever():
    """Time limits stop the play at random, but what is stopped did not end: the value is 1 / (1 - gamma)."""
    value, _ = Graduate(probe(horizon=0, reward=1.0, limit=0.4), chunks=3).watch(0)
    np.testing.assert_allclose(value[:, :4], 1 / (1 - GAMMA), rtol=0.1)


def test_value_of_an_observation():
    sign = lambda cue: 2.0 * cue - 1.0  # noqa: E731
    graduate = Graduate(probe(1, lambda cue, t: [0.0, sign(cue), 0.0], lambda cue, t, action: sign(cue)))
    for cue in (0, 1):
        np.testing.assert_allclose(graduate.watch(cue)[0][:, 0], sign(cue), atol=0.1)


def test_value_of_a_delay():
    """Paid after the third step: each step before it is worth gamma times the next."""
    graduate = Graduate(probe(3, lambda cue, t: np.eye(3)[min(t, 2)], lambda cue, t, action: float(t == 2)))
    np.testing.assert_allclose(graduate.watch(0)[0][:, :3], [[GAMMA**2, GAMMA, 1.0]] * 2, atol=0.1)


def test_value_of_an_action():
    """The right action depends on what is seen, and only it is paid."""
    graduate = Graduate(probe(1, lambda cue, t: [cue, 1.0 - cue, 0.0], lambda cue, t, action: float(action == cue)))
    for cue in (0, 1):
        value, chance = graduate.watch(cue)
        assert chance[:, 0, cue].min() > 0.95
        np.testing.assert_allclose(value[:, 0], 1.0, atol=0.1)
    assert graduate.returns.min() > 0.95


def test_value_of_memory():
    """The cue is seen once, and the action that it asks for four steps later. Who forgets can only guess."""
    last = LONGEST - 1
    shown = lambda cue, t: [cue * (t == 0), (1.0 - cue) * (t == 0), float(t == last)]  # noqa: E731
    graduate = Graduate(probe(LONGEST, shown, lambda cue, t, action: float(t == last and action == cue)))
    assert graduate.returns.min() > 0.9
    forgetful = []
    for cue in (0, 1):
        value, chance = graduate.watch(cue)
        assert chance[:, last, cue].min() > 0.9
        np.testing.assert_allclose(value[:, last], 1.0, atol=0.1)
        percept = Percept(graduate.task.observation[cue, last], jnp.float32(0), jnp.ones(2, bool), jnp.bool_(True))
        output = jax.vmap(graduate.policy.apply, (0, None, None))(graduate.mind, graduate.policy.start(), percept)[1]
        forgetful.append(np.asarray(jax.nn.softmax(output.logits))[:, cue])
    np.testing.assert_allclose(sum(forgetful), 1.0, atol=1e-5)


@dataclasses.dataclass(frozen=True)
class CompanyWorld:
    """Two agents who see each other's last move (0 before the first), each paid for making the other's next move."""

    num_agents: int = 2
    num_actions: int = 2

    def reset(self, key, params):
        return jnp.int32(0), timestep(jnp.zeros((2, 2)), jnp.zeros(2), 1.0, True, False)

    def step(self, key, params, state, action):
        sign = 2.0 * action - 1.0
        same = params * (action == action[::-1])
        return state + 1, timestep(jnp.stack([sign, sign[::-1]], 1), same, 1.0, False, state + 1 >= 16)


def alternator() -> Policy:
    """Begin at random, then always do the other thing than last time."""

    def apply(params, carry, percept):
        own = percept.observation[0]
        return carry, Output(30.0 * jnp.array([1.0, -1.0]) * own, jnp.float32(0.0), jnp.zeros((1, 2)))

    return Policy(init=lambda key: (), start=lambda: (), apply=apply)


@functools.cache
def company():
    """Train two populations against alternators, the second without weight on predictions; then measure both.

    Training seats everyone at random; measured is each learner at tables with one alternator, by turns in both slots.
    """
    config = dataclasses.replace(
        CONFIG, num_populations=2, num_members=1, num_envs=32, num_steps=16,
        hyper=HyperConfig(learning_rate=1e-2, gamma=0.0, opponent_weight=1.0),
    )  # fmt: skip
    program = assemble(config, CompanyWorld(), jnp.float32([1.0]), [alternator()] * 3)
    state = compiled(program.init)()
    weight = state.population.hyper.opponent_weight
    hyper = dataclasses.replace(state.population.hyper, opponent_weight=weight * jnp.array([[1.0], [0.0]]))
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, hyper=hyper))
    state, _ = compiled(program.chunk)(state, program.situations)

    table = dataclasses.replace(program.table, scripted=(alternator(),), num_envs=64)
    own = np.arange(64) * 2 + np.arange(64) % 2
    place = np.broadcast_to(np.stack([own, own ^ 1]).astype(np.int32), (2, 2, 64))
    keys = jax.random.split(jax.random.key(5), 2)
    play = compiled(play_out, static_argnums=(0, 1))
    _, experience = play(table, 16, keys, program.situations, state.population.mind, place)
    score = jax.tree.map(lambda leaf: np.asarray(leaf).sum((1, 2)), experience.foresight)
    return score, np.asarray(experience.trajectory.reward).mean((1, 2, 3))


@pytest.mark.slow
def test_prediction_of_the_others_next_move():
    """Alternators tell their next move by their last one, and nothing of it by how often they make which.

    Only their first move cannot be known: ln 2 once in 16 steps.
    """
    score, reward = company()
    model, frequency = score.cross_entropy / score.count, score.frequency / score.count
    first_move = np.log(2.0) / 16
    assert model[0] < first_move + 0.02
    assert score.divergence[0] / score.count[0] < 0.02
    chance = [0.5 if t % 2 == 0 else (t + 1) / 2 / (t + 2) for t in range(16)]  # every count plus one
    np.testing.assert_allclose(frequency, -np.mean(np.log(chance)), rtol=1e-5)
    assert (frequency > np.log(2.0)).all()
    assert reward[0] > 0.93


@pytest.mark.slow
def test_prediction_without_a_weight_on_it_is_not_learnt():
    """The control: the same play, but nothing is paid for predictions."""
    score, reward = company()
    assert score.cross_entropy[1] / score.count[1] > 0.6
    assert reward[1] > 0.93
