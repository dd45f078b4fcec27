"""Everyone with everyone: what each member gets among each other kind of partner."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from softsim.evaluation.outcomes import play_out
from softsim.rollout import Table
from softsim.train import Program, TrainState
from softsim.types import Array


def pairing(num_members: int, num_agents: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Seat every ordered pair: in environment `(i * M + j) * R + r` one agent is member i, the others are member j.

    Returns:
        [M, S] int32 the places of each member, and [M * M * R] int32 the slot of the focal member, which goes round.
    """
    focal, other, turn = np.meshgrid(*map(np.arange, (num_members, num_members, repeats)), indexing="ij")
    slot = ((turn + focal + other) % num_agents).reshape(-1)
    sitter = np.repeat(other.reshape(-1, 1), num_agents, 1)
    sitter[np.arange(len(slot)), slot] = focal.reshape(-1)
    place = np.argsort(sitter.reshape(-1), kind="stable").reshape(num_members, -1)
    return place.astype(np.int32), slot.astype(np.int32)


def all_pairs(table: Table, kinds: int, repeats: int) -> tuple[Table, np.ndarray, np.ndarray]:
    """Make room for every pair in each of `kinds` situations, in each slot as often: see `pairing`.

    Environments of one situation follow each other (`train.lay_out`): all pairs are seated there, then in the next.
    So environments are [kinds, M, M, R], R being `repeats`, or as many more as make it a multiple of the slots.

    Returns:
        The table, the places [M, S] of its members, and the slot [E] of the focal member.
    """
    num_agents = table.world.num_agents
    place, slot = pairing(table.num_members, num_agents, -(-repeats // num_agents) * num_agents)
    place = np.concatenate([place + kind * len(slot) * num_agents for kind in range(kinds)], 1)
    slot = np.tile(slot, kinds)
    return dataclasses.replace(table, num_envs=len(slot)), place, slot


def cross_play(program: Program, state: TrainState, key: Array, repeats: int = 8) -> np.ndarray:
    """Play every member, learner or scripted, as the only one of its kind among copies of every other.

    Args:
        key: [] random key. repeats: environments of each pair and situation at the least.

    Returns:
        [N, M, M] float32: row i, column j is the return per episode of member i among members j.
    """
    config, kinds = program.config, jax.tree.leaves(program.situations)[0].shape[0]
    table, place, slot = all_pairs(program.table, kinds, repeats)
    steps = config.num_steps * config.updates_per_round
    keys = jax.random.split(key, table.num_populations)
    play = jax.jit(play_pairs, static_argnums=(0, 1))
    returns = play(table, steps, keys, program.situations, program.minds(state), place, slot)
    shape = (table.num_populations, kinds, table.num_members, table.num_members, -1)
    return np.asarray(returns).reshape(shape).mean((1, -1))


def play_pairs(table: Table, steps: int, key: Array, situations, minds, place: Array, slot: Array) -> Array:
    """Return per episode of the focal member in every environment, [N, E]."""
    everywhere = jnp.broadcast_to(place, (table.num_populations, *place.shape))
    _, experience = play_out(table, steps, key, situations, minds, everywhere)
    ledger = experience.ledger
    at = jnp.broadcast_to(slot[None, :, None], (*ledger.reward.shape[:2], 1))
    reward = jnp.take_along_axis(ledger.reward, at, 2)[..., 0]
    return reward / jnp.maximum(jnp.take_along_axis(ledger.episodes, at, 2)[..., 0], 1.0)
