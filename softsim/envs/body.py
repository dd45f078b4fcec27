"""What an agent knows of itself and of the world, besides what it sees."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs import meeting
from softsim.envs.movement import apart
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally, in_set
from softsim.envs.skipping import where_needed
from softsim.envs.spec import WorldSpec
from softsim.types import Array

HAND_STATES, MESSAGE = 4, 4
"""States of a hand that can be told apart, and numbers of a message."""


def fraction(part: Array, whole: Array) -> Array:
    """A quotient in steps of 2**-16, which does not depend on how a compiler divides."""
    return jnp.floor(65536.0 * part / whole + 0.25) / 65536.0


def hear(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array) -> Array:
    """Sum of the messages of the others in range, [A, 4] float32."""
    down, across = apart(spec, params.layout, state.position[:, None], state.position[None])
    near = jnp.maximum(jnp.abs(down), jnp.abs(across)) <= params.speech.range
    near = near & present[:, None] & present[None] & ~jnp.eye(spec.num_agents, dtype=bool)
    return jnp.where(near[..., None], state.message[None], 0.0).sum(1)


def feel(spec: WorldSpec, params: EnvParams, state: EnvState, reward: Array, tally: Tally, present: Array) -> Array:
    """Concatenate what each agent feels, [A, ...] float32; zeros for slots out of play.

    Always: frozen, removed, the last reward, one-hot role [R], readiness of each beam in [0, 1] [B]. Where games have
    them: one-hot hand [4], bag as fractions of its caps [G], marked [1], own colour / 8 [1], stamina as a fraction
    [1], one-hot state of nature [Z] for those who see it, what is heard [4], whether a meeting is on [1] and the votes
    against each relative slot, oneself first [A], the two bags of the step's encounter or -1 [2 G], and whether the
    blindfold is on those who can wear one [1].
    """
    num_agents, role = spec.num_agents, params.role
    status = jnp.stack([state.frozen > 0, state.removed > 0, reward], -1, dtype=jnp.float32)
    roles = role[:, None] == jnp.arange(spec.num_roles, dtype=jnp.int32)[None]
    pause = jnp.maximum(params.beams.cooldown - 1, 1).astype(jnp.float32)
    ready = jnp.where(params.beams.exists[None], 1.0 - fraction(state.cooldown.astype(jnp.float32), pause[None]), 0.0)
    parts = [status, roles, ready]
    if spec.has("hand"):
        hand = params.sight.hand.reshape(-1)[role * HAND_STATES + state.hand] if spec.has("guise") else state.hand
        parts.append(hand[:, None] == jnp.arange(HAND_STATES, dtype=jnp.uint8)[None])
    if spec.has("bag"):
        parts.append(fraction(state.bag.astype(jnp.float32), jnp.maximum(params.bag.cap, 1).astype(jnp.float32)[None]))
    if spec.has("mark"):
        parts.append((state.mark > 0)[:, None])
    if spec.has("paint"):
        parts.append(state.paint[:, None].astype(jnp.float32) / 8.0)
    if spec.has("need"):
        most = params.need.most[role]
        parts.append(jnp.where(most > 0, fraction(state.need, jnp.where(most > 0, most, 1.0)), 0.0)[:, None])
    if spec.has("nature"):
        states = state.nature == jnp.arange(spec.num_natures, dtype=jnp.int32)
        parts.append(in_set(params.nature.shown, role)[:, None] & states[None])
    if spec.has("speech"):
        quiet = jnp.zeros((num_agents, MESSAGE), jnp.float32)
        spoken = (state.message != 0).any()
        parts.append(where_needed(spoken, lambda _: hear(spec, params, state, present), quiet))
    if spec.has("meet"):
        parts.append(jnp.broadcast_to(state.meeting[0] > 0, (num_agents, 1)))
        slot = jnp.arange(num_agents, dtype=jnp.int32)
        parts.append(meeting.votes_against(state)[(slot[:, None] + slot[None]) % num_agents])
    if spec.has("encounter"):
        parts.append(tally.met)
    if spec.has("trick"):
        parts.append(jnp.broadcast_to(state.blind[0], (num_agents, 1)))
    return jnp.where(params.agent_mask[:, None], jnp.concatenate(parts, 1, dtype=jnp.float32), 0.0)
