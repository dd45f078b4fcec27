"""Distances between ways of behaving, and what is made of them."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners import diversity
from softsim.learners.strategies import scripted
from softsim.types import Percept, UserError

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def test_behaviour_is_what_members_would_do():
    """A linear mind's softmax over the allowed actions, probe by probe."""
    said = scripted(3, 2, lambda percept: percept.observation)

    def apply(mind, carry, percept):
        return said.apply((), carry, dataclasses.replace(percept, observation=mind * percept.observation))

    policy = said._replace(apply=apply)
    probes = Percept(
        observation=jnp.log(jnp.array([[1.0, 2.0, 5.0], [4.0, 4.0, 8.0]])),
        reward=jnp.zeros(2),
        action_mask=jnp.array([[True, True, True], [True, True, False]]),
        first=jnp.ones(2, bool),
    )
    found = compiled(lambda minds: diversity.behaviour(policy, minds, probes))(jnp.array([0.0, 1.0]))
    wanted = [[[1 / 3] * 3, [0.5, 0.5, 0]], [[1 / 8, 2 / 8, 5 / 8], [0.5, 0.5, 0]]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_distance_is_total_variation_over_probes():
    """1 between those who never do the same, 0 from oneself, symmetric, and the triangle holds."""
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.dirichlet(np.ones(3), (5, 4)), np.eye(3)[[[0] * 4, [1] * 4, [0, 0, 1, 1]]]])
    found = np.asarray(compiled(diversity.distance)(jnp.float32(crowd), jnp.float32(crowd)))
    wanted = np.maximum(crowd[:, None] - crowd[None], 0).sum(-1).mean(-1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert (found[5, 6], found[5, 7], found[6, 7]) == (1.0, 0.5, 0.5)
    assert (found == found.T).all()
    assert (found[:, None] <= found[:, :, None] + found.T[None] + 1e-6).all()


def test_behaviour_in_a_few_numbers():
    """Who always does one thing, who does anything, who does what the probe says, and who does half of that."""
    always, copies = np.eye(3)[[1] * 6], np.eye(3)[[0, 1, 2] * 2]
    anything = np.full((6, 3), 1 / 3)
    crowd = jnp.array(np.stack([always, anything, copies, (copies + anything) / 2]), jnp.float32)
    told = 1 - -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 6)) / np.log(3)
    found = compiled(diversity.describe, static_argnums=1)(crowd, (1, 0))
    wanted = [[1, 0, 0], [1 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1], [1 / 3, 1 / 3, told]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(diversity.describe(crowd, ()), np.array(wanted)[:, 2:], atol=1e-6)


def test_fitness_is_shared_in_a_niche():
    """Three of a kind get a third each, one apart all of its own, and one half way in loses as much as it is near."""
    place = np.array([0.0, 0.0, 0.0, 0.9, 0.05])
    gap = jnp.float32(np.abs(place[:, None] - place[None]))
    share = compiled(diversity.share_fitness)
    shared = share(jnp.full(5, 6.0), gap, 0.1, 1.0)
    np.testing.assert_allclose(shared, [6 / 3.5, 6 / 3.5, 6 / 3.5, 6.0, 6 / 2.5], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(share(jnp.full(5, 6.0), gap, 0.1, 2.0))[0], 6 / 3.75, rtol=1e-5)
    unknown = np.asarray(share(jnp.full(5, 6.0).at[0].set(jnp.nan), gap, 0.1, 1.0))
    assert np.isnan(unknown).tolist() == [True] + [False] * 4
    lost = gap.at[4].set(jnp.nan).at[:, 4].set(jnp.nan)  # whose weights are NaN, and so what it would do
    np.testing.assert_allclose(share(jnp.full(5, 6.0), lost, 0.1, 1.0), [2, 2, 2, 6, np.nan], rtol=1e-5)


def test_novelty_is_distance_to_the_nearest_others():
    """Oneself does not count, a twin does, and so do the remembered."""
    novelty = compiled(diversity.novelty, static_argnums=1)
    place, past = np.array([0.0, 0.0, 0.4, 1.0]), np.array([0.9])
    gap = np.float32(np.abs(place[:, None] - np.append(place, past)[None]))
    np.testing.assert_allclose(novelty(gap[:, :4], 1), [0.0, 0.0, 0.4, 0.6], atol=1e-6)
    np.testing.assert_allclose(novelty(gap, 2), [0.2, 0.2, 0.4, 0.35], atol=1e-6)
    lost = gap[:, :4].copy()
    lost[3] = lost[:, 3] = np.nan
    np.testing.assert_allclose(novelty(lost, 3), [0.2, 0.2, 0.4, np.nan], atol=1e-6)
    for nearest in (0, 4):
        with pytest.raises(UserError, match=f"nearest: {nearest}; with 3 others it must be from 1 to 3"):
            diversity.novelty(gap[:, :4], nearest)


def test_cells_tile_the_range():
    first = jnp.array([0.0, 0.49, 0.5, 1.0, 7.0, 0.2, -jnp.inf])
    second = jnp.array([-1.0, 0.99, -0.2, 1.0, -9.0, jnp.nan, jnp.inf])
    low, high = jnp.array([0.0, -1.0]), jnp.array([1.0, 1.0])
    cell = compiled(diversity.cell_of, static_argnums=3)(jnp.stack([first, second], 1), low, high, (2, 5))
    assert cell.tolist() == [0, 4, 7, 9, 5, -1, 4]


def test_an_archive_keeps_the_fittest_of_each_cell():
    """Against a loop over newcomers; among equals the incumbent stays, NaN and members without a cell never enter."""
    rng = np.random.default_rng(1)
    archive = diversity.found_archive(7, {"weights": jnp.zeros(2), "kind": jnp.int32(0)})
    assert np.isnan(archive.fitness).all()
    insert, held = compiled(diversity.insert), {}
    for batch in range(6):
        cell, fitness = rng.integers(-1, 6, 9), np.float32(rng.choice([-1, 0, 1, 2, 3, np.nan], 9))
        kind = np.arange(9) + 10 * batch
        members = {"weights": jnp.float32(np.stack([kind, -kind], 1)), "kind": jnp.int32(kind)}
        archive = insert(archive, jnp.int32(cell), jnp.asarray(fitness), members)
        for c, f, k in zip(cell.tolist(), fitness.tolist(), kind.tolist(), strict=True):
            if c >= 0 and not np.isnan(f) and f > held.get(c, (-np.inf, 0))[0]:
                held[c] = f, k
    assert 3 < len(held) < 7
    archive = jax.tree.map(np.asarray, archive)
    for c in range(7):
        assert (c in held) == (not np.isnan(archive.fitness[c]))
        if c in held:
            assert (archive.fitness[c], archive.elite["kind"][c]) == held[c]
            assert archive.elite["weights"][c].tolist() == [held[c][1], -held[c][1]]
    drawn = np.asarray(compiled(diversity.draw_elites, static_argnums=2)(jax.random.key(0), archive, 3000))
    share = np.bincount(drawn, minlength=7) / 3000
    assert set(np.flatnonzero(share).tolist()) == set(held)
    assert np.abs(share[sorted(held)] - 1 / len(held)).max() < 0.04
