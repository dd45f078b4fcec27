"""What holds in every world: for thousands of random keys, situations and joint moves at once."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from choosing import few

from softsim.envs import (
    Beam,
    Cell,
    Decay,
    Ending,
    Enter,
    Game,
    Growth,
    Rule,
    Slowdown,
    Struck,
    Touch,
    View,
    beams,
    compile_games,
    growth,
    movement,
)
from softsim.envs.checker import MAX_RADIUS
from softsim.envs.draws import draw
from softsim.envs.observe import look
from softsim.envs.params import Sharing
from softsim.envs.sharing import share
from softsim.envs.vocabulary import ACTIONS, DARK, ITEMS, NUM_MOVES, OTHER, SELF, WALL

FLOOR, APPLE, RIVER, DIRT = (ITEMS.index(name) for name in ("floor", "apple", "river", "dirt"))
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
QUARTER = {"forward": 0, "backward": 2, "step_left": 3, "step_right": 1}
NEAR = View(ahead=3, behind=1, side=2)


QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer here than running."""


# ---- Worlds stepped many at once -------------------------------------------------------------------------


def start(world, key, params, count):
    return jax.vmap(world.reset, in_axes=(0, None))(jax.random.split(key, count), params)[0]


def proceed(world, key, params, state, action):
    """Step copies [B] of a situation by actions [T, B, A]; states and timesteps [T, B, ...]."""

    def advance(state, moment):
        key, action = moment
        keys = jax.random.split(key, action.shape[0])
        state, timestep = jax.vmap(world.step, in_axes=(0, None, 0, 0))(keys, params, state, action)
        return state, (state, timestep)

    return jax.lax.scan(advance, state, (jax.random.split(key, action.shape[0]), action))[1]


def start_and_proceed(world, key, params, action):
    """Step from a reset; states [T + 1, B] and timesteps [T, B]."""
    key_begin, key_run = jax.random.split(key)
    first = start(world, key_begin, params, action.shape[1])
    states, timesteps = proceed(world, key_run, params, first, action)
    return jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), first, states), timesteps


begin = jax.jit(start, static_argnums=(0, 3), compiler_options=QUICK)
run = jax.jit(proceed, static_argnums=0, compiler_options=QUICK)
begin_and_run = jax.jit(start_and_proceed, static_argnums=0, compiler_options=QUICK)


def only(game: Game):
    world, params = compile_games([game])
    return world, jax.tree.map(lambda leaf: leaf[0], params)


def numpy(tree):
    return jax.tree.map(np.asarray, tree)


def choices(seed: int, world, *shape: int, most: int | None = None) -> np.ndarray:
    """Draw actions [*shape, A] below `most`; two in five walk ahead, and so meet."""
    rng = np.random.default_rng(seed)
    action = rng.integers(0, most or world.num_actions, (*shape, world.num_agents), np.int32)
    return np.where(rng.random(action.shape) < 0.4, np.int32(ACTIONS.index("forward")), action)


def history(game: Game, count: int, steps: int, seed: int = 0, most: int | None = None):
    """Declare a game and `play` it."""
    return play(*only(game), count, steps, seed, most)


def play(world, params, count: int, steps: int, seed: int = 0, most: int | None = None):
    """Take random actions; the world, its params, and states [T + 1, B] and timesteps [T, B] as NumPy."""
    action = choices(seed, world, steps, count, most=most)
    return world, params, *numpy(begin_and_run(world, jax.random.key(seed), params, action))


def assert_same(left, right, where: str = ""):
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(left), jax.tree.leaves(right), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        name = where + jax.tree_util.keystr(path)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        assert a.tobytes() == b.tobytes(), f"{name}: {(a != b).sum()} of {a.size} differ"


def deviation(count, trials, probability) -> float:
    return float((count - trials * probability) / math.sqrt(trials * probability * (1 - probability)))


def distinct(position: np.ndarray, present: np.ndarray) -> bool:
    """Whether the agents [..., A] that are present stand on cells of their own."""
    own = np.sort(np.where(present, position, -1 - np.arange(position.shape[-1])), -1)
    return bool((own[..., 1:] != own[..., :-1]).all())


def swaps(before: np.ndarray, after: np.ndarray, present: np.ndarray) -> np.ndarray:
    """[..., A, A] pairs that have changed places."""
    crossed = before[..., :, None] == after[..., None, :]
    moved = (before != after) & present
    return crossed & np.swapaxes(crossed, -1, -2) & moved[..., :, None] & moved[..., None, :]


# ---- Movement, case by case ------------------------------------------------------------------------------


def settle(position, target, mover, present, priority) -> list[bool]:
    """Say who moves, in plain Python: let everybody go, then call back whoever cannot until nobody is."""
    agents = range(len(position))
    goes = [bool(mover[i]) for i in agents]
    for i, j in itertools.permutations(agents, 2):
        if mover[i] and mover[j] and target[i] == target[j] and priority[j] > priority[i]:
            goes[i] = False
    for i, j in itertools.combinations(agents, 2):
        if mover[i] and mover[j] and target[i] == position[j] and target[j] == position[i]:
            goes[i] = goes[j] = False
    changed = True
    while changed:
        changed = False
        for i, j in itertools.permutations(agents, 2):
            if goes[i] and present[j] and not goes[j] and target[i] == position[j]:
                goes[i], changed = False, True
    return goes


resolve = jax.jit(jax.vmap(movement.resolve))


