"""The ultimatum and the trust game: payoffs, order of moves, and what is public."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from playing import NORTH, Play, only

from softsim.envs.games.exchange import GAMES, OFFERS, SENT, SHARES, trust, ultimatum
from softsim.envs.vocabulary import ITEMS

FIRST, SECOND = range(2)
HOME = [(3, 3), (3, 9)]
BELOW = [(2, 1, NORTH), (2, 5, NORTH), (4, 1, 2), (4, 5, 2)]  # before pads 1 to 4, facing them
ACROSS = [(2, 7, NORTH), (2, 11, NORTH), (4, 7, 2), (4, 11, 2)]


def table(game, own: int = 0, other: int = 0, state: int = 0) -> Play:
    """The first mover faces its pad `own`, the second its pad `other`."""
    return Play(game, BELOW[own], ACROSS[other]).have(nature=[state])


def home(play: Play) -> bool:
    return [play.where(agent) for agent in range(2)] == HOME


@pytest.mark.parametrize(("declare", "states"), [(ultimatum, 5), (trust, 5)])
def test_rooms(declare, states):
    game = declare()
    assert GAMES[game.name] is declare
    world, params = only(game)
    assert (world.num_actions, world.num_agents) == (7, 2)
    assert (int(params.nature.count), int(params.nature.first), int(params.nature.period)) == (states, 0, 0)
    assert int(params.nature.shown) == 0b11
    cell = np.asarray(params.layout.cell)
    for agent, (row, column) in enumerate(HOME):
        room = cell[1:6, 1 + 6 * agent : 6 + 6 * agent]
        pads = np.argwhere(room != ITEMS.index("floor"))
        assert {abs(1 + r - row) + abs(1 + 6 * agent + c - column) for r, c in pads} == {4}
        assert len(pads) == (2 if (declare, agent) == (ultimatum, 1) else 4)
    assert (cell[:, 6] == ITEMS.index("wall")).all()
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_the_bins():
    assert OFFERS == (1, 3, 5, 7)
    assert SENT == (0, 2, 5, 10)
    assert SHARES == (0, 1 / 3, 1 / 2, 2 / 3)


@pytest.mark.parametrize(("k", "accepts"), list(itertools.product(range(1, 5), [True, False])))
def test_ultimatum_pays_as_agreed_or_nothing(k, accepts):
    play = table(ultimatum(), own=k - 1, other=0 if accepts else 1).step("forward")
    assert play.payoff() == [0, 0]
    assert play.state.nature.tolist() == [k]
    assert play.count(f"offered_{k}") == [1, 0]
    assert play.away() == [True, False]
    play.step("noop", "forward")
    offer = OFFERS[k - 1]
    assert play.payoff() == ([10 - offer, offer] if accepts else [0, 0])
    assert play.count("accepted" if accepts else "rejected") == [0, 1]
    assert play.state.nature.tolist() == [0]
    assert play.away() == [False, True]
    assert home(play.wait(1))


@pytest.mark.parametrize(("k", "j"), list(itertools.product(range(2, 5), range(1, 5))))
def test_trust_pays_the_tripled_amount_by_its_share(k, j):
    play = table(trust(), own=k - 1, other=j - 1).step("forward")
    assert play.payoff() == [0, 0]
    assert play.state.nature.tolist() == [k]
    play.step("noop", "forward")
    sent, share = SENT[k - 1], SHARES[j - 1]
    pot = 3 * sent
    np.testing.assert_allclose(play.payoff(), [10 - sent + pot * share, pot * (1 - share)], rtol=1e-6)
    assert play.state.nature.tolist() == [0]
    assert home(play.wait(1))


def test_trust_in_numbers():
    pay = {}
    for k, j in itertools.product(range(2, 5), range(1, 5)):
        play = table(trust(), other=j - 1, state=k).step("noop", "forward")
        pay[k, j] = [round(value, 4) for value in play.payoff()]
    assert pay[4, 1] == [0, 30]
    assert pay[4, 2] == [10, 20]
    assert pay[4, 3] == [15, 15]
    assert pay[4, 4] == [20, 10]
    assert pay[2, 3] == [11, 3]
    assert pay[3, 2] == [10, 10]


def test_an_investor_who_sends_nothing_keeps_ten_and_a_new_round_begins():
    play = table(trust(), own=0).step("forward")
    assert play.payoff() == [10, 0]
    assert play.state.nature.tolist() == [0]
    assert play.away() == [True, False]
    assert play.wait(1).where(FIRST) == HOME[FIRST]


@pytest.mark.parametrize("declare", [ultimatum, trust])
def test_moves_out_of_turn_do_nothing(declare):
    play = table(declare(), other=1).step("noop", "forward")
    assert (play.payoff(), play.state.nature.tolist(), play.away()) == ([0, 0], [0], [False, False])
    play = table(declare(), own=1, state=3).step("forward")
    assert (play.payoff(), play.state.nature.tolist(), play.away()) == ([0, 0], [3], [False, False])


@pytest.mark.parametrize("declare", [ultimatum, trust])
def test_the_state_of_the_exchange_is_public(declare):
    play = table(declare(), own=2).step("forward")
    spec = play.world.spec
    first = 3 + spec.num_roles + len(spec.beams)
    assert play.seen.observation.body[:, first : first + 5].tolist() == [[0, 0, 0, 1, 0]] * 2


def test_rounds_follow_each_other():
    play = table(ultimatum(), own=2)
    total = np.zeros(2)
    for _ in range(3):
        play.have(position=[2 * 13 + 1, 2 * 13 + 7], heading=[NORTH, NORTH], removed=[0, 0])
        total += play.step("forward").payoff()
        total += play.step("noop", "forward").payoff()
    assert total.tolist() == [27, 3]
