"""Meetings: all are called to one place, talk with their feet, and vote one of them off the map."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs.checker import MANY
from softsim.envs.observe import in_view
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import NUM_MOVES
from softsim.types import Array

FOREVER = 500_000
"""Steps from which on being frozen or removed counts as being out of the game: no episode is as long."""


def active(params: EnvParams, state: EnvState) -> Array:
    """[A] bool: agents that are not out of the game."""
    return params.agent_mask & (state.removed < FOREVER) & (state.frozen < FOREVER)


def vote(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, action: Array) -> EnvState:
    """Note the votes cast: the first voting beam is against oneself, the next against the next slot, and so on round;
    one beyond the slots abstains. Votes are relative, as identities are in what agents see."""
    votes = params.beams.votes
    first = jnp.argmax(votes).astype(jnp.int32)
    beam = action - NUM_MOVES
    casts = present & (state.meeting[0] > 0) & (beam >= 0) & votes[jnp.maximum(beam, 0)]
    own = jnp.arange(spec.num_agents, dtype=jnp.int32)
    choice = jnp.where(beam - first < spec.num_agents, (own + beam - first) % spec.num_agents, -1)
    return dataclasses.replace(state, vote=jnp.where(casts, choice, state.vote))


def votes_against(state: EnvState) -> Array:
    """[A] int32: how many have voted for each slot so far."""
    slot = jnp.arange(state.vote.shape[0], dtype=jnp.int32)
    return (state.vote[None] == slot[:, None]).sum(1, dtype=jnp.int32)


def witnessed(spec: WorldSpec, params: EnvParams, state: EnvState, struck: Array) -> Array:
    """[] bool: whether somebody in the game, other than the two, saw one agent strike another, [A, A] bool."""
    able = active(params, state) & (state.removed == 0)
    sees = in_view(spec, params, state, state.position)  # [observer, seen]
    other = ~jnp.eye(spec.num_agents, dtype=bool)
    witness = able[None, None] & sees.T[:, None] & other[:, None] & other[None]  # [striker, struck, observer]
    return (struck & witness.any(-1)).any()


def proceed(spec: WorldSpec, params: EnvParams, state: EnvState, alarm: Array) -> tuple[EnvState, Array, Array]:
    """Open a meeting, carry it on, or close it.

    It opens every `period` steps or at an `alarm`, [] bool. It closes after `length` steps, and then whoever has the
    quorum of votes is out of the game.

    Returns:
        The state, and [A] bool who is to be placed on meeting cells, and on start cells.
    """
    law, able = params.meeting, active(params, state)
    due = (law.period > 0) & (state.step % jnp.maximum(law.period, 1) == 0)
    running = state.meeting[0] > 0
    opens = ~running & (law.length > 0) & (due | alarm)
    closes = running & (state.meeting[0] == 1)
    quorum = jnp.ceil(law.quorum * able.sum(dtype=jnp.int32).astype(jnp.float32)).astype(jnp.int32)
    against = votes_against(state)
    # Of two with the quorum, which is only possible at half, neither goes.
    out = able & closes & (against >= jnp.maximum(quorum, 1)) & (against == against.max())
    out = out & (out.sum(dtype=jnp.int32) == 1)
    state = dataclasses.replace(
        state,
        meeting=jnp.where(opens, law.length, jnp.maximum(state.meeting - 1, 0)),
        vote=jnp.where(opens | closes, -1, state.vote),
        removed=jnp.where(out, MANY, state.removed),
    )
    there = able & ~out & (state.removed == 0)
    return state, there & opens, there & closes