def assert_settled(position, target, mover, present, priority):
    arguments = [np.asarray(a) for a in (position, target, mover, present, priority)]
    kinds = (np.int32, np.int32, bool, bool, np.uint32)
    moved = np.asarray(resolve(*(a.astype(kind) for a, kind in zip(arguments, kinds, strict=True))))
    expected = np.array([settle(*case) for case in zip(*(a.tolist() for a in arguments), strict=True)])
    assert (moved == expected).all(), f"{(moved != expected).any(1).sum()} of {len(moved)} cases differ"
    position, target, mover, present, _ = arguments
    assert not (moved & ~mover).any()
    after = np.where(moved, target, position)
    assert distinct(after, present)
    assert not swaps(position, after, present).any()
    return moved


def test_three_agents_move_as_the_rules_say_in_every_case():
    """All targets on four cells, all who stay, walk or are absent, all priorities."""
    cases = []
    for target in itertools.product(range(4), repeat=3):
        for kind in itertools.product(("stays", "walks", "absent"), repeat=3):
            if any(k == "walks" and target[i] == i for i, k in enumerate(kind)):
                continue
            mover, present = [k == "walks" for k in kind], [k != "absent" for k in kind]
            cases += [(range(3), target, mover, present, p) for p in itertools.permutations((1, 2, 3))]
    assert len(cases) > 4000
    moved = assert_settled(*([list(part) for part in column] for column in zip(*cases, strict=True)))
    assert set(moved.sum(1)) == {0, 1, 2, 3}


@pytest.mark.parametrize(("num_agents", "num_cells"), [(4, 5), (7, 8), (7, 30), (16, 20)])
def test_crowds_move_as_the_rules_say(num_agents, num_cells):
    """Any cell may be wanted, not only a neighbour: more rings and longer trains than a grid allows."""
    rng = np.random.default_rng(num_agents * num_cells)
    count = 3000
    position = rng.random((count, num_cells)).argsort(1)[:, :num_agents]
    target = rng.integers(0, num_cells, position.shape)
    # Half of the cases are near rotations, which chance alone rarely brings.
    ring = np.take_along_axis(position, rng.random(position.shape).argsort(1), 1)
    target = np.where(rng.random((count, 1)) < 0.5, np.where(rng.random(position.shape) < 0.8, ring, target), target)
    present = rng.random(position.shape) < 0.9
    mover = present & (rng.random(position.shape) < 0.9) & (target != position)
    # The absent hold any cell, also one that is taken.
    position = np.where(present, position, rng.integers(0, num_cells, position.shape))
    mover &= target != position
    priority = rng.random(position.shape).argsort(1) + 1
    moved = assert_settled(position, target, mover, present, priority)
    assert moved.any()
    assert (mover & ~moved).any()


@pytest.mark.parametrize("length", [1, 2, 7, 16])
def test_trains_move_as_one_and_wait_as_one(length):
    line = np.arange(length)
    everybody = np.ones(length, bool)
    assert assert_settled([line], [line + 1], [everybody], [everybody], [line + 1]).all()
    if length > 1:
        halted = line < length - 1  # the first of the train stays
        assert not assert_settled([line], [line + 1], [halted], [everybody], [line + 1]).any()


@pytest.mark.parametrize("length", [3, 4, 7])
def test_rings_turn_but_two_do_not_swap(length):
    ring, everybody = np.arange(length), np.ones(length, bool)
    assert assert_settled([ring], [np.roll(ring, -1)], [everybody], [everybody], [ring + 1]).all()
    pair = np.array([0, 1])
    assert not assert_settled([pair], [pair[::-1]], [[True, True]], [[True, True]], [[2, 1]]).any()
    # nor does a train behind them get on
    assert not assert_settled([[0, 1, 2]], [[1, 0, 1]], [[True] * 3], [[True] * 3], [[1, 2, 3]]).any()


@pytest.mark.parametrize("contenders", [2, 3, 7])
def test_every_contender_is_as_likely_to_win(contenders):
    """With the priorities that a step draws; the wanted cell is free, or its holder leaves it."""
    trials = 20_000
    keys = jax.random.split(jax.random.key(contenders), trials)
    priority = jax.jit(jax.vmap(lambda key: draw(key, contenders + 1).priority))(keys)
    position, everybody = np.arange(contenders + 1), np.ones(contenders + 1, bool)
    target = np.where(position == contenders, 99, contenders)
    case = (np.tile(array, (trials, 1)) for array in (position, target, everybody, everybody))
    moved = np.asarray(resolve(*(a.astype(np.int32) if a.dtype != bool else a for a in case), priority))
    assert moved[:, contenders].all()
    assert (moved[:, :contenders].sum(1) == 1).all()
    for agent in range(contenders):
        assert abs(deviation(moved[:, agent].sum(), trials, 1 / contenders)) < 4


# ---- Movement, in a crowded world ------------------------------------------------------------------------

BAZAAR = Game(
    name="bazaar",
    map="#########\n#aaPPkkd#\n#aPPPkrr#\n#a#PPPrd#\n#aaPPkkr#\n#########",
    legend={
        "a": Cell("apple", site="orchard"),
        "k": Cell("rock", site="quarry"),
        "r": Cell("river", site="stream"),
        "d": Cell("dirt", site="stream"),
    },
    solid=("wall", "rock"),
    rules=(
        Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
        Rule(on=Touch("rock"), becomes="floor", reward=0.5, reward_others=0.25, event="mined"),
        Rule(on=Struck("dirt", by="clean"), becomes="river", freeze=2, event="cleaned"),
    ),
    growth=(
        Growth("apple", on="orchard", rate=(0.0, 0.1, 0.2, 0.4), radius=1.5),
        Growth("rock", on="quarry", rate=0.3),
        Growth("dirt", on="stream", over="river", per_step=0.5, after=3),
    ),
    decay=(Decay("apple", 0.02),),
    beams=(
        Beam("zap", half_width=1, cooldown=3, strikes_agents=True, removes_for=3, fine=-1.0, event="zapped"),
        Beam("clean", cooldown=2),
    ),
    num_agents=8,
    view=NEAR,
    ending=Ending(1000),
)


