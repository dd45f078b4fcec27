"""Tricks: things that change places while somebody cannot look, and what each agent therefore believes."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.observe import in_view
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import in_set
from softsim.envs.spec import WorldSpec
from softsim.types import Array


def tracked(spec: WorldSpec, params: EnvParams) -> Array:
    """[D] int32 the first cells of the tracked site in map order; H * W where there are fewer."""
    site = params.layout.site.reshape(-1)
    index = jnp.arange(site.size, dtype=jnp.int32)
    place, found = [], jnp.int32(-1)
    for _ in range(spec.num_tracked):
        here = (site == params.trick.site) & (index > found) & (params.trick.site > 0)
        found = jnp.where(here, index, site.size).min()
        place.append(found)
    return jnp.stack(place)


def blindfolded(params: EnvParams, state: EnvState) -> Array:
    """[A] bool: who cannot see anything now."""
    return state.blind[0] & in_set(params.trick.blinds, params.role)


def held(params: EnvParams, state: EnvState) -> Array:
    """[A] bool: who cannot act now, while the trick goes on or others have a lead."""
    law = params.trick
    until = law.until + jnp.where(in_set(law.blinds, params.role), law.lead, 0)
    return (state.step < until) & in_set(law.hold, params.role)


def play(spec: WorldSpec, params: EnvParams, state: EnvState, seed: Array) -> EnvState:
    """Perhaps swap the items of the first two tracked cells, perhaps put the blindfold on or off; then all look.

    Of a swap in the step in which the blindfold goes on the blind learn nothing. Once the trick is over the blindfold
    stays as it is, or everybody would know the truth before they could act on what they believe.
    """
    law, word = params.trick, noise.bits(seed, (2,))
    on = state.step <= law.until
    swaps = on & noise.happens(word[0], noise.threshold(law.swap))
    place, cell = tracked(spec, params), state.cell.reshape(-1)
    size = cell.size
    first, second = cell[jnp.minimum(place[0], size - 1)], cell[jnp.minimum(place[1], size - 1)]
    target = jnp.where(swaps, place[:2], size)
    cell = cell.at[target].set(jnp.stack([second, first]), mode="drop")
    screens = on & noise.happens(word[1], noise.threshold(law.screen))
    blind = state.blind ^ screens
    return look(spec, params, dataclasses.replace(state, cell=cell.reshape(state.cell.shape), blind=blind))


def look(spec: WorldSpec, params: EnvParams, state: EnvState) -> EnvState:
    """Let all who can see the tracked cells know what lies there; the others go on believing what they last saw."""
    place = tracked(spec, params)
    item = state.cell.reshape(-1)[jnp.minimum(place, state.cell.size - 1)]
    able = params.agent_mask & (state.removed == 0) & ~blindfolded(params, state)
    sees = in_view(spec, params, state, jnp.minimum(place, state.cell.size - 1)) & able[:, None]
    sees = sees & (place < state.cell.size)[None]
    return dataclasses.replace(state, belief=jnp.where(sees, item[None], state.belief))
