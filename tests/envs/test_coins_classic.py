"""The classic coin game: a torus that is seen whole, two coins at all times, inner episodes."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, deviation, only

from softsim.envs.games.coins_classic import GAMES, coins_classic
from softsim.envs.vocabulary import ITEMS

RED, BLUE = (ITEMS.index(f"{colour}_coin") for colour in ("red", "blue"))


def lay(play: Play, red: tuple[int, int], blue: tuple[int, int]) -> Play:
    return play.put("red_coin", red).put("blue_coin", blue)


def lies(play: Play) -> list[int]:
    return [int((play.state.cell == coin).sum()) for coin in (RED, BLUE)]


def test_constants():
    game = GAMES["coins_classic"]()
    world, params = only(game)
    assert game.name == "coins_classic"
    assert params.layout.cell.shape == (3, 3)
    assert bool(params.layout.torus)
    assert (world.num_agents, world.num_actions) == (2, 7)
    assert world.spec.view.shape == (3, 3)
    assert params.role.tolist() == [0, 1]
    assert params.scatter.count.tolist() == [1, 1]
    law = params.emergence
    assert (law.rate.tolist(), law.cap.tolist(), law.every_step.tolist()) == ([1, 1], [1, 1], [True, True])
    assert not law.after.any()
    horizon = params.horizon
    assert (int(horizon.maximum), int(horizon.round), float(horizon.rate)) == (100, 10, 0.0)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


@pytest.mark.parametrize(
    ("agent", "coin", "payoff", "event"),
    [
        (0, RED, [1, 0], "took_own"),
        (0, BLUE, [1, -2], "took_other"),
        (1, RED, [-2, 1], "took_other"),
        (1, BLUE, [0, 1], "took_own"),
    ],
)
def test_taking(agent, coin, payoff, event):
    here, far = (1, 1), (2, 2)
    play = Play(coins_classic(), (1, 0, EAST), (0, 1, SOUTH))
    lay(play, here if coin == RED else far, here if coin == BLUE else far)
    play.step(*("noop",) * agent, "forward")
    assert play.payoff() == payoff
    assert play.count(event)[agent] == 1
    assert lies(play) == [1, 1]
    assert play.item(1, 1) == "floor"


def test_a_coin_comes_back_anywhere_but_under_agents():
    found = set()
    for seed in range(60):
        play = lay(Play(coins_classic(), (1, 0, EAST), (0, 1, SOUTH)), (1, 1), (2, 2))
        play.keys = (jax.random.key(s) for s in (seed,))
        play.step("forward")
        (cell,) = np.argwhere(play.state.cell == RED)
        found.add((int(cell[0]), int(cell[1])))
    assert found == {(r, c) for r in range(3) for c in range(3)} - {(1, 1), (0, 1), (2, 2)}


def test_edges_meet():
    play = lay(Play(coins_classic(), (0, 0, NORTH), (1, 2, EAST)), (1, 1), (2, 1))
    play.step("forward", "forward")
    assert (play.where(0), play.where(1)) == ((2, 0), (1, 0))
    play.step("step_left")
    assert play.where(0) == (2, 2)


def test_the_whole_torus_is_seen_from_everywhere():
    for row in range(3):
        for column in range(3):
            for heading in range(4):
                cells = [(r, c) for r in range(3) for c in range(3) if (r, c) != (row, column)]
                play = Play(coins_classic(), (row, column, heading), (*cells[0], NORTH))
                lay(play, cells[3], cells[6]).step()
                item, who = (np.asarray(play.seen.observation.window[0, ..., c]) for c in (0, 1))
                assert (item == RED).sum() == (item == BLUE).sum() == 1
                assert ((item == ITEMS.index("floor")).sum(), who[1, 1], (who > 0).sum()) == (7, 1, 2)


def test_agents_stand_on_distinct_cells_and_one_of_two_takes_a_coin():
    taken = []
    for seed in range(20):
        play = lay(Play(coins_classic(), (1, 0, EAST), (0, 1, SOUTH)), (1, 1), (2, 2))
        play.keys = (jax.random.key(s) for s in (seed,))
        taken.append(tuple(play.step("forward", "forward").payoff()))
        assert play.where(0) != play.where(1)
    assert set(taken) == {(1.0, 0.0), (-2.0, 1.0)}
    play = lay(Play(coins_classic(), (1, 0, EAST), (1, 1, WEST)), (0, 0), (2, 2)).step("forward", "forward")
    assert (play.where(0), play.where(1)) == ((1, 0), (1, 1))


def test_every_inner_episode_is_drawn_afresh():
    play = lay(Play(coins_classic(), (1, 0, EAST), (0, 1, SOUTH)), (1, 1), (2, 2)).have(step=8)
    before = play.step().state
    assert not play.seen.last
    play.step("forward")
    assert play.payoff() == [1.0, 0.0]  # what was done in its last step still counts
    assert (before.cell != play.state.cell).any()
    assert lies(play) == [1, 1]
    assert (int(play.state.step), bool(play.seen.last)) == (10, False)
    assert play.seen.discount.tolist() == [1.0, 1.0]
    assert play.have(step=99).step().seen.last


def test_a_start_is_drawn_evenly_and_never_holds_a_coin_under_an_agent():
    world, params = only(coins_classic())
    states = jax.jit(jax.vmap(world.reset, (0, None)))(jax.random.split(jax.random.key(0), 3000), params)[0]
    cell, position = np.asarray(states.cell).reshape(-1, 9), np.asarray(states.position)
    assert ((cell == RED).sum(1) == 1).all()
    assert ((cell == BLUE).sum(1) == 1).all()
    assert (np.take_along_axis(cell, position, 1) == 0).all()
    for place in range(9):
        assert abs(deviation(int((cell[:, place] == RED).sum()), 3000, 1 / 9)) < 4
        assert abs(deviation(int((cell[:, place] == BLUE).sum()), 3000, 1 / 9)) < 4
        assert abs(deviation(int((position[:, 0] == place).sum()), 3000, 1 / 9)) < 4
