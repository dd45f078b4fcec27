"""Memories: a sequence equals its steps whatever it keeps, what is forgotten is gone, members do not mix."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import HyperConfig, NetworkConfig, PPOConfig, TrainConfig, UserError, assemble, cli
from softsim.envs import make
from softsim.learners import memory as memories
from softsim.learners.networks import memory_of
from softsim.learners.transformer import Gate
from softsim.types import Timestep

HIDDEN, T = 5, 12
SMALL = NetworkConfig(hidden=HIDDEN, memory=6)
GRU, LINEAR, NONE = (dataclasses.replace(SMALL, recurrence=name) for name in ("gru", "linear", "none"))
WINDOWS = [dataclasses.replace(SMALL, recurrence="transformer", window=window, heads=2) for window in (1, 5, 20)]
LASTING = [dataclasses.replace(config, episodes_per_memory=2) for config in (GRU, WINDOWS[1])]
KEEPING = [GRU, LINEAR, WINDOWS[1], *LASTING]
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def called(config: NetworkConfig) -> str:
    return f"{config.recurrence}-{config.window}-{config.episodes_per_memory}"


def shapes_of(module: Any, *inputs: Any) -> Any:
    """Shapes of a module's weights."""
    return jax.eval_shape(lambda key: module.init(key, *inputs), jax.random.key(0))


class Trained:
    """A memory with weights large enough that all that is seen matters, and its compiled functions."""

    def __init__(self, config: NetworkConfig):
        self.memory: Any = memory_of(config)
        shapes = shapes_of(self.memory, self.memory.start(), jnp.zeros(HIDDEN), jnp.bool_(True))
        random = np.random.default_rng(0)
        self.params = jax.tree.map(lambda leaf: 0.5 * random.normal(size=leaf.shape).astype(np.float32), shapes)
        self.apply = compiled(self.memory.apply)
        self.sequence = compiled(functools.partial(self.memory.apply, method=self.memory.sequence))

    def steps(self, carry, seen, forget):
        """The carry after a sequence taken in step by step, and what is recalled at each."""
        recalled = []
        for t in range(len(forget)):
            carry, now = self.apply(self.params, carry, seen[t], forget[t])
            recalled.append(now)
        return carry, jnp.stack(recalled)

    def used(self):
        """A carry that has taken in a while of an episode, which is not its first."""
        return self.steps(self.memory.start(), *experience(1, first=(0, 2)))[0]


trained = functools.cache(Trained)


def experience(seed: int, *batch: int, first=()):
    """What is seen [*batch, T, HIDDEN], and whether episodes begin [*batch, T]: at the steps `first`."""
    seen = np.random.default_rng(seed).normal(size=(*batch, T, HIDDEN)).astype(np.float32)
    begins = np.zeros((*batch, T), bool)
    begins[..., list(first)] = True
    return jnp.asarray(seen), jnp.asarray(begins)


@pytest.mark.parametrize("config", [GRU, LINEAR, NONE, *WINDOWS, *LASTING], ids=called)
def test_a_sequence_equals_its_steps(config):
    """From an empty memory and from a used one, within an episode and across several."""
    mind = trained(config)
    for carry in (mind.memory.start(), mind.used()):
        for first in ((), (0,), (0, 5, 6), (3, 4, 5, 11)):
            seen, forget = experience(2, first=first)
            slow = mind.steps(carry, seen, forget)[1]
            fast = mind.sequence(mind.params, carry, seen, forget)
            assert fast.shape == (T, SMALL.memory)
            np.testing.assert_allclose(fast, slow, atol=2e-6)


@pytest.mark.parametrize("config", [GRU, LINEAR, WINDOWS[1]], ids=called)
def test_members_side_by_side_equal_members_alone(config):
    mind = trained(config)
    members = 3
    scale = jnp.arange(1.0, 1.0 + members)
    params = jax.tree.map(lambda leaf: jnp.einsum("p,...->p...", scale, leaf), mind.params)
    carry = jax.tree.map(lambda leaf: jnp.stack([leaf] * members), mind.used())
    seen, forget = experience(3, members, first=(0, 7))
    run = functools.partial(mind.memory.apply, method=mind.memory.sequence)
    together = compiled(jax.vmap(run))(params, carry, seen, forget)
    for i in range(members):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], (params, carry, seen, forget))
        np.testing.assert_allclose(mind.sequence(*one), together[i], atol=1e-5)


