"""JAX as strict as it can be, and on the CPU unless JAX_PLATFORMS says otherwise.

No compilation cache is shared between runs: a test must not pass because of what an earlier one compiled.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_debug_key_reuse", True)


def pytest_configure(config):
    """Compile fast in a normal run, where most of the time is compilation; slow tests run what users run."""
    if config.option.markexpr == "not slow":
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()
    jax.devices()  # from now on they are one: a command that a test calls would ask for one per core


MAPS, MOST_MAPS = Path("/proc/self/maps"), 20_000
"""A compiled program takes hundreds of memory mappings; Linux gives a process 65,530, and long runs came to 40,000."""


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Drop what earlier files compiled before there are too many."""
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


LONGEST = ("test_run.py", "test_cli.py", "test_rollout.py", "test_bench.py", "test_every_game.py", "test_contract.py")
"""Files that take longest, so that no worker is left with one of them when the others are done."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
