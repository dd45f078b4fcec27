"""The coin game is the literature's, in both versions; in it PPO takes all coins, and aligned advantages their own.

Anchors: partners that take their own coins only (cooperators), the nearest ones (defectors), or step at random, on 512
tables for 400 steps, staying allowed. Reward per step, and the share of coins that are of the taker's colour; targets
are those of the Markov chains, solved in the tests, to five digits, with a tolerance of 4 standard errors.

Learning: pairs of recurrent PPO learners, five seeds, 300 updates from 16 episodes of 32 steps each, discount 0.96;
plain, and with aligned advantages of weight 1 (Duque et al. 2025, arXiv 2406.14662). Over the last 30 updates: mean and
95 % interval (Student) over seeds of reward per step, own colour's share and coins per step. Nothing is claimed of
these. Two cooperators get 0.566 a step from two coins and 0.333 from one, two defectors 0.243 and 0.

Seed 0. One coin is that of LOLA and POLA, where agents cannot stay; two coins are those of Pax.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from softsim import rollout
from softsim.envs.coin_game import CoinGame, CoinParams, coin_params
from softsim.evaluation.outcomes import play_out
from softsim.learners import strategies
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import PPOConfig
from softsim.matchmaking.matchmaker import memoryless
from softsim.partners import partner
from softsim.train import Program, TrainState, assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import PyTree
from softsim.validation.figures import Figure, as_found, within
from softsim.validation.registry import Say

VERSIONS = {"two_coins": False, "one_coin": True}
PAIRS = (("cooperator", "cooperator"), ("defector", "defector"), ("cooperator", "defector"), ("random", "random"))
ANCHORS = {
    "two_coins": ((0.56636, 0.56636), (0.24272, 0.24272), (0.12509, 0.64377), (0.0, 0.0)),
    "one_coin": ((0.33333, 0.33333), (0.0, 0.0), (-0.25981, 0.62354), (0.0, 0.0)),
}
OWN_SHARE = {"two_coins": 0.85598, "one_coin": 1.0}
"""Of two cooperators."""

ARMS = {"plain": 0.0, "aligned": 1.0}
"""Weights of advantage alignment."""

STEPS, SEEDS = 32, 5

Chunk = Callable[[TrainState, PyTree], tuple[TrainState, dict[str, Any]]]


def run(small: bool, say: Say) -> dict[str, Figure]:
    """Play the anchors, then let learners play."""
    figures: dict[str, Figure] = {}
    play = play_pairs(64 if small else 512)
    for version, one_coin in VERSIONS.items():
        situations = stacked(coin_params(one_coin, horizon=10**6, may_stay=True))
        figures |= anchors(version, *play(situations))
        say(f"{version}: scripted pairs played")
    program = learners(small)
    chunk = jax.jit(program.chunk)
    for version, one_coin in VERSIONS.items():
        situations = stacked(coin_params(one_coin, horizon=STEPS))
        for name, seeds in zip(ARMS, learn(program, chunk, situations), strict=True):
            figures |= described(f"{version}_{name}", seeds)
            say(f"{version}, {name}: reward and own share {seeds.mean(0)[:2].round(3)}")
    return figures


def stacked(params: CoinParams) -> CoinParams:
    """One situation, with the leading axis of many."""
    return jax.tree.map(lambda leaf: leaf[None], params)


# ---- Anchors -------------------------------------------------------------------------------------------------------


def anchors(version: str, reward: np.ndarray, own: np.ndarray, coins: np.ndarray) -> dict[str, Figure]:
    """Hold what pairs got and took, as `play_pairs` returns it, against the Markov chain."""
    figures, tables = {}, reward.shape[1]
    for names, seen, target in zip(PAIRS, reward, ANCHORS[version], strict=True):
        error = seen.std(0, ddof=1) / np.sqrt(tables)
        figure = within(seen.mean(0).tolist(), target, 4 * float(error.max()))
        figures[f"{version}_{'_and_'.join(names)}"] = figure
    share = own[0].sum() / coins[0].sum()
    spread = (own[0] - share * coins[0]).std(ddof=1) / coins[0].mean() / np.sqrt(tables)  # of a ratio of sums
    figures[f"{version}_own_share_of_cooperators"] = within(share, OWN_SHARE[version], 4 * spread + 1e-5)
    return figures


def play_pairs(tables: int, steps: int = 400) -> Callable[[CoinParams], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Seat pair b at tables `b * tables` onwards.

    Returns:
        A function of the situation, to [pair, table, agent] reward per step, and [pair, table] own coins and all coins
        that were taken.
    """
    world = CoinGame()
    policies = tuple(partner(name, world, ()) for names in PAIRS for name in names)
    nobody = strategies.random(world.num_actions, 2)  # all are scripted; who would learn is not there
    table = rollout.Table(world, nobody, 0, policies, 1, len(PAIRS) * tables)
    place = np.arange(table.num_places, dtype=np.int32).reshape(len(PAIRS), tables, 2)
    place = place.swapaxes(1, 2).reshape(1, -1, tables)
    play = jax.jit(play_out, static_argnums=(0, 1))

    def measure(situations: CoinParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ledger = play(table, steps, jax.random.split(jax.random.key(0), 1), situations, (), place)[1].ledger
        shape = len(PAIRS), tables, 2, -1
        reward, events = (np.asarray(leaf)[0].reshape(shape) for leaf in (ledger.reward, ledger.events))
        return reward[..., 0] / steps, events[..., 0].sum(-1), events.sum((-1, -2))

    return measure


# ---- Learning ------------------------------------------------------------------------------------------------------


def learners(small: bool) -> Program:
    """Pairs of learners who always meet each other: for each arm as many populations of two as there are seeds."""
    rounds = 10 if small else 300
    config = TrainConfig(
        num_populations=len(ARMS) * (2 if small else SEEDS),
        num_members=2,
        num_envs=16,
        num_steps=STEPS,
        num_rounds=rounds,
        rounds_per_chunk=rounds,
        network=NetworkConfig(32, 32, opponent=OpponentConfig("none", condition=False)),
        ppo=PPOConfig(num_epochs=2, num_minibatches=2, shaping="advantage_alignment"),
        hyper=HyperConfig(learning_rate=3e-3, gamma=0.96, entropy_weight=0.02, opponent_weight=0.0),
    )
    program = assemble(config, CoinGame(), stacked(coin_params(False, horizon=STEPS)))
    table = jnp.arange(config.num_envs, dtype=jnp.int32)
    place = 2 * table[None] + jnp.stack([table % 2, 1 - table % 2])  # one of either learner at every table
    return dataclasses.replace(program, matchmaker=memoryless(lambda key, founder: place))


def learn(program: Program, chunk: Chunk, situations: CoinParams) -> np.ndarray:
    """Raise all populations, those of one arm after those of another.

    Returns:
        [arm, seed, 3] reward per step, own colour's share, coins per step and agent; over the last tenth.
    """
    state = jax.jit(program.init)()
    weight = jnp.repeat(jnp.float32([*ARMS.values()]), program.config.num_populations // len(ARMS))
    hyper = dataclasses.replace(state.population.hyper, shaping_weight=jnp.tile(weight[:, None], (1, 2)))
    state = dataclasses.replace(state, population=dataclasses.replace(state.population, hyper=hyper))
    late = jax.tree.map(lambda leaf: np.asarray(leaf[-program.config.num_rounds // 10 :]), chunk(state, situations)[1])
    reward, events = late["return"].mean((0, 2)) / STEPS, late["events"].mean((0, 2)) / STEPS
    found = np.stack([reward, events[:, 0] / events.sum(1), events.sum(1)], 1)
    return found.reshape(len(ARMS), -1, 3)


def described(name: str, seeds: np.ndarray) -> dict[str, Figure]:
    """Mean, and lower and upper end of the interval, of what seeds, [seed, 3], found."""
    count = len(seeds)
    margin = scipy.stats.t.ppf(0.975, count - 1) * seeds.std(0, ddof=1) / np.sqrt(count)
    rows = zip(("reward", "own_share", "coins"), seeds.mean(0), margin, strict=True)
    return {f"{name}_{what}": as_found([mean, mean - around, mean + around]) for what, mean, around in rows}
