"""The default mind: sequences equal steps, memory ends with the episode, members do not mix."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners.networks import NetworkConfig, recurrent_policy
from softsim.learners.opponent import OpponentConfig
from softsim.learners.weights import orthogonal
from softsim.types import Percept

K, A, T = 3, 4, 12
SYMBOLS = (5, 4)
SMALL = NetworkConfig(hidden=8, memory=6)
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
CODES = [np.eye(n, dtype=np.float32) for n in SYMBOLS]
SEEN = {
    "number": jax.ShapeDtypeStruct((2,), jnp.float32),
    "whole": jax.ShapeDtypeStruct((), jnp.int32),
    "window": jax.ShapeDtypeStruct((3, 3, 2), jnp.uint8),
}


def percepts(seed: int, *batch: int, first=()) -> Percept:
    """Random percepts with leading axes `batch`; `first` are the steps, on the last of them, where episodes begin."""
    random = np.random.default_rng(seed)
    observation = {
        "number": random.normal(size=(*batch, 2)).astype(np.float32),
        "whole": random.integers(-3, 3, size=batch).astype(np.int32),
        "window": np.stack([random.integers(n, size=(*batch, 3, 3)) for n in SYMBOLS], -1).astype(np.uint8),
    }
    begins = np.zeros(batch, bool)
    begins[..., list(first)] = True
    reward = random.normal(size=batch).astype(np.float32)
    return jax.tree.map(jnp.asarray, Percept(observation, reward, np.ones((*batch, K), bool), begins))


def at(tree, *index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


@functools.cache
def make(config: NetworkConfig = SMALL, num_agents: int = A):
    """A policy with weights large enough that inputs matter, and its compiled functions."""
    policy = recurrent_policy(config, K, num_agents, SEEN, CODES)
    params = compiled(policy.init)(jax.random.key(0))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + 0.3 * random.normal(size=leaf.shape).astype(np.float32), params)
    return policy, params, compiled(policy.apply), compiled(policy.unroll)


def step_by_step(apply, params, carry, sequence):
    outputs = []
    for t in range(len(sequence.first)):
        carry, output = apply(params, carry, at(sequence, t))
        outputs.append(output)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *outputs), carry


def distance(left, right) -> float:
    return max(
        float(np.abs(np.asarray(a) - np.asarray(b)).max(initial=0.0))
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    )


@pytest.mark.parametrize("first", [(), (0,), (0, 5, 6)])
def test_a_sequence_equals_its_steps(first):
    policy, params, apply, unroll = make()
    sequence = percepts(1, T, first=first)
    carry = policy.start() + 0.5
    slow, _ = step_by_step(apply, params, carry, sequence)
    fast = unroll(params, carry, sequence)
    assert (fast.logits.shape, fast.value.shape, fast.opponent.shape) == ((T, K), (T,), (T, A - 1, K))
    assert distance(fast, slow) < 1e-5


def test_memory_lasts_through_an_episode_and_ends_with_it():
    """What was seen before `first` changes nothing from there on; what was seen since does."""
    policy, params, apply, unroll = make()
    sequence, other = percepts(2, T, first=(6,)), percepts(3, T, first=(6,))
    before = jnp.arange(T) < 6
    mixed = jax.tree.map(lambda a, b: jnp.where(before.reshape((-1,) + (1,) * (a.ndim - 1)), b, a), sequence, other)
    for run in (unroll, lambda *inputs: step_by_step(apply, *inputs)[0]):
        plain, changed = run(params, policy.start(), sequence), run(params, policy.start() + 1.0, mixed)
        assert distance(at(plain, slice(6, None)), at(changed, slice(6, None))) == 0.0
        assert distance(at(plain, slice(0, 6)), at(changed, slice(0, 6))) > 1e-2

    earlier = jax.tree.map(lambda a, b: a.at[6].set(b[6]), sequence, other)
    plain, changed = unroll(params, policy.start(), sequence), unroll(params, policy.start(), earlier)
    assert distance(at(plain, T - 1), at(changed, T - 1)) > 1e-4


def test_the_carry_of_a_first_percept_is_that_of_an_empty_memory():
    policy, params, apply, _ = make()
    percept = at(percepts(4, 1, first=(0,)), 0)
    empty, full = apply(params, policy.start(), percept), apply(params, policy.start() - 2.0, percept)
    assert distance(empty, full) == 0.0


@pytest.mark.slow
def test_members_side_by_side_equal_members_alone():
    """Alone a member's products are matrix by vector, side by side they are batched: sums in another order, so
    equality is to float rounding and not bit for bit."""
    policy = recurrent_policy(SMALL, K, A, SEEN, CODES)
    params = compiled(jax.vmap(policy.init))(jax.random.split(jax.random.key(1), 5))
    sequence = percepts(5, 5, T, first=(0, 7))
    carry = jax.random.normal(jax.random.key(2), (5, SMALL.memory))
    together = compiled(jax.vmap(policy.unroll))(params, carry, sequence)
    alone = compiled(policy.unroll)
    for member in range(5):
        one = alone(at(params, member), carry[member], at(sequence, member))
        assert distance(one, at(together, member)) < 1e-6


def test_weights_depend_on_the_key_alone():
    """Member 3 draws the same weights in any company, and no two members the same."""
    policy = recurrent_policy(SMALL, K, A, SEEN, CODES)
    keys = jax.random.split(jax.random.key(3), 4)
    together, alone = compiled(jax.vmap(policy.init))(keys), compiled(policy.init)(keys[3])
    assert distance(at(together, 3), alone) < 1e-6
    kernels = [leaf for leaf in jax.tree.leaves(together) if leaf.ndim > 2]
    assert len(kernels) == 8
    assert all(distance(leaf[i], leaf[j]) > 1e-3 for leaf in kernels for i in range(4) for j in range(i))


@pytest.mark.parametrize("field", sorted(SEEN))
def test_every_part_of_the_observation_is_seen(field):
    policy, params, apply, _ = make()
    percept, other = at(percepts(6, 1), 0), at(percepts(7, 1), 0)
    changed = Percept(
        percept.observation | {field: other.observation[field]},
        percept.reward,
        percept.action_mask,
        percept.first,
    )
    plain, different = (apply(params, policy.start(), p)[1] for p in (percept, changed))
    for output in ("logits", "value", "opponent"):
        assert distance(getattr(plain, output), getattr(different, output)) > 1e-3


@pytest.mark.parametrize("channel", [0, 1])
def test_every_symbol_of_a_channel_is_told_apart(channel):
    policy, params, apply, _ = make()
    percept = at(percepts(8, 1), 0)
    values = []
    for symbol in range(SYMBOLS[channel]):
        window = percept.observation["window"].at[0, 0, channel].set(symbol)
        seen = Percept(percept.observation | {"window": window}, percept.reward, percept.action_mask, percept.first)
        values.append(float(apply(params, policy.start(), seen)[1].value))
    assert len({round(value, 6) for value in values}) == SYMBOLS[channel]


@pytest.mark.parametrize("shapes_memory", [True, False])
def test_the_gradient_of_predictions_reaches_memory_only_if_wanted(shapes_memory):
    config = dataclasses.replace(SMALL, opponent=OpponentConfig(shapes_memory=shapes_memory))
    policy, params, _, _ = make(config)
    sequence = percepts(9, T, first=(0,))
    gradient = compiled(jax.grad(lambda params: (policy.unroll(params, policy.start(), sequence).opponent ** 2).sum()))
    flat = jax.tree_util.tree_leaves_with_path(gradient(params))
    size = {jax.tree_util.keystr(path): float(jnp.abs(leaf).max()) for path, leaf in flat}
    head = [size[name] for name in size if "opponent" in name]
    judges = [size[name] for name in size if "['policy']" in name or "['value']" in name]
    body = [
        size[name] for name in size if "opponent" not in name and "['policy']" not in name and "['value']" not in name
    ]
    assert (len(head), len(judges)) == (4, 4)
    assert min(head) > 0.0
    assert max(judges) == 0.0
    assert all((value > 0.0) == shapes_memory for value in body)


@pytest.mark.parametrize("condition", [True, False])
def test_the_policy_reads_predictions_only_if_wanted_and_never_trains_them(condition):
    config = dataclasses.replace(SMALL, opponent=OpponentConfig(condition=condition))
    policy, params, apply, _ = make(config)
    percept = at(percepts(10, 1), 0)

    def change_head(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: (
                leaf + 1.0 * jnp.arange(leaf.size).reshape(leaf.shape) / leaf.size
                if "['opponent']" in jax.tree_util.keystr(path)
                else leaf
            ),
            params,
        )

    plain, changed = (apply(p, policy.start(), percept)[1] for p in (params, change_head(params)))
    assert distance(plain.opponent, changed.opponent) > 1e-2
    assert (distance(plain.logits, changed.logits) > 1e-4) == condition
    assert plain.value == changed.value

    gradient = compiled(jax.grad(lambda params: policy.apply(params, policy.start(), percept)[1].logits[0]))(params)
    flat = jax.tree_util.tree_leaves_with_path(gradient)
    assert all(float(jnp.abs(leaf).max()) == 0.0 for path, leaf in flat if "opponent" in jax.tree_util.keystr(path))


def test_alone_in_a_world():
    """With nobody else there is nothing to predict, and everything else works."""
    policy, params, apply, unroll = make(SMALL, num_agents=1)
    sequence = percepts(11, T, first=(0, 4))
    slow, _ = step_by_step(apply, params, policy.start(), sequence)
    fast = unroll(params, policy.start(), sequence)
    assert fast.opponent.shape == (T, 0, K)
    assert distance(fast, slow) < 1e-5


def test_numbers_alone_are_enough():
    """A world without symbols needs no vocabulary."""
    seen = jax.ShapeDtypeStruct((4,), jnp.float32)
    policy = recurrent_policy(SMALL, K, 2, seen)
    params = compiled(policy.init)(jax.random.key(4))
    percept = Percept(jnp.ones(4), jnp.float32(0.0), jnp.ones(K, bool), jnp.bool_(True))
    _, output = compiled(policy.apply)(params, policy.start(), percept)
    assert (output.logits.shape, output.value.shape, output.opponent.shape) == ((K,), (), (1, K))


def test_half_precision_is_near_full_and_comes_out_as_full():
    policy, params, _, unroll = make()
    _, _, _, unroll_half = make(dataclasses.replace(SMALL, precision="bfloat16"))
    sequence = percepts(3, T, first=(0, 7))
    full, half = unroll(params, policy.start(), sequence), unroll_half(params, policy.start(), sequence)
    assert {leaf.dtype for leaf in jax.tree.leaves(half)} == {jnp.dtype("float32")}
    assert 0 < distance(full, half) < 0.05 * max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(full))


@pytest.mark.parametrize("shape", [(64, 192), (64, 64), (72, 9), (72, 1)])
def test_orthogonal_matrices_are_those_of_a_decomposition(shape):
    """By the reference, in double precision; a hundred of them, since some square ones are nearly singular."""
    keys, again = (jax.random.split(jax.random.key(0), 100) for _ in range(2))
    drawn = np.asarray(jax.vmap(lambda key: orthogonal(0.5)(key, shape))(keys), float)
    normal = jax.vmap(lambda key: jax.random.normal(key, (min(shape), max(shape))))(again)
    basis, upper = np.linalg.qr(np.asarray(normal, float).swapaxes(1, 2))
    basis = 0.5 * basis * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None]
    tall = drawn if shape[0] >= shape[1] else drawn.swapaxes(1, 2)
    np.testing.assert_allclose(tall, basis, atol=1e-3)
    products = tall.swapaxes(1, 2) @ tall - 0.25 * np.eye(min(shape))
    assert np.abs(products).max() < 1e-5


def test_nothing_of_a_library_is_called_to_draw_weights():
    """Stacks of factorisations deadlock on a CPU: see `weights.orthogonal`."""
    policy = recurrent_policy(SMALL, K, A, SEEN, CODES)
    assert "custom_call" not in jax.jit(jax.vmap(policy.init)).lower(jax.random.split(jax.random.key(0), 3)).as_text()
