"""Recurrent proximal policy optimisation with an opponent head, for one member.

Schulman et al. 2017 (arXiv 1707.06347): clipped surrogate, value regression and entropy bonus, plus the cross-entropy
of the predicted next actions of the others. Minibatches are cut over seats, never over time, so that memory is
rebuilt from where the trajectory began.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from softsim.learners import categorical
from softsim.learners.categorical import masked_mean, standardize
from softsim.learners.opponent import prediction_loss
from softsim.learners.passes import descend
from softsim.learners.returns import generalized_advantage
from softsim.learners.shaping import Form, align, compared
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
    shaping_weight: Array  # [] float32   of the others' advantages, where the config shapes
    epsilon: Array  # [] float32   Q-learning: chance of a random action, in the end
    epsilon_decay: Array  # [] float32   Q-learning: by which that chance falls from 1, every update


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """The static half: how many passes over the experience, in how many pieces."""

    num_epochs: int = 2
    num_minibatches: int = 4
    max_grad_norm: float = 0.5
    shaping: Form = "none"  # what actions are worth for what they teach the other learners at the table


def unroll(policy: Policy, params: PyTree, carry: PyTree, percepts: PyTree) -> Output:
    """Outputs [T, ...] of a policy for one seat's percepts [T, ...], by its own `unroll` or by scanning `apply`."""
    if policy.unroll is not None:
        return policy.unroll(params, carry, percepts)
    return jax.lax.scan(lambda carry, percept: policy.apply(params, carry, percept), carry, percepts)[1]


def played_of(trajectory: Trajectory) -> Array:
    """Steps whose action counted, [S, T] bool."""
    return ~trajectory.last[:, :-1] & trajectory.agent_mask


def advantages(hyper: Hyper, trajectory: Trajectory) -> Array:
    """How much better each action turned out than expected, [S, T] float32."""
    estimate = jax.vmap(generalized_advantage, in_axes=(0, 0, 0, 0, None, None))
    given = trajectory.reward, trajectory.discount, trajectory.value, trajectory.last
    return estimate(*given, hyper.gamma, hyper.gae_lambda)


def loss(
    policy: Policy, hyper: Hyper, params: PyTree, batch: Trajectory, target: Array, advantage: Array
) -> tuple[Array, dict[str, Array]]:
    """Loss of one minibatch. Metrics are means over the steps that were played.

    Args:
        target: [S, T] float32   of the value. advantage: [S, T] float32   of the action, in any unit.
    """
    output = jax.vmap(lambda carry, percepts: unroll(policy, params, carry, percepts))(batch.carry, batch.percept)
    played = played_of(batch)
    advantage = standardize(advantage, played)

    log_prob = categorical.log_probs(output.logits, batch.percept.action_mask)
    log_ratio = categorical.pick(log_prob, batch.action) - batch.log_prob
    ratio = jnp.exp(log_ratio)
    clipped = jnp.clip(ratio, 1.0 - hyper.clip, 1.0 + hyper.clip)
    surrogate = -masked_mean(jnp.minimum(ratio * advantage, clipped * advantage), played)
    # Relative to the size of the targets, so that one value weight suits games of any payoffs.
    scale = jax.lax.stop_gradient(masked_mean(target**2, played)) + 1e-3
    value_error = 0.5 * masked_mean((output.value - target) ** 2, played) / scale
    entropy = masked_mean(categorical.entropy(log_prob), played)

    opponent_error, predictions = prediction_loss(output, batch, played)
    total = surrogate + hyper.value_weight * value_error - hyper.entropy_weight * entropy
    total += hyper.opponent_weight * opponent_error
    return total, {
        "policy_loss": surrogate,
        "value_loss": value_error,
        "entropy": entropy,
        "update_kl": masked_mean(ratio - 1.0 - log_ratio, played),
        **predictions,
    }


def aligned(form: Form, hyper: Hyper, trajectory: Trajectory, advantage: Array) -> Array:
    """Add to advantages [S, T] what the actions teach the others.

    Raises:
        UserError: the trajectory does not have the others' advantages.
    """
    others = trajectory.others_advantage
    if others is None:
        raise UserError(f"ppo.shaping: {form!r} needs the others' advantages; `train.regard_others` adds them.")
    own = compared(form, advantage, played_of(trajectory))
    add = functools.partial(align, form, gamma=hyper.gamma, weight=hyper.shaping_weight)
    return jax.vmap(add)(own, others, trajectory.last[:, :-1])


def ppo(policy: Policy, config: PPOConfig = PPOConfig()) -> Learner:
    """Make the learner of a policy."""
    optimizer = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optax.scale_by_adam(eps=1e-5))

    def update(
        key: Array, hyper: Hyper, params: PyTree, state: PyTree, trajectory: Trajectory
    ) -> tuple[PyTree, PyTree, dict[str, Array]]:
        advantage = advantages(hyper, trajectory)
        target = advantage + trajectory.value[:, :-1]
        if config.shaping != "none":
            advantage = aligned(config.shaping, hyper, trajectory, advantage)

        return descend(
            key,
            lambda params, batch: loss(policy, hyper, params, *batch),
            optimizer,
            hyper.learning_rate,
            params,
            state,
            (trajectory, target, advantage),
            config.num_epochs,
            config.num_minibatches,
        )

    return Learner(optimizer.init, update)
