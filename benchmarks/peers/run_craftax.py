"""Craftax-Classic on symbols: `python run_craftax.py classic_symbolic`. Its `step` computes a reset in every step.

`classic_symbolic_without_resets` is the variant that never resets: whoever dies goes on being stepped. The comparison
takes this one. Resets, a new world for every environment in every step, make it some twenty times slower on a CPU: ask
for few environments then.
"""

from __future__ import annotations

from craftax.craftax_env import make_craftax_env_from_name
from stepping import measure_jax, options, versions

WORLDS = ("classic_symbolic", "classic_symbolic_without_resets")


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    env = make_craftax_env_from_name("Craftax-Classic-Symbolic-v1", auto_reset=asked.world == WORLDS[0])
    params = env.default_params

    def step(key, state, action):
        observation, state, *_ = env.step(key, state, action[0], params)
        return observation, state

    num_actions, packages = env.action_space(params).n, versions("craftax", "jax")
    measure_jax(lambda key: env.reset(key, params), step, num_actions, 1, packages, asked)


if __name__ == "__main__":
    main()
