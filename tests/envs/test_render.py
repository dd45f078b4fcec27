"""Worlds as text."""

from __future__ import annotations

import dataclasses
import types

import jax
import numpy as np
import pytest

from softsim.envs import Cell, Enter, Game, Rule, compile_games
from softsim.envs.render import GLYPHS, HEADINGS, draw, draw_start
from softsim.envs.vocabulary import ITEMS, NUM_SYMBOLS

SMALL = Game(
    name="small",
    map="######\n#PlcP#\n######",
    legend={"c": Cell("tomato_box"), "l": Cell("lamp")},
    rules=[Rule(on=Enter("lamp"), becomes="floor", reward=1.0)],
    num_agents=2,
)


@pytest.fixture(scope="module")
def scene():
    """Two maps of different size in one batch, and what is drawn of a state: agents at both ends of the middle row."""
    _, batch = compile_games([SMALL, dataclasses.replace(SMALL, map="#" * 8 + "\n#PP..lc#\n" + "#" * 8)])
    pairs = []
    for k, last in enumerate((4, 6)):
        params = jax.tree.map(lambda leaf, k=k: leaf[k], batch)
        place = {"position": np.array([8 + 1, 8 + last]), "heading": np.array([1, 3]), "removed": np.array([0, 0])}
        pairs.append((params, types.SimpleNamespace(cell=params.layout.cell, **place)))
    return pairs


def test_every_symbol_has_a_glyph_of_its_own():
    """Also those of users' games; none looks like an agent."""
    assert len(GLYPHS) == len(set(GLYPHS)) == NUM_SYMBOLS
    assert all(len(glyph) == 1 and glyph.isprintable() for glyph in GLYPHS)
    assert not set(GLYPHS) & set(HEADINGS)
    assert all(glyph.isascii() for glyph in GLYPHS[: len(ITEMS)])


def test_a_map_is_drawn_at_its_own_size_with_the_items_seen(scene):
    box, lamp = GLYPHS[ITEMS.index("tomato_box")], GLYPHS[len(ITEMS)]
    for row, (params, state) in zip((f"#>{lamp}{box}<#", f"#>   {lamp}<#"), scene, strict=True):
        *rows, seen = draw(params, state).splitlines()
        assert rows == ["#" * len(row), row, "#" * len(row)]
        assert seen.split(", ") == ["^ > v < agents", "# wall", f"{box} tomato_box", f"{lamp} item {len(ITEMS)}"]


def test_who_is_off_the_map_is_not_drawn(scene):
    params, state = scene[0]
    gone = types.SimpleNamespace(**vars(state) | {"removed": np.array([0, 5])})
    assert draw(params, gone).splitlines()[1].endswith(" #")


def test_the_start_of_a_game_is_drawn():
    assert draw_start("chicken") == ""
    *rows, seen = draw_start("coins_classic").splitlines()
    assert len(rows) == 3
    assert sum("".join(rows).count(heading) for heading in HEADINGS) == 2
    assert "coin" in seen
