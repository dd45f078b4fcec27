"""Run folders: what is in them, what survives a kill or a flipped bit, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from softsim import HyperConfig, NetworkConfig, PPOConfig, SelectionConfig, TrainConfig, UserError, checkpoint, cli, run
from softsim.envs import declare
from softsim.presets import PRESETS, RunConfig, check_episodes, from_json, read_config

# Of a damaged checkpoint the reader drops coroutines and futures half-way; each is a warning of ten thousand lines.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = 30
CONFIG = RunConfig(
    game=("prisoners_dilemma", "chicken"),
    horizon=6,
    train=TrainConfig(
        num_populations=2,
        num_members=2,
        scripted=("tit_for_tat",),
        num_envs=6,
        num_steps=8,
        num_rounds=ROUNDS,
        rounds_per_chunk=1,
        network=NetworkConfig(hidden=8, memory=8),
        ppo=PPOConfig(num_epochs=1, num_minibatches=2),
        hyper=HyperConfig(learning_rate=1e-2),
        selection=SelectionConfig(every=3, fraction=0.5),
    ),
)
FLAGS = [
    *[
        "--preset",
        "dilemma",
        "--game",
        "prisoners_dilemma",
        "chicken",
        "--horizon",
        "6",
        "--num-populations",
        "2",
        "--num-members",
        "2",
    ],
    *["--scripted", "tit_for_tat", "--num-envs", "6", "--num-steps", "8", "--rounds-per-chunk", "1", "--num-rounds"],
    *f"{ROUNDS} --network.hidden 8 --network.memory 8 --ppo.num-epochs 1 --ppo.num-minibatches 2".split(),
    *["--hyper.learning-rate", "0.01", "--selection.every", "3", "--selection.fraction", "0.5"],
]
STOP = ROUNDS - 5
SAVE_EVERY_CHUNK = "import sys; from softsim import cli, run; run.CHECKPOINT_SECONDS = 0.0; cli.main(sys.argv[1:])"
STOP_ITSELF = f"""
import os, signal, sys
from softsim import cli, run
run.CHECKPOINT_SECONDS = 1e9  # nothing is saved but for the signal
append = run.MetricsLog.append
def append_and_stop(self, done, *rest):
    append(self, done, *rest)
    if done == {STOP}:
        os.kill(os.getpid(), signal.SIGTERM)
run.MetricsLog.append = append_and_stop
cli.main(sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def compiling(tmp_path_factory):
    """Compile cheaply, and once for all processes of this module."""
    wanted = {
        "jax_disable_most_optimizations": True,
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: jax.config.values[name] for name in wanted}
    for name, value in wanted.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield wanted
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run that saved after every chunk: its folder, and its summary."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "CHECKPOINT_SECONDS", 0.0)
        return folder, run.train(folder, CONFIG)


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


def fingerprints(folder: Path) -> dict[str, str]:
    """Every file below a folder, and the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def template():
    return jax.eval_shape(CONFIG.program().init)


def contents(folder: Path) -> list[Path]:
    """The files below a folder that are not empty."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("_")[1]) for path in (folder / "checkpoints").glob("step_????????"))


# What is in the folder.


def test_the_folder_holds_what_it_should(finished):
    folder, summary = finished
    assert {"config.json", "metrics.jsonl", "members", "checkpoints", "learning_curve.png"} <= set(os.listdir(folder))
    assert Path(summary["picture"]).read_bytes().startswith(b"\x89PNG")
    assert Path(summary["checkpoint"]).is_dir()
    assert Path(summary["run"]) == folder
    assert steps(folder) == [ROUNDS - 2, ROUNDS - 1, ROUNDS]
    assert json.loads((folder / "config.json").read_text())["versions"]["jax"] == jax.__version__


def test_metrics_have_one_line_per_round(finished):
    folder, summary = finished
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == list(range(1, ROUNDS + 1))
    tenth = ROUNDS // 10
    assert summary["return_first"] == pytest.approx(np.mean([line["return"] for line in lines[:tenth]]), rel=1e-5)
    assert summary["return_last"] == pytest.approx(np.mean([line["return"] for line in lines[-tenth:]]), rel=1e-5)
    low, high = summary["return_gain_ci95"]
    assert low <= summary["return_last"] - summary["return_first"] <= high
    assert summary["opponent_ce"] == pytest.approx(np.mean([line["opponent_ce"] for line in lines[-tenth:]]), rel=1e-5)


@pytest.mark.parametrize("config", [CONFIG, *PRESETS.values()])
def test_a_config_survives_its_file(config):
    text = json.dumps(config.as_json())
    assert from_json(json.loads(text)) == config
    assert from_json(json.loads(text)).fingerprint() == config.fingerprint()


def test_the_written_config_is_the_one_given(finished):
    assert read_config(finished[0]) == CONFIG


def test_fingerprints_tell_configs_apart():
    other = dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, seed=1))
    assert len(CONFIG.fingerprint()) == 8
    assert other.fingerprint() != CONFIG.fingerprint()


