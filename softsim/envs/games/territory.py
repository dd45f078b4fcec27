"""Territory: blocks that pay whoever touched them last, and that a quarrel destroys for all.

Follows `territory__open`, `__rooms` and `__inside_out` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746),
whose configs and components are the source of every number. Where this differs:

- The maps are our own, of the same sizes and counts. `open`: 39 x 23 with its walls, 88 blocks, 18 start cells below
  them. `rooms`: a torus of 21 x 21, nine rooms of 5 x 5 with 20 blocks and a start cell each. `inside_out`: 23 x 23,
  88 blocks, 48 cells that hold one with probability 2/3 and 64 with 1/4, drawn afresh each episode, and 10 start cells
  around them (Melting Pot: 8, and 16 more with probability 1/7 each).
- What those who are removed own is free in the same step, about 5 steps later in Melting Pot.
- A zap that destroys a block ends there; in Melting Pot it goes on behind it.
- A claim on a damaged block restarts its wait for repair.
- All act at the same instant: of two who touch a block a random one has it, of two who hit it once each a random
  one counts, and two that zap each other are both struck.
- The tastes of hidden roles, paid per claim, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Beam, Cell, Decay, Draw, Ending, Face, Game, Income, Rule, Struck

OPEN = """
#######################################
#.....................................#
#...bbb...........b..............b..b.#
#....b....bbbb....b...bbb..bb...bb..b.#
#.................b....b....bb..b...b.#
#.................b.................b.#
#....b....bb..........................#
#....b....bb.................b........#
#....bb...............b......b........#
#....................bb..bb..b........#
#.........bbb........b...bb..b...b....#
#..bbbb....b...bb................b....#
#...............bb...............bb...#
#....................bb...............#
#..b....bbbb..........bb..............#
#.bb..............b.......bbbb........#
#.b...............b...............bb..#
#.................bb..............bb..#
#.....................................#
#.............P.P.P.P.P.P.............#
#.............P.P.P.P.P.P.............#
#.............P.P.P.P.P.P.............#
#######################################
"""

ROOM = ("#bbbbb#", "b.....b", "b.....b", "b..P..b", "b.....b", "b.....b", "#bbbbb#")
ROOMS = "\n".join(row * 3 for row in ROOM * 3)

INSIDE_OUT = """
#######################
#.....P.........P.....#
#P...................P#
#..bb.bmm.bb.b.mmbbb..#
#..b.b.ff..bbb...b.b..#
#..bbb.ff.bbmmmfmbb...#
#..m.mfbbfm.m.fff..b..#
#..m.ffbbfm.fffbbffm..#
#....mff..m.ff.bbffm..#
#..bbm.ff.b.f..ff.....#
#...bmmfffb.bbmmmb.b..#
#P.bbb...........bbb.P#
#..b.bmmmbb.bfffmmb...#
#.....ff..f.b.ff.mbb..#
#..mffbb.ff.m..ffm....#
#..mffbbfff.mfbbff.m..#
#..b..fff.m.mfbbfm.m..#
#...bbmfmmmbb.ff.bbb..#
#..b.b...bbb..ff.b.b..#
#..bbbmm.b.bb.mmb.bb..#
#P...................P#
#.....P.........P.....#
#######################
"""
"""`m` holds a block more often than not, `f` seldom."""

LEGEND = {"b": Cell("block"), "m": Cell(site="many"), "f": Cell(site="few")}
BLOCKS = ("block", "damaged_block")
FOREVER = 10**6
"""Steps off the map of those who are zapped while marked."""


def territory_open() -> Game:
    """Declare the open field, where nothing says whose is what."""
    return _territory(
        "open", OPEN, num_agents=9, question="Do agents on an open field agree on borders before they fight?"
    )


def territory_rooms() -> Game:
    """Declare the rooms, one for each, whose walls are the property."""
    return _territory(
        "rooms",
        ROOMS,
        num_agents=9,
        question="Does each keep to the room it starts in, when breaking out pays until all do?",
        torus=True,
    )


def territory_inside_out() -> Game:
    """Declare the maze that is claimed from the outside in, another one each episode."""
    return _territory(
        "inside_out",
        INSIDE_OUT,
        num_agents=5,
        question="Do agents who have never seen this maze settle where one's land ends?",
        draws=(Draw("block", on="many", rate=2 / 3), Draw("block", on="few", rate=1 / 4)),
    )


def _territory(variant: str, picture: str, num_agents: int, question: str, **rest) -> Game:
    touch = [Face(item) for item in BLOCKS] + [Struck(item, by="claim") for item in BLOCKS]
    return Game(
        name=f"territory_{variant}",
        family="territory",
        question=question,
        dilemma="property and conflict",
        map=picture,
        legend=LEGEND,
        rules=(
            *(Rule(on=event, whose=whose, claim="take", event="claimed") for event in touch for whose in NOT_MINE),
            Rule(on=Struck("block", by="zap"), becomes="damaged_block", event="damaged"),
            Rule(on=Struck("damaged_block", by="zap"), becomes="floor", claim="drop", event="destroyed"),
        ),
        decay=(Decay("damaged_block", rate=0.1, into="block", ripe=15),),
        income=tuple(Income(item, rate=0.01, amount=1.0, ripe=25) for item in BLOCKS),
        solid=("wall", *BLOCKS),
        beams=(
            Beam(
                "zap",
                length=2,
                half_width=1,
                cooldown=4,
                strikes_agents=True,
                mark_for=50,
                freezes_for=25,
                removes_for=FOREVER,
                event="zapped",
            ),
            Beam("claim", length=2, half_width=0, cooldown=0, passes=True),
        ),
        num_agents=num_agents,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.2),
        **rest,
    )


NOT_MINE = ("nobodys", "others")

GAMES: dict[str, Callable[[], Game]] = {
    "territory_open": territory_open,
    "territory_rooms": territory_rooms,
    "territory_inside_out": territory_inside_out,
}
