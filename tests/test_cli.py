"""The commands, in process: what they print, and how they say no."""

from __future__ import annotations

import contextlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from softsim import MatrixGame, UserError, compile_matrix_games, doctor, names
from softsim.cli import finite, main
from softsim.envs import Game, declare
from softsim.envs.matrix import two_by_two
from softsim.evaluation import rating
from softsim.matchmaking import LeagueConfig
from softsim.presets import PRESETS, members_of, reopen

TINY = [
    *[
        "train",
        "--preset",
        "dilemma",
        "--num-populations",
        "1",
        "--num-members",
        "2",
        "--scripted",
        "tit_for_tat",
        "random",
        "--num-envs",
        "4",
    ],
    *[
        "--horizon",
        "4",
        "--num-steps",
        "4",
        "--num-rounds",
        "4",
        "--rounds-per-chunk",
        "2",
        "--network.hidden",
        "4",
        "--network.memory",
        "4",
    ],
    *["--ppo.num-epochs", "1", "--ppo.num-minibatches", "1", "--no-compile-cache"],
]
TRAIN_KEYS = {
    "run",
    "checkpoint",
    "picture",
    "return_random",
    "return_first",
    "return_last",
    "return_gain_ci95",
    "opponent_ce",
    "opponent_ce_frequency",
    "opponent_kl",
    "env_steps_per_s",
    "agent_steps_per_s",
    "compile_s",
    "wall_s",
    "peak_memory_bytes",
    "device",
    "jax",
}
GAME_KEYS = {"name", "family", "num_agents", "height", "width", "actions", "question", "dilemma"}
BENCH_KEYS = {
    "game",
    "num_envs",
    "num_agents",
    "env_steps_per_s",
    "agent_steps_per_s",
    "compile_s",
    "state_bytes",
    "observation_bytes",
    "repeats",
    "device",
    "jax",
}


@pytest.fixture(scope="module", autouse=True)
def compiling():
    """These programs run for milliseconds: optimising them would take longer than they do."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def strict_json(text: str) -> dict:
    """Read JSON, which has neither NaN nor Infinity."""

    def refuse(name: str):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def last_line(capsys) -> dict:
    """The object on the last line of what was printed."""
    return strict_json(capsys.readouterr().out.splitlines()[-1])


def refused(arguments: list[str], capsys) -> str:
    """Run a command that must fail as a mistake of the user's: exit 2, something on standard error, nothing else."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert printed.err.strip()
    assert not printed.out
    return printed.err


# Games.


def test_games_lists_every_game(capsys):
    main(["games", "--json"])
    games = last_line(capsys)["games"]
    assert [game["name"] for game in games] == names()
    assert len({game["family"] for game in games}) >= 20
    assert sum(game["family"] != "ordinal" for game in games) >= 40
    for game in games:
        assert set(game) >= GAME_KEYS
        assert game["num_agents"] >= 2
        assert len(game["actions"]) >= 2
        assert all(isinstance(action, str) for action in game["actions"])
        assert game["question"].endswith("?")
        assert game["dilemma"]
        assert isinstance(declare(game["name"]), Game) == (game["height"] * game["width"] > 1)


def test_games_reads_as_a_table(capsys):
    """Every named game has an entry and its question; the 144 ordinal ones share an entry, which says how to list
    them."""
    main(["games"])
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ["game", "agents", "map", "actions"]
    assert max(map(len, text.splitlines())) <= 130
    first = [line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")]
    named = [name for name in names() if not name.startswith("ordinal_")]
    assert first[1 : len(named) + 2] == [*named, "ordinal"]
    assert "(144 games)" in text
    assert "`softsim games ordinal`" in text
    words = " ".join(text.split())
    assert all(f"{declare(name).dilemma}: {declare(name).question}" in words for name in named)


@pytest.mark.parametrize(("family", "count"), [("ordinal", 144), ("territory", 3), ("matrix", 8)])
def test_games_lists_a_family(family, count, capsys):
    main(["games", family])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert len(lines) == 1 + count
    main(["games", family, "--json"])
    games = last_line(capsys)["games"]
    assert [game["name"] for game in games] == [name for name in names() if declare(name).family == family]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prisoners_dilemma", ("3, 3", "0, 5", "pure equilibria: defect, defect")),
        ("public_good_5", ("others who cooperate", "2.4")),
        ("coins", ("height: 17", "width: 15", "c  floor, site coin", "costs each other agent 2")),
        ("clean_up", ("#ddrrdrrrdddrdwwddrrrrddddrdd#", "counted as cleaned", "site orchard", "every 100 steps")),
        ("hidden_agenda", ("4 × crew, 1 × impostor", "tag: for impostor alone", "counted as gems_done")),
    ],
)
def test_games_shows_one(name, said, capsys):
    """Also where a family has the same name."""
    main(["games", name])
    text = capsys.readouterr().out
    for part in (f"name: {name}", "actions: ", "Ending", *said):
        assert part in text
    main(["games", name, "--json"])
    assert [game["name"] for game in last_line(capsys)["games"]] == [name]


