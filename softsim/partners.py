"""Scripted partners by name, fitted to a world."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs import GridWorld, MatrixWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER
from softsim.envs.vocabulary import ACTIONS
from softsim.learners import strategies
from softsim.types import Array, Environment, Policy, PyTree, UserError


def partner(name: str, world: Environment, situations: PyTree) -> Policy:
    """Make a scripted partner: `random` anywhere; `greedy` in grid worlds; `cooperate`, `defect` and `tit_for_tat` in
    matrix games with two moves or more.

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
    if isinstance(world, MatrixWorld):
        made["cooperate"] = lambda: strategies.always(*sizes, action=0)
        made["defect"] = lambda: strategies.always(*sizes, action=1)
        made["tit_for_tat"] = lambda: strategies.tit_for_tat(*sizes)
    if name not in made:
        raise UserError(f"scripted: {name!r} does not exist in this world; allowed are {', '.join(made)}.")
    return made[name]()


def worth(situations: EnvParams) -> Array:
    """Greatest reward, [I] float32, that entering each item brings in any of the situations (leaves [G, ...])."""
    row = situations.rules.lookup[:, ENTER].astype(jnp.int32)  # [G, R, I]
    reward = jnp.take_along_axis(situations.rules.reward[:, None], row, 2)
    return reward.max((0, 1))
