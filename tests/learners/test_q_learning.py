"""Q-learning and value decomposition: what they act by, what they learn from, and that they learn it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import CONFIG, GAMMA, LONGEST, Graduate, compiled, probe, timestep

from softsim import HyperConfig, NetworkConfig, PPOConfig, TrainConfig, UserError, assemble, make
from softsim.learners import q_learning as learners
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import Hyper
from softsim.learners.q_learning import ValuePolicy, epsilon_greedy, q_learning
from softsim.types import Percept, Policy, Trajectory

returns_of = jax.jit(learners.returns_of)
HYPER = Hyper(**{field: jnp.float32(value) for field, value in dataclasses.asdict(HyperConfig()).items()})


def test_the_best_allowed_action_or_any_allowed_one():
    values = jnp.array([[1.0, 5.0, 3.0, 2.0], [-4.0, -9.0, -2.0, -1.0]])
    mask = jnp.array([[True, False, True, True], [True, True, True, False]])
    chance = np.exp(epsilon_greedy(values, mask, jnp.float32(0.3)))
    np.testing.assert_allclose(chance, [[0.1, 0.0, 0.8, 0.1], [0.1, 0.1, 0.8, 0.0]], atol=1e-6)
    sure = np.exp(epsilon_greedy(values, mask, jnp.float32(0.0)))
    np.testing.assert_allclose(sure, [[0, 0, 1, 0], [0, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(np.exp(epsilon_greedy(values, mask, jnp.float32(1.0))), mask / 3.0, atol=1e-6)


def tabular(num_actions: int) -> ValuePolicy:
    """A value per action, whatever is seen."""

    def values(weights, carry, percepts):
        return jnp.broadcast_to(weights, (*percepts.first.shape, num_actions))

    return ValuePolicy(Policy(lambda key: (), lambda: (), lambda *given: given), values)


def experience(reward, value, action=None, discount=None, last=None, mask=None) -> Trajectory:
    """Seats [S] and steps [T] of somebody who sees nothing."""
    seats, steps = reward.shape
    full = jnp.ones((seats, steps))
    return Trajectory(
        percept=Percept((), full, jnp.ones((seats, steps, 2), bool), jnp.zeros((seats, steps), bool)),
        carry=(),
        action=jnp.zeros((seats, steps), jnp.int32) if action is None else action,
        log_prob=full,
        reward=reward,
        discount=full if discount is None else discount,
        value=value,
        last=jnp.zeros((seats, steps + 1), bool) if last is None else last,
        agent_mask=full.astype(bool) if mask is None else mask,
        others_action=jnp.zeros((seats, steps, 0), jnp.int32),
        others_mask=jnp.zeros((seats, steps, 0), bool),
    )


def by_hand(reward, discount, value, last, gamma, gae_lambda):
    """G_t = r_t + gamma discount_t ((1 - lambda) V_{t+1} + lambda G_{t+1}), which ends where time runs out."""
    steps = len(reward)
    following, found = value[steps], np.zeros(steps)
    for t in reversed(range(steps)):
        trust = 0.0 if last[t + 1] or t + 1 == steps else gae_lambda
        ahead = (1 - trust) * value[t + 1] + trust * following
        found[t] = following = reward[t] + gamma * discount[t] * ahead
    return found


def test_returns_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=(3, 9)), rng.normal(size=(3, 10))
    discount = (rng.random((3, 9)) > 0.2).astype(float)
    last = np.zeros((3, 10), bool)
    last[1, [3, 7]], last[2, 9] = True, True
    hyper = dataclasses.replace(HYPER, gamma=jnp.float32(0.9), gae_lambda=jnp.float32(0.7))
    f32 = lambda values: jnp.asarray(values, jnp.float32)  # noqa: E731
    trajectory = experience(f32(reward), f32(value), discount=f32(discount), last=jnp.asarray(last))
    alone = jax.tree.map(lambda leaf: leaf[:, None], trajectory)
    played = ~last[:, :-1]
    expected = np.stack([by_hand(*each, 0.9, 0.7) for each in zip(reward, discount, value, last, strict=True)])
    np.testing.assert_allclose(np.where(played, returns_of(hyper, alone), 0), np.where(played, expected, 0), atol=1e-5)


def test_a_team_is_worth_the_sum_of_those_in_play():
    reward, value = jnp.ones((2, 4)), jnp.full((2, 5), 2.0)
    mask = jnp.array([[True] * 4, [False] * 4])
    both = experience(reward, value)
    one = experience(reward * mask, value, mask=mask)
    team = lambda trajectory: jax.tree.map(lambda leaf: leaf[None], trajectory)  # noqa: E731
    np.testing.assert_allclose(returns_of(HYPER, team(both))[0], 2 * returns_of(HYPER, team(one))[0], rtol=1e-6)


@pytest.mark.parametrize("team", [1, 2])
def test_values_add_up_to_what_the_team_gets(team):
    """Rewards of one step: an agent's action is worth 1 or 3; alone each learns that, in a team the sum of both."""
    learner = q_learning(tabular(2), PPOConfig(num_epochs=600, num_minibatches=1), team)
    params = {"weights": jnp.zeros(2), "epsilon": jnp.float32(1.0)}
    action = jnp.array([[0], [0], [0], [1], [1], [0], [1], [1]], jnp.int32)
    worth = jnp.where(action == 0, 1.0, 3.0)
    ended = experience(worth, jnp.zeros((8, 2)), action, discount=jnp.zeros((8, 1)))
    hyper = dataclasses.replace(HYPER, learning_rate=jnp.float32(0.05))
    params, state, metrics = jax.jit(learner.update)(jax.random.key(0), hyper, params, learner.init(params), ended)
    np.testing.assert_allclose(params["weights"], [1.0, 3.0], atol=0.05)
    np.testing.assert_allclose(params["epsilon"], 0.05 + 0.95 * 0.95, rtol=1e-6)
    assert state["updates"] == 1
    np.testing.assert_allclose(metrics["entropy"], np.log(2.0), rtol=1e-5)


