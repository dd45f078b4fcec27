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
    """Draw what a step needs: the two words of its key, hashed into as many as it takes.

    Keys come out of threefry already. Once more, for a few words per environment, would be a tenth of a small step, and
    of what it takes to compile it.
    """
    word = noise.bits(jax.random.key_data(key)[-2:], (2 * num_agents + 2 * len(PURPOSES),))
    slot = jnp.arange(num_agents, dtype=jnp.uint32)
    pair = word[2 * num_agents :].reshape(-1, 2)
    return Draws(
        priority=(word[:num_agents] & ~jnp.uint32(255)) | (slot + 1),
        turn=word[num_agents : 2 * num_agents],
        seed={name: pair[i] for i, name in enumerate(PURPOSES)},
    )
