"""Learners cooperate with one another where half of their partners are random and nobody says which; else they defect.

A replication of Weis et al. 2026 (arXiv 2602.16301, in-context co-player inference) with recurrent PPO: one learner a
population plays the iterated prisoner's dilemma (payoffs 3, -1, 4, 0; 32 rounds) with copies of itself and with
partners whose memory-one strategy is drawn anew for every episode from Beta(1/4, 1/4). Three arms have equally many
seats, weights and steps: *mixed pool*; *learners only*, where the learner meets itself alone; *partners named*, where
it is told which kind of partner it has. Ten populations of each are the seeds; figures are of play without learning
afterwards, intervals are percentiles of resampled means over populations. Claimed is only that the mixed pool
cooperates more than either other arm; all else is as found.

The paper's hyperparameters and payoffs were not at hand. Ours make it pay to find out about a partner: knowing its
strategy is worth .5 a round more than constant defection, and the best answers cooperate in 20 % of the rounds; with
payoffs -1, -3, 0, -2 and uniform partners it is .05 and 6 %.

What was tried, in shares of cooperative moves among learners of the mixed pool:
- This: .35, from .05 to .68 in ten seeds, and at most .006 in any seed of the other arms. Before, with other first
  weights of the same distribution, .63, from .27 to .91; and with 48 seats a member .33.
  What is learnt repays cooperation, punishes defection, and defects against most random partners.
- With the last payoff in the observation: .41 to .91 in six of ten seeds, at most .09 in the others.
- Two learners with weights of their own, twice through the experience: with Beta(1/2, 1/2) at most .12 in all of ten
  seeds after 1,200 updates; with -1, -3, 0, -2 and uniform partners .05 after 150 updates, where it was given up.
- 3, 0, 5, 1: .41 in one of five seeds, at most .04 in the others.
- In a sketch outside of this library: .82 to .92 in five of five seeds; with a learning rate of .02 in two of five;
  with two learners .48, .67, .03, .91; with uniform partners at most .06 in four; after 400 updates, two seeds each,
  .01 with a discount factor of .9, .49 and .63 with .97, .28 and .41 with that and Beta(1/10, 1/10).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from softsim.compilations import options
from softsim.envs.matrix import MatrixGame, MatrixParams, MatrixWorld, compile_matrix_games, two_by_two
from softsim.evaluation.outcomes import play_out
from softsim.keys import fold_each, split_each
from softsim.learners import strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import PPOConfig
from softsim.population import Population
from softsim.train import Program, assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import Array, PyTree, Timestep, struct
from softsim.validation.figures import Figure, as_found, at_least
from softsim.validation.lessons import falling, teach

PAYOFF = 3.0, -1.0, 4.0, 0.0
ROUNDS = 32
SPREAD = 0.25
SEATS = 64
"""Of the learner, and of the random partners, in every population."""

SEEDS, UPDATES = 10, 600


@struct
class Company:
    """A game, and who sits at the table."""

    game: MatrixParams
    sitting: Array  # [A] float32   1 a learner, -1 somebody random, 0 not to be told


@struct
class Acquaintance:
    """The moves of a matrix game, and with whom one plays."""

    move: Array  # [A, A, K] float32   as in `MatrixObservation`
    partner: Array  # [A] float32   what the other is, as in `Company`


@dataclasses.dataclass(frozen=True)
class Introduced:
    """A game for two in which each is told who the other is, as far as `Company` says."""

    game: MatrixWorld

    @property
    def num_agents(self) -> int:
        return self.game.num_agents

    @property
    def num_actions(self) -> int:
        return self.game.num_actions

    def reset(self, key: Array, params: Company) -> tuple[PyTree, Timestep]:
        return self._introduce(params, *self.game.reset(key, params.game))

    def step(self, key: Array, params: Company, state: PyTree, action: Array) -> tuple[PyTree, Timestep]:
        return self._introduce(params, *self.game.step(key, params.game, state, action))

    def _introduce(self, params: Company, state: PyTree, timestep: Timestep) -> tuple[PyTree, Timestep]:
        observation = Acquaintance(timestep.observation.move, params.sitting[::-1])
        return state, dataclasses.replace(timestep, observation=observation)


play = jax.jit(play_out, static_argnums=(0, 1))


class Arm(NamedTuple):
    """A condition of the experiment."""

    diverse: bool  # half of the learner's partners are random
    told: bool  # learners observe whether their partner is one


ARMS = {"mixed pool": Arm(True, False), "learners only": Arm(False, False), "partners named": Arm(True, True)}


def sit(arm: Arm, seats: int) -> np.ndarray:
    """Who sits where, [E, 2]: 0 the learner, 1 somebody random. Both have as many seats in all arms."""
    alone = seats // 4 if arm.diverse else seats // 2
    mixed = seats // 2 - alone
    return np.array([(0, 0)] * alone + [(0, 1), (1, 0)] * mixed + [(1, 1)] * alone)


def places(sitting: np.ndarray, num_populations: int) -> np.ndarray:
    """Places of the seats, [N, 2, S] int32."""
    flat = sitting.reshape(-1)
    place = np.stack([np.flatnonzero(flat == member) for member in (0, 1)]).astype(np.int32)
    return np.broadcast_to(place, (num_populations, *place.shape))


def companies(arm: Arm, sitting: np.ndarray, game: MatrixParams) -> Company:
    """The params of all tables, leaves [E, ...]."""
    told = np.where(sitting == 0, 1.0, -1.0) * arm.told
    everywhere = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[0], (len(sitting), *leaf.shape[1:])), game)
    return Company(everywhere, jnp.asarray(told, jnp.float32))


def settings(num_populations: int) -> TrainConfig:
    return TrainConfig(
        num_populations=num_populations,
        num_members=1,
        num_envs=SEATS,
        num_steps=ROUNDS,
        network=NetworkConfig(hidden=16, memory=16, opponent=OpponentConfig(condition=False)),
        ppo=PPOConfig(num_epochs=4, num_minibatches=1),
        hyper=HyperConfig(learning_rate=1e-2, gamma=0.95, entropy_weight=0.03, opponent_weight=1.0),
    )


class Found(NamedTuple):
    """How learners play in the end, [N] each."""

    cooperation: np.ndarray  # share of moves among learners
    late: np.ndarray  # the same in the second half of an episode
    kind: np.ndarray  # after the other's cooperation, in the second half
    unkind: np.ndarray  # after its defection
    random: np.ndarray  # share of moves with random partners; NaN where there are none
    gain: np.ndarray  # payoff per round with random partners


def measure(program: Program, arm: Arm, key: Array, game: MatrixParams, people: Population, seats: int) -> Found:
    """Let them play without learning, in so many seats each."""
    sitting = sit(arm, seats)
    place = places(sitting, program.config.num_populations)
    table = dataclasses.replace(program.table, num_envs=seats)
    trajectory = play(table, ROUNDS, key, companies(arm, sitting, game), people.mind, place)[1].trajectory
    cooperates, other = np.asarray(trajectory.action[:, 0]) == 0, np.asarray(trajectory.others_action[:, 0, ..., 0])
    among = (sitting[:, ::-1].reshape(-1)[place[0, 0]]) == 0
    half = ROUNDS // 2
    now, before = cooperates[:, among, half:], other[:, among, half - 1 : -1] == 0

    def mean(values: np.ndarray, where: Any = True) -> np.ndarray:
        where = np.broadcast_to(where, values.shape)
        count = where.sum((1, 2))
        return np.where(count > 0, (values * where).sum((1, 2)) / np.maximum(count, 1), np.nan)

    return Found(
        mean(cooperates[:, among]), mean(now), mean(now, before), mean(now, ~before),
        mean(cooperates[:, ~among]), mean(np.asarray(trajectory.reward[:, 0])[:, ~among]),
    )  # fmt: skip


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    """Run all arms; `small` has two populations that hardly learn, and claims nothing."""
    num_populations, updates = (2, 4) if small else (SEEDS, UPDATES)
    world, game = compile_matrix_games([MatrixGame("dilemma", two_by_two(*PAYOFF), horizon=ROUNDS)])
    partner = strategies.random_memory_one(SPREAD, SPREAD)
    config = settings(num_populations)
    arm = ARMS["mixed pool"]
    program = assemble(config, Introduced(world), companies(arm, sit(arm, SEATS), game), [partner])
    founders = jax.jit(program.init)()
    hyper = falling(founders.population.hyper, updates, ("learning_rate", "entropy_weight"))
    keys = [split_each(fold_each(founders.key, jnp.int32(number)), 2) for number in range(len(ARMS))]
    given = [
        (key_teach, companies(arm, sit(arm, SEATS), game), places(sit(arm, SEATS), num_populations))
        for arm, (key_teach, _) in zip(ARMS.values(), keys, strict=True)
    ]
    learn = teach.lower(program, *given[0], founders.population, hyper).compile(options())
    with ThreadPoolExecutor() as pool:  # side by side, since small members leave all cores but one idle
        taught = list(pool.map(lambda each: learn(*each, founders.population, hyper)[0], given))

    figures, cooperation = {}, {}
    for (name, arm), (_, key_measure), people in zip(ARMS.items(), keys, taught, strict=True):
        found = measure(program, arm, key_measure, game, people, 4 * SEATS)
        say(f"{name}: learners cooperate with learners in {found.cooperation.mean():.1%} of their moves")
        cooperation[name] = found.cooperation
        figures |= report(name, found)
    return figures | contrast(cooperation, claims=not small)


def report(name: str, found: Found) -> dict[str, Figure]:
    low, high = interval(found.cooperation)
    figures = {
        f"{name}, cooperation among learners, mean and 95 % interval": as_found([found.cooperation.mean(), low, high]),
        f"{name}, of every seed": as_found(np.round(found.cooperation, 3)),
        f"{name}, late in an episode": as_found(found.late.mean()),
        f"{name}, after cooperation and after defection": as_found([pooled(found.kind), pooled(found.unkind)]),
    }
    if not np.isnan(found.random).any():
        figures[f"{name}, cooperation with random partners and payoff per round"] = as_found(
            [found.random.mean(), found.gain.mean()]
        )
    return figures


def pooled(values: np.ndarray) -> float:
    """Mean over the seeds in which there is such a move; NaN if there is none."""
    return float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean over seeds, by the percentiles of resampled means."""
    drawn = scipy.stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0))
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def contrast(cooperation: dict[str, np.ndarray], claims: bool) -> dict[str, Figure]:
    """How much more of their moves learners cooperate in the mixed pool than in each other arm.

    Args:
        cooperation: [N] of every arm. claims: whether the least difference is to be above nothing.
    """
    figures = {}
    for name in list(ARMS)[1:]:
        low, high = interval(cooperation["mixed pool"] - cooperation[name])
        figures[f"mixed pool less {name}, 95 % interval"] = as_found([low, high])
        if claims:
            figures[f"mixed pool less {name}, at the least"] = at_least(low, 0.0)
    return figures
