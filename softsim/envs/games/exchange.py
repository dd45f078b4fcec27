"""Exchanges between two, one after the other: the ultimatum and the trust game, with pads for moves.

The state of nature is the public state of the exchange: 0 while nothing is on the table, k while offer k is. Each
stands in a room of its own and steps on a pad to move; a move out of turn does nothing. Who has moved is off the map
for a step and comes back in the middle of its room, as far from one pad as from any other, so that the next move is a
new one. Payoffs, which nobody gets anything besides:

- `ultimatum` (Güth, Schmittberger and Schwarze 1982): of a pie of 10 the proposer offers x, in bins 1, 3, 5 and 7. The
  responder accepts, for 10 - x and x, or rejects, for 0 and 0.
- `trust` (Berg, Dickhaut and McCabe 1995): of 10 the investor sends x, in bins 0, 2, 5 and 10, which is tripled on the
  way. The trustee returns a share s of that, 0, 1/3, 1/2 or 2/3: the investor gets 10 - x + 3xs, the trustee
  3x(1 - s). Sending nothing ends the round at once, for 10 and 0. With s = 1/3 the investor breaks even.

The bins, the rooms, and that rounds repeat for 200 steps are ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from softsim.envs.game import Cell, Ending, Enter, Game, Nature, Rule
from softsim.envs.spec import View

MAP = """
#############
#1...2#A...B#
#.....#.....#
#..p..#..r..#
#.....#.....#
#3...4#C...D#
#############
"""

OFFERS = (1.0, 3.0, 5.0, 7.0)
SENT = (0.0, 2.0, 5.0, 10.0)
SHARES = (0.0, 1 / 3, 1 / 2, 2 / 3)
PIE, FACTOR = 10.0, 3.0


def ultimatum(offers: Sequence[float] = OFFERS) -> Game:
    """Declare the division of a pie that the second mover can refuse; up to four `offers` of 10."""
    rules = []
    for k, offer in enumerate(offers, 1):
        answer = functools.partial(Rule, role="responder", nature=k, turns=0, exile=1)
        rules += [
            _opening("proposer", k, event=f"offered_{k}"),
            answer(on=Enter("accept"), reward=offer, reward_others=PIE - offer, event="accepted"),
            answer(on=Enter("reject"), event="rejected"),
        ]
    return _exchange(
        "ultimatum",
        ("proposer", "responder"),
        len(offers),
        ("accept", "reject", "floor", "floor"),
        rules,
        question="Does the fear of refusal, which costs both, make offers fair?",
        dilemma="bargaining with a costly veto",
    )


def trust(sent: Sequence[float] = SENT, shares: Sequence[float] = SHARES) -> Game:
    """Declare the investment that only a trustworthy partner pays back; up to four amounts and four shares."""
    rules = []
    for k, amount in enumerate(sent, 1):
        if amount == 0:
            rules.append(_opening("investor", k, turns=0, reward=PIE, event=f"sent_{k}"))
            continue
        rules.append(_opening("investor", k, event=f"sent_{k}"))
        for j, share in enumerate(shares, 1):
            pot = FACTOR * amount
            own, back = pot * (1 - share), PIE - amount + pot * share
            rule = Rule(
                on=Enter(f"pad_{j}"),
                role="trustee",
                nature=k,
                turns=0,
                exile=1,
                reward=own,
                reward_others=back,
                event=f"returned_{j}",
            )
            rules.append(rule)
    return _exchange(
        "trust",
        ("investor", "trustee"),
        len(sent),
        tuple(f"pad_{j}" if j <= len(shares) else "floor" for j in range(1, 5)),
        rules,
        question="Is trust repaid by somebody who could keep everything, when the two meet again?",
        dilemma="trust",
    )


def _opening(role: str, k: int, turns: int | None = None, reward: float = 0.0, event: str = "") -> Rule:
    """The first mover steps on pad k: offer k is on the table, unless the exchange is over with it."""
    turns = k if turns is None else turns
    return Rule(on=Enter(f"pad_{k}"), role=role, nature=0, turns=turns, exile=1, reward=reward, event=event)


def _exchange(
    name: str,
    roles: tuple[str, str],
    moves: int,
    answers: tuple[str, ...],
    rules: Sequence[Rule],
    question: str,
    dilemma: str,
) -> Game:
    first, second = roles
    pads = {str(k): Cell(f"pad_{k}" if k <= moves else "floor") for k in range(1, 5)}
    replies = {symbol: Cell(item) for symbol, item in zip("ABCD", answers, strict=True)}
    spawns = {"p": Cell(spawn="always", role=first), "r": Cell(spawn="always", role=second)}
    return Game(
        name=name,
        family="exchange",
        question=question,
        dilemma=dilemma,
        map=MAP,
        legend=pads | replies | spawns,
        rules=rules,
        num_agents=2,
        roles=roles,
        nature=Nature(count=moves + 1, first=0),
        view=View(ahead=5, behind=5, side=5),
        ending=Ending(200),
    )


GAMES: dict[str, Callable[[], Game]] = {"ultimatum": ultimatum, "trust": trust}
