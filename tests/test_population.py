"""Who sits where, and who leaves offspring."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import population
from softsim.learners.evolution import truncation
from softsim.learners.ppo import Hyper, ppo
from softsim.learners.strategies import scripted
from softsim.learners.structure import well_mixed
from softsim.population import Lineage, Population, Selection
from softsim.types import Learner

FIELDS = [field.name for field in dataclasses.fields(Hyper)]
BOUNDED = ("gamma", "gae_lambda", "epsilon_decay")  # said here anew: what mutates is their distance to 1
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
seat = compiled(population.seat, static_argnums=(1, 2))
numbers = Selection(jnp.float32(0.25), jnp.float32(0.75), jnp.float32(0.0))


@compiled
def select(key, fraction, rule, crowd, generation):
    near = well_mixed(crowd.fitness.shape[0])
    return population.select(key, truncation(fraction), near, rule, crowd, generation)


def people(fitness) -> Population:
    """A population whose every number says whose it is: member m has m in its weights, its optimiser and its hypers."""
    number = jnp.arange(len(fitness), dtype=jnp.float32)
    hyper = Hyper(**dict.fromkeys(FIELDS, 0.5 + number / 100.0))
    member = jnp.arange(len(fitness), dtype=jnp.int32)
    return Population(
        mind={"kernel": number[:, None] * jnp.ones((1, 3)), "bias": -number},
        learner=(member * 7, {"momentum": number[:, None] + jnp.zeros((1, 2))}),
        hyper=hyper,
        fitness=jnp.asarray(fitness, jnp.float32),
        lineage=Lineage(member, member[::-1], jnp.full(len(fitness), 4, jnp.int32)),
    )


def choose(fitness, fraction, mutation=0.25, seed=0, generation=9):
    before = people(fitness)
    rule = dataclasses.replace(numbers, mutation=jnp.float32(mutation))
    return before, select(jax.random.key(seed), jnp.float32(fraction), rule, before, jnp.int32(generation))


@pytest.mark.parametrize(("places", "members"), [(12, 3), (64, 8), (7, 7), (10, 1)])
def test_seating_is_a_balanced_permutation(places, members):
    place = seat(jax.random.key(0), places, members)
    assert (place.shape, place.dtype) == ((members, places // members), jnp.int32)
    assert sorted(np.asarray(place).reshape(-1).tolist()) == list(range(places))


def test_seating_is_drawn_anew_and_fair():
    """Over 4,000 keys every member sits in every place as often, within 4.5 standard deviations."""
    keys, draws = jax.random.split(jax.random.key(1), 4000), 4000
    place = np.asarray(compiled(jax.vmap(lambda key: population.seat(key, 12, 3)))(keys))
    count = np.array([[(place[:, m] == p).sum() for p in range(12)] for m in range(3)])
    deviation = np.sqrt(draws * (1 / 3) * (2 / 3))
    assert np.abs(count - draws / 3).max() < 4.5 * deviation


def test_the_best_replace_the_worst():
    """Weights, optimiser, hypers and fitness are copied; the i-th from below comes from the i-th from above."""
    before, after = choose([5.0, 1.0, 7.0, 3.0, 2.0, 6.0, 4.0, 0.0], fraction=0.25, mutation=0.0)
    parent = [0, 5, 2, 3, 4, 5, 6, 2]  # the worst, 7, from the best, 2; then 1 from 5
    assert after.lineage.parent.tolist() == parent
    for name in ("mind", "learner", "fitness"):
        old, new = jax.tree.leaves(getattr(before, name)), jax.tree.leaves(getattr(after, name))
        assert all((np.asarray(b) == np.asarray(a)[parent]).all() for a, b in zip(old, new, strict=True))
    np.testing.assert_allclose(after.hyper.learning_rate, before.hyper.learning_rate[jnp.array(parent)], rtol=1e-6)
    assert after.lineage.founder.tolist() == [7 - p for p in parent]
    assert after.lineage.born.tolist() == [4, 9, 4, 4, 4, 4, 4, 9]


def test_nobody_else_changes():
    before, after = choose([5.0, 1.0, 7.0, 3.0, 2.0, 6.0, 4.0, 0.0], fraction=0.25)
    kept = jnp.array([0, 2, 3, 4, 5, 6])
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (a[kept] == b[kept]).all()


def test_without_fitness_comes_last():
    _, after = choose([np.nan, 1.0, -1e30, 2.0], fraction=0.25)
    assert after.lineage.parent.tolist() == [3, 1, 2, 3]
    _, after = choose([np.nan, 1.0, np.nan, 2.0], fraction=0.5)
    assert sorted(after.lineage.parent.tolist()) == [1, 1, 3, 3]
    assert after.lineage.parent[jnp.array([1, 3])].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("size", "fraction", "replaced"),
    [
        (8, 0.5, 4),
        (7, 0.5, 3),
        (8, 0.49, 3),
        (8, 0.0, 0),
        (4, 0.2, 0),
        (1, 0.5, 0),
        (2, 0.5, 1),
        (3, 0.5, 1),
        (8, 0.9, 4),
    ],
)
def test_how_many_are_replaced(size, fraction, replaced):
    """As many as the fraction says, rounded down; never more than half, so that nobody is both parent and replaced."""
    fitness = np.random.default_rng(size).permutation(size).astype(float)
    _, after = choose(fitness, fraction)
    parent = np.asarray(after.lineage.parent)
    changed = np.flatnonzero(parent != np.arange(size))
    assert sorted(fitness[changed]) == list(range(replaced))
    assert sorted(fitness[parent[changed]]) == list(range(size - replaced, size))
    assert len(set(parent[changed])) == replaced


@pytest.mark.parametrize("size", [10, 20, 25, 50, 64])
def test_a_share_of_members_is_that_share(size):
    """k of n members, said as the fraction k / n, are k members, whatever float32 makes of the quotient."""
    crowd = people(np.arange(size))

    def replaced(fraction):
        after = select.__wrapped__(jax.random.key(0), fraction, numbers, crowd, jnp.int32(1))
        return (after.lineage.parent != crowd.lineage.parent).sum()

    share = np.arange(size // 2 + 1)
    assert compiled(jax.vmap(replaced))(jnp.float32(share / size)).tolist() == share.tolist()


def test_hypers_mutate_by_exactly_the_step():
    """Up or down by a factor 1.25, each about as often; what is bounded by its distance to 1."""
    ups = 0
    for seed in range(20):
        before, after = choose(np.arange(8.0), fraction=0.5, mutation=0.25, seed=seed)
        parent = after.lineage.parent
        for field in FIELDS:
            old, new = (
                np.asarray(getattr(before.hyper, field)[parent])[:4],
                np.asarray(getattr(after.hyper, field))[:4],
            )
            ratio = (1 - new) / (1 - old) if field in BOUNDED else new / old
            up, down = np.isclose(ratio, 1.25, rtol=1e-5), np.isclose(ratio, 0.8, rtol=1e-5)
            assert (up | down).all(), (field, ratio)
            ups += up.sum()
    drawn = 20 * 4 * len(FIELDS)
    assert abs(ups - drawn / 2) < 4.5 * np.sqrt(drawn) / 2


def test_mutants_differ_from_each_other():
    """Each member and each number draws its own direction."""
    hyper = Hyper(**{field: jnp.full(64, 0.5) for field in FIELDS})
    mutated = population.mutate(jax.random.key(0), jnp.float32(0.1), hyper, jnp.ones(64, bool))
    directions = np.stack([np.asarray(leaf) > 0.5 for leaf in jax.tree.leaves(mutated)])
    assert len({row.tobytes() for row in directions}) == len(FIELDS)
    assert len({row.tobytes() for row in directions.T}) > 30


def test_gamma_never_leaves_its_range():
    """However often it mutates, a discount stays within 0 to 1, and one that is 1 stays 1."""
    hyper = Hyper(**{field: jnp.array([0.0, 0.2, 0.99, 1.0]) for field in FIELDS})
    for key in jax.random.split(jax.random.key(0), 30):
        hyper = population.mutate(key, jnp.float32(0.5), hyper, jnp.ones(4, bool))
        for field in BOUNDED:
            value = np.asarray(getattr(hyper, field))
            assert ((value >= 0) & (value <= 1)).all()
            assert value[3] == 1.0


def test_fitness_is_a_moving_average_that_starts_with_the_first_measure():
    crowd = people([np.nan, 2.0])
    crowd = population.remember_fitness(numbers, crowd, jnp.array([8.0, 8.0]))
    assert crowd.fitness.tolist() == [8.0, 0.75 * 2.0 + 0.25 * 8.0]
    assert population.remember_fitness(numbers, crowd, jnp.array([4.0, 3.5])).fitness.tolist() == [7.0, 3.5]


def test_founders():
    """Each with weights of its own that do not depend on who else is there; no fitness yet; all numbers as given."""
    policy = scripted(2, 2, lambda percept: jnp.zeros(2))._replace(init=lambda key: {"w": jax.random.normal(key, (3,))})
    hyper = Hyper(**dict.fromkeys(FIELDS, 0.5))
    few, many = (population.found(jax.random.key(0), policy, ppo(policy), hyper, size) for size in (3, 6))
    assert (few.mind["w"] == many.mind["w"][:3]).all()
    assert len(np.unique(np.asarray(many.mind["w"]))) == 18
    assert np.isnan(many.fitness).all()
    assert many.lineage.parent.tolist() == many.lineage.founder.tolist() == list(range(6))
    assert many.lineage.born.tolist() == [0] * 6
    assert all(leaf.tolist() == [0.5] * 6 and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(many.hyper))


def test_founders_may_have_neither_weights_nor_an_optimiser():
    """A scripted mind among the learners, say."""
    policy = scripted(2, 2, lambda percept: jnp.zeros(2))
    idle = Learner(init=lambda params: (), update=lambda key, hyper, params, state, trajectory: (params, state, {}))
    hyper = Hyper(**dict.fromkeys(FIELDS, 0.5))
    people = population.found(jax.random.key(0), policy, idle, hyper, 3)
    assert people.mind == people.learner == ()
    assert people.fitness.shape == (3,)
