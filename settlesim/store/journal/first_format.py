"""Reading a file that has no checksums: a store's first format, or what is none.

The first format is the TinyDB file that a store replaced whole at every save. It is strict
JSON with a `meta` table that says so; whatever else a person put into it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from settlesim.chart.values import decode
from settlesim.errors import ReadError, StoreDamagedError, shorten
from settlesim.store.documents import INSTANCES
from settlesim.store.journal.format import FORMAT, STORE, newer
from settlesim.store.journal.tables import META, Tables
from settlesim.store.journal.texts import encode_document

__all__ = ["read_first_format", "read_plain"]

_LATER: Final = (b'"seq":', b'"blocks":[[', b'"check":"')
"""What the first lines of a file have that is under checksums."""


def read_first_format(data: bytes, path: str, tables: Tables) -> None:
    """Read a file of the first format into `tables`.

    Raises
    ------
    StoreDamagedError
        It is none, which is also said of a later one whose first lines are damaged.
    StoreUnavailableError
        It has a newer format.
    """
    try:
        meta = read_plain(data, path, tables)
    except StoreDamagedError as error:
        raise _placed(data, path, error.reason) from error
    found, checked = meta["format"], "check" in meta
    if found == 1 and not checked:
        return
    if found > FORMAT and not checked:
        raise newer(path, found)
    raise _placed(data, path, "its checksum does not fit")


def _placed(data: bytes, path: str, reason: str) -> StoreDamagedError:
    """Return the error that names the first lines of a file, if they are known by their look."""
    end = data.find(b"\n", data.find(b"\n") + 1)
    end = len(data) if end < 0 else end
    if any(each in data[:end] for each in _LATER):
        reason = (
            f"its first lines (bytes 0 to {end - 1}) are not as they were written: {reason}. If "
            f"somebody changed it on purpose, `settlesim verify --store {path} --accept` takes it "
            "as it is"
        )
    return StoreDamagedError(path=path, reason=reason)


def read_plain(data: bytes, path: str, tables: Tables) -> Mapping[str, Any]:
    """Read the JSON of a store into `tables`, whatever its checksums; return what it says it is.

    Raises
    ------
    StoreDamagedError
        It is no store.
    """
    if not data:
        raise StoreDamagedError(
            path=path,
            reason="it is empty (0 bytes), which a store never is; remove the file to "
            "start a new one",
        )
    try:
        content = decode(data, source=path)
    except ReadError as error:
        raise StoreDamagedError(path=path, reason=error.reason) from error
    if not isinstance(content, dict):
        raise StoreDamagedError(path=path, reason="it holds no JSON object")
    meta = _meta_of(content, path)
    if meta["format"] == 1 and not isinstance(content.get(INSTANCES), dict):
        raise StoreDamagedError(path=path, reason=f"it has no table {INSTANCES!r}")
    for name, table in content.items():
        _take(name, table, path, tables)
    return meta


def _meta_of(content: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    table = content.get(META)
    record = table.get("1") if isinstance(table, dict) else None
    if not isinstance(record, dict) or record.get("store") != STORE:
        raise StoreDamagedError(
            path=path,
            reason=f'its table {META!r} has no document 1 with "store": {STORE!r}, so no store '
            "of this library wrote it",
        )
    found = record.get("format")
    if type(found) is not int or found < 1:
        raise StoreDamagedError(path=path, reason=f"its format is {shorten(found)}, not a number")
    return record


def _take(name: str, content: Any, path: str, tables: Tables) -> None:
    """Take in one table, or what stands in the place of one."""
    strict = name in (META, INSTANCES)
    if isinstance(content, dict) and (strict or all(map(_is_document, content.items()))):
        table = tables.table(name)
        for number, document in content.items():
            if name == META and number == "1":
                continue
            if not _is_id(number):
                where = f"document {shorten(number, 40)} of table {name!r}"
                raise StoreDamagedError(path=path, reason=f"{where}: the id is no whole number")
            if not isinstance(document, dict) and name == INSTANCES:
                where = f"document {number} of table {name!r}"
                raise StoreDamagedError(path=path, reason=f"{where} has no 'key'")
            table.put(int(number), encode_document(document))
    else:
        tables.foreign[name] = encode_document(content)


def _is_document(item: tuple[str, Any]) -> bool:
    return _is_id(item[0]) and isinstance(item[1], dict)


def _is_id(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 19 and str(int(name)) == name
