"""Sittings: which member sits at each place, drawn by one rule or another.

A population has E tables, its environments, with A places each, and M members with S = E A / M seats each, whatever
the rule. A sitting is [E, A] int32.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.types import Array

NUM_SWAPS = 64
"""Exchanges offered to every table by `weighted`, in the course of one draw."""


def places_of(sitting: Array, num_members: int) -> Array:
    """Places, e * A + a, of each member's seats, [M, S] int32, from a sitting."""
    return jnp.argsort(sitting.reshape(-1)).astype(jnp.int32).reshape(num_members, -1)


def shuffle_tables(key: Array, sitting: Array) -> Array:
    """Put tables into any order, and those at each table."""
    key_table, key_slot = jax.random.split(key)
    tables = sitting[jax.random.permutation(key_table, sitting.shape[0])]
    return jax.random.permutation(key_slot, tables, axis=1, independent=True)


def exchange(key: Array, sitting: Array, stays: Array) -> Array:
    """Let those at tables that do not stay, [E] bool, change places, all ways as likely."""
    sitter, num_agents = sitting.reshape(-1), sitting.shape[1]
    stays = jnp.repeat(stays, num_agents)
    draw = jax.random.permutation(key, sitter.size)
    places, movers = jnp.argsort(stays), jnp.argsort(jnp.where(stays, sitter.size, draw))
    return sitter.at[places].set(sitter[movers]).reshape(sitting.shape)


def assortative(key: Array, assortment: Array, kin: Array, num_envs: int, num_agents: int) -> Array:
    """Seat like with like at a share of the tables, and all others at random.

    Every table is first given to kin alone: each kind fills its tables, at which its members sit at random. A table
    stays so with probability `assortment`, each independently; at the rest all exchange places. So the chance of kin
    beside one is `assortment`, plus what is left times the chance of it in the exchange: with t of the E tables a
    kind's, and n in the exchange, that is `(A - 1 + (n - 1) A (t - 1) / (E - 1)) / (n A - 1)`.

    Args:
        assortment: [] float32 from 0 to 1. kin: [M] equal numbers of those who are alike; M divides `num_envs`.
    """
    key_kin, key_meet, key_mix, key_tables = jax.random.split(key, 4)
    seats = num_envs * num_agents // kin.shape[0]
    sitter = jnp.repeat(jnp.arange(kin.shape[0], dtype=jnp.int32), seats)
    draw = jax.random.permutation(key_kin, sitter.size)
    sitting = sitter[jnp.lexsort((draw, kin[sitter]))].reshape(num_envs, num_agents)
    meets = jax.random.bernoulli(key_meet, assortment, (num_envs,))
    return shuffle_tables(key_tables, exchange(key_mix, sitting, meets))


def spatial(key: Array, neighbour: Array, num_envs: int, num_agents: int) -> Array:
    """Seat every member at E / M tables of its own, with A - 1 of its neighbours at each, all as likely.

    The M tables of one layer, one of each member, take the neighbours of the same columns; so every member is invited
    as often as it invites.

    Args:
        neighbour: [M, D] int32 from `regular`; M divides `num_envs`, and D is at least A - 1.
    """
    key_side, key_tables = jax.random.split(key)
    num_members, degree = neighbour.shape
    keys = jax.random.split(key_side, num_envs // num_members)
    side = jax.vmap(lambda key: jax.random.permutation(key, degree)[: num_agents - 1])(keys)  # [layers, A - 1]
    member = jnp.broadcast_to(jnp.arange(num_members, dtype=jnp.int32)[:, None], (num_members, 1))
    sitting = jax.vmap(lambda side: jnp.concatenate([member, neighbour[:, side]], 1))(side)
    return shuffle_tables(key_tables, sitting.reshape(num_envs, num_agents))


def weighted(key: Array, log_weight: Array, num_envs: int, num_agents: int, num_swaps: int = NUM_SWAPS) -> Array:
    """Draw a sitting with probability proportional to the product of the weights of all pairs that share a table.

    Among all sittings in which everybody has as many seats. Drawn by Metropolis's rule (Metropolis et al. 1953) from
    one drawn uniformly: tables are matched in pairs, one seat of each is picked, and the two are exchanged with
    probability min(1, ratio of the products); `num_swaps` times. At tables for two, with many tables, the number of
    those at which i meets j is proportional to `u[i] w[i, j] u[j]`, u such that all have as many seats.

    Args:
        log_weight: [M, M] float32, finite and symmetric.
    """
    key_start, key_match, key_slot, key_accept = jax.random.split(key, 4)
    num_members, table = log_weight.shape[0], jnp.arange(num_envs, dtype=jnp.int32)
    seats = num_envs * num_agents // num_members
    sitting = jax.random.permutation(key_start, jnp.repeat(jnp.arange(num_members, dtype=jnp.int32), seats))
    draws = (
        jax.random.randint(key_match, (num_swaps,), 0, num_envs, jnp.int32),
        jax.random.randint(key_slot, (num_swaps, num_envs), 0, num_agents, jnp.int32),
        jax.random.uniform(key_accept, (num_swaps, num_envs)),
    )

    def offer(sitting: Array, drawn: tuple[Array, Array, Array]) -> tuple[Array, None]:
        match, slot, chance = drawn
        # Tables e and match - e are a pair, both ways; over all matches every two tables are, equally often.
        other = (match - table) % num_envs
        here, there = sitting[table, slot], sitting[other, slot[other]]
        stay = jnp.arange(num_agents, dtype=jnp.int32)[None] != slot[:, None]
        change = log_weight[there[:, None], sitting] - log_weight[here[:, None], sitting]
        gain = jnp.where(stay, change, 0.0).sum(1)
        accept = (jnp.log(chance[jnp.minimum(table, other)]) < gain + gain[other]) & (other != table)
        return sitting.at[table, slot].set(jnp.where(accept, there, here)), None

    return jax.lax.scan(offer, sitting.reshape(num_envs, num_agents), draws)[0]
