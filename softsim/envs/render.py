"""A grid world as text, for people."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from softsim.envs.params import EnvParams, EnvState
from softsim.envs.registry import make
from softsim.envs.vocabulary import ITEMS, NUM_SYMBOLS
from softsim.envs.world import GridWorld

HEADINGS = "^>v<"
"""Agents, by heading: no item is drawn like one."""

PREFERRED = {
    "floor": " ", "wall": "#", "dark": "?", "apple": "o", "river": "~", "dirt": "%",
    "red_coin": "r", "blue_coin": "b", "iron": "i", "gold": "G", "partial_gold": "g", "token": "$",
    "block": "=", "damaged_block": "-", "acorn": "n", "tall_grass": '"', "gem": "*", "grate": "_",
    "apple_tree": "A", "banana_tree": "B", "counter": "+", "pot": "u", "pot_done": "U", "hatch": "H",
    "box": "x", "bait": "!", "banana": ")", "accept": "Y", "reject": "N", "stone": "0",
    **{f"pad_{k}": str(k) for k in range(1, 5)},
    **{f"pot_{k}": str(k + 4) for k in range(1, 4)},
}  # fmt: skip
"""What common items look like."""


def _glyphs(preferred: Mapping[str, str], items: Sequence[str]) -> list[str]:
    """Give every item id a character of its own: the preferred one, else a letter of its name, else any."""
    latin = "".join(chr(code) for code in range(0xA1, 0x100) if code != 0xAD)  # printed, but for a soft hyphen
    spare = dict.fromkeys(string.ascii_letters + string.punctuation + string.digits + latin)
    for taken in (*HEADINGS, *preferred.values()):
        spare.pop(taken, None)
    glyphs = []
    for item in items:
        glyph = preferred.get(item) or next((c for c in item + item.upper() if c in spare), None) or next(iter(spare))
        spare.pop(glyph, None)
        glyphs.append(glyph)
    return [*glyphs, *spare][:NUM_SYMBOLS]


GLYPHS = _glyphs(PREFERRED, ITEMS)
"""By item id, the same in every game and frame."""


def draw(params: EnvParams, state: EnvState) -> str:
    """Draw one world. Agents on the map show their heading as `^ > v <`; a legend names the items seen."""
    height, width = int(params.layout.height), int(params.layout.width)
    cell = np.asarray(state.cell)
    canvas = np.array(GLYPHS)[cell]
    present = np.asarray(params.agent_mask) & (np.asarray(state.removed) == 0)
    for position, heading in zip(np.asarray(state.position)[present], np.asarray(state.heading)[present], strict=True):
        canvas[np.unravel_index(position, cell.shape)] = HEADINGS[heading]
    seen = [f"{GLYPHS[item]} {item_name(item)}" for item in np.unique(cell[:height, :width]) if item > 0]
    rows = ["".join(row) for row in canvas[:height, :width]]
    return "\n".join([*rows, ", ".join(["^ > v < agents", *seen])])


def item_name(item: int) -> str:
    """Name an item. Those that users' games name have a number here."""
    return ITEMS[item] if item < len(ITEMS) else f"item {item}"


def draw_start(name: str) -> str:
    """Draw a game as an episode may begin; empty for games without a map."""
    world, params = make(name)
    if not isinstance(world, GridWorld):
        return ""
    state, _ = jax.jit(world.reset)(jax.random.key(0), params)
    return draw(params, state)
