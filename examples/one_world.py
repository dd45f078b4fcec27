"""Step one world and watch it as text.

python examples/one_world.py [game]
"""

import sys

import jax

import softsim
from softsim.envs.render import draw

world, params = softsim.make(sys.argv[1] if len(sys.argv) > 1 else "commons_harvest_open")
reset, step = jax.jit(world.reset), jax.jit(world.step)

key_reset, key_play = jax.random.split(jax.random.key(0))
state, timestep = reset(key_reset, params)
total = timestep.payoff
for t in range(60):
    key_act, key_step = jax.random.split(jax.random.fold_in(key_play, t))
    action = jax.random.randint(key_act, (world.num_agents,), 0, world.num_actions)
    state, timestep = step(key_step, params, state, action)
    total = total + timestep.payoff
    if t % 30 == 29:
        print(f"after {t + 1} random steps")
        print(draw(params, state))
        print("payoff so far:", total, "\n")
