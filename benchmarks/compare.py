"""Measure softsim beside its peers, in one run on one machine, ours and theirs by turns.

    taskset -c 0 python benchmarks/compare.py --peers jaxmarl=envs/jaxmarl/bin/python --socialjax SocialJax

Each peer lives in an environment of its own. For one named `jaxmarl` (or `xminigrid`, `craftax`, `mettagrid`):

    python -m venv envs/jaxmarl && envs/jaxmarl/bin/pip install jaxmarl

For Melting Pot, `meltingpot`, install dm-meltingpot; for a checkout of SocialJax, the versions that it is written for:
`"jax==0.6.2" "flax==0.10.7" chex pillow`. A peer whose interpreter is not given runs in this one, if it is importable
here. Peers that are not there are skipped by name.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from runners import RUNNERS, PeerError, runner, spread

from softsim import bench
from softsim.cli import run_script
from softsim.envs import Game, View, compile_games, declare, make
from softsim.types import Environment, PyTree, UserError

PEERS = ("socialjax", "jaxmarl", "xminigrid", "craftax", "mettagrid", "meltingpot")
"""As their modules are called."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A peer's world and the game of ours that is nearest to it."""

    peer: str
    world: str
    game: str
    num_agents: int | None = None  # of both, where either leaves a choice
    view: View | None = None  # instead of the game's own
    tiles: tuple[int, int] = (1, 1)  # how often the map within its walls is repeated, down and across
    note: str = ""


BIG = "64 x 66 cells of ours, 64 x 64 of theirs; ours resets, theirs never does"

PAIRS = (
    Pair("socialjax", "harvest_common_open", "commons_harvest_open"),
    Pair("socialjax", "clean_up", "clean_up"),
    Pair("socialjax", "coin_game", "coins"),
    Pair("socialjax", "coop_mining", "coop_mining", 6),
    Pair("socialjax", "gift", "gift_refinements", 6),
    Pair("socialjax", "mushrooms", "externality_mushrooms", 5),
    Pair("socialjax", "territory_open", "territory_open", 9),
    Pair("socialjax", "pd_arena", "prisoners_dilemma_in_the_matrix_arena", 8),
    Pair("socialjax", "lb_foraging", "lb_foraging", 4),
    Pair("jaxmarl", "coin_game", "coins_classic"),
    Pair("jaxmarl", "storm_2p", "storm"),
    Pair("jaxmarl", "overcooked_cramped_room", "cooking_cramped_room", note="they see the whole kitchen"),
    Pair("jaxmarl", "overcooked_counter_circuit", "cooking_counter_circuit", note="they see the whole kitchen"),
    Pair("xminigrid", "XLand-MiniGrid-R1-9x9", "lb_foraging", 1, View(4, 0, 2), note="8 x 8 cells of ours"),
    Pair("craftax", "classic_symbolic_without_resets", "commons_harvest_open", 1, View(3, 3, 4), (4, 3), BIG),
    Pair("mettagrid", "arena", "prisoners_dilemma_in_the_matrix_arena", 8, note="25 x 25 cells; only walls in theirs"),
    Pair("mettagrid", "arena", "allelopathic_harvest", 16, note="25 x 25 cells; only walls in theirs"),
    Pair("meltingpot", "commons_harvest__open", "commons_harvest_open", note="they see pictures"),
    Pair("meltingpot", "clean_up", "clean_up", note="they see pictures"),
)

AIMS = {"socialjax": (60.0, 30.0), "mettagrid": (5.0, 5.0), "jaxmarl": (1.0, 1.0)}
"""Ratios of agent-steps that we aim at: their geometric mean, and the least of them."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What holds for the whole run."""

    interpreters: Mapping[str, str]
    socialjax: str = ""
    num_envs: int = 1024
    repeats: int = 5
    seconds: float = 0.25
    timeout: float = 240.0
    seed: int = 0


