"""The manifold of situations: exact laws of its measure, its symmetries, its distances, and that no split leaks."""

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
from scipy import stats

from softsim.envs import manifold
from softsim.envs.games import matrix_games
from softsim.envs.games.ordinal import ORDINAL, PATTERNS
from softsim.envs.manifold import (
    BEST_RESPONSES,
    CELLS,
    DILEMMA_CLASSES,
    PRIOR,
    Cap,
    Cells,
    MatrixPrior,
    best_response,
    cell_index,
    coordinates_of,
    dilemma_class,
    direction_at,
    distance,
    images,
    kin,
    matrix_at,
    mutate,
    num_equilibria,
    ordinal_cell,
    payoff_of,
    regions,
    sample_matrix,
    sphere,
    split,
    symmetric,
    to_params,
    uniform_game,
)
from softsim.envs.manifold.measures import MEAN_CHORD, game_distance
from softsim.envs.matrix import MatrixWorld, two_by_two
from softsim.types import UserError

DRAWS = 144_000
QUICK = {"xla_backend_optimization_level": 0}
"""Compiling takes longer here than running."""

WORLD = MatrixWorld(2, ("cooperate", "defect"))
DILEMMA = np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], np.float32)


def many(function, in_axes=0):
    """Map a function and compile it, quickly."""
    return jax.jit(jax.vmap(function, in_axes), compiler_options=QUICK)


cells_of = many(lambda direction: ordinal_cell(payoff_of(direction)))
cells_of_payoffs = many(ordinal_cell)
images_of = many(images)
payoffs_of = many(payoff_of)
felt_of = many(manifold.felt)
locate = many(coordinates_of)


def keys_of(seed: int, count: int):
    """Make keys [count] on the host: splitting compiles anew for every count."""
    words = np.random.default_rng(seed).integers(0, 2**32, (count, 2), np.uint32)
    return jax.random.wrap_key_data(words)


@functools.cache
def drawn():
    """Draw many situations from the prior; numpy leaves [DRAWS, ...]."""
    return jax.tree.map(np.asarray, many(sample_matrix)(keys_of(0, DRAWS)))


def some(count: int, start: int = 0):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[start : start + count]), drawn())


def deviation(count, trials, probability) -> float:
    return float((count - trials * probability) / math.sqrt(trials * probability * (1 - probability)))


def equal_cells(counts) -> float:
    """The p-value of all counts being draws from equally likely cells."""
    return float(stats.chisquare(counts).pvalue)


# ---- Coordinates -----------------------------------------------------------------------------------------


