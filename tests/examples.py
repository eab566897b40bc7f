"""How many examples of a law are tried: few in CI, ten times as many where all night is there."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["scaled"]

_CI = 40
"""What the profile ``ci`` tries where nothing is said, see ``tests/conftest.py``."""


def scaled(number: int) -> int:
    """Return how many examples the active profile has in place of so many in CI."""
    return max(1, number * settings().max_examples // _CI)
