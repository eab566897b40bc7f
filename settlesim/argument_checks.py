"""Checks of arguments that several packages need."""

from __future__ import annotations

import math
from typing import Final

from settlesim.errors import InvalidValueError, shorten

__all__ = ["MAX_NAME", "check_count", "check_seconds", "check_text"]

MAX_NAME: Final = 1000
"""Characters that the name of a queue, a message group or an event may have at most."""


def check_text(value: object, *, where: str, most: float = math.inf) -> None:
    """Refuse what is no text with at least one character that UTF-8 can carry.

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
    """Refuse what is no finite number of seconds from 0.

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
    """Refuse what is no whole number from 1.

    Raises
    ------
    InvalidValueError
    """
    if type(value) is not int or value < 1:
        reason = f"is {shorten(value, 40)}; a whole number from 1 is needed"
        raise InvalidValueError(where=where, reason=reason)
