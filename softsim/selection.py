"""Selection in training: who breeds, among which neighbours, and who moves to another population."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from softsim import heredity, population
from softsim.keys import fold_each
from softsim.learners import diversity, evolution, structure
from softsim.learners.evolution import Choose
from softsim.learners.structure import Structure
from softsim.matchmaking.neighbours import structure_of
from softsim.population import Population, Selection
from softsim.types import Array, Policy, PyTree, UserError

Rule = Literal[
    "truncation", "tournament", "proportional", "imitate_best", "moran_birth_death", "moran_death_birth", "fermi"
]


@dataclasses.dataclass(frozen=True)
class SelectionConfig:
    """Who is replaced by a mutated copy of whom; `every` 0 rounds is never. A number counts for the rule it names.

    With `diversity`, fitness is shared by those who act alike, or it is novelty. Or with "elites", the rule says only
    who is replaced, and parents come from an archive of the fittest that ever behaved in each way, every way as likely
    (MAP-Elites, as in `learners.diversity`). An elite keeps the fitness that it had among its contemporaries, so that
    where payoffs fall, as in a dilemma that all learn to exploit, those of the first rounds are parents for ever.
    """

    every: int = 0  # rounds
    rule: Rule = "truncation"  # as in `learners.evolution`; moran and fermi replace at most one member at a time
    structure: Literal["well_mixed", "cycle", "torus", "star", "islands"] = "well_mixed"  # who competes with whom
    islands: int = 2  # islands: groups of neighbouring members that compete among themselves
    fraction: float = 0.25  # truncation: of neighbours, rounded down, replaced by copies of as many of the best
    contestants: int = 2  # tournament: that meet, oneself included
    intensity: float = 1.0  # fermi; proportional and moran, where a member breeds at the rate exp(intensity fitness)
    mutation: float = 0.2  # relative step of copied hyperparameters
    memory: float = 0.8  # weight of the past in the fitness average
    fitness: Literal["reward", "payoff"] = "reward"  # payoff: before sharing
    diversity: Literal["none", "sharing", "novelty", "elites"] = "none"  # what different behaviour counts for
    radius: float = 0.2  # sharing: share of answers in which two differ who do not compete
    nearest: int = 2  # novelty: others that count
    cells: int = 8  # elites: parts of each measure of behaviour; there is a mind for each of their combinations
    actions: tuple[int, ...] = (0,)  # elites: how often each is taken is measured, and how much that depends on probes
    probes: int = 32  # percepts of the last steps of play, drawn anew in each population, that all are shown
    migrate_every: int = 0  # rounds from one migration to the next; 0 is never
    migrants: int = 1  # random members that leave each population for the next, around a ring


def rule_of(config: SelectionConfig) -> Choose:
    """The rule that a config asks for."""
    return {
        "truncation": lambda: evolution.truncation(jnp.float32(config.fraction)),
        "tournament": lambda: evolution.tournament(config.contestants),
        "proportional": lambda: evolution.proportional(config.intensity),
        "imitate_best": evolution.imitate_best,
        "moran_birth_death": lambda: evolution.moran_birth_death(config.intensity),
        "moran_death_birth": lambda: evolution.moran_death_birth(config.intensity),
        "fermi": lambda: evolution.fermi(config.intensity),
    }[config.rule]()


def neighbourhoods(config: SelectionConfig, num_members: int) -> Structure:
    """Place the members of a population as a config asks. The Wright-Fisher process needs everybody among its own
    neighbours; in a cycle, torus or star one is not.

    Raises:
        UserError: so many members cannot be placed like that.
    """
    include_self = config.rule == "proportional"
    if config.structure == "well_mixed":
        return structure.well_mixed(num_members, include_self)
    if config.structure == "star":
        return structure.star(num_members)
    if config.structure == "islands":
        if num_members % config.islands or num_members == config.islands:
            raise UserError(
                f"selection.islands: {config.islands} do not divide {num_members} members into groups of two or more; "
                f"choose a number that does."
            )
        return structure.islands(config.islands, num_members // config.islands, include_self)
    return structure_of(config.structure, num_members)


def check(config: SelectionConfig, num_members: int, num_populations: int) -> None:
    """Refuse a structure or numbers that cannot be meant, or that would do nothing, in one sentence."""
    near = neighbourhoods(config, num_members)
    for field in ("rule", "structure", "diversity"):
        if config.every == 0 and getattr(config, field) != getattr(SelectionConfig, field):
            raise UserError(
                f"selection.{field}: {getattr(config, field)!r} with selection.every 0, which is no selection; every "
                f"must be at least 1."
            )
    most = int(jax.device_get(near).degree.max()) + 1  # by NumPy, which compiles nothing
    if config.every and config.rule == "truncation" and num_members > 1 and np.float32(config.fraction * most) < 1:
        raise UserError(
            f"selection.fraction: {config.fraction}, which of {most} neighbours, oneself included, is nobody; it must "
            f"be at least 1/{most}."
        )
    if config.migrate_every and num_populations == 1:
        raise UserError(
            f"selection.migrate_every: {config.migrate_every}, and there is one population; it must be 0, or "
            f"num_populations at least 2."
        )
    if config.migrate_every and config.diversity == "elites":
        raise UserError(
            f"selection.migrate_every: {config.migrate_every} with selection.diversity 'elites', where each population "
            f"has an archive of its own; it must be 0."
        )
    used = {"contestants": config.every and config.rule == "tournament", "migrants": config.migrate_every}
    for field in used:
        if used[field] and getattr(config, field) > num_members:
            raise UserError(
                f"selection.{field}: {getattr(config, field)}, and a population has {num_members} members; there must "
                f"be at most as many."
            )
    if config.diversity == "novelty" and config.nearest >= num_members:
        raise UserError(
            f"selection.nearest: {config.nearest}, and a member has {num_members - 1} others; there must be at most as "
            f"many."
        )


def draw_probes(config: SelectionConfig, key: Array, percept: PyTree) -> PyTree:
    """Draw percepts of each population, leaves [N, B, ...] from [N, P, S, T, ...]; none unless behaviour counts."""
    if config.diversity == "none":
        return ()

    def draw(key: Array, percept: PyTree) -> PyTree:
        every = jax.tree.map(lambda leaf: jax.lax.collapse(leaf, 0, 3), percept)
        chosen = jax.random.randint(key, (config.probes,), 0, jax.tree.leaves(every)[0].shape[0])
        return jax.tree.map(lambda leaf: leaf[chosen], every)

    return jax.vmap(draw)(key, percept)


def answers(policy: Policy, probes: PyTree, minds: PyTree) -> Array:
    """What members would do, [N, P, B, K], on probes [N, B, ...] by weights [N, P, ...]."""
    return jax.vmap(functools.partial(diversity.behaviour, policy))(minds, probes)


def found(config: SelectionConfig, people: Population) -> PyTree:
    """Found archives of all populations, leaves [N, C, ...], with nobody in them; nothing if they are not asked for."""
    if config.diversity != "elites":
        return ()
    one = jax.tree.map(lambda leaf: leaf[0, 0], dataclasses.replace(people, births=()))
    archive = diversity.found_archive(config.cells ** (len(config.actions) + 1), one)
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (people.fitness.shape[0], *leaf.shape)), archive)


def collect(config: SelectionConfig, archive: PyTree, people: Population, ask: Callable[[PyTree], Array]) -> PyTree:
    """Let into the archives, leaves [N, C, ...], whoever is the fittest of its cell so far.

    Args:
        people: leaves [N, P, ...], as fit as is known by now. ask: weights [N, P, ...] -> `answers`.
    """
    if config.diversity != "elites":
        return archive
    size = len(config.actions) + 1

    def of_one(archive: diversity.Archive, one: Population, said: Array) -> diversity.Archive:
        described = diversity.describe(said, config.actions)
        cell = diversity.cell_of(described, jnp.zeros(size), jnp.ones(size), (config.cells,) * size)
        return diversity.insert(archive, cell, one.fitness, dataclasses.replace(one, births=()))

    return jax.vmap(of_one)(archive, people, ask(people.mind))


def for_diversity(config: SelectionConfig, choose: Choose, distance: Array) -> Choose:
    """Let a rule go by what fitness is worth among those who are `distance`, [P, P], apart. What is shared is fitness
    above that of the least fit."""

    def chosen(key: Array, fitness: Array, structure: Structure) -> Array:
        if config.diversity == "novelty":
            return choose(key, diversity.novelty(distance, config.nearest), structure)
        worth = diversity.share_fitness(fitness - jnp.nanmin(fitness), distance, config.radius)
        return choose(key, worth, structure)

    return chosen


def evolve(
    config: SelectionConfig,
    step: float,
    key: Array,
    people: Population,
    measured: Array,
    generation: Array,
    ask: Callable[[PyTree], PyTree] = lambda minds: (),
    archive: PyTree = (),
) -> tuple[Population, PyTree]:
    """Remember fitness, collect elites, and select every so many rounds.

    Args:
        step: standard deviation of the mutation of genes. key: [N]. people: leaves [N, P, ...].
        measured: [N, P] float32, this round's fitness. generation: [] int32, rounds done.
        ask: weights [N, P, ...] -> `answers`, if diversity counts. archive: leaves [N, C, ...], if there are any.

    Returns:
        The people, whose `lineage.parent` says whose copies they are of those before this; and the archives.
    """
    numbers = Selection(jnp.float32(config.mutation), jnp.float32(config.memory), jnp.float32(step))
    people = jax.vmap(population.remember_fitness, in_axes=(None, 0, 0))(numbers, people, measured)
    itself = jnp.broadcast_to(jnp.arange(measured.shape[1], dtype=jnp.int32), measured.shape)
    people = dataclasses.replace(people, lineage=dataclasses.replace(people.lineage, parent=itself))
    if config.every == 0:
        return people, archive
    archive = collect(config, archive, people, ask)
    rule, near = rule_of(config), neighbourhoods(config, measured.shape[1])
    compares = config.diversity in ("sharing", "novelty")

    def breed(people: Population) -> Population:
        def of_one(key: Array, one: Population, said: PyTree, archive: PyTree) -> Population:
            choose = for_diversity(config, rule, diversity.distance(said, said)) if compares else rule
            return population.select(key, choose, near, numbers, one, generation, archive)

        return jax.vmap(of_one)(key, people, ask(people.mind) if compares else (), archive)

    return jax.lax.cond(generation % config.every == 0, breed, lambda people: people, people), archive


def migrate(
    config: SelectionConfig, key: Array, people: Population, rounds: Array, devices: str | None = None
) -> tuple[Population, PyTree]:
    """Every so many rounds, let members move to the next population, around a ring (`evolution.migrate`).

    Whoever arrives takes the place of one who left. It is a stranger to those it comes to, also where they had common
    ancestors elsewhere, and kin to those it comes with. Matchmakers and leagues take it for the one before.

    Args:
        key: [N]. people: leaves [N, P, ...]. rounds: [] int32, done.
        devices: name of the axis along which devices hold populations, N each; None where one holds all.

    Returns:
        The people, whose `lineage.parent` counts in the population that they were in; and that population, as a metric
        `home`, [N, P] int32, if there is any migration.
    """
    if config.migrate_every == 0:
        return people, {}
    count, size = people.fitness.shape
    first = 0 if devices is None else jax.lax.axis_index(devices) * count
    here = jnp.broadcast_to(first + jnp.arange(count, dtype=jnp.int32)[:, None], (count, size))
    place = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32), (count, size))
    onward = functools.partial(to_next, devices)

    def move(people: Population) -> tuple[Population, Array]:
        # Rounds of training fold in numbers from 0 up.
        draw = fold_each(key, jnp.uint32(2**31) + rounds.astype(jnp.uint32))
        rest = dataclasses.replace(people, births=())
        rest, home, was = evolution.migrate(draw, config.migrants, (rest, here, place), onward)
        join = jax.vmap(heredity.join)
        births = jax.tree.map(lambda table: join(table, onward(table), was, home == here), people.births)
        return dataclasses.replace(rest, births=births), home

    people, home = jax.lax.cond(rounds % config.migrate_every == 0, move, lambda people: (people, here), people)
    return people, {"home": home}


def to_next(devices: str | None, leaf: Array) -> Array:
    """Carry what each population sends, [N, ...], to the next around the ring, across devices where there are some."""
    if devices is None:
        return jnp.roll(leaf, 1, 0)
    size = jax.lax.axis_size(devices)
    last = jax.lax.ppermute(leaf[-1:], devices, [(i, (i + 1) % size) for i in range(size)])
    return jnp.concatenate([last, leaf[:-1]])


def name_founders(config: SelectionConfig, num_members: int, people: Population) -> Population:
    """Where members migrate, number the founders through: m of population n is `n * num_members + m`, a number that
    no member who does not learn has as its place."""
    if config.migrate_every == 0:
        return people
    founder = people.lineage.founder
    founder = founder + num_members * jnp.arange(founder.shape[0], dtype=jnp.int32)[:, None]
    return dataclasses.replace(people, lineage=dataclasses.replace(people.lineage, founder=founder))


def tell(config: SelectionConfig, people: Population, archive: PyTree, rounds: Array) -> dict[str, Array]:
    """Metrics of everybody after a round, [N, P, ...]: how fit, whose copy, and with what numbers and genes.

    Who is copied from an archive has as `parent` a number below 0: -1 less the founder that it descends from. Beside
    that stands the share of cells that are filled, `archived`, [N, 1].
    """
    parent = people.lineage.parent
    told = {"fitness": people.fitness, "parent": parent}
    if config.diversity == "elites":
        fresh = (people.lineage.born == rounds) & (parent == jnp.arange(parent.shape[1], dtype=jnp.int32)[None])
        told["parent"] = jnp.where(fresh, -1 - people.lineage.founder, parent)
        told["archived"] = (~jnp.isnan(archive.fitness)).astype(jnp.float32).mean(1, keepdims=True)
    if config.every:
        told |= {f"hyper_{name}": number for name, number in vars(people.hyper).items()}
    return told | {f"gene_{name}": gene for name, gene in people.genes.items()}
