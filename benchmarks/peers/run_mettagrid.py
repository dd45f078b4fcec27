"""mettagrid's arena, stepped by its C++ engine: `python run_mettagrid.py arena --num-agents 8`.

One environment at a time in one process, as the engine does it; more environments are more processes. Actions
and observations go through the engine's own buffers. The window is 11 x 11 cells, as ours. A new episode, with a
new map, begins when one is over, which is so rare (10,000 steps by default) that its cost hardly counts.
"""

from __future__ import annotations

import time

import numpy as np
from mettagrid.builder.envs import make_arena
from mettagrid.simulator.simulator import Simulator
from stepping import options, take_turns, versions

WORLDS = ("arena",)
WINDOW = 11


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    config = make_arena(num_agents=asked.num_agents or 8)
    config.game.obs.width = config.game.obs.height = WINDOW
    simulator, random = Simulator(), np.random.default_rng(asked.seed)
    start = time.perf_counter()
    simulation = simulator.new_simulation(config, seed=asked.seed)
    begin_s = time.perf_counter() - start
    num_actions, seen = len(simulation.action_names), 0

    def play(steps):
        nonlocal simulation, seen
        for _ in range(steps):
            if simulation.is_done():
                simulation.close()
                simulation = simulator.new_simulation(config, seed=int(random.integers(2**31)))
            engine = simulation._c_sim
            engine.actions()[:] = random.integers(num_actions, size=config.game.num_agents)
            simulation.step()
            # Four bytes at a time, so that reading costs little beside stepping.
            seen += int(engine.observations().reshape(-1).view(np.uint32).sum())

    facts = {
        "num_envs": 1,
        "num_agents": config.game.num_agents,
        "compile_s": begin_s,
        "observation_bytes": simulation._c_sim.observations().nbytes,
        "device": "cpu, one core",
        "versions": versions("mettagrid", "numpy"),
    }
    take_turns(play, facts, asked)


if __name__ == "__main__":
    main()
