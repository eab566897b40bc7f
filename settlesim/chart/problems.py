"""Collects what is wrong with a definition, so that all of it is reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from settlesim.errors import DefinitionError, Problem, shorten

__all__ = ["Problems", "nearest"]

_MAX_REPORTED: Final = 20
_MAX_COMPARED: Final = 2_000


def nearest(name: object, known: Collection[str]) -> str | None:
    """Return the known name that looks most like `name`, or None.

    Names of which a spelling differs only in case win; a set of more than 2,000 names is
    not searched, because a hostile chart could make that slow.
    """
    if not isinstance(name, str) or len(known) > _MAX_COMPARED or len(name) > 100:
        return None
    folded = name.casefold()
    for candidate in known:
        if candidate.casefold() == folded:
            return candidate
    short = [candidate for candidate in known if len(candidate) <= 100]
    found = difflib.get_close_matches(name, short, n=1, cutoff=0.6)
    return found[0] if found else None


class Problems:
    """A list of problems that raises itself."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._more = 0

    def add(self, where: str, message: str) -> None:
        """Note one problem; beyond twenty they are only counted."""
        if len(self._found) < _MAX_REPORTED:
            self._found.append(Problem(where, message))
        else:
            self._more += 1

    def unknown(self, where: str, what: str, name: object, known: Collection[str]) -> None:
        """Note a name that stands for nothing, with the nearest known one."""
        if len(self._found) >= _MAX_REPORTED:
            self._more += 1
            return
        message = f"unknown {what} {shorten(name)}"
        close = nearest(name, known)
        if close is not None:
            message += f"; did you mean {close!r}?"
        elif 0 < len(known) <= 8:
            message += f"; known are {', '.join(shorten(each, 40) for each in known)}"
        self.add(where, message)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self, chart: str) -> None:
        """Raise everything that was found.

        Raises
        ------
        DefinitionError
            At least one problem was noted.
        """
        if self._found:
            raise DefinitionError(problems=tuple(self._found), chart=chart, more=self._more)
