"""What a game is made of: cells, events, rules, growth, beams, and the rest that `game.Game` may declare."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

Names = str | Sequence[str] | None
"""One name, several, or None for all."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a map symbol stands for: the item lying there at first, what may grow there, who may appear there."""

    item: str = "floor"
    site: str | None = None
    spawn: str = ""  # "" never, "start" when an episode begins, "later" for those who return, "always" both, "meeting"
    role: Names = None  # who may appear there


@dataclasses.dataclass(frozen=True)
class Enter:
    """An agent steps onto an item."""

    item: str


@dataclasses.dataclass(frozen=True)
class Touch:
    """An agent walks into a solid item, and stays where it is."""

    item: str


@dataclasses.dataclass(frozen=True)
class Face:
    """An agent has an item right ahead of it, at the end of its move."""

    item: str


@dataclasses.dataclass(frozen=True)
class Struck:
    """A beam strikes an item."""

    item: str
    by: str


@dataclasses.dataclass(frozen=True)
class Act:
    """An agent fires a beam, whatever that strikes."""

    by: str


@dataclasses.dataclass(frozen=True)
class Hit:
    """An agent strikes another of a role with a beam, and that one suffers it: once for each. The actor is the
    striker; what the struck suffers, the beam says."""

    role: str
    by: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an event does. Of the rules on one event, the first whose conditions hold takes effect."""

    on: Enter | Touch | Face | Struck | Act | Hit
    # Conditions
    role: Names = None  # the actor's
    hand: str | None = None  # what the actor's hand holds, "" for nothing
    slot: str | None = None  # of the actor's bag, in which there are
    least: int = 1  # at least so many
    whose: str | None = None  # the cell is "mine", "others" or "nobodys"
    ripe: int = 0  # steps since the cell changed or a rule last met it, at least; up to 255
    nature: int | None = None  # state of nature
    fit: float = 0.0  # the actor's stamina, at least, before the act is charged
    present: Names = None  # roles of which a member is on the map
    chance: float = 1.0  # probability with which it takes effect
    # Effects
    becomes: str | None = None  # the item left in the cell
    reward: float = 0.0
    reward_others: float = 0.0  # to every other agent; those off the map miss what they would get
    split: float = 0.0  # divided equally among all agents, the actor included
    split_others: float = 0.0  # divided equally among all others
    by_level: bool = False  # the actor's reward is multiplied by the level of its role
    freeze: int = 0  # steps the actor cannot act
    exile: int = 0  # steps the actor is off the map
    event: str | None = None
    holds: str | None = None  # what the actor's hand holds then, "" for nothing
    gains: Mapping[str, int] = dataclasses.field(default_factory=dict)  # added to slots of the actor's bag
    cash: float = 0.0  # paid for each thing in the actor's bag, which is emptied; 0 to keep it
    claim: str | None = None  # "take" the cell from whoever has a stake in it, "join" them, or "drop" all stakes
    paint: int | None = None  # the actor's colour then: 0 none, up to 7
    feeds: float = 0.0  # stamina
    owes: float = 0.0  # paid to the actor while it is frozen, in the game's instalments
    spores: Mapping[str, int] = dataclasses.field(default_factory=dict)  # tries given to the law that brings an item
    turns: int | str | None = None  # the state of nature then, or "redraw"
    progress: int = 0  # towards the goals
    blight: tuple[str, float] | None = None  # an item that decays in this step, each cell with this probability
    wash: bool = False  # the actor's colour goes with probability 1 - the commonest kind's share of what growth counts


@dataclasses.dataclass(frozen=True)
class Slowdown:
    """A rate that falls linearly with the fraction of site `of` covered by `item`: full up to `low`, 0 from `high`."""

    item: str
    of: str
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Growth:
    """Something appears on the cells of a site, where `over` lies and no agent stands.

    With `rate`, in each such cell with that probability per step; four numbers are the probabilities at 0, 1, 2 and 3
    or more cells within `radius` (Euclidean, in cells) that hold the item. With `per_step`, in one random such cell
    with that probability per step, once more than `after` steps have passed. With `per_try`, in one random such cell
    with that probability for each try that a rule's `spores` give, or that wait at `first`. Of several items each is
    as likely.
    """

    item: str | tuple[str, ...]
    on: str
    rate: float | Sequence[float] | None = None
    per_step: float | None = None
    per_try: float | None = None
    after: int = 0
    first: int = 0  # tries waiting when an episode starts
    cap: int | None = None  # per_step and per_try: only while fewer cells than this hold the item
    over: str = "floor"
    ripe: int = 0  # rate: steps since the cell changed or a rule last met it, at least; up to 255
    under_agents: bool = False  # rate: also where agents stand
    radius: float = 2.0
    slowed_by: Slowdown | None = None
    times: tuple[str, ...] = ()  # one or two items: the rate is multiplied by the number of cells that hold them

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item,) if isinstance(self.item, str) else self.item

    @property
    def rates(self) -> tuple[float, ...]:
        return tuple(self.rate) if isinstance(self.rate, Sequence) else (self.rate or 0.0,) * 4

    @property
    def offsets(self) -> set[tuple[int, int]]:
        """Neighbours that the rate depends on."""
        if not isinstance(self.rate, Sequence):
            return set()
        reach = range(-int(self.radius), int(self.radius) + 1)
        return {(r, c) for r in reach for c in reach if 0 < r * r + c * c <= self.radius**2}


@dataclasses.dataclass(frozen=True)
class Decay:
    """An item turns into another with a probability per step, once the cell has not changed for `ripe` steps."""

    item: str
    rate: float
    into: str = "floor"
    ripe: int = 0  # up to 255


@dataclasses.dataclass(frozen=True)
class Draw:
    """When an episode starts, each cell of a site holds an item with the probability `rate`, or `count` random cells
    do on which nobody starts; the items of one site exclude each other. Of several items each is as likely."""

    item: str | tuple[str, ...]
    on: str
    rate: float | None = None
    count: int | None = None

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item,) if isinstance(self.item, str) else self.item


@dataclasses.dataclass(frozen=True)
class Income:
    """A cell in which somebody has a stake pays them, once no rule has claimed it anew for `ripe` steps."""

    item: str
    rate: float  # probability per step
    amount: float = 1.0
    ripe: int = 0  # up to 255


@dataclasses.dataclass(frozen=True)
class Work:
    """An item that takes several: agents join in by a rule that claims "join", and when their levels add up to `need`
    the rule `done` meets all of them."""

    item: str
    need: float
    done: Rule
    window: int = 0  # steps after which stakes in the cell lapse, 0 for never


@dataclasses.dataclass(frozen=True)
class Beam:
    """An action that strikes cells ahead (`beams.py` has the shape). It stops at solid items, at what its rules strike
    unless it `passes`, and, if it `strikes_agents`, at agents, who then suffer the rest."""

    name: str
    length: int = 3  # 0 for an act that strikes nothing
    half_width: int = 1
    cooldown: int = 1
    price: float = 0.0  # what a shot costs
    passes: bool = False
    ends_at: tuple[str, ...] = ()  # items at which it stops, too
    role: Names = None  # who can fire it
    strikes_agents: bool = False
    targets: Names | Mapping[str, Names] = None  # roles that suffer; if by role of the striker, others harm nobody
    guard: int = 0  # nobody suffers who has more of its role than of the striker's within so many cells, not counting
    # those in the lowest band of stamina and those who are owed something; 0: never
    mark_for: int = 0  # steps a mark lasts: the unmarked are frozen and marked, the marked removed and fined
    removes_for: int = 0
    freezes_for: int = 0
    reward: float = 0.0
    fine: float = 0.0  # added to the struck agent's payoff: a loss is negative
    event: str | None = None
    gives: bool = False  # a token of the bag to the first agent struck: see `Bag`
    meets: bool = False  # the struck: see `Encounter`
    says: int = 0  # a signal: the agent's new colour, 1 to 4
    votes: bool = False  # works during meetings only, as nothing else does


@dataclasses.dataclass(frozen=True)
class Slot:
    """One kind of thing in a bag. Given away, one becomes `amount` of the slot `into`."""

    cap: int
    start: int = 0
    into: str | None = None
    amount: int = 1


@dataclasses.dataclass(frozen=True)
class Encounter:
    """Two who meet play the game `row`, `column` with the proportions of their bags as mixed strategies; both stand
    still for `freezes_for` steps, are paid, and leave the map for `removes_for`, with their bags as at the start."""

    row: Sequence[Sequence[float]]  # payoff of the row player, the striker, at its own and the other's pure strategy
    column: Sequence[Sequence[float]]  # of the column player, same axes
    by_role: bool = False  # the first role plays rows and the second columns, and only they meet
    freezes_for: int = 16
    removes_for: int = 5
    event: str | None = "met"
    progress: int = 0  # towards the goals, once both are paid


@dataclasses.dataclass(frozen=True)
class Need:
    """Stamina: what an agent has at most, at first and when it returns; what actions of those who are not frozen
    change; and what happens to those low on it."""

    most: float | Mapping[str, float]  # per role
    change: Mapping[str, float]  # per action; others change nothing
    role: Names = None  # who has stamina
    band: tuple[float, float, float] = (0.0, 0.0, 0.0)  # falling bounds that part four bands
    slow: Mapping[str, tuple[int, int, int, int]] = dataclasses.field(default_factory=dict)  # freeze by role and band
    exile: int = 0  # steps off the map, empty-handed, when it has run out; 0: nothing happens


@dataclasses.dataclass(frozen=True)
class Nature:
    """A state of the world, drawn evenly from `count` unless `first` is given, that some roles see."""

    count: int
    shown: Names = None
    period: int = 0  # steps from one draw to the next, 0 for never
    first: int | None = None  # what an episode starts in


@dataclasses.dataclass(frozen=True)
class Meeting:
    """All are called to the "meeting" cells every `period` steps, and when the beam `alarm` strikes and another sees
    it; after `length` steps whoever has the `quorum` of votes is out. The first voting beam is a vote against oneself,
    the second against the next agent, and so on; one beyond the agents abstains."""

    period: int
    length: int
    quorum: float = 0.5
    alarm: str | None = None


@dataclasses.dataclass(frozen=True)
class Goal:
    """Ends the episode when `progress` is made, or when at most `left` of `role` can still act; pays by role."""

    reward: Mapping[str, float]
    progress: int | None = None
    role: str | None = None
    left: int = 0
    event: str | None = None


@dataclasses.dataclass(frozen=True)
class Trick:
    """For the first `until` steps the items of the first two cells of `site` swap, and a blindfold goes on and off
    some roles, each with a probability per step; it then stays as it is. The engine tracks what each agent last saw
    there."""

    site: str
    until: int
    swap: float
    screen: float
    blinds: Names
    hold: Names  # who cannot act meanwhile
    lead: int = 0  # steps for which those held and blinded are held on after that


@dataclasses.dataclass(frozen=True)
class Speech:
    """Signals heard as numbers: of each message a fraction is left after a step, and it carries so many cells."""

    fades: float = 0.5
    range: int = 5


@dataclasses.dataclass(frozen=True)
class Ending:
    """When an episode is over: at `maximum` steps (a time limit), or from `minimum` on, at every multiple of
    `interval`, with probability `rate` (a true end)."""

    maximum: int
    minimum: int = 0
    interval: int = 1
    rate: float = 0.0
    round: int = 0  # steps after which the world starts afresh while the episode goes on, 0 for never
    renew: bool = False  # the map starts afresh whenever nobody is left on it
