"""PPO finds the best response to tit for tat: defect, alternate or cooperate, as the discount says.

The repeated prisoner's dilemma with R, S, T, P = 3, 0, 5, 1 against tit for tat: always defect, alternate and always
cooperate are worth 5 + g / (1 - g), 5 / (1 - g^2) and 3 / (1 - g) at discount g, and each is best in turn: they cross
at g = 1/4 and g = 2/3 (Axelrod 1984). `softsim.theory.memory_one.best_response` finds the same by dynamic programming.

Learners see the last moves and remember nothing else. Each has a discount of its own, on a grid around both crossings,
and sits opposite tit for tat only. A learner is read by its likeliest moves after each pair of moves: played against
tit for tat, they cooperate in none, half or all of the rounds in the long run. A seed's switch is where, on the grid,
that share first rises above 1/4, and above 3/4: the middle between the discounts before and after.

Seeds: ten populations, seed 0, each with a learner for every discount.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import MatrixGame, compile_matrix_games
from softsim.envs.matrix import MatrixObservation, two_by_two
from softsim.learners import strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import PPOConfig
from softsim.population import Population
from softsim.theory import memory_one
from softsim.train import Program, assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import Array, Percept, Policy, PyTree
from softsim.validation.figures import Figure, as_found, at_least, within
from softsim.validation.lessons import falling, opposite, teach
from softsim.validation.registry import Say

PAYOFF = (3.0, 0.0, 5.0, 1.0)
SWITCHES = (1 / 4, 2 / 3)
OFFSETS = (-0.03, -0.015, 0.015, 0.03)
TOLERANCE = 0.03


def run(small: bool, say: Say) -> dict[str, Figure]:
    """Let learners of all discounts respond, and find the switches of every seed."""
    offsets = OFFSETS[::3] if small else OFFSETS
    discount = np.sort([switch + offset for switch in SWITCHES for offset in offsets])
    program = respond(3 if small else 10, len(discount))
    people = learn(program, discount, 150)
    table = greedy(program.table.policy, people.mind)
    share = np.asarray(cooperation(table))
    found = np.stack([switch_of(discount, share, level) for level in (0.25, 0.75)], 1)
    near = np.abs(found - SWITCHES) <= TOLERANCE
    say(f"switches of the median seed: {np.median(found, 0)}")
    best = np.array([response_share(each) for each in discount])
    return {
        "median_switch": within(np.median(found, 0).tolist(), SWITCHES, TOLERANCE),
        "seeds_near_alternate": at_least(float(near[:, 0].mean()), 0.9),
        "seeds_near_cooperate": at_least(float(near[:, 1].mean()), 0.9),
        "switches_alternate": as_found(found[:, 0].tolist()),
        "switches_cooperate": as_found(found[:, 1].tolist()),
        "share_as_by_dynamic_programming": as_found(float((share == best[None]).mean())),
    }


def respond(num_seeds: int, num_discounts: int) -> Program:
    """Make learners ready, each opposite copies of tit for tat."""
    world, situations = compile_matrix_games([MatrixGame("dilemma", two_by_two(*PAYOFF), horizon=8)])
    seats = 16
    config = TrainConfig(
        num_populations=num_seeds,
        num_members=num_discounts,
        num_envs=num_discounts * seats,
        num_steps=16,
        num_rounds=1,
        rounds_per_chunk=1,
        network=NetworkConfig(16, 16, recurrence="none", opponent=OpponentConfig("none", condition=False)),
        ppo=PPOConfig(num_epochs=2, num_minibatches=2),
        hyper=HyperConfig(learning_rate=1e-2, entropy_weight=0.03, opponent_weight=0.0),
    )
    return assemble(config, world, situations, [strategies.tit_for_tat(2, 2)] * num_discounts)


def learn(program: Program, discount: np.ndarray, rounds: int) -> Population:
    """Raise every population's learners, with these discounts; rates and bonuses fall to nothing."""
    config = program.config
    people = jax.jit(program.init)().population
    gamma = jnp.broadcast_to(jnp.asarray(discount, jnp.float32), people.fitness.shape)
    hyper = falling(dataclasses.replace(people.hyper, gamma=gamma), rounds, ("learning_rate", "entropy_weight"))
    place = opposite(config.num_populations, config.num_members, program.table.num_places // program.table.num_members)
    key = jax.random.split(jax.random.key(1), config.num_populations)
    return teach(program, key, program.situations, place, people, hyper)[0]


def greedy(policy: Policy, minds: PyTree) -> Array:
    """The likeliest moves of memoryless minds after CC, CD, DC, DD and at the start: cooperation, [..., 5] 0 or 1."""
    own, other = jnp.eye(2)[jnp.array([0, 0, 1, 1])], jnp.eye(2)[jnp.array([0, 1, 0, 1])]
    move = jnp.concatenate([jnp.stack([own, other], 1), jnp.zeros((1, 2, 2))])
    paid = jnp.array((*PAYOFF, 0.0), jnp.float32)

    def of_mind(mind: PyTree) -> Array:
        def cooperates(move: Array, paid: Array) -> Array:
            first = move.sum() == 0
            observation = MatrixObservation(move=move, payoff=paid, waits=jnp.zeros(2, jnp.float32))
            percept = Percept(observation, paid, jnp.ones(2, bool), first)
            logits = policy.apply(mind, policy.start(), percept)[1].logits
            return (logits[0] > logits[1]).astype(jnp.float32)

        return jax.vmap(cooperates)(move, paid)

    return jax.jit(jax.vmap(jax.vmap(of_mind)))(minds)


def cooperation(table: Array) -> Array:
    """Share of the rounds in which strategies [..., 5] cooperate with tit for tat in the long run."""
    partner = jnp.array(memory_one.STRATEGIES["tit_for_tat"], jnp.float32)
    share = jnp.vectorize(lambda own: memory_one.long_run(own, partner)[:2].sum(), signature="(n)->()")(table)
    return jnp.round(share, 3)


def response_share(discount: float) -> float:
    """How much the best response by dynamic programming cooperates."""
    partner = jnp.array(memory_one.STRATEGIES["tit_for_tat"], jnp.float32)
    return float(cooperation(memory_one.best_response(partner, jnp.array(PAYOFF), discount)[0]))


def switch_of(discount: np.ndarray, share: np.ndarray, level: float) -> np.ndarray:
    """Where each seed's share [seed, discount] first exceeds a level; beyond the grid if nowhere."""
    edge = np.concatenate([discount[:1] - 1.0, discount, discount[-1:] + 1.0])
    above = np.concatenate([share > level, np.ones((len(share), 1), bool)], 1)
    first = above.argmax(1)
    return (edge[first] + edge[first + 1]) / 2
