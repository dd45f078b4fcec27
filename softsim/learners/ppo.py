"""Recurrent proximal policy optimisation with an opponent head, for one member.

Schulman et al. 2017 (arXiv 1707.06347): clipped surrogate, value regression and entropy bonus, plus the cross-entropy
of the predicted next actions of the others. Minibatches are cut over seats, never over time, so that memory is
rebuilt from where the trajectory began.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from softsim.learners import categorical
from softsim.learners.returns import generalized_advantage
from softsim.types import Array, Learner, Output, Policy, PyTree, Trajectory, UserError, struct


@struct
class Hyper:
    """The numbers of one member's learner; evolution may change them."""

    learning_rate: Array  # [] float32
    gamma: Array  # [] float32   discount per step
    gae_lambda: Array  # [] float32
    clip: Array  # [] float32   range of the probability ratio
    entropy_weight: Array  # [] float32
    value_weight: Array  # [] float32
    opponent_weight: Array  # [] float32


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """The static half: how many passes over the experience, in how many pieces."""

    num_epochs: int = 2
    num_minibatches: int = 4
    max_grad_norm: float = 0.5


def unroll(policy: Policy, params: PyTree, carry: PyTree, percepts: PyTree) -> Output:
    """Outputs [T, ...] of a policy for one seat's percepts [T, ...], by its own `unroll` or by scanning `apply`."""
    if policy.unroll is not None:
        return policy.unroll(params, carry, percepts)
    return jax.lax.scan(lambda carry, percept: policy.apply(params, carry, percept), carry, percepts)[1]


def masked_mean(values: Array, mask: Array) -> Array:
    """Mean of `values` where `mask`, of the same shape; 0 if nowhere."""
    weight = mask.astype(values.dtype)
    return (values * weight).sum() / jnp.maximum(weight.sum(), 1.0)


def loss(
    policy: Policy, hyper: Hyper, params: PyTree, batch: Trajectory, advantage: Array
) -> tuple[Array, dict[str, Array]]:
    """Loss of one minibatch; `advantage` is [S, T]. Metrics are means over the steps that were played."""
    output = jax.vmap(lambda carry, percepts: unroll(policy, params, carry, percepts))(batch.carry, batch.percept)
    played = ~batch.last[:, :-1] & batch.agent_mask

    target = advantage + batch.value[:, :-1]
    mean = masked_mean(advantage, played)
    deviation = jnp.sqrt(masked_mean((advantage - mean) ** 2, played))
    advantage = (advantage - mean) / (deviation + 1e-6)

    log_prob = categorical.log_probs(output.logits, batch.percept.action_mask)
    log_ratio = categorical.pick(log_prob, batch.action) - batch.log_prob
    ratio = jnp.exp(log_ratio)
    clipped = jnp.clip(ratio, 1.0 - hyper.clip, 1.0 + hyper.clip)
    surrogate = -masked_mean(jnp.minimum(ratio * advantage, clipped * advantage), played)
    # Relative to the size of the targets, so that one value weight suits games of any payoffs.
    scale = jax.lax.stop_gradient(masked_mean(target**2, played)) + 1e-3
    value_error = 0.5 * masked_mean((output.value - target) ** 2, played) / scale
    entropy = masked_mean(categorical.entropy(log_prob), played)

    model = jax.nn.log_softmax(output.opponent)
    seen = batch.others_mask & played[..., None]
    surprise = masked_mean(-categorical.pick(model, batch.others_action), seen)

    total = (
        surrogate + hyper.value_weight * value_error - hyper.entropy_weight * entropy + hyper.opponent_weight * surprise
    )
    return total, {
        "policy_loss": surrogate,
        "value_loss": value_error,
        "entropy": entropy,
        "opponent_loss": surprise,
        "update_kl": masked_mean(ratio - 1.0 - log_ratio, played),
    }


def ppo(policy: Policy, config: PPOConfig = PPOConfig()) -> Learner:
    """Make the learner of a policy."""
    optimizer = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam(eps=1e-5))

    def update(
        key: Array, hyper: Hyper, params: PyTree, state: PyTree, trajectory: Trajectory
    ) -> tuple[PyTree, PyTree, dict[str, Array]]:
        num_seats = trajectory.action.shape[0]
        if num_seats % config.num_minibatches:
            raise UserError(
                f"num_minibatches: {config.num_minibatches} does not divide the {num_seats} seats of a member."
            )
        estimate = jax.vmap(generalized_advantage, in_axes=(0, 0, 0, 0, None, None))
        advantage = estimate(
            trajectory.reward,
            trajectory.discount,
            trajectory.value,
            trajectory.last,
            hyper.gamma,
            hyper.gae_lambda,
        )

        def minibatch(learner, seats):
            params, state = learner
            batch, ahead = jax.tree.map(lambda leaf: leaf[seats], (trajectory, advantage))
            gradient, metrics = jax.grad(lambda params: loss(policy, hyper, params, batch, ahead), has_aux=True)(params)
            direction, state = optimizer.update(gradient, state, params)
            params = jax.tree.map(lambda p, d: p - hyper.learning_rate * d, params, direction)
            return (params, state), metrics | {"gradient_norm": optax.tree.norm(gradient)}

        orders = jax.vmap(lambda key: jax.random.permutation(key, num_seats))(jax.random.split(key, config.num_epochs))
        batches = orders.reshape(config.num_epochs * config.num_minibatches, -1)
        (params, state), metrics = jax.lax.scan(minibatch, (params, state), batches)
        return params, state, jax.tree.map(jnp.mean, metrics)

    return Learner(optimizer.init, update)
