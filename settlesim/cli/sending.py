"""Events from a file of JSON lines: read while they come, accepted many in one write."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from settlesim.chart import Chart
from settlesim.chart.snapshot import key_flaw
from settlesim.chart.values import MAX_BYTES, decode
from settlesim.cli.durable import check_event
from settlesim.cli.running import Refusal, interrupts_wait
from settlesim.errors import DeduplicationError, ReadError, SettlesimError, shorten
from settlesim.runtime.messages import event_body

if TYPE_CHECKING:
    from settlesim.store import FifoQueue

__all__ = ["send_lines"]

_MOST: Final = 500
"""How many events one write accepts at most."""
_CHUNK: Final = 65_536
_LONGEST: Final = 4 * MAX_BYTES
_FIELDS: Final = {"key", "event", "data", "id"}


class BinaryIO(Protocol):
    """What can be read as it arrives."""

    def read1(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    key: str
    event: str
    body: Any
    event_id: str | None


class _BadLineError(Exception):
    """A line that cannot be sent."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")


def send_lines(
    chart: Chart, target: FifoQueue, source: str, known: Sequence[str] | None, as_json: bool
) -> None:
    """Send the events of a file.

    Parameters
    ----------
    target : the queue
    source : a path, or ``-`` for standard input
    known : the events that are meant; None for any
    as_json : whether to print a line of JSON for each event, when it is accepted

    Raises
    ------
    Refusal
        A line that is wrong; it says which, and what was accepted before it.
    """
    sent = _Sent(as_json)
    with contextlib.ExitStack() as stack:
        stream: BinaryIO
        if source == "-":
            buffer: Any = sys.stdin.buffer
            stream = buffer if hasattr(buffer, "read1") else io.BytesIO(buffer.read())
        else:
            stream = stack.enter_context(open(source, "rb"))
        try:
            for batch in _batches(stream, chart, known):
                with interrupts_wait():
                    for accepted, numbers in _accept(target, batch):
                        sent.add(accepted, numbers)
        except _BadLineError as error:
            raise Refusal(f"{error} {sent.told()}") from None
        except (SettlesimError, KeyboardInterrupt):
            click.echo(sent.told(), err=True)
            raise
    if not as_json:
        click.echo(sent.told())


class _Sent:
    """Counts what was accepted."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._count = 0
        self._first = self._last = 0

    def add(self, batch: Sequence[_Line], numbers: Sequence[int]) -> None:
        """Note that these lines are on the disk, and say so where that is wanted."""
        for line, number in zip(batch, numbers, strict=True):
            if self._as_json:
                facts = {"line": line.number, "key": line.key, "event": line.event}
                click.echo(json.dumps({**facts, "message": number}, ensure_ascii=False))
        if batch:
            self._count += len(batch)
            self._first = self._first or batch[0].number
            self._last = batch[-1].number

    def told(self) -> str:
        """Say what was accepted."""
        if not self._count:
            return "Nothing was sent."
        lines = f"lines {self._first} to {self._last}"
        if self._first == self._last:
            lines = f"line {self._last}"
        return f"Accepted {self._count} event{'s' if self._count > 1 else ''}, {lines}."


def _accept(
    target: FifoQueue, batch: Sequence[_Line]
) -> Iterator[tuple[Sequence[_Line], Sequence[int]]]:
    """Accept a batch in one write; where an id stands against that, line by line.

    Raises
    ------
    _BadLineError
        The id of a line was used for another event.
    """
    try:
        yield batch, target.send_many([(each.body, each.key, each.event_id) for each in batch])
        return
    except DeduplicationError:
        pass
    for each in batch:
        try:
            number = target.send(each.body, each.key, each.event_id)
        except DeduplicationError as error:
            raise _BadLineError(each.number, str(error)) from None
        yield [each], [number]


def _batches(
    stream: BinaryIO, chart: Chart, known: Sequence[str] | None
) -> Iterator[Sequence[_Line]]:
    """Return what can be sent in one write: all lines that are there by now.

    Raises
    ------
    _BadLineError
        After the batch of the lines before.
    """
    for texts in _arriving(stream):
        batch: list[_Line] = []
        for number, text in texts:
            if not text.strip():
                continue
            try:
                batch.append(_read(number, text, chart, known))
            except _BadLineError:
                yield batch
                raise
        yield batch


def _arriving(stream: BinaryIO) -> Iterator[list[tuple[int, bytes]]]:
    """Return lines with their numbers, as many as have arrived.

    Raises
    ------
    _BadLineError
        A line that is longer than any event may be.
    """
    rest, number = b"", 0
    while chunk := stream.read1(_CHUNK):  # waits only where nothing has arrived
        *lines, rest = (rest + chunk).split(b"\n")
        for begin in range(0, len(lines), _MOST):
            batch = lines[begin : begin + _MOST]
            yield list(enumerate(batch, number + 1))
            number += len(batch)
        if len(rest) > _LONGEST:
            raise _BadLineError(number + 1, f"it has more than {_LONGEST} bytes.")
    if rest:
        yield [(number + 1, rest)]


def _read(number: int, text: bytes, chart: Chart, known: Sequence[str] | None) -> _Line:
    try:
        record = decode(text)
    except ReadError as error:
        raise _BadLineError(number, f"{error.reason}.") from None
    flaw = _flaw(record)
    if flaw:
        raise _BadLineError(number, flaw)
    event = record["event"]
    try:
        body = event_body(event, record.get("data"))
    except SettlesimError as error:
        raise _BadLineError(number, f"{error}.") from None
    flaw = None if known is None else check_event(chart, event, known)
    if flaw:
        raise _BadLineError(number, flaw)
    return _Line(number, record["key"], event, body, record.get("id"))


def _flaw(record: Any) -> str | None:
    if not isinstance(record, dict):
        return f"it is {shorten(record, 40)}, and an object with key and event is needed."
    more = [name for name in record if name not in _FIELDS]
    if more:
        return f"it has {shorten(more[0], 40)}; a line has key, event, data and id."
    for name in ("key", "event"):
        if name not in record:
            return f"it has no {name!r}."
    flaw = key_flaw(record["key"])
    if flaw:
        return f"its key {flaw}."
    given = record.get("id")
    if given is not None and key_flaw(given):
        return f"its id is {shorten(given, 40)}; a text that is not empty is needed."
    return None