@functools.cache
def bazaar():
    return history(BAZAAR, count=512, steps=30)


def test_agents_stand_on_cells_of_their_own():
    _, _, states, _ = bazaar()
    present = states.removed == 0
    assert distinct(states.position, present)
    assert 0.02 < (~present).mean() < 0.7  # many have left and come back


def test_agents_never_stand_on_solid_cells():
    _, params, states, _ = bazaar()
    there = np.take_along_axis(states.cell.reshape(*states.cell.shape[:2], -1), states.position, -1)
    assert not (np.asarray(params.layout.solid)[0][there] & (states.removed == 0)).any()
    solid = np.asarray(params.layout.solid)[0][states.cell]
    assert (solid[1:] & ~solid[:-1]).sum() > 1000  # rocks have grown meanwhile


def test_agents_move_one_cell_at_most_and_never_swap():
    world, _, states, _ = bazaar()
    before, after = states.position[:-1], states.position[1:]
    present = states.removed[:-1] == 0
    width = world.spec.width
    distance = abs(after // width - before // width) + abs(after % width - before % width)
    assert distance[present].max() == 1
    assert (distance[present] == 1).mean() > 0.1
    assert not swaps(before, after, present).any()
    assert (distance[~present & (states.removed[1:] > 0)] == 0).all()  # who is away stays away


def test_those_who_cannot_act_do_nothing():
    """The frozen and the absent neither move nor turn nor fire nor touch."""
    _, _, states, timesteps = bazaar()
    stuck = (states.frozen[:-1] > 0) | (states.removed[:-1] > 0)
    unmoved = stuck & (states.removed[:-1] == 0)
    assert unmoved.sum() > 100
    for field in ("position", "heading"):
        held = getattr(states, field)
        assert (held[1:] == held[:-1])[unmoved].all(), field
    assert (timesteps.events[stuck] == 0).all()
    assert (states.cooldown[1:] == np.maximum(states.cooldown[:-1] - 1, 0))[stuck].all()


# ---- Things ----------------------------------------------------------------------------------------------


def test_the_stream_keeps_its_cells():
    """Cleaning and fouling trade river for dirt and dirt for river, one cell at a time."""
    world, _, states, timesteps = bazaar()
    dirt, river = ((states.cell == item).sum((2, 3)) for item in (DIRT, RIVER))
    assert (dirt + river == 6).all()
    cleaned = timesteps.events[..., world.event_names.index("cleaned")].sum(-1)
    emerged = dirt[1:] - dirt[:-1] + cleaned
    assert set(np.unique(emerged)) == {0, 1}
    assert (emerged[:3] == 0).all()
    assert cleaned.sum() > 100


def test_payoffs_follow_from_events():
    world, _, states, timesteps = bazaar()
    ate, mined, zapped = (
        timesteps.events[..., world.event_names.index(name)].sum(-1) for name in ("ate", "mined", "zapped")
    )
    # A rock mined brings a quarter to each other on the map or about to return; those who are zapped lose one per zap.
    others = (states.removed[:-1] <= 1).sum(-1) - 1
    assert (timesteps.payoff.sum(-1) == ate + mined * (0.5 + others * 0.25) - zapped).all()
    assert min(ate.sum(), mined.sum(), zapped.sum()) > 100
    assert len(np.unique(others[mined > 0])) > 2


def test_without_growth_apples_only_fall_and_each_pays_once():
    larder = dataclasses.replace(BAZAAR, growth=(), decay=(), rules=BAZAAR.rules[:1], beams=BAZAAR.beams[:1])
    zap = dataclasses.replace(larder.beams[0], fine=0.0)
    world, _, states, timesteps = history(dataclasses.replace(larder, beams=(zap,)), count=512, steps=40, seed=3)
    assert "grow" not in world.spec.phases
    apple = states.cell == APPLE
    assert not (apple[1:] & ~apple[:-1]).any()
    assert (states.cell == states.cell[0])[~apple[0][None].repeat(len(apple), 0)].all()
    gone = apple[:-1].sum((2, 3)) - apple[1:].sum((2, 3))
    assert (timesteps.payoff.sum(-1) == gone).all()
    assert (timesteps.payoff == timesteps.reward).all()
    assert gone.sum() > 500


@functools.cache
def wash():
    return only(
        Game(
            name="wash",
            map="\n".join(["ddddddd", "ddPdPdd", "ddddddd", "ddPdddd", "ddddddd"]),
            legend={"d": Cell("dirt")},
            rules=[Rule(on=Struck("dirt", by="clean"), becomes="river", reward=1.0, event="cleaned")],
            beams=[Beam("clean", length=3, half_width=3)],
            num_agents=3,
            view=NEAR,
        )
    )


@pytest.mark.parametrize("half_width", [0, 1, 2, 3])
def test_a_shot_counts_each_cell_it_changes_once(half_width):
    """The lanes of a wide beam run beside one another, and a cell that several reach is still one cell."""
    world, params = wash()
    law = dataclasses.replace(params.beams, half_width=jnp.full(1, half_width, jnp.int32))
    *_, states, timesteps = play(world, dataclasses.replace(params, beams=law), count=256, steps=6)
    gone = -np.diff((states.cell == DIRT).sum((2, 3)), axis=0)
    assert gone.sum() > 256
    assert (timesteps.events.sum((2, 3)) == gone).all()
    assert (timesteps.payoff.sum(-1) == gone).all()


def test_nothing_grows_under_an_agent():
    """Where growth is certain, the free cells without an apple are exactly those that agents hold."""
    orchard = Game(
        name="orchard",
        map="aaaaaa\naapppa\naapppa\nbbbbbb",
        legend={"a": Cell(site="field"), "b": Cell(site="bank"), "p": Cell(site="field", spawn="always")},
        rules=[Rule(on=Enter("apple"), becomes="floor"), Rule(on=Enter("dirt"), becomes="floor")],
        growth=[Growth("apple", on="field", rate=1.0), Growth("dirt", on="bank", per_step=1.0)],
        num_agents=5,
        view=NEAR,
    )
    _, params, states, _ = history(orchard, count=256, steps=24)
    held = np.zeros(states.cell.reshape(*states.cell.shape[:2], -1).shape, bool)
    np.put_along_axis(held, states.position, True, -1)
    held, field = held.reshape(states.cell.shape), np.asarray(params.layout.site) == 1
    assert ((states.cell == APPLE) == (field & ~held))[1:].all()
    bank = ~field & np.ones(states.cell.shape, bool)
    assert not ((states.cell == DIRT) & held).any()
    full = (states.cell == DIRT) | held
    assert full[-1][bank[-1]].mean() > 0.9
    # one at a time, unless none is free
    grown = ((states.cell[1:] == DIRT) & (states.cell[:-1] != DIRT)).sum((2, 3))
    free = ((states.cell[:-1] == FLOOR) & ~held[1:] & bank[1:]).sum((2, 3))
    assert set(np.unique(grown)) == {0, 1}
    assert ((grown == 1) >= (free > 0)).all()


# ---- Growth against its formulas -------------------------------------------------------------------------


SLOW = Game(
    name="slow",
    map="\n".join(["b" * 20, "." * 20, *["f" * 20] * 18, "P" * 20]),
    legend={"b": Cell("river", site="bank"), "f": Cell(site="field")},
    growth=[
        Growth("apple", on="field", rate=0.8, slowed_by=Slowdown("dirt", of="bank", low=0.0, high=1.0)),
        Growth("dirt", on="bank", over="river", per_step=0.0),
    ],
    view=View(0, 0, 0),
)


@functools.cache
def slow_worlds():
    """Compile a step of a field of 360 cells whose growth is slowed by dirt on a bank of 20."""
    world, params = only(SLOW)

    @functools.partial(jax.jit, compiler_options=QUICK)
    def apples(keys, state, low, high):
        """How many have grown, in copies with their own maps and bounds."""

        def one(key, state, low, high):
            law = dataclasses.replace(params.growth, slow_low=low[None], slow_high=high[None])
            here = dataclasses.replace(params, growth=law)
            state, _ = world.step(key, here, state, jnp.zeros(1, jnp.int32))
            return (state.cell == APPLE).sum(dtype=jnp.int32)

        return jax.vmap(one)(keys, state, low, high)

    return apples, numpy(begin(world, jax.random.key(0), params, 84))


def grown_with_dirt(dirty, low, high) -> np.ndarray:
    """Apples after one step, [84], with the cells `dirty` [84, H, W] turned to dirt."""
    apples, state = slow_worlds()
    state = dataclasses.replace(state, cell=np.where(dirty, np.uint8(DIRT), state.cell))
    low, high = (np.broadcast_to(np.float32(bound), 84) for bound in (low, high))
    return np.asarray(apples(jax.random.split(jax.random.key(1), 84), state, low, high))


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.4), (0.1, 0.9), (0.0, 1.0), (0.325, 0.325)])
def test_a_rate_is_full_up_to_low_and_gone_from_high(low, high):
    """Exactly gone, exactly full, and in between linear in the dirt."""
    covered = np.arange(84) // 4
    dirty = np.zeros((84, 21, 20), bool)
    dirty[:, 0] = np.arange(20) < covered[:, None]
    count = grown_with_dirt(dirty, low, high).reshape(21, 4).sum(1)
    for fraction, grown in zip(np.arange(21) / 20, count, strict=True):
        factor = 1.0 if fraction <= low else 0.0 if fraction >= high else (high - fraction) / (high - low)
        if factor == 0:
            assert grown == 0
        else:
            assert abs(deviation(grown, 4 * 360, 0.8 * factor)) < 4, fraction