def test_payoffs_return_from_their_coordinates():
    payoff = np.random.default_rng(0).normal(2.0, 3.0, (500, 2, 2, 2)).astype(np.float32)
    located = locate(payoff)
    np.testing.assert_allclose(many(manifold.restore)(located), payoff, rtol=0, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(located.direction, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(located.scale, payoff.std((2, 3)), rtol=1e-5)
    again = locate(payoffs_of(located.direction))
    np.testing.assert_allclose(again.direction, located.direction, atol=1e-6)
    np.testing.assert_allclose(again.mean, 0.0, atol=1e-6)
    np.testing.assert_allclose(again.scale, 1.0, atol=1e-6)


def test_coordinates_mean_what_they_say():
    """Each player's own move, the other's, and their match, by hand; the second player's moves are the columns."""
    own = [[[1, 1], [-1, -1]], [[1, -1], [1, -1]]]
    other = [own[1], own[0]]
    match = [[[1, -1], [-1, 1]]] * 2
    for axis, payoff in enumerate((own, other, match)):
        expected = np.tile(np.eye(3)[axis], (2, 1))
        np.testing.assert_allclose(coordinates_of(jnp.array(payoff, jnp.float32)).direction, expected, atol=1e-7)


def test_a_game_without_stakes_has_no_direction():
    located = coordinates_of(jnp.full((2, 2, 2), 3.0))
    assert (located.direction == 0).all()
    assert (located.scale == 0).all()


def test_symmetric_games_by_formula():
    vector = symmetric(3, 0, 5, 1)
    np.testing.assert_allclose(vector, [(3 + 0 - 5 - 1) / 4, (3 - 0 + 5 - 1) / 4, (3 - 0 - 5 + 1) / 4])
    located = coordinates_of(jnp.asarray(two_by_two(3, 0, 5, 1)))
    np.testing.assert_allclose(located.direction, np.tile(sphere.unit(vector), (2, 1)), atol=1e-6)


def test_kinship_moves_games():
    a, b, g, r = 0.3, 0.5, -0.8, 0.25
    moved = kin(jnp.array([[a, b, g]] * 2), jnp.float32(r))
    np.testing.assert_allclose(moved, [[a + r * b, b + r * a, (1 + r) * g]] * 2, atol=1e-7)
    # Hamilton: giving costs 1 and brings 3, and cooperation dominates from r = 1/3 on
    gift = jnp.array([[-1.0, 3.0, 0.0]] * 2)
    for relatedness, dominant in ((0.32, "defect"), (0.34, "cooperate")):
        vector = kin(gift, jnp.float32(relatedness))[0]
        assert BEST_RESPONSES[int(best_response(vector))] == dominant


def test_rewards_are_the_game_that_kinship_makes():
    """Asymmetric games too: what the world pays as reward is `kin` of what it pays."""
    count = 200
    situation = dataclasses.replace(
        some(count), tremble=jnp.zeros(count), sequential=jnp.zeros(count, bool), horizon=jnp.full(count, 9)
    )
    params = many(to_params)(situation)
    state, _ = many(WORLD.reset, (None, 0))(jax.random.key(0), params)
    step = many(WORLD.step, (0, 0, 0, None))
    expected = np.asarray(payoffs_of(many(kin)(situation.direction, situation.kinship)))
    for row, column in itertools.product((0, 1), repeat=2):
        _, timestep = step(keys_of(1, count), params, state, jnp.array([row, column], jnp.int32))
        np.testing.assert_allclose(timestep.reward, expected[:, :, row, column], atol=1e-6)
        np.testing.assert_allclose(timestep.payoff, payoffs_of(situation.direction)[:, :, row, column], atol=1e-6)


def test_best_responses_are_what_pays_best():
    direction = drawn().direction[:1000]
    payoff = np.asarray(payoffs_of(direction))[:, 0]
    found = np.asarray(many(best_response)(direction[:, 0]))
    to_first, to_second = payoff[:, :, 0].argmax(1), payoff[:, :, 1].argmax(1)
    expected = {(0, 0): "cooperate", (1, 1): "defect", (0, 1): "match", (1, 0): "differ"}
    for k, responses in zip(found, zip(to_first, to_second, strict=True), strict=True):
        assert BEST_RESPONSES[k] == expected[responses]


def test_images_are_the_relabellings():
    direction = drawn().direction[:50]
    found = np.asarray(many(jax.vmap(payoff_of))(images_of(direction)))
    for own, eight in zip(np.asarray(payoffs_of(direction)), found, strict=True):
        mirror = own[::-1].swapaxes(1, 2)
        expected = [game[:, ::r, ::c] for game in (own, mirror) for r, c in itertools.product((1, -1), repeat=2)]
        assert sorted(map(np.ndarray.tolist, eight)) == sorted(map(np.ndarray.tolist, expected))


# ---- Cells -----------------------------------------------------------------------------------------------


def test_every_ordinal_game_is_in_its_own_cell():
    """Under every labelling of moves, at any positive scale; and swapped players are in the mirror cell."""
    payoff = np.stack([declare().payoff for declare in ORDINAL.values()])
    index = np.arange(144)
    for row, column in itertools.product((1, -1), repeat=2):
        labelled = payoff[:, :, ::row, ::column]
        assert (cells_of_payoffs(labelled) == index).all()
        assert (cells_of_payoffs(np.exp(labelled) - 7) == index).all()
    mirrored = payoff[:, ::-1].swapaxes(2, 3)
    assert (cells_of_payoffs(mirrored) == 12 * (index % 12) + index // 12).all()
    named = [ORDINAL[CELLS[k]]().dilemma for k in range(144)]
    assert [DILEMMA_CLASSES[k] for k in many(dilemma_class)(payoff)] == named


def test_games_of_the_library_are_where_they_belong():
    for game, short in (("prisoners_dilemma", "pd"), ("chicken", "ch"), ("harmony", "ha")):
        payoff = jnp.asarray(getattr(matrix_games, game)().payoff)
        assert CELLS[int(ordinal_cell(payoff))] == f"ordinal_{short}_{short}"
        assert cell_index(f"{short}_{short}") == cell_index(f"ordinal_{short}_{short}") == int(ordinal_cell(payoff))
    with pytest.raises(UserError, match="'pd_xx' is unknown; did you mean 'ordinal_pd_"):
        cell_index("pd_xx")


def test_games_with_ties_have_one_cell_whatever_the_labels():
    payoff = np.random.default_rng(0).integers(0, 3, (3000, 2, 2, 2)).astype(np.float32)
    cell = np.asarray(cells_of_payoffs(payoff))
    assert ((cell >= 0) & (cell < 144)).all()
    for row, column in ((1, -1), (-1, 1), (-1, -1)):
        assert (cells_of_payoffs(payoff[:, :, ::row, ::column]) == cell).all()


# ---- The uniform measure, exactly ------------------------------------------------------------------------


def test_cells_are_equally_likely():
    counts = np.bincount(cells_of(drawn().direction), minlength=144)
    assert counts.sum() == DRAWS
    assert equal_cells(counts) > 1e-4


def test_the_law_of_pure_equilibria():
    found = np.bincount(many(num_equilibria)(payoffs_of(drawn().direction)), minlength=3)
    for count, probability in zip(found, (1 / 8, 3 / 4, 1 / 8), strict=True):
        assert abs(deviation(count, DRAWS, probability)) < 4


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 4)])
def test_the_law_of_pure_equilibria_in_larger_games(rows, columns):
    trials = 100_000
    sample = many(lambda key: num_equilibria(uniform_game(key, rows, columns)))
    found = np.asarray(sample(keys_of(1, trials)))
    none = sum(
        (-1) ** k * math.comb(rows, k) * math.comb(columns, k) * math.factorial(k) / (rows * columns) ** k
        for k in range(min(rows, columns) + 1)
    )
    if rows == columns == 3:
        assert abs(none - 0.213992) < 1e-6
    assert abs(deviation((found == 0).sum(), trials, none)) < 4
    assert abs((found.mean() - 1) / (found.std() / math.sqrt(trials))) < 4


