"""Partners where some items are too much for one agent, and pay those who work on them together."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import KEEP, STRUCK
from softsim.envs.vocabulary import NUM_MOVES
from softsim.learners import bots
from softsim.learners.bots import Cells, Shot
from softsim.partners.tables import Made, body_of, by_role, free
from softsim.types import Array, Percept

NEAR = 3
"""A conditional joins those who are at most so many steps from what they cannot do alone."""

LAST = 100
"""What one can do alone comes after all that lies nearer than this many steps."""


def workers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where in every situation an item needs more than some agents are: the cooperator goes to what nobody
    can do alone, the sooner the nearer others are to it too, and waits for them; the defector does what it can alone;
    the conditional joins those whom it sees at what needs it."""
    if not world.spec.has("work"):
        return {}
    beam, joint, alone = labours(situations)
    if not joint.any((1, 2)).all():
        return {}
    body, empty = body_of(world), free(world, situations)
    shared, single = by_role(world, joint.max(0)), by_role(world, (alone & ~joint).max(0))
    ahead = np.zeros(world.spec.view.shape, bool)
    ahead[world.spec.view.ahead - 1, world.spec.view.side] = True  # no further, so that it strikes what it means to

    def company(percept: Percept) -> Array:
        others = bots.to(bots.somebody(percept))
        return bots.flood(others, jnp.ones(others.shape, bool))

    def eager(percept: Percept) -> Array:
        near = jnp.minimum(company(percept), LAST // 2)
        return jnp.where(shared(percept), near, jnp.where(single(percept), LAST, bots.FAR))

    def wary(percept: Percept) -> Array:
        near = company(percept)
        joins = shared(percept) & (near <= NEAR)
        return jnp.where(joins, near, jnp.where(single(percept), LAST, bots.FAR))

    def worker(cost: Cells):
        def way(percept: Percept) -> Array:
            return bots.approach(body, cost(percept).astype(jnp.int32), empty(percept), faces=True)

        at = Shot(NUM_MOVES + beam, ahead, lambda percept: cost(percept) < bots.FAR)
        return bots.bot(body, way, [at])

    return {
        "cooperator": lambda: worker(eager),
        "defector": lambda: worker(lambda percept: bots.to(single(percept))),
        "conditional": lambda: worker(wary),
    }


def labours(situations: EnvParams) -> tuple[int, np.ndarray, np.ndarray]:
    """A beam, and which items it strikes that an agent of each role cannot finish alone, or can: [G, R, I] bool."""
    rules, work = situations.rules, situations.work
    row = np.asarray(rules.lookup, int)[:, STRUCK:]  # [G, B, I]
    each = np.arange(len(row))[:, None, None]
    becomes = np.asarray(rules.becomes)[each, row]
    item = np.where((becomes == KEEP) | (row == 0), np.arange(row.shape[2]), becomes)
    need = np.where(row > 0, np.asarray(work.need)[each, item], 0.0)  # of what it is then
    beam = int((need > 0).any((0, 2)).argmax())
    level = np.asarray(work.level)[..., None]
    pays = (np.asarray(rules.reward)[each, row] > 0)[:, beam, None]
    need = need[:, beam, None]
    return beam, need > level, pays | ((need > 0) & (need <= level))
