"""The enumerator finds what is known to be wrong with stock TinyDB, so it can find something."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash.enumerator import enumerate_points
from tests.crash.stock import StockProgram


def test_enumerator_finds_the_in_place_write_of_stock_tinydb_unsafe(
    monkeypatch: pytest.MonkeyPatch, finding: Callable[[object], None]
) -> None:
    """Killed between two calls it is unreadable; a power cut loses a write that returned."""
    report = enumerate_points(StockProgram(monkeypatch))
    finding(report)
    unreadable = {each.how for each in report.violations if each.kind.startswith("does not open")}
    assert unreadable >= {"killed", "power cut", "ENOSPC", "short write, then full"}
    kinds = {each.kind for each in report.violations if each.how == "power cut"}
    assert "half a transaction" in kinds
