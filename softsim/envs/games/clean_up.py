"""Clean up: apples grow only while somebody gives up eating them to keep the river clean.

Follows `clean_up` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and level are the
source of every number; the game is from Hughes et al. 2018 (arXiv 1803.08884). Where this differs:

- The map is our own, of the same size and counts: 28 x 19 cells inside a wall; a river at the top with 147
  cells that can be dirty, 79 of them dirty at first; a channel down the middle that never is; sand with 19
  start cells; an orchard of 122 cells at the bottom. Below the orchard's first row an agent cannot see the
  dirt.
- Neither apples nor dirt ever appear under an agent.
- All act at the same instant: of two who clean one cell a random one counts, and two that zap each other both
  go.
- How many others cleaned in a step is not observed: `events` has it, for measurement.
- The tastes that Melting Pot gives background bots are left out.
"""

from __future__ import annotations

from softsim.envs.game import Beam, Cell, Ending, Enter, Game, Growth, Rule, Slowdown, Struck

MAP = """
##############################
#ddrrdrrrdddrdwwddrrrrddddrdd#
#drrrrrrddddrdwwddrrrdddddrrd#
#rrrrddrrdddddwwrddrrddddrrrr#
#rrrrdddrrddrrwwrddddddrdrrrr#
#ddrrrdddddddrwwrddrrdrrdddrr#
#ddd...dddd..rwwddd..rrrr..rr#
#.............ww.............#
#.............ww.............#
#..P..P..P..P.ww.P..P..P..P..#
#.............ww.............#
#...P...P...P.ww....P...P....#
#.............ww.............#
#..P..P..P....ww....P..P..P..#
#.............ww.............#
#aa..aaa..aaaawwaaaa..aaa..aa#
#aaaaaaaaaaaaawwaaaaaaaaaaaaa#
#aaaaaaaaaaaaawwaaaaaaaaaaaaa#
#aaaaaaaaaaaaawwaaaaaaaaaaaaa#
#aaaaaaaaaaaaawwaaaaaaaaaaaaa#
##############################
"""

LEGEND = {
    "d": Cell("dirt", site="river"),
    "r": Cell("river", site="river"),
    "w": Cell("river"),
    "a": Cell(site="orchard"),
}


def clean_up() -> Game:
    """Declare the public good: a clean river."""
    return Game(
        name="clean_up",
        family="clean_up",
        question="Who cleans the river that all need, when cleaning feeds only the others?",
        dilemma="public good",
        map=MAP,
        legend=LEGEND,
        rules=(
            Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
            Rule(on=Struck("dirt", by="clean"), becomes="river", event="cleaned"),
        ),
        growth=(
            Growth("apple", on="orchard", rate=0.05, slowed_by=Slowdown("dirt", of="river", low=0.0, high=0.4)),
            Growth("dirt", on="river", over="river", per_step=0.5, after=50),
        ),
        beams=(
            Beam(
                "zap",
                length=3,
                half_width=1,
                cooldown=10,
                strikes_agents=True,
                removes_for=50,
                event="zapped",
            ),
            Beam("clean", length=3, half_width=1, cooldown=2),
        ),
        num_agents=7,
        ending=Ending(maximum=5000, minimum=1000, interval=100, rate=0.2),
    )


GAMES = {"clean_up": clean_up}
