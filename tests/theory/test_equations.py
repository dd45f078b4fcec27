"""Equations of Markov chains are solved as LAPACK would, without it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.theory.equations import solve


def systems(size: int, continuation: float, count: int = 200) -> np.ndarray:
    """I - w M of random chains, half of which hardly mix, [count, size, size]."""
    rng = np.random.default_rng(size)
    weight = rng.uniform(size=(count, size, size)) ** np.where(np.arange(count) % 2, 1, 30)[:, None, None]
    return np.eye(size) - continuation * weight / weight.sum(-1, keepdims=True)


@pytest.mark.parametrize(("size", "continuation"), [(1, 0.5), (4, 0.0), (4, 0.96), (4, 0.9999), (11, 0.99)])
def test_elimination_solves_what_a_library_does(size, continuation):
    """Also transposed, and for several right sides."""
    system, right = systems(size, continuation), np.random.default_rng(0).normal(size=(200, size, 2))
    with jax.enable_x64(True):
        for given in (system, system.swapaxes(1, 2)):
            np.testing.assert_allclose(jax.jit(jax.vmap(solve))(given, right), np.linalg.solve(given, right), rtol=1e-9)
            one = jax.vmap(solve)(given, right[..., 0])
            np.testing.assert_allclose(one, np.linalg.solve(given, right)[..., 0], rtol=1e-9)


def test_its_derivative_is_that_of_the_inverse():
    """Of the sum of x in S x = b by S: - (S^-T 1) x^T."""
    system, right = systems(4, 0.9, 1)[0], np.arange(4.0)
    with jax.enable_x64(True):
        found = jax.grad(lambda system: solve(system, jnp.array(right)).sum())(jnp.array(system))
    known = -np.outer(np.linalg.solve(system.T, np.ones(4)), np.linalg.solve(system, right))
    np.testing.assert_allclose(found, known, rtol=1e-9)


def test_no_library_is_called():
    """Stacks of its solutions deadlock on a CPU."""
    stacks = jax.ShapeDtypeStruct((8, 4, 4), jnp.float32), jax.ShapeDtypeStruct((8, 4), jnp.float32)
    assert "custom_call" not in jax.jit(jax.vmap(solve)).lower(*stacks).as_text()