def compare(pairs: Sequence[Pair], settings: Settings) -> Iterator[bench.Row]:
    """Measure all pairs in turn. A peer that is not there has one row with the reason, and no figures."""
    missing = set()
    for number, pair in enumerate(pairs, 1):
        if pair.peer in missing:
            continue
        print(f"{number} of {len(pairs)}: {pair.peer} {pair.world}", file=sys.stderr, flush=True)
        try:
            find(pair.peer, settings)
        except PeerError as error:
            missing.add(pair.peer)
            yield {"peer": pair.peer, "world": "", "game": "", "skipped": str(error)}
            continue
        named = {"peer": pair.peer, "world": pair.world, "game": pair.game}
        try:
            yield named | measure_pair(pair, settings)
        except PeerError as error:
            yield named | {"skipped": str(error)}


def measure_pair(pair: Pair, settings: Settings) -> bench.Row:
    """Measure ours and theirs by turns; both compile at the same time. The ratio is the median of those of the turns.

    Raises:
        PeerError: theirs could not be measured.
    """
    with runner(command(pair, settings), settings.timeout) as (ready, repeat):
        play, facts = ours(pair.game, pair.num_agents, pair.view, pair.tiles, settings.num_envs, settings.seed)
        peer = ready()
        steps = calibrate(play, settings.seconds)
        turns = [(play(steps), repeat()) for _ in range(settings.repeats)]

    agents, theirs = peer["num_agents"], [rate for _, rate in turns]
    row = bench.rates(
        pair.game, settings.num_envs, facts["num_agents"], steps, [spent for spent, _ in turns], facts["compile_s"]
    )
    ratios = [settings.num_envs * steps / spent * facts["num_agents"] / (rate * agents) for spent, rate in turns]
    return {
        **row,
        "observation_bytes": facts["observation_bytes"],
        "versions": {name: importlib.metadata.version(name) for name in ("softsim", "jax")},
        "note": pair.note,
        **spread("ratio", ratios),
        **spread("peer_env_steps_per_s", theirs),
        "peer_agent_steps_per_s": statistics.median(theirs) * agents,
        **{f"peer_{name}": value for name, value in peer.items()},
    }


@functools.cache  # some peers are beside the same game
def ours(
    name: str, num_agents: int | None, view: View | None, tiles: tuple[int, int], num_envs: int, seed: int
) -> tuple[Callable[[int], float], bench.Row]:
    """Compile our game. Returns what plays so many steps and says how long that took, and facts for the row."""
    world, situations = shaped(name, num_agents, view, tiles)
    program, compile_s, params, running = bench.stepping(world, situations, num_envs, seed)
    timestep = running.play.timestep
    facts = {
        "num_agents": bench.agents_in_play(timestep),
        "compile_s": compile_s,
        "observation_bytes": bench.size_of(timestep.observation) // num_envs,
    }

    def play(steps):
        nonlocal running
        running, spent = bench.timed(program, params, running, steps)
        return spent

    return play, facts


def shaped(name: str, num_agents: int | None, view: View | None, tiles: tuple[int, int]) -> tuple[Environment, PyTree]:
    """Make our game with a pair's number of agents, view and map. Params have leaves [1, ...]."""
    game = declare(name, num_agents)
    if not isinstance(game, Game):
        return make([name], num_agents)
    down, across = tiles
    if tiles != (1, 1):
        inner = [row[1:-1] * across for row in game.rows[1:-1]] * down
        edge = "#" * (len(inner[0]) + 2)
        game = dataclasses.replace(game, map="\n".join([edge, *(f"#{row}#" for row in inner), edge]))
    return compile_games([dataclasses.replace(game, view=view or game.view)])


def calibrate(play: Callable[[int], float], seconds: float) -> int:
    """Find how many steps take so many seconds. The first call is the warm-up."""
    play(1)
    return max(1, round(seconds / play(bench.STEPS_TO_CALIBRATE) * bench.STEPS_TO_CALIBRATE))


