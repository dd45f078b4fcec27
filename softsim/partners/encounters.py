"""Partners where agents meet, and play a matrix game with what they have gathered."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER
from softsim.learners import bots
from softsim.partners.tables import Made, body_of, felt, shot
from softsim.types import Array, Percept, Policy, PyTree

GATHERED = 3
"""Who has so many more of one class than of any other goes and meets others."""


def gatherers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where bags meet in every situation. Where there are two classes and no roles, the cooperator gathers
    that which is best if both do, by the payoffs of the first situation, and the defector the other; elsewhere
    `pure_1` and so on gather one class each."""
    spec, meets = world.spec, np.asarray(situations.beams.meets)
    if not meets.any(1).all():
        return {}
    pure = functools.partial(gatherer, world, situations, int(meets[0].argmax()))
    if spec.num_slots != 2 or bool(situations.encounter.by_role.any()):
        return {f"pure_{own + 1}": functools.partial(pure, own) for own in range(spec.num_slots)}
    good = int(np.argmax(np.diagonal(np.asarray(situations.encounter.row[0]))))

    def verdict(_: PyTree, percept: Percept) -> bots.Told:
        theirs = percept.observation.body[-2:]  # -1 both where nobody was met
        return jnp.sign(theirs[1 - good] - theirs[good]).astype(jnp.int32), ()

    kind, harsh = pure(good), pure(1 - good)
    return {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, verdict, np.iinfo(np.int32).max),
    }


def gatherer(world: GridWorld, situations: EnvParams, interact: int, own: int) -> Policy:
    """Gather one class and shun the others, then go and meet whoever is near."""
    cap, bag = jnp.asarray(situations.bag.cap[0], jnp.float32), felt(world, "bag")
    gains = np.asarray(situations.rules.gains[0])[np.asarray(situations.rules.lookup[0, ENTER])] > 0  # [I, class]
    resource = bots.items(jnp.asarray(gains[:, own]))
    unlike = bots.items(jnp.asarray(gains.any(1) & ~gains[:, own]))

    def ready(percept: Percept) -> Array:
        held = percept.observation.body[bag] * cap
        return held[own] - jnp.delete(held, own).max() > GATHERED - 0.5

    def wants(percept: Percept) -> Array:
        return jnp.where(ready(percept), bots.somebody(percept), resource(percept))

    meet = shot(world, situations, interact, lambda percept: bots.somebody(percept) & ready(percept))
    return bots.forager(body_of(world), wants, [meet], unlike)
