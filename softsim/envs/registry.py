"""Every game by name: one dictionary, which cannot drift from its own keys."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any

import jax

from softsim.envs.compiler import compile_games
from softsim.envs.game import Ending, Game
from softsim.envs.games import (
    allelopathic_harvest,
    clean_up,
    coins,
    coins_classic,
    commons_harvest,
    cooking,
    coop_mining,
    daycare,
    exchange,
    externality_mushrooms,
    gift_refinements,
    hidden_agenda,
    hidden_bait,
    in_the_matrix,
    lb_foraging,
    matrix_games,
    ordinal,
    partner_choice,
    predator_prey,
    signalling,
    storm,
    territory,
)
from softsim.envs.matrix import MatrixGame, compile_matrix_games
from softsim.types import Environment, PyTree, UserError

FAMILIES = (
    commons_harvest,
    clean_up,
    coins,
    coins_classic,
    coop_mining,
    gift_refinements,
    externality_mushrooms,
    territory,
    in_the_matrix,
    allelopathic_harvest,
    predator_prey,
    hidden_agenda,
    daycare,
    cooking,
    lb_foraging,
    storm,
    signalling,
    exchange,
    hidden_bait,
    partner_choice,
)

GRIDS: dict[str, Callable[..., Game]] = {name: game for family in FAMILIES for name, game in family.GAMES.items()}
MATRICES: dict[str, Callable[..., MatrixGame]] = {**matrix_games.GAMES, **ordinal.ORDINAL}
GAMES: dict[str, Callable[..., Game | MatrixGame]] = {**GRIDS, **MATRICES}

GRID_GAMES = tuple(GRIDS)
"""Those with a map; all of them can be stepped side by side."""


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
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"game: {name!r} is unknown; {hint}`softsim games` lists all {len(GAMES)}.")
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
        raise UserError(f"games: none given; name at least one of the {len(GAMES)} that `softsim games` lists.")
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
