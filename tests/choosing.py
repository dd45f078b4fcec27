"""Parameters of which a normal run takes the first few, and a slow one the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def few(values: Iterable[Any], first: int = 1) -> list[Any]:
    """Mark all but the first few as slow; a tuple is several parameters."""
    every = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*value, marks=pytest.mark.slow if i >= first else ()) for i, value in enumerate(every)]
