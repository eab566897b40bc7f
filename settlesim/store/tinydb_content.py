"""The content of a TinyStore's file: read strictly, and written with one document per line.

::

    {
      "meta":{
        "1":{"store":"settlesim","format":3,"last_settlement":1}
      },
      "instances":{
        "1":{"key":"order-1","chart":"order","version":1,"revision":1,...}
      },
      "settlements":{
        "1":{"key":"order-1","revision":1,"at":1796038023.4,"event":{...},...}
      }
    }

So `grep`, `jq` and git's diffs work well with it. Any other layout of the same JSON is read too;
unknown tables and fields are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from settlesim.chart.snapshot import Snapshot, key_flaw
from settlesim.chart.strict_json import decode, encode, freeze_object
from settlesim.errors import (
    InvalidValueError,
    ReadError,
    StoreDamagedError,
    StoreUnavailableError,
    VersionConflictError,
    shorten,
)
from settlesim.ports import ChartDefinition, StoredChart, digest_of
from settlesim.store.entries import OWN_FIELDS, PastSettlement, StoredInstance

__all__ = ["Content", "find_flaws", "read_content"]

STORE: Final = "settlesim"
FORMAT: Final = 3
"""Formats 1 and 2 were those of stores that also kept queues."""
META: Final = "meta"
INSTANCES: Final = "instances"
SETTLEMENTS: Final = "settlements"
CHARTS: Final = "charts"
LEAST_VERSIONS: Final = "least_versions"
QUEUE_TABLES: Final = ("messages", "deduplication", "dead_letters", "parked", "timers", "marks")


_T = TypeVar("_T")


class _FlawError(Exception):
    """Says what is wrong with a file."""


@dataclass(slots=True)
class Content:
    """The content of a file, as JSON and as values."""

    data: bytes | None = None
    """The bytes of the file; None if there is no file."""
    tables: dict[str, Any] = field(
        default_factory=lambda: {META: {"1": {}}, INSTANCES: {}, SETTLEMENTS: {}}
    )
    instances: dict[str, StoredInstance] = field(default_factory=dict)
    """By key."""
    ids: dict[str, str] = field(default_factory=dict)
    """From the key of an instance to the id of its document."""
    settlements: dict[int, PastSettlement] = field(default_factory=dict)
    """By number, in order."""
    charts: list[StoredChart] = field(default_factory=list)
    least_versions: dict[str, int] = field(default_factory=dict)
    last: int = 0
    """The greatest number that a settlement ever had."""
    changed: bool = False
    """Whether it differs from `data`."""

    def copy(self) -> Content:
        """Return a copy that may be changed."""
        tables = dict(self.tables)
        tables[INSTANCES], tables[SETTLEMENTS] = dict(self.instances_json), dict(self.past_json)
        return Content(
            self.data,
            tables,
            dict(self.instances),
            dict(self.ids),
            dict(self.settlements),
            list(self.charts),
            dict(self.least_versions),
            self.last,
        )

    @property
    def instances_json(self) -> dict[str, Any]:
        """The table of the instances."""
        return self.tables[INSTANCES]  # type: ignore[no-any-return]

    @property
    def past_json(self) -> dict[str, Any]:
        """The table of the settlements."""
        return self.tables[SETTLEMENTS]  # type: ignore[no-any-return]

    def compare(self, key: str, expected: int, before: Snapshot | None = None) -> None:
        """Refuse to change an instance that is not in the expected state."""
        found = self.instances.get(key)
        actual = 0 if found is None else found.snapshot.revision
        same = before is None or (found is not None and _is_same(found.snapshot, before))
        if actual != expected or not same:
            raise VersionConflictError(key=key, expected=expected, actual=actual)

    def save(self, instance: StoredInstance) -> None:
        """Replace the instance with the same key, or add it."""
        key = instance.key
        number = self.ids.get(key)
        if number is None:
            number = str(max(map(int, self.instances_json), default=0) + 1)
        # The old document may have fields that are not ours; they are kept.
        old = dict(self.instances_json.get(number, {}))
        for field_of_ours in ("fingerprint", "history_states"):  # the new one may lack them
            old.pop(field_of_ours, None)
        self.instances_json[number] = {**old, **instance.to_dict()}
        self.instances[key], self.ids[key] = instance, number
        self.changed = True

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a chart that has saved an instance."""
        found = [each.definition.version for each in self.charts if each.definition.chart == name]
        return max(found, default=None)

    def add_chart(self, definition: ChartDefinition, now: float) -> None:
        """Add a chart that has saved an instance, unless it is known.

        The fingerprint does not cover which fields are secret: the latest definition counts.
        """
        table = dict(self.tables.get(CHARTS, {}))
        number, since = str(max(map(int, table), default=0) + 1), now
        for index, known in enumerate(self.charts):
            if _names(known.definition) == _names(definition):
                if json.loads(known.definition.text) == json.loads(definition.text):
                    return
                since = known.since
                del self.charts[index]
                number = next(each for each, row in table.items() if _is_row_of(row, definition))
                break
        self.charts.append(StoredChart(definition, since))
        table[number] = {
            "chart": definition.chart,
            "version": definition.version,
            "fingerprint": definition.fingerprint,
            "since": since,
            "definition": json.loads(definition.text),
        }
        self.tables[CHARTS] = table
        self.changed = True

    def require_version(self, name: str, version: int) -> None:
        """Set the least version of a chart."""
        self.least_versions[name] = version
        self.tables[LEAST_VERSIONS] = {
            str(number): {"chart": chart, "version": least}
            for number, (chart, least) in enumerate(sorted(self.least_versions.items()), 1)
        }
        self.changed = True

    def remember(self, past: PastSettlement, history: int) -> None:
        """Add a settlement, and forget those of its instance that are too old."""
        document = past.to_dict()
        del document["number"]  # it is the id of the document
        self.past_json[str(past.number)] = document
        self.settlements[past.number] = past
        self.last = past.number
        numbers = [each.number for each in self.settlements.values() if each.key == past.key]
        self._forget(numbers[:-history])
        self.changed = True

    def remove(self, keys: set[str]) -> None:
        """Forget instances and their settlements."""
        for key in keys & self.instances.keys():
            del self.instances[key], self.instances_json[self.ids.pop(key)]
            self.changed = True
        self._forget([each.number for each in self.settlements.values() if each.key in keys])

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            del self.settlements[number], self.past_json[str(number)]
            self.changed = True

    def encoded(self) -> bytes:
        """Return the bytes of a file with this content."""
        meta = {"store": STORE, "format": FORMAT, "last_settlement": self.last}
        documents = {**self.tables[META], "1": {**meta, **self.tables[META]["1"], **meta}}
        tables = {**self.tables, META: documents}
        parts = []
        for name, table in tables.items():
            if isinstance(table, dict) and table:
                lines = (f"    {encode(id)}:{encode(each)}" for id, each in table.items())  # noqa: A001
                parts.append(f"  {encode(name)}:{{\n" + ",\n".join(lines) + "\n  }")
            else:
                parts.append(f"  {encode(name)}:{encode(table)}")
        return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _names(definition: ChartDefinition) -> tuple[str, int, str]:
    return definition.chart, definition.version, definition.fingerprint


