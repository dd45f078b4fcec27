"""The static half of a world: the shapes, and which phases are compiled in. Equal specs share one compilation."""

from __future__ import annotations

import dataclasses

from softsim.envs.vocabulary import NUM_MOVES


@dataclasses.dataclass(frozen=True)
class View:
    """An egocentric window, in cells from the agent: `ahead + behind + 1` high, `2 * side + 1` wide."""

    ahead: int = 9
    behind: int = 1
    side: int = 5

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (far to near) and columns (left to right) of the window."""
        return self.ahead + self.behind + 1, 2 * self.side + 1


PHASES = ("move", "touch", "enter", "beam", "strike", "respawn", "grow", "crowd", "slow", "emerge", "decay")
"""Everything a step may do, in order. `touch` refines `enter`, `strike` `beam`, `crowd` and `slow` `grow`."""


@dataclasses.dataclass(frozen=True)
class WorldSpec:
    """Static maxima over the games that are stepped side by side; all numbers else are `EnvParams`."""

    height: int
    width: int
    num_agents: int
    view: View
    num_items: int  # item ids in use are below this
    num_roles: int
    num_rules: int
    beams: tuple[str, ...]  # one action each, after the moves; games that lack one have it masked
    beam_length: int
    beam_half_width: int
    num_growths: int
    num_crowds: int  # the first of the growth laws depend on live neighbours ...
    neighbours: tuple[tuple[int, int], ...]  # ... at these (row, column) offsets
    num_choices: int  # a growth law brings one of at most this many items
    num_emergences: int
    num_spawns: int
    events: tuple[str, ...]
    phases: tuple[str, ...]

    @property
    def num_actions(self) -> int:
        return NUM_MOVES + len(self.beams)

    def has(self, phase: str) -> bool:
        return phase in self.phases
