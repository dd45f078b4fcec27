"""Refusing what a declaration may not say: one sentence with the field, the value, and what is allowed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from softsim.envs.game import Game
from softsim.types import UserError

MANY = 2**30
FLOAT_MAX = float(np.finfo(np.float32).max)
MAX_RULES = 250
MAX_RADIUS = 8.0
"""Rule rows, sites and neighbour counts are bytes; within 8 cells lie 196 neighbours."""

MAX_ROLES = 4
MAX_STAKES = 32
MAX_AGE = 255
MAX_GUISES = 6


class Checker:
    """Refuses values in the name of one game."""

    def __init__(self, game: Game):
        self.game = game.name
        self.items = set(game.item_names())
        self.sites = {cell.site for row in game.cells() for cell in row if cell.site}
        self.roles, self.hands, self.slots = set(game.roles), {"", *game.hands}, set(game.bag)
        self.beams = {beam.name for beam in game.beams}

    def refuse(self, complaint: str) -> None:
        raise UserError(f"{self.game}: {complaint}")

    def known(self, field: str, value: Any, allowed: Iterable[Any]) -> None:
        if value not in allowed:
            self.refuse(f"{field} names {value!r}; allowed are {', '.join(sorted(map(str, allowed))) or 'none'}.")

    def known_roles(self, field: str, names: Any) -> None:
        for name in [names] if isinstance(names, str) else names or ():
            self.known(field, name, self.roles)

    def number(self, field: str, value: float, low: float = -FLOAT_MAX, high: float = FLOAT_MAX) -> None:
        if not (math.isfinite(value) and low <= value <= high):
            allowed = "a finite float32" if high == FLOAT_MAX else f"a number from {low:g} to {high:g}"
            self.refuse(f"{field} is {value}; it must be {allowed}.")

    def whole(self, field: str, value: float, low: int, high: int = MANY) -> None:
        if not (math.isfinite(value) and value == int(value) and low <= value <= high):
            self.refuse(f"{field} is {value}; it must be a whole number from {low} to {high}.")

    def once(self, field: str, values: Iterable[str]) -> None:
        for value, times in Counter(values).items():
            if times > 1:
                self.refuse(f"{field} has {value!r} {times} times; one is allowed.")