# Going on.


@pytest.mark.parametrize(
    ("game", "horizon", "least"),
    [
        ("prisoners_dilemma", 6, 6),
        ("commons_harvest_open", None, 1000),  # from then on it ends by chance
        ("commons_harvest_open", 7, 7),
        ("hidden_agenda", None, 1),  # whoever reaches a goal ends it
    ],
)
def test_what_needs_several_episodes_is_refused_where_a_round_may_hold_but_one(game, horizon, least):
    def staged(steps: int):
        network = NetworkConfig(episodes_per_memory=2)
        config = RunConfig((game,), horizon=horizon, train=TrainConfig(num_steps=steps, network=network))
        world, situations, _ = config.stage()
        return world, situations, config.train

    check_episodes(*staged(least + 2))
    with pytest.raises(UserError, match=f"several episodes .* of {least} steps at least"):
        check_episodes(*staged(least + 1))


@pytest.mark.parametrize("shown", [None, False, True])
def test_a_run_decides_who_can_be_told_apart(shown):
    _, situations, _ = RunConfig(("coins", "hidden_agenda"), show_identity=shown).stage()
    own = [declare(name).show_identity for name in ("coins", "hidden_agenda")]
    assert situations.show_identity.tolist() == (own if shown is None else [shown] * 2)
    if shown is not None:
        with pytest.raises(UserError, match=f"show_identity: {shown}; nobody is seen"):
            RunConfig(("chicken",), show_identity=shown).stage()


def test_a_finished_run_started_again_changes_nothing(finished, copied):
    before = fingerprints(copied)
    summary = run.train(copied, CONFIG)
    assert summary["state_sha256"] == finished[1]["state_sha256"]
    after = fingerprints(copied)
    assert {name for name in before if before[name] != after.get(name)} <= {"learning_curve.png"}
    assert set(after) == set(before)


class Process:
    """A run in a process of its own."""

    def __init__(self, script: str, folder: Path, compiling: dict):
        options = {name.upper(): str(value) for name, value in compiling.items()}
        command = ["train", *FLAGS, "--run", str(folder), "--quiet", "--json", "--no-compile-cache"]
        # Over more devices than here its sums would be rounded otherwise.
        here = {"JAX_PLATFORMS": jax.default_backend(), "JAX_NUM_CPU_DEVICES": "1"}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *command],
            env=os.environ | options | here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for_checkpoint_after(self, step: int) -> None:
        deadline = time.monotonic() + 240
        while not any(number > step for number in steps(self.folder)):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=240)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def interrupted(finished, compiling, tmp_path_factory):
    """The same run, killed, started again, asked to stop, and started again; with what was seen on the way."""
    folder = tmp_path_factory.mktemp("runs") / "interrupted"
    killed = Process(SAVE_EVERY_CHUNK, folder, compiling)
    killed.wait_for_checkpoint_after(1)
    killed.process.kill()
    seen = {"kill": (killed.end()[0], steps(folder))}
    code, errors = Process(STOP_ITSELF, folder, compiling).end()
    lines = len((folder / "metrics.jsonl").read_text().splitlines())
    seen["stop"] = (code, errors, steps(folder), lines)
    return folder, seen, run.train(folder, CONFIG)


