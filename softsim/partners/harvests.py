"""Partners where items do harm to others, are a commons, or grow only if somebody cleans."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import STRUCK
from softsim.envs.vocabulary import FLOOR
from softsim.learners import bots
from softsim.partners.tables import PATIENCE, REWARD, Made, body_of, by_role, pays, shot, zapping
from softsim.types import Array, Percept, PyTree

SPARED = 3
"""A cooperator takes from a commons only where so many more lie around: growth is fastest there."""


def foragers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where items do harm, are a commons, or grow only if somebody cleans; none where nothing is."""
    own, others = pays(situations)
    good = own | (others > 0)
    best = np.where(good, others, -np.inf).max(1, keepdims=True)
    mild = good & np.where(best > 0, others > 0, others == best)
    scarce, dirt, fruit = growing(situations)
    if not (scarce.any() or dirt.any() or (mild != own).any()):
        return {}
    body, neighbours = body_of(world), world.spec.neighbours
    takes, harmful, filthy = by_role(world, mild & ~scarce), by_role(world, good & ~mild), bots.items(jnp.asarray(dirt))
    plenty = bots.crowded(jnp.asarray(scarce), neighbours, SPARED) if scarce.any() else filthy

    def wants(percept: Percept) -> Array:
        seen = filthy(percept)
        return jnp.where(seen.any(), seen, takes(percept) | plenty(percept))

    def few(percept: Percept) -> Array:
        return bots.items(jnp.asarray(scarce))(percept) & ~plenty(percept)

    def shuns(percept: Percept) -> Array:
        return harmful(percept) | few(percept)

    offends = bots.at_work(lambda percept: few(percept) | bots.items(jnp.asarray(fruit))(percept))

    def wronged(_: PyTree, percept: Percept) -> bots.Told:
        return ((percept.observation.body[REWARD] < 0) | offends(percept).any()).astype(jnp.int32), ()

    cleans = [shot(world, situations, beam, filthy) for beam in cleaning(situations, dirt)]
    zaps = [shot(world, situations, beam, offends) for beam in zapping(situations)[:1]]
    kind, harsh = bots.forager(body, wants, cleans, shuns), bots.forager(body, by_role(world, own))
    made: Made = {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, wronged, PATIENCE),
    }
    if zaps and (scarce.any() or fruit.any()):
        made["punisher"] = lambda: bots.forager(body, wants, [*cleans, *zaps], shuns)
    return made


def growing(situations: EnvParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which items grow only beside others of their kind, which slow growth, and which grow slower for it: [I] bool."""
    laws, num_items = situations.growth, situations.layout.solid.shape[2]
    rate, slows = np.asarray(laws.rate), np.asarray(laws.slow_total) > 0
    alone = (rate[..., 0] == 0) & (rate[..., 3] > 0)

    def marked(which: np.ndarray, item: Array) -> np.ndarray:
        number = np.arange(num_items)
        return np.isin(number, np.asarray(item)[which]) & (number != FLOOR)

    return marked(alone, laws.item), marked(slows, laws.slow_item), marked(slows, laws.item)


def cleaning(situations: EnvParams, dirt: np.ndarray) -> list[int]:
    """Beams that do something to dirt, [I] bool."""
    does = np.asarray(situations.rules.lookup)[:, STRUCK:, dirt] > 0
    return np.flatnonzero(does.any((0, 2))).tolist()
