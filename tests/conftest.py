"""JAX as strict as it can be, and on the CPU unless JAX_PLATFORMS says otherwise.

No compilation cache is shared between runs: a test must not pass because of what an earlier one compiled.
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_debug_key_reuse", True)
