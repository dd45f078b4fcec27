"""Scripted partners do what their names say: tables to the letter, chance by its law, bots by their traces."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from softsim import make, partner, rollout
from softsim.envs.coin_game import CoinGame, coin_params
from softsim.envs.matrix import MatrixObservation
from softsim.evaluation.outcomes import play_out
from softsim.learners import bots, categorical, strategies
from softsim.partners import grid
from softsim.theory import memory_one
from softsim.types import Percept, UserError

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

TABLE = (0.9, 0.0, 1.0, 0.25, 0.6)


def saw(own: int | None, other: int | None, first: bool = False) -> Percept:
    """A percept of a matrix game after these moves, 0 to cooperate."""
    move = jnp.stack([jnp.zeros(2) if each is None else jnp.eye(2)[each] for each in (own, other)])
    observation = MatrixObservation(move, jnp.float32(0.0), jnp.zeros(2))
    return Percept(observation, jnp.float32(0.0), jnp.ones(2, bool), jnp.bool_(first))


def chances(policy, percept: Percept, carry=()) -> np.ndarray:
    """Probability of each action."""
    logits = policy.apply((), carry, percept)[1].logits
    return np.exp(np.asarray(categorical.log_probs(logits, percept.action_mask)))


def test_a_memory_one_strategy_follows_its_table():
    policy = strategies.memory_one(jnp.array(TABLE))
    seen = [saw(*pair) for pair in itertools.product((0, 1), repeat=2)] + [saw(None, None, True)]
    np.testing.assert_allclose([chances(policy, each)[0] for each in seen], TABLE, atol=1e-6)


def test_what_was_not_seen_is_as_at_the_start():
    policy = strategies.memory_one(jnp.array(TABLE))
    np.testing.assert_allclose(chances(policy, saw(1, None))[0], TABLE[4], atol=1e-6)


def test_partners_of_the_dilemma_have_the_tables_of_the_theory():
    world, params = make(["prisoners_dilemma"])
    own = jnp.array([3.0, 0.0, 5.0, 1.0])
    tables = {name: memory_one.STRATEGIES[name] for name in memory_one.STRATEGIES}
    tables |= {"generous_tit_for_tat": memory_one.generous(own), "extortion": (11 / 13, 1 / 2, 7 / 26, 0, 0)}
    seen = [saw(*pair) for pair in itertools.product((0, 1), repeat=2)] + [saw(None, None, True)]
    for name, table in tables.items():
        found = [chances(partner(name, world, params), each)[0] for each in seen]
        np.testing.assert_allclose(found, table, atol=1e-6, err_msg=name)


def test_partners_exist_only_where_they_have_a_place():
    world, params = make(["public_good_5"])
    with pytest.raises(UserError, match="allowed are random, cooperate, defect, tit_for_tat"):
        partner("grim", world, params)
    world, params = make(["lewis_signalling"])
    with pytest.raises(UserError, match="'cooperator' does not exist in this world; allowed are random, greedy"):
        partner("cooperator", world, params)


def test_names_of_partners_may_bring_numbers():
    world, params = make(["prisoners_dilemma"])
    copies = partner("tit_for_tat@0.1", world, params)
    np.testing.assert_allclose([chances(copies, saw(0, other))[0] for other in (0, 1)], [0.9, 0.1], atol=1e-6)
    table = partner("random_memory_one:100000,1@0.25", world, params)  # all but always cooperates, and slips
    np.testing.assert_allclose(chances(table, saw(0, 0, True), table.start())[0], 0.75, atol=1e-3)


@pytest.mark.parametrize(
    "name", ["random_memory_one:1", "random_memory_one:0,1", "grim:1,1", "grim@1", "grim@", "grim@x"]
)
def test_numbers_of_partners_are_checked(name):
    with pytest.raises(UserError, match=f"^scripted: '{name}'"):
        partner(name, *make(["prisoners_dilemma"]))


@pytest.mark.parametrize(
    ("games", "names"),
    [
        (("commons_harvest_open", "clean_up", "coins"), ["cooperator", "defector", "conditional", "punisher"]),
        (("coins",), ["cooperator", "defector", "conditional"]),
        (("chicken_in_the_matrix_arena",), ["cooperator", "defector", "conditional"]),
        (("bach_or_stravinsky_in_the_matrix_repeated",), ["pure_1", "pure_2"]),
        (("coins", "chicken_in_the_matrix_repeated"), []),  # in the one nobody could meet anybody
    ],
)
def test_grid_worlds_have_the_bots_that_mean_something_there(games, names):
    assert list(grid.partners(*make(games))) == ["greedy", *names]


# ---- Chance of their own -----------------------------------------------------------------------------------------


def tables_of(policy, keys, episodes: int) -> np.ndarray:
    """Tables [episode, seat, 5] of seats that are woken by keys and see nothing but beginnings."""

    def of_seat(key):
        def begin(carry, _):
            carry, _ = policy.apply((), carry, saw(None, None, True))
            return carry, carry[1]

        return jax.lax.scan(begin, policy.wake(key), None, episodes)[1]

    return np.asarray(jax.jit(jax.vmap(of_seat, out_axes=1))(keys))


@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.5, 0.5), (2.0, 5.0)])
def test_random_strategies_are_drawn_from_their_law(shape):
    drawn = tables_of(strategies.random_memory_one(*shape), jax.random.split(jax.random.key(0), 400), 5)
    law = scipy.stats.beta(*shape)
    for state in range(5):
        assert scipy.stats.kstest(drawn[..., state].reshape(-1), law.cdf).pvalue > 1e-4
    correlation = np.corrcoef(drawn.reshape(5, -1))  # of episodes
    assert np.abs(correlation - np.eye(5)).max() < 4 / np.sqrt(drawn[0].size)


def test_a_random_strategy_lasts_for_an_episode():
    policy = strategies.random_memory_one()
    carry, _ = policy.apply((), policy.wake(jax.random.key(1)), saw(None, None, True))
    table = np.asarray(carry[1])
    for own, other in itertools.product((0, 1), repeat=2):
        np.testing.assert_allclose(chances(policy, saw(own, other), carry)[0], table[2 * own + other], atol=1e-6)
        carry, _ = policy.apply((), carry, saw(own, other))
        np.testing.assert_array_equal(carry[1], table)
    carry, _ = policy.apply((), carry, saw(0, 0, True))
    assert (np.asarray(carry[1]) != table).all()


def test_every_seat_and_every_play_has_strangers_of_its_own():
    world, params = make(["prisoners_dilemma"], horizon=4)
    policy = strategies.random_memory_one()
    table = rollout.Table(world, policy, 0, (policy, policy), 2, 8)
    params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (16, *leaf.shape[1:])), params)
    begin = compiled(lambda seed: rollout.begin(table, jax.random.split(jax.random.key(seed), 2), params))
    words = [begin(seed).memory[1:][member][0] for seed in (0, 1) for member in (0, 1)]
    words = np.concatenate(words).reshape(-1, 2)
    assert len(np.unique(words, axis=0)) == len(words) == 2 * 2 * 2 * 8


def test_tremble_does_something_else_that_is_allowed():
    policy = strategies.tremble(strategies.always(4, 2, action=1), 0.3)
    percept = dataclasses.replace(saw(0, 0), action_mask=jnp.array([True, True, False, True]))
    np.testing.assert_allclose(chances(policy, percept), [0.15, 0.7, 0.0, 0.15], atol=1e-6)
    alone = dataclasses.replace(percept, action_mask=jnp.array([False, True, False, False]))
    np.testing.assert_allclose(chances(policy, alone), [0.0, 1.0, 0.0, 0.0], atol=1e-6)
    slips = strategies.tremble(strategies.memory_one(jnp.array(TABLE)), 0.1)
    np.testing.assert_allclose(chances(slips, saw(0, 1))[0], 0.1, atol=1e-6)


# ---- Bots ----------------------------------------------------------------------------------------------------------


def test_neighbours_are_counted():
    here = np.random.default_rng(0).random((5, 7)) < 0.4
    neighbours = ((-2, 0), (0, 1), (1, -1))
    inside = lambda r, c: 0 <= r < 5 and 0 <= c < 7 and here[r, c]  # noqa: E731
    wanted = [[sum(inside(r + dr, c + dc) for dr, dc in neighbours) for c in range(7)] for r in range(5)]
    np.testing.assert_array_equal(bots.count(jnp.asarray(here), neighbours), wanted)


def test_a_bot_goes_to_what_it_wants_and_around_what_it_shuns():
    body = bots.Body(8, 2, place=(3, 2), moves=(1, 2, 3, 4))
    field = np.zeros((5, 5), bool)
    for cell, move in (((0, 2), 1), ((4, 2), 2), ((3, 0), 3), ((3, 4), 4)):
        wanted = field.copy()
        wanted[cell] = True
        choice = bots.walk(body, jnp.asarray(wanted))
        assert int(choice.argmax()) == move
        shunned = field.copy()
        shunned[{1: (2, 2), 2: (4, 2), 3: (3, 1), 4: (3, 3)}[move]] = True
        assert int(bots.shun(body, choice, jnp.asarray(shunned)).argmin()) in (move, 7)
        assert float(bots.shun(body, choice, jnp.asarray(shunned))[move]) == bots.DISLIKED
    assert float(choice[7]) == bots.DISLIKED  # it never fires for nothing


def test_the_conditional_bears_a_grudge_and_forgets():
    kind, harsh = strategies.always(2, 2, 0), strategies.always(2, 2, 1)
    policy = bots.conditional(kind, harsh, lambda _, percept: (percept.reward.astype(jnp.int32), ()), patience=3)
    carry, done = policy.start(), []
    for told in (0, 1, 0, 0, 0, 1, -1, 0):
        carry, output = policy.apply((), carry, dataclasses.replace(saw(0, 0), reward=jnp.float32(told)))
        done.append(int(output.logits.argmax()))
    assert done == [0, 1, 1, 1, 0, 1, 0, 0]


def left_behind(game: str | None, names: tuple[str, ...], steps: int, num_envs: int = 8) -> dict[str, dict[str, float]]:
    """Let as many partners as there are agents play, and count events and payoff per seat and episode of each."""
    world, params = make([game]) if game else (CoinGame(), jax.tree.map(lambda leaf: leaf[None], coin_params(True)))
    policies = tuple(partner(name, world, params) for name in names)
    table = rollout.Table(world, strategies.random(world.num_actions, len(names)), 0, policies, 1, num_envs)
    place = np.arange(num_envs * len(names), dtype=np.int32).reshape(num_envs, -1).T[None]
    play = compiled(play_out, static_argnums=(0, 1))
    seating, experience = play(table, steps, jax.random.split(jax.random.key(0), 1), params, (), jnp.asarray(place))
    events = np.asarray(rollout.to_seats(experience.ledger.events, seating.place))[0].mean(1)
    payoff = np.asarray(rollout.to_seats(experience.ledger.payoff, seating.place))[0].mean(1)
    found: dict[str, dict[str, float]] = {}
    for name, counts, gained in zip(names, events, payoff, strict=True):
        found[name] = dict(zip(world.event_names, counts.tolist(), strict=True)) | {"payoff": float(gained)}
    return found


@pytest.mark.slow
def test_who_waits_for_its_own_coin_takes_no_other():
    found = left_behind(None, ("cooperator", "defector"), 100)
    assert found["cooperator"]["took_other"] == 0 < found["cooperator"]["took_own"]
    assert found["defector"]["took_other"] > 10


@pytest.mark.slow
def test_coins():
    found = left_behind("coins", ("cooperator", "defector"), 300)
    assert found["cooperator"]["took_other"] == 0 < found["cooperator"]["took_own"]
    assert found["defector"]["took_other"] > 2
    assert found["cooperator"]["payoff"] < found["defector"]["payoff"]
    found = left_behind("coins", ("conditional", "defector"), 300)
    assert found["conditional"]["took_other"] > 1
    found = left_behind("coins", ("conditional", "cooperator"), 300)
    assert found["conditional"]["took_other"] == 0


@pytest.mark.slow
def test_those_who_spare_the_commons_get_more_of_it():
    spared = left_behind("commons_harvest_open", ("cooperator",) * 7, 300)["cooperator"]
    used_up = left_behind("commons_harvest_open", ("defector",) * 7, 300)["defector"]
    assert spared["ate"] > 2 * used_up["ate"]
    guarded = left_behind("commons_harvest_open", ("punisher", *("defector",) * 6), 300)
    assert guarded["punisher"]["zapped"] >= 1
    assert spared["zapped"] == used_up["zapped"] == guarded["defector"]["zapped"] == 0


@pytest.mark.slow
def test_cleaners_clean_and_eaters_eat():
    found = left_behind("clean_up", ("cooperator", "conditional", "punisher", *("defector",) * 4), 200)
    assert found["cooperator"]["cleaned"] > 30 > found["cooperator"]["ate"]
    assert found["defector"]["cleaned"] == 0 < 10 < found["defector"]["ate"]
    assert 0 < found["conditional"]["cleaned"] < found["cooperator"]["cleaned"]
    assert found["conditional"]["ate"] > found["cooperator"]["ate"]


@pytest.mark.slow
def test_gatherers_meet_with_what_they_stand_for():
    found = left_behind("prisoners_dilemma_in_the_matrix_repeated", ("cooperator", "defector"), 500)
    assert found["cooperator"]["gathered_green"] > 0 == found["cooperator"]["gathered_red"]
    assert found["defector"]["gathered_red"] > 0 == found["defector"]["gathered_green"]
    assert found["cooperator"]["interacted"] > 0.3
    assert found["cooperator"]["payoff"] < found["defector"]["payoff"]
    found = left_behind("prisoners_dilemma_in_the_matrix_repeated", ("conditional", "defector"), 500)
    assert found["conditional"]["gathered_green"] > 0 < found["conditional"]["gathered_red"]
