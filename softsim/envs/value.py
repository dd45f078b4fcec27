"""Whether rules make value out of nothing."""

from __future__ import annotations

import numpy as np

from softsim.envs.game import Act, Game, Hit, Rule


def creates_value(game: Game) -> bool:
    """Whether some mix of rules and decays, repeated, pays in all and uses nothing up.

    Things are the items on the map, what hands hold, and what bags contain; each rule takes some and leaves others. A
    mix that takes nothing on balance and pays is found, if there is one, by linear programming. What grows by itself
    is not counted: eating it uses up the item that grew.
    """
    rows, pays = [], []
    things: dict[tuple[str, str], int] = {}

    def change(*pairs: tuple[tuple[str, str], float]) -> None:
        rows.append([(things.setdefault(thing, len(things)), amount) for thing, amount in pairs])

    for rule in game.rules:
        change(*taken_and_left(rule))
        pays.append(rule.reward + rule.reward_others + rule.split + rule.split_others + rule.owes)
    for law in game.decay:
        change((("item", law.item), -1.0), (("item", law.into), 1.0))
        pays.append(0.0)
    for slot, kind in game.bag.items():
        change((("slot", slot), -1.0), (("slot", kind.into or slot), float(kind.amount)))
        pays.append(0.0)
    if not rows or max(pays) <= 0:
        return False
    balance = np.zeros((len(things) or 1, len(rows)))
    for column, row in enumerate(rows):
        for thing, amount in row:
            balance[thing, column] += amount
    possible = np.ones(len(rows), bool)
    for _ in rows:  # what uses up a thing that nothing possible makes is in no such mix
        made = (balance[:, possible] > 0).any(1, keepdims=True)
        possible &= ~((balance < 0) & ~made).any(0)
    if not (np.array(pays)[possible] > 0).any():
        return False

    from scipy.optimize import linprog  # slow to import, and seldom needed

    found = linprog(-np.array(pays), A_ub=-balance, b_ub=np.zeros(len(balance)), bounds=(0.0, 1.0), method="highs")
    return bool(found.success and -found.fun > 1e-6)


def taken_and_left(rule: Rule) -> list[tuple[tuple[str, str], float]]:
    """What a rule does to the things there are. A cost of time is one too: who stands still for long uses it up."""
    change: list[tuple[tuple[str, str], float]] = []
    if isinstance(rule.on, Hit):  # like what beams pay, this comes from the struck
        change.append((("struck", rule.on.role), -1.0))
    elif not isinstance(rule.on, Act) and rule.becomes is not None:
        change += [(("item", rule.on.item), -1.0), (("item", rule.becomes), 1.0)]
    if rule.holds is not None and rule.hand is not None:
        change += [(("hand", rule.hand), -1.0), (("hand", rule.holds), 1.0)]
    if rule.slot and rule.cash:
        change.append((("slot", rule.slot), -1.0))
    if rule.progress:
        change.append((("goal", ""), -1.0))
    if rule.nature is not None and rule.turns is not None:
        change.append((("turn", ""), -1.0))
    return change + [(("slot", slot), float(amount)) for slot, amount in rule.gains.items()]
