"""What the rules and the growth, decay and income of a game may not say."""

from __future__ import annotations

import dataclasses
from typing import Any

from softsim.envs.checker import MAX_AGE, MAX_RADIUS, MAX_RULES, MAX_STAKES, Checker
from softsim.envs.game import Act, Game, Growth, Hit, Rule, Struck, Touch


def check_rules(game: Game, checker: Checker) -> None:
    if len(game.all_rules()) > MAX_RULES:
        checker.refuse(f"rules has {len(game.all_rules())} entries; at most {MAX_RULES} are allowed.")
    for q, rule in enumerate(game.rules):
        check_event(game, checker, f"rules[{q}]", rule)
        check_rule(game, checker, f"rules[{q}]", rule)
        for p, before in enumerate(game.rules[:q]):
            if before.on == rule.on and conditions(before) in ({}, conditions(rule)):
                checker.refuse(
                    f"rules[{q}] can never be reached: rules[{p}] on the same {rule.on} comes first; "
                    f"put the one with more conditions first."
                )
    for w, work in enumerate(game.work):
        checker.known(f"work[{w}].item", work.item, checker.items)
        checker.number(f"work[{w}].need", work.need, 0.0)
        checker.whole(f"work[{w}].window", work.window, 0, MAX_AGE)
        check_rule(game, checker, f"work[{w}].done", work.done)
    stakes = any(rule.claim or rule.whose for rule in game.rules) or game.income
    if stakes and game.num_agents > MAX_STAKES:
        checker.refuse(f"num_agents is {game.num_agents}; at most {MAX_STAKES} can have stakes in cells.")


CONDITION_FIELDS = ("role", "hand", "slot", "whose", "nature", "ripe", "fit", "present", "chance")


def conditions(rule: Rule) -> dict[str, Any]:
    """The conditions a rule sets, by field."""
    standard = {field.name: field.default for field in dataclasses.fields(Rule)}
    asked = {field: getattr(rule, field) for field in CONDITION_FIELDS}
    return {field: (value, rule.least) for field, value in asked.items() if value != standard[field]}


def check_event(game: Game, checker: Checker, name: str, rule: Rule) -> None:
    on = rule.on
    if isinstance(on, (Struck, Act, Hit)):
        checker.known(f"{name}.on.by", on.by, checker.beams)
    if isinstance(on, Hit):
        checker.known(f"{name}.on.role", on.role, checker.roles)
        if not next(beam for beam in game.beams if beam.name == on.by).strikes_agents:
            checker.refuse(f"{name} is on a hit by {on.by!r}, which does not strike agents; set strikes_agents.")
    if isinstance(on, (Act, Hit)):
        if rule.becomes or rule.claim or rule.whose or rule.ripe:
            checker.refuse(f"{name} is on an act, which has no cell; becomes, claim, whose and ripe need one.")
        return
    checker.known(f"{name}.on.item", on.item, checker.items)
    if isinstance(on, Touch):
        barred = {item for items in game.barred.values() for item in items}
        checker.known(f"{name}.on.item", on.item, {*game.solid, *barred})


def check_rule(game: Game, checker: Checker, name: str, rule: Rule) -> None:
    checker.known_roles(f"{name}.role", rule.role)
    checker.known_roles(f"{name}.present", rule.present)
    for field in ("hand", "holds"):
        if getattr(rule, field) is not None:
            checker.known(f"{name}.{field}", getattr(rule, field), checker.hands)
    for slot in (*([rule.slot] if rule.slot else []), *rule.gains):
        checker.known(f"{name}.slot or gains", slot, checker.slots)
    checker.known(f"{name}.claim", rule.claim, {None, "take", "join", "drop"})
    checker.known(f"{name}.whose", rule.whose, {None, "mine", "others", "nobodys"})
    emergent = {law.items[0] for law in game.growth if law.per_try is not None}
    for item, tries in rule.spores.items():
        checker.known(f"{name}.spores", item, emergent)
        checker.whole(f"{name}.spores[{item!r}]", tries, 0)
    for field in ("reward", "reward_others", "split", "split_others", "cash", "owes", "feeds", "fit"):
        checker.number(f"{name}.{field}", getattr(rule, field))
    checker.number(f"{name}.chance", rule.chance, 0.0, 1.0)
    for field in ("freeze", "exile", "progress"):
        checker.whole(f"{name}.{field}", getattr(rule, field), 0)
    checker.whole(f"{name}.ripe", rule.ripe, 0, MAX_AGE)
    checker.whole(f"{name}.least", rule.least, 0)
    checker.whole(f"{name}.paint", rule.paint or 0, 0, 7)
    states = game.nature.count if game.nature else 0
    if rule.nature is not None:
        checker.whole(f"{name}.nature", rule.nature, 0, states - 1)
    if rule.turns not in (None, "redraw"):
        checker.whole(f"{name}.turns", rule.turns, 0, states - 1)  # ty: ignore[invalid-argument-type]
    if rule.blight:
        checker.known(f"{name}.blight", rule.blight[0], checker.items)
        checker.number(f"{name}.blight", rule.blight[1], 0.0, 1.0)
    if rule.freeze and rule.owes and rule.freeze <= max(game.instalments):
        checker.refuse(f"{name}.freeze is {rule.freeze}, within which no instalment of {game.instalments} is paid.")


