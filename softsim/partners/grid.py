"""Scripted partners for grid worlds, made of the situations' own tables: whatever has the same laws has the same bots.

Wherever a world has one of these, it has four types:

                 cooperator                            defector
    harm         of items that pay, takes those that   takes all that pay
                 are best for the others
    commons      spares items that grow only beside    takes all
                 others, where those are few
    cleaning     removes what slows growth             takes what grows
    encounter    gathers the class that is best if     gathers the other class
                 both do, then meets others

The conditional cooperates until it is wronged: it loses by what others did, or sees one at work on what it spares or
cleans for, or meets one with more of the other class. Then it defects for a while; in encounters until it meets a
cooperator. The punisher cooperates, and zaps those whom it sees at that. Neither can tell who takes what is spared from
who only walks past it.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.beams import offsets
from softsim.envs.body import HAND_STATES
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER, STRUCK
from softsim.envs.vocabulary import ACTIONS, DARK, FLOOR, ITEMS, NUM_MOVES
from softsim.learners import bots
from softsim.learners.bots import Body, Cells, Shot
from softsim.types import Array, Percept, Policy

Made = dict[str, Callable[[], Policy]]

SPARED = 3
"""A cooperator takes from a commons only where so many more lie around: growth is fastest there."""

GATHERED = 3
"""Who has so many more of one class than of the other goes and meets others."""

PATIENCE = 50
"""Steps for which a conditional defects."""

STATUS, REWARD = 3, 2
"""An agent feels so many numbers before its role, the last of which is its reward."""


def partners(world: GridWorld, situations: EnvParams) -> Made:
    """All that this world has a place for; situations have leaves [G, ...]."""
    size = world.num_actions, world.num_agents
    made: Made = {"greedy": lambda: bots.forager(body_of(world), bots.items(jnp.asarray(pays(situations)[0].any(0))))}
    if world.spec.has("trick"):
        made["believer"] = lambda: bots.believer(*size, ITEMS.index("bait"), DARK, body_of(world).moves)
    if isinstance(situations, EnvParams):
        made |= gatherers(world, situations) if world.spec.has("encounter") else foragers(world, situations)
    return made


def body_of(world: GridWorld) -> Body:
    """What a bot is in a world."""
    view, forward = world.spec.view, ACTIONS.index("forward")
    moves = (forward, forward + 1, forward + 2, forward + 3)
    return Body(world.num_actions, world.num_agents, (view.ahead, view.side), moves)


def foragers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where items do harm, are a commons, or grow only if somebody cleans; none where nothing is."""
    own, others = pays(situations)
    best = np.where(own, others, -np.inf).max(1, keepdims=True)
    mild = own & (others == best)
    scarce, dirt, fruit = growing(situations)
    if not (scarce.any() or dirt.any() or (mild != own).any()):
        return {}
    body, neighbours = body_of(world), world.spec.neighbours
    takes, harmful, filthy = by_role(world, mild & ~scarce), by_role(world, own & ~mild), bots.items(jnp.asarray(dirt))
    plenty = bots.crowded(jnp.asarray(scarce), neighbours, SPARED) if scarce.any() else filthy

    def wants(percept: Percept) -> Array:
        seen = filthy(percept)
        return jnp.where(seen.any(), seen, takes(percept) | plenty(percept))

    def few(percept: Percept) -> Array:
        return bots.items(jnp.asarray(scarce))(percept) & ~plenty(percept)

    def shuns(percept: Percept) -> Array:
        return harmful(percept) | few(percept)

    offends = bots.at_work(lambda percept: few(percept) | bots.items(jnp.asarray(fruit))(percept))

    def wronged(percept: Percept) -> Array:
        return ((percept.observation.body[REWARD] < 0) | offends(percept).any()).astype(jnp.int32)

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


