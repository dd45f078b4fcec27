"""Learner probes: worlds so small that the answer is known, each in need of one thing more than the one before.

Both worlds are written from the protocol of `softsim.types` alone: two numbers and two methods. The first is a
table, so that all its probes are data for one compiled program.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import HyperConfig, NetworkConfig, Percept, Policy, PPOConfig, Timestep, TrainConfig, assemble
from softsim.evaluation.outcomes import play_out
from softsim.types import Output, struct

LONGEST = 5
GAMMA = 0.6
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})


def timestep(observation, reward, discount, first, last) -> Timestep:
    """Two actions, everyone in play, nothing to count."""
    num_agents = reward.shape[0]
    everyone = jnp.ones(num_agents, bool)
    return Timestep(
        observation=observation,
        reward=reward,
        payoff=reward,
        discount=jnp.full(num_agents, discount, jnp.float32),
        agent_mask=everyone,
        action_mask=jnp.ones((num_agents, 2), bool),
        first=jnp.bool_(first),
        last=jnp.asarray(last),
        events=jnp.zeros((num_agents, 0), jnp.int32),
    )


@struct
class Probe:
    """A world as a table: a coin shows a cue, what is seen depends on cue and time, what is paid on the action too."""

    observation: jax.Array  # [cue, LONGEST + 1, 3]
    reward: jax.Array  # [cue, LONGEST, action]
    horizon: jax.Array  # [] steps until the true end; 0 is never
    limit: jax.Array  # [] chance that each step is stopped by a time limit, which is no end


@dataclasses.dataclass(frozen=True)
class ProbeWorld:
    num_agents: int = 1
    num_actions: int = 2

    def reset(self, key, params):
        cue = jax.random.bernoulli(key).astype(jnp.int32)
        return (cue, jnp.int32(0)), timestep(params.observation[cue, 0][None], jnp.zeros(1), 1.0, True, False)

    def step(self, key, params, state, action):
        cue, t = state
        ends, stopped = t + 1 == params.horizon, jax.random.bernoulli(key, params.limit)
        reward = params.reward[cue, jnp.minimum(t, LONGEST - 1), action]
        seen = params.observation[cue, jnp.minimum(t + 1, LONGEST)][None]
        return (cue, t + 1), timestep(seen, reward, jnp.where(ends, 0.0, 1.0), False, ends | stopped)


def probe(horizon: int, observation=None, reward=0.0, limit=0.0) -> Probe:
    """Make one: `observation` maps (cue, time) to three numbers, `reward` (cue, time, action) to one."""
    seen, paid = np.zeros((2, LONGEST + 1, 3), np.float32), np.zeros((2, LONGEST, 2), np.float32)
    for cue in (0, 1):
        for t in range(LONGEST + 1):
            seen[cue, t] = observation(cue, t) if observation else 0.0
        for t, action in np.ndindex(LONGEST, 2):
            paid[cue, t, action] = reward(cue, t, action) if callable(reward) else reward
    return Probe(jnp.asarray(seen), jnp.asarray(paid), jnp.int32(horizon), jnp.float32(limit))


ROUNDS = 60
CONFIG = TrainConfig(
    num_members=2,
    num_envs=64,
    num_steps=12,
    num_rounds=ROUNDS,
    rounds_per_chunk=ROUNDS,
    network=NetworkConfig(hidden=16, memory=16),
    ppo=PPOConfig(num_epochs=4, num_minibatches=1),
    hyper=HyperConfig(learning_rate=1e-2, gamma=GAMMA, value_weight=1.0),
)


@functools.cache
def school():
    """The compiled program that all probes of the table share, and its founders."""
    program = assemble(CONFIG, ProbeWorld(), jax.tree.map(lambda leaf: leaf[None], probe(1)))
    founders = compiled(program.init)()
    return program, founders, compiled(program.chunk).lower(founders, program.situations).compile()


class Graduate:
    """The members of one population after learning one probe."""

    def __init__(self, task: Probe, chunks: int = 1):
        program, founders, chunk = school()
        self.task, self.policy = task, program.table.policy
        state = founders
        for _ in range(chunks):
            state, self.metrics = chunk(state, jax.tree.map(lambda leaf: leaf[None], task))
        self.mind = jax.tree.map(lambda leaf: leaf[0], state.population.mind)
        self.returns = np.asarray(self.metrics["return"][-5:]).mean((0, 1))

    def watch(self, cue: int) -> tuple[np.ndarray, np.ndarray]:
        """Values [member, time] and probabilities [member, time, action] along an episode."""
        steps = LONGEST + 1
        percepts = Percept(
            self.task.observation[cue], jnp.zeros(steps), jnp.ones((steps, 2), bool), jnp.arange(steps) == 0
        )
        output = jax.jit(jax.vmap(self.policy.unroll, (0, None, None)))(self.mind, self.policy.start(), percepts)
        return np.asarray(output.value), np.asarray(jax.nn.softmax(output.logits))


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