def test_best_responses_are_quarters_and_the_dilemma_is_one_in_24():
    """Symmetric games: one uniform direction for both players."""
    vector = drawn().direction[:, 0]
    classes = np.bincount(many(best_response)(vector), minlength=4)
    for count in classes:
        assert abs(deviation(count, DRAWS, 1 / 4)) < 4
    a, b, g = vector.T
    dilemmas = (b > -a) & (-a > np.abs(g))
    assert abs(deviation(dilemmas.sum(), DRAWS, 1 / 24)) < 4
    # the same games by their payoffs
    cell = np.asarray(cells_of(np.stack([vector, vector], 1)))
    reward, sucker, temptation, punishment = (a + b + g, a - b - g, -a + b - g, -a - b + g)
    strict = (temptation > reward) & (reward > punishment) & (punishment > sucker)
    assert (strict == dilemmas).all()
    assert (cell[strict] == cell_index("pd_pd")).all()
    assert abs(deviation((cell == cell_index("pd_pd")).sum(), DRAWS, 1 / 12)) < 4


def test_the_prior_is_as_declared():
    situation = drawn()
    uniform = {
        "rounds": np.log(1 / (1 - situation.continuation)) / math.log(100),
        "tremble": np.log(situation.tremble / 1e-3) / math.log(200),
        "kinship": (situation.kinship + 0.5) / 1.5,
        "observability": situation.observability,
        "height": (situation.direction[:, 1, 2] + 1) / 2,
        "turn": (np.arctan2(situation.direction[:, 0, 1], situation.direction[:, 0, 0]) / (2 * np.pi)) % 1,
    }
    for name, values in uniform.items():
        assert values.min() > -1e-5, name
        assert values.max() < 1 + 1e-5, name
        assert stats.kstest(values[::20], "uniform").pvalue > 1e-4, name
    assert abs(deviation(situation.sequential.sum(), DRAWS, 0.5)) < 4
    assert (situation.horizon == 128).all()
    axes = np.stack([*uniform.values(), situation.sequential])
    assert np.abs(np.corrcoef(axes) - np.eye(len(axes))).max() < 4 / math.sqrt(DRAWS)


