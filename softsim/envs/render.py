"""A grid world as text, for people."""

from __future__ import annotations

import jax
import numpy as np

from softsim.envs.params import EnvParams, EnvState
from softsim.envs.registry import make
from softsim.envs.vocabulary import ITEMS
from softsim.envs.world import GridWorld

SYMBOLS = {
    "floor": " ",
    "wall": "#",
    "dark": "?",
    "apple": "o",
    "river": "~",
    "dirt": "%",
    "red_coin": "r",
    "blue_coin": "b",
}
HEADINGS = "^>v<"
OTHERS = "abcdefghijklmnopqstuvwxyz"


def draw(params: EnvParams, state: EnvState) -> str:
    """Draw one world. Agents on the map show their heading as `^ > v <`; a legend names the items seen."""
    glyphs = [SYMBOLS[name] for name in ITEMS] + list(OTHERS)
    cell = np.asarray(state.cell)
    canvas = np.array(glyphs)[cell]
    present = np.asarray(params.agent_mask) & (np.asarray(state.removed) == 0)
    for position, heading in zip(np.asarray(state.position)[present], np.asarray(state.heading)[present], strict=True):
        canvas[np.unravel_index(position, cell.shape)] = HEADINGS[heading]
    seen = [f"{SYMBOLS[ITEMS[i]]} {ITEMS[i]}" for i in np.unique(cell) if 0 < i < len(ITEMS)]
    return "\n".join("".join(row) for row in canvas) + "\n" + ", ".join(["^ > v < agents", *seen])


def draw_start(name: str) -> str:
    """Draw a game as an episode may begin; empty for games without a map."""
    world, params = make(name)
    if not isinstance(world, GridWorld):
        return ""
    state, _ = jax.jit(world.reset)(jax.random.key(0), params)
    return draw(params, state)
