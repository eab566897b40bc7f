"""Collects what is wrong with a definition, so that all of it is reported together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from settlesim.argument_checks import nearest
from settlesim.errors import DefinitionError, Problem, shorten

__all__ = ["Problems"]

_MAX_REPORTED: Final = 20
_MAX_COUNTED: Final = 1_000


class Problems:
    """Collects problems, and raises them as one error."""

    def __init__(self, chart: object = "chart") -> None:
        self._chart = chart if isinstance(chart, str) else "chart"
        self._found: list[Problem] = []
        self._more = 0

    def add(self, where: str, message: str) -> None:
        """Note one problem; beyond twenty they are only counted.

        Raises
        ------
        DefinitionError
            There are more than a thousand: nobody would read on.
        """
        if not self.is_full:
            self._found.append(Problem(where, message))
        else:
            self._more += 1
            if self._more >= _MAX_COUNTED:
                self.raise_if_any()

    def unknown(self, where: str, what: str, name: object, known: Collection[str]) -> None:
        """Note an unknown name, with the nearest known one."""
        if self.is_full:
            self.add(where, what)
            return
        message = f"unknown {what} {shorten(name)}"
        close = nearest(name, known)
        if close is not None:
            message += f"; did you mean {close!r}?"
        elif 0 < len(known) <= 8:
            message += f"; known are {', '.join(shorten(each, 40) for each in known)}"
        self.add(where, message)

    @property
    def count(self) -> int:
        """How many problems were noted."""
        return len(self._found) + self._more

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted."""
        return len(self._found) >= _MAX_REPORTED

    def raise_if_any(self) -> None:
        """Raise all problems as one error, if there are any.

        Raises
        ------
        DefinitionError
            At least one problem was noted.
        """
        if self._found:
            raise DefinitionError(problems=tuple(self._found), chart=self._chart, more=self._more)