def _is_row_of(row: Any, definition: ChartDefinition) -> bool:
    return (row["chart"], row["version"], row["fingerprint"]) == _names(definition)


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    """Return whether two states are equal as JSON, where 1, 1.0 and true differ."""
    return one == other and digest_of(one.to_dict()) == digest_of(other.to_dict())


def read_content(data: bytes, path: str, now: Callable[[], float]) -> Content:
    """Read a file, or refuse it if anything in it is wrong.

    Parameters
    ----------
    now : where the time comes from, in seconds since the epoch

    Raises
    ------
    StoreDamagedError
        It is not a file of a TinyStore, or a document in it is invalid.
    StoreUnavailableError
        It has a newer format, or holds queues.
    """
    try:
        return _parse(data, path, now)
    except (_FlawError, InvalidValueError) as error:
        raise StoreDamagedError(path=path, reason=str(error)) from error
    except ReadError as error:
        raise StoreDamagedError(path=path, reason=error.reason) from error


def find_flaws(
    data: bytes, path: str, now: Callable[[], float]
) -> tuple[dict[str, int], list[str]]:
    """Count the documents of each table, and list everything that `read_content` would refuse.

    Raises
    ------
    StoreUnavailableError
        As `read_content`.
    """
    flaws: list[str] = []
    try:
        content = _parse(data, path, now, flaws)
    except (_FlawError, InvalidValueError) as error:
        return {}, [*flaws, str(error)]
    except ReadError as error:
        return {}, [error.reason]
    tables = {name: table for name, table in content.tables.items() if name != META}
    return {name: len(table) for name, table in tables.items() if isinstance(table, dict)}, flaws


