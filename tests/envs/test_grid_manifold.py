"""Situations on grids: the prior and its splits, the worlds made of them, and thousands of them played at random."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from choosing import few
from scipy import stats

from softsim.envs.manifold import (
    GRID_AXES,
    GRID_PRIOR,
    QUADRANTS,
    Box,
    GridPrior,
    GridSituation,
    degenerate,
    effect,
    expected_grid_coverage,
    felt_effect,
    grid,
    grid_at,
    grid_axes,
    grid_coverage,
    grid_distance,
    grid_params,
    grid_regions,
    grid_split,
    grid_template,
    grid_world,
    mutate_grid,
    quadrant,
    sample_grid,
)
from softsim.envs.vocabulary import ITEMS, NUM_SYMBOLS, OTHER, WALL
from softsim.types import UserError

QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer here than running."""

DRAWS, WORLDS = 20_000, 3000
WORLD = grid_world()
ATE, TOOK, MINED, ZAPPED = map(WORLD.event_names.index, ("ate", "took", "mined", "zapped"))
REAL = [name for name, kind in GRID_AXES.items() if kind in ("linear", "log")]


def many(function, in_axes=0):
    """Map a function and compile it, quickly."""
    return jax.jit(jax.vmap(function, in_axes), compiler_options=QUICK)


def keys_of(seed: int, count: int):
    words = np.random.default_rng(seed).integers(0, 2**32, (count, 2), np.uint32)
    return jax.random.wrap_key_data(words)


def row_of(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


effects_of, felt_of, axes_of = many(effect), many(felt_effect), many(grid_axes)
params_of = many(grid_params)


@functools.cache
def drawn() -> GridSituation:
    """Draw many situations from the prior; numpy leaves [DRAWS, ...]."""
    return jax.tree.map(np.asarray, many(sample_grid)(keys_of(0, DRAWS)))


def some(count: int, start: int = 0) -> GridSituation:
    return row_of(drawn(), slice(start, start + count))


@functools.cache
def worlds():
    """The params of the first situations; numpy leaves [WORLDS, ...]."""
    return jax.tree.map(np.asarray, params_of(keys_of(1, WORLDS), some(WORLDS)))


def equal_cells(counts) -> float:
    """The p-value of all counts being draws from equally likely cells."""
    return float(stats.chisquare(counts).pvalue)


# ---- The prior -------------------------------------------------------------------------------------------


def test_the_prior_is_as_declared():
    situation = drawn()
    for name, kind in GRID_AXES.items():
        value, (low, high) = getattr(situation, name), GRID_PRIOR.range(name)
        if kind == "flag":
            assert abs(value.mean() - low) < 4 * math.sqrt(low * (1 - low) / DRAWS), name
        elif kind == "whole" and name != "threshold":
            assert equal_cells(np.bincount(value - low, minlength=high - low + 1)) > 1e-5, name
        elif name != "threshold":
            shift = np.log if kind == "log" else np.asarray
            low, high = shift(low), shift(high)
            assert stats.kstest((shift(value) - low) / (high - low), "uniform").pvalue > 1e-5, name
    assert (situation.threshold <= situation.group).all()
    assert equal_cells(np.bincount(situation.threshold[situation.group >= 3])[1:]) > 1e-5
    assert all(leaf.dtype in (np.int32, np.float32, np.bool_) for leaf in jax.tree.leaves(situation))


def test_quadrants_are_equally_likely_and_have_their_signs():
    where, (own, others) = np.asarray(many(quadrant)(drawn())), np.asarray(effects_of(drawn())).T
    assert equal_cells(np.bincount(where, minlength=4)) > 1e-4
    signs = {"mutualism": (1, 1), "selfishness": (1, -1), "altruism": (-1, 1), "spite": (-1, -1)}
    for index, name in enumerate(QUADRANTS):
        assert (np.sign(own[where == index]) == signs[name][0]).all()
        assert (np.sign(others[where == index]) == signs[name][1]).all()
    np.testing.assert_allclose(np.hypot(own, others), drawn().strength, rtol=1e-5)


def test_axes_undo_the_prior():
    point = np.asarray(axes_of(drawn()))
    assert (point >= -1e-5).all()
    assert (point <= 1 + 1e-5).all()
    back = many(grid_at)(np.clip(point, 0, 1))
    for name in GRID_AXES:
        if GRID_AXES[name] != "flag":
            np.testing.assert_allclose(getattr(back, name), getattr(drawn(), name), rtol=1e-4, atol=1e-5)


def test_priors_can_be_narrowed_to_a_point():
    one = row_of(drawn(), 7)
    value = {name: getattr(one, name).item() for name in GRID_AXES}
    exact = {name: float(v) if GRID_AXES[name] == "flag" else (v, v) for name, v in value.items()}
    prior = GridPrior(**exact)
    sample = many(lambda key: sample_grid(key, prior))(keys_of(2, 200))
    for name, expected in value.items():
        np.testing.assert_allclose(np.asarray(getattr(sample, name)), expected, rtol=1e-6)
    assert (np.abs(axes_of(sample) - axes_of(row_of(sample, slice(0, 1)))) < 1e-6).all()
    assert grid_world(prior).spec.num_agents == value["group"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height", (3, 16)),
        ("width", (8, 33)),
        ("height", (8.5, 16)),
        ("group", (1, 4)),
        ("group", (2, 30)),
        ("walls", (0.3, 0.2)),
        ("apples", (0.0, 0.2)),
        ("coins", (0.0, 0.5)),
        ("growth", (0.0, 0.1)),
        ("growth", (0.1, math.nan)),
        ("angle", (-4.0, 3.0)),
        ("strength", (0.0, 1.0)),
        ("threshold", (0, 3)),
        ("reach", (0, 8)),
        ("identity", 1.5),
        ("crowding", (0.0, 1.1)),
        ("further", (0.5, 10.0)),
        ("longest", 0),
    ],
)
def test_priors_that_cannot_be_meant_are_refused(field, value):
    with pytest.raises(UserError, match=field if field != "coins" else "apples, coins and gold"):
        GridPrior(**{field: value} if value != (2, 30) else {"group": value, "height": (8, 16)})


