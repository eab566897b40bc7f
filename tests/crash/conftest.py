"""What all tests of crashes have in common."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def torn_ends_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """There are thousands of them, and each one is meant."""
    caplog.set_level(logging.ERROR, logger="settlesim.store")
