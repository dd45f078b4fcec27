"""Settings of a run: what each may be, and that none is accepted which would change nothing."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from softsim import TrainConfig, UserError
from softsim.train_config import CHOICES, COUNTS, RANGES, check_fields


def get(config, field: str):
    return functools.reduce(getattr, field.split("."), config)


def put(config, field: str, value):
    """The config with one field changed, however deep."""
    name, _, rest = field.partition(".")
    return dataclasses.replace(config, **{name: put(getattr(config, name), rest, value) if rest else value})


def another(field: str):
    """An allowed value that is not the usual one."""
    usual = get(TrainConfig(), field)
    if field in CHOICES:
        return next(value for value in CHOICES[field] if value != usual)
    if field in RANGES:
        low, high = RANGES[field]
        return type(usual)(low if usual != low else min(high, low + 1))
    return {"selection.actions": (1,), "matchmaking.tags": (1, 2)}.get(field, "gone")


@pytest.mark.parametrize("field", COUNTS)
def test_what_would_not_count_is_refused_and_else_allowed(field):
    chooser, counting = COUNTS[field]
    changed = put(TrainConfig(), field, another(field))
    others = [value for value in CHOICES[chooser] if value not in counting]
    assert others
    assert set(counting) <= set(CHOICES[chooser])
    for value in others:
        with pytest.raises(UserError, match=f"^{field}: .* counts where {chooser} is {counting[0]!r}.*left at"):
            check_fields(put(changed, chooser, value))
    for value in counting:
        check_fields(put(changed, chooser, value))


@pytest.mark.parametrize("field", RANGES)
def test_numbers_outside_their_range_are_refused(field):
    low, high = RANGES[field]
    for value in (low - 1, high + 1):
        with pytest.raises(UserError, match=f"^{field}: {value}; it must be"):
            check_fields(put(TrainConfig(), field, value))


@pytest.mark.parametrize("field", CHOICES)
def test_names_that_are_no_choice_are_refused(field):
    with pytest.raises(UserError, match=f"^{field}: 'fair'; allowed are"):
        check_fields(put(TrainConfig(), field, "fair"))
