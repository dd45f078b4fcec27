"""Repeated matrix games against their tables: payoffs, what is seen, slips, and how long a match lasts."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs import compile_matrix_games, declare, make
from softsim.envs.matrix import MatrixGame, MatrixState, public_good, symmetric, two_by_two, volunteer

QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer here than running."""

PAIRS = ("prisoners_dilemma", "chicken", "stag_hunt", "harmony")


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def step_rows(world, keys, params, state, action):
    """Step many rounds of one situation, each with its own key and moves."""
    return jax.vmap(world.step, in_axes=(0, None, None, 0))(keys, params, state, action)


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def step_games(world, keys, params, state, action):
    return jax.vmap(world.step)(keys, params, state, action)


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def step_one(world, key, params, state, action):
    return world.step(key, params, state, action)


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def reset_one(world, params):
    return world.reset(jax.random.key(0), params)


def only(game: MatrixGame):
    world, params = compile_matrix_games([game])
    return world, jax.tree.map(lambda leaf: leaf[0], params)


def rounds(world, params, moves, seed: int = 0):
    """Play each row of `moves` [B, A] as a first round."""
    state, _ = reset_one(world, params)
    moves = np.asarray(moves, np.int32)
    after, timestep = step_rows(world, jax.random.split(jax.random.key(seed), len(moves)), params, state, moves)
    return jax.tree.map(np.asarray, (after, timestep))


def every_move(num_agents: int, num_actions: int = 2) -> np.ndarray:
    return np.array(list(itertools.product(range(num_actions), repeat=num_agents)), np.int32)


def deviation(count, trials, probability) -> float:
    return float((count - trials * probability) / math.sqrt(trials * probability * (1 - probability)))


def odd_game(num_agents: int, num_actions: int) -> MatrixGame:
    """A game in which every agent has another payoff at every joint move."""
    shape = (num_agents,) + (num_actions,) * num_agents
    payoff = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    return MatrixGame("odd", payoff, action_names=tuple(f"move_{k}" for k in range(num_actions)))


# ---- Payoffs ---------------------------------------------------------------------------------------------

