"""Scripted partners that walk in grid worlds: policies without weights, members like any other.

They know their observations by convention alone: `window` [rows, columns, 2 or 3], items in channel 0 and who stands
there in channel 1, oneself as 1. What a bot wants is a function from a percept to the cells in view, [rows, columns]
bool; what items and events mean is given to it as arrays, never known here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners.strategies import SURE, scripted, silent
from softsim.types import Array, Output, Percept, Policy, PyTree

DISLIKED = -30.0
OTHERS = 2
"""The least symbol of somebody else in channel 1 of a window."""

Cells = Callable[[Percept], Array]
"""Says which cells in view are so and so, [rows, columns] bool."""


class Body(NamedTuple):
    """What a bot is in its world."""

    num_actions: int
    num_agents: int
    place: tuple[int, int]  # its own row and column in its window
    moves: tuple[int, int, int, int]  # forward, backward, step left, step right; the two after them turn left and right


class Shot(NamedTuple):
    """When to fire a beam."""

    action: int
    reach: np.ndarray  # [rows, columns] bool   cells in view that the beam may strike
    at: Cells


def items(wanted: Array) -> Cells:
    """Cells that hold any of the wanted items, [I] bool."""
    return lambda percept: wanted[percept.observation.window[..., 0].astype(jnp.int32)]


def crowded(wanted: Array, neighbours: Sequence[tuple[int, int]], least: int) -> Cells:
    """Cells that hold a wanted item, [I] bool, with at least so many more among the neighbours in view."""
    lies = items(wanted)

    def cells(percept: Percept) -> Array:
        here = lies(percept)
        return here & (count(here, neighbours) >= least)

    return cells


def count(here: Array, neighbours: Sequence[tuple[int, int]]) -> Array:
    """How many of the neighbours, (row, column) offsets, of each cell are `here`, [rows, columns]; int32."""
    (rows, columns), margin = here.shape, max(abs(step) for offset in neighbours for step in offset)
    framed = jnp.pad(here.astype(jnp.int32), margin)
    parts = [framed[margin + r :, margin + c :][:rows, :columns] for r, c in neighbours]
    return sum(parts, jnp.zeros_like(parts[0]))


def somebody(percept: Percept) -> Array:
    """Cells where somebody else stands."""
    return percept.observation.window[..., 1] >= OTHERS


AROUND = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))


def at_work(target: Cells) -> Cells:
    """Cells where somebody else stands on or right beside a cell of the target."""
    return lambda percept: somebody(percept) & (count(target(percept), AROUND) > 0)


def headed(body: Body, choice: Array, knows: Array, wander: Array | int | None = None) -> Array:
    """Logits [K] of one move, or, where it does not know better, of wandering, forward if nothing else is said."""
    # Four in a hundred moves go elsewhere, so that a wall in the way holds nobody for long.
    action = jnp.arange(body.num_actions)
    there = jnp.where(action == choice, 5.0, 0.0)
    anywhere = jnp.where(action == (body.moves[0] if wander is None else wander), 2.0, 0.0)
    return jnp.where(action <= body.moves[3] + 2, jnp.where(knows, there, anywhere), DISLIKED)


def walk(body: Body, wanted: Array) -> Array:
    """Logits [K] of walking to the nearest wanted cell, [rows, columns] bool, and wandering where there is none."""
    forward, backward, left, right = body.moves
    rows, columns = wanted.shape
    down = jnp.arange(rows, dtype=jnp.int32)[:, None] - body.place[0]
    across = jnp.arange(columns, dtype=jnp.int32)[None] - body.place[1]
    far = rows + columns
    distance = jnp.where(wanted, jnp.abs(down) + jnp.abs(across), far)
    distance = distance.at[body.place].set(far)
    nearest = jnp.argmin(distance)
    down, across = nearest // columns - body.place[0], nearest % columns - body.place[1]
    sideways = jnp.where(across > 0, right, left)
    straight = jnp.where(down > 0, backward, forward)
    choice = jnp.where(jnp.abs(across) > jnp.abs(down), sideways, straight)
    return headed(body, choice, distance.min() < far)


def shun(body: Body, choice: Array, shunned: Array) -> Array:
    """Change logits [K] so that no step leads to a shunned cell, [rows, columns] bool."""
    row, column = body.place[0] + 1, body.place[1] + 1
    framed = jnp.pad(shunned, 1)
    ways = (row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)
    for move, way in zip(body.moves, ways, strict=True):
        choice = choice.at[move].set(jnp.where(framed[way], DISLIKED, choice[move]))
    return choice


FAR = 10_000
"""More than any way takes."""


def flood(cost: Array, free: Array) -> Array:
    """Least cost of a goal plus the steps to it through free cells, from each cell; at least `FAR` where none leads.

    Args:
        cost: [rows, columns] int32 of each goal, `FAR` elsewhere; free: [rows, columns] bool. Goals need not be free.
    """

    def spread(_: Array, least: Array) -> Array:
        framed = jnp.pad(least, 1, constant_values=FAR)
        near = [framed[1 + r :, 1 + c :][: least.shape[0], : least.shape[1]] for r, c in AROUND[1:]]
        return jnp.where(free, jnp.minimum(least, 1 + functools.reduce(jnp.minimum, near)), least)

    # Ways with many bends are longer than that, and not found.
    return jax.lax.fori_loop(0, sum(cost.shape), spread, cost)


def to(cells: Array) -> Array:
    """Costs [rows, columns] int32 of goals that are all worth the same, [rows, columns] bool."""
    return jnp.where(cells, 0, FAR).astype(jnp.int32)


def approach(body: Body, cost: Array, free: Array, faces: Array | bool) -> Array:
    """Logits [K] of going the way of `flood`, and wandering where there is none, turning where something is ahead.

    Beside a goal it steps there; or, if it `faces` goals, all or some, [rows, columns] bool, turns to it and waits.
    """
    forward, backward, left, right = body.moves
    cost = cost.at[body.place].set(FAR)
    row, column = body.place[0] + 1, body.place[1] + 1
    ways = [(row + r, column + c) for r, c in AROUND[1:]]
    ahead = jnp.stack([jnp.pad(flood(cost, free), 1, constant_values=FAR)[way] for way in ways])
    goals = jnp.where(faces, cost, -1)
    goals = jnp.stack([jnp.pad(goals, 1, constant_values=-1)[way] for way in ways])
    best = jnp.argmin(ahead)
    beside = goals[best] == ahead[best]
    steps, turns = jnp.array([forward, backward, left, right]), jnp.array([0, right + 2, right + 1, right + 2])
    choice = jnp.where(beside, turns[best], steps[best])
    wander = jnp.where(jnp.pad(free, 1)[ways[0]], forward, right + 2)
    return headed(body, choice, ahead[best] < FAR, wander)


def fire(body: Body, choice: Array, shot: Shot, percept: Percept, mark: Array) -> Array:
    """Change logits [K] to firing where a mark, [rows, columns] bool, is in reach and the beam can fire."""
    fires = (mark & shot.reach).any() & percept.action_mask[shot.action]
    return jnp.where(fires, SURE * jnp.eye(body.num_actions, dtype=jnp.float32)[shot.action], choice)


def bot(body: Body, way: Callable[[Percept], Array], shots: Sequence[Shot] = ()) -> Policy:
    """Go as `way` says, (percept) -> logits [K], and fire a beam whose mark is in reach; of several the last."""

    def logits(percept: Percept) -> Array:
        choice = way(percept)
        for shot in shots:
            choice = fire(body, choice, shot, percept, shot.at(percept))
        return choice

    return scripted(body.num_actions, body.num_agents, logits)


def forager(body: Body, wants: Cells, shots: Sequence[Shot] = (), shuns: Cells | None = None) -> Policy:
    """Walk to the nearest cell that it wants, never onto one that it shuns, and fire as a `bot` does."""

    def way(percept: Percept) -> Array:
        choice = walk(body, wants(percept))
        return choice if shuns is None else shun(body, choice, shuns(percept))

    return bot(body, way, shots)


def episodic(
    blank: PyTree, note: Callable[[PyTree, Percept], PyTree], act: Callable[[PyTree, Percept], Output]
) -> Policy:
    """Make a policy without weights that acts on what it has noted since the episode began.

    Args:
        blank: memory when an episode begins; note: (memory, percept) -> memory; act: (new memory, percept) -> output.
    """

    def apply(params: PyTree, memory: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        kept = jax.tree.map(lambda new, old: jnp.where(percept.first, new, old), blank, memory)
        memory = note(kept, percept)
        return memory, act(memory, percept)

    return Policy(init=lambda key: (), start=lambda: jax.tree.map(jnp.asarray, blank), apply=apply)


Told = tuple[Array, PyTree]
"""[] int32, 1 where one is wronged, -1 where reconciled, else 0; and what is noted for the next verdict."""


def conditional(
    kind: Policy, harsh: Policy, verdict: Callable[[PyTree, Percept], Told], patience: int, blank: PyTree = ()
) -> Policy:
    """Act as `kind`, and for `patience` steps after being wronged as `harsh`; both without memory.

    Args:
        verdict: (what it noted last, percept) -> (verdict, note); blank: the note when an episode begins.
    """

    def judge(memory: tuple[Array, PyTree], percept: Percept) -> tuple[Array, PyTree]:
        told, noted = verdict(memory[1], percept)
        left = jnp.where(told > 0, patience, jnp.where(told < 0, 0, jnp.maximum(memory[0] - 1, 0)))
        return left.astype(jnp.int32), noted

    def act(memory: tuple[Array, PyTree], percept: Percept) -> Output:
        outputs = (policy.apply((), (), percept)[1] for policy in (kind, harsh))
        return jax.tree.map(lambda mild, hard: jnp.where(memory[0] > 0, hard, mild), *outputs)

    return episodic((jnp.int32(0), blank), judge, act)


def avenger(
    body: Body, kind: Policy, zap: Shot, struck: Callable[[Percept], Array], suspects: Callable[[Percept], Array]
) -> Policy:
    """Act as `kind`, and fire at those who have struck it in this episode, if agents can be told apart.

    Args:
        zap: how to fire, at nobody of itself; struck: (percept) -> [] bool, whether it suffers from a blow.
        suspects: (percept) -> [rows, columns] bool, those who may have struck it if it was just struck.
    """
    identity = jnp.arange(1, body.num_agents, dtype=jnp.int32)[None, None]

    def who(percept: Percept) -> Array:
        """[rows, columns, A - 1] bool by relative slot."""
        symbol = percept.observation.window[..., 1].astype(jnp.int32)
        return ((symbol - OTHERS) // 4)[..., None] == identity

    def note(memory: tuple[Array, Array], percept: Percept) -> tuple[Array, Array]:
        grudge, suffered = memory
        suffers = struck(percept)
        culprit = (who(percept) & suspects(percept)[..., None]).any((0, 1))
        return grudge | (culprit & suffers & ~suffered), suffers

    def act(memory: tuple[Array, Array], percept: Percept) -> Output:
        output = kind.apply((), (), percept)[1]
        marked = (who(percept) & memory[0][None, None]).any(-1)
        return dataclasses.replace(output, logits=fire(body, output.logits, zap, percept, marked))

    return episodic((jnp.zeros(body.num_agents - 1, bool), jnp.bool_(False)), note, act)


def coin_seeker(greedy: bool) -> Policy:
    """Play the coin game of `envs.coin_game`: go to the nearest coin, one's own of two as near; or, unless `greedy`,
    to coins of one's own colour only, and wait while there is none, on no account stepping on another.

    It goes along columns of the map first. Its observation is `around` [3, 3, 3]: the other, own coins, other coins.
    """
    stay, up, down, left, right = range(5)
    far = np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]], np.float32)
    cross = np.zeros((5, 3, 3), np.float32)  # where each action leads
    for action, cell in ((stay, (1, 1)), (up, (0, 1)), (down, (2, 1)), (left, (1, 0)), (right, (1, 2))):
        cross[action][cell] = 1.0

    def logits(percept: Percept) -> Array:
        _, own, other = percept.observation.around
        distance = [jnp.where(coin.sum() > 0, (coin * far).sum(), 9.0) for coin in (own, other)]
        coin = jnp.where(greedy & (distance[1] < distance[0]), other, own)
        above, below = coin[0].sum(), coin[2].sum()
        before, behind = coin[:, 0].sum() * coin[1].sum(), coin[:, 2].sum() * coin[1].sum()
        go = jnp.stack([jnp.float32(0.5), above, below, before, behind])
        waits = (cross * other[None]).sum((1, 2)) * (DISLIKED / SURE)
        waits = waits.at[stay].add(1.0)
        return SURE * jnp.where(coin.sum() > 0, jnp.eye(5)[jnp.argmax(go)], waits)

    return scripted(5, 2, logits)


def believer(num_actions: int, num_agents: int, sought: int, dark: int, moves: tuple[int, int, int, int]) -> Policy:
    """Go to where it last saw an item, until that is right ahead, whether or not it can see now.

    It remembers the place relative to itself, and keeps account of its own steps and turns; it takes for granted that
    nothing is in its way. It faces along the longer way first, then steps aside, then walks ahead. Before it has seen
    the item it stands still.

    Args:
        sought: the item's symbol; dark: the symbol that those who cannot see anything see everywhere.
        moves: the actions forward, backward, step left, step right; the two after them turn left and right.
    """
    forward, _, left, right = moves
    turn_left, turn_right = right + 1, right + 2

    def locate(window: Array, memory: Array) -> Array:
        """[3] int32 cells ahead and to the right, and whether they are known, after a look at a window."""
        item = window[..., 0].astype(jnp.int32)
        columns = item.shape[1]
        self_row, self_column = jnp.divmod(jnp.argmax(window[..., 1] == 1), columns)
        row, column = jnp.divmod(jnp.argmax(item == sought), columns)
        found = jnp.stack([self_row - row, column - self_column, jnp.ones_like(row)]).astype(jnp.int32)
        return jnp.where((item == sought).any() & (item[0, 0] != dark), found, memory)

    def choose(ahead: Array, aside: Array) -> Array:
        turn = jnp.where(aside > 0, turn_right, turn_left)
        step = jnp.where(aside > 0, right, left)
        on = jnp.where(ahead > 1, forward, 0)
        return jnp.where((ahead < 1) | (ahead < jnp.abs(aside)), turn, jnp.where(aside != 0, step, on))

    def move(memory: Array, action: Array) -> Array:
        """Where the place is after one's own action."""
        ahead, aside, known = memory
        ahead, aside = ahead - (action == forward), aside - (action == right) + (action == left)
        turned_ahead = jnp.where(action == turn_right, aside, jnp.where(action == turn_left, -aside, ahead))
        turned_aside = jnp.where(action == turn_right, -ahead, jnp.where(action == turn_left, ahead, aside))
        return jnp.stack([turned_ahead, turned_aside, known])

    def apply(params: PyTree, carry: Array, percept: Percept) -> tuple[Array, Output]:
        memory = locate(percept.observation.window, jnp.where(percept.first, 0, carry))
        action = jnp.where(memory[2] > 0, choose(memory[0], memory[1]), 0)
        action = jnp.where(percept.action_mask[action], action, 0)
        sure = SURE * jnp.eye(num_actions, dtype=jnp.float32)[action]
        return move(memory, action), silent(num_actions, num_agents, sure)

    return Policy(init=lambda key: (), start=lambda: jnp.zeros(3, jnp.int32), apply=apply)
