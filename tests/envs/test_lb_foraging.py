"""Level-based foraging against its numbers: who lifts what, who is paid how much, and how it starts."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, deviation, only

from softsim.envs.games.lb_foraging import GAMES, lb_foraging
from softsim.envs.vocabulary import ITEMS

FOOD = [ITEMS.index(f"food_{level}") for level in (1, 2, 3)]
# Agents 0 and 2 are of level 1, agents 1 and 3 of level 2: west, north, east and south of the cell in the middle.
AROUND = ((3, 2, EAST), (2, 3, SOUTH), (3, 4, WEST), (4, 3, NORTH))


def round_a(food: str) -> Play:
    """All four stand round a food and look at it."""
    return Play(lb_foraging(), *AROUND).put(food, (3, 3))


def test_constants():
    game = GAMES["lb_foraging"]()
    world, params = only(game)
    assert game.name == "lb_foraging"
    cell, site = np.asarray(params.layout.cell), np.asarray(params.layout.site)
    assert cell.shape == (8, 8)
    assert int((cell == ITEMS.index("wall")).sum()) == 28
    assert int(params.layout.start_mask.sum()) == 4
    assert int((site > 0).sum()) == 36 - 4
    assert (world.num_agents, world.num_actions) == (4, 8)
    assert params.work.level[params.role].tolist() == [1, 2, 1, 2]
    assert params.scatter.count.tolist() == [4]
    assert [int(i) for i in params.scatter.item[0, :3]] == FOOD
    assert [float(params.work.need[i]) for i in FOOD] == [1, 2, 3]
    assert [int(params.work.window[i]) for i in FOOD] == [1, 1, 1]
    assert [float(params.rules.reward[params.work.done[i]]) for i in FOOD] == [1, 2, 3]
    assert all(bool(params.rules.by_level[params.work.done[i]]) for i in FOOD)
    assert (int(params.beams.length[0]), int(params.beams.half_width[0])) == (1, 0)
    assert (int(params.horizon.maximum), float(params.horizon.rate)) == (100, 0.0)
    assert bool(params.sight.show_role)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


CASES = [
    ("food_1", (0,), [1, 0, 0, 0]),
    ("food_1", (1,), [0, 2, 0, 0]),
    ("food_2", (0,), None),
    ("food_2", (0, 2), [2, 0, 2, 0]),
    ("food_2", (3,), [0, 0, 0, 4]),
    ("food_3", (0, 2), None),
    ("food_3", (1,), None),
    ("food_3", (0, 1), [3, 6, 0, 0]),
    ("food_3", (0, 1, 2, 3), [3, 6, 3, 6]),
]


@pytest.mark.parametrize(("food", "who", "payoff"), CASES)
def test_loading(food, who, payoff):
    """The levels of those who load in one step add up to the food's or more, and each has its own times the food's."""
    play = round_a(food).step(*("interact" if agent in who else "noop" for agent in range(4)))
    assert play.payoff() == (payoff or [0.0] * 4)
    assert play.count("loaded") == [int(payoff is not None and agent in who) for agent in range(4)]
    assert play.item(3, 3) == ("floor" if payoff else food)


def test_loading_one_after_the_other_is_in_vain():
    play = round_a("food_3").step("interact").step("noop", "interact").step("interact")
    assert play.payoff() == [0.0] * 4
    assert play.item(3, 3) == "food_3"
    assert play.step("interact", "interact").payoff() == [3.0, 6.0, 0.0, 0.0]


def test_two_foods_in_one_step():
    play = Play(lb_foraging(), (1, 1, EAST), (6, 6, WEST), (1, 3, WEST), (6, 1, NORTH))
    play.put("food_2", (1, 2), (6, 5)).step("interact", "interact", "interact")
    assert play.payoff() == [2.0, 4.0, 2.0, 0.0]


def test_food_is_in_the_way_and_levels_are_seen():
    play = round_a("food_1").step("forward")
    assert play.where(0) == (3, 2)
    assert [play.sees(0, 1, -1, 2), play.sees(0, 2, 0, 2), play.sees(0, 1, 1, 2)] == [1 << 5, 0, 1 << 5]


def test_it_ends_at_step_100():
    play = round_a("food_1").have(step=98).step()
    assert not play.seen.last
    assert play.step().seen.last


def test_starts_are_drawn_evenly():
    world, params = only(lb_foraging())
    keys = jax.random.split(jax.random.key(0), 1500)
    states = jax.jit(jax.vmap(world.reset, (0, None)))(keys, params)[0]
    cell, field = np.asarray(states.cell), np.asarray(params.layout.site) > 0
    food = np.isin(cell, FOOD)
    assert (food.sum((1, 2)) == 4).all()
    assert not food[:, ~field].any()
    for place in zip(*np.nonzero(field), strict=True):
        assert abs(deviation(int(food[(slice(None), *place)].sum()), 1500, 4 / 32)) < 4
    for kind in FOOD:
        assert abs(deviation(int((cell == kind).sum()), 1500 * 4, 1 / 3)) < 4
    later = dataclasses.replace(states, step=states.step)
    assert (np.asarray(later.removed) == 0).all()
