"""Checks of arguments that several packages need."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar, cast

from settlesim.errors import InvalidValueError, shorten

__all__ = [
    "MAX_NAME",
    "check_count",
    "check_seconds",
    "check_text",
    "nearest",
    "takes_options",
]

MAX_NAME: Final = 1000
"""The longest name of a queue, a message group or an event, in characters."""
_MAX_COMPARED: Final = 200_000  # pairs of characters; about 40 ms at worst

_Function = TypeVar("_Function", bound=Callable[..., Any])


def check_text(value: object, *, where: str, most: float = math.inf) -> None:
    """Refuse a value that is not a text, is empty, or has a character that UTF-8 cannot carry.

    Raises
    ------
    InvalidValueError
        Also for more than `most` characters.
    """
    if type(value) is not str or not value:
        reason = f"is {shorten(value, 40)}; a text that is not empty is needed"
        raise InvalidValueError(where=where, reason=reason)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            reason = f"has a lone surrogate in {shorten(value, 40)}"
            raise InvalidValueError(where=where, reason=reason) from None
    if len(value) > most:
        reason = f"{shorten(value, 40)} has {len(value)} characters; {most} is the limit"
        raise InvalidValueError(where=where, reason=reason)


def check_seconds(value: object, *, where: str, most: float = math.inf) -> None:
    """Refuse a value that is not a finite number of seconds from 0.

    Raises
    ------
    InvalidValueError
        Also for more than `most`.
    """
    if type(value) not in (int, float) or not 0 <= value < math.inf:  # type: ignore[operator]
        reason = f"is {shorten(value, 40)}; a finite number of seconds from 0 is needed"
        raise InvalidValueError(where=where, reason=reason)
    if value > most:  # type: ignore[operator]
        reason = f"is {value} seconds; {most:g} is the limit"
        raise InvalidValueError(where=where, reason=reason)


def check_count(value: object, *, where: str) -> None:
    """Refuse a value that is not a whole number from 1.

    Raises
    ------
    InvalidValueError
    """
    if type(value) is not int or value < 1:
        reason = f"is {shorten(value, 40)}; a whole number from 1 is needed"
        raise InvalidValueError(where=where, reason=reason)


# --- names ----------------------------------------------------------------------------------


def nearest(name: object, known: Collection[str]) -> str | None:
    """Return the known name that looks most like `name`, or None.

    A name that differs only in case wins. If the names are many and long, only such a name is
    found: comparing them all would be slow, which a hostile chart could exploit.
    """
    if not isinstance(name, str):
        return None
    folded = name.casefold()
    for candidate in known:
        if candidate.casefold() == folded:
            return candidate
    if len(name) * sum(map(len, known)) > _MAX_COMPARED:
        return None
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


class _Optional:
    """Stands in a signature for the default of an option, which is documented in words."""

    def __repr__(self) -> str:
        return "..."


def takes_options(
    options: type, *, refused: Collection[str] = ()
) -> Callable[[_Function], _Function]:
    """Make a function with ``**options: Unpack[SomeDict]`` show and check the options' names.

    `inspect.signature`, and so help and completion in a notebook, then lists every option; an
    unknown one is an error that names the nearest.

    Parameters
    ----------
    options : the TypedDict
    refused : names that the function refuses itself, with a reason of its own

    Examples
    --------
    >>> from typing import TypedDict, Unpack
    >>> class Size(TypedDict, total=False):
    ...     width: int
    ...     height: int
    >>> @takes_options(Size)
    ... def box(**options: Unpack[Size]) -> Size:
    ...     return options
    >>> box(width=3)
    {'width': 3}
    >>> box(widht=3)
    Traceback (most recent call last):
    TypeError: box() has no option 'widht'; did you mean 'width'?
    """

    def decorate(function: _Function) -> _Function:
        given = inspect.signature(function)
        named = [
            each
            for each in given.parameters.values()
            if each.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        names = [each.name for each in named]
        named += [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_Optional(), annotation=_text(hint)
            )
            for name, hint in options.__annotations__.items()
            if name not in names
        ]
        known = {each.name for each in named} | set(refused)

        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            for name in keywords:
                if name not in known:
                    raise TypeError(_unknown_option(function.__qualname__, name, sorted(known)))
            return function(*args, **keywords)

        call.__signature__ = given.replace(parameters=named)  # type: ignore[attr-defined]
        return cast(_Function, call)

    return decorate


def _text(hint: object) -> object:
    """Return an annotation of a TypedDict as it is written in the source."""
    return getattr(hint, "__forward_arg__", hint)


def _unknown_option(function: str, name: str, known: Collection[str]) -> str:
    close = nearest(name, known)
    hint = f"did you mean {close!r}?" if close else f"it has {', '.join(known)}"
    return f"{function.removesuffix('.__init__')}() has no option {name!r}; {hint}"
