"""A central critic: values judged from what all agents of an environment observe, while learning.

Yu et al. 2022 (arXiv 2103.01955): multi-agent PPO is PPO whose value function sees more than its policy does. Here it
is a second mind beside the first, with weights and a memory of its own; the learner is `ppo` as it is. The critic
remembers as the actor does, since what a policy with a memory is worth depends on what that holds, and observations of
a moment, even of all agents, do not tell. Without the others' observations, as in play after training, nothing is
judged and the same actions are taken.

Whose weights are shared is the population's affair: a single member in all seats is one mind for all agents, P members
are P minds, each with a critic of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners.networks import Mind, NetworkConfig, frozen_codes, memory_of
from softsim.learners.ppo import unroll as unrolled
from softsim.types import Array, Output, Percept, Policy, PyTree, Told


class Critic(Mind):
    """A mind that only judges; what it perceives is `joint`."""

    def judge(self, past: PyTree, recalled: Array, first: Array) -> tuple[PyTree, Array]:
        """Read values [T] off what is recalled, [T, memory]."""
        return past, self.value(recalled)[..., 0].astype(jnp.float32)


def joint(percept: Percept) -> Percept:
    """See what all agents observe, leaves [A, ...] in relative slots, oneself first."""
    together = jax.tree.map(
        lambda own, others: jnp.concatenate([own[None], others]), percept.observation, percept.others
    )
    return dataclasses.replace(percept, observation=together, others=())


def judged_centrally(
    actor: Policy, config: NetworkConfig, num_agents: int, observation: Any, codes: Sequence[np.ndarray] = ()
) -> Policy:
    """Give a policy a central critic, whose values replace its own.

    Args:
        config: sizes of the critic; what it says of an opponent model is not used.
        observation, codes: what one agent observes, as for `recurrent_policy`.
    """
    config = dataclasses.replace(config, opponent=dataclasses.replace(config.opponent, model="none", condition=False))
    critic = Critic(config, num_actions=1, num_others=0, codes=frozen_codes(codes))
    run: Any = critic.apply
    start = memory_of(config).start

    def init(key: Array) -> PyTree:
        key_actor, key_critic = jax.random.split(key)
        seen = jax.tree.map(lambda leaf: jnp.zeros((num_agents, *leaf.shape), leaf.dtype), observation)
        percept = Percept(seen, jnp.float32(0.0), jnp.ones(1, bool), jnp.bool_(True))
        return {"actor": actor.init(key_actor), "critic": critic.init(key_critic, start(), percept)}

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        acting, judging = carry
        acting, output = actor.apply(params["actor"], acting, percept)
        value = jnp.float32(0.0)
        if jax.tree.leaves(percept.others):
            judging, value = run(params["critic"], judging, joint(percept))
        return (acting, judging), dataclasses.replace(output, value=value)

    def unroll(params: PyTree, carry: PyTree, percepts: Percept) -> Output:
        acting, judging = carry
        output = unrolled(actor, params["actor"], acting, percepts)
        if not jax.tree.leaves(percepts.others):
            return dataclasses.replace(output, value=jnp.zeros_like(output.value))
        value = run(params["critic"], judging, jax.vmap(joint)(percepts), method=critic.unroll)
        return dataclasses.replace(output, value=value)

    def wake(key: Array) -> PyTree:
        return (actor.start() if actor.wake is None else actor.wake(key)), start()

    def retold(told: Told, seats: int) -> Policy:
        assert actor.retold is not None
        return judged_centrally(actor.retold(told, seats), config, num_agents, observation, codes)

    judged = actor._replace(init=init, start=lambda: (actor.start(), start()), apply=apply, unroll=unroll, wake=wake)
    return judged._replace(retold=retold if actor.retold else None)
