"""The pages of the documentation say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from softsim.envs import names
from softsim.validation import registry

DOCS = Path(__file__).parent.parent / "docs"


def script(name: str):
    """A script that writes pages, as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_games():
    return script("make_games")


def test_the_pages_of_the_games_are_up_to_date(make_games):
    """If not, run `python docs/make_games.py`."""
    pages = make_games.pages()
    assert {path.name for path in (DOCS / "games").glob("*.md")} == set(pages)
    stale = [name for name, text in pages.items() if (DOCS / "games" / name).read_text(encoding="utf-8") != text]
    assert not stale, "run `python docs/make_games.py`"
    assert make_games.pages() == pages


def test_every_game_has_a_place(make_games):
    pages = make_games.pages()
    for name in names():
        page = "ordinal.md" if name.startswith("ordinal_") else f"{name}.md"
        assert f"`{name}`" in pages[page]
        assert page in pages["README.md"]


def test_the_page_on_speed_says_what_the_results_say(tmp_path, monkeypatch):
    """If not, run `python docs/make_speed.py`."""
    monkeypatch.syspath_prepend(DOCS)
    make_speed = script("make_speed")
    assert (DOCS / "speed.md").read_text(encoding="utf-8") == make_speed.page()
    make_speed.picture(tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 10_000


def test_the_pages_on_validations_say_what_the_results_say(tmp_path, monkeypatch):
    """If not, run `python docs/make_validations.py`."""
    monkeypatch.syspath_prepend(DOCS)
    make_validations = script("make_validations")
    for name, text in make_validations.pages().items():
        assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == text
        make_validations.draw(make_validations.PAGES[name][1], tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    for name, (_, draw_one) in make_validations.PICTURES.items():
        draw_one(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_the_kept_results_are_of_full_size_and_hold(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    make_validations = script("make_validations")
    for name in registry.names():
        found = make_validations.result(name)
        assert not found["small"]
        assert found["passed"], name
        assert found["seconds"] < 300, name
