"""What the scripted partners of the coin game get, by the stationary distribution of a Markov chain written anew."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse

from softsim.validation.coin_game import ANCHORS, OWN_SHARE, PAIRS

CELLS, GONE = 9, 9
"""Cells of the torus; where a coin is that does not lie anywhere."""


def way(start: int, end: int) -> tuple[int, int]:
    """The shortest way on the torus, as rows down and columns right, each -1, 0 or 1."""
    return tuple((b - a + 1) % 3 - 1 for a, b in zip(divmod(start, 3), divmod(end, 3), strict=True))


def goal(kind: str, here: int, own: int, other: int) -> int:
    """Where a partner wants to be: at its own coin, or, if it is a defector, at the nearest, its own of two as near."""
    distance = [9 if coin == GONE else sum(map(abs, way(here, coin))) for coin in (own, other)]
    if kind == "defector" and distance[1] < distance[0]:
        return other
    return here if own == GONE else own


def step(kind: str, here: int, own: int, other: int) -> int:
    """Where it is next: a row nearer to its goal, or a column if it is in the right row."""
    down, right = way(here, goal(kind, here, own, other))
    row, column = divmod(here, 3)
    return (row + down) % 3 * 3 + column if down else row * 3 + (column + right) % 3


def places(one_coin: bool, taken: list[bool], coins: tuple[int, int], stood: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the coins may lie after a step; all are as likely."""
    if one_coin and any(taken):
        free = [cell for cell in range(CELLS) if cell not in stood]
        return [(GONE, cell) if taken[0] else (cell, GONE) for cell in free]
    return list(
        itertools.product(*(range(CELLS) if is_taken else (coin,) for is_taken, coin in zip(taken, coins, strict=True)))
    )


def chain(one_coin: bool, kinds: tuple[str, str]):
    """Transitions [states, states], and of each state the payoffs [2], own coins and all coins of the step from it."""
    lying = [coins for coins in itertools.product(range(CELLS + 1), repeat=2) if coins.count(GONE) == one_coin]
    states = [(*stood, *coins) for stood in itertools.product(range(CELLS), repeat=2) for coins in lying]
    index, entries, told = {state: i for i, state in enumerate(states)}, [], []
    for first, second, *coins in states:
        at = step(kinds[0], first, *coins), step(kinds[1], second, *coins[::-1])
        took = np.array([[cell == coin for coin in coins] for cell in at])  # [agent, colour]
        told.append([*(took.sum(1) - 2 * np.diag(took[::-1])), np.trace(took), took.sum()])
        following = places(one_coin, took.any(0).tolist(), tuple(coins), at)
        here = index[first, second, *coins]
        entries += [(here, index[*at, *after], 1 / len(following)) for after in following]
    row, column, chance = np.array(entries).T
    return scipy.sparse.csr_array((chance, (row.astype(int), column.astype(int))), (len(states),) * 2), np.array(told)


@pytest.mark.parametrize(("version", "one_coin"), [("two_coins", False), ("one_coin", True)])
def test_anchors_are_those_of_the_chain(version, one_coin):
    """Who steps at random is as likely to take either coin, so that two of them win what they lose: 0."""
    for kinds, anchor in zip(PAIRS, ANCHORS[version], strict=True):
        if "random" in kinds:
            assert anchor == (0.0, 0.0)
            continue
        transition, told = chain(one_coin, kinds)
        chance, mean = np.full(len(told), 1 / len(told)), 0.0
        for t in range(600):  # averaged, in case the chain is periodic
            chance = chance @ transition
            mean = mean + (t >= 200) * chance / 400
        first, second, own, coins = mean @ told
        np.testing.assert_allclose((first, second), anchor, atol=6e-6)
        if kinds == ("cooperator", "cooperator"):
            np.testing.assert_allclose(own / coins, OWN_SHARE[version], atol=6e-6)
