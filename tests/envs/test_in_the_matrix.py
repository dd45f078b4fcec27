"""The matrix games in space against their published numbers: constants, hand-written traces, rates."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import EAST, NORTH, WEST, Play, deviation, only

from softsim.envs import Game, compile_games, growth
from softsim.envs.games.in_the_matrix import CLASSES, GAMES, KINDS
from softsim.envs.vocabulary import ITEMS, WALL

YARD = """
###########
#PPP...PPP#
#.........#
#.........#
#.........#
#.........#
#.........#
#1..2..a..#
###########
"""
PAYOFF = {
    "prisoners_dilemma": ([[3, 0], [5, 1]], [[3, 5], [0, 1]]),
    "chicken": ([[3, 2], [5, 0]], [[3, 5], [2, 0]]),
    "stag_hunt": ([[4, 0], [2, 2]], [[4, 2], [0, 2]]),
    "bach_or_stravinsky": ([[3, 0], [0, 2]], [[2, 0], [0, 3]]),
    "pure_coordination": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]],) * 2,
    "rationalizable_coordination": ([[1, 0, 0], [0, 2, 0], [0, 0, 3]],) * 2,
    "running_with_scissors": (
        [[0, -10, 10], [10, 0, -10], [-10, 10, 0]],
        [[0, 10, -10], [-10, 0, 10], [10, -10, 0]],
    ),
}
# arena and repeated: probability of an end every 100 steps; repeated: most steps, steps before anything grows back
ENDS = {
    "prisoners_dilemma": (0.15, 0.1, 5000, 10),
    "chicken": (0.2, 0.1, 5000, 10),
    "stag_hunt": (0.1, 0.1, 2500, 10),
    "bach_or_stravinsky": (0.2, 0.1, 5000, 10),
    "pure_coordination": (0.2, 0.1, 5000, 10),
    "rationalizable_coordination": (0.2, 0.1, 5000, 10),
    "running_with_scissors": (0.2, 0.2, 5000, 15),
}
# cells of each class, and of a random one, by number of classes
ARENA_SITES = {2: [13, 13, 10], 3: [12, 12, 12, 8]}
ROOM_SITES = {2: [12, 12, 12], 3: [6, 6, 6, 18]}
NAMES = [(kind, variant) for kind in KINDS for variant in ("arena", "repeated", "one_shot")]


def yard(kind="prisoners_dilemma", variant="repeated", rate=0.0, num_agents=3) -> Game:
    """A game on a small map on which nothing grows, unless always."""
    game = GAMES[f"{kind}_in_the_matrix_{variant}"]()
    laws = [dataclasses.replace(law, rate=rate) for law in game.growth]
    return dataclasses.replace(game, map=YARD, growth=laws, num_agents=num_agents)


def face_to_face(game: Game, **fields) -> Play:
    """Two ready agents three cells apart, and a third that is neither near nor ready."""
    play = Play(game, (4, 2, EAST), (4, 5, WEST), (2, 8, NORTH))
    return play.have(**{"bag": [[2, 1], [1, 3], [1, 1]], "paint": [1, 1, 0], **fields})


# ---- Constants ---------------------------------------------------------------------------------------------


def test_all_games_are_there():
    assert len(GAMES) == 21
    assert all(name == declare().name for name, declare in GAMES.items())
    assert set(PAYOFF) == set(ENDS) == set(KINDS)


@pytest.mark.parametrize(("kind", "variant"), NAMES)
def test_constants(kind, variant):
    game = GAMES[f"{kind}_in_the_matrix_{variant}"]()
    world, params = only(game)
    spec, arena = world.spec, variant == "arena"
    assert (spec.height, spec.width, spec.num_agents) == ((24, 25, 8) if arena else (15, 23, 2))
    assert world.num_actions == 8
    view = (spec.view.ahead, spec.view.behind, spec.view.side)
    assert (view, spec.view.shape) == (((9, 1, 5), (11, 11)) if arena else ((3, 1, 2), (5, 5)))
    layout, site = params.layout, np.asarray(params.layout.site)
    assert int(layout.start_mask.sum()) == int(layout.respawn_mask.sum()) == (30 if arena else 13)
    classes = len(PAYOFF[kind][0])
    counts = [int((site == s).sum()) for s in range(1, int(site.max()) + 1)]
    first = {name: i for i, name in enumerate(dict.fromkeys(c.site for row in game.cells() for c in row if c.site))}
    counts = [counts[first[name]] for name in (*CLASSES[:classes], "any")]
    expected = (ARENA_SITES if arena else ROOM_SITES)[classes]
    assert counts == ([23, 40, 12] if arena and kind == "stag_hunt" else expected)
    edge = np.ones(layout.cell.shape, bool)
    edge[1:-1, 1:-1] = False
    assert (np.asarray(layout.cell)[edge] == WALL).all()
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize(("kind", "variant"), NAMES)
def test_encounters(kind, variant):
    game = GAMES[f"{kind}_in_the_matrix_{variant}"]()
    _, params = only(game)
    law, beam, bag = params.encounter, params.beams, params.bag
    np.testing.assert_array_equal(law.row, PAYOFF[kind][0])
    np.testing.assert_array_equal(law.column, PAYOFF[kind][1])
    assert int(law.freezes_for) == 16
    assert int(law.removes_for) == {"arena": 50, "repeated": 5, "one_shot": 100}[variant]
    assert bool(law.by_role) == bool(params.sight.show_role) == (kind == "bach_or_stravinsky")
    assert (int(beam.length[0]), int(beam.half_width[0]), int(beam.cooldown[0])) == (3, 1, 2)
    assert bool(beam.meets[0])
    assert bool(beam.strikes_agents[0])
    assert not beam.removes_for[0]
    assert not beam.freezes_for[0]
    assert set(bag.start.tolist()) == {1}
    assert params.debt.when.tolist() == [1, -1, -1]


@pytest.mark.parametrize(("kind", "variant"), NAMES)
def test_growth_and_endings(kind, variant):
    game = GAMES[f"{kind}_in_the_matrix_{variant}"]()
    _, params = only(game)
    arena_rate, repeated_rate, maximum, ripe = ENDS[kind]
    horizon = params.horizon
    numbers = [int(n) for n in (horizon.maximum, horizon.minimum, horizon.interval)]
    if variant == "one_shot":
        assert numbers[0] == 1000
        assert not horizon.rate
        assert not params.growth.rate.any()
        assert params.goals.bound.tolist() == [1]
        assert int(params.encounter.progress) == 1
    else:
        arena = variant == "arena"
        assert numbers == [5000 if arena else maximum, 1000, 100]
        assert round(float(horizon.rate), 6) == (arena_rate if arena else repeated_rate)
        assert np.unique(params.growth.rate).tolist() == [np.float32(0.04 if arena else 0.02)]
        assert set(params.growth.ripe.tolist()) == {10 if arena else ripe}
    assert bool(horizon.renew) == (variant == "repeated")


def test_every_resource_can_be_reached():
    for declare in GAMES.values():
        open_cells = np.array([[cell.item != "wall" for cell in row] for row in declare().cells()])
        reached = np.zeros_like(open_cells)
        reached[1, 1] = True
        for _ in range(open_cells.size):
            wider = reached.copy()
            wider[1:] |= reached[:-1]
            wider[:-1] |= reached[1:]
            wider[:, 1:] |= reached[:, :-1]
            wider[:, :-1] |= reached[:, 1:]
            wider &= open_cells
            if (wider == reached).all():
                break
            reached = wider
        assert (reached == open_cells).all()


# ---- Traces: gathering -------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ["red_resource", "cracked_red", "broken_red"])
def test_gathering_fills_the_bag_and_shows(item):
    play = Play(yard(), (4, 2, EAST), (4, 5, WEST), (2, 8, NORTH)).put(item, (4, 3)).step("forward")
    assert play.where(0) == (4, 3)
    assert play.item(4, 3) == "floor"
    assert play.state.bag.tolist() == [[1, 2], [1, 1], [1, 1]]
    assert play.count("gathered_red") == [1, 0, 0]
    assert play.payoff() == [0.0] * 3
    assert play.sees(1, 2, 0, 2) == 1 << 2  # in its colour
    assert play.sees(0, 2, 0, 2) == 0
    first = play.seen.observation.body
    np.testing.assert_allclose(first[:, 5:7], np.array([[1, 2], [1, 1], [1, 1]]) / 100, atol=2**-16)


def test_three_strikes_destroy_a_resource():
    play = Play(yard(), (4, 2, EAST), (6, 8, WEST), (2, 8, NORTH)).put("green_resource", (4, 4))
    seen = []
    for _ in range(3):
        play.step("interact")
        seen.append((play.item(4, 4), play.count("destroyed")[0]))
        play.step()
    assert seen == [("cracked_green", 0), ("broken_green", 0), ("floor", 1)]
    assert play.state.bag.tolist() == [[1, 1]] * 3


def test_a_resource_shields_who_stands_behind_it():
    play = face_to_face(yard()).put("green_resource", (4, 4), (3, 4), (5, 4))
    assert play.step("interact").count("interacted") == [0, 0, 0]
    assert [play.item(r, 4) for r in (3, 4, 5)] == ["cracked_green"] * 3


def test_a_site_waits_and_then_grows_where_nobody_stands():
    play = Play(yard(rate=1.0), (7, 2, WEST), (7, 5, WEST), (2, 8, NORTH)).put("floor", (7, 7))
    play.step("forward", "forward").step("backward")
    assert (play.item(7, 1), play.item(7, 4), play.item(7, 7)) == ("floor",) * 3
    play.wait(8)
    assert (play.item(7, 1), play.item(7, 4)) == ("floor",) * 2
    assert play.step().item(7, 1) == "green_resource"
    assert play.item(7, 7).endswith("_resource")
    assert play.step("noop", "backward").item(7, 4) == "red_resource"


# ---- Traces: encounters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bag", [[[1, 1], [1, 3]], [[2, 1], [1, 1]], [[1, 1], [1, 1]]])
def test_nothing_happens_unless_both_are_ready(bag):
    play = face_to_face(yard(), bag=[*bag, [1, 1]]).step("interact", "interact")
    assert play.count("interacted") == [0, 0, 0]
    assert (play.seen.observation.body[:, -4:] == -1).all()
    play.wait(20)
    assert play.payoff() == [0.0] * 3
    assert play.away() == [False] * 3
    assert play.state.bag.tolist() == [*bag, [1, 1]]
    assert play.able(0, "forward")
    assert play.able(1, "forward")


def test_an_encounter_by_the_clock():
    """The striker plays rows: with p = (2, 1) / 3 and q = (1, 3) / 4, p A q = 7 / 6 and p B q = 13 / 4."""
    play = face_to_face(yard()).step("interact")
    assert play.count("interacted") == [1, 1, 0]
    body = play.seen.observation.body[:, -4:].tolist()
    assert body == [[2, 1, 1, 3], [1, 3, 2, 1], [-1, -1, -1, -1]]
    for _ in range(15):
        assert play.can(0) == play.can(1) == [True] + [False] * 7
        play.step("forward", "turn_left")
        assert play.payoff() == [0.0] * 3
        assert play.away() == [False] * 3
        assert (play.where(0), play.where(1)) == ((4, 2), (4, 5))
        assert play.count("interacted") == [0, 0, 0]
        assert play.state.bag.tolist() == [[2, 1], [1, 3], [1, 1]]
    play.step("forward", "forward")
    np.testing.assert_allclose(play.payoff(), [7 / 6, 13 / 4, 0], rtol=1e-6)
    assert play.state.bag.tolist() == [[1, 1]] * 3
    assert play.state.paint.tolist() == [0] * 3
    for _ in range(5):
        assert play.away() == [True, True, False]
        play.step("forward", "forward")
        assert play.payoff() == [0.0] * 3
    assert play.away() == [False] * 3
    assert all(play.where(agent)[0] == 1 for agent in (0, 1))
    assert play.able(0, "interact")
    assert play.able(1, "forward")


def test_who_is_struck_plays_columns():
    play = face_to_face(yard()).step("noop", "interact").wait(16)
    np.testing.assert_allclose(play.payoff(), [7 / 6, 13 / 4, 0], rtol=1e-6)  # a symmetric game: it is all the same
    play = face_to_face(yard("chicken")).step("noop", "interact").wait(16)
    p, q, a = np.array([2, 1]) / 3, np.array([1, 3]) / 4, np.array(PAYOFF["chicken"][0])
    np.testing.assert_allclose(play.payoff(), [p @ a @ q, q @ a @ p, 0], rtol=1e-6)


def test_two_who_strike_each_other_meet_once():
    play = face_to_face(yard()).step("interact", "interact")
    assert play.count("interacted") == [1, 1, 0]
    play.wait(16)
    np.testing.assert_allclose(play.payoff(), [7 / 6, 13 / 4, 0], rtol=1e-6)


def test_one_encounter_for_each_in_a_step():
    """Two strike the one between them: he meets one of them, either as often; the other is left as he was."""
    met = []
    for seed in range(30):
        play = Play(yard(), (4, 3, EAST), (4, 5, WEST), (4, 7, WEST)).have(bag=[[2, 1], [1, 3], [3, 1]])
        play.keys = (jax.random.key(s) for s in (seed,))
        play.step("interact", "noop", "interact")
        met.append(tuple(play.count("interacted")))
        left = 2 if met[-1][0] else 0
        assert play.state.frozen[left] == 0
        assert play.state.owed[left] == 0
    assert set(met) == {(1, 1, 0), (0, 1, 1)}
    assert 5 < met.count((1, 1, 0)) < 25


def test_one_beam_meets_one_of_those_it_strikes():
    met = []
    for seed in range(30):
        play = Play(yard(), (4, 3, EAST), (4, 5, WEST), (3, 5, WEST)).have(bag=[[2, 1], [1, 3], [3, 1]])
        play.keys = (jax.random.key(s) for s in (seed,))
        met.append(tuple(play.step("interact").count("interacted")))
    assert set(met) == {(1, 1, 0), (1, 0, 1)}


def test_who_is_in_an_encounter_cannot_be_met():
    play = Play(yard(), (4, 3, EAST), (4, 5, WEST), (4, 7, WEST)).have(bag=[[2, 1], [1, 3], [3, 1]])
    play.step("interact")
    assert play.count("interacted") == [1, 1, 0]
    for _ in range(7):
        assert play.step("noop", "noop", "interact").count("interacted") == [0, 0, 0]
        play.step()
    assert play.state.owed[2] == 0
    assert play.state.frozen[2] == 0


# ---- Traces: variants --------------------------------------------------------------------------------------


def test_the_map_starts_afresh_when_all_are_out():
    play = Play(yard(), (7, 2, WEST), (7, 5, WEST), (2, 8, NORTH)).have(removed=[0, 0, 100])
    play.put("green_resource", (7, 7)).step("forward", "forward")
    assert (play.item(7, 1), play.item(7, 4)) == ("floor", "floor")
    play.step("turn_right").step("turn_right").step("interact")
    assert play.count("interacted") == [1, 1, 0]
    play.wait(15)
    assert (play.item(7, 1), play.item(7, 4)) == ("floor", "floor")
    play.wait(1)
    assert play.away() == [True, True, True]
    assert (play.item(7, 1), play.item(7, 4)) == ("green_resource", "red_resource")
    assert play.item(7, 7) in ("green_resource", "red_resource")


def test_the_map_does_not_while_somebody_is_left():
    play = face_to_face(yard()).put("floor", (7, 1), (7, 4)).step("interact").wait(20)
    assert play.away() == [True, True, False]
    assert (play.item(7, 1), play.item(7, 4)) == ("floor", "floor")


def test_one_shot_ends_when_the_first_encounter_is_paid():
    game = GAMES["running_with_scissors_in_the_matrix_one_shot"]()
    game = dataclasses.replace(game, map=YARD.replace("#.........#", "#....3....#", 1))
    play = Play(game, (4, 2, EAST), (4, 5, WEST)).have(bag=[[2, 1, 1], [1, 1, 3]]).step("interact")
    for _ in range(16):
        assert not play.seen.last
        assert play.seen.discount.tolist() == [1.0, 1.0]
        assert play.payoff() == [0.0, 0.0]
        play.step()
    p, q = np.array([2, 1, 1]) / 4, np.array([1, 1, 3]) / 5
    value = p @ np.array(PAYOFF["running_with_scissors"][0]) @ q
    np.testing.assert_allclose(play.payoff(), [value, -value], rtol=1e-6)
    assert play.seen.last
    assert play.seen.discount.tolist() == [0.0, 0.0]


def test_roles_say_who_plays_rows():
    """Agents 0 and 2 are for Bach. The game of two of them does not come about, and rows are theirs if struck, too."""
    play = Play(yard("bach_or_stravinsky"), (4, 3, EAST), (2, 3, WEST), (4, 5, WEST))
    play.have(bag=[[3, 1], [1, 4], [1, 2]])
    assert play.step("interact", "noop", "interact").count("interacted") == [0, 0, 0]
    assert play.sees(0, 2, 0, 2) & 0b1100000 == 0
    for actions in (("interact", "noop"), ("noop", "interact")):
        play = Play(yard("bach_or_stravinsky"), (4, 3, EAST), (4, 5, WEST), (2, 8, NORTH))
        play.have(bag=[[3, 1], [1, 4], [1, 1]]).step(*actions)
        assert play.sees(0, 2, 0, 2) & 0b1100000 == 1 << 5
        play.wait(16)
        p, q = np.array([3, 1]) / 4, np.array([1, 4]) / 5
        row, column = (np.array(table) for table in PAYOFF["bach_or_stravinsky"])
        np.testing.assert_allclose(play.payoff(), [p @ row @ q, p @ column @ q, 0], rtol=1e-6)


# ---- Rates -------------------------------------------------------------------------------------------------


def test_random_sites_hold_any_class_as_often():
    world, params = only(GAMES["running_with_scissors_in_the_matrix_repeated"]())
    layout, free = params.layout, jnp.ones(params.layout.cell.shape, bool)
    seeds = jax.random.bits(jax.random.key(1), (200, 2), np.uint32)
    scatter = functools.partial(growth.scatter, world.spec, params.scatter, layout.site, layout.cell, free)
    drawn = np.asarray(jax.vmap(scatter)(seeds))
    random_site = np.asarray(layout.site) == int(params.scatter.site[0])
    assert random_site.sum() == 18
    assert ((drawn != np.asarray(layout.cell)[None]) == random_site[None]).all()
    counts = [int((drawn == ITEMS.index(f"{name}_resource"))[:, random_site].sum()) for name in CLASSES]
    assert sum(counts) == 200 * 18
    assert all(abs(deviation(count, 200 * 18, 1 / 3)) < 4 for count in counts)


@pytest.mark.parametrize(("variant", "rate"), [("arena", 0.04), ("repeated", 0.02)])
@pytest.mark.slow
def test_resources_grow_back_at_their_rate(variant, rate):
    world, params = only(GAMES[f"prisoners_dilemma_in_the_matrix_{variant}"]())
    site = params.layout.site
    bare = jnp.where(site > 0, jnp.uint8(0), params.layout.cell)
    seeds = jax.random.bits(jax.random.key(2), (500, 2), np.uint32)

    def grown(age):
        ages, free = jnp.full(bare.shape, age, jnp.uint8), jnp.ones(bare.shape, bool)
        grow = functools.partial(growth.grow, world.spec, params.growth, site, bare, ages, free)
        return int((jax.vmap(grow)(seeds) != bare[None]).sum())

    assert abs(deviation(grown(10), 500 * 36, rate)) < 4
    assert grown(9) == 0


def test_all_variants_run_side_by_side():
    games = [declare() for declare in GAMES.values()]
    world, params = compile_games(games)
    assert params.agent_mask.sum(1).tolist() == [8, 2, 2] * 7
    assert world.spec.num_slots == 3