# Train and eval.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder, and what was printed on standard output and standard error while it was made."""
    folder, out, err = tmp_path_factory.mktemp("runs") / "tiny", io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        main([*TINY, "--run", str(folder), "--json"])
    return folder, out.getvalue(), err.getvalue()


def test_train_prints_one_object(trained):
    folder, out, err = trained
    summary = strict_json(out.splitlines()[-1])
    assert set(summary) >= TRAIN_KEYS
    assert summary["run"] == str(folder)
    low, high = summary["return_gain_ci95"]
    assert low <= high
    for key in ("return_random", "return_first", "return_last", "opponent_ce", "opponent_ce_frequency", "opponent_kl"):
        assert math.isfinite(summary[key])
    for key in ("env_steps_per_s", "agent_steps_per_s", "compile_s", "wall_s", "peak_memory_bytes"):
        assert summary[key] > 0
    assert summary["agent_steps_per_s"] == pytest.approx(2 * summary["env_steps_per_s"])
    assert summary["jax"] == jax.__version__
    assert "4/4" in err  # not a terminal: plain lines of progress


def test_eval_prints_one_object(trained, capsys):
    main(["eval", str(trained[0]), "--json"])
    report = last_line(capsys)
    assert set(report) >= {"returns", "opponent", "cross_play", "ratings"}
    assert report["members"] == ["learner 0", "learner 1", "tit_for_tat", "random"]
    assert (len(report["returns"]), len(report["returns"][0])) == (1, 4)
    table = report["cross_play"][0]
    assert (len(table), len(table[0])) == (4, 4)
    assert table[2][2] == pytest.approx(4 * 3.0)  # tit-for-tat with itself cooperates all four rounds
    rated = rating.rate(table)
    for name, values in report["ratings"].items():
        assert values == [pytest.approx(getattr(rated, name).tolist())]
    assert set(report["ratings"]) == {"elo", "nash", "alpha_rank"}
    assert set(report["opponent"]) >= {"cross_entropy", "cross_entropy_frequency", "kl"}


def test_eval_reads_as_tables(trained, capsys):
    main(["eval", str(trained[0])])
    text = capsys.readouterr().out
    for word in ("learner 1", "tit_for_tat", "cross-entropy", "cross-play", "Elo", "alpha-rank"):
        assert word in text


# A league from another run.


def test_members_of_a_run_are_the_league_of_another(trained):
    """All members, or all copies that were taken by a league which that run had itself."""
    folder = trained[0]
    config, _, (_, state, _) = reopen(folder)
    league = LeagueConfig(seats=4, run=str(folder))
    program = replace(config, train=replace(config.train, num_envs=8, league=league)).program()
    for given, member in zip(*map(jax.tree.leaves, (program.past, state.population.mind)), strict=True):
        assert (given == member[0]).all()
    assert jax.eval_shape(program.init).league.taken.shape == (1, 2)


@pytest.mark.slow
def test_fictitious_co_play_from_the_command_line(tmp_path, capsys):
    """Founders and later copies of two populations; a run beside them is restored and evaluated like any other."""
    alone, both = tmp_path / "alone", tmp_path / "both"
    flags = f"--num-populations 2 --league.moments 3 --league.every 4 --run {alone} --quiet"
    main([*TINY, *flags.split()])
    assert jax.tree.leaves(members_of(alone))[0].shape[0] == 2 * 2 * 2  # of three moments two have come
    flags = f"--num-envs 8 --league.seats 4 --league.run {alone} --run {both} --quiet"
    main([*TINY, *flags.split()])
    main(["eval", str(both), "--pools", "--json"])
    report = last_line(capsys)
    assert report["members"][2:6] == [f"past member {m}" for m in range(4)]
    assert set(report["pools"]) == {"current", "past", "held_out"}