def test_priors_can_be_narrowed_to_a_point():
    prior = MatrixPrior((10, 10), (0, 0), (0.25, 0.25), (1, 1), 0.0, (7, 9))
    situation = many(lambda key: sample_matrix(key, prior))(keys_of(2, 300))
    assert np.allclose(situation.continuation, 0.9)
    assert (situation.tremble == 0).all()
    assert (situation.kinship == 0.25).all()
    assert (situation.observability == 1).all()
    assert not situation.sequential.any()
    assert set(np.unique(situation.horizon)) == {7, 8, 9}
    one = sample_matrix(jax.random.key(0), dataclasses.replace(prior, horizon=(1, 1), rounds=(1, 1)))
    assert (int(one.horizon), float(one.continuation)) == (1, 0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rounds", (0.5, 3)),
        ("rounds", (9, 3)),
        ("tremble", (0.0, 0.1)),
        ("tremble", (0.1, 1.5)),
        ("kinship", (float("nan"), 1.0)),
        ("observability", (-0.1, 1.0)),
        ("sequential", 2.0),
        ("horizon", (0, 4)),
        ("horizon", (1.5, 4)),
    ],
)
def test_priors_that_cannot_be_meant_are_refused(field, value):
    with pytest.raises(UserError, match=f"prior: {field} is"):
        MatrixPrior(**{field: value})


def test_a_situation_alone_is_that_of_a_batch():
    sample = jax.jit(lambda key: to_params(sample_matrix(key)), compiler_options=QUICK)
    together = many(lambda key: to_params(sample_matrix(key)))(keys_of(3, 16))
    for i, word in enumerate(np.asarray(jax.random.key_data(keys_of(3, 16)))):
        alone = sample(jax.random.wrap_key_data(word))
        for left, right in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            assert np.asarray(left).tobytes() == np.asarray(right[i]).tobytes()


