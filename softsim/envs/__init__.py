"""Worlds: `make` one by name, or `compile_games` of your own declarations."""

from softsim.envs.compiler import compile_games
from softsim.envs.game import (
    Beam,
    Cell,
    Decay,
    Ending,
    Enter,
    Game,
    Growth,
    Rule,
    Slowdown,
    Struck,
    Touch,
)
from softsim.envs.matrix import MatrixGame, MatrixWorld, compile_matrix_games
from softsim.envs.registry import GRID_GAMES, declare, make, names
from softsim.envs.spec import View, WorldSpec
from softsim.envs.world import GridWorld

__all__ = [
    "GRID_GAMES",
    "Beam",
    "Cell",
    "Decay",
    "Ending",
    "Enter",
    "Game",
    "GridWorld",
    "Growth",
    "MatrixGame",
    "MatrixWorld",
    "Rule",
    "Slowdown",
    "Struck",
    "Touch",
    "View",
    "WorldSpec",
    "compile_games",
    "compile_matrix_games",
    "declare",
    "make",
    "names",
]