def test_a_team_shares_what_only_one_is_paid_for():
    """Only the first of two is paid, 4 where both chose 1: no single value explains that, and the sum does."""
    learner = q_learning(tabular(2), PPOConfig(num_epochs=600, num_minibatches=1), 2)
    action = jnp.array([[1], [1], [0], [0]], jnp.int32)
    paid = jnp.array([[4.0], [0.0], [0.0], [0.0]])
    params = {"weights": jnp.zeros(2), "epsilon": jnp.float32(1.0)}
    hyper = dataclasses.replace(HYPER, learning_rate=jnp.float32(0.05))
    update = jax.jit(learner.update)
    ended = experience(paid, jnp.zeros((4, 2)), action, discount=jnp.zeros((4, 1)))
    weights = update(jax.random.key(0), hyper, params, learner.init(params), ended)[0]["weights"]
    np.testing.assert_allclose(weights, [0.0, 2.0], atol=0.05)


VALUES = dataclasses.replace(
    CONFIG, learner="q", hyper=HyperConfig(learning_rate=1e-2, gamma=GAMMA, epsilon=0.02, epsilon_decay=0.9)
)


@pytest.mark.slow
def test_value_of_a_constant_for_ever():
    value, _ = Graduate(probe(horizon=0, reward=1.0, limit=0.4), chunks=3, config=VALUES).watch(0)
    np.testing.assert_allclose(value[:, :4], 1 / (1 - GAMMA), rtol=0.1)


@pytest.mark.slow
def test_value_of_a_delay():
    task = probe(3, lambda cue, t: np.eye(3)[min(t, 2)], lambda cue, t, action: float(t == 2))
    value, _ = Graduate(task, config=VALUES).watch(0)
    np.testing.assert_allclose(value[:, :3], [[GAMMA**2, GAMMA, 1.0]] * 2, atol=0.1)


