"""Whole training states on disk: written by Orbax, checked by digest, restored only into the tree we expect.

Orbax commits a step atomically but does not notice flipped bits, so a manifest beside the steps holds the SHA-256 of
every state; what does not match is passed over for the newest one that does.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from softsim.types import PyTree

MANIFEST = "manifest.jsonl"
KEEP = 3


def digest(state: PyTree) -> str:
    """SHA-256 of a state: paths, dtypes, shapes and bytes of all leaves."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def orbax() -> Any:
    """The module; importing it takes as long as half of what else a start imports, and most starts restore nothing."""
    from orbax.checkpoint import v1

    return v1


def save(folder: Path, step: int, state: PyTree) -> Path:
    """Write the state of one step, note its digest, and drop all but the newest `KEEP` steps.

    Args:
        folder: of the run's checkpoints; made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / f"step_{step:08d}").resolve()
    orbax().save(path, state, overwrite=True)
    with (folder / MANIFEST).open("a") as manifest:
        # A line of its own even after one that a crash cut short.
        manifest.write("\n" + json.dumps({"step": step, "sha256": digest(state)}) + "\n")
    for old in sorted(folder.glob("step_*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def restore(folder: Path, template: Callable[[], PyTree]) -> tuple[int, PyTree, Path] | None:
    """Load the newest intact state.

    Args:
        template: gives the expected tree, as from `jax.eval_shape`, if there is something to restore; nothing of the
            file decides the structure.

    Returns:
        The step, the state and where it was, or None if the folder holds none.
    """
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    place = lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)  # noqa: E731
    for step, sha in sorted(read_manifest(folder).items(), reverse=True):
        path = (folder / f"step_{step:08d}").resolve()
        if not path.is_dir():
            continue
        abstract = jax.tree.map(place, template())
        try:
            state = orbax().load(path, abstract)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            print(f"checkpoint {path.name} cannot be read ({reason}); trying the one before.", file=sys.stderr)
            continue
        if digest(state) == sha:
            return step, state, path
        print(f"checkpoint {path.name} is damaged (digest differs); trying the one before.", file=sys.stderr)
    return None


def read_manifest(folder: Path) -> dict[int, str]:
    """Digest by step; a line cut short by a crash is passed over."""
    digests = {}
    manifest = folder / MANIFEST
    for line in manifest.read_text().splitlines() if manifest.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        digests[int(row["step"])] = row["sha256"]
    return digests
