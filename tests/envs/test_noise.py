"""The hash behind the draws per cell, and the random places that agents get: uniform and independent."""

from __future__ import annotations

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs import Cell, Game, Growth, compile_games, noise
from softsim.envs.draws import PURPOSES, draw
from softsim.envs.growth import emerge, grow
from softsim.envs.place import place
from softsim.envs.vocabulary import ITEMS

LIMIT = 4.5
"""Standard deviations. Every seed here is fixed, so what passes once passes always."""

CELLS, SEEDS = 400, 2000


def seeds(number: int, count: int = SEEDS):
    """Draw seeds as the steps of an environment do, from keys that were split."""
    keys = jax.random.split(jax.random.key(number), count)
    return jax.vmap(lambda key: jax.random.bits(key, (2,), jnp.uint32))(keys)


@functools.partial(jax.jit, static_argnums=1)
def words(seed, cells: int = CELLS):
    return jax.vmap(lambda each: noise.bits(each, (cells,)))(seed)


def numbers(seed) -> np.ndarray:
    """Words as numbers in [0, 1)."""
    return np.asarray(words(seed)) / 2.0**32


def surprise(counts, expected) -> float:
    """Standard deviations of chi-square from its mean, for counts with fixed totals."""
    counts, freedom = np.asarray(counts, float), np.size(counts) - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


def correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Standard deviations of a sample correlation from 0."""
    return float(np.corrcoef(left.ravel(), right.ravel())[0, 1] * math.sqrt(left.size))


def deviation(count, trials, probability) -> float:
    return float((count - trials * probability) / math.sqrt(trials * probability * (1 - probability)))


def test_the_statistics_see_what_they_should():
    rng = np.random.default_rng(0)
    fair = rng.integers(0, 16, 10_000)
    assert abs(surprise(np.bincount(fair, minlength=16), 625)) < 3
    assert surprise(np.bincount(np.where(fair == 3, 4, fair), minlength=16), 625) > 20
    noisy = rng.random((2, 10_000))
    assert abs(correlation(*noisy)) < 3
    assert correlation(noisy[0], noisy[0] + 4 * noisy[1]) > 20


# ---- Words -------------------------------------------------------------------------------------------------


def test_the_mixer_is_one_to_one():
    some = np.asarray(jax.jit(noise.mix)(jnp.arange(2**20, dtype=jnp.uint32) * jnp.uint32(4093)))
    assert len(np.unique(some)) == 2**20


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_every_byte_is_uniform(shift):
    count = np.bincount((np.asarray(words(seeds(0))) >> shift).ravel() & 255, minlength=256)
    assert abs(surprise(count, CELLS * SEEDS / 256)) < LIMIT


@pytest.mark.parametrize("seed", [(0, 0), (0, 1), (1, 0), (2**32 - 1, 2**32 - 1), (2**31, 7)])
@pytest.mark.parametrize("shift", [0, 24])
def test_one_seed_fills_a_large_grid_uniformly(seed, shift):
    word = np.asarray(words(jnp.array([seed], jnp.uint32), 2**18))
    assert abs(surprise(np.bincount((word >> shift).ravel() & 255, minlength=256), 2**10)) < LIMIT


def test_every_cell_is_uniform_over_seeds():
    count = (numbers(seeds(1)) * 8).astype(int)
    z = [surprise(np.bincount(cell, minlength=8), SEEDS / 8) for cell in count.T]
    # chi-square with 7 degrees of freedom: mean 0, and of 400 none beyond 6
    assert abs(np.mean(z)) < LIMIT / math.sqrt(CELLS)
    assert max(z) < 6


@pytest.mark.parametrize("offset", [1, 2, 7, 20, 24])
def test_neighbouring_cells_are_independent(offset):
    number = numbers(seeds(2))
    assert abs(correlation(number[:, offset:], number[:, :-offset])) < LIMIT


def test_no_bit_of_a_cell_tells_a_bit_of_the_next():
    word = np.asarray(words(seeds(3, 200)))
    bit = ((word[..., None] >> np.arange(32)) & 1).astype(np.float32) * 2 - 1
    here, there = bit[:, :-1].reshape(-1, 32), bit[:, 1:].reshape(-1, 32)
    z = here.T @ there / math.sqrt(len(here))
    assert np.abs(z).max() < 5.5  # the largest of 1,024


@pytest.mark.parametrize("bit", [0, 1, 15, 30])
def test_events_in_neighbouring_cells_are_independent(bit):
    """Rare events too, whose words begin with many zeros: pairs are as frequent as chance has it."""
    bound = noise.threshold(jnp.float32(0.02))
    happens = np.asarray(noise.happens(words(seeds(4 + bit)), bound))
    both = (happens[:, 1:] & happens[:, :-1]).sum()
    assert abs(deviation(both, happens[:, 1:].size, 0.02**2)) < LIMIT


def test_steps_are_independent():
    """Seeds of successive steps: the same cell, and its neighbours, at t and t + 1."""
    number = numbers(seeds(5))
    for shift in (0, 1, 5):
        assert abs(correlation(number[1:, shift:], number[:-1, : CELLS - shift])) < LIMIT


@pytest.mark.parametrize("apart", [(0, 1), (0, 2), (0, 256), (0, 2**31), (2**31, 0), (2**16, 0), (1, 1), (1, 2**31)])
def test_seeds_that_differ_little_are_independent(apart):
    """In the second word by 1 are the seeds of two laws of one step."""
    first = seeds(6)
    assert abs(correlation(numbers(first), numbers(first + jnp.array([apart], jnp.uint32)))) < LIMIT
    small = jnp.stack([jnp.zeros(SEEDS, jnp.uint32), jnp.arange(SEEDS, dtype=jnp.uint32) * 2], -1)
    assert abs(correlation(numbers(small), numbers(small + jnp.array([apart], jnp.uint32)))) < LIMIT


# ---- Events and choices ------------------------------------------------------------------------------------


def test_happens_is_exact_at_never_and_always():
    word = jnp.array([0, 1, 2, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1], jnp.uint32)
    for never in (0.0, -1.0):
        assert not noise.happens(word, noise.threshold(jnp.float32(never))).any()
    for always in (1.0, 1.5):
        assert noise.happens(word, noise.threshold(jnp.float32(always))).all()
    almost = np.nextafter(np.float32(1), np.float32(0))
    assert not noise.happens(word, noise.threshold(almost)).all()


@pytest.mark.parametrize("probability", [0.0005, 0.025, 0.3, 0.5, 0.999])
def test_happens_at_its_rate(probability):
    happens = np.asarray(noise.happens(words(seeds(7)), noise.threshold(jnp.float32(probability))))
    assert abs(deviation(happens.sum(), happens.size, probability)) < LIMIT


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_choice_is_uniform(count):
    chosen = np.asarray(noise.choice(words(seeds(8)), jnp.uint32(count)))
    assert chosen.max() < count
    if count > 1:
        frequency = np.bincount(chosen.ravel(), minlength=count)
        assert abs(surprise(frequency, chosen.size / count)) < LIMIT


@pytest.mark.parametrize("rate", [1e-5, 5e-6])
def test_what_grows_is_chosen_fairly_however_rarely(rate):
    """The word that says yes must not say which: at a small rate its upper bits are known."""
    side, coins = 2**12, ("red_coin", "blue_coin")
    field = Game("field", map="fP", legend={"f": Cell(site="field")}, growth=[Growth(coins, on="field", rate=rate)])
    world, params = compile_games([field])
    law = jax.tree.map(lambda leaf: leaf[0], params.growth)

    @jax.jit
    def grown(seed):
        site, free = jnp.ones((side, side), jnp.uint8), jnp.ones((side, side), bool)
        cell = grow(world.spec, law, site, jnp.zeros_like(site), jnp.zeros((0, 0)), free, seed)
        return jnp.stack([(cell == ITEMS.index(coin)).sum(dtype=jnp.int32) for coin in coins])

    red, blue = sum(np.asarray(grown(seed)) for seed in seeds(9, 2))
    assert abs(deviation(red + blue, 2 * side**2, rate)) < LIMIT
    assert abs(deviation(red, red + blue, 1 / 2)) < LIMIT


NONE = jnp.zeros(0, jnp.int32)


def emergence(**rate: float):
    """The spec and the laws of a world in which the named items emerge, each on a site of its own."""
    sites = {letter: Cell(site=item) for letter, item in zip("ab", rate, strict=False)}
    laws = [Growth(item, on=item, per_step=float(often)) for item, often in rate.items()]
    world, params = compile_games([Game("spring", map="".join(sites) + "P", legend=sites, growth=laws)])
    return world.spec, jax.tree.map(lambda leaf: leaf[0], params.emergence)


def test_whether_and_where_something_emerges_are_independent():
    """Every free cell is as likely, and the rate is the law's; with two laws of one step at once."""
    side, trials, rate = 5, 20_000, np.array([0.3, 0.7])
    spec, law = emergence(apple=rate[0], river=rate[1])
    site = np.ones((side, side), np.uint8)
    site[3:] = 2
    free = np.ones((side, side), bool)
    free[0, 0] = free[4, 4] = False

    @jax.jit
    def emerged(seed):
        blank = jnp.zeros((side, side), jnp.uint8)
        there, free_there = jnp.asarray(site), jnp.asarray(free)
        return jax.vmap(lambda each: emerge(spec, law, there, blank, free_there, each, 1, NONE)[0])(seed)

    cell = np.asarray(emerged(seeds(10, trials)))
    there = []
    for index, item in enumerate((3, 4)):
        count = (cell == item).sum(0)
        allowed = (site == index + 1) & free
        assert (count[~allowed] == 0).all()
        there.append((cell == item).any((1, 2)))
        assert ((cell == item).sum((1, 2)) <= 1).all()
        assert abs(deviation(there[-1].sum(), trials, rate[index])) < LIMIT
        assert abs(surprise(count[allowed], there[-1].sum() / allowed.sum())) < LIMIT
    assert abs(correlation(*np.array(there, float))) < LIMIT


