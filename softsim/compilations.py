"""Compiled programs on disk, so that a second start of the same run neither traces nor compiles them.

JAX's own cache spares it compiling only, and tracing a round takes longer than all else of such a start. Whoever can
write to the folder can run code here: its files hold machine code, and a pickle around it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import pickle
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

from softsim.machine import cores, on_accelerator

ROOM = 64
"""Files that are kept; those that were not used for longest make room for new ones."""

LEVEL = "xla_backend_optimization_level"

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")
"""What, besides this library, has a say in what is computed and in the classes it comes in."""


def folder_of_user() -> Path | None:
    """Make a folder which only the user can read and write; nothing if it cannot be made."""
    folder = Path.home() / ".cache" / "softsim" / "compiled"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def options(quickly: bool = False) -> dict[str, Any] | None:
    """How XLA compiles programs of training; None if as it does by itself, or as `XLA_FLAGS` says.

    On a CPU at level 2: there rounds run as fast as at level 3, its default, and compile in 60 % of the time.

    Args:
        quickly: as suits what runs once. Random numbers, each draw of which is a kernel of hundreds of operations, take
            a third of the time to compile at level 1.
    """
    if LEVEL in os.environ.get("XLA_FLAGS", "") or (on_accelerator() and not quickly):
        return None
    return {LEVEL: 1 if quickly else 2}


class Shelf:
    """The compiled programs of one run: each under what it computes, and a note, under the run's name, where it is.

    So equal programs of several runs are compiled once, and a run that was here before need not ask what it computes.
    Where JAX's own cache is on, that one is used instead.

    Args:
        folder: where they are kept; if there is none, every program is compiled anew.
        config: of the run, and what else it is made from, as JSON.
    """

    def __init__(self, folder: Path | None = None, config: Any = None):
        settings: Any = jax.config
        # What comes from JAX's cache does not work once it is written again (jaxlib 0.10.2 on a CPU).
        self.folder = None if settings.jax_compilation_cache_dir else folder
        self.maker = digest([code(), surroundings()]) if self.folder else ""
        self.run = digest([config, self.maker]) if self.folder else ""

    def ready(self, name: str, lower: Callable[[], jax.stages.Lowered], quickly: bool = False) -> jax.stages.Compiled:
        """Take a program from the shelf, or compile what `lower` gives and put it there.

        Args:
            name: of the program, among those of its run.
            quickly: compile it with less care, as suits what runs once.
        """
        how = options(quickly)
        if self.folder is None:
            return lower().compile(how)
        note = self.folder / f"{name}-{self.run}"
        found = read(note).decode()
        program = self.load(self.folder / found) if found else None
        if program is not None:
            return program
        lowered = lower()
        text = lowered.as_text()
        # The text says nothing of the classes that arguments and results come in, and another version's are others.
        trees = [str(lowered.in_tree), str(lowered.out_tree)]
        path = self.folder / f"program-{digest([text, trees, how, self.maker])}"
        program = self.load(path)
        if program is None:
            program = lowered.compile(how)
            self.save(path, program)
        # What a program calls in libraries is found when it is lowered, so that it has to be.
        if "custom_call" not in text:
            write(note, path.name.encode())
        return program

    def load(self, path: Path) -> jax.stages.Compiled | None:
        """Read a program; nothing if there is none, or it is damaged."""
        content = read(path)
        try:
            count, parts = pickle.loads(content)
            return serialize_executable.deserialize_and_load(*parts, execution_devices=jax.devices()[:count])
        except Exception:  # no reason to stop: it is compiled anew
            return None

    def save(self, path: Path, program: jax.stages.Compiled) -> None:
        """Write a program, if that can be done."""
        try:
            count = max(len(each.device_set) for each in jax.tree.leaves(program.output_shardings))
            content = pickle.dumps((count, serialize_executable.serialize(program)))
        except Exception:  # no reason to stop: the next start compiles it again
            return
        write(path, content)


def digest(described: Any) -> str:
    """SHA-256 of JSON."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> bytes:
    """What `write` wrote, and note that it was used; nothing if it is not there, or not as it was written."""
    try:
        data = path.read_bytes()
        path.touch()
    except OSError:
        return b""
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else b""


def write(path: Path, content: bytes) -> None:
    """Write a file with its digest, if that can be done, and remove those that were not used for longest."""
    with contextlib.suppress(OSError):
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)
        unfinished.replace(path)
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)[:-ROOM]:
            old.unlink(missing_ok=True)


def code() -> str:
    """SHA-256 of this library."""
    sha = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        sha.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def surroundings() -> list[Any]:
    """What compiled programs depend on besides what they compute: versions, settings, devices and processors."""
    versions = [platform.python_version(), *map(importlib.metadata.version, PACKAGES)]
    settings = sorted((name, repr(value)) for name, value in jax.config.values.items())
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    devices = [[device.id, device.device_kind, device.client.platform_version] for device in jax.devices()]
    return [versions, settings, flags, devices, processor()]


def processor() -> list[Any]:
    """What machine code depends on of the processor: its kind, what it can do, and how many of it there are."""
    described = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        described += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        pass
    return [*described, cores()]
