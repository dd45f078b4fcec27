"""Who is whose neighbour, for `sittings.spatial`."""

from __future__ import annotations

import numpy as np

from softsim.learners import structure
from softsim.learners.structure import Structure
from softsim.types import UserError


def regular(graph: Structure) -> np.ndarray:
    """List the neighbours of every member, [M, D] int32, so that each column names every member once.

    Raises:
        UserError: members differ in their number of neighbours, or are not each other's in this even way.
    """
    neighbour, size, row, skip = (np.asarray(each) for each in (graph.neighbour, graph.size, graph.row, graph.skip))
    lists = []
    for member, where in enumerate(row):
        entries, left_out = neighbour[where, : size[where]], skip[member]
        lists.append(np.roll(entries, -left_out)[1:] if left_out < size[where] else entries)
    degrees = sorted({len(each) for each in lists})
    if len(degrees) != 1:
        raise UserError(f"structure: members have {degrees[0]} to {degrees[-1]} neighbours; all must have as many.")
    table = np.stack(lists).astype(np.int32)
    if not (np.sort(table, 0) == np.arange(len(table))[:, None]).all():
        raise UserError("structure: some members are more often neighbours than they have such; both must be equal.")
    return table


def structure_of(name: str, num_members: int) -> Structure:
    """Place members on a ring, or on the torus that is as square as their number allows, with four neighbours each.

    Raises:
        UserError: there are too few, or no torus has as many.
    """
    if name == "cycle":
        return structure.cycle(num_members)
    heights = [side for side in range(3, num_members) if num_members % side == 0 and side**2 <= num_members]
    if not heights:
        raise UserError(f"structure: no torus has {num_members} members; a product of two numbers from 3 up does.")
    return structure.lattice(heights[-1], num_members // heights[-1], moore=False)
