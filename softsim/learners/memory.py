"""Memories: what a mind keeps from one percept to the next, all under one protocol.

A sequence gives what its steps give one by one, and as little of it as can be is done in turn.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from softsim.learners.weights import orthogonal
from softsim.machine import on_accelerator
from softsim.types import Array, PyTree


class Memory(nn.Module):
    """What all memories have in common. Axes of members and seats are `vmap`'s.

    In the arguments, `seen` is [..., hidden] float32 and `forget` [...] bool: what was kept until now is dropped
    before this percept is taken in. What is recalled is [..., width] float32.
    """

    width: int
    kind: Any  # dtype of matrix products

    def start(self) -> PyTree:
        """An empty memory."""
        raise NotImplementedError

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        """Take in one percept: the memory after it, and what is recalled."""
        raise NotImplementedError

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        """Take in a sequence of percepts, leading axis T: what is recalled at each."""
        raise NotImplementedError


class NoMemory(Memory):
    """One more layer of perception, which keeps nothing."""

    def setup(self):
        self.pass_on = nn.Dense(self.width, dtype=self.kind)

    def start(self) -> PyTree:
        return ()

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        return carry, self.sequence(carry, seen, forget)

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        return nn.relu(self.pass_on(seen)).astype(jnp.float32)


class GatedRecurrentUnit(Memory):
    """Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078). Its carry is what it recalls, [width] float32."""

    def setup(self):
        self.gates = nn.Dense(3 * self.width, dtype=self.kind)
        self.recurrent = self.param("recurrent", orthogonal(), (self.width, 3 * self.width), jnp.float32)
        self.recurrent_bias = self.param("recurrent_bias", nn.initializers.zeros, (self.width,), jnp.float32)

    def start(self) -> PyTree:
        return jnp.zeros(self.width, jnp.float32)

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        carry = self.advance(carry, self.gates(seen), forget)
        return carry, carry

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        def step(carry, inputs):
            carry = self.advance(carry, *inputs)
            return carry, carry

        return jax.lax.scan(step, carry, (self.gates(seen), forget))[1]

    def advance(self, carry: Array, gates: Array, forget: Array) -> Array:
        """Take in one percept by its gates, [..., 3 * width]."""
        carry = jnp.where(forget[..., None], 0.0, carry)
        recalled = carry.astype(self.kind) @ self.recurrent.astype(self.kind)
        reset_in, update_in, new_in = jnp.split(gates.astype(jnp.float32), 3, -1)
        reset_on, update_on, new_on = jnp.split(recalled.astype(jnp.float32), 3, -1)
        update = nn.sigmoid(update_in + update_on)
        new = jnp.tanh(new_in + nn.sigmoid(reset_in + reset_on) * (new_on + self.recurrent_bias))
        return (1.0 - update) * new + update * carry


LONGEST = 1000.0
"""Steps after which the slowest unit of a new linear recurrence has forgotten all but 1 / e."""


class LinearRecurrence(Memory):
    """Gated linear recurrence, unit by unit: h' = (1 - s^2) h + s n, where s in (0, 1) and n depend on what is seen.

    As in the RG-LRU (De et al. 2024, arXiv 2402.19427, section 2.4), less is written where more is kept, so that h is
    of the same size at every speed: where a = 1 - s^2 is kept, its sqrt(1 - a^2) is between s and sqrt(2) s. What is
    recalled is h times a gate of what is seen (ibid., section 2.3). Nothing in a step depends on h but the product, so
    that steps compose and a sequence needs no loop. The carry is h, [width] float32.
    """

    def setup(self):
        self.gates = nn.Dense(3 * self.width, dtype=self.kind, bias_init=self.spread)

    def spread(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Biases with which units forget after 2 to `LONGEST` steps, geometrically spaced; zero for the rest."""
        writes = jnp.geomspace(2.0, LONGEST, self.width, dtype=dtype) ** -0.5
        return jnp.concatenate([jnp.log(writes / (1.0 - writes)), jnp.zeros(shape[0] - self.width, dtype)])

    def start(self) -> PyTree:
        return jnp.zeros(self.width, jnp.float32)

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        keep, write, show = self.prepare(seen, forget)
        carry = keep * carry + write
        return carry, carry * show

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        keep, write, show = self.prepare(seen, forget)
        return linear_scan(keep, write, carry) * show

    def prepare(self, seen: Array, forget: Array) -> tuple[Array, Array, Array]:
        """What to keep, to write and to show, [..., width] each."""
        writes, new, show = jnp.split(self.gates(seen).astype(jnp.float32), 3, -1)
        writes = nn.sigmoid(writes)
        return jnp.where(forget[..., None], 0.0, 1.0 - writes**2), writes * new, nn.silu(show)


