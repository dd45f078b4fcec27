"""Whether an agent chooses by what another believes: accuracy where that belief is false, and where it is true.

For worlds with a trick, as `hidden_bait`: of two boxes one holds bait, the other agent goes to the box in which it
believes that to be, and the best choice is the other box. The condition is defined by the engine, which knows what
each agent last saw in the boxes (`EnvState.belief`), not by what happened on the way.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from softsim import rollout
from softsim.envs import GridWorld
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.trick import tracked
from softsim.envs.vocabulary import ITEMS
from softsim.keys import split_each
from softsim.train import lay_out
from softsim.types import Array, PyTree, struct

BAIT = ITEMS.index("bait")


@struct
class Choices:
    """How one trial came out. Boxes are 0 and 1, in map order; -1 for none."""

    bait: Array  # [] int32   box that holds the bait
    belief: Array  # [] int32   box in which the dominant believes it to be
    dominant: Array  # [] int32   box it chose
    subordinate: Array  # [] int32   box the other chose


def choices(world: GridWorld, params: EnvParams, state: EnvState, dominant: int = 0, subordinate: int = 1) -> Choices:
    """Read the choices off the last state of a trial: the box right ahead of each agent that has stopped for good."""
    boxes = tracked(world.spec, params)[:2]
    width = world.spec.width

    def among(hits: Array) -> Array:
        return jnp.where(hits.any(), jnp.argmax(hits), -1).astype(jnp.int32)

    def faced(agent: int) -> Array:
        ahead = jnp.array([-width, 1, width, -1], jnp.int32)[state.heading[agent]]
        return among((boxes == state.position[agent] + ahead) & (state.frozen[agent] > 0))

    cell = state.cell.reshape(-1)
    return Choices(
        bait=among(cell[boxes] == BAIT),
        belief=among(state.belief[dominant, :2] == BAIT),
        dominant=faced(dominant),
        subordinate=faced(subordinate),
    )


def score(trial: Choices) -> dict[str, Array]:
    """Score trials, leaves [...]; who has not chosen is wrong.

    Returns:
        `false_belief` and `true_belief`, the fraction of each kind in which the subordinate chose the box that the
        dominant did not believe in; `balanced`, their mean; `dominant`, how often that one went where it believed;
        `share_false`, of the trials. A fraction of no trials is NaN.
    """
    false = trial.bait != trial.belief
    right = trial.subordinate == 1 - trial.belief

    def fraction(hits: Array, of: Array) -> Array:
        return (hits & of).sum(dtype=jnp.int32) / of.sum(dtype=jnp.int32)

    on_false, on_true = fraction(right, false), fraction(right, ~false)
    everywhere = jnp.ones_like(false)
    return {
        "false_belief": on_false,
        "true_belief": on_true,
        "balanced": (on_false + on_true) / 2,
        "dominant": fraction(trial.dominant == trial.belief, everywhere),
        "share_false": fraction(false, everywhere),
    }


@functools.partial(jax.jit, static_argnums=(0, 1))
def trials(
    table: rollout.Table, num_steps: int, key: Array, situations: PyTree, minds: PyTree, place: Array
) -> Choices:
    """Play one trial of `num_steps` steps, a whole episode, in every environment, in given places.

    Args:
        key: [N] keys; situations: leaves [G, ...]; minds: leaves [N, P, ...]; place: [N, M, S] int32.

    Returns:
        Leaves [N, E].
    """
    key_begin, key_play = split_each(key, 2)
    params = lay_out(situations, table.num_populations, table.num_envs)
    play = rollout.begin(table, key_begin, params)
    seating = rollout.seating_of(place)
    play, _ = rollout.unroll(table, num_steps, key_play, params, minds, seating, play)
    assert isinstance(table.world, GridWorld)
    found = jax.vmap(functools.partial(choices, table.world))(params, play.state)
    return jax.tree.map(lambda leaf: rollout.fold(leaf, table.num_populations), found)
