"""Where agents go, and what they meet there."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from softsim.envs import movement, rules
from softsim.envs.draws import Draws
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import ACTIONS
from softsim.types import Array

FORWARD, STEP_RIGHT, TURN_LEFT, TURN_RIGHT = (
    ACTIONS.index(name) for name in ("forward", "step_right", "turn_left", "turn_right")
)


def move(
    spec: WorldSpec, draws: Draws, params: EnvParams, state: EnvState, present: Array, action: Array, tally: Tally
) -> tuple[EnvState, Tally]:
    """Turn, walk, and meet the rules of the item in the cell that each agent enters, touches or faces."""
    nowhere = spec.height * spec.width
    turned = jnp.where(action == TURN_RIGHT, 1, jnp.where(action == TURN_LEFT, 3, 0))
    # forward, backward, step_left, step_right as quarter turns from the heading
    walks = (action >= FORWARD) & (action <= STEP_RIGHT)
    quarter = jnp.where(action == STEP_RIGHT, 1, jnp.where(action == FORWARD, 0, action))
    target, inside = beside(spec, params, state, state.heading + quarter)
    item = state.cell.reshape(-1)[target].astype(jnp.int32)
    solid = is_solid(spec, params, item)
    walks = walks & inside & present
    mover = walks & ~solid
    moved = movement.resolve(state.position, target, mover, present, draws.priority)
    state = dataclasses.replace(
        state, position=jnp.where(moved, target, state.position), heading=(state.heading + turned) & 3
    )
    met = []
    if spec.has("enter"):
        active, trigger = moved, jnp.full_like(target, rules.ENTER)
        if spec.has("touch"):
            touches = movement.first_claims(target, walks & solid, draws.priority, nowhere)
            active, trigger = moved | touches, jnp.where(touches, rules.TOUCH, rules.ENTER)
        met.append((trigger, target, active))
    if spec.has("face"):
        ahead, inside = beside(spec, params, state, state.heading)
        met.append((jnp.full_like(ahead, rules.FACE), ahead, inside & present))
    if met:
        trigger, where, active = (jnp.stack(each, 1) for each in zip(*met, strict=True))
        item = state.cell.reshape(-1)[where].astype(jnp.int32)
        row = rules.lookup(params.rules, trigger, item, active)
        where = jnp.where(active, where, nowhere)
        contest = draws.priority if len(met) > 1 else None  # those who enter are alone where they enter
        state, tally = rules.apply(spec, params, state, tally, row, where, draws.seed["enter"], contest)
    return state, tally


def beside(spec: WorldSpec, params: EnvParams, state: EnvState, heading: Array) -> tuple[Array, Array]:
    """The cell next to each agent in a direction, and whether it is on the map."""
    row_step, column_step = movement.direction(heading)
    width = spec.width
    row, column = state.position // width + row_step, state.position % width + column_step
    return movement.cells(spec, params.layout, row, column)


def is_solid(spec: WorldSpec, params: EnvParams, item: Array) -> Array:
    """Whether an item [A] is solid to the agent there."""
    if spec.num_roles == 1:
        return params.layout.solid[0][item]
    return params.layout.solid.reshape(-1)[params.role * spec.num_items + item]