def _parse(
    data: bytes, path: str, now: Callable[[], float], flaws: list[str] | None = None
) -> Content:
    """Read a file; with `flaws`, add the flaws of invalid documents to it, and leave those out."""
    if not data:
        raise _FlawError("it is empty (0 bytes); remove the file to start a new store")
    found = decode(data, source=path)
    if not isinstance(found, dict):
        raise _FlawError("it holds no JSON object")
    if rb"\ud" in data.lower():
        _check_texts(found)
    meta = _document(found, META, "1")
    if _format(meta, path) < FORMAT:
        found = _from_former(found, meta, path, now)
        meta = _document(found, META, "1")
    last = meta.get("last_settlement")
    if type(last) is not int or last < 0:
        raise _FlawError(f"its last_settlement is {shorten(last)}, which is no whole number from 0")
    content = Content(data, {META: found[META], INSTANCES: {}, SETTLEMENTS: {}, **found})
    _read_documents(content, found, flaws)
    content.tables[INSTANCES] = _sorted(found[INSTANCES])
    content.tables[SETTLEMENTS] = _sorted(found[SETTLEMENTS])
    content.last = max([last, *content.settlements])
    return content


def _read_documents(content: Content, found: Mapping[str, Any], flaws: list[str] | None) -> None:
    def add_settlement(number: int, document: dict[str, Any]) -> None:
        content.settlements[number] = _settlement(number, document)

    def add_least_version(number: int, document: dict[str, Any]) -> None:
        where = f"document {number} of table {LEAST_VERSIONS!r}"
        chart = _field(document, "chart", str, where)
        content.least_versions[chart] = _field(document, "version", int, where)

    for table, add in (
        (INSTANCES, partial(_add_instance, content)),
        (SETTLEMENTS, add_settlement),
        (CHARTS, partial(_add_chart, content)),
        (LEAST_VERSIONS, add_least_version),
    ):
        optional: dict[str, Any] = {CHARTS: {}, LEAST_VERSIONS: {}}  # older files lack them
        for number, document in _documents({**optional, **found}, table):
            try:
                add(number, document)
            except (_FlawError, InvalidValueError) as error:
                if flaws is None:
                    raise
                flaws.append(str(error))


def _format(meta: dict[str, Any], path: str) -> int:
    """Return the format of a store's file; refuse any other file, and a newer format."""
    if meta.get("store") != STORE:
        raise _FlawError(f'document 1 of its table {META!r} has no "store":"{STORE}"')
    number = meta.get("format")
    if type(number) is not int or number < 1:
        raise _FlawError(f"its format is {shorten(number)}, which is no whole number from 1")
    if number > FORMAT:
        reason = f"it has format {number}, and this version of settlesim reads formats up to "
        reason += f"{FORMAT}. Use the version that wrote it, or a newer one"
        raise StoreUnavailableError(path=path, reason=reason)
    return number


def _check_texts(found: dict[str, Any]) -> None:
    try:
        encode(found).encode()
    except UnicodeEncodeError:
        raise _FlawError("a text in it has a lone surrogate, which UTF-8 cannot carry") from None


def _document(found: Mapping[str, Any], table: str, number: str) -> dict[str, Any]:
    documents = found.get(table)
    document = documents.get(number) if isinstance(documents, dict) else None
    if not isinstance(document, dict):
        raise _FlawError(f"it has no table {table!r} with a document {number}")
    return document


