"""Step 4,096 situations as one program: maps, regrowth, beams, payoffs, kinship and horizons differ, one compilation.

python examples/thousand_situations.py
"""

import dataclasses
import time

import jax
import jax.numpy as jnp

import softsim

NUM_WORLDS, NUM_STEPS = 4096, 20


def vary(key, params):
    """Make another situation of one: every one of these numbers is a leaf of the params."""
    key_rate, key_reward, key_kin, key_beam, key_end = jax.random.split(key, 5)
    num_agents = params.agent_mask.shape[0]
    kinship = jax.random.uniform(key_kin)
    return dataclasses.replace(
        params,
        growth=dataclasses.replace(params.growth, rate=params.growth.rate * 4.0 * jax.random.uniform(key_rate)),
        rules=dataclasses.replace(params.rules, reward=params.rules.reward * jax.random.normal(key_reward)),
        sharing=dataclasses.replace(
            params.sharing, weights=kinship + (1.0 - kinship) * jnp.eye(num_agents, dtype=jnp.float32)
        ),
        beams=dataclasses.replace(
            params.beams, removes_for=jax.random.randint(key_beam, params.beams.removes_for.shape, 0, 50)
        ),
        horizon=dataclasses.replace(params.horizon, maximum=jax.random.randint(key_end, (), 50, 1000)),
    )


world, games = softsim.make(["commons_harvest_open", "commons_harvest_closed", "clean_up", "coins"])
traces = []


@jax.jit
def play(key, params, state):
    """Play some steps at random in every world at once."""
    traces.append(1)

    def step(state, key):
        key_act, key_step = jax.random.split(key)
        action = jax.random.randint(key_act, (NUM_WORLDS, world.num_agents), 0, world.num_actions)
        keys = jax.random.split(key_step, NUM_WORLDS)
        state, timestep = jax.vmap(world.step)(keys, params, state, action)
        return state, timestep.reward

    state, reward = jax.lax.scan(step, state, jax.random.split(key, NUM_STEPS))
    return state, reward.sum(0)


key_vary, key_reset, key_play = jax.random.split(jax.random.key(0), 3)
which = jnp.arange(NUM_WORLDS) % 4
params = jax.tree.map(lambda leaf: leaf[which], games)
params = jax.jit(jax.vmap(vary))(jax.random.split(key_vary, NUM_WORLDS), params)
state, _ = jax.jit(jax.vmap(world.reset))(jax.random.split(key_reset, NUM_WORLDS), params)

for attempt, key in enumerate(jax.random.split(key_play, 4)):
    start = time.perf_counter()
    state, reward = jax.block_until_ready(play(key, params, state))
    seconds = time.perf_counter() - start
    rate = NUM_WORLDS * NUM_STEPS / seconds
    note = " (with compilation)" if attempt == 0 else ""
    print(f"{NUM_WORLDS} worlds x {NUM_STEPS} steps in {seconds:.2f} s: {rate:,.0f} env-steps/s{note}")
print(f"compiled {len(traces)} time; rewards of the first agents: {reward[:4, 0]}")
