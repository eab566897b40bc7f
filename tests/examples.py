"""How many examples of a law are tried: few in CI, ten times as many where all night is there."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["scaled"]

_CI = 40
"""What the profile ``ci`` tries where nothing is said, see ``tests/conftest.py``."""


def scaled(number: int, *, at_night: int | None = None) -> int:
    """Return how many examples the active profile has in place of so many in CI.

    Parameters
    ----------
    number : how many the profile ``ci`` tries
    at_night : how many the profile ``nightly`` tries; None for ten times as many
    """
    if at_night and settings().max_examples == settings.get_profile("nightly").max_examples:
        return at_night
    return max(1, number * settings().max_examples // _CI)