def test_only_dirt_on_its_site_slows():
    """As much dirt beside the bank as the bank has cells."""
    dirty = np.zeros((84, 21, 20), bool)
    dirty[:, 1] = True
    assert abs(deviation(grown_with_dirt(dirty, 0.0, 0.4).sum(), 84 * 360, 0.8)) < 4


@pytest.mark.parametrize(("radius", "neighbours"), [(1.0, 4), (1.5, 8), (2.0, 12), (2.9, 24)])
def test_neighbours_are_counted_within_the_radius(radius, neighbours):
    offsets = tuple(sorted(Growth("apple", on="field", rate=(0.0,) * 4, radius=radius).offsets))
    assert len(offsets) == neighbours
    cell = np.random.default_rng(0).integers(0, 5, (9, 12)).astype(np.uint8)
    near = np.random.default_rng(1).integers(0, 2, neighbours).astype(np.uint8)
    count = np.asarray(growth.live_neighbours(jnp.asarray(cell), jnp.uint8(APPLE), jnp.asarray(near), offsets))
    for row, column in np.ndindex(9, 12):
        live = 0
        for (r, c), counts in zip(offsets, near, strict=True):
            inside = 0 <= row + r < 9 and 0 <= column + c < 12
            live += int(inside and counts and cell[row + r, column + c] == APPLE)
        assert count[row, column] == live


