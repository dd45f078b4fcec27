"""Where new situations come from: manifolds, or a list."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from softsim.envs import MatrixWorld, manifold
from softsim.types import Array, Environment, PyTree, UserError


class Sampler(NamedTuple):
    """Where new situations come from.

    draw:   (key) -> situation
    params: (situation) -> params of the world
    edit:   (key, situation, step, jitter) -> situation, or None where there is no nearby one
    size:   number of situations where they are a list, from which a draw is a place; else None
    """

    draw: Callable[[Array], PyTree]
    params: Callable[[PyTree], PyTree]
    edit: Callable[[Array, PyTree, float, float], PyTree] | None = None
    size: int | None = None


def matrix_sampler(prior: manifold.MatrixPrior = manifold.PRIOR, hold_out: manifold.Region | None = None) -> Sampler:
    """Sample the manifold of 2x2 games, for `MatrixWorld`s of two agents with two moves.

    Args:
        hold_out: games that are never played, as `manifold.split` says; an edit that leads there is not made.
    """

    def edit(key: Array, situation: manifold.MatrixSituation, step: float, jitter: float) -> manifold.MatrixSituation:
        changed = manifold.mutate(key, situation, step, jitter, prior)
        if hold_out is None:
            return changed
        held = hold_out.contains(changed.direction) | hold_out.contains(manifold.felt(changed))
        return jax.tree.map(lambda old, new: jnp.where(held, old, new), situation, changed)

    draw = (
        (lambda key: manifold.sample_matrix(key, prior)) if hold_out is None else manifold.split(hold_out, prior).train
    )
    return Sampler(draw, manifold.to_params, edit)


def grid_sampler(prior: manifold.GridPrior = manifold.GRID_PRIOR, hold_out: manifold.Box | None = None) -> Sampler:
    """Sample the manifold of grids, for `manifold.grid_world(prior)`.

    A situation is the words of the key that draws its map, [2] uint32, and a `manifold.GridSituation`; an edit keeps
    the words.

    Args:
        hold_out: situations that are never played, as `manifold.grid_split` says; then there are no edits.
    """
    sample = (
        (lambda key: manifold.sample_grid(key, prior))
        if hold_out is None
        else manifold.grid_split(hold_out, prior).train
    )

    def draw(key: Array) -> PyTree:
        key_map, key_situation = jax.random.split(key)
        return jax.random.key_data(key_map), sample(key_situation)

    def params(situation: PyTree) -> PyTree:
        word, point = situation
        return manifold.grid_params(jax.random.wrap_key_data(word), point, prior)

    def edit(key: Array, situation: PyTree, step: float, jitter: float) -> PyTree:
        word, point = situation
        return word, manifold.mutate_grid(key, point, step, jitter, prior)

    return Sampler(draw, params, edit if hold_out is None else None)


def listed(situations: PyTree) -> Sampler:
    """Sample from a list of params, leaves [G, ...], each as likely; a situation is its place there, [] int32."""
    size = count(situations)
    return Sampler(
        draw=lambda key: jax.random.randint(key, (), 0, size, jnp.int32),
        params=lambda index: jax.tree.map(lambda leaf: leaf[index], situations),
        size=size,
    )


MANIFOLDS = ("matrix_manifold", "grid_manifold")


def on_manifold(name: str, horizon: int | None, number: int) -> tuple[Environment, PyTree, Sampler]:
    """Make the world of a manifold, a `number` of its situations, leaves [number, ...], and the sampler of more.

    Args:
        name: one of `MANIFOLDS`. horizon: rounds or steps at most, instead of the prior's.

    Raises:
        UserError: the horizon is not allowed.
    """
    if name == "matrix_manifold":
        games = manifold.PRIOR if horizon is None else dataclasses.replace(manifold.PRIOR, horizon=(horizon, horizon))
        world, sampler = MatrixWorld(2, ("cooperate", "defect")), matrix_sampler(games)
    else:
        grids = manifold.GRID_PRIOR
        grids = grids if horizon is None else dataclasses.replace(grids, longest=horizon)
        world, sampler = manifold.grid_world(grids), grid_sampler(grids)
    keys = jax.random.split(jax.random.key(0), number)
    return world, jax.jit(jax.vmap(lambda key: sampler.params(sampler.draw(key))))(keys), sampler


def count(stacked: PyTree) -> int:
    """Length of the leading axis.

    Raises:
        UserError: the leaves have none, or have different ones.
    """
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(stacked)}
    if len(lengths) != 1 or lengths == {()}:
        raise UserError(
            "situations: their leaves have no leading axis of one length; `make([name])` gives one, `make(name)` none."
        )
    return lengths.pop()[0]
