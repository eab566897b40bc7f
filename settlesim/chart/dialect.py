"""The words of the dialect of `transitions`, and how it takes enums and lone values."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Final

__all__ = [
    "FUNCTIONS",
    "INVOKE_KEYS",
    "MAX_SECONDS",
    "POSITIONAL",
    "STATE_KEYS",
    "TARGET_KEYS",
    "TRANSITION_KEYS",
    "enum_state",
    "listed",
    "plain",
    "seconds_of",
]

MAX_SECONDS: Final = 1e9
"""The longest delay or time-out, about 31 years."""

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
TARGET_KEYS: Final = frozenset(("dest", "label", *FUNCTIONS))
TRANSITION_KEYS: Final = frozenset(("trigger", "source", *TARGET_KEYS))
INVOKE_KEYS: Final = frozenset(("src", "input", "on_done", "on_error", "timeout", "effect"))
STATE_KEYS: Final = frozenset(
    (
        "after",
        "always",
        "children",
        "final",
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
)


def plain(value: object) -> object:
    """Take an enum member for its name, as `transitions` does."""
    return value.name if isinstance(value, enum.Enum) else value


def enum_state(member: enum.Enum) -> object:
    """Take the value of an enum member for what is inside, as `transitions` does."""
    if isinstance(member.value, enum.EnumMeta):
        return {"name": member.name, "children": member.value}
    return {**member.value, "name": member.name} if type(member.value) is dict else member.name


def listed(value: object) -> Sequence[object]:
    """Take a lone value for a list of it, and None for an empty one."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def seconds_of(value: object) -> float | None:
    """Return a number of seconds, given as a number or, as in a JSON key, as text."""
    seconds = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except (ValueError, OverflowError):
            return None
    return seconds if 0 < seconds <= MAX_SECONDS else None