# ---- Distance, mutation, coverage ------------------------------------------------------------------------


def test_distances_by_hand_and_as_a_metric():
    left, middle, right = some(300), some(300, 300), some(300, 600)
    apart = many(grid_distance)
    assert (np.asarray(apart(left, left)) == 0).all()
    np.testing.assert_allclose(apart(left, right), apart(right, left), rtol=1e-6)
    assert (np.asarray(apart(left, right)) <= np.asarray(apart(left, middle)) + apart(middle, right) + 1e-5).all()
    one = dataclasses.replace(left, angle=np.full(300, 3.0, np.float32), strength=np.full(300, 2.0, np.float32))
    two = dataclasses.replace(one, angle=np.full(300, -3.0, np.float32))
    np.testing.assert_allclose(apart(one, two), 2 * 2 * math.sin(math.pi - 3.0) / 8, rtol=1e-4)  # across the cut
    kin = dataclasses.replace(left, kinship=left.kinship + np.float32(0.15), torus=~left.torus)
    np.testing.assert_allclose(apart(left, kin), math.sqrt(0.1**2 + 1), rtol=1e-4)


def test_mutation_turns_by_its_size_and_stays_in_the_prior():
    before = some(2000)
    after = many(lambda key, each: mutate_grid(key, each, 0.3, 0.1))(keys_of(3, 2000), before)
    turn = np.angle(np.exp(1j * (np.asarray(after.angle, np.float64) - before.angle)))
    np.testing.assert_allclose(np.abs(turn), 0.3, atol=1e-4)
    assert abs((turn > 0).mean() - 0.5) < 0.05
    assert (after.torus == before.torus).all()
    assert (after.identity == before.identity).all()
    assert (after.threshold <= after.group).all()
    point, start = np.asarray(axes_of(after)), np.asarray(axes_of(before))
    assert (point >= -1e-5).all()
    assert (point <= 1 + 1e-5).all()
    changed = point[:, list(GRID_AXES).index("growth")] - start[:, list(GRID_AXES).index("growth")]
    assert 0.06 < changed.std() < 0.1
    still = many(lambda key, each: mutate_grid(key, each, 0.0, 0.0))(keys_of(3, 2000), before)
    np.testing.assert_allclose(many(grid_distance)(still, before), 0.0, atol=1e-4)


