"""Levels: situations that a population keeps, how likely each is replayed, and which are kept on."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from softsim.curriculum.config import CurriculumConfig
from softsim.curriculum.evidence import Evidence, worth
from softsim.curriculum.samplers import Sampler, count
from softsim.types import Array, PyTree, struct

LEAST = -3e38
"""Score of a level that was played and has none, or one that is not a number: it comes last."""


@struct
class Levels:
    """What a population keeps of B situations."""

    situation: PyTree  # leaves [B, ...]
    score: Array  # [B] float32   -inf where there is none; inf before it was played
    played: Array  # [B] int32   round in which it was played last
    total: Array  # [B, J] float32   what `observe` measured, summed over environments and, fading, over rounds
    weight: Array  # [B, J] float32   how often it did
    best: Array  # [B] float32   highest return that a learner ever had here, -inf before


def levels_of(situation: PyTree, score: float, width: int) -> Levels:
    """Make levels, leaves [B, ...], of which nothing is known."""
    size = count(situation)
    nothing = jnp.zeros((size, width), jnp.float32)
    return Levels(
        situation=situation,
        score=jnp.full(size, score, jnp.float32),
        played=jnp.zeros(size, jnp.int32),
        total=nothing,
        weight=nothing,
        best=jnp.full(size, -jnp.inf, jnp.float32),
    )


def start(config: CurriculumConfig, sampler: Sampler, num_members: int) -> Levels | tuple[()]:
    """Begin with no levels; or, where situations are a list, with all of it. Only "replay" keeps levels at all."""
    if config.kind != "replay":
        return ()
    width = num_members if config.score == "partners" else 1
    if sampler.size is not None:
        return levels_of(jnp.arange(sampler.size, dtype=jnp.int32), jnp.inf, width)
    shapes = jax.eval_shape(sampler.draw, jax.random.key(0))
    empty = jax.tree.map(lambda leaf: jnp.zeros((config.size, *leaf.shape), leaf.dtype), shapes)
    return levels_of(empty, -jnp.inf, width)


def priorities(score: Array, played: Array, now: Array, temperature: Array, staleness: Array) -> Array:
    """Probability, [B] float32, that each level is the one replayed (Jiang et al. 2021, arXiv 2010.03934).

    `(1 - staleness) r**(-1 / temperature) / sum + staleness (now - played) / sum`, where rank r is 1 and the number of
    levels of a better score: equals have equal ranks. Where none is stale, all are alike. No level, no probability.
    """
    there = score > -jnp.inf
    better = score.size - jnp.searchsorted(jnp.sort(score), score, side="right")
    by_rank = jnp.where(there, (1.0 + better.astype(jnp.float32)) ** (-1.0 / temperature), 0.0)
    age = jnp.where(there, (now - played).astype(jnp.float32), 0.0)
    age = jnp.where(age.sum() > 0.0, age, there.astype(jnp.float32))
    # Both sums are at least 1 unless there is no level.
    by_rank, age = (each / jnp.maximum(each.sum(), 1.0) for each in (by_rank, age))
    return (1.0 - staleness) * by_rank + staleness * age


def propose(
    key: Array, config: CurriculumConfig, sampler: Sampler, levels: Levels | tuple[()], now: Array, num_envs: int
) -> tuple[Array, PyTree]:
    """Choose what each environment plays. Of a list, all is kept, and so only replayed.

    Returns:
        [E] int32 which level each is, B + e where it is new, and the situations, leaves [E, ...].
    """
    key_draw, key_replay, key_level, key_edit, key_change = jax.random.split(key, 5)
    env = jnp.arange(num_envs, dtype=jnp.int32)
    fresh = jax.vmap(sampler.draw)(jax.random.split(key_draw, num_envs))
    if not isinstance(levels, Levels):
        return env, fresh

    def choose(where: Array, one: PyTree, other: PyTree) -> PyTree:
        return jax.vmap(lambda w, *trees: jax.tree.map(lambda a, b: jnp.where(w, a, b), *trees))(where, one, other)

    size = levels.score.size
    chance = priorities(
        levels.score, levels.played, now, jnp.float32(config.temperature), jnp.float32(config.staleness)
    )
    enough = (levels.score > -jnp.inf).sum() >= max(config.fill * size, 1.0)
    level = jax.random.choice(key_level, size, (num_envs,), p=chance).astype(jnp.int32)
    kept = jax.tree.map(lambda leaf: leaf[level], levels.situation)
    if config.edits > 0.0 and sampler.edit is not None:
        edit = sampler.edit
        keys = jax.random.split(key_change, num_envs)
        changed = jax.vmap(lambda key, situation: edit(key, situation, config.step, config.jitter))(keys, kept)
        edits = jax.random.bernoulli(key_edit, config.edits, (num_envs,)) & enough
        fresh = choose(edits, changed, fresh)
    replays = jax.random.bernoulli(key_replay, config.replay, (num_envs,)) & enough | (sampler.size is not None)
    return jnp.where(replays, level, size + env), choose(replays, kept, fresh)


def learn(
    config: CurriculumConfig, levels: Levels, level: Array, situation: PyTree, evidence: Evidence, now: Array
) -> Levels:
    """Add what a round showed, and keep the B best levels of those that were kept and the E that may be new.

    A level that was played is scored by what it showed now and, fading by `config.memory`, before. Where no learner
    sat, nothing was shown.

    Args:
        level, situation: of `propose`. evidence: leaves [E, ...]. now: [] int32, the number of the round.
    """
    size, num_envs = levels.score.size, level.size
    new = levels_of(situation, -jnp.inf, levels.total.shape[1])
    known = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), levels, new)

    def by_level(values: Array) -> Array:
        return jax.ops.segment_sum(values, level, size + num_envs)

    shown = by_level(evidence.weight.sum(1)) > 0.0
    fade = jnp.where(shown, jnp.float32(config.memory), 1.0)[:, None]
    total, weight = fade * known.total + by_level(evidence.total), fade * known.weight + by_level(evidence.weight)
    best = known.best.at[level].max(evidence.best)
    score = worth(config.score, total, weight, best)
    score = jnp.where(jnp.isfinite(score), score, LEAST)
    known = dataclasses.replace(
        known,
        score=jnp.where(shown, score, known.score),
        played=jnp.where(shown, now, known.played),
        total=total,
        weight=weight,
        best=best,
    )
    kept = jnp.argsort(-known.score)[:size]
    return jax.tree.map(lambda leaf: leaf[kept], known)
