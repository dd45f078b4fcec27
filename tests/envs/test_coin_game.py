"""The coin game of the literature, rule by rule, in both versions."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs.coin_game import ABSENT, ACTIONS, CoinGame, CoinState, coin_params, displacement, move

WORLD = CoinGame()
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
step = compiled(WORLD.step)


def after(one_coin: bool, position, coin, *actions: str, seed: int = 0):
    state = CoinState(jnp.int32(3), jnp.array(position, jnp.int32), jnp.array(coin, jnp.int32), jnp.zeros(2))
    action = jnp.array([ACTIONS.index(name) for name in actions], jnp.int32)
    return step(jax.random.key(seed), coin_params(one_coin), state, action)


def test_the_torus_has_no_edges():
    assert move(jnp.array([0, 8]), jnp.array([1, 2])).tolist() == [6, 2]
    assert move(jnp.array([0, 8]), jnp.array([3, 4])).tolist() == [2, 6]
    cells = jnp.arange(9)
    shift = displacement(cells[:, None], cells[None])
    apart = lambda a, b: min((a - b) % 3, (b - a) % 3)  # noqa: E731
    ways = [[apart(a // 3, b // 3) + apart(a % 3, b % 3) for b in range(9)] for a in range(9)]
    np.testing.assert_array_equal(np.abs(shift).sum(-1), ways)


@pytest.mark.parametrize(
    ("coin", "payoff", "events"),
    [
        ((1, 8), (1, 0), ((1, 0), (0, 0))),  # the first takes its own
        ((8, 1), (1, -2), ((0, 1), (0, 0))),  # and the other's
        ((4, 1), (-1, -1), ((0, 1), (0, 1))),  # each takes the other's: 1 - 2
        ((1, 4), (1, 1), ((1, 0), (1, 0))),
        ((1, 1), (2, -2), ((1, 1), (0, 0))),  # two on one cell
    ],
)
def test_what_coins_pay(coin, payoff, events):
    """The first goes from cell 0 to 1, the second from 7 to 4."""
    state, seen = after(False, (0, 7), coin, "right", "up")
    assert state.position.tolist() == [1, 4]
    assert tuple(seen.payoff.tolist()) == payoff
    assert tuple(map(tuple, seen.events.tolist())) == events


def test_both_may_take_one_coin():
    """The owner has one coin more, and two less because the other took it."""
    _, seen = after(False, (0, 2), (1, 7), "right", "left")
    assert seen.payoff.tolist() == [-1, 1]
    assert seen.events.tolist() == [[1, 0], [0, 1]]


def test_one_coin_follows_another_of_the_other_colour_where_nobody_stands():
    cells = set()
    for seed in range(60):
        state, _ = after(True, (0, 7), (1, ABSENT), "right", "stay", seed=seed)
        assert int(state.coin[0]) == ABSENT
        cells.add(int(state.coin[1]))
    assert cells == set(range(9)) - {1, 7}
    state, seen = after(True, (0, 7), (2, ABSENT), "down", "stay")
    assert state.coin.tolist() == [2, ABSENT]
    assert seen.payoff.tolist() == [0, 0]


def test_of_two_coins_only_the_taken_moves_anywhere():
    cells = set()
    for seed in range(80):
        state, _ = after(False, (0, 7), (1, 5), "right", "stay", seed=seed)
        assert int(state.coin[1]) == 5
        cells.add(int(state.coin[0]))
    assert cells == set(range(9))


def test_each_sees_itself_in_the_middle_and_its_own_coin_first():
    _, seen = after(False, (4, 8), (5, 0), "stay", "stay")
    shown = np.asarray(seen.observation.around)
    assert np.argwhere(shown[0]).tolist() == [[0, 2, 2], [1, 1, 2], [2, 0, 0]]
    assert np.argwhere(shown[1]).tolist() == [[0, 0, 0], [1, 2, 2], [2, 0, 1]]
    _, seen = after(True, (4, 8), (5, ABSENT), "up", "left")
    assert np.asarray(seen.observation.around).sum((2, 3)).tolist() == [[1, 1, 0], [1, 0, 1]]


def test_episodes_end_by_time_and_staying_is_of_one_version():
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), coin_params(False, 5), coin_params(True, 5))
    state, seen = jax.vmap(WORLD.reset)(jax.random.split(jax.random.key(0), 2), params)
    assert seen.first.all()
    assert not seen.last.any()
    assert seen.action_mask[:, :, 0].tolist() == [[True, True], [False, False]]
    assert (state.coin >= 0).sum(1).tolist() == [2, 1]
    both = compiled(jax.vmap(WORLD.step))
    for _ in range(5):
        assert not seen.last.any()
        state, seen = both(jax.random.split(jax.random.key(1), 2), params, state, jnp.ones((2, 2), int))
    assert seen.last.all()
    assert (seen.discount == 1).all()
    assert not seen.first.any()


def test_rewards_are_shared_as_asked():
    params = coin_params(False)
    params = dataclasses.replace(params, sharing=dataclasses.replace(params.sharing, weights=jnp.full((2, 2), 0.5)))
    state = CoinState(jnp.int32(0), jnp.array([0, 7]), jnp.array([8, 1]), jnp.array([4.0, 0.0]))
    _, seen = step(jax.random.key(0), params, state, jnp.array([4, 0]))
    assert seen.payoff.tolist() == [1.0, -2.0]
    assert seen.reward.tolist() == [-0.5, -0.5]
    averse = dataclasses.replace(params.sharing, envy=jnp.ones(2), guilt=jnp.ones(2) / 4, memory=jnp.float32(0.5))
    after, seen = step(jax.random.key(0), dataclasses.replace(params, sharing=averse), state, jnp.array([4, 0]))
    assert after.trace.tolist() == [3.0, -2.0]  # half of what was, and what came
    assert seen.reward.tolist() == [-0.5 - 5 / 4, -0.5 - 5]


@pytest.mark.slow
def test_both_versions_are_stepped_side_by_side_as_alone():
    params = [coin_params(bool(i % 2), horizon=5 + i) for i in range(8)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
    keys = jax.random.split(jax.random.key(5), 8)
    words = jax.random.key_data(keys)
    state, _ = jax.vmap(WORLD.reset)(keys, stacked)
    action = jax.random.randint(jax.random.key(6), (8, 2), 0, 5)
    together = jax.jit(jax.vmap(WORLD.step))(jax.random.wrap_key_data(words), stacked, state, action)
    for i, alone in enumerate(params):
        one = step(jax.random.wrap_key_data(words[i]), alone, *jax.tree.map(lambda leaf, i=i: leaf[i], (state, action)))
        for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(together), strict=True):
            np.testing.assert_array_equal(left, right[i])
