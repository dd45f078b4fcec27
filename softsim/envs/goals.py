"""What ends an episode for good: enough done, or too few left."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs.meeting import active
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.types import Array


def judge(params: EnvParams, state: EnvState, tally: Tally) -> tuple[Tally, Array]:
    """Pay for the first goal reached; also returns whether one was, [] bool."""
    law, able = params.goals, active(params, state)
    counted = (able[None] & (params.role[None] == law.role[:, None])).sum(1, dtype=jnp.int32)
    reached = jnp.where(law.role < 0, state.progress >= law.bound, counted <= law.bound) & (law.bound >= 0)
    first = jnp.argmax(reached)
    ends = reached.any()
    payoff = jnp.where(ends & params.agent_mask, law.reward[first][params.role], 0.0)
    tally = tally.count(jnp.where(ends, law.event[first], -1)[None], params.agent_mask.astype(jnp.int32))
    return dataclasses.replace(tally, payoff=tally.payoff + payoff), ends
