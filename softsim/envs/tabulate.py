"""The arrays of a situation, part by part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from softsim.envs import params as data
from softsim.envs.body import HAND_STATES
from softsim.envs.checker import MAX_GUISES
from softsim.envs.game import Act, Face, Game, Growth, Hit, Rule, Struck, Touch
from softsim.envs.rules import (
    ANYBODYS,
    DROP,
    ENTER,
    FACE,
    JOIN,
    KEEP,
    MINE,
    NOBODYS,
    OTHERS,
    REDRAW,
    STRUCK,
    TAKE,
    TOUCH,
)
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import ACTIONS

Columns = dict[str, Any]
np: Any = numpy  # leaves stay NumPy until the games are stacked, which the types of their fields do not say


@dataclasses.dataclass(frozen=True)
class Names:
    """What the names of one game stand for in a spec."""

    spec: WorldSpec
    item: Mapping[str, int]
    site: Mapping[str, int]
    role: Mapping[str, int]
    slot: Mapping[str, int]
    hand: Mapping[str, int]
    num_agents: int

    def roles(self, names: Any) -> int:
        """A set of roles as a byte."""
        chosen = [names] if isinstance(names, str) else list(self.role if names is None else names)
        return sum(1 << self.role[name] for name in chosen)

    def event(self, name: str | None) -> int:
        return self.spec.events.index(name) if name else -1

    def beam(self, name: str) -> int:
        return self.spec.beams.index(name)


def full(count: int, fill: Any, kind: Any) -> Any:
    return np.full(count, fill, kind)


def lay_out(game: Game, names: Names) -> data.Layout:
    spec = names.spec
    grid = (spec.height, spec.width)
    cell, site = np.full(grid, names.item["wall"], np.uint8), np.zeros(grid, np.uint8)
    spawn, roles = np.zeros(spec.num_spawns, np.int32), np.zeros(spec.num_spawns, np.uint8)
    masks = {use: np.zeros(spec.num_spawns, bool) for use in ("start", "later", "meeting")}
    x = 0
    for r, row in enumerate(game.cells()):
        for c, here in enumerate(row):
            cell[r, c], site[r, c] = names.item[here.item], names.site.get(here.site or "", 0)
            if here.spawn:
                spawn[x], roles[x] = r * spec.width + c, names.roles(here.role)
                for use, mask in masks.items():
                    mask[x] = here.spawn == use or (here.spawn == "always" and use != "meeting")
                x += 1
    solid = np.zeros((spec.num_roles, spec.num_items), bool)
    solid[:, [names.item[item] for item in game.solid]] = True
    for role, items in game.barred.items():
        solid[names.role[role], [names.item[item] for item in items]] = True
    return data.Layout(
        cell, site, solid, spawn, roles, masks["start"], masks["later"], masks["meeting"],
        np.asarray(np.bool_(game.torus)), *(np.asarray(np.int32(size)) for size in (len(game.rows), len(game.rows[0]))),
    )  # fmt: skip


def tabulate_sight(game: Game, names: Names) -> data.Sight:
    spec = names.spec
    guise = np.zeros((spec.num_roles, MAX_GUISES, 2), np.uint8)
    hand = np.tile(np.arange(HAND_STATES, dtype=np.uint8), (spec.num_roles, 1))
    for role, seen in game.look.items():
        for pair, (item, instead) in enumerate(seen.items()):
            guise[names.role[role], pair] = names.item[item], names.item[instead]
            if item in names.hand and instead in names.hand:
                hand[names.role[role], names.hand[item]] = names.hand[instead]
    view = (np.asarray(np.int32(side)) for side in (game.view.ahead, game.view.behind, game.view.side))
    return data.Sight(*view, guise, hand, np.asarray(np.bool_(game.show_role)))


def tabulate_scatter(game: Game, names: Names) -> data.Scatter:
    count = names.spec.num_scatters
    columns: Columns = {"site": full(count, KEEP, np.uint8), "count": full(count, -1, np.int32)}
    columns |= {field: full(count, 0, np.float32) for field in ("low", "high")}
    columns["item"] = np.zeros((count, names.spec.num_choices), np.uint8)
    columns["num_choices"] = np.ones(count, np.uint32)
    upto: dict[str, float] = {}
    for s, draw in enumerate(game.draws):
        columns["site"][s], columns["num_choices"][s] = names.site[draw.on], len(draw.items)
        columns["item"][s, : len(draw.items)] = [names.item[item] for item in draw.items]
        columns["count"][s] = -1 if draw.count is None else draw.count
        columns["low"][s] = upto.get(draw.on, 0.0)
        columns["high"][s] = upto[draw.on] = upto.get(draw.on, 0.0) + (draw.rate or 0.0)
    return data.Scatter(**columns)


def trigger_of(on: Any, names: Names) -> int:
    if isinstance(on, Struck):
        return STRUCK + names.beam(on.by)
    return TOUCH if isinstance(on, Touch) else FACE if isinstance(on, Face) else ENTER


Column = tuple[Any, Any, Callable[[Rule, Names], Any]]
CLAIMS = {None: KEEP, "take": TAKE, "join": JOIN, "drop": DROP}
RELATIONS = {None: ANYBODYS, "nobodys": NOBODYS, "mine": MINE, "others": OTHERS}


def or_keep(value: Any, ids: Mapping[str, int] | None = None) -> int:
    """A byte for what may be left out."""
    return KEEP if value is None else value if ids is None else ids[value]


def to_each_other(rule: Rule, num_agents: int) -> float:
    """What each agent but the actor gets of the rewards that a rule splits."""
    return rule.split / num_agents + (rule.split_others / (num_agents - 1) if num_agents > 1 else 0.0)


RULE_COLUMNS: dict[str, Column] = {
    "roles": (np.uint8, KEEP, lambda rule, names: names.roles(rule.role)),
    "hand": (np.uint8, KEEP, lambda rule, names: or_keep(rule.hand, names.hand)),
    "slot": (np.int32, 0, lambda rule, names: names.slot[rule.slot] if rule.slot else 0),
    "least": (np.int32, 0, lambda rule, names: rule.least if rule.slot else 0),
    "relation": (np.uint8, ANYBODYS, lambda rule, names: RELATIONS[rule.whose]),
    "ripe": (np.uint8, 0, lambda rule, names: rule.ripe),
    "nature": (np.uint8, KEEP, lambda rule, names: or_keep(rule.nature)),
    "fit": (np.float32, 0, lambda rule, names: rule.fit),
    "present": (np.uint8, 0, lambda rule, names: names.roles(rule.present) if rule.present else 0),
    "chance": (np.float32, 1, lambda rule, names: rule.chance),
    "becomes": (np.uint8, KEEP, lambda rule, names: or_keep(rule.becomes, names.item)),
    "reward": (np.float32, 0, lambda rule, names: rule.reward + rule.split / names.num_agents),
    "reward_others": (np.float32, 0, lambda rule, names: rule.reward_others + to_each_other(rule, names.num_agents)),
    "by_level": (bool, False, lambda rule, names: rule.by_level),
    "freeze": (np.int32, 0, lambda rule, names: rule.freeze),
    "exile": (np.int32, 0, lambda rule, names: rule.exile),
    "event": (np.int32, -1, lambda rule, names: names.event(rule.event)),
    "holds": (np.uint8, KEEP, lambda rule, names: or_keep(rule.holds, names.hand)),
    "cash": (np.float32, 0, lambda rule, names: rule.cash),
    "claim": (np.uint8, KEEP, lambda rule, names: CLAIMS[rule.claim]),
    "paint": (np.uint8, KEEP, lambda rule, names: or_keep(rule.paint)),
    "feeds": (np.float32, 0, lambda rule, names: rule.feeds),
    "owes": (np.float32, 0, lambda rule, names: rule.owes),
    "turns": (np.uint8, KEEP, lambda rule, names: REDRAW if rule.turns == "redraw" else or_keep(rule.turns)),
    "progress": (np.int32, 0, lambda rule, names: rule.progress),
    "blight": (np.uint8, 0, lambda rule, names: names.item[rule.blight[0]] if rule.blight else 0),
    "blight_rate": (np.float32, 0, lambda rule, names: rule.blight[1] if rule.blight else 0),
    "wash": (bool, False, lambda rule, names: rule.wash),
}
"""Type, value of unused rows, and what a rule says, of every column of the table that is one number per rule."""


def tabulate_rules(game: Game, names: Names, emergent: Sequence[Growth]) -> data.Rules:
    """Chain the rules on each event in the order of their declaration."""
    spec, rules = names.spec, game.all_rules()
    lookup = np.zeros((STRUCK + len(spec.beams), spec.num_items), np.uint8)
    fire, otherwise = np.zeros(len(spec.beams), np.uint8), np.zeros(spec.num_rules, np.uint8)
    hit = np.zeros((len(spec.beams), spec.num_roles), np.uint8)
    for q in reversed(range(1, len(game.rules) + 1)):
        on = rules[q - 1].on
        if isinstance(on, Act):
            table, index = fire, names.beam(on.by)
        elif isinstance(on, Hit):
            table, index = hit, (names.beam(on.by), names.role[on.role])
        else:
            table, index = lookup, (trigger_of(on, names), names.item[on.item])
        otherwise[q], table[index] = table[index], q
    columns: Columns = {}
    for field, (kind, unused, value) in RULE_COLUMNS.items():
        columns[field] = full(spec.num_rules, unused, kind)
        columns[field][1 : len(rules) + 1] = [value(rule, names) for rule in rules]
    gains = np.zeros((spec.num_rules, spec.num_slots), np.int32)
    spores = np.zeros((spec.num_rules, spec.num_emergences), np.int32)
    for q, rule in enumerate(rules, 1):
        for slot, amount in rule.gains.items():
            gains[q, names.slot[slot]] = amount
        for m, law in enumerate(emergent):
            spores[q, m] = rule.spores.get(law.items[0], 0)
    return data.Rules(lookup, fire, hit, otherwise, gains=gains, spores=spores, **columns)


def tabulate_work(game: Game, names: Names) -> data.Work:
    spec = names.spec
    need, window = full(spec.num_items, 0, np.float32), full(spec.num_items, 0, np.int32)
    done, level = full(spec.num_items, 0, np.uint8), full(spec.num_roles, 1, np.float32)
    for q, work in enumerate(game.work, len(game.rules) + 1):
        item = names.item[work.item]
        need[item], window[item], done[item] = work.need, work.window, q
    for role, value in game.level.items():
        level[names.role[role]] = value
    return data.Work(need, window, done, level)


def tabulate_beams(game: Game, names: Names) -> data.Beams:
    spec, count = names.spec, len(names.spec.beams)
    stops = np.zeros((count, spec.num_items), bool)
    stops[:, [names.item[item] for item in game.solid]] = True
    same: dict[str, tuple[str, ...]] = {
        "int32": ("length", "half_width", "cooldown", "guard", "mark_for", "removes_for", "freezes_for"),
        "float32": ("price", "reward", "fine"),
        "bool": ("strikes_agents", "gives", "meets", "votes"),
        "uint8": ("says",),
    }
    columns: Columns = {field: full(count, 0, kind) for kind, fields in same.items() for field in fields}
    columns |= {"exists": full(count, False, bool), "event": full(count, -1, np.int32)}
    columns |= {"shooters": full(count, 0, np.uint8), "targets": np.zeros((count, spec.num_roles), np.uint8)}
    for beam in game.beams:
        b = names.beam(beam.name)
        columns["exists"][b], columns["event"][b] = True, names.event(beam.event)
        columns["shooters"][b] = names.roles(beam.role)
        targets = beam.targets if isinstance(beam.targets, Mapping) else dict.fromkeys(game.roles, beam.targets)
        for role, struck in targets.items():
            columns["targets"][b, names.role[role]] = names.roles(struck)
        for fields in same.values():
            for field in fields:
                columns[field][b] = getattr(beam, field)
        struck = [r.on.item for r in game.rules if isinstance(r.on, Struck) and r.on.by == beam.name]
        if beam.passes:
            stops[b, [names.item[item] for item in struck]] = False
        else:
            stops[b, [names.item[item] for item in struck]] = True
        stops[b, [names.item[item] for item in beam.ends_at]] = True
    return data.Beams(stops=stops, **columns)


def tabulate_bag(game: Game, names: Names) -> data.Bag:
    count = names.spec.num_slots
    columns: Columns = {field: full(count, 0, np.int32) for field in ("start", "cap", "gift_amount")}
    columns["gift_to"] = np.arange(count, dtype=np.int32)
    for name, slot in game.bag.items():
        g = names.slot[name]
        columns["start"][g], columns["cap"][g] = slot.start, slot.cap
        columns["gift_to"][g], columns["gift_amount"][g] = names.slot[slot.into or name], slot.amount
    return data.Bag(**columns)


def tabulate_encounter(game: Game, names: Names) -> data.Encounter:
    count, law = names.spec.num_slots, game.encounter
    row, column = np.zeros((2, count, count), np.float32)
    values = (False, 0, 0, -1, 0)
    if law:
        size = len(law.row)
        row[:size, :size], column[:size, :size] = law.row, law.column
        values = (law.by_role, law.freezes_for, law.removes_for, names.event(law.event), law.progress)
    kinds = (np.bool_, np.int32, np.int32, np.int32, np.int32)
    return data.Encounter(row, column, *(np.asarray(kind(value)) for kind, value in zip(kinds, values, strict=True)))


def tabulate_need(game: Game, names: Names) -> data.Need:
    spec, law = names.spec, game.need
    most, change = full(spec.num_roles, 0, np.float32), np.zeros((spec.num_roles, spec.num_actions), np.float32)
    band, slow, exile = full(3, -1, np.float32), np.zeros((spec.num_roles, 4), np.int32), 0
    if law:
        chosen = [law.role] if isinstance(law.role, str) else law.role or game.roles
        for role in chosen:
            most[names.role[role]] = law.most[role] if isinstance(law.most, Mapping) else law.most
            for action, value in law.change.items():
                known = ACTIONS.index(action) if action in ACTIONS else len(ACTIONS) + names.beam(action)
                change[names.role[role], known] = value
        for role, steps in law.slow.items():
            slow[names.role[role]] = steps
        band[:], exile = law.band, law.exile
    return data.Need(most, change, band, slow, np.asarray(np.int32(exile)))


def tabulate_goals(game: Game, names: Names) -> data.Goals:
    spec = names.spec
    columns: Columns = {field: full(spec.num_goals, -1, np.int32) for field in ("role", "bound", "event")}
    columns["reward"] = np.zeros((spec.num_goals, spec.num_roles), np.float32)
    for c, goal in enumerate(game.goals):
        columns["bound"][c] = goal.left if goal.progress is None else goal.progress
        columns["role"][c] = -1 if goal.role is None else names.role[goal.role]
        columns["event"][c] = names.event(goal.event)
        for role, value in goal.reward.items():
            columns["reward"][c, names.role[role]] = value
    return data.Goals(**columns)


def tabulate_growth(laws: Sequence[Growth], names: Names, size: Mapping[str, int]) -> data.Growth:
    spec, count = names.spec, names.spec.num_growths
    columns: Columns = {field: full(count, 0, np.uint8) for field in ("site", "over", "slow_item", "slow_site")}
    columns |= {field: full(count, 0, np.float32) for field in ("slow_total", "slow_low", "slow_high")}
    columns |= {"ripe": full(count, 0, np.uint8), "under": full(count, False, bool), "counts": full(count, False, bool)}
    columns["site"][:] = KEEP  # rows beyond the game's own match no site
    columns["item"] = np.zeros((count, spec.num_choices), np.uint8)
    columns["count_item"] = np.full((count, 2), KEEP, np.uint8)
    columns["num_choices"] = np.ones(count, np.uint32)
    columns["rate"] = np.zeros((count, 4), np.float32)
    columns["near"] = np.zeros((count, len(spec.neighbours)), np.uint8)
    for g, law in enumerate(laws):
        columns["site"][g], columns["over"][g] = names.site[law.on], names.item[law.over]
        columns["item"][g, : len(law.items)] = [names.item[item] for item in law.items]
        columns["num_choices"][g], columns["rate"][g] = len(law.items), law.rates
        columns["near"][g] = [offset in law.offsets for offset in spec.neighbours]
        columns["ripe"][g], columns["under"][g], columns["counts"][g] = law.ripe, law.under_agents, bool(law.times)
        columns["count_item"][g, : len(law.times)] = [names.item[item] for item in law.times]
        if law.slowed_by:
            slow = law.slowed_by
            columns["slow_item"][g], columns["slow_site"][g] = names.item[slow.item], names.site[slow.of]
            columns["slow_total"][g] = size[slow.of]
            columns["slow_low"][g], columns["slow_high"][g] = slow.low, slow.high
    return data.Growth(**columns)


def tabulate_emergence(laws: Sequence[Growth], names: Names) -> data.Emergence:
    count = names.spec.num_emergences
    columns: Columns = {field: full(count, 0, np.uint8) for field in ("site", "over", "item")}
    columns |= {field: full(count, 0, np.int32) for field in ("after", "first")}
    columns |= {"rate": full(count, 0, np.float32), "every_step": full(count, False, bool)}
    columns["cap"] = full(count, names.spec.height * names.spec.width, np.int32)
    for m, law in enumerate(laws):
        columns["site"][m], columns["over"][m] = names.site[law.on], names.item[law.over]
        columns["item"][m], columns["every_step"][m] = names.item[law.items[0]], law.per_step is not None
        columns["rate"][m] = law.per_try if law.per_step is None else law.per_step
        columns["after"][m], columns["first"][m] = law.after, law.first
        columns["cap"][m] = columns["cap"][m] if law.cap is None else law.cap
    return data.Emergence(**columns)


def tabulate_decay(game: Game, names: Names) -> data.Decay:
    count = names.spec.num_items
    rate, into, ripe = full(count, 0, np.float32), np.arange(count, dtype=np.uint8), full(count, 0, np.uint8)
    for law in game.decay:
        item = names.item[law.item]
        rate[item], into[item], ripe[item] = law.rate, names.item[law.into], law.ripe
    return data.Decay(rate, into, ripe)


def tabulate_income(game: Game, names: Names) -> data.Income:
    count = names.spec.num_items
    rate, ripe, amount = full(count, 0, np.float32), full(count, 0, np.uint8), full(count, 0, np.float32)
    for law in game.income:
        item = names.item[law.item]
        rate[item], ripe[item], amount[item] = law.rate, law.ripe, law.amount
    return data.Income(rate, ripe, amount)


def scalars(kind: Any, *values: tuple[Any, Any]) -> Any:
    """A struct of single numbers, from pairs of type and value."""
    return kind(*(np.asarray(of(value)) for of, value in values))
