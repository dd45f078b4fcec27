"""A league: copies of past members, which sit at the tables of those alive and learn nothing.

Fictitious self-play, prioritised or not, is a league of a population's own past. Fictitious co-play (Strouse et al.
2021, arXiv 2110.08176) is one that was collected elsewhere: let many populations of one play themselves with `moments`
3 and `every` half of the rounds, so that founders, half-grown and final members are kept, and give `everyone` of that
run to a new one (`train.assemble`, or `softsim train --league.run FOLDER`) whose league never changes.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from softsim.matchmaking.standings import Standings, chance_to_win, count_wins, log_priority, no_standings
from softsim.types import Array, PyTree, UserError, struct


@dataclasses.dataclass(frozen=True)
class LeagueConfig:
    """Which past members are kept, and how many of them sit at the tables."""

    seats: int = 0  # members that are such copies, one each, drawn anew every round
    moments: int = 0  # at which all learners are copied, kept at a time; the oldest goes
    every: int = 10  # rounds between moments; 0: none but the first, or what the run was given
    run: str = ""  # folder of another run: its members, or the copies that its league kept, are the league for good
    prefer: Literal["any", "hard", "even"] = "any"  # all alike, or as `matchmaking.log_priority` says
    power: float = 1.0  # of the preference
    memory: float = 0.9  # weight of the past in the table of who beats whom


@struct
class League:
    """The Z copies of one population, and how its P learners fare against them."""

    mind: PyTree  # leaves [Z, ...]   weights
    taken: Array  # [Z] int32   round after which each was copied; -1: not yet
    record: Standings  # [P, Z]


def check(mind: PyTree, past: PyTree) -> None:
    """Refuse to make a league of members whose weights are unlike the learners'.

    Args:
        mind: of one learner, as from `jax.eval_shape`. past: leaves [Z, ...].
    """

    def described(tree: PyTree, axes: int) -> dict[str, str]:
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        return {jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape[axes:])}" for path, leaf in leaves}

    wanted, given = described(mind, 0), described(past, 1)
    for name in wanted | given:
        here, there = wanted.get(name, "missing"), given.get(name, "missing")
        if here != there:
            raise UserError(
                f"league: weights {name} of its members are {there}, of the learners {here}; both must have networks "
                f"and observations of the same shape."
            )


def found(config: LeagueConfig, mind: PyTree, past: PyTree | None) -> League:
    """Begin with a copy of the founders, leaves [P, ...], and room for more; or with given copies, leaves [Z, ...]."""
    founders = jax.tree.leaves(mind)[0].shape[0]
    if past is None:
        past = jax.tree.map(lambda leaf: jnp.tile(leaf, (config.moments,) + (1,) * (leaf.ndim - 1)), mind)
        first = jnp.arange(config.moments * founders, dtype=jnp.int32) < founders
        taken = jnp.where(first, 0, -1)
    else:
        taken = jnp.zeros(jax.tree.leaves(past)[0].shape[0], jnp.int32)
    return League(past, taken, no_standings(founders, taken.size))


def invite(key: Array, config: LeagueConfig, league: League) -> Array:
    """Draw who sits at the tables, [F] int32 copies: each independently, in proportion to its mean priority over the
    learners."""
    log_weight = jnp.zeros(league.taken.shape, jnp.float32)
    if config.prefer != "any":
        priority = log_priority(chance_to_win(league.record), config.prefer, jnp.float32(config.power))
        log_weight = jax.nn.logsumexp(priority, axis=0)
    there = jnp.where(league.taken >= 0, log_weight, -jnp.inf)
    return jax.random.categorical(key, there, shape=(config.seats,)).astype(jnp.int32)


def guests(league: League, invited: Array) -> PyTree:
    """Weights of the invited, leaves [F, ...]."""
    return jax.tree.map(lambda leaf: leaf[invited], league.mind)


def learn(config: LeagueConfig, league: League, invited: Array, sitting: Array, payoff: Array, parent: Array) -> League:
    """Count who won against whom, and let those who were replaced take over the record of whom they copy.

    Args:
        sitting: [E, A] int32, members as at the table: learners, then the invited, then whoever else.
        payoff: [E, A] float32. parent: [P] int32.
    """
    learners, copies = league.record.won.shape
    guest = sitting - learners
    sits = (guest >= 0) & (guest < config.seats)
    column = jnp.where(sits, invited[jnp.clip(guest, 0, config.seats - 1)], copies)
    record = count_wins(league.record, jnp.float32(config.memory), sitting, column, payoff)
    return dataclasses.replace(league, record=jax.tree.map(lambda leaf: leaf[parent], record))


def keep(config: LeagueConfig, league: League, mind: PyTree, done: Array) -> League:
    """Copy the learners, leaves [P, ...], over the oldest copies; `done`, [] int32, is a multiple of `every`."""
    learners, copies = league.record.won.shape
    at = (done // config.every) % (copies // learners) * learners

    def put(leaf: Array, new: Array, axis: int = 0) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(leaf, new, at, axis)

    unknown = jnp.zeros((learners, learners), jnp.float32)
    return League(
        mind=jax.tree.map(put, league.mind, mind),
        taken=put(league.taken, jnp.full(learners, done, jnp.int32)),
        record=jax.tree.map(lambda leaf: put(leaf, unknown, 1), league.record),
    )


def everyone(league: League) -> PyTree:
    """Weights of all copies of all populations, leaves [N * Z, ...] from leaves [N, Z, ...]."""
    return jax.tree.map(lambda leaf: jax.lax.collapse(leaf, 0, 2), league.mind)
