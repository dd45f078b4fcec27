"""Which of the 144 ordinal games a 2x2 game is: its cell, its equilibria, and what is hard about it. Runs on device."""

from __future__ import annotations

import difflib

import jax.numpy as jnp
import numpy as np

from softsim.envs.games.ordinal import DILEMMAS, ORDINAL, PATTERNS, dilemma, equilibria, payoffs
from softsim.envs.manifold import coordinates
from softsim.types import Array, UserError

CELLS = tuple(ORDINAL)
"""Names; cell k has the row player's pattern k // 12 and the column player's k % 12."""

DILEMMA_CLASSES = tuple(DILEMMAS)

NUM_PATTERNS, NUM_CELLS = len(PATTERNS), len(CELLS)

# Outcomes are compared in the order R, T, S, P, in which those where the other cooperates come first: of equal
# payoffs the earlier counts as the better, so that a tie never leaves a player's best outcome where no pattern has it.
ORDER = np.array([0, 2, 1, 3])
RANKS = np.array([[pattern[1:][k] - 1 for k in ORDER] for pattern in PATTERNS.values()], np.int32)  # [12, 4]
DIGITS = np.array([64, 16, 4, 1], np.int32)

PATTERN_OF = np.full(256, NUM_PATTERNS, np.int32)
PATTERN_OF[RANKS @ DIGITS] = np.arange(NUM_PATTERNS)
"""Pattern of each ranking of R, T, S, P, written to base 4; `NUM_PATTERNS` where the best is elsewhere."""

DILEMMA_OF = np.array(
    [DILEMMA_CLASSES.index(dilemma(payoffs(row, column))) for row in PATTERNS for column in PATTERNS], np.int32
)
"""[144] index into `DILEMMA_CLASSES`"""


def cell_index(name: str) -> int:
    """Look up a cell by the name of its game, with or without "ordinal_".

    Raises:
        UserError: no cell is called so; the nearest is suggested.
    """
    full = name if name.startswith("ordinal_") else f"ordinal_{name}"
    if full not in ORDINAL:
        near = difflib.get_close_matches(full, CELLS, n=1, cutoff=0.0)[0]
        raise UserError(f"cell: {name!r} is unknown; did you mean {near!r}?")
    return CELLS.index(full)


def ordinal_cell(payoff: Array) -> Array:
    """Find the cell of a game, [] int32 from 0 to 143; an index into `CELLS`.

    Args:
        payoff: [2, 2, 2] float32, indexed by player and by the moves of both in turn.

    Relabelling moves does not change the answer, and swapping the players turns cell 12 i + j into 12 j + i. Ties are
    broken so that relabelling changes nothing there either.
    """
    labelled = jnp.stack([payoff, payoff[:, ::-1], payoff[:, :, ::-1], payoff[:, ::-1, ::-1]])
    own_first = jnp.stack([labelled[:, 0], labelled[:, 1].swapaxes(1, 2)], 1).reshape(4, 2, 4)[..., ORDER]
    left, right = own_first[..., None], own_first[..., None, :]
    later = np.triu(np.ones((4, 4), bool), 1)[None, None]
    rank = ((right < left) | (later & (right == left))).sum(-1, dtype=jnp.int32)  # [4 labellings, 2 players, 4]
    pattern = jnp.asarray(PATTERN_OF)[(rank * DIGITS[None, None]).sum(-1)]
    cell = jnp.where((pattern < NUM_PATTERNS).all(1), NUM_PATTERNS * pattern[:, 0] + pattern[:, 1], NUM_CELLS)
    return cell.min()


def num_equilibria(payoff: Array) -> Array:
    """Count the pure Nash equilibria, [] int32, of a game [2, M, N] float32."""
    return equilibria(payoff).sum(dtype=jnp.int32)


def dilemma_class(payoff: Array) -> Array:
    """Tell what is hard about a game [2, 2, 2]: an index, [] int32, into `DILEMMA_CLASSES`."""
    return jnp.asarray(DILEMMA_OF)[ordinal_cell(payoff)]


def direction_in_cell(point: Array, cell: Array) -> Array:
    """Carry a point of the unit cube, [6] float32 in [0, 1), to directions [2, 3] in a cell: uniform to uniform.

    A uniform game has its payoffs in any order with the same probability, so they may be put into the order of the
    cell. Moves are labelled at random.
    """
    values = jnp.sort(coordinates.payoff_of(coordinates.direction_at(point[:4])).reshape(2, 4), axis=1)
    pattern = jnp.stack([cell // NUM_PATTERNS, cell % NUM_PATTERNS])
    rank = jnp.asarray(RANKS[:, ORDER])[pattern]  # the order is its own inverse: back to R, S, T, P
    table = jnp.take_along_axis(values, rank, 1).reshape(2, 2, 2)
    direction = coordinates.coordinates_of(jnp.stack([table[0], table[1].T])).direction
    label = (point[4] < 0.5).astype(jnp.int32) + 2 * (point[5] < 0.5).astype(jnp.int32)
    return coordinates.images(direction)[label]
