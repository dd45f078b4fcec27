"""Worlds stepped by hand: put agents and items where a test wants them, act, and look.

A trace reads like a protocol:

    play = Play(game, (1, 1, EAST), (3, 4, NORTH)).put("apple", (1, 2)).step("forward", "noop")
    assert play.payoff() == [1.0, 0.0]
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import jax
import numpy as np

from softsim.envs import Game, GridWorld, compile_games
from softsim.envs.vocabulary import ITEMS

NORTH, EAST, SOUTH, WEST = range(4)
ELSEWHERE = 10**6

CHUNK = 250
"""Copies stepped in one call, so that each world is compiled once however many copies a test wants."""


def compiled(function=None, **kwargs):
    """Compile a step for traces of a few steps: in half the time, and it runs slowly.

    Keys are not checked for reuse at every call, which takes longer than the step; `test_every_game` checks them.
    """
    if function is None:
        return functools.partial(compiled, **kwargs)
    fast = jax.jit(function, compiler_options={"xla_backend_optimization_level": 0}, **kwargs)

    @functools.wraps(function)
    def call(*args):
        with jax.debug_key_reuse(False):
            return fast(*args)

    return call


@compiled(static_argnums=0)
def step_chunk(world, keys, params, state, action):
    return jax.vmap(world.step, in_axes=(0, None, 0, None))(keys, params, state, action)


@compiled(static_argnums=0)
def step_one(world, key, params, state, action):
    return world.step(key, params, state, action)


@compiled(static_argnums=0)
def reset_one(world, key, params):
    return world.reset(key, params)


def step(world: GridWorld, key, params, state, action=None):
    """Step the copies in `state`, NumPy leaves [copies, ...]; all do the same `action`, [A], or nothing."""
    action = np.zeros(world.num_agents, np.int32) if action is None else np.asarray(action, np.int32)
    count = len(state.cell)
    starts, after = range(0, count, CHUNK), []
    for start, chunk_key in zip(starts, jax.random.split(key, len(starts)), strict=True):
        rows = np.minimum(np.arange(start, start + CHUNK), count - 1)
        part = jax.tree.map(lambda leaf, rows=rows: leaf[rows], state)
        after.append(step_chunk(world, jax.random.split(chunk_key, CHUNK), params, part, action))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *after)


def only(game: Game, *others: Game):
    """Compile one game, in a world that also fits others, without the leading axis."""
    world, params = compile_games([game, *others])
    return world, jax.tree.map(lambda leaf: np.asarray(leaf)[0, ...], params)


def copies(world: GridWorld, params, count: int, vacant: bool = True, **fields):
    """Stack `count` states of an untouched map, with everybody away if `vacant`."""
    state, _ = reset_one(world, jax.random.key(0), params)
    state = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], count, 0), state)
    state = dataclasses.replace(state, cell=np.tile(np.asarray(params.layout.cell), (count, 1, 1)))
    state = dataclasses.replace(state, heading=np.zeros_like(state.heading))
    if vacant:
        state = dataclasses.replace(state, removed=np.full_like(state.removed, ELSEWHERE))
    fields = {name: np.asarray(value, getattr(state, name).dtype) for name, value in fields.items()}
    return dataclasses.replace(state, **fields)


class Play:
    """A game with its agents put at (row, column, heading), stepped by the names of actions."""

    def __init__(self, game: Game, *agents: tuple[int, int, int]):
        self.game = game
        self.world, self.params = only(game)
        self.keys = (jax.random.key(seed) for seed in itertools.count())
        position = [[row * self.world.spec.width + column for row, column, _ in agents]]
        heading = [[heading for _, _, heading in agents]]
        state = copies(self.world, self.params, 1, vacant=False, position=position, heading=heading)
        self.state = jax.tree.map(lambda leaf: leaf[0], state)

    def put(self, item: str, *cells: tuple[int, int]) -> Play:
        cell = self.state.cell.copy()
        cell[tuple(np.array(cells).T)] = ITEMS.index(item)
        self.state = dataclasses.replace(self.state, cell=cell)
        return self

    def have(self, **fields) -> Play:
        """Set fields of the state: `bag=[[1, 2], [0, 0]]`, `hand=[1, 0]`, `nature=[2]` and so on."""
        fields = {name: np.asarray(value, getattr(self.state, name).dtype) for name, value in fields.items()}
        self.state = dataclasses.replace(self.state, **fields)
        return self

    def step(self, *actions: str) -> Play:
        names = self.world.action_names
        action = [names.index(name) for name in actions] + [0] * (self.world.num_agents - len(actions))
        after = step_one(self.world, next(self.keys), self.params, self.state, np.asarray(action, np.int32))
        self.state, self.seen = jax.tree.map(np.asarray, after)
        return self

    def wait(self, steps: int) -> Play:
        """Let everybody do nothing for so many steps."""
        for _ in range(steps):
            self.step()
        return self

    def item(self, row: int, column: int) -> str:
        return ITEMS[int(self.state.cell[row, column])]

    def where(self, agent: int) -> tuple[int, int]:
        return divmod(int(self.state.position[agent]), self.world.spec.width)

    def payoff(self) -> list[float]:
        return self.seen.payoff.tolist()

    def count(self, event: str) -> list[int]:
        return self.seen.events[:, self.world.event_names.index(event)].tolist()

    def away(self) -> list[bool]:
        return (self.state.removed > 0).tolist()

    def can(self, agent: int) -> list[bool]:
        return self.seen.action_mask[agent].tolist()

    def able(self, agent: int, action: str) -> bool:
        """Whether an agent may do this next."""
        return self.can(agent)[self.world.action_names.index(action)]

    def sees(self, agent: int, ahead: int, right: int, channel: int = 0) -> int:
        """The symbol that an agent sees at a place relative to itself."""
        view = self.world.spec.view
        return int(self.seen.observation.window[agent, view.ahead - ahead, view.side + right, channel])


def deviation(count, trials, probability: float) -> float:
    """Standard deviations between a count and its expectation."""
    return float((count - trials * probability) / math.sqrt(trials * probability * (1 - probability)))
