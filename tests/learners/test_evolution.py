"""Rules of selection: who may become whose child, how often, and what they do with nothing to go by."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners import evolution, structure
from softsim.types import UserError

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
RULES = {
    "truncation": evolution.truncation(0.4),
    "tournament": evolution.tournament(3),
    "proportional": evolution.proportional(),
    "imitate_best": evolution.imitate_best(),
    "moran_birth_death": evolution.moran_birth_death(),
    "moran_death_birth": evolution.moran_death_birth(),
    "fermi": evolution.fermi(1.0),
}
OF_EVENTS = ("moran_birth_death", "moran_death_birth", "fermi")
PLACES = {
    "islands": structure.islands(3, 4),
    "lattice": structure.lattice(3, 4, moore=False),
}
CROWD = structure.well_mixed(5)
OTHERS = ~np.eye(5, dtype=bool)
NOTHING = float("nan")


def allowed(place: structure.Structure) -> np.ndarray:
    """[P, P] bool: may the row become a copy of the column? Neighbours, and oneself."""
    near = np.eye(place.num_members, dtype=bool)
    entries = np.where(place.counts, place.neighbour, -1)[np.asarray(place.row)]
    for member, row in enumerate(entries):
        near[member, row[row >= 0]] = True
    return near


@functools.cache
def sampler(rule):
    return compiled(jax.vmap(rule, in_axes=(0, None, None)))


@functools.cache
def by_all_rules():
    """One program for all the rules, over populations; a key for each."""
    return compiled(
        jax.vmap(
            lambda keys, fitness, place: {
                name: rule(key, fitness, place) for key, (name, rule) in zip(keys, RULES.items(), strict=True)
            },
            in_axes=(0, 0, None),
        )
    )


def keys_of(seed: int, num_populations: int):
    return jax.random.split(jax.random.key(seed), (num_populations, len(RULES)))


def frequency(rule, fitness, place=CROWD, draws=20_000, seed=0) -> np.ndarray:
    """[P, P]: how often the row becomes the child of the column, over as many keys."""
    parent = sampler(rule)(jax.random.split(jax.random.key(seed), draws), jnp.float32(fitness), place)
    return (np.asarray(parent)[:, :, None] == np.arange(place.num_members)).mean(0)


def close(found: np.ndarray, wanted: np.ndarray, draws: int = 20_000) -> None:
    """Frequencies are within 4.5 standard deviations of probabilities, and exact at 0 and 1."""
    deviation = np.sqrt(wanted * (1 - wanted) / draws)
    assert (np.abs(found - wanted) <= 4.5 * deviation + 1e-9).all(), (found, wanted)


@pytest.mark.parametrize("where", PLACES)
def test_children_come_from_the_neighbourhood(where):
    """Of any fitness, also none at all; and rules of events replace one member at most."""
    place, rng = PLACES[where], np.random.default_rng(2)
    fitness = rng.choice([0.0, -1.0, 1.0, 1.0, 2.5, np.nan], (64, 12))
    fitness[0], fitness[1] = np.nan, 0.0
    for name, parent in by_all_rules()(keys_of(0, 64), jnp.float32(fitness), place).items():
        assert (parent.shape, parent.dtype) == ((64, 12), jnp.int32)
        assert allowed(place)[np.arange(12)[None], np.asarray(parent)].all(), name
        changed = (np.asarray(parent) != np.arange(12)).sum(1)
        assert changed.any(), name
        assert name not in OF_EVENTS or changed.max() == 1


def test_a_population_chooses_the_same_in_any_company():
    """The first and the last of 64, beside others with other keys and other fitness."""
    fitness = np.float32(np.random.default_rng(3).normal(1.0, 1.0, (2, 64, 12)))
    fitness[1, [0, 63]] = fitness[0, [0, 63]]
    kept = jnp.array([0, 63])
    once = by_all_rules()(keys_of(4, 64), fitness[0], PLACES["lattice"])
    other_keys = keys_of(5, 64).at[kept].set(keys_of(4, 64)[kept])
    again = by_all_rules()(other_keys, fitness[1], PLACES["lattice"])
    for name in RULES:
        assert (once[name][kept] == again[name][kept]).all(), name
    assert any((once[name] != again[name]).any() for name in RULES)


def test_truncation_is_within_islands():
    """The i-th from below of each island becomes the i-th from above of the same."""
    fitness = [1.0, 2.0, 3.0, 4.0, 9.0, 7.0, 8.0, 6.0, 0.0, NOTHING, 0.5, -5.0]
    for include_self in (False, True):
        place = structure.islands(3, 4, include_self)
        parent = compiled(evolution.truncation(0.5))(jax.random.key(0), jnp.float32(fitness), place)
        assert parent.tolist() == [3, 2, 2, 3, 4, 6, 6, 4, 8, 10, 10, 8]


def test_truncation_among_neighbours_who_are_not_in_their_own_rows():
    """On a ring of three in a neighbourhood the least becomes the most, if a third of them is to."""
    fitness = np.random.default_rng(0).permutation(12).astype(np.float32)
    choose = compiled(evolution.truncation(1 / 3 + 1e-6))
    parent = choose(jax.random.key(0), jnp.asarray(fitness), structure.cycle(12)).tolist()
    for i in range(12):
        trio = [(i - 1) % 12, i, (i + 1) % 12]
        least = fitness[i] == fitness[trio].min()
        assert parent[i] == (trio[int(np.argmax(fitness[trio]))] if least else i)


def test_truncation_breaks_ties_by_chance():
    """Of five equals one becomes a copy of another, each pair as often."""
    close(frequency(evolution.truncation(0.2), np.zeros(5))[OTHERS], np.full(20, 1 / 20))


def test_tournaments():
    """Against one other the member ranked i of P is beaten by P - 1 - i of P - 1; the fittest always stays."""
    found = frequency(evolution.tournament(2), np.arange(5.0))
    close(np.diag(found), np.arange(5) / 4)
    assert not np.tril(found, -1).any()
    three = frequency(RULES["tournament"], np.arange(5.0))
    close(three[0, 4], np.array(1 - (3 / 4) ** 2))
    assert (frequency(RULES["tournament"], np.full(5, np.nan)) == np.eye(5)).all()


def test_proportional_selection_is_by_share():
    everyone = structure.well_mixed(5, include_self=True)
    found = frequency(RULES["proportional"], [1.0, NOTHING, 3.0, -2.0, 4.0], everyone)
    close(found, np.tile(np.array([1, 0, 3, 0, 4]) / 8, (5, 1)))


def test_rates_at_an_intensity_are_of_those_who_compete():
    """However much fitter others are: the dead one, or those on another island."""
    fitness, rest = np.log([1.0, 2.0, 4.0, NOTHING, np.e**300]), [0, 1, 2, 3]
    heirs = frequency(evolution.moran_death_birth(1.0), fitness)
    close(heirs[4, rest], np.array([1, 2, 4, 0]) / 7 / 5)
    close(heirs[rest, 4], np.full(4, 1 / 5))
    births = frequency(evolution.moran_birth_death(0.5), 2 * fitness - 600)
    close(births[rest, 4], np.full(4, 1 / 4))
    islands, fitness = structure.islands(2, 2, include_self=True), np.log([1.0, 3.0, 1e150, 3e150])
    found = frequency(evolution.proportional(1.0), fitness, islands)
    close(found, np.kron(np.eye(2), np.array([[1, 3], [1, 3]]) / 4))


@pytest.mark.parametrize("name", ["proportional", "moran_birth_death", "moran_death_birth"])
def test_without_fitness_parents_are_drawn_uniformly(name):
    often = 1 / 4 if name == "proportional" else 1 / 20
    for fitness in (0.0, NOTHING, -1.0):
        close(frequency(RULES[name], np.full(5, fitness))[OTHERS], np.full(20, often))


def test_the_best_is_imitated():
    """On a torus with all fitness different, against its definition."""
    place = structure.lattice(5, 6)
    fitness = np.random.default_rng(5).permutation(30).astype(np.float32)
    fitness[11] = np.nan
    parent = compiled(RULES["imitate_best"])(jax.random.key(0), jnp.asarray(fitness), place)
    known = np.where(np.isnan(fitness), -np.inf, fitness)
    assert parent.tolist() == np.where(allowed(place), known[None], -np.inf).argmax(1).tolist()


def test_who_is_imitated_among_equals():
    """Oneself first, else each of the best as often."""
    found = frequency(RULES["imitate_best"], [1.0, 5.0, 5.0, 0.0, 5.0])
    assert (found[[1, 2, 4], [1, 2, 4]] == 1.0).all()
    close(found[[0, 3]], np.array([[0, 1, 1, 0, 1], [0, 1, 1, 0, 1]]) / 3)


def test_moran_events_on_a_star():
    """Birth-death: the parent by fitness, its place by chance. Death-birth: the other way round."""
    fitness, place = np.array([1.0, 2.0, 4.0, NOTHING, 1.0]), structure.star(5)
    wanted = np.zeros((5, 5))
    wanted[0, 1:] = np.array([2, 4, 0, 1]) / 8  # a leaf's child always takes the hub
    wanted[1:, 0] = 1 / 8 / 4
    close(frequency(RULES["moran_birth_death"], fitness, place)[OTHERS], wanted[OTHERS])
    wanted[0, 1:] = np.array([2, 4, 0, 1]) / 7 / 5
    wanted[1:, 0] = 1 / 5  # a leaf's place always goes to the hub
    close(frequency(RULES["moran_death_birth"], fitness, place)[OTHERS], wanted[OTHERS])


def test_pairwise_comparison():
    fitness = np.array([0.0, 1.0, 3.0, -1.0, NOTHING])
    known = np.where(np.isnan(fitness), -1e9, fitness)
    wanted = 1 / 20 / (1 + np.exp(np.clip(known[:, None] - known[None], -50, 50)))
    close(frequency(RULES["fermi"], fitness)[OTHERS], wanted[OTHERS])
    equal = frequency(evolution.fermi(np.inf), np.full(5, np.nan))
    close(equal[OTHERS], np.full(20, 1 / 40))


def test_anything_is_inherited():
    tree = {"kernel": jnp.arange(12.0).reshape(3, 2, 2), "kind": jnp.int32([7, 8, 9]), "none": ()}
    child = evolution.inherit(jnp.int32([2, 2, 0]), tree)
    assert child["kind"].tolist() == [9, 9, 7]
    assert (child["kernel"] == tree["kernel"][jnp.array([2, 2, 0])]).all()


def test_migration_is_a_ring_of_swaps():
    """Each population sends `count` members to the next and keeps the others in place; leaves move together."""
    number = jnp.arange(24, dtype=jnp.int32).reshape(4, 6)
    islands = {"number": number, "weights": number[..., None] * jnp.ones((1, 1, 3))}
    moved = compiled(evolution.migrate, static_argnums=1)(jax.random.split(jax.random.key(0), 4), 2, islands)
    after = np.asarray(moved["number"])
    assert sorted(after.reshape(-1).tolist()) == list(range(24))
    assert (after == moved["weights"][..., 2]).all()
    came = after // 6
    for n in range(4):
        assert sorted(came[n].tolist()) == sorted([n] * 4 + [(n - 1) % 4] * 2)
        stayed = came[n] == n
        assert (after[n][stayed] == number[n][stayed]).all()


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: evolution.tournament(1), "tournament: 1 contestants; there must be at least 2"),
        (lambda: choose(evolution.tournament(9), 8, 8), "tournament: 9 contestants, but the population has 8 members"),
        *((lambda rule=rule: choose(rule, 8, 9), "structure: it is made for 9 members") for rule in RULES.values()),
        (lambda: move(5, {"a": (2, 4)}), "count: 5 migrants of a population of 4 members; it must be from 0 to 4"),
        (lambda: move(1, {"a": (2, 4), "b": (2, 5)}), "islands: populations are unlike"),
        (lambda: move(1, {"a": (2,)}), "islands: populations are unlike"),
    ],
)
def test_what_cannot_be_meant_is_refused(ask, said):
    with pytest.raises(UserError, match=said):
        ask()


def choose(rule, num_members: int, places: int):
    return rule(jax.random.key(0), jnp.zeros(num_members), structure.cycle(places))


def move(count: int, shapes: dict):
    keys = jax.random.split(jax.random.key(0))
    return evolution.migrate(keys, count, {name: jnp.zeros(shape) for name, shape in shapes.items()})
