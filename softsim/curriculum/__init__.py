"""Which situation each environment plays next: the same, one drawn anew, or one where there is something to learn.

A population keeps B levels, situations with what is known of them. All functions are for one population and run on the
device: `start` at first; `propose` before every round, and after it `observe` and `learn`.

    domain randomisation       kind "random"
    prioritised level replay   kind "replay" (PLR: Jiang et al. 2021, arXiv 2010.03934), score "advantage" or "max_mc"
    learnability               the same with score "success" or "partners", a large temperature, staleness 0 and replay
                               0.5: half of the environments play any of the B most learnable levels, half play new ones
                               (SFL: Rutherford et al. 2024, arXiv 2408.15099, who find these anew from time to time)
    edited levels              "replay" with `edits` above 0 (ACCEL: Parker-Holder et al. 2022, arXiv 2203.01302)
"""

from __future__ import annotations

from softsim.curriculum.config import CurriculumConfig
from softsim.curriculum.evidence import Evidence, join, observe, watch, worth
from softsim.curriculum.levels import Levels, learn, levels_of, priorities, propose, start
from softsim.curriculum.samplers import (
    MANIFOLDS,
    Sampler,
    count,
    grid_sampler,
    listed,
    matrix_sampler,
    on_manifold,
)

__all__ = [
    "MANIFOLDS",
    "CurriculumConfig",
    "Evidence",
    "Levels",
    "Sampler",
    "count",
    "grid_sampler",
    "join",
    "learn",
    "levels_of",
    "listed",
    "matrix_sampler",
    "observe",
    "on_manifold",
    "priorities",
    "propose",
    "start",
    "watch",
    "worth",
]
