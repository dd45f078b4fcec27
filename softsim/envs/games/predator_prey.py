"""Predator prey: prey that stay together cannot be eaten, and prey that feed well must stay apart.

Follows `predator_prey__open` and its sister maps of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose
configs and components are the source of every number. Where this differs:

- The maps are our own: `open`, 23 x 19 with its walls, for 3 predators and 10 prey; `orchard`, 26 x 23, for 5 and 8,
  with hedges of tall grass between two orchards. Prey appear in the grass, which predators cannot enter.
- One beam serves both roles: of prey it strikes nobody, and has the same cooldown.
- Who is frozen neither spends nor regains stamina. In Melting Pot those who eat do rest meanwhile.
- Prey in a group that a predator cannot break are not shown with raised arms, and may sit down to eat at once.
- All act at the same instant: predators that strike each other both go, two that strike one prey are both paid, and
  prey struck in the step in which it sits down still counts for its group. Neither apples nor acorns grow under an
  agent.
- Rewards for stamina, company or acorns in the hand, used to train background bots, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Act, Beam, Cell, Ending, Enter, Game, Growth, Hit, Need, Rule
from softsim.envs.vocabulary import ACTIONS

OPEN = """
#######################
#sgg...............ggs#
#sgg..a..a...a..a..ggs#
#sgg...............ggs#
#....a..a.....a..a....#
#.....................#
#..a....n.....n....a..#
#........p...p........#
#.a..n.....n.....n..a.#
#.........p.p.........#
#.a..n.....n.....n..a.#
#........p...p........#
#..a....n.....n....a..#
#.....................#
#....a..a.....a..a....#
#sgg...............ggs#
#sgg..a..a...a..a..ggs#
#sgg...............ggs#
#######################
"""

ORCHARD = """
##########################
#........................#
#.a.a.a.a.a....a.a.a.a.a.#
#........................#
#.a.a.a.a.a....a.a.a.a.a.#
#........................#
#.n...n...n....n...n...n.#
#........................#
#..gggggg........gggggg..#
#..gssssg...pp...gssssg..#
#..gggggg..p..p..gggggg..#
#..........p..p..........#
#..gggggg..p..p..gggggg..#
#..gssssg...pp...gssssg..#
#..gggggg........gggggg..#
#........................#
#.n...n...n....n...n...n.#
#........................#
#.a.a.a.a.a....a.a.a.a.a.#
#........................#
#.a.a.a.a.a....a.a.a.a.a.#
#........................#
##########################
"""

LEGEND = {
    "a": Cell("apple", site="apples"),
    "n": Cell("acorn", site="oaks"),
    "g": Cell("tall_grass"),
    "s": Cell("tall_grass", spawn="always", role="prey"),
    "p": Cell(spawn="always", role="predator"),
}


def predator_prey_open() -> Game:
    """Declare the hunt in the open: grass in the corners alone."""
    return _hunt("open", OPEN, predators=3, prey=10)


def predator_prey_orchard() -> Game:
    """Declare the hunt among orchards with hedges to hide in."""
    return _hunt("orchard", ORCHARD, predators=5, prey=8)


def _hunt(variant: str, chart: str, predators: int, prey: int) -> Game:
    return Game(
        name=f"predator_prey_{variant}",
        family="predator_prey",
        question="Do prey keep together to be safe, and do predators hunt in packs to break them up?",
        dilemma="two teams, safety in numbers",
        map=chart,
        legend=LEGEND,
        rules=(
            Rule(on=Enter("apple"), role="prey", becomes="floor", reward=1.0, event="ate_apple"),
            Rule(on=Enter("acorn"), role="prey", hand="", becomes="floor", holds="acorn", event="took_acorn"),
            Rule(
                on=Act("interact"),
                role="prey",
                hand="acorn",
                fit=13,  # the top band: the six highest values of 18
                holds="",
                freeze=26,
                owes=18.0,
                event="ate_acorn",
            ),
            Rule(on=Hit("prey", by="interact"), role="predator", reward=1.0, freeze=5, event="ate_prey"),
            Rule(on=Hit("predator", by="interact"), role="predator", feeds=-4.0, event="ate_predator"),
        ),
        growth=(Growth("apple", on="apples", rate=0.007), Growth("acorn", on="oaks", rate=0.01)),
        beams=(
            Beam(
                "interact",
                length=1,
                half_width=0,
                cooldown=5,
                strikes_agents=True,
                targets={"predator": ("predator", "prey")},
                guard=3,
                removes_for=200,
            ),
        ),
        num_agents=predators + prey,
        roles=("predator", "prey"),
        role_of=("predator",) * predators + ("prey",) * prey,
        show_role=True,
        barred={"predator": ("tall_grass",)},
        hands=("acorn",),
        instalments=(16, 11, 6),
        need=Need(
            most=18,
            change={**dict.fromkeys(ACTIONS[1:], -1.0), "interact": -1.0, "noop": 1.0},
            band=(12, 6, 0),
            slow={"predator": (0, 0, 1, 6), "prey": (0, 1, 2, 4)},
        ),
        ending=Ending(1000),
    )


GAMES: dict[str, Callable[[], Game]] = {
    "predator_prey_open": predator_prey_open,
    "predator_prey_orchard": predator_prey_orchard,
}
