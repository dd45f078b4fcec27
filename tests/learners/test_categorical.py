"""Distributions over actions: how often, how uncertain, how far apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners import categorical

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def random_rows(num_rows: int, num_actions: int, spread: float = 3.0, seed: int = 0):
    """Logits and masks [rows, K]; at least one action of every row is allowed."""
    random = np.random.default_rng(seed)
    logits = (spread * random.normal(size=(num_rows, num_actions))).astype(np.float32)
    mask = random.random((num_rows, num_actions)) < 0.6
    mask[np.arange(num_rows), random.integers(num_actions, size=num_rows)] = True
    return logits, mask


def softmax(logits, mask):
    weight = np.where(mask, np.exp(np.float64(logits) - logits.max(-1, keepdims=True)), 0.0)
    return weight / weight.sum(-1, keepdims=True)


def test_log_probs_are_those_of_the_allowed_actions():
    logits, mask = random_rows(1000, 9)
    found = np.asarray(categorical.log_probs(logits, mask), np.float64)
    np.testing.assert_allclose(np.exp(found), softmax(logits, mask), atol=1e-6)
    assert (found[~mask] <= categorical.FORBIDDEN).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("num_actions", [2, 9])
def test_actions_are_picked_as_often_as_they_should_be(num_actions):
    """200,000 draws of each of 20 distributions: every count within 4 standard deviations, if it can happen at all."""
    draws = 200_000
    logits, mask = random_rows(20, num_actions, spread=1.0, seed=1)
    log_prob = categorical.log_probs(logits, mask)
    uniform = jax.random.uniform(jax.random.key(0), (20, draws))
    picked = jax.vmap(lambda u, row: jax.vmap(lambda u: categorical.sample(u, row))(u))(uniform, log_prob)
    count = np.stack([np.bincount(row, minlength=num_actions) for row in np.asarray(picked)])
    truth = softmax(logits, mask)
    deviation = np.sqrt(draws * truth * (1 - truth))
    z = np.abs(count - draws * truth) / np.maximum(deviation, 1e-9)
    assert count.shape == truth.shape
    assert z[(truth > 0) & (truth < 1)].max() < 4.0
    assert (count[truth == 0] == 0).all()


@pytest.mark.parametrize("num_actions", [2, 5, 9, 33])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0])
def test_a_masked_action_is_never_picked(num_actions, spread):
    """Also not at the ends of the uniform's range, nor when everything after the last allowed action is masked."""
    logits, mask = random_rows(20_000, num_actions, spread, seed=2)
    log_prob = categorical.log_probs(logits, mask)
    random = np.random.default_rng(3)
    edges = (
        0.0,
        np.float32(2.0**-24),
        BELOW_ONE,
        np.float32(1 - 2.0**-23),
        random.random(len(mask), np.float32),
    )
    for uniform in edges:
        action = np.asarray(categorical.sample(jnp.broadcast_to(uniform, len(mask)), log_prob))
        assert ((action >= 0) & (action < num_actions)).all()
        assert np.take_along_axis(mask, action[:, None], 1).all()


def test_the_uniform_is_inverted_exactly():
    log_prob = jnp.log(jnp.array([0.25, 0.0, 0.5, 0.25]))
    uniform = jnp.array([0.0, 0.2499, 0.25, 0.7499, 0.75, BELOW_ONE])
    picked = jax.vmap(categorical.sample, in_axes=(0, None))(uniform, log_prob)
    assert picked.tolist() == [0, 0, 2, 2, 3, 3]
    assert picked.dtype == jnp.int32


def test_entropy():
    logits, mask = random_rows(1000, 5, seed=4)
    truth = softmax(logits, mask)
    expected = -np.where(truth > 0, truth * np.log(np.maximum(truth, 1e-300)), 0.0).sum(-1)
    found = categorical.entropy(categorical.log_probs(logits, mask))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert categorical.entropy(jnp.log(jnp.full(4, 0.25))) == pytest.approx(np.log(4.0))


def test_divergence():
    logits, mask = random_rows(1000, 5, seed=5)
    other, _ = random_rows(1000, 5, seed=6)
    everything = np.ones_like(mask)
    truth, model = softmax(logits, mask), softmax(other, everything)
    expected = np.where(truth > 0, truth * np.log(np.maximum(truth, 1e-300) / model), 0.0).sum(-1)
    log_truth = categorical.log_probs(logits, mask)
    found = categorical.divergence(log_truth, categorical.log_probs(other, everything))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(categorical.divergence(log_truth, log_truth), 0.0, atol=1e-6)


def test_gradients_stay_finite_where_actions_are_masked():
    logits, mask = random_rows(100, 5, seed=7)

    def total(logits):
        log_prob = categorical.log_probs(logits, mask)
        allowed = jnp.argmax(mask, -1)
        return (categorical.entropy(log_prob) + categorical.pick(log_prob, allowed)).sum()

    gradient = np.asarray(jax.grad(total)(jnp.asarray(logits)))
    assert np.isfinite(gradient).all()
    assert (gradient[~mask] == 0).all()


def test_pick():
    values = jnp.arange(24.0).reshape(2, 3, 4)
    action = jnp.array([[0, 3, 1], [2, 2, 0]])
    assert categorical.pick(values, action).tolist() == [[0.0, 7.0, 9.0], [14.0, 18.0, 20.0]]
