"""What a measurement must say. Nothing here asserts a speed: machines differ, and a busy one is slow."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import bench
from softsim.envs import GRID_GAMES, Game, View, compile_games, declare, make
from softsim.learners import strategies
from softsim.train import TrainConfig, assemble, lay_out
from softsim.types import Learner, UserError

POSITIVE = (
    "num_envs",
    "num_agents",
    "env_steps_per_s",
    "env_steps_per_s_min",
    "env_steps_per_s_max",
    "agent_steps_per_s",
    "compile_s",
    "state_bytes",
    "observation_bytes",
    "repeats",
    "num_steps",
)


def assert_complete(row):
    for key in POSITIVE:
        assert math.isfinite(row[key]), key
        assert row[key] > 0, key
    assert row["env_steps_per_s_min"] <= row["env_steps_per_s"] <= row["env_steps_per_s_max"]
    assert row["agent_steps_per_s"] == pytest.approx(row["env_steps_per_s"] * row["num_agents"])
    assert row["device"] == jax.devices()[0].device_kind
    assert row["jax"] == jax.__version__
    assert json.loads(json.dumps(row)) == row


@pytest.fixture(scope="module")
def mixed():
    return bench.bench_env(["chicken", "stag_hunt"], 3, mixed=True, num_steps=2, repeats=2)


@pytest.mark.slow
def test_each_game_alone_has_a_row():
    rows = bench.bench_env(["prisoners_dilemma", "public_good_5"], 4, num_steps=3, repeats=3)
    assert [row["game"] for row in rows] == ["prisoners_dilemma", "public_good_5"]
    assert [row["num_agents"] for row in rows] == [2.0, 5.0]
    for row in rows:
        assert_complete(row)
        assert (row["num_envs"], row["num_steps"], row["repeats"]) == (4, 3, 3)
    for row, shape in zip(rows, ((2, 2), (5, 2)), strict=True):
        num_agents, num_moves = shape
        observation = 4 * (num_agents**2 * num_moves + num_agents + num_agents**2)  # moves, payoffs, who is waited for
        assert row["observation_bytes"] == observation
        # Two counters, the moves and payoffs of the round, traces of payoffs, and who sees whose move.
        assert row["state_bytes"] == 4 * 2 + 3 * 4 * num_agents + num_agents**2


def test_mixed_games_have_one_row_together(mixed):
    (row,) = mixed
    assert_complete(row)
    assert row["game"] == "mixed:chicken+stag_hunt"


@pytest.mark.slow
def test_agents_are_counted_where_they_play():
    few, many = (Game(f"field_{n}", "#####\n#PPP#\n#####", num_agents=n, view=View(1, 1, 1)) for n in (1, 3))
    world, situations = compile_games([few, many])
    row = bench.measure_world("fields", world, situations, num_envs=3, num_steps=2, repeats=1)
    assert_complete(row)
    # Environments 0 and 2 have one agent in play, environment 1 has three.
    assert row["num_agents"] == pytest.approx(5 / 3)
    assert row["phases"] == ["move"]


def test_calibration_makes_at_least_a_step(monkeypatch):
    monkeypatch.setattr(bench, "SECONDS_PER_REPEAT", 1e-9)
    (row,) = bench.bench_env(["chicken"], 2, repeats=1)
    assert row["num_steps"] == 1


@pytest.mark.parametrize("games", [["prisoners_dilemma"], ["clean_up", "coins"]])
def test_every_environment_has_a_situation_of_its_own(games):
    _, situations = make(games)
    vary = jax.jit(lambda key, situations: bench.vary(key, lay_out(situations, 1, 6)))
    params = vary(jax.random.key(0), situations)
    assert len(np.unique(params.sharing.weights[:, 0, 0])) == 6
    for leaf, original in zip(jax.tree.leaves(params), jax.tree.leaves(situations), strict=True):
        original = np.asarray(original)[np.arange(6) * len(games) // 6]
        # Whatever is not a number of float type stays as the games have it.
        spread = bench.SPREAD if original.dtype == np.float32 else 0
        np.testing.assert_allclose(leaf, original, rtol=1.001 * spread)


def test_episodes_begin_at_all_ages_and_are_reset():
    world, situations = make(["chicken"])
    table, params, running = bench.prepare(world, situations, 64, jax.random.key(1))
    age = np.asarray(running.play.state.step)
    assert len(np.unique(age)) > 20
    assert age.min() >= 0
    assert (age <= np.asarray(params.horizon)).all()

    over = dataclasses.replace(running.play.timestep, last=running.play.timestep.last.at[5].set(True))
    running = dataclasses.replace(running, play=dataclasses.replace(running.play, timestep=over))
    after = jax.jit(lambda params, running: bench.advance(table, params, running))(params, running)
    assert int(after.resets) == 1
    assert after.play.state.step[5] == 0
    assert (np.delete(after.play.state.step, 5) == np.delete(age, 5) + 1).all()


def test_all_that_is_observed_is_read():
    observation = {"window": jnp.array([[3, 250]], jnp.uint8), "body": jnp.array([0.5])}
    assert float(bench.add_up(observation)) == 253.5


def test_training_has_a_row():
    world, situations = make(["prisoners_dilemma"])
    config = TrainConfig(
        num_populations=2,
        num_members=2,
        num_envs=8,
        num_steps=4,
        num_rounds=2,
        rounds_per_chunk=2,
    )
    # A learner that learns nothing keeps compilation short.
    learner = Learner(lambda mind: (), lambda key, hyper, mind, state, trajectory: (mind, state, {}))
    policy = strategies.random(world.num_actions, world.num_agents)
    founders = policy._replace(init=lambda key: jax.random.uniform(key, (3,)))
    program = assemble(config, world, situations, policy=founders, learner=learner)
    (row,) = bench.bench_train(program, "prisoners_dilemma", repeats=2)
    assert_complete(row)
    assert (row["num_envs"], row["num_agents"], row["num_steps"]) == (2 * 8, 2.0, 2 * 4)
    assert (row["num_populations"], row["num_members"], row["devices"]) == (2, 2, 1)
    assert row["rounds_per_s"] == pytest.approx(row["env_steps_per_s"] / (16 * 4))
    with pytest.raises(UserError, match="repeats: 0; it must be at least 1"):
        bench.bench_train(program, "prisoners_dilemma", repeats=0)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"num_envs": 0}, "num_envs: 0; it must be at least 1"),
        ({"num_envs": 1, "mixed": True}, "num_envs: 1; it must be at least 2"),
        ({"num_envs": 4, "repeats": 0}, "repeats: 0; it must be at least 1"),
        ({"num_envs": 4, "num_steps": 0}, "num_steps: 0; it must be at least 1"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(numbers, message):
    with pytest.raises(UserError, match=message):
        bench.bench_env(["chicken", "stag_hunt"], **numbers)


def test_no_game_is_refused():
    for mixed in (False, True):
        with pytest.raises(UserError, match="games: none given"):
            bench.bench_env([], 4, mixed=mixed)


def test_the_table_has_a_line_per_row(mixed):
    lines = bench.table(mixed).splitlines()
    assert len(lines) == 3
    assert lines[0].split()[0] == "game"
    assert lines[1].startswith("mixed:chicken+stag_hunt")
    assert lines[2] == f"{jax.devices()[0].device_kind}, jax {jax.__version__}, median of 2"
    assert bench.table([]) == "nothing measured"


SCRIPTS = Path(__file__).parent.parent / "benchmarks"


def load(script):
    spec = importlib.util.spec_from_file_location(script, SCRIPTS / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept_and_printed(module, arguments, tmp_path, capsys):
    kept = tmp_path / "results" / "rows.jsonl"
    for _ in range(2):
        module.main([*arguments, "--json", "--out", str(kept)])
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert rows == printed * 2
    return printed


def test_the_script_for_worlds_prints_and_keeps_its_rows(mixed, monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(bench, "bench_env", lambda *arguments: asked.append(arguments) or mixed)
    arguments = ["--games", "chicken", "stag_hunt", "--num-envs", "3", "5", "--mixed", "--num-steps", "2"]
    assert kept_and_printed(load("env_steps"), arguments, tmp_path, capsys) == mixed * 2
    assert asked[:2] == [(("chicken", "stag_hunt"), count, True, 2, 5, None, 0) for count in (3, 5)]


def test_the_script_for_worlds_takes_one_game_of_each_family_or_all():
    script = load("env_steps")
    assert [declare(name).family for name in script.ONE_OF_EACH] == list(
        dict.fromkeys(declare(name).family for name in GRID_GAMES)
    )
    assert set(script.ONE_OF_EACH) < set(GRID_GAMES)


def test_the_script_for_training_prints_and_keeps_its_rows(mixed, monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(bench, "bench_train", lambda *arguments: asked.append(arguments) or mixed)
    arguments = ["--presets", "dilemma", "--num-populations", "1", "3", "--rounds-per-chunk", "2"]
    arguments += ["--num-members", "2", "--hidden", "32", "--precision", "bfloat16"]
    assert kept_and_printed(load("train_rounds"), arguments, tmp_path, capsys) == mixed * 2
    assert [program.config.num_populations for program, _, _ in asked[:2]] == [1, 3]
    assert {(program.config.rounds_per_chunk, program.config.num_members) for program, _, _ in asked} == {(2, 2)}
    assert {dataclasses.astuple(program.config.network)[:2] for program, _, _ in asked} == {(32, 32)}
    assert {program.config.network.precision for program, _, _ in asked} == {"bfloat16"}
    assert {label for _, label, _ in asked} == {"dilemma:prisoners_dilemma"}


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("env_steps", ["--games", "clean_up", "--num-envs", "0"]), ("train_rounds", ["--presets", "quick"])],
)
def test_the_scripts_refuse_in_one_sentence(script, arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        load(script).main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(("num_envs: 0", "presets: 'quick'"))
