"""`SqlStore`: instances, settlements, marks and timers in an SQLite database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from settlesim.argument_checks import check_count, check_seconds, check_text
from settlesim.chart.secrets import hide_in_snapshot
from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, encode, freeze_object
from settlesim.errors import (
    EventRepeatedError,
    InvalidValueError,
    LeastVersionError,
    StoreDamagedError,
    VersionConflictError,
    newer_version,
    shorten,
)
from settlesim.ports import (
    ChartDefinition,
    DurableTimer,
    Mark,
    Rewrite,
    StoredChart,
    Timers,
    Transaction,
    digest_of,
)
from settlesim.store.checks import check_key, check_rewrite, check_transaction
from settlesim.store.database import Database, Execute
from settlesim.store.entries import PastSettlement, StoredInstance
from settlesim.store.messages import Deduplication, Mailbox
from settlesim.store.receipts import read_receipt

__all__ = [
    "HISTORY",
    "MARK_WINDOW",
    "PAGE",
    "SqlStore",
    "hex_list",
    "snapshot_of",
]

HISTORY: Final = 10
"""How many settlements of each instance are remembered."""
MARK_WINDOW: Final = 86_400.0
"""Seconds for which the id of a settled event is remembered: a day."""
PAGE: Final = 100
"""How many instances or settlements a page has."""

_INSTANCE: Final = "chart, version, configuration, context, fingerprint, history, revision"
_NEWEST: Final = "SELECT max(version) FROM charts WHERE chart = ?"
_STARTED_IN: Final = (
    "SELECT max(version) FROM (SELECT version FROM charts WHERE chart = ?1"
    " UNION ALL SELECT version FROM least_versions WHERE chart = ?1)"
)
"""The version in which new instances start; earlier versions may not start any."""
_PRUNED_EACH: Final = 2
"""How many expired marks are removed whenever one is added, so that they do not pile up."""


class SqlStore:
    """A `QueueStore` in an SQLite database.

    Parameters
    ----------
    database : the database, which belongs to this store
    now
        Where the time comes from, in seconds since the epoch.
    history : how many settlements of each instance are remembered, the newest ones; 0 for none
    mark_window : seconds for which the id of a settled event is remembered

    Raises
    ------
    InvalidValueError
        `now` is not a function.
    """

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], float],
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
    ) -> None:
        self.database = database
        self.source = database.path
        """How errors name the store."""
        self.now = _checked(now)
        """The time in seconds since the epoch, for the store and its queues."""
        self.history = history
        """How many settlements of each instance are remembered."""
        self.mark_window = mark_window
        """For how many seconds the id of a settled event is remembered."""
        self._written_charts: set[ChartDefinition] = set()
        """Charts that are known to be in the store."""
        self.deduplication: dict[str, Deduplication] = {}
        """How each queue that was opened on this store remembers ids, by the queue's name."""

    # --- the port -----------------------------------------------------------------------------

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The store or the record cannot be read; it is never taken for a missing one.
        StoreUnavailableError
            The system refused, or the store is closed.
        InvalidValueError
            The key is not a text, is empty, or has a lone surrogate.
        """
        check_key(key)
        rows = self.database.rows(f"SELECT {_INSTANCE} FROM instances WHERE key = ?", (key,))
        return self._snapshot(key, rows[0]) if rows else None

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted; raises as `load`."""
        return [key for (key,) in self.database.rows("SELECT key FROM instances ORDER BY key")]

    def mark(self, key: str, event_id: str) -> Mark | None:
        """Return what is remembered of a settled event, or None.

        Raises as `load`.
        """
        check_key(key)
        check_text(event_id, where="event_id")
        rows = self.database.rows(
            "SELECT key, id, revision, outcome, digest, until FROM marks"
            " WHERE key = ? AND id = ? AND until > ?",
            (key, event_id, self.now()),
        )
        return Mark(*rows[0]) if rows else None

    def timers(self, key: str) -> tuple[DurableTimer, ...]:
        """Return the instance's timers, the oldest first; raises as `load`."""
        check_key(key)
        rows = self.database.rows(
            "SELECT key, delay, token, due, sent FROM timers WHERE key = ? ORDER BY token", (key,)
        )
        return tuple(
            DurableTimer(name, delay, token, due, bool(sent))
            for name, delay, token, due, sent in rows
        )

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`, which is 0 if it does not exist.

        Its settlements and timers go with it. Its marks stay, so that a duplicate of an event
        does not create it again, and messages to it stay in their queues.

        Raises
        ------
        VersionConflictError
            The instance is at another revision.
        StoreDamagedError, StoreUnavailableError, InvalidValueError
            As `commit`.
        """
        check_key(key)

        def forget(execute: Execute) -> None:
            self._compare(execute, key, expected, None)
            for table in ("instances", "settlements", "timers"):
                execute(f"DELETE FROM {table} WHERE key = ?", (key,))

        self.database.write(forget)

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, or not in the state `before`, or the timer
            whose message is consumed has been ended; nothing was written.
        ReceiptExpiredError
            The consumed message was received again or released, or is gone; nothing was
            written.
        EventRepeatedError
            The event was marked before; nothing was written.
        DeduplicationError
            A message to be sent has the deduplication id of another one; nothing was written.
        ChartMismatchError
            It starts an instance, and the store has seen a later version of its chart; nothing
            was written.
        StoreDamagedError
            The store or the instance's record cannot be read; nothing was written.
        StoreUnavailableError
            The system refused, or the store is closed; nothing was written.
        InvalidValueError
            No store could keep the transaction: it has an invalid key or receipt, a snapshot
            that is not frozen or not the next revision, and the like.
        """
        check_transaction(transaction)
        if transaction.consumed is not None:
            read_receipt(transaction.consumed)
        self.database.write(lambda execute: self._apply(execute, transaction))
        self._note_written(transaction.definition)

    def _apply(self, execute: Execute, transaction: Transaction) -> None:
        now, key, snapshot = self.now(), transaction.key, transaction.snapshot
        mailbox = Mailbox(execute, now)
        digest: str | None = None
        if transaction.consumed is not None:
            receipt = read_receipt(transaction.consumed)
            message = mailbox.consume(receipt, fires=snapshot is not None)
            if message is not None and transaction.mark is not None:
                digest = digest_of(json.loads(message.body))
        self._compare(execute, key, transaction.expected, transaction.before)
        if transaction.definition is not None and snapshot is not None:
            if not transaction.expected:
                self._check_newest(execute, key, transaction.definition)
            self._add_chart(execute, transaction.definition, now)
        if snapshot is not None:
            execute(
                f"INSERT INTO instances({_INSTANCE}, key, final, saved_at)"
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " chart = excluded.chart, version = excluded.version,"
                " revision = excluded.revision, configuration = excluded.configuration,"
                " context = excluded.context, final = excluded.final,"
                " saved_at = excluded.saved_at, fingerprint = excluded.fingerprint,"
                " history = excluded.history",
                (*_columns(snapshot), key, transaction.final, now),
            )
        if transaction.mark is not None:
            self._add_mark(execute, transaction, digest, now)
        if transaction.record is not None and self.history:
            self._add_settlement(execute, transaction, transaction.record, now)
        if transaction.timers is not None:
            chart = "" if snapshot is None else snapshot.chart
            _change_timers(execute, key, chart, transaction.timers, now)
        for send in transaction.sends:
            mailbox.accept(
                send.queue,
                send.body,
                send.group_id,
                send.deduplication_id,
                deduplication=self.deduplication.get(send.queue, Deduplication()),
            )

    def _compare(self, execute: Execute, key: str, expected: int, before: Snapshot | None) -> None:
        """Refuse a writer that has not seen the current state of the instance.

        Raises
        ------
        VersionConflictError
            The instance is not at revision `expected`, which is 0 if it does not exist, or not in
            the state `before`. The revision alone is not enough: an instance that was deleted and
            created again counts from 1 again.
        """
        row = execute(f"SELECT {_INSTANCE} FROM instances WHERE key = ?", (key,)).fetchone()
        actual = 0 if row is None else row[-1]
        if actual == expected:
            if before is None or row is None or tuple(row) == _columns(before):
                return
            found = self._snapshot(key, row)  # its keys may be in another order
            if digest_of(found.to_dict()) == digest_of(before.to_dict()):
                return
        raise VersionConflictError(key=key, expected=expected, actual=actual)

    def _add_mark(
        self, execute: Execute, transaction: Transaction, digest: str | None, now: float
    ) -> None:
        name = transaction.key, transaction.mark
        known = execute(
            "SELECT revision, outcome FROM marks WHERE key = ? AND id = ? AND until > ?",
            (*name, now),
        ).fetchone()
        if known is not None:
            assert transaction.mark is not None
            raise EventRepeatedError(
                key=transaction.key, event_id=transaction.mark, revision=known[0], outcome=known[1]
            )
        execute(
            "DELETE FROM marks WHERE (key, id) IN"
            " (SELECT key, id FROM marks WHERE until <= ? ORDER BY until LIMIT ?)",
            (now, _PRUNED_EACH),
        )
        outcome = None if transaction.record is None else transaction.record.get("outcome")
        execute(
            "INSERT OR REPLACE INTO marks VALUES(?, ?, ?, ?, ?, ?)",
            (*name, _revision(transaction), outcome, digest, now + self.mark_window),
        )

    def _add_settlement(
        self, execute: Execute, transaction: Transaction, record: FrozenDict, now: float
    ) -> None:
        key, snapshot, secret = transaction.key, transaction.snapshot, transaction.secret
        execute(
            "INSERT INTO settlements(key, revision, at, record, snapshot) VALUES(?, ?, ?, ?, ?)",
            (
                key,
                _revision(transaction),
                now,
                encode(record),
                None if snapshot is None else encode(hide_in_snapshot(snapshot, secret).to_dict()),
            ),
        )
        execute(
            "DELETE FROM settlements WHERE key = ?1 AND number <="
            " (SELECT number FROM settlements WHERE key = ?1 ORDER BY number DESC"
            " LIMIT 1 OFFSET ?2)",
            (key, self.history),
        )

    # --- charts ---------------------------------------------------------------------------------

    def charts(self, name: str | None = None) -> tuple[StoredChart, ...]:
        """Return the charts that have saved instances, sorted by name, version and time.

        Raises as `load`.

        Parameters
        ----------
        name : of the chart; None for all
        """
        rows = self.database.rows(
            "SELECT chart, version, fingerprint, definition, since FROM charts"
            " WHERE chart = ?1 OR ?1 IS NULL ORDER BY chart, version, since, fingerprint",
            (name,),
        )
        return tuple(StoredChart(ChartDefinition(*row), since) for *row, since in rows)

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a chart that has saved an instance; None for none.

        Raises as `load`.
        """
        ((found,),) = self.database.rows(_NEWEST, (name,))
        return None if found is None else int(found)

    def least_version(self, name: str) -> int:
        """Return the least version of a chart that may use the store; 0 if any may.

        Raises as `load`.
        """
        rows = self.database.rows("SELECT version FROM least_versions WHERE chart = ?", (name,))
        return rows[0][0] if rows else 0

    def check_version(self, name: str, version: int) -> None:
        """Refuse a version of a chart below the least one.

        Raises
        ------
        LeastVersionError
            It is below.
        StoreDamagedError, StoreUnavailableError
            As `load`.
        """
        least = self.least_version(name)
        if version < least:
            raise LeastVersionError(chart=name, version=version, least=least, store=self.source)

    def require_version(self, name: str, version: int) -> None:
        """Refuse earlier versions of a chart from now on; 0 allows all of them again.

        Raises
        ------
        InvalidValueError
            The version is not a whole number from 0.
        StoreDamagedError, StoreUnavailableError
            As `commit`.
        """
        check_text(name, where="the name of a chart")
        if type(version) is not int or version < 0:
            reason = f"is {shorten(version, 40)}; a whole number from 0 is needed"
            raise InvalidValueError(where="version", reason=reason)
        statement = "INSERT OR REPLACE INTO least_versions VALUES(?, ?)"
        self.database.write(lambda execute: execute(statement, (name, version)))

    def instance_versions(self, name: str) -> dict[int, int]:
        """Count the instances of a chart by the version that saved them last; raises as `load`."""
        return dict(
            self.database.rows(
                "SELECT version, count(*) FROM instances WHERE chart = ? GROUP BY version"
                " ORDER BY version",
                (name,),
            )
        )

    def rewrite(
        self, rewrites: Sequence[Rewrite], definition: ChartDefinition | None = None
    ) -> tuple[str, ...]:
        """Replace the states of instances in one write, each if it is in its state `before`.

        Parameters
        ----------
        definition : the chart that the new states belong to

        Returns
        -------
        keys : of the instances that were left alone because another writer was first

        Raises
        ------
        InvalidValueError
            A rewrite that no store could keep, or that changes the revision; nothing was
            written.
        StoreDamagedError, StoreUnavailableError
            As `commit`.
        """
        for each in rewrites:
            check_rewrite(each)

        def write(execute: Execute) -> tuple[str, ...]:
            now = self.now()
            left = [each.key for each in rewrites if not self._rewrite(execute, each, now)]
            if definition is not None and len(left) < len(rewrites):
                self._add_chart(execute, definition, now)
            return tuple(left)

        left = self.database.write(write)
        if len(left) < len(rewrites):
            self._note_written(definition)
        return left

    def _rewrite(self, execute: Execute, rewrite: Rewrite, now: float) -> bool:
        """Replace the state of one instance; return whether it was in its state `before`."""
        try:
            self._compare(execute, rewrite.key, rewrite.before.revision, rewrite.before)
        except VersionConflictError:
            return False
        execute(
            "UPDATE instances SET chart = ?, version = ?, configuration = ?, context = ?,"
            " fingerprint = ?, history = ?, revision = ?, final = ? WHERE key = ?",
            (*_columns(rewrite.after), rewrite.final, rewrite.key),
        )
        if rewrite.timers is not None:
            _change_timers(execute, rewrite.key, rewrite.after.chart, rewrite.timers, now)
        return True

    def _check_newest(self, execute: Execute, key: str, definition: ChartDefinition) -> None:
        """Refuse to start an instance in a version before the newest or the least one."""
        (newest,) = execute(_STARTED_IN, (definition.chart,)).fetchone()
        if newest is not None and newest > definition.version:
            raise newer_version(key, definition.chart, definition.version, newest)

    def _add_chart(self, execute: Execute, chart: ChartDefinition, now: float) -> None:
        if chart not in self._written_charts:
            # The fingerprint does not cover which fields are secret: the latest definition counts.
            execute(
                "INSERT INTO charts VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " definition = excluded.definition",
                (chart.chart, chart.version, chart.fingerprint, chart.text, now),
            )

    def _note_written(self, chart: ChartDefinition | None) -> None:
        """Remember, once the write is done, that a chart need not be written again."""
        if chart is not None:
            self._written_charts.add(chart)

    # --- queries --------------------------------------------------------------------------------

    def settlements(self, key: str) -> tuple[PastSettlement, ...]:
        """Return the instance's last settlements, oldest first; raises as `load`.

        Settlements whose transaction had no record are left out.
        """
        check_key(key)
        rows = self.database.rows(
            "SELECT key, number, revision, at, snapshot, record FROM settlements"
            " WHERE key = ? ORDER BY number",
            (key,),
        )
        return tuple(self._past(row) for row in rows)

    def settlements_since(
        self,
        cursor: int = 0,
        *,
        key: str | None = None,
        chart: str | None = None,
        limit: int = PAGE,
    ) -> tuple[PastSettlement, ...]:
        """Return the settlements after `cursor`, oldest first.

        Parameters
        ----------
        cursor : the `number` of the last settlement that was seen; 0 for the beginning
        key : only settlements of this instance; None for the whole store
        chart : leave out what other charts saved; None for all
        limit : how many are returned at most

        Returns
        -------
        settlements : those that are still remembered, see `history`

        Raises
        ------
        InvalidValueError
            The cursor or the limit is not a whole number, or too small.
        StoreDamagedError, StoreUnavailableError
            As `load`.
        """
        check_cursor(cursor)
        check_count(limit, where="limit")
        wanted = {
            "number > ?": cursor,
            "key = ?": key,
            # A settlement that saved no state does not say which chart it belongs to.
            "(snapshot IS NULL OR json_extract(snapshot, '$.chart') = ?)": chart,
        }
        conditions = {text: value for text, value in wanted.items() if value is not None}
        rows = self.database.rows(
            "SELECT key, number, revision, at, snapshot, record FROM settlements"
            f" WHERE {' AND '.join(conditions)} ORDER BY number LIMIT ?",
            (*conditions.values(), limit),
        )
        return tuple(self._past(row) for row in rows)

    def last_settlement(self) -> int:
        """Return the number of the store's last settlement; 0 if there is none."""
        ((number,),) = self.database.rows("SELECT coalesce(max(number), 0) FROM settlements")
        return int(number)

    def find(
        self,
        *,
        key: str | None = None,
        chart: str | None = None,
        state: str | None = None,
        version: int | None = None,
        after: str | None = None,
        limit: int = PAGE,
    ) -> tuple[StoredInstance, ...]:
        """List the instances that match all conditions, sorted by key, a page at a time.

        Parameters
        ----------
        key : only this instance; None for all
        chart, version : of the chart that saved them; None for any
        state : a state that is active, itself or through a state within it; None for any
        after : the last key of the previous page
        limit : how many are returned at most

        Raises
        ------
        InvalidValueError
            The limit is not a whole number from 1.
        StoreDamagedError, StoreUnavailableError
            As `load`.
        """
        check_count(limit, where="limit")
        wanted = {
            "key = ?": key,
            "chart = ?": chart,
            "version = ?": version,
            "key > ?": after,
            # This is only a fast filter; `is_in` decides.
            "instr(configuration, ?)": None if state is None else encode(state)[:-1],
        }
        conditions = {text: value for text, value in wanted.items() if value is not None}
        where = " AND ".join(conditions) or "1"

        def look(execute: Execute) -> tuple[StoredInstance, ...]:
            rows = execute(
                f"SELECT {_INSTANCE}, key, final, saved_at FROM instances WHERE {where}"
                " ORDER BY key",
                tuple(conditions.values()),
            )
            instances = (
                StoredInstance(key, self._snapshot(key, row), bool(final), saved_at)
                for *row, key, final, saved_at in rows
            )
            found = (each for each in instances if state is None or each.is_in(state))
            return tuple(islice(found, limit))

        return self.database.read(look)

    def prune(
        self, *, older_than: float, final: bool = True, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Remove finished instances, with their settlements, timers and marks.

        An instance with waiting messages is left alone: they would create it again.

        Parameters
        ----------
        older_than : seconds since their last save, at least
        final : whether only those whose chart has finished are removed
        dry_run : only return which ones would be removed

        Returns
        -------
        keys : of the instances that were removed, sorted

        Raises
        ------
        InvalidValueError
            `older_than` is not a number of seconds from 0.
        StoreDamagedError, StoreUnavailableError
            As `commit`.
        """
        check_seconds(older_than, where="older_than")

        def find(execute: Execute) -> tuple[str, ...]:
            found = execute(
                "SELECT key FROM instances WHERE saved_at <= ? AND (final = 1 OR ?)"
                " AND NOT EXISTS (SELECT 1 FROM messages WHERE group_id = key) ORDER BY key",
                (self.now() - older_than, not final),
            ).fetchall()
            return tuple(key for (key,) in found)

        def remove(execute: Execute) -> tuple[str, ...]:
            found = find(execute)
            for table in ("instances", "settlements", "timers", "marks"):
                for key in found:
                    execute(f"DELETE FROM {table} WHERE key = ?", (key,))
            return found

        return self.database.read(find) if dry_run else self.database.write(remove)

    def queue_names(self) -> list[str]:
        """Return the names of the queues that hold something, sorted; raises as `load`.

        Charts with running timers are included: the timers send into the queue of that name.
        """
        rows = self.database.rows(
            "SELECT queue FROM messages UNION SELECT queue FROM parked UNION"
            " SELECT queue FROM dead_letters UNION SELECT chart FROM timers WHERE sent = 0"
            " ORDER BY 1"
        )
        return [name for (name,) in rows]

    # --- reading rows ---------------------------------------------------------------------------

    def _snapshot(self, key: str, row: Any) -> Snapshot:
        return snapshot_of(row, source=self.source, where=f"instance {shorten(key)}")

    def _past(self, row: tuple[Any, ...]) -> PastSettlement:
        key, number, revision, at, snapshot, record = row
        where = f"settlement {number} of instance {shorten(key)}"
        try:
            state = None if snapshot is None else json.loads(snapshot)
            found = None if state is None else Snapshot.from_dict(state, source=self.source)
            frozen = freeze_object(json.loads(record), where=where)
        except (ValueError, InvalidValueError, StoreDamagedError) as error:
            raise StoreDamagedError(path=self.source, reason=f"{where}: {error}") from error
        return PastSettlement(key, number, revision, at, found, frozen)

    def close(self) -> None:
        """Close the store; every later use raises StoreUnavailableError."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def hex_list(names: Iterable[str]) -> str:
    """Return a JSON list of texts in hexadecimal, to compare with ``hex(column)``.

    SQLite's JSON functions cut a text off at its first NUL, and a key may contain one.
    """
    return json.dumps([name.encode().hex().upper() for name in names])


def _checked(clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock that raises InvalidValueError instead of returning an invalid time."""
    if not callable(clock):
        reason = f"is {shorten(clock, 40)}; a function that returns seconds is needed"
        raise InvalidValueError(where="now", reason=reason)

    def now() -> float:
        seconds = clock()
        check_seconds(seconds, where="the time of the store's clock")
        return seconds

    return now


def check_settings(history: object, mark_window: object) -> None:
    """Refuse settings of a store that are out of range.

    Raises
    ------
    InvalidValueError
    """
    if type(history) is not int or history < 0:
        reason = f"is {shorten(history, 40)}; a whole number from 0 is needed"
        raise InvalidValueError(where="history", reason=reason)
    check_seconds(mark_window, where="mark_window")


def check_cursor(cursor: object) -> None:
    """Refuse a cursor that cannot be the number of a settlement, or 0.

    Raises
    ------
    InvalidValueError
    """
    if type(cursor) is not int or cursor < 0:
        reason = f"is {shorten(cursor, 40)}; a whole number from 0 is needed"
        raise InvalidValueError(where="cursor", reason=reason)


def _change_timers(execute: Execute, key: str, chart: str, timers: Timers, now: float) -> None:
    """Rename, end, keep and start timers of an instance."""
    # Two timers may swap ids, so all get temporary ones first. No delay's id ends with a space.
    aside = [(old, f"{old} ") for old, _ in timers.renamed]
    for old, new in [*aside, *((f"{old} ", new) for old, new in timers.renamed)]:
        execute("UPDATE timers SET delay = ? WHERE key = ? AND delay = ?", (new, key, old))
    execute(
        "DELETE FROM timers WHERE key = ? AND hex(delay) NOT IN (SELECT value FROM json_each(?))",
        (key, hex_list(timers.kept)),
    )
    for timer in timers.started:
        execute(
            "INSERT OR REPLACE INTO timers(key, chart, delay, due, sent) VALUES(?, ?, ?, ?, 0)",
            (key, chart, timer.id, now + timer.seconds),
        )


def _revision(transaction: Transaction) -> int:
    """Return the instance's revision after a transaction."""
    return transaction.expected + (transaction.snapshot is not None)


def _columns(snapshot: Snapshot) -> tuple[Any, ...]:
    """Return the values of the columns `_INSTANCE` for a snapshot."""
    return (
        snapshot.chart,
        snapshot.version,
        encode(list(snapshot.configuration)),
        encode(snapshot.context),
        snapshot.fingerprint,
        encode(snapshot.history_states) if snapshot.history_states else None,
        snapshot.revision,
    )


def snapshot_of(row: Any, *, source: str, where: str) -> Snapshot:
    """Return the snapshot in a row with the columns `_INSTANCE`.

    Raises
    ------
    StoreDamagedError
        The row does not hold a snapshot.
    """
    chart, version, configuration, context, fingerprint, history, revision = row
    try:
        record = {
            "chart": chart,
            "version": version,
            "configuration": json.loads(configuration),
            "context": json.loads(context),
            "revision": revision,
            "fingerprint": fingerprint,
            "history_states": None if history is None else json.loads(history),
        }
        snapshot = Snapshot.from_dict(record, source=where)
        if snapshot.revision:
            return snapshot
        reason = f"{where}: it is at revision 0, before its first save"
    except StoreDamagedError as error:
        reason = f"{where}: {error.reason}"
    except (TypeError, ValueError, InvalidValueError) as error:
        reason = f"{where}: {error}"
    raise StoreDamagedError(path=source, reason=reason)