def test_coverage_grows_as_expected():
    cover = jax.jit(grid_coverage, compiler_options=QUICK)
    for count in (30, 200):
        seen = [float(cover(some(count, start))) for start in range(0, 20 * count, count)]
        assert abs(np.mean(seen) - expected_grid_coverage(count)) < 4 * np.std(seen) / math.sqrt(len(seen)) + 1e-3
    alike = jax.tree.map(lambda leaf: np.repeat(leaf[:1], 200, 0), drawn())
    assert np.isclose(cover(alike), 1 / 64)


# ---- Regions held out ------------------------------------------------------------------------------------

BOXES = {
    "altruism": Box.of(angle=(math.pi / 2, math.pi)),
    "kin": Box.of(kinship=(0.5, 1.0), growth=(1e-3, 1e-2)),
    "shape": Box.of(height=(8, 10)),
    "strangers": Box.of(identity=(0, 0), group=(4, 6), angle=(-0.5, 1.0), strength=(1.0, 4.0)),
}


@functools.cache
def dealt(name: str):
    train, test = grid_split(BOXES[name])
    return many(lambda key: (train(key), test(jax.random.clone(key))))(keys_of(5, 8000))


def inside(box: Box, situation, **instead) -> np.ndarray:
    """Whether situations are in a box or are it on their side, without the library's regions: [n] bool."""
    given = {name: np.asarray(getattr(situation, name), np.float64) for name in GRID_AXES} | instead
    either = []
    for one, other in (("height", "width"), ("width", "height")):
        value = given | {"height": given[one], "width": given[other]}
        either.append(np.all([(value[n] >= low) & (value[n] <= high) for n, low, high in box.ranges], axis=0))
    return either[0] | either[1]


@pytest.mark.parametrize("name", few(BOXES, 1))
def test_nothing_that_is_trained_on_is_held_out(name):
    """Neither by payoffs nor by rewards; and what is tested is held out."""
    (train, test), box = dealt(name), BOXES[name]
    assert not inside(box, train).any()
    assert inside(box, test).all()
    a, o = (np.asarray(v, np.float64) for v in (train.angle, train.strength))
    own, others, r, n = o * np.cos(a), o * np.sin(a), np.float64(train.kinship), np.float64(train.group)
    felt_own, felt_others = own + r * others, others + r * (n - 1) * own + r * (n - 2) * others
    np.testing.assert_allclose(felt_of(train), np.stack([felt_own, felt_others], 1), atol=1e-4)
    as_felt = {"angle": np.arctan2(felt_others, felt_own), "strength": np.hypot(felt_own, felt_others)}
    assert not inside(box, train, **as_felt).any()
    assert (np.asarray(many(box.contains)(train)) == inside(box, train)).all()
    assert (np.asarray(many(box.contains)(test)) == inside(box, test)).all()
    low, high = (many(grid_axes)(side) for side in (train, test))
    assert np.isfinite(low).all()
    assert (np.asarray(high) <= 1 + 1e-5).all()


def test_the_last_resort_does_not_leak_either():
    """One proposal is often refused; then a situation drawn beforehand is taken."""
    train, test = grid_split(BOXES["altruism"], num_proposals=1)
    sample = many(train)(keys_of(6, 8000))
    _, times = np.unique(np.asarray(sample.growth), return_counts=True)
    assert (times > 1).sum() == grid_regions.NUM_SPARES
    assert not inside(BOXES["altruism"], sample).any()
    assert inside(BOXES["altruism"], many(test)(keys_of(7, 500))).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box(()), "box: axes are"),
        (lambda: Box.of(kin=(0.0, 1.0)), "box: axes are"),
        (lambda: Box.of(kinship=(0.5, 0.5)), "box: kinship is"),
        (lambda: Box.of(height=(8, 80)), "box: height is"),
        (lambda: Box.of(growth=(0.5, 0.1)), "box: growth is"),
        (lambda: grid_split(Box.of(kinship=(2.0, 3.0))), "none is inside"),
        (lambda: grid_split(Box.of(group=(2, 6))), "leaves none outside"),
        (lambda: grid_split(Box.of(torus=(1, 1)), GridPrior(torus=0.0)), "none is inside"),
        (lambda: grid_split(BOXES["kin"], num_proposals=0), "num_proposals: 0"),
    ],
)
def test_boxes_that_cannot_be_meant_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


