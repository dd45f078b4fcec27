"""Populations: members side by side, who sits where, and who leaves offspring."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from softsim import heredity
from softsim.learners.diversity import Archive, draw_elites
from softsim.learners.evolution import Choose, inherit
from softsim.learners.structure import Structure
from softsim.types import Array, Learner, Policy, PyTree, struct


@struct
class Lineage:
    """Where each member comes from, [P] int32."""

    parent: Array  # member it was copied from after the last round; itself if it was kept, or is from an archive
    founder: Array  # member of the first round it descends from (`selection.name_founders` where members migrate)
    born: Array  # round of its last replacement, 0 for founders


@struct
class Population:
    """P learners and what evolution knows of them; leaves [P, ...]."""

    mind: PyTree  # weights
    learner: PyTree  # optimiser state
    hyper: PyTree  # [P] float32 each
    fitness: Array  # [P] float32   moving average of the fitness measure; NaN before the first round
    lineage: Lineage
    genes: dict[str, Array] = dataclasses.field(default_factory=dict)  # [P, ...] float32: see `heredity`
    births: PyTree = ()  # [P, P] int32   between any two, on the path through their common ancestor; if anybody asks


@struct
class Selection:
    """The numbers of selection, whatever its rule."""

    mutation: Array  # [] float32   a copied hyperparameter is multiplied or divided by 1 + mutation, as likely
    memory: Array  # [] float32   weight of the past in the fitness average
    step: Array  # [] float32   standard deviation of what is added to a copied gene


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


def select(
    key: Array,
    choose: Choose,
    structure: Structure,
    selection: Selection,
    population: Population,
    generation: Array,
    archive: PyTree = (),
) -> Population:
    """Replace members by mutated copies of their parents, as in PBT (Jaderberg et al. 2017, arXiv 1711.09846): weights,
    optimiser, hyperparameters, genes and fitness are copied; hyperparameters and genes are perturbed.

    Args:
        archive: an `Archive` of members whose elites are the parents, instead of those that the rule names; or nothing.
    """
    used = len(jax.tree.leaves(population.hyper))  # by `mutate`, which splits the key into as many
    key_choose, key_genes, key_elite = (jax.random.fold_in(key, used + i) for i in range(3))
    parent = choose(key_choose, population.fitness, structure)
    replaced = parent != jnp.arange(parent.shape[0], dtype=jnp.int32)
    births = jax.tree.map(lambda table: heredity.descend(table, parent, replaced), population.births)
    copied = inherit(parent, dataclasses.replace(population, births=()))
    if isinstance(archive, Archive):
        copied, parent, births = adopt(key_elite, archive, replaced, copied, parent, births)
    return dataclasses.replace(
        copied,
        hyper=mutate(key, selection.mutation, copied.hyper, replaced),
        lineage=Lineage(parent, copied.lineage.founder, jnp.where(replaced, generation, copied.lineage.born)),
        genes=heredity.mutate(key_genes, selection.step, copied.genes, replaced),
        births=births,
    )


def adopt(
    key: Array, archive: Archive, replaced: Array, copied: Population, parent: Array, births: PyTree
) -> tuple[Population, Array, PyTree]:
    """Put copies of elites, each as likely, in the places of all who are replaced, [P] bool.

    They are strangers to all, as migrants are. While the archive is empty everything stays as it is.
    """
    itself = jnp.arange(parent.shape[0], dtype=jnp.int32)
    drawn = draw_elites(key, archive, itself.size)
    adopted = replaced & ~jnp.isnan(archive.fitness[drawn])

    def put(elite: Array, copy: Array) -> Array:
        return jax.vmap(jnp.where)(adopted, elite[drawn], copy)

    nobody = heredity.strangers(itself.size)
    births = jax.tree.map(lambda table: heredity.join(table, nobody, itself, ~adopted), births)
    return jax.tree.map(put, archive.elite, copied), jnp.where(adopted, itself, parent), births


BOUNDED = ("gamma", "gae_lambda", "epsilon_decay")
"""Hyperparameters below 1, whose distance to 1 is what mutates."""


def mutate(key: Array, mutation: Array, hyper: PyTree, mutants: Array) -> PyTree:
    """Multiply or divide the hyperparameters of the mutants [P] by `1 + mutation`."""
    leaves, tree = jax.tree_util.tree_flatten_with_path(hyper)
    changed, ups = [], jax.random.bernoulli(key, shape=(len(leaves), *mutants.shape))  # at once: each draw is compiled
    for up, (path, leaf) in zip(ups, leaves, strict=True):
        factor = jnp.where(up, 1.0 + mutation, 1.0 / (1.0 + mutation))
        bounded = getattr(path[-1], "name", "") in BOUNDED
        new = 1.0 - jnp.minimum((1.0 - leaf) * factor, 1.0) if bounded else leaf * factor
        changed.append(jnp.where(mutants, new, leaf))
    return tree.unflatten(changed)
