"""The keys of charts in the notation of `transitions`, and how enums and lone values are read."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from functools import singledispatch
from typing import Any, Final

from settlesim.argument_checks import nearest
from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = [
    "CHART_KEYS",
    "FUNCTIONS",
    "HISTORY_KEYS",
    "INVOKE_KEYS",
    "MAX_SECONDS",
    "NO_SECONDS",
    "POSITIONAL",
    "RETRY_KEYS",
    "STATE_KEYS",
    "TARGET_KEYS",
    "TRANSITION_KEYS",
    "as_list",
    "check_keys",
    "enum_name",
    "flag_of",
    "seconds_of",
    "state_spec",
]

MAX_SECONDS: Final = 1e9
"""The longest delay or time-out, about 31 years."""

NO_SECONDS: Final = frozenset(("delay", "seconds", "dest", "target", "to"))
"""Keys inside `after` that show that one delay was meant, not a mapping of seconds."""

POSITIONAL: Final = (
    "trigger",
    "source",
    "dest",
    "conditions",
    "unless",
    "before",
    "after",
    "prepare",
)
FUNCTIONS: Final = ("conditions", "unless", "prepare", "before", "assign", "after")
TARGET_KEYS: Final = tuple(sorted(("dest", "internal", "label", *FUNCTIONS)))
TRANSITION_KEYS: Final = tuple(sorted(("trigger", "source", *TARGET_KEYS)))
HISTORY_KEYS: Final = ("name", "history", "default", "label")
INVOKE_KEYS: Final = ("effect", "input", "on_done", "on_error", "retry", "src", "timeout")
RETRY_KEYS: Final = (
    "attempts",
    "seconds",
    "factor",
    "max_seconds",
    "jitter",
    "seed",
    "errors",
)
STATE_KEYS: Final = (
    "after",
    "always",
    "children",
    "default",
    "final",
    "history",
    "ignore_invalid_triggers",
    "initial",
    "invoke",
    "label",
    "name",
    "on_done",
    "on_enter",
    "on_exit",
    "on_final",
    "parallel",
    "states",
    "tags",
    "transitions",
)
CHART_KEYS: Final = (
    "name",
    "version",
    "initial",
    "context",
    "on_reject",
    "settling_tags",
    "semantics",
    "secret",
    "provenance",
    "states",
    "transitions",
)

_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "action": ("assign",),
    "actions": ("assign",),
    "cond": ("conditions",),
    "condition": ("conditions",),
    "entry": ("on_enter",),
    "event": ("trigger",),
    "exit": ("on_exit",),
    "from": ("source",),
    "guard": ("conditions",),
    "guards": ("conditions",),
    "id": ("name", "src"),
    "on": ("trigger", "transitions"),
    "onentry": ("on_enter",),
    "onexit": ("on_exit",),
    "service": ("src", "invoke"),
    "target": ("dest",),
    "to": ("dest",),
}
"""Keys in SCXML, XState and by habit, with ours for each: the first that is allowed is meant."""


def check_keys(
    spec: Mapping[Any, Any], known: Collection[str], where: str, problems: Problems
) -> None:
    """Note every unknown key, with the one that may be meant."""
    for key in spec:
        if key not in known and problems.is_full:
            problems.add(where, "unknown key")
        elif key not in known:
            meant = _meant(key, spec[key], known) or nearest(key, known)
            hint = f"did you mean {meant!r}?" if meant else f"known are {', '.join(known)}"
            problems.add(where, f"unknown key {shorten(key)}; {hint}")


def _meant(key: object, value: object, known: Collection[str]) -> str | None:
    if not isinstance(key, str):
        return None
    if key == "type" and value in ("final", "history", "parallel"):
        words: tuple[str, ...] = (str(value),)
    else:
        words = _ELSEWHERE.get(key.casefold(), ())
    return next((word for word in words if word in known), None)


def enum_name(value: object) -> object:
    """Return the name of an enum member, as `transitions` does; other values as they are."""
    return value.name if isinstance(value, enum.Enum) else value


@singledispatch
def state_spec(state: object) -> object:
    """Return the mapping or name for an enum member or a state of `transitions`.

    The states of `transitions` are registered by `settlesim.machine.state_objects`.
    """
    return state


@state_spec.register
def _(state: enum.Enum) -> object:
    """Read the value of an enum member as what is inside the state, as `transitions` does."""
    if isinstance(state.value, enum.EnumMeta):
        return {"name": state, "children": state.value}
    return {**state.value, "name": state} if type(state.value) is dict else state


def as_list(value: object) -> Sequence[object]:
    """Return a list; a lone value becomes a list of one, None an empty one."""
    if value is None:
        return ()
    if isinstance(value, enum.EnumMeta):
        return tuple(value)
    return value if isinstance(value, (list, tuple)) else (value,)


def flag_of(
    spec: Mapping[Any, Any], key: str, where: str, problems: Problems, *, default: bool
) -> bool:
    """Return a truth value; anything else under the key is a problem."""
    value = spec.get(key, default)
    if type(value) is bool:
        return value
    problems.add(where, f"{key} is {shorten(value)}; true or false is needed")
    return default


def seconds_of(value: object, *, as_text: bool) -> float | None:
    """Return a number of seconds, or None.

    Parameters
    ----------
    as_text : whether a text is read as a number, since the keys of JSON are texts
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not as_text:
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= MAX_SECONDS else None