def test_the_widest_neighbourhood_is_counted_to_the_end():
    """Counts are bytes, and `checks` limits the radius so that they suffice."""
    offsets = tuple(sorted(Growth("apple", on="field", rate=(0.0,) * 4, radius=MAX_RADIUS).offsets))
    cell, near = jnp.full((21, 21), APPLE, jnp.uint8), jnp.ones(len(offsets), jnp.uint8)
    count = jax.jit(growth.live_neighbours, static_argnums=3)(cell, jnp.uint8(APPLE), near, offsets)
    assert int(count[10, 10]) == len(offsets) > 190


# ---- Names do not matter ---------------------------------------------------------------------------------


def test_relabelling_agents_relabels_who_moves():
    rng = np.random.default_rng(4)
    count, num_agents, num_cells = 2000, 7, 12
    position = rng.random((count, num_cells)).argsort(1)[:, :num_agents].astype(np.int32)
    target = rng.integers(0, num_cells, position.shape).astype(np.int32)
    present = rng.random(position.shape) < 0.9
    mover = present & (target != position)
    priority = rng.permuted(np.tile(np.arange(1, num_agents + 1, dtype=np.uint32), (count, 1)), axis=1)
    arguments = (position, target, mover, present, priority)
    moved = np.asarray(resolve(*arguments))
    names = rng.permuted(np.tile(np.arange(num_agents), (count, 1)), axis=1)
    renamed = np.asarray(resolve(*(np.take_along_axis(a, names, 1) for a in arguments)))
    assert (renamed == np.take_along_axis(moved, names, 1)).all()


def test_relabelling_agents_relabels_what_they_strike():
    rng = np.random.default_rng(5)
    count, num_agents = 500, 5
    field = Game(
        name="range",
        map="\n".join(["PPPPP...", *["........"] * 6]),
        items=("apple",),
        growth=[Growth("apple", on="nowhere", rate=0.0)],
        legend={".": Cell(site="nowhere")},
        rules=[Rule(on=Struck("apple", by="clean"), becomes="floor")],
        beams=[Beam("zap", length=3, strikes_agents=True), Beam("clean", length=2, half_width=2)],
        num_agents=num_agents,
    )
    world, params = only(field)
    shapes, _ = jax.eval_shape(world.reset, jax.random.key(0), params)
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    @jax.jit
    @jax.vmap
    def cast(beam, fires, position, heading, present, cell):
        here = dataclasses.replace(state, position=position, heading=heading, cell=cell.reshape(7, 8))
        stood = jnp.zeros(56, bool).at[jnp.where(present, position, 56)].set(True, mode="drop")
        of = lambda agent: beams.cast(world.spec, params, here, stood, agent, beam[agent], fires[agent])  # noqa: E731
        return jax.vmap(of)(jnp.arange(num_agents))

    agents = {
        "beam": rng.integers(0, 2, (count, num_agents), np.int32),
        "fires": rng.random((count, num_agents)) < 0.7,
        "position": rng.random((count, 56)).argsort(1)[:, :num_agents].astype(np.int32),
        "heading": rng.integers(0, 4, (count, num_agents), np.int32),
        "present": rng.random((count, num_agents)) < 0.8,
    }
    cell = rng.integers(0, 4, (count, 56)).astype(np.uint8)
    rays = numpy(cast(*agents.values(), cell))
    names = np.array([3, 0, 4, 2, 1])
    renamed = numpy(cast(*(array[:, names] for array in agents.values()), cell))
    for field in ("cell", "item", "struck"):
        assert (getattr(renamed, field) == getattr(rays, field)[:, names]).all(), field
    assert rays.struck.any()


