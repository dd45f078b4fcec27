"""Random keys of many at once. Each population, member and step has its own, so that nothing depends on company."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.types import Array


def split_each(key: Array, num: int) -> tuple[Array, ...]:
    """Split every one of [N] keys into `num` purposes, each [N]."""
    return jax.vmap(lambda key: tuple(jax.random.split(key, num)))(key)


def fold_each(key: Array, number: Array) -> Array:
    """Fold one number, [] int32, into every one of [N] keys."""
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(key, number)


def of_members(key: Array, num_members: int) -> Array:
    """Give each member of every population its own key: [N] -> [N, M]; member m folds m in."""
    return jax.vmap(lambda key: jax.vmap(lambda m: jax.random.fold_in(key, m))(jnp.arange(num_members)))(key)
