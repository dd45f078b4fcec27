"""Event -> rule -> effects: one table lookup and one gathered row, the same arithmetic for every rule."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs.params import Rules
from softsim.types import Array, struct

KEEP = 255
"""In `Rules.becomes`: the cell keeps its item."""

ENTER, TOUCH, STRUCK = 0, 1, 2
"""Triggers; beam b is `STRUCK + b`."""


@struct
class Tally:
    """What a step has brought so far."""

    payoff: Array  # [A] float32
    events: Array  # [A, E] int32
    freeze: Array  # [A] int32   steps for which agents have frozen themselves

    def count(self, event: Array, times: Array) -> Tally:
        """Add `times` [A] int32 occurrences of `event` [A] int32 (-1 for none)."""
        hit = event[:, None] == jnp.arange(self.events.shape[1], dtype=jnp.int32)[None]
        return dataclasses.replace(self, events=self.events + hit * times[:, None])

    def pay(self, own: Array, others: Array, agent_mask: Array) -> Tally:
        """Pay each agent `own` [A], and `others` [A] to every other agent in play."""
        spread = jnp.where(agent_mask, others.sum() - others, 0.0)
        return dataclasses.replace(self, payoff=self.payoff + own + spread)


def lookup(rules: Rules, trigger: Array, role: Array, item: Array, active: Array) -> Array:
    """Find the rule row of each event, 0 where not active. All arguments have the shape of the events."""
    _, num_roles, num_items = rules.lookup.shape
    index = (trigger * num_roles + role) * num_items + item
    row = rules.lookup.reshape(-1)[index]
    return jnp.where(active, row, 0).astype(jnp.int32)


def replace_cells(rules: Rules, row: Array, where: Array, cell: Array) -> Array:
    """Leave in the cells `where` what their rule rows say; the rows of one cell must be one row.

    Args:
        row, where: [...] int32 rule rows and flat cell indices.
        cell: [H * W] uint8.
    """
    item = rules.becomes[row]
    target = jnp.where((row > 0) & (item != KEEP), where, cell.shape[0])
    return cell.at[target.reshape(-1)].set(item.reshape(-1), mode="drop")


def settle(rules: Rules, row: Array, agent_mask: Array, tally: Tally) -> Tally:
    """Pay, freeze and count for the rule rows of each agent, [A, Z] int32."""
    acts = row > 0
    own = jnp.where(acts, rules.reward[row], 0.0).sum(1)
    others = jnp.where(acts, rules.reward_others[row], 0.0).sum(1)
    tally = tally.pay(own, others, agent_mask)
    freeze = jnp.where(acts, rules.freeze[row], 0).max(1)
    event = jnp.where(acts, rules.event[row], -1)
    hits = event[:, None, :] == jnp.arange(tally.events.shape[1], dtype=jnp.int32)[None, :, None]
    events = tally.events + hits.sum(2, dtype=jnp.int32)
    return dataclasses.replace(tally, freeze=jnp.maximum(tally.freeze, freeze), events=events)
