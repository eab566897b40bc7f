"""Guards that need no function, and checks that bound functions fit their roles.

A guard ``In(review.asking)`` needs no function: it holds where that state is active, as in
SCXML 1.0, section 5.9.1. Neither does ``Error(Declined)``: it holds for a failure of that type,
as Step Functions catches one. A guard or an assign with a parameter ``active`` is given the names
of all active states.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = [
    "asked_error",
    "asked_state",
    "built_in_guard",
    "check_functions",
    "takes_active",
    "waits",
]

_FAILURE: Final = "error.invoke."

_TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "service": ("call",),
    "guard": ("context", "event"),
    "assign": ("context", "event"),
}


def asked_state(name: str) -> str | None:
    """Return the state that the guard ``In(state)`` asks for; None for any other name.

    Examples
    --------
    >>> asked_state("In(review.asking)"), asked_state("is_open")
    ('review.asking', None)
    """
    if name.startswith("In(") and name.endswith(")"):
        return name[3:-1].strip()
    return None


def asked_error(name: str) -> str | None:
    """Return the type of error that the guard ``Error(type)`` asks for; None for any other name.

    Examples
    --------
    >>> asked_error("Error(Declined)"), asked_error("is_declined")
    ('Declined', None)
    """
    if name.startswith("Error(") and name.endswith(")"):
        return name[6:-1].strip()
    return None


def built_in_guard(name: str) -> Callable[[Any, Any], bool] | None:
    """Return the function of the guard ``Error(type)``; None for any other name."""
    wanted = asked_error(name)
    if wanted is None:
        return None

    def is_error(context: Any, event: Any) -> bool:
        return bool(event.name.startswith(_FAILURE) and event.data["type"] == wanted)

    return is_error


def takes_active(function: Any) -> bool:
    """Whether a guard or an assign has a parameter ``active``, for the active states."""
    try:
        own = inspect.signature(function, follow_wrapped=False).parameters.values()
        if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in own):
            own = inspect.signature(function).parameters.values()  # a decorator passes it on
    except (TypeError, ValueError):
        return False  # some built-in functions have no signature
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return any(each.name == "active" and each.kind in named for each in own)


def check_functions(
    functions: Mapping[str, Any], roles: Mapping[str, str], where: str, problems: Problems
) -> None:
    """Note every value that cannot be called as its role requires; names without one are skipped.

    A service need not be an ``async def``: it is enough that its result is awaitable.
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
        # A decorator's wrapper is what is called, so its own signature counts.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        signature = None  # some built-in functions have none
    if signature is not None:
        options = {"active": ()} if role != "service" and takes_active(function) else {}
        try:
            signature.bind(*takes, **options)
        except TypeError:
            return f"takes {signature}; {article} {role} is called with ({', '.join(takes)})"
    if role != "service" and waits(function):
        return f"is asynchronous, and only a service may wait: make this {role} a plain function"
    return None


def waits(function: Any) -> bool:
    """Whether a function is asynchronous."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
