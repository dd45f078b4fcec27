"""The comparison with peers, with peers made up here. Nothing here asserts a speed."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from pathlib import Path

import pytest

from softsim.envs import View, declare, names

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

ANSWER = {
    "num_envs": 4,
    "num_agents": 3,
    "compile_s": 1.5,
    "observation_bytes": 12,
    "device": "abacus",
    "versions": {"jaxmarl": "0.0"},
}

RUNNER = f"""
import json, sys, time
world = sys.argv[1]
print("some chatter")
if world == "answers":
    print({json.dumps(json.dumps(ANSWER))}, flush=True)
    for rate in (300.0, 100.0, 200.0):
        sys.stdin.readline()
        print(json.dumps({{"env_steps_per_s": rate}}), flush=True)
elif world == "crashes":
    print("before", file=sys.stderr)
    raise ValueError("no such map")
elif world == "sleeps":
    time.sleep(60)
"""


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("compare", BENCHMARKS / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "compare", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compare(script, monkeypatch, tmp_path):
    """The script with runners and peers that need nothing, beside a small game of ours."""
    (tmp_path / "run_json.py").write_text(RUNNER, encoding="utf-8")  # a module that every interpreter has
    monkeypatch.setattr(script, "RUNNERS", tmp_path)
    monkeypatch.setattr(script, "PEERS", ("json", "nobody"))
    worlds = ("answers", "crashes", "sleeps", "is_silent")
    pairs = [script.Pair("json", world, "prisoners_dilemma", note="a note") for world in worlds]
    monkeypatch.setattr(script, "PAIRS", (*pairs, script.Pair("nobody", "nowhere", "chicken")))
    return script


@pytest.fixture
def quick(compare, monkeypatch):
    """As `compare`; ours takes a second a step at first, and every turn as long again."""
    facts = {"num_agents": 2.0, "compile_s": 0.5, "observation_bytes": 8}
    monkeypatch.setattr(compare, "calibrate", lambda play, seconds: 5)

    def ours(*_):
        turns = itertools.count(1)
        return lambda steps: float(steps * next(turns)), facts

    monkeypatch.setattr(compare, "ours", ours)
    return compare


def rows_of(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]


def test_a_row_holds_both_and_their_ratio(quick, capsys, tmp_path):
    out = tmp_path / "folder" / "rows.jsonl"
    quick.main(["--only", "answers", "--num-envs", "1000", "--repeats", "3", "--json", "--out", str(out)])
    (row,) = rows_of(capsys)
    assert [json.loads(line) for line in out.read_text().splitlines()] == [row]
    assert (row["peer"], row["world"], row["game"]) == ("json", "answers", "prisoners_dilemma")
    ours, theirs = (1000.0, 500.0, 1000 / 3), (300.0, 100.0, 200.0)
    ratios = [one * 2 / (other * 3) for one, other in zip(ours, theirs, strict=True)]
    for name, values in (("env_steps_per_s", ours), ("peer_env_steps_per_s", theirs), ("ratio", ratios)):
        least, middle, most = sorted(values)
        assert (row[f"{name}_min"], row[name], row[f"{name}_max"]) == pytest.approx((least, middle, most))
    assert row["ratio"] == pytest.approx(1000 * 2 / (300 * 3))  # not that of the medians, 500 and 200
    assert row["repeats"] == 3
    assert row["peer_agent_steps_per_s"] == 600.0
    assert row["peer_versions"] == ANSWER["versions"]
    assert {"compile_s", "peer_compile_s", "device", "peer_device", "versions"} <= set(row)


def test_ours_is_measured(compare, capsys):
    arguments = ["--only", "answers", "--num-envs", "4", "--repeats", "3", "--seconds", "0.01", "--json"]
    compare.main(arguments)
    (row,) = rows_of(capsys)
    assert row["env_steps_per_s_min"] <= row["env_steps_per_s"] <= row["env_steps_per_s_max"]
    assert row["num_agents"] == 2.0
    assert row["ratio_min"] <= row["env_steps_per_s"] * 2 / 600 <= row["ratio_max"]
    assert row["observation_bytes"] > 0


def test_failing_and_missing_peers_are_named_and_the_rest_goes_on(quick, capsys):
    quick.main(["--timeout", "2", "--repeats", "3", "--json"])
    text = capsys.readouterr().out
    rows = {row["world"]: row for row in json.loads(text.splitlines()[-1])["rows"]}
    assert "skipped" not in rows["answers"]
    assert rows["crashes"]["skipped"] == "failed with exit code 1: ValueError: no such map"
    assert rows["sleeps"]["skipped"] == "took longer than 2 s."
    assert rows["is_silent"]["skipped"] == "answered nothing."
    assert rows[""]["peer"] == "nobody"
    assert "'nobody' is not installed" in rows[""]["skipped"]
    for name in ("json crashes", "json sleeps", "json is_silent", "nobody"):
        assert f"{name} was skipped: " in text
    assert "json answers: a note" in text


def test_a_peer_that_ends_early_is_skipped(quick, capsys):
    quick.main(["--only", "answers", "--repeats", "4", "--json"])
    (row,) = rows_of(capsys)
    assert row["skipped"] == "answered nothing."


def test_an_interpreter_without_the_peer_is_said_so(quick, capsys):
    quick.main(["--only", "nobody", "--peers", f"nobody={sys.executable}", "--json"])
    (row,) = rows_of(capsys)
    assert row["skipped"] == "'nobody' is not installed for the interpreter given."


def test_aims_are_judged(quick, monkeypatch):
    rows = [{"peer": "json", "world": world, "game": "g", "ratio": ratio} for world, ratio in (("a", 2.0), ("b", 8.0))]
    assert quick.verdicts(rows) == ["json: geometric mean 4.00, least 2.00 (a/g)"]
    for aims, verdict in (((4.0, 2.0), "met"), ((4.1, 2.0), "missed"), ((4.0, 2.1), "missed")):
        monkeypatch.setattr(quick, "AIMS", {"json": aims})
        assert quick.verdicts(rows)[0].endswith(f"; aim {aims[0]:g} and {aims[1]:g}: {verdict}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--num-envs", "0"], "num_envs: 0; it must be at least 1."),
        (["--repeats", "0"], "repeats: 0; it must be at least 1."),
        (["--seconds", "nan"], "seconds: nan; it must be at least 0.01."),
        (["--timeout", "inf"], "timeout: inf; it must be finite."),
        (["--only", "jso"], "only: 'jso' is no peer, and no world or game of one; peers are json, nobody."),
        (["--peers", "json"], "peers: 'json' is not NAME=PYTHON, as in jaxmarl=envs/jaxmarl/bin/python."),
        (["--peers", "jsn=python"], "peers: 'jsn' is unknown; peers are json, nobody."),
        (["--peers", "json=no/such"], "peers: json: there is no interpreter at 'no/such'."),
        (["--socialjax", "no"], "socialjax: 'no' is no checkout of SocialJax; it has no socialjax/__init__.py."),
    ],
)
def test_bad_arguments_give_one_sentence(quick, capsys, arguments, said):
    with pytest.raises(SystemExit) as stopped:
        quick.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{said}\n"


def test_every_pair_has_a_runner_and_a_game(script):
    for pair in script.PAIRS:
        assert pair.game in names()
        text = (BENCHMARKS / "peers" / f"run_{pair.peer}.py").read_text(encoding="utf-8")
        assert f'"{pair.world.removeprefix("overcooked_")}"' in text
        assert "import softsim" not in text
        assert "from softsim" not in text
    assert {pair.peer for pair in script.PAIRS} == set(script.PEERS)
    assert set(script.AIMS) <= set(script.PEERS)


def test_a_map_is_repeated_within_its_walls(script):
    game = declare("coins")
    world, _ = script.shaped("coins", 1, View(1, 0, 1), (2, 3))
    height, width = len(game.rows) - 2, len(game.rows[0]) - 2
    assert (world.spec.height, world.spec.width) == (2 * height + 2, 3 * width + 2)
    assert world.spec.view == View(1, 0, 1)
    assert world.num_agents == 1