# R, S, T, P: what the row player gets at CC, CD, DC, DD
TABLE = {
    "prisoners_dilemma": (3, 0, 5, 1),
    "chicken": (3, 2, 5, 0),
    "stag_hunt": (4, 0, 2, 2),
    "harmony": (5, 3, 1, 0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_paid_by_the_table(name):
    world, params = make(name)
    reward, sucker, temptation, punishment = TABLE[name]
    assert world.action_names == ("cooperate", "defect")
    _, timestep = rounds(world, params, [(0, 0), (0, 1), (1, 0), (1, 1)])
    assert timestep.payoff.tolist() == [
        [reward, reward],
        [sucker, temptation],
        [temptation, sucker],
        [punishment, punishment],
    ]
    assert (timestep.reward == timestep.payoff).all()


def test_dilemmas_are_what_they_are_called():
    order = {name: TABLE[name] for name in PAIRS}
    r, s, t, p = order["prisoners_dilemma"]
    assert t > r > p > s
    assert 2 * r > t + s
    r, s, t, p = order["chicken"]
    assert t > r > s > p
    r, s, t, p = order["stag_hunt"]
    assert r > t >= p > s
    r, s, t, p = order["harmony"]
    assert r > t
    assert s > p


@pytest.mark.parametrize(("num_agents", "num_actions"), [(1, 3), (2, 3), (3, 2), (4, 3)])
def test_every_agent_is_paid_by_its_own_tensor_at_every_joint_move(num_agents, num_actions):
    game = odd_game(num_agents, num_actions)
    moves = every_move(num_agents, num_actions)
    _, timestep = rounds(*only(game), moves)
    expected = np.array([game.payoff[(slice(None), *move)] for move in moves])
    assert (timestep.payoff == expected).all()
    assert len(np.unique(timestep.payoff)) == game.payoff.size


def test_the_public_good_splits_what_it_multiplies():
    world, params = make("public_good_5")
    moves = every_move(5)
    _, timestep = rounds(world, params, moves)
    gives = moves == 0
    expected = 3.0 * gives.sum(1, keepdims=True) / 5 - gives
    np.testing.assert_allclose(timestep.payoff, expected, rtol=0, atol=1e-6)
    # each is better off alone for keeping, and all for giving
    assert timestep.payoff[-1].tolist() == [0.0] * 5
    np.testing.assert_allclose(timestep.payoff[0], 2.0)


def test_the_volunteer_pays_for_all():
    world, params = make("volunteers_dilemma_5")
    moves = every_move(5)
    _, timestep = rounds(world, params, moves)
    gives = moves == 0
    expected = np.where(gives.any(1, keepdims=True), 2.0, 0.0) - gives
    assert (timestep.payoff == expected).all()


@pytest.mark.parametrize("num_agents", [2, 3, 4])
def test_builders_follow_their_formulas(num_agents):
    goods, helps = public_good(num_agents, 1.7), volunteer(num_agents, 3.5, 1.25)
    counted = symmetric(num_agents, lambda gives, count: 100 * gives + count)
    for move in itertools.product((0, 1), repeat=num_agents):
        count = move.count(0)
        for agent in range(num_agents):
            gives = move[agent] == 0
            here = (agent, *move)
            assert goods[here] == np.float32(1.7 * count / num_agents - gives)
            assert helps[here] == np.float32(3.5 * (count > 0) - 1.25 * gives)
            assert counted[here] == 100 * gives + count
    assert goods.shape == helps.shape == (num_agents,) + (2,) * num_agents


def test_two_by_two_is_symmetric():
    payoff = two_by_two(1, 2, 3, 4)
    assert payoff[0].tolist() == [[1, 2], [3, 4]]
    assert payoff[1].tolist() == [[1, 3], [2, 4]]


def test_sharing_turns_payoffs_into_rewards():
    """Kin of relatedness 1/2, by hand: the one who cooperates alone is consoled."""
    world, params = make("prisoners_dilemma")
    kin = dataclasses.replace(params.sharing, weights=jnp.array([[1.0, 0.5], [0.5, 1.0]]))
    _, timestep = rounds(world, dataclasses.replace(params, sharing=kin), [(0, 1), (1, 1)])
    assert timestep.payoff.tolist() == [[0, 5], [1, 1]]
    assert timestep.reward.tolist() == [[2.5, 5], [1.5, 1.5]]


def test_envy_and_guilt_compare_the_payoffs_of_the_round():
    world, params = make("prisoners_dilemma")
    averse = dataclasses.replace(params.sharing, envy=jnp.array([1.0, 2.0]), guilt=jnp.array([0.5, 0.25]))
    _, timestep = rounds(world, dataclasses.replace(params, sharing=averse), [(0, 1), (1, 0), (0, 0)])
    assert timestep.reward.tolist() == [[0 - 5, 5 - 1.25], [5 - 2.5, 0 - 10], [3, 3]]


# ---- What agents see -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_agents", "num_actions"), [(2, 2), (5, 2), (3, 3)])
def test_moves_are_seen_by_relative_slot(num_agents, num_actions):
    game = odd_game(num_agents, num_actions)
    world, params = only(game)
    moves = every_move(num_agents, num_actions)
    _, timestep = rounds(world, params, moves)
    for b, move in enumerate(moves):
        for agent in range(num_agents):
            seen = timestep.observation.move[b, agent]
            assert (seen.sum(-1) == 1).all()
            # row 0 is oneself, row j the j-th agent after oneself
            assert seen.argmax(-1).tolist() == [move[(agent + j) % num_agents] for j in range(num_agents)]
            assert timestep.observation.payoff[b, agent] == timestep.payoff[b, agent]
            counted = [int(move[agent] == k) for k in range(num_actions)]
            assert timestep.events[b, agent].tolist() == counted


def test_nothing_is_seen_before_the_first_round():
    world, params = make("public_good_5")
    state, timestep = reset_one(world, params)
    assert int(state.step) == 0
    assert timestep.first
    assert not timestep.last
    assert (timestep.discount == 1).all()
    for leaf in jax.tree.leaves((timestep.observation, timestep.reward, timestep.payoff, timestep.events)):
        assert (leaf == 0).all()


# ---- Slips -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_actions", [2, 3])
def test_moves_slip_at_the_rate_of_tremble_to_any_other(num_actions):
    tremble, trials = 0.2, 20_000
    game = dataclasses.replace(odd_game(2, num_actions), tremble=tremble)
    _, timestep = rounds(*only(game), np.tile([[0, 1]], (trials, 1)))
    played = timestep.observation.move[:, :, 0].argmax(-1)
    slips = played != [0, 1]
    for agent in range(2):
        assert abs(deviation(slips[:, agent].sum(), trials, tremble)) < 4
        for other in set(range(num_actions)) - {agent}:
            count = (played[:, agent] == other).sum()
            assert abs(deviation(count, trials, tremble / (num_actions - 1))) < 4
    assert abs(deviation(slips.all(1).sum(), trials, tremble**2)) < 4
    # what is paid and counted is what was played
    expected = np.stack([game.payoff[agent][tuple(played.T)] for agent in range(2)], 1)
    assert (timestep.payoff == expected).all()
    assert (timestep.events.argmax(-1) == played).all()


@pytest.mark.parametrize(("tremble", "slip"), [(0.0, False), (1.0, True)])
def test_tremble_is_exact_at_never_and_always(tremble, slip):
    world, params = make("prisoners_dilemma")
    params = dataclasses.replace(params, tremble=jnp.float32(tremble))
    moves = np.tile(every_move(2), (200, 1))
    _, timestep = rounds(world, params, moves)
    assert (timestep.observation.move[:, :, 0].argmax(-1) == (moves ^ slip)).all()


# ---- How long a match lasts ------------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=(0, 3, 4), compiler_options=QUICK)
def lengths(world, key, params, trials, most):
    """Rounds up to the first that is the last, whether there is one, and the discount there, per match."""

    def play(state, key):
        keys = jax.random.split(key, trials)
        state, timestep = jax.vmap(world.step, in_axes=(0, None, 0, 0))(keys, params, state, move)
        return state, (timestep.last, timestep.discount)

    move = jnp.zeros((trials, world.num_agents), jnp.int32)
    state = jax.vmap(lambda _: world.reset(jax.random.key(0), params)[0])(move)
    _, (last, discount) = jax.lax.scan(play, state, jax.random.split(key, most))
    end = jnp.argmax(last, 0)
    return end + 1, last.any(0), jnp.take_along_axis(discount, end[None, :, None], 0)[0]


@pytest.mark.parametrize("continuation", [0.0, 0.5, 0.9])
def test_matches_last_as_long_as_the_future_weighs(continuation):
    trials = 4000
    world, params = make("prisoners_dilemma")
    params = dataclasses.replace(params, continuation=jnp.float32(continuation), horizon=jnp.int32(10**6))
    length, over, discount = map(np.asarray, lengths(world, jax.random.key(3), params, trials, 150))
    assert over.all()
    assert (discount == 0).all()
    mean, variance = 1 / (1 - continuation), continuation / (1 - continuation) ** 2
    if variance == 0:
        assert (length == 1).all()
    else:
        assert abs(length.mean() - mean) / math.sqrt(variance / trials) < 4
        assert abs(deviation((length == 1).sum(), trials, 1 - continuation)) < 4


def test_the_horizon_cuts_a_match_off():
    world, params = make("prisoners_dilemma", horizon=7)
    assert float(params.continuation) == 1.0
    length, over, discount = lengths(world, jax.random.key(4), params, 4000, 150)
    assert over.all()
    assert (length == 7).all()
    assert (discount == 1).all()


# ---- Side by side ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [PAIRS, ("public_good_5", "volunteers_dilemma_5")])
def test_games_played_side_by_side_are_played_as_alone(names):
    """Stacked in any order, one row of the batch is the game by itself."""
    world, params = make(names)
    count, num_agents = len(names), world.num_agents
    state = MatrixState(jnp.zeros(count, jnp.int32))
    moves = np.random.default_rng(0).integers(0, 2, (5, count, num_agents)).astype(np.int32)
    alone = {}
    for name in names:
        own, own_params = make(name)
        assert own == world
        alone[name] = [own_params, reset_one(own, own_params)[0]]
    for t in range(5):
        words = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(t), count)))
        state, timestep = step_games(world, jax.random.wrap_key_data(words), params, state, moves[t])
        for i, name in enumerate(names):
            own_params, before = alone[name]
            key = jax.random.wrap_key_data(words[i])
            after, own = step_one(world, key, own_params, before, moves[t, i])
            alone[name][1] = after
            for left, right in zip(jax.tree.leaves((after, own)), jax.tree.leaves((state, timestep)), strict=True):
                assert np.asarray(left).tobytes() == np.asarray(right[i]).tobytes()


def test_declared_numbers_become_params():
    game = dataclasses.replace(declare("chicken"), continuation=0.75, tremble=0.125, horizon=9)
    _, params = only(game)
    assert (float(params.continuation), float(params.tremble), int(params.horizon)) == (0.75, 0.125, 9)
    assert (params.sharing.weights == jnp.eye(2)).all()
