"""The comparison of learning, with a peer made up here. Nothing here asserts a speed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from softsim.envs import names

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SETTINGS = {"NUM_ENVS": 16, "NUM_STEPS": 128, "UPDATE_EPOCHS": 4, "NUM_MINIBATCHES": 4, "LR": 1e-3}

RUNNER = """
import json, sys
kitchen = sys.argv[1]
print("some chatter")
settings = json.loads(%r) | {"NUM_ENVS": 16 if kitchen == "cramped_room" else 17}
row = {"num_agents": 2, "compile_s": 1.5, "num_weights": 9}
print(json.dumps(row | {"settings": settings, "device": "abacus", "versions": {"jaxmarl": "0.0"}}), flush=True)
for rate in (300.0, 100.0, 200.0):
    sys.stdin.readline()
    print(json.dumps({"env_steps_per_s": rate}), flush=True)
"""


@pytest.fixture
def script(monkeypatch, tmp_path):
    """The script as a module; ours takes two seconds for every chunk, theirs is made up."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("compare_learning", BENCHMARKS / "compare_learning.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "learn_jaxmarl.py").write_text(RUNNER % json.dumps(SETTINGS), encoding="utf-8")
    monkeypatch.setattr(module, "RUNNERS", tmp_path)
    facts = {"num_agents": 2.0, "compile_s": 0.5, "num_weights": 8}
    monkeypatch.setattr(module, "ours", lambda game, model, updates: (lambda: 2.0, facts))
    checkout = tmp_path / "checkout"
    (checkout / "baselines" / "IPPO").mkdir(parents=True)
    (checkout / "baselines" / "IPPO" / "ippo_ff_overcooked.py").write_text("")
    module.given = ["--python", sys.executable, "--checkout", str(checkout), "--updates", "10", "--repeats", "3"]
    return module


def rows_of(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]


def test_a_row_holds_both_and_their_ratio(script, capsys, tmp_path):
    out = tmp_path / "rows.jsonl"
    script.main([*script.given, "--kitchens", "cramped_room", "--json", "--out", str(out)])
    rows = rows_of(capsys)
    assert [json.loads(line) for line in out.read_text().splitlines()] == rows
    assert [row["opponent_model"] for row in rows] == list(script.MODELS)
    for row in rows:
        assert row["game"] == "cooking_cramped_room"
        assert row["agent_steps_per_s"] == 10 * 16 * 128 * 2 / 2.0
        assert row["repeats"] == 3
        assert (row["peer_agent_steps_per_s_min"], row["peer_agent_steps_per_s_max"]) == (200.0, 600.0)
        assert row["peer_agent_steps_per_s"] == 400.0
        assert row["ratio_max"] == pytest.approx(row["agent_steps_per_s"] / 200.0)
        assert row["matrix_operations"] == 2 * 8 * (16 * 128 * 2) * 13  # play, and three passes of four epochs
        assert row["matrix_operations_per_s"] > 0
        assert row["ratio"] == pytest.approx(row["agent_steps_per_s"] / 400.0)
        assert row["peer_settings"]["LR"] == 1e-3
        assert {"compile_s", "peer_compile_s", "num_weights", "peer_num_weights", "device", "versions"} <= set(row)


def test_other_settings_than_ours_are_no_comparison(script, capsys):
    script.main([*script.given, "--json"])
    *_, last = rows_of(capsys)
    assert last["world"] == "coord_ring"
    assert last["skipped"].startswith("its settings are {'NUM_ENVS': 17")


def test_ours_is_set_as_theirs(script):
    for game in script.KITCHENS.values():
        assert game in names()
        for model in script.MODELS:
            train = script.config_of(game, model, 7).train
            assert train.env_steps_per_round == 7 * 16 * 128
            assert (train.ppo.num_epochs, train.ppo.num_minibatches, train.num_members) == (4, 4, 1)
            assert (train.network.hidden, train.network.memory, train.network.recurrence) == (64, 64, "none")


def test_the_runner_needs_nothing_of_ours(script):
    text = (BENCHMARKS / "peers" / "learn_jaxmarl.py").read_text(encoding="utf-8")
    for kitchen in script.KITCHENS:
        assert f'"{kitchen}"' in text
    assert "softsim" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kitchens", "pizzeria"], "kitchens: 'pizzeria' is unknown; known are cramped_room, coord_ring."),
        (["--checkout", "no"], "checkout: 'no' is no checkout of JaxMARL with its baselines."),
    ],
)
def test_bad_arguments_give_one_sentence(script, capsys, arguments, said):
    with pytest.raises(SystemExit) as stopped:
        script.main([*script.given, *arguments])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{said}\n"
