"""One fixed vocabulary of symbols and actions for all games, so that a policy can move between them."""

from __future__ import annotations

NUM_SYMBOLS = 128
"""Size of the item vocabulary: observed items are in `[0, NUM_SYMBOLS)` in every game."""

FLOOR, WALL, DARK = 0, 1, 2
"""Ids of the items with a meaning to the engine: nothing, the edge of every map, and what the absent see."""

ITEMS = (
    *("floor", "wall", "dark", "apple", "river", "dirt", "red_coin", "blue_coin"),
    *("iron", "gold", "partial_gold", "token"),
    *("red_mushroom", "green_mushroom", "blue_mushroom", "orange_mushroom"),
    *("block", "damaged_block"),
    *("red_resource", "green_resource", "blue_resource"),
    *("cracked_red", "cracked_green", "cracked_blue", "broken_red", "broken_green", "broken_blue"),
    *("red_bud", "green_bud", "blue_bud", "red_berry", "green_berry", "blue_berry"),
    *("acorn", "tall_grass", "gem", "grate"),
    *("apple_tree", "banana_tree", "apple_shrub", "banana_shrub", "bare_tree", "bare_shrub"),
    *("counter", "tomato_box", "dish_box", "hatch", "counter_tomato", "counter_dish", "counter_soup"),
    *("pot", "pot_1", "pot_2", "pot_3", "pot_done"),
    *("food_1", "food_2", "food_3"),
    *("box", "bait", "screen"),
    *("pad_1", "pad_2", "pad_3", "pad_4", "accept", "reject", "sapling", "stone"),
    *("banana", "bare_banana_tree", "bare_banana_shrub"),
)
"""Names with fixed ids. Ids after these, up to `NUM_SYMBOLS`, go to the items that users' games name themselves."""

ACTIONS = ("noop", "forward", "backward", "step_left", "step_right", "turn_left", "turn_right")
"""Moves, the first actions of every grid game, relative to heading; the beams follow as one action each."""

NUM_MOVES = len(ACTIONS)

BEAMS = (
    *("zap", "interact", "clean", "mine", "gift", "consume", "claim", "tag", "leave"),
    *("plant_red", "plant_green", "plant_blue"),
    *("signal_1", "signal_2", "signal_3", "signal_4"),
    *("vote_1", "vote_2", "vote_3", "vote_4", "vote_5", "abstain"),
)
"""Beams of the library's games in the order of their actions; those of users' games follow."""

SELF = 1
"""Who-symbol of the observer. 0 is nobody; others are `OTHER + 4 * identity + relative heading`."""

OTHER = 2
