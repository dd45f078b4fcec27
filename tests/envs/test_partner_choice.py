"""Rooms of two that either can leave: gifts, going, and coming back to whoever is free."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, deviation, only

from softsim.envs.games.partner_choice import GAMES, prisoners_dilemma_in_rooms

LEFT, RIGHT = (1, 1), (1, 2)
PLACES = ((1, 1), (1, 2), (1, 6), (1, 7), (5, 1), (5, 2), (5, 6), (5, 7))


def rooms(first: int = EAST, second: int = WEST) -> Play:
    """Agents 0 and 1 share the first room, 2 and 3 the second, and so on; all look east but those two."""
    return Play(prisoners_dilemma_in_rooms(), (*LEFT, first), (*RIGHT, second), *((*p, EAST) for p in PLACES[2:]))


def test_constants():
    game = GAMES["prisoners_dilemma_in_rooms"]()
    world, params = only(game)
    assert game.name == "prisoners_dilemma_in_rooms"
    assert (world.num_agents, world.num_actions) == (8, 9)
    spawn = [divmod(int(s), world.spec.width) for s in params.layout.spawn]
    assert tuple(spawn) == PLACES
    assert bool(params.layout.start_mask.all())
    assert bool(params.layout.respawn_mask.all())
    cell = np.asarray(params.layout.cell)
    assert int((cell == 0).sum()) == 8
    gift, leave = (world.spec.beams.index(name) for name in ("gift", "leave"))
    beams = params.beams
    assert (float(beams.reward[gift]), float(beams.fine[gift])) == (-1.0, 3.0)
    assert (int(beams.length[gift]), int(beams.half_width[gift]), int(beams.length[leave])) == (1, 1, 0)
    assert set(np.asarray(params.rules.exile).tolist()) == {0, 20}
    assert (int(params.horizon.maximum), float(params.horizon.rate)) == (1000, 0.0)
    assert world.spec.view.shape == (3, 3)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize(
    ("actions", "payoff"),
    [(("gift", "gift"), [2, 2]), (("gift",), [-1, 3]), (("noop", "gift"), [3, -1]), (("noop", "noop"), [0, 0])],
)
def test_gifts_are_a_prisoners_dilemma(actions, payoff):
    play = rooms().step(*actions)
    assert play.payoff() == [*payoff, 0, 0, 0, 0, 0, 0]
    assert play.count("gave")[:2] == [int(a == "gift") for a in (*actions, "noop")[:2]]


@pytest.mark.parametrize(("heading", "reaches"), [(EAST, True), (NORTH, True), (SOUTH, True), (WEST, False)])
def test_a_gift_goes_ahead_and_to_the_sides(heading, reaches):
    play = rooms(first=heading).step("gift")
    assert play.payoff()[:2] == ([-1, 3] if reaches else [0, 0])


def test_who_leaves_is_away_for_twenty_steps_and_earns_nothing():
    play = rooms().step("leave")
    assert play.count("leave") == [1] + [0] * 7
    for _ in range(20):
        assert play.away() == [True] + [False] * 7
        assert play.can(0) == [True] + [False] * 8
        assert play.step("gift", "gift").payoff() == [0.0] * 8
        assert play.count("gave") == [0] * 8
    assert play.away() == [False] * 8
    assert play.where(0) == LEFT  # the only cell that was free


def test_a_gift_to_one_who_leaves_in_the_same_step_arrives():
    assert rooms().step("leave", "gift").payoff()[:2] == [3.0, -1.0]


def test_leavers_of_two_rooms_change_places_half_the_time():
    changed = 0
    for seed in range(60):
        play = rooms().have(removed=[1, 0, 1, 0, 0, 0, 0, 0])
        play.keys = (jax.random.key(s) for s in (seed,))
        play.step()
        assert play.away() == [False] * 8
        assert {play.where(0), play.where(2)} == {PLACES[0], PLACES[2]}
        changed += play.where(0) == PLACES[2]
    assert 0 < changed < 60
    assert abs(deviation(changed, 60, 0.5)) < 4


def test_one_left_behind_stays_and_may_be_joined_by_another():
    play = rooms().have(removed=[0, 5, 3, 0, 0, 0, 0, 0])
    joined = set()
    for seed in range(20):
        again = rooms().have(removed=[0, 5, 1, 0, 0, 0, 0, 0])
        again.keys = (jax.random.key(s) for s in (seed,))
        joined.add(again.step().where(2))
    assert joined == {PLACES[1], PLACES[2]}
    play.wait(2)
    assert play.where(0) == LEFT


def test_nobody_sees_into_another_room():
    play = rooms().step()
    for agent in range(8):
        who = play.seen.observation.window[agent, ..., 1]
        assert int((who > 0).sum()) == 2
    play.step("leave").step()
    assert int((play.seen.observation.window[1, ..., 1] > 0).sum()) == 1
