"""Scripted partners by name, fitted to a world."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs import GridWorld, MatrixWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER
from softsim.envs.vocabulary import ACTIONS, DARK, ITEMS
from softsim.learners import strategies
from softsim.types import Array, Environment, Policy, PyTree, UserError


def partner(name: str, world: Environment, situations: PyTree) -> Policy:
    """Make a scripted partner: `random` anywhere; `greedy` in grid worlds; `believer`, who goes to where it last saw
    bait, in those with a trick; `cooperate`, `defect` and `tit_for_tat` in matrix games with two moves or more.

    Raises:
        UserError: no such partner exists in this world.
    """
    sizes = (world.num_actions, world.num_agents)
    made = {"random": lambda: strategies.random(*sizes)}
    if isinstance(world, GridWorld):
        view = world.spec.view
        first_move = ACTIONS.index("forward")
        moves = (first_move, first_move + 1, first_move + 2, first_move + 3)
        made["greedy"] = lambda: strategies.greedy(*sizes, worth(situations), (view.ahead, view.side), moves)
        if world.spec.has("trick"):
            made["believer"] = lambda: strategies.believer(*sizes, ITEMS.index("bait"), DARK, moves)
    if isinstance(world, MatrixWorld):
        made["cooperate"] = lambda: strategies.always(*sizes, action=0)
        made["defect"] = lambda: strategies.always(*sizes, action=1)
        made["tit_for_tat"] = lambda: strategies.tit_for_tat(*sizes)
    if name not in made:
        raise UserError(f"scripted: {name!r} does not exist in this world; allowed are {', '.join(made)}.")
    return made[name]()


def worth(situations: EnvParams) -> Array:
    """Greatest reward, [I] float32, that entering each item brings to anybody in any of the situations [G, ...]."""
    rules = situations.rules
    row, most = rules.lookup[:, ENTER].astype(jnp.int32), jnp.zeros(rules.lookup.shape[::2], jnp.float32)  # [G, I]
    for _ in range(rules.otherwise.shape[1]):  # no chain is longer than the table
        most = jnp.maximum(most, jnp.take_along_axis(rules.reward, row, 1))
        row = jnp.take_along_axis(rules.otherwise, row, 1).astype(jnp.int32)
    return most.max(0)