@pytest.mark.parametrize(("names", "show_identity"), [((3, 4, 0, 1, 2), True), ((2, 0, 4, 3, 1), False)])
def test_relabelling_agents_relabels_a_world_without_contests(names, show_identity):
    """Priorities come from the key, slot by slot, so only steps in which no two want one cell are compared.

    A shift of all slots keeps relative slots, so identities may be seen; any other renaming changes them.
    """
    game = Game(
        name="square",
        map="\n".join(["........", ".PPPPaa.", ".PPPPaa.", "aaPPPP..", "........"]),
        legend={"a": Cell("apple", site="field")},
        rules=[
            Rule(
                on=Enter("apple"),
                role="glutton",
                becomes="floor",
                reward=2.0,
                reward_others=-0.5,
                event="ate",
            ),
            Rule(on=Enter("apple"), role="gourmet", becomes="floor", reward=1.0, event="ate"),
        ],
        growth=[Growth("apple", on="field", rate=0.2)],
        beams=[Beam("zap", cooldown=2, strikes_agents=True, removes_for=50, fine=-4.0, reward=0.25, event="zapped")],
        roles=("glutton", "gourmet"),
        num_agents=5,
        view=NEAR,
        show_identity=show_identity,
    )
    world, params = only(game)
    rng = np.random.default_rng(6)
    sharing = Sharing(
        weights=jnp.asarray(rng.integers(-2, 5, (5, 5)) / 4, jnp.float32),
        envy=jnp.asarray(rng.integers(0, 4, 5), jnp.float32),
        guilt=jnp.asarray(rng.integers(0, 4, 5), jnp.float32),
        memory=jnp.float32(0.5),
    )
    params = dataclasses.replace(
        params, sharing=sharing, agent_mask=jnp.array([True, True, True, False, True]), role=jnp.arange(5) % 2
    )
    p = jnp.array(names)
    renamed_params = dataclasses.replace(
        params,
        agent_mask=params.agent_mask[p],
        role=params.role[p],
        sharing=Sharing(sharing.weights[p][:, p], sharing.envy[p], sharing.guilt[p], sharing.memory),
    )
    count = 1024
    state = begin(world, jax.random.key(1), params, count)
    for t in range(3):
        states, _ = run(world, jax.random.key(10 + t), params, state, choices(10 + t, world, 1, count))
        state = jax.tree.map(lambda leaf: leaf[0], states)
    action = choices(2, world, 1, count)

    def rename(tree):
        """Rename every leaf [1, B, A, ...] of a state or timestep."""
        return jax.tree.map(
            lambda leaf: np.asarray(leaf)[:, :, np.array(names)] if leaf.shape[2:3] == (5,) else leaf, tree
        )

    renamed_state = dataclasses.replace(
        jax.tree.map(lambda leaf: leaf[:, p] if leaf.shape[1:2] == (5,) else leaf, state), cell=state.cell
    )
    after = numpy(run(world, jax.random.key(3), params, state, action))
    other = numpy(run(world, jax.random.key(3), renamed_params, renamed_state, action[:, :, np.array(names)]))
    held = after[0].cell
    expected = rename(after)
    expected = (dataclasses.replace(expected[0], cell=held), expected[1])

    alone = ~contested(world, numpy(state), action[0], np.asarray(params.agent_mask))
    assert alone.sum() > 200
    assert ~alone.all()
    assert_same(*(jax.tree.map(lambda leaf: leaf[0][alone], tree) for tree in (other, expected)))
    for count_of in after[1].events[0][alone].sum((0, 1)):
        assert count_of > 20


def contested(world, state, action, agent_mask) -> np.ndarray:
    """[B] whether two agents want to walk onto one cell."""
    quarter = np.array([QUARTER.get(name, 0) for name in world.action_names])[action]
    walks = np.isin(action, [ACTIONS.index(name) for name in QUARTER]) & agent_mask & (state.removed == 0)
    step = np.array(STEPS)[(state.heading + quarter) % 4]
    target = np.where(walks, state.position + step[..., 0] * world.spec.width + step[..., 1], -np.arange(1, 6))
    target = np.sort(target, 1)
    return (target[:, 1:] == target[:, :-1]).any(1)


# ---- Directions do not matter ----------------------------------------------------------------------------


@pytest.mark.slow
def test_rotating_the_map_rotates_what_happens():
    """By a quarter turn, in a world that leaves nothing to chance but who wins a contest."""
    court = Game(
        name="court",
        items=("blossom",),
        map="#########\n#ab.PP.r#\n#bkdPP.r#\n#P.#.Pka#\n#bb.ba..#\n####.####",
        legend={
            "a": Cell("apple", site="orchard"),
            "b": Cell(site="orchard"),
            "d": Cell("dirt", site="stream"),
            "k": Cell("rock"),
            "r": Cell("river", site="stream"),
        },
        solid=("wall", "rock"),
        rules=(
            Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
            Rule(on=Touch("rock"), becomes="apple", reward=0.5, event="mined"),
            Rule(on=Struck("dirt", by="clean"), becomes="river", event="cleaned"),
            Rule(on=Struck("apple", by="clean"), becomes="blossom", reward_others=0.5, event="pruned"),
        ),
        growth=(
            Growth("apple", on="orchard", rate=(0.0, 1.0, 0.0, 1.0), radius=1.5),
            Growth("dirt", on="stream", over="river", rate=1.0, slowed_by=Slowdown("dirt", "stream", 0.5, 0.6)),
        ),
        decay=(Decay("blossom", 1.0, into="apple"),),
        beams=(
            Beam("zap", cooldown=3, strikes_agents=True, freezes_for=2, fine=-1.0, event="zapped"),
            Beam("clean", length=2, half_width=1),
        ),
        num_agents=5,
        view=View(ahead=4, behind=1, side=2),
        endless=True,
    )
    rows = court.rows
    turned = dataclasses.replace(court, map="\n".join("".join(column[::-1]) for column in zip(*rows, strict=True)))
    height, width = len(rows), len(rows[0])
    assert height != width

    def rotate(state):
        row, column = state.position // width, state.position % width
        return dataclasses.replace(
            state,
            cell=jnp.rot90(state.cell, -1, (-2, -1)),
            position=column * height + height - 1 - row,
            heading=(state.heading + 1) & 3,
        )

    world, params = only(court)
    other, other_params = only(turned)
    count, steps = 256, 24
    state = begin(world, jax.random.key(0), params, count)
    assert (jnp.rot90(params.layout.cell, -1) == other_params.layout.cell).all()
    action = choices(0, world, steps, count)
    states, timesteps = run(world, jax.random.key(1), params, state, action)
    there, seen = run(other, jax.random.key(1), other_params, rotate(state), action)
    assert_same(seen, timesteps, "timestep")
    assert_same(there, rotate(states), "state")
    events = dict(zip(world.event_names, np.asarray(timesteps.events).sum((0, 1, 2)).tolist(), strict=True))
    assert min(events.values()) > 100, events
    assert len(np.unique(np.asarray(timesteps.observation.window[-1]), axis=0)) == count


