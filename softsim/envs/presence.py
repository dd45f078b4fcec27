"""Who leaves the map, and who comes back."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import meeting
from softsim.envs.draws import Draws
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.place import open_to, place
from softsim.envs.rules import Tally
from softsim.envs.skipping import where_needed
from softsim.envs.spec import WorldSpec
from softsim.types import Array


def leave(spec: WorldSpec, params: EnvParams, state: EnvState, tally: Tally) -> EnvState:
    """Take those off the map who left by a rule, out of stamina, or after an encounter."""
    if not (spec.has("exile") or spec.has("debt")):
        return state
    state = dataclasses.replace(state, removed=jnp.maximum(state.removed, tally.exile))
    if not spec.has("debt"):
        return state
    away = state.removed > 0  # nothing is paid to those off the map
    exile, owed = jnp.where(away, 0, state.exile), jnp.where(away, 0.0, state.owed)
    return dataclasses.replace(state, exile=exile, owed=owed)


def bring_back(
    spec: WorldSpec, draws: Draws, params: EnvParams, state: EnvState, was_removed: Array, action: Array, alarm: Array
) -> EnvState:
    """Place those whose time off the map is over, looking anywhere, and all who are called to a meeting or back.

    Whom no free cell is left for waits off the map for the next step.
    """
    layout = params.layout
    returns = params.agent_mask & was_removed & (state.removed == 0)
    moves, gathers, to = returns, jnp.zeros_like(returns), layout.start_mask
    if spec.has("meet"):
        able = params.agent_mask & ~was_removed

        def meet(given):
            state = meeting.vote(spec, params, given[0], able, action)
            state, called, dismissed = meeting.proceed(spec, params, state, alarm)
            return state, called | dismissed, jnp.where(called.any(), layout.meeting_mask, layout.start_mask)

        meets = params.meeting.length > 0
        state, gathers, to = where_needed(meets, meet, (state, gathers, to))
        moves = moves | gathers

    def bring(state):
        allowed = jnp.atleast_2d(open_to(spec, params, layout.respawn_mask))
        if spec.has("meet"):
            allowed = jnp.where(gathers[:, None], jnp.atleast_2d(open_to(spec, params, to)), allowed)
        held = jnp.where(params.agent_mask & (state.removed == 0) & ~moves, state.position, -1)
        position = place(draws.seed["place"], layout.spawn, allowed, held, moves)
        there, turns = moves & (position >= 0), returns & (position >= 0)
        if spec.has("need"):
            state = dataclasses.replace(state, need=jnp.where(turns, params.need.most[params.role], state.need))
        return dataclasses.replace(
            state,
            position=jnp.where(there, position, state.position),
            heading=jnp.where(turns, (draws.turn & 3).astype(jnp.int32), state.heading),
            removed=jnp.where(moves & ~there, 1, state.removed),
        )

    return where_needed(moves.any(), bring, state)
