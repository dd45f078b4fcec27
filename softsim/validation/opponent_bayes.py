"""The policy-reconstruction head, trained by the library's learner, predicts strangers about as well as Bayes can.

Partners follow memory-one strategies whose five probabilities are drawn for every episode from Beta(1, 1); the learner
moves at random, 32 rounds an episode. Bayes's prediction is known (`softsim.theory.inference.predictive`), as is that
of one who takes alpha for 1 where it is 0.1, 0.5, 2 or 5, which is what the trained mind should do among such partners
(Mikulik et al. 2020, arXiv 2010.11223: meta-trained agents are Bayes-optimal).

Cross-entropies are expectations under the partner's exact chances given what it has done so far, so that the luck of
single moves is not in them; the calibration error is of moves made. Learning draws from seed 0, evaluation from seed 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.matrix import MatrixGame, compile_matrix_games
from softsim.evaluation.foresight import calibration_error, predictions, reliability, skill
from softsim.evaluation.outcomes import play_out
from softsim.learners import categorical, strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.ppo import PPOConfig
from softsim.minds import default_policy
from softsim.theory import inference
from softsim.train import Program, assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import Array, Output, Percept, Policy, PyTree
from softsim.validation.figures import Figure, as_found, at_least, at_most, within
from softsim.validation.lessons import falling, opposite, teach

ROUNDS = 32
BATCH = 256
CONFIG = TrainConfig(
    num_members=1,
    num_envs=BATCH,
    num_steps=ROUNDS,
    network=NetworkConfig(hidden=32, memory=32),
    ppo=PPOConfig(num_epochs=1, num_minibatches=1, max_grad_norm=1.0),
    hyper=HyperConfig(learning_rate=4e-3, value_weight=0.0, entropy_weight=0.0, opponent_weight=1.0),
)
ALPHAS = 1.0, 0.1, 0.5, 2.0, 5.0
"""Of the partners in evaluation: first those of training."""

TAKEN_FOR_ONE = 0.339, 0.5105, 0.656, 0.706
"""Cross-entropy among the others of who takes alpha for 1."""


def aimless(policy: Policy) -> Policy:
    """The policy that foresees as another does, and moves at random."""

    def at_random(output: Output) -> Output:
        return dataclasses.replace(output, logits=jnp.zeros_like(output.logits))

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        carry, output = policy.apply(params, carry, percept)
        return carry, at_random(output)

    def unroll(params: PyTree, carry: PyTree, percepts: Percept) -> Output:
        assert policy.unroll is not None
        return at_random(policy.unroll(params, carry, percepts))

    return policy._replace(apply=apply, unroll=unroll)


def learn(updates: int) -> tuple[Program, PyTree]:
    """Train one mind among random partners; its weights have leaves [1, 1, ...]."""
    world, situations = compile_matrix_games([MatrixGame("nothing at stake", np.zeros((2, 2, 2)), horizon=ROUNDS)])
    policy = aimless(default_policy(CONFIG.network, world, situations))
    program = assemble(CONFIG, world, situations, [strategies.random_memory_one()], policy)
    state = jax.jit(program.init)()
    hyper = falling(state.population.hyper, updates, ("learning_rate",))
    people, _ = teach(program, state.key, situations, opposite(1, 1, BATCH), state.population, hyper)
    return program, people.mind


@functools.partial(jax.jit, static_argnums=0)
def evaluate(program: Program, key: Array, mind: PyTree, place: Array) -> dict[str, Array]:
    """Let copies of a mind watch partners of all ALPHAS and compare with Bayes, [alphas]; `place` is `opposite`'s."""
    kinds, seats = len(ALPHAS), place.shape[2]
    partners = tuple(strategies.random_memory_one(alpha, alpha) for alpha in ALPHAS)
    table = dataclasses.replace(program.table, num_learners=kinds, scripted=partners, num_envs=kinds * seats)
    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (1, kinds, *leaf.shape[2:])), mind)
    _, experience = play_out(table, ROUNDS, key[None], program.situations, copies, place)
    weights = jax.tree.map(lambda leaf: leaf[0, 0], mind)

    def by_partner(leaf: Array) -> Array:
        """[1, copies, S, ...] -> [alphas, episodes, ...]: seat s is opposite partner s % alphas."""
        rows = leaf.reshape(-1, kinds, *leaf.shape[3:])
        return jnp.moveaxis(rows, 1, 0)

    trajectory = jax.tree.map(by_partner, experience.trajectory)
    model = jax.lax.map(lambda part: predictions(table.policy, weights, part)[:, :, 0], trajectory)
    own, others = trajectory.action, trajectory.others_action[..., 0]

    def bayes(alpha: Array) -> Array:
        chance = jax.vmap(jax.vmap(inference.predictive, (0, 0, None)))(own, others, alpha)
        return jnp.log(jnp.stack([chance, 1.0 - chance], -1))

    truth, guess = bayes(jnp.array(ALPHAS)), bayes(jnp.ones(kinds))
    surprise = lambda model: -(jnp.exp(truth) * model).sum(-1).mean((1, 2))  # noqa: E731
    frequency, count = (by_partner(getattr(experience.foresight, name)).sum(1) for name in ("frequency", "count"))
    return {
        "model": surprise(model),
        "bayes": surprise(truth),
        "taken_for_one": surprise(guess),
        "frequency": frequency / count,
        "divergence": categorical.divergence(guess, model).mean((1, 2)),
        "calibration_error": calibration_error(reliability(model, others, jnp.ones_like(others, bool), 1)),
    }


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    program, mind = learn(600 if small else 2500)
    say("trained")
    place = opposite(1, len(ALPHAS), 1000 if small else 8000)
    found = jax.device_get(evaluate(program, jax.random.key(1), mind, place))
    model, best, frequency = found["model"], found["bayes"], found["frequency"]
    wide = 5 if small else 1
    return {
        "cross-entropy of Bayes, nats": within(best[0], 0.5927, 0.002 * wide),
        "cross-entropy of the running frequency": within(frequency[0], 0.6735, 0.005 * wide),
        "cross-entropy of the model": as_found(model[0]),
        "KL from Bayes to the model": at_most(found["divergence"][0], 0.03 if small else 0.003),
        "skill": at_least(skill(model[0], frequency[0], best[0]), 0.75 if small else 0.96),
        "expected calibration error, 15 bins": at_most(found["calibration_error"][0], 0.02),
        "alpha of other partners": as_found(ALPHAS[1:]),
        "cross-entropy of Bayes who takes it for 1": within(found["taken_for_one"][1:], TAKEN_FOR_ONE, 0.003 * wide),
        "cross-entropy of the model among them": within(model[1:], TAKEN_FOR_ONE, 0.1 if small else 0.01),
    }
