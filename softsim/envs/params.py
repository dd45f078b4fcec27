"""The other half of a world, all data: what one situation is (`EnvParams`) and how it stands now (`EnvState`).

Axis letters beyond `types.py`: `I` items, `R` roles, `Q` rules, `B` beams, `L` growth laws, `M` emergence laws,
`X` spawn cells. Cells are addressed by their flat index `row * W + column`.
"""

from __future__ import annotations

from softsim.types import Array, struct


@struct
class Layout:
    """The map an episode starts from."""

    cell: Array  # [H, W] uint8   item lying there
    site: Array  # [H, W] uint8   class of what may grow there, 0 for nothing
    solid: Array  # [I] bool   items that nobody can enter
    spawn: Array  # [X] int32   cells where agents appear; rows beyond the game's own repeat cell 0
    start_mask: Array  # [X] bool   used when an episode starts
    respawn_mask: Array  # [X] bool   used when a removed agent returns


@struct
class Rules:
    """What happens when an agent enters, touches or strikes an item: a lookup, then one row of effects.

    Row 0 is "nothing happens". Triggers: 0 enter, 1 touch (walk into a solid item), 2 + b struck by beam b.
    """

    lookup: Array  # [2 + B, R, I] uint8   rule row
    becomes: Array  # [Q] uint8   item left in the cell, or `KEEP`
    reward: Array  # [Q] float32   to the actor
    reward_others: Array  # [Q] float32   to every other agent in play
    freeze: Array  # [Q] int32   steps the actor cannot act
    event: Array  # [Q] int32   index of the event counted, or -1


@struct
class Beams:
    """Shape and effects of each beam; what it does to items is in `Rules`."""

    exists: Array  # [B] bool
    length: Array  # [B] int32   cells
    half_width: Array  # [B] int32   cells to each side
    cooldown: Array  # [B] int32   steps from one shot to the next
    stops: Array  # [B, I] bool   items that end a ray
    strikes_agents: Array  # [B] bool   agents end a ray and suffer the rest:
    removes_for: Array  # [B] int32   steps the struck agent is off the map
    freezes_for: Array  # [B] int32   steps the struck agent cannot act
    reward: Array  # [B] float32   to the striker, per agent struck
    fine: Array  # [B] float32   reward to the struck agent, per strike
    event: Array  # [B] int32   counted for the striker, per agent struck, or -1


@struct
class Growth:
    """Each free cell of a site brings an item with a probability per step."""

    site: Array  # [L] uint8
    over: Array  # [L] uint8   item that must lie there
    item: Array  # [L, C] uint8   equally likely items
    num_choices: Array  # [L] uint32
    rate: Array  # [L, 4] float32   probability at 0, 1, 2, 3 or more live neighbours
    near: Array  # [L, O] uint8   1 where a neighbour offset of the spec counts
    slow_item: Array  # [L] uint8   the rate falls with the fraction that this item covers
    slow_site: Array  # [L] uint8   of this site:
    slow_total: Array  # [L] float32   cells of that site; 0 where the rate does not fall
    slow_low: Array  # [L] float32   fraction at which the rate is full
    slow_high: Array  # [L] float32   fraction at which the rate is 0


@struct
class Emergence:
    """With a probability per step, an item appears on one random cell of a site."""

    site: Array  # [M] uint8
    over: Array  # [M] uint8
    item: Array  # [M] uint8
    rate: Array  # [M] float32
    after: Array  # [M] int32   steps before it begins


@struct
class Decay:
    """Each item turns into another with a probability per step."""

    rate: Array  # [I] float32
    into: Array  # [I] uint8


@struct
class Sharing:
    """How payoffs become rewards: see `sharing.share`."""

    weights: Array  # [A, A] float32   row i: what agent i makes of everyone's payoff
    envy: Array  # [A] float32   weight of others having more
    guilt: Array  # [A] float32   weight of having more than others
    memory: Array  # [] float32   decay of the payoff trace that envy and guilt compare, 0 for the step's payoff alone


@struct
class Horizon:
    """When an episode is over: at `maximum` (a time limit, truncation), or from `minimum` on, at every
    multiple of `interval`, with probability `rate` (a true end, termination)."""

    maximum: Array  # [] int32   steps
    minimum: Array  # [] int32   steps
    interval: Array  # [] int32   steps
    rate: Array  # [] float32


@struct
class EnvParams:
    """One social situation. Any leaf may differ between the rows of a batch."""

    layout: Layout
    agent_mask: Array  # [A] bool   slots in play
    role: Array  # [A] int32
    show_identity: Array  # [] bool   whether agents can tell the others apart (by relative slot, never by name)
    rules: Rules
    beams: Beams
    growth: Growth
    emergence: Emergence
    decay: Decay
    sharing: Sharing
    horizon: Horizon


@struct
class EnvState:
    """How a world stands. Holds no key, so equal states compare equal."""

    step: Array  # [] int32   steps since reset
    cell: Array  # [H, W] uint8   item lying there
    position: Array  # [A] int32   flat cell index; of no meaning while removed
    heading: Array  # [A] int32   0 north, 1 east, 2 south, 3 west
    removed: Array  # [A] int32   steps until the agent returns, 0 while on the map
    frozen: Array  # [A] int32   steps until the agent can act
    cooldown: Array  # [A, B] int32   steps until a beam can fire
    trace: Array  # [A] float32   decaying sum of payoffs
