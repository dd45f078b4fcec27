"""The report of an installation: complete where all is well, and still a report where it is not."""

from __future__ import annotations

import json
import math

import jax
import pytest

import softsim
from softsim import doctor


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "PROBE", "chicken")  # small: uncompiled worlds are slow
        return doctor.examine()


def test_a_working_installation_is_described(report):
    assert json.loads(json.dumps(report)) == report
    assert report["softsim"] == softsim.__version__
    assert report["packages"]["jax"] == jax.__version__
    assert None not in report["packages"].values()
    assert report["device"]["count"] == jax.device_count()
    assert report["cores"] >= 1
    assert report["memory"]["total"] > report["memory"]["free"] > 0
    assert report["prng"]["default"] == "threefry2x32"
    for key in ("compile_s", "env_steps_per_s", "slower_without_jit"):
        assert math.isfinite(report["probe"][key])
        assert report["probe"][key] > 0


def test_the_report_reads_as_lines(report):
    text = doctor.explain(report)
    for name in (
        "softsim",
        "packages",
        "device",
        "memory",
        "cores",
        "compile cache",
        "compiled step",
        "without jit",
    ):
        assert any(line.startswith(name) for line in text.splitlines()), name
    assert report["advice"] == []
    assert "!" not in text


def test_trouble_is_one_line_of_advice_each(report):
    broken = report | {
        "prng": {"default": "rbg", "partitionable": True},
        "packages": report["packages"] | {"flax": None},
        "device": None,
        "memory": dict.fromkeys(report["memory"]),
        "jit": False,
        "folder": {"path": "/nowhere", "writable": False},
        "probe": None,
    }
    advice = doctor.advise(broken)
    for word, sentence in zip(("'rbg'", "flax", "jax_disable_jit", "device", "bench", "/nowhere"), advice, strict=True):
        assert word in sentence
    text = doctor.explain(broken | {"advice": advice})
    assert [line[2:] for line in text.splitlines() if line.startswith("! ")] == advice


def test_random_numbers_of_another_kind_are_noticed(monkeypatch):
    monkeypatch.setattr(doctor, "probe", lambda: None)
    with jax.default_prng_impl("rbg"):
        report = doctor.examine()
    assert report["prng"]["default"] == "rbg"
    assert "threefry" in report["advice"][0]


def test_what_cannot_be_found_out_does_not_fail(monkeypatch):
    def fails(*_):
        raise RuntimeError("no backend")

    monkeypatch.setattr(jax, "devices", fails)
    monkeypatch.setattr(doctor, "probe", fails)
    monkeypatch.setattr(doctor.importlib.metadata, "version", fails)
    report = doctor.examine()
    assert report["device"] is None
    assert report["probe"] is None
    assert set(report["packages"].values()) == {None}
    assert "none found" in doctor.explain(report)


def test_a_folder_that_cannot_be_written_is_noticed(tmp_path):
    assert doctor.is_writable(tmp_path)
    assert not doctor.is_writable(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []
