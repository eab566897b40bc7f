"""The state of an instance in a few words: its leaves, and the fields that make a difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from settlesim.chart.secrets import hide

__all__ = [
    "field_words",
    "fields_words",
    "leaf_words",
    "rest_words",
    "telling_fields",
    "with_history",
]

_LONGEST: Final = 60
"""How many characters of one field are shown."""

Rest = tuple[Sequence[str], Mapping[str, Any]]
"""A configuration, and a context."""


def leaf_words(configuration: Sequence[str]) -> str:
    """Return the leaves of a configuration in a few words."""
    return " + ".join(configuration) or "nothing"


def field_words(value: object) -> str:
    """Return a value of the context in a few words; a list without brackets and commas."""
    if isinstance(value, (list, tuple)):
        words = " ".join(str(each) for each in value[:_LONGEST]) or "empty"
    else:
        words = str(value)
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."


def fields_words(context: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Return fields of a context as text, such as ``count=1``."""
    return ", ".join(f"{name}={field_words(context[name])}" for name in fields if name in context)


def rest_words(rest: Rest, fields: Iterable[str], secret: Collection[str] = ()) -> str:
    """Return a configuration with some fields of its context, as text.

    Parameters
    ----------
    secret : the fields whose values are hidden

    Examples
    --------
    >>> rest_words((("resting",), {"count": 1}), ["count"])
    'resting (count=1)'
    """
    words = fields_words(hide(rest[1], secret), fields)
    return f"{leaf_words(rest[0])} ({words})" if words else leaf_words(rest[0])


def with_history(context: Mapping[str, Any], remembered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a context, together with what history states remember.

    Examples
    --------
    >>> with_history({"count": 1}, {"work.H": ["slow"]})
    {'count': 1, 'history work.H': ['slow']}
    """
    return {**context, **{f"history {name}": states for name, states in remembered.items()}}


def telling_fields(rests: Sequence[Rest]) -> list[str]:
    """Return the fields of the context that are needed to tell these apart.

    The list is empty if the leaves are enough, or if nothing differs.
    """
    leaves = {leaf_words(configuration) for configuration, _ in rests}
    if len(leaves) == len({(leaf_words(each), repr(context)) for each, context in rests}):
        return []
    names = dict.fromkeys(name for _, context in rests for name in context)
    return [
        name
        for name in names
        if len({repr(context[name]) if name in context else "" for _, context in rests}) > 1
    ]
