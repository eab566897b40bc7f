"""Hides the values of the fields that `Chart.secret` names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object

__all__ = ["HIDDEN", "hidden_error", "hide", "hide_in_snapshot"]

HIDDEN: Final = "***"
"""What is shown instead of a secret value."""


def hide(value: Any, names: Collection[str]) -> Any:
    """Return JSON with the values of these fields hidden, however deep they are.

    Examples
    --------
    >>> hide({"name": "Ada", "cards": [{"number": 42}]}, ("number",))
    {'name': 'Ada', 'cards': [{'number': '***'}]}
    """
    if not names:
        return value
    if isinstance(value, Mapping):
        return {key: HIDDEN if key in names else hide(each, names) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(each, names) for each in value]
    return value


def hide_in_snapshot(snapshot: Snapshot, names: Collection[str]) -> Snapshot:
    """Return a snapshot with the values of these context fields hidden."""
    if not names:
        return snapshot
    return replace(snapshot, context=freeze_object(hide(snapshot.context, names), where="context"))


def hidden_error(error: BaseException) -> Exception:
    """Return an error whose type has the same name, without the message: it may hold a secret.

    Examples
    --------
    >>> hidden_error(ValueError("no card 42"))
    ValueError('***')
    """
    found: Exception = type(type(error).__name__, (Exception,), {})(HIDDEN)
    return found
