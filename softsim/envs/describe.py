"""A declared game in words, for the command `softsim games` and for the pages of the documentation.

Nothing is compiled: all of it is read off the declaration.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from softsim.envs import words
from softsim.envs.game import STANDARD_LEGEND, Encounter, Game, Meeting, Nature, Trick
from softsim.envs.matrix import MatrixGame
from softsim.envs.vocabulary import ACTIONS, BEAMS
from softsim.envs.words import count, during, listed, number

Table = list[list[str]]
"""Rows of cells, the first of them the header."""


def summary(game: Game | MatrixGame) -> dict[str, Any]:
    """Sum a game up; its map is 1 x 1 if it has none."""
    rows = game.rows if isinstance(game, Game) else [" "]
    return {
        "name": game.name,
        "family": game.family,
        "num_agents": game.num_agents,
        "height": len(rows),
        "width": len(rows[0]),
        "actions": actions(game),
        "question": game.question,
        "dilemma": game.dilemma,
    }


def actions(game: Game | MatrixGame) -> list[str]:
    """List the actions in the order of their numbers in a world of this game alone."""
    if isinstance(game, MatrixGame):
        return list(game.action_names)
    order = {name: index for index, name in enumerate(BEAMS)}
    return [*ACTIONS, *sorted((beam.name for beam in game.beams), key=lambda name: order.get(name, len(order)))]


def legend(game: Game) -> dict[str, str]:
    """Say what each symbol of the map stands for, in order of appearance."""
    known = STANDARD_LEGEND | dict(game.legend)
    return {symbol: words.cell(known[symbol]) for symbol in dict.fromkeys("".join(game.rows))}


def sections(game: Game | MatrixGame) -> dict[str, list[str]]:
    """All there is to say of a game beside its map or its payoffs: sentences by heading. What it lacks is left out."""
    if isinstance(game, MatrixGame):
        return {"Agents": [f"{game.num_agents}, of {listed(game.action_names, 'or')} each"], "Ending": _match(game)}
    said = {
        "Agents": list(_agents(game)),
        "Beams": list(map(words.beam, game.beams)),
        "Rules": list(_rules(game)),
        "Encounters": _encounter(game, game.encounter) if game.encounter else [],
        "Growth": [
            *map(words.draw, game.draws),
            *map(words.growth, game.growth),
            *map(words.decay, game.decay),
            *map(words.income, game.income),
        ],
        "World": list(_world(game)),
        "Ending": [*words.ending(game.ending), *map(words.goal, game.goals)],
        "Events": [listed(game.event_names())] if game.event_names() else [],
    }
    return {heading: lines for heading, lines in said.items() if lines}


def payoffs(game: MatrixGame) -> Table:
    """Tabulate a matrix game: both payoffs by the moves of two, or one's own by the number of others who do as the
    first move says, where more play and are alike."""
    payoff, moves = np.asarray(game.payoff), game.action_names
    if game.num_agents == 2:
        return _both(payoff[0], payoff[1], list(moves))
    others = game.num_agents - 1
    table = [[f"others who {moves[0]}", *map(str, range(others + 1))]]
    for own in range(len(moves)):
        line = [payoff[(0, own, *([0] * many + [1] * (others - many)))] for many in range(others + 1)]
        table.append([moves[own], *map(number, line)])
    return table


def equilibria(game: MatrixGame) -> list[str]:
    """Name the pure Nash equilibria by the moves in turn."""
    payoff, moves = np.asarray(game.payoff), game.action_names
    found = []
    for joint in itertools.product(range(len(moves)), repeat=game.num_agents):
        best = [payoff[agent].max(agent)[joint[:agent] + joint[agent + 1 :]] for agent in range(game.num_agents)]
        if all(payoff[(agent, *joint)] >= best[agent] for agent in range(game.num_agents)):
            found.append(", ".join(moves[move] for move in joint))
    return found


def _both(row: Any, column: Any, names: list[str]) -> Table:
    """Payoffs of the row player and the column player, by their pure strategies."""
    table = [["", *names]]
    for name, own, other in zip(names, row, column, strict=True):
        table.append([name, *(f"{number(mine)}, {number(yours)}" for mine, yours in zip(own, other, strict=True))])
    return table


def _rules(game: Game) -> Iterator[str]:
    yield from map(words.rule, game.rules)
    yield from map(words.work, game.work)
    events = [rule.on for rule in game.rules]
    if any(events.count(event) > 1 for event in events):
        yield "of several rules on one event, the first whose conditions hold takes effect"


def _match(game: MatrixGame) -> list[str]:
    lines = [f"a match is cut off after {count(game.horizon, 'round')}"]
    if game.continuation < 1:
        lines.append(f"another round follows {words.chance(game.continuation)}")
    if game.tremble:
        lines.append(f"a move turns into another {words.chance(game.tremble)}")
    if game.observability < 1:
        lines.append(f"an agent sees the move of another {words.chance(game.observability)}")
    if game.sequential:
        lines.append("agents move in turn")
    return lines


def _agents(game: Game) -> Iterator[str]:
    """Who plays, what they see, and what they carry."""
    roles = game.roles_of()
    kinds = [f"{roles.count(role)} × `{role}`" for role in game.roles]
    yield f"{game.num_agents}: {', '.join(kinds)}" if len(kinds) > 1 else f"{game.num_agents}, all alike"
    if len(kinds) > 1:
        yield "roles can be seen" if game.show_role else "roles cannot be seen"
    if not game.show_identity:
        yield "they cannot tell the others apart"
    view = game.view
    yield f"they see {count(view.ahead, 'cell')} ahead, {view.behind} behind and {view.side} to each side"
    for role, level in game.level.items():
        yield f"`{role}` has level {number(level)}"
    for role, items in game.barred.items():
        yield f"`{role}` cannot enter {listed(items, 'or')}"
    for role, looks in game.look.items():
        yield f"to `{role}` " + ", ".join(f"`{item}` looks like `{seen}`" for item, seen in looks.items())
    if game.hands:
        yield f"a hand can hold {listed(game.hands, 'or')}"
    for name, slot in game.bag.items():
        yield f"in the bag, {words.slot(name, slot)}"
    if game.need:
        yield from words.need(game.need)
    if any(rule.owes for rule in game.rules) or (game.encounter and game.instalments != (1,)):
        steps = ", ".join(map(str, game.instalments))
        yield f"what is paid while frozen comes in {count(len(game.instalments), 'part')}, at {steps} steps still to go"


def _world(game: Game) -> Iterator[str]:
    """What holds everywhere."""
    if solid := [item for item in game.solid if item != "wall"]:
        yield f"besides walls, nobody can walk onto {listed(solid, 'or')}"
    if game.torus:
        yield "the edges of the map meet"
    if game.nature:
        yield from _nature(game.nature)
    if speech := game.speech:
        yield (
            f"signals are heard {count(speech.range, 'cell')} away, and after a step a fraction of "
            f"{number(speech.fades)} of them is left"
        )
    if game.meeting:
        yield from _meeting(game.meeting)
    if game.trick:
        yield from _trick(game.trick)


def _nature(law: Nature) -> Iterator[str]:
    first = "drawn evenly" if law.first is None else f"{law.first} at first"
    again = f", and drawn anew every {law.period} steps" if law.period else ""
    shown = "nobody" if law.shown == () else listed(law.shown) or "everybody"
    yield f"nature has {count(law.count, 'state')}, 0 to {law.count - 1}: {first}{again}, and seen by {shown}"


def _meeting(law: Meeting) -> Iterator[str]:
    alarm = f", and when somebody sees `{law.alarm}` strike another" if law.alarm else ""
    yield f"all are called together every {law.period} steps{alarm}"
    yield (
        f"after {count(law.length, 'step')} whoever has a fraction of {number(law.quorum)} of the votes is out, "
        "unless two have"
    )
    yield "the first vote is against oneself, the second against the next agent, and so on round"


def _trick(law: Trick) -> Iterator[str]:
    first = f"in the first {count(law.until, 'step')}"
    yield f"{first} the items of the first two cells of site `{law.site}` trade places {words.chance(law.swap)} a step"
    yield f"{first} a blindfold goes on or off {listed(law.blinds)} {words.chance(law.screen)} a step"
    lead = f", and {listed(law.blinds)} {during(law.lead)} longer" if law.lead else ""
    yield f"meanwhile {listed(law.hold)} cannot act{lead}"


def _encounter(game: Game, law: Encounter) -> list[str]:
    """How two who meet are paid."""
    names = list(game.bag)
    who = f"`{game.roles[0]}` plays rows and `{game.roles[1]}` columns" if law.by_role else "the striker plays rows"
    lines = [f"two who meet play the fractions of the things in their bags as a mixed strategy; {who}"]
    for own, row, column in zip(names, law.row, law.column, strict=True):
        against = (
            f"{number(a)}, {number(b)} against `{other}`" for other, a, b in zip(names, row, column, strict=True)
        )
        lines.append(f"`{own}`: {'; '.join(against)}")
    lines.append(
        words.sum_of(
            f"both stand still {during(law.freezes_for)}, are paid, and are off the map {during(law.removes_for)}",
            law.progress and f"which adds {law.progress} to the progress",
            law.event and f"counted as `{law.event}`",
        )
    )
    return lines
