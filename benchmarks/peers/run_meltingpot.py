"""Melting Pot's substrates, one environment in one process: `python run_meltingpot.py commons_harvest__open`.

Observations are read as pictures, which is what a substrate gives; an episode that is over is begun afresh.
Written from the documented interface, and not run yet: the package fetches pictures and maps when it is built.
"""

from __future__ import annotations

import time

import numpy as np
from meltingpot import substrate
from stepping import options, take_turns, versions

WORLDS = ("commons_harvest__open", "clean_up")


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    start = time.perf_counter()
    roles = substrate.get_config(asked.world).default_player_roles
    env = substrate.build(asked.world, roles=roles)
    timestep = env.reset()
    begin_s = time.perf_counter() - start
    num_actions, num_agents = env.action_spec()[0].num_values, len(roles)
    random, seen = np.random.default_rng(asked.seed), 0

    def play(steps):
        nonlocal timestep, seen
        for _ in range(steps):
            if timestep.last():
                timestep = env.reset()
            timestep = env.step([int(action) for action in random.integers(num_actions, size=num_agents)])
            seen += sum(int(player["RGB"].sum()) for player in timestep.observation)

    facts = {
        "num_envs": 1,
        "num_agents": num_agents,
        "compile_s": begin_s,
        "observation_bytes": sum(player["RGB"].nbytes for player in timestep.observation),
        "device": "cpu, one process",
        "versions": versions("dm-meltingpot", "numpy"),
    }
    take_turns(play, facts, asked)


if __name__ == "__main__":
    main()