def find(peer: str, settings: Settings) -> str:
    """Find the interpreter that runs a peer.

    Raises:
        PeerError: the peer is not there.
    """
    if peer == "socialjax":
        if not settings.socialjax:
            raise PeerError("no checkout was given; name one with --socialjax.")
        return settings.interpreters.get(peer, sys.executable)
    if peer not in settings.interpreters:
        if importlib.util.find_spec(peer) is None:
            raise PeerError(f"no interpreter was given with --peers, and {peer!r} is not installed in this one.")
        return sys.executable
    interpreter = settings.interpreters[peer]
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({peer!r}) is None)"
    if subprocess.run([interpreter, "-c", code], capture_output=True, check=False).returncode:
        raise PeerError(f"{peer!r} is not installed for the interpreter given.")
    return interpreter


def command(pair: Pair, settings: Settings) -> list[str]:
    """What starts the peer's runner.

    Raises:
        PeerError: the peer is not there.
    """
    words = [find(pair.peer, settings), str(RUNNERS / f"run_{pair.peer}.py"), pair.world]
    words += ["--num-envs", str(settings.num_envs), "--seconds", str(settings.seconds), "--seed", str(settings.seed)]
    words += ["--num-agents", str(pair.num_agents)] if pair.num_agents else []
    return words + (["--checkout", settings.socialjax] if pair.peer == "socialjax" else [])


