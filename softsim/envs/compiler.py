"""From declared games to arrays: names become integers, and rules a lookup table.

Several games compiled together share one static spec, the smallest that covers them, and differ in data alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy

from softsim.envs import params as data
from softsim.envs.checks import check
from softsim.envs.game import Game, Hit, Struck
from softsim.envs.params import EnvParams
from softsim.envs.phases import derive_phases
from softsim.envs.spec import View, WorldSpec
from softsim.envs.tabulate import (
    Names,
    full,
    lay_out,
    scalars,
    tabulate_bag,
    tabulate_beams,
    tabulate_decay,
    tabulate_emergence,
    tabulate_encounter,
    tabulate_goals,
    tabulate_growth,
    tabulate_income,
    tabulate_need,
    tabulate_rules,
    tabulate_scatter,
    tabulate_sight,
    tabulate_work,
)
from softsim.envs.vocabulary import BEAMS, DARK, ITEMS, NUM_SYMBOLS
from softsim.envs.world import GridWorld
from softsim.types import UserError

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


def ordered_beams(games: Sequence[Game]) -> tuple[str, ...]:
    """The beams of the games, those of the vocabulary first and in its order."""
    names = dict.fromkeys(beam.name for game in games for beam in game.beams)
    return tuple([name for name in BEAMS if name in names] + [name for name in names if name not in BEAMS])


def chain_length(game: Game) -> int:
    """Most rules that one event may have to be tried against."""
    on = [rule.on for rule in game.rules]
    return max((on.count(event) for event in on), default=1)


def most_hits(game: Game, kind: type[Struck] | type[Hit]) -> int:
    """Most cells, or agents, that one shot of the game's strikes by rules: one per ray, or all that it passes."""
    ruled = {rule.on.by for rule in game.rules if isinstance(rule.on, kind)}
    beams = [beam for beam in game.beams if beam.name in ruled]
    return max(((2 * beam.half_width + 1) * (beam.length if beam.passes else 1) for beam in beams), default=0)


def derive_spec(games: Sequence[Game], ids: Mapping[str, int]) -> WorldSpec:
    """Find the smallest spec that covers the games."""
    views = [game.view for game in games]
    everything = [beam for game in games for beam in game.beams]
    cellwise = [[law for law in game.growth if law.rate is not None] for game in games]
    emergent = [[law for law in game.growth if law.rate is None] for game in games]
    laws = [law for game in cellwise for law in game]
    names = [name for game in games for name in game.item_names()]
    draws = [draw for game in games for draw in game.draws]
    tries = [law.per_try is not None for game in emergent for law in game]
    return WorldSpec(
        height=max(len(game.rows) for game in games),
        width=max(len(line) for game in games for line in game.rows),
        num_agents=max(game.num_agents for game in games),
        view=View(*(max(getattr(view, side) for view in views) for side in ("ahead", "behind", "side"))),
        num_items=max(DARK, *(ids[name] for name in names)) + 1,
        num_roles=max(len(game.roles) for game in games),
        num_rules=max(len(game.all_rules()) for game in games) + 1,
        beams=ordered_beams(games),
        beam_length=max((beam.length for beam in everything), default=0),
        beam_half_width=max((beam.half_width for beam in everything), default=0),
        num_growths=max(map(len, cellwise)),
        num_crowds=max(sum(bool(law.offsets) for law in game) for game in cellwise),
        neighbours=tuple(sorted(set().union(*(law.offsets for law in laws)))),
        num_choices=max((len(law.items) for law in (*laws, *draws)), default=1),
        num_emergences=max(map(len, emergent)),
        num_spawns=max(sum(bool(cell.spawn) for row in game.cells() for cell in row) for game in games),
        events=tuple(dict.fromkeys(event for game in games for event in game.event_names())),
        phases=derive_phases(games),
        num_tries=max(map(chain_length, games)),
        num_hits=max(most_hits(game, Struck) for game in games),
        num_struck=max(most_hits(game, Hit) for game in games),
        num_slots=max(len(game.bag) for game in games),
        num_scatters=max(len(game.draws) for game in games),
        num_natures=max(game.nature.count if game.nature else 0 for game in games),
        num_goals=max(len(game.goals) for game in games),
        num_tracked=max(2 if game.trick else 0 for game in games),
        lot=max((draw.count or 0 for game in games for draw in game.draws), default=0),
        burst=3 if any(tries) else 1,
    )


