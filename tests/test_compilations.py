"""Compiled programs on disk: what is taken from there, what is not, and that it computes the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import compilations, run
from softsim.compilations import Shelf
from softsim.presets import RunConfig
from softsim.train import Program
from softsim.train_config import HyperConfig, NetworkConfig, PPOConfig, TrainConfig

NUMBERS = jnp.arange(4.0)


def double():
    return jax.jit(lambda tree: {"twice": 2 * tree["once"]}).lower({"once": NUMBERS})


def never():
    raise AssertionError("this was on the shelf")


def files(folder, kind):
    return sorted(folder.glob(f"{kind}-*"))


def test_a_program_is_traced_and_compiled_once(tmp_path):
    first = Shelf(tmp_path, {"seed": 0}).ready("double", double)
    again = Shelf(tmp_path, {"seed": 0}).ready("double", never)
    for program in (first, again):
        np.testing.assert_array_equal(program({"once": NUMBERS})["twice"], 2 * NUMBERS)
    with pytest.raises(TypeError):
        again({"once": jnp.arange(5.0)})


def test_what_another_run_compiled_serves_a_run_that_computes_the_same(tmp_path, monkeypatch):
    for config in ({"seed": 0}, {"seed": 1}):
        Shelf(tmp_path, config).ready("double", double)
    assert len(files(tmp_path, "program")) == 1
    assert len(files(tmp_path, "double")) == 2
    monkeypatch.setattr(jax.stages.Lowered, "compile", never)
    Shelf(tmp_path, {"seed": 2}).ready("double", double)


@pytest.mark.parametrize("changed", ["code", "surroundings"])
def test_another_library_or_machine_asks_and_compiles_anew(changed, tmp_path, monkeypatch):
    """A stored program remembers the classes it takes and gives, which another version has changed."""
    Shelf(tmp_path, {}).ready("double", double)
    monkeypatch.setattr(compilations, changed, lambda: "another")
    with pytest.raises(AssertionError, match="this was on the shelf"):
        Shelf(tmp_path, {}).ready("double", never)
    Shelf(tmp_path, {}).ready("double", double)
    assert len(files(tmp_path, "program")) == 2


def test_programs_that_differ_only_in_what_holds_nothing_are_two(tmp_path):
    for empty in ((), None, {}):
        lower = lambda empty=empty: jax.jit(lambda x: (x + 1, empty)).lower(NUMBERS)  # noqa: E731
        assert repr(Shelf(tmp_path, {"empty": repr(empty)}).ready("add", lower)(NUMBERS)[1]) == repr(empty)


@pytest.mark.parametrize("kind", ["program", "double"])
def test_a_damaged_file_is_passed_over_and_replaced(kind, tmp_path):
    Shelf(tmp_path, {}).ready("double", double)
    (path,) = files(tmp_path, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    program = Shelf(tmp_path, {}).ready("double", double)
    np.testing.assert_array_equal(program({"once": NUMBERS})["twice"], 2 * NUMBERS)
    Shelf(tmp_path, {}).ready("double", never)


@pytest.mark.parametrize(("flags", "accelerator", "chunk", "init"), [
    ("", False, 2, 1), ("", True, None, 1), (f"--{compilations.LEVEL}=0", False, None, None),
])  # fmt: skip
def test_programs_are_compiled_with_the_care_that_pays(flags, accelerator, chunk, init, monkeypatch):
    """`XLA_FLAGS` has the last word, which options of a single program would override."""
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setattr(compilations, "on_accelerator", lambda: accelerator)
    for level, how in ((chunk, compilations.options()), (init, compilations.options(quickly=True))):
        assert how == (None if level is None else {compilations.LEVEL: level})


def test_what_calls_a_library_is_lowered_every_time(tmp_path):
    """Else the call would go nowhere, and bring the process down."""
    square = jnp.eye(3) + 1.0
    lower = lambda: jax.jit(jnp.linalg.qr).lower(square)  # noqa: E731
    for _ in range(2):
        q, r = Shelf(tmp_path, {}).ready("factors", lower)(square)
        np.testing.assert_allclose(q @ r, square, atol=1e-5)
    assert len(files(tmp_path, "program")) == 1
    assert not files(tmp_path, "factors")


def test_there_is_room_for_so_many(tmp_path, monkeypatch):
    monkeypatch.setattr(compilations, "ROOM", 4)
    for number in range(5):
        lower = lambda number=number: jax.jit(lambda x: x + number).lower(NUMBERS)  # noqa: E731
        Shelf(tmp_path, number).ready("add", lower)
    assert len(list(tmp_path.iterdir())) == 4
    Shelf(tmp_path, 4).ready("add", never)


def test_a_folder_that_takes_nothing_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("a file")
    for folder in (None, tmp_path / "file", tmp_path / "nowhere"):
        program = Shelf(folder, {}).ready("double", double)
        np.testing.assert_array_equal(program({"once": NUMBERS})["twice"], 2 * NUMBERS)


def test_the_folder_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr(compilations.Path, "home", lambda: tmp_path)
    folder = compilations.folder_of_user()
    assert folder is not None
    assert folder.stat().st_mode & 0o077 == 0
    assert compilations.folder_of_user() == folder
    monkeypatch.setattr(compilations.Path, "home", lambda: folder / "file" / "below")
    (folder / "file").write_text("a file")
    assert compilations.folder_of_user() is None


CONFIG = RunConfig(
    game=("prisoners_dilemma",),
    horizon=4,
    train=TrainConfig(
        num_members=2,
        num_envs=2,
        num_steps=4,
        num_rounds=2,
        rounds_per_chunk=1,
        network=NetworkConfig(hidden=4, memory=4),
        ppo=PPOConfig(num_epochs=1, num_minibatches=1),
        hyper=HyperConfig(learning_rate=1e-2),
    ),
)


@pytest.mark.slow
def test_a_second_start_traces_no_round_and_ends_the_same(tmp_path, monkeypatch):
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    first = run.train(tmp_path / "first", CONFIG, compiled=compiled)
    monkeypatch.setattr(Program, "chunk", never)
    monkeypatch.setattr("softsim.evaluation.outcomes.play_out", never)
    second = run.train(tmp_path / "second", CONFIG, compiled=compiled)
    for key in ("state_sha256", "return_random", "return_last"):
        assert second[key] == first[key]
    lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("first", "second")]
    assert lines[0] == lines[1]