def test_thousands_of_situations_are_played_in_one_program():
    count, steps = 4096, 24
    params = many(to_params)(some(count))
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(params))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def play(key, params):
        def step(state, key):
            move = jax.random.randint(jax.random.fold_in(key, 1), (count, 2), 0, 2)
            return jax.vmap(WORLD.step)(jax.random.split(jax.random.fold_in(key, 0), count), params, state, move)

        state, _ = jax.vmap(WORLD.reset, in_axes=(None, 0))(jax.random.key(0), params)
        return jax.lax.scan(step, state, jax.random.split(key, steps))

    state, timestep = play(jax.random.key(1), params)
    assert (state.step == np.where(params.sequential, steps // 2, steps)).all()
    paid = (np.asarray(timestep.payoff) != 0).any(-1).mean(0)
    assert (paid[np.asarray(params.sequential)] == 0.5).all()
    assert (paid[~np.asarray(params.sequential)] == 1).all()


# ---- The sphere, steps and distances ---------------------------------------------------------------------


def test_a_step_goes_as_far_as_it_says_in_any_direction():
    start = drawn().direction[:2000, 0]
    bearing = np.random.default_rng(0).uniform(0, 2 * np.pi, len(start)).astype(np.float32)
    for size in (1e-3, 0.3, 3.0):
        end = many(sphere.move, (0, 0, None))(start, bearing, jnp.float32(size))
        np.testing.assert_allclose(sphere.angle(start, end), size, rtol=1e-3, atol=1e-6)
    turned = many(sphere.move, (None, 0, None))(start[0], bearing, jnp.float32(np.pi / 2))
    assert np.abs(np.asarray(turned).mean(0)).max() < 4 * math.sqrt(0.5 / 2000)


def test_points_near_a_vector_fill_its_cap_evenly():
    """The height above the base of a cap is uniform (Archimedes)."""
    point = np.random.default_rng(1).uniform(size=(4000, 2)).astype(np.float32)
    vector = jnp.array([0.6, 0.0, -0.8])
    drawn = np.asarray(many(lambda each: sphere.near(each, vector, 1.2))(point))
    height = (drawn @ np.asarray(vector) - math.cos(1.2)) / (1 - math.cos(1.2))
    assert stats.kstest(height, "uniform").pvalue > 1e-4
    assert height.min() > -1e-6


@functools.partial(jax.jit, static_argnums=2, compiler_options=QUICK)
def distances(left, right, invariant=False):
    return jax.vmap(lambda a, b: distance(a, b, PRIOR, invariant))(left, right)


@pytest.mark.parametrize("invariant", [False, True])
def test_distances_are_a_metric(invariant):
    x, y, z = some(3000), some(3000, 3000), some(3000, 6000)
    near = dataclasses.replace(x, direction=many(sphere.unit)(x.direction + 0.01 * y.direction))
    for middle in (y, near):
        there = np.asarray(distances(x, middle, invariant))
        back = np.asarray(distances(middle, x, invariant))
        np.testing.assert_allclose(there, back, rtol=1e-5, atol=1e-6)
        assert (there > 0).all()
        direct = np.asarray(distances(x, z, invariant))
        assert (direct <= there + np.asarray(distances(middle, z, invariant)) + 1e-5).all()
    np.testing.assert_allclose(distances(x, x, invariant), 0.0, atol=1e-6)


def test_invariant_distances_ignore_labels_and_nothing_else():
    x, y = some(200), some(200, 200)
    least = np.asarray(distances(x, y, True))
    for k in range(8):
        other = dataclasses.replace(x, direction=images_of(x.direction)[:, k])
        np.testing.assert_allclose(distances(other, x, True), 0.0, atol=1e-6)
        np.testing.assert_allclose(distances(other, y, True), least, atol=1e-5)
        assert (np.asarray(distances(other, y)) >= least - 1e-5).all()
        if k:
            assert (np.asarray(distances(other, x)) > 1e-3).all()


def test_distances_by_hand():
    """A quarter turn of each player; half the range of one axis; the other order of moves."""
    quarter = jnp.array([[1.0, 0, 0], [0, 1.0, 0]]), jnp.array([[0, 0, 1.0], [0, 0, -1.0]])
    assert np.isclose(game_distance(*quarter), np.pi / math.sqrt(2))
    one = dataclasses.replace(
        jax.tree.map(lambda leaf: leaf[0], some(1)),
        kinship=jnp.float32(-0.5),
        continuation=jnp.float32(0.0),
        tremble=jnp.float32(1e-3),
        observability=jnp.float32(0.0),
        sequential=jnp.bool_(False),
    )
    changes = {
        "kinship": (0.25, 0.5),
        "continuation": (0.9, 0.5),
        "tremble": (0.2, 1.0),
        "observability": (1.0, 1.0),
        "sequential": (True, 1.0),
        "horizon": (256, math.log(2)),  # not scaled: the prior fixes it
    }
    for field, (value, expected) in changes.items():
        other = dataclasses.replace(one, **{field: jnp.asarray(value, getattr(one, field).dtype)})
        assert np.isclose(distance(one, other), expected, atol=1e-5), field
    for field, value in (("continuation", 1.0), ("tremble", 0.0)):
        assert np.isfinite(distance(one, dataclasses.replace(one, **{field: jnp.float32(value)})))


def test_mutation_steps_along_the_sphere_and_stays_in_the_prior():
    x = some(2000)
    change = many(mutate, (0, 0, None, None))
    y = change(keys_of(0, 2000), x, 0.2, 0.5)
    np.testing.assert_allclose(sphere.angle(x.direction, y.direction), 0.2, atol=1e-4)
    for field, low, high in (
        ("continuation", 0.0, 0.99),
        ("tremble", 1e-3, 0.2),
        ("kinship", -0.5, 1.0),
        ("observability", 0.0, 1.0),
    ):
        value = np.asarray(getattr(y, field))
        assert (value != np.asarray(getattr(x, field))).mean() > 0.9
        assert (value >= low - 1e-6).all()
        assert (value <= high + 1e-6).all()
    assert (y.sequential == x.sequential).all()
    assert (y.horizon == x.horizon).all()
    still = change(keys_of(1, 2000), x, 0.0, 0.0)
    np.testing.assert_allclose(distances(still, x), 0.0, atol=1e-4)


# ---- Coverage --------------------------------------------------------------------------------------------


def test_ordinal_coverage_grows_as_expected():
    sets = np.asarray(cells_of(drawn().direction)).reshape(1440, 100)
    found = np.array([len(np.unique(each)) for each in sets]) / 144
    expected = manifold.expected_coverage(100)
    assert abs(expected - (1 - (143 / 144) ** 100)) < 1e-12
    assert abs(found.mean() - expected) / (found.std() / math.sqrt(1440)) < 4
    coverage = jax.jit(manifold.ordinal_coverage, compiler_options=QUICK)
    assert np.isclose(coverage(drawn().direction[:100]), found[0])


def test_energy_distance_knows_uniform_from_clustered():
    count = 500
    sets = drawn().direction.reshape(-1, count, 2, 3)[:100]
    score = np.asarray(many(manifold.energy_distance)(sets))
    assert abs(score.mean() - MEAN_CHORD / count) / (score.std() / 10) < 4
    left, right = drawn().direction.reshape(2, -1, 6)
    chord = np.linalg.norm(left - right, axis=1)
    assert abs(chord.mean() - MEAN_CHORD) / (chord.std() / math.sqrt(len(chord))) < 4
    assert np.isclose(manifold.energy_distance(jnp.asarray(sets[0, :1])), MEAN_CHORD)
    half = sets[0] * np.where(sets[0][:, :1, :1] < 0, -1, 1)  # no game in which the row player prefers to defect
    assert manifold.energy_distance(jnp.asarray(half)) > 10 * score.max()


# ---- Held out --------------------------------------------------------------------------------------------

REGIONS = {
    "cells": Cells(("pd_pd", "ordinal_ch_ba", 50)),
    "cap": Cap(((0.2, -0.6, 0.3), (1.0, 0.5, -0.4)), 1.1),
}
SAMPLES = 12_000


@functools.cache
def dealt(name: str):
    """Samples of both sides of a region, and its splits compiled apart from the checks."""
    train, test = split(REGIONS[name])
    return many(lambda key: (train(key), test(jax.random.clone(key))))(keys_of(5, SAMPLES))


def inside(name: str, direction) -> np.ndarray:
    """Whether a game is in the region, without the library's regions: [n] bool of directions [n, 2, 3]."""
    region, direction = REGIONS[name], np.asarray(direction)
    if isinstance(region, Cells):
        listed = {cell_index(game) if isinstance(game, str) else game for game in region.games}
        return np.isin(cells_of(direction), list(listed))
    centre = np.array(region.centre) / np.linalg.norm(region.centre, axis=1, keepdims=True)
    cosine = np.clip((direction.astype(np.float64) * centre).sum(-1), -1, 1)
    return np.linalg.norm(np.arccos(cosine), axis=-1) <= region.radius


def equals_inside(name: str, direction) -> np.ndarray:
    """Whether each of the 8 images of games [n, 2, 3] is in the region as listed: [n, 8] bool."""
    return inside(name, np.asarray(images_of(direction)).reshape(-1, 2, 3)).reshape(-1, 8)


@pytest.mark.parametrize("name", few(REGIONS, 2))
def test_nothing_that_is_trained_on_is_held_out(name):
    """Neither a game nor any of its 8 images, nor the game of its rewards; and what is tested is held out."""
    train, test = dealt(name)
    for direction in (train.direction, felt_of(train)):
        assert not equals_inside(name, direction).any()
    assert equals_inside(name, test.direction).any(1).all()
    contains = many(REGIONS[name].contains)
    assert contains(test.direction).all()
    assert not contains(train.direction).any()
    for side in (train, test):
        np.testing.assert_allclose(np.linalg.norm(side.direction, axis=-1), 1.0, atol=1e-6)


def test_the_last_resort_does_not_leak_either():
    """One proposal is often refused; then a situation drawn beforehand is taken."""
    name, count = "cap", SAMPLES
    train = many(regions.sampler(REGIONS[name], PRIOR, False, 1))(keys_of(6, count))
    _, times = np.unique(np.asarray(train.direction).reshape(-1, 6), axis=0, return_counts=True)
    assert times[times > 1].sum() > count / 100
    assert (times > 1).sum() == 64
    for direction in (train.direction, felt_of(train)):
        assert not equals_inside(name, direction).any()


def test_both_sides_of_cells_are_uniform():
    """Cells are equally likely, and so is each labelling of moves; the other axes are as in the prior."""
    region, point = REGIONS["cells"], np.random.default_rng(7).random((SAMPLES, 7), np.float32)
    for wanted in (False, True):
        direction = many(lambda each, wanted=wanted: region.propose(each, wanted))(point)
        counts = np.bincount(cells_of(direction), minlength=144)
        assert (counts[region.mask != wanted] == 0).all()
        assert equal_cells(counts[region.mask == wanted]) > 1e-4
        best = np.asarray(payoffs_of(direction))[:, 0].reshape(-1, 4).argmax(1)
        assert equal_cells(np.bincount(best, minlength=4)) > 1e-4
    train, test = dealt("cells")
    assert equal_cells(np.bincount(cells_of(test.direction), minlength=144)[region.mask]) > 1e-4
    for situation in (train, test):
        assert stats.kstest(situation.observability, "uniform").pvalue > 1e-4
        assert abs(deviation(situation.sequential.sum(), SAMPLES, 0.5)) < 4


def test_a_cap_is_filled_evenly():
    """Volumes in four dimensions: a ball of 3/4 the radius holds nearly (3/4)^4 of it."""
    region = Cap.around(DILEMMA, 0.5)
    centre = sphere.unit(jnp.asarray(region.centre, jnp.float32))

    def gap(point):
        game = region.propose(point, True)
        return game_distance(images(game), jnp.broadcast_to(centre, (8, 2, 3))).min(), region.contains(game)

    far, within = map(np.asarray, many(gap)(np.random.default_rng(8).random((2 * SAMPLES, 7), np.float32)))
    assert (within == (far <= region.radius)).all()
    assert 0.4 < within.mean() < 0.6  # a ball among the pairs of two caps
    for share in (0.5, 0.75):
        inner = (far[within] < share * region.radius).mean()
        assert abs(inner - share**4) < 0.015


def test_cells_are_held_out_with_their_mirror_images():
    region = Cells(("pd_ch",))
    assert region.names == ("ordinal_ch_pd", "ordinal_pd_ch")
    assert Cells(("ch_pd",)).mask.tolist() == region.mask.tolist()
    assert Cells((cell_index("pd_ch"),)).names == region.names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cells(("pd_xx",)), "cell: 'pd_xx' is unknown"),
        (lambda: Cells((144,)), "cells: 144 is no cell"),
        (lambda: Cells(()), "cells: 0 are held out; it must be 1 to 143"),
        (lambda: Cells(tuple(range(144))), "cells: 144 are held out"),
        (lambda: Cap(((0, 0, 0), (1, 0, 0)), 0.5), "cap: centre is"),
        (lambda: Cap(((1, 0, 0), (1, 0, 0)), 0.0), "cap: radius is 0.0"),
        (lambda: split(Cap(((1, 0, 0), (1, 0, 0)), 4.0)), "leaves no games outside"),
        (lambda: split(Cells(("pd_pd",)), num_proposals=0), "num_proposals: 0"),
    ],
)
def test_regions_that_cannot_be_meant_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_points_of_a_grid_become_situations():
    """Every number of a low-discrepancy sequence has its place."""
    point = stats.qmc.Sobol(10, seed=0).random(512).astype(np.float32)
    situation = many(matrix_at)(point)
    assert len(np.unique(cells_of(situation.direction))) / 144 > manifold.expected_coverage(512) - 0.05
    assert (np.asarray(direction_at(jnp.asarray(point[0, :4]))) == np.asarray(situation.direction[0])).all()
    assert len(PATTERNS) ** 2 == len(CELLS)


def test_new_situations_are_far_from_those_known():
    known, new = some(50), jax.tree.map(lambda leaf: leaf[0], some(1, 60))
    mirror = dataclasses.replace(new, direction=images(new.direction)[5])
    nearest = jax.jit(manifold.nearest, compiler_options=QUICK)
    repeated = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (50, *leaf.shape)), new)
    assert np.isclose(nearest(new, known), distances(repeated, known, True).min(), atol=1e-5)
    assert nearest(new, known) > 0.1
    with_mirror = jax.tree.map(lambda all_but, one: jnp.concatenate([all_but[1:], one[None]]), known, mirror)
    assert nearest(new, with_mirror) < 1e-5