# ---- Strength zero is absence ----------------------------------------------------------------------------

PLAIN = Game(
    name="plain",
    map="##########\n#aaPPkkxx#\n#aPPPkdff#\n#aaPPPrff#\n##########",
    legend={
        "a": Cell("apple", site="orchard"),
        "f": Cell(site="field"),
        "x": Cell(site="bare"),
        "k": Cell("rock"),
        "r": Cell("river", site="stream"),
        "d": Cell("dirt", site="stream"),
    },
    solid=("wall", "rock"),
    rules=(Rule(on=Enter("apple"), becomes="floor", reward=1.0),),
    growth=(Growth("apple", on="orchard", rate=0.2),),
    num_agents=5,
    view=NEAR,
)
LAW, RULES = PLAIN.growth[0], PLAIN.rules
IDLE = {
    "nothing grows, emerges or decays": (
        {"crowd", "emerge", "decay"},
        {
            "growth": (
                LAW,
                Growth("apple", on="field", rate=0.0),
                Growth("apple", on="bare", rate=(0.0,) * 4),
                Growth("dirt", on="stream", over="river", per_step=0.0),
            ),
            "decay": (Decay("apple", 0.0),),
        },
    ),
    "nothing depends on neighbours": (
        {"crowd"},
        {"growth": (dataclasses.replace(LAW, rate=(0.2,) * 4),)},
    ),
    "nothing slows": (
        {"slow"},
        {"growth": (dataclasses.replace(LAW, slowed_by=Slowdown("dirt", "orchard", 0.0, 0.4)),)},
    ),
    "nobody fires, and touching has no effect": (
        {"touch", "beam", "strike", "respawn"},
        {
            "beams": (Beam("zap", strikes_agents=True, removes_for=5, fine=-9.0), Beam("clean")),
            "rules": (
                *RULES,
                Rule(on=Touch("rock")),
                Rule(on=Struck("dirt", by="clean"), becomes="river", reward=1.0),
            ),
        },
    ),
}


@functools.cache
def plain():
    return history(PLAIN, count=128, steps=20, most=NUM_MOVES)


@pytest.mark.parametrize("idle", few(IDLE, 2))
def test_a_phase_at_strength_zero_is_no_phase(idle):
    """Bit for bit."""
    phases, fields = IDLE[idle]
    world, _, states, timesteps = plain()
    other, _, there, seen = history(dataclasses.replace(PLAIN, **fields), count=128, steps=20, most=NUM_MOVES)
    assert set(other.spec.phases) == set(world.spec.phases) | phases
    assert not phases & set(world.spec.phases)
    for field in ("cell", "position", "heading", "removed", "frozen", "trace"):
        assert_same(getattr(there, field), getattr(states, field), field)
    for field in ("payoff", "reward", "discount", "last"):
        assert_same(getattr(seen, field), getattr(timesteps, field), field)
    assert_same(seen.observation.window, timesteps.observation.window)
    assert timesteps.payoff.sum() > 100
    assert ((states.cell[1:] == APPLE) & (states.cell[:-1] != APPLE)).sum() > 100


# ---- What is seen ----------------------------------------------------------------------------------------


def seen_by(agent: int, view: View, cell, position, heading, present, show_identity) -> np.ndarray:
    """Look at a world with the eyes of one agent, cell by cell. `cell` is [H, W]."""
    (height, width), num_agents = cell.shape, len(position)
    window = np.zeros((*view.shape, 2), np.uint8)
    window[..., 0] = DARK
    if not present[agent]:
        return window
    ahead, right = STEPS[heading[agent]], STEPS[(heading[agent] + 1) % 4]
    standing = {position[other]: other for other in range(num_agents) if present[other]}
    for i, j in np.ndindex(*view.shape):
        forward, sideways = view.ahead - i, j - view.side
        row = position[agent] // width + forward * ahead[0] + sideways * right[0]
        column = position[agent] % width + forward * ahead[1] + sideways * right[1]
        if not (0 <= row < height and 0 <= column < width):
            window[i, j] = WALL, 0
            continue
        other = standing.get(row * width + column)
        who = 0
        if other is not None:
            identity = (other - agent) % num_agents if show_identity else 0
            who = SELF if other == agent else OTHER + 4 * identity + (heading[other] - heading[agent]) % 4
        window[i, j] = cell[row, column], who
    return window


@pytest.mark.parametrize(
    ("view", "shape", "num_agents"),
    [
        (View(ahead=9, behind=1, side=5), (9, 12), 7),
        (View(ahead=3, behind=1, side=2), (6, 5), 5),
        (View(ahead=1, behind=4, side=1), (7, 4), 3),
        (View(ahead=0, behind=0, side=3), (5, 9), 4),
        (View(ahead=0, behind=0, side=0), (3, 3), 2),
        (View(ahead=2, behind=2, side=2), (20, 20), 62),
    ],
)
def test_windows_show_what_lies_and_who_stands_there(view, shape, num_agents):
    rng = np.random.default_rng(num_agents)
    count, size = 48, shape[0] * shape[1]
    cell = rng.integers(0, 32, (count, size)).astype(np.uint8)
    position = rng.random((count, size)).argsort(1)[:, :num_agents].astype(np.int32)
    heading = rng.integers(0, 4, (count, num_agents), np.int32)
    present = rng.random((count, num_agents)) < 0.85
    # the absent may be anywhere, also where another stands
    position = np.where(present, position, position[:, :1])
    show = rng.random(count) < 0.5
    rows = ["P" * shape[1]] * shape[0]
    world, params = only(Game(name="sight", map="\n".join(rows), num_agents=num_agents, view=view))
    shapes, _ = jax.eval_shape(world.reset, jax.random.key(0), params)
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    @jax.jit
    @jax.vmap
    def see(cell, position, heading, present, show):
        here = dataclasses.replace(state, cell=cell.reshape(shape), position=position, heading=heading)
        return look(world.spec, dataclasses.replace(params, show_identity=show), here, present, present)

    window = np.asarray(see(cell, position, heading, present, show))
    for b in range(count):
        for agent in range(min(num_agents, 7)):
            expected = seen_by(agent, view, cell[b].reshape(shape), position[b], heading[b], present[b], show[b])
            assert (window[b, agent] == expected).all(), (b, agent)


