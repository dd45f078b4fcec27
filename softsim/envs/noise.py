"""Counter-based random bits: one 32-bit word per cell from a hash of its index, far cheaper than threefry.

The mixer is lowbias32 (C. Wellons, "Prospecting for hash functions", 2018), applied to the counter twice with a
seed word in between. Seeds come from `jax.random`, fresh each step and purpose. Good enough for dynamics, not for
cryptography; everything with few draws uses `jax.random` itself.
"""

from __future__ import annotations

import jax.numpy as jnp

from softsim.types import Array

PROBABILITY_ONE = 2.0**31


def mix(word: Array) -> Array:
    """Scramble uint32 words one to one."""
    word = word ^ (word >> 16)
    word = word * jnp.uint32(0x7FEB352D)
    word = word ^ (word >> 15)
    word = word * jnp.uint32(0x846CA68B)
    return word ^ (word >> 16)


def bits(seed: Array, shape: tuple[int, ...]) -> Array:
    """Draw uint32 words of the given shape from a seed, [2] uint32."""
    size = 1
    for axis in shape:
        size *= axis
    counter = jnp.arange(size, dtype=jnp.uint32).reshape(shape)
    return mix(mix(counter + seed[0]) ^ seed[1])


def threshold(probability: Array) -> Array:
    """Turn a probability in [0, 1] into the uint32 bound of `happens`; exact at 0 and 1."""
    return (jnp.clip(probability, 0.0, 1.0) * PROBABILITY_ONE).astype(jnp.uint32)


def happens(word: Array, bound: Array) -> Array:
    """Decide by the upper 31 bits of a word: true with the probability that `threshold` encoded."""
    return (word >> 1) < bound


def choice(word: Array, count: Array) -> Array:
    """Pick an index below `count` (uint32, at most 2**16) by a word, even one that `happens` has already judged."""
    return ((mix(word) & 0xFFFF) * count) >> 16
