"""How differently members behave, and what keeps a population from becoming all the same.

Behaviour is what members would do on a bank of probes: percepts that all of them are shown. From the distances between
members follow shared fitness, which crowded ways of behaving divide among themselves, and novelty; both are fitness for
any rule of `softsim.learners.evolution`. A MAP-Elites archive keeps the fittest of every kind of behaviour instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr

from softsim.learners import categorical
from softsim.types import SEATS, Array, Percept, Policy, PyTree, UserError, struct


def behaviour(policy: Policy, minds: PyTree, probes: Percept) -> Array:
    """Ask every member what it would do on every probe, with nothing remembered.

    Args:
        minds: leaves [P, ...]; probes: leaves [B, ...].

    Returns:
        [P, B, K] float32 probabilities of actions.
    """

    def answer(mind: PyTree, percept: Percept) -> Array:
        logits = policy.apply(mind, policy.start(), percept)[1].logits
        return jnp.exp(categorical.log_probs(logits, percept.action_mask))

    answers = jax.vmap(answer, in_axes=(None, 0), axis_name=SEATS)
    return jax.vmap(answers, in_axes=(0, None))(minds, probes)


def distance(one: Array, other: Array) -> Array:
    """Measure how differently two groups behave, [P, B, K] and [Q, B, K]: [P, Q] float32 from 0 to 1.

    Total variation, averaged over probes: the share of answers that no coupling of the two could make alike.
    """

    def from_one(answers: Array) -> Array:
        return 0.5 * jnp.abs(answers[None] - other).sum(-1).mean(-1)

    return jax.lax.map(from_one, one)


def share_fitness(fitness: Array, distance: Array, radius: Array | float, exponent: float = 1.0) -> Array:
    """Divide fitness by how crowded it is around a member (Goldberg and Richardson 1987, ICGA 2).

    `f_i / sum_j max(0, 1 - (d_ij / radius)^exponent)`; the sum counts oneself as 1. Who is at no known distance, NaN,
    even from itself gets NaN, and crowds nobody.

    Args:
        fitness: [P] float32, at least 0: dividing makes negative fitness better. distance: [P, P].
        radius: distance from which on two do not compete.
    """
    crowd = jnp.nansum(jnp.maximum(0.0, 1.0 - (distance / radius) ** exponent), 1)
    return fitness / jnp.where(crowd > 0.0, crowd, jnp.nan)


def novelty(distance: Array, nearest: int) -> Array:
    """Average the distance to the nearest others, [P] float32 (Lehman and Stanley 2011, Evol. Comput. 19:189).

    Distances that are NaN do not count; who has no other is as novel as NaN.

    Args:
        distance: [P, P + M], between members, and from members to M remembered others if there are any.
        nearest: how many others count.

    Raises:
        UserError: there are fewer others.
    """
    members, known = distance.shape
    if not 1 <= nearest < known:
        raise UserError(f"nearest: {nearest}; with {known - 1} others it must be from 1 to {known - 1}.")
    oneself = jnp.eye(members, known, dtype=bool)
    return jnp.nanmean(jnp.sort(jnp.where(oneself, jnp.nan, distance), 1)[:, :nearest], 1)


def describe(answers: Array, actions: Sequence[int]) -> Array:
    """Say in a few numbers from 0 to 1 how members behave: [P, F] float32, F one more than the actions.

    How often each of the actions is taken, over all probes; and how much what is done depends on the probe: their
    mutual information (Shannon 1948, Bell Syst. Tech. J. 27:379), in units of log K, the most there can be.

    Args:
        answers: [P, B, K] float32, from `behaviour`.
    """
    often = answers.mean(1)
    told = entr(often).sum(-1) - entr(answers).sum(-1).mean(-1)
    return jnp.concatenate([often[:, np.array(actions, int)], told[:, None] / np.log(answers.shape[2])], 1)


@struct
class Archive:
    """The fittest found in each of C cells of behaviour (MAP-Elites: Mouret and Clune 2015, arXiv 1504.04909)."""

    elite: PyTree  # leaves [C, ...]
    fitness: Array  # [C] float32   NaN where the cell is empty


def found_archive(num_cells: int, member: PyTree) -> Archive:
    """Make an empty archive for what looks like one member."""
    elite = jax.tree.map(lambda leaf: jnp.zeros((num_cells, *jnp.shape(leaf)), jnp.result_type(leaf)), member)
    return Archive(elite, jnp.full(num_cells, jnp.nan, jnp.float32))


def cell_of(descriptor: Array, low: Array, high: Array, bins: Sequence[int]) -> Array:
    """Find the cell of each member on a regular grid over descriptors, the last one varying fastest.

    Args:
        descriptor: [P, F] float32, such as how often one cooperates and how much that depends on the other.
        low, high: [F] the range that is cut into `bins` [F] parts; what lies outside falls in the nearest.

    Returns:
        [P] int32, below the product of bins; -1 where a descriptor is NaN.
    """
    parts = jnp.asarray(bins, jnp.int32)[None]
    place = (descriptor - low[None]) / (high - low)[None] * parts
    place = jnp.clip(place, 0, parts - 1).astype(jnp.int32)
    weight = np.append(np.cumprod(np.array(bins)[::-1])[::-1][1:], 1)
    cell = (place * jnp.asarray(weight, jnp.int32)[None]).sum(1)
    return jnp.where(jnp.isnan(descriptor).any(1), -1, cell)


def insert(archive: Archive, cell: Array, fitness: Array, members: PyTree) -> Archive:
    """Let the fittest newcomer of each cell, of equals the first, have it if it is fitter than who is there.

    Args:
        cell: [P] int32, negative for members that have none. fitness: [P] float32; NaN never enters.
        members: leaves [P, ...].
    """
    num_cells, num_members = archive.fitness.shape[0], fitness.shape[0]
    enters = (cell >= 0) & ~jnp.isnan(fitness)
    segment = jnp.where(enters, cell, num_cells)  # the one past the last is dropped
    best = jax.ops.segment_max(fitness, segment, num_cells + 1)
    first = jnp.where(fitness == best[segment], jnp.arange(num_members, dtype=jnp.int32), num_members)
    winner = jax.ops.segment_min(first, segment, num_cells + 1)[:-1]
    taken = (winner < num_members) & ~(best[:-1] <= archive.fitness)

    def replace(old: Array, new: Array) -> Array:
        shape = (num_cells, *[1] * (old.ndim - 1))
        return jnp.where(taken.reshape(shape), new[jnp.minimum(winner, num_members - 1)], old)

    return dataclasses.replace(
        archive,
        elite=jax.tree.map(replace, archive.elite, members),
        fitness=jnp.where(taken, best[:-1], archive.fitness),
    )


def draw_elites(key: Array, archive: Archive, number: int) -> Array:
    """Draw cells that are not empty, each as likely, with replacement: [number] int32. One must not be."""
    filled = ~jnp.isnan(archive.fitness)
    return jax.random.choice(key, filled.shape[0], (number,), p=filled / filled.sum()).astype(jnp.int32)
