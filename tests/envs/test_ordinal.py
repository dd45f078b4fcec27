"""The 144 ordinal games against what is known of them: their number, their symmetries and their equilibria."""

from __future__ import annotations

import collections
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs import compile_matrix_games
from softsim.envs.games.ordinal import DILEMMAS, ORDINAL, PATTERNS, dilemma, equilibria, payoffs

GAMES = {name: declare() for name, declare in ORDINAL.items()}
PAYOFFS = {name: game.payoff for name, game in GAMES.items()}

PREFERENCES = {
    "Ch": "TRSP",
    "Ba": "TSRP",
    "Hr": "TSPR",
    "Cm": "TPSR",
    "Dl": "TPRS",
    "Pd": "TRPS",
    "Sh": "RTPS",
    "As": "RPTS",
    "Co": "RPST",
    "Pc": "RSPT",
    "Ha": "RSTP",
    "Nc": "RTSP",
}
"""Outcomes from best to worst, as published for the symmetric games (Bruns 2015): a second way to write the table."""


def relabelled(payoff: np.ndarray) -> list[np.ndarray]:
    """Rows, columns, or both in the other order."""
    return [payoff[:, ::row, ::column] for row, column in itertools.product((1, -1), repeat=2)]


def canonical(payoff: np.ndarray) -> bytes:
    return min(np.ascontiguousarray(each).tobytes() for each in relabelled(payoff))


def dominant(payoff: np.ndarray) -> int:
    """Count the players who have a strictly dominant move."""
    row, column = payoff[0], payoff[1].T
    return sum(bool((own[0] > own[1]).all() or (own[1] > own[0]).all()) for own in (row, column))


def test_preferences_are_as_published():
    for short, order in PREFERENCES.items():
        rank = dict(zip(order, (4, 3, 2, 1), strict=True))
        assert PATTERNS[short][1:] == tuple(rank[outcome] for outcome in "RSTP")
    assert list(PATTERNS) == list(PREFERENCES)


def test_neighbours_in_the_ring_differ_by_one_swap():
    """The order of the names is a path of swaps of adjacent ranks, and it closes (Robinson & Goforth's topology)."""
    ring = [np.array(pattern[1:]) for pattern in PATTERNS.values()]
    for left, right in zip(ring, ring[1:] + ring[:1], strict=True):
        assert sorted(np.abs(left - right)) == [0, 0, 1, 1]


def test_every_strict_game_has_one_name():
    orders = [np.array(order, np.float32).reshape(2, 2) for order in itertools.permutations((1, 2, 3, 4))]
    every = collections.Counter(canonical(np.stack(pair)) for pair in itertools.product(orders, repeat=2))
    assert len(every) == 144
    assert set(every.values()) == {4}
    assert {canonical(payoff) for payoff in PAYOFFS.values()} == set(every)
    assert len(GAMES) == 144


def test_swapped_players_play_the_mirror_image():
    for row, column in itertools.product(PATTERNS, repeat=2):
        mirror = payoffs(row, column)[::-1].swapaxes(1, 2)
        assert (mirror == payoffs(column, row)).all()
    reduced = {min(canonical(game), canonical(game[::-1].swapaxes(1, 2))) for game in PAYOFFS.values()}
    assert len(reduced) == 78


def test_both_want_the_other_to_cooperate():
    for payoff in PAYOFFS.values():
        assert payoff[0][:, 0].max() == payoff[1][0].max() == 4


def test_equilibria_are_where_nobody_gains_by_moving():
    for payoff in PAYOFFS.values():
        marked = equilibria(payoff)
        for row, column in itertools.product((0, 1), repeat=2):
            stays = payoff[0, row, column] > payoff[0, 1 - row, column]
            stays &= payoff[1, row, column] > payoff[1, row, 1 - column]
            assert marked[row, column] == stays


def test_known_counts():
    """Robinson & Goforth 2005, by enumeration."""
    count = collections.Counter(int(equilibria(payoff).sum()) for payoff in PAYOFFS.values())
    assert count == {0: 18, 1: 108, 2: 18}
    assert collections.Counter(map(dominant, PAYOFFS.values())) == {2: 36, 1: 72, 0: 36}
    assert sum((payoff[0] == payoff[1].T).all() for payoff in PAYOFFS.values()) == 12
    assert sum(bool((payoff == 4).all(0).any()) for payoff in PAYOFFS.values()) == 36


def test_dilemmas_follow_from_the_equilibria():
    kinds = {name: game.dilemma for name, game in GAMES.items()}
    assert collections.Counter(kinds.values()) == {
        "none": 27, "second best": 12, "unequal": 62, "tragic": 7, "trust": 9, "contested": 9, "cyclic": 18,
    }  # fmt: skip
    tragic = {"pd_pd", "pd_sh", "sh_pd", "pd_as", "as_pd", "pd_co", "co_pd"}
    assert {name for name, kind in kinds.items() if kind == "tragic"} == {f"ordinal_{name}" for name in tragic}
    known = {"ch_ch": "contested", "ba_ba": "contested", "sh_sh": "trust", "co_co": "trust", "ha_ha": "none",
             "dl_dl": "second best", "ch_sh": "cyclic"}  # fmt: skip
    assert {name: kinds[f"ordinal_{name}"] for name in known} == known
    for payoff in PAYOFFS.values():
        assert {dilemma(each) for each in relabelled(payoff)} == {dilemma(payoff)}
        assert dilemma(payoff[::-1].swapaxes(1, 2)) == dilemma(payoff)


def test_declarations_say_what_they_are():
    assert list(GAMES) == [f"ordinal_{row}_{column}".lower() for row in PATTERNS for column in PATTERNS]
    for name, game in GAMES.items():
        assert game.name == name
        assert game.family == "ordinal"
        assert game.action_names == ("cooperate", "defect")
        assert game.question == DILEMMAS[game.dilemma]
        assert sorted(game.payoff[0].reshape(-1)) == sorted(game.payoff[1].reshape(-1)) == [1, 2, 3, 4]


def test_all_are_stepped_in_one_batch():
    world, params = compile_matrix_games(list(GAMES.values()))
    step = jax.jit(
        jax.vmap(world.step, in_axes=(0, 0, 0, None)), compiler_options={"xla_backend_optimization_level": 0}
    )
    state, _ = jax.jit(jax.vmap(world.reset, in_axes=(None, 0)))(jax.random.key(0), params)

    for move in itertools.product((0, 1), repeat=2):
        _, timestep = step(jax.random.split(jax.random.key(1), 144), params, state, jnp.array(move, jnp.int32))
        assert (timestep.payoff == np.array([payoff[:, *move] for payoff in PAYOFFS.values()])).all()


@pytest.mark.parametrize(
    ("name", "corner"),
    [
        ("pd_pd", [[3, 1], [4, 2]]),
        ("ch_ch", [[3, 2], [4, 1]]),
        ("sh_sh", [[4, 1], [3, 2]]),
        ("pd_ch", [[3, 1], [4, 2]]),
    ],
)
def test_tables_by_hand(name, corner):
    row, column = PAYOFFS[f"ordinal_{name}"]
    assert row.tolist() == corner
    if name == "pd_ch":
        assert column.tolist() == [[3, 4], [2, 1]]
