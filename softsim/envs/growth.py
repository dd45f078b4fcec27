"""What appears, spreads and decays."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.params import Decay, Emergence, Growth
from softsim.types import Array


def live_neighbours(cell: Array, item: Array, near: Array, neighbours: tuple[tuple[int, int], ...]) -> Array:
    """Count, for every cell, the neighbours that hold `item`.

    Args:
        cell: [H, W] uint8; item: [] uint8.
        near: [O] uint8, 1 for the offsets that count; neighbours: the O (row, column) offsets.
    """
    height, width = cell.shape
    margin = max((max(abs(r), abs(c)) for r, c in neighbours), default=0)
    live = jnp.pad((cell == item).astype(jnp.uint8), margin)
    count = jnp.zeros_like(cell)
    for o, (r, c) in enumerate(neighbours):
        count = count + near[o] * live[margin + r : margin + r + height, margin + c : margin + c + width]
    return count


def slowdown(growth: Growth, law: int, site: Array, cell: Array) -> Array:
    """Factor in [0, 1] by which a law is slowed: 1 up to `slow_low`, 0 from `slow_high` on, linear between."""
    total, low, high = growth.slow_total[law], growth.slow_low[law], growth.slow_high[law]
    covers = (cell == growth.slow_item[law]) & (site == growth.slow_site[law])
    fraction = covers.sum(dtype=jnp.int32).astype(jnp.float32) / jnp.maximum(total, 1.0)
    between = (high - fraction) / jnp.where(high > low, high - low, 1.0)
    factor = jnp.where(fraction <= low, 1.0, jnp.where(fraction >= high, 0.0, between))
    return jnp.where(total > 0, factor, 1.0)


def grow(
    growth: Growth,
    site: Array,
    cell: Array,
    free: Array,
    seed: Array,
    num_crowds: int,
    neighbours: tuple[tuple[int, int], ...],
    slow: bool,
) -> Array:
    """Bring items to free cells, each with its own probability.

    Args:
        site, cell: [H, W] uint8; free: [H, W] bool cells without an agent; seed: [2] uint32.
        num_crowds: how many of the laws, from the first, look at their neighbours.
        slow: whether any law is slowed by a covered site.

    Returns:
        [H, W] uint8 the cells after growth. A cell has one site, hence at most one law.
    """
    word = noise.bits(seed, cell.shape)
    grown = cell
    for law in range(growth.site.shape[0]):
        factor = slowdown(growth, law, site, cell) if slow else 1.0
        bound = noise.threshold(growth.rate[law] * factor)
        chance = bound[0]
        if law < num_crowds:
            count = live_neighbours(cell, growth.item[law, 0], growth.near[law], neighbours)
            chance = jnp.where(count == 0, bound[0], jnp.where(count == 1, bound[1], bound[2]))
            chance = jnp.where(count >= 3, bound[3], chance)
        item = growth.item[law, 0]
        if growth.item.shape[1] > 1:
            chosen = noise.choice(word, growth.num_choices[law])
            for c in range(1, growth.item.shape[1]):  # a chain of selects fuses; a gather per cell does not
                item = jnp.where(chosen == c, growth.item[law, c], item)
        here = (site == growth.site[law]) & (cell == growth.over[law]) & free
        grown = jnp.where(here & noise.happens(word, chance), item, grown)
    return grown


def emerge(emergence: Emergence, site: Array, cell: Array, free: Array, seed: Array, step: Array) -> Array:
    """Put each law's item in turn, with its probability, on one random free cell of its site."""
    index = jnp.arange(cell.size, dtype=jnp.int32).reshape(cell.shape)
    for law in range(emergence.site.shape[0]):
        law_seed = seed + jnp.array([0, law], jnp.uint32)
        here = (site == emergence.site[law]) & (cell == emergence.over[law]) & free
        # The free cell of the greatest word; of equal words the first. Two plain reductions beat one argmax.
        ticket = jnp.where(here, noise.bits(law_seed, cell.shape), jnp.uint32(0))
        chosen = jnp.where(here & (ticket == ticket.max()), index, cell.size).min()
        word = noise.mix(law_seed[0] ^ noise.mix(law_seed[1]))
        happens = noise.happens(word, noise.threshold(emergence.rate[law])) & (step > emergence.after[law])
        cell = jnp.where((index == chosen) & happens, emergence.item[law], cell)
    return cell


def decay(law: Decay, cell: Array, seed: Array) -> Array:
    """Turn each item into what it decays to, with its probability."""
    bound = noise.threshold(law.rate)[cell]
    return jnp.where(noise.happens(noise.bits(seed, cell.shape), bound), law.into[cell], cell)
