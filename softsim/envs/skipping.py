"""Work that is left out where nobody in the batch needs it.

Under `vmap` a condition that differs between environments becomes a select, and everybody pays for both sides. So
the condition here is one for all environments mapped together: whether *any* of them needs the work. What is skipped
must be work that changes nothing where it is not needed; then results are the same alone as in any batch, and an
environment is merely the faster the more its neighbours are like it.

An accelerator does a lot at once, and waits for its host to hear whether a loop goes on: there, less is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from softsim.machine import on_accelerator
from softsim.types import Array, T

CROWD = 10
"""Slots for agents from which on they take turns."""


def kept(value: Array) -> Array:
    """The value; on accelerators XLA is kept from computing it anew for each of its readers."""
    return jax.lax.optimization_barrier(value) if on_accelerator() else value


@jax.custom_batching.custom_vmap
def anywhere(flag: Array) -> Array:
    """Whether a flag, [] bool, holds in any of the environments that are mapped together: the same for them all."""
    return flag


@anywhere.def_vmap
def anywhere_in_batch(axis_size: int, in_batched: list[bool], flag: Array) -> tuple[Array, bool]:
    """The rule of `anywhere` under one more `vmap`."""
    if not in_batched[0]:
        return anywhere(flag), False
    # A product, since XLA unrolls `any` over many into its largest kernel.
    times = flag.astype(jnp.float32)
    return anywhere(jnp.dot(times, times) > 0), False


def where_needed(needed: Array, work: Callable[[T], T], value: T) -> T:
    """`work(value)` if it is needed, [] bool, anywhere; it must return `value` where it is not needed."""
    return jax.lax.cond(anywhere(needed), work, lambda value: value, value)


def while_needed(needed: Callable[[Any], Array], work: Callable[[T], T], value: T, at_most: int | None = None) -> T:
    """Repeat `work` as long as it is needed anywhere; it must change nothing that counts where it is not.

    Where it is needed so many times `at_most`, an accelerator does it as often without asking.
    """
    if at_most is not None and on_accelerator():
        return jax.lax.fori_loop(0, at_most, lambda _, value: work(value), value)
    return jax.lax.while_loop(lambda value: anywhere(needed(value)), work, value)


def for_agents(acts: Array, work: Callable[[Array], T], idle: int = 0) -> T:
    """Map `work`, of one slot, over the slots of agents, [A] bool which of them act; the others get `idle` throughout.

    `work` must return that, too, for an agent that does not act.

    Where there is room for many, agents take turns, up to the last that acts anywhere: so games for few do not pay for
    the slots that they leave empty. Where there is room for few, or on an accelerator, all go at once.
    """
    slot = jnp.arange(acts.size, dtype=jnp.int32)
    if acts.size < CROWD or on_accelerator():
        return jax.vmap(work)(slot)

    def turn(running):
        agent, done = running
        return agent + 1, jax.tree.map(lambda rows, row: rows.at[agent].set(row), done, work(agent))

    blank = jax.tree.map(lambda row: jnp.full((acts.size, *row.shape), idle, row.dtype), jax.eval_shape(work, slot[0]))
    last = jnp.where(acts, slot, -1).max()
    return while_needed(lambda running: running[0] <= last, turn, (jnp.int32(0), blank))[1]
