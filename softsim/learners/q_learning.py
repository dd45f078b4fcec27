"""Q-learning from the latest experience alone, and value decomposition for teams.

Gallici et al. 2024 (arXiv 2407.04811, PQN): with many environments side by side, layer normalisation and
lambda-returns, Q-learning needs neither replay nor a target network. The return of a step goes by the greatest action
values on the way (Peng and Williams 1996), as generalised advantages add them up; the optimiser is theirs (RAdam).

A team is worth the sum of what its agents think that their own actions are worth (Sunehag et al. 2017, arXiv
1706.05296, VDN, eq. 3): the sum learns from the sum of the agents' rewards, so that each gets its part of the error. A
team of one is Q-learning.

Policies act epsilon-greedily. Epsilon is in the mind, beside the weights, so that play needs nothing else; it falls
from 1 by a factor per update to its final value, and both numbers are a member's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from softsim.learners import categorical
from softsim.learners.networks import Mind, NetworkConfig, frozen_codes, memory_of
from softsim.learners.passes import descend
from softsim.learners.ppo import Hyper, PPOConfig, advantages, played_of
from softsim.learners.weights import orthogonal
from softsim.types import Array, Learner, Output, Percept, Policy, PyTree, Trajectory

UNLIKELY = 1e-30
"""Probability of what is as good as impossible."""


class ActionValues(Mind):
    """A mind that says what each action is worth. What is perceived and what is recalled are normalised."""

    def setup(self):
        super().setup()
        self.settle_perceived, self.settle_recalled = nn.LayerNorm(), nn.LayerNorm()
        self.worth = nn.Dense(self.num_actions, kernel_init=orthogonal(0.1))

    def encode(self, observation: PyTree, batch: tuple[int, ...]) -> Array:
        return self.settle_perceived(super().encode(observation, batch))

    def judge(self, past: PyTree, recalled: Array, first: Array) -> tuple[PyTree, Array]:
        """Read action values [T, K] off what is recalled, [T, memory]."""
        return past, self.worth(self.settle_recalled(recalled)).astype(jnp.float32)


class ValuePolicy(NamedTuple):
    """A policy, and what it goes by."""

    policy: Policy
    values: Callable[[PyTree, PyTree, Percept], Array]  # (weights, carry, percepts [T, ...]) -> [T, K]


def epsilon_greedy(values: Array, mask: Array, epsilon: Array) -> Array:
    """Logits [..., K] of the best allowed action, or with probability `epsilon` [] of any allowed one."""
    best = jnp.argmax(jnp.where(mask, values, categorical.FORBIDDEN), -1)
    greedy = jax.nn.one_hot(best, values.shape[-1])
    even = mask / mask.sum(-1, keepdims=True)
    return jnp.log(jnp.maximum((1.0 - epsilon) * greedy + epsilon * even, UNLIKELY))


def value_policy(
    config: NetworkConfig, num_actions: int, num_agents: int, observation: Any, codes: Sequence[np.ndarray] = ()
) -> ValuePolicy:
    """Make a policy for one seat that acts by the values of actions. It predicts nothing of the others.

    Args:
        config: sizes; what it says of an opponent model is not used.
        observation, codes: what one agent observes, as for `recurrent_policy`.
    """
    config = dataclasses.replace(config, opponent=dataclasses.replace(config.opponent, model="none", condition=False))
    mind = ActionValues(config, num_actions, num_agents - 1, frozen_codes(codes))
    run: Any = mind.apply
    start = memory_of(config).start

    def init(key: Array) -> PyTree:
        empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), observation)
        percept = Percept(empty, jnp.float32(0.0), jnp.ones(num_actions, bool), jnp.bool_(True))
        return {"weights": mind.init(key, start(), percept), "epsilon": jnp.float32(1.0)}

    def say(epsilon: Array, values: Array, mask: Array) -> Output:
        silence = jnp.zeros((*values.shape[:-1], num_agents - 1, num_actions), jnp.float32)
        best = jnp.where(mask, values, categorical.FORBIDDEN).max(-1)
        return Output(epsilon_greedy(values, mask, epsilon), best, silence)

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        carry, values = run(params["weights"], carry, percept)
        return carry, say(params["epsilon"], values, percept.action_mask)

    def values(weights: PyTree, carry: PyTree, percepts: Percept) -> Array:
        return run(weights, carry, percepts, method=mind.unroll)

    def unroll(params: PyTree, carry: PyTree, percepts: Percept) -> Output:
        return say(params["epsilon"], values(params["weights"], carry, percepts), percepts.action_mask)

    return ValuePolicy(Policy(init, start, apply, unroll), values)


def returns_of(hyper: Hyper, teams: Trajectory) -> Array:
    """Lambda-returns of teams, [B, T], of a trajectory with leaves [B, A, T, ...].

    A team goes on while any of its agents does.
    """
    there = jnp.concatenate([teams.agent_mask, teams.agent_mask[..., -1:]], -1)
    whole = dataclasses.replace(
        teams,
        reward=teams.reward.sum(1),
        discount=teams.discount.max(1),
        value=jnp.where(there, teams.value, 0.0).sum(1),
        last=teams.last[:, 0],
    )
    return advantages(hyper, whole) + whole.value[:, :-1]


def q_learning(player: ValuePolicy, config: PPOConfig, team: int = 1) -> Learner:
    """Make the learner of a policy that goes by values.

    Args:
        config: how many passes over the experience, in how many pieces.
        team: seats, one after another, that learn one sum; of 1, each learns for itself.
    """
    optimizer = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_radam())
    unroll = jax.vmap(jax.vmap(player.values, (None, 0, 0)), (None, 0, 0))

    def init(params: PyTree) -> PyTree:
        return {"optimizer": optimizer.init(params["weights"]), "updates": jnp.int32(0)}

    def loss(weights: PyTree, batch: tuple[Trajectory, Array]) -> tuple[Array, dict[str, Array]]:
        teams, target = batch
        values = unroll(weights, teams.carry, teams.percept)
        chosen = categorical.pick(values, teams.action)
        total = jnp.where(teams.agent_mask, chosen, 0.0).sum(1)
        played = ~teams.last[:, 0, :-1] & teams.agent_mask.any(1)
        # Relative to the size of the targets, so that the greatest gradient norm suits games of any payoffs.
        scale = categorical.masked_mean(target**2, played) + 1e-3
        error = 0.5 * categorical.masked_mean((total - target) ** 2, played) / scale
        return error, {"value_loss": error}

    def update(
        key: Array, hyper: Hyper, params: PyTree, state: PyTree, trajectory: Trajectory
    ) -> tuple[PyTree, PyTree, dict[str, Array]]:
        shape = (trajectory.action.shape[0] // team, team)
        teams = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), trajectory)
        weights, optimum, metrics = descend(
            key,
            loss,
            optimizer,
            hyper.learning_rate,
            params["weights"],
            state["optimizer"],
            (teams, returns_of(hyper, teams)),
            config.num_epochs,
            config.num_minibatches,
        )
        updates = state["updates"] + 1
        least = jnp.minimum(hyper.epsilon, 1.0)
        epsilon = least + (1.0 - least) * hyper.epsilon_decay ** updates.astype(jnp.float32)
        metrics |= {"epsilon": epsilon, "entropy": _entropy(trajectory, params["epsilon"])}
        return {"weights": weights, "epsilon": epsilon}, {"optimizer": optimum, "updates": updates}, metrics

    return Learner(init, update)


def _entropy(trajectory: Trajectory, epsilon: Array) -> Array:
    """Entropy in nats, on average, with which it acted: it does not depend on which action was best."""
    mask = trajectory.percept.action_mask
    log_prob = categorical.log_probs(epsilon_greedy(jnp.zeros(mask.shape), mask, epsilon), mask)
    return categorical.masked_mean(categorical.entropy(log_prob), played_of(trajectory))
