"""Daycare against its published numbers: constants, hand-written traces, rates, and who sees what."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, deviation, only

from softsim.envs import Game
from softsim.envs.games.daycare import BARE, GAMES, daycare
from softsim.envs.vocabulary import ITEMS

PATCH = """
#########
#PP.....#
#.......#
#..s.s..#
#.......#
#.......#
#########
"""
PARENT, CHILD = range(2)
SURE = 1 - 1e-7


def patch(grasp: float = 0.3) -> Game:
    """A small garden in which nothing is drawn, and the child grasps with the probability given."""
    game = daycare()
    rules = [dataclasses.replace(rule, chance=grasp) if rule.chance < 1 else rule for rule in game.rules]
    return dataclasses.replace(game, map=PATCH, rules=rules, draws=[])


def play_at(parent=(5, 1, NORTH), child=(5, 7, NORTH), grasp: float = 0.3) -> Play:
    return Play(patch(grasp), parent, child)


def child_does(play: Play, action: str) -> Play:
    return play.step("noop", action)


# ---- Constants ---------------------------------------------------------------------------------------------


def test_constants():
    game = daycare()
    assert GAMES["daycare"] is daycare
    world, params = only(game)
    assert (world.spec.height, world.spec.width, world.num_agents, world.num_actions) == (13, 20, 2, 9)
    assert world.action_names[7:] == ("interact", "consume")
    assert game.roles_of() == ["parent", "child"]
    drawn = {draw.item: draw.rate for draw in game.draws}
    assert drawn == {"apple_tree": 0.15, "apple_shrub": 0.01, "banana_tree": 0.03, "banana_shrub": 0.01}
    assert round(1 - sum(drawn.values()), 6) == 0.8
    assert {rule.chance for rule in game.rules if rule.role == "child"} == {0.3, 1.0}
    unsure = {(rule.on.item, rule.role) for rule in game.rules if rule.chance == 0.3}
    assert unsure == {("apple_shrub", "child"), ("banana_shrub", "child")}
    assert params.beams.length.tolist() == [1, 0]
    need = params.need
    assert need.most.tolist() == [0, 200]
    assert need.change.tolist() == [[0] * 9, [-1] * 9]
    assert int(need.exile) == 100
    for plant, bare in BARE.items():
        item = ITEMS.index(bare)
        assert (ITEMS[params.decay.into[item]], float(params.decay.rate[item]), int(params.decay.ripe[item])) == (
            plant,
            1.0,
            50,
        )
    assert (int(params.horizon.maximum), float(params.horizon.rate)) == (1000, 0.0)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_every_plant_can_be_reached():
    cells = daycare().cells()
    path = np.array([[cell.item != "wall" and cell.site is None for cell in row] for row in cells])
    plants = np.array([[cell.site == "plants" for cell in row] for row in cells])
    assert plants.sum() == 84
    beside = np.zeros_like(path)
    beside[1:] |= path[:-1]
    beside[:-1] |= path[1:]
    beside[:, 1:] |= path[:, :-1]
    beside[:, :-1] |= path[:, 1:]
    assert (beside | ~plants).all()
    start = tuple(np.argwhere(path)[0])
    reached, border = {start}, [start]
    while border:
        row, column = border.pop()
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if path[near] and near not in reached:
                reached.add(near)
                border.append(near)
    assert len(reached) == path.sum()


def test_plants_are_drawn_at_their_rates():
    world, params = only(daycare())
    reset = jax.jit(jax.vmap(world.reset, in_axes=(0, None)))
    state, _ = reset(jax.random.split(jax.random.key(0), 300), params)
    plants = np.asarray(state.cell)[:, np.asarray(params.layout.site) > 0]
    for draw in daycare().draws:
        assert abs(deviation((plants == ITEMS.index(draw.item)).sum(), plants.size, draw.rate)) < 4
    assert abs(deviation((plants == 0).sum(), plants.size, 0.8)) < 4


# ---- Grasping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plant", BARE)
def test_the_parent_picks_from_any_plant_and_fruit_is_back_after_50_steps(plant):
    play = play_at(parent=(4, 3, NORTH)).put(plant, (3, 3)).step("interact")
    fruit = plant.split("_")[0]
    assert play.state.hand.tolist() == [1 + ("apple", "banana").index(fruit), 0]
    assert play.item(3, 3) == BARE[plant]
    play.step("interact")
    assert play.item(3, 3) == BARE[plant]
    assert play.wait(48).item(3, 3) == BARE[plant]
    assert play.wait(1).item(3, 3) == plant


@pytest.mark.parametrize(
    ("plant", "gets"), [("apple_shrub", 1), ("banana_shrub", 2), ("apple_tree", 0), ("banana_tree", 0)]
)
def test_the_child_picks_from_shrubs_only(plant, gets):
    play = child_does(play_at(child=(4, 3, NORTH), grasp=SURE).put(plant, (3, 3)), "interact")
    assert play.state.hand.tolist() == [0, gets]
    assert play.item(3, 3) == (BARE[plant] if gets else plant)
    assert play.count("reached") == [0, int(not gets)]


@pytest.mark.slow
def test_the_child_grasps_at_its_rate():
    play, tries, got = play_at(child=(4, 3, NORTH)), 800, 0
    for _ in range(tries):
        child_does(play.put("banana_shrub", (3, 3)).have(hand=[0, 0], need=[0, 200]), "interact")
        assert (play.state.hand[CHILD] == 2) ^ (play.count("reached") == [0, 1])
        got += play.state.hand[CHILD] == 2
    assert abs(deviation(got, tries, 0.3)) < 4


def test_fruit_is_put_down_and_lifted_by_either_for_sure():
    play = play_at(parent=(4, 3, EAST), child=(4, 5, WEST)).have(hand=[2, 0]).step("interact")
    assert (play.item(4, 4), play.state.hand.tolist()) == ("banana", [0, 0])
    for _ in range(6):
        child_does(play, "interact")
        assert (play.item(4, 4), play.state.hand.tolist()) == ("floor", [0, 2])
        child_does(play, "interact")
        assert (play.item(4, 4), play.state.hand.tolist()) == ("banana", [0, 0])
    play.step("forward")
    assert play.where(PARENT) == (4, 4)


def test_nothing_is_put_down_on_a_plant():
    play = play_at(parent=(4, 3, NORTH)).put("bare_tree", (3, 3)).have(hand=[2, 0]).step("interact")
    assert (play.item(3, 3), play.state.hand.tolist()) == ("bare_tree", [2, 0])


def test_plants_are_solid():
    for plant in (*BARE, *BARE.values()):
        play = play_at(parent=(4, 3, NORTH)).put(plant, (3, 3)).step("forward")
        assert play.where(PARENT) == (4, 3)


# ---- Eating and hunger -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fruit", "pay", "left"), [(1, 0.0, 49), (2, 1.0, 199)])
def test_only_bananas_please_and_still_the_child(fruit, pay, left):
    play = child_does(play_at().have(hand=[0, fruit], need=[0, 50]), "consume")
    assert play.payoff() == [0, pay]
    assert play.state.hand.tolist() == [0, 0]
    assert play.state.need.tolist() == [0, left]


@pytest.mark.parametrize("fruit", [1, 2])
def test_the_parent_is_paid_for_either_while_the_child_is_there(fruit):
    play = play_at().have(hand=[fruit, 0]).step("consume")
    assert play.payoff() == [1, 0]
    assert play.state.hand.tolist() == [0, 0]
    play = play_at().have(hand=[fruit, 0], removed=[0, 50]).step("consume")
    assert play.payoff() == [0, 0]
    assert play.state.hand.tolist() == [0, 0]


def test_nobody_eats_out_of_an_empty_hand():
    assert play_at().step("consume", "consume").payoff() == [0, 0]


def test_a_hungry_child_leaves_after_200_steps_and_is_back_after_100():
    play = play_at()
    play.have(need=[0, 200], hand=[0, 2])
    for _ in range(199):
        child_does(play, "turn_left")
    assert play.away() == [False, False]
    play.wait(1)
    assert play.away() == [False, True]
    assert play.state.hand.tolist() == [0, 0]
    play.wait(99)
    assert play.away() == [False, True]
    play.wait(1)
    assert play.away() == [False, False]
    assert play.state.need.tolist() == [0, 200]


def test_hunger_is_observed():
    play = play_at().have(need=[0, 101]).wait(1)
    spec = play.world.spec
    column = 3 + spec.num_roles + len(spec.beams) + 4
    assert play.seen.observation.body[:, column].tolist() == [0.0, 0.5]


# ---- Who sees what -----------------------------------------------------------------------------------------

SEEN = {
    "banana": ("apple", "banana"),
    "apple": ("apple", "apple"),
    "apple_tree": ("apple_tree", "apple_shrub"),
    "banana_tree": ("apple_tree", "banana_shrub"),
    "apple_shrub": ("apple_shrub", "apple_shrub"),
    "banana_shrub": ("apple_shrub", "banana_shrub"),
    "bare_tree": ("bare_tree", "bare_shrub"),
    "bare_banana_tree": ("bare_tree", "bare_shrub"),
    "bare_shrub": ("bare_shrub", "bare_shrub"),
    "bare_banana_shrub": ("bare_shrub", "bare_shrub"),
}


@pytest.mark.parametrize("item", SEEN)
def test_parent_and_child_see_different_things(item):
    play = play_at(parent=(4, 3, NORTH), child=(4, 2, NORTH)).put(item, (3, 3)).wait(1)
    assert (ITEMS[play.sees(PARENT, 1, 0)], ITEMS[play.sees(CHILD, 1, 1)]) == SEEN[item]


@pytest.mark.parametrize("hand", [[2, 0], [0, 2]])
def test_the_parent_sees_bananas_in_hands_as_apples(hand):
    play = play_at(parent=(4, 3, NORTH), child=(4, 2, NORTH)).have(hand=hand).wait(1)
    holder = hand.index(2)
    as_parent = play.sees(PARENT, 0, -holder, 2) & 3
    as_child = play.sees(CHILD, 0, 1 - holder, 2) & 3
    assert (as_parent, as_child) == (1, 2)
    spec = play.world.spec
    first = 3 + spec.num_roles + len(spec.beams)
    own = play.seen.observation.body[holder, first : first + 4]
    assert own.tolist() == ([0, 1, 0, 0] if holder == PARENT else [0, 0, 1, 0])


def test_two_gardens_that_differ_in_fruit_look_the_same_to_the_parent():
    views = []
    for fruit in ("apple", "banana"):
        play = play_at(parent=(4, 3, NORTH), child=(4, 4, SOUTH)).put(f"{fruit}_tree", (3, 3)).step("interact")
        views.append(play.seen.observation)
    np.testing.assert_array_equal(views[0].window[PARENT], views[1].window[PARENT])
    np.testing.assert_array_equal(views[0].body[PARENT], views[1].body[PARENT])
    assert (views[0].window[CHILD] != views[1].window[CHILD]).any()
