"""The kitchens against their published numbers: constants, hand-written traces, and what each kitchen asks for."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, only

from softsim.envs import Game
from softsim.envs.games.cooking import FURNITURE, GAMES, THINGS
from softsim.envs.vocabulary import ITEMS

STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
# height and width; pots, boxes of tomatoes, of dishes, hatches; rooms
KITCHENS = {
    "cooking_cramped_room": ((4, 5), (1, 2, 1, 1), 1),
    "cooking_asymmetric_advantages": ((5, 9), (2, 2, 2, 2), 2),
    "cooking_coordination_ring": ((5, 5), (2, 2, 1, 1), 1),
    "cooking_forced_coordination": ((5, 5), (2, 2, 1, 1), 2),
    "cooking_counter_circuit": ((5, 8), (2, 2, 1, 1), 1),
}
# Walk along the upper side; the boxes, pot and hatch are below.
BENCH = """
ccccccc
cP...Pc
cTDOHcc
"""
TOMATO, DISH, POT, HATCH, COUNTER = ((2, column) for column in range(1, 6))


def bench() -> Game:
    return dataclasses.replace(GAMES["cooking_cramped_room"](), map=BENCH)


def at(thing: tuple[int, int], other: tuple[int, int, int] = (1, 5, EAST)) -> Play:
    """One cook before a thing, and another that looks away."""
    return Play(bench(), (1, thing[1], SOUTH), other)


def carry(play: Play, *things: str) -> Play:
    return play.have(hand=[("", *THINGS).index(thing) for thing in things])


def held(play: Play) -> list[str]:
    return [("", *THINGS)[hand] for hand in play.state.hand.tolist()]


# ---- Constants ---------------------------------------------------------------------------------------------


def test_all_kitchens_are_there():
    assert set(GAMES) == set(KITCHENS)


@pytest.mark.parametrize("name", KITCHENS)
def test_constants(name):
    game = GAMES[name]()
    world, params = only(game)
    size, counts, _ = KITCHENS[name]
    cell = np.asarray(params.layout.cell)
    assert game.name == name
    assert cell.shape == size
    assert tuple(int((cell == ITEMS.index(i)).sum()) for i in ("pot", "tomato_box", "dish_box", "hatch")) == counts
    assert (world.num_agents, world.num_actions) == (2, 8)
    view = world.spec.view
    assert (view.ahead, view.behind, view.side, view.shape) == (3, 1, 2, (5, 5))
    beam = params.beams
    assert (int(beam.length[0]), int(beam.half_width[0]), int(beam.cooldown[0])) == (1, 0, 1)
    horizon = params.horizon
    assert (int(horizon.maximum), int(horizon.round), float(horizon.rate)) == (1000, 0, 0.0)
    full = ITEMS.index("pot_3")
    assert (float(params.decay.rate[full]), int(params.decay.ripe[full])) == (1.0, 20)
    assert ITEMS[int(params.decay.into[full])] == "pot_done"
    rules = params.rules
    paid = np.flatnonzero(np.asarray(rules.reward))
    assert [(float(rules.reward[q]), float(rules.reward_others[q])) for q in paid] == [(20.0, 20.0)]
    assert {ITEMS[i] for i in np.flatnonzero(params.layout.solid[0])} == {"wall", *FURNITURE}
    assert game.hands == ("tomato", "dish", "soup")
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def rooms(cell: np.ndarray) -> list[set[tuple[int, int]]]:
    """The connected parts of a kitchen's floor."""
    floor, found = {(int(r), int(c)) for r, c in np.argwhere(cell == 0)}, []
    while floor:
        border = [floor.pop()]
        room = set(border)
        while border:
            r, c = border.pop()
            near = {(r + i, c + j) for i, j in STEPS} & floor
            floor, room, border = floor - near, room | near, border + sorted(near)
        found.append(room)
    return found


def reaches(cell: np.ndarray, room: set[tuple[int, int]], item: str) -> set[tuple[int, int]]:
    there = {(int(r), int(c)) for r, c in np.argwhere(cell == ITEMS.index(item))}
    return there & {(r + i, c + j) for r, c in room for i, j in STEPS}


@pytest.mark.parametrize("name", KITCHENS)
def test_rooms_and_what_can_be_reached(name):
    _, params = only(GAMES[name]())
    cell = np.asarray(params.layout.cell)
    parts = sorted(rooms(cell), key=min)
    assert len(parts) == KITCHENS[name][2]
    starts = [divmod(int(s), cell.shape[1]) for s in params.layout.spawn]
    assert sorted(sum(start in room for start in starts) for room in parts) == ([2] if len(parts) == 1 else [1, 1])
    needed = ("tomato_box", "dish_box", "pot", "hatch")
    if name == "cooking_forced_coordination":
        first, second = parts
        assert [bool(reaches(cell, first, item)) for item in needed] == [True, True, False, False]
        assert [bool(reaches(cell, second, item)) for item in needed] == [False, False, True, True]
        assert len(reaches(cell, first, "counter") & reaches(cell, second, "counter")) == 3
    else:
        assert all(reaches(cell, room, item) for room in parts for item in needed)
    if name == "cooking_asymmetric_advantages":
        left, right = parts
        assert reaches(cell, left, "pot") == reaches(cell, right, "pot")

    edge = np.ones(cell.shape, bool)
    edge[1:-1, 1:-1] = False
    assert (cell[edge] != 0).all()


def test_each_side_has_an_advantage():
    """Steps between what is next to the pots and what is next to the tomatoes, or the hatch."""
    _, params = only(GAMES["cooking_asymmetric_advantages"]())
    cell = np.asarray(params.layout.cell)
    left, right = sorted(rooms(cell), key=min)

    def way(room, item):
        ends = [
            {r for r in room for i, j in STEPS if (r[0] + i, r[1] + j) in reaches(cell, room, t)} for t in ("pot", item)
        ]
        return min(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a in ends[0] for b in ends[1])

    assert way(left, "tomato_box") > way(right, "tomato_box")
    assert way(left, "hatch") < way(right, "hatch")


