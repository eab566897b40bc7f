"""The ports: what the runtime needs from a store and a clock, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from settlesim.chart.snapshot import Snapshot

__all__ = ["Clock", "Store", "Transaction"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one settlement changes in a store, all of it or nothing."""

    key: str
    """The instance."""
    snapshot: Snapshot
    """The new state; its revision is `expected` + 1."""
    expected: int
    """The revision that the store must hold now; 0 for an instance that it does not have."""


@runtime_checkable
class Store(Protocol):
    """Where instances are kept between events."""

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The record cannot be read; it is never taken for a missing one.
        """
        ...

    def keys(self) -> Sequence[str]:
        """Return the keys of all instances, sorted."""
        ...

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, 0 where there is none.
        """
        ...

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision; nothing was written.
        StoreError
            The store could not write; it holds what it held before.
        """
        ...


@runtime_checkable
class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return the time in seconds; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Return a context that is left with TimeoutError when `seconds` have passed.

        Raises
        ------
        TimeoutError
            From the ``async with`` block, when the time passed first.
        """
        ...
