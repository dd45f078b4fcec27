"""The five spatial games against their published numbers: constants, hand-written traces, rates, maps."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, ELSEWHERE, NORTH, SOUTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game, compile_games
from softsim.envs.games.clean_up import clean_up
from softsim.envs.games.coins import coins
from softsim.envs.games.commons_harvest import (
    commons_harvest_closed,
    commons_harvest_open,
    commons_harvest_partnership,
)
from softsim.envs.rules import ENTER, KEEP, STRUCK
from softsim.envs.vocabulary import ACTIONS, DARK, FLOOR, ITEMS

HARVESTS = (commons_harvest_open, commons_harvest_closed, commons_harvest_partnership)
GAMES = (*HARVESTS, clean_up, coins)
AHEAD = {NORTH: (-1, 0), EAST: (0, 1), SOUTH: (1, 0), WEST: (0, -1)}
STEPS = tuple(AHEAD.values())
WITHIN_TWO = tuple((r, c) for r in range(-2, 3) for c in range(-2, 3) if 0 < r * r + c * c <= 4)
APPLE, WALL, RIVER, DIRT = (ITEMS.index(name) for name in ("apple", "wall", "river", "dirt"))
YARD = """
###########
#a.......a#
#.........#
#.........#
#....s....#
#...sss...#
#.........#
#.........#
#.........#
#llll.....#
###########
"""
BANK = """
###########
#a.......r#
#.........#
#.........#
#.........#
#.........#
#.........#
#.........#
#.........#
#P.......P#
###########
"""


def yard(declare=commons_harvest_open) -> Game:
    """A harvest in which nothing grows, on a small map."""
    game = declare()
    law = dataclasses.replace(game.growth[0], rate=(0.0,) * 4)
    return dataclasses.replace(game, map=YARD, num_agents=3, growth=(law,))


def bank() -> Game:
    """Clean up on a small map; its two sites are far from where the traces act."""
    return dataclasses.replace(clean_up(), map=BANK, num_agents=2)


def test_deviation_knows_a_fair_coin():
    assert deviation(5_000, 10_000, 0.5) == 0
    assert deviation(5_100, 10_000, 0.5) == 2


# ---- Constants ---------------------------------------------------------------------------------------------

# height, width, agents, actions; start cells, cells to come back to; maximum, minimum, interval, rate
SHAPE = {
    "commons_harvest_open": (18, 24, 7, 8, 12, 60, 5000, 1000, 100, 0.15),
    "commons_harvest_closed": (18, 24, 7, 8, 12, 60, 5000, 1000, 100, 0.15),
    "commons_harvest_partnership": (18, 24, 7, 8, 12, 60, 5000, 1000, 100, 0.15),
    "clean_up": (21, 30, 7, 9, 19, 19, 5000, 1000, 100, 0.2),
    "coins": (17, 15, 2, 7, 2, 2, 5000, 300, 100, 0.05),
}
# cells on the map at first, then size of each site
COUNT = {
    "commons_harvest_open": ({"apple": 64}, [64]),
    "commons_harvest_closed": ({"apple": 64}, [64]),
    "commons_harvest_partnership": ({"apple": 64}, [64]),
    "clean_up": ({"dirt": 79, "river": 68 + 38}, [122, 147]),
    "coins": ({}, [13 * 15 - 2]),
}
# length, half-width, cooldown, steps off the map, strikes agents, event
ZAP = {
    "commons_harvest_open": (3, 1, 2, 4, True, "zapped"),
    "commons_harvest_closed": (4, 1, 1, 100, True, "zapped"),
    "commons_harvest_partnership": (4, 1, 1, 100, True, "zapped"),
    "clean_up": (3, 1, 10, 50, True, "zapped"),
}
CLEAN = {"clean_up": (3, 1, 2, 0, False, None)}
HARVEST_RATE = {
    "commons_harvest_open": (0.0, 0.0025, 0.005, 0.025),
    "commons_harvest_closed": (0.0, 0.001, 0.005, 0.025),
    "commons_harvest_partnership": (0.0, 0.001, 0.005, 0.025),
}
# trigger, role, item: what is left, reward, reward to others, event
EAT = {(ENTER, 0, "apple"): ("floor", 1.0, 0.0, "ate")}
RULES = {
    "commons_harvest_open": EAT,
    "commons_harvest_closed": EAT,
    "commons_harvest_partnership": EAT,
    "clean_up": EAT | {(STRUCK + 1, 0, "dirt"): ("river", 0.0, 0.0, "cleaned")},
    "coins": {
        (ENTER, 0, "red_coin"): ("floor", 1.0, 0.0, "took_own"),
        (ENTER, 0, "blue_coin"): ("floor", 1.0, -2.0, "took_other"),
        (ENTER, 1, "red_coin"): ("floor", 1.0, -2.0, "took_other"),
        (ENTER, 1, "blue_coin"): ("floor", 1.0, 0.0, "took_own"),
    },
}


@pytest.fixture(scope="module")
def table():
    """All five compiled together, as name -> (world, params)."""
    games = [declare() for declare in GAMES]
    world, params = compile_games(games)
    assert jax.tree.leaves(params)[0].shape[0] == len(games)
    rows = [jax.tree.map(lambda leaf, g=g: np.asarray(leaf[g]), params) for g in range(len(games))]
    return {game.name: (world, row) for game, row in zip(games, rows, strict=True)}


@pytest.mark.parametrize("declare", GAMES)
def test_shape_and_ending(table, declare):
    game = declare()
    world, alone = only(game)
    _, params = table[game.name]
    layout, horizon = params.layout, params.horizon
    ending = (
        int(horizon.maximum),
        int(horizon.minimum),
        int(horizon.interval),
        round(float(horizon.rate), 6),
    )
    spawns = (int(layout.start_mask.sum()), int(layout.respawn_mask.sum()))
    size = (world.spec.height, world.spec.width, int(params.agent_mask.sum()), world.num_actions)
    assert size + spawns + ending == SHAPE[game.name]
    assert world.spec.view.shape == (11, 11)
    assert (world.spec.view.ahead, world.spec.view.behind, world.spec.view.side) == (9, 1, 5)
    edge = np.ones((world.spec.height, world.spec.width), bool)
    edge[1:-1, 1:-1] = False
    assert (np.asarray(alone.layout.cell)[edge] == WALL).all()
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize("declare", GAMES)
def test_cells(table, declare):
    _, params = table[declare().name]
    layout = params.layout
    items, sites = COUNT[declare().name]
    found = {ITEMS[i]: int((layout.cell == i).sum()) for i in np.unique(layout.cell)}
    assert {name: n for name, n in found.items() if name not in ("floor", "wall")} == items
    assert sorted(int((layout.site == s).sum()) for s in np.unique(layout.site) if s) == sorted(sites)
    assert all([ITEMS[i] for i in np.flatnonzero(solid)] == ["wall"] for solid in layout.solid)


@pytest.mark.parametrize("declare", GAMES)
def test_beams(table, declare):
    world, params = table[declare().name]
    assert world.spec.beams == ("zap", "clean")
    for b, beams in enumerate((ZAP, CLEAN)):
        law = params.beams
        assert bool(law.exists[b]) == (declare().name in beams)
        if not law.exists[b]:
            continue
        event = world.event_names[law.event[b]] if law.event[b] >= 0 else None
        numbers = [int(column[b]) for column in (law.length, law.half_width, law.cooldown, law.removes_for)]
        assert (*numbers, bool(law.strikes_agents[b]), event) == beams[declare().name]
        assert law.reward[b] == law.fine[b] == law.freezes_for[b] == 0


@pytest.mark.parametrize("declare", GAMES)
def test_rules(table, declare):
    world, params = table[declare().name]
    law, found = params.rules, {}
    num_roles = len(declare().roles)
    for trigger, item in zip(*np.nonzero(law.lookup), strict=True):
        row = law.lookup[trigger, item]
        while row:
            assert law.becomes[row] != KEEP
            assert law.freeze[row] == 0
            for role in (role for role in range(num_roles) if law.roles[row] >> role & 1):
                found[int(trigger), role, ITEMS[item]] = (
                    ITEMS[law.becomes[row]],
                    float(law.reward[row]),
                    float(law.reward_others[row]),
                    world.event_names[law.event[row]],
                )
            row = law.otherwise[row]
    assert found == RULES[declare().name]
    if declare is coins:
        assert params.role[:2].tolist() == [0, 1]


@pytest.mark.parametrize("declare", HARVESTS)
def test_harvest_grows_by_its_table(table, declare):
    world, params = table[declare().name]
    law = params.growth
    np.testing.assert_array_equal(law.rate[0], np.float32(HARVEST_RATE[declare().name]))
    assert not law.rate[1:].any()
    assert ITEMS[law.item[0, 0]] == "apple"
    assert law.slow_total[0] == 0
    counted = {offset for offset, near in zip(world.spec.neighbours, law.near[0], strict=True) if near}
    assert counted == set(WITHIN_TWO)
    assert len(counted) == 12
    assert not params.emergence.rate.any()


def test_clean_up_grows_by_its_table(table):
    _, params = table["clean_up"]
    law, dirt = params.growth, params.emergence
    np.testing.assert_array_equal(law.rate, np.float32([[0.05] * 4] + [[0] * 4] * (len(law.rate) - 1)))
    assert not law.near.any()
    assert (ITEMS[law.item[0, 0]], ITEMS[law.slow_item[0]], int(law.slow_total[0])) == ("apple", "dirt", 147)
    assert (float(law.slow_low[0]), round(float(law.slow_high[0]), 6)) == (0.0, 0.4)
    assert (float(dirt.rate[0]), int(dirt.after[0])) == (0.5, 50)
    assert (ITEMS[dirt.item[0]], ITEMS[dirt.over[0]]) == ("dirt", "river")


def test_coins_grow_by_their_table(table):
    _, params = table["coins"]
    law = params.growth
    np.testing.assert_array_equal(law.rate[0], np.float32([0.0005] * 4))
    assert [ITEMS[i] for i in law.item[0, : int(law.num_choices[0])]] == ["red_coin", "blue_coin"]
    assert not params.emergence.rate.any()


def test_coins_draws_its_size():
    shapes = []
    for seed in range(100):
        rows = coins(seed=seed).rows
        assert len({len(row) for row in rows}) == 1
        shapes.append((len(rows) - 2, len(rows[0]) - 2))
    heights, widths = zip(*shapes, strict=True)
    assert set(heights) == set(widths) == set(range(10, 16))
    assert coins(seed=3) == coins(seed=3)
    given = coins(height=10, width=15)
    assert (len(given.rows), len(given.rows[0])) == (12, 17)
    assert len(coins(width=11, seed=4).rows) == shapes[4][0] + 2


# ---- Maps --------------------------------------------------------------------------------------------------


def flood(passable: np.ndarray, start: tuple[int, int], offsets) -> set[tuple[int, int]]:
    """Every cell that can be reached from `start` by steps of the given offsets."""
    reached, border = {start}, [start]
    while border:
        row, column = border.pop()
        for r, c in offsets:
            near = (row + r, column + c)
            inside = 0 <= near[0] < passable.shape[0] and 0 <= near[1] < passable.shape[1]
            if inside and passable[near] and near not in reached:
                reached.add(near)
                border.append(near)
    return reached


def regions(passable: np.ndarray, offsets=STEPS) -> list[set[tuple[int, int]]]:
    """Connected parts, in order of their first cell."""
    found: list[set[tuple[int, int]]] = []
    for cell in zip(*np.nonzero(passable), strict=True):
        if not any(cell in region for region in found):
            found.append(flood(passable, cell, offsets))
    return found


@pytest.mark.parametrize("declare", GAMES)
def test_every_cell_can_be_reached(declare):
    cells = declare().cells()
    assert len(regions(np.array([[cell.item != "wall" for cell in row] for row in cells]))) == 1


@pytest.mark.parametrize("declare", HARVESTS)
def test_harvest_has_six_patches_that_cannot_help_each_other(declare):
    _, params = only(declare())
    sizes = [len(region) for region in regions(np.asarray(params.layout.cell) == APPLE, WITHIN_TWO)]
    assert sorted(sizes) == [6, 6, 13, 13, 13, 13]


@pytest.mark.parametrize(("declare", "entrances"), [(commons_harvest_closed, 1), (commons_harvest_partnership, 2)])
def test_rooms_have_corridors_one_cell_wide(declare, entrances):
    _, params = only(declare())
    cell, site = np.asarray(params.layout.cell), np.asarray(params.layout.site)
    walls = slice(10, 13)
    open_columns = np.flatnonzero((cell[walls] != WALL).all(0))
    assert (cell[walls][:, open_columns] != WALL).sum() == (cell[walls] != WALL).sum()
    assert (np.diff(open_columns) > 1).all()

    barred = cell != WALL
    barred[11] = False
    left, right, hall = sorted(regions(barred), key=lambda region: (max(region)[0] > 12, min(region)[1]))
    for room in (left, right):
        assert sum((10, column) in room for column in open_columns) == entrances
        assert sum(bool(site[spot]) for spot in room) == 32
        assert sum(divmod(int(s), 24) in room for s in params.layout.spawn[params.layout.start_mask]) == 6
    assert all(divmod(int(s), 24) in hall for s in params.layout.spawn[params.layout.respawn_mask])


def test_open_harvest_has_no_inner_walls():
    _, params = only(commons_harvest_open())
    assert (np.asarray(params.layout.cell)[1:-1, 1:-1] != WALL).all()


def test_the_river_is_above_and_the_orchard_below():
    _, params = only(clean_up())
    cell, site, spawn = (np.asarray(x) for x in (params.layout.cell, params.layout.site, params.layout.spawn))
    dirt, orchard = site[cell == DIRT][0], site[site > 0][-1]
    assert dirt != orchard
    lowest_river, highest_orchard = (
        np.argwhere(site == dirt)[:, 0].max(),
        np.argwhere(site == orchard)[:, 0].min(),
    )
    assert (lowest_river < spawn // 30).all()
    assert (spawn // 30 < highest_orchard).all()
    assert sum(site[cell == RIVER] == 0) == 38


def test_agents_start_on_start_cells():
    world, params = compile_games([declare() for declare in GAMES])
    keys = jax.random.split(jax.random.key(0), (len(GAMES), 100))
    state, seen = jax.jit(jax.vmap(jax.vmap(world.reset, in_axes=(0, None))))(keys, params)
    assert not any(leaf.any() for leaf in (state.step, state.removed, state.frozen, seen.events, seen.reward))
    np.testing.assert_array_equal(state.cell, np.tile(params.layout.cell[:, None], (1, 100, 1, 1)))
    for g, declare in enumerate(GAMES):
        there = slice(declare().num_agents)
        position = np.asarray(state.position[g, :, there])
        starts = np.asarray(params.layout.spawn[g][params.layout.start_mask[g]])
        assert set(position.reshape(-1).tolist()) == set(starts.tolist())
        assert all(len(set(row)) == len(row) for row in position.tolist())
        assert set(np.asarray(state.heading[g, :, there]).reshape(-1).tolist()) == {0, 1, 2, 3}


# ---- Traces: harvest ---------------------------------------------------------------------------------------


def test_eating_pays_one_and_empties_the_cell():
    play = Play(yard(), (2, 2, EAST), (7, 7, NORTH), (8, 8, NORTH)).put("apple", (2, 3))
    play.step("forward")
    assert play.where(0) == (2, 3)
    assert play.payoff() == [1.0, 0.0, 0.0]
    assert play.count("ate") == [1, 0, 0]
    assert play.item(2, 3) == "floor"
    play.step()
    assert play.payoff() == [0.0] * 3
    assert play.count("ate") == [0] * 3


def test_two_who_want_one_apple_leave_one_winner():
    play = Play(yard(), (2, 2, EAST), (2, 4, WEST), (8, 8, NORTH)).put("apple", (2, 3))
    play.step("forward", "forward")
    assert sorted(play.payoff()) == [0.0, 0.0, 1.0]
    assert play.where(0) != play.where(1)


def test_an_empty_patch_never_regrows_and_one_apple_restores_its_own_patch_alone():
    game = commons_harvest_open()
    law = dataclasses.replace(game.growth[0], rate=(0.0, 1.0, 1.0, 1.0))
    world, params = only(dataclasses.replace(game, growth=(law,)))
    cell = np.array(params.layout.cell)
    dead, alive = (sorted(patch) for patch in regions(cell == APPLE, WITHIN_TWO)[:2])
    cell[cell == APPLE] = FLOOR
    cell[alive[0]] = APPLE
    state = copies(world, params, 1, cell=cell[None])
    for seed in range(8):
        state, _ = step(world, jax.random.key(seed), params, state)
    grown = np.asarray(state.cell[0]) == APPLE
    assert sorted(zip(*np.nonzero(grown), strict=True)) == alive
    assert not any(grown[spot] for spot in dead)


def test_nothing_grows_under_an_agent():
    game = commons_harvest_open()
    law = dataclasses.replace(game.growth[0], rate=(1.0,) * 4)
    game = dataclasses.replace(game, map=YARD, num_agents=3, growth=(law,))
    play = Play(game, (1, 2, WEST), (7, 7, NORTH), (8, 8, NORTH))
    play.step("forward").step().step()
    assert play.item(1, 1) == "floor"
    play.step("backward")
    assert play.item(1, 1) == "apple"


def test_a_zap_hits_the_first_in_line_and_waits_for_its_cooldown():
    play = Play(yard(), (6, 2, EAST), (6, 3, EAST), (6, 4, EAST))
    play.step("zap")
    assert play.away() == [False, True, False]
    assert play.count("zapped") == [1, 0, 0]
    assert play.payoff() == [0.0] * 3
    assert not play.can(0)[len(ACTIONS)]
    assert float(play.seen.observation.body[0, -1]) == 0.0
    play.step("zap")
    assert play.away() == [False, True, False]
    assert play.count("zapped") == [0] * 3
    assert float(play.seen.observation.body[0, -1]) == 1.0
    play.step("zap")
    assert play.away() == [False, True, True]
    assert play.count("zapped") == [1, 0, 0]


def test_two_who_zap_each_other_both_go():
    play = Play(yard(), (6, 2, EAST), (6, 4, WEST), (2, 8, NORTH))
    assert play.step("zap", "zap").away() == [True, True, False]
    assert play.count("zapped") == [1, 1, 0]


@pytest.mark.parametrize(
    ("game", "steps"),
    [
        (yard(), 4),
        (yard(commons_harvest_closed), 100),
        (yard(commons_harvest_partnership), 100),
        (bank(), 50),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_who_is_zapped_is_gone_for_exactly_so_many_steps(game, steps):
    play = Play(game, *[(6, 2, EAST), (6, 3, EAST), (2, 8, NORTH)][: game.num_agents])
    play.put("apple", (6, 4))
    play.step("zap")
    for _ in range(steps):
        assert play.away()[1]
        assert (play.seen.observation.window[1, ..., 0] == DARK).all()
        assert (play.seen.observation.window[1, ..., 1] == 0).all()
        assert play.seen.observation.window[0, 8, 5, 1] == 0
        assert play.can(1) == [True] + [False] * (play.world.num_actions - 1)
        play.step("noop", "forward")
        assert play.payoff()[1] == 0.0
    assert not play.away()[1]
    assert play.item(6, 4) == "apple"
    row, column = play.where(1)
    assert dict(enumerate(game.rows[row]))[column] in "lP"
    assert (play.seen.observation.window[1, ..., 0] != DARK).any()
    assert all(play.can(1)[: len(ACTIONS)])


def test_who_returns_does_so_on_any_later_cell_facing_anywhere():
    world, params = only(commons_harvest_open())
    count = 3_000
    removed = np.full((count, world.num_agents), ELSEWHERE)
    removed[:, 3] = 1
    state, _ = step(world, jax.random.key(5), params, copies(world, params, count, removed=removed))
    later = np.asarray(params.layout.spawn[params.layout.respawn_mask])
    landed = np.bincount(state.position[:, 3], minlength=18 * 24)
    assert landed[later].sum() == count
    assert all(abs(deviation(number, count, 1 / 60)) < 4 for number in landed[later])
    assert all(abs(deviation(n, count, 1 / 4)) < 4 for n in np.bincount(state.heading[:, 3], minlength=4))


@pytest.mark.parametrize(
    ("game", "beam", "cooldown"),
    [
        (yard(), "zap", 2),
        (yard(commons_harvest_closed), "zap", 1),
        (bank(), "zap", 10),
        (bank(), "clean", 2),
    ],
    ids=["open", "closed", "clean_up", "clean"],
)
def test_a_beam_is_ready_again_after_its_cooldown(game, beam, cooldown):
    play = Play(game, *[(5, 5, NORTH), (9, 9, NORTH), (9, 8, NORTH)][: game.num_agents])
    action = play.world.action_names.index(beam)
    ready = [play.step(beam).can(0)[action] for _ in range(2 * cooldown)]
    assert ready == [t % cooldown == 0 for t in range(1, 2 * cooldown + 1)]


# ---- Traces: the shape of beams ----------------------------------------------------------------------------

CENTRE, INSIDE = (5, 5), [(r, c) for r in range(1, 10) for c in range(1, 10) if (r, c) != (5, 5)]
WIDE_3 = {(1, 0), (2, 0), (3, 0)} | {(ahead, side) for ahead in (0, 1, 2) for side in (-1, 1)}
WIDE_4 = {(ahead, 0) for ahead in (1, 2, 3, 4)} | {(ahead, side) for ahead in (0, 1, 2, 3) for side in (-1, 1)}


def cell_at(heading: int, ahead: int, right: int) -> tuple[int, int]:
    """The cell so many steps ahead and to the right of the centre."""
    (row, column), (r, c), (x, y) = CENTRE, AHEAD[heading], AHEAD[(heading + 1) % 4]
    return row + ahead * r + right * x, column + ahead * c + right * y


def strikes(game: Game, beam: str, heading: int, walls=(), beside: Game | None = None):
    """Where a victim of zap, or dirt for clean, has to be for a beam from the centre to strike it."""
    world, params = only(game, *[beside] if beside else [])
    spots = [spot for spot in INSIDE if spot not in walls]
    count, agents, width = len(spots), world.num_agents, world.spec.width
    cell = np.tile(np.asarray(params.layout.cell), (count, 1, 1))
    position, removed = (np.full((count, agents), value) for value in (5 * width + 5, ELSEWHERE))
    removed[:, 0] = 0
    for spot in walls:
        cell[(slice(None), *spot)] = WALL
    for n, (row, column) in enumerate(spots):
        if beam == "clean":
            cell[n, row, column] = DIRT
        else:
            position[n, 1], removed[n, 1] = row * width + column, 0
    turned = np.full((count, agents), heading)
    state = copies(world, params, count, cell=cell, position=position, removed=removed, heading=turned)
    action = [world.action_names.index(beam)] + [0] * (agents - 1)
    after, seen = step(world, jax.random.key(0), params, state, action)
    if beam == "clean":
        hit = [int(after.cell[n, row, column]) == RIVER for n, (row, column) in enumerate(spots)]
    else:
        hit = (after.removed[:, 1] > 0).tolist()
    event = world.event_names.index("cleaned" if beam == "clean" else "zapped")
    assert seen.events[:, 0, event].tolist() == hit
    return {spot for spot, here in zip(spots, hit, strict=True) if here}


@pytest.mark.parametrize("heading", range(4))
@pytest.mark.parametrize(
    ("game", "beam", "shape"),
    [
        (yard(), "zap", WIDE_3),
        (yard(commons_harvest_closed), "zap", WIDE_4),
        (bank(), "zap", WIDE_3),
        (bank(), "clean", WIDE_3),
    ],
    ids=["open", "closed", "clean_up", "clean"],
)
def test_a_beam_strikes_exactly_its_cells(game, beam, shape, heading):
    assert strikes(game, beam, heading) == {cell_at(heading, *offset) for offset in shape}


def test_a_beam_keeps_its_length_beside_a_longer_one():
    reached = strikes(yard(), "zap", NORTH, beside=yard(commons_harvest_closed))
    assert reached == {cell_at(NORTH, *offset) for offset in WIDE_3}


@pytest.mark.parametrize("beam", ["zap", "clean"])
@pytest.mark.parametrize(
    ("wall", "hidden"),
    [
        ((1, 0), {(1, 0), (2, 0), (3, 0)}),
        ((2, 0), {(2, 0), (3, 0)}),
        ((0, 1), {(0, 1), (1, 1), (2, 1)}),
        ((1, -1), {(1, -1), (2, -1)}),
        ((4, 0), set()),
        ((0, 2), set()),
    ],
)
def test_walls_stop_a_ray_and_only_that_ray(beam, wall, hidden):
    seen = strikes(bank(), beam, EAST, walls=[cell_at(EAST, *wall)])
    assert seen == {cell_at(EAST, *offset) for offset in WIDE_3 - hidden}


# ---- Traces: clean up --------------------------------------------------------------------------------------


def test_clean_turns_the_first_dirt_of_each_ray_into_river():
    play = Play(bank(), (5, 2, EAST), (9, 9, NORTH)).put("dirt", (5, 3), (5, 4), (5, 5), (4, 3), (4, 4))
    play.step("clean")
    assert [play.item(5, c) for c in (3, 4, 5)] == ["river", "dirt", "dirt"]
    assert [play.item(4, c) for c in (3, 4)] == ["river", "dirt"]
    assert play.count("cleaned") == [2, 0]
    assert play.payoff() == [0.0, 0.0]
    play.step("clean")
    assert play.item(5, 4) == "dirt"
    play.step("clean")
    assert [play.item(5, c) for c in (3, 4, 5)] == ["river", "river", "dirt"]
    assert play.item(4, 4) == "river"
    play.step().step("clean")
    assert play.item(5, 5) == "river"
    assert play.count("cleaned") == [1, 0]


def test_clean_passes_agents_and_harms_nobody():
    play = Play(bank(), (5, 2, EAST), (5, 3, NORTH)).put("dirt", (5, 4))
    play.step("clean")
    assert play.item(5, 4) == "river"
    assert play.away() == [False, False]


def test_zap_passes_dirt_and_leaves_it():
    play = Play(bank(), (5, 2, EAST), (5, 4, NORTH)).put("dirt", (5, 3))
    play.step("zap")
    assert play.item(5, 3) == "dirt"
    assert play.away() == [False, True]


def test_two_who_clean_one_cell_count_once():
    play = Play(bank(), (5, 2, EAST), (5, 4, WEST)).put("dirt", (5, 3))
    play.step("clean", "clean")
    assert sorted(play.count("cleaned")) == [0, 1]


def test_river_and_dirt_can_be_walked_on():
    play = Play(bank(), (5, 2, EAST), (9, 9, NORTH)).put("dirt", (5, 3)).put("river", (5, 4))
    play.step("forward").step("forward")
    assert play.where(0) == (5, 4)
    assert [play.item(5, c) for c in (3, 4)] == ["dirt", "river"]


def river_cells(params, count: int) -> np.ndarray:
    """The map of clean up with `count` of its 147 cells dirty."""
    cell, site = np.array(params.layout.cell), np.asarray(params.layout.site)
    river = np.argwhere(site == site[cell == DIRT][0])
    cell[tuple(river.T)] = RIVER
    cell[tuple(river[:count].T)] = DIRT
    return cell


def test_dirt_appears_from_step_51_on_one_cell_a_step():
    game = clean_up()
    apple, dirt = game.growth
    world, params = only(dataclasses.replace(game, growth=(apple, dataclasses.replace(dirt, per_step=1.0))))
    state = copies(world, params, 1, cell=river_cells(params, 140)[None], step=[45])
    dirty = []
    for key in jax.random.split(jax.random.key(0), 15):
        state, _ = step(world, key, params, state)
        dirty.append(int((state.cell == DIRT).sum()))
    assert dirty == [140] * 5 + [*range(141, 148)] + [147] * 3


def test_apples_grow_below_a_fraction_of_two_fifths_only():
    game = clean_up()
    apple, dirt = game.growth
    world, params = only(dataclasses.replace(game, growth=(dataclasses.replace(apple, rate=1.0), dirt)))
    levels = [0, 59, 79, 147]
    state = copies(world, params, 4, cell=np.stack([river_cells(params, n) for n in levels]))
    state, _ = step(world, jax.random.key(0), params, state)
    assert (state.cell == APPLE).sum((1, 2)).tolist() == [122, 0, 0, 0]


# ---- Traces: coins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "coin", "payoff", "event"),
    [
        (0, "red_coin", [1.0, 0.0], "took_own"),
        (0, "blue_coin", [1.0, -2.0], "took_other"),
        (1, "red_coin", [-2.0, 1.0], "took_other"),
        (1, "blue_coin", [0.0, 1.0], "took_own"),
    ],
)
def test_a_coin_pays_its_taker_and_costs_its_owner(agent, coin, payoff, event):
    game = coins(height=10, width=10)
    law = dataclasses.replace(game.growth[0], rate=0.0)
    play = Play(dataclasses.replace(game, growth=(law,)), (3, 3, EAST), (6, 3, EAST))
    ahead = (3, 4) if agent == 0 else (6, 4)
    play.put(coin, ahead)
    play.step(*["forward" if each == agent else "noop" for each in range(2)])
    assert play.payoff() == payoff
    assert play.seen.reward.tolist() == payoff
    assert play.item(*ahead) == "floor"
    for name in ("took_own", "took_other"):
        assert play.count(name) == [int(name == event and each == agent) for each in range(2)]


def test_both_may_take_at_once():
    game = coins(height=10, width=10)
    law = dataclasses.replace(game.growth[0], rate=0.0)
    play = Play(dataclasses.replace(game, growth=(law,)), (3, 3, EAST), (6, 3, EAST))
    play.put("blue_coin", (3, 4)).put("red_coin", (6, 4)).step("forward", "forward")
    assert play.payoff() == [-1.0, -1.0]


# ---- Rates -------------------------------------------------------------------------------------------------


def live_neighbours(apple: np.ndarray) -> np.ndarray:
    """Apples within two cells of each cell, [copies, H, W]; the walls make wrapping harmless."""
    return sum(np.roll(apple, offset, (1, 2)).astype(np.int32) for offset in WITHIN_TWO)


@pytest.mark.parametrize("declare", HARVESTS)
@pytest.mark.slow
def test_harvest_regrows_at_the_rate_of_its_neighbourhood(declare):
    world, params = only(declare())
    draw = np.random.default_rng(1)
    count = 6_000
    patch = np.asarray(params.layout.site) > 0
    cell = np.tile(np.asarray(params.layout.cell), (count, 1, 1))
    cell[patch & (draw.random(cell.shape) > draw.uniform(0, 0.5, (count, 1, 1)))] = FLOOR
    state = copies(world, params, count, cell=cell)
    after, _ = step(world, jax.random.key(1), params, state)
    grown, empty = after.cell == APPLE, patch & (cell == FLOOR)
    neighbours = np.minimum(live_neighbours(cell == APPLE), 3)
    assert (grown[cell == APPLE]).all()
    assert not grown[~patch & (cell != APPLE)].any()
    for live, rate in enumerate(HARVEST_RATE[declare().name]):
        here = empty & (neighbours == live)
        assert here.sum() > 20_000
        if rate == 0:
            assert not grown[here].any()
        else:
            assert abs(deviation(grown[here].sum(), here.sum(), rate)) < 4


def test_orchard_grows_slower_the_dirtier_the_river():
    world, params = only(clean_up())
    levels, count = [0, 10, 30, 45, 58], 600
    cell = np.repeat(np.stack([river_cells(params, n) for n in levels]), count, 0)
    state = copies(world, params, len(cell), cell=cell)
    after, _ = step(world, jax.random.key(2), params, state)
    grown = (after.cell == APPLE).reshape(len(levels), -1).sum(1)
    for dirty, number in zip(levels, grown, strict=True):
        assert abs(deviation(number, count * 122, 0.05 * (1 - dirty / 147 / 0.4))) < 4


def test_dirt_appears_every_other_step_anywhere_on_the_clean_river():
    world, params = only(clean_up())
    count = 6_000
    state = copies(world, params, count, step=np.full(count, 60))
    after, _ = step(world, jax.random.key(3), params, state)
    before, site = np.asarray(params.layout.cell), np.asarray(params.layout.site)
    new = (after.cell == DIRT) & (before != DIRT)[None]
    assert new.sum((1, 2)).max() == 1
    assert abs(deviation(new.sum(), count, 0.5)) < 4
    clean = (site == site[before == DIRT][0]) & (before == RIVER)
    assert clean.sum() == 68
    assert not new[:, ~clean].any()
    assert all(abs(deviation(number, new.sum(), 1 / 68)) < 4 for number in new[:, clean].sum(0))


def grow_coins(rate: float, count: int, num_steps: int = 1) -> tuple[int, int, int]:
    """Red and blue coins after some steps on empty floors, and the number of cells."""
    game = coins(height=15, width=15)
    world, params = only(dataclasses.replace(game, growth=(dataclasses.replace(game.growth[0], rate=rate),)))
    state = copies(world, params, count)
    for seed in range(num_steps):
        state, _ = step(world, jax.random.key(seed), params, state)
    red, blue = (int((state.cell == ITEMS.index(name)).sum()) for name in ("red_coin", "blue_coin"))
    return red, blue, count * (15 * 15 - 2)


@pytest.mark.slow
def test_coins_appear_at_their_rate_and_are_as_often_red_as_blue():
    red, blue, cells = grow_coins(0.0005, count=8_000)
    assert abs(deviation(red + blue, cells, 0.0005)) < 4
    assert abs(deviation(red, red + blue, 0.5)) < 4


def test_coins_that_are_rare_are_as_often_red_as_blue():
    red, blue, _ = grow_coins(2.0**-17, count=4_000, num_steps=10)
    assert red + blue > 30
    assert abs(deviation(red, red + blue, 0.5)) < 4


@pytest.mark.parametrize("declare", [commons_harvest_open, clean_up, coins])
def test_episodes_end_by_chance_at_whole_intervals_and_by_the_clock_at_last(declare):
    game = declare()
    world, params = only(game)
    _, _, _, _, _, _, maximum, minimum, interval, rate = SHAPE[game.name]
    count = 2_000
    moments = {
        minimum - interval: 0.0,
        minimum - 1: 0.0,
        minimum: rate,
        minimum + 1: 0.0,
        minimum + interval: rate,
    }
    clock = np.repeat([moment - 1 for moment in [*moments, maximum]], count)
    state = copies(world, params, len(clock), vacant=False, step=clock)
    _, seen = step(world, jax.random.key(4), params, state)
    last, ended = seen.last.reshape(-1, count), (seen.discount == 0).all(1).reshape(-1, count)
    for chance, stops in zip(moments.values(), last, strict=False):
        assert abs(deviation(stops.sum(), count, chance)) < 4 if chance else not stops.any()
    assert (ended[:-1] == last[:-1]).all()
    assert last[-1].all()
    assert abs(deviation(ended[-1].sum(), count, rate)) < 4
