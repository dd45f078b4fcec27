"""Who is whose neighbour in a population: a graph as rows of neighbours, cheap for 40,000 members and for a crowd.

A structure says two things: who plays with whom (`payoffs`), and who may be replaced by a child of whom (the rules of
`softsim.learners.evolution`). The two may differ. Nothing here is [P, P]: members with the same neighbourhood share one
row, so a well-mixed population is a single row in which everybody leaves out itself.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from softsim.types import Array, UserError, struct


@struct
class Structure:
    """The neighbourhoods of P members; all of it is data."""

    neighbour: Array  # [G, D] int32   distinct neighbourhoods, each filled from the left
    size: Array  # [G] int32   entries of each row that count
    row: Array  # [P] int32   whose row is whose
    skip: Array  # [P] int32   the entry of its row that a member leaves out, being itself; D where there is none

    @property
    def num_members(self) -> int:
        return self.row.shape[0]

    @property
    def degree(self) -> Array:
        """Number of neighbours of each member, [P] int32."""
        size = self.size[self.row]
        return size - (self.skip < size)

    @property
    def counts(self) -> Array:
        """Which entries count, [G, D] bool."""
        return jnp.arange(self.neighbour.shape[1], dtype=jnp.int32)[None] < self.size[:, None]


def graph(neighbour: np.ndarray, mask: np.ndarray) -> Structure:
    """Make a structure of any directed graph: row i lists the neighbours of member i, itself too if it is named.

    Args:
        neighbour: [P, D] int members; mask: [P, D] bool, which entries count.

    Raises:
        UserError: a neighbour is not a member.
    """
    num_members, width = neighbour.shape
    named = neighbour[mask]
    if named.size and not 0 <= named.min() <= named.max() < num_members:
        raise UserError(f"neighbour: {named.min()} to {named.max()}; members are numbered from 0 to {num_members - 1}.")
    packed = np.argsort(~mask, axis=1, kind="stable")
    return Structure(
        neighbour=_whole(np.take_along_axis(np.where(mask, neighbour, 0), packed, 1)),
        size=_whole(mask.sum(1)),
        row=_whole(np.arange(num_members)),
        skip=_whole(np.full(num_members, width)),
    )


def islands(num_islands: int, size: int, include_self: bool = False) -> Structure:
    """Cut the members into groups, in their order; all in a group are neighbours, and nobody else is.

    Raises:
        UserError: there is no group, or nobody in one.
    """
    _at_least("num_islands", num_islands, 1)
    _at_least("size", size, 1)
    member = np.arange(num_islands * size)
    return Structure(
        neighbour=_whole(member.reshape(num_islands, size)),
        size=_whole(np.full(num_islands, size)),
        row=_whole(member // size),
        skip=_whole(np.full_like(member, size) if include_self else member % size),
    )


def well_mixed(num_members: int, include_self: bool = False) -> Structure:
    """Make everybody everybody's neighbour."""
    return islands(1, num_members, include_self)


def star(num_members: int) -> Structure:
    """Make member 0 the hub: the neighbour of all, who have no other.

    Raises:
        UserError: fewer than two members.
    """
    _at_least("num_members", num_members, 2, " in a star")
    leaves = np.arange(1, num_members)
    return Structure(
        neighbour=_whole(np.stack([leaves, np.zeros_like(leaves)])),
        size=_whole(np.array([num_members - 1, 1])),
        row=_whole(np.arange(num_members) > 0),
        skip=_whole(np.full(num_members, num_members - 1)),
    )


def cycle(num_members: int) -> Structure:
    """Place the members on a ring, each between two neighbours.

    Raises:
        UserError: fewer than three members.
    """
    _at_least("num_members", num_members, 3, " in a cycle")
    member = np.arange(num_members)
    neighbour = np.stack([member - 1, member + 1], 1) % num_members
    return graph(neighbour, np.ones_like(neighbour, bool))


def lattice(
    height: int, width: int, moore: bool = True, include_self: bool = False, periodic: bool = True
) -> Structure:
    """Place member `row * width + column` on a grid.

    Args:
        moore: the eight cells around are neighbours; else the four that share a side (von Neumann).
        include_self: a member is also its own neighbour.
        periodic: a torus; else members at the border have fewer neighbours.

    Raises:
        UserError: a side below 3, where a torus would name a neighbour twice.
    """
    _at_least("height", height, 3)
    _at_least("width", width, 3)
    offset = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    offset = [
        (y, x) for y, x in offset if (abs(y) + abs(x) in ((1, 2) if moore else (1,))) or (include_self and x == y == 0)
    ]
    down, across = np.array(offset).T
    row, column = np.divmod(np.arange(height * width)[:, None], width)
    row, column = row + down, column + across
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return graph(row % height * width + column % width, inside | periodic)