# ---- Worlds ----------------------------------------------------------------------------------------------

judge = many(degenerate)


def test_no_degenerate_world_comes_out():
    assert not np.asarray(judge(some(WORLDS), worlds())).any()


def test_worlds_that_are_degenerate_are_known():
    """Walled-in spawns, lost sites, more agents than places, nothing there that could grow, and nothing to gain."""
    situation, params = some(200), row_of(worlds(), slice(0, 200))
    layout, each = params.layout, np.arange(200)

    def judged(situation=situation, params=params, **changes) -> np.ndarray:
        changed = dataclasses.replace(params, layout=dataclasses.replace(params.layout, **changes))
        return np.asarray(judge(situation, changed))

    cell = layout.cell.reshape(200, -1).copy()
    cell[each, layout.spawn[:, 1]] = WALL
    assert judged(cell=cell.reshape(layout.cell.shape)).all()
    apples = np.where(layout.site == 1, WALL, layout.cell).astype(np.uint8)
    assert judged(cell=apples).all()
    assert judged(start_mask=np.zeros_like(layout.start_mask)).all()
    bare = np.where(layout.cell == WALL, WALL, 0).astype(np.uint8)
    rare = dataclasses.replace(situation, stock=np.zeros(200, np.float32))
    idle = dataclasses.replace(params, growth=dataclasses.replace(params.growth, rate=params.growth.rate * 0))
    assert judged(rare, idle, cell=bare).all()
    assert not judged(rare, cell=bare)[situation.crowding < 1].any()
    nothing = dataclasses.replace(
        situation, coins=np.zeros(200, np.float32), strength=np.zeros(200, np.float32), prize=np.zeros(200, np.float32)
    )
    assert judged(nothing).all()


def test_params_say_what_the_situation_says():
    situation, params = some(WORLDS), worlds()
    layout, zap, mine = params.layout, grid_template.ZAP, grid_template.MINE
    open_cells = (layout.cell != WALL).sum((1, 2))
    room = (open_cells - 2 * situation.group).astype(np.float32)
    for kind, share in enumerate((situation.apples, situation.coins, situation.gold), 1):
        count = np.where(share > 0, np.maximum(np.floor(share * room), 1), 0)
        assert (np.abs((layout.site == kind).sum((1, 2)) - count) <= 1).all()
        item = ITEMS.index(grid.STAKES[kind - 1])
        assert ((layout.cell == item) <= (layout.site == kind)).all()
        held = (layout.cell == item).sum((1, 2))
        assert (np.abs(held - np.ceil(situation.stock * count)) <= 1).all()
    size = situation.height * situation.width
    assert abs((1 - open_cells / size - situation.walls).mean()) < 0.05
    assert (layout.start_mask.sum(1) == 2 * situation.group).all()
    assert (params.agent_mask.sum(1) == situation.group).all()
    assert WORLD.spec.beams[zap] == "zap"
    assert WORLD.spec.beams[mine] == "mine"
    for field, name in (("length", "reach"), ("freezes_for", "freeze"), ("removes_for", "removal"), ("price",) * 2):
        assert (getattr(params.beams, field)[:, zap] == getattr(situation, name)).all()
    assert (params.beams.fine[:, zap] == -situation.fine).all()
    assert (params.beams.exists[:, zap] == (situation.reach > 0)).all()
    assert params.beams.exists[:, mine].all()
    assert (params.horizon.minimum == situation.minimum).all()
    np.testing.assert_allclose(1 / params.horizon.rate, situation.further, rtol=1e-5)
    crowd = 1 + situation.crowding[:, None] * (np.array(grid.CROWD, np.float32) - 1)
    np.testing.assert_allclose(params.growth.rate[:, 0], situation.growth[:, None] * crowd, rtol=1e-5, atol=1e-9)
    assert (params.growth.rate[:, 1:] == situation.growth[:, None, None]).all()
    assert (params.show_identity == situation.identity).all()
    template = grid_template.compiled(GRID_PRIOR)[1]
    same = jax.tree.map(lambda ours, base: (ours.shape[1:], ours.dtype) == (base.shape, base.dtype), params, template)
    assert all(jax.tree.leaves(same))


