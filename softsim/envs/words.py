"""The parts of a declaration in words: what an event does, what grows, what a beam strikes, when it is over.

Names stand between backticks; a sentence has no capital and no full stop, so that it can be joined to others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from softsim.envs.game import (
    Act,
    Beam,
    Cell,
    Decay,
    Draw,
    Ending,
    Enter,
    Face,
    Goal,
    Growth,
    Hit,
    Income,
    Need,
    Rule,
    Slot,
    Struck,
    Touch,
    Work,
)
from softsim.envs.meeting import FOREVER

EVENTS = {
    Enter: "entering {item}",
    Touch: "walking into {item}",
    Face: "facing {item}",
    Struck: "striking {item} with {by}",
    Act: "using {by}",
    Hit: "striking {role} with {by}",
}
WHOSE = {"mine": "of its own", "others": "of another's", "nobodys": "of nobody's"}
CLAIMS = {"take": "makes the cell its own", "join": "joins in at the cell", "drop": "ends all stakes in the cell"}
SPAWNS = {
    "start": "start here",
    "later": "return here",
    "always": "start and return here",
    "meeting": "are called here",
}


def number(value: float) -> str:
    """Write a number without an exponent, to six digits."""
    return np.format_float_positional(value, precision=6, fractional=False, trim="-")


def count(amount: int, thing: str) -> str:
    return f"{amount} {thing}" if amount == 1 else f"{amount} {thing}s"


def during(steps: int) -> str:
    return "for good" if steps >= FOREVER else f"for {count(steps, 'step')}"


def listed(names: str | Iterable[str] | None, last: str = "and") -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in ([names] if isinstance(names, str) else names or ())]
    return f" {last} ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def sum_of(*parts: Any) -> str:
    """Join the parts that there are."""
    return ", ".join(part for part in parts if part)


def pays(value: float, whom: str = "") -> str:
    """Say who is paid or charged; the actor, if nobody else is named."""
    verb = "pays" if value > 0 else "costs"
    return f"{verb} {whom}{number(abs(value))}" if value else ""


def chance(rate: float) -> str:
    return f"with probability {number(rate)}"


def rule(law: Rule) -> str:
    """Say on what event, under which conditions, a rule does what."""
    return f"{event(law.on)}{conditions(law)}: {effects(law)}"


def event(on: Any) -> str:
    """Name an event."""
    names = {field.name: f"`{getattr(on, field.name)}`" for field in dataclasses.fields(on)}
    return EVENTS[type(on)].format(**names)


def conditions(law: Rule) -> str:
    """Say what a rule asks for, each condition after a comma."""
    hand = "with an empty hand" if law.hand == "" else f"with `{law.hand}` in the hand"
    said = (
        law.role is not None and f"as {listed(law.role, 'or')}",
        law.hand is not None and hand,
        law.slot is not None and f"with at least {law.least} `{law.slot}` in the bag",
        law.whose is not None and f"in a cell {WHOSE[law.whose]}",
        law.ripe and f"once the cell has stayed as it is {during(law.ripe)}",
        law.nature is not None and f"in state of nature {law.nature}",
        law.fit and f"with a stamina of {number(law.fit)} or more",
        law.present is not None and f"with {listed(law.present, 'or')} on the map",
        law.chance < 1 and chance(law.chance),
    )
    return "".join(f", {part}" for part in said if part)


def effects(law: Rule) -> str:
    """Say what a rule does."""
    said = sum_of(
        pays(law.reward) + (" times the actor's level" if law.by_level else ""),
        pays(law.reward_others, "each other agent "),
        law.split and pays(law.split, "everybody together ") + " in equal parts",
        law.split_others and pays(law.split_others, "the others together ") + " in equal parts",
        law.cash and f"pays {number(law.cash)} for each thing in the bag, and empties it",
        law.owes and f"pays {number(law.owes)} while it is frozen",
        law.becomes and f"leaves `{law.becomes}`",
        law.holds is not None and (f"puts `{law.holds}` in the hand" if law.holds else "empties the hand"),
        *(f"adds {amount} `{slot}` to the bag" for slot, amount in law.gains.items()),
        law.feeds and f"changes stamina by {number(law.feeds)}",
        law.claim and CLAIMS[law.claim],
        law.paint is not None and (f"colours the actor {law.paint}" if law.paint else "takes the actor's colour"),
        law.wash and "takes the actor's colour, the less likely the more common the commonest kind",
        *(f"gives {count(tries, 'spore')} of `{item}`" for item, tries in law.spores.items()),
        law.blight and f"each `{law.blight[0]}` decays in this step {chance(law.blight[1])}",
        law.turns is not None
        and ("nature is drawn anew" if law.turns == "redraw" else f"nature turns to state {law.turns}"),
        law.progress and f"adds {law.progress} to the progress",
        law.freeze and f"freezes the actor {during(law.freeze)}",
        law.exile and f"takes the actor off the map {during(law.exile)}",
        law.event and f"counted as `{law.event}`",
    )
    return said or "nothing"


def work(law: Work) -> str:
    """Say what several must do together."""
    lapse = f", of stakes no older than {count(law.window, 'step')}," if law.window else ""
    return (
        f"`{law.item}`: once the levels{lapse} of those who have joined in add up to {number(law.need)}, "
        f"for each of them: {effects(law.done)}"
    )


def growth(law: Growth) -> str:
    """Say what appears where, and how often."""
    item = listed(law.items, "or") + (", each as likely," if len(law.items) > 1 else "")
    over = "" if law.over == "floor" else f" that holds `{law.over}`"
    cell = ("cell" if law.under_agents else "free cell") + f" of site `{law.on}`{over}"
    if law.rate is None:
        where = f"in one random {cell}"
        tries = f"{chance(law.per_step)} a step" if law.per_step is not None else f"{chance(law.per_try or 0)} a spore"
    else:
        where = f"in each {cell}"
        tries = f"{chance(law.rates[0])} a step"
    if law.offsets:
        rates = ", ".join(map(number, law.rates[:3]))
        near = f"0, 1, 2, 3 or more cells within {number(law.radius)} hold it"
        tries = f"with probability {rates} or {number(law.rates[3])} a step where {near}"
    slow = law.slowed_by
    return f"{item} appears {where} {tries}" + "".join(
        f", {part}"
        for part in (
            law.times and f"times the number of cells that hold {listed(law.times, 'or')}",
            law.ripe and f"once the cell has stayed as it is {during(law.ripe)}",
            law.after and f"after step {law.after}",
            law.first and f"with {count(law.first, 'spore')} at the start",
            law.cap is not None and f"while fewer than {law.cap} cells hold it",
            slow
            and f"less the more of site `{slow.of}` holds `{slow.item}`: in full up to a fraction of "
            f"{number(slow.low)}, never from {number(slow.high)} on",
        )
        if part
    )


def decay(law: Decay) -> str:
    ripe = f", once the cell has stayed as it is {during(law.ripe)}" if law.ripe else ""
    return f"`{law.item}` turns into `{law.into}` {chance(law.rate)} a step{ripe}"


def draw(law: Draw) -> str:
    """Say what lies where at first."""
    item = listed(law.items, "or") + (", each as likely," if len(law.items) > 1 else "")
    if law.count is None:
        return f"at the start {item} lies in each cell of site `{law.on}` {chance(law.rate or 0)}"
    cells = f"{count(law.count, 'random cell')} of site `{law.on}` where nobody starts"
    return f"at the start {item} lies in {cells}"


def income(law: Income) -> str:
    ripe = f", once nobody has claimed it anew {during(law.ripe)}" if law.ripe else ""
    return f"`{law.item}` pays who has a stake in it {number(law.amount)} {chance(law.rate)} a step{ripe}"


def beam(law: Beam) -> str:
    """Say how far an act reaches, how often, and what it does to agents."""
    if law.votes:
        return f"`{law.name}`: a vote, in meetings alone"
    shape = f"{count(law.length, 'cell')} ahead" + (f" and {law.half_width} to each side" if law.half_width else "")
    said = sum_of(
        law.role is not None and f"for {listed(law.role)} alone",
        shape if law.length else "strikes nothing",
        law.cooldown > 1 and f"once in {law.cooldown} steps",
        pays(-law.price),
        law.passes and "goes through what it strikes",
        law.ends_at and f"stops at {listed(law.ends_at)}",
        law.says and f"a signal, which colours the actor {law.says}",
    )
    return f"`{law.name}`: {said}" + (f"; {suffer(law)}" if law.strikes_agents else "")


def suffer(law: Beam) -> str:
    """Say what becomes of agents that a beam strikes, and of who strikes them."""
    gone = law.removes_for and f"off the map {during(law.removes_for)}"
    frozen = law.freezes_for and f"frozen {during(law.freezes_for)}"
    fine = law.fine and f"{'paid' if law.fine > 0 else 'fined'} {number(abs(law.fine))}"
    if law.mark_for:
        fate = f"marked {during(law.mark_for)}" + (f" and {frozen}" if frozen else "")
        fate += f", or, if marked already, {sum_of(gone, fine)}" if gone or fine else ""
    else:
        fate = sum_of(gone, frozen, fine)
    return sum_of(
        f"agents it strikes are {fate}" if fate else "agents stop it",
        law.targets is not None and prey(law.targets),
        law.guard and f"but not those with more friends than foes within {law.guard} cells",
        law.gives and "the first is given a thing from the bag",
        law.meets and "those ready meet for an encounter",
        law.reward and pays(law.reward, "who strikes ") + " for each",
        law.event and f"each counted as `{law.event}`",
    )


def prey(targets: Any) -> str:
    """Say who suffers from whom."""
    if not isinstance(targets, Mapping):
        return f"if they are {listed(targets, 'or')}"
    pairs = (f"{listed(struck, 'or')} by `{striker}`" for striker, struck in targets.items() if struck)
    return "if struck as " + ", or as ".join(pairs)


def slot(name: str, law: Slot) -> str:
    """Say how many of a thing can be carried, and what it is worth to others."""
    given = f", given away becomes {law.amount} `{law.into or name}`" if law.into or law.amount != 1 else ""
    return f"`{name}`: up to {law.cap}, {law.start} at first{given}"


def need(law: Need) -> list[str]:
    """Say what stamina there is, what changes it, and what lack of it does."""
    most = law.most if isinstance(law.most, Mapping) else {"": law.most}
    held = " and ".join(number(value) + (f" for `{role}`" if role else "") for role, value in most.items())
    by_change: dict[float, list[str]] = {}
    for action, change in law.change.items():
        by_change.setdefault(change, []).append(action)
    lines = [f"stamina of {listed(law.role) or 'everybody'}: {held} at most and at first"]
    lines += [f"stamina changes by {number(change)} with {listed(actions)}" for change, actions in by_change.items()]
    if law.slow:
        bounds = ", ".join(f"above {number(bound)}" for bound in law.band)
        for role, steps in law.slow.items():
            delay = ", ".join(map(str, steps[:-1])) + f" or {steps[-1]}"
            lines.append(f"an act that costs stamina freezes `{role}` for {delay} steps: {bounds}, or below")
    if law.exile:
        lines.append(f"who has none left is off the map {during(law.exile)}, with an empty hand")
    return lines


def ending(law: Ending) -> list[str]:
    """Say when an episode is over, and what begins anew before that."""
    if law.rate == 0:
        lines = [f"an episode is cut off after {count(law.maximum, 'step')}"]
    elif law.rate == 1 and law.minimum == law.maximum:
        lines = [f"an episode ends after {count(law.maximum, 'step')}"]
    else:
        every = f"every {law.interval} steps" if law.interval > 1 else "every step"
        lines = [
            f"an episode ends {every} from step {law.minimum} on {chance(law.rate)}, "
            f"and is cut off after {count(law.maximum, 'step')}"
        ]
    if law.round:
        lines.append(f"the world starts afresh every {law.round} steps")
    if law.renew:
        lines.append("the map starts afresh whenever nobody is left on it")
    return lines


def goal(law: Goal) -> str:
    """Say what ends an episode early."""
    many = "no" if law.left == 0 else f"at most {law.left}"
    when = f"when {many} `{law.role}` can act any more" if law.progress is None else f"at a progress of {law.progress}"
    paid = [f"`{role}` {'gets' if value > 0 else 'loses'} {number(abs(value))}" for role, value in law.reward.items()]
    return sum_of(f"an episode ends {when}", *paid, law.event and f"counted as `{law.event}`")


def cell(law: Cell) -> str:
    """Say what a symbol of the map stands for."""
    who = listed(law.role) or "agents"
    return sum_of(f"`{law.item}`", law.site and f"site `{law.site}`", law.spawn and f"{who} {SPAWNS[law.spawn]}")
