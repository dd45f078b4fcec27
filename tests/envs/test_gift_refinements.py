"""Gift refinements against its published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game
from softsim.envs.games.gift_refinements import GAMES, gift_refinements
from softsim.envs.rules import ENTER
from softsim.envs.vocabulary import ITEMS

TOKEN = ITEMS.index("token")
ROOM = """
##########
#........#
#PPP....o#
#........#
##########
"""
GIVER, TAKER, ASIDE = (2, 2, EAST), (2, 4, WEST), (1, 8, NORTH)


def room(rate: float = 0.0) -> Game:
    game = gift_refinements()
    law = dataclasses.replace(game.growth[0], rate=rate)
    return dataclasses.replace(game, map=ROOM, num_agents=3, growth=(law,))


def bags(play: Play) -> list[list[int]]:
    return play.state.bag.tolist()


# ---- Constants ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plan():
    return only(gift_refinements())


def test_shape_and_ending(plan):
    world, params = plan
    layout, horizon = params.layout, params.horizon
    assert (world.spec.height, world.spec.width, world.spec.num_agents, world.num_actions) == (27, 27, 6, 9)
    assert int((layout.site > 0).sum()) == 538
    assert not (np.asarray(layout.cell) == TOKEN).any()
    ending = [int(horizon.maximum), int(horizon.minimum), int(horizon.interval)]
    assert ending == [5000, 1000, 100]
    assert round(float(horizon.rate), 6) == 0.2
    assert world.spec.view.shape == (11, 11)
    game = gift_refinements()
    assert GAMES[game.name] is gift_refinements
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_numbers(plan):
    world, params = plan
    bag, beams, rules = params.bag, params.beams, params.rules
    assert np.asarray(bag.start).tolist() == [0, 0, 0]
    assert np.asarray(bag.cap).tolist() == [15, 15, 15]
    assert np.asarray(bag.gift_to).tolist() == [1, 2, 2]
    assert np.asarray(bag.gift_amount).tolist() == [5, 5, 1]
    assert world.spec.beams == ("gift", "consume")
    assert [int(column[0]) for column in (beams.length, beams.half_width, beams.cooldown)] == [5, 0, 3]
    assert np.asarray(beams.gives).tolist() == [True, False]
    assert not np.asarray(beams.removes_for + beams.freezes_for).any()
    assert float(params.growth.rate[0, 0]) == np.float32(0.0002)
    row = rules.lookup[ENTER, TOKEN]
    assert float(rules.reward[row]) == 0
    assert np.asarray(rules.gains[row]).tolist() == [1, 0, 0]
    assert float(rules.cash[rules.fire[1]]) == 1


# ---- Traces ------------------------------------------------------------------------------------------------


def test_stepping_on_a_token_adds_a_raw_one():
    play = Play(room(), GIVER, TAKER, ASIDE).put("token", (2, 3)).step("forward")
    assert bags(play) == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert play.payoff() == [0.0, 0.0, 0.0]
    assert play.count("collected") == [1, 0, 0]
    assert play.item(2, 3) == "floor"


def test_a_bag_holds_fifteen_of_a_kind():
    play = Play(room(), GIVER, TAKER, ASIDE).put("token", (2, 3)).have(bag=[[15, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert bags(play.step("forward"))[0] == [15, 0, 0]
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[[1, 0, 0], [0, 13, 0], [0, 0, 0]]).step("gift")
    assert bags(play)[:2] == [[0, 0, 0], [0, 15, 0]]


@pytest.mark.parametrize(
    ("gives", "keeps", "brings"),
    [
        ([3, 0, 0], [2, 0, 0], [0, 5, 0]),
        ([3, 2, 0], [3, 1, 0], [0, 0, 5]),
        ([3, 2, 4], [3, 2, 3], [0, 0, 1]),
        ([0, 0, 1], [0, 0, 0], [0, 0, 1]),
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_the_most_refined_goes_first_and_comes_as_five(gives, keeps, brings):
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[gives, [0, 0, 0], [7, 7, 7]]).step("gift")
    assert bags(play) == [keeps, brings, [7, 7, 7]]
    assert play.payoff() == [0.0, 0.0, 0.0]
    assert play.count("gave") == [int(sum(gives) > 0), 0, 0]


def test_one_token_given_twice_is_twenty_five():
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[[1, 0, 0], [0, 0, 0], [0, 0, 0]]).step("gift")
    paid = 0.0
    for _ in range(5):
        play.step("noop", "gift").step("consume")
        paid += play.payoff()[0]
        play.wait(1)
    assert paid == 25.0
    assert bags(play)[:2] == [[0, 0, 0], [0, 0, 0]]


def test_only_who_gives_gives():
    """Not whoever stands or looks as the giver does."""
    play = Play(room(), GIVER, TAKER, (2, 6, WEST)).have(bag=[[2, 0, 0], [3, 0, 0], [4, 0, 0]]).step("gift")
    assert bags(play) == [[1, 0, 0], [3, 5, 0], [4, 0, 0]]
    play = Play(room(), GIVER, TAKER, (2, 6, WEST)).have(bag=[[2, 0, 0], [3, 0, 0], [4, 0, 0]])
    assert bags(play.step("turn_left", "forward", "noop")) == [[2, 0, 0], [3, 0, 0], [4, 0, 0]]


def test_two_who_give_to_each_other_give_of_what_they_had():
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[[2, 0, 0], [0, 1, 0], [0, 0, 0]]).step("gift", "gift")
    assert bags(play)[:2] == [[1, 0, 5], [0, 5, 0]]
    assert play.count("gave") == [1, 1, 0]


@pytest.mark.parametrize(("column", "reached"), [(3, True), (7, True), (8, False)])
def test_a_gift_goes_five_cells_straight(column, reached):
    play = Play(room(), GIVER, (2, column, NORTH), (1, 3, NORTH)).have(bag=[[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    play.step("gift")
    assert bags(play) == [[1 - reached, 0, 0], [0, 5 * reached, 0], [0, 0, 0]]
    assert play.count("gave")[0] == reached


def test_the_first_in_line_takes_it():
    play = Play(room(), GIVER, (2, 5, NORTH), (2, 4, NORTH)).have(bag=[[2, 0, 0], [0, 0, 0], [0, 0, 0]]).step("gift")
    assert bags(play) == [[1, 0, 0], [0, 0, 0], [0, 5, 0]]


def test_giving_rests_for_two_steps_and_consuming_for_none():
    play = Play(room(), GIVER, TAKER, ASIDE).step("gift", "consume")
    assert play.able(1, "consume")
    ready = [play.able(0, "gift")] + [play.step().able(0, "gift") for _ in range(2)]
    assert ready == [False, False, True]


def test_consuming_pays_one_for_each_and_empties_the_bag():
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[[4, 3, 2], [1, 1, 1], [0, 0, 0]]).step("consume")
    assert play.payoff() == [9.0, 0.0, 0.0]
    assert bags(play) == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert play.count("consumed") == [1, 0, 0]
    assert play.step("consume").payoff() == [0.0, 0.0, 0.0]


def test_the_bag_is_felt():
    play = Play(room(), GIVER, TAKER, ASIDE).have(bag=[[15, 3, 0], [0, 0, 0], [0, 0, 0]]).step()
    body = play.seen.observation.body
    assert body[0, -3:].tolist() == pytest.approx([1.0, 0.2, 0.0], abs=2**-16)
    assert body[1, -3:].tolist() == [0.0, 0.0, 0.0]


# ---- Growth ------------------------------------------------------------------------------------------------


def test_tokens_grow_on_their_cells_but_not_under_agents():
    play = Play(room(rate=1.0), GIVER, TAKER, ASIDE).step()
    assert play.item(2, 8) == "token"
    assert (play.state.cell == TOKEN).sum() == 1
    play = Play(room(rate=1.0), GIVER, TAKER, (2, 8, SOUTH)).step()
    assert play.item(2, 8) == "floor"


@pytest.mark.slow
def test_tokens_grow_at_their_rate(plan):
    world, params = plan
    count = 1000
    state = step(world, jax.random.key(3), params, copies(world, params, count))[0]
    assert abs(deviation((state.cell == TOKEN).sum(), count * 538, 0.0002)) < 4
