"""What is said of a run before it begins."""

from __future__ import annotations

import dataclasses
import json

import jax
import pytest

from softsim import bench, forecast, machine
from softsim.cli import main
from softsim.presets import PRESETS


def small(**numbers):
    config = PRESETS["dilemma"]
    numbers = {"num_populations": 2, "num_envs": 12, "num_steps": 4, "num_rounds": 2, "rounds_per_chunk": 1} | numbers
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **numbers))


@pytest.fixture(scope="module")
def told():
    return forecast.forecast(small())


def test_a_forecast_counts_what_the_run_will_have(told):
    quickly = {"xla_backend_optimization_level": 0}
    state = jax.jit(small().program().init, compiler_options=quickly)()
    assert told["state_bytes"] == bench.size_of(state)
    assert told["memory_bytes"] > told["state_bytes"]
    assert (told["members"], told["environments"], told["agent_steps"]) == (8, 24, 2 * 12 * 4 * 2 * 2)
    assert told["seconds_at_least"] == pytest.approx(told["agent_steps"] / told["agent_steps_per_s_at_most"])
    assert json.loads(json.dumps(told)) == told


@pytest.mark.slow
def test_memory_grows_with_the_populations(told):
    assert forecast.forecast(small(num_populations=16))["memory_bytes"] > 4 * told["memory_bytes"]


def test_what_does_not_fit_is_said(told):
    assert told["fits"]
    assert "it fits" in forecast.explain(told)
    text = forecast.explain(told | {"fits": False, "memory_free_bytes": 10})
    assert "does not fit; lower num_populations" in text
    assert "could not be found out" in forecast.explain(told | {"fits": None, "memory_free_bytes": None})


def test_every_weight_counts_in_acting_and_in_every_epoch():
    program = small().program()
    mind = jax.eval_shape(program.table.policy.init, jax.random.key(0))
    weights = sum(leaf.size for leaf in jax.tree.leaves(mind))
    assert forecast.operations_per_agent_step(program) == weights * (2 + 6 * program.config.ppo.num_epochs)


def test_a_dry_run_makes_no_run(told, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forecast, "forecast", lambda config, compiled: asked.append(config) or told)
    main(["train", "--preset", "dilemma", "--num-populations", "3", "--dry-run", "--no-compile-cache", "--json"])
    text, row = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    assert [config.train.num_populations for config in asked] == [3]
    assert (json.loads(row), text) == (told, forecast.explain(told))
    assert not list(tmp_path.iterdir())


def test_rates_of_the_machine_are_positive_and_measured_once():
    for rate in (machine.copy_rate, machine.arithmetic_rate, machine.matrix_rate):
        assert rate() > 1e6
        assert rate() == rate()


def test_a_program_holds_at_least_what_goes_in_and_comes_out():
    program = jax.jit(lambda a: (a @ a).sum(0)).lower(jax.ShapeDtypeStruct((64, 64), "float32")).compile()
    assert machine.memory_of(program) >= 4 * 64 * 64 + 4 * 64