@pytest.mark.parametrize("config", KEEPING, ids=called)
def test_what_came_before_is_kept_until_it_is_forgotten(config):
    """To the last bit nothing is left of it after so many episodes, and something until then."""
    mind = trained(config)
    lasts = config.episodes_per_memory
    ends = (4, 8)[lasts - 1]
    seen, forget = experience(4, first=(0, 4, 8))
    other = seen.at[3].set(experience(5)[0][3])
    for read in (mind.sequence, lambda params, *inputs: mind.steps(*inputs)[1]):
        plain = read(mind.params, mind.memory.start(), seen, forget)
        changed = read(mind.params, mind.memory.start(), other, forget)
        differs = np.abs(plain - changed).max(-1)
        reach = min(ends, 3 + config.window) if config.recurrence == "transformer" else ends
        assert (differs[:3] == 0.0).all()
        assert (differs[3:reach] > 1e-6).all()
        assert (differs[reach:] == 0.0).all()


@pytest.mark.parametrize("config", [GRU, LINEAR, WINDOWS[1]], ids=called)
def test_a_first_percept_finds_an_empty_memory(config):
    mind = trained(config)
    seen = experience(6)[0][0]
    full = mind.apply(mind.params, mind.used(), seen, jnp.bool_(True))[1]
    empty = mind.apply(mind.params, mind.memory.start(), seen, jnp.bool_(False))[1]
    assert (full == empty).all()


def test_a_lasting_memory_sees_that_an_episode_begins():
    mind = trained(LASTING[0])
    seen = experience(7)[0][0]
    goes_on, begins = (mind.apply(mind.params, mind.used(), seen, jnp.bool_(first))[1] for first in (False, True))
    assert np.abs(goes_on - begins).max() > 1e-2


def test_without_memory_nothing_is_kept():
    mind = trained(NONE)
    seen, forget = experience(8)
    assert jax.tree.leaves(mind.memory.start()) == []
    again = mind.sequence(mind.params, (), seen[::-1], forget)[::-1]
    np.testing.assert_allclose(mind.sequence(mind.params, (), seen, forget), again, atol=1e-6)


@pytest.mark.parametrize("accelerated", [False, True])
def test_a_linear_recurrence_and_its_gradient(accelerated, monkeypatch):
    """In turn and in pairs of pairs alike; the gradient is what differentiating the loop gives."""
    monkeypatch.setattr(memories, "on_accelerator", lambda: accelerated)
    random = np.random.default_rng(9)
    keep = random.uniform(size=(T, 3)).astype(np.float32) * (random.uniform(size=(T, 1)) > 0.2)
    write, weight = random.normal(size=(2, T, 3)).astype(np.float32)
    start = random.normal(size=3).astype(np.float32)

    def loop(keep, write, start):
        held = []
        for t in range(T):
            start = keep[t] * start + write[t]
            held.append(start)
        return jnp.stack(held)

    def gradient(scan):
        return compiled(jax.grad(lambda *inputs: (scan(*inputs) * weight).sum(), (0, 1, 2)))(keep, write, start)

    np.testing.assert_allclose(compiled(memories.linear_scan)(keep, write, start), loop(keep, write, start), atol=1e-5)
    for found, right in zip(gradient(memories.linear_scan), gradient(loop), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-5)


def test_new_linear_units_forget_after_two_to_a_thousand_steps():
    """And what a unit holds of inputs that have nothing to do with each other is as large at every speed."""
    memory: Any = memories.LinearRecurrence(16, jnp.float32)
    nothing = jnp.zeros(HIDDEN), jnp.bool_(False)
    init = compiled(lambda key: memory.init_with_output(key, *nothing, method=memory.prepare))
    keep, write, _ = init(jax.random.key(0))[0]
    np.testing.assert_allclose(1.0 / (1.0 - keep), np.geomspace(2.0, memories.LONGEST, 16), rtol=1e-2)
    gain = 1.0 - keep  # the square of what is written of an input of size 1
    variance = gain / (1.0 - keep**2)
    assert (variance > 0.49).all()
    assert (variance < 0.7).all()
    assert (write == 0.0).all()


def test_a_new_transformer_lets_little_through():
    """Its gates are open to sigmoid(-2) of what is new, where neither side has a say."""
    gate: Any = Gate(4, jnp.float32)
    x, y = jnp.array([1.0, -2.0, 0.5, 0.0]), jnp.ones(4)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes_of(gate, x, y))
    np.testing.assert_allclose(compiled(gate.apply)(params, x, y), (1.0 - 1.0 / (1.0 + np.exp(2.0))) * x, rtol=1e-6)


@pytest.mark.parametrize("config", [LINEAR, NONE, WINDOWS[1]], ids=called)
def test_half_precision_is_near_full_and_comes_out_as_full(config):
    seen, forget = experience(10, first=(0, 7))
    full = trained(config)
    half = Trained(dataclasses.replace(config, precision="bfloat16"))
    exact, near = (mind.sequence(full.params, mind.memory.start(), seen, forget) for mind in (full, half))
    assert near.dtype == jnp.float32
    assert 0.0 < np.abs(exact - near).max() < 0.05 * np.abs(exact).max()