def test_a_killed_run_dies_in_the_middle(interrupted):
    code, saved = interrupted[1]["kill"]
    assert code == -signal.SIGKILL
    assert 0 < saved[-1] < STOP


def test_a_stopped_run_saves_and_says_so(interrupted):
    """SIGTERM: the chunk in progress is finished and saved, and the exit code is the shell's for that signal."""
    code, errors, saved, lines = interrupted[1]["stop"]
    assert code == 128 + signal.SIGTERM
    assert lines == saved[-1] == STOP
    assert "SIGTERM" in errors
    assert "Traceback" not in errors


def test_an_interrupted_run_ends_like_an_uninterrupted_one(finished, interrupted):
    folder, _, summary = interrupted
    assert summary["state_sha256"] == finished[1]["state_sha256"]
    assert (folder / "metrics.jsonl").read_bytes() == (finished[0] / "metrics.jsonl").read_bytes()
    ours, theirs = (sorted(path.name for path in (run / "members").iterdir()) for run in (folder, finished[0]))
    assert ours == theirs
    for key in ("return_first", "return_last", "return_random", "opponent_ce", "opponent_kl", "return_gain_ci95"):
        assert summary[key] == finished[1][key]


def test_metrics_written_after_the_last_checkpoint_are_written_anew(finished, copied):
    """As if killed between metrics and checkpoint, in the middle of a line: nothing is doubled and nothing is lost."""
    shutil.rmtree(copied / "checkpoints" / f"step_{ROUNDS:08d}")
    metrics = copied / "metrics.jsonl"
    whole = metrics.read_bytes()
    metrics.write_bytes(whole[:-20])
    summary = run.train(copied, CONFIG)
    assert metrics.read_bytes() == whole
    assert summary["state_sha256"] == finished[1]["state_sha256"]


# Damage.


def test_any_damage_to_a_checkpoint_is_noticed(finished, tmp_path, capsys):
    """One flipped bit in any of its files: either it did not matter, or the checkpoint before is taken."""
    intact = checkpoint.restore(finished[0] / "checkpoints", template)
    assert intact is not None
    assert intact[0] == ROUNDS
    step = f"step_{ROUNDS:08d}"
    files = [path.relative_to(finished[0]) for path in contents(finished[0] / "checkpoints" / step)]
    fell_back = 0
    for number, name in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(finished[0] / "checkpoints", folder / "checkpoints")
        flip(folder / name)
        restored = checkpoint.restore(folder / "checkpoints", template)
        assert restored is not None
        assert restored[0] in (ROUNDS, ROUNDS - 1), name
        sha = checkpoint.read_manifest(folder / "checkpoints")[restored[0]]
        assert checkpoint.digest(restored[1]) == sha
        fell_back += restored[0] == ROUNDS - 1
    assert fell_back > 0
    assert capsys.readouterr().err.count("trying the one before") == fell_back


def test_a_damaged_run_goes_on_from_the_checkpoint_before(finished, copied, capsys):
    newest = copied / "checkpoints" / f"step_{ROUNDS:08d}"
    flip(max(contents(newest), key=lambda path: path.stat().st_size))
    summary = run.train(copied, CONFIG)
    assert "damaged" in (said := capsys.readouterr().err) or "cannot be read" in said
    assert summary["state_sha256"] == finished[1]["state_sha256"]
    assert (copied / "metrics.jsonl").read_bytes() == (finished[0] / "metrics.jsonl").read_bytes()
    restored = checkpoint.restore(copied / "checkpoints", template)
    assert restored is not None
    assert restored[0] == ROUNDS


def test_without_an_intact_checkpoint_nothing_is_restored(copied, capsys):
    for path in contents(copied / "checkpoints"):
        if path.name != checkpoint.MANIFEST:
            flip(path)
    assert checkpoint.restore(copied / "checkpoints", template) is None
    capsys.readouterr()
    assert "checkpoint" in refused(["eval", str(copied)], capsys)
    before = (copied / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match="holds checkpoints, and none can be read"):
        run.train(copied, CONFIG)
    assert (copied / "metrics.jsonl").read_bytes() == before


