"""Worlds so small that the answer is known, and members who learn them: what the tests of learners share.

They are written from the protocol of `softsim.types` alone: two numbers and two methods. All probes are data for one
compiled program of each learner.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from softsim import HyperConfig, NetworkConfig, Percept, PPOConfig, Timestep, TrainConfig, assemble
from softsim.types import struct

LONGEST = 5
GAMMA = 0.6
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 1})


def timestep(observation, reward, discount, first, last) -> Timestep:
    """Two actions, everyone in play, nothing to count."""
    num_agents = reward.shape[0]
    everyone = jnp.ones(num_agents, bool)
    return Timestep(
        observation=observation,
        reward=reward,
        payoff=reward,
        discount=jnp.full(num_agents, discount, jnp.float32),
        agent_mask=everyone,
        action_mask=jnp.ones((num_agents, 2), bool),
        first=jnp.bool_(first),
        last=jnp.asarray(last),
        events=jnp.zeros((num_agents, 0), jnp.int32),
    )


@struct
class Probe:
    """A world as a table: a coin shows a cue, what is seen depends on cue and time, what is paid on the action too."""

    observation: jax.Array  # [cue, LONGEST + 1, 3]
    reward: jax.Array  # [cue, LONGEST, action]
    horizon: jax.Array  # [] steps until the true end; 0 is never
    limit: jax.Array  # [] chance that each step is stopped by a time limit, which is no end


@dataclasses.dataclass(frozen=True)
class ProbeWorld:
    num_agents: int = 1
    num_actions: int = 2

    def reset(self, key, params):
        cue = jax.random.bernoulli(key).astype(jnp.int32)
        return (cue, jnp.int32(0)), timestep(params.observation[cue, 0][None], jnp.zeros(1), 1.0, True, False)

    def step(self, key, params, state, action):
        cue, t = state
        ends, stopped = t + 1 == params.horizon, jax.random.bernoulli(key, params.limit)
        reward = params.reward[cue, jnp.minimum(t, LONGEST - 1), action]
        seen = params.observation[cue, jnp.minimum(t + 1, LONGEST)][None]
        return (cue, t + 1), timestep(seen, reward, jnp.where(ends, 0.0, 1.0), False, ends | stopped)


def probe(horizon: int, observation=None, reward=0.0, limit=0.0) -> Probe:
    """Make one: `observation` maps (cue, time) to three numbers, `reward` (cue, time, action) to one."""
    seen, paid = np.zeros((2, LONGEST + 1, 3), np.float32), np.zeros((2, LONGEST, 2), np.float32)
    for cue in (0, 1):
        for t in range(LONGEST + 1):
            seen[cue, t] = observation(cue, t) if observation else 0.0
        for t, action in np.ndindex(LONGEST, 2):
            paid[cue, t, action] = reward(cue, t, action) if callable(reward) else reward
    return Probe(jnp.asarray(seen), jnp.asarray(paid), jnp.int32(horizon), jnp.float32(limit))


ROUNDS = 60
CONFIG = TrainConfig(
    num_members=2,
    num_envs=64,
    num_steps=12,
    num_rounds=ROUNDS,
    rounds_per_chunk=ROUNDS,
    network=NetworkConfig(hidden=16, memory=16),
    ppo=PPOConfig(num_epochs=4, num_minibatches=1),
    hyper=HyperConfig(learning_rate=1e-2, gamma=GAMMA, value_weight=1.0),
)


@functools.cache
def school(config: TrainConfig):
    """The compiled program that all probes of a learner share, and its founders."""
    program = assemble(config, ProbeWorld(), jax.tree.map(lambda leaf: leaf[None], probe(1)))
    founders = compiled(program.init)()
    return program, founders, compiled(program.chunk).lower(founders, program.situations).compile()


class Graduate:
    """The members of one population after learning one probe."""

    def __init__(self, task: Probe, chunks: int = 1, config: TrainConfig = CONFIG):
        program, founders, chunk = school(config)
        self.task, self.policy = task, program.table.policy
        state = founders
        for _ in range(chunks):
            state, self.metrics = chunk(state, jax.tree.map(lambda leaf: leaf[None], task))
        self.mind = jax.tree.map(lambda leaf: leaf[0], state.population.mind)
        self.returns = np.asarray(self.metrics["return"][-5:]).mean((0, 1))

    def watch(self, cue: int) -> tuple[np.ndarray, np.ndarray]:
        """Values [member, time] and probabilities [member, time, action] along an episode."""
        steps = LONGEST + 1
        seen, nobody_else = self.task.observation[cue], self.task.observation[cue][:, None][:, :0]
        percepts = Percept(seen, jnp.zeros(steps), jnp.ones((steps, 2), bool), jnp.arange(steps) == 0, nobody_else)
        output = jax.jit(jax.vmap(self.policy.unroll, (0, None, None)))(self.mind, self.policy.start(), percepts)
        return np.asarray(output.value), np.asarray(jax.nn.softmax(output.logits))
