"""Initialisers of weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from softsim.types import Array


def orthogonal(scale: float = 1.0) -> Any:
    """Orthogonal matrices, uniformly distributed: the shorter of rows and columns are orthonormal, times `scale`.

    What a QR decomposition of normal numbers gives, by products with vectors only. LAPACK's does not batch, and
    deadlocks in stacks on two cores (jaxlib 0.10.2): tasks of the pool of threads wait for others that it has no thread
    for. And what calls a library cannot be kept compiled for the next start without being traced again.
    """

    def draw(key: Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> Array:
        rows = jax.random.normal(key, (min(shape), max(shape)), dtype)

        def straighten(index: Array, rows: Array) -> Array:
            # Modified Gram-Schmidt. Earlier rows are straightened once more too, which leaves rounding errors only.
            direction = rows[index] / jnp.linalg.norm(rows[index])
            return (rows - (rows @ direction)[:, None] * direction[None]).at[index].set(direction)

        rows = jax.lax.fori_loop(0, min(shape), straighten, rows)
        return scale * (rows.T if shape[0] >= shape[1] else rows)

    return draw
