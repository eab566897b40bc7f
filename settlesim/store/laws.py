"""The invariants of a store in SQLite, table by table, which `verify_store` checks.

A law is a function that reads a table and yields a `Damage` for every row that breaks it. It
begins with `_damaged_rows`, which checks each row by itself: the types of its values, and, if
these are right, what the law adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from settlesim.argument_checks import MAX_NAME, check_text
from settlesim.chart.report import counted_noun
from settlesim.chart.snapshot import Snapshot, key_flaw
from settlesim.chart.strict_json import JSONValue, decode, freeze, freeze_object
from settlesim.errors import InvalidValueError, ReadError, StoreDamagedError, shorten
from settlesim.ports import digest_of
from settlesim.store.database import Execute
from settlesim.store.entries import OWN_FIELDS

__all__ = ["LAWS", "Damage", "TableSchema"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong with a store."""

    table: str | None
    """None for the file as a whole."""
    row: str | None
    """The row's primary key; None for the table as a whole."""
    reason: str

    def __str__(self) -> str:
        if self.table is None:
            return self.reason
        row = "" if self.row is None else f", row {self.row}"
        return f"table {self.table}{row}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table, as the file has it."""

    name: str
    columns: dict[str, str]
    """The type of each column: ``"text"``, ``"integer"`` or ``"real"``."""
    keys: tuple[str, ...]
    """The columns of its primary key."""
    optional: frozenset[str]
    """The columns that may be NULL."""


Row: TypeAlias = dict[str, Any]
Law: TypeAlias = Callable[[Execute, TableSchema], Iterator[Damage]]

_PYTHON: Final[dict[str, type[str | int | float]]] = {"text": str, "integer": int, "real": float}
_FLAGS: Final = frozenset({"final", "sent", "ordered", "in_flight"})
_COUNTS: Final = frozenset({"receives", "answered", "failures", "revision"})
_NUMBERS: Final = frozenset({"id", "number", "token", "message", "timer", "first_id"})


class _FlawError(Exception):
    """Says what is wrong with a row."""


# --- single rows --------------------------------------------------------------------------------


def _damaged_rows(
    execute: Execute, table: TableSchema, check: Callable[[Row], None]
) -> list[Damage]:
    """Return what is wrong with single rows."""
    damages = []
    for values in execute(f"SELECT {', '.join(table.columns)} FROM {table.name}"):
        row = dict(zip(table.columns, values, strict=True))
        try:
            for column, kind in table.columns.items():
                _check_value(column, row[column], kind, optional=column in table.optional)
            check(row)
        except (_FlawError, InvalidValueError) as error:
            damages.append(Damage(table.name, _name(table, row), str(error)))
        except (StoreDamagedError, ReadError) as error:
            damages.append(Damage(table.name, _name(table, row), error.reason))
    return damages


def _name(table: TableSchema, row: Row) -> str:
    return " ".join(shorten(row[key], 60) for key in table.keys)


def _check_value(column: str, value: Any, kind: str, *, optional: bool) -> None:
    """Refuse a value that a column cannot have."""
    if value is None and optional:
        return
    if not isinstance(value, _PYTHON[kind]):
        raise _FlawError(f"its {column} is {shorten(value, 40)}, and {kind} is needed")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _FlawError(f"its {column} has bytes that are not UTF-8") from None
    elif isinstance(value, float) and not (math.isfinite(value) and value >= 0):
        raise _FlawError(f"its {column} is {value}, and a time or a length of time is needed")
    if column in _FLAGS and value not in (0, 1):
        raise _FlawError(f"its {column} is {value}, and 0 or 1 is needed")
    least = 1 if column in _NUMBERS else 0 if column in _COUNTS else -math.inf
    if isinstance(value, int) and value < least:
        raise _FlawError(f"its {column} is {value}, and a whole number from {least} is needed")


def _check_key(key: str) -> None:
    flaw = key_flaw(key)
    if flaw is not None:
        raise _FlawError(f"its key {flaw}")


