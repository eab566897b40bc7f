"""TinyStore: instances and their settlements in one TinyDB file that people can read and edit."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, NoReturn

from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from settlesim.argument_checks import check_count, check_seconds, check_text
from settlesim.chart.secrets import hide_in_snapshot
from settlesim.chart.snapshot import Snapshot
from settlesim.errors import (
    InvalidValueError,
    LeastVersionError,
    StoreUnavailableError,
    VersionConflictError,
    newer_version,
    shorten,
)
from settlesim.ports import ChartDefinition, Rewrite, StoredChart, Transaction
from settlesim.store.checks import check_key, check_rewrite, check_transaction
from settlesim.store.entries import PastSettlement, StoredInstance
from settlesim.store.tinydb_content import Content, read_content
from settlesim.store.wall import wall_clock
from settlesim.store.whole_file import locked, read_file, replace_file, write_new_file

__all__ = ["TinyStore", "check_no_journal"]


class TinyStore:
    """Keeps instances in one TinyDB file that people, `jq` and git can read.

    A save replaces the whole file, and is on disk when `commit` returns. So the store is for
    notebooks and small tools; use a `SqliteStore` for many instances, or for queues. Threads,
    processes and forks may share the file: a writer holds the lock file ``<path>.lock``, while a
    reader needs no lock and sees what was saved last. The file may be edited, or changed with
    TinyDB, while nobody saves.

    Opening and reading write nothing; the first save creates the file.

    Parameters
    ----------
    path
        Of the file. Symbolic links are followed, and their target is replaced. A new file is
        readable by its owner only; an old one keeps its permissions.
    lock_timeout : seconds to wait for somebody else who is saving
    now
        Where the time comes from, in seconds since the epoch.
    history : how many settlements of each instance are remembered, the newest ones; 0 for none
    sync
        ``"none"`` skips the syncs of each save: a save then survives the end of the process, but
        perhaps not a power cut. For tests and notebooks that save often.

    Raises
    ------
    StoreDamagedError
        The file is not one that a TinyStore can read; it is not changed.
    StoreUnavailableError
        The file cannot be read, has a newer format, holds queues or has a journal of a former
        version beside it; or its folder is missing.
    InvalidValueError
        An option has the wrong type or is out of range.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "store.json")
    >>> with TinyStore(path) as store:
    ...     store.keys()
    []
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = 30.0,
        now: Callable[[], float] = wall_clock,
        history: int = 10,
        sync: Literal["full", "none"] = "full",
    ) -> None:
        check_seconds(lock_timeout, where="lock_timeout")
        if sync not in {"full", "none"}:
            reason = f"is {shorten(sync, 40)}; possible: 'full', 'none'"
            raise InvalidValueError(where="sync", reason=reason)
        _check_whole(history, where="history")
        self.path = os.fspath(path)
        """As it was given."""
        self.lock_timeout = lock_timeout
        self.now = now
        self.history = history
        """How many settlements of each instance are remembered."""
        self.sync = sync
        """Whether each save is synced to the disk."""
        self.closed = False
        self._absolute = os.path.abspath(path)
        self._known = Content()
        self._content(self._file())

    # --- reading ----------------------------------------------------------------------------

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The file is not one that a TinyStore can read; it is never taken for an empty one.
        StoreUnavailableError
            The system refused, or the store is closed.
        InvalidValueError
            The key is not a text, is empty, or has a lone surrogate.
        """
        check_key(key)
        found = self._content(self._file()).instances.get(key)
        return None if found is None else found.snapshot

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted; raises as `load`."""
        return sorted(self._content(self._file()).instances)

    def find(
        self,
        chart: str | None = None,
        state: str | None = None,
        version: int | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[StoredInstance, ...]:
        """Return the instances that match all conditions, sorted by key; raises as `load`.

        Parameters
        ----------
        state : full name of a state that is active, itself or through a state within it
        after : the last key of the previous page
        limit : how many are returned at most
        """
        check_count(limit, where="limit")
        found = [
            each
            for key, each in sorted(self._content(self._file()).instances.items())
            if (after is None or key > after)
            and (chart is None or each.snapshot.chart == chart)
            and (version is None or each.snapshot.version == version)
            and (state is None or each.is_in(state))
        ]
        return tuple(found[:limit])

    def settlements(self, key: str) -> tuple[PastSettlement, ...]:
        """Return the instance's last settlements, oldest first; raises as `load`.

        Settlements whose transaction had no record are left out.
        """
        check_key(key)
        past = self._content(self._file()).settlements.values()
        return tuple(each for each in past if each.key == key)

    def settlements_since(self, cursor: int = 0, limit: int = 100) -> tuple[PastSettlement, ...]:
        """Return the settlements of all instances after `cursor`, oldest first; raises as `load`.

        Those that are no longer remembered are left out.

        Parameters
        ----------
        cursor : the number of the last settlement that was seen; 0 for none
        limit : how many are returned at most
        """
        _check_whole(cursor, where="cursor")
        check_count(limit, where="limit")
        past = self._content(self._file()).settlements
        return tuple([each for number, each in past.items() if number > cursor][:limit])

    @property
    def db(self) -> TinyDB:
        """The file as a read-only TinyDB, for queries; each query sees what was saved last."""
        return _ReadOnlyDB(storage=lambda: _ReadOnlyStorage(self))

    # --- writing ----------------------------------------------------------------------------

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, or not in the state `before`; nothing was
            written.
        ChartMismatchError
            It starts an instance, and the store has seen a later version of its chart; nothing
            was written.
        StoreDamagedError
            The file is not one that a TinyStore can read; it was not changed.
        StoreUnavailableError
            The system refused, or the store is closed. Nothing was written, unless the text
            says that the file has the new content.
        InvalidValueError
            No store could keep the transaction, or it has a part that needs a queue; nothing
            was written.
        """
        check_transaction(transaction)
        transaction.refuse_parts("consumed", "mark", "sends", "timers", store="a TinyStore")
        key, snapshot, expected = transaction.key, transaction.snapshot, transaction.expected
        with self._changing() as content:
            content.compare(key, expected, transaction.before)
            now = self.now()
            if snapshot is not None and transaction.definition is not None:
                newest = content.newest_version(snapshot.chart) or 0
                newest = max(newest, content.least_versions.get(snapshot.chart, 0))
                if not expected and newest > snapshot.version:
                    raise newer_version(key, snapshot.chart, snapshot.version, newest)
                content.add_chart(transaction.definition, now)
            if snapshot is not None:
                content.save(StoredInstance(key, snapshot, transaction.final, now))
            if transaction.record is not None and self.history:
                revision = expected if snapshot is None else snapshot.revision
                number = content.last + 1
                shown = snapshot and hide_in_snapshot(snapshot, transaction.secret)
                past = PastSettlement(key, number, revision, now, shown, transaction.record)
                content.remember(past, self.history)

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance and its settlements if it is at revision `expected`.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, which is 0 if it does not exist.
        StoreDamagedError, StoreUnavailableError, InvalidValueError
            As `commit`.
        """
        check_key(key)
        with self._changing() as content:
            content.compare(key, expected)
            content.remove({key})

    # --- charts -----------------------------------------------------------------------------

    def charts(self, name: str | None = None) -> tuple[StoredChart, ...]:
        """Return the charts that have saved instances, sorted by name, version and time.

        Raises as `load`.

        Parameters
        ----------
        name : of the chart; None for all
        """
        found = self._content(self._file()).charts
        wanted = (each for each in found if name in (None, each.definition.chart))
        return tuple(sorted(wanted, key=_by_name_version_and_time))

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a chart that has saved an instance; None for none.

        Raises as `load`.
        """
        return self._content(self._file()).newest_version(name)

    def least_version(self, name: str) -> int:
        """Return the least version of a chart that may use the store; 0 if any may.

        Raises as `load`.
        """
        return self._content(self._file()).least_versions.get(name, 0)

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
            raise LeastVersionError(chart=name, version=version, least=least, store=self.path)

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
        _check_whole(version, where="version")
        with self._changing() as content:
            content.require_version(name, version)

    def instance_versions(self, name: str) -> dict[int, int]:
        """Count the instances of a chart by the version that saved them last; raises as `load`."""
        found = [each.snapshot for each in self._content(self._file()).instances.values()]
        return dict(sorted(Counter(each.version for each in found if each.chart == name).items()))

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
            A rewrite that no store could keep, that changes the revision, or that has timers;
            nothing was written.
        StoreDamagedError, StoreUnavailableError
            As `commit`.
        """
        for each in rewrites:
            check_rewrite(each)
            if each.timers is not None:
                reason = "has timers, which a TinyStore cannot keep; a SqliteStore can"
                where = f"the rewrite of instance {shorten(each.key, 60)}"
                raise InvalidValueError(where=where, reason=reason)
        left = []
        with self._changing() as content:
            for each in rewrites:
                try:
                    content.compare(each.key, each.before.revision, each.before)
                except VersionConflictError:
                    left.append(each.key)
                    continue
                saved_at = content.instances[each.key].saved_at
                content.save(StoredInstance(each.key, each.after, each.final, saved_at))
            if definition is not None and len(left) < len(rewrites):
                content.add_chart(definition, self.now())
        return tuple(left)

    def prune(
        self, *, final: bool = True, older_than: float, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Remove finished instances, with their settlements; raises as `commit`.

        Parameters
        ----------
        final : whether only those whose chart has finished are removed
        older_than : seconds since their last save, at least
        dry_run : only return which ones would be removed

        Returns
        -------
        keys : of the instances that were removed, sorted
        """
        check_seconds(older_than, where="older_than")

        def find(content: Content) -> set[str]:
            latest = self.now() - older_than
            return {
                each.key
                for each in content.instances.values()
                if (each.final or not final) and each.saved_at <= latest
            }

        if dry_run:
            return tuple(sorted(find(self._content(self._file()))))
        with self._changing() as content:
            found = find(content)
            content.remove(found)
        return tuple(sorted(found))

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store, as it is now, into a new file, whole or not at all.

        Raises
        ------
        StoreDamagedError
            The store's file is not one that a TinyStore can read; no backup is made.
        StoreUnavailableError
            The new file exists, or cannot be written; or there is nothing to back up.
        """
        data = self._content(self._file()).data
        if data is None:
            raise StoreUnavailableError(path=self.path, reason="there is no file yet to back up")
        write_new_file(os.path.realpath(path), data)

    def close(self) -> None:
        """Close the store; every later use raises StoreUnavailableError."""
        self.closed = True
        self._known = Content()

    def __enter__(self) -> TinyStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_known": Content()}

    def __repr__(self) -> str:
        closed = ", closed" if self.closed else ""
        return f"{type(self).__name__}({self.path!r}{closed})"

    # --- the file ---------------------------------------------------------------------------

    def _file(self) -> str:
        if self.closed:
            reason = "this store object was closed; open another one"
            raise StoreUnavailableError(path=self._absolute, reason=reason, final=True)
        return os.path.realpath(self._absolute)

    def _content(self, path: str) -> Content:
        """Return what the file holds now, for reading only."""
        check_no_journal(path)
        data = read_file(path)
        known = self._known  # another thread may replace it, but never changes it
        if known.data != data:
            known = Content() if data is None else read_content(data, path, self.now)
            self._known = known
        return known

    @contextmanager
    def _changing(self) -> Iterator[Content]:
        """Lock the file for the block, and write the content that the block has changed."""
        path = self._file()
        with locked(path, self.lock_timeout):
            content = self._content(path).copy()
            yield content
            if content.changed:
                content.data = content.encoded()
                replace_file(path, content.data, sync=self.sync == "full")
                self._known = content


def _by_name_version_and_time(chart: StoredChart) -> tuple[str, int, float, str]:
    definition = chart.definition
    return definition.chart, definition.version, chart.since, definition.fingerprint


def check_no_journal(path: str) -> None:
    """Refuse a file that is only a part of its store.

    Raises
    ------
    StoreUnavailableError
        Beside it is a journal in which a former version of settlesim kept the latest saves.
    """
    journal = f"{path}.journal"
    if os.path.lexists(journal):
        reason = f"{journal} is beside it, in which a former version of settlesim keeps what "
        reason += "was saved last. With that version run `settlesim compact --store "
        reason += f"{shlex.quote(path)}`, then remove the journal"
        raise StoreUnavailableError(path=path, reason=reason)


def _check_whole(value: object, *, where: str) -> None:
    if type(value) is not int or value < 0:
        reason = f"is {shorten(value, 40)}; a whole number from 0 is needed"
        raise InvalidValueError(where=where, reason=reason)


# --- TinyDB, for queries ----------------------------------------------------------------------


class _ReadOnlyStorage(Storage):
    """The tables of a store's file, which is read again each time."""

    def __init__(self, store: TinyStore) -> None:
        self._store = store

    def read(self) -> dict[str, dict[str, Any]] | None:
        data = self._store._content(self._store._file()).data
        found: dict[str, Any] | None = None if data is None else json.loads(data)
        return found

    def write(self, data: dict[str, dict[str, Any]]) -> NoReturn:
        reason = "is for queries only: save with commit(), or close the store and open its file "
        reason += "with TinyDB(path)"
        raise InvalidValueError(where="db", reason=reason)


class _ReadOnlyTable(Table):
    """A table without TinyDB's cache of queries, which would hide what others save."""

    def __init__(self, storage: Storage, name: str, **options: Any) -> None:
        super().__init__(storage, name, **{**options, "cache_size": 0})


class _ReadOnlyDB(TinyDB):
    table_class = _ReadOnlyTable  # type: ignore[assignment]
