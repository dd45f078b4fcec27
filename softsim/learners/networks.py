"""A recurrent mind: perceive, remember, act, judge, and predict the others.

Everything is a matrix product, so that stacking members turns it into batched products. Convolutions are avoided on
purpose: XLA runs them member by member. A whole sequence is perceived and judged at once; only the memory is stepped.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from softsim.machine import on_accelerator
from softsim.types import Array, Output, Percept, Policy, PyTree


def orthogonal(scale: float = 1.0) -> Any:
    """Orthogonal weights, drawn for one member after another where they are stacked.

    JAX factorises a stack on a CPU in tasks of the pool of threads that the factorisation itself occupies; two at a
    time on two cores wait for each other for ever (jaxlib 0.10.2).
    """
    draw = nn.initializers.orthogonal(scale)
    if on_accelerator():
        return draw

    def one_by_one(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        remake = functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))
        draw_one = jax.custom_batching.sequential_vmap(lambda word: draw(remake(word), shape, dtype))
        return draw_one(jax.random.key_data(key))

    return one_by_one


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the default mind."""

    hidden: int = 64  # width of perception
    memory: int = 64  # width of the recurrent state
    condition_on_opponent: bool = True  # the policy sees its own prediction of the others
    opponent_shapes_memory: bool = True  # the prediction's gradient reaches perception and memory
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; weights, memory and outputs are float32


class Mind(nn.Module):
    """Perception -> gated recurrent unit -> heads for policy, value and the others' next actions.

    Where `codes` are given, observation leaves of dtype uint8 hold symbols, [..., C], and those of channel c are read
    as rows of `codes[c]`. The codes are fixed: the first layer learns what each means at each place, and neither a
    one-hot tensor nor a scatter of gradients is ever made. All other leaves are numbers.
    """

    config: NetworkConfig
    num_actions: int
    num_others: int
    codes: tuple[tuple[tuple[float, ...], ...], ...] = ()  # per channel [symbols, width], hashable

    def setup(self):
        config, memory = self.config, self.config.memory
        kind = jnp.dtype(config.precision)
        self.perceive_symbols = nn.Dense(config.hidden, dtype=kind)
        self.perceive = nn.Dense(config.hidden, dtype=kind)
        self.gates = nn.Dense(3 * memory, dtype=kind)
        self.recurrent = self.param("recurrent", orthogonal(), (memory, 3 * memory), jnp.float32)
        self.recurrent_bias = self.param("recurrent_bias", nn.initializers.zeros, (memory,), jnp.float32)
        self.policy = nn.Dense(self.num_actions, kernel_init=orthogonal(0.01), dtype=kind)
        self.value = nn.Dense(1, kernel_init=orthogonal(1.0), dtype=kind)
        self.opponent_hidden = nn.Dense(config.hidden, dtype=kind)
        self.opponent = nn.Dense(max(self.num_others, 1) * self.num_actions, kernel_init=orthogonal(0.01), dtype=kind)

    def encode(self, observation: PyTree, batch: tuple[int, ...]) -> Array:
        """Turn observations with leading axes `batch` into inputs of the memory, [*batch, 3 * memory]."""
        parts = []
        for leaf in jax.tree.leaves(observation):
            if self.codes and leaf.dtype == jnp.uint8:
                parts.append(nn.relu(self.perceive_symbols(self.read(leaf).reshape(*batch, -1))))
            else:
                parts.append(leaf.astype(jnp.float32).reshape(*batch, -1))
        return self.gates(nn.relu(self.perceive(jnp.concatenate(parts, -1))))

    def read(self, symbols: Array) -> Array:
        """Read [..., C] symbols as their codes, [..., total width]."""
        kind = jnp.dtype(self.config.precision)
        channels = [jnp.array(code, kind)[symbols[..., c].astype(jnp.int32)] for c, code in enumerate(self.codes)]
        return jnp.concatenate(channels, -1)

    def remember(self, carry: Array, gates: Array, first: Array) -> Array:
        """Advance the memory [..., memory] by one percept (Cho et al. 2014, arXiv 1406.1078), empty where `first`."""
        carry = jnp.where(first[..., None], 0.0, carry)
        kind = jnp.dtype(self.config.precision)
        recalled = carry.astype(kind) @ self.recurrent.astype(kind)
        reset_in, update_in, new_in = jnp.split(gates.astype(jnp.float32), 3, -1)
        reset_on, update_on, new_on = jnp.split(recalled.astype(jnp.float32), 3, -1)
        update = nn.sigmoid(update_in + update_on)
        new = jnp.tanh(new_in + nn.sigmoid(reset_in + reset_on) * (new_on + self.recurrent_bias))
        return (1.0 - update) * new + update * carry

    def judge(self, memory: Array) -> Output:
        """Read policy, value and predictions off the memory, [..., memory]."""
        batch = memory.shape[:-1]
        source = memory if self.config.opponent_shapes_memory else jax.lax.stop_gradient(memory)
        opponent = self.opponent(nn.relu(self.opponent_hidden(source))).astype(jnp.float32)
        opponent = opponent.reshape(*batch, -1, self.num_actions)[..., : self.num_others, :]
        ground = memory
        if self.config.condition_on_opponent:
            belief = jax.lax.stop_gradient(jax.nn.softmax(opponent)).reshape(*batch, -1)
            ground = jnp.concatenate([memory, belief], -1)
        value = self.value(memory)[..., 0]
        return Output(self.policy(ground).astype(jnp.float32), value.astype(jnp.float32), opponent)

    def __call__(self, carry: Array, percept: Percept) -> tuple[Array, Output]:
        batch = percept.first.shape
        carry = self.remember(carry, self.encode(percept.observation, batch), percept.first)
        return carry, self.judge(carry)

    def unroll(self, carry: Array, percepts: Percept) -> Output:
        """Read a sequence of percepts, leading axis T."""
        gates = self.encode(percepts.observation, percepts.first.shape)

        def step(carry, inputs):
            carry = self.remember(carry, *inputs)
            return carry, carry

        return self.judge(jax.lax.scan(step, carry, (gates, percepts.first))[1])


def recurrent_policy(
    config: NetworkConfig,
    num_actions: int,
    num_agents: int,
    observation: Any,
    codes: Sequence[np.ndarray] = (),
) -> Policy:
    """Make the default policy for one seat.

    Args:
        observation: what one agent observes, as arrays or `jax.ShapeDtypeStruct`s.
        codes: per channel of its uint8 leaves, [symbols, width] float32: what the network reads for each symbol.
    """
    hashable = tuple(tuple(tuple(map(float, row)) for row in code) for code in codes)
    mind = Mind(config, num_actions, num_agents - 1, hashable)
    run: Any = mind.apply

    def init(key: Array) -> PyTree:
        empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), observation)
        percept = Percept(empty, jnp.float32(0.0), jnp.ones(num_actions, bool), jnp.bool_(True))
        return mind.init(key, start(), percept)

    def start() -> Array:
        return jnp.zeros(config.memory, jnp.float32)

    def apply(params: PyTree, carry: Array, percept: Percept) -> tuple[Array, Output]:
        return run(params, carry, percept)

    def unroll(params: PyTree, carry: Array, percepts: Percept) -> Output:
        return run(params, carry, percepts, method=mind.unroll)

    return Policy(init, start, apply, unroll)
