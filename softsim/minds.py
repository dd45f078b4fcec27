"""Which minds and learners a config asks for, fitted to a world."""

from __future__ import annotations

from typing import Any

import jax

from softsim.learners.mappo import judged_centrally
from softsim.learners.networks import NetworkConfig, recurrent_policy
from softsim.learners.opponent import target_of
from softsim.learners.ppo import ppo
from softsim.learners.q_learning import q_learning, value_policy
from softsim.train_config import TrainConfig
from softsim.types import Environment, Learner, Policy, PyTree, UserError


def observed(world: Environment, situations: PyTree) -> Any:
    """Shapes of what one agent of the world observes. Situations have leaves [G, ...]."""
    one = jax.eval_shape(lambda tree: jax.tree.map(lambda leaf: leaf[0], tree), situations)
    timestep = jax.eval_shape(world.reset, jax.random.key(0), one)[1]
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), timestep.observation)


def default_policy(network: NetworkConfig, world: Environment, situations: PyTree, num_scripted: int = 0) -> Policy:
    """Fit the recurrent network to what one agent of the world observes. Situations have leaves [G, ...]."""
    target = target_of(network.opponent, world, num_scripted)
    codes = getattr(world, "symbol_codes", ())
    return recurrent_policy(network, world.num_actions, world.num_agents, observed(world, situations), codes, target)


def player_and_learner(
    config: TrainConfig,
    world: Environment,
    situations: PyTree,
    num_scripted: int,
    policy: Policy | None = None,
    learner: Learner | None = None,
) -> tuple[Policy, Learner]:
    """Make the policy and the learner that a config names, or complete those that are given.

    Raises:
        UserError: they cannot go together.
    """
    codes = getattr(world, "symbol_codes", ())
    if config.learner in ("q", "vdn"):
        if policy is not None or learner is not None:
            raise UserError(f"learner: {config.learner!r} brings a policy and a learner with it; none can be given.")
        seen = observed(world, situations)
        player = value_policy(config.network, world.num_actions, world.num_agents, seen, codes)
        team = world.num_agents if config.learner == "vdn" else 1
        return player.policy, q_learning(player, config.ppo, team)
    policy = policy or default_policy(config.network, world, situations, num_scripted)
    if config.learner == "mappo":
        policy = judged_centrally(policy, config.network, world.num_agents, observed(world, situations), codes)
    return policy, learner or ppo(policy, config.ppo)
