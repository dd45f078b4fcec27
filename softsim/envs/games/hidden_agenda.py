"""Hidden agenda: one of five works against the others, and they can only talk with their votes.

Follows `hidden_agenda` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and components are
the source of every number. Where this differs:

- The map is our own, of the same size and counts: 33 x 22 with its walls; 42 gem sites in four rooms at the corners;
  a deposit grate of 6 cells in the middle; and a voting room without a door.
- A vote names a relative slot, as all identities that agents see do: `vote_1` is against oneself, `vote_2` against
  the next agent. Everybody sees the number of votes against each, not who cast them.
- Of two with half of the votes each neither goes; Melting Pot removes the first in its list.
- Meetings are called at every multiple of 200 steps. In Melting Pot the 200 steps count from the end of the last.
- In a meeting agents can walk about in the voting room; in Melting Pot they can only vote.
- A tag that somebody sees calls a meeting if it hits; in Melting Pot a miss does, too. The tag is ready at the start
  and after meetings. Who is tagged stands still for good and looks as before.
- All act at the same instant. A gem never appears under an agent.
- Rewards for gems, tags and votes, used to train background bots, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.checker import MANY
from softsim.envs.game import Beam, Cell, Ending, Enter, Game, Goal, Growth, Meeting, Rule

MAP = """
#################################
#g.g.g.g.#...#m.m.m#...#g.g.g.g.#
#........#...#.....#...#........#
#.g.g.g.g#...#m.m.m#...#.g.g.g.g#
#............#######............#
#g.g.g...#.............#g.g.....#
#........#.............#........#
#####.####.............####.#####
#...........s.s.s.s.s...........#
#...............................#
#..............GGG..............#
#..............GGG..............#
#...............................#
#...........s.s.s.s.s...........#
#####.####.............####.#####
#g.g.g.g.#.............#g.g.g.g.#
#........#.............#........#
#.g.g.g.g................g.g.g.g#
#........#.............#........#
#g.g.....#.............#g.g.g...#
#........#.............#........#
#################################
"""

LEGEND = {
    "g": Cell("gem", site="gems"),
    "G": Cell("grate"),
    "s": Cell(spawn="start"),
    "m": Cell(spawn="meeting"),
}


def hidden_agenda() -> Game:
    """Declare the ship with an impostor aboard."""
    return Game(
        name="hidden_agenda",
        family="hidden_agenda",
        question="Can four who do the work find out the fifth, who wants them to fail, by what they see of each other?",
        dilemma="social deduction",
        map=MAP,
        legend=LEGEND,
        rules=(
            Rule(on=Enter("gem"), hand="", becomes="floor", holds="gem", event="took_gem"),
            Rule(on=Enter("grate"), hand="gem", holds="", progress=1, event="deposited"),
        ),
        growth=(Growth("gem", on="gems", rate=0.001),),
        beams=(
            Beam(
                "tag",
                length=2,
                half_width=2,
                cooldown=50,
                role="impostor",
                strikes_agents=True,
                targets="crew",
                freezes_for=MANY,
                event="tagged",
            ),
            *(Beam(f"vote_{k}", length=0, votes=True) for k in range(1, 6)),
            Beam("abstain", length=0, votes=True),
        ),
        num_agents=5,
        roles=("crew", "impostor"),
        role_of=("crew",) * 4 + ("impostor",),
        hands=("gem",),
        meeting=Meeting(period=200, length=25, quorum=0.5, alarm="tag"),
        goals=(
            Goal(progress=32, reward={"crew": 1.0, "impostor": -1.0}, event="gems_done"),
            Goal(role="impostor", left=0, reward={"crew": 1.0, "impostor": -1.0}, event="impostor_out"),
            Goal(role="crew", left=1, reward={"crew": -1.0, "impostor": 1.0}, event="crew_out"),
        ),
        ending=Ending(3000),
    )


GAMES: dict[str, Callable[[], Game]] = {"hidden_agenda": hidden_agenda}
