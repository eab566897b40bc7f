"""How many examples an expensive law tries."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["examples"]


def examples(in_ci: int) -> int:
    """Return `in_ci` under the profile ``ci``, and as many times more as others try more."""
    loaded, in_profile = settings().max_examples, settings.get_profile("ci").max_examples
    return in_ci * max(1, loaded // in_profile)
