"""Shapers that play many repeated games with a learner and remember: meta-episodes, raised by an evolution strategy.

A meta-episode is a row of repeated games between two memory-one minds (`exact_shaping`). Before each the shaper chooses
its mind anew, from its memory and from what both minds were (the meta-game of M-FOS: Lu et al. 2022, arXiv 2205.01447);
after each the pupil learns. Its memory lasts through the meta-episode, and what it wants is its mean reward over all of
it, found without gradients (Shaper: Khan et al. 2024, arXiv 2312.12568).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax

from softsim.learners.exact_shaping import Step, values
from softsim.types import Array, PyTree, struct


@struct
class Shaper:
    """The weights of a shaper with a memory of H numbers."""

    perceive: Array  # [11, H] float32   both minds as probabilities, one's own first, and 1
    recall: Array  # [H, H] float32
    choose: Array  # [H + 1, 5] float32   the next mind's logits


def found_shaper(hidden: int) -> Shaper:
    """A shaper that is undecided in everything, for a search to begin with."""
    return Shaper(*(jnp.zeros(shape, jnp.float32) for shape in ((11, hidden), (hidden, hidden), (hidden + 1, 5))))


def meta_episode(
    step: Step, payoff: Array, discount: Array, shaper: Shaper, pupil: Array, num_games: int
) -> tuple[Array, Array]:
    """Let a shaper meet a pupil that learns from game to game.

    Args:
        step: (pupil's mind, other's mind) -> pupil's mind after a step. pupil: [5] its mind at first.

    Returns:
        [T, 2] what shaper and pupil get per round of each game, and [T, 5] the shaper's minds.
    """
    one = jnp.ones(1, jnp.float32)

    def game(running: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        memory, mind, pupil = running
        seen = jnp.concatenate([jax.nn.sigmoid(mind), jax.nn.sigmoid(pupil), one])
        memory = jnp.tanh(seen @ shaper.perceive + memory @ shaper.recall)
        mind = jnp.concatenate([memory, one]) @ shaper.choose
        return (memory, mind, step(pupil, mind)), (values(payoff, discount, mind, pupil), mind)

    begin = jnp.zeros(shaper.recall.shape[0]), jnp.zeros(5), pupil
    return jax.lax.scan(game, begin, None, num_games)[1]


@dataclasses.dataclass(frozen=True)
class StrategyConfig:
    """An evolution strategy."""

    num_pairs: int = 32  # of opposite perturbations per generation
    num_generations: int = 200
    deviation: float = 0.1  # of perturbations
    learning_rate: float = 0.05  # of Adam


def evolve(key: Array, config: StrategyConfig, fitness: Callable[[Array, PyTree], Array], params: PyTree) -> PyTree:
    """Climb a fitness that need not be smooth (Salimans et al. 2017, arXiv 1703.03864).

    Each generation tries opposite perturbations, which share their chance, and follows them by the ranks of their
    fitness.

    Args:
        fitness: (key, params) -> [] float32.
    """
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    optimizer = optax.adam(config.learning_rate)
    remake = functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))

    def generation(running: PyTree, key: Array) -> tuple[PyTree, None]:
        center, state = running
        key_noise, key_fitness = jax.random.split(key)
        noise = jax.random.normal(key_noise, (config.num_pairs, flat.size))
        noise = jnp.concatenate([noise, -noise])
        words = jnp.tile(jax.random.key_data(jax.random.split(key_fitness, config.num_pairs)), (2, 1))
        tried = jax.vmap(lambda word, step: fitness(remake(word), unflatten(center + step)))
        found = tried(words, config.deviation * noise)
        rank = jnp.argsort(jnp.argsort(found)) / (found.size - 1.0) - 0.5
        change, state = optimizer.update(-(rank @ noise) / (found.size * config.deviation), state)
        return (optax.apply_updates(center, change), state), None

    center = jax.lax.scan(generation, (flat, optimizer.init(flat)), jax.random.split(key, config.num_generations))[0][0]
    return unflatten(center)


@dataclasses.dataclass(frozen=True)
class MetaConfig:
    """How a shaper is raised."""

    strategy: StrategyConfig = StrategyConfig()
    hidden: int = 8  # numbers in its memory
    num_games: int = 100  # of a meta-episode
    num_pupils: int = 8  # drawn from N(0, 1), anew for every generation


def raise_shaper(key: Array, step: Step, payoff: Array, discount: Array, config: MetaConfig) -> Shaper:
    """Find a shaper that gets much from pupils that learn by `step`."""

    def fitness(key: Array, shaper: Shaper) -> Array:
        pupils = jax.random.normal(key, (config.num_pupils, 5))
        meet = jax.vmap(lambda pupil: meta_episode(step, payoff, discount, shaper, pupil, config.num_games)[0])
        return meet(pupils)[..., 0].mean()

    return evolve(key, config.strategy, fitness, found_shaper(config.hidden))