def around(structure: Structure, member: Array) -> Structure:
    """Keep only one member's row, so that a draw for that one costs D and not G times D."""
    row = structure.row[member]
    return dataclasses.replace(
        structure,
        neighbour=structure.neighbour[row][None],
        size=structure.size[row][None],
        row=jnp.zeros_like(structure.row),
    )


def anyone(structure: Structure, member: Array, uniform: Array) -> Array:
    """Draw one of a member's neighbours, each as likely, by a uniform number in [0, 1); itself if it has none.

    Both are scalars; map for more.
    """
    row, skip = structure.row[member], structure.skip[member]
    size = structure.size[row]
    degree = size - (skip < size)
    place = (uniform * degree).astype(jnp.int32)
    place = place + (place >= skip)
    return jnp.where(degree > 0, structure.neighbour[row, place], member)


def cumulate(structure: Structure, weight: Array) -> Array:
    """Sum the weights of neighbours, [G, D] float32 at least 0, along each row: what `weighted` draws by."""
    return jnp.cumsum(jnp.where(structure.counts, weight, 0.0), 1)


def weighted(structure: Structure, cumulative: Array, member: Array, uniform: Array) -> Array:
    """Draw one of a member's neighbours in proportion to weight, by a uniform number in [0, 1).

    A neighbour of weight 0 is never drawn, unless all are: then each is as likely. Member and number are scalars; map
    for more.

    Args:
        cumulative: [G, D] float32 of `cumulate`.
    """
    row, skip = structure.row[member], structure.skip[member]
    total = cumulative[row, -1]
    left = jnp.where(skip > 0, cumulative[row, skip - 1], 0.0)
    through = jnp.where(skip < cumulative.shape[1], cumulative[row, skip], total)
    mass = left + (total - through)
    target = uniform * mass
    # Rounding must not carry the target beyond the last weight that is above 0.
    target = jnp.where(target < left, target, jnp.minimum(through + (target - left), jnp.nextafter(total, 0.0)))
    place = first_above(cumulative, row, target)
    return jnp.where(mass > 0.0, structure.neighbour[row, place], anyone(structure, member, uniform))


def first_above(table: Array, row: Array, target: Array) -> Array:
    """Find the first entry of one sorted row of a table [G, D] that is above the target; D if there is none.

    Mapped over members this is log2(D) gathers, where gathering whole rows would be [P, D] for a crowd.
    """
    width = table.shape[1]
    low, high = jnp.zeros_like(row), jnp.full_like(row, width)
    for _ in range(width.bit_length()):
        middle = (low + high) // 2
        above = table[row, middle] > target
        low, high = jnp.where(above, low, middle + 1), jnp.where(above, middle, high)
    return jnp.minimum(low, width)


def payoffs(structure: Structure, matrix: Array, kind: Array, average: bool = False) -> Array:
    """Play a matrix game once with every neighbour.

    Args:
        matrix: [C, C] float32, what a member of the row's kind gets from one of the column's.
        kind: [P] int32, below C.
        average: divide by the number of neighbours; a member that has none gets 0 either way.

    Returns:
        [P] float32, exact where the payoffs are whole numbers.
    """
    check_size(structure, kind.shape[0])
    one_hot = jax.nn.one_hot(kind, matrix.shape[0], dtype=jnp.float32)
    met = jnp.where(structure.counts[..., None], one_hot[structure.neighbour], 0.0).sum(1)[structure.row]
    skips = structure.skip < structure.size[structure.row]
    met = met - jnp.where(skips[:, None], one_hot, 0.0)
    total = (matrix[kind] * met).sum(1)
    return total / jnp.maximum(structure.degree, 1).astype(jnp.float32) if average else total


def check_size(structure: Structure, num_members: int) -> None:
    """Refuse a structure made for another number of members.

    Raises:
        UserError: the two differ.
    """
    if structure.num_members != num_members:
        raise UserError(
            f"structure: it is made for {structure.num_members} members, and the population has {num_members}; "
            f"the two must be equal."
        )


def _at_least(field: str, value: int, least: int, where: str = "") -> None:
    if value < least:
        raise UserError(f"{field}: {value}; it must be at least {least}{where}.")


def _whole(numbers: np.ndarray) -> Array:
    return jax.device_put(numbers.astype(np.int32))
