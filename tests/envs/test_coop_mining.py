"""Coop mining against its published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game
from softsim.envs.games.coop_mining import GAMES, coop_mining
from softsim.envs.rules import JOIN, STRUCK
from softsim.envs.vocabulary import ITEMS

IRON, GOLD, PARTIAL = (ITEMS.index(name) for name in ("iron", "gold", "partial_gold"))
PIT = """
#########
#PPoooo.#
#PPoooo.#
#.......#
#########
"""
NEAR, FAR = (2, 2), (2, 3)  # one row, an agent on either side of the ore between them
LEFT, RIGHT, BELOW, ORE = (2, 2, EAST), (2, 4, WEST), (3, 3, NORTH), (2, 3)


def pit(iron: float = 0.0, gold: float = 0.0, need: float = 2) -> Game:
    """A small mine, in which nothing grows unless it must."""
    game = coop_mining()
    growth = [dataclasses.replace(law, rate=rate) for law, rate in zip(game.growth, (iron, gold), strict=True)]
    work = [dataclasses.replace(game.work[0], need=need)]
    return dataclasses.replace(game, map=PIT, num_agents=3, growth=growth, work=work)


# ---- Constants ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mine():
    return only(coop_mining())


def test_shape_and_ending(mine):
    world, params = mine
    layout, horizon = params.layout, params.horizon
    assert (world.spec.height, world.spec.width, world.spec.num_agents, world.num_actions) == (27, 27, 6, 8)
    assert int((layout.site > 0).sum()) == 538
    assert int(layout.start_mask.sum()) == int(layout.respawn_mask.sum()) == 18
    ending = [int(horizon.maximum), int(horizon.minimum), int(horizon.interval)]
    assert ending == [5000, 1000, 100]
    assert round(float(horizon.rate), 6) == 0.2
    assert world.spec.view.shape == (11, 11)
    assert [ITEMS[i] for i in np.flatnonzero(layout.solid)] == ["wall"]
    game = coop_mining()
    assert GAMES[game.name] is coop_mining
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_numbers(mine):
    world, params = mine
    growth, beams, rules, work = params.growth, params.beams, params.rules, params.work
    found = {int(item): float(rate) for item, rate in zip(growth.item[:, 0], growth.rate[:, 0], strict=True)}
    assert found == {IRON: np.float32(0.0002), GOLD: np.float32(0.00008)}
    assert not growth.under.any()
    assert world.spec.beams == ("mine",)
    assert [int(column[0]) for column in (beams.length, beams.half_width, beams.cooldown)] == [3, 0, 3]
    assert not beams.strikes_agents[0]
    assert [ITEMS[i] for i in np.flatnonzero(beams.stops[0])] == ["wall", "iron", "gold", "partial_gold"]
    row = {item: int(rules.lookup[STRUCK, item]) for item in (IRON, GOLD, PARTIAL)}
    assert [float(rules.reward[row[item]]) for item in (IRON, GOLD, PARTIAL)] == [1.0, 0.0, 0.0]
    assert [int(rules.claim[row[item]]) == JOIN for item in (IRON, GOLD, PARTIAL)] == [False, True, True]
    assert (float(work.need[PARTIAL]), int(work.window[PARTIAL])) == (2.0, 3)
    assert float(rules.reward[work.done[PARTIAL]]) == 8.0


# ---- Traces ------------------------------------------------------------------------------------------------


def test_iron_takes_one_hit():
    play = Play(pit(), LEFT, (3, 7, NORTH), (3, 1, NORTH)).put("iron", ORE).step("mine")
    assert play.payoff() == [1.0, 0.0, 0.0]
    assert play.count("mined_iron") == [1, 0, 0]
    assert play.item(*ORE) == "floor"


def test_a_beam_ends_at_the_first_ore_and_is_three_long():
    play = Play(pit(), (2, 2, EAST), (3, 7, NORTH), (3, 1, NORTH)).put("iron", (2, 4), (2, 5), (2, 6)).step("mine")
    assert [play.item(2, column) for column in (4, 5, 6)] == ["floor", "iron", "iron"]
    play.wait(2).step("mine")
    assert [play.item(2, column) for column in (5, 6)] == ["floor", "iron"]
    play.wait(2).step("mine")
    assert play.item(2, 6) == "iron"  # four cells away
    assert play.payoff() == [0.0, 0.0, 0.0]


def test_a_beam_ends_at_a_wall_and_not_at_agents():
    play = Play(pit(), (1, 2, NORTH), (2, 4, EAST), (2, 3, EAST)).put("iron", (2, 6)).step("mine", "noop", "mine")
    assert play.payoff() == [0.0, 0.0, 1.0]


def test_a_beam_rests_for_two_steps():
    play = Play(pit(), LEFT, (3, 7, NORTH), (3, 1, NORTH)).step("mine")
    ready = [play.able(0, "mine")] + [play.step().able(0, "mine") for _ in range(2)]
    assert ready == [False, False, True]


def test_ore_can_be_walked_on():
    play = Play(pit(), LEFT, (3, 7, NORTH), (3, 1, NORTH)).put("iron", ORE).step("forward")
    assert play.where(0) == ORE
    assert play.item(*ORE) == "iron"
    assert play.payoff() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("delay", range(5))
def test_gold_waits_three_steps_for_the_second(delay):
    play = Play(pit(), LEFT, RIGHT, (3, 7, NORTH)).put("gold", ORE)
    if delay == 0:
        play.step("mine", "mine")
    else:
        play.step("mine")
        assert play.payoff() == [0.0, 0.0, 0.0]
        assert play.item(*ORE) == "partial_gold"
        play.wait(delay - 1).step("noop", "mine")
    if delay < 3:
        assert play.payoff() == [8.0, 8.0, 0.0]
        assert play.count("mined_gold") == [1, 1, 0]
        assert play.item(*ORE) == "floor"
    else:
        assert play.payoff() == [0.0, 0.0, 0.0]
        assert play.item(*ORE) == "partial_gold"  # begun anew


def test_gold_is_raw_again_when_the_window_closes():
    play = Play(pit(), LEFT, RIGHT, (3, 7, NORTH)).put("gold", ORE).step("mine")
    seen = [play.item(*ORE)] + [play.step().item(*ORE) for _ in range(3)]
    assert seen == ["partial_gold", "partial_gold", "gold", "gold"]


def test_who_struck_before_the_window_closed_is_forgotten():
    play = Play(pit(), LEFT, RIGHT, BELOW).put("gold", ORE).step("mine").wait(9).step("noop", "mine")
    assert play.payoff() == [0.0, 0.0, 0.0]
    play.step("noop", "noop", "mine")
    assert play.payoff() == [0.0, 8.0, 8.0]


def test_one_agent_is_not_two():
    play = Play(pit(), LEFT, RIGHT, BELOW).put("gold", ORE)
    for _ in range(3):
        play.step("mine")
        assert play.payoff() == [0.0, 0.0, 0.0]
        assert play.item(*ORE) == "partial_gold"
        play.wait(2)


def test_each_hit_opens_the_window_anew():
    play = Play(pit(need=3), LEFT, RIGHT, BELOW).put("gold", ORE)
    play.step("mine").wait(1).step("noop", "mine").wait(1).step("noop", "noop", "mine")
    assert play.payoff() == [8.0, 8.0, 8.0]
    play.put("gold", ORE).wait(3).step("mine").wait(3).step("noop", "mine").step("noop", "noop", "mine")
    assert play.payoff() == [0.0, 0.0, 0.0]


def test_a_third_in_the_same_step_is_paid_too():
    play = Play(pit(), LEFT, RIGHT, BELOW).put("gold", ORE).step("mine", "mine", "mine")
    assert play.payoff() == [8.0, 8.0, 8.0]
    assert play.item(*ORE) == "floor"


def test_two_who_strike_iron_at_once_get_one():
    play = Play(pit(), LEFT, RIGHT, BELOW).put("iron", ORE).step("mine", "mine", "mine")
    assert sorted(play.payoff()) == [0.0, 0.0, 1.0]


# ---- Growth ------------------------------------------------------------------------------------------------


def test_ore_grows_everywhere_but_under_agents():
    play = Play(pit(iron=0.5, gold=0.5), (1, 3, SOUTH), (2, 6, WEST), (3, 1, EAST)).step()
    sites = [(row, column) for row in (1, 2) for column in range(3, 7)]
    grown = {play.item(*cell) for cell in sites if cell not in ((1, 3), (2, 6))}
    assert grown == {"iron", "gold"}
    assert play.item(1, 3) == play.item(2, 6) == play.item(1, 7) == "floor"


@pytest.mark.slow
def test_ore_grows_at_its_rates(mine):
    world, params = mine
    count = 2000
    state = step(world, jax.random.key(5), params, copies(world, params, count))[0]
    trials = count * 538
    assert abs(deviation((state.cell == IRON).sum(), trials, 0.0002)) < 4
    assert abs(deviation((state.cell == GOLD).sum(), trials, 0.00008)) < 4
