"""Every game by name: one dictionary, which cannot drift from its own keys."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any

import jax

from softsim.envs.compiler import compile_games
from softsim.envs.game import Ending, Game
from softsim.envs.games import clean_up, coins, commons_harvest, matrix_games
from softsim.envs.matrix import MatrixGame, compile_matrix_games
from softsim.types import Environment, PyTree, UserError

GAMES: dict[str, Callable[..., Game | MatrixGame]] = {
    "commons_harvest_open": commons_harvest.commons_harvest_open,
    "commons_harvest_closed": commons_harvest.commons_harvest_closed,
    "commons_harvest_partnership": commons_harvest.commons_harvest_partnership,
    "clean_up": clean_up.clean_up,
    "coins": coins.coins,
    "prisoners_dilemma": matrix_games.prisoners_dilemma,
    "chicken": matrix_games.chicken,
    "stag_hunt": matrix_games.stag_hunt,
    "harmony": matrix_games.harmony,
    "public_good_5": matrix_games.public_good_5,
    "volunteers_dilemma_5": matrix_games.volunteers_dilemma_5,
}


GRID_GAMES = ("commons_harvest_open", "commons_harvest_closed", "commons_harvest_partnership", "clean_up", "coins")
"""Those with a map; they can be stepped side by side."""


def names() -> list[str]:
    """List the games that `make` knows."""
    return list(GAMES)


def declare(name: str, num_agents: int | None = None, horizon: int | None = None) -> Game | MatrixGame:
    """Look a game up and set the number of agents or a fixed horizon, in steps.

    Raises:
        UserError: the name is unknown; the nearest is suggested.
    """
    if name not in GAMES:
        near = difflib.get_close_matches(name, GAMES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}? Known" if near else "; known"
        raise UserError(f"game: {name!r} is unknown{hint} are {', '.join(GAMES)}.")
    game = GAMES[name]()
    if horizon is not None and horizon < 1:
        raise UserError(f"horizon: {horizon} steps; it must be at least 1.")
    if isinstance(game, MatrixGame):
        if num_agents not in (None, game.num_agents):
            raise UserError(f"{name}: num_agents is {num_agents}; this game is for {game.num_agents}.")
        return game if horizon is None else dataclasses.replace(game, horizon=horizon)
    if num_agents is not None:
        game = dataclasses.replace(game, num_agents=num_agents)
    return game if horizon is None else dataclasses.replace(game, ending=Ending(horizon))


def make(
    name: str | Sequence[str], num_agents: int | None = None, horizon: int | None = None
) -> tuple[Environment, PyTree]:
    """Make a world and its params.

    Args:
        name: one game; or several that share one static shape, and can then be stepped side by side.
        num_agents: agents in play, where the game leaves a choice.
        horizon: a fixed number of steps instead of the game's own ending.

    Returns:
        The environment, and the params of one situation, or of several stacked on a leading axis.

    Raises:
        UserError: a name is unknown, a number is not allowed, or the games cannot be stepped together.
    """
    wanted = [name] if isinstance(name, str) else list(name)
    if not wanted:
        raise UserError(f"games: none given; name at least one of {', '.join(GAMES)}.")
    games = [declare(each, num_agents, horizon) for each in wanted]
    grids = [game for game in games if isinstance(game, Game)]
    matrices = [game for game in games if isinstance(game, MatrixGame)]
    if grids and matrices:
        raise UserError(
            f"games: {grids[0].name!r} is a grid world and {matrices[0].name!r} a matrix game; use one kind."
        )
    world: Any
    world, params = compile_games(grids) if grids else compile_matrix_games(matrices)
    return world, jax.tree.map(lambda leaf: leaf[0], params) if isinstance(name, str) else params
