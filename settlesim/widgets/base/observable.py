"""`observable`: a property of a panel that can be observed and linked, but not written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import traitlets

__all__ = ["observable"]

T = TypeVar("T")


class observable(traitlets.TraitType[T, T]):  # noqa: N801  a decorator, as `property` is
    """Make a method a read-only trait: what it returns is read anew each time.

    A `Panel` tells observers after each change of its parts. Nothing is sent to the page.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        super().__init__(read_only=True)
        self.read = read
        self.__doc__ = read.__doc__

    def get(self, obj: traitlets.HasTraits, cls: type[Any] | None = None) -> T:
        """Return what the method returns now."""
        return self.read(obj)
