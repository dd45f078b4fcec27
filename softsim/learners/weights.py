"""Initialisers of weights."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from softsim.machine import on_accelerator
from softsim.types import Array


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
