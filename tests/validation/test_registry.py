"""Validations by name, and what counts as passed."""

from __future__ import annotations

import json
import sys
import types

import pytest

from softsim.cli import main
from softsim.types import UserError
from softsim.validation import registry
from softsim.validation.figures import as_found, at_least, at_most, exactly, within


def test_a_figure_holds_where_it_should():
    assert within([1.0, 2.0], [1.1, 1.9], 0.11).passed
    assert not within([1.0, 2.0], [1.1, 1.9], 0.09).passed
    assert not within(float("nan"), 0.0, 1.0).passed
    assert not within([1.0], [1.0, 1.0], 1.0).passed
    assert at_least(1.0, 1.0).passed
    assert not at_least(float("nan"), 1.0).passed
    assert at_most(1.0, 1.0).passed
    assert not at_most(1.1, 1.0).passed
    assert exactly([1, 2], [1, 2]).passed
    assert not exactly([1, 2], [1, 3]).passed
    assert as_found(3).as_json() == {"measured": 3.0, "target": None, "tolerance": None, "passed": True}


def test_every_validation_says_what_it_shows():
    for name in registry.names():
        said = registry.shows(name)
        assert said.endswith("."), said
        assert len(said) < 150, said


def test_an_unknown_name_suggests_the_nearest(capsys):
    with pytest.raises(UserError, match=r"validate: 'morann' is unknown; did you mean 'moran'\?"):
        registry.validate("morann")
    with pytest.raises(SystemExit) as stop:
        main(["validate", "morann"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def made_up(monkeypatch, **figures):
    """Put a validation of these figures in the place of `moran`."""
    module = types.ModuleType("softsim.validation.moran", "Show nothing.")
    module.run = lambda small, say: figures  # ty: ignore[unresolved-attribute]
    monkeypatch.setitem(sys.modules, "softsim.validation.moran", module)


def test_one_wrong_figure_fails_the_validation_and_the_command(monkeypatch, capsys):
    made_up(monkeypatch, right=within(1.0, 1.0, 0.1), wrong=within(2.0, 1.0, 0.1))
    with pytest.raises(SystemExit) as stop:
        main(["validate", "moran", "--json"])
    assert stop.value.code == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["name"], told["passed"]) == ("moran", False)
    assert [figure["passed"] for figure in told["figures"].values()] == [True, False]
    assert told["figures"]["wrong"] == {"measured": 2.0, "target": 1.0, "tolerance": 0.1, "passed": False}


def test_a_validation_that_holds_ends_well(monkeypatch, capsys):
    made_up(monkeypatch, right=within(1.0, 1.0, 0.1))
    main(["validate", "moran"])
    assert "moran passed" in capsys.readouterr().out


def test_the_list_names_them_all(capsys):
    main(["validate", "--list", "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [each["name"] for each in told["validations"]] == list(registry.names())
    assert {"opponent-bayes", "memory", "moran", "pbt"} <= set(registry.names())
