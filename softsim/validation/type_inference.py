"""Recurrent PPO finds out whom it plays with and answers that as well as Bayes can; without memory it cannot.

The iterated prisoner's dilemma with R, S, T, P = 3, 0, 5, 1 over 10 rounds, undiscounted. The partner is one of ALLC,
ALLD, TFT and WSLS, each as often, and nothing but its moves tells which. What is learnt is evaluated exactly: partners
are deterministic, and the learner's likeliest moves are played against each of the four.

Targets come from dynamic programming (`softsim.theory.inference`): who infers the type by Bayes gets 30.25, who is told
it 31. Who sees the clock and the last joint move and remembers nothing else gets 30 at most, with its own last move for
a note; 29.25, where learners without memory often stop, is a local optimum. The type is worth ln 4 nats, and ten rounds
reveal it all, so the least cross-entropy of predicted moves is ln(4) / 10.

Twelve learners with memory and eight without, in populations of four, seed 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.matrix import MatrixGame, MatrixParams, MatrixWorld, compile_matrix_games, two_by_two
from softsim.evaluation.outcomes import play_out
from softsim.learners import strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.ppo import PPOConfig
from softsim.theory import inference, memory_one
from softsim.train import assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import Array, Output, Percept, Policy, PyTree, Timestep, struct
from softsim.validation.figures import Figure, as_found, at_least, at_most, within
from softsim.validation.lessons import falling, opposite, teach

PAYOFF = 3.0, 0.0, 5.0, 1.0
ROUNDS = 10
TYPES = ("cooperate", "defect", "tit_for_tat", "win_stay_lose_shift")


@struct
class Timed:
    """A matrix game's moves, and how late it is."""

    move: Array  # [A, A, K] float32   as in `MatrixObservation`
    clock: Array  # [A, ROUNDS + 1] float32   one-hot


@dataclasses.dataclass(frozen=True)
class Finite:
    """A matrix game whose agents know the clock, and whose last round is the true end: nothing follows it."""

    game: MatrixWorld

    @property
    def num_agents(self) -> int:
        return self.game.num_agents

    @property
    def num_actions(self) -> int:
        return self.game.num_actions

    def reset(self, key: Array, params: MatrixParams) -> tuple[PyTree, Timestep]:
        return self._timed(*self.game.reset(key, params))

    def step(self, key: Array, params: MatrixParams, state: PyTree, action: Array) -> tuple[PyTree, Timestep]:
        return self._timed(*self.game.step(key, params, state, action))

    def _timed(self, state: PyTree, timestep: Timestep) -> tuple[PyTree, Timestep]:
        clock = jnp.tile(jax.nn.one_hot(state.step, ROUNDS + 1), (self.num_agents, 1))
        discount = jnp.where(timestep.last, 0.0, timestep.discount)
        observation = Timed(timestep.observation.move, clock)
        return state, dataclasses.replace(timestep, observation=observation, discount=discount)


def settings(recurrence: Literal["gru", "none"], num_populations: int, seats: int) -> TrainConfig:
    """Advantages are of whole episodes (lambda 1): who remembers nothing cannot judge where a game stands."""
    return TrainConfig(
        num_populations=num_populations,
        num_members=len(TYPES),
        num_envs=len(TYPES) * seats,
        num_steps=ROUNDS,
        network=NetworkConfig(hidden=32, memory=32, recurrence=recurrence),
        ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        hyper=HyperConfig(learning_rate=3e-3, gamma=1.0, gae_lambda=1.0, entropy_weight=0.1, opponent_weight=1.0),
    )


def greedy(policy: Policy) -> Policy:
    """The policy that makes the likeliest move of another."""

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        carry, output = policy.apply(params, carry, percept)
        sure = strategies.SURE * jax.nn.one_hot(jnp.argmax(output.logits), output.logits.size)
        return carry, dataclasses.replace(output, logits=sure)

    return policy._replace(apply=apply)


def learn(config: TrainConfig, updates: int) -> tuple[np.ndarray, np.ndarray]:
    """Teach all learners among all types, and evaluate them: return and cross-entropy of predictions, [N * P] each."""
    game, situations = compile_matrix_games([MatrixGame("dilemma", two_by_two(*PAYOFF), horizon=ROUNDS)])
    partners = [strategies.memory_one(jnp.array(memory_one.STRATEGIES[name])) for name in TYPES]
    program = assemble(config, Finite(game), situations, partners)
    state = jax.jit(program.init)()
    place = opposite(config.num_populations, len(TYPES), config.num_envs // len(TYPES))
    hyper = falling(state.population.hyper, updates, ("learning_rate", "entropy_weight"))
    people, _ = teach(program, state.key, situations, place, state.population, hyper)

    each = len(TYPES)
    table = dataclasses.replace(program.table, num_envs=each * each, policy=greedy(program.table.policy))
    place = opposite(config.num_populations, each, each)
    play = jax.jit(play_out, static_argnums=(0, 1))
    _, experience = play(table, ROUNDS, state.key, situations, people.mind, place)
    reward, foresight = np.asarray(experience.trajectory.reward), experience.foresight
    surprise = np.asarray(foresight.cross_entropy.sum(-1) / foresight.count.sum(-1))
    return reward.sum(-1).mean(-1).reshape(-1), surprise.reshape(-1)


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    kinds = [memory_one.STRATEGIES[name] for name in TYPES]
    bayes = inference.inferred(kinds, PAYOFF, ROUNDS)
    forgetful = inference.unremembered(kinds, PAYOFF, ROUNDS)
    value, surprise = learn(settings("gru", 1 if small else 3, seats=64), updates=600)
    say(f"with memory: {np.sort(value)}, head {surprise.mean():.4f} nats")
    without, _ = learn(settings("none", 1 if small else 2, seats=128), updates=300 if small else 1000)
    say(f"without memory: {np.sort(without)}")
    return {
        "told the type, exactly": within(inference.told(kinds, PAYOFF, ROUNDS), 31.0, 1e-9),
        "inferring it by Bayes, exactly": within(bayes, 30.25, 1e-9),
        "without memory, exactly": within(forgetful, 30.0, 1e-9),
        "learners": as_found(len(value)),
        "learners with memory that get 30.2": at_least(float((value >= 30.2).mean()), 0.9),
        "with memory, median": within(float(np.median(value)), bayes, 0.05),
        "without memory, greatest": at_most(float(without.max()), forgetful),
        "without memory, median": at_least(float(np.median(without)), 26.0 if small else 29.25),
        "cross-entropy of the head, nats": within(float(surprise.mean()), math.log(len(TYPES)) / ROUNDS, 0.01),
    }
