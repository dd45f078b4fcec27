"""JaxMARL's coin game, kitchens and STORM: `python run_jaxmarl.py coin_game`. `step` computes a reset in every step."""

from __future__ import annotations

import jaxmarl
from jaxmarl.environments.overcooked import overcooked_layouts
from stepping import measure_jax, options, versions

KITCHENS = ("cramped_room", "asymm_advantages", "coord_ring", "forced_coord", "counter_circuit")
WORLDS = ("coin_game", "storm_2p", *(f"overcooked_{layout}" for layout in KITCHENS))


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    if asked.world.startswith("overcooked_"):
        env = jaxmarl.make("overcooked", layout=overcooked_layouts[asked.world.removeprefix("overcooked_")])
    else:
        env = jaxmarl.make(asked.world)

    def step(key, state, action):
        observation, state, *_ = env.step(key, state, {agent: action[i] for i, agent in enumerate(env.agents)})
        return observation, state

    num_actions = env.action_space(env.agents[0]).n
    measure_jax(env.reset, step, num_actions, env.num_agents, versions("jaxmarl", "jax"), asked)


if __name__ == "__main__":
    main()
