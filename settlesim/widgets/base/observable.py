"""`observable`: a property of a panel that can be observed and linked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import traitlets

__all__ = ["observable"]

P = TypeVar("P")
T = TypeVar("T")


class observable(traitlets.TraitType[T, T]):  # noqa: N801  a decorator, as `property` is
    """A trait whose value is what the decorated method returns at the moment.

    It is read-only unless another method is its `setter`. A `Panel` tells observers
    after each change of its parts. Nothing is sent to the page.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        super().__init__(read_only=True)
        self.read = read
        self.write: Callable[[Any, T], None] | None = None
        self.__doc__ = read.__doc__

    def setter(self, write: Callable[[P, T], None]) -> Callable[[P, T], None]:
        """Make the trait writable by this method, so that it can be the target of a link."""
        self.write = write
        self.read_only = False
        return write

    def get(self, obj: traitlets.HasTraits, cls: type[Any] | None = None) -> T:
        """Return what the method returns now."""
        return self.read(obj)

    def set(self, obj: traitlets.HasTraits, value: T) -> None:
        """Call the setter; the panel tells observers."""
        assert self.write is not None  # a trait without one is read-only
        self.write(obj, value)