def test_a_world_alone_is_that_of_a_batch():
    """Bit for bit, in one compilation."""
    alone = jax.jit(grid_params, compiler_options=QUICK)
    keys = keys_of(1, WORLDS)
    for each in range(24):
        made = alone(keys[each], jax.tree.map(jnp.asarray, row_of(drawn(), each)))
        jax.tree.map(np.testing.assert_array_equal, made, row_of(worlds(), each))
    assert alone._cache_size() == 1


# ---- Playing ---------------------------------------------------------------------------------------------


def wrongs(params, allowed, before, action, state, seen) -> dict:
    """What no step may do, [] bool each: of one world, from `before`, of which `allowed` [A, K] was the action mask."""
    spec, agents = WORLD.spec, params.agent_mask
    cell, layout = state.cell.reshape(-1), params.layout
    present = agents & (state.removed == 0)
    at = jnp.where(present, state.position, -1 - jnp.arange(spec.num_agents, dtype=jnp.int32))
    row, column = state.position // spec.width, state.position % spec.width
    on_map = (state.position >= 0) & (row < layout.height) & (column < layout.width)
    known = jnp.array([ITEMS.index(name) for name in ("floor", "wall", "partial_gold", *grid.STAKES)], jnp.uint8)
    idle = ~jnp.take_along_axis(allowed, action[:, None], 1)[:, 0] | (action == 0)
    stays = (state.position == before.position) & (state.heading == before.heading)
    returned = (before.removed > 0) & (state.removed == 0)
    acted = seen.events[:, jnp.array([ATE, TOOK, ZAPPED])].any(1)
    cannot = ~present | (state.frozen > 0)
    law, window, body = params.beams, seen.observation.window, seen.observation.body
    numbers = (seen.reward, seen.payoff, seen.discount, state.trace, body)
    timers = (
        (state.frozen < 0) | (state.frozen > law.freezes_for.max()),
        (state.removed < 0) | (state.removed > jnp.maximum(law.removes_for.max(), 1)),
        ((state.cooldown < 0) | (state.cooldown > law.cooldown[None] - 1)).any(1),
    )
    bit = jnp.uint32(1) << jnp.arange(spec.num_agents, dtype=jnp.uint32)
    theirs = jnp.where(agents, bit, jnp.uint32(0)).sum(dtype=jnp.uint32)
    ended = (seen.discount == 0) & agents
    return {
        "two on one cell": ((at[:, None] == at[None]).sum(1) > 1).any(),
        "off the map": (present & ~on_map).any(),
        "in a wall": (present & (cell[state.position] == WALL)).any() | ~layout.solid[0, WALL],
        "items unheard of": ~(cell[:, None] == known[None]).any(1).all(),
        "walls moved": ((state.cell == WALL) != (layout.cell == WALL)).any(),
        "the idle act": (idle & ((~stays & ~returned) | acted)).any(),
        "the absent are paid": (~agents & ((seen.reward != 0) | (seen.payoff != 0) | seen.events.any(1))).any(),
        "those who cannot may": (cannot & seen.action_mask[:, 1:].any(1)).any() | ~seen.action_mask[:, 0].all(),
        "not finite": jnp.stack([~jnp.isfinite(each).all() for each in numbers]).any(),
        "unknown symbols": (window[..., 0] >= NUM_SYMBOLS).any()
        | (window[..., 1] >= OTHER + 4 * spec.num_agents).any(),
        "timers": jnp.stack(timers).any() | (state.step != before.step + 1),
        "stakes of nobody": ((state.stake & ~theirs) > 0).any(),
        "ends early": (ended & (state.step < params.horizon.minimum)).any() | (ended.any() & ~seen.last),
    }


