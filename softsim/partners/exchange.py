"""Partners where two of different roles move in turn, and the state of nature is the public state of their game."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER, KEEP, REDRAW
from softsim.learners import bots
from softsim.partners.tables import PATIENCE, REWARD, Made, body_of, felt, free
from softsim.types import Array, Percept, Policy


class Move(NamedTuple):
    """What it does to step on an item."""

    role: int
    item: int
    state: int  # of nature afterwards; 0 ends the round
    payoff: np.ndarray  # [2] float32 by role


Judge = Callable[[np.ndarray, int], tuple[float, ...]]
"""(payoffs of both roles, one's own role) -> what is greatest where the outcome is best."""


def fair(payoff: np.ndarray, own: int) -> tuple[float, ...]:
    """The most for both together, and of that the most equal."""
    return float(payoff.sum()), -float(abs(payoff[0] - payoff[1]))


def selfish(payoff: np.ndarray, own: int) -> tuple[float, ...]:
    return (float(payoff[own]),)


def proud(payoff: np.ndarray, own: int) -> tuple[float, ...]:
    """Fair to who is so; else, the least behind."""
    behind = max(float(payoff[1 - own] - payoff[own]), 0.0)
    return -behind, *fair(payoff, own)


def exchangers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where a round is an offer and its answer, solved from its end: the cooperator does what is best for
    both together, and of that what is most equal; the defector what is best for itself, as if the other did so, too.

    The punisher offers as the cooperator does, and answers an offer that leaves it behind by what leaves it behind
    least, where that differs. The conditional defects for a while after an offer or an answer that gave it less than
    a cooperator's.
    """
    tree = rounds(world, situations)
    if not tree:
        return {}
    mild, harsh = plan(tree, fair, fair), plan(tree, selfish, selfish)
    stern = plan(tree, fair, proud)
    nature, role, first = felt(world, "nature"), felt(world, "role"), tree[0][0].role
    hoped = outcome(mild, 0)
    mean = np.zeros(world.spec.num_natures, bool)  # of offers, by the state that they leave
    mean[[state for state in mild if state and outcome(mild, state)[1 - first] < hoped[1 - first] - 1e-3]] = True

    def verdict(before: Array, percept: Percept) -> bots.Told:
        felt_now = percept.observation.body
        state = jnp.argmax(felt_now[nature]).astype(jnp.int32)
        cheated = (before > 0) & (state == 0) & (felt_now[REWARD] < hoped[first] - 1e-3)
        return jnp.where(felt_now[role][first] > 0, cheated, jnp.asarray(mean)[state]).astype(jnp.int32), state

    kind, hard = mover(world, situations, mild), mover(world, situations, harsh)
    made: Made = {
        "cooperator": lambda: kind,
        "defector": lambda: hard,
        "conditional": lambda: bots.conditional(kind, hard, verdict, PATIENCE, jnp.int32(0)),
    }
    if any(stern[state].item != mild[state].item for state in mild):
        made["punisher"] = lambda: mover(world, situations, stern)
    return made


def rounds(world: GridWorld, situations: EnvParams) -> dict[int, list[Move]]:
    """What may be done in each state of nature, where there are offers and answers and all is public; else nothing."""
    spec, rules = world.spec, situations.rules
    tables = rules.lookup, rules.nature, rules.turns, rules.reward, rules.reward_others, rules.roles
    alike = all((np.asarray(table) == np.asarray(table)[:1]).all() for table in tables)
    shown = (np.asarray(situations.nature.shown) == (1 << spec.num_roles) - 1).all()
    if not (alike and spec.has("nature") and spec.num_roles == 2 and shown):
        return {}
    nature, turns, roles, otherwise = (
        np.asarray(each[0], int) for each in (rules.nature, rules.turns, rules.roles, rules.otherwise)
    )
    reward, others = np.asarray(rules.reward[0]), np.asarray(rules.reward_others[0])
    tree: dict[int, list[Move]] = {}
    for item, row in enumerate(np.asarray(rules.lookup[0, ENTER], int)):
        while row:
            state, role = int(nature[row]), int(roles[row] >> 1 & 1)
            after = state if turns[row] == KEEP else int(turns[row])
            payoff = np.where(np.arange(2) == role, reward[row], others[row])
            tree.setdefault(state, []).append(Move(role, item, after, payoff))
            row = otherwise[row]
    one_mover = all(len({move.role for move in options}) == 1 for options in tree.values())
    ends = all(move.state == 0 for state, options in tree.items() if state for move in options)
    played = 0 in tree and len(tree) > 1 and KEEP not in tree and (turns != REDRAW).all()
    return tree if one_mover and ends and played else {}


def plan(tree: dict[int, list[Move]], offers: Judge, answers: Judge) -> dict[int, Move]:
    """The best move in each state, offers with a view to one's own way of answering them."""
    chosen = {
        state: max(options, key=lambda move: answers(move.payoff, move.role))
        for state, options in tree.items()
        if state > 0
    }

    def promise(move: Move) -> tuple[float, ...]:
        later = chosen[move.state].payoff if move.state in chosen else 0.0
        return offers(move.payoff + later, move.role)

    return {0: max(tree[0], key=promise), **chosen}


def outcome(moves: dict[int, Move], state: int) -> np.ndarray:
    """Payoffs [2] by role of a round that goes on from a state."""
    move = moves[state]
    return move.payoff + (outcome(moves, move.state) if move.state else 0.0)


def mover(world: GridWorld, situations: EnvParams, moves: dict[int, Move]) -> Policy:
    """Go and step on the items of a plan, and wait while it is the other's turn."""
    spec, body, empty = world.spec, body_of(world), free(world, situations)
    chosen = np.zeros((spec.num_roles, spec.num_natures, spec.num_items), bool)
    for state, move in moves.items():
        chosen[move.role, state, move.item] = True
    wanted, pads = jnp.asarray(chosen), bots.items(jnp.asarray(np.asarray(situations.rules.lookup)[0, ENTER] > 0))
    nature, role = felt(world, "nature"), felt(world, "role")

    def way(percept: Percept) -> Array:
        feels = percept.observation.body
        mine = wanted[jnp.argmax(feels[role]), jnp.argmax(feels[nature])]
        goals = bots.items(mine)(percept)
        go = bots.approach(body, bots.to(goals), empty(percept) & ~pads(percept), faces=False)
        return jnp.where(mine.any(), go, bots.headed(body, jnp.int32(0), jnp.bool_(True)))

    return bots.bot(body, way)
