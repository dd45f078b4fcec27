"""Who is whose neighbour: against its definition, member by member."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.learners import structure
from softsim.types import UserError


@functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def draws(graph, weight, uniform):
    """Draws of every member by every number: [P, U] of anyone, and [W, P, U] by every row of weights [W, P]."""

    def of(draw):
        return jax.vmap(jax.vmap(draw, in_axes=(None, 0)), in_axes=(0, None))

    member = jnp.arange(graph.num_members, dtype=jnp.int32)

    def by_weight(weight):
        cumulative = structure.cumulate(graph, weight[graph.neighbour])
        return of(lambda member, number: structure.weighted(graph, cumulative, member, number))(member, uniform)

    anyone = of(lambda member, number: structure.anyone(graph, member, number))(member, uniform)
    return anyone, jax.vmap(by_weight)(weight)


payoffs = jax.jit(structure.payoffs, static_argnums=3, compiler_options={"xla_backend_optimization_level": 0})

STRUCTURES = {
    "well mixed": structure.well_mixed(6),
    "with oneself": structure.well_mixed(6, include_self=True),
    "islands": structure.islands(2, 3),
    "star": structure.star(6),
    "cycle": structure.cycle(6),
    "bounded": structure.lattice(3, 4, periodic=False, include_self=True),
    "by hand": structure.graph(
        np.array([[1, 3, 2], [0, 2, 2], [2, 1, 0], [0, 1, 2]]),
        np.array([[True, False, True], [True, False, False], [True, True, True], [False, False, False]]),
    ),
    "alone": structure.well_mixed(1),
}


def neighbours(graph: structure.Structure, member: int) -> list[int]:
    """What a member's row says, without what it leaves out."""
    row, skip = int(graph.row[member]), int(graph.skip[member])
    entries = np.asarray(graph.neighbour[row, : int(graph.size[row])]).tolist()
    return sorted(entry for place, entry in enumerate(entries) if place != skip)


