"""The random words of one step."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.envs import noise
from softsim.types import Array, struct

PURPOSES = (
    *("place", "grow", "emerge", "decay", "enter", "strike", "scatter", "income", "trick", "nature", "start", "end"),
)


@struct
class Draws:
    """The random words of one step, one draw cut by purpose."""

    priority: Array  # [A] uint32   distinct, above 0: who wins a contest
    turn: Array  # [A] uint32   headings of those who return
    seed: dict[str, Array]  # [2] uint32 per purpose: seeds of hashed draws


def draw(key: Array, num_agents: int) -> Draws:
    """Draw what a step needs: two words of threefry, hashed into as many as it takes.

    Threefry of a few words per environment is unrolled by the compiler, and took a tenth of its time each.
    """
    word = noise.bits(jax.random.bits(key, (2,), jnp.uint32), (2 * num_agents + 2 * len(PURPOSES),))
    slot = jnp.arange(num_agents, dtype=jnp.uint32)
    pair = word[2 * num_agents :].reshape(-1, 2)
    return Draws(
        priority=(word[:num_agents] & ~jnp.uint32(255)) | (slot + 1),
        turn=word[num_agents : 2 * num_agents],
        seed={name: pair[i] for i, name in enumerate(PURPOSES)},
    )
