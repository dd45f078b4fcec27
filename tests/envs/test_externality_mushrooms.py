"""Externality mushrooms against their published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game
from softsim.envs.games.externality_mushrooms import COLOURS, GAMES, externality_mushrooms
from softsim.envs.rules import ENTER, STRUCK
from softsim.envs.vocabulary import DARK, ITEMS

MUSHROOM = {colour: ITEMS.index(f"{colour}_mushroom") for colour in COLOURS}
WOOD = """
##########
#P.......#
#P.......#
#P.......#
#........#
##########
"""
# to the eater, to each of four others; steps frozen; tries for spores of each kind; steps it lasts
EATEN = {
    "red": (1.0, 0.0, 0, [3, 0, 0, 0], 200),
    "green": (0.4, 0.4, 10, [3, 3, 0, 0], 100),
    "blue": (0.0, 0.75, 15, [3, 3, 3, 0], 75),
    "orange": (-0.2, -0.2, 15, [0, 0, 0, 1], None),
}


def wood(per_try: float = 0.0, blight: float = 0.25) -> Game:
    """A small wood of three agents in which all spores come up, or none."""
    game = externality_mushrooms()
    growth = [dataclasses.replace(law, per_try=per_try) for law in game.growth]
    rules = [dataclasses.replace(r, blight=(r.blight[0], blight)) if r.blight else r for r in game.rules]
    return dataclasses.replace(game, map=WOOD, num_agents=3, growth=growth, rules=rules)


def three(**numbers) -> Play:
    """The first is to eat at (2, 3), the others stand aside."""
    return Play(wood(**numbers), (2, 2, EAST), (1, 8, NORTH), (4, 8, NORTH))


def tally(play: Play) -> list[int]:
    return [int((play.state.cell == item).sum()) for item in MUSHROOM.values()]


# ---- Constants ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dense():
    return only(externality_mushrooms())


def test_shape_and_ending(dense):
    world, params = dense
    layout, horizon = params.layout, params.horizon
    assert (world.spec.height, world.spec.width, world.spec.num_agents, world.num_actions) == (14, 23, 5, 8)
    cell = np.asarray(layout.cell)
    assert {colour: int((cell == item).sum()) for colour, item in MUSHROOM.items()} == {
        "red": 3,
        "green": 3,
        "blue": 3,
        "orange": 1,
    }
    assert ((np.asarray(layout.site) > 0) == (cell != ITEMS.index("wall"))).all()
    ending = [int(horizon.maximum), int(horizon.minimum), int(horizon.interval)]
    assert ending == [5000, 1000, 100]
    assert round(float(horizon.rate), 6) == 0.2
    assert world.spec.view.shape == (11, 11)
    game = externality_mushrooms()
    assert GAMES[game.name] is externality_mushrooms
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize("colour", COLOURS)
def test_numbers_of_eating(dense, colour):
    _, params = dense
    rules, item = params.rules, MUSHROOM[colour]
    row = rules.lookup[ENTER, item]
    own, others, freeze, spores, lasts = EATEN[colour]
    assert float(rules.reward[row]) == pytest.approx(own)
    assert float(rules.reward_others[row]) == pytest.approx(others)
    assert int(rules.freeze[row]) == freeze
    assert np.asarray(rules.spores[row]).tolist() == spores
    decay = params.decay
    assert (float(decay.rate[item]), int(decay.ripe[item])) == ((1.0, lasts) if lasts else (0.0, 0))
    blight = (int(rules.blight[row]), float(rules.blight_rate[row]))
    assert blight == ((MUSHROOM["red"], 0.25) if colour == "orange" else (0, 0.0))
    assert ITEMS[rules.becomes[rules.lookup[STRUCK, item]]] == "floor"


def test_numbers_of_spores_and_the_zap(dense):
    world, params = dense
    law, beams = params.emergence, params.beams
    assert np.asarray(law.item).tolist() == list(MUSHROOM.values())
    assert np.asarray(law.rate).tolist() == pytest.approx([0.25, 0.4, 0.6, 1.0])
    assert not law.every_step.any()
    assert world.spec.beams == ("zap",)
    shape = [int(column[0]) for column in (beams.length, beams.half_width, beams.cooldown)]
    assert shape == [3, 1, 3]
    sanction = [int(column[0]) for column in (beams.mark_for, beams.freezes_for, beams.removes_for)]
    assert sanction == [50, 25, 50]
    assert float(beams.fine[0]) == float(beams.reward[0]) == 0


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_totals_do_not_depend_on_how_many_share(count):
    _, params = only(dataclasses.replace(externality_mushrooms(), num_agents=count))
    rules = params.rules
    total = [
        float(rules.reward[row] + (count - 1) * rules.reward_others[row])
        for row in (rules.lookup[ENTER, item] for item in MUSHROOM.values())
    ]
    assert total == pytest.approx([1.0, 2.0, 3.0 if count > 1 else 0.0, -1.0])


# ---- Traces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colour", "paid"),
    [("red", [1, 0, 0]), ("green", [2 / 3] * 3), ("blue", [0, 1.5, 1.5]), ("orange", [-1 / 3] * 3)],
)
def test_eating_pays(colour, paid):
    play = three().put(f"{colour}_mushroom", (2, 3)).step("forward")
    assert play.payoff() == pytest.approx(paid)
    assert play.item(2, 3) == "floor"
    assert play.count(f"ate_{colour}") == [1, 0, 0]
    assert play.step().payoff() == [0.0, 0.0, 0.0]


def test_those_off_the_map_miss_their_share():
    play = three().have(removed=[0, 20, 0]).put("blue_mushroom", (2, 3)).step("forward")
    assert play.payoff() == [0.0, 0.0, 1.5]


@pytest.mark.parametrize("colour", COLOURS)
def test_digestion_takes_its_time(colour):
    steps = EATEN[colour][2]
    play = three().put(f"{colour}_mushroom", (2, 3)).step("forward")
    able = [play.able(0, "forward")] + [play.step("forward").able(0, "forward") for _ in range(steps)]
    assert able == [False] * steps + [True]
    assert play.where(0) == (2, 3)


@pytest.mark.parametrize("colour", COLOURS)
def test_every_spore_comes_up(colour):
    play = three(per_try=1.0).put(f"{colour}_mushroom", (2, 3)).step("forward")
    assert tally(play) == EATEN[colour][3]
    stands = {play.where(agent) for agent in range(3)}
    assert all(play.item(*cell) == "floor" for cell in stands)
    assert tally(play.step()) == EATEN[colour][3]


@pytest.mark.parametrize("colour", COLOURS)
def test_no_spore_comes_up(colour):
    assert tally(three().put(f"{colour}_mushroom", (2, 3)).step("forward")) == [0, 0, 0, 0]


def test_spores_of_two_meals_wait_for_the_next_step():
    play = Play(wood(per_try=1.0), (2, 2, EAST), (4, 2, EAST), (1, 8, NORTH))
    play.put("red_mushroom", (2, 3), (4, 3)).step("forward", "forward")
    assert tally(play) == [3, 0, 0, 0]
    assert tally(play.step()) == [6, 0, 0, 0]
    assert tally(play.step()) == [6, 0, 0, 0]


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_mushrooms_perish(colour):
    lasts = EATEN[colour][4]
    play = three().put(f"{colour}_mushroom", (2, 5)).wait(lasts - 1)
    assert play.item(2, 5) == f"{colour}_mushroom"
    assert play.step().item(2, 5) == "floor"


def test_a_mushroom_that_came_up_later_lasts_as_long():
    play = three(per_try=1.0).wait(30).put("blue_mushroom", (2, 3)).step("forward").wait(74)
    assert tally(play)[2] == 3
    assert tally(play.step())[2] == 0


def test_orange_mushrooms_stay():
    """Also when a cell's age can count no further."""
    assert three().put("orange_mushroom", (2, 5)).wait(300).item(2, 5) == "orange_mushroom"


