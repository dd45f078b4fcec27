"""The `softsim` command. It parses, calls the library, and prints; with `--json` its last line is one JSON object.

A user's mistake is one sentence on standard error and exit code 2; a validation that fails ends with exit code 1.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from softsim import compilations, machine, run
from softsim.envs import declare, names
from softsim.envs.vocabulary import ACTIONS
from softsim.presets import FIVE_GAMES, PRESETS, RunConfig, describe
from softsim.run import Interrupted
from softsim.selection import Rule
from softsim.train_config import CHOICES, check_choice, named
from softsim.types import UserError

Config = Annotated[RunConfig, tyro.conf.arg(name="")]


@dataclasses.dataclass(frozen=True)
class Train:
    """Raise populations, or go on where the same command stopped."""

    config: Config = RunConfig()
    preset: str = "quickstart"  # what the other flags start from: quickstart, dilemma, five_games, mixed_pool
    run: Path | None = None  # run folder; the default is named after the preset and the config
    quiet: bool = False  # show no progress
    dry_run: bool = False  # compile, say what memory and time it takes at least, and stop
    compile_cache: bool = True  # keep compiled programs for the next start
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim.report import Progress

        machine.spread_over_cores()
        compiled = compilations.folder_of_user() if self.compile_cache else None
        if self.dry_run:
            from softsim import forecast

            told = forecast.forecast(self.config, compiled)
            return told, forecast.explain(told)
        folder = self.run or Path("runs") / f"{self.preset}-{self.config.fingerprint()}"
        with Progress(self.quiet) as progress:
            summary = run.train(folder, self.config, progress, compiled)
        return summary, explain_run(summary)


@dataclasses.dataclass(frozen=True)
class Games:
    """List the games, or those of a family, or show one."""

    name: Annotated[str | None, tyro.conf.Positional] = None  # of a game or a family
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        games = [describe(name) for name in names()]
        family = [game for game in games if game["family"] == self.name]
        if self.name is None:
            return {"games": games}, list_games(games)
        if family and self.name not in names():
            return {"games": family}, list_family(family)
        return {"games": [describe(self.name)]}, show_game(self.name)


@dataclasses.dataclass(frozen=True)
class BenchEnv:
    """Time environment steps under random actions."""

    games: tuple[str, ...] = FIVE_GAMES
    num_envs: int = 1024
    mixed: bool = False  # all games side by side in one batch
    repeats: int = 5
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim import bench

        rows = bench.bench_env(self.games, self.num_envs, self.mixed, repeats=self.repeats)
        return {"rows": rows}, bench.table(rows)


@dataclasses.dataclass(frozen=True)
class BenchTrain:
    """Time whole rounds of learning."""

    config: Config = RunConfig()
    preset: str = "quickstart"  # what the other flags start from
    repeats: int = 5
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim import bench

        machine.spread_over_cores()
        rows = bench.bench_train(self.config.program(), "+".join(self.config.game), repeats=self.repeats)
        return {"rows": rows}, bench.table(rows)


@dataclasses.dataclass(frozen=True)
class BenchEvolve:
    """Time selection, and whole generations of small learners."""

    game: str = "prisoners_dilemma"  # of which each generation plays an episode of 32 steps
    populations: tuple[int, ...] = (256, 1024, 4096)  # one row for each
    num_members: int = 4  # of each population
    rule: Rule = "truncation"  # of selection
    repeats: int = 5
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim import bench, bench_evolve

        rows = bench_evolve.bench_evolve(self.populations, self.num_members, self.rule, self.repeats, self.game)
        return {"rows": rows}, bench.table(rows, bench_evolve.COLUMNS)


@dataclasses.dataclass(frozen=True)
class Eval:
    """Restore a run and report returns, opponent models, cross-play and ratings."""

    run: Annotated[Path, tyro.conf.Positional]
    seed: int = 1
    pools: bool = False  # score opponent models among current, past and held-out partners too; takes longer
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim.report_card import evaluate, explain

        report = evaluate(self.run, self.seed, self.pools)
        return report, explain(report)


@dataclasses.dataclass(frozen=True)
class Validate:
    """Run an experiment whose answer is known, and say whether it was found."""

    name: Annotated[str | None, tyro.conf.Positional] = None  # of the validation
    list: bool = False  # say what there is instead
    small: bool = False  # quickly, with wider tolerances
    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim.report import format_table
        from softsim.validation import registry

        if self.list or self.name is None:
            shown = [{"name": name, "shows": registry.shows(name)} for name in registry.names()]
            return {"validations": shown}, format_table(["name", "shows"], [list(each.values()) for each in shown])
        result = registry.validate(self.name, self.small, lambda line: print(line, file=sys.stderr, flush=True))
        return result, registry.explain(result)


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Check the installation: versions, device, a compiled step."""

    json: bool = False  # end with one JSON object on standard output

    def __call__(self) -> tuple[dict[str, Any], str]:
        from softsim.doctor import examine, explain

        report = examine()
        return report, explain(report)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line given, or the process's."""
    try:
        command = parse(list(sys.argv[1:] if arguments is None else arguments))
        result, text = command()
    except UserError as error:
        print(f"softsim: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as stop:
        print(f"softsim: {stop}", file=sys.stderr)
        sys.exit(128 + stop.number)
    print(text)
    if command.json:
        print(json.dumps(finite(result)))
    if result.get("passed") is False:
        sys.exit(1)


def run_script(function: Any, arguments: Sequence[str] | None = None) -> None:
    """Call a function with what the command line says, or the process's; a user's mistake is said as by `main`."""
    try:
        tyro.cli(function, args=arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def parse(arguments: list[str]) -> Any:
    """Read the command; the flags of a run start from the preset that is named among them."""
    preset, choices = "quickstart", CHOICES | named(BenchEvolve)
    for flag, value in flags(arguments):
        check_choice(choices, flag, value)
        preset = value if flag == "preset" else preset
    check_preset(preset)
    train, bench = Train(PRESETS[preset], preset), BenchTrain(PRESETS[preset], preset)
    benches = (
        Annotated[BenchEnv, tyro.conf.subcommand("env")]
        | Annotated[BenchTrain, tyro.conf.subcommand("train", default=bench)]
        | Annotated[BenchEvolve, tyro.conf.subcommand("evolve")]
    )
    commands: Any = (
        Annotated[Train, tyro.conf.subcommand("train", default=train)]
        | Annotated[Games, tyro.conf.subcommand("games")]
        | Annotated[benches, tyro.conf.subcommand("bench", description="Measure speed.")]
        | Annotated[Eval, tyro.conf.subcommand("eval")]
        | Annotated[Validate, tyro.conf.subcommand("validate")]
        | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    )
    return tyro.cli(
        commands, prog="softsim", description="Raise populations through social situations.", args=arguments
    )


def flags(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Every flag among the arguments, by the name of its field, and what comes after it."""
    for flag, following in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = flag.partition("=")
        if name.startswith("--"):
            yield name[2:].replace("-", "_"), value if equals else following


def check_preset(name: str) -> None:
    """Refuse a preset that does not exist; the nearest is suggested."""
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}? Known" if near else "; known"
        raise UserError(f"preset: {name!r} is unknown{hint} are {', '.join(PRESETS)}.")


def explain_run(summary: dict[str, Any]) -> str:
    """Say how a run went."""
    s = summary
    low, high = s["return_gain_ci95"]
    model = (
        "no opponent model"
        if s["opponent_ce"] is None
        else f"opponent model: cross-entropy {s['opponent_ce']:.3f}, running frequency "
        f"{s['opponent_ce_frequency']:.3f}, KL from the truth {s['opponent_kl']:.3f} nats"
    )
    return "\n".join(
        [
            f"return per episode: {s['return_last']:.3f} in the last tenth, {s['return_first']:.3f} in the first, "
            f"{s['return_random']:.3f} at random",
            f"gain, 95 % interval over {s['members']} members: {low:.3f} to {high:.3f}",
            model,
            f"run {s['run']}, checkpoint {s['checkpoint']}, pictures "
            + ", ".join(s[name] for name in ("picture", "family_tree", "inheritance") if name in s),
        ]
    )


MANY_GAMES = 30
"""A family with more games than this is one entry among all games, and a plain table by itself."""


def list_games(games: list[dict[str, Any]]) -> str:
    """Lay out all games, and how to see more of them."""
    families: dict[str, list[dict[str, Any]]] = {}
    for game in games:
        families.setdefault(game["family"], []).append(game)
    shown = []
    for family, members in families.items():
        kinds = ", ".join(dict.fromkeys(game["dilemma"] for game in members))
        folded = {"name": f"{family} ({len(members)} games)", "dilemma": kinds}
        folded["question"] = f"`softsim games {family}` lists them."
        shown += [members[0] | folded] if len(members) > MANY_GAMES else members
    several = [f"{family} ({len(members)})" for family, members in families.items() if len(members) > 1]
    notes = (
        f"{len(games)} games in {len(families)} families; with several games: {', '.join(several)}.",
        "`softsim games NAME` shows the game of that name, or lists the family.",
        f"Moves are {', '.join(ACTIONS)}.",
    )
    return "\n".join([entries(shown), "", *(textwrap.fill(note, 112) for note in notes)])


def list_family(games: list[dict[str, Any]]) -> str:
    """Lay out the games of one family."""
    from softsim.report import format_table

    if len(games) <= MANY_GAMES:
        return entries(games)
    rows = [[g["name"], g["num_agents"], acts(g), g["dilemma"], g["question"]] for g in games]
    return format_table(["game", "agents", "actions", "dilemma", "question"], rows)


def entries(games: list[dict[str, Any]]) -> str:
    """Lay out games, an entry each: what is played, and below that what is asked."""
    from softsim.report import format_table

    rows = [[game["name"], game["num_agents"], extent(game), acts(game)] for game in games]
    header, *lines = format_table(["game", "agents", "map", "actions"], rows).splitlines()
    asked = [textwrap.fill(f"{game['dilemma']}: {game['question']}", 108) for game in games]
    return "\n".join([header, *(f"{a}\n{textwrap.indent(b, '    ')}" for a, b in zip(lines, asked, strict=True))])


def extent(game: dict[str, Any]) -> str:
    """Size of the map, if there is one."""
    height, width = game["height"], game["width"]
    return f"{height}x{width}" if height * width > 1 else "-"


def acts(game: dict[str, Any]) -> str:
    """Actions in short: those that all games with a map share are moves."""
    own = [action for action in game["actions"] if action not in ACTIONS]
    return ", ".join(own if len(own) == len(game["actions"]) else ["moves", *own])


def show_game(name: str) -> str:
    """Lay out one game: its fields, its map or payoffs, and its rules in words."""
    from softsim.envs.describe import equilibria, legend, payoffs, sections
    from softsim.envs.matrix import MatrixGame
    from softsim.report import format_table

    game = declare(name)
    lines = [f"{field}: {', '.join(v) if isinstance(v, list) else v}" for field, v in describe(name).items()]
    if isinstance(game, MatrixGame):
        header, *rows = payoffs(game)
        lines += ["", format_table(header, rows), "", f"pure equilibria: {'; '.join(equilibria(game)) or 'none'}"]
    else:
        lines += ["", *game.rows, "", *(f"{symbol}  {meaning}" for symbol, meaning in legend(game).items())]
    for heading, sentences in sections(game).items():
        lines += ["", heading, *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines).replace("`", "")


def finite(value: Any) -> Any:
    """JSON has no NaN: null stands for a number that does not exist."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
