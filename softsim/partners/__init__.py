"""Scripted partners by name, fitted to a world."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

from softsim.envs import GridWorld, MatrixWorld
from softsim.envs.coin_game import CoinGame
from softsim.envs.matrix import MatrixParams
from softsim.learners import bots, strategies
from softsim.partners import grid
from softsim.theory import memory_one
from softsim.types import Array, Environment, Policy, PyTree, UserError


def partner(text: str, world: Environment, situations: PyTree) -> Policy:
    """Make a scripted partner by name; situations have leaves [G, ...].

    `NAME@0.05` slips with that probability (`strategies.tremble`), and `random_memory_one:0.25,0.25` draws from that
    Beta distribution.

    Raises:
        UserError: no such partner exists in this world, or its numbers are not allowed.
    """
    name, colon, shape, at, slip = parts(text)
    made = partners(world, situations)
    if name not in made:
        raise UserError(f"scripted: {name!r} does not exist in this world; allowed are {', '.join(made)}.")
    policy = made[name]()
    if colon:
        if name != "random_memory_one":
            raise UserError(f"scripted: {text!r}; only 'random_memory_one' takes numbers after a colon.")
        policy = strategies.random_memory_one(*numbers(text, shape, 2, "two numbers above 0", 0.0, float("inf")))
    if at:
        policy = strategies.tremble(policy, *numbers(text, slip, 1, "a probability below 1", 0.0, 1.0))
    return policy


def parts(text: str) -> tuple[str, str, str, str, str]:
    """Take `NAME:SHAPE@SLIP` apart, separators included, which are empty with what follows where there are none."""
    made, at, slip = text.partition("@")
    name, colon, shape = made.partition(":")
    return name, colon, shape, at, slip


def numbers(text: str, given: str, count: int, allowed: str, low: float, high: float) -> list[float]:
    """Read so many numbers strictly between `low` and `high`, with commas between them."""
    try:
        found = [float(part) for part in given.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not all(low < number < high for number in found):
        raise UserError(f"scripted: {text!r} has {given!r} where {allowed} must be.")
    return found


def partners(world: Environment, situations: PyTree) -> dict[str, Callable[[], Policy]]:
    """All scripted partners that a world has a place for: `random` anywhere; those of `in_matrix` and of
    `grid.partners`; in the coin game `cooperator` and `defector`, who takes any coin."""
    sizes = (world.num_actions, world.num_agents)
    made: dict[str, Callable[[], Policy]] = {"random": lambda: strategies.random(*sizes)}
    if isinstance(world, GridWorld):
        made |= grid.partners(world, situations)
    if isinstance(world, CoinGame):
        made |= {"cooperator": lambda: bots.coin_seeker(False), "defector": lambda: bots.coin_seeker(True)}
    if isinstance(world, MatrixWorld):
        made |= in_matrix(world, situations)
    return made


EXTORTION = 3.0, 0.5
"""Factor and strength: in the game 3, 0, 5, 1 the example of Press and Dyson 2012, (11/13, 1/2, 7/26, 0)."""


def in_matrix(world: MatrixWorld, situations: MatrixParams) -> dict[str, Callable[[], Policy]]:
    """Partners in matrix games: `cooperate`, `defect` and `tit_for_tat`; and among two with two moves each
    `win_stay_lose_shift`, `grim`, `generous_tit_for_tat`, `extortion` and, drawn anew for every episode,
    `random_memory_one`. Those that depend on payoffs go by the first player's in the first situation."""
    sizes = (world.num_actions, world.num_agents)
    made: dict[str, Callable[[], Policy]] = {
        "cooperate": lambda: strategies.always(*sizes, action=0),
        "defect": lambda: strategies.always(*sizes, action=1),
        "tit_for_tat": lambda: strategies.tit_for_tat(*sizes),
    }
    if sizes != (2, 2):
        return made

    def own() -> Array:
        return situations.payoff[0, 0]

    for name in ("win_stay_lose_shift", "grim"):
        made[name] = lambda name=name: strategies.memory_one(jnp.array(memory_one.STRATEGIES[name]))
    made["generous_tit_for_tat"] = lambda: strategies.memory_one(memory_one.generous(own()))
    made["extortion"] = lambda: strategies.memory_one(memory_one.extortion(own(), *EXTORTION))
    made["random_memory_one"] = strategies.random_memory_one
    return made