def test_orange_destroys_reds_and_nothing_else():
    play = three(blight=1.0).put("red_mushroom", (1, 4), (3, 6)).put("green_mushroom", (3, 4))
    play.put("blue_mushroom", (3, 5)).put("orange_mushroom", (2, 3), (4, 4)).step("forward")
    assert tally(play) == [0, 1, 1, 1]
    play.put("red_mushroom", (1, 4)).step()
    assert tally(play) == [1, 1, 1, 1]  # the blight is over


def test_a_zap_destroys_mushrooms_and_goes_on():
    play = Play(wood(), (2, 2, EAST), (2, 5, WEST), (4, 8, NORTH))
    play.put("blue_mushroom", (2, 3), (1, 2)).put("orange_mushroom", (2, 4), (2, 6), (4, 4)).step("zap")
    assert tally(play) == [0, 0, 0, 2]
    assert (play.item(2, 6), play.item(4, 4)) == ("orange_mushroom", "orange_mushroom")
    assert play.count("destroyed") == [3, 0, 0]
    assert play.count("zapped") == [1, 0, 0]
    assert play.payoff() == [0.0, 0.0, 0.0]


def test_a_zap_rests_for_two_steps():
    play = three().step("zap")
    ready = [play.able(0, "zap")] + [play.step().able(0, "zap") for _ in range(2)]
    assert ready == [False, False, True]