def _json(row: Row, column: str) -> JSONValue:
    try:
        return freeze(decode(row[column]), where=f"its {column}")
    except ReadError as error:
        raise _FlawError(f"its {column}: {error.reason}") from None


def _snapshot(record: JSONValue) -> Snapshot:
    found = Snapshot.from_dict(record, source="its snapshot")
    if found.revision < 1:
        raise _FlawError("its revision is 0, which is that of no saved instance")
    return found


# --- instances, settlements, marks, timers -----------------------------------------------------


def _instances(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that are not a snapshot at a revision from 1."""

    def check(row: Row) -> None:
        _check_key(row["key"])
        record: dict[str, Any] = {name: row[name] for name in ("chart", "version", "revision")}
        record |= {name: _json(row, name) for name in ("configuration", "context")}
        if row.get("history") is not None:  # an older file may lack the column
            record["history_states"] = _json(row, "history")
        _snapshot({**record, "fingerprint": row.get("fingerprint")})

    yield from _damaged_rows(execute, table, check)


def _settlements(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that cannot be read, and revisions that decrease or exceed the instance's."""

    def check(row: Row) -> None:
        _check_key(row["key"])
        record = freeze_object(_json(row, "record"), where="its record")
        own = [name for name in record if name in OWN_FIELDS]
        if own:
            raise _FlawError(f"its record has {', '.join(map(repr, own))}")
        if row["snapshot"] is not None:
            revision = _snapshot(_json(row, "snapshot")).revision
            if revision != row["revision"]:
                reason = f"its revision is {row['revision']}, and that of its snapshot {revision}"
                raise _FlawError(reason)

    yield from _damaged_rows(execute, table, check)
    falling = execute(
        "SELECT number, revision, before FROM (SELECT number, revision,"
        " lag(revision) OVER (PARTITION BY key ORDER BY number) AS before FROM settlements)"
        " WHERE revision < before"
    )
    for number, revision, before in falling:
        reason = f"its revision is {revision}, and that of the settlement before it {before}"
        yield Damage(table.name, str(number), reason)
    above = execute(
        "SELECT max(number), settlements.key, settlements.revision,"
        " ifnull(instances.revision, 0) AS actual FROM settlements LEFT JOIN instances"
        " ON instances.key = settlements.key GROUP BY settlements.key"
        " HAVING settlements.revision > actual"
    )
    for number, key, revision, actual in above:
        at = f"at revision {actual}" if actual else "not there"
        reason = f"its revision is {revision}, and its instance {shorten(key, 60)} is {at}"
        yield Damage(table.name, str(number), reason)
    yield from _check_sequence(execute, table, "SELECT max(number) FROM settlements")


def _marks(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that cannot be read.

    A mark may outlive its instance, so its revision may exceed that of a later instance with
    the same key.
    """

    def check(row: Row) -> None:
        _check_key(row["key"])
        check_text(row["id"], where="its id")
        if row["digest"] is not None:
            _check_digest(row)

    yield from _damaged_rows(execute, table, check)


def _check_digest(row: Row) -> None:
    digest = row["digest"]
    if len(digest) != 32 or not set(digest) <= set("0123456789abcdef"):
        raise _FlawError(
            f"its digest is {shorten(digest, 40)}, and 32 hexadecimal digits are needed"
        )


def _timers(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find timers without an instance, and those with a wrong number of messages.

    A timer has exactly one message if it was sent, and none before.
    """

    def check(row: Row) -> None:
        _check_key(row["key"])
        check_text(row["delay"], where="its delay")

    yield from _damaged_rows(execute, table, check)
    orphans = execute(
        "SELECT token, key FROM timers WHERE NOT EXISTS"
        " (SELECT 1 FROM instances WHERE instances.key = timers.key)"
    )
    for token, key in orphans:
        yield Damage(table.name, str(token), f"there is no instance {shorten(key, 60)}")
    counted = execute(
        "SELECT token, sent, count(timer) AS found FROM timers LEFT JOIN (SELECT timer FROM"
        " messages UNION ALL SELECT timer FROM dead_letters) ON timer = token"
        " GROUP BY token HAVING found != sent"
    )
    for token, sent, found in counted:
        marked = "marked as sent" if sent else "not marked as sent"
        reason = f"it is {marked}, and {found or 'no'} message{'s' * (found > 1)} of it "
        yield Damage(table.name, str(token), reason + ("is there" if found < 2 else "are there"))
    yield from _check_sequence(execute, table, "SELECT max(token) FROM timers")


def _check_sequence(execute: Execute, table: TableSchema, greatest: str) -> Iterator[Damage]:
    """Find a sequence of SQLite that is behind the table, so that a number would be used again."""
    (most,) = execute(greatest).fetchone()
    found = execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    last = 0 if found is None else found[0]
    if most is not None and (type(last) is not int or last < most):
        reason = (
            f"its sequence is at {last}, and the number {most} was used: it would be used again"
        )
        yield Damage(table.name, None, reason)


# --- messages -----------------------------------------------------------------------------------


def _check_message(row: Row) -> None:
    check_text(row["queue"], where="its queue", most=MAX_NAME)
    check_text(row["group_id"], where="its group_id", most=MAX_NAME)
    if row["deduplication_id"] is not None:
        check_text(row["deduplication_id"], where="its deduplication_id", most=MAX_NAME)
    _json(row, "body")
    errors = _json(row, "errors")
    if not isinstance(errors, list) or not all(isinstance(each, str) for each in errors):
        raise _FlawError("its errors are no JSON list of texts")
    if row["first_id"] is not None and row["first_id"] >= row["id"]:
        raise _FlawError(f"its first_id is {row['first_id']}, which is not below its id")
    if row["ordered"]:  # a receipt of a standard queue may be used several times
        if row["answered"] > row["receives"]:
            received = counted_noun(row["receives"], "time")
            answered = counted_noun(row["answered"], "time")
            raise _FlawError(f"it was received {received} and answered {answered}")
        if row["in_flight"] and row["answered"] == row["receives"]:
            raise _FlawError("it is in flight, and every reception of it was answered")


def _messages(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find messages that cannot be read, and those that a later one of their group overtook."""
    yield from _damaged_rows(execute, table, _check_message)
    # A redriven message may come before one in flight; its earlier receptions show that it was
    # redriven.
    passed = execute(
        "SELECT early.id, min(late.id) FROM messages AS late JOIN messages AS early"
        " ON early.queue = late.queue AND early.group_id = late.group_id AND early.id < late.id"
        " WHERE late.in_flight = 1 AND late.ordered = 1 AND early.ordered = 1"
        " AND early.receives < 1 + early.in_flight GROUP BY early.id"
    )
    for early, late in passed:
        reason = f"message {late} of its group is in flight, though this one comes before it"
        yield Damage(table.name, str(early), reason)
    greatest = (
        "SELECT max(greatest) FROM (SELECT max(id) AS greatest FROM messages UNION ALL"
        " SELECT max(id) FROM dead_letters UNION ALL SELECT max(message) FROM deduplication)"
    )
    yield from _check_sequence(execute, table, greatest)


def _dead_letters(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find dead letters that cannot be read, are in flight, or are also in their queue."""

    def check(row: Row) -> None:
        _check_message(row)
        if row["in_flight"]:
            raise _FlawError("it is in flight")

    yield from _damaged_rows(execute, table, check)
    twice = execute("SELECT id FROM dead_letters WHERE id IN (SELECT id FROM messages)")
    for (number,) in twice:
        yield Damage(table.name, str(number), "the message is in its queue, too")


_EXPECTED_HEADS: Final = """
    SELECT queue, '=' || group_id AS name, group_id, min(id) AS message FROM messages
    WHERE ordered = 1 AND NOT EXISTS (SELECT 1 FROM parked
        WHERE parked.queue = messages.queue AND parked.group_id = messages.group_id)
    GROUP BY queue, group_id
    UNION ALL
    SELECT queue, '#' || id, group_id, id FROM messages WHERE ordered = 0
"""


def _heads(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that contradict the messages: each group that is not parked has to have one."""
    yield from _damaged_rows(execute, table, lambda row: None)
    wanted = execute(
        f"WITH expected AS ({_EXPECTED_HEADS}) SELECT expected.queue, name, expected.group_id,"
        " message, sent_at, CASE WHEN ordered = 0 THEN visible_at ELSE max(visible_at, ifnull("
        " (SELECT max(visible_at) FROM messages AS other WHERE other.queue = expected.queue"
        " AND other.group_id = expected.group_id AND other.ordered = 1 AND other.in_flight = 1),"
        " 0.0)) END AS visible_at FROM expected JOIN messages ON id = message"
    )
    expected = {(queue, name): tuple(rest) for queue, name, *rest in wanted}
    rows = execute("SELECT queue, name, group_id, message, sent_at, visible_at FROM heads")
    for queue, name, *rest in rows:
        due = expected.pop((queue, name), None)
        if due == tuple(rest):
            continue
        reason = "no message of its group waits for it"
        if due is not None:
            columns = zip(("group_id", "message", "sent_at", "visible_at"), rest, due, strict=True)
            reason = ", ".join(
                f"its {column} is {shorten(found, 40)}, and the messages say {shorten(true, 40)}"
                for column, found, true in columns
                if found != true
            )
        yield Damage(table.name, f"{shorten(queue, 60)} {shorten(name, 60)}", reason)
    for (queue, name), (_, message, *_) in expected.items():
        row = f"{shorten(queue, 60)} {shorten(name, 60)}"
        yield Damage(table.name, row, f"it is missing, so message {message} is never received")


def _parked(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that cannot be read."""

    def check(row: Row) -> None:
        check_text(row["queue"], where="its queue", most=MAX_NAME)
        check_text(row["group_id"], where="its group_id", most=MAX_NAME)

    yield from _damaged_rows(execute, table, check)


def _deduplication(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find ids that do not fit the message that they refer to, if it still exists."""

    def check(row: Row) -> None:
        check_text(row["queue"], where="its queue", most=MAX_NAME)
        check_text(row["id"], where="its id", most=MAX_NAME)
        _check_digest(row)
        found = execute(
            "SELECT queue, group_id, deduplication_id, body FROM messages WHERE id = ?1"
            " UNION ALL SELECT queue, group_id, deduplication_id, body FROM dead_letters"
            " WHERE id = ?1",
            (row["message"],),
        ).fetchone()
        if found is None:
            return
        queue, group, used, body = found
        if (row["queue"], row["id"]) != (queue, used) or row["scope"] not in ("", group):
            raise _FlawError(f"message {row['message']} has another queue, group or id")
        if row["digest"] != digest_of(_json({"body": body}, "body")):
            raise _FlawError(f"its digest is not that of the body of message {row['message']}")

    yield from _damaged_rows(execute, table, check)


def _charts(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that do not hold a chart."""

    def check(row: Row) -> None:
        check_text(row["chart"], where="its chart")
        check_text(row["fingerprint"], where="its fingerprint")
        if not isinstance(decode(row["definition"]), dict):
            raise _FlawError("its definition is no JSON object")

    yield from _damaged_rows(execute, table, check)


def _least_versions(execute: Execute, table: TableSchema) -> Iterator[Damage]:
    """Find rows that cannot be read."""

    def check(row: Row) -> None:
        check_text(row["chart"], where="its chart")
        if row["version"] < 0:
            raise _FlawError(f"its version is {row['version']}, and 0 or more is needed")

    yield from _damaged_rows(execute, table, check)


LAWS: Final[dict[str, Law]] = {
    "instances": _instances,
    "settlements": _settlements,
    "marks": _marks,
    "timers": _timers,
    "messages": _messages,
    "heads": _heads,
    "parked": _parked,
    "dead_letters": _dead_letters,
    "deduplication": _deduplication,
    "charts": _charts,
    "least_versions": _least_versions,
}
"""The law of each table."""