# ---- Sharing ---------------------------------------------------------------------------------------------


def sharing(num_agents: int, **fields) -> Sharing:
    zeros = np.zeros(num_agents, np.float32)
    blank = Sharing(np.eye(num_agents, dtype=np.float32), zeros, zeros, np.float32(0))  # type: ignore[arg-type]
    fields = {name: np.asarray(value, np.float32) for name, value in fields.items()}
    return jax.tree.map(jnp.asarray, dataclasses.replace(blank, **fields))


def rewards(law: Sharing, payoff, mask=None, trace=None) -> list[float]:
    payoff = jnp.asarray(payoff, jnp.float32)
    mask = jnp.ones(payoff.shape, bool) if mask is None else jnp.asarray(mask)
    return share(law, payoff, jnp.zeros_like(payoff) if trace is None else trace, mask)[0].tolist()


def test_rewards_without_sharing_are_payoffs():
    payoff = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    for each in payoff:
        assert rewards(sharing(6), each) == each.tolist()


def test_all_ones_give_everybody_the_total():
    assert rewards(sharing(4, weights=np.ones((4, 4))), [1, -2, 5, 0.5]) == [4.5] * 4


def test_kin_count_each_others_payoffs_by_their_relatedness():
    """Hamilton: an act that costs its actor 1 and brings a sister 3 is felt as 0.5 at relatedness 1/2."""
    r = 0.5
    kin = sharing(2, weights=[[1, r], [r, 1]])
    assert rewards(kin, [-1, 3]) == [0.5, 2.5]
    assert rewards(kin, [-1, 2]) == [0.0, 1.5]
    # weights are read by row: what agent 0 makes of agent 1 is [0, 1]
    assert rewards(sharing(2, weights=[[1, 1], [0, 1]]), [1, 10]) == [11, 10]


def test_envy_and_guilt_by_hand():
    """Fehr and Schmidt with three agents: differences are averaged over the two others."""
    assert rewards(sharing(3, envy=[5, 5, 5]), [0, 2, 4]) == [0 - 5 * 3, 2 - 5 * 1, 4]
    assert rewards(sharing(3, guilt=[0.5, 0.5, 0.5]), [0, 2, 4]) == [0, 2 - 0.5, 4 - 0.5 * 3]
    # agents out of play neither give, nor get, nor are compared with
    assert rewards(sharing(3, envy=[1, 1, 1], weights=np.ones((3, 3))), [0, 2, 100], [True, True, False]) == [
        0,
        2,
        0,
    ]


def test_sharing_follows_its_formula_over_time():
    """Any weights, envy, guilt and memory, with agents out of play, against sums written out in NumPy."""
    rng = np.random.default_rng(1)
    step = jax.jit(share)
    for _ in range(40):
        n = 5
        weights, mask = rng.normal(size=(n, n)), rng.random(n) < 0.8
        envy, guilt, memory = rng.random(n) * 5, rng.random(n), rng.random()
        law = sharing(n, weights=weights, envy=envy, guilt=guilt, memory=memory)
        trace, expected_trace = jnp.zeros(n, jnp.float32), np.zeros(n)
        for _ in range(5):
            payoff = rng.normal(size=n)
            reward, trace = step(law, jnp.asarray(payoff, jnp.float32), trace, jnp.asarray(mask))
            payoff = np.where(mask, payoff, 0)
            expected_trace = memory * expected_trace + payoff
            for i in range(n):
                others = [j for j in range(n) if mask[j] and j != i]
                gaps = [expected_trace[j] - expected_trace[i] for j in others]
                behind, before = sum(max(gap, 0) for gap in gaps), sum(max(-gap, 0) for gap in gaps)
                felt = weights[i] @ payoff - (envy[i] * behind + guilt[i] * before) / max(len(others), 1)
                assert float(reward[i]) == pytest.approx(felt if mask[i] else 0.0, abs=2e-5)
            np.testing.assert_allclose(trace, expected_trace, atol=1e-5)


@pytest.mark.parametrize(
    ("num_agents", "kind"), [(1, "uint8"), (8, "uint8"), (9, "uint16"), (17, "uint32"), (40, "uint32")]
)
def test_agents_have_bits_of_their_own(num_agents, kind):
    world, _ = compile_games([Game("field", "#" * 62 + "\n#" + "P" * 60 + "#\n" + "#" * 62, num_agents=num_agents)])
    bits = world.spec.bit_of_each
    assert bits.dtype == world.spec.agent_bits == kind
    assert bits.tolist() == [1 << agent if agent < 32 else 0 for agent in range(num_agents)]
