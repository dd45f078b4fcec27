"""Maps made on the device: the flood fill against a plain one, and what every map promises."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs import mapgen
from softsim.envs.mapgen import Map, Plan
from softsim.envs.vocabulary import FLOOR, WALL
from softsim.types import UserError

QUICK = {"xla_backend_optimization_level": 0}
SHAPE, SPAWNS, MAPS = (12, 14), 8, 3000


def many(function):
    """Map a function and compile it, quickly."""
    return jax.jit(jax.vmap(function), compiler_options=QUICK)


def keys_of(seed: int, count: int):
    words = np.random.default_rng(seed).integers(0, 2**32, (count, 2), np.uint32)
    return jax.random.wrap_key_data(words)


def row_of(tree, index: int):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def neighbours(row, column, height, width, torus):
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        r, c = row + down, column + right
        if torus:
            r, c = r % height, c % width
        if 0 <= r < height and 0 <= c < width:
            yield r, c


def flood(free, starts, height, width, torus, rounds=10**9):
    """The plain flood fill: [H, W] bool."""
    found, queue = np.zeros_like(free), deque()
    for row, column in starts:
        if free[row, column]:
            found[row, column] = True
            queue.append((row, column, 0))
    while queue:
        row, column, steps = queue.popleft()
        for r, c in neighbours(row, column, height, width, torus):
            if steps < rounds and free[r, c] and not found[r, c]:
                found[r, c] = True
                queue.append((r, c, steps + 1))
    return found


@functools.cache
def plans(count: int = MAPS) -> Plan:
    """Plans of all kinds, numpy leaves [count, ...]; those of the smallest maps have next to no walls."""
    rng = np.random.default_rng(0)
    height, width = rng.integers(5, SHAPE[0] + 1, count), rng.integers(5, SHAPE[1] + 1, count)
    sites = rng.dirichlet([1, 1, 1, 2], count)[:, :3] * (rng.random((count, 3)) < 0.8)
    return Plan(
        height=height.astype(np.int32),
        width=width.astype(np.int32),
        torus=rng.random(count) < 0.5,
        walls=rng.uniform(0.0, 0.6, count).astype(np.float32),
        sites=sites.astype(np.float32),
        stock=rng.random(count).astype(np.float32),
        spawns=rng.integers(1, SPAWNS + 1, count).astype(np.int32),
    )


@functools.cache
def drawn() -> Map:
    made = many(lambda key, plan: mapgen.generate(key, plan, SHAPE, SPAWNS))(keys_of(1, MAPS), plans())
    return jax.tree.map(np.asarray, made)


@functools.cache
def proposed() -> Map:
    made = many(lambda key, plan: mapgen.propose(key, plan, SHAPE, SPAWNS, 3))(keys_of(2, MAPS), plans())
    return jax.tree.map(np.asarray, made)


judge = many(mapgen.degenerate)


def broken(made: Map, plan: Plan) -> bool:
    """`mapgen.degenerate` in plain words."""
    spawn = [divmod(int(cell), SHAPE[1]) for cell in made.spawn[made.spawn_mask]]
    if len(spawn) < plan.spawns:
        return True
    found = flood(made.cell != WALL, spawn[:1], int(plan.height), int(plan.width), bool(plan.torus))
    if not all(found[cell] for cell in spawn):
        return True
    for kind, share in enumerate(plan.sites, 1):
        here = found & (made.site == kind)
        if share > 0 and not (here.any() and (plan.stock == 0 or (here & made.stocked).any())):
            return True
    return False


# ---- The flood fill --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [0, 1, 5, 200])
def test_the_flood_is_the_plain_one(rounds):
    rng, count = np.random.default_rng(3), 400
    height, width = (rng.integers(1, most + 1, count).astype(np.int32) for most in SHAPE)
    torus = rng.random(count) < 0.5
    inside = (np.arange(SHAPE[0])[None, :, None] < height[:, None, None]) & (
        np.arange(SHAPE[1])[None, None] < width[:, None, None]
    )
    free = inside & (rng.random((count, *SHAPE)) > rng.uniform(0, 0.6, (count, 1, 1)))
    start = inside & (rng.random((count, *SHAPE)) < 0.05)
    fill = many(lambda *given: mapgen.reach(*given, rounds))
    found = np.asarray(fill(free, start, height, width, torus))
    for each in range(count):
        expected = flood(
            free[each], np.argwhere(start[each]), int(height[each]), int(width[each]), bool(torus[each]), rounds
        )
        assert (found[each] == expected).all()
    assert ((found > start).any((1, 2)).mean() > 0.5) == (rounds > 0)


def test_the_edges_of_a_torus_meet_where_the_map_ends_not_the_grid():
    free = np.zeros(SHAPE, bool)
    free[0, 0] = free[4, 0] = free[0, 6] = True
    start = np.zeros(SHAPE, bool)
    start[0, 0] = True
    for torus in (False, True):
        found = np.asarray(mapgen.reach(free, start, jnp.int32(5), jnp.int32(7), jnp.bool_(torus), 4))
        assert found.sum() == (3 if torus else 1)


def test_wide_grids_are_refused():
    wide = np.ones((2, mapgen.MAX_WIDTH + 1), bool)
    with pytest.raises(UserError, match="its width is 33; at most 32"):
        mapgen.reach(wide, wide, jnp.int32(2), jnp.int32(33), jnp.bool_(False), 1)
    full = wide[:, :-1]
    start = np.zeros_like(full)
    start[0, 0] = True
    for torus, rounds in ((False, 32), (True, 17)):
        assert mapgen.reach(full, start, jnp.int32(2), jnp.int32(32), jnp.bool_(torus), rounds).all()
        assert not mapgen.reach(full, start, jnp.int32(2), jnp.int32(32), jnp.bool_(torus), rounds - 1).all()


# ---- Maps ------------------------------------------------------------------------------------------------


def test_all_that_is_open_can_be_reached():
    made, plan = drawn(), plans()
    for each in range(MAPS):
        free = made.cell[each] == FLOOR
        if free.any():
            size = (int(plan.height[each]), int(plan.width[each]), bool(plan.torus[each]))
            assert (flood(free, np.argwhere(free)[:1], *size) == free).all()


def test_maps_stay_within_their_size():
    made, plan = drawn(), plans()
    row, column = np.arange(SHAPE[0])[None, :, None], np.arange(SHAPE[1])[None, None]
    beyond = (row >= plan.height[:, None, None]) | (column >= plan.width[:, None, None])
    assert set(np.unique(made.cell)) == {FLOOR, WALL}
    assert (made.cell[beyond] == WALL).all()
    assert (made.site[made.cell == WALL] == 0).all()
    assert not made.stocked[made.site == 0].any()


def test_spawn_cells_are_distinct_open_and_without_a_site():
    made, plan = drawn(), plans()
    room = (made.cell == FLOOR).sum((1, 2))
    assert (made.spawn_mask.sum(1) == np.minimum(plan.spawns, room)).all()
    for each in range(MAPS):
        spawn = made.spawn[each][made.spawn_mask[each]]
        assert len(np.unique(spawn)) == len(spawn)
        assert (made.cell[each].reshape(-1)[spawn] == FLOOR).all()
        assert (made.site[each].reshape(-1)[spawn] == 0).all()


def test_sites_and_what_they_hold_are_as_many_as_planned():
    made, plan = drawn(), plans()
    room = (made.cell == FLOOR).sum((1, 2)) - plan.spawns
    ample = room >= 40
    assert ample.mean() > 0.3
    for kind in range(3):
        here = made.site == kind + 1
        share = np.floor(plan.sites[:, kind] * np.maximum(room, 0).astype(np.float32))
        count = np.where(plan.sites[:, kind] > 0, np.maximum(share, 1), 0).astype(int)
        held = np.ceil(plan.stock * count.astype(np.float32)).astype(int)
        exact = ample & (plan.sites.sum(1) < 0.9)
        assert (here.sum((1, 2)) == count)[exact].all()
        assert ((here & made.stocked).sum((1, 2)) == held)[exact].all()


def test_walls_and_places_are_random():
    """Cells are wall as often as planned, and each is a spawn cell, or a site, as often as any other."""
    count = 4000
    plan = Plan(*(jnp.asarray(v) for v in (np.int32(6), np.int32(6), True, np.float32(0.2))),
                jnp.array([0.3], jnp.float32), jnp.float32(0.5), jnp.int32(3))  # fmt: skip
    made = many(lambda key: mapgen.generate(key, plan, (6, 6), 3))(keys_of(4, count))
    made = jax.tree.map(np.asarray, made)
    walls = (made.cell == WALL).sum((1, 2)) - made.lost
    assert abs(walls.mean() / 36 - 0.2) < 4 * math.sqrt(0.16 / 36 / count)
    spawn = np.bincount(made.spawn[made.spawn_mask], minlength=36) / count
    site = (made.site == 1).mean(0).reshape(-1)
    for often in (spawn, site):
        assert abs(often / often.mean() - 1).max() < 0.2
    assert 0.5 < made.stocked.sum() / (made.site == 1).sum() < 0.6  # a half, rounded up


# ---- Degenerate maps -------------------------------------------------------------------------------------


def test_what_is_degenerate_is_so_in_plain_words():
    plan, made = plans(), drawn()
    judged = np.asarray(judge(made, plan))
    expected = [broken(row_of(made, each), row_of(plan, each)) for each in range(MAPS)]
    assert judged.tolist() == expected
    assert 0.005 < judged.mean() < 0.5


def test_maps_cut_in_two_are_degenerate():
    """A wall is drawn through maps that are fine."""
    plan, made = plans(), drawn()
    fine = ~np.asarray(judge(made, plan)) & (plan.width >= 9)
    cell = made.cell.copy()
    cell[:, :, 4] = WALL
    cut = dataclasses.replace(made, cell=cell)
    judged = np.asarray(judge(cut, plan))
    expected = [broken(row_of(cut, each), row_of(plan, each)) for each in range(MAPS)]
    assert judged.tolist() == expected
    assert judged[fine].mean() > 0.5


def test_no_proposal_that_is_taken_is_degenerate():
    """Where there is room for what is planned."""
    plan, made = plans(), proposed()
    roomy = (plan.height * plan.width - plan.spawns >= 30) & (plan.sites.sum(1) <= 0.9)
    judged = np.asarray(judge(made, plan))
    assert roomy.mean() > 0.4
    assert not judged[roomy].any()
    assert np.asarray(judge(drawn(), plan))[roomy].any()  # of which one draw leaves some


def test_the_last_resort_is_an_open_room():
    """Walls nearly everywhere leave nothing to take."""
    plan = dataclasses.replace(plans(), walls=np.full(MAPS, 0.97, np.float32))
    few = jax.tree.map(lambda leaf: leaf[:200], plan)
    made = many(lambda key, plan: mapgen.propose(key, plan, SHAPE, SPAWNS, 3))(keys_of(5, 200), few)
    rooms = (np.asarray(made.cell) == FLOOR).sum((1, 2))
    needy = (few.spawns > 3) & (few.sites > 0).any(1)
    assert (rooms == few.height * few.width)[needy].mean() > 0.95
    roomy = (few.height * few.width - few.spawns >= 30) & (few.sites.sum(1) <= 0.9)
    assert not np.asarray(judge(made, few))[roomy].any()


def test_a_map_alone_is_that_of_a_batch():
    plan, made = plans(), proposed()
    propose = jax.jit(lambda key, plan: mapgen.propose(key, plan, SHAPE, SPAWNS, 3), compiler_options=QUICK)
    keys = keys_of(2, MAPS)
    for each in range(16):
        alone = propose(keys[each], row_of(plan, each))
        jax.tree.map(np.testing.assert_array_equal, alone, row_of(made, each))
    assert propose._cache_size() == 1
