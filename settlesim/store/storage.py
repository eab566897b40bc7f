"""One TinyDB file: strict JSON, one document a line, replaced whole or not at all.

The file is what stock TinyDB reads, with one document a line, so that `grep`, `jq` and a
diff are useful on it::

    {"meta":{
    "1":{"store":"settlesim","format":1}
    },
    "instances":{
    "1":{"key":"order-1","chart":"order","version":1,"revision":3,...},
    "2":{"key":"order-2","chart":"order","version":1,"revision":1,...}
    }}

Document ids are whole numbers because stock TinyDB reads no others; the key of an instance
is a field. Every other table and every further field is kept as it is.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from settlesim.chart.values import decode, encode
from settlesim.errors import ReadError, StoreDamagedError, StoreUnavailableError, shorten
from settlesim.store.checks import key_flaw
from settlesim.store.files import FileSystem, replace_file

__all__ = ["FORMAT", "INSTANCES", "Content", "InstanceDB", "WholeFileStorage"]

FORMAT: Final = 1
"""The format that is written, and the newest one that is read."""

INSTANCES: Final = "instances"
_META: Final = "meta"
_STORE: Final = "settlesim"

Tables: TypeAlias = dict[str, dict[str, Any]]

_ascii_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _encode_line(value: Any) -> str:
    text = encode(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # Stock TinyDB writes a lone surrogate as an escape; a foreign document that
            # holds one is kept in the same way.
            return _ascii_encoder.encode(value)
    return text


def encode_tables(tables: Mapping[str, Any]) -> bytes:
    """Return the text of a store, one document a line."""
    parts = []
    for name, table in tables.items():
        if isinstance(table, dict) and table:
            lines = (f"{_encode_line(i)}:{_encode_line(document)}" for i, document in table.items())
            text = "{\n" + ",\n".join(lines) + "\n}"
        else:
            text = _encode_line(table)
        parts.append(f"{_encode_line(name)}:{text}")
    return ("{" + ",\n".join(parts) + "}\n").encode()


def _check_meta(tables: Mapping[str, Any], path: str) -> None:
    meta = tables.get(_META)
    record = meta.get("1") if isinstance(meta, dict) else None
    if not isinstance(record, dict) or record.get("store") != _STORE:
        raise StoreDamagedError(
            path=path,
            reason=f'its table {_META!r} has no document 1 with "store": {_STORE!r}, so no store '
            "of this library wrote it",
        )
    found = record.get("format")
    if type(found) is not int or found < 1:
        raise StoreDamagedError(path=path, reason=f"its format is {shorten(found)}, not a number")
    if found > FORMAT:
        raise StoreUnavailableError(
            path=path,
            reason=f"it has format {found}, and this version of settlesim reads formats up to "
            f"{FORMAT}. Use the version that wrote it, or a newer one.",
        )


def _index(tables: Mapping[str, Any], path: str) -> dict[str, int]:
    """Return the document id of every instance, by key."""
    documents = tables.get(INSTANCES)
    if not isinstance(documents, dict):
        raise StoreDamagedError(path=path, reason=f"it has no table {INSTANCES!r}")
    ids: dict[str, int] = {}
    for name, document in documents.items():
        where = f"document {shorten(name, 40)} of table {INSTANCES!r}"
        if not (name.isascii() and name.isdecimal() and len(name) < 19 and str(int(name)) == name):
            raise StoreDamagedError(path=path, reason=f"{where}: the id is no whole number")
        if not isinstance(document, dict) or "key" not in document:
            raise StoreDamagedError(path=path, reason=f"{where} has no 'key'")
        flaw = key_flaw(key := document["key"])
        if flaw is not None:
            raise StoreDamagedError(path=path, reason=f"the key of {where} {flaw}")
        if key in ids:
            raise StoreDamagedError(
                path=path,
                reason=f"the key {shorten(key)} stands in document {ids[key]} and in {name}",
            )
        ids[key] = int(name)
    return ids


class Content:
    """The content of a store's file as it was at one moment."""

    def __init__(
        self, tables: Tables, ids: dict[str, int], descriptor: int | None, status: Any
    ) -> None:
        self.tables = tables
        """Shared between readers: never changed."""
        self.ids = ids
        """The document id of every instance, by key."""
        self._descriptor = descriptor
        self._status = status

    def is_of(self, status: os.stat_result) -> bool:
        """Say whether a file with this status still has this content.

        While the descriptor is open, no other file can be given the same inode number: a
        file that a writer put in the place of this one always differs. Without it two
        quick saves could bring number, size and time back, and a save would be lost.
        Times and size are there for an editor that writes into the file itself.
        """
        return self._status is not None and self._status == _stamp(status)

    def close(self) -> None:
        """Let the file go."""
        descriptor, self._descriptor, self._status = self._descriptor, None, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class WholeFileStorage(Storage):
    """A TinyDB storage that replaces its file atomically.

    Parameters
    ----------
    path : of the file, with links followed; where there is none it is made by the first write
    files : the system calls, to be replaced in tests
    """

    def __init__(self, path: str, files: FileSystem) -> None:
        super().__init__()
        self.path = path
        self._files = files
        self._content: Content | None = None

    def read(self) -> Tables:
        """Return the file's tables; they are shared and must not be changed.

        Raises
        ------
        StoreDamagedError
            Not strict JSON, or not what this library wrote.
        StoreUnavailableError
            The file can not be read, or has a newer format.
        """
        return self.content().tables

    def content(self) -> Content:
        """Return what the file has now, read again only where it changed; raises as `read`."""
        with self._reported("reading"):
            try:
                status = os.stat(self.path)
            except FileNotFoundError:
                folder = os.path.dirname(self.path)
                if not os.path.isdir(folder):
                    reason = f"its folder {folder} does not exist; make it first"
                    raise StoreUnavailableError(path=self.path, reason=reason) from None
                self.close()
                empty: Tables = {_META: {"1": {"store": _STORE, "format": FORMAT}}, INSTANCES: {}}
                return Content(empty, {}, None, None)
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
                raise StoreUnavailableError(path=self.path, reason=f"it is {kind}")
            if self._content is None or not self._content.is_of(status):
                self._keep(self._load())
            assert self._content is not None
            return self._content

    def _load(self) -> Content:
        with open(self.path, "rb") as stream:
            # The status is taken first: a change while reading shows at the next look.
            status = os.fstat(stream.fileno())
            data = stream.read()
            if not data:
                raise StoreDamagedError(
                    path=self.path,
                    reason="it is empty (0 bytes), which a store never is; remove the file to "
                    "start a new one",
                )
            try:
                tables = decode(data, source=self.path)
            except ReadError as error:
                raise StoreDamagedError(path=self.path, reason=error.reason) from error
            if not isinstance(tables, dict):
                raise StoreDamagedError(path=self.path, reason="it holds no JSON object")
            _check_meta(tables, self.path)
            ids = _index(tables, self.path)
            if sys.platform == "win32":  # an open file could not be replaced there
                return Content(tables, ids, None, None)
            return Content(tables, ids, os.dup(stream.fileno()), _stamp(status))

    def write(self, data: Tables) -> None:
        """Put these tables in the file's place, whole or not at all.

        The caller holds the store's lock.

        Raises
        ------
        StoreDamagedError
            Tables that are no store; see `read`.
        StoreUnavailableError
            The system refused. The file is as it was, unless the reason says otherwise.
        """
        ids = _index(data, self.path)
        encoded = encode_tables(data)
        with self._reported("writing"):
            descriptor = replace_file(self._files, self.path, [encoded], sync=True)
        status = None if descriptor is None else _stamp(os.fstat(descriptor))
        self._keep(Content(data, ids, descriptor, status))
        try:
            self._files.sync_folder(os.path.dirname(self.path))
        except OSError as error:
            # Others may have read the new content already, so it is not taken back.
            reason = (
                f"{error.strerror or error}, after the save. The save is in the file, but a "
                "power cut now could undo it; load the instance to see"
            )
            raise StoreUnavailableError(path=self.path, reason=reason) from error

    def _keep(self, content: Content) -> None:
        self.close()
        self._content = content

    def close(self) -> None:
        """Forget what was read."""
        content, self._content = self._content, None
        if content is not None:
            content.close()

    @contextmanager
    def _reported(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{doing} failed: {error.strerror or error}. The file is as it was."
            raise StoreUnavailableError(path=self.path, reason=reason) from error


class _CopyOnWriteTable(Table):
    """A TinyDB table that changes copies of its documents and trusts no memory of its own.

    Stock tables change what the storage handed out, so that a write that fails would show
    in the next read, and count document ids for themselves, so that two processes give
    the same one twice.
    """

    def _get_next_id(self) -> int:
        documents = self.storage.read() or {}
        return max(map(int, documents.get(self.name, ())), default=0) + 1

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], Any]) -> None:
        tables = self.storage.read() or {}
        documents = {int(i): dict(document) for i, document in tables.get(self.name, {}).items()}
        updater(documents)  # type: ignore[arg-type]
        self.storage.write({**tables, self.name: {str(i): d for i, d in documents.items()}})
        self.clear_cache()


class InstanceDB(TinyDB):
    """A TinyDB over a `WholeFileStorage`, with the instances as its default table."""

    table_class = _CopyOnWriteTable
    default_table_name = INSTANCES