def gatherers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where two bags of two classes meet in every situation, by the payoffs of the first; none elsewhere."""
    spec, meets = world.spec, np.asarray(situations.beams.meets)
    if spec.num_slots != 2 or not meets.any(1).all() or bool(situations.encounter.by_role.any()):
        return {}
    payoff = np.asarray(situations.encounter.row[0])
    good = int(np.argmax(np.diagonal(payoff)))
    start = STATUS + spec.num_roles + len(spec.beams) + HAND_STATES * spec.has("hand")
    cap = jnp.asarray(situations.bag.cap[0], jnp.float32)
    gains = np.asarray(situations.rules.gains[0])[np.asarray(situations.rules.lookup[0, ENTER])]  # [I, class]
    interact = int(meets[0].argmax())

    def gatherer(own: int) -> Policy:
        resource, unlike = (bots.items(jnp.asarray(gains[:, each] > 0)) for each in (own, 1 - own))

        def ready(percept: Percept) -> Array:
            bag = percept.observation.body[start : start + 2] * cap
            return bag[own] - bag[1 - own] > GATHERED - 0.5

        def wants(percept: Percept) -> Array:
            return jnp.where(ready(percept), bots.somebody(percept), resource(percept))

        meet = shot(world, situations, interact, lambda percept: bots.somebody(percept) & ready(percept))
        return bots.forager(body_of(world), wants, [meet], unlike)

    def verdict(percept: Percept) -> Array:
        theirs = percept.observation.body[-2:]  # -1 both where nobody was met
        return jnp.sign(theirs[1 - good] - theirs[good]).astype(jnp.int32)

    kind, harsh = gatherer(good), gatherer(1 - good)
    return {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, verdict, np.iinfo(np.int32).max),
    }


def by_role(world: GridWorld, wanted: np.ndarray) -> Cells:
    """Cells with items that an agent of one's own role wants, [R, I] bool."""
    table = jnp.asarray(wanted)

    def cells(percept: Percept) -> Array:
        role = jnp.argmax(percept.observation.body[STATUS : STATUS + world.spec.num_roles])
        return bots.items(table[role])(percept)

    return cells


def pays(situations: EnvParams) -> tuple[np.ndarray, np.ndarray]:
    """Which items pay who enters them, [R, I] bool by role, in any situation, and what each other gets, [R, I]."""
    rules = situations.rules
    row, roles = np.asarray(rules.lookup[:, ENTER], np.int32), np.arange(situations.layout.solid.shape[1])
    shape = (row.shape[0], len(roles), row.shape[1])
    own, others = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def of_row(column: Array) -> np.ndarray:
        return np.take_along_axis(np.asarray(column), row, 1)[:, None]

    for _ in range(rules.otherwise.shape[1]):  # no chain is longer than the table
        better = (of_row(rules.roles) >> roles[None, :, None] & 1 == 1) & (of_row(rules.reward) > own)
        own = np.where(better, of_row(rules.reward), own)
        others = np.where(better, of_row(rules.reward_others), others)
        row = np.take_along_axis(np.asarray(rules.otherwise), row, 1).astype(np.int32)
    most = own.argmax(0)[None]
    return own.max(0) > 0, np.take_along_axis(others, most, 0)[0]


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


def zapping(situations: EnvParams) -> list[int]:
    """Beams that remove whom they strike."""
    law = situations.beams
    return np.flatnonzero((law.exists & law.strikes_agents & (law.removes_for > 0)).any(0)).tolist()


def shot(world: GridWorld, situations: EnvParams, beam: int, at: Cells) -> Shot:
    """Fire a beam at such cells in view as its rays may strike in any situation."""
    view, law = world.spec.view, situations.beams
    ahead, right = offsets(int(law.length[:, beam].max()), int(law.half_width[:, beam].max()))
    row, column = view.ahead - ahead, view.side + right
    inside = (row >= 0) & (row < view.shape[0]) & (column >= 0) & (column < view.shape[1])
    reach = np.zeros(view.shape, bool)
    reach[row[inside], column[inside]] = True
    return Shot(NUM_MOVES + beam, reach, at)
