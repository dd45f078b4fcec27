"""The signalling game, and nature, signals and their hearing as the engine has them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, Play, copies, deviation, only, step

from softsim.envs import Beam, Cell, Enter, Game, Nature, Rule, Speech, compile_games
from softsim.envs.games.signalling import GAMES, lewis_signalling
from softsim.envs.spec import View
from softsim.envs.vocabulary import ITEMS
from softsim.types import UserError

SENDER, RECEIVER = range(2)
PADS = [(3, 1), (3, 9), (7, 1), (7, 9)]
BOOTH, MIDDLE = (1, 5), (5, 5)


def beside(pad: int, states: int = 2, seed_nature: int = 0) -> Play:
    """The receiver faces a pad from below or above it."""
    row, column = PADS[pad]
    spot = (row + 1, column, NORTH) if row == 3 else (row - 1, column, SOUTH)
    return Play(lewis_signalling(states), (*BOOTH, NORTH), spot).have(nature=[seed_nature])


def body(play: Play) -> dict[str, np.ndarray]:
    """Parts of what agents feel, by name."""
    spec, seen = play.world.spec, play.seen.observation.body
    first = 3 + spec.num_roles + len(spec.beams)
    parts = {"paint": 1, "nature": spec.num_natures, "heard": 4}
    found = {}
    for name, size in parts.items():
        found[name] = seen[:, first : first + size]
        first += size
    return found


@pytest.mark.parametrize("states", [2, 3, 4])
def test_constants(states):
    game = lewis_signalling(states)
    world, params = only(game)
    assert world.action_names[7:] == tuple(f"signal_{k}" for k in range(1, states + 1))
    assert params.beams.says.tolist() == list(range(1, states + 1))
    assert params.beams.shooters.tolist() == [0b01] * states
    assert params.beams.length.tolist() == [0] * states
    assert (int(params.nature.count), int(params.nature.shown), int(params.nature.period)) == (states, 0b01, 0)
    pads = {name: np.argwhere(np.asarray(params.layout.cell) == ITEMS.index(name)).tolist() for name in ITEMS[-40:]}
    found = [tuple(pads[f"pad_{k}"][0]) for k in range(1, 5) if pads[f"pad_{k}"]]
    assert found == PADS[:states]
    away = [abs(row - MIDDLE[0]) + abs(column - MIDDLE[1]) for row, column in found]
    assert len(set(away)) == 1
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_the_registered_games_have_two_and_four_states():
    assert [(name, make().nature.count) for name, make in GAMES.items()] == [
        ("lewis_signalling", 2),
        ("lewis_signalling_4", 4),
    ]
    assert [make().name for make in GAMES.values()] == list(GAMES)


@pytest.mark.parametrize("pad", range(4))
@pytest.mark.parametrize("state", range(4))
def test_the_right_pad_pays_both_and_a_wrong_one_nobody(pad, state):
    play = beside(pad, 4, state).step("noop", "forward")
    right = pad == state
    assert play.payoff() == [float(right)] * 2
    assert (play.count("right"), play.count("wrong")) == ([0, int(right)], [0, int(not right)])
    assert play.away() == [False, True]
    play.wait(1)
    assert play.away() == [False, False]
    assert play.where(RECEIVER) == MIDDLE
    assert play.where(SENDER) == BOOTH
    assert play.payoff() == [0, 0]


@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.slow
def test_either_outcome_redraws_nature_evenly(pad):
    play, rounds, drawn = beside(pad), 600, 0
    before = play.state
    for _ in range(rounds):
        play.state = before
        play.step("noop", "forward")
        assert play.payoff() == [float(pad == 0)] * 2
        drawn += int(play.state.nature[0])
    assert abs(deviation(drawn, rounds, 0.5)) < 4
    for _ in range(20):
        play.state = before
        assert play.wait(1).state.nature.tolist() == [0]


def test_nature_is_drawn_evenly_at_first():
    world, params = only(lewis_signalling(2))
    state, _ = jax.jit(jax.vmap(world.reset, in_axes=(0, None)))(jax.random.split(jax.random.key(0), 2_000), params)
    assert abs(deviation(int(state.nature.sum()), 2_000, 0.5)) < 4


@pytest.mark.parametrize("state", range(2))
def test_only_the_sender_sees_nature(state):
    play = beside(0, 2, state).wait(1)
    assert body(play)["nature"].tolist() == [[float(state == z) for z in range(2)], [0.0, 0.0]]


def test_only_the_sender_signals_in_a_colour_that_stays_and_a_message_that_fades():
    play = beside(0, 4).wait(1)
    assert [play.able(RECEIVER, f"signal_{k}") for k in range(1, 5)] == [False] * 4
    assert body(play)["heard"].tolist() == [[0] * 4] * 2
    play.step("signal_2")
    heard = body(play)["heard"]
    assert heard.tolist() == [[0] * 4, [0, 1, 0, 0]]  # one does not hear oneself
    ahead, right = 4 - 1, 5 - 1  # of the receiver, who stands at (4, 1) and looks north
    assert play.sees(RECEIVER, ahead, right, 2) >> 2 & 7 == 2
    assert body(play)["paint"].tolist() == [[2 / 8], [0]]
    play.wait(1)
    assert body(play)["heard"][RECEIVER].tolist() == [0, 0.5, 0, 0]
    play.step("signal_4")
    assert body(play)["heard"][RECEIVER].tolist() == [0, 0.25, 0, 1]
    assert play.sees(RECEIVER, ahead, right, 2) >> 2 & 7 == 4


def test_from_its_start_the_receiver_sees_the_sender_whichever_way_it_looks():
    for heading in range(4):
        play = Play(lewis_signalling(4), (*BOOTH, NORTH), (*MIDDLE, heading)).step("signal_3")
        window = play.seen.observation.window[RECEIVER]
        shown = window[..., 2][window[..., 1] > 1]
        assert (shown >> 2 & 7).tolist() == [3]


# ---- Nature and speech of other games ----------------------------------------------------------------------


def meadow(**changes) -> Game:
    game = Game(
        name="meadow",
        map="#" * 12 + "\n#PP.....a..#\n#..........#\n" + "#" * 12,
        legend={"a": Cell("apple")},
        rules=(Rule(on=Enter("apple"), nature=1, becomes="floor", reward=1.0, turns=2),),
        beams=(Beam("signal_1", length=0, says=1),),
        num_agents=2,
        nature=Nature(count=3, period=4),
        speech=Speech(fades=0.25, range=3),
        view=View(2, 2, 2),
    )
    return dataclasses.replace(game, **changes)


def test_nature_is_redrawn_at_every_period_and_not_between():
    world, params = only(meadow())
    count = 1_500
    for clock, drawn in [(2, False), (3, True), (4, False), (7, True)]:
        state = copies(world, params, count, vacant=False, nature=np.zeros((count, 1)), step=np.full(count, clock))
        after, _ = step(world, jax.random.key(clock), params, state)
        if not drawn:
            assert not after.nature.any()
            continue
        for value in range(3):
            assert abs(deviation((after.nature == value).sum(), count, 1 / 3)) < 4


def test_an_episode_can_start_in_a_given_state_and_everybody_may_see_it():
    world, params = only(meadow(nature=Nature(count=3, first=2)))
    state, seen = jax.jit(jax.vmap(world.reset, in_axes=(0, None)))(jax.random.split(jax.random.key(0), 50), params)
    assert (state.nature == 2).all()
    spec = world.spec
    first = 3 + spec.num_roles + len(spec.beams) + 1
    assert (np.asarray(seen.observation.body)[..., first : first + 3] == [0, 0, 1]).all()
    for wrong in (3, -1):
        with pytest.raises(UserError):
            compile_games([meadow(nature=Nature(count=3, first=wrong))])


def test_rules_can_ask_for_a_state_of_nature_and_turn_it():
    for nature, eaten in [(0, False), (1, True), (2, False)]:
        play = Play(meadow(), (1, 7, EAST), (2, 1, NORTH)).have(nature=[nature]).step("forward")
        assert play.payoff() == [float(eaten), 0]
        assert play.item(1, 8) == ("floor" if eaten else "apple")
        assert play.state.nature.tolist() == [2 if eaten else nature]


@pytest.mark.parametrize(("column", "heard"), [(4, 1.0), (5, 0.0)])
def test_messages_carry_as_far_as_the_range(column, heard):
    play = Play(meadow(), (1, 1, EAST), (2, column, NORTH)).step("signal_1")
    spec = play.world.spec
    first = 3 + spec.num_roles + len(spec.beams) + 1 + spec.num_natures
    assert play.seen.observation.body[1, first] == heard
    play.wait(1)
    assert play.seen.observation.body[1, first] == heard * 0.25
    play.step("noop", "signal_1")
    assert play.seen.observation.body[0, first] == heard
    assert play.seen.observation.body[1, first] == heard * 0.0625


def test_those_off_the_map_neither_hear_nor_are_heard():
    play = Play(meadow(), (1, 1, EAST), (1, 2, NORTH)).step("signal_1").have(removed=[5, 0]).wait(1)
    spec = play.world.spec
    first = 3 + spec.num_roles + len(spec.beams) + 1 + spec.num_natures
    assert not play.seen.observation.body[:, first].any()
