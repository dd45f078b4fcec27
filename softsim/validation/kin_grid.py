"""On a grid, learners give to kin, and populations evolve to give, where relatedness exceeds cost over benefit.

Two agents stand in a corridor, each beside a lever of its own; whoever pushes it pays c = 0.4, and the other gets
b = 1. A push is a move against a solid cell, one of seven moves, and which one depends on how one stands; an episode
has 8 steps. By Hamilton's rule (1964, J. Theor. Biol. 7:1) pushing pays from relatedness r = c / b on. Learners are
the default ones, PPO with small networks, eight to a population; all relatednesses are populations of one program.

- *Learned*: rewards are one's own payoff and r times the other's (the gene `care` is r, and does not change).
- *Evolved*: `care` is drawn uniformly from 0 to 1 for each founder and mutates, learners maximise what it makes them
  feel, and selection goes by payoff alone (truncation). A table is for two copies of one member with probability r,
  else its places are filled at random (`matchmaking.sittings.assortative`), so r is how much more often one meets its
  own kind. Learners push where care > c / b; what evolution decides is whether they come to care.

Cooperation is pushes per step in the last tenth of training. Claims: it is low at r of c / b - 0.2 and less, high at
c / b + 0.2 and more, and switches near c / b. Learners for whom pushing is worth nothing push one step in seven, as
chance does, however long they learn; so their switch is where they begin to push more than that. Evolved populations
end with everybody pushing or nobody, so theirs is where half do. Which level is taken matters for learners: close to
c / b little is to be won, and they are slow, so that the higher the level the later they reach it. Where they cross
one quarter and one half is told as found. Intervals are the middle 95 % of 2,000 bootstraps over populations. They say
how well a switch is known, and c / b need not be in them: with other draws of the same distribution, that of what
evolves was 0.41 to 0.45 (0.38 to 0.48 here).
Seeds: 1964 to train, and for what is drawn here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.compiler import compile_games
from softsim.envs.game import Cell, Ending, Game, Rule, Touch, View
from softsim.heredity import HeredityConfig
from softsim.learners.networks import NetworkConfig
from softsim.learners.ppo import PPOConfig
from softsim.matchmaking import Matchmaker
from softsim.matchmaking.sittings import assortative, places_of
from softsim.selection import SelectionConfig
from softsim.train import Program, assemble
from softsim.train_config import HyperConfig, TrainConfig
from softsim.types import Array
from softsim.validation.figures import Figure, as_found, at_least, at_most, within

BENEFIT, COST = 1.0, 0.4
HORIZON = 8
MEMBERS, TABLES = 8, 32
CHUNKS = 10
OTHER_LEVELS = (0.25, 0.5)
"""At which the switch of learners is told too."""

LEVELS = {"learned": 1.0 / 7.0, "evolved": 0.5}
"""Pushes per step at the switch: what chance does, and what half of all do."""

SEED = 1964


def levers() -> Game:
    """Declare the corridor."""
    return Game(
        name="levers",
        map="######\n#lPPl#\n######",
        legend={"l": Cell("lever")},
        solid=("wall", "lever"),
        rules=[Rule(on=Touch("lever"), reward=-COST, reward_others=BENEFIT, event="pushed")],
        num_agents=2,
        view=View(ahead=1, behind=1, side=1),
        ending=Ending(HORIZON),
        endless=True,
    )


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    related = np.linspace(0.0, 0.8, 5 if small else 9).astype(np.float32)
    populations, figures = (2 if small else 6), {"relatedness": as_found(related.round(3))}
    rng, shape = np.random.default_rng(SEED), (populations * len(related), MEMBERS)
    each = np.tile(related, populations)
    starts = {
        "learned": (np.broadcast_to(each[:, None], shape), np.zeros_like(each)),
        "evolved": (rng.uniform(0.0, 1.0, shape).astype(np.float32), each),
    }
    for name, (care, assortment) in starts.items():
        rounds = {"learned": 150, "evolved": 250}[name]
        pushes, cares = grow(settings(len(each), rounds, name == "evolved"), care, assortment, say)
        pushes, cares = pushes.reshape(populations, -1), cares.reshape(populations, -1)
        say(f"{name}: pushes {pushes.mean(0).round(2).tolist()} at relatedness {related.round(2).tolist()}")
        figures |= judge(name, LEVELS[name], related, pushes, rng, 0.15 if small else 0.1)
        figures[f"{name}_care"] = as_found(cares.mean(0).round(3))
    return figures


def judge(
    name: str, level: float, related: np.ndarray, pushes: np.ndarray, rng: np.random.Generator, tolerance: float
) -> dict[str, Figure]:
    """Compare cooperation [populations, relatednesses] with Hamilton's rule; the switch is where it passes `level`."""
    switch, curve = COST / BENEFIT, pushes.mean(0)
    resampled = pushes[rng.integers(0, len(pushes), (2000, len(pushes)))].mean(1)
    low, high = np.percentile(resampled, [2.5, 97.5], 0)

    def found_at(level: float) -> tuple[float, Figure]:
        switches = [crossing(related, each, level) for each in resampled]
        return crossing(related, curve, level), as_found(np.nanpercentile(switches, [2.5, 97.5]))

    at, interval = found_at(level)
    figures = {
        f"{name}_below": at_most(curve[related <= switch - 0.2 + 1e-6].max(), 0.25),
        f"{name}_above": at_least(curve[related >= switch + 0.2 - 1e-6].min(), 0.75),
        f"{name}_switch": within(at, switch, tolerance),
        f"{name}_switch_ci95": interval,
        f"{name}_pushes": as_found(curve.round(3)),
        f"{name}_pushes_ci95_low": as_found(low.round(3)),
        f"{name}_pushes_ci95_high": as_found(high.round(3)),
    }
    for other in OTHER_LEVELS if name == "learned" else ():
        at, interval = found_at(other)
        figures |= {f"{name}_switch_at_{other}": as_found(at), f"{name}_switch_at_{other}_ci95": interval}
    return figures


