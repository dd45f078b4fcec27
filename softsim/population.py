"""Populations: members side by side, who sits where, and who leaves offspring."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from softsim.types import Array, Learner, Policy, PyTree, struct


@struct
class Lineage:
    """Where each member comes from, [P] int32."""

    parent: Array  # member it was copied from at the last selection; itself if it was kept
    founder: Array  # member of the first round it descends from
    born: Array  # round of its last replacement, 0 for founders


@struct
class Population:
    """P learners and what evolution knows of them; leaves [P, ...]."""

    mind: PyTree  # weights
    learner: PyTree  # optimiser state
    hyper: PyTree  # [P] float32 each
    fitness: Array  # [P] float32   moving average of the fitness measure; NaN before the first round
    lineage: Lineage


@struct
class Selection:
    """The numbers of truncation selection."""

    fraction: Array  # [] float32   of the members that are replaced, and by copies of as many of the best
    mutation: Array  # [] float32   a copied hyperparameter is multiplied or divided by 1 + mutation, as likely
    memory: Array  # [] float32   weight of the past in the fitness average


def found(key: Array, policy: Policy, learner: Learner, hyper: PyTree, num_members: int) -> Population:
    """Make the first generation; member i draws its weights from `fold_in(key, i)`, whoever else is there."""
    member = jnp.arange(num_members, dtype=jnp.int32)
    mind = jax.vmap(lambda i: policy.init(jax.random.fold_in(key, i)))(member)
    return Population(
        mind=mind,
        learner=jax.vmap(learner.init, axis_size=num_members)(mind),
        hyper=jax.tree.map(lambda number: jnp.full(num_members, number, jnp.float32), hyper),
        fitness=jnp.full(num_members, jnp.nan, jnp.float32),
        lineage=Lineage(member, member, jnp.zeros_like(member)),
    )


def seat(key: Array, num_places: int, num_members: int) -> Array:
    """Seat members at random, each in as many places: [M, S] int32, a permutation of the places cut in M parts."""
    return jax.random.permutation(key, num_places).astype(jnp.int32).reshape(num_members, -1)


def remember_fitness(selection: Selection, population: Population, measured: Array) -> Population:
    """Average a round's measured fitness [P] into what is remembered."""
    past = jnp.where(jnp.isnan(population.fitness), measured, population.fitness)
    return dataclasses.replace(population, fitness=selection.memory * past + (1.0 - selection.memory) * measured)


def select(key: Array, selection: Selection, population: Population, generation: Array) -> Population:
    """Replace the least fit by mutated copies of the fittest (truncation, as in PBT: Jaderberg et al. 2017,
    arXiv 1711.09846): weights, optimiser and hyperparameters are copied, hyperparameters perturbed.

    The member ranked i from below is replaced by the one ranked i from above. Members without fitness rank lowest.
    """
    num_members = population.fitness.shape[0]
    fitness = jnp.where(jnp.isnan(population.fitness), -jnp.inf, population.fitness)
    order = jnp.argsort(fitness).astype(jnp.int32)
    rank = jnp.argsort(order).astype(jnp.int32)
    replaced = rank < jnp.floor(selection.fraction * num_members).astype(jnp.int32)
    replaced = replaced & (rank < num_members // 2)
    member = jnp.arange(num_members, dtype=jnp.int32)
    parent = jnp.where(replaced, order[num_members - 1 - rank], member)

    copied = jax.tree.map(lambda leaf: leaf[parent], population)
    lineage = Lineage(parent, copied.lineage.founder, jnp.where(replaced, generation, copied.lineage.born))
    hyper = mutate(key, selection.mutation, copied.hyper, replaced)
    return dataclasses.replace(copied, hyper=hyper, lineage=lineage)


BOUNDED = ("gamma", "gae_lambda")
"""Hyperparameters below 1, whose distance to 1 is what mutates."""


def mutate(key: Array, mutation: Array, hyper: PyTree, mutants: Array) -> PyTree:
    """Multiply or divide the hyperparameters of the mutants [P] by `1 + mutation`."""
    leaves, tree = jax.tree_util.tree_flatten_with_path(hyper)
    changed = []
    for leaf_key, (path, leaf) in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
        up = jax.random.bernoulli(leaf_key, shape=leaf.shape)
        factor = jnp.where(up, 1.0 + mutation, 1.0 / (1.0 + mutation))
        bounded = getattr(path[-1], "name", "") in BOUNDED
        new = 1.0 - jnp.minimum((1.0 - leaf) * factor, 1.0) if bounded else leaf * factor
        changed.append(jnp.where(mutants, new, leaf))
    return tree.unflatten(changed)
