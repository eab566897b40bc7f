"""What the tables of a store hold.

==============  ======================================================================
table           a document
==============  ======================================================================
instances       key, chart, version, revision, configuration, context
settlements     key, revision, at, snapshot (or null), and what the settlement's record has
marks           key, id, revision, outcome, digest (of the message's body, or null), until
messages        queue, group, standard, sent_at, visible_at, receives, failures, in_flight,
                deduplication_id, body; where it applies: errors, timer, pardoned, first_id
deduplication   queue, group, id, digest, message, until, window
dead_letters    the message's document under the message's id, and at, reason
parked          queue, group, since, reason
timers          key, chart, delay, due, state ("running" or "sent")
==============  ======================================================================

Times are seconds since the epoch. Everything is strict JSON, so that a person reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from settlesim.chart.snapshot import Snapshot, key_flaw
from settlesim.chart.values import freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError, shorten
from settlesim.store.database import Document, FrozenDocument
from settlesim.store.journal.texts import read_document

__all__ = [
    "DEAD_LETTERS",
    "DEDUPLICATION",
    "INSTANCES",
    "MARKS",
    "MESSAGES",
    "PARKED",
    "SETTLEMENTS",
    "TABLES",
    "TIMERS",
    "InstanceDocument",
    "StoredInstance",
    "check_document",
    "read_instance",
    "snapshot_of",
]

INSTANCES: Final = "instances"
SETTLEMENTS: Final = "settlements"
MARKS: Final = "marks"
MESSAGES: Final = "messages"
DEDUPLICATION: Final = "deduplication"
DEAD_LETTERS: Final = "dead_letters"
PARKED: Final = "parked"
TIMERS: Final = "timers"

_TEXT: Final = (str,)
_TRUTH: Final = (bool,)
_WHOLE: Final = (int,)
_NUMBER: Final = (int, float)

_MESSAGE: Final = {
    "queue": _TEXT,
    "group": _TEXT,
    "standard": _TRUTH,
    "sent_at": _NUMBER,
    "visible_at": _NUMBER,
    "receives": _WHOLE,
    "failures": _WHOLE,
    "in_flight": _TRUTH,
}
_FIELDS: Final[Mapping[str, Mapping[str, tuple[type, ...]]]] = {
    INSTANCES: {"key": _TEXT},
    SETTLEMENTS: {"key": _TEXT, "revision": _WHOLE, "at": _NUMBER},
    MARKS: {"key": _TEXT, "id": _TEXT, "revision": _WHOLE, "until": _NUMBER},
    MESSAGES: _MESSAGE,
    DEDUPLICATION: {
        "queue": _TEXT,
        "group": _TEXT,
        "id": _TEXT,
        "digest": _TEXT,
        "message": _WHOLE,
        "until": _NUMBER,
        "window": _NUMBER,
    },
    DEAD_LETTERS: {**_MESSAGE, "at": _NUMBER, "reason": _TEXT},
    PARKED: {"queue": _TEXT, "group": _TEXT, "since": _NUMBER, "reason": _TEXT},
    TIMERS: {"key": _TEXT, "chart": _TEXT, "delay": _TEXT, "due": _NUMBER, "state": _TEXT},
}
TABLES: Final = tuple(_FIELDS)
"""The names of all tables that the rules of this package use."""


class InstanceDocument(FrozenDocument):
    """An instance's document, made of a snapshot that it still has.

    A database in memory hands out the same object again, and with it the snapshot, which
    need not be read from JSON.
    """

    __slots__ = ("snapshot",)

    def __init__(self, key: str, snapshot: Snapshot) -> None:
        self["key"] = key
        self["chart"] = snapshot.chart
        self["version"] = snapshot.version
        self["revision"] = snapshot.revision
        self["configuration"] = list(snapshot.configuration)
        self["context"] = snapshot.context
        self.snapshot = snapshot


class StoredInstance(Mapping[str, Any]):
    """The document of an instance, of which there are the text and the snapshot that it holds."""

    __slots__ = ("_text", "snapshot")

    def __init__(self, text: str, snapshot: Snapshot) -> None:
        self._text = text
        self.snapshot = snapshot

    def __getitem__(self, name: str) -> Any:
        return read_document(self._text)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(read_document(self._text))

    def __len__(self) -> int:
        return len(read_document(self._text))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text})"


class _Fields(Struct, gc=False):
    """What `Snapshot.from_dict` asks of a document, in the words of a reader that is compiled."""

    chart: str
    version: int
    revision: Annotated[int, Meta(ge=0)]
    configuration: Annotated[tuple[str, ...], Meta(min_length=1)]
    context: dict[str, Any]


_read: Final = Decoder(_Fields).decode


def read_instance(text: str) -> Document:
    """Read a document of the instances from its text, at once as a snapshot where it is one."""
    try:
        fields = _read(text)
        context = freeze_object(fields.context, where="context")
    except (ValueError, MsgspecError, InvalidValueError):
        document: Document = read_document(text)
        return document
    return StoredInstance(
        text,
        Snapshot(fields.chart, fields.version, fields.configuration, context, fields.revision),
    )


def snapshot_of(document: Document, *, source: str, where: str) -> Snapshot:
    """Return the snapshot that a document holds.

    Parameters
    ----------
    source : the store, in an error
    where : the document, in an error

    Raises
    ------
    StoreDamagedError
        It holds none.
    """
    if isinstance(document, InstanceDocument | StoredInstance):
        return document.snapshot
    try:
        return Snapshot.from_dict(document, source=where)
    except StoreDamagedError as error:
        reason = f"{where}: {error.reason}"
    except InvalidValueError as error:
        reason = str(error)
    raise StoreDamagedError(path=source, reason=reason)


def check_document(source: str, table: str, id: int, document: Document) -> None:  # noqa: A002
    """Refuse a document that an index could not take in.

    Raises
    ------
    StoreDamagedError
        A field is missing or of another type.
    """
    if type(document) is InstanceDocument:
        return
    where = f"document {id} of table {table!r}"
    for name, kinds in _FIELDS[table].items():
        try:
            value = document[name]
        except KeyError:
            raise StoreDamagedError(path=source, reason=f"{where} has no {name!r}") from None
        if type(value) not in kinds:
            raise StoreDamagedError(
                path=source,
                reason=f"{name!r} of {where} is {shorten(value, 40)}, no {kinds[-1].__name__}",
            )
    if "key" in _FIELDS[table]:
        flaw = key_flaw(document["key"])
        if flaw is not None:
            raise StoreDamagedError(path=source, reason=f"the key of {where} {flaw}")
