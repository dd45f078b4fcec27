"""Territory against its published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game
from softsim.envs.games.territory import GAMES, territory_open, territory_rooms
from softsim.envs.rules import FACE, STRUCK, TAKE
from softsim.envs.vocabulary import ITEMS

BLOCK, DAMAGED = ITEMS.index("block"), ITEMS.index("damaged_block")
LAND = """
###########
#PPP......#
#.........#
#.........#
#.........#
###########
"""
WIDTH = 11
ASIDE = (4, 9, NORTH)
AWAY = (4, 7, NORTH)


def land(income: float = 0.0, repair: float = 0.0) -> Game:
    """A small field for three."""
    game = territory_open()
    pays = [dataclasses.replace(law, rate=income) for law in game.income]
    mends = [dataclasses.replace(game.decay[0], rate=repair)]
    return dataclasses.replace(game, map=LAND, num_agents=3, income=pays, decay=mends)


def owners(play: Play, row: int, column: int) -> list[int]:
    stake = int(play.state.stake[row * play.world.spec.width + column])
    return [agent for agent in range(play.world.num_agents) if stake >> agent & 1]


# ---- Constants ---------------------------------------------------------------------------------------------

# height, width, agents, blocks at first, cells that may hold one, start cells, torus
SHAPE = {
    "territory_open": (23, 39, 9, 88, [], 18, False),
    "territory_rooms": (21, 21, 9, 180, [], 9, True),
    "territory_inside_out": (23, 23, 5, 88, [48, 64], 10, False),
}


@pytest.fixture(scope="module")
def table():
    return {name: only(declare()) for name, declare in GAMES.items()}


@pytest.mark.parametrize("name", SHAPE)
def test_shape_and_ending(table, name):
    world, params = table[name]
    layout, horizon, spec = params.layout, params.horizon, world.spec
    site = np.asarray(layout.site)
    sites = sorted(int((site == s).sum()) for s in np.unique(site) if s)
    blocks = int((np.asarray(layout.cell) == BLOCK).sum())
    size = (spec.height, spec.width, spec.num_agents, blocks, sites)
    assert (*size, int(layout.start_mask.sum()), bool(layout.torus)) == SHAPE[name]
    assert world.num_actions == 9
    assert spec.view.shape == (11, 11)
    assert [ITEMS[i] for i in np.flatnonzero(layout.solid)] == ["wall", "block", "damaged_block"]
    ending = [int(horizon.maximum), int(horizon.minimum), int(horizon.interval)]
    assert ending == [5000, 1000, 100]
    assert round(float(horizon.rate), 6) == 0.2
    game = GAMES[name]()
    assert game.name == name
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize("name", SHAPE)
def test_numbers(table, name):
    world, params = table[name]
    beams, income, decay, rules = params.beams, params.income, params.decay, params.rules
    assert world.spec.beams == ("zap", "claim")
    shape = (beams.length, beams.half_width, beams.cooldown, beams.mark_for, beams.freezes_for, beams.removes_for)
    assert [int(column[0]) for column in shape] == [2, 1, 4, 50, 25, 10**6]
    assert [int(column[1]) for column in shape] == [2, 0, 0, 0, 0, 0]
    assert np.asarray(beams.strikes_agents).tolist() == [True, False]
    assert np.asarray(beams.stops[:, [BLOCK, DAMAGED]]).tolist() == [[True, True], [False, False]]
    for item in (BLOCK, DAMAGED):
        assert (float(income.rate[item]), float(income.amount[item])) == (np.float32(0.01), 1.0)
        assert int(income.ripe[item]) == 25
        for trigger in (FACE, STRUCK + 1):
            assert int(rules.claim[rules.lookup[trigger, item]]) == TAKE
    assert (float(decay.rate[DAMAGED]), int(decay.ripe[DAMAGED]), int(decay.into[DAMAGED])) == (
        np.float32(0.1),
        15,
        BLOCK,
    )
    assert ITEMS[rules.becomes[rules.lookup[STRUCK, BLOCK]]] == "damaged_block"
    assert ITEMS[rules.becomes[rules.lookup[STRUCK, DAMAGED]]] == "floor"
    assert not np.asarray(rules.reward).any()


def test_draws_of_the_maze(table):
    _, params = table["territory_inside_out"]
    site = np.asarray(params.layout.site)
    rate = {
        int((site == s).sum()): float(high - low)
        for s, low, high in zip(params.scatter.site, params.scatter.low, params.scatter.high, strict=True)
    }
    assert rate == pytest.approx({48: 2 / 3, 64: 1 / 4})
    assert np.asarray(params.scatter.item).reshape(-1).tolist() == [BLOCK, BLOCK]


# ---- Claims ------------------------------------------------------------------------------------------------


def test_blocks_are_walls():
    play = Play(land(), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3)).step("forward")
    assert play.where(0) == (2, 2)


def test_facing_a_block_claims_it_once():
    play = Play(land(), (2, 2, NORTH), AWAY, ASIDE).put("block", (2, 4), (3, 3)).step("turn_right")
    assert owners(play, 2, 4) == []
    play.step("forward")
    assert owners(play, 2, 4) == [0]
    assert play.count("claimed") == [1, 0, 0]
    assert play.payoff() == [0.0, 0.0, 0.0]
    assert play.step("noop").count("claimed") == [0, 0, 0]
    play.step("turn_right")
    assert (owners(play, 3, 3), owners(play, 2, 4)) == ([0], [0])


def test_whoever_faced_it_last_has_it():
    play = Play(land(), (2, 2, EAST), (2, 4, NORTH), ASIDE).put("block", (2, 3)).step("noop")
    assert owners(play, 2, 3) == [0]
    play.step("turn_left", "turn_left")
    assert owners(play, 2, 3) == [1]
    assert play.count("claimed") == [0, 1, 0]
    assert play.sees(0, ahead=0, right=1, channel=2) == 2  # seen from (2, 2), looking north: another's
    assert play.sees(1, ahead=1, right=0, channel=2) == 1


def test_the_claim_beam_passes_blocks_and_agents():
    play = Play(land(), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3), (2, 4), (2, 5), (1, 3), (3, 3))
    play.step("claim")
    assert [owners(play, 2, column) for column in (3, 4, 5)] == [[0], [0], []]
    assert owners(play, 1, 3) == owners(play, 3, 3) == []
    assert play.able(0, "claim")  # it needs no rest
    play = Play(land(), (2, 2, EAST), (2, 3, NORTH), ASIDE).put("block", (2, 4)).step("claim")
    assert owners(play, 2, 4) == [0]
    play = Play(land(), (2, 2, EAST), AWAY, ASIDE).put("wall", (2, 3)).put("block", (2, 4)).step("claim")
    assert owners(play, 2, 4) == []


def test_two_who_touch_a_block_at_once_share_nothing():
    play = Play(land(), (2, 2, EAST), (2, 4, WEST), ASIDE).put("block", (2, 3))
    seen = {tuple(owners(play.step(), 2, 3)) for _ in range(20)}
    assert seen == {(0,), (1,)}


# ---- Income ------------------------------------------------------------------------------------------------


def test_a_block_pays_from_twenty_five_steps_after_the_claim():
    play = Play(land(income=1.0), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3), (1, 9)).step("noop")
    paid = [play.payoff()[0]] + [play.step("noop").payoff()[0] for _ in range(27)]
    assert paid == [0.0] * 25 + [1.0] * 3
    assert play.payoff()[1:] == [0.0, 0.0]


def test_another_claim_begins_the_wait_anew():
    play = Play(land(income=1.0), (2, 2, EAST), (2, 4, NORTH), ASIDE).put("block", (2, 3)).step("noop").wait(30)
    assert play.payoff() == [1.0, 0.0, 0.0]
    play.step("turn_left", "turn_left")
    paid = [play.payoff()] + [play.step().payoff() for _ in range(25)]
    assert paid == [[0.0] * 3] * 25 + [[0.0, 1.0, 0.0]]


def test_damage_and_repair_do_not_interrupt_income():
    play = Play(land(income=1.0, repair=1.0), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3)).step("noop").wait(8)
    paid = [play.step("zap").payoff()[0]] + [play.step().payoff()[0] for _ in range(19)]
    assert paid == [0.0] * 16 + [1.0] * 4
    assert play.item(2, 3) == "block"


def test_an_unclaimed_block_pays_nobody():
    play = Play(land(income=1.0), (2, 2, NORTH), AWAY, ASIDE).put("block", (2, 3)).wait(40)
    assert play.payoff() == [0.0] * 3


# ---- Damage ------------------------------------------------------------------------------------------------


def test_two_zaps_destroy_a_block_for_good():
    play = Play(land(income=1.0), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3)).wait(26)
    assert play.payoff()[0] == 1.0
    play.step("zap")
    assert (play.item(2, 3), play.count("damaged"), owners(play, 2, 3)) == ("damaged_block", [1, 0, 0], [0])
    play.wait(3).step("zap")
    assert (play.item(2, 3), play.count("destroyed"), owners(play, 2, 3)) == ("floor", [1, 0, 0], [])
    assert play.payoff() == [0.0] * 3
    assert play.step("forward").where(0) == (2, 3)
    assert play.wait(50).item(2, 3) == "floor"


def test_a_zap_strikes_three_lanes_two_deep_and_rests_for_three_steps():
    cells = [(row, column) for row in (1, 2, 3) for column in (2, 3, 4, 5)]
    struck = set()
    for cell in cells:
        if cell != (2, 2):
            play = Play(land(), (2, 2, EAST), AWAY, ASIDE).put("block", cell).step("zap")
            struck |= {cell} if play.item(*cell) == "damaged_block" else set()
    assert struck == {(1, 2), (1, 3), (2, 3), (2, 4), (3, 2), (3, 3)}
    ready = [play.able(0, "zap")] + [play.step().able(0, "zap") for _ in range(3)]
    assert ready == [False, False, False, True]


def test_a_zap_ends_at_a_block():
    play = Play(land(), (2, 2, EAST), (2, 4, WEST), ASIDE).put("block", (2, 3)).step("zap")
    assert play.count("zapped") == [0, 0, 0]
    assert play.able(1, "forward")


def test_damage_mends_after_fifteen_quiet_steps():
    play = Play(land(repair=1.0), (2, 2, EAST), AWAY, ASIDE).put("block", (2, 3)).step().step("zap")
    seen = [play.item(2, 3)] + [play.step().item(2, 3) for _ in range(15)]
    assert seen == ["damaged_block"] * 15 + ["block"]
    assert play.step("zap").item(2, 3) == "damaged_block"
    assert play.wait(3).step("zap").item(2, 3) == "floor"
    assert play.wait(20).item(2, 3) == "floor"


# ---- Sanctions ---------------------------------------------------------------------------------------------


def test_the_first_zap_freezes_and_the_second_removes_for_good():
    play = Play(land(income=1.0), (2, 2, EAST), (2, 4, EAST), (4, 2, EAST))
    play.put("block", (2, 5), (4, 3)).wait(26)
    assert play.payoff() == [0.0, 1.0, 1.0]
    play.step("zap")
    assert play.sees(0, ahead=2, right=0, channel=2) == 128
    able = [play.able(1, "turn_left")] + [play.step().able(1, "turn_left") for _ in range(25)]
    assert able == [False] * 25 + [True]
    assert owners(play, 2, 5) == [1]  # the frozen keep what they have
    assert play.payoff() == [0.0, 1.0, 1.0]
    play.step("zap")
    assert play.away() == [False, True, False]
    assert (owners(play, 2, 5), owners(play, 4, 3)) == ([], [2])
    assert play.payoff() == [0.0, 0.0, 1.0]
    play.wait(300)
    assert play.away() == [False, True, False]
    play.step("forward").step("forward")
    assert owners(play, 2, 5) == [0]


def test_a_mark_fades_after_fifty_steps():
    for wait, out in ((48, True), (49, False)):
        play = Play(land(), (2, 2, EAST), (2, 4, WEST), ASIDE).step("zap").wait(wait).step("zap")
        assert play.away() == [False, out, False]


# ---- Maps and rates ----------------------------------------------------------------------------------------


def test_the_rooms_meet_at_their_edges():
    stand = [(3, 0, WEST), (0, 3, NORTH)] + [(2 + 7 * i, 10, SOUTH) for i in range(3)]
    stand += [(2 + 7 * i, 17, SOUTH) for i in range(3)] + [(17, 3, SOUTH)]
    play = Play(territory_rooms(), *stand).put("floor", (3, 0), (0, 3)).step()
    assert (owners(play, 3, 20), owners(play, 20, 3)) == ([0], [1])
    play.step("zap").wait(3).step("zap").step("forward")
    assert play.where(0) == (3, 20)
    assert owners(play, 3, 19) == []


def test_each_room_is_closed_and_has_one_start():
    _, params = only(territory_rooms())
    cell, spawn = np.asarray(params.layout.cell), np.asarray(params.layout.spawn)
    free = cell == ITEMS.index("floor")
    assert [int(free[r : r + 7, c : c + 7].sum()) for r in (0, 7, 14) for c in (0, 7, 14)] == [25] * 9
    assert sorted((s // 21 // 7, s % 21 // 7) for s in spawn) == [(r, c) for r in range(3) for c in range(3)]


def test_the_maze_is_drawn_afresh(table):
    world, params = table["territory_inside_out"]
    count, site = 400, np.asarray(params.layout.site)
    keys = jax.random.split(jax.random.key(4), count)
    cell = np.asarray(jax.jit(jax.vmap(world.reset, (0, None)))(keys, params)[0].cell)
    for size, rate in ((48, 2 / 3), (64, 1 / 4)):
        here = next(site == s for s in (1, 2) if (site == s).sum() == size)
        assert abs(deviation((cell[:, here] == BLOCK).sum(), count * size, rate)) < 4
    assert ((cell == BLOCK) == (np.asarray(params.layout.cell) == BLOCK))[:, site == 0].all()


@pytest.mark.slow
def test_income_and_repair_come_at_their_rates():
    game = dataclasses.replace(land(), income=territory_open().income, decay=territory_open().decay)
    world, params = only(game)
    count, cell = 2000, np.asarray(params.layout.cell).copy()
    cell[1:3, 1:10], cell[3:5, 1:10] = BLOCK, DAMAGED
    tiled = np.tile(cell, (count, 1, 1))
    old = np.full((count, cell.size), 40)
    state = copies(world, params, count, vacant=False, cell=tiled, age=old, tenure=old, stake=old * 0 + 0b101)
    state, seen = step(world, jax.random.key(6), params, state)
    paid = np.asarray(seen.payoff).sum(0)
    assert paid[1] == 0
    assert abs(deviation(paid[0], count * 36, 0.01)) < 4
    assert abs(deviation(paid[2], count * 36, 0.01)) < 4
    assert abs(deviation((state.cell[:, 3:5] == BLOCK).sum(), count * 18, 0.1)) < 4
