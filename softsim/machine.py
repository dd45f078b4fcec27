"""What the device can do at best, measured, and what a compiled program asks of it.

A measured rate next to these says how far from the machine's limit a program is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from softsim.types import Array

COPY_BYTES = {"cpu": 1 << 27, "gpu": 1 << 31}
"""Size of the array that is copied, far beyond any cache."""

MATRIX_SIZE = {"cpu": 1024, "gpu": 8192}

MIX_WORDS, MIX_ROUNDS = 1 << 20, 256

REPEATS = 5


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread_over_cores() -> None:
    """Make every core of a CPU a device of its own, over which populations are spread; accelerators stay as they are.

    To be called before JAX looks for devices. Nothing changes later than that, or where `JAX_NUM_CPU_DEVICES` or
    `XLA_FLAGS` says how many devices there are to be.
    """
    settings: Any = jax.config
    if settings.jax_num_cpu_devices < 0 and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):
            settings.update("jax_num_cpu_devices", cores())


def on_accelerator() -> bool:
    """Whether what is traced now is meant for something else than a CPU. Results do not depend on it, speed does."""
    return jax.default_backend() != "cpu"


def by_platform(sizes: dict[str, int]) -> int:
    """The size for the platform in use; whatever is no CPU counts as a GPU."""
    return sizes["gpu" if on_accelerator() else "cpu"]


def seconds_of(step: Callable[[Any], Any], value: Any) -> float:
    """Median seconds of `step`, whose result it is called with again."""
    step = jax.jit(step, donate_argnums=0)
    value, seconds = jax.block_until_ready(step(value)), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        value = jax.block_until_ready(step(value))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@functools.cache
def copy_rate() -> float:
    """Bytes per second, read and written, of a pass over a large array."""
    words = by_platform(COPY_BYTES) // 4
    return 2 * 4 * words / seconds_of(lambda array: array + jnp.uint32(1), jnp.zeros(words, jnp.uint32))


@functools.cache
def arithmetic_rate() -> float:
    """Integer operations per second of code that touches no memory: a chain of shifts, xors and products."""

    def mix(words: Array) -> Array:
        def turn(_, word):
            word = (word ^ (word >> 15)) * jnp.uint32(0x2C1B3C6D)
            return (word ^ (word >> 12)) * jnp.uint32(0x297A2D39)

        return jax.lax.fori_loop(0, MIX_ROUNDS, turn, words, unroll=16)

    return 6 * MIX_ROUNDS * MIX_WORDS / seconds_of(mix, jnp.arange(MIX_WORDS, dtype=jnp.uint32))


@functools.cache
def matrix_rate() -> float:
    """Floating-point operations per second of a float32 matrix product at JAX's default precision."""
    size = by_platform(MATRIX_SIZE)
    spent = seconds_of(lambda a: jnp.tanh(a @ a), jnp.full((size, size), 1.0 / size, jnp.float32))
    return 2 * size**3 / spent


def memory_free() -> int | None:
    """Bytes that may be had: of the device where it tells, else of the machine; None where neither is known."""
    told = jax.devices()[0].memory_stats()
    if told and "bytes_limit" in told:
        return told["bytes_limit"] - told.get("bytes_in_use", 0)
    try:
        import psutil
    except ImportError:
        return None
    return psutil.virtual_memory().available


def memory_of(program: Any, devices: int = 1) -> int:
    """Bytes that a compiled program holds at most while it runs: what goes in, comes out and lies in between.

    That is of one accelerator; of the cores of a CPU, of which `devices` run it, it is of them all, as they share it.
    """
    told = program.memory_analysis()
    sizes = told.argument_size_in_bytes + told.output_size_in_bytes - told.alias_size_in_bytes
    return (sizes + told.temp_size_in_bytes) * (1 if on_accelerator() else devices)