def test_the_counter_in_the_middle_spares_the_way_round():
    _, params = only(GAMES["cooking_counter_circuit"]())
    cell = np.asarray(params.layout.cell)
    (room,) = rooms(cell)
    assert len(room) == 14
    assert all(len({(r + i, c + j) for i, j in STEPS} & room) == 2 for r, c in room)
    both = [c for c in range(8) if (1, c) in room and (3, c) in room and cell[2, c] == ITEMS.index("counter")]
    assert len(both) == 4


# ---- Traces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("box", "thing"), [(TOMATO, "tomato"), (DISH, "dish")])
def test_boxes_fill_an_empty_hand(box, thing):
    play = at(box).step("interact")
    assert held(play) == [thing, ""]
    play.step("interact")
    assert held(play) == [thing, ""]
    assert play.seen.observation.body[0, 5:9].tolist() == [float(thing == t) for t in ("", *THINGS)]


@pytest.mark.parametrize("thing", THINGS)
def test_a_counter_holds_one_thing(thing):
    play = carry(at(COUNTER, (1, 1, NORTH)), thing, "").step("interact")
    assert held(play) == ["", ""]
    assert play.item(*COUNTER) == f"counter_{thing}"
    carry(play, "dish", "").step("interact")
    assert held(play) == ["dish", ""]
    assert play.item(*COUNTER) == f"counter_{thing}"
    carry(play, "", "").step("interact")
    assert held(play) == [thing, ""]
    assert play.item(*COUNTER) == "counter"
    assert play.payoff() == [0.0, 0.0]


def test_three_tomatoes_cook_for_twenty_steps():
    play = at(POT)
    for filled in ("pot_1", "pot_2", "pot_3"):
        carry(play, "tomato", "").step("interact")
        assert (held(play), play.item(*POT), play.count("potted")) == (["", ""], filled, [1, 0])
    for _ in range(19):
        carry(play, "tomato", "").step("interact")  # a full pot takes nothing, nor does that disturb it
        assert (held(play)[0], play.item(*POT)) == ("tomato", "pot_3")
    carry(play, "dish", "").step("interact")
    assert (held(play)[0], play.item(*POT)) == ("dish", "pot_done")
    carry(play, "tomato", "").step("interact")
    assert (held(play)[0], play.item(*POT)) == ("tomato", "pot_done")
    carry(play, "", "").step("interact")
    assert (held(play)[0], play.item(*POT)) == ("", "pot_done")
    carry(play, "dish", "").step("interact")
    assert (held(play)[0], play.item(*POT), play.count("dished")) == ("soup", "pot", [1, 0])
    assert play.payoff() == [0.0, 0.0]


def test_a_pot_half_full_does_not_cook():
    play = carry(at(POT), "tomato", "").step("interact").wait(25)
    assert play.item(*POT) == "pot_1"


def test_a_delivery_pays_everybody_twenty():
    play = carry(at(HATCH), "soup", "").step("interact")
    assert (held(play), play.payoff(), play.count("delivered")) == (["", ""], [20.0, 20.0], [1, 0])
    assert play.step("interact").payoff() == [0.0, 0.0]
    for thing in ("tomato", "dish"):
        carry(play, thing, "").step("interact")
        assert (held(play)[0], play.payoff()) == (thing, [0.0, 0.0])


def test_both_deliver_in_one_step():
    game = dataclasses.replace(bench(), map=BENCH.replace("Hc", "HH"))
    play = carry(Play(game, (1, 4, SOUTH), (1, 5, SOUTH)), "soup", "soup").step("interact", "interact")
    assert play.payoff() == [40.0, 40.0]


def test_of_two_who_reach_for_one_thing_one_has_it():
    had = []
    kitchen = """
cccccccc
cP....Pc
cc.cc.cc
cTDOHccc
"""
    game = dataclasses.replace(bench(), map=kitchen)
    for seed in range(20):
        play = Play(game, (1, 4, SOUTH), (2, 5, WEST)).put("counter_soup", (2, 4))
        play.keys = (jax.random.key(s) for s in (seed,))
        had.append(tuple(held(play.step("interact", "interact"))))
        assert play.item(2, 4) == "counter"
    assert set(had) == {("soup", ""), ("", "soup")}


def test_nobody_walks_through_furniture_and_hands_are_seen():
    play = carry(Play(bench(), (1, 1, SOUTH), (1, 2, WEST)), "soup", "")
    play.step("forward", "noop")
    assert play.where(0) == (1, 1)
    assert play.sees(1, 1, 0, 2) & 3 == 3
    assert play.sees(0, 0, -1, 2) & 3 == 0


def test_a_soup_from_start_to_end():
    """One fetches and one dishes: three tomatoes, twenty steps, a dish, the hatch."""
    play, total = Play(bench(), (1, 1, SOUTH), (1, 4, SOUTH)), np.zeros(2)
    plan = []
    for _ in range(3):
        plan += ["interact", "step_left", "step_left", "interact", "step_right", "step_right"]
    for act in plan:
        play.step(act, "noop")
    assert play.item(*POT) == "pot_3"
    play.step("step_left").step("interact").step("step_left").wait(14)
    assert (held(play)[0], play.item(*POT)) == ("dish", "pot_3")
    for act in ("noop", "interact"):
        play.step(act, "step_left" if act == "noop" else "noop")
    assert held(play)[0] == "soup"
    play.step("step_left").step("interact")
    total += play.payoff()
    assert total.tolist() == [20.0, 20.0]
