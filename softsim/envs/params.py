"""The other half of a world, all data: what one situation is (`EnvParams`) and how it stands now (`EnvState`).

Axis letters beyond `types.py`: `I` items, `R` roles, `Q` rules, `B` beams, `L` growth laws, `M` emergence laws,
`X` spawn cells, `G` bag slots, `Z` states of nature, `C` goals, `D` tracked cells. Cells are addressed by their flat
index `row * W + column`. Sets of roles are bytes whose bit r is role r.
"""

from __future__ import annotations

from softsim.types import Array, struct


@struct
class Layout:
    """The map an episode starts from."""

    cell: Array  # [H, W] uint8   item lying there
    site: Array  # [H, W] uint8   class of what may grow there, 0 for nothing
    solid: Array  # [R, I] bool   items that agents of a role cannot enter
    spawn: Array  # [X] int32   cells where agents appear; rows beyond the game's own repeat cell 0
    spawn_roles: Array  # [X] uint8   roles that may appear there
    start_mask: Array  # [X] bool   used when an episode starts
    respawn_mask: Array  # [X] bool   used when a removed agent returns
    meeting_mask: Array  # [X] bool   used when all are called to a meeting
    torus: Array  # [] bool   the map's edges meet
    height: Array  # [] int32   rows of the map within the grid, in its upper left part
    width: Array  # [] int32


@struct
class Sight:
    """What agents see of a window."""

    ahead: Array  # [] int32   cells; beyond it lies darkness, as beyond the others:
    behind: Array  # [] int32
    side: Array  # [] int32
    guise: Array  # [R, 6, 2] uint8   items that look to a role like others: from which to which
    hand: Array  # [R, 4] uint8   what a hand's state looks like to a role
    show_role: Array  # [] bool   whether roles can be seen from outside


@struct
class Scatter:
    """What is drawn when an episode starts: each cell of a site holds an item with a probability, or so many do."""

    site: Array  # [S] uint8
    item: Array  # [S, C] uint8   equally likely items
    num_choices: Array  # [S] uint32
    count: Array  # [S] int32   exactly so many cells, as far as there are any where nobody starts; -1:
    low: Array  # [S] float32   the laws of one site share a uniform draw: this one's interval begins here
    high: Array  # [S] float32   and ends here


@struct
class Rules:
    """What happens when an agent enters, touches, faces or strikes an item, or acts: the first rule that fits, of a
    chain that a lookup begins. Row 0 is "nothing happens".

    Triggers: 0 enter, 1 touch (walk into a solid item), 2 face (have it ahead), 3 + b struck by beam b.
    """

    lookup: Array  # [3 + B, I] uint8   first row to try
    fire: Array  # [B] uint8   first row to try where an agent fires beam b, whatever that strikes
    hit: Array  # [B, R] uint8   first row to try where beam b strikes an agent of a role
    otherwise: Array  # [Q] uint8   next row to try where this does not fit
    # A row fits where all this holds:
    roles: Array  # [Q] uint8   the actor's role is among these
    hand: Array  # [Q] uint8   the actor's hand is in this state, or `KEEP` for any
    slot: Array  # [Q] int32   of the bag, where the actor has
    least: Array  # [Q] int32   at least this many
    relation: Array  # [Q] uint8   whose the cell is: `rules.NOBODYS`, `MINE`, `OTHERS` or `ANYBODYS`
    ripe: Array  # [Q] uint8   steps since the cell last changed, at least
    nature: Array  # [Q] uint8   state of nature, or `KEEP` for any
    fit: Array  # [Q] float32   the actor's stamina, at least
    present: Array  # [Q] uint8   roles of which a member is on the map; 0: no matter
    chance: Array  # [Q] float32   and with this probability
    # Then it does this:
    becomes: Array  # [Q] uint8   item left in the cell, or `KEEP`
    reward: Array  # [Q] float32   to the actor
    reward_others: Array  # [Q] float32   to every other agent on the map
    by_level: Array  # [Q] bool   the actor's reward is multiplied by its level
    freeze: Array  # [Q] int32   steps the actor cannot act
    exile: Array  # [Q] int32   steps the actor is off the map
    event: Array  # [Q] int32   index of the event counted, or -1
    holds: Array  # [Q] uint8   new state of the actor's hand, or `KEEP`
    gains: Array  # [Q, G] int32   added to the actor's bag
    cash: Array  # [Q] float32   paid for everything in the actor's bag, which is emptied; 0 to keep it
    claim: Array  # [Q] uint8   what becomes of the stakes in the cell: `rules.TAKE`, `JOIN`, `DROP` or `KEEP`
    paint: Array  # [Q] uint8   new colour of the actor, or `KEEP`
    feeds: Array  # [Q] float32   stamina to the actor
    owes: Array  # [Q] float32   paid to the actor while it is frozen, in instalments (`Debt`)
    spores: Array  # [Q, M] int32   tries given to each emergence law
    turns: Array  # [Q] uint8   new state of nature, `rules.REDRAW`, or `KEEP`
    progress: Array  # [Q] int32   towards the goals
    blight: Array  # [Q] uint8   item that decays all over the map in this step,
    blight_rate: Array  # [Q] float32   with this probability each
    wash: Array  # [Q] bool   the actor's colour goes with probability 1 - the share of the commonest kind counted


