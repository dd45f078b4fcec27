"""Write a page on every game, and an index, from the declarations. Run it from the root whenever one has changed:

python docs/make_games.py
"""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path

import numpy as np

from softsim.envs import MatrixGame, declare, make, names
from softsim.envs.describe import Table, equilibria, legend, payoffs, sections, summary
from softsim.envs.registry import GAMES
from softsim.partners import partners

FOLDER = Path(__file__).parent / "games"
ON_ONE_PAGE = "ordinal"
"""The family whose 144 games are rows of a table."""


def pages() -> dict[str, str]:
    """Write all pages, by file name."""
    single = [name for name in names() if declare(name).family != ON_ONE_PAGE]
    written = {f"{name}.md": page(name) for name in single}
    return {"README.md": index(single), f"{ON_ONE_PAGE}.md": ordinal_page(), **written}


def index(single: list[str]) -> str:
    rows = [["game", "agents", "map", "dilemma", "question"]]
    for game in map(summary, map(declare, single)):
        height, width = game["height"], game["width"]
        extent = f"{height} x {width}" if height * width > 1 else ""
        link = f"[`{game['name']}`]({game['name']}.md)"
        rows.append([link, str(game["num_agents"]), extent, game["dilemma"], game["question"]])
    return joined(
        "# The games",
        f"{len(single)} games, and [the {len(names()) - len(single)} ordinal 2x2 games]({ON_ONE_PAGE}.md). "
        "`softsim.make(NAME)` makes one; `softsim games NAME` says in a terminal what its page says here. "
        "The pages are written by `python docs/make_games.py`.",
        markdown(rows),
    )


def page(name: str) -> str:
    """Write the page of one game."""
    game, facts = declare(name), summary(declare(name))
    fields = [["family", f"`{game.family}`"], ["dilemma", game.dilemma], ["agents", str(game.num_agents)]]
    fields += [["actions", ", ".join(f"`{action}`" for action in facts["actions"])]]
    fields += [["scripted partners", ", ".join(f"`{partner}`" for partner in partners(*make([name])))]]
    parts = [f"# `{name}`", f"**{game.question}**", markdown([["", ""], *fields]), *about(name)]
    if isinstance(game, MatrixGame):
        parts += ["## Payoffs", markdown(payoffs(game)), stable(game)]
    else:
        drawn = "\n".join(["```text", *game.rows, "```"])
        parts += ["## Map", drawn, bullets([f"`{symbol}` {meaning}" for symbol, meaning in legend(game).items()])]
    for heading, sentences in sections(game).items():
        parts += [f"## {heading}", bullets(sentences)]
    return joined(*parts)


def about(name: str) -> list[str]:
    """What the function that declares a game says of it, unless it declares several, and what its module says."""
    factory = GAMES[name]
    shared = isinstance(factory, functools.partial)
    function = factory.func if shared else factory
    of_module = inspect.getdoc(sys.modules[function.__module__]) or ""
    of_function = (inspect.getdoc(function) or "").removeprefix("Declare ")
    return [of_module] if shared or not of_function else [of_function[0].upper() + of_function[1:], of_module]


def stable(game: MatrixGame) -> str:
    found = [f"({joint})" for joint in equilibria(game)]
    return f"Pure equilibria: {', '.join(found) or 'none'}."


def ordinal_page() -> str:
    """Write the page of the ordinal games: payoffs, equilibria and dilemma of each."""
    games = [game for game in map(declare, names()) if isinstance(game, MatrixGame) and game.family == ON_ONE_PAGE]
    rows = [["game", "C C", "C D", "D C", "D D", "pure equilibria", "dilemma"]]
    for game in games:
        outcomes = np.asarray(game.payoff, int).reshape(2, 4).T
        short = ["".join(move[0].upper() + " " for move in joint.split(", ")).strip() for joint in equilibria(game)]
        cells = [f"{row}, {column}" for row, column in outcomes]
        rows.append([f"`{game.name}`", *cells, "; ".join(short) or "none", game.dilemma])
    kinds = {game.dilemma: game.question for game in games}
    return joined(
        "# The ordinal 2x2 games",
        *about(games[0].name),
        "C is to cooperate and D to defect, the row player's move first; payoffs are ranks, the row player's first.",
        bullets([f"{kind}: {question}" for kind, question in kinds.items()]),
        markdown(rows),
    )


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def markdown(table: Table) -> str:
    """Lay out a table whose first row is its header."""
    header, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([header, "|" + "---|" * len(table[0]), *rows])


def joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write the pages, and remove those of games that are gone."""
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(written)} pages in {FOLDER}")


if __name__ == "__main__":
    main()
