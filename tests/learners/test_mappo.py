"""A central critic: it sees what everybody sees, acts on none of it, and is not needed after training."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probes import CONFIG, GAMMA, Graduate, compiled, probe, timestep

from softsim import HyperConfig, NetworkConfig, PPOConfig, TrainConfig, assemble
from softsim.evaluation.outcomes import play_out
from softsim.learners import strategies
from softsim.learners.mappo import joint, judged_centrally
from softsim.learners.networks import recurrent_policy
from softsim.rollout import Table
from softsim.types import Percept

NETWORK = NetworkConfig(hidden=8, memory=8)
SEEN = {"number": jax.ShapeDtypeStruct((3,), jnp.float32), "sign": jax.ShapeDtypeStruct((2, 2, 1), jnp.uint8)}
CODES = [np.eye(4, dtype=np.float32)]
AGENTS, STEPS = 3, 5


def policies():
    actor = recurrent_policy(NETWORK, 4, AGENTS, SEEN, CODES)
    return actor, judged_centrally(actor, NETWORK, AGENTS, SEEN, CODES)


def percepts(seed: int) -> Percept:
    """Of one seat, [T, ...], with what two others observe; a new episode begins in the middle."""
    rng = np.random.default_rng(seed)

    def observed(*batch):
        sign = rng.integers(0, 4, (*batch, 2, 2, 1)).astype(np.uint8)
        return {"number": jnp.asarray(rng.normal(size=(*batch, 3)), jnp.float32), "sign": jnp.asarray(sign)}

    first = jnp.arange(STEPS) % 3 == 0
    return Percept(observed(STEPS), jnp.zeros(STEPS), jnp.ones((STEPS, 4), bool), first, observed(STEPS, AGENTS - 1))


def test_all_are_seen_in_relative_slots():
    one = jax.tree.map(lambda leaf: leaf[2], percepts(0))
    seen = joint(one).observation
    np.testing.assert_array_equal(seen["number"][0], one.observation["number"])
    np.testing.assert_array_equal(seen["number"][1:], one.others["number"])
    assert seen["sign"].shape == (AGENTS, 2, 2, 1)


@pytest.mark.slow
def test_the_value_sees_the_others_and_the_policy_does_not():
    actor, central = policies()
    params = central.init(jax.random.key(0))
    mine, elsewhere = percepts(0), percepts(1)
    unroll = jax.jit(central.unroll)
    here = unroll(params, central.start(), mine)
    there = unroll(params, central.start(), dataclasses.replace(mine, others=elsewhere.others))
    alone = unroll(params, central.start(), dataclasses.replace(mine, others=()))
    own = jax.jit(actor.unroll)(params["actor"], actor.start(), mine)
    for other in (there, alone, own):
        np.testing.assert_array_equal(here.logits, other.logits)
        np.testing.assert_array_equal(here.opponent, other.opponent)
    assert np.abs(here.value - there.value).min() > 1e-4
    np.testing.assert_array_equal(alone.value, 0.0)


@pytest.mark.slow
def test_a_sequence_is_judged_as_its_steps_are():
    _, central = policies()
    params, mine = central.init(jax.random.key(0)), percepts(0)
    whole = jax.jit(central.unroll)(params, central.start(), mine)
    scan = jax.jit(lambda params: jax.lax.scan(lambda c, p: central.apply(params, c, p), central.start(), mine)[1])
    np.testing.assert_allclose(whole.value, scan(params).value, atol=1e-5)
    np.testing.assert_allclose(whole.logits, scan(params).logits, atol=1e-5)


@dataclasses.dataclass(frozen=True)
class SecretWorld:
    """Each of three sees a coin of its own, every step another; all get 1 if the coins agree, whatever they do."""

    num_agents: int = 3
    num_actions: int = 2

    def reset(self, key, params):
        return self.show(key, 0.0, first=True)

    def step(self, key, params, state, action):
        return self.show(key, params * (state == state[0]).all(), first=False)

    def show(self, key, paid, first):
        coin = jax.random.bernoulli(key, shape=(3,)).astype(jnp.float32)
        return coin, timestep(coin[:, None], jnp.full(3, paid), 1.0, first, False)


def test_play_shows_what_the_others_observe_if_asked_to():
    table = Table(SecretWorld(), strategies.random(2, 3), 1, (), 1, 2, central=True)
    place = jnp.array([[[4, 1, 0, 5, 3, 2]]], jnp.int32)
    play = compiled(play_out, static_argnums=(0, 1))
    percept = play(table, 4, jax.random.split(jax.random.key(1), 1), jnp.ones(1), (), place)[1].trajectory.percept
    coin = np.empty((6, 4))
    coin[place[0, 0]] = percept.observation[0, 0, :, :, 0]
    for seat, where in enumerate(np.asarray(place[0, 0])):
        envs, slot = divmod(int(where), 3)
        for relative in range(2):
            other = envs * 3 + (slot + 1 + relative) % 3
            np.testing.assert_array_equal(percept.others[0, 0, seat, :, relative, 0], coin[other])


CENTRAL = dataclasses.replace(CONFIG, learner="mappo")


@pytest.mark.slow
@pytest.mark.parametrize("num_members", [1, 3], ids=["shared weights", "separate weights"])
def test_a_central_critic_knows_what_no_agent_can(num_members):
    """Whether all coins agree is certain to whoever sees them, and one chance in four to each agent."""
    errors = {}
    for learner in ("mappo", "ppo"):
        config = dataclasses.replace(
            CENTRAL, num_members=num_members, num_envs=48, learner=learner, hyper=HyperConfig(1e-2, gamma=0.0)
        )
        program = assemble(config, SecretWorld(), jnp.ones(1))
        metrics = compiled(program.chunk)(compiled(program.init)(), program.situations)[1]
        errors[learner] = np.asarray(metrics["value_loss"])[-5:].mean()
    # Half the squared error, relative to the mean squared target of 1 / 4 + .001.
    np.testing.assert_allclose(errors["ppo"], 0.5 * 3 / 16 / 0.251, rtol=0.15)
    assert errors["mappo"] < 0.05


@pytest.mark.slow
def test_alone_it_learns_what_ppo_learns():
    value, _ = Graduate(probe(horizon=0, reward=1.0, limit=0.4), chunks=3, config=CENTRAL).watch(0)
    np.testing.assert_allclose(value[:, :4], 1 / (1 - GAMMA), rtol=0.1)
    graduate = Graduate(
        probe(1, lambda cue, t: [cue, 1.0 - cue, 0.0], lambda cue, t, action: float(action == cue)), config=CENTRAL
    )
    for cue in (0, 1):
        value, chance = graduate.watch(cue)
        assert chance[:, 0, cue].min() > 0.95
        np.testing.assert_allclose(value[:, 0], 1.0, atol=0.1)


def test_its_numbers_are_its_own():
    """The critic has weights beside the actor's, as many whoever shares them."""
    config = TrainConfig(num_members=1, num_envs=4, num_steps=4, learner="mappo", network=NETWORK,
                         ppo=PPOConfig(num_minibatches=1))  # fmt: skip
    program = assemble(config, SecretWorld(), jnp.ones(1))
    mind = jax.eval_shape(program.init).population.mind
    assert set(mind) == {"actor", "critic"}
    assert set(mind["critic"]["params"]) == set(mind["actor"]["params"]) - {"policy", "opponent"}