@struct
class Work:
    """Items that several agents must work on together."""

    need: Array  # [I] float32   sum of the levels of those with a stake in the cell that completes it; 0 for none
    window: Array  # [I] int32   steps after which the stakes in a cell of the item lapse; 0 for never
    done: Array  # [I] uint8   rule row whose effects on the cell, payment and event meet each of them
    level: Array  # [R] float32   what an agent of each role counts for


@struct
class Beams:
    """Shape and effects of each beam; what it does to items is in `Rules`."""

    exists: Array  # [B] bool
    shooters: Array  # [B] uint8   roles that can fire it
    length: Array  # [B] int32   cells; 0 for an act that strikes nothing
    half_width: Array  # [B] int32   cells to each side
    cooldown: Array  # [B] int32   steps from one shot to the next
    price: Array  # [B] float32   what a shot costs the striker
    stops: Array  # [B, I] bool   items that end a ray
    strikes_agents: Array  # [B] bool   agents end a ray and suffer the rest:
    targets: Array  # [B, R] uint8   roles that suffer from strikers of each role
    guard: Array  # [B] int32   cells within which having more friends than foes protects; 0: nothing does
    mark_for: Array  # [B] int32   steps a mark lasts: the unmarked are frozen and marked, the marked removed and fined
    removes_for: Array  # [B] int32   steps the struck agent is off the map
    freezes_for: Array  # [B] int32   steps the struck agent cannot act
    reward: Array  # [B] float32   to the striker, per agent struck
    fine: Array  # [B] float32   reward to the struck agent, per strike
    event: Array  # [B] int32   counted for the striker, per agent struck, or -1
    gives: Array  # [B] bool   a strike passes on a token as `Gift` says
    meets: Array  # [B] bool   a strike is an encounter
    says: Array  # [B] uint8   the shot is a signal: the agent's new colour; 0 for none
    votes: Array  # [B] bool   works during meetings, as nothing else does


@struct
class Bag:
    """What agents carry, by slot."""

    start: Array  # [G] int32
    cap: Array  # [G] int32
    gift_to: Array  # [G] int32   a token given from this slot arrives in that one ...
    gift_amount: Array  # [G] int32   ... as so many. The fullest-refined goes first: the last slot with any


@struct
class Encounter:
    """A pairwise game whose mixed strategies are the contents of two bags."""

    row: Array  # [G, G] float32   payoff of the row player at its own and the column player's pure strategy
    column: Array  # [G, G] float32   payoff of the column player, same axes
    by_role: Array  # [] bool   role 0 plays rows and role 1 columns, and only they meet; else the striker plays rows
    freezes_for: Array  # [] int32   steps both stand still, and then are paid
    removes_for: Array  # [] int32   steps both are off the map after that
    event: Array  # [] int32   counted for both, or -1
    progress: Array  # [] int32   towards the goals


@struct
class Debt:
    """When those who are owed are paid: as the steps they are still frozen come down to these."""

    when: Array  # [3] int32   -1 for fewer than three instalments; each is as large


@struct
class Need:
    """Stamina that acts cost and rest or food restores."""

    most: Array  # [R] float32   at which an agent starts and returns
    change: Array  # [R, K] float32   per action
    band: Array  # [3] float32   falling bounds that part four bands; an act that costs freezes by band:
    slow: Array  # [R, 4] int32   steps
    exile: Array  # [] int32   steps off the map when it has run out; 0: nothing happens


@struct
class Nature:
    """A state of the world that only some roles see."""

    count: Array  # [] int32   equally likely states
    shown: Array  # [] uint8   roles that see it
    period: Array  # [] int32   steps from one draw to the next, 0 for never
    first: Array  # [] int32   state an episode starts in, -1: drawn


@struct
class Speech:
    """Signals as numbers: what each agent hears of the others in range."""

    fades: Array  # [] float32   fraction of a message that is left after a step
    range: Array  # [] int32   cells, in either direction


@struct
class Meeting:
    """When all are called together to vote."""

    period: Array  # [] int32   steps from one meeting to the next, 0 for none
    length: Array  # [] int32   steps
    quorum: Array  # [] float32   fraction of those who can vote that removes an agent
    alarm: Array  # [] int32   beam whose strike calls a meeting where somebody else sees it, or -1


@struct
class Goals:
    """What ends an episode for good."""

    role: Array  # [C] int32   whose members still able to act are counted, or -1: the progress made
    bound: Array  # [C] int32   reached when at most so many are left, or at least so much progress is made; -1: never
    reward: Array  # [C, R] float32   to every agent of each role
    event: Array  # [C] int32   counted for every agent, or -1


