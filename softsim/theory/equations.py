"""Systems of linear equations of Markov chains."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.types import Array


def solve(system: Array, right: Array) -> Array:
    """Solve for one or more right sides, [n] or [n, k], where the system [n, n] is I - w M of a chain M.

    By elimination without exchanging rows, which is stable where the diagonal dominates (Higham 2002, section 9.5). So
    LAPACK is not called: stacks of its solutions deadlock on two cores (jaxlib 0.10.2), as its tasks hold the threads
    that they wait for.
    """
    size = system.shape[0]

    def eliminate(index: Array, table: Array) -> Array:
        row = table[index] / table[index, index]
        return (table - table[:, index, None] * row[None]).at[index].set(row)

    table = jnp.concatenate([system, right.reshape(size, -1)], 1)
    return jax.lax.fori_loop(0, size, eliminate, table, unroll=4)[:, size:].reshape(right.shape)
