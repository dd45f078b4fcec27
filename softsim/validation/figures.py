"""A measured number beside the one it should be."""

from __future__ import annotations

import dataclasses
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number, or one row of numbers, of a validation."""

    measured: Any
    target: Any  # None where a number is reported as found, without a claim
    tolerance: Any  # a distance, or "at least", "at most", "exactly"; None where nothing is claimed
    passed: bool

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def within(measured: ArrayLike, target: ArrayLike, tolerance: float) -> Figure:
    """The measured number, or each of a row, is at most `tolerance` away from its target; NaN never is."""
    found, wanted = np.asarray(measured, np.float64), np.asarray(target, np.float64)
    passed = found.shape == wanted.shape and bool((np.abs(found - wanted) <= tolerance).all())
    return Figure(found.tolist(), wanted.tolist(), float(tolerance), passed)


def at_least(measured: SupportsFloat, bound: SupportsFloat) -> Figure:
    """The measured number is `bound` or more."""
    return Figure(float(measured), float(bound), "at least", float(measured) >= float(bound))


def at_most(measured: SupportsFloat, bound: SupportsFloat) -> Figure:
    """The measured number is `bound` or less."""
    return Figure(float(measured), float(bound), "at most", float(measured) <= float(bound))


def exactly(measured: ArrayLike, target: ArrayLike) -> Figure:
    """The measured integers are those of the target."""
    found, wanted = np.asarray(measured), np.asarray(target)
    return Figure(found.tolist(), wanted.tolist(), "exactly", bool(np.array_equal(found, wanted)))


def as_found(measured: ArrayLike) -> Figure:
    """A number that is reported and claims nothing."""
    return Figure(np.asarray(measured, np.float64).tolist(), None, None, True)
