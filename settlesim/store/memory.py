"""A store that lives as long as its process, for tests, notebooks and the simulator."""

from __future__ import annotations

import threading

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store.checks import check_key, check_transaction

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps instances in a dict; gone when the process ends.

    Snapshots are immutable, so they are kept and handed out as they are. Threads may
    share one store.

    Examples
    --------
    >>> from settlesim.chart.snapshot import Snapshot
    >>> from settlesim.chart.values import freeze_object
    >>> from settlesim.ports import Transaction
    >>> store = MemoryStore()
    >>> context = freeze_object({"count": 1}, where="context")
    >>> store.commit(Transaction("order-1", Snapshot("count", 1, ("odd",), context, 1), 0))
    >>> store.load("order-1").context
    {'count': 1}
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        InvalidValueError
            A key that is no text, is empty, or has a lone surrogate.
        """
        check_key(key)
        return self._snapshots.get(key)

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted."""
        with self._lock:
            return sorted(self._snapshots)

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`, 0 where there is none.

        Raises
        ------
        VersionConflictError
            The instance is at another revision.
        InvalidValueError
            As `load`.
        """
        check_key(key)
        with self._lock:
            self._compare(key, expected)
            self._snapshots.pop(key, None)

    def commit(self, transaction: Transaction) -> None:
        """Keep the transaction's snapshot, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision; nothing was changed.
        InvalidValueError
            A bad key, or a snapshot that is not the next revision, frozen and settled.
        """
        check_transaction(transaction)
        with self._lock:
            self._compare(transaction.key, transaction.expected)
            self._snapshots[transaction.key] = transaction.snapshot

    def _compare(self, key: str, expected: int) -> None:
        stored = self._snapshots.get(key)
        actual = 0 if stored is None else stored.revision
        if actual != expected:
            raise VersionConflictError(key=key, expected=expected, actual=actual)

    def __repr__(self) -> str:
        count = len(self._snapshots)
        return f"{type(self).__name__}({count} instance{'' if count == 1 else 's'})"
