"""What appears, spreads and decays.

Cells are taken in any shape: flat is fastest, since compilers vectorise the innermost axis and maps are narrow.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from softsim.envs import noise
from softsim.envs.params import Decay, Emergence, Growth, Income, Scatter
from softsim.envs.skipping import kept, where_needed, while_needed
from softsim.envs.spec import WorldSpec
from softsim.types import Array, T


def live_neighbours(cell: Array, item: Array, near: Array, neighbours: tuple[tuple[int, int], ...]) -> Array:
    """Count, for every cell, the neighbours that hold `item`.

    Args:
        cell: [H, W] uint8; item: [] uint8.
        near: [O] uint8, 1 for the offsets that count; neighbours: the O (row, column) offsets.
    """
    height, width = cell.shape
    margin = max((max(abs(r), abs(c)) for r, c in neighbours), default=0)
    live = jnp.pad((cell == item).astype(jnp.uint8), margin)
    # Rows one after another with the margin between them: an offset is a shift, wherever in a row it starts.
    pitch, size = width + 2 * margin, height * (width + 2 * margin)
    flat = kept(jnp.pad(live.reshape(-1), (0, 2 * margin)))
    shifts = [(margin + r) * pitch + margin + c for r, c in neighbours]
    count = sum((near[o] * flat[s : s + size] for o, s in enumerate(shifts)), jnp.zeros(size, jnp.uint8))
    return count.reshape(height, pitch)[:, :width]


def crowd(spec: WorldSpec, item: Array, near: Array, cell: Array) -> Array:
    """Count the neighbours of every cell, [H * W], that hold `item`, where any neighbours count."""
    grid = cell.reshape(spec.height, spec.width)
    count = lambda _: live_neighbours(grid, item, near, spec.neighbours)  # noqa: E731
    return where_needed((near > 0).any(), count, jnp.zeros_like(grid)).reshape(cell.shape)


def slowdown(growth: Growth, site: Array, cell: Array) -> Array:
    """Factors [L] in [0, 1] by which laws are slowed: 1 up to `slow_low`, 0 from `slow_high` on, linear between."""
    total, low, high = growth.slow_total, growth.slow_low, growth.slow_high
    covered = jax.vmap(lambda item, kind: ((cell == item) & (site == kind)).sum(dtype=jnp.int32))
    fraction = covered(growth.slow_item, growth.slow_site).astype(jnp.float32) / jnp.maximum(total, 1.0)
    between = (high - fraction) / jnp.where(high > low, high - low, 1.0)
    factor = jnp.where(fraction <= low, 1.0, jnp.where(fraction >= high, 0.0, between))
    return jnp.where(total > 0, factor, 1.0)


def census(growth: Growth, cell: Array) -> Array:
    """Factors [L] by which laws are faster the more cells hold what they count: their number, or 1 for none."""
    held = jax.vmap(lambda item: ((cell == item[0]) | (cell == item[1])).sum(dtype=jnp.int32))(growth.count_item)
    return jnp.where(growth.counts, held.astype(jnp.float32), 1.0)


def commonest(growth: Growth, cell: Array) -> Array:
    """Share, in [0, 1], of the commonest among the kinds that the laws count; 0 where nothing is counted."""
    count = jnp.where(growth.counts, census(growth, cell), 0.0)
    return count.max() / jnp.maximum(count.sum(), 1.0)


def grow(spec: WorldSpec, growth: Growth, site: Array, cell: Array, age: Array, free: Array, seed: Array) -> Array:
    """Bring items to cells, each with its own probability.

    Args:
        site, cell: [H * W] uint8; age: [H * W] uint8 or empty; free: [H * W] bool cells without an agent.
        seed: [2] uint32.

    Returns:
        [H * W] uint8 the cells after growth. The laws that a cell meets exclude each other.
    """
    word = noise.bits(seed, cell.shape)
    grown, taken = cell, jnp.uint32(0)
    rate = growth.rate
    if spec.has("slow"):
        slow = lambda rate: rate * slowdown(growth, site, cell)[:, None]  # noqa: E731
        rate = where_needed((growth.slow_total > 0).any(), slow, rate)
    if spec.has("count"):
        rate = where_needed(growth.counts.any(), lambda rate: rate * census(growth, cell)[:, None], rate)
    bounds = noise.threshold(rate)
    for law in range(growth.site.shape[0]):
        bound = bounds[law]
        chance = bound[0]
        if law < spec.num_crowds:
            count = crowd(spec, growth.item[law, 0], growth.near[law], cell)
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
        [H * W] uint8 cells, [M] int32 tries still waiting.
    """

    def bring(cell, each):
        law, waiting, number = each
        law_seed = jnp.stack([seed[0], seed[1] + number])
        first = noise.mix(law_seed[0] ^ noise.mix(law_seed[1]))
        tries = (law.every_step & (step > law.after)).astype(jnp.int32) + waiting

        def attempt(running):
            turn, cell, word = running
            here = (site == law.site) & (cell == law.over) & free
            # The free cell of the greatest word: those of different cells differ.
            bid = jnp.where(here, noise.bits(law_seed, cell.shape), jnp.uint32(0))
            chosen = here & (bid == bid.max())
            happens = noise.happens(word, noise.threshold(law.rate)) & (turn < tries)
            if spec.has("cap"):
                happens = happens & ((cell == law.item).sum(dtype=jnp.int32) < law.cap)
            cell = jnp.where(chosen & happens, law.item, cell)
            return turn + 1, cell, noise.mix(word + turn.astype(jnp.uint32) + 1)

        def attempts(cell):
            running = jnp.int32(0), cell, first
            due = lambda running: running[0] < jnp.minimum(tries, spec.burst)  # noqa: E731
            return while_needed(due, attempt, running, spec.burst)[1]

        return where_needed(tries > 0, attempts, cell), None

    num_laws = law.site.shape[0]
    waiting = pending if spec.has("spores") else jnp.zeros(num_laws, jnp.int32)
    cell = jax.lax.scan(bring, cell, (law, waiting, jnp.arange(num_laws, dtype=jnp.uint32)))[0]
    return cell, jnp.maximum(pending - spec.burst, 0) if spec.has("spores") else pending


