"""Machines of `transitions` against the charts that are read from them.

The law: whatever the two do differently was said when the machine was read.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.machine.random_machines import Tally, compare


def _compared(seeds: range) -> Tally:
    tally = Tally()
    for seed in seeds:
        compare(seed, tally)
    return tally


def test_random_machines_and_their_charts_do_the_same() -> None:
    """States, regions, scopes, guards, callbacks and their order, over random events."""
    tally = _compared(range(180))
    assert tally.unnamed == []
    assert tally.machines >= 100
    assert tally.fired >= 500


def test_the_comparison_bites() -> None:
    """Without what was said there are differences of several kinds."""
    tally = Tally()
    for seed in range(60):
        compare(seed, tally, told=False)
    assert len(tally.unnamed) >= 20


@pytest.mark.nightly
def test_thousands_of_random_machines_and_their_charts_do_the_same(
    record_property: Callable[[str, object], None],
) -> None:
    """The same, for longer."""
    tally = _compared(range(1_000, 9_000))
    for key in ("machines", "refused", "events", "fired", "named"):
        record_property(key, getattr(tally, key))
    assert tally.unnamed == []
    assert tally.machines >= 4_000
