"""Training that is stopped half-way, saved, restored and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from softsim import checkpoint
from softsim.train import Program, TrainState


def resume(program: Program, folder: Path) -> tuple[TrainState, TrainState, dict[str, Any]]:
    """Do two chunks, the second of which from a checkpoint too, and check that this makes no difference, bit for bit.

    Returns:
        The first state, the last state, and the metrics of the last chunk.
    """
    cheap: Any = {"xla_backend_optimization_level": 0}
    template = jax.eval_shape(program.init)
    chunk = jax.jit(program.chunk, compiler_options=cheap).lower(template, program.situations).compile()
    first = jax.jit(program.init, compiler_options=cheap)()
    half, _ = chunk(first, program.situations)
    checkpoint.save(folder, 1, half)
    restored = checkpoint.restore(folder, lambda: template)
    assert restored is not None
    again, metrics_again = chunk(restored[1], program.situations)
    last, metrics = chunk(half, program.situations)
    assert checkpoint.digest((last, metrics)) == checkpoint.digest((again, metrics_again))
    return first, last, metrics
