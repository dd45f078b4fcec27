"""SocialJax's worlds, from a checkout: `python run_socialjax.py clean_up --checkout PATH`.

Its `step` computes a reset in every step.
"""

from __future__ import annotations

import sys

from stepping import measure_jax, options, versions

WORLDS = (
    "harvest_common_open",
    "clean_up",
    "coin_game",
    "coop_mining",
    "gift",
    "mushrooms",
    "territory_open",
    "pd_arena",
    "lb_foraging",
)


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    sys.path.insert(0, asked.checkout)
    import socialjax

    env = socialjax.make(asked.world, **({"num_agents": asked.num_agents} if asked.num_agents else {}))

    def step(key, state, action):
        observation, state, *_ = env.step(key, state, [action[i] for i in range(env.num_agents)])
        return observation, state

    packages = versions("jax") | {"socialjax": socialjax.__version__}
    measure_jax(env.reset, step, env.action_space(0).n, env.num_agents, packages, asked)


if __name__ == "__main__":
    main()
