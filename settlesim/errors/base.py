"""What all errors have in common: facts beside the message, and that they pickle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["SettlesimError", "names_of", "rebuild", "shorten"]


def shorten(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut in the middle where it is longer than `limit`."""
    try:
        text = repr(value)
    except Exception:  # a number of too many digits, lists too deep, a faulty __repr__
        text = f"<{type(value).__name__}>"
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def names_of(names: Iterable[str]) -> str:
    """Return names for a message, each as it would be written."""
    return ", ".join(shorten(name) for name in names)


def rebuild(cls: type[SettlesimError], message: str, facts: dict[str, Any]) -> SettlesimError:
    """Make an error anew from what it was pickled as."""
    error = cls.__new__(cls)
    SettlesimError.__init__(error, message, **facts)
    return error


class SettlesimError(Exception):
    """The base of every error that settlesim raises on purpose."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self._facts = facts
        vars(self).update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (type(self), str(self), self._facts)