@pytest.mark.parametrize("side", [30, 128, 256])
def test_something_emerges_anywhere_on_a_large_map(side):
    """As often in the lower half as in the upper."""
    spec, law = emergence(apple=1.0)

    @jax.jit
    def below(seed):
        site, free = jnp.ones((side, side), jnp.uint8), jnp.ones((side, side), bool)
        return emerge(spec, law, site, jnp.zeros_like(site), free, seed, 1, NONE)[0][side // 2 :].any()

    trials = 500
    count = sum(bool(below(seed)) for seed in np.asarray(seeds(15, trials)))
    assert abs(deviation(count, trials, 1 / 2)) < LIMIT


# ---- Draws and places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_agents", [1, 2, 7, 62])
def test_priorities_are_distinct_and_above_zero(num_agents):
    keys = jax.random.split(jax.random.key(0), 500)
    priority = np.asarray(jax.jit(jax.vmap(lambda key: draw(key, num_agents).priority))(keys))
    assert priority.min() > 0
    assert all(len(set(row)) == num_agents for row in priority)
    if num_agents > 1:
        assert len({tuple(row) for row in priority.argsort(1).tolist()}) > 1


def test_the_words_of_one_step_serve_one_purpose_each():
    words = jax.tree.leaves(draw(jax.random.key(3), 4))
    flat = np.concatenate([np.ravel(word) for word in words])
    assert len(flat) == 2 * 4 + 2 * len(PURPOSES)
    assert len(set(flat.tolist())) == len(flat)


SPAWN = jnp.array([30, 10, 20, 50, 40, 0], jnp.int32)
ALLOWED = jnp.array([True, True, True, False, True, False])


@jax.jit
def placed(seed, held, wanted):
    return jax.vmap(lambda each: place(each, SPAWN, ALLOWED, held, wanted))(seed)


def test_every_free_cell_is_equally_likely():
    """For the first to choose and for the last, alone and in pairs."""
    trials = 12_000
    held = jnp.array([-1, 20, -1, -1], jnp.int32)
    wanted = jnp.array([True, False, True, False])
    where = np.asarray(placed(seeds(11, trials), held, wanted))
    assert (where[:, [1, 3]] == -1).all()
    free = (10, 30, 40)
    for agent in (0, 2):
        for cell in free:
            assert abs(deviation((where[:, agent] == cell).sum(), trials, 1 / 3)) < 4
    for pair in itertools.permutations(free, 2):
        together = (where[:, 0] == pair[0]) & (where[:, 2] == pair[1])
        assert abs(deviation(together.sum(), trials, 1 / 6)) < 4


def test_places_are_distinct_and_run_out():
    nobody, everybody = jnp.full(6, -1, jnp.int32), jnp.ones(6, bool)
    where = np.asarray(placed(seeds(12, 200), nobody, everybody))
    assert (np.sort(where, 1) == [-1, -1, 10, 20, 30, 40]).all()
    held = jnp.array([10, 20, 30, 40, -1, -1], jnp.int32)
    assert (np.asarray(placed(seeds(13, 5), held, everybody)) == -1).all()
    assert (np.asarray(placed(seeds(14, 5), nobody, ~everybody)) == -1).all()


def test_a_cell_held_by_others_is_not_given_whoever_they_are():
    """Cell 0 is no sign of absence, and cells outside the spawn list count for nothing."""
    spawn = jnp.array([0, 1], jnp.int32)
    free = functools.partial(place, spawn=spawn, allowed=jnp.ones(2, bool))
    for held, expected in (([0, 7], 1), ([1, 7], 0)):
        where = free(jnp.array([1, 2], jnp.uint32), held=jnp.array(held, jnp.int32), wanted=jnp.array([False, True]))
        assert where.tolist() == [-1, expected]
