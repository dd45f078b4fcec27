"""XLand-MiniGrid with one goal and one rule: `python run_xminigrid.py XLand-MiniGrid-R1-9x9`.

Steps go through its Gym-style auto-reset, a `cond` that `vmap` turns into a reset in every step. Goal and rule
are part of the state, so they might differ between environments; the observation is 5 x 5 cells.
"""

from __future__ import annotations

import jax.numpy as jnp
import xminigrid
from stepping import measure_jax, options, versions
from xminigrid.core.constants import TILES_REGISTRY, Colors, Tiles
from xminigrid.core.goals import AgentNearGoal
from xminigrid.core.rules import TileNearRule
from xminigrid.types import RuleSet
from xminigrid.wrappers import GymAutoResetWrapper

WORLDS = ("XLand-MiniGrid-R1-9x9", "XLand-MiniGrid-R4-13x13")


def ruleset() -> RuleSet:
    """Put a ball beside a square to get a pyramid; be beside the pyramid to win."""
    ball, square, pyramid = (
        TILES_REGISTRY[tile, color]
        for tile, color in ((Tiles.BALL, Colors.RED), (Tiles.SQUARE, Colors.BLUE), (Tiles.PYRAMID, Colors.GREEN))
    )
    rules = TileNearRule(tile_a=ball, tile_b=square, prod_tile=pyramid).encode()[None]
    return RuleSet(goal=AgentNearGoal(tile=pyramid).encode(), rules=rules, init_tiles=jnp.stack([ball, square]))


def main() -> None:
    """Measure the world named on the command line."""
    asked = options(WORLDS)
    env, params = xminigrid.make(asked.world)
    env, params = GymAutoResetWrapper(env), params.replace(ruleset=ruleset())

    def reset(key):
        timestep = env.reset(params, key)
        return timestep.observation, timestep

    def step(_, timestep, action):
        timestep = env.step(params, timestep, action[0])
        return timestep.observation, timestep

    measure_jax(reset, step, env.num_actions(params), 1, versions("xminigrid", "jax"), asked)


if __name__ == "__main__":
    main()
