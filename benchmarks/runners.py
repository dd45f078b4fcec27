"""Peers in processes of their own, asked for one repeat at a time, so that ours and theirs can take turns.

A machine whose rate drifts then slows both, and the ratio of a turn hardly feels it.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RUNNERS = Path(__file__).parent / "peers"


class PeerError(Exception):
    """A peer is not there, or did not answer; says why in one sentence."""


@contextlib.contextmanager
def runner(
    command: Sequence[str], timeout: float
) -> Iterator[tuple[Callable[[], dict[str, Any]], Callable[[], float]]]:
    """Start a runner, which compiles at once: what waits for its facts, to be called first, and what then plays one
    repeat and returns its environment steps per second.

    Raises:
        PeerError: it failed, did not answer, or was not done after `timeout` seconds, in which ours has its turns too.
    """
    late = threading.Event()
    with tempfile.TemporaryFile("w+") as said, started(command, said) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def stop():
            late.set()
            process.kill()

        def answer():
            for line in stdout:
                if line.startswith("{"):
                    return json.loads(line)
            code = process.wait()
            if late.is_set():
                raise PeerError(f"took longer than {timeout:g} s.")
            said.seek(0)
            lines = [line for line in said if line.strip()] or ["nothing was said"]
            raise PeerError(f"failed with exit code {code}: {lines[-1].strip()[:200]}" if code else "answered nothing.")

        def repeat():
            with contextlib.suppress(BrokenPipeError):  # it has ended, as the lack of an answer will tell
                stdin.write("\n")
                stdin.flush()
            return answer()["env_steps_per_s"]

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            yield answer, repeat
        finally:
            timer.cancel()
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()


def started(command: Sequence[str], said: Any) -> subprocess.Popen[str]:
    """Start a runner in its own environment, what it says of errors going to a file."""
    env: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"},
        "MALLOC_MMAP_MAX_": "0",  # freed memory is kept, in their favour
        "MALLOC_TRIM_THRESHOLD_": str(2**40),
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True, env=env)


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median, the least and the most."""
    return {name: statistics.median(values), f"{name}_min": min(values), f"{name}_max": max(values)}