def test_a_manifest_line_cut_short_spoils_no_later_checkpoint(tmp_path):
    """A crash in the middle of a line of the manifest costs that checkpoint, not the next."""
    state = {"weights": np.arange(3.0, dtype=np.float32)}
    shape = jax.eval_shape(lambda: jax.tree.map(jax.numpy.asarray, state))
    checkpoint.save(tmp_path, 1, jax.tree.map(jax.numpy.asarray, state))
    with (tmp_path / checkpoint.MANIFEST).open("a") as manifest:
        manifest.write('{"step": 2, "sha2')
    checkpoint.save(tmp_path, 3, jax.tree.map(jax.numpy.asarray, state))
    restored = checkpoint.restore(tmp_path, lambda: shape)
    assert restored is not None
    assert restored[0] == 3


def test_the_digest_sees_every_part_of_a_state():
    state = {"a": jax.numpy.zeros(4), "b": jax.random.key(0)}
    others = [
        {"a": jax.numpy.zeros(4).at[2].set(1e-30), "b": jax.random.key(0)},
        {"a": jax.numpy.zeros((2, 2)), "b": jax.random.key(0)},
        {"a": jax.numpy.zeros(4, jax.numpy.int32), "b": jax.random.key(0)},
        {"a": jax.numpy.zeros(4), "b": jax.random.key(1)},
        {"c": jax.numpy.zeros(4), "b": jax.random.key(0)},
    ]
    assert len({checkpoint.digest(each) for each in (state, *others)}) == 6
    assert checkpoint.digest(state) == checkpoint.digest(dict(state))


# What is refused.


def refused(arguments: list[str], capsys) -> str:
    """Run a command that must fail as a user's mistake; returns the one sentence."""
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("softsim: ")
    return said


def test_another_config_in_the_same_folder_is_refused_and_nothing_changes(copied, capsys):
    before = fingerprints(copied)
    arguments = ["train", *FLAGS, "--hyper.gamma", "0.5", "--run", str(copied), "--quiet", "--no-compile-cache"]
    said = refused(arguments, capsys)
    assert "train.hyper.gamma was 0.99, now 0.5" in said
    assert fingerprints(copied) == before


def test_a_folder_of_something_else_is_refused_and_nothing_changes(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    said = refused(["train", *FLAGS, "--run", str(tmp_path), "--quiet", "--no-compile-cache"], capsys)
    assert str(tmp_path) in said
    assert fingerprints(tmp_path) == {"thesis.txt": hashlib.sha256(b"years of work").hexdigest()}


@pytest.mark.parametrize("below", ["", "deeper/run"])
def test_a_folder_that_cannot_be_made_is_refused(below, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("a file")
    refused(["train", *FLAGS, "--run", str(file / below), "--quiet", "--no-compile-cache"], capsys)
    assert file.read_text() == "a file"


def test_a_folder_that_may_not_be_entered_is_refused(tmp_path, capsys):
    """Somebody else's folder: not even its existence can be seen."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        with pytest.raises(UserError, match="run: "):
            run.prepare(locked / "run", CONFIG)
    finally:
        if root:
            os.seteuid(0)


JUNK = {
    "empty": b"",
    "list": b"[]",
    "no config": b"{}",
    "binary": b"\xff\xfe",
    "wrong kinds": b'{"config": {"train": 5}}',
}


@pytest.mark.parametrize("text", JUNK.values(), ids=JUNK.keys())
@pytest.mark.parametrize("command", ["train", "eval"])
def test_a_config_file_that_is_none_is_refused(command, text, tmp_path, capsys):
    (tmp_path / "config.json").write_bytes(text)
    if command == "train":
        refused(["train", *FLAGS, "--run", str(tmp_path), "--quiet", "--no-compile-cache"], capsys)
    else:
        refused(["eval", str(tmp_path)], capsys)
    assert (tmp_path / "config.json").read_bytes() == text


def test_outside_the_main_thread_signals_are_left_alone():
    """Python lets nobody else set handlers; a notebook's worker can train all the same."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with run.Stopper() as stopper:
                assert stopper.number == 0
        except BaseException as error:
            failures.append(error)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures
    assert signal.getsignal(signal.SIGTERM) is before
