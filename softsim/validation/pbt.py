"""Population based training beats random search with the same budget, and each of its two halves, on a known surrogate.

Workers climb `1.2 - (h0 x0**2 + h1 x1**2)` from x = (0.9, 0.9) by its gradient, and are judged by what they cannot see,
`1.2 - (x0**2 + x1**2)`: the toy of Jaderberg et al. 2017 (arXiv 1711.09846, figure 2). Now and then the
worse are replaced by copies of the better, weights and hyperparameters (`population.select` with truncation), and the
copies' hyperparameters are perturbed. Every arm takes as many gradient steps with as many workers.

- *Two workers* that begin with h = (1, 0) and (0, 1), as published. Neither can reach the top by itself: fixed h leaves
  one coordinate where it was, so the score is 0.39 plus nothing. Perturbation adds a normal step within 0 to 1
  (`heredity.mutate`); in the published toy it is 0 that must be left, which no factor can do.
- *Ten workers*, each h drawn log-uniformly from 0.01 to 1, against as many that keep what they drew (random search),
  that copy without perturbing, and that perturb without copying. Perturbation multiplies, as part of `select`, or of
  those who do not copy by the same `population.mutate`.

Claims are about the mean over seeds of the best worker's score in the end, by the lower ends of 95 % intervals; arms
share their founders, and gains are paired by seed. For the published picture `two_ARM_weights` are where each of two
workers was before and after the steps of each generation, with seed 0, and `two_ARM_h` its h in each: [worker, time,
coordinate]. `history` is h of the best of ten workers, generation by generation, on average. Seeds are 0, 1, 2 and so
on, folded into the key of 1711.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from softsim import heredity, population
from softsim.learners.evolution import truncation
from softsim.learners.structure import well_mixed
from softsim.metrics import interval
from softsim.population import Lineage, Population, Selection
from softsim.types import Array
from softsim.validation.figures import Figure, as_found, at_least, within

START, TOP = 0.9, 1.2
RATE, STEPS, GENERATIONS = 0.01, 10, 20
"""Step size, steps between selections, and selections."""

SEED = 1711

LOW = 0.01
FACTOR, STEP = 0.2, 0.2
"""Perturbations: relative, and standard deviation of the normal step."""

RANGES = {"h0": (0.0, 1.0), "h1": (0.0, 1.0)}

Hyper = dict[str, Array]


class Arm(NamedTuple):
    """A way to use the budget."""

    exploits: bool  # the worse half, or quarter, become copies
    mutation: float = 0.0  # relative step of what they copied
    explores: Callable[[Array, Hyper, Array], Hyper] | None = None  # (key, h, who is perturbed [P]) -> h


class Found(NamedTuple):
    """What came of an arm, with Z seeds."""

    best: Any  # [Z] float64   the best worker's final score
    best_h: Any  # [Z, GENERATIONS, 2] float64   the best worker's h
    weights: Any  # [Z, P, 2 GENERATIONS, 2] float64   before and after the steps of each
    h: Any  # [Z, P, GENERATIONS, 2] float64


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    seeds = jnp.arange(200 if small else 2000)
    pair = {name: train(arm, 0.5, two_workers, seeds) for name, arm in TWO.items()}
    ten = {name: train(arm, 0.25, ten_workers, seeds) for name, arm in TEN.items()}
    figures = {
        "two_pbt": at_least(interval(pair["pbt"].best)[0], 0.9 * TOP),
        "two_fixed": within(pair["fixed"].best.mean(), unmoved(), 1e-5),
    }
    for workers, found in (("two", pair), ("ten", ten)):
        means = {name: each.best.mean() for name, each in found.items()}
        say(f"{workers} workers: " + ", ".join(f"{name} {mean:.4f}" for name, mean in means.items()))
        figures |= {f"{workers}_{name}_mean": as_found(mean) for name, mean in means.items()}
        for name in list(found)[1:]:
            low, high = interval(found["pbt"].best - found[name].best)
            figures[f"{workers}_gain_over_{name}"] = at_least(low, 0.0)
            figures[f"{workers}_gain_over_{name}_ci95"] = as_found([low, high])
    for name, each in pair.items():
        figures[f"two_{name}_weights"] = as_found(each.weights[0].round(4))
        figures[f"two_{name}_h"] = as_found(each.h[0].round(4))
    history = ten["pbt"].best_h.mean(0).round(3)
    return figures | {f"history_h{i}": as_found(history[:, i]) for i in range(2)}


def by_factor(key: Array, hyper: Hyper, mutants: Array) -> Hyper:
    return population.mutate(key, jnp.float32(FACTOR), hyper, mutants)


def by_normal_step(key: Array, hyper: Hyper, mutants: Array) -> Hyper:
    return heredity.mutate(key, STEP, hyper, mutants, RANGES)


TWO = {
    "pbt": Arm(True, explores=by_normal_step),
    "exploit_only": Arm(True),
    "explore_only": Arm(False, explores=by_normal_step),
    "fixed": Arm(False),
}
TEN = {
    "pbt": Arm(True, mutation=FACTOR),
    "exploit_only": Arm(True),
    "explore_only": Arm(False, explores=by_factor),
    "random_search": Arm(False),
}
"""Both halves of population based training, each alone, and neither."""


def two_workers(key: Array) -> Hyper:
    del key
    return {"h0": jnp.array([1.0, 0.0]), "h1": jnp.array([0.0, 1.0])}


def ten_workers(key: Array) -> Hyper:
    drawn = LOW ** jax.random.uniform(key, (2, 10))
    return {"h0": drawn[0], "h1": drawn[1]}


def score(weights: Array) -> Array:
    """What counts, of weights [P, 2]."""
    return TOP - (weights**2).sum(-1)


def surrogate(weights: Array, hyper: Hyper) -> Array:
    """What one worker, [2], climbs."""
    return TOP - (hyper["h0"] * weights[0] ** 2 + hyper["h1"] * weights[1] ** 2)


def unmoved() -> float:
    """The score where one coordinate stays, and the other shrinks by 1 - 2 RATE a step."""
    return TOP - START**2 * (1.0 + (1.0 - 2.0 * RATE) ** (2 * STEPS * GENERATIONS))


def train(arm: Arm, fraction: float, founders: Callable[[Array], Hyper], seeds: Array) -> Found:
    """Run one arm on all seeds, [Z] int32."""
    found = jax.jit(jax.vmap(functools.partial(_train, arm, fraction, founders)))(seeds)
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), found)


def _train(arm: Arm, fraction: float, founders: Callable[[Array], Hyper], seed: Array) -> Found:
    key_found, key_train = jax.random.split(jax.random.fold_in(jax.random.key(SEED), seed))
    hyper = founders(key_found)
    member = jnp.arange(hyper["h0"].shape[0], dtype=jnp.int32)
    people = Population(
        mind=jnp.full((member.shape[0], 2), START),
        learner=(),
        hyper=hyper,
        fitness=jnp.full(member.shape, jnp.nan),
        lineage=Lineage(member, member, jnp.zeros_like(member)),
    )
    everyone = jnp.ones(member.shape, bool)
    numbers = Selection(jnp.float32(arm.mutation), jnp.float32(0.0), jnp.float32(0.0))

    def climb(_: int, people: Population) -> Population:
        slope = jax.vmap(jax.grad(surrogate))(people.mind, people.hyper)
        return dataclasses.replace(people, mind=people.mind + RATE * slope)

    def generation(people: Population, number: Array) -> tuple[Population, tuple[Array, Array, Array]]:
        key_select, key_explore = jax.random.split(jax.random.fold_in(key_train, number))
        before, h = people.mind, jnp.stack([people.hyper["h0"], people.hyper["h1"]], 1)
        people = jax.lax.fori_loop(0, STEPS, climb, people)
        people = population.remember_fitness(numbers, people, score(people.mind))
        told = h[jnp.argmax(people.fitness)], jnp.stack([before, people.mind], 1), h
        mutants = everyone
        if arm.exploits:
            near = well_mixed(member.shape[0])
            people = population.select(key_select, truncation(fraction), near, numbers, people, jnp.int32(1))
            mutants = people.lineage.parent != member
        if arm.explores is not None:
            people = dataclasses.replace(people, hyper=arm.explores(key_explore, people.hyper, mutants))
        return people, told

    people, (best_h, *histories) = jax.lax.scan(generation, people, jnp.arange(GENERATIONS))
    weights, h = (jnp.swapaxes(each, 0, 1).reshape(len(member), -1, 2) for each in histories)
    return Found(people.fitness.max(), best_h, weights, h)
