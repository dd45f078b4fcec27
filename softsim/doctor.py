"""Look over an installation: what is installed, what it runs on, and whether a compiled step works here.

Nothing that is missing makes it fail; what may cause trouble becomes one line of advice.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import softsim
from softsim.types import Array

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "chex",
    "matplotlib",
    "psutil",
    "rich",
    "tyro",
)
PROBE, PROBE_ENVS = "coins", 64


def examine() -> dict[str, Any]:
    """Find out what there is to know; some ten seconds, most of them compilation. All values are JSON's.

    A value is None where it could not be found out. `advice` holds one sentence per likely trouble.
    """
    settings: Any = jax.config
    report: dict[str, Any] = {
        "softsim": softsim.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) for name in PACKAGES},
        "device": examine_device(),
        "cores": cores(),
        "memory": examine_memory(),
        "prng": {
            "default": str(settings.jax_default_prng_impl),
            "partitionable": bool(settings.jax_threefry_partitionable),
        },
        "compile_cache": settings.jax_compilation_cache_dir or None,
        "jit": not settings.jax_disable_jit,
        "folder": {"path": str(Path.cwd()), "writable": is_writable(Path.cwd())},
        "probe": attempt(probe),
    }
    return report | {"advice": advise(report)}


def explain(report: dict[str, Any]) -> str:
    """Say a report in plain lines, the advice last."""
    device, memory, probed = report["device"], report["memory"], report["probe"]
    packages = ", ".join(f"{name} {number}" for name, number in report["packages"].items() if number)
    lines = [
        ("softsim", f"{report['softsim']} on Python {report['python']}, {report['system']}"),
        ("packages", packages),
        ("device", "none found" if device is None else "{count} x {kind} ({platform})".format(**device)),
        ("memory", f"{gigabytes(memory['free'])} free of {gigabytes(memory['total'])}"),
        ("cores", f"{report['cores']}"),
        ("random numbers", report["prng"]["default"]),
        ("compile cache", report["compile_cache"] or "off in this process; `softsim train` keeps one"),
        ("folder", f"{report['folder']['path']} ({'' if report['folder']['writable'] else 'not '}writable)"),
    ]
    if memory["device_total"] is not None:
        free, total = gigabytes(memory["device_free"]), gigabytes(memory["device_total"])
        lines.append(("device memory", f"{free} free of {total}"))
    if probed is not None:
        lines += [
            ("compiled step", f"works: {probed['game']} took {probed['compile_s']:.1f} s to compile"),
            ("speed", f"{probed['env_steps_per_s']:,.0f} env-steps/s, {probed['num_envs']} at a time"),
            ("without jit", f"{probed['slower_without_jit']:,.0f} times slower: step inside jax.jit"),
        ]
    width = max(len(name) for name, _ in lines) + 2
    text = [name.ljust(width) + value for name, value in lines]
    return "\n".join([*text, *(f"! {sentence}" for sentence in report["advice"] or ())])


def advise(report: dict[str, Any]) -> list[str]:
    """Say what is likely to cause trouble, one sentence each."""
    said = []
    if not report["prng"]["default"].startswith("threefry"):
        said.append(
            f"jax_default_prng_impl is {report['prng']['default']!r}, with which a member no longer equals "
            f"itself in a crowd; unset it, so that keys are threefry."
        )
    missing = [name for name, number in report["packages"].items() if number is None]
    if missing:
        said.append(f"Not installed: {', '.join(missing)}; installing softsim again brings them.")
    if not report["jit"]:
        said.append("jax_disable_jit is on, so nothing is compiled; unset it unless you are debugging.")
    if report["device"] is None:
        said.append("jax finds no device; its own message says why: `python -c 'import jax; jax.devices()'`.")
    if report["probe"] is None:
        said.append("A compiled step of a small world failed; `softsim bench env --games coins` shows how.")
    if not report["folder"]["writable"]:
        said.append(f"folder: {report['folder']['path']} is not writable; run where a run folder can be made.")
    return said


def attempt(function: Callable[[], Any]) -> Any:
    """Call, and return None if it fails for any reason: a report on a broken installation is most wanted."""
    try:
        return function()
    except Exception:
        return None


def version(package: str) -> str | None:
    """Find the installed version of a package, without importing it."""
    return attempt(lambda: importlib.metadata.version(package))


def cores() -> int | None:
    """Count the cores this process may use."""
    return attempt(lambda: len(os.sched_getaffinity(0))) or os.cpu_count()


def examine_device() -> dict[str, Any] | None:
    devices = attempt(jax.devices)
    if not devices:
        return None
    return {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)}


def examine_memory() -> dict[str, int | None]:
    """Find total and free bytes, of the machine and of the first device where it has memory of its own."""
    machine = attempt(machine_memory)
    device = attempt(lambda: jax.devices()[0].memory_stats()) or {}
    total, used = device.get("bytes_limit"), device.get("bytes_in_use")
    return {
        "total": getattr(machine, "total", None),
        "free": getattr(machine, "available", None),
        "device_total": total,
        "device_free": None if total is None or used is None else total - used,
    }


def machine_memory() -> Any:
    import psutil

    return psutil.virtual_memory()


def probe() -> dict[str, Any]:
    """Step a small world, many side by side, compiled and not."""
    from softsim.envs import make

    world, params = make(PROBE)
    key, key_step = jax.random.split(jax.random.key(0), (2, PROBE_ENVS))
    action = jnp.zeros((PROBE_ENVS, world.num_agents), jnp.int32)
    state, _ = jax.jit(jax.vmap(world.reset, in_axes=(0, None)))(key, params)
    step = jax.vmap(world.step, in_axes=(0, None, 0, 0))
    start = time.perf_counter()
    program = jax.jit(step).lower(key_step, params, state, action).compile()
    compile_s = time.perf_counter() - start
    with_jit = seconds(program, key_step, params, state, action)
    without_jit = seconds(step, key_step, params, state, action)
    return {
        "game": PROBE,
        "num_envs": PROBE_ENVS,
        "compile_s": compile_s,
        "env_steps_per_s": PROBE_ENVS / with_jit,
        "slower_without_jit": without_jit / with_jit,
    }


def seconds(function: Callable[..., Any], key: Array, *arguments: Any) -> float:
    """Time one call: the shortest of a few, after one that may compile. Every call draws the same."""
    spent = []
    for _ in range(4):
        copy = jax.random.clone(key)
        start = time.perf_counter()
        jax.block_until_ready(function(copy, *arguments))
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


def is_writable(folder: Path) -> bool:
    """Try to make a file in a folder; permission bits do not tell the whole truth."""
    return bool(attempt(lambda: tempfile.TemporaryFile(dir=folder).close() or True))


def gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"