def crossing(related: np.ndarray, curve: np.ndarray, level: float) -> float:
    """Where the curve first rises through a level, between two points on a straight line; NaN if it never does."""
    for i in range(len(curve) - 1):
        if curve[i] < level <= curve[i + 1]:
            return float(np.interp(level, curve[i : i + 2], related[i : i + 2]))
    return float("nan")


def settings(num_populations: int, rounds: int, evolves: bool) -> TrainConfig:
    return TrainConfig(
        num_populations=num_populations,
        num_members=MEMBERS,
        num_envs=TABLES,
        num_steps=2 * HORIZON,
        num_rounds=rounds,
        rounds_per_chunk=rounds // CHUNKS,
        seed=SEED,
        network=NetworkConfig(hidden=16, memory=16, recurrence="none"),
        ppo=PPOConfig(num_epochs=2, num_minibatches=1),
        hyper=HyperConfig(learning_rate=1e-2, gamma=0.5, opponent_weight=0.0),
        selection=SelectionConfig(every=5 if evolves else 0, fitness="payoff", mutation=0.0),
        heredity=HeredityConfig(heritable=("care",)),
    )


def by_assortment() -> Matchmaker:
    """Seat by `assortative`, members with themselves, as often as a population's own record says."""

    def seat(key: Array, assortment: Array, founder: Array) -> Array:
        member = jnp.arange(MEMBERS, dtype=jnp.int32)
        return places_of(assortative(key, assortment, member, TABLES, 2), MEMBERS)

    return Matchmaker(lambda: jnp.float32(0.0), seat, lambda assortment, *_: assortment)


def grow(
    config: TrainConfig, care: np.ndarray, assortment: np.ndarray, say: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Raise populations whose founders have `care`, [N, P], and that are seated with `assortment`, [N].

    Returns:
        [N] pushes per step, and mean care, over all members, in the last chunk.
    """
    world, situations = compile_games([levers()])
    program: Program = dataclasses.replace(assemble(config, world, situations), matchmaker=by_assortment())
    state = jax.jit(program.init)()
    people = dataclasses.replace(state.population, genes={"care": jnp.asarray(care, jnp.float32)})
    state = dataclasses.replace(state, population=people, company=jnp.asarray(assortment))
    chunk = jax.jit(program.chunk, donate_argnums=0)
    for _ in range(CHUNKS):
        state, metrics = chunk(state, situations)
        pushes = np.asarray(metrics["events"][..., 0]).mean((0, 2)) / HORIZON
        say(f"{int(state.round)} of {config.num_rounds} rounds: pushes {pushes.min():.2f} to {pushes.max():.2f}")
    return pushes, np.asarray(state.population.genes["care"]).mean(1)
