"""Minibatch gradient descent: several epochs over the same experience."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from softsim.types import Array, PyTree, UserError


def descend(
    key: Array,
    loss: Callable[[PyTree, PyTree], tuple[Array, dict[str, Array]]],
    optimizer: optax.GradientTransformation,
    learning_rate: Array,
    params: PyTree,
    state: PyTree,
    data: PyTree,
    num_epochs: int,
    num_minibatches: int,
) -> tuple[PyTree, PyTree, dict[str, Array]]:
    """Go down a loss, one step per minibatch, the data in another order every epoch.

    Minibatches are cut over the leading axis, never over time, so that memory is rebuilt from where experience began.

    Args:
        loss: (params, minibatch) -> loss and metrics.
        data: leaves [rows, ...]: seats, or tables.

    Returns:
        Params, optimiser state, and the means of the metrics.

    Raises:
        UserError: the rows do not divide into as many minibatches.
    """
    rows = jax.tree.leaves(data)[0].shape[0]
    if rows % num_minibatches:
        raise UserError(f"num_minibatches: {num_minibatches} does not divide {rows} seats or tables of a member.")

    def minibatch(learner, chosen):
        params, state = learner
        batch = jax.tree.map(lambda leaf: leaf[chosen], data)
        gradient, metrics = jax.grad(loss, has_aux=True)(params, batch)
        direction, state = optimizer.update(gradient, state, params)
        params = jax.tree.map(lambda p, d: p - learning_rate * d, params, direction)
        return (params, state), metrics | {"gradient_norm": optax.tree.norm(gradient)}

    orders = jax.vmap(lambda key: jax.random.permutation(key, rows))(jax.random.split(key, num_epochs))
    batches = orders.reshape(num_epochs * num_minibatches, -1)
    (params, state), metrics = jax.lax.scan(minibatch, (params, state), batches)
    return params, state, jax.tree.map(jnp.mean, metrics)
