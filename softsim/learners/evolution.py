"""Selection on the device: who is replaced by a copy of whom, as pure functions from fitness to parents.

A rule is made once, with its numbers, and works for whatever a member is (networks, tables, scripted types):

    choose(key, fitness [P] float32, structure) -> parent [P] int32        itself where the member is kept
    inherit(parent, tree)                                                  every leaf gathered on axis P

Rules of generations (`truncation`, `tournament`, `proportional`, `imitate_best`) decide on all members at once; rules
of events (`moran_birth_death`, `moran_death_birth`, `fermi`) replace at most one member a call.

What is the same for all: NaN fitness ranks below every number, and among equals chance decides. Where fitness decides
how fast one reproduces (`proportional`, both `moran`), it is that rate itself, negative fitness being a rate of 0; or,
if an intensity s is given, the rate is `exp(s fitness)`, which no payoff makes negative (Traulsen, Shoresh, Nowak 2008,
Bull. Math. Biol. 70:1410). NaN is a rate of 0, and where nobody who might has a rate above 0, parents are drawn
uniformly. Every rule raises `UserError` if the structure is of another size.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from softsim.learners.structure import (
    Structure,
    anyone,
    around,
    check_size,
    cumulate,
    first_above,
    weighted,
    well_mixed,
)
from softsim.types import Array, PyTree, UserError

Choose = Callable[[Array, Array, Structure], Array]
"""A rule of selection: (key, fitness [P] float32, structure) -> parent [P] int32."""


def inherit(parent: Array, tree: PyTree) -> PyTree:
    """Give every member what its parent [P] has; leaves are [P, ...]."""
    return jax.tree.map(lambda leaf: leaf[parent], tree)


def truncation(fraction: Array | float) -> Choose:
    """Replace the least fit of each neighbourhood by copies of as many of its fittest (as in population based
    training: Jaderberg et al. 2017, arXiv 1711.09846, section 4.1.1).

    Of n in a neighbourhood, oneself included, the one ranked i from below becomes a copy of the one ranked i from
    above, for i below `fraction` n, and at most n / 2: nobody is both copied and replaced where all are neighbours.
    Jaderberg et al. draw the fitter one at random; here each of them is copied once, which is as often on average.
    """

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        order = ranking(key, fitness)
        rank = jnp.argsort(order).astype(jnp.int32)
        table = jnp.sort(jnp.where(structure.counts, rank[structure.neighbour], member.shape[0]), 1)
        row = structure.row
        below = jax.vmap(first_above, in_axes=(None, 0, 0))(table, row, rank - 1)
        listed = (below < structure.size[row]) & (table[row, below] == rank)  # in its own row
        size = structure.size[row] + ~listed
        replaced = below < jnp.minimum(jnp.floor(fraction * size).astype(jnp.int32), size // 2)
        mirrored = jnp.where(replaced, structure.size[row] - 1 - below, 0)
        return jnp.where(replaced, order[table[row, mirrored]], member)

    return choose


def tournament(size: int) -> Choose:
    """Let each member meet `size - 1` neighbours, drawn with replacement; it becomes a copy of the fittest of them if
    that one is fitter. With 2 it is the binary tournament of Jaderberg et al. 2017 (arXiv 1711.09846).

    Raises:
        UserError: fewer than two meet, or, when it is used, more than there are members.
    """
    if size < 2:
        raise UserError(f"tournament: {size} contestants; there must be at least 2.")

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        if size > member.shape[0]:
            raise UserError(f"tournament: {size} contestants, but the population has {member.shape[0]} members.")
        draw = jax.vmap(jax.vmap(anyone, in_axes=(None, None, 0)), in_axes=(None, 0, 0))
        other = draw(structure, member, jax.random.uniform(key, (member.shape[0], size - 1)))
        known = _ranked(fitness)
        best = jnp.take_along_axis(other, jnp.argmax(known[other], 1)[:, None], 1)[:, 0]
        return jnp.where(known[best] > known, best, member)

    return choose


def proportional(intensity: Array | float | None = None) -> Choose:
    """Fill every place with a child of one of its neighbours, drawn by their rates: the Wright-Fisher process where all
    are neighbours of all and of themselves (`well_mixed(P, include_self=True)`)."""

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        cumulative = cumulate(structure, _rates(fitness[structure.neighbour], structure.counts, intensity))
        draw = jax.vmap(weighted, in_axes=(None, None, 0, 0))
        return draw(structure, cumulative, member, jax.random.uniform(key, member.shape))

    return choose


def imitate_best() -> Choose:
    """Become, all at the same time, a copy of the fittest neighbour if that one is fitter than oneself (Nowak and May
    1992, Nature 359:826). Where all are equal everybody stays."""

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        known = _ranked(fitness)
        near = jnp.where(structure.counts, known[structure.neighbour], -jnp.inf)
        best = near.max(1)
        cumulative = cumulate(structure, (near == best[:, None]).astype(jnp.float32))
        draw = jax.vmap(weighted, in_axes=(None, None, 0, 0))
        fittest = draw(structure, cumulative, member, jax.random.uniform(key, member.shape))
        return jnp.where(known >= best[structure.row], member, fittest)

    return choose


def moran_birth_death(intensity: Array | float | None = None) -> Choose:
    """Let one member, drawn from all by their rates, replace a random neighbour by a child (Moran 1958; on graphs
    Lieberman, Hauert, Nowak 2005, Nature 433:312)."""

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        birth, place = jax.random.uniform(key, (2,))
        everyone = well_mixed(member.shape[0], include_self=True)
        rates = _rates(fitness[None], everyone.counts, intensity)
        parent = weighted(everyone, cumulate(everyone, rates), member[0], birth)
        return jnp.where(member == anyone(structure, parent, place), parent, member)

    return choose


def moran_death_birth(intensity: Array | float | None = None) -> Choose:
    """Let one member, any as likely, die, and its neighbours compete for the place by their rates (Ohtsuki, Hauert,
    Lieberman, Nowak 2006, Nature 441:502)."""

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        death, heir = jax.random.uniform(key, (2,))
        dead = _any_member(member, death)
        near = around(structure, dead)
        # The dead may be the fittest by far: beside its rate those of the others would be lost in rounding.
        alive = near.counts & (jnp.arange(near.neighbour.shape[1], dtype=jnp.int32) != near.skip[dead])[None]
        parent = weighted(near, cumulate(near, _rates(fitness[near.neighbour], alive, intensity)), dead, heir)
        return jnp.where(member == dead, parent, member)

    return choose


def fermi(beta: Array | float) -> Choose:
    """Let one member, any as likely, compare itself with a random neighbour, and become its copy with probability
    `1 / (1 + exp(-beta (its fitness - one's own)))` (Traulsen, Nowak, Pacheco 2006, Phys. Rev. E 74:011909)."""

    def choose(key, fitness, structure):
        member = _members(fitness, structure)
        learner, model, mood = jax.random.uniform(key, (3,))
        one = _any_member(member, learner)
        other = anyone(structure, one, model)
        known = _ranked(fitness)
        gain = jnp.where(known[other] == known[one], 0.0, beta * (known[other] - known[one]))
        return jnp.where((member == one) & (mood < jax.nn.sigmoid(gain)), other, member)

    return choose


def ranking(key: Array, fitness: Array) -> Array:
    """Sort members from the least fit to the fittest, [P] int32; chance orders equals, and NaN comes first."""
    return jnp.lexsort((jax.random.bits(key, fitness.shape), _ranked(fitness))).astype(jnp.int32)


def migrate(
    key: Array, count: int, islands: PyTree, onward: Callable[[Array], Array] = lambda leaf: jnp.roll(leaf, 1, 0)
) -> PyTree:
    """Let `count` random members of each population take the places of as many in the next, around a ring.

    Nobody is copied or lost: it is a permutation. Between devices that hold different populations only migrants move.

    Args:
        key: [N]. islands: leaves [N, P, ...]. onward: carries what each population sends, [N, ...], to the next.

    Raises:
        UserError: populations differ in number or size from leaf to leaf, or have fewer members than are to leave.
    """
    shapes = sorted({leaf.shape[:2] for leaf in jax.tree.leaves(islands)})
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise UserError(f"islands: populations are unlike, with (number, members) {shapes}; all must be of one size.")
    size = shapes[0][1]
    if not 0 <= count <= size:
        raise UserError(f"count: {count} migrants of a population of {size} members; it must be from 0 to {size}.")
    place = jax.vmap(lambda key: jax.random.permutation(key, size)[:count])(key)
    take = jax.vmap(lambda leaf, place: leaf[place])
    put = jax.vmap(lambda leaf, place, arriving: leaf.at[place].set(arriving))
    return jax.tree.map(lambda leaf: put(leaf, place, onward(take(leaf, place))), islands)


def _members(fitness: Array, structure: Structure) -> Array:
    check_size(structure, fitness.shape[0])
    return jnp.arange(fitness.shape[0], dtype=jnp.int32)


def _any_member(member: Array, uniform: Array) -> Array:
    return (uniform * member.shape[0]).astype(jnp.int32)


def _ranked(fitness: Array) -> Array:
    return jnp.where(jnp.isnan(fitness), -jnp.inf, fitness)


def _rates(fitness: Array, counts: Array, intensity: Array | float | None) -> Array:
    """Rates of reproduction, [G, D], of those who count; with an intensity, in units of the greatest in each row."""
    if intensity is None:
        return jnp.where(counts & (fitness > 0.0), fitness, 0.0)
    known = _ranked(jnp.where(counts, fitness, jnp.nan))
    best = known.max(1, keepdims=True)
    gain = jnp.where(known == best, 0.0, intensity * (known - best))
    return jnp.where(jnp.isneginf(known), 0.0, jnp.exp(gain))