def _documents(found: Mapping[str, Any], table: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the documents of a table, sorted by their numbers."""
    documents = found.get(table)
    if not isinstance(documents, dict):
        raise _FlawError(f"it has no table {table!r}")
    for number, document in documents.items():
        if not (number.isascii() and number.isdecimal() and number[0] != "0" and len(number) < 19):
            raise _FlawError(f"the id {shorten(number, 40)} in table {table!r} is no whole number")
        if not isinstance(document, dict):
            raise _FlawError(f"document {number} of table {table!r} is no JSON object")
    return sorted((int(number), document) for number, document in documents.items())


def _sorted(table: dict[str, Any]) -> dict[str, Any]:
    return {number: table[number] for number in sorted(table, key=int)}


def _add_instance(content: Content, number: int, document: dict[str, Any]) -> None:
    where = f"document {number} of table {INSTANCES!r}"
    key = _key(document, where)
    if key in content.ids:
        raise _FlawError(f"{where} has the key {shorten(key)} of document {content.ids[key]}")
    snapshot = _snapshot(document, where)
    if not snapshot.revision:
        raise _FlawError(f"{where}: revision 0 is that of no saved instance")
    final = document.get("final")
    if type(final) is not bool:
        raise _FlawError(f"{where}: 'final' is {shorten(final, 40)}, not true or false")
    content.ids[key] = str(number)
    saved_at = _number(document, "saved_at", where)
    content.instances[key] = StoredInstance(key, snapshot, final, saved_at)


def _settlement(number: int, document: dict[str, Any]) -> PastSettlement:
    where = f"document {number} of table {SETTLEMENTS!r}"
    key = _key(document, where)
    revision = document.get("revision")
    if type(revision) is not int or revision < 0:
        reason = f"'revision' is {shorten(revision, 40)}, no whole number from 0"
        raise _FlawError(f"{where}: {reason}")
    if "snapshot" not in document:
        raise _FlawError(f"{where} has no 'snapshot'")
    state = document["snapshot"]
    snapshot = None if state is None else _snapshot(state, where)
    record = {name: value for name, value in document.items() if name not in OWN_FIELDS}
    frozen = freeze_object(record, where=where)
    return PastSettlement(key, number, revision, _number(document, "at", where), snapshot, frozen)


def _add_chart(content: Content, number: int, document: dict[str, Any]) -> None:
    where = f"document {number} of table {CHARTS!r}"
    definition = ChartDefinition(
        _field(document, "chart", str, where),
        _field(document, "version", int, where),
        _field(document, "fingerprint", str, where),
        encode(_field(document, "definition", dict, where)),
    )
    content.charts.append(StoredChart(definition, _number(document, "since", where)))


def _field(document: dict[str, Any], name: str, kind: type[_T], where: str) -> _T:
    value = document.get(name)
    if type(value) is not kind:
        raise _FlawError(f"{where}: {name!r} is {shorten(value, 40)}, no {kind.__name__}")
    return value


def _key(document: dict[str, Any], where: str) -> str:
    key = document.get("key")
    flaw = key_flaw(key)
    if flaw is not None:
        raise _FlawError(f"{where}: its key {flaw}")
    return str(key)


def _snapshot(document: dict[str, Any], where: str) -> Snapshot:
    try:
        return Snapshot.from_dict(document, source=where)
    except StoreDamagedError as error:
        raise _FlawError(f"{where}: {error.reason}") from error


def _number(document: dict[str, Any], name: str, where: str) -> float:
    value = document.get(name)
    if type(value) not in (int, float):
        raise _FlawError(f"{where}: {name!r} is {shorten(value, 40)}, no number of seconds")
    return value  # type: ignore[return-value]


def _from_former(
    found: dict[str, Any], meta: dict[str, Any], path: str, now: Callable[[], float]
) -> dict[str, Any]:
    """Convert the tables of a former format to the current one; refuse those of a queue."""
    ids, blocks = meta.get("ids", {}), meta.get("blocks", [[INSTANCES]])
    if "last_settlement" in meta or not isinstance(ids, dict) or not isinstance(blocks, list):
        raise _FlawError(f"its format is {meta['format']}, which does not fit the rest of it")
    names = {str(block[0]) for block in blocks if isinstance(block, list) and block and block[0]}
    if not names or not names <= found.keys():
        raise _FlawError(f"document 1 of its table {META!r} names tables that it does not have")
    for name in QUEUE_TABLES:
        documents = [each for _, each in _documents({name: {}, **found}, name)]
        if name in ("marks", "deduplication"):  # expired ones do not count
            documents = [each for each in documents if _number(each, "until", name) > now()]
        if documents:
            reason = f"its table {name!r} is that of a queue, and a queue needs a SqliteStore. Let "
            reason += "the version that wrote it finish its messages and timers"
            raise StoreUnavailableError(path=path, reason=reason)
    tables = {name: table for name, table in found.items() if name not in QUEUE_TABLES}
    tables = {INSTANCES: {}, SETTLEMENTS: {}, **tables}
    saves = {
        _key(each, SETTLEMENTS): each
        for _, each in _documents(tables, SETTLEMENTS)
        if each.get("snapshot") is not None
    }
    instances = {}
    for number, each in _documents(tables, INSTANCES):
        save = saves.get(_key(each, INSTANCES), {})
        facts = {"final": save.get("outcome") == "done", "saved_at": save.get("at", 0.0)}
        instances[str(number)] = {**each, **facts}
    counter = {"last_settlement": ids.get(SETTLEMENTS, 0)}
    return {**tables, META: {"1": counter}, INSTANCES: instances}
