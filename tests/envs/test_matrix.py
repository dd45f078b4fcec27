"""Repeated matrix games against their tables: payoffs, what is seen, who moves when, slips, how long a match lasts."""

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
from softsim.envs.matrix import MatrixGame, MatrixParams, public_good, symmetric, two_by_two, volunteer
from softsim.learners import strategies
from softsim.types import Percept, UserError

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


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def reset_games(world, params):
    return jax.vmap(world.reset, in_axes=(None, 0))(jax.random.key(0), params)


def only(game: MatrixGame):
    world, params = compile_matrix_games([game])
    return world, jax.tree.map(lambda leaf: leaf[0], params)


def keys_of(seed: int, count: int):
    """Make keys [count] on the host: splitting compiles anew for every count."""
    words = np.random.default_rng(seed).integers(0, 2**32, (count, 2), np.uint32)
    return jax.random.wrap_key_data(words)


def rounds(world, params, moves, seed: int = 0):
    """Play each row of `moves` [B, A] as a first round."""
    state, _ = reset_one(world, params)
    moves = np.asarray(moves, np.int32)
    after, timestep = step_rows(world, keys_of(seed, len(moves)), params, state, moves)
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


def test_envy_and_guilt_remember_payoffs():
    """Half of what was got in the first round still counts in the second, of 1 for both: traces are 1 and 3.5."""
    world, params = make("prisoners_dilemma")
    felt = {"envy": jnp.array([1.0, 2.0]), "guilt": jnp.array([0.5, 0.25]), "memory": jnp.float32(0.5)}
    params = dataclasses.replace(params, sharing=dataclasses.replace(params.sharing, **felt))
    state = jax.tree.map(lambda leaf: leaf[0], rounds(world, params, [(0, 1)])[0])
    after, timestep = step_rows(world, keys_of(0, 1), params, state, np.array([(1, 1)], np.int32))
    assert after.trace.tolist() == [[1, 3.5]]
    assert timestep.reward.tolist() == [[1 - 2.5, 1 - 0.625]]


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


