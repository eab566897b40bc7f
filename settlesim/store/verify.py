"""`verify_store`: check a store's file, and list what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.database import open_connection
from settlesim.store.laws import LAWS, Damage, TableSchema
from settlesim.store.schema import (
    ADDED_COLUMNS,
    ADDED_INDEXES,
    ADDED_TABLES,
    APPLICATION_ID,
    SCHEMA_VERSION,
    TABLES,
)
from settlesim.store.suffixes import store_kind
from settlesim.store.tinydb import check_no_journal
from settlesim.store.tinydb_content import find_flaws
from settlesim.store.wall import wall_clock
from settlesim.store.whole_file import read_file

__all__ = ["Damage", "StoreReport", "verify_store"]

_LOCK_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class StoreReport:
    """The content of a store's file in numbers, and what is wrong with it."""

    path: str
    counts: dict[str, int]
    """How many rows or documents each table has."""
    damages: tuple[Damage, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        damages = [each.to_dict() for each in self.damages]
        return {"store": self.path, "whole": self.is_whole, "counts": self.counts} | {
            "damages": damages
        }


def verify_store(path: str | os.PathLike[str]) -> StoreReport:
    """Check everything in a store without changing it; others may use it meanwhile.

    An SQLite file goes through SQLite's own integrity check first. Then every row is read and
    compared with related rows, all in one transaction. A TinyDB file is read as a `TinyStore`
    reads it, and each document that it would refuse is listed.

    Parameters
    ----------
    path : of the file; its suffix tells the kind of store, see `open_store`

    Raises
    ------
    StoreUnavailableError
        There is no such file, it cannot be read, or a newer version wrote it.
    InvalidValueError
        No kind of store has this suffix.

    Examples
    --------
    >>> import os, tempfile
    >>> from settlesim import SqliteStore
    >>> path = os.path.join(tempfile.mkdtemp(), "orders.db")
    >>> SqliteStore(path).close()
    >>> verify_store(path).is_whole
    True
    """
    kind, file = store_kind(path), os.path.realpath(path)
    if not os.path.exists(file):
        raise StoreUnavailableError(path=file, reason="there is no such file")
    return _verify_sqlite(file) if kind == "sqlite" else _verify_tinydb(file)


def _verify_tinydb(path: str) -> StoreReport:
    check_no_journal(path)
    counts, flaws = find_flaws(read_file(path) or b"", path, wall_clock)
    return StoreReport(path, counts, tuple(Damage(None, None, flaw) for flaw in flaws))


def _verify_sqlite(path: str) -> StoreReport:
    if os.path.getsize(path) == 0:
        return StoreReport(path, {}, (Damage(None, None, "it is empty"),))
    counts: dict[str, int] = {}
    damages: list[Damage] = []
    try:
        with _reading(path) as connection:
            damages += _check_schema(connection, path)
            if not damages:
                damages += _check_integrity(connection)
                for table in _tables(connection):
                    _check_table(connection, table, counts, damages)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise StoreUnavailableError(path=path, reason=str(error)) from error
        damages.append(Damage(None, None, str(error)))
    return StoreReport(path, counts, tuple(damages))


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


@contextlib.contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    """Open a connection, in one transaction, that leaves all files as they are."""
    # A read-only connection leaves an empty write-ahead log behind if there was none; one for
    # writing moves an existing log into the file when it is closed.
    mode = "ro" if os.path.exists(f"{path}-wal") else "rw"
    connection = open_connection(path, mode)
    try:
        connection.execute(f"PRAGMA busy_timeout={int(_LOCK_TIMEOUT * 1000)}")
        connection.execute("PRAGMA query_only=ON")
        connection.text_factory = _text
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def _text(data: bytes) -> str:
    # No later check of a text lets the surrogates pass.
    return data.decode("utf-8", "surrogateescape")


def _check_schema(connection: sqlite3.Connection, path: str) -> list[Damage]:
    """Find tables and indexes that are missing or have other columns.

    Raises
    ------
    StoreUnavailableError
        A newer version wrote the file.
    """
    (application,), (version,) = (
        connection.execute(f"PRAGMA {name}").fetchone()
        for name in ("application_id", "user_version")
    )
    if application != APPLICATION_ID:
        return [Damage(None, None, "it is an SQLite database, but not a store of settlesim")]
    if version > SCHEMA_VERSION:
        reason = f"it has schema {version}, and this version of settlesim knows up to "
        reason += f"{SCHEMA_VERSION}: use a newer settlesim"
        raise StoreUnavailableError(path=path, reason=reason)
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        model.executescript(TABLES)
        wanted, found = _schema(model), _schema(connection)
    damages = []
    for (kind, name), columns in wanted.items():
        least = len(columns) - len(ADDED_COLUMNS.get(name, ()))
        if version < SCHEMA_VERSION and (kind, name) not in found and name in _added_names():
            continue
        if found.get((kind, name)) not in [columns[:n] for n in range(least, len(columns) + 1)]:
            reason = f"it has no {kind} {name}, or one with other columns"
            damages.append(Damage(None, None, reason))
    return damages


def _added_names() -> set[str]:
    """Return the names of the tables and indexes that an older file may lack."""
    keys = {f"sqlite_autoindex_{table}_1" for table in ADDED_TABLES}
    return {*ADDED_TABLES, *ADDED_INDEXES, *keys}


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], list[Any]]:
    """Return the columns of each table and index."""
    names = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    return {
        (kind, name): connection.execute(f'PRAGMA {kind}_info("{name}")').fetchall()
        for kind, name in names
        if kind in ("table", "index")
    }


def _check_integrity(connection: sqlite3.Connection) -> list[Damage]:
    rows = connection.execute("PRAGMA integrity_check").fetchall()
    return [Damage(None, None, str(text)) for (text,) in rows if text != "ok"]


def _tables(connection: sqlite3.Connection) -> list[TableSchema]:
    found = []
    for name in LAWS:
        info = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
        if not info:  # an older file may lack it
            continue
        columns = {column: kind.lower() for _, column, kind, *_ in info}
        keys = [column for *_, column in sorted((at, column) for _, column, *_, at in info if at)]
        optional = {column for _, column, _, needed, *_ in info if not needed}
        found.append(TableSchema(name, columns, tuple(keys), frozenset(optional)))
    return found


def _check_table(
    connection: sqlite3.Connection,
    table: TableSchema,
    counts: dict[str, int],
    damages: list[Damage],
) -> None:
    """Apply the law of a table; rows that cannot be read at all are a damage too."""
    try:
        (counts[table.name],) = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
        for damage in LAWS[table.name](connection.execute, table):
            damages.append(damage)
    except (sqlite3.DatabaseError, StoreDamagedError) as error:
        damages.append(Damage(table.name, None, f"its rows cannot be read: {error}"))