def check_growth(game: Game, checker: Checker) -> None:
    for name, law in ((f"growth[{g}]", law) for g, law in enumerate(game.growth)):
        checker.known(f"{name}.on", law.on, checker.sites)
        checker.known(f"{name}.over", law.over, checker.items)
        if not law.items:
            checker.refuse(f"{name}.item is {law.item}; at least one item is needed.")
        if sum(kind is not None for kind in (law.rate, law.per_step, law.per_try)) != 1:
            checker.refuse(f"{name} needs exactly one of rate, per_step and per_try.")
        if len(law.rates) != 4:
            checker.refuse(f"{name}.rate is {law.rate}; it must be one number, or four for 0, 1, 2 and 3 neighbours.")
        for rate in law.rates:
            checker.number(f"{name}.rate", rate, 0.0, 1.0)
        for field in ("per_step", "per_try"):
            checker.number(f"{name}.{field}", getattr(law, field) or 0.0, 0.0, 1.0)
        checker.whole(f"{name}.after", law.after, 0)
        checker.whole(f"{name}.first", law.first, 0)
        checker.whole(f"{name}.cap", law.cap or 0, 0)
        checker.whole(f"{name}.ripe", law.ripe, 0, MAX_AGE)
        checker.number(f"{name}.radius", law.radius, 0.0, MAX_RADIUS)
        if law.rate is None and (len(law.items) > 1 or law.slowed_by or law.times):
            kind = "per_step" if law.per_step is not None else "per_try"
            checker.refuse(f"{name} has {kind}, which takes one item and no slowed_by or times.")
        if len(law.times) > 2:
            checker.refuse(f"{name}.times is {law.times}; at most two items are allowed.")
        for item in law.times:
            checker.known(f"{name}.times", item, checker.items)
        if law.slowed_by:
            slow = law.slowed_by
            checker.known(f"{name}.slowed_by.item", slow.item, checker.items)
            checker.known(f"{name}.slowed_by.of", slow.of, checker.sites)
            checker.number(f"{name}.slowed_by.low", slow.low, 0.0, 1.0)
            checker.number(f"{name}.slowed_by.high", slow.high, 0.0, 1.0)
            if slow.low > slow.high:
                checker.refuse(f"{name}.slowed_by has low {slow.low} above high {slow.high}; low may not exceed high.")
    check_rivals(game, checker)


def check_rivals(game: Game, checker: Checker) -> None:
    """Laws that meet in one cell bring different items, and leave a chance that nothing grows."""
    laws: dict[tuple[str, str], list[Growth]] = {}
    for law in game.growth:
        if law.rate is not None:
            laws.setdefault((law.on, law.over), []).append(law)
    for (site, over), rivals in laws.items():
        items = [item for law in rivals for item in law.items]
        if len(items) > len(set(items)):
            twice = next(item for item in items if items.count(item) > 1)
            checker.refuse(f"site {site!r} has two growth laws over {over!r} that bring {twice!r}; one is allowed.")
        total = sum(max(law.rates) for law in rivals)
        if total > 1:
            checker.refuse(
                f"site {site!r} has growth laws over {over!r} with rates of {total:g} in all; at most 1 is allowed."
            )


def check_cells(game: Game, checker: Checker) -> None:
    """Decay, draws and income."""
    for d, law in enumerate(game.decay):
        checker.known(f"decay[{d}].item", law.item, checker.items)
        checker.number(f"decay[{d}].rate", law.rate, 0.0, 1.0)
        checker.whole(f"decay[{d}].ripe", law.ripe, 0, MAX_AGE)
        if law.item in [before.item for before in game.decay[:d]]:
            checker.refuse(f"decay[{d}] is a second law for {law.item!r}; one is allowed.")
    total: dict[str, float] = {}
    for d, draw in enumerate(game.draws):
        checker.known(f"draws[{d}].on", draw.on, checker.sites)
        if not draw.items:
            checker.refuse(f"draws[{d}].item is {draw.item}; at least one item is needed.")
        if (draw.rate is None) == (draw.count is None):
            checker.refuse(f"draws[{d}] needs exactly one of rate and count.")
        checker.number(f"draws[{d}].rate", draw.rate or 0.0, 0.0, 1.0)
        checker.whole(f"draws[{d}].count", draw.count or 0, 0)
        total[draw.on] = total.get(draw.on, 0.0) + (draw.rate or 0.0)
        if total[draw.on] > 1 + 1e-9:
            checker.refuse(f"draws on site {draw.on!r} add up to {total[draw.on]:g}; at most 1 is allowed.")
    for n, law in enumerate(game.income):
        checker.known(f"income[{n}].item", law.item, checker.items)
        checker.number(f"income[{n}].rate", law.rate, 0.0, 1.0)
        checker.number(f"income[{n}].amount", law.amount)
        checker.whole(f"income[{n}].ripe", law.ripe, 0, MAX_AGE)