def short(number: float) -> str:
    """Three digits are enough for a rate."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}" if number < 999.5 * size else f"{number / size:,.0f}{letter}"
    return f"{number:.3g}"


def from_to(row: bench.Row, name: str, shown: Callable[[float], str]) -> str:
    """Median (least - most)."""
    return "{} ({} - {})".format(*(shown(row[f"{name}{end}"]) for end in ("", "_min", "_max")))


COLUMNS: Mapping[str, Callable[[bench.Row], str]] = {
    "peer": lambda row: f"{row['peer']} {row['world']}",
    "ours": lambda row: row["game"],
    "agents": lambda row: f"{row['num_agents']:g} : {row['peer_num_agents']:g}",
    "envs": lambda row: f"{row['num_envs']:,} : {row['peer_num_envs']:,}",
    "env-steps/s, ours": lambda row: from_to(row, "env_steps_per_s", short),
    "theirs": lambda row: from_to(row, "peer_env_steps_per_s", short),
    "agent-steps/s": lambda row: f"{short(row['agent_steps_per_s'])} : {short(row['peer_agent_steps_per_s'])}",
    "ratio": lambda row: from_to(row, "ratio", lambda ratio: f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"),
    "compile s": lambda row: f"{row['compile_s']:.1f} : {row['peer_compile_s']:.1f}",
    "observation B": lambda row: f"{row['observation_bytes']:,} : {row['peer_observation_bytes']:,}",
}


def table(rows: Sequence[bench.Row]) -> str:
    """Lay rows out for people, ours : theirs; below them who is missing, the aims, and what it was measured with."""
    measured, text = [row for row in rows if "ratio" in row], []
    if measured:
        lines = [list(COLUMNS), *([column(row) for column in COLUMNS.values()] for row in measured)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines] + [""]
        notes = {f"{row['peer']} {row['world']}: {row['note']}" for row in measured if row["note"]}
        text += ["ratio: of agent-steps/s, ours to theirs, by turns; above 1 ours is faster", *sorted(notes)]
    for row in rows:
        if "skipped" in row:
            text.append(f"{' '.join(filter(None, (row['peer'], row['world'])))} was skipped: {row['skipped']}")
    text += verdicts(measured)
    if measured:
        peers = {f"{name} {version}" for row in measured for name, version in row["peer_versions"].items()}
        first, devices = measured[0], {row["device"] for row in measured} | {row["peer_device"] for row in measured}
        text.append(f"softsim {first['versions']['softsim']}, jax {first['jax']}; {', '.join(sorted(peers))}")
        text.append(f"{'; '.join(sorted(devices))}; median (least - most) of {first['repeats']} turns")
    return "\n".join(text) or "nothing measured"


def verdicts(measured: Sequence[bench.Row]) -> list[str]:
    """Say of each peer what the ratios come to, and whether that is what we aim at."""
    lines = []
    for peer in dict.fromkeys(row["peer"] for row in measured):
        ratios = {f"{row['world']}/{row['game']}": row["ratio"] for row in measured if row["peer"] == peer}
        mean, least = math.exp(statistics.fmean(map(math.log, ratios.values()))), min(ratios, key=ratios.__getitem__)
        line = f"{peer}: geometric mean {mean:.2f}, least {ratios[least]:.2f} ({least})"
        if peer in AIMS:
            aims = AIMS[peer]
            met = mean >= aims[0] and ratios[least] >= aims[1]
            line += f"; aim {aims[0]:g} and {aims[1]:g}: {'met' if met else 'missed'}"
        lines.append(line)
    return lines


def chosen(only: Sequence[str]) -> list[Pair]:
    """Those pairs whose peer, world or game is named; all if none is.

    Raises:
        UserError: a name is unknown.
    """
    for name in only:
        if not any(name in (pair.peer, pair.world, pair.game) for pair in PAIRS):
            raise UserError(f"only: {name!r} is no peer, and no world or game of one; peers are {', '.join(PEERS)}.")
    return [pair for pair in PAIRS if not only or {pair.peer, pair.world, pair.game} & set(only)]


def interpreters(peers: Sequence[str]) -> dict[str, str]:
    """Read `NAME=PYTHON` pairs.

    Raises:
        UserError: one is malformed, names no peer, or no file.
    """
    found = {}
    for each in peers:
        name, sign, path = each.partition("=")
        if not sign:
            raise UserError(f"peers: {each!r} is not NAME=PYTHON, as in jaxmarl=envs/jaxmarl/bin/python.")
        if name not in PEERS:
            raise UserError(f"peers: {name!r} is unknown; peers are {', '.join(PEERS)}.")
        if not Path(path).is_file():
            raise UserError(f"peers: {name}: there is no interpreter at {path!r}.")
        found[name] = str(Path(path).absolute())
    return found


def measure(
    peers: tuple[str, ...] = (),
    socialjax: Path | None = None,
    only: tuple[str, ...] = (),
    num_envs: int = 1024,
    repeats: int = 5,
    seconds: float = 0.25,
    timeout: float = 240.0,
    seed: int = 0,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: Path | None = None,
) -> None:
    """Measure our games beside the nearest worlds of our peers, under random actions.

    Args:
        peers: NAME=PYTHON, the interpreter in whose environment a peer is installed.
        socialjax: a checkout of SocialJax.
        only: peers, or worlds or games of theirs and ours, to measure; by default all.
        num_envs: environments in one batch, of ours and of peers on JAX.
        repeats: turns of ours and of theirs.
        seconds: of one repeat.
        timeout: seconds after which a peer's world is given up, our turns among them.
        as_json: end with one JSON object.
        out: a JSON Lines file to append each row to, as it is measured.
    """
    asked = {"num_envs": num_envs, "repeats": repeats, "seconds": seconds, "timeout": timeout}
    least = {"num_envs": 1, "repeats": 1, "seconds": 0.01, "timeout": 1.0}
    for field, value in asked.items():
        if not least[field] <= value < math.inf:
            aim = "finite" if value == math.inf else f"at least {least[field]:g}"
            raise UserError(f"{field}: {value:g}; it must be {aim}.")
    if socialjax and not (socialjax / "socialjax" / "__init__.py").is_file():
        raise UserError(f"socialjax: {str(socialjax)!r} is no checkout of SocialJax; it has no socialjax/__init__.py.")
    # On a GPU, whoever comes first would else take the memory of both.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    checkout = str(socialjax.absolute()) if socialjax else ""
    settings, rows = Settings(interpreters(peers), checkout, num_envs, repeats, seconds, timeout, seed), []
    for row in compare(chosen(only), settings):
        rows.append(row)
        if out:
            bench.keep([row], out)
    print(table(rows))
    if as_json:
        print(json.dumps({"rows": rows}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    run_script(measure, arguments)


if __name__ == "__main__":
    main()