@pytest.mark.parametrize("observability", [0.3, 0.8])
def test_each_move_is_seen_with_the_probability_of_observability(observability):
    """Per ordered pair and round: no pair depends on another, and nobody overlooks itself."""
    trials, num_agents = 20_000, 3
    game = dataclasses.replace(odd_game(num_agents, 2), observability=observability)
    moves = np.tile(every_move(num_agents), (trials // 8, 1))
    _, timestep = rounds(*only(game), moves)
    seen = timestep.observation.move.sum(-1)
    assert set(np.unique(seen)) == {0, 1}
    assert (seen[:, :, 0] == 1).all()
    pairs = seen[:, :, 1:].reshape(len(moves), -1)
    for i, j in itertools.combinations_with_replacement(range(pairs.shape[1]), 2):
        both = (pairs[:, i] * pairs[:, j]).sum()
        expected = observability if i == j else observability**2
        assert abs(deviation(both, len(moves), expected)) < 4, (i, j)
    # what is seen is true, and payoffs are known in any case
    truth = np.eye(2)[moves[:, (np.arange(3)[:, None] + np.arange(3)) % 3]]
    assert (timestep.observation.move == truth * seen[..., None]).all()
    assert (timestep.observation.payoff == timestep.payoff).all()


@pytest.mark.parametrize("observability", [0.0, 1.0])
def test_observability_is_exact_at_never_and_always(observability):
    game = dataclasses.replace(odd_game(3, 2), observability=observability)
    _, timestep = rounds(*only(game), np.tile(every_move(3), (300, 1)))
    assert (timestep.observation.move[:, :, 1:].sum(-1) == observability).all()


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


# ---- One after the other ---------------------------------------------------------------------------------


def follow(world, params, moves, seed: int = 0):
    """Play `moves` [T, A] in one match; numpy timesteps, the reset first, and the last state."""
    state, timestep = reset_one(world, params)
    seen = [timestep]
    for t, move in enumerate(moves):
        state, timestep = step_one(world, jax.random.key(seed + t), params, state, jnp.array(move, jnp.int32))
        seen.append(timestep)
    return jax.tree.map(np.asarray, (state, seen))


def in_turn(**changes):
    return only(dataclasses.replace(declare("prisoners_dilemma"), sequential=True, **changes))


def test_a_sequential_match_by_hand():
    """Two rounds of C then D, then D then C; `9` stands for actions that are not theirs to take."""
    world, params = in_turn(horizon=2)
    _, (start, first, second, third, fourth) = follow(world, params, [(0, 9), (9, 1), (1, 9), (9, 0)])
    cooperate, defect, unknown = [1, 0], [0, 1], [0, 0]

    def shows(timestep, moves, payoff, turn):
        assert timestep.observation.move.tolist() == moves
        assert timestep.observation.payoff.tolist() == payoff
        assert timestep.observation.waits.tolist() == [turn[::-1], turn]
        free = [[True, True], [True, False]]
        assert timestep.action_mask.tolist() == (free if turn[0] else free[::-1])

    shows(start, [[unknown, unknown], [unknown, unknown]], [0, 0], [1, 0])
    shows(first, [[cooperate, unknown], [unknown, cooperate]], [0, 0], [0, 1])
    shows(second, [[cooperate, defect], [defect, cooperate]], [0, 5], [1, 0])
    shows(third, [[defect, defect], [defect, defect]], [0, 5], [0, 1])
    shows(fourth, [[defect, cooperate], [cooperate, defect]], [5, 0], [1, 0])
    seen = (first, second, third, fourth)
    assert [each.payoff.tolist() for each in seen] == [[0, 0], [0, 5], [0, 0], [5, 0]]
    assert [each.reward.tolist() for each in seen] == [[0, 0], [0, 5], [0, 0], [5, 0]]
    assert [bool(each.last) for each in seen] == [False, False, False, True]
    assert all((each.discount == 1).all() for each in seen)
    counted = [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [1, 0]]]
    assert [each.events.tolist() for each in seen] == counted


@pytest.mark.parametrize(("num_agents", "num_actions"), [(1, 2), (2, 3), (4, 2)])
def test_a_round_in_turn_pays_as_one_at_once(num_agents, num_actions):
    game = odd_game(num_agents, num_actions)
    once, turn = only(game), only(dataclasses.replace(game, sequential=True, tremble=0.0))
    for move in every_move(num_agents, num_actions)[::5]:
        _, (_, together) = follow(*once, [move])
        state, (*_, final) = follow(*turn, [move] * num_agents)
        assert final.payoff.tolist() == together.payoff.tolist()
        assert final.observation.move.tolist() == together.observation.move.tolist()
        assert (int(state.step), int(state.turn)) == (1, 0)


def test_actions_out_of_turn_change_nothing():
    world, params = in_turn(tremble=0.4, observability=0.5, continuation=0.9)
    rng = np.random.default_rng(0)
    moves = rng.integers(0, 2, (20, 2))
    out_of_turn = (np.arange(20)[:, None] + 1) % 2 == np.arange(2)
    left = follow(world, params, moves)
    right = follow(world, params, np.where(out_of_turn, 1 - moves, moves))
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert a.tobytes() == b.tobytes()


def test_only_those_who_move_slip_or_are_noticed():
    """What was seen of a move stays seen, or unseen, until the next move of the same agent."""
    world, params = in_turn(tremble=1.0, observability=0.5, horizon=10**6)
    _, seen = follow(world, params, [(0, 0)] * 200)
    assert (seen[-1].observation.move[0, 0] == [0, 1]).all()  # it slips every time
    shown = np.stack([each.observation.move for each in seen])[1:]
    noticed = shown[:, :, 1].sum(-1)  # [T, viewer]
    assert (noticed[1::2, 1] == noticed[0::2, 1]).all()  # agent 0 moves at even steps: agent 1 learns of it then
    assert (noticed[2::2, 0] == noticed[1:-1:2, 0]).all()
    for viewer in range(2):
        assert abs(deviation(noticed[(1 - viewer) :: 2, viewer].sum(), 100, 0.5)) < 4
    assert (shown[1:, :, 0].sum(-1) == 1).all()


def test_matches_in_turn_end_between_rounds_only():
    trials, continuation = 2000, 0.7
    world, params = only(odd_game(3, 2))
    params = dataclasses.replace(
        params,
        sequential=jnp.bool_(True),
        continuation=jnp.float32(continuation),
        horizon=jnp.int32(10**6),
    )
    length, over, discount = map(np.asarray, lengths(world, jax.random.key(3), params, trials, 90))
    assert over.all()
    assert (discount == 0).all()
    assert (length % 3 == 0).all()
    mean, variance = 1 / (1 - continuation), continuation / (1 - continuation) ** 2
    assert abs((length / 3).mean() - mean) / math.sqrt(variance / trials) < 4
    params = dataclasses.replace(params, continuation=jnp.float32(1.0), horizon=jnp.int32(5))
    length, over, discount = lengths(world, jax.random.key(3), params, trials, 90)
    assert (length == 15).all()
    assert (discount == 1).all()


def test_tit_for_tat_answers_within_the_round():
    world, params = in_turn()
    policy = strategies.tit_for_tat(2, 2)
    _, seen = follow(world, params, [(1, 0), (0, 1)])
    answers = []
    for timestep, agent in zip(seen, (0, 1, 0), strict=True):
        own = jax.tree.map(lambda leaf, agent=agent: leaf[agent], timestep.observation)
        percept = Percept(own, timestep.reward[agent], timestep.action_mask[agent], timestep.first)
        answers.append(int(policy.apply((), (), percept)[1].logits.argmax()))
    assert answers == [0, 1, 1]


# ---- Side by side ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [PAIRS, ("public_good_5", "volunteers_dilemma_5")])
def test_games_played_side_by_side_are_played_as_alone(names):
    """Stacked in any order, one row of the batch is the game by itself."""
    world, params = make(names)
    count, num_agents = len(names), world.num_agents
    state, _ = reset_games(world, params)
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


def test_simultaneous_and_sequential_games_share_one_program():
    """Every number and the order of moves differ between rows: a batch equals each alone, bit for bit."""
    rng, count, num_agents, num_actions = np.random.default_rng(1), 16, 3, 2
    world, base = only(odd_game(num_agents, num_actions))

    def row(i: int) -> MatrixParams:
        return dataclasses.replace(
            base,
            payoff=rng.normal(size=base.payoff.shape).astype(np.float32),
            continuation=np.float32(rng.uniform(0.6, 1)),
            tremble=np.float32(rng.uniform(0, 0.4)),
            observability=np.float32(rng.choice([0.0, 1.0, rng.uniform()])),
            sequential=np.bool_(i % 2),
            horizon=np.int32(rng.integers(1, 5)),
            sharing=dataclasses.replace(
                base.sharing, weights=rng.normal(size=base.sharing.weights.shape).astype(np.float32)
            ),
        )

    rows = [jax.tree.map(jnp.asarray, row(i)) for i in range(count)]
    params = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *rows)
    state, timestep = reset_games(world, params)
    alone = [reset_one(world, each) for each in rows]
    lasts, turns = 0, 0
    for t in range(12):
        together = [np.asarray(leaf) for leaf in jax.tree.leaves((state, timestep))]
        for i in range(count):
            for left, right in zip(jax.tree.leaves(alone[i]), together, strict=True):
                assert np.asarray(left).tobytes() == right[i].tobytes()
        words = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(t), count)))
        moves = rng.integers(0, num_actions, (count, num_agents)).astype(np.int32)
        state, timestep = step_games(world, jax.random.wrap_key_data(words), params, state, moves)
        alone = [
            step_one(world, jax.random.wrap_key_data(words[i]), rows[i], alone[i][0], moves[i]) for i in range(count)
        ]
        lasts, turns = lasts + timestep.last.sum(), turns + (state.turn > 0).sum()
    assert lasts > 12
    assert turns > 12


def test_declared_numbers_become_params():
    numbers = {"continuation": 0.75, "tremble": 0.125, "observability": 0.5, "sequential": True, "horizon": 9}
    _, params = only(dataclasses.replace(declare("chicken"), **numbers))
    assert {field: getattr(params, field).item() for field in numbers} == numbers
    assert (params.sharing.weights == jnp.eye(2)).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("observability", -0.1), ("observability", float("nan")), ("tremble", 2.0), ("sequential", 1), ("horizon", 0)],
)
def test_numbers_that_cannot_be_meant_are_refused(field, value):
    with pytest.raises(UserError, match=f"chicken: {field} is {value}; it must be"):
        only(dataclasses.replace(declare("chicken"), **{field: value}))


def test_no_leaf_is_weakly_typed():
    """Weak types would make a second trace of one program."""
    world, params = in_turn()
    begun = jax.eval_shape(world.reset, jax.random.key(0), params)
    stepped = jax.eval_shape(world.step, jax.random.key(0), params, begun[0], jnp.zeros(2, jnp.int32))
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((params, begun, stepped)))
    assert begun == stepped
