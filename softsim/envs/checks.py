"""What a declaration may not say. Each refusal is one sentence: the field, the value, what is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from softsim.envs.checker import MAX_GUISES, MAX_ROLES, MAX_RULES, Checker
from softsim.envs.checks_of_laws import check_cells, check_growth, check_rules
from softsim.envs.game import Enter, Face, Game, Struck
from softsim.envs.value import creates_value
from softsim.envs.vocabulary import ACTIONS, ITEMS


def check(game: Game) -> None:
    """Refuse a declaration that cannot be meant.

    Raises:
        UserError: it names what does not exist, or holds a number that is not allowed.
    """
    checker = Checker(game)
    check_map(game, checker)
    check_roles(game, checker)
    check_rules(game, checker)
    check_growth(game, checker)
    check_cells(game, checker)
    check_beams(game, checker)
    check_bag(game, checker)
    check_world(game, checker)
    check_solid(game, checker)
    ending = game.ending
    checker.whole("ending.maximum", ending.maximum, 1)
    checker.whole("ending.minimum", ending.minimum, 0)
    checker.whole("ending.interval", ending.interval, 1)
    checker.whole("ending.round", ending.round, 0)
    checker.number("ending.rate", ending.rate, 0.0, 1.0)
    for side in ("ahead", "behind", "side"):
        checker.whole(f"view.{side}", getattr(game.view, side), 0, 64)
    if not game.endless and creates_value(game):
        checker.refuse(
            "rules pay without end for things that they give back; let them use something up, or set endless=True."
        )


def check_map(game: Game, checker: Checker) -> None:
    cells = [cell for row in game.cells() for cell in row]
    for item in game.solid:
        checker.known("solid", item, checker.items)
    if not game.roles:
        checker.refuse("roles is empty; at least one role is needed.")
    checker.once("roles", game.roles)
    if len(checker.sites) > MAX_RULES:
        checker.refuse(f"legend has {len(checker.sites)} sites; at most {MAX_RULES} are allowed.")
    named = {item for law in game.growth for item in law.items} | {law.into for law in game.decay}
    named |= {rule.becomes for rule in game.all_rules() if rule.becomes}
    named |= {item for draw in game.draws for item in draw.items}
    for item in sorted(named):
        allowed = {*ITEMS, *game.items, *(cell.item for cell in cells)}
        checker.known("rules, growth, draws or decay", item, allowed)
    words = ("", "start", "later", "always", "meeting")
    for cell in cells:
        if cell.spawn not in words:
            checker.refuse(f"legend has spawn {cell.spawn!r}; allowed are {', '.join(map(repr, words))}.")
        if cell.spawn and cell.item in game.solid:
            checker.refuse(f"legend lets agents appear on {cell.item!r}, which is solid.")
        checker.known_roles("legend.role", cell.role)
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


def check_roles(game: Game, checker: Checker) -> None:
    """Every role has a member, and every member a role and a place to start."""
    if len(game.roles) > MAX_ROLES:
        checker.refuse(f"roles has {len(game.roles)} entries; at most {MAX_ROLES} are allowed.")
    for name in game.role_of:
        checker.known("role_of", name, checker.roles)
    counts = Counter(game.roles_of())
    for role in game.roles if game.num_agents > 1 or game.role_of else ():
        if not counts[role]:
            checker.refuse(f"role {role!r} has no member among the agents; name it in role_of, or drop it.")
    cells = [cell for row in game.cells() for cell in row if cell.spawn in ("start", "always")]
    for role, members in counts.items():
        open_to = sum(cell.role is None or role == cell.role or role in cell.role for cell in cells)
        if open_to < members:
            checker.refuse(f"role {role!r} has {members} members, and the map {open_to} cells where they may start.")
    for name, value in game.level.items():
        checker.known("level", name, checker.roles)
        checker.number(f"level[{name!r}]", value, 0.0)
    for name, items in game.barred.items():
        checker.known("barred", name, checker.roles)
        for item in items:
            checker.known(f"barred[{name!r}]", item, checker.items)
    for name, seen in game.look.items():
        checker.known("look", name, checker.roles)
        if len(seen) > MAX_GUISES:
            checker.refuse(f"look[{name!r}] has {len(seen)} items; at most {MAX_GUISES} may look like others.")
        for item in (*seen, *seen.values()):
            checker.known(f"look[{name!r}]", item, {*checker.items, *ITEMS})


def check_beams(game: Game, checker: Checker) -> None:
    for beam in game.beams:
        name = f"beam {beam.name!r}"
        if beam.name in ACTIONS:
            checker.refuse(f"{name} is called like a move; any name but {', '.join(ACTIONS)} is allowed.")
        checker.whole(f"{name}.length", beam.length, 0, 16)
        checker.whole(f"{name}.half_width", beam.half_width, 0, 8)
        for field in ("cooldown", "guard", "mark_for", "removes_for", "freezes_for"):
            checker.whole(f"{name}.{field}", getattr(beam, field), 0)
        for field in ("price", "reward", "fine"):
            checker.number(f"{name}.{field}", getattr(beam, field))
        checker.whole(f"{name}.says", beam.says, 0, 4)
        checker.known_roles(f"{name}.role", beam.role)
        for striker, struck in beam.targets.items() if isinstance(beam.targets, Mapping) else [(None, beam.targets)]:
            checker.known_roles(f"{name}.targets", striker)
            checker.known_roles(f"{name}.targets", struck)
        for item in beam.ends_at:
            checker.known(f"{name}.ends_at", item, checker.items)
        if beam.gives and not game.bag:
            checker.refuse(f"{name} gives, and the game has no bag; declare one.")
        if beam.meets and not game.encounter:
            checker.refuse(f"{name} meets, and the game has no encounter; declare one.")
        if (beam.gives or beam.meets or beam.mark_for) and not beam.strikes_agents:
            checker.refuse(f"{name} gives, meets or marks, and does not strike agents; set strikes_agents.")
    checker.once("beam", [beam.name for beam in game.beams])
    returns = any(cell.spawn in ("later", "always") for row in game.cells() for cell in row)
    if any(beam.removes_for for beam in game.beams) and not returns:
        checker.refuse("a beam removes agents, but no map cell has spawn 'later' or 'always'.")
    if any(rule.exile for rule in game.rules) and not returns:
        checker.refuse("a rule sends agents into exile, but no map cell has spawn 'later' or 'always'.")


def check_bag(game: Game, checker: Checker) -> None:
    if len(game.hands) > 3:
        checker.refuse(f"hands is {game.hands}; at most three things can be told apart in a hand.")
    for name, slot in game.bag.items():
        checker.whole(f"bag[{name!r}].cap", slot.cap, 1)
        checker.whole(f"bag[{name!r}].start", slot.start, 0, slot.cap)
        checker.whole(f"bag[{name!r}].amount", slot.amount, 0)
        if slot.into is not None:
            checker.known(f"bag[{name!r}].into", slot.into, checker.slots)
    law = game.encounter
    if law:
        sizes = {len(law.row), len(law.column), *map(len, law.row), *map(len, law.column)}
        if sizes != {len(game.bag)}:
            checker.refuse(
                f"encounter has rows and columns of lengths {sorted(sizes)}; all must be the {len(game.bag)} slots."
            )
        for value in (v for table in (law.row, law.column) for line in table for v in line):
            checker.number("encounter payoff", value)
        for field, low in (("freezes_for", 0), ("removes_for", 1), ("progress", 0)):
            checker.whole(f"encounter.{field}", getattr(law, field), low)
        if not any(cell.spawn in ("later", "always") for row in game.cells() for cell in row):
            checker.refuse("an encounter removes agents, but no map cell has spawn 'later' or 'always'.")
    if not 1 <= len(game.instalments) <= 3:
        checker.refuse(f"instalments is {game.instalments}; one to three numbers of steps are allowed.")
    for steps in game.instalments:
        checker.whole("instalments", steps, 1)


def check_world(game: Game, checker: Checker) -> None:
    """Needs, nature, meetings, goals and tricks."""
    if game.need:
        checker.known_roles("need.role", game.need.role)
        for action in game.need.change:
            checker.known("need.change", action, {*ACTIONS, *checker.beams})
        most = game.need.most
        for role in most if isinstance(most, Mapping) else game.need.slow:
            checker.known("need.most or slow", role, checker.roles)
    if game.nature:
        checker.whole("nature.count", game.nature.count, 1, 16)
        checker.whole("nature.period", game.nature.period, 0)
        checker.whole("nature.first", game.nature.first or 0, 0, game.nature.count - 1)
        checker.known_roles("nature.shown", game.nature.shown)
    if game.meeting:
        cells = sum(cell.spawn == "meeting" for row in game.cells() for cell in row)
        if cells < game.num_agents:
            checker.refuse(f"map has {cells} meeting cells, and {game.num_agents} agents are called; add cells.")
        checker.whole("meeting.period", game.meeting.period, 0)
        checker.whole("meeting.length", game.meeting.length, 1)
        checker.number("meeting.quorum", game.meeting.quorum, 0.0, 1.0)
        if game.meeting.alarm:
            checker.known("meeting.alarm", game.meeting.alarm, checker.beams)
        if not any(beam.votes for beam in game.beams):
            checker.refuse("meeting has nobody's vote; add beams with votes=True.")
    for c, goal in enumerate(game.goals):
        if (goal.progress is None) == (goal.role is None):
            checker.refuse(f"goals[{c}] needs exactly one of progress and role.")
        checker.known_roles(f"goals[{c}]", [goal.role] if goal.role else list(goal.reward))
    if game.trick:
        checker.known("trick.site", game.trick.site, checker.sites)
        for field in ("swap", "screen"):
            checker.number(f"trick.{field}", getattr(game.trick, field), 0.0, 1.0)
        for field in ("until", "lead"):
            checker.whole(f"trick.{field}", getattr(game.trick, field), 0)
        checker.known_roles("trick.blinds", game.trick.blinds)
        checker.known_roles("trick.hold", game.trick.hold)


def check_solid(game: Game, checker: Checker) -> None:
    """Nothing may turn solid where an agent can stand or appear."""
    for q, rule in enumerate(game.rules):
        soft = isinstance(rule.on, (Enter, Struck)) and rule.on.item not in game.solid
        if soft and rule.becomes in game.solid:
            checker.refuse(f"rules[{q}].becomes is {rule.becomes!r}, which is solid, where an agent may stand.")
        if isinstance(rule.on, Face) and rule.on.item not in game.solid and rule.becomes in game.solid:
            checker.refuse(f"rules[{q}].becomes is {rule.becomes!r}, which is solid, where an agent may stand.")
    for d, law in enumerate(game.decay):
        if law.item not in game.solid and law.into in game.solid:
            checker.refuse(f"decay[{d}].into is {law.into!r}, which is solid, where an agent may stand.")
    spawning = {cell.site for row in game.cells() for cell in row if cell.spawn}
    returning = {cell.site for row in game.cells() for cell in row if cell.spawn not in ("", "start")}
    for d, draw in enumerate(game.draws):
        if draw.on in (spawning if draw.count is None else returning) and set(draw.items) & set(game.solid):
            checker.refuse(f"draws[{d}].item is {draw.item!r}, which is solid, where agents appear.")
    for g, law in enumerate(game.growth):
        if law.on in spawning and set(law.items) & set(game.solid):
            checker.refuse(f"growth[{g}].item is {law.item!r}, which is solid, where agents appear.")
        if law.under_agents and law.over not in game.solid and set(law.items) & set(game.solid):
            checker.refuse(f"growth[{g}].item is {law.item!r}, which is solid, where an agent may stand.")
