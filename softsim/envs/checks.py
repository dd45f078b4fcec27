"""What a declaration may not say. Each refusal is one sentence: the field, the value, what is allowed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from softsim.envs.game import Enter, Game, Struck, Touch
from softsim.envs.vocabulary import ACTIONS, ITEMS
from softsim.types import UserError

MANY = 2**30
FLOAT_MAX = float(np.finfo(np.float32).max)
MAX_RULES = 255
MAX_RADIUS = 8.0
"""Rule rows, sites and neighbour counts are bytes; within 8 cells lie 196 neighbours."""


class Checker:
    """Refuses values in the name of one game."""

    def __init__(self, game: str):
        self.game = game

    def refuse(self, complaint: str) -> None:
        raise UserError(f"{self.game}: {complaint}")

    def known(self, field: str, value: Any, allowed: Iterable[str]) -> None:
        if value not in allowed:
            self.refuse(f"{field} names {value!r}; allowed are {', '.join(sorted(allowed)) or 'none'}.")

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


def check(game: Game) -> None:
    """Refuse a declaration that cannot be meant.

    Raises:
        UserError: it names what does not exist, or holds a number that is not allowed.
    """
    checker = Checker(game.name)
    check_map(game, checker)
    check_rules(game, checker)
    check_growth(game, checker)
    check_beams(game, checker)
    check_solid(game, checker)
    checker.whole("ending.maximum", game.ending.maximum, 1)
    checker.whole("ending.minimum", game.ending.minimum, 0)
    checker.whole("ending.interval", game.ending.interval, 1)
    checker.number("ending.rate", game.ending.rate, 0.0, 1.0)
    for side in ("ahead", "behind", "side"):
        checker.whole(f"view.{side}", getattr(game.view, side), 0, 64)


def check_map(game: Game, checker: Checker) -> None:
    cells = [cell for row in game.cells() for cell in row]
    items = set(game.item_names())
    for item in game.solid:
        checker.known("solid", item, items)
    if not game.roles:
        checker.refuse("roles is empty; at least one role is needed.")
    checker.once("roles", game.roles)
    sites = {cell.site for cell in cells}
    if len(sites) > MAX_RULES:
        checker.refuse(f"legend has {len(sites)} sites; at most {MAX_RULES} are allowed.")
    named = {item for law in game.growth for item in law.items} | {law.into for law in game.decay}
    named |= {rule.becomes for rule in game.rules if rule.becomes}
    for item in sorted(named):
        allowed = {*ITEMS, *game.items, *(cell.item for cell in cells)}
        checker.known("rules, growth or decay", item, allowed)
    for cell in cells:
        if cell.spawn not in ("", "start", "later", "always"):
            checker.refuse(f"legend has spawn {cell.spawn!r}; allowed are '', 'start', 'later', 'always'.")
        if cell.spawn and cell.item in game.solid:
            checker.refuse(f"legend lets agents appear on {cell.item!r}, which is solid.")
    starts = sum(cell.spawn in ("start", "always") for cell in cells)
    if not starts:
        checker.refuse("map has no cell where agents start; at least one is needed.")
    if not 1 <= game.num_agents <= starts:
        checker.refuse(
            f"num_agents is {game.num_agents}; its map has {starts} cells where agents start, "
            f"so 1 to {starts} are allowed."
        )
    if game.num_agents > 62:
        checker.refuse(f"num_agents is {game.num_agents}; the observation tells at most 62 agents apart.")


def check_rules(game: Game, checker: Checker) -> None:
    items, beams = set(game.item_names()), {beam.name for beam in game.beams}
    if len(game.rules) > MAX_RULES:
        checker.refuse(f"rules has {len(game.rules)} entries; at most {MAX_RULES} are allowed.")
    for q, rule in enumerate(game.rules):
        checker.known(f"rules[{q}].on.item", rule.on.item, items)
        if isinstance(rule.on, Struck):
            checker.known(f"rules[{q}].on.by", rule.on.by, beams)
        if isinstance(rule.on, Touch):
            checker.known(f"rules[{q}].on.item", rule.on.item, game.solid)
        if rule.role is not None:
            checker.known(f"rules[{q}].role", rule.role, game.roles)
        checker.number(f"rules[{q}].reward", rule.reward)
        checker.number(f"rules[{q}].reward_others", rule.reward_others)
        checker.whole(f"rules[{q}].freeze", rule.freeze, 0)
    for d, law in enumerate(game.decay):
        checker.known(f"decay[{d}].item", law.item, items)
        checker.number(f"decay[{d}].rate", law.rate, 0.0, 1.0)
        if law.item in [before.item for before in game.decay[:d]]:
            checker.refuse(f"decay[{d}] is a second law for {law.item!r}; one is allowed.")


def check_growth(game: Game, checker: Checker) -> None:
    items = set(game.item_names())
    sites = {cell.site for row in game.cells() for cell in row if cell.site}
    for name, law in ((f"growth[{g}]", law) for g, law in enumerate(game.growth)):
        checker.known(f"{name}.on", law.on, sites)
        checker.known(f"{name}.over", law.over, items)
        if not law.items:
            checker.refuse(f"{name}.item is {law.item}; at least one item is needed.")
        if (law.rate is None) == (law.per_step is None):
            checker.refuse(f"{name} needs exactly one of rate and per_step.")
        if len(law.rates) != 4:
            checker.refuse(f"{name}.rate is {law.rate}; it must be one number, or four for 0, 1, 2 and 3 neighbours.")
        for rate in law.rates:
            checker.number(f"{name}.rate", rate, 0.0, 1.0)
        checker.number(f"{name}.per_step", law.per_step or 0.0, 0.0, 1.0)
        checker.whole(f"{name}.after", law.after, 0)
        checker.number(f"{name}.radius", law.radius, 0.0, MAX_RADIUS)
        if law.per_step is not None and (len(law.items) > 1 or law.slowed_by):
            checker.refuse(f"{name} has per_step, which takes one item and no slowed_by.")
        if law.slowed_by:
            slow = law.slowed_by
            checker.known(f"{name}.slowed_by.item", slow.item, items)
            checker.known(f"{name}.slowed_by.of", slow.of, sites)
            checker.number(f"{name}.slowed_by.low", slow.low, 0.0, 1.0)
            checker.number(f"{name}.slowed_by.high", slow.high, 0.0, 1.0)
            if slow.low > slow.high:
                checker.refuse(f"{name}.slowed_by has low {slow.low} above high {slow.high}; low may not exceed high.")
    cellwise = Counter(law.on for law in game.growth if law.rate is not None)
    for site, laws in cellwise.items():
        if laws > 1:
            checker.refuse(f"site {site!r} has two growth laws with a rate; one is allowed.")


def check_beams(game: Game, checker: Checker) -> None:
    for beam in game.beams:
        name = f"beam {beam.name!r}"
        if beam.name in ACTIONS:
            checker.refuse(f"{name} is called like a move; any name but {', '.join(ACTIONS)} is allowed.")
        checker.whole(f"{name}.length", beam.length, 1, 16)
        checker.whole(f"{name}.half_width", beam.half_width, 0, 8)
        for field in ("cooldown", "removes_for", "freezes_for"):
            checker.whole(f"{name}.{field}", getattr(beam, field), 0)
        checker.number(f"{name}.reward", beam.reward)
        checker.number(f"{name}.fine", beam.fine)
    checker.once("beam", [beam.name for beam in game.beams])
    returns = any(cell.spawn in ("later", "always") for row in game.cells() for cell in row)
    if any(beam.removes_for for beam in game.beams) and not returns:
        checker.refuse("a beam removes agents, but no map cell has spawn 'later' or 'always'.")


def check_solid(game: Game, checker: Checker) -> None:
    """Nothing may turn solid where an agent can stand or appear."""
    for q, rule in enumerate(game.rules):
        soft = isinstance(rule.on, (Enter, Struck)) and rule.on.item not in game.solid
        if soft and rule.becomes in game.solid:
            checker.refuse(f"rules[{q}].becomes is {rule.becomes!r}, which is solid, where an agent may stand.")
    for d, law in enumerate(game.decay):
        if law.item not in game.solid and law.into in game.solid:
            checker.refuse(f"decay[{d}].into is {law.into!r}, which is solid, where an agent may stand.")
    spawning = {cell.site for row in game.cells() for cell in row if cell.spawn}
    for g, law in enumerate(game.growth):
        if law.on in spawning and set(law.items) & set(game.solid):
            checker.refuse(f"growth[{g}].item is {law.item!r}, which is solid, where agents appear.")
