"""Games whose outcome among learners is known on paper: dominance, kinship, reciprocity, mixed play.

Payoffs, sharing and discounts are data: two compiled programs play all of these games. Nobody sees a payoff before it
is paid, so every game raises founders of its own.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import (
    HyperConfig,
    MatrixGame,
    NetworkConfig,
    PPOConfig,
    TrainConfig,
    assemble,
    compile_matrix_games,
    partner,
)
from softsim.envs.matrix import two_by_two
from softsim.evaluation.cross_play import cross_play

HORIZON, ROUNDS = 16, 60
DILEMMA = two_by_two(3.0, 0.0, 5.0, 1.0)
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})

CONFIG = TrainConfig(
    num_populations=4,
    num_members=2,
    num_envs=16,
    num_steps=HORIZON,
    num_rounds=ROUNDS,
    rounds_per_chunk=ROUNDS,
    network=NetworkConfig(hidden=16, memory=16),
    ppo=PPOConfig(num_epochs=2, num_minibatches=2),
    hyper=HyperConfig(learning_rate=1e-2, gamma=0.0),
)


def game(payoff, kinship=((1.0, 0.0), (0.0, 1.0))):
    world, params = compile_matrix_games([MatrixGame("game", payoff, horizon=HORIZON)])
    sharing = dataclasses.replace(params.sharing, weights=jnp.float32([kinship]))
    return world, dataclasses.replace(params, sharing=sharing)


@functools.cache
def self_play():
    program = assemble(CONFIG, *game(DILEMMA))
    founders = compiled(program.init)()
    return founders, compiled(program.chunk).lower(founders, program.situations).compile()


def learn(payoff, kinship=((1.0, 0.0), (0.0, 1.0))) -> tuple[np.ndarray, np.ndarray]:
    """Let pairs of short-sighted learners (gamma 0) play each other; eight in all.

    Returns:
        The share of cooperation (the first move) and the entropy, [round, population, member].
    """
    founders, chunk = self_play()
    _, metrics = chunk(founders, game(payoff, kinship)[1])
    moves = np.asarray(metrics["events"])
    return moves[..., 0] / moves.sum(-1), np.asarray(metrics["entropy"])


@pytest.mark.slow
def test_naive_learners_defect_in_the_prisoners_dilemma():
    cooperation, _ = learn(DILEMMA)
    assert 0.3 < cooperation[0].mean() < 0.7
    assert cooperation[-5:].mean(0).max() < 0.05


@pytest.mark.slow
def test_who_shares_everything_cooperates_in_the_prisoners_dilemma():
    """With weights of one for everyone the joint payoff counts, and mutual cooperation has the most."""
    cooperation, _ = learn(DILEMMA, kinship=((1.0, 1.0), (1.0, 1.0)))
    assert cooperation[-5:].mean(0).min() > 0.95


@pytest.mark.slow
def test_harmony():
    cooperation, _ = learn(two_by_two(5.0, 3.0, 1.0, 0.0))
    assert cooperation[-5:].mean(0).min() > 0.95


@pytest.mark.parametrize(("relatedness", "cooperates"), [(0.15, False), (0.25, False), (0.42, True), (0.55, True)])
@pytest.mark.slow
def test_hamiltons_rule(relatedness, cooperates):
    """A gift that costs c = 1 and brings b = 3 is given if r > c / b = 1/3 (Hamilton 1964)."""
    benefit, cost = 3.0, 1.0
    donation = two_by_two(benefit - cost, -cost, benefit, 0.0)
    cooperation, _ = learn(donation, kinship=((1.0, relatedness), (relatedness, 1.0)))
    late = cooperation[-5:].mean(0)
    assert late.min() > 0.95 if cooperates else late.max() < 0.05


@pytest.mark.slow
def test_matching_pennies_stays_mixed():
    """Every pure choice is exploited: learners circle around one half, each population at its own pace, and do not
    freeze."""
    pennies = np.float32([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    first_move, entropy = learn(pennies)
    assert np.abs(first_move[20:].mean() - 0.5) < 0.05
    assert np.abs(first_move[20:].mean((0, 2)) - 0.5).max() < 0.2
    assert entropy[20:].mean() > 0.25


@functools.cache
def among_reciprocators():
    """Raise learners among tit-for-tat and unconditional defectors: patient ones in populations 0-3, others in 4-5.

    Returns:
        Payoff per round, [population, row, column]: rows and columns are 2 learners, 3 reciprocators, 3 defectors.
    """
    world, params = game(DILEMMA)
    scripted = [partner(name, world, params) for name in ("tit_for_tat",) * 3 + ("defect",) * 3]
    config = dataclasses.replace(
        CONFIG, num_populations=6, num_envs=64, ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        hyper=HyperConfig(learning_rate=1e-2, gamma=0.97),
    )  # fmt: skip
    program = assemble(config, world, params, scripted)
    state = compiled(program.init)()
    hyper = state.population.hyper
    patient = jnp.arange(6)[:, None] < 4
    hyper = dataclasses.replace(hyper, gamma=jnp.where(patient, hyper.gamma, 0.0))
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, hyper=hyper))
    chunk = compiled(program.chunk).lower(state, params).compile()
    for _ in range(3):
        state, _ = chunk(state, params)
    return cross_play(program, state, jax.random.key(0)) / HORIZON


@pytest.mark.slow
def test_the_patient_return_kindness():
    """The best response to tit-for-tat is to cooperate, 3 a round, where the future counts."""
    assert among_reciprocators()[:4, :2, 2].mean() > 2.7


@pytest.mark.slow
def test_the_short_sighted_exploit_it_once():
    """Where it does not count, defection dominates: 5 in the first round and 1 in every other."""
    once = (5.0 + (HORIZON - 1)) / HORIZON
    np.testing.assert_allclose(among_reciprocators()[4:, :2, 2], once, atol=0.05)


@pytest.mark.slow
def test_nobody_gives_to_defectors_for_long():
    """1 a round for who defects from the start, a bit less for who has to find out; cooperation would bring 0."""
    against = among_reciprocators()[:, :2, 5]
    assert against[:4].mean() > 0.7
    np.testing.assert_allclose(against[4:], 1.0, atol=0.05)
