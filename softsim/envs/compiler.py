"""From declared games to arrays: names become integers, and rules a lookup table.

Several games compiled together share one static spec, the smallest that covers them, and differ in data alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy

from softsim.envs import params as data
from softsim.envs.checks import check
from softsim.envs.game import Enter, Game, Struck, Touch
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER, KEEP, STRUCK, TOUCH
from softsim.envs.spec import PHASES, WorldSpec
from softsim.envs.vocabulary import DARK, ITEMS, NUM_SYMBOLS
from softsim.envs.world import GridWorld
from softsim.types import UserError

Columns = dict[str, Any]
np: Any = numpy  # leaves stay NumPy until the games are stacked, which the types of their fields do not say


def number_items(games: Sequence[Game]) -> dict[str, int]:
    """Give every item its id: the fixed one of the vocabulary, or the next free one."""
    ids = {name: index for index, name in enumerate(ITEMS)}
    for game in games:
        for name in game.item_names():
            ids.setdefault(name, len(ids))
    if len(ids) > NUM_SYMBOLS:
        extra = ", ".join(list(ids)[NUM_SYMBOLS:])
        raise UserError(f"items: the games name {len(ids)} items, and {NUM_SYMBOLS} fit; too many are {extra}.")
    return ids


def derive_phases(games: Sequence[Game]) -> tuple[str, ...]:
    """Find which phases the games need, so that a simple game does not pay for the others'."""
    rules = [rule.on for game in games for rule in game.rules]
    laws = [law for game in games for law in game.growth]
    beams = [beam for game in games for beam in game.beams]
    needs = {
        "move": True,
        "touch": any(isinstance(on, Touch) for on in rules),
        "enter": any(isinstance(on, (Enter, Touch)) for on in rules),
        "beam": bool(beams),
        "strike": any(isinstance(on, Struck) for on in rules),
        "respawn": any(beam.strikes_agents for beam in beams),  # `removes_for` is data: it may become more than 0
        "grow": any(law.rate is not None for law in laws),
        "crowd": any(law.offsets for law in laws),
        "slow": any(law.slowed_by for law in laws),
        "emerge": any(law.per_step is not None for law in laws),
        "decay": any(game.decay for game in games),
    }
    return tuple(phase for phase in PHASES if needs[phase])


def derive_spec(games: Sequence[Game], ids: Mapping[str, int]) -> WorldSpec:
    """Find the smallest spec that covers the games."""
    views = {game.view for game in games}
    if len(views) > 1:
        raise UserError(f"view: games compiled together share one view, and these have {len(views)}: {views}.")
    beams = {beam.name: beam for game in games for beam in game.beams}
    everything = [beam for game in games for beam in game.beams]
    cellwise = [[law for law in game.growth if law.rate is not None] for game in games]
    laws = [law for game in cellwise for law in game]
    names = [name for game in games for name in game.item_names()]
    return WorldSpec(
        height=max(len(game.rows) for game in games),
        width=max(len(line) for game in games for line in game.rows),
        num_agents=max(game.num_agents for game in games),
        view=views.pop(),
        num_items=max(DARK, *(ids[name] for name in names)) + 1,
        num_roles=max(len(game.roles) for game in games),
        num_rules=max(len(game.rules) for game in games) + 1,
        beams=tuple(beams),
        beam_length=max((beam.length for beam in everything), default=0),
        beam_half_width=max((beam.half_width for beam in everything), default=0),
        num_growths=max(map(len, cellwise)),
        num_crowds=max(sum(bool(law.offsets) for law in game) for game in cellwise),
        neighbours=tuple(sorted(set().union(*(law.offsets for law in laws)))),
        num_choices=max((len(law.items) for law in laws), default=1),
        num_emergences=max(sum(law.per_step is not None for law in game.growth) for game in games),
        num_spawns=max(sum(bool(cell.spawn) for row in game.cells() for cell in row) for game in games),
        events=tuple(dict.fromkeys(event for game in games for event in game.event_names())),
        phases=derive_phases(games),
    )