def play(key, situation, steps: int):
    """Make a world of each of a batch of situations and act at random: counts of wrongs, and of what happened."""
    count = situation.height.shape[0]
    key_map, key_reset, key_steps = jax.random.split(key, 3)
    params = jax.vmap(grid_params)(jax.random.split(key_map, count), situation)
    state, seen = jax.vmap(WORLD.reset)(jax.random.split(key_reset, count), params)

    def step(carry, key):
        state, allowed = carry
        key_act, key_step = jax.random.split(key)
        action = jax.random.randint(key_act, (count, WORLD.num_agents), 0, WORLD.num_actions)
        after, seen = jax.vmap(WORLD.step)(jax.random.split(key_step, count), params, state, action)
        wrong = jax.vmap(wrongs)(params, allowed, state, action, after, seen)
        away, stiff = (after.removed > 0) & params.agent_mask, after.frozen > 0
        happened = jnp.stack([*seen.events.sum((0, 1)), away.sum(), stiff.sum(), (seen.discount == 0).sum()])
        return (after, seen.action_mask), ({name: each.sum() for name, each in wrong.items()}, happened)

    _, (wrong, happened) = jax.lax.scan(step, (state, seen.action_mask), jax.random.split(key_steps, steps))
    return {name: each.sum() for name, each in wrong.items()}, happened.sum(0)