def test_graphs_by_their_definitions():
    def lists(graph):
        return [neighbours(graph, i) for i in range(graph.num_members)]

    assert lists(STRUCTURES["well mixed"]) == [[j for j in range(6) if j != i] for i in range(6)]
    assert lists(STRUCTURES["with oneself"]) == [list(range(6))] * 6
    assert lists(STRUCTURES["islands"]) == [[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]
    assert lists(STRUCTURES["star"]) == [[1, 2, 3, 4, 5]] + [[0]] * 5
    assert lists(STRUCTURES["cycle"]) == [[1, 5], [0, 2], [1, 3], [2, 4], [3, 5], [0, 4]]
    assert lists(STRUCTURES["by hand"]) == [[1, 2], [0], [0, 1, 2], []]
    assert lists(STRUCTURES["alone"]) == [[]]


@pytest.mark.parametrize("moore", [True, False])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("periodic", [True, False])
def test_lattices_by_distance(moore, include_self, periodic):
    """Neighbours are a step away: a king's step or a rook's, around the edge or not."""
    height, width = 4, 5
    grid = structure.lattice(height, width, moore, include_self, periodic)
    cell = [divmod(i, width) for i in range(height * width)]

    def gap(a: int, b: int, side: int) -> int:
        return min((a - b) % side, (b - a) % side) if periodic else abs(a - b)

    for i, (row, column) in enumerate(cell):
        step = [(gap(row, r, height), gap(column, c, width)) for r, c in cell]
        near = [j for j, (y, x) in enumerate(step) if (max(y, x) if moore else y + x) == 1 or (include_self and i == j)]
        assert neighbours(grid, i) == near


@pytest.mark.parametrize("name", STRUCTURES)
def test_draws_are_fair(name):
    """Evenly spaced numbers draw neighbours as often as they should, and nobody else; a hermit draws itself.

    A weight of 0 is never drawn, unless all are, also by the numbers at both ends.
    """
    graph, rng = STRUCTURES[name], np.random.default_rng(0)
    people = graph.num_members
    uniform = np.append((np.arange(600) + 0.5) / 600, [0.0, 1.0 - 2.0**-23])
    some = rng.random((6, people)) < np.linspace(0.0, 1.0, 6)[:, None]
    weight = np.where(some, 1e3 * rng.random((6, people)), 0.0)
    anyone, by_weight = (np.asarray(each) for each in draws(graph, jnp.float32(weight), jnp.float32(uniform)))
    for member in range(people):
        near = neighbours(graph, member)
        assert graph.degree[member] == len(near)
        agrees(anyone[member], near or [member], np.ones(people))
        for row in range(6):
            agrees(by_weight[row, member], near or [member], weight[row])


def agrees(drawn: np.ndarray, near: list[int], weight: np.ndarray) -> None:
    wanted = np.zeros(len(weight))
    wanted[near] = weight[near] if weight[near].any() else 1.0
    found = np.bincount(drawn, minlength=len(weight)) / len(drawn)
    assert not found[wanted == 0].any()
    np.testing.assert_allclose(found, wanted / wanted.sum(), atol=6e-3)


def test_a_crowd_is_drawn_from_as_finely_as_a_few():
    """Each of 10,000 by evenly spaced numbers, by one member that leaves out itself, the heaviest of them."""
    size = 10_000
    graph = structure.well_mixed(size)
    weight = np.ones(size, np.float32)
    weight[[17, size - 1]] = 5e3, 0.0

    def draw(uniform):
        cumulative = structure.cumulate(graph, jnp.asarray(weight)[graph.neighbour])
        return jax.vmap(structure.weighted, in_axes=(None, None, None, 0))(graph, cumulative, 17, uniform)

    drawn = jax.jit(draw)(jnp.float32((np.arange(size) + 0.5) / size))
    count = np.bincount(np.asarray(drawn), minlength=size)
    assert count[17] == count[size - 1] == 0
    assert (count[weight == 1] != 1).mean() < 0.01


@pytest.mark.parametrize("name", STRUCTURES)
def test_payoffs_are_sums_over_neighbours(name):
    graph, rng = STRUCTURES[name], np.random.default_rng(1)
    matrix, kind = rng.integers(-40, 40, (3, 3)), rng.integers(0, 3, graph.num_members)
    total = payoffs(graph, jnp.float32(matrix), jnp.int32(kind), False)
    mean = payoffs(graph, jnp.float32(matrix), jnp.int32(kind), True)
    for member in range(graph.num_members):
        near = neighbours(graph, member)
        assert total[member] == sum(int(matrix[kind[member], kind[other]]) for other in near)
        assert mean[member] == np.float32(total[member]) / np.float32(max(len(near), 1))


def test_large_structures_are_small():
    """Neighbour lists, not tables of pairs."""
    for graph in (structure.lattice(200, 200), structure.well_mixed(40_000), structure.star(40_000)):
        assert sum(leaf.size for leaf in jax.tree.leaves(graph)) <= 40_000 * 11


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: structure.cycle(2), "num_members: 2; it must be at least 3"),
        (lambda: structure.star(1), "num_members: 1; it must be at least 2"),
        (lambda: structure.lattice(5, 2), "width: 2; it must be at least 3"),
        (lambda: structure.islands(0, 4), "num_islands: 0; it must be at least 1"),
        (lambda: structure.islands(4, 0), "size: 0; it must be at least 1"),
        (lambda: structure.graph(np.array([[1], [2]]), np.ones((2, 1), bool)), "members are numbered from 0 to 1"),
        (lambda: structure.payoffs(structure.cycle(5), jnp.eye(2), jnp.zeros(6, jnp.int32)), "made for 5 members"),
    ],
)
def test_impossible_structures_are_refused(make, said):
    with pytest.raises(UserError, match=said):
        make()
