"""A memory that looks back: gated transformer layers over a window of the last percepts."""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from softsim.learners.memory import Memory
from softsim.types import Array, PyTree

CLOSED = 2.0
"""How far gates are closed at first."""


class TransformerWindow(Memory):
    """One gated transformer block over the last `window` percepts (GTrXL: Parisotto et al. 2020, arXiv 1910.06764).

    Layers are normalised before attention and before the feed-forward part, not after, and each part comes in by a
    gated recurrent unit that at first lets little of it through. Positions are told apart by a learned bias for each
    lag and head, added to the scores. The carry holds keys and values of the window as rings, [window, width] float32,
    and how many percepts this memory has taken in, [] int32: the next comes to that place, modulo the window.
    """

    window: int  # percepts, the present one included
    heads: int

    def setup(self):
        self.embed = nn.Dense(self.width, dtype=self.kind)
        self.before_attention = nn.LayerNorm()
        self.query = nn.Dense(self.width, dtype=self.kind)
        self.key_value = nn.Dense(2 * self.width, dtype=self.kind)
        self.attended = nn.Dense(self.width, dtype=self.kind)
        self.lag_bias = self.param("lag_bias", nn.initializers.zeros, (self.heads, self.window), jnp.float32)
        self.admit_attended = Gate(self.width, self.kind)
        self.before_thought = nn.LayerNorm()
        self.think = nn.Dense(2 * self.width, dtype=self.kind)
        self.thought = nn.Dense(self.width, dtype=self.kind)
        self.admit_thought = Gate(self.width, self.kind)

    def start(self) -> PyTree:
        return jnp.zeros((self.window, self.width)), jnp.zeros((self.window, self.width)), jnp.int32(0)

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        keys, values, held = carry
        stream, query, key, value = self.look(seen)
        held = jnp.where(forget, 0, held)
        place = held % self.window
        keys, values, held = keys.at[place].set(key), values.at[place].set(value), held + 1
        lag = (place - jnp.arange(self.window)) % self.window
        attended = attend(query[None], keys, values, self.lag_bias[:, None, lag], (lag < held)[None])[0]
        return (keys, values, held), self.finish(stream, attended)

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        keys, values, held = carry
        stream, query, key, value = self.look(seen)
        length, window = forget.size, self.window
        time = jnp.arange(length, dtype=jnp.int32)
        begun = jax.lax.cummax(jnp.where(forget, time, -held))

        # Blocks as long as the window: each looks at the one before it and at itself, all of them at once.
        blocks = math.ceil(length / window)

        def cut(leaf):
            leaf = jnp.concatenate([leaf, jnp.zeros((blocks * window - length, *leaf.shape[1:]), leaf.dtype)])
            return leaf.reshape(blocks, window, *leaf.shape[1:])

        def with_past(leaf, past):
            own, past = cut(leaf), jnp.roll(past, -held, 0)  # from a ring to the oldest first
            return jnp.concatenate([jnp.concatenate([past[None], own[:-1]]), own], 1)

        lag = window + jnp.arange(window)[:, None] - jnp.arange(2 * window)[None]
        within = (lag >= 0)[None] & (lag[None] < jnp.minimum(cut(time - begun + 1), window)[..., None])
        look_back = jax.vmap(attend, in_axes=(0, 0, 0, None, 0))
        attended = look_back(cut(query), with_past(key, keys), with_past(value, values), by_lag(self.lag_bias), within)
        attended = attended.reshape(blocks * window, -1)
        return self.finish(stream, attended[:length])

    def look(self, seen: Array) -> tuple[Array, Array, Array, Array]:
        """The stream, its query, its key and its value, [..., width] each."""
        stream = self.embed(seen).astype(jnp.float32)
        normal = self.before_attention(stream)
        key, value = jnp.split(self.key_value(normal).astype(jnp.float32), 2, -1)
        return stream, self.query(normal), key, value

    def finish(self, stream: Array, attended: Array) -> Array:
        """Admit what was attended to, [..., width], into the stream, and then what is made of it."""
        stream = self.admit_attended(stream, nn.relu(self.attended(attended)))
        thought = nn.relu(self.thought(nn.relu(self.think(self.before_thought(stream)))))
        return self.admit_thought(stream, thought)


def attend(query: Array, keys: Array, values: Array, bias: Array, within: Array) -> Array:
    """Let queries [Q, width] look at those keys and values [L, width] that are `within` reach, [Q, L] bool.

    Args:
        bias: [heads, Q, L] float32, added to the scores.

    Returns:
        [Q, width].
    """
    split = lambda leaf: leaf.astype(query.dtype).reshape(leaf.shape[0], bias.shape[0], -1)  # noqa: E731
    query, keys, values = split(query), split(keys), split(values)
    score = jnp.einsum("qhd,khd->hqk", query / math.sqrt(query.shape[-1]), keys).astype(jnp.float32) + bias
    # Not minus infinity: rows beyond the sequence's end reach nothing, and their gradient is to be 0.
    score = jnp.where(within[None], score, jnp.finfo(jnp.float32).min)
    weight = jnp.exp(score - jax.lax.stop_gradient(score.max(-1, keepdims=True)))
    # What is mixed is divided by the sum of the weights, and not each weight: that is less work.
    mixed = jnp.einsum("hqk,khd->qhd", weight.astype(query.dtype), values) / weight.sum(-1).T[..., None]
    return mixed.reshape(query.shape[0], -1)


def by_lag(lag_bias: Array) -> Array:
    """Biases of the queries of a block, [heads, window, 2 * window], for keys of the block before and of their own.

    Entry (q, k) is the bias of lag `window + q - k`, and anything beyond reach. Rows are one row shifted, which is cut
    out of copies of it: a gather would have a scatter for its gradient, which is slow.
    """
    heads, window = lag_bias.shape
    row = jnp.pad(lag_bias[:, ::-1], ((0, 0), (1, 2 * window - 1)))
    shifted = jnp.tile(row, (1, window))[:, : window * (3 * window - 1)]
    return shifted.reshape(heads, window, 3 * window - 1)[..., : 2 * window]


class Gate(nn.Module):
    """Admit y [..., width] into the stream x by a gated recurrent unit, little of it at first (GTrXL, with b_g = 2)."""

    width: int
    kind: Any  # dtype of matrix products

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Array:
        of_y = nn.Dense(3 * self.width, use_bias=False, dtype=self.kind, name="of_y")(y).astype(jnp.float32)
        of_x = nn.Dense(2 * self.width, use_bias=False, dtype=self.kind, name="of_x")(x).astype(jnp.float32)
        reset_y, update_y, new_y = jnp.split(of_y, 3, -1)
        reset_x, update_x = jnp.split(of_x, 2, -1)
        update = nn.sigmoid(update_y + update_x - CLOSED)
        again = nn.Dense(self.width, use_bias=False, dtype=self.kind, name="of_reset_x")
        new = jnp.tanh(new_y + again(nn.sigmoid(reset_y + reset_x) * x).astype(jnp.float32))
        return (1.0 - update) * x + update * new