@pytest.mark.slow
def test_without_a_model_of_others_none_is_scored(tmp_path, capsys):
    folder = str(tmp_path / "run")
    main([*TINY, "--learner", "q", "--run", folder, "--json"])
    out, err = capsys.readouterr()
    assert strict_json(out.splitlines()[-1])["opponent_ce"] is None
    assert "no opponent model" in out
    assert "opponent" not in err
    main(["eval", folder, "--json"])
    assert last_line(capsys)["opponent"] is None
    assert "pools: True, but learners 'q'" in refused(["eval", folder, "--pools"], capsys)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--league.seats 4 --num-envs 8 --network.hidden 16", "league: weights "),
        ("--league.seats 4 --num-envs 8 --league.moments 2", "league.moments: 2; a league that is given"),
        ("", "with league.seats 0, so that none"),
    ],
)
def test_runs_that_make_no_league(flags, said, trained, tmp_path, capsys):
    folder = tmp_path / "run"
    printed = refused([*TINY, *flags.split(), "--league.run", str(trained[0]), "--run", str(folder)], capsys)
    assert said in printed
    assert len(printed.strip().splitlines()) == 1
    assert not folder.exists()


@pytest.mark.slow
def test_eval_scores_opponent_models_by_pool(trained, capsys):
    main(["eval", str(trained[0]), "--pools", "--json"])
    out = capsys.readouterr().out
    report = strict_json(out.splitlines()[-1])
    assert set(report["pools"]) == {"current", "held_out"}
    for pool, scores in report["pools"].items():
        assert {"cross_entropy", "divergence", "calibration_error", "usefulness", "causal_use"} <= set(scores)
        assert scores["cross_entropy"] > 0
        assert pool in out
    assert Path(report["reliability"]).stat().st_size > 1000


# Bench and doctor.


@pytest.mark.slow
def test_bench_env_prints_rows(capsys):
    main(["bench", "env", "--games", "chicken", "stag_hunt", "--num-envs", "8", "--repeats", "1", "--json"])
    rows = last_line(capsys)["rows"]
    assert [row["game"] for row in rows] == ["chicken", "stag_hunt"]
    assert all(set(row) >= BENCH_KEYS for row in rows)
    assert all(row["env_steps_per_s"] > 0 and row["num_envs"] == 8 for row in rows)


def test_doctor_prints_one_object(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "PROBE", "chicken")
    main(["doctor", "--json"])
    report = last_line(capsys)
    assert report["packages"]["jax"] == jax.__version__


# Mistakes.