def lay_out(game: Game, spec: WorldSpec, ids: Mapping[str, int], sites: Mapping[str, int]) -> data.Layout:
    grid = (spec.height, spec.width)
    cell, site = np.full(grid, ids["wall"], np.uint8), np.zeros(grid, np.uint8)
    spawn, start, later = (np.zeros(spec.num_spawns, kind) for kind in (np.int32, bool, bool))
    x = 0
    for r, row in enumerate(game.cells()):
        for c, here in enumerate(row):
            cell[r, c], site[r, c] = ids[here.item], sites.get(here.site or "", 0)
            if here.spawn:
                spawn[x] = r * spec.width + c
                start[x], later[x] = here.spawn in ("start", "always"), here.spawn in ("later", "always")
                x += 1
    solid = np.zeros(spec.num_items, bool)
    solid[[ids[item] for item in game.solid]] = True
    return data.Layout(cell, site, solid, spawn, start, later)


def tabulate_rules(game: Game, spec: WorldSpec, ids: Mapping[str, int]) -> data.Rules:
    lookup = np.zeros((2 + len(spec.beams), spec.num_roles, spec.num_items), np.uint8)
    rows: Columns = {
        "becomes": np.full(spec.num_rules, KEEP, np.uint8),
        "reward": np.zeros(spec.num_rules, np.float32),
        "reward_others": np.zeros(spec.num_rules, np.float32),
        "freeze": np.zeros(spec.num_rules, np.int32),
        "event": np.full(spec.num_rules, -1, np.int32),
    }
    for q, rule in enumerate(game.rules, 1):
        if isinstance(rule.on, Struck):
            trigger = STRUCK + spec.beams.index(rule.on.by)
        else:
            trigger = ENTER if isinstance(rule.on, Enter) else TOUCH
        roles = [game.roles.index(rule.role)] if rule.role else range(len(game.roles))
        for role in roles:
            if lookup[trigger, role, ids[rule.on.item]]:
                raise UserError(f"{game.name}: rules[{q - 1}] is a second rule on {rule.on}; one is allowed.")
            lookup[trigger, role, ids[rule.on.item]] = q
        rows["becomes"][q] = ids[rule.becomes] if rule.becomes else KEEP
        rows["reward"][q], rows["reward_others"][q], rows["freeze"][q] = rule.reward, rule.reward_others, rule.freeze
        rows["event"][q] = spec.events.index(rule.event) if rule.event else -1
    return data.Rules(lookup=lookup, **rows)


def tabulate_beams(game: Game, spec: WorldSpec, ids: Mapping[str, int]) -> data.Beams:
    count = len(spec.beams)
    stops = np.zeros((count, spec.num_items), bool)
    stops[:, [ids[item] for item in game.solid]] = True
    integers = ("length", "half_width", "cooldown", "removes_for", "freezes_for")
    columns: Columns = {
        "exists": np.zeros(count, bool),
        "strikes_agents": np.zeros(count, bool),
        "event": np.full(count, -1, np.int32),
    }
    columns |= {field: np.zeros(count, np.int32) for field in integers}
    columns |= {field: np.zeros(count, np.float32) for field in ("reward", "fine")}
    for beam in game.beams:
        b = spec.beams.index(beam.name)
        columns["exists"][b] = True
        columns["event"][b] = spec.events.index(beam.event) if beam.event else -1
        for field in (*integers, "strikes_agents", "reward", "fine"):
            columns[field][b] = getattr(beam, field)
        struck = [r.on.item for r in game.rules if isinstance(r.on, Struck) and r.on.by == beam.name]
        stops[b, [ids[item] for item in struck if not beam.passes]] = True
    return data.Beams(stops=stops, **columns)


