"""STORM against its published numbers: constants, the clock of an encounter, and inner episodes."""

from __future__ import annotations

import numpy as np
from playing import EAST, NORTH, SOUTH, WEST, Play, only

from softsim.envs.games.storm import GAMES, storm
from softsim.envs.vocabulary import ITEMS

A = np.array([[3, 0], [5, 1]])


def coins(play: Play) -> list[int]:
    return [int((play.state.cell == ITEMS.index(f"{colour}_coin")).sum()) for colour in ("red", "blue")]


def close(**fields) -> Play:
    """Two with a coin each, the first two cells in front of the second."""
    play = Play(storm(), (4, 0, EAST), (4, 2, EAST))
    return play.have(**{"bag": [[1, 0], [0, 2]], "paint": [1, 1], **fields})


def test_constants():
    game = GAMES["storm"]()
    world, params = only(game)
    cell = np.asarray(params.layout.cell)
    assert game.name == "storm"
    assert cell.shape == (8, 8)
    assert [int((cell == ITEMS.index(f"{colour}_coin")).sum()) for colour in ("red", "blue")] == [6, 6]
    assert not (cell == ITEMS.index("wall")).any()
    assert world.num_agents == 2
    assert world.spec.view.shape == (5, 5)
    law = params.encounter
    np.testing.assert_array_equal(law.row, A)
    np.testing.assert_array_equal(law.column, A.T)
    assert (int(law.freezes_for), int(law.removes_for), bool(law.by_role)) == (5, 1, False)
    assert params.bag.start.tolist() == [0, 0]
    assert not params.growth.rate.any()
    horizon = params.horizon
    assert (int(horizon.maximum), int(horizon.round), bool(horizon.renew)) == (1520, 152, True)
    assert float(horizon.rate) == 0
    spawn = [divmod(int(s), 8) for s in params.layout.spawn]
    assert len(spawn) == 18
    assert all(cell[spot] == 0 for spot in spawn)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_gathering_needs_no_growth_to_be_seen():
    play = Play(storm(), (1, 0, EAST), (7, 7, NORTH)).step("forward")
    assert play.state.bag.tolist() == [[1, 0], [0, 0]]
    assert play.count("gathered_red") == [1, 0]
    assert coins(play) == [5, 6]
    assert play.state.paint.tolist() == [1, 0]


def test_both_need_a_coin():
    for bag in ([[0, 0], [0, 2]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]):
        play = close(bag=bag).step("interact", "turn_left").step("noop", "turn_left").step("interact", "interact")
        assert play.count("interacted") == [0, 0]
        assert play.state.frozen.tolist() == [0, 0]


def test_an_encounter_by_the_clock():
    """Red is cooperation: p = (1, 0) meets q = (0, 1), and is paid 0, the other 5."""
    play = close().put("floor", (0, 4)).step("interact", "noop")
    assert play.count("interacted") == [1, 1]
    assert play.payoff() == [0.0, 0.0]
    before = coins(play)
    assert play.step().payoff() == [0.0, 5.0]
    for _ in range(3):
        assert play.can(0) == play.can(1) == [True] + [False] * 7
        assert play.step("turn_left", "forward").payoff() == [0.0, 0.0]
        assert (play.where(0), play.where(1), play.away()) == ((4, 0), (4, 2), [False, False])
    assert coins(play) == before
    play.step()
    assert play.away() == [True, True]
    assert play.state.bag.tolist() == [[0, 0], [0, 0]]
    assert coins(play) == [6, 6]
    play.step()
    assert play.away() == [False, False]
    assert play.payoff() == [0.0, 0.0]
    assert play.state.paint.tolist() == [0, 0]
    assert play.able(0, "interact")


def test_what_is_struck():
    for cell, expected in {(4, 1): 1, (4, 2): 1, (4, 3): 0, (3, 1): 1, (5, 1): 1, (3, 0): 1, (3, 2): 0}.items():
        play = Play(storm(), (4, 0, EAST), (*cell, WEST)).have(bag=[[1, 0], [0, 2]]).step("interact")
        assert play.count("interacted") == [expected] * 2, cell


def test_an_inner_episode_starts_the_world_afresh_and_goes_on():
    play = close(step=150).step("interact", "turn_left")
    assert not play.seen.last
    assert play.state.owed.any()
    play.step()
    assert (int(play.state.step), coins(play), play.state.bag.tolist()) == (152, [6, 6], [[0, 0], [0, 0]])
    assert not play.seen.last
    assert play.seen.discount.tolist() == [1.0, 1.0]
    assert not play.state.frozen.any()
    assert play.payoff() == [0.0, 5.0]
    assert play.step("turn_left").able(0, "forward")
    play.have(step=1519).step()
    assert play.seen.last
    assert play.seen.discount.tolist() == [1.0, 1.0]  # a time limit, not the end of the world


def test_sight_reaches_four_cells_ahead_and_none_behind():
    play = Play(storm(), (7, 3, NORTH), (3, 3, SOUTH)).step()
    assert play.sees(0, 4, 0, 1) != 0
    assert play.seen.observation.window.shape[:3] == (2, 5, 5)
