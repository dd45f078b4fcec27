"""Allelopathic harvest against its published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Game
from softsim.envs.games.allelopathic_harvest import COLOURS, GAMES, allelopathic_harvest
from softsim.envs.rules import ENTER, KEEP, STRUCK
from softsim.envs.vocabulary import ITEMS

BUD = {colour: ITEMS.index(f"{colour}_bud") for colour in COLOURS}
BERRY = {colour: ITEMS.index(f"{colour}_berry") for colour in COLOURS}
FIELD = """
PPPPPPPPPP
PPPrrPPPPP
PPPrrPPPPP
PPPrrPPPPP
PPPPPPPPPP
PPPPPPPPPP
PPPPPPPPPP
PPPPPPPPPP
"""
BED = [(row, column) for row in (1, 2, 3) for column in (3, 4)]
LOVER, OTHER, ASIDE = (2, 2, EAST), (6, 0, EAST), (6, 6, EAST)  # of the agents, 0 and 2 like red, and 1 green


def field(rate: float = 0.0) -> Game:
    """A small field for three, where berries ripen with this probability times the number of their colour."""
    game = allelopathic_harvest()
    growth = [dataclasses.replace(law, rate=rate) for law in game.growth]
    return dataclasses.replace(game, map=FIELD, num_agents=3, growth=growth)


# ---- Constants ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orchard():
    return only(allelopathic_harvest())


def test_shape_and_ending(orchard):
    world, params = orchard
    layout, horizon = params.layout, params.horizon
    assert (world.spec.height, world.spec.width, world.spec.num_agents, world.num_actions) == (30, 29, 16, 11)
    cell = np.asarray(layout.cell)
    assert [int((cell == item).sum()) for item in BUD.values()] == [116, 116, 116]
    assert ((np.asarray(layout.site) > 0) == np.isin(cell, list(BUD.values()))).all()
    assert int(layout.start_mask.sum()) == int(layout.respawn_mask.sum()) == 522
    assert bool(layout.torus)
    ending = (int(horizon.maximum), float(horizon.rate))
    assert ending == (2000, 0.0)
    assert np.bincount(np.asarray(params.role)).tolist() == [8, 8]
    assert not bool(params.sight.show_role)
    assert world.spec.view.shape == (11, 11)
    game = allelopathic_harvest()
    assert GAMES[game.name] is allelopathic_harvest
    assert game.roles == ("likes_red", "likes_green")
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_numbers_of_growth(orchard):
    _, params = orchard
    law = params.growth
    assert np.asarray(law.over).tolist() == list(BUD.values())
    assert np.asarray(law.item[:, 0]).tolist() == list(BERRY.values())
    assert np.asarray(law.rate[:, 0]).tolist() == [np.float32(5e-6)] * 3
    assert np.asarray(law.ripe).tolist() == [10] * 3
    assert np.asarray(law.count_item).tolist() == [[BUD[colour], BERRY[colour]] for colour in COLOURS]
    assert law.counts.all()


def test_numbers_of_beams(orchard):
    world, params = orchard
    law = params.beams
    assert world.spec.beams == ("zap", "plant_red", "plant_green", "plant_blue")
    shape = np.stack([law.length, law.half_width, law.cooldown])
    assert shape.T.tolist() == [[3, 1, 4]] + [[3, 0, 2]] * 3
    sanction = np.stack([law.mark_for, law.freezes_for, law.removes_for, law.fine])
    assert sanction.T.tolist() == [[50, 25, 25, -10]] + [[0, 0, 0, 0]] * 3
    berries = [*BUD.values(), *BERRY.values()]
    assert np.asarray(law.stops)[:, berries].tolist() == [[False] * 6] + [[True] * 6] * 3


@pytest.mark.parametrize("colour", COLOURS)
def test_numbers_of_rules(orchard, colour):
    _, params = orchard
    rules, first = params.rules, int(params.rules.lookup[ENTER, BERRY[colour]])
    found = {}
    for row in (first, int(rules.otherwise[first])):
        found[int(rules.roles[row])] = float(rules.reward[row])
        assert int(rules.becomes[row]) == BUD[colour]
        assert bool(rules.wash[row])
    assert found == {0b01: 2.0 if colour == "red" else 1.0, 0b10: 2.0 if colour == "green" else 1.0}
    for b, planted in enumerate(COLOURS):
        row = rules.lookup[STRUCK + 1 + b, BUD[colour]]
        assert bool(row) == (planted != colour)
        if row:
            assert (int(rules.becomes[row]), int(rules.paint[row])) == (BUD[planted], b + 1)
            assert float(rules.reward[row]) == 0
        assert not rules.lookup[STRUCK + 1 + b, BERRY[colour]]
    assert (np.asarray(rules.paint[first]) == KEEP).all()


# ---- Ripening and eating -----------------------------------------------------------------------------------


def test_berries_ripen_after_ten_steps():
    play = Play(field(rate=1.0), LOVER, OTHER, ASIDE).wait(9)
    assert {play.item(*cell) for cell in BED} == {"red_bud"}
    play.step()
    assert {play.item(*cell) for cell in BED} == {"red_berry"}


def test_an_eaten_berry_ripens_ten_steps_later():
    play = Play(field(rate=1.0), LOVER, OTHER, ASIDE).put("red_berry", (2, 3)).wait(3).step("forward")
    assert play.item(2, 3) == "red_bud"
    seen = [play.step("forward").item(2, 3)] + [play.step().item(2, 3) for _ in range(9)]
    assert seen == ["red_bud"] * 9 + ["red_berry"]


def test_a_recoloured_berry_ripens_ten_steps_later():
    play = Play(field(rate=1.0), LOVER, OTHER, ASIDE).wait(8).step("plant_blue")
    seen = [play.item(2, 3)] + [play.step().item(2, 3) for _ in range(10)]
    assert seen == ["blue_bud"] * 10 + ["blue_berry"]


def test_a_berry_ripens_under_an_agent_who_must_step_in_to_eat_it():
    play = Play(field(rate=1.0), (2, 3, EAST), OTHER, ASIDE).wait(10)
    assert play.item(2, 3) == "red_berry"
    assert play.payoff() == [0.0] * 3
    play.step("backward").step("forward")
    assert play.payoff() == [2.0, 0.0, 0.0]


def test_unripe_berries_are_only_walked_on():
    play = Play(field(), LOVER, OTHER, ASIDE).step("forward")
    assert play.where(0) == (2, 3)
    assert play.payoff() == [0.0] * 3


@pytest.mark.parametrize(("colour", "paid"), [("red", [2, 1]), ("green", [1, 2]), ("blue", [1, 1])])
def test_eating_pays_by_taste(colour, paid):
    play = Play(field(), LOVER, (1, 5, WEST), ASIDE).put(f"{colour}_berry", (2, 3), (1, 4)).step("forward", "forward")
    assert play.payoff() == [*paid, 0.0]
    assert play.item(2, 3) == play.item(1, 4) == f"{colour}_bud"
    assert play.count(f"ate_{colour}") == [1, 1, 0]


# ---- Planting ----------------------------------------------------------------------------------------------


def test_planting_recolours_the_first_berry_and_paints_the_planter():
    play = Play(field(), LOVER, OTHER, ASIDE).step("plant_green")
    assert (play.item(2, 3), play.item(2, 4)) == ("green_bud", "red_bud")
    assert play.state.paint.tolist() == [2, 0, 0]
    assert play.count("planted_green") == [1, 0, 0]
    assert play.payoff() == [0.0] * 3
    ready = [play.able(0, "plant_green"), play.step().able(0, "plant_green")]
    assert ready == [False, True]
    assert play.step("plant_blue").state.paint.tolist() == [3, 0, 0]


def test_planting_reaches_three_cells_straight_ahead():
    play = Play(field(), (2, 0, EAST), (4, 2, EAST), ASIDE).step("plant_blue", "plant_blue")
    assert play.item(2, 3) == "blue_bud"
    assert [play.item(*cell) for cell in BED].count("red_bud") == 5
    play = Play(field(), (2, 9, EAST), OTHER, ASIDE).step("plant_blue")
    assert play.state.paint.tolist() == [0, 0, 0]


@pytest.mark.parametrize("item", ["red_berry", "blue_berry", "blue_bud"])
def test_what_it_cannot_recolour_ends_the_beam(item):
    play = Play(field(), LOVER, OTHER, ASIDE).put(item, (2, 3)).step("plant_blue")
    assert (play.item(2, 3), play.item(2, 4)) == (item, "red_bud")
    assert play.state.paint.tolist() == [0, 0, 0]
    assert int(play.state.age[2 * 10 + 3]) == 1  # not touched


def test_an_agent_ends_the_beam_and_suffers_nothing():
    play = Play(field(), (2, 1, EAST), (2, 2, EAST), ASIDE).step("plant_blue")
    assert play.item(2, 3) == "red_bud"
    assert play.able(1, "forward")
    assert play.payoff() == [0.0] * 3


def test_the_colour_is_seen_and_the_taste_is_not():
    play = Play(field(), LOVER, (4, 2, NORTH), (4, 3, NORTH)).have(paint=[2, 0, 0]).step()
    assert play.sees(1, ahead=2, right=0, channel=2) == 4 * 2
    assert play.sees(0, ahead=0, right=2, channel=2) == 0  # likes green
    assert play.sees(0, ahead=1, right=2, channel=2) == 0  # likes red


def test_the_edges_meet():
    play = Play(field(), (0, 3, NORTH), (2, 0, WEST), ASIDE).put("red_berry", (7, 3)).put("red_bud", (2, 8))
    play.step("forward", "plant_green")
    assert play.where(0) == (7, 3)
    assert play.payoff() == [2.0, 0.0, 0.0]
    assert play.item(2, 8) == "green_bud"


# ---- Sanctions ---------------------------------------------------------------------------------------------


def test_the_first_zap_freezes_and_the_second_fines_and_removes():
    play = Play(field(), LOVER, (2, 5, WEST), ASIDE).step("zap")
    assert play.payoff() == [0.0] * 3
    assert {play.item(*cell) for cell in BED} == {"red_bud"}  # it goes over berries
    assert play.sees(0, ahead=3, right=0, channel=2) == 128
    able = [play.able(1, "forward")] + [play.step().able(1, "forward") for _ in range(25)]
    assert able == [False] * 25 + [True]
    play.step("zap")
    assert play.payoff() == [0.0, -10.0, 0.0]
    away = [play.away()] + [play.step().away() for _ in range(25)]
    assert away == [[False, True, False]] * 25 + [[False] * 3]
    assert play.state.mark.tolist() == [0, 0, 0]


def test_a_mark_fades_after_fifty_steps():
    for wait, fine in ((48, -10.0), (49, 0.0)):
        play = Play(field(), LOVER, (2, 5, WEST), ASIDE).step("zap").wait(wait).step("zap")
        assert play.payoff() == [0.0, fine, 0.0]


def test_a_zap_rests_for_three_steps():
    play = Play(field(), LOVER, OTHER, ASIDE).step("zap")
    ready = [play.able(0, "zap")] + [play.step().able(0, "zap") for _ in range(3)]
    assert ready == [False, False, False, True]


# ---- Rates -------------------------------------------------------------------------------------------------


def bed(*items: str):
    """2,000 copies of a field whose bed holds these items, all of them old."""
    world, params = only(field(rate=0.01))
    count, cell = 2000, np.asarray(params.layout.cell).copy()
    cell[tuple(np.array(BED).T)] = [ITEMS.index(item) for item in items]
    age = np.full((count, cell.size), 30)
    return world, params, count, np.tile(cell, (count, 1, 1)), age


@pytest.mark.slow
def test_berries_ripen_at_a_rate_that_their_colour_sets():
    """Ripe and unripe count: four red against two green."""
    world, params, count, cell, age = bed("red_bud", "red_bud", "red_berry", "red_berry", "green_bud", "green_bud")
    state = copies(world, params, count, cell=cell, age=age)
    state = step(world, jax.random.key(9), params, state)[0]
    ripe = [int((state.cell == item).sum()) for item in BERRY.values()]
    assert abs(deviation(ripe[0] - 2 * count, 2 * count, 0.04)) < 4
    assert abs(deviation(ripe[1], 2 * count, 0.02)) < 4
    assert ripe[2] == 0


@pytest.mark.parametrize(("others", "shown"), [("red_bud", 0.0), ("green_bud", 0.5)])
def test_eating_shows_less_the_more_of_a_monoculture_there_is(others, shown):
    """The eater turns neutral with probability 1 - the share of the commonest colour."""
    world, params, count, cell, age = bed("red_bud", "red_bud", "red_berry", others, others, others)
    position, heading = np.tile([22, 60, 66], (count, 1)), np.full((count, 3), EAST)
    paint = np.tile([3, 3, 0], (count, 1))
    state = copies(
        world, params, count, vacant=False, cell=cell, age=age, position=position, heading=heading, paint=paint
    )
    state, seen = step(world, jax.random.key(1), params, state, [1, 0, 0])
    assert (np.asarray(seen.payoff) == [2.0, 0.0, 0.0]).all()
    washed = int((state.paint[:, 0] == 0).sum())
    assert washed == 0 if shown == 0 else abs(deviation(washed, count, shown)) < 4
    assert (state.paint[:, 1] == 3).all()