def test_the_default_is_a_gated_recurrent_unit_with_the_names_it_always_had():
    shapes = jax.tree.map(jnp.shape, Trained(GRU).params["params"])
    assert shapes == {
        "gates": {"kernel": (HIDDEN, 18), "bias": (18,)},
        "recurrent": (6, 18),
        "recurrent_bias": (6,),
    }
    assert NetworkConfig().recurrence == "gru"


def train(network: NetworkConfig, **fields: Any) -> TrainConfig:
    sizes: Any = {"num_members": 2, "num_envs": 4, "num_steps": 8, "num_rounds": 2, "rounds_per_chunk": 1}
    return TrainConfig(**sizes | fields, network=network, ppo=PPOConfig(1, 2), hyper=HyperConfig())


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (dataclasses.replace(WINDOWS[1], window=9), "network.window: 9 .* the 8 of an unroll"),
        (dataclasses.replace(WINDOWS[1], heads=4), "network.heads: 4 does not divide network.memory, 6"),
        (dataclasses.replace(NONE, episodes_per_memory=2), "network.episodes_per_memory: 2; .* must be 1"),
        (dataclasses.replace(GRU, episodes_per_memory=0), "network.episodes_per_memory: 0; it must be at least 1"),
        (dataclasses.replace(GRU, recurrence="lstm"), "network.recurrence: 'lstm'; allowed are .*'linear'"),
    ],
)
def test_what_a_memory_cannot_do_is_refused(network, says):
    with pytest.raises(UserError, match=says):
        assemble(train(network), *make("prisoners_dilemma"))


def test_a_window_beyond_the_unroll_ends_the_command_with_2(capsys):
    flags = "train --game prisoners_dilemma --network.recurrence transformer --network.window 129 --num-steps 128"
    with pytest.raises(SystemExit) as stopped:
        cli.main([*flags.split()])
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert said.err.count("\n") == 1
    assert "network.window: 129" in said.err


@dataclasses.dataclass(frozen=True)
class Bandit:
    """One of two arms pays, always the same in one place; an episode is one pull, and then its outcome is shown."""

    num_agents: int = 1
    num_actions: int = 2

    def reset(self, key, params):
        return jnp.int32(0), self.show(jnp.zeros(2), jnp.float32(0.0), True)

    def step(self, key, params, state, action):
        reward = (action[0] == params).astype(jnp.float32)
        return state + 1, self.show(jax.nn.one_hot(action[0], 2) * (2.0 * reward - 1.0), reward, False)

    def show(self, outcome, reward, first) -> Timestep:
        everyone = jnp.ones(1, bool)
        return Timestep(
            outcome[None], reward[None], reward[None], jnp.ones(1), everyone, jnp.ones((1, 2), bool),
            first=jnp.bool_(first), last=jnp.bool_(not first), events=jnp.zeros((1, 0), jnp.int32),
        )  # fmt: skip


@pytest.mark.slow
def test_what_one_episode_taught_is_used_in_the_next():
    """Over trials of eight pulls the first is a guess and the rest are known: 15 / 16 at best, and else one half."""
    returns = {}
    for episodes in (1, 8):
        network = NetworkConfig(16, 16, recurrence="linear", episodes_per_memory=episodes)
        config = TrainConfig(
            num_members=2, num_envs=64, num_steps=16, num_rounds=60, rounds_per_chunk=60, network=network,
            ppo=PPOConfig(num_epochs=2, num_minibatches=4), hyper=HyperConfig(learning_rate=1e-2, gamma=0.0),
        )  # fmt: skip
        program = assemble(config, Bandit(), jnp.arange(2, dtype=jnp.int32))
        _, metrics = jax.jit(program.chunk)(jax.jit(program.init)(), program.situations)
        returns[episodes] = np.asarray(metrics["return"])[-5:].mean((0, 1))
    np.testing.assert_allclose(returns[1], 0.5, atol=0.1)
    assert returns[8].min() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("config", [LINEAR, WINDOWS[1], LASTING[0]], ids=called)
def test_resuming_equals_going_on(config, tmp_path):
    """Rounds begin with empty memories, so that none is under way when a state is saved; within a round a memory
    goes on over its updates and over the ends of episodes, here every four steps."""
    from resuming import resume

    world, situations = make(["prisoners_dilemma"], horizon=4)
    first, last, _ = resume(assemble(train(config, updates_per_round=2), world, situations), tmp_path)
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), first.population.mind, last.population.mind)
    assert all(jax.tree.leaves(changed))
