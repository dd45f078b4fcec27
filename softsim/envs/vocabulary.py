"""One fixed vocabulary of symbols and actions for all games, so that a policy can move between them."""

from __future__ import annotations

NUM_SYMBOLS = 32
"""Size of the item vocabulary: observed items are in `[0, NUM_SYMBOLS)` in every game."""

FLOOR, WALL, DARK = 0, 1, 2
"""Ids of the items with a meaning to the engine: nothing, the edge of every map, and what the absent see."""

ITEMS = ("floor", "wall", "dark", "apple", "river", "dirt", "red_coin", "blue_coin")
"""Names with fixed ids. Ids after these, up to `NUM_SYMBOLS`, go to the items that users' games name themselves."""

ACTIONS = ("noop", "forward", "backward", "step_left", "step_right", "turn_left", "turn_right")
"""Actions of every grid game, relative to heading; the beams of a game follow as one action each."""

NUM_MOVES = len(ACTIONS)

SELF = 1
"""Who-symbol of the observer. 0 is nobody; others are `OTHER + 4 * identity + relative heading`."""

OTHER = 2
