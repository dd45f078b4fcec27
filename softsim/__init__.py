"""softsim: raise populations of agents through social situations that are data, and measure what grew.

Importing this costs jax and numpy; learners, training and evaluation load when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from softsim.envs import Game, GridWorld, MatrixGame, MatrixWorld, compile_games, compile_matrix_games, make, names
from softsim.types import Environment, Learner, Output, Percept, Policy, Timestep, Trajectory, UserError

if TYPE_CHECKING:
    from softsim.curriculum import CurriculumConfig, grid_sampler, matrix_sampler
    from softsim.evaluation.cross_play import cross_play
    from softsim.heredity import HeredityConfig
    from softsim.learners.networks import NetworkConfig, recurrent_policy
    from softsim.learners.ppo import PPOConfig, ppo
    from softsim.matchmaking import LeagueConfig, MatchmakingConfig
    from softsim.partners import partner
    from softsim.rewards import RewardConfig
    from softsim.train import assemble
    from softsim.train_config import HyperConfig, SelectionConfig, TrainConfig

__version__ = "0.1.0"

_LAZY = {
    "CurriculumConfig": "softsim.curriculum",
    "grid_sampler": "softsim.curriculum",
    "matrix_sampler": "softsim.curriculum",
    "HeredityConfig": "softsim.heredity",
    "LeagueConfig": "softsim.matchmaking",
    "MatchmakingConfig": "softsim.matchmaking",
    "cross_play": "softsim.evaluation.cross_play",
    "NetworkConfig": "softsim.learners.networks",
    "recurrent_policy": "softsim.learners.networks",
    "PPOConfig": "softsim.learners.ppo",
    "ppo": "softsim.learners.ppo",
    "partner": "softsim.partners",
    "RewardConfig": "softsim.rewards",
    "HyperConfig": "softsim.train_config",
    "SelectionConfig": "softsim.train_config",
    "TrainConfig": "softsim.train_config",
    "assemble": "softsim.train",
}

__all__ = [
    "CurriculumConfig",
    "Environment",
    "Game",
    "GridWorld",
    "HeredityConfig",
    "HyperConfig",
    "LeagueConfig",
    "Learner",
    "MatchmakingConfig",
    "MatrixGame",
    "MatrixWorld",
    "NetworkConfig",
    "Output",
    "PPOConfig",
    "Percept",
    "Policy",
    "RewardConfig",
    "SelectionConfig",
    "Timestep",
    "TrainConfig",
    "Trajectory",
    "UserError",
    "assemble",
    "compile_games",
    "compile_matrix_games",
    "cross_play",
    "grid_sampler",
    "make",
    "matrix_sampler",
    "names",
    "partner",
    "ppo",
    "recurrent_policy",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'softsim' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