@pytest.mark.slow
def test_value_of_an_observation_and_an_action():
    task = probe(1, lambda cue, t: [cue, 1.0 - cue, 0.0], lambda cue, t, action: float(action == cue))
    graduate = Graduate(task, config=VALUES)
    for cue in (0, 1):
        value, chance = graduate.watch(cue)
        assert chance[:, 0, cue].min() > 0.95
        np.testing.assert_allclose(value[:, 0], 1.0, atol=0.1)
    assert graduate.returns.min() > 0.95


@pytest.mark.slow
def test_value_of_memory():
    last = LONGEST - 1
    shown = lambda cue, t: [cue * (t == 0), (1.0 - cue) * (t == 0), float(t == last)]  # noqa: E731
    task = probe(LONGEST, shown, lambda cue, t, action: float(t == last and action == cue))
    graduate = Graduate(task, chunks=2, config=VALUES)
    assert graduate.returns.min() > 0.9
    for cue in (0, 1):
        value, chance = graduate.watch(cue)
        assert chance[:, last, cue].min() > 0.9
        np.testing.assert_allclose(value[:, last], 1.0, atol=0.1)


@dataclasses.dataclass(frozen=True)
class ClimbWorld:
    """Two agents who see who they are; the first one's action 1 and the second one's action 0 bring 1 to the first."""

    num_agents: int = 2
    num_actions: int = 2

    def reset(self, key, params):
        return (), timestep(jnp.eye(2), jnp.zeros(2), 1.0, True, False)

    def step(self, key, params, state, action):
        gain = params * jnp.sum(jnp.where(action == jnp.array([1, 0]), 1.0, 0.0))
        return (), timestep(jnp.eye(2), jnp.array([gain, 0.0]), 0.0, False, True)


@pytest.mark.slow
def test_a_team_does_what_only_one_of_it_is_paid_for():
    """Alone the second agent learns nothing, as it is never paid; in a team its action is worth what it brings."""
    found = {}
    for learner in ("vdn", "q"):
        config = dataclasses.replace(VALUES, num_members=1, num_envs=32, num_steps=8, learner=learner)
        program = assemble(config, ClimbWorld(), jnp.ones(1))
        metrics = compiled(program.chunk)(compiled(program.init)(), program.situations)[1]
        found[learner] = np.asarray(metrics["return"])[-10:].mean()
    assert found["vdn"] > 0.95  # per agent, of which only the first is paid 2
    assert found["q"] < 0.9


def test_what_cannot_be_meant_is_refused():
    world, situations = make(("prisoners_dilemma",))

    def refuse(message, policy=None, **fields):
        config = TrainConfig(num_members=2, num_envs=4, num_steps=8, ppo=PPOConfig(num_minibatches=1))
        with pytest.raises(UserError, match=message):
            assemble(dataclasses.replace(config, **fields), world, situations, policy=policy)

    refuse("learner: 'dqn'; allowed are 'ppo', 'mappo', 'q', 'vdn'", learner="dqn")
    refuse("learner: 'vdn' adds up the values of a team that shares one mind, and 2 learners", learner="vdn")
    refuse("does not divide the 4 teams", learner="vdn", num_members=1, ppo=PPOConfig(num_minibatches=8))
    refuse("learner: 'q' brings a policy", policy=tabular(2).policy, learner="q")
    refuse("ppo.shaping: 'advantage_alignment' changes", learner="q", ppo=PPOConfig(1, 1, 0.5, "advantage_alignment"))
    refuse("network.opponent.model: 'type'; learner 'q' has no opponent model", learner="q",
           network=NetworkConfig(opponent=OpponentConfig("type")))  # fmt: skip
    refuse("hyper.epsilon: 2", learner="q", hyper=HyperConfig(epsilon=2.0))
