"""Whether a function can be what the chart names it for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = ["check_functions"]

_TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "service": ("call",),
    "guard": ("context", "event"),
    "assign": ("context", "event"),
}


def check_functions(
    functions: Mapping[str, Any], roles: Mapping[str, str], where: str, problems: Problems
) -> None:
    """Note every value that can not be called as its role is; names without a role are skipped.

    Whether a service is an ``async def`` does not matter: what it returns has to be awaitable.
    """
    for name, function in functions.items():
        flaw = _flaw(function, roles[name]) if name in roles else None
        if flaw is not None:
            problems.add(f"{where} {shorten(name)}", flaw)


def _flaw(function: Any, role: str) -> str | None:
    if not callable(function):
        return f"is {shorten(function)}, not a function"
    takes = _TAKES[role]
    article = "an" if role == "assign" else "a"
    try:
        # What a decorator returns is what is called, whatever it says that it wraps.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        signature = None  # some built-in functions have none
    if signature is not None:
        try:
            signature.bind(*takes)
        except TypeError:
            return f"takes {signature}; {article} {role} is called with ({', '.join(takes)})"
    if role != "service" and _waits(function):
        return f"is asynchronous, and only a service may wait: make this {role} a plain function"
    return None


def _waits(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
