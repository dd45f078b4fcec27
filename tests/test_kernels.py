"""Where the time of a step goes. Nothing here asserts a speed."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from softsim.types import UserError

FILE = Path(__file__).parent.parent / "benchmarks" / "kernels.py"


@pytest.fixture(scope="module")
def kernels():
    spec = importlib.util.spec_from_file_location("kernels", FILE)
    module = sys.modules["kernels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclasses.dataclass
class Event:
    name: str
    start_ns: float
    duration_ns: float


def test_a_loop_is_not_charged_with_what_it_calls(kernels):
    events = [
        Event("while.1", 0, 100),
        Event("fusion.1", 10, 20),
        Event("cond.1", 40, 50),
        Event("fusion.1", 50, 30),
        Event("some host work", 0, 1000),
        Event("fusion.2", 100, 5),
    ]
    spent = kernels.own_time(reversed(events), {"while.1", "cond.1", "fusion.1", "fusion.2"})
    assert spent == {"while.1": 30, "cond.1": 20, "fusion.1": 50, "fusion.2": 5}


def test_shares_are_of_the_whole_and_the_greatest_first(kernels):
    row = kernels.profile(["coins_classic"], num_envs=8, num_steps=3, top=1000)
    shares = list(row["shares"].values())
    assert row["kernels"] == len(shares) > 20
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.02)
    assert row["step_compile_s"] > 0
    assert "coins_classic" in kernels.explain(row)


def test_a_number_that_is_too_small_is_named(kernels):
    with pytest.raises(UserError, match="num_steps: 0; it must be at least 1"):
        kernels.measure(num_steps=0)
