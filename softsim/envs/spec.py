"""The static half of a world: the shapes, and which phases are compiled in. Equal specs share one compilation."""

from __future__ import annotations

import dataclasses

import numpy as np

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


PHASES = (
    *("scatter", "lot", "move", "touch", "enter", "face", "beam", "act", "strike", "hit", "mark", "guard", "gift"),
    *("encounter", "meet", "respawn", "grow", "crowd", "slow", "count", "rivals", "emerge", "cap", "spores", "decay"),
    *("blight", "lapse", "income", "trick", "renew", "round", "goal"),
)
"""Everything a step may do, in order. Some refine others: `touch`, for one, `enter`."""

CONDITIONS = ("role", "hand", "bag", "stake", "ripe", "nature", "need", "present", "chance")
"""What rules may ask for; all but `role`, `ripe`, `present` and `chance` are things that states keep, too."""

KEPT = ("age", "debt", "exile", "level", "paint", "price", "speech", "work", "wash")
"""What else states keep or rules do."""

SEEN = ("torus", "crop", "guise", "trait")
"""What else observations need: maps whose edges meet, smaller views than the spec's, items that look like others to
some, and a third channel for marks, colours, hands and stakes."""


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
    num_choices: int  # a growth law or a draw brings one of at most this many items
    num_emergences: int
    num_spawns: int
    events: tuple[str, ...]
    phases: tuple[str, ...]
    num_tries: int = 1  # rules of one chain
    num_hits: int = 0  # cells that one shot may change by rules: those of the lanes further left come first
    num_struck: int = 0  # agents whom one shot may strike by rules: those of lower slots come first
    num_slots: int = 0  # of a bag
    num_scatters: int = 0
    num_natures: int = 0  # states of nature
    num_goals: int = 0
    num_tracked: int = 0  # cells of a trick
    lot: int = 0  # cells that are drawn by number when an episode starts, at most
    burst: int = 1  # items that an emergence law may bring in one step; further tries wait

    @property
    def num_actions(self) -> int:
        return NUM_MOVES + len(self.beams)

    @property
    def agent_bits(self) -> np.dtype:
        """The smallest type of number that has a bit for every agent; in worlds for more than 32, for the first 32."""
        return np.min_scalar_type((1 << min(self.num_agents, 32)) - 1)

    @property
    def bit_of_each(self) -> np.ndarray:
        """[A] the bit of every agent, as `agent_bits`; 0 for those beyond, who can have no stake."""
        return (1 << np.arange(self.num_agents, dtype=np.uint64)).astype(self.agent_bits)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What rules of these games ask for."""
        return tuple(name for name in CONDITIONS if self.has(name))

    def has(self, phase: str) -> bool:
        return phase in self.phases
