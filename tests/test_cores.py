"""On a CPU every core is a device, and populations are spread over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from softsim import machine

COUNT = """
import jax
from softsim import machine
machine.spread_over_cores()
print(jax.device_count())
machine.spread_over_cores()  # too late, and no matter
"""

TRAIN = """
import json, sys
from pathlib import Path
import jax
from softsim import machine, run
from test_evolving import config_of_run
machine.spread_over_cores()
folder, compiled = map(Path, sys.argv[1:])
config = config_of_run(fraction=0.34, migrate_every=3)
summary = run.train(folder, config, compiled=compiled)
print(json.dumps([config.program().devices, summary["state_sha256"], summary["checkpoint"]]))
"""


def told_by(script, *arguments, **environment):
    """What a script, run in a process of its own, prints as JSON in its last line."""
    given = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=given | environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, machine.cores()),
        ({"JAX_NUM_CPU_DEVICES": "3"}, 3),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}, 4),
    ],
)
def test_every_core_is_a_device_unless_the_user_says_otherwise(environment, count):
    assert told_by(COUNT, **environment) == count


@pytest.mark.slow
def test_a_run_on_two_cores_is_found_compiled_and_goes_on_on_one(tmp_path):
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    shelf = tmp_path / "compiled"
    shelf.mkdir()

    def train(name, count):
        return told_by(TRAIN, tmp_path / name, shelf, JAX_NUM_CPU_DEVICES=str(count), **quick)

    devices, state, checkpoint = train("first", 2)
    assert devices == 2
    programs = {path: path.stat().st_ino for path in shelf.glob("program-*")}
    assert len(programs) >= 2  # a chunk, on both devices, and the beginning, on one
    assert train("again", 2)[:2] == [2, state]
    assert {path: path.stat().st_ino for path in shelf.glob("program-*")} == programs
    assert train("first", 1) == [1, state, checkpoint]  # which was done
