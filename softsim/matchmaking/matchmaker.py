"""Matchmakers: how populations are seated, round after round."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from softsim import population
from softsim.matchmaking.neighbours import regular, structure_of
from softsim.matchmaking.sittings import assortative, exchange, places_of, spatial, weighted
from softsim.matchmaking.standings import Standings, chance_to_win, count_wins, log_priority, no_standings
from softsim.rollout import Table
from softsim.types import Array, PyTree, UserError


@dataclasses.dataclass(frozen=True)
class MatchmakingConfig:
    """Who sits with whom; a number counts for the rule that it names."""

    rule: Literal["uniform", "assortative", "spatial", "pfsp", "choice"] = "uniform"
    kin: Literal["member", "founder", "tag"] = "founder"  # assortative: alike are copies, descendants, or tag holders
    tags: tuple[int, ...] = ()  # assortative by tag: of every member, learners first, unless tags are genes
    assortment: float = 0.5  # assortative: chance that a table is for kin alone
    structure: Literal["cycle", "torus"] = "cycle"  # spatial: on which members have their neighbours
    prefer: Literal["hard", "even"] = "even"  # pfsp: partners that one loses to, or wins against as often as not
    power: float = 1.0  # pfsp: of the preference
    memory: float = 0.9  # pfsp: weight of the past in the table of who beats whom
    leave: str = "leave"  # choice: event that breaks a table up


class Matchmaker(NamedTuple):
    """How one population is seated.

    start: () -> record                                            what it knows, a pytree
    seat:  (key, record, mark [P]) -> place [M, S] int32           a permutation of the places cut in M parts; a mark
           is the founder that one descends from, int32, or one's tag where that is a gene, float32 from 0 to 1
    learn: (record, sitting, payoff [E, A], events [E, A, B], parent [P] int32) -> record, after a round, from
           which learner m goes on as a copy of learner parent[m]
    """

    start: Callable[[], PyTree]
    seat: Callable[[Array, PyTree, Array], Array]
    learn: Callable[[PyTree, Array, Array, Array, Array], PyTree]


def matchmaker(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Make the matchmaker of the populations at a table.

    Raises:
        UserError: the rule cannot seat as many members at as many tables, or lacks what it goes by.
    """
    if config.rule in ("assortative", "spatial") and table.num_envs % table.num_members:
        raise UserError(
            f"num_envs: {table.num_envs} is not a multiple of the {table.num_members} members, as the matchmaking "
            f"rule {config.rule!r} needs."
        )
    return {"uniform": uniform, "assortative": by_kin, "spatial": by_place, "pfsp": by_chance, "choice": by_choice}[
        config.rule
    ](config, table)


def uniform(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Seat all at random (`population.seat`)."""
    return memoryless(lambda key, mark: population.seat(key, table.num_places, table.num_members))


def in_order(table: Table) -> Matchmaker:
    """Seat member after member, table by table: whoever is alone finds each table's seats one after another."""
    place = jnp.arange(table.num_places, dtype=jnp.int32).reshape(table.num_members, -1)
    return memoryless(lambda key, mark: place)


def memoryless(seat: Callable[[Array, Array], Array]) -> Matchmaker:
    """Make a matchmaker that learns nothing of (key, mark) -> place."""
    return Matchmaker(lambda: (), lambda key, record, mark: seat(key, mark), lambda record, *_: record)


def by_kin(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Seat by `assortative`. Those who do not learn are akin to themselves alone, except by tags that are given.

    Tags that are genes evolve (`heredity`), and so does whom each meets; with none given they count.
    """
    num_members = table.num_members
    if config.kin == "tag" and config.tags and len(config.tags) != num_members:
        raise UserError(f"matchmaking.tags: {len(config.tags)} are given; each of {num_members} members needs one.")

    def seat(key: Array, mark: Array) -> Array:
        kin = jnp.arange(num_members, dtype=mark.dtype)
        if config.kin == "tag" and config.tags:
            kin = jnp.array(config.tags, jnp.int32)
        elif config.kin != "member":
            kin = kin.at[: mark.size].set(mark)
        share = jnp.float32(config.assortment)
        return places_of(assortative(key, share, kin, table.num_envs, table.world.num_agents), num_members)

    return memoryless(seat)


def by_place(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Seat by `spatial`."""
    num_agents, num_members = table.world.num_agents, table.num_members
    neighbour = regular(structure_of(config.structure, num_members))
    if neighbour.shape[1] < num_agents - 1:
        raise UserError(
            f"matchmaking.structure: in a {config.structure!r} one has {neighbour.shape[1]} neighbours, and "
            f"{num_agents - 1} sit at a table with one."
        )
    return memoryless(
        lambda key, mark: places_of(spatial(key, jnp.asarray(neighbour), table.num_envs, num_agents), num_members)
    )


def by_chance(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Seat by `weighted`: prioritised fictitious self-play among those alive.

    A pair's weight is the geometric mean of what each is to the other, so both must find the other worth it.
    """
    num_members = table.num_members

    def seat(key: Array, record: Standings, mark: Array) -> Array:
        wanted = log_priority(chance_to_win(record), config.prefer, jnp.float32(config.power))
        return places_of(weighted(key, 0.5 * (wanted + wanted.T), table.num_envs, table.world.num_agents), num_members)

    def learn(record: Standings, sitting: Array, payoff: Array, events: Array, parent: Array) -> Standings:
        record = count_wins(record, jnp.float32(config.memory), sitting, sitting, payoff)
        heir = jnp.arange(num_members, dtype=jnp.int32).at[: parent.size].set(parent)
        return jax.tree.map(lambda leaf: leaf[heir][:, heir], record)

    return Matchmaker(lambda: no_standings(num_members, num_members), seat, learn)


def by_choice(config: MatchmakingConfig, table: Table) -> Matchmaker:
    """Leave those seated as they are who did not leave: who walks away breaks up its table, and all from such tables
    `exchange` places. The record is the sitting, and which tables stay together, none at first."""
    shape, events = (table.num_envs, table.world.num_agents), tuple(getattr(table.world, "event_names", ()))
    if config.leave not in events:
        known = ", ".join(events) or "none"
        raise UserError(f"matchmaking.leave: {config.leave!r} is no event of this world; its events are {known}.")
    leave = events.index(config.leave)

    def start() -> tuple[Array, Array]:
        sitter = jnp.arange(table.num_places, dtype=jnp.int32) // (table.num_places // table.num_members)
        return sitter.reshape(shape), jnp.zeros(table.num_envs, bool)

    def seat(key: Array, record: tuple[Array, Array], mark: Array) -> Array:
        return places_of(exchange(key, *record), table.num_members)

    def learn(record: PyTree, sitting: Array, payoff: Array, events: Array, parent: Array) -> tuple[Array, Array]:
        return sitting, (events[..., leave] == 0).all(1)

    return Matchmaker(start, seat, learn)
