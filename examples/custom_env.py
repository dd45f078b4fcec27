"""Bring your own world: two methods make it, and the same learner, opponent model and population train in it.

Two agents see a hint each step; whoever repeats the other's last move while the hint is up gets a point.

python examples/custom_env.py
"""

import jax
import jax.numpy as jnp

import softsim
from softsim.types import Timestep

NUM_STEPS = 16


class CopyCat:
    num_agents, num_actions = 2, 3

    def reset(self, key, params):
        state = {"step": jnp.int32(0), "move": jnp.zeros(2, jnp.int32), "hint": jax.random.bernoulli(key)}
        return state, self.show(state, jnp.zeros(2, jnp.float32), first=True, last=False)

    def step(self, key, params, state, action):
        copied = (action == state["move"][::-1]) & state["hint"]
        reward = params["prize"] * copied.astype(jnp.float32)
        state = {"step": state["step"] + 1, "move": action, "hint": jax.random.bernoulli(key)}
        return state, self.show(state, reward, first=False, last=state["step"] >= NUM_STEPS)

    def show(self, state, reward, first, last):
        hint = jnp.broadcast_to(state["hint"], (2, 1)).astype(jnp.float32)
        return Timestep(
            observation={"other": jax.nn.one_hot(state["move"][::-1], 3), "hint": hint},
            reward=reward,
            payoff=reward,
            discount=jnp.ones(2, jnp.float32),
            agent_mask=jnp.ones(2, bool),
            action_mask=jnp.ones((2, 3), bool),
            first=jnp.bool_(first),
            last=jnp.bool_(last),
            events=jnp.zeros((2, 0), jnp.int32),
        )


situations = {"prize": jnp.array([1.0, 2.0])}  # two situations, played side by side
config = softsim.TrainConfig(num_populations=2, num_envs=32, num_steps=NUM_STEPS, rounds_per_chunk=20)
program = softsim.assemble(config, CopyCat(), situations)
chunk = jax.jit(program.chunk, donate_argnums=0)
state = program.init()
for _ in range(5):
    state, metrics = chunk(state, program.situations)
    model, frequency = metrics["opponent_ce"][-1].mean(), metrics["opponent_ce_frequency"][-1].mean()
    print(
        f"round {state.round}: return {metrics['return'][-1].mean():.2f} of {1.5 * NUM_STEPS / 2:.0f}, "
        f"opponent model {model:.3f} nats, running frequency {frequency:.3f}"
    )
