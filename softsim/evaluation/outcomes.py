"""What members get, and how well they predict each other, in play without learning."""

from __future__ import annotations

import functools

import jax

from softsim import population, rollout
from softsim.compilations import Shelf
from softsim.keys import split_each
from softsim.learners import strategies
from softsim.train import Program, lay_out, summarize
from softsim.types import Array, PyTree


def play_out(
    table: rollout.Table, num_steps: int, key: Array, situations: PyTree, minds: PyTree, place: Array
) -> tuple[rollout.Seating, rollout.Experience]:
    """Play `num_steps` steps from fresh episodes in given places, [N, M, S] int32. Situations have leaves [G, ...]."""
    key_begin, key_play = split_each(key, 2)
    params = lay_out(situations, table.num_populations, table.num_envs)
    seating = rollout.seating_of(place)
    play = rollout.begin(table, key_begin, params)
    return seating, rollout.unroll(table, num_steps, key_play, params, minds, seating, play)[1]


@functools.partial(jax.jit, static_argnums=(0, 1))
def mixed_play(table: rollout.Table, num_steps: int, key: Array, situations: PyTree, minds: PyTree) -> dict[str, Array]:
    """Seat all members at random and report as training does (`train.summarize`), without learning. `key` is [N]."""
    key_seat, key_play = split_each(key, 2)
    place = jax.vmap(lambda key: population.seat(key, table.num_places, table.num_members))(key_seat)
    seating, experience = play_out(table, num_steps, key_play, situations, minds, place)
    return summarize(seating, experience.ledger, experience.foresight)


def random_return(program: Program, shelf: Shelf, num_envs: int = 256) -> float:
    """Mean return per episode, over as many steps as a round has, where everyone acts at random.

    Args:
        shelf: what has the compiled program, or keeps it.
        num_envs: environments at the least.
    """
    world = program.table.world
    num_envs = max(num_envs, jax.tree.leaves(program.situations)[0].shape[0])  # every situation is played
    policy = strategies.random(world.num_actions, world.num_agents)
    table = rollout.Table(world, policy, 1, (), 1, num_envs)
    steps = program.config.num_steps * program.config.updates_per_round
    key = jax.random.split(jax.random.key(program.config.seed), 1)
    play = shelf.ready("random", lambda: mixed_play.lower(table, steps, key, program.situations, ()))
    return float(play(key, program.situations, ())["return"].mean())
