"""What every registered game promises, whatever its rules: shapes, one trace, batching, masks, endings."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from choosing import few

from softsim.envs import GridWorld, declare, make, names
from softsim.envs.game import Game
from softsim.envs.vocabulary import DARK, OTHER
from softsim.types import Environment

BATCH = 64
# A few that use every phase of the engine between them; `test_every_game.py` plays all of them together.
GRIDS = ["commons_harvest_open", "commons_harvest_closed", "commons_harvest_partnership", "clean_up", "coins"]
RICH = ["externality_mushrooms", "territory_rooms", "storm", "daycare", "predator_prey_open"]
MATRICES = [name for name in names() if not isinstance(declare(name), Game)]
PAIRS = [name for name in MATRICES if np.shape(declare(name).payoff) == (2, 2, 2)]
CROWDS = [name for name in MATRICES if declare(name).num_agents > 2]
SOME = [*GRIDS, *PAIRS[:4], "ordinal_pd_ch", "optional_prisoners_dilemma", *CROWDS]
TOGETHER = {"grids": GRIDS, "rich": RICH, "pairs": PAIRS[:8], "crowds": CROWDS}
KINDS = [pytest.param(kind, marks=pytest.mark.slow) if kind == "rich" else kind for kind in TOGETHER]

made = functools.cache(make)
traces: collections.Counter = collections.Counter()


@functools.partial(jax.jit, static_argnums=0)
def reset(world, key, params):
    return world.reset(key, params)


@functools.partial(jax.jit, static_argnums=0)
def step(world, key, params, state, action):
    traces[world] += 1
    return world.step(key, params, state, action)


@functools.partial(jax.jit, static_argnums=0)
def reset_all(world, keys, params):
    return jax.vmap(world.reset)(keys, params)


@functools.partial(jax.jit, static_argnums=0)
def step_all(world, keys, params, state, action):
    return jax.vmap(world.step)(keys, params, state, action)


def row(tree, index: int):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def numpy(tree):
    return jax.tree.map(np.asarray, tree)


def each(key) -> list:
    """Split a key as a batch does, but into separate keys."""
    words = np.asarray(jax.random.key_data(jax.random.split(key, BATCH)))
    return [jax.random.wrap_key_data(word) for word in words]


def assert_same(left, right, where: str = ""):
    """Compare two pytrees bit for bit."""
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(left), jax.tree.leaves(right), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        name = where + jax.tree_util.keystr(path)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        assert a.tobytes() == b.tobytes(), f"{name}: {(a != b).sum()} of {a.size} differ"


# ---- Situations unlike any that was declared ---------------------------------------------------------------


def shaken(rng: np.random.Generator, params):
    """Move every float leaf; rates above 1 count as 1."""

    def shake(leaf):
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.floating):
            return leaf
        return (leaf * rng.uniform(0.5, 1.5, leaf.shape) + rng.uniform(0.0, 0.5, leaf.shape)).astype(leaf.dtype)

    return jax.tree.map(shake, params)


def situation(seed: int, world, params):
    """Draw every number of a situation anew, its map and its rule table excepted. NumPy leaves."""
    rng = np.random.default_rng(seed)
    params = shaken(rng, params)
    if not isinstance(world, GridWorld):
        return dataclasses.replace(
            params,
            payoff=rng.normal(size=params.payoff.shape).astype(np.float32),
            tremble=np.float32(rng.uniform(0, 0.3)),
            continuation=np.float32(rng.uniform(0.5, 1)),
            horizon=np.int32(rng.integers(1, 20)),
        )
    spec, beams, rules = world.spec, params.beams, params.rules

    def whole(low: int, high: int, leaf):
        return rng.integers(low, high + 1, leaf.shape, leaf.dtype)

    # No more agents than cells to start on, and at least one.
    most = min(int(params.layout.start_mask.sum()), spec.num_agents)
    in_play = np.arange(spec.num_agents) < rng.integers((most + 1) // 2, most + 1)
    rng.shuffle(in_play)
    return dataclasses.replace(
        params,
        agent_mask=in_play,
        role=whole(0, spec.num_roles - 1, params.role),
        show_identity=np.bool_(rng.random() < 0.5),
        rules=dataclasses.replace(
            rules,
            reward=rng.normal(size=rules.reward.shape).astype(np.float32),
            reward_others=rng.normal(size=rules.reward.shape).astype(np.float32),
            freeze=whole(0, 3, rules.freeze),
            event=whole(-1, len(spec.events) - 1, rules.event),
        ),
        beams=dataclasses.replace(
            beams,
            length=whole(1, max(spec.beam_length, 1), beams.length),
            half_width=whole(0, spec.beam_half_width, beams.half_width),
            cooldown=whole(0, 4, beams.cooldown),
            removes_for=whole(0, 6, beams.removes_for),
            freezes_for=whole(0, 4, beams.freezes_for),
            strikes_agents=rng.random(beams.strikes_agents.shape) < 0.8,
            event=whole(-1, len(spec.events) - 1, beams.event),
        ),
        emergence=dataclasses.replace(params.emergence, after=whole(0, 8, params.emergence.after)),
        horizon=dataclasses.replace(
            params.horizon,
            maximum=np.int32(rng.integers(4, 20)),
            minimum=np.int32(rng.integers(0, 8)),
            interval=np.int32(rng.integers(1, 4)),
        ),
    )


@functools.cache
def situations(kind: str):
    """Give the world that holds all games of a kind, and BATCH different situations in it."""
    world, params = made(tuple(TOGETHER[kind]))
    rows = [situation(seed, world, row(params, seed % len(TOGETHER[kind]))) for seed in range(BATCH)]
    return world, jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *rows)


def actions(seed: int, world, count: int) -> np.ndarray:
    """Draw actions [count, BATCH, A], masked ones too; grid agents walk ahead often, and so meet."""
    rng = np.random.default_rng(seed)
    action = rng.integers(0, world.num_actions, (count, BATCH, world.num_agents), np.int32)
    if not isinstance(world, GridWorld):
        return action
    return np.where(rng.random(action.shape) < 0.3, np.int32(1), action)


def rerun(t: int):
    """Give the keys [BATCH] of step t of a history."""
    return jax.random.split(jax.random.key(100 + t), BATCH)


@functools.cache
def history(kind: str, count: int = 24):
    """Step the situations of a kind side by side: [(state before, action, state after, timestep)].

    The keys of step t are those of `rerun(t)`.
    """
    world, params = situations(kind)
    state, _ = reset_all(world, jax.random.split(jax.random.key(1), BATCH), params)
    moments = []
    for t, action in enumerate(actions(2, world, count)):
        after, timestep = step_all(world, rerun(t), params, state, action)
        moments.append((state, action, after, timestep))
        state = after
    return moments


# ---- Shapes, dtypes, traces --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*few(GRIDS, 2), *SOME[len(GRIDS) :]])
def test_reset_and_step_return_the_documented_shapes(name):
    world, params = made(name)
    assert isinstance(world, Environment)
    num_agents, num_actions, num_events = world.num_agents, world.num_actions, len(world.event_names)
    documented = {
        "reward": ((num_agents,), jnp.float32),
        "payoff": ((num_agents,), jnp.float32),
        "discount": ((num_agents,), jnp.float32),
        "agent_mask": ((num_agents,), jnp.bool_),
        "action_mask": ((num_agents, num_actions), jnp.bool_),
        "first": ((), jnp.bool_),
        "last": ((), jnp.bool_),
        "events": ((num_agents, num_events), jnp.int32),
    }
    key, action = jax.random.key(0), jnp.zeros(num_agents, jnp.int32)
    abstract = jax.eval_shape(world.reset, key, params)
    assert jax.eval_shape(world.step, key, params, abstract[0], action) == abstract
    begun = reset(world, jax.random.key(1), params)
    stepped = step(world, jax.random.key(2), params, begun[0], action)
    for leaves in (begun, stepped):
        assert jax.eval_shape(lambda tree: tree, leaves) == abstract
        for field, (shape, dtype) in documented.items():
            leaf = getattr(leaves[1], field)
            assert (leaf.shape, leaf.dtype) == (shape, dtype), field
        assert all(leaf.shape[0] == num_agents for leaf in jax.tree.leaves(leaves[1].observation))
    assert begun[1].first
    assert not begun[1].last
    assert not stepped[1].first


@pytest.mark.parametrize("name", SOME)
def test_no_leaf_is_weakly_typed(name):
    world, params = made(name)
    begun = reset(world, jax.random.key(0), params)
    stepped = step(world, jax.random.key(1), params, begun[0], jnp.zeros(world.num_agents, jnp.int32))
    for path, leaf in jax.tree_util.tree_leaves_with_path((params, begun, stepped)):
        assert not leaf.weak_type, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", SOME)
def test_step_traces_once_whatever_the_numbers(name):
    world, params = made(name)
    for seed in range(3):
        other = jax.tree.map(jnp.asarray, situation(seed, world, params))
        changed = [
            not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(other), strict=True)
        ]
        assert sum(changed) >= 4
        state, _ = reset(world, jax.random.key(seed), other)
        for t in range(2):
            key = jax.random.key(10 * seed + t)
            state, _ = step(world, key, other, state, jnp.ones(world.num_agents, jnp.int32))
    assert traces[world] == 1


# ---- Batching and determinism ------------------------------------------------------------------------------


EVERY_ROW = [pytest.param(kind, 1, marks=pytest.mark.slow) for kind in TOGETHER]


@pytest.mark.parametrize(("kind", "every"), [("pairs", 7), ("crowds", 7), *EVERY_ROW])
def test_a_batch_of_different_situations_equals_each_alone(kind, every):
    """A normal run compares each seventh row, which are of all games; a slow one all of them."""
    world, params = situations(kind)
    params, rows = numpy(params), range(0, BATCH, every)
    keys = list(each(jax.random.key(1)))
    states = {i: reset(world, keys[i], row(params, i)) for i in rows}
    batch = numpy(reset_all(world, jax.random.split(jax.random.key(1), BATCH), params))
    for i, alone in states.items():
        assert_same(row(batch, i), alone, f"reset, row {i}")

    states = {i: state for i, (state, _) in states.items()}
    for t, (_, action, after, timestep) in enumerate(history(kind)[:10]):
        together, keys = numpy((after, timestep)), list(each(jax.random.key(100 + t)))
        for i in rows:
            states[i], seen = step(world, keys[i], row(params, i), states[i], action[i])
            assert_same((states[i], seen), row(together, i), f"step {t}, row {i}")


def test_the_situations_above_exercise_the_engine():
    """Guards the other tests of this file: what they compare must happen."""
    world, params = situations("grids")
    moments = history("grids")
    seen = [timestep for *_, timestep in moments]
    states = [after for *_, after, _ in moments]
    assert sum((state.removed > 0).sum() for state in states) > 100
    assert sum((state.frozen > 0).sum() for state in states) > 100
    assert sum((state.cooldown > 0).sum() for state in states) > 100
    assert np.abs(sum(timestep.payoff for timestep in seen)).sum() > 10
    events = sum(timestep.events for timestep in seen).sum((0, 1))
    assert (events > 0).all(), dict(zip(world.event_names, events.tolist(), strict=True))
    assert sum((after.cell != before.cell).sum() for before, _, after, _ in moments) > 1000
    assert (~params.agent_mask).sum() > 20
    for kind in TOGETHER.keys() - {"rich"}:
        for field in ("reward", "payoff"):
            assert len({getattr(timestep, field).tobytes() for *_, timestep in map(numpy, history(kind))}) > 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_brings_the_same_result(kind):
    world, params = situations(kind)
    before, action, after, timestep = history(kind)[5]
    again = step_all(world, rerun(5), params, before, action)
    assert_same(again, (after, timestep))
    other = step_all(world, jax.random.split(jax.random.key(7), BATCH), params, before, action)
    different = [not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(other), strict=True)]
    assert any(different)


@pytest.mark.parametrize("name", SOME)
def test_state_holds_no_key(name):
    world, params = made(name)
    state, _ = jax.eval_shape(world.reset, jax.random.key(0), params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        field = jax.tree_util.keystr(path)
        assert not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key), field
        assert leaf.dtype != jnp.uint32 or field == ".stake", f"{field} could be the words of a key"


# ---- Masks -------------------------------------------------------------------------------------------------


def test_agents_out_of_play_never_act_score_or_appear():
    world, params = situations("grids")
    masked = ~np.asarray(params.agent_mask)
    slot = np.arange(world.num_agents)
    for before, _, after, timestep in map(numpy, history("grids")):
        for field in ("position", "heading", "cooldown", "removed", "frozen", "trace"):
            unmoved = np.asarray(getattr(after, field) == getattr(before, field))
            assert unmoved[masked].all(), field
        for field in ("reward", "payoff", "discount", "events"):
            assert (getattr(timestep, field)[masked] == 0).all(), field
        assert not timestep.action_mask[masked][:, 1:].any()
        window = timestep.observation.window
        assert (window[masked][..., 0] == DARK).all()
        assert (window[masked][..., 1] == 0).all()
        assert (timestep.observation.body[masked] == 0).all()
        # identity j of agent i is agent i + j
        identity = np.maximum(window[..., 1].astype(int) - OTHER, 0) // 4
        named = (window[..., 1] >= OTHER) & (identity > 0)
        stander = (slot[None, :, None, None] + identity) % world.num_agents
        gone = np.take_along_axis(masked, stander.reshape(BATCH, -1), 1).reshape(stander.shape)
        assert named.any()
        assert not (named & gone).any()


def test_the_absent_are_in_nobodys_way():
    """Where those out of play or off the map are, and what they choose, makes no difference to anybody."""
    world, params = situations("grids")
    masked = ~np.asarray(params.agent_mask)
    rng = np.random.default_rng(0)
    for t, (before, action, after, timestep) in enumerate(history("grids")):
        away = masked | np.asarray(before.removed > 0)
        # They stand one cell from an agent that is there, with every heading, and do something else.
        near = np.asarray(before.position)[np.arange(BATCH), np.argmin(away, 1)][:, None]
        beside = near + rng.choice([-1, 1, -world.spec.width, world.spec.width], away.shape)
        other = dataclasses.replace(
            before,
            position=jnp.asarray(np.where(away, beside, before.position), jnp.int32),
            heading=jnp.asarray(np.where(away, rng.integers(0, 4, away.shape), before.heading), jnp.int32),
        )
        choice = np.where(away, rng.integers(0, world.num_actions, away.shape), action).astype(np.int32)
        moved, seen = step_all(world, rerun(t), params, other, choice)
        assert_same(seen, timestep)
        for field in ("cell", "removed", "frozen", "cooldown", "trace"):
            assert_same(getattr(moved, field), getattr(after, field), field)
        there = ~masked & np.asarray(after.removed == 0)
        for field in ("position", "heading"):
            assert (np.asarray(getattr(moved, field)) == np.asarray(getattr(after, field)))[there].all(), field


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_can_always_do_something(kind):
    for *_, timestep in history(kind):
        assert timestep.action_mask.any(-1).all()


def test_a_masked_action_changes_nothing():
    world, params = situations("grids")
    rng = np.random.default_rng(3)
    tried = np.zeros(world.num_actions, int)
    moments = history("grids")
    for t, ((*_, timestep), (before, action, *_)) in enumerate(itertools.pairwise(moments), 1):
        allowed = np.asarray(timestep.action_mask)
        # a random masked action where there is one
        ticket = np.where(allowed, -1.0, rng.random(allowed.shape))
        masked, some = ticket.argmax(-1).astype(np.int32), ~allowed.all(-1)
        kept = np.where(np.take_along_axis(allowed, action[..., None], -1)[..., 0], action, 0)
        noop = np.where(some, 0, kept).astype(np.int32)
        left = step_all(world, rerun(t), params, before, np.where(some, masked, kept))
        right = step_all(world, rerun(t), params, before, noop)
        assert_same(left, right)
        tried += np.bincount(masked[some], minlength=world.num_actions)
    assert tried[0] == 0
    assert (tried[1:] > 20).all()


# ---- Observations ------------------------------------------------------------------------------------------


def test_symbols_stay_within_the_vocabulary():
    world, _ = situations("grids")
    items, who = world.num_symbols
    most = np.zeros(2, int)
    for *_, after, timestep in history("grids"):
        window = np.asarray(timestep.observation.window)
        assert window.dtype == np.uint8
        assert (window[..., 0] < items).all()
        assert (window[..., 1] < who).all()
        assert (np.asarray(after.cell) < world.spec.num_items).all()
        most = np.maximum(most, window.max((0, 1, 2, 3)))
    world, params = situations("grids")
    last = np.uint8(world.spec.num_items - 1)
    cell = jnp.where(params.layout.cell == 0, last, params.layout.cell)
    params = dataclasses.replace(params, layout=dataclasses.replace(params.layout, cell=cell))
    _, timestep = reset_all(world, jax.random.split(jax.random.key(1), BATCH), params)
    assert np.asarray(timestep.observation.window)[..., 0].max() == last
    assert most[1] > OTHER + 4


@pytest.mark.parametrize("kind", ["pairs", "crowds"])
def test_matrix_observations_are_one_hot(kind):
    for *_, timestep in history(kind):
        move = np.asarray(timestep.observation.move)
        assert np.isin(move, (0, 1)).all()
        assert (move[..., 0, :].sum(-1) == 1).all()
        assert (move.sum(-1) <= 1).all()  # some moves of others go unseen


def test_the_observation_of_a_harvest_fits_two_kilobytes():
    world, params = made("commons_harvest_open")
    assert world.num_agents == 7
    _, timestep = jax.eval_shape(world.reset, jax.random.key(0), params)
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(timestep.observation))
    assert 7 * 11 * 11 * 2 <= size <= 2048


# ---- Endings -----------------------------------------------------------------------------------------------


def endings(world, params, count: int) -> list[tuple[bool, set[float]]]:
    """Step one environment; whether each step is the last, and the discounts of the agents in play."""
    state, timestep = reset(world, jax.random.key(0), params)
    out = []
    for t in range(count):
        state, timestep = step(world, jax.random.key(t), params, state, jnp.zeros(world.num_agents, jnp.int32))
        mask = np.asarray(timestep.agent_mask)
        out.append((bool(timestep.last), set(np.asarray(timestep.discount)[mask].tolist())))
    return out


def ending(world, params, maximum: int, minimum: int, interval: int, rate: float):
    """Set when an episode is over; a matrix game ends each round, so it has no minimum or interval."""
    if not isinstance(world, GridWorld):
        return dataclasses.replace(params, horizon=jnp.int32(maximum), continuation=jnp.float32(1 - rate))
    horizon = dataclasses.replace(
        params.horizon,
        maximum=jnp.int32(maximum),
        minimum=jnp.int32(minimum),
        interval=jnp.int32(interval),
        rate=jnp.float32(rate),
    )
    return dataclasses.replace(params, horizon=horizon)


@pytest.mark.parametrize("name", SOME)
def test_a_time_limit_leaves_the_future_open(name):
    world, params = made(name)
    params = ending(world, params, maximum=3, minimum=0, interval=1, rate=0.0)
    assert endings(world, params, 3) == [(False, {1.0}), (False, {1.0}), (True, {1.0})]


@pytest.mark.parametrize("name", SOME)
def test_a_random_end_closes_the_future(name):
    world, params = made(name)
    over = (True, {0.0})
    at_once = endings(world, ending(world, params, maximum=9, minimum=0, interval=1, rate=1.0), 1)
    assert at_once == [over]
    if isinstance(world, GridWorld):
        params = ending(world, params, maximum=9, minimum=3, interval=2, rate=1.0)
        assert endings(world, params, 4) == [(False, {1.0})] * 3 + [over]


@pytest.mark.parametrize("name", SOME)
def test_an_end_at_the_time_limit_is_an_end(name):
    world, params = made(name)
    params = ending(world, params, maximum=1, minimum=0, interval=1, rate=1.0)
    assert endings(world, params, 1) == [(True, {0.0})]


@pytest.mark.parametrize("kind", KINDS)
def test_random_ends_come_at_their_rate(kind):
    """Over the batch, with each row's own rate where it is due; ends and discounts agree everywhere."""
    world, params = situations(kind)
    count = expected = variance = 0.0
    for *_, after, timestep in history(kind):
        over = np.asarray((timestep.discount == 0) & timestep.agent_mask)
        mask = np.asarray(timestep.agent_mask)
        assert (over == (over.any(1)[:, None] & mask)).all()
        over, now = over.any(1), np.asarray(after.step)
        if isinstance(world, GridWorld):
            horizon = jax.tree.map(np.asarray, params.horizon)
            due = (now >= horizon.minimum) & (now % horizon.interval == 0)
            rate, maximum = np.clip(horizon.rate, 0, 1), horizon.maximum
        else:
            due, rate, maximum = (
                np.ones(BATCH, bool),
                1 - np.asarray(params.continuation),
                np.asarray(params.horizon),
            )
        assert not over[~due].any()
        assert (np.asarray(timestep.last) == (over | (now >= maximum))).all()
        count, expected = count + over.sum(), expected + (due * rate).sum()
        variance += (due * rate * (1 - rate)).sum()
    assert abs(count - expected) < 4 * math.sqrt(variance)
    assert expected > 50
