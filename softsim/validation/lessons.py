"""Learners opposite scripted partners, episode after episode: what the validations of learning share."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from softsim import train
from softsim.evaluation.outcomes import play_out
from softsim.keys import fold_each, split_each
from softsim.learners.ppo import Hyper
from softsim.population import Population
from softsim.train import Program
from softsim.types import Array, PyTree


def opposite(num_populations: int, num_learners: int, seats: int) -> np.ndarray:
    """Seat each learner at tables for two with each of as many scripted partners, equally often and in either slot.

    Returns:
        [N, M, S] int32 places, of the learners first. Seat s of a learner is opposite partner `s % num_learners`.
    """
    table = np.arange(num_learners * seats).reshape(num_learners, seats)
    slot = table // num_learners % 2
    partner = table % num_learners
    order = np.argsort(partner.reshape(-1), kind="stable")
    partners = (2 * table + 1 - slot).reshape(-1)[order].reshape(num_learners, seats)
    place = np.concatenate([2 * table + slot, partners]).astype(np.int32)
    return np.broadcast_to(place, (num_populations, *place.shape))


def falling(hyper: Hyper, rounds: int, fields: tuple[str, ...]) -> Hyper:
    """The numbers of every round, leaves [R, N, P]: those named fall linearly from `hyper`, [N, P], to nothing."""
    left = 1.0 - jnp.arange(rounds, dtype=jnp.float32) / rounds
    same = jax.tree.map(lambda number: jnp.broadcast_to(number, (rounds, *number.shape)), hyper)
    return dataclasses.replace(same, **{name: getattr(same, name) * left[:, None, None] for name in fields})


@functools.partial(jax.jit, static_argnums=0)
def teach(
    program: Program, key: Array, situations: PyTree, place: Array, people: Population, hyper: Hyper
) -> tuple[Population, dict[str, Array]]:
    """Play `num_steps` steps from fresh episodes in given places and learn from them, once per round of `hyper`.

    Args:
        key: [N] keys. situations: leaves [G, ...]. place: [N, M, S] int32. hyper: leaves [R, N, P].

    Returns:
        The people after it, and the learner's metrics of every round, [R, N, P].
    """

    def one_round(people: Population, numbers: tuple[Array, Hyper]) -> tuple[Population, dict[str, Array]]:
        number, hyper = numbers
        people = dataclasses.replace(people, hyper=hyper)
        key_play, key_learn = split_each(fold_each(key, number), 2)
        _, experience = play_out(program.table, program.config.num_steps, key_play, situations, people.mind, place)
        return train.improve(program.learner, key_learn, people, experience.trajectory)

    rounds = hyper.learning_rate.shape[0]
    return jax.lax.scan(one_round, people, (jnp.arange(rounds), hyper))