def over_items(active: Array, work: Callable[[Array, Array, T], T], value: T) -> T:
    """Fold `work(item, is_one, value)` over the items, [I] bool, that are active, each world over its own.

    One pass over all cells for each of a few items is cheaper than to look up the law of every cell.
    """

    def turn(running):
        waiting, value = running
        item, is_one = jnp.argmax(waiting), waiting.any()
        rest = waiting & (jnp.arange(waiting.size, dtype=jnp.int32) != item)
        return rest, work(item, is_one, value)

    return while_needed(lambda running: running[0].any(), turn, (active, value))[1]


def decay(law: Decay, cell: Array, age: Array, blight: Array, seed: Array) -> Array:
    """Turn each item into what it decays to, with its probability or that of a blight, whichever is greater.

    Args:
        age: [H * W] uint8, or empty where no law waits; blight: [I] float32, or empty.
    """

    def turn(item, is_one, decayed):
        rate, here = law.rate[item], (cell == item.astype(cell.dtype)) & is_one
        ripe = age >= law.ripe[item] if age.size else jnp.bool_(True)
        certain = rate >= 1

        def by_chance(_):
            bound = jnp.where(ripe, noise.threshold(rate), jnp.uint32(0))
            if blight.size:
                bound = jnp.maximum(bound, noise.threshold(blight[item]))
            return here & noise.happens(noise.bits(seed, cell.shape), bound)

        if blight.size:
            certain = certain & (blight[item] <= 0)
        goes = where_needed(is_one & ~certain, by_chance, here & ripe)
        return jnp.where(goes, law.into[item], decayed)

    active = (law.rate > 0) | (blight > 0) if blight.size else law.rate > 0
    return over_items(active, turn, cell)


def income(law: Income, cell: Array, tenure: Array, stake: Array, seed: Array, num_agents: int) -> Array:
    """What owned cells pay their owners in this step, [A] float32."""
    word = noise.bits(seed, cell.shape)

    def earn(item, is_one, amount):
        pays = (tenure >= law.ripe[item]) & noise.happens(word, noise.threshold(law.rate[item]))
        return jnp.where((cell == item.astype(cell.dtype)) & is_one & pays, law.amount[item], amount)

    amount = over_items(law.rate > 0, earn, jnp.zeros(cell.shape, jnp.float32))

    def pay(running):  # the first of each cell's owners; most have one
        stake, paid = running
        first = stake & (~stake + 1)
        owner = jnp.where(stake > 0, jax.lax.population_count(first - 1).astype(jnp.int32), num_agents)
        return stake & ~first, paid.at[owner].add(amount, mode="drop")

    running = jnp.where(amount != 0, stake, stake.dtype.type(0)), jnp.zeros(num_agents, jnp.float32)
    return while_needed(lambda running: (running[0] > 0).any(), pay, running)[1]


def scatter(spec: WorldSpec, law: Scatter, site: Array, cell: Array, free: Array, seed: Array) -> Array:
    """Draw what lies on the map when an episode starts, [H * W] uint8.

    Args:
        site, cell: [H * W] uint8; free: [H * W] bool cells without an agent; seed: [2] uint32.
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
    """Choose so many of the allowed cells at random, or all if there are not as many: [H * W] bool.

    Args:
        word: [H * W] uint32 random words; allowed: [H * W] bool; count: [] int32, at least 0 and at most `most`.
    """
    size = word.size
    index = jnp.arange(1, size + 1, dtype=jnp.uint32).reshape(word.shape)
    ticket = (word & ~jnp.uint32((1 << size.bit_length()) - 1)) | index  # distinct, and above 0

    def draw(turn, bid):  # one after another, which for a few is far cheaper than sorting all
        return jnp.where((bid == bid.max()) & (turn < count), jnp.uint32(0), bid)

    return allowed & (jax.lax.fori_loop(0, most, draw, jnp.where(allowed, ticket, jnp.uint32(0))) == 0)