@struct
class Trick:
    """Things that are moved while some may not look. The tracked cells are those of one site, in map order."""

    site: Array  # [] uint8
    until: Array  # [] int32   steps during which it happens
    swap: Array  # [] float32   probability per step that the items of the first two tracked cells trade places,
    screen: Array  # [] float32   that the blindfold goes on or off,
    blinds: Array  # [] uint8   roles it blinds
    hold: Array  # [] uint8   roles that cannot act meanwhile,
    lead: Array  # [] int32   and steps for which the blinded among them cannot after that


@struct
class Growth:
    """Each free cell of a site brings an item with a probability per step."""

    site: Array  # [L] uint8
    over: Array  # [L] uint8   item that must lie there
    item: Array  # [L, C] uint8   equally likely items
    num_choices: Array  # [L] uint32
    rate: Array  # [L, 4] float32   probability at 0, 1, 2, 3 or more live neighbours
    near: Array  # [L, O] uint8   1 where a neighbour offset of the spec counts
    ripe: Array  # [L] uint8   steps since the cell last changed, at least
    under: Array  # [L] bool   also under agents
    slow_item: Array  # [L] uint8   the rate falls with the fraction that this item covers
    slow_site: Array  # [L] uint8   of this site:
    slow_total: Array  # [L] float32   cells of that site; 0 where the rate does not fall
    slow_low: Array  # [L] float32   fraction at which the rate is full
    slow_high: Array  # [L] float32   fraction at which the rate is 0
    count_item: Array  # [L, 2] uint8   where `counts`, the rate is multiplied by the number of cells that hold either
    counts: Array  # [L] bool


@struct
class Emergence:
    """With a probability per step, or per try that an event gave, an item appears on one random cell of a site."""

    site: Array  # [M] uint8
    over: Array  # [M] uint8
    item: Array  # [M] uint8
    rate: Array  # [M] float32
    every_step: Array  # [M] bool   a try every step
    after: Array  # [M] int32   steps before it begins
    cap: Array  # [M] int32   no more cells than this hold the item by it
    first: Array  # [M] int32   tries waiting when an episode starts


@struct
class Decay:
    """Each item turns into another with a probability per step."""

    rate: Array  # [I] float32
    into: Array  # [I] uint8
    ripe: Array  # [I] uint8   steps since the cell last changed, at least


@struct
class Income:
    """What an owned cell pays its owner."""

    rate: Array  # [I] float32   probability per step
    ripe: Array  # [I] uint8   steps since a rule last changed who has a stake, at least
    amount: Array  # [I] float32


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
    round: Array  # [] int32   steps after which the world, not memory, starts afresh; 0 for never
    renew: Array  # [] bool   the map starts afresh when nobody is left on it


@struct
class EnvParams:
    """One social situation. Any leaf may differ between the rows of a batch."""

    layout: Layout
    agent_mask: Array  # [A] bool   slots in play
    role: Array  # [A] int32
    show_identity: Array  # [] bool   whether agents can tell the others apart (by relative slot, never by name)
    sight: Sight
    scatter: Scatter
    rules: Rules
    work: Work
    beams: Beams
    bag: Bag
    encounter: Encounter
    debt: Debt
    need: Need
    nature: Nature
    speech: Speech
    meeting: Meeting
    goals: Goals
    trick: Trick
    growth: Growth
    emergence: Emergence
    decay: Decay
    income: Income
    sharing: Sharing
    horizon: Horizon


@struct
class EnvState:
    """How a world stands. Holds no key, so equal states compare equal.

    What a spec's phases do not use has length 0: those marked with the phase.
    """

    step: Array  # [] int32   steps since reset
    cell: Array  # [H, W] uint8   item lying there
    age: Array  # [H * W] uint8   age: steps since the cell changed or a rule met it, at most 255
    stake: Array  # [H * W] spec.agent_bits   stake: bit a is set where agent a has a stake in the cell
    tenure: Array  # [H * W] uint8   income: steps since a rule last changed who has a stake, at most 255
    position: Array  # [A] int32   flat cell index; of no meaning while removed
    heading: Array  # [A] int32   0 north, 1 east, 2 south, 3 west
    removed: Array  # [A] int32   steps until the agent returns, 0 while on the map
    frozen: Array  # [A] int32   steps until the agent can act
    exile: Array  # [A] int32   debt: steps off the map once no longer frozen
    owed: Array  # [A] float32   debt: still to be paid while frozen, all instalments
    cooldown: Array  # [A, B] int32   steps until a beam can fire
    mark: Array  # [A] int32   mark: steps the agent stays marked
    hand: Array  # [A] uint8   hand: state of the hand, 0 empty
    bag: Array  # [A, G] int32   bag
    paint: Array  # [A] uint8   paint: colour, 0 none
    message: Array  # [A, 4] float32   speech
    need: Array  # [A] float32   need: stamina
    pending: Array  # [M] int32   spores: tries waiting
    nature: Array  # [1] int32   nature
    progress: Array  # [1] int32   goal
    meeting: Array  # [1] int32   meet: steps left of it
    vote: Array  # [A] int32   meet: slot voted for, or -1
    blind: Array  # [1] bool   trick
    belief: Array  # [A, D] uint8   trick: what each agent last saw in the tracked cells
    trace: Array  # [A] float32   decaying sum of payoffs
