"""Stamina: what acts cost, what rest restores, and what happens to those who have little left."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.types import Array


def bands(params: EnvParams, state: EnvState) -> Array:
    """[A] int32 the band of everybody's stamina: 0 above the first bound, 1 the second, 2 the third, 3 the rest."""
    return (state.need[:, None] <= params.need.band[None]).sum(1, dtype=jnp.int32)


def spend(params: EnvParams, state: EnvState, tally: Tally, able: Array, action: Array) -> tuple[EnvState, Tally]:
    """Charge or credit each agent that is able to act, and slow down or send off those who have little left.

    An act that costs freezes its agent for the steps that `slow` says for its role and the band it ends up in. Standing
    still because frozen restores nothing.

    Args:
        able: [A] bool who is on the map and not frozen; action: [A] int32.
    """
    law, role = params.need, params.role
    change = jnp.where(able, law.change.reshape(-1)[role * law.change.shape[1] + action], 0.0)
    need = jnp.clip(state.need + change, 0.0, law.most[role])
    state = dataclasses.replace(state, need=need)
    slow = jnp.where(change < 0, law.slow.reshape(-1)[role * 4 + bands(params, state)], 0)
    out = able & (need <= 0) & (law.most[role] > 0) & (law.exile > 0)
    tally = dataclasses.replace(
        tally,
        freeze=jnp.maximum(tally.freeze, slow),
        exile=jnp.maximum(tally.exile, jnp.where(out, law.exile, 0)),
    )
    changes = {"hand": jnp.where(out, jnp.uint8(0), state.hand)} if state.hand.size else {}
    return dataclasses.replace(state, need=jnp.where(out, law.most[role], need), **changes), tally