def tabulate(game: Game, spec: WorldSpec, ids: Mapping[str, int]) -> EnvParams:
    """Turn one checked game into the arrays of its situation, as NumPy."""
    cells = [cell.site for row in game.cells() for cell in row if cell.site]
    sites = {name: index for index, name in enumerate(dict.fromkeys(cells), 1)}
    size = {name: cells.count(name) for name in sites}
    role, slot = ({name: i for i, name in enumerate(given)} for given in (game.roles, game.bag))
    hand = {name: i for i, name in enumerate(("", *game.hands))}
    names = Names(spec, ids, sites, role, slot, hand, game.num_agents)
    cellwise = sorted((law for law in game.growth if law.rate is not None), key=lambda law: not law.offsets)
    emergent = [law for law in game.growth if law.rate is None]
    num_agents, ending = spec.num_agents, game.ending
    roles = full(num_agents, 0, np.int32)
    roles[: game.num_agents] = [role[name] for name in game.roles_of()]
    when = full(3, -1, np.int32)
    when[: len(game.instalments)] = game.instalments
    nature, speech, meeting, trick = game.nature, game.speech, game.meeting, game.trick
    zeros, i32, f32, u8 = full(num_agents, 0, np.float32), np.int32, np.float32, np.uint8
    return EnvParams(
        layout=lay_out(game, names),
        agent_mask=np.arange(num_agents) < game.num_agents,
        role=roles,
        show_identity=np.asarray(np.bool_(game.show_identity)),
        sight=tabulate_sight(game, names),
        scatter=tabulate_scatter(game, names),
        rules=tabulate_rules(game, names, emergent),
        work=tabulate_work(game, names),
        beams=tabulate_beams(game, names),
        bag=tabulate_bag(game, names),
        encounter=tabulate_encounter(game, names),
        debt=data.Debt(when),
        need=tabulate_need(game, names),
        nature=scalars(
            data.Nature,
            (i32, nature.count if nature else 1),
            (u8, names.roles(nature.shown) if nature else 0),
            (i32, nature.period if nature else 0),
            (i32, -1 if nature is None or nature.first is None else nature.first),
        ),
        speech=scalars(data.Speech, (f32, speech.fades if speech else 0), (i32, speech.range if speech else 0)),
        meeting=scalars(
            data.Meeting,
            (i32, meeting.period if meeting else 0),
            (i32, meeting.length if meeting else 0),
            (f32, meeting.quorum if meeting else 1),
            (i32, names.beam(meeting.alarm) if meeting and meeting.alarm else -1),
        ),
        goals=tabulate_goals(game, names),
        trick=scalars(
            data.Trick,
            (u8, names.site[trick.site] if trick else 0),
            (i32, trick.until if trick else 0),
            (f32, trick.swap if trick else 0),
            (f32, trick.screen if trick else 0),
            (u8, names.roles(trick.blinds) if trick else 0),
            (u8, names.roles(trick.hold) if trick else 0),
            (i32, trick.lead if trick else 0),
        ),
        growth=tabulate_growth(cellwise, names, size),
        emergence=tabulate_emergence(emergent, names),
        decay=tabulate_decay(game, names),
        income=tabulate_income(game, names),
        sharing=data.Sharing(np.eye(num_agents, dtype=np.float32), zeros, zeros, np.asarray(f32(0))),
        horizon=scalars(
            data.Horizon,
            *((i32, value) for value in (ending.maximum, ending.minimum, ending.interval)),
            (f32, ending.rate),
            (i32, ending.round),
            (np.bool_, ending.renew),
        ),
    )


def compile_games(games: Sequence[Game], world: GridWorld | None = None) -> tuple[GridWorld, EnvParams]:
    """Compile games into one world and their stacked situations.

    Args:
        world: a world compiled before, into which the games must fit: then nothing needs to be compiled anew, and
            policies that live in it can play them.

    Returns:
        The world, and params with a leading axis of `len(games)`: `jax.vmap(world.step)` steps them side by side.

    Raises:
        UserError: a declaration names what does not exist, holds a number that is not allowed, or does not fit.
    """
    if not games:
        raise UserError("games: none given; at least one is needed.")
    for game in games:
        check(game)
    ids = number_items(games)
    spec = derive_spec(games, ids)
    if world is None:
        world = GridWorld(spec, assorted=len({derive_phases([game]) for game in games}) > 1)
    else:
        check_fit(games, spec, world.spec)
    situations = [tabulate(game, world.spec, ids) for game in games]
    return world, jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *situations))


def check_fit(games: Sequence[Game], needed: WorldSpec, given: WorldSpec) -> None:
    """Refuse games that a world has no room for."""
    label = " and ".join(game.name for game in games)
    for field in dataclasses.fields(WorldSpec):
        want, have = getattr(needed, field.name), getattr(given, field.name)
        if isinstance(want, int) and want > have:
            raise UserError(f"{label}: {field.name} is {want}; the world given has room for {have}.")
        if isinstance(want, tuple) and (missing := [value for value in want if value not in have]):
            raise UserError(f"{label}: {field.name} needs {missing[0]!r}, which the world given lacks.")
        if isinstance(want, View) and any(getattr(want, s) > getattr(have, s) for s in ("ahead", "behind", "side")):
            raise UserError(f"{label}: view is {want}; the world given sees {have}.")