@jax.custom_vjp
def linear_scan(keep: Array, write: Array, start: Array) -> Array:
    """All h[t] = keep[t] * h[t-1] + write[t], with h[-1] = `start`; leading axis T."""
    return compose(keep, write, start)


def compose(keep: Array, write: Array, start: Array, reverse: bool = False) -> Array:
    """Do a linear recurrence, from the last step to the first if `reverse`.

    An accelerator composes neighbours, then pairs of them and so on (Blelloch 1990), in log T rounds. That takes twice
    the arithmetic and more of the memory's time, so that a CPU is faster step by step.
    """
    if on_accelerator():
        join = lambda one, two: (one[0] * two[0], two[0] * one[1] + two[1])  # noqa: E731
        keep, write = jax.lax.associative_scan(join, (keep, write), reverse=reverse)
        return keep * start[None] + write

    def step(held, inputs):
        held = inputs[0] * held + inputs[1]
        return held, held

    return jax.lax.scan(step, start, (keep, write), reverse=reverse)[1]


def scan_forward(keep: Array, write: Array, start: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    held = compose(keep, write, start)
    return held, (keep, held, start)


def scan_backward(saved: tuple[Array, Array, Array], slope: Array) -> tuple[Array, Array, Array]:
    """The worth of h[t] is its own slope, and what it keeps for h[t+1]: a linear recurrence again, from the end."""
    keep, held, start = saved
    kept = jnp.concatenate([keep[1:], jnp.zeros_like(keep[:1])])
    worth = compose(kept, slope, jnp.zeros_like(start), reverse=True)
    return worth * jnp.concatenate([start[None], held[:-1]]), worth, keep[0] * worth[0]


linear_scan.defvjp(scan_forward, scan_backward)


class LastingMemory(Memory):
    """A memory that lasts for several episodes, as in trials of several (RL^2: Duan et al. 2016, arXiv 1611.02779).

    That an episode begins is shown to it, and it is dropped only as the first of every `episodes` begins. The carry
    is how many have begun since, [] int32, beside the memory's own.
    """

    inner: Memory
    episodes: int

    def setup(self):
        nn.share_scope(self, self.inner)

    def start(self) -> PyTree:
        return jnp.int32(0), self.inner.start()

    def __call__(self, carry: PyTree, seen: Array, forget: Array) -> tuple[PyTree, Array]:
        begun, carry = carry
        carry, recalled = self.inner(carry, mark(seen, forget), forget & (begun == 0))
        return ((begun + forget) % self.episodes, carry), recalled

    def sequence(self, carry: PyTree, seen: Array, forget: Array) -> Array:
        begun, carry = carry
        begun = (begun + jnp.cumsum(forget, dtype=jnp.int32) - forget) % self.episodes
        return self.inner.sequence(carry, mark(seen, forget), forget & (begun == 0))


def mark(seen: Array, first: Array) -> Array:
    """Append whether an episode begins to what is seen, [..., hidden]."""
    return jnp.concatenate([seen, first[..., None].astype(seen.dtype)], -1)
