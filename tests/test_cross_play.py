"""Everyone with everyone, against values known on paper."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import Learner, MatrixGame, Policy, PPOConfig, TrainConfig, assemble, compile_matrix_games, cross_play
from softsim.envs.matrix import symmetric, two_by_two
from softsim.evaluation.cross_play import pairing
from softsim.learners import strategies
from softsim.types import Output

ROUNDS = 10
MEMBERS = ("cooperate", "defect", "tit_for_tat", "alternate")
# Payoff of the row player over ten rounds of (R, S, T, P) = (3, 0, 5, 1). Alternators begin by cooperating.
PAPER = {
    ("cooperate", "cooperate"): 30.0,
    ("cooperate", "defect"): 0.0,
    ("cooperate", "tit_for_tat"): 30.0,
    ("cooperate", "alternate"): 5 * 3.0,
    ("defect", "cooperate"): 50.0,
    ("defect", "defect"): 10.0,
    ("defect", "tit_for_tat"): 5.0 + 9 * 1.0,
    ("defect", "alternate"): 5 * (5.0 + 1.0),
    ("tit_for_tat", "cooperate"): 30.0,
    ("tit_for_tat", "defect"): 0.0 + 9 * 1.0,
    ("tit_for_tat", "tit_for_tat"): 30.0,
    ("tit_for_tat", "alternate"): 3.0 + 5 * 0.0 + 4 * 5.0,  # C D C D ... answered by C C D C D ...
    ("alternate", "cooperate"): 5 * (3.0 + 5.0),
    ("alternate", "defect"): 5 * 1.0,
    ("alternate", "tit_for_tat"): 3.0 + 5 * 5.0 + 4 * 0.0,
    ("alternate", "alternate"): 5 * (3.0 + 1.0),
}


def settled(num_agents: int) -> Policy:
    """A mind whose weights are the logits it always acts by."""

    def apply(params, carry, percept):
        return carry, Output(params, jnp.float32(0.0), jnp.zeros((num_agents - 1, 2)))

    return Policy(init=lambda key: jnp.zeros(2), start=lambda: (), apply=apply)


def alternate(num_agents: int) -> Policy:
    """Cooperate, defect, cooperate, ...: by memory, not by what is seen."""

    def apply(params, carry, percept):
        carry = jnp.where(percept.first, 0, carry + 1)
        sure = 30.0 * jax.nn.one_hot(carry % 2, 2)
        return carry, Output(sure, jnp.float32(0.0), jnp.zeros((num_agents - 1, 2)))

    return Policy(init=lambda key: (), start=lambda: jnp.int32(0), apply=apply)


def tournament(world, situations, minds, scripted=(), num_steps=ROUNDS, repeats=8) -> np.ndarray:
    """Cross-play of settled learners, logits [N, P, 2], and of scripted members after them."""
    nothing = Learner(init=lambda params: (), update=lambda *inputs: (*inputs[2:4], {}))
    minds = jnp.float32(minds)
    members = minds.shape[1] + len(scripted)
    config = TrainConfig(
        num_populations=minds.shape[0],
        num_members=minds.shape[1],
        num_envs=members * 4,
        num_steps=num_steps,
        ppo=PPOConfig(num_minibatches=1),
    )
    program = assemble(config, world, situations, scripted, policy=settled(world.num_agents), learner=nothing)
    state = jax.jit(program.init)()
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, mind=minds))
    return cross_play(program, state, jax.random.key(0), repeats)


COOPERATE, DEFECT = [30.0, -30.0], [-30.0, 30.0]


@functools.cache
def dilemma(num_steps: int):
    """Two populations whose two learners are cooperator and defector, in either order."""
    world, params = compile_matrix_games([MatrixGame("game", two_by_two(3.0, 0.0, 5.0, 1.0), horizon=ROUNDS)])
    minds = [[COOPERATE, DEFECT], [DEFECT, COOPERATE]]
    return tournament(world, params, minds, (strategies.tit_for_tat(2, 2), alternate(2)), num_steps)


@pytest.mark.parametrize("num_steps", [ROUNDS, 2 * (ROUNDS + 1)])
@pytest.mark.parametrize("row", MEMBERS)
def test_strategies_get_what_they_get_on_paper(row, num_steps):
    """Also where two episodes fit: the table is per episode."""
    found = dilemma(num_steps)
    assert (found.shape, found.dtype) == ((2, 4, 4), np.float32)
    for column in MEMBERS:
        i, j = MEMBERS.index(row), MEMBERS.index(column)
        swap = [1, 0, 2, 3]
        for value in (found[0, i, j], found[1, swap[i], swap[j]]):
            assert value == pytest.approx(PAPER[row, column]), (row, column)


def test_one_among_many():
    """Five players: the row member plays alone of its kind among four of the column's."""
    value = lambda cooperates, count: 3.0 * count / 5 - cooperates  # noqa: E731
    world, params = compile_matrix_games([MatrixGame("good", symmetric(5, value), horizon=ROUNDS)])
    found = tournament(world, params, [[COOPERATE, DEFECT]], repeats=10) / ROUNDS
    np.testing.assert_allclose(found[0], [[2.0, 0.6 - 1.0], [4 * 0.6, 0.0]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_situations", [1, 2, 3])
def test_every_slot_of_every_situation_is_played_as_often(num_situations):
    """Situation g pays 4 ** g to its first player and nothing to its second: the table knows no luck of the slot."""
    games = []
    for g in range(num_situations):
        payoff = np.stack([np.full((2, 2), 4.0**g), np.zeros((2, 2))])
        games.append(MatrixGame(f"game {g}", payoff, horizon=ROUNDS))
    world, params = compile_matrix_games(games)
    found = tournament(world, params, [[COOPERATE, DEFECT]], repeats=6) / ROUNDS
    np.testing.assert_allclose(found, np.mean([4.0**g / 2 for g in range(num_situations)]), rtol=1e-5)


@pytest.mark.parametrize(("members", "agents", "repeats"), [(1, 2, 1), (3, 2, 4), (4, 5, 10), (2, 1, 3), (5, 3, 6)])
def test_pairing_seats_every_ordered_pair(members, agents, repeats):
    place, slot = pairing(members, agents, repeats)
    envs = members * members * repeats
    assert (place.shape, slot.shape) == ((members, envs * agents // members), (envs,))
    assert sorted(place.reshape(-1).tolist()) == list(range(envs * agents))

    sitter = np.empty(envs * agents, int)
    for member, places in enumerate(place):
        sitter[places] = member
    tables = sitter.reshape(members, members, repeats, agents)
    slots = slot.reshape(members, members, repeats)
    for i, j, r in np.ndindex(members, members, repeats):
        expected = np.full(agents, j)
        expected[slots[i, j, r]] = i
        assert (tables[i, j, r] == expected).all()


@pytest.mark.parametrize(("members", "agents", "repeats"), [(3, 2, 4), (4, 5, 10), (5, 3, 6)])
def test_the_focal_slot_goes_round(members, agents, repeats):
    """For every pair, each slot is the focal one as often, where the repeats allow it."""
    _, slot = pairing(members, agents, repeats)
    for slots in slot.reshape(members * members, repeats):
        assert np.bincount(slots, minlength=agents).tolist() == [repeats // agents] * agents
