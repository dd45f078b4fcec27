"""The numbers of a curriculum."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class CurriculumConfig:
    """Which situations are played; all numbers but the kind are for "replay"."""

    kind: Literal["fixed", "random", "replay"] = "fixed"
    size: int = 64  # levels that are kept
    score: Literal["advantage", "max_mc", "success", "partners"] = "advantage"  # what makes one worth playing again
    replay: float = 0.8  # probability that an environment plays one that was kept, once there are enough
    fill: float = 0.5  # share of the size that is enough
    temperature: float = 0.3  # rank r has weight r**(-1 / temperature)
    staleness: float = 0.3  # weight of how long ago a level was played, beside its rank
    memory: float = 0.0  # weight of the past in what is known of a level
    success: float = 0.0  # return of an episode above which it is a success
    edits: float = 0.0  # share of the new situations that are replayed ones, changed
    step: float = 0.2  # radians that a change walks on the spheres of games
    jitter: float = 0.1  # standard deviation of a change of the other numbers, of their range