def tabulate_growth(
    game: Game, spec: WorldSpec, ids: Mapping[str, int], sites: Mapping[str, int], size: Mapping[str, int]
) -> data.Growth:
    laws = sorted((law for law in game.growth if law.rate is not None), key=lambda law: not law.offsets)
    count = spec.num_growths
    columns: Columns = {field: np.zeros(count, np.uint8) for field in ("site", "over", "slow_item", "slow_site")}
    columns |= {field: np.zeros(count, np.float32) for field in ("slow_total", "slow_low", "slow_high")}
    columns["site"][:] = KEEP  # rows beyond the game's own match no site
    columns["item"] = np.zeros((count, spec.num_choices), np.uint8)
    columns["num_choices"] = np.ones(count, np.uint32)
    columns["rate"] = np.zeros((count, 4), np.float32)
    columns["near"] = np.zeros((count, len(spec.neighbours)), np.uint8)
    for g, law in enumerate(laws):
        columns["site"][g], columns["over"][g] = sites[law.on], ids[law.over]
        columns["item"][g, : len(law.items)] = [ids[item] for item in law.items]
        columns["num_choices"][g], columns["rate"][g] = len(law.items), law.rates
        columns["near"][g] = [offset in law.offsets for offset in spec.neighbours]
        if law.slowed_by:
            slow = law.slowed_by
            columns["slow_item"][g], columns["slow_site"][g] = ids[slow.item], sites[slow.of]
            columns["slow_total"][g] = size[slow.of]
            columns["slow_low"][g], columns["slow_high"][g] = slow.low, slow.high
    return data.Growth(**columns)


def tabulate_emergence(game: Game, spec: WorldSpec, ids: Mapping[str, int], sites: Mapping[str, int]) -> data.Emergence:
    columns: Columns = {
        field: np.zeros(spec.num_emergences, kind)
        for field, kind in (("site", np.uint8), ("over", np.uint8), ("item", np.uint8), ("rate", np.float32))
    }
    columns["after"] = np.zeros(spec.num_emergences, np.int32)
    for m, law in enumerate(law for law in game.growth if law.per_step is not None):
        columns["site"][m], columns["over"][m], columns["item"][m] = sites[law.on], ids[law.over], ids[law.items[0]]
        columns["rate"][m], columns["after"][m] = law.per_step, law.after
    return data.Emergence(**columns)


def tabulate(game: Game, spec: WorldSpec, ids: Mapping[str, int]) -> EnvParams:
    """Turn one checked game into the arrays of its situation, as NumPy."""
    cells = [cell.site for row in game.cells() for cell in row if cell.site]
    sites = {name: index for index, name in enumerate(dict.fromkeys(cells), 1)}
    size = {name: cells.count(name) for name in sites}
    rate, into = np.zeros(spec.num_items, np.float32), np.arange(spec.num_items, dtype=np.uint8)
    for law in game.decay:
        rate[ids[law.item]], into[ids[law.item]] = law.rate, ids[law.into]
    slot = np.arange(spec.num_agents, dtype=np.int32)
    in_play, nothing = slot < game.num_agents, np.zeros(spec.num_agents, np.float32)
    ending = game.ending
    arrays = np.asarray
    return EnvParams(
        layout=lay_out(game, spec, ids, sites),
        agent_mask=arrays(in_play),
        role=arrays(np.where(in_play, slot % len(game.roles), 0).astype(np.int32)),
        show_identity=arrays(game.show_identity),
        rules=tabulate_rules(game, spec, ids),
        beams=tabulate_beams(game, spec, ids),
        growth=tabulate_growth(game, spec, ids, sites, size),
        emergence=tabulate_emergence(game, spec, ids, sites),
        decay=data.Decay(arrays(rate), arrays(into)),
        sharing=data.Sharing(
            arrays(np.eye(spec.num_agents, dtype=np.float32)), arrays(nothing), arrays(nothing), arrays(np.float32(0))
        ),
        horizon=data.Horizon(
            *(arrays(np.int32(value)) for value in (ending.maximum, ending.minimum, ending.interval)),
            arrays(np.float32(ending.rate)),
        ),
    )


def compile_games(games: Sequence[Game]) -> tuple[GridWorld, EnvParams]:
    """Compile games into one world and their stacked situations.

    Returns:
        The world, and params with a leading axis of `len(games)`: `jax.vmap(world.step)` steps them side by side.

    Raises:
        UserError: a declaration names what does not exist, or holds a number that is not allowed.
    """
    if not games:
        raise UserError("games: none given; at least one is needed.")
    for game in games:
        check(game)
    ids = number_items(games)
    spec = derive_spec(games, ids)
    situations = [tabulate(game, spec, ids) for game in games]
    return GridWorld(spec), jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *situations)
