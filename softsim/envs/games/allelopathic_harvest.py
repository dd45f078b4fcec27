"""Allelopathic harvest: berries ripen faster the more there are of their colour, and tastes differ.

Follows `allelopathic_harvest__open` of Melting Pot 2.0 (Agapiou et al. 2022, arXiv 2211.13746), whose config and
components are the source of every number; the game is from Koester et al. 2020 (arXiv 2010.09054). Half of the agents
like red best and half green. All gain if one colour takes over, each wants its own to, planting is work that others
can leave undone, and a planter wears the colour it planted last until it eats in the open. Where this differs:

- The map is our own, of the same size and counts: a torus of 29 x 30 cells, of which 116 hold a berry of each colour
  and the other 522 are start cells. Each column has four of each colour, the next column's two rows higher.
- Each of the three planting beams has its own pause; in Melting Pot they share one.
- All act at the same instant: of two who plant in one cell a random one counts, and two that zap each other are both
  struck. Whoever returns to the map keeps its colour, which Melting Pot takes away.
"""

from __future__ import annotations

from collections.abc import Callable

from softsim.envs.game import Beam, Cell, Ending, Enter, Game, Growth, Rule, Struck

HEIGHT, WIDTH = 30, 29
COLOURS = ("red", "green", "blue")
ROLES = ("likes_red", "likes_green")
BUDS, BERRIES = ([f"{colour}_{kind}" for colour in COLOURS] for kind in ("bud", "berry"))


def allelopathic_harvest() -> Game:
    """Declare the convention that half would rather not follow."""
    return Game(
        name="allelopathic_harvest",
        family="allelopathic_harvest",
        question="On which colour do agents of two tastes settle, who plants it, and who is punished?",
        dilemma="convention, free riding and punishment",
        map=_map(),
        legend={colour[0]: Cell(bud, site="berry") for colour, bud in zip(COLOURS, BUDS, strict=True)},
        rules=(*(_eat(colour, role) for colour in COLOURS for role in ROLES), *_planting()),
        growth=tuple(
            Growth(berry, on="berry", over=bud, rate=5e-6, times=(bud, berry), ripe=10, under_agents=True)
            for bud, berry in zip(BUDS, BERRIES, strict=True)
        ),
        beams=(
            Beam(
                "zap",
                length=3,
                half_width=1,
                cooldown=4,
                strikes_agents=True,
                mark_for=50,
                freezes_for=25,
                removes_for=25,
                fine=-10.0,
                event="zapped",
            ),
            *(
                Beam(
                    f"plant_{colour}",
                    length=3,
                    half_width=0,
                    cooldown=2,
                    strikes_agents=True,
                    ends_at=(*BUDS, *BERRIES),
                )
                for colour in COLOURS
            ),
        ),
        num_agents=16,
        roles=ROLES,
        show_role=False,
        torus=True,
        ending=Ending(maximum=2000),
    )


def _eat(colour: str, role: str) -> Rule:
    """Who eats may be seen to: its colour goes, the less likely the more of a monoculture there is."""
    reward = 2.0 if role == f"likes_{colour}" else 1.0
    berry, bud = f"{colour}_berry", f"{colour}_bud"
    return Rule(on=Enter(berry), role=role, becomes=bud, reward=reward, wash=True, event=f"ate_{colour}")


def _planting() -> list[Rule]:
    """Unripe berries take the colour of a beam, and so does whoever fired it."""
    return [
        Rule(
            on=Struck(bud, by=f"plant_{colour}"),
            becomes=f"{colour}_bud",
            paint=paint,
            event=f"planted_{colour}",
        )
        for paint, colour in enumerate(COLOURS, 1)
        for bud in BUDS
        if bud != f"{colour}_bud"
    ]


def _map() -> str:
    def symbol(row: int, column: int) -> str:
        place = (row + 2 * column) % HEIGHT
        # Two cells of five hold a berry, and each next one down a column another colour.
        return "rgb"[(place // 5 * 2 + place % 5 // 2) % 3] if place % 5 in (0, 2) else "P"

    return "\n".join("".join(symbol(row, column) for column in range(WIDTH)) for row in range(HEIGHT))


GAMES: dict[str, Callable[[], Game]] = {"allelopathic_harvest": allelopathic_harvest}
