"""Distributions over actions from logits and a mask: the few functions that everything shares."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.types import Array

FORBIDDEN = -1e9
"""Logit of a masked action; finite, so that gradients and entropies stay so."""


def log_probs(logits: Array, mask: Array) -> Array:
    """Log-probabilities [..., K] of the allowed actions; forbidden ones get `FORBIDDEN` or less."""
    return jax.nn.log_softmax(jnp.where(mask, logits, FORBIDDEN))


def sample(uniform: Array, log_prob: Array) -> Array:
    """Pick actions by inverting the distribution function: one uniform [...] in [0, 1) per action.

    Returns:
        [...] int32; an action of probability 0 is never picked.
    """
    cumulative = jnp.cumsum(jnp.exp(log_prob), -1)
    below = cumulative <= (uniform * cumulative[..., -1])[..., None]
    return below.sum(-1, dtype=jnp.int32)


def masked_mean(values: Array, mask: Array) -> Array:
    """Mean of `values` where `mask`, of the same shape; 0 if nowhere."""
    weight = mask.astype(values.dtype)
    return (values * weight).sum() / jnp.maximum(weight.sum(), 1.0)


def standardize(values: Array, mask: Array) -> Array:
    """Shift and scale `values` to mean 0 and deviation 1 over those where `mask`, of the same shape."""
    centred = values - masked_mean(values, mask)
    return centred / (jnp.sqrt(masked_mean(centred**2, mask)) + 1e-6)


def pick(values: Array, action: Array) -> Array:
    """The entry of `values` [..., K] at `action` [...]."""
    return jnp.take_along_axis(values, action[..., None], -1)[..., 0]


def entropy(log_prob: Array) -> Array:
    """Entropy [...] in nats."""
    return -(jnp.exp(log_prob) * log_prob).sum(-1)


def divergence(log_prob: Array, log_model: Array) -> Array:
    """Kullback-Leibler divergence [...] in nats from the truth to a model, both [..., K] log-probabilities."""
    return (jnp.exp(log_prob) * (log_prob - log_model)).sum(-1)