def test_no_command_is_a_mistake_and_no_traceback(capsys):
    refused([], capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["games", "--nonsense"],
        ["train", "--num-rounds", "many"],
        ["train", "--nonsense", "1"],
        ["eval"],
        ["bench"],
    ],
    ids=" ".join,
)
def test_unknown_commands_and_flags(arguments, capsys):
    refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["games", "clean_upp"], "did you mean 'clean_up'?"),
        (["train", "--preset", "quikstart"], "did you mean 'quickstart'?"),
        (["train", "--preset=dilema"], "did you mean 'dilemma'?"),
        (["train", "--preset"], "known are"),
        (["bench", "env", "--games", "coinz"], "did you mean 'coins'?"),
        ([*TINY, "--game", "chickn"], "did you mean 'chicken'?"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
)
def test_unknown_names_suggest_the_nearest(arguments, said, capsys):
    assert said in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("train --selection.fitness fame", "selection.fitness: 'fame'; allowed are 'reward', 'payoff'."),
        ("train --network.opponent.model=TOM", "network.opponent.model: 'TOM'; allowed are 'policy', "),
        ("train --ppo.shaping --quiet", "ppo.shaping: '--quiet'; allowed are 'none', "),
        ("bench train --learner sac", "learner: 'sac'; allowed are 'ppo', "),
        ("bench evolve --rule lottery", "rule: 'lottery'; allowed are 'truncation', "),
    ],
)
def test_a_name_that_is_no_choice_is_refused_with_the_choices(arguments, said, capsys):
    printed = refused(arguments.split(), capsys)
    assert printed.startswith(f"softsim: {said}")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--num-members 3", "num_members"),  # 3 learners and 2 scripted members at 8 seats
        ("--num-members 0", "num_members"),
        ("--num-envs 0", "num_envs"),
        ("--num-envs -4", "num_envs: -4; it must be at least 1"),
        ("--num-envs 3000000000", "num_envs: 3000000000; it must be a number from 1 to 2147483647"),
        ("--num-steps 0", "num_steps"),
        ("--num-populations 0", "num_populations"),
        ("--updates-per-round 0", "updates_per_round"),
        ("--rounds-per-chunk 3", "rounds_per_chunk"),
        ("--horizon 0", "horizon"),
        ("--num-agents 3", "num_agents"),
        ("--scripted nobody random", "nobody"),
        ("--scripted greedy random", "greedy"),
        ("--game prisoners_dilemma coins", "coins"),
        ("--game prisoners_dilemma public_good_5", "public_good_5"),
        ("--game", "games"),
        ("--ppo.num-minibatches 3", "num_minibatches"),
        ("--ppo.num-minibatches 0", "num_minibatches"),
        ("--ppo.num-minibatches -1", "num_minibatches"),
        ("--ppo.num-epochs 0", "num_epochs"),
        ("--network.hidden 0", "hidden"),
        ("--network.memory -1", "memory"),
        ("--selection.every -1", "every"),
        ("--selection.fraction 0.6", "fraction"),
        ("--selection.fraction nan", "fraction"),
        ("--selection.mutation -1", "mutation"),
        (
            "--selection.every 1 --selection.fraction 0.5 --selection.diversity elites --selection.actions 2",
            "actions are 0 to 1",
        ),
        ("--hyper.learning-rate nan", "learning_rate"),
        ("--hyper.gamma 2", "gamma"),
        ("--hyper.clip -1", "clip"),
        ("--league.seats 2 --league.run no/such/run", "league.run: no/such/run holds no run; name a folder"),
        ("--network.opponent.model character", "several episodes"),
        ("--network.episodes-per-memory 2", "several episodes"),
        (
            "--network.episodes-per-memory 2 --horizon 2 --num-steps 8 --network.opponent.model character",
            "network.episodes_per_memory: 2; the model 'character'",
        ),
        ("--network.opponent.model none", "network.opponent.condition: True, but the model is 'none'"),
        ("--learner q --network.opponent.model none", "network.opponent.condition: True, but the model is 'none'"),
        (
            "--learner q --network.opponent.model embedding",
            "network.opponent.model: 'embedding'; learner 'q' has no opponent model",
        ),
        ("--network.opponent.width 4", "network.opponent.width: 4 counts where network.opponent.model is 'embedding'"),
        (
            "--num-members 1 --scripted --ppo.shaping advantage_alignment",
            "ppo.shaping: 'advantage_alignment' with one learner",
        ),
        ("--seed 99999999999999999999", "seed"),
    ],
)
def test_numbers_that_cannot_be_meant(flags, said, tmp_path, capsys):
    """One sentence that names the field, and no folder is made."""
    folder = tmp_path / "run"
    printed = refused([*TINY, *flags.split(), "--run", str(folder), "--quiet"], capsys).strip()
    assert printed.startswith("softsim: ")
    assert len(printed.splitlines()) == 1
    assert said in printed
    assert not folder.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_payoff_that_is_not_finite(value):
    """Only the library can be given one; it is refused in the same words."""
    with pytest.raises(UserError, match=rf"my game: payoff.*{value}"):
        compile_matrix_games([MatrixGame("my game", two_by_two(3.0, 0.0, value, 1.0))])


def test_eval_of_no_run(tmp_path, capsys):
    assert "holds no run" in refused(["eval", str(tmp_path)], capsys)
    assert "holds no run" in refused(["eval", str(tmp_path / "nowhere")], capsys)


# Small parts.


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_made(name):
    PRESETS[name].program()


def test_what_is_not_finite_becomes_null():
    assert finite({"a": [1.0, float("nan")], "b": (float("inf"), 2), "c": "nan"}) == {
        "a": [1.0, None],
        "b": [None, 2],
        "c": "nan",
    }
