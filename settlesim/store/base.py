"""What every store does, on whatever database: the rules of instances, all in one place."""

from __future__ import annotations

from typing import Final

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Transaction
from settlesim.store.checks import check_key, check_seconds, check_text, check_transaction
from settlesim.store.database import Changes, Database, Document
from settlesim.store.documents import INSTANCES
from settlesim.store.queues.deduplication import digest_of
from settlesim.store.queues.messages import Mail
from settlesim.store.queues.receipts import read_receipt
from settlesim.store.rules.indexes import Indexes
from settlesim.store.rules.marks import Mark
from settlesim.store.rules.settlements import PastSettlement
from settlesim.store.rules.timers import DurableTimer

__all__ = ["HISTORY", "MARK_WINDOW", "DatabaseStore"]

HISTORY: Final = 10
"""How many settlements of each instance are remembered."""
MARK_WINDOW: Final = 86_400.0
"""Seconds for which the id of an event that was settled is remembered: a day."""


class DatabaseStore:
    """A `Store` on a `Database`.

    Parameters
    ----------
    database : where its tables are
    source : how an error names the store
    history : how many settlements of each instance are remembered, the newest ones; 0 for none
    mark_window : seconds for which the id of an event that was settled is remembered

    Raises
    ------
    InvalidValueError
        `history` is no whole number from 0, or `mark_window` no number of seconds from 0.
    StoreError
        The database can not be read.
    """

    def __init__(
        self,
        database: Database,
        *,
        source: str,
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
    ) -> None:
        if type(history) is not int or history < 0:
            reason = f"is {shorten(history, 40)}; a whole number from 0 is needed"
            raise InvalidValueError(where="history", reason=reason)
        check_seconds(mark_window, where="mark_window")
        self.history = history
        """How many settlements of each instance are remembered."""
        self.database = database
        """Its tables, which a queue shares."""
        self.indexes = Indexes(database, source=source, history=history, mark_window=mark_window)
        """What its documents are found by; for the queues of this package."""

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The store or the record can not be read; it is never taken for a missing one.
        StoreUnavailableError
            The system refused, or the store is closed.
        InvalidValueError
            A key that is no text, is empty, or has a lone surrogate.
        """
        check_key(key)
        with self.database.reading() as reader:
            return self.indexes.instances.find(reader, key)[1]

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted; raises as `load`."""
        with self.database.reading():
            return self.indexes.instances.keys()

    def settlements(self, key: str) -> tuple[PastSettlement, ...]:
        """Return the instance's last settlements, oldest first; raises as `load`.

        Only those whose transaction had a record are among them.
        """
        check_key(key)
        with self.database.reading() as reader:
            return self.indexes.settlements.find(reader, key)

    def mark(self, key: str, event_id: str) -> Mark | None:
        """Return what is remembered of an event that was settled, None where nothing is.

        Raises as `load`.
        """
        check_key(key)
        check_text(event_id, where="event_id")
        with self.database.reading() as reader:
            return self.indexes.marks.find(reader, key, event_id, self.database.now())

    def timers(self, key: str) -> tuple[DurableTimer, ...]:
        """Return the instance's timers, the oldest first; raises as `load`."""
        check_key(key)
        with self.database.reading() as reader:
            return self.indexes.timers.find(reader, key)

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`, 0 where there is none.

        Its settlements and timers go with it. Its marks stay, so that an event that comes
        again does not begin it anew, and messages to it stay in their queues.

        Raises
        ------
        VersionConflictError
            The instance is at another revision.
        StoreDamagedError, StoreUnavailableError, InvalidValueError
            As `commit`.
        """
        check_key(key)
        with self.database.writing() as changes:
            number = self.indexes.instances.compare(changes, key, expected)
            if number is not None:
                changes.remove(INSTANCES, number)
            self.indexes.settlements.forget(changes, key)
            self.indexes.timers.forget(changes, key)

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, or not in the state `before`, or the timer
            whose message is consumed was ended; nothing was written.
        ReceiptExpiredError
            The consumed message may be in other hands by now; nothing was written.
        EventRepeatedError
            The event was marked before; nothing was written.
        DeduplicationError
            A message that goes out has the deduplication id of another one; nothing was
            written.
        StoreDamagedError
            The store or the instance's record can not be read; nothing was written.
        StoreUnavailableError
            The system refused, or the store is closed; nothing was written, or the text says
            what is.
        InvalidValueError
            The transaction is none that a store could keep: a bad key, a snapshot that is not
            the next revision, frozen and settled, a receipt that is none, and the like.
        """
        check_transaction(transaction)
        with self.database.writing() as changes:
            self._apply(changes, transaction)

    def _apply(self, changes: Changes, transaction: Transaction) -> None:
        indexes, key = self.indexes, transaction.key
        saves = transaction.snapshot is not None
        message: Document | None = None
        if transaction.consumed is not None:
            # First: a consumer that lost its message need not load and settle again.
            mail = Mail(indexes, changes, self.database.now())
            message = mail.consume(read_receipt(transaction.consumed), fires=saves)
        number = indexes.instances.compare(changes, key, transaction.expected, transaction.before)
        if transaction.snapshot is not None:
            indexes.instances.save(changes, number, key, transaction.snapshot)
        if (
            transaction.mark is None
            and transaction.record is None
            and transaction.timers is None
            and not transaction.sends
        ):
            return  # only a new state, as from an interpreter without a queue
        now = self.database.now()
        digest = None
        if transaction.mark is not None and message is not None:
            digest = digest_of(message["body"])
        indexes.marks.add(changes, transaction, now, digest)
        indexes.settlements.add(changes, transaction, now)
        indexes.timers.change(changes, transaction, now)
        mail = Mail(indexes, changes, now)
        for send in transaction.sends:
            mail.accept(send.queue, send.body, send.group_id, send.deduplication_id)
