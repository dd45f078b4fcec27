"""What scripted partners read from a world and its situations: who they are, what pays, what they feel."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.beams import offsets
from softsim.envs.body import HAND_STATES
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER
from softsim.envs.vocabulary import ACTIONS, NUM_MOVES
from softsim.learners import bots
from softsim.learners.bots import Body, Cells, Shot
from softsim.types import Array, Percept, Policy

Made = dict[str, Callable[[], Policy]]

STATUS, FROZEN, REMOVED, REWARD = 3, 0, 1, 2
"""An agent feels so many numbers before its role, among them whether it is frozen and off the map, and its reward."""

PATIENCE = 50
"""Steps for which a conditional defects."""


def body_of(world: GridWorld) -> Body:
    """What a bot is in a world."""
    view, forward = world.spec.view, ACTIONS.index("forward")
    moves = (forward, forward + 1, forward + 2, forward + 3)
    return Body(world.num_actions, world.num_agents, (view.ahead, view.side), moves)


def felt(world: GridWorld, name: str) -> slice:
    """Where in `Observation.body` an agent feels its `role`, `hand`, `bag`, `mark` or `nature` (`envs.body.feel`)."""
    spec = world.spec
    sizes = {
        "status": STATUS,
        "role": spec.num_roles,
        "ready": len(spec.beams),
        "hand": HAND_STATES,
        "bag": spec.num_slots,
        "mark": 1,
        "paint": 1,
        "need": 1,
        "nature": spec.num_natures,
    }
    always, start = ("status", "role", "ready"), 0
    for each, size in sizes.items():
        size *= each in always or spec.has(each)
        if each == name:
            return slice(start, start + size)
        start += size
    raise KeyError(name)


def by_role(world: GridWorld, wanted: np.ndarray) -> Cells:
    """Cells with items that an agent of one's own role wants, [R, I] bool."""
    table, role = jnp.asarray(wanted), felt(world, "role")

    def cells(percept: Percept) -> Array:
        return bots.items(table[jnp.argmax(percept.observation.body[role])])(percept)

    return cells


def free(world: GridWorld, situations: EnvParams) -> Cells:
    """Cells that an agent of one's own role can enter in every situation, and where nobody stands."""
    solid = by_role(world, np.asarray(situations.layout.solid).max(0))
    return lambda percept: ~solid(percept) & ~bots.somebody(percept)


def pays(situations: EnvParams) -> tuple[np.ndarray, np.ndarray]:
    """Which items pay who enters them, [R, I] bool by role, in any situation, and what each other gets, [R, I].

    Others may also get something where who enters gets nothing."""
    rules = situations.rules
    row, roles = np.asarray(rules.lookup[:, ENTER], np.int32), np.arange(situations.layout.solid.shape[1])
    shape = (row.shape[0], len(roles), row.shape[1])
    own, others = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def of_row(column: Array) -> np.ndarray:
        return np.take_along_axis(np.asarray(column), row, 1)[:, None]

    for _ in range(rules.otherwise.shape[1]):  # no chain is longer than the table
        reward, spread = of_row(rules.reward), of_row(rules.reward_others)
        better = (reward > own) | (reward == own) & (spread > others)
        better &= of_row(rules.roles) >> roles[None, :, None] & 1 == 1
        own, others = np.where(better, reward, own), np.where(better, spread, others)
        row = np.take_along_axis(np.asarray(rules.otherwise), row, 1).astype(np.int32)
    most = own.argmax(0)[None]
    return own.max(0) > 0, np.take_along_axis(others, most, 0)[0]


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


def acts(situations: EnvParams, effect: Array) -> list[int]:
    """Beams that in every situation do something to who fires them: `effect` [G, Q] of rules is above 0."""
    does = np.take_along_axis(np.asarray(effect), np.asarray(situations.rules.fire, int), 1) > 0
    return np.flatnonzero(does.all(0)).tolist()


def act(world: GridWorld, beam: int, when: Callable[[Percept], Array]) -> Shot:
    """Fire a beam, whatever is ahead, when [] bool says so."""
    shape = world.spec.view.shape
    return Shot(NUM_MOVES + beam, np.ones(shape, bool), lambda percept: jnp.broadcast_to(when(percept), shape))
