"""What appears, spreads and decays."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.params import Decay, Emergence, Growth, Income, Scatter
from softsim.envs.spec import WorldSpec
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


def census(growth: Growth, law: int, cell: Array) -> Array:
    """Factor by which a law is faster the more cells hold what it counts: their number, or 1 where it does not."""
    held = (cell == growth.count_item[law, 0]) | (cell == growth.count_item[law, 1])
    return jnp.where(growth.counts[law], held.sum(dtype=jnp.int32).astype(jnp.float32), 1.0)


def commonest(growth: Growth, cell: Array) -> Array:
    """Share, in [0, 1], of the commonest among the kinds that the laws count; 0 where nothing is counted."""
    kinds = range(growth.site.shape[0])
    count = jnp.stack([jnp.where(growth.counts[law], census(growth, law, cell), 0.0) for law in kinds])
    return count.max() / jnp.maximum(count.sum(), 1.0)


def grow(spec: WorldSpec, growth: Growth, site: Array, cell: Array, age: Array, free: Array, seed: Array) -> Array:
    """Bring items to cells, each with its own probability.

    Args:
        site, cell: [H, W] uint8; age: [H, W] uint8 or empty; free: [H, W] bool cells without an agent.
        seed: [2] uint32.

    Returns:
        [H, W] uint8 the cells after growth. The laws that a cell meets exclude each other.
    """
    word = noise.bits(seed, cell.shape)
    grown, taken = cell, jnp.uint32(0)
    for law in range(growth.site.shape[0]):
        factor = slowdown(growth, law, site, cell) if spec.has("slow") else 1.0
        factor = factor * census(growth, law, cell) if spec.has("count") else factor
        bound = noise.threshold(growth.rate[law] * factor)
        chance = bound[0]
        if law < spec.num_crowds:
            count = live_neighbours(cell, growth.item[law, 0], growth.near[law], spec.neighbours)
            chance = jnp.where(count == 0, bound[0], jnp.where(count == 1, bound[1], bound[2]))
            chance = jnp.where(count >= 3, bound[3], chance)
        item = growth.item[law, 0]
        if growth.item.shape[1] > 1:
            chosen = noise.choice(word, growth.num_choices[law])
            for c in range(1, growth.item.shape[1]):  # a chain of selects fuses; a gather per cell does not
                item = jnp.where(chosen == c, growth.item[law, c], item)
        here = (site == growth.site[law]) & (cell == growth.over[law]) & (free | growth.under[law])
        if spec.has("age"):
            here = here & (age >= growth.ripe[law])
        if spec.has("rivals"):  # laws of one cell have intervals of the draw one after another
            grown = jnp.where(here & (word >> 1 >= taken) & noise.happens(word, taken + chance), item, grown)
            taken = taken + jnp.where(here, chance, jnp.uint32(0))
        else:
            grown = jnp.where(here & noise.happens(word, chance), item, grown)
    return grown


def emerge(
    spec: WorldSpec, law: Emergence, site: Array, cell: Array, free: Array, seed: Array, step: Array, pending: Array
) -> tuple[Array, Array]:
    """Let each law in turn try to put its item on one random free cell of its site.

    A law tries once a step, if it does so every step, and once for every try that is waiting in `pending` [M], of
    which `burst` count in one step and the others wait on.

    Returns:
        [H, W] uint8 cells, [M] int32 tries still waiting.
    """
    index = jnp.arange(cell.size, dtype=jnp.int32).reshape(cell.shape)

    def bring(cell, each):
        law, waiting, number = each
        law_seed = jnp.stack([seed[0], seed[1] + number])
        ticket, first = noise.bits(law_seed, cell.shape), noise.mix(law_seed[0] ^ noise.mix(law_seed[1]))
        tries = (law.every_step & (step > law.after)).astype(jnp.int32) + waiting

        def attempt(turn, running):
            cell, word = running
            here = (site == law.site) & (cell == law.over) & free
            # The free cell of the greatest word; of equal words the first. Two plain reductions beat one argmax.
            bid = jnp.where(here, ticket, jnp.uint32(0))
            chosen = jnp.where(here & (bid == bid.max()), index, cell.size).min()
            happens = noise.happens(word, noise.threshold(law.rate)) & (turn < tries)
            if spec.has("cap"):
                happens = happens & ((cell == law.item).sum(dtype=jnp.int32) < law.cap)
            cell = jnp.where((index == chosen) & happens, law.item, cell)
            return cell, noise.mix(word + turn.astype(jnp.uint32) + 1)

        return jax.lax.fori_loop(0, spec.burst, attempt, (cell, first))[0], None

    num_laws = law.site.shape[0]
    waiting = pending if spec.has("spores") else jnp.zeros(num_laws, jnp.int32)
    cell = jax.lax.scan(bring, cell, (law, waiting, jnp.arange(num_laws, dtype=jnp.uint32)))[0]
    return cell, jnp.maximum(pending - spec.burst, 0) if spec.has("spores") else pending


def decay(law: Decay, cell: Array, age: Array, blight: Array, seed: Array) -> Array:
    """Turn each item into what it decays to, with its probability or that of a blight, whichever is greater.

    Args:
        age: [H, W] uint8, or empty where no law waits; blight: [I] float32, or empty.
    """
    bound = noise.threshold(law.rate)[cell]
    if age.size:
        bound = jnp.where(age >= law.ripe[cell], bound, jnp.uint32(0))
    if blight.size:
        bound = jnp.maximum(bound, noise.threshold(blight)[cell])
    return jnp.where(noise.happens(noise.bits(seed, cell.shape), bound), law.into[cell], cell)


def income(law: Income, cell: Array, tenure: Array, stake: Array, seed: Array, num_agents: int) -> Array:
    """What owned cells pay their owners in this step, [A] float32."""
    bound = jnp.where(tenure >= law.ripe[cell], noise.threshold(law.rate)[cell], jnp.uint32(0))
    pays = noise.happens(noise.bits(seed, cell.shape), bound)
    amount = jnp.where(pays, law.amount[cell], 0.0).reshape(-1)
    owned = (stake[None] >> jnp.arange(num_agents, dtype=jnp.uint32)[:, None]) & 1 == 1
    return jnp.where(owned, amount[None], 0.0).sum(1)


def scatter(spec: WorldSpec, law: Scatter, site: Array, cell: Array, free: Array, seed: Array) -> Array:
    """Draw what lies on the map when an episode starts, [H, W] uint8.

    Args:
        site, cell: [H, W] uint8; free: [H, W] bool cells without an agent; seed: [2] uint32.
    """
    word = noise.bits(seed, cell.shape)
    uniform = (word >> 8).astype(jnp.float32) / 2.0**24
    drawn, taken = cell, jnp.zeros(cell.shape, bool)
    for s in range(law.site.shape[0]):
        here = (site == law.site[s]) & (uniform >= law.low[s]) & (uniform < law.high[s])
        if spec.has("lot"):
            lot = draw_cells(word, (site == law.site[s]) & free & ~taken, law.count[s], spec.lot)
            here = jnp.where(law.count[s] < 0, here, lot)
            taken = taken | here
        item = law.item[s, 0]
        for c in range(1, law.item.shape[1]):
            item = jnp.where(noise.choice(word, law.num_choices[s]) == c, law.item[s, c], item)
        drawn = jnp.where(here, item, drawn)
    return drawn


def draw_cells(word: Array, allowed: Array, count: Array, most: int) -> Array:
    """Choose so many of the allowed cells at random, or all if there are not as many: [H, W] bool.

    Args:
        word: [H, W] uint32 random words; allowed: [H, W] bool; count: [] int32, at least 0 and at most `most`.
    """
    size = word.size
    index = jnp.arange(1, size + 1, dtype=jnp.uint32).reshape(word.shape)
    ticket = (word & ~jnp.uint32((1 << size.bit_length()) - 1)) | index  # distinct, and above 0

    def draw(turn, bid):  # one after another, which for a few is far cheaper than sorting all
        return jnp.where((bid == bid.max()) & (turn < count), jnp.uint32(0), bid)

    return allowed & (jax.lax.fori_loop(0, most, draw, jnp.where(allowed, ticket, jnp.uint32(0))) == 0)