def play_all(situations: int, steps: int, batch: int):
    run = jax.jit(functools.partial(play, steps=steps))
    for part, key in enumerate(keys_of(8, situations // batch)):
        wrong, happened = run(key, jax.tree.map(jnp.asarray, some(batch, part * batch)))
        assert {name: int(count) for name, count in wrong.items() if count} == {}
        assert (np.asarray(happened) > 0).all()
    assert run._cache_size() == 1


@pytest.mark.slow
def test_breaking_a_rule_is_noticed():
    """Each of the rules above, broken on purpose in a step that is fine."""
    reset, step = (jax.jit(each, compiler_options=QUICK) for each in (WORLD.reset, WORLD.step))
    index = int(np.flatnonzero((some(WORLDS).group == 5) & ~some(WORLDS).torus & (some(WORLDS).minimum > 60))[0])
    params = jax.tree.map(jnp.asarray, row_of(worlds(), index))
    before, first = reset(jax.random.key(0), params)
    action = jnp.array([1, 5, 3, 0, 6, 2], jnp.int32)
    state, seen = step(jax.random.key(1), params, before, action)
    check = jax.jit(wrongs, compiler_options=QUICK)

    def found(state=state, seen=seen, allowed=first.action_mask, action=action) -> set[str]:
        return {name for name, wrong in check(params, allowed, before, action, state, seen).items() if wrong}

    def change(tree, **fields):
        return dataclasses.replace(tree, **{name: edit(getattr(tree, name)) for name, edit in fields.items()})

    def with_view(**fields):
        return dataclasses.replace(seen, observation=change(seen.observation, **fields))

    wall = int(np.flatnonzero(np.asarray(params.layout.cell).reshape(-1) == WALL)[0])
    assert found() == set()
    assert "two on one cell" in found(change(state, position=lambda p: p.at[1].set(p[0])))
    assert "off the map" in found(change(state, position=lambda p: p.at[1].set(-1)))
    assert "in a wall" in found(change(state, position=lambda p: p.at[1].set(wall)))
    assert found(change(state, cell=lambda c: c.at[0, 0].set(77))) >= {"items unheard of"}
    assert "walls moved" in found(change(state, cell=lambda c: c ^ 1))
    assert found(change(state, heading=lambda h: (h + 1) & 3)) == {"the idle act"}
    assert found(seen=change(seen, events=lambda e: e.at[3, ATE].set(1))) == {"the idle act"}
    assert found(allowed=first.action_mask.at[:, 1:].set(False)) == {"the idle act"}
    assert found(seen=change(seen, payoff=lambda p: p.at[5].set(1.0))) == {"the absent are paid"}
    assert found(seen=change(seen, action_mask=lambda m: m.at[5].set(True))) == {"those who cannot may"}
    for field in ("reward", "payoff"):
        assert found(seen=change(seen, **{field: lambda r: r.at[0].set(jnp.nan)})) == {"not finite"}
    assert found(seen=with_view(body=lambda b: b.at[0, 0].set(jnp.inf))) == {"not finite"}
    assert found(seen=with_view(window=lambda w: w.at[0, 0, 0, 1].set(200))) == {"unknown symbols"}
    assert "timers" in found(change(state, frozen=lambda f: f.at[0].set(-1)))
    assert found(change(state, cooldown=lambda c: c.at[0, 0].set(9))) == {"timers"}
    assert found(change(state, step=lambda s: s + 1)) == {"timers"}
    assert found(change(state, stake=lambda s: s.at[0].set(1 << 5))) == {"stakes of nobody"}
    assert found(seen=change(seen, discount=lambda d: d * 0)) == {"ends early"}


@pytest.mark.slow
def test_payoffs_and_rewards_are_what_the_situation_says():
    """Without punishment, envy and guilt: effects, coins and prizes add up, and kinship mixes them."""
    quiet = dataclasses.replace(
        GRID_PRIOR, removal=(0, 0), freeze=(0, 0), fine=(0, 0), price=(0, 0), envy=(0, 0), guilt=(0, 0), group=(3, 6),
        height=(8, 9), width=(8, 9), walls=(0, 0), apples=(0.1, 0.2), coins=(0.1, 0.1), gold=(0.6, 0.6), stock=(1, 1),
    )  # fmt: skip
    count, steps = 300, 80
    situation = many(lambda key: sample_grid(key, quiet))(keys_of(9, count))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(key, situation):
        key_map, key_reset, key_steps = jax.random.split(key, 3)
        params = jax.vmap(grid_params)(jax.random.split(key_map, count), situation)
        state, _ = jax.vmap(WORLD.reset)(jax.random.split(key_reset, count), params)

        def step(state, key):
            key_act, key_step = jax.random.split(key)
            action = jax.random.randint(key_act, (count, WORLD.num_agents), 0, 2 * WORLD.num_actions)
            action = jnp.minimum(action, WORLD.num_actions - 1)
            state, seen = jax.vmap(WORLD.step)(jax.random.split(key_step, count), params, state, action)
            return state, (seen.events, seen.payoff, seen.reward)

        return jax.lax.scan(step, state, jax.random.split(key_steps, steps))[1]

    events, payoff, reward = map(np.asarray, run(jax.random.key(10), situation))
    effects, group = np.asarray(effects_of(situation), np.float64), np.asarray(situation.group)
    there = np.arange(WORLD.num_agents)[None] < group[:, None]
    ate, took, mined = (events[..., event].astype(float) for event in (ATE, TOOK, MINED))
    own, each = effects[:, 0, None], effects[:, 1, None] / (group[:, None] - 1)
    prize = np.asarray(situation.prize, np.float64)[:, None]
    expected = own * ate + each * (ate.sum(2, keepdims=True) - ate) + took + prize * mined
    np.testing.assert_allclose(payoff, expected * there, atol=1e-4)
    kinship = np.asarray(situation.kinship, np.float64)[:, None]
    mixed = payoff + kinship * (payoff.sum(2, keepdims=True) - payoff)
    np.testing.assert_allclose(reward, mixed * there, atol=1e-4)
    together = mined.sum(2)
    assert (together[together > 0] >= np.broadcast_to(situation.threshold, together.shape)[together > 0]).all()
    for threshold in (1, 2, 3):
        assert together[:, np.asarray(situation.threshold) == threshold].sum() > 0
    assert ate.sum() > 1000
    assert took.sum() > 100


@pytest.mark.slow
def test_situations_played_at_random_break_no_rule():
    play_all(500, 100, 500)


@pytest.mark.slow
def test_ten_thousand_situations_played_at_random_break_no_rule():
    play_all(10_000, 200, 1000)