def test_the_first_zap_freezes_and_the_second_removes():
    play = Play(wood(), (2, 2, EAST), (2, 4, WEST), (1, 8, NORTH)).step("zap")
    assert play.away() == [False] * 3
    assert play.sees(0, ahead=2, right=0, channel=2) == 128  # all can see the mark
    able = [play.able(1, "forward")] + [play.step("noop", "forward").able(1, "forward") for _ in range(25)]
    assert able == [False] * 25 + [True]
    assert play.where(1) == (2, 4)
    play.step("zap")
    assert play.away() == [False, True, False]
    assert play.seen.observation.window[1, ..., 0].tolist() == np.full((11, 11), DARK).tolist()
    away = [play.step().away()[1] for _ in range(50)]
    assert away == [True] * 49 + [False]
    play.have(position=[2 * 10 + 2, 2 * 10 + 4, 1 * 10 + 8], heading=[EAST, WEST, NORTH]).step("zap")
    assert play.away() == [False] * 3  # unmarked when it came back
    assert not play.able(1, "forward")


def test_a_mark_fades_after_fifty_steps():
    for wait, out in ((48, True), (49, False)):
        play = Play(wood(), (2, 2, EAST), (2, 4, WEST), (1, 8, NORTH)).step("zap").wait(wait).step("zap")
        assert play.away() == [False, out, False]


# ---- Rates -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    """The small wood with the published rates."""
    laws = externality_mushrooms().growth
    return only(dataclasses.replace(wood(), growth=laws))


@pytest.mark.slow
def test_spores_come_up_at_their_rates(small):
    world, params = small
    count = 1500
    state = copies(world, params, count, pending=np.tile([3, 3, 3, 1], (count, 1)))
    state = step(world, jax.random.key(2), params, state)[0]
    for (colour, item), rate in zip(list(MUSHROOM.items())[:3], (0.25, 0.4, 0.6), strict=True):
        assert abs(deviation((state.cell == item).sum(), 3 * count, rate)) < 4, colour
    assert ((state.cell == MUSHROOM["orange"]).sum((1, 2)) == 1).all()
    columns = np.nonzero(state.cell == MUSHROOM["blue"])[2]
    assert abs(deviation((columns <= 4).sum(), len(columns), 0.5)) < 4


def test_orange_destroys_a_quarter_of_the_reds(small):
    world, params = small
    count = 1500
    cell = np.asarray(params.layout.cell).copy()
    cell[1, 3:7] = MUSHROOM["red"]
    cell[2, 3] = MUSHROOM["orange"]
    position, heading = [22, 18, 48], [EAST, NORTH, NORTH]  # the first at (2, 2)
    state = copies(
        world,
        params,
        count,
        vacant=False,
        cell=np.tile(cell, (count, 1, 1)),
        position=np.tile(position, (count, 1)),
        heading=np.tile(heading, (count, 1)),
    )
    state = step(world, jax.random.key(8), params, state, [1, 0, 0])[0]
    assert (state.frozen[:, 0] == 15).all()
    left = (state.cell == MUSHROOM["red"]).sum()
    assert abs(deviation(4 * count - left, 4 * count, 0.25)) < 4
