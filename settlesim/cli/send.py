"""``settlesim send``: put events into a chart's queue, on the disk."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import click

from settlesim.chart import Chart
from settlesim.chart.snapshot import key_flaw
from settlesim.chart.strict_json import MAX_BYTES, decode
from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command, Refusal, interrupts_wait
from settlesim.cli.stand_ins import parse_json
from settlesim.cli.store_options import (
    check_event,
    deduplication_option,
    queue_store,
    store_option,
)
from settlesim.errors import DeduplicationError, ReadError, SettlesimError, shorten
from settlesim.runtime.event_messages import event_body, start_body

if TYPE_CHECKING:
    from settlesim.store import FifoQueue

__all__ = [
    "send",
    "send_lines",
]

_MOST: Final = 500
"""How many events one write accepts at most."""
_CHUNK: Final = 65_536
_LONGEST: Final = 4 * MAX_BYTES
_FIELDS: Final = {"key", "event", "data", "id", "start"}


class BinaryIO(Protocol):
    """A stream whose bytes can be read as they arrive."""

    def read1(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    key: str
    event: str | None
    """None for the start of an instance."""
    body: Any
    event_id: str | None


class _BadLineError(Exception):
    """A line that cannot be sent."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")


def send_lines(chart: Chart, target: FifoQueue, source: str, *, force: bool, as_json: bool) -> None:
    """Send the events of a file.

    Parameters
    ----------
    target : the queue
    source : a path, or ``-`` for standard input
    force : whether events for which the chart has no transition are sent too
    as_json : whether to print a line of JSON for each event, when it is accepted

    Raises
    ------
    Refusal
        A line is wrong; the message says which one, and what was accepted before it.
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
            for batch in _batches(stream, chart, force=force):
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
        """Count lines that are on the disk now; with `as_json`, print each of them."""
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
    """Accept a batch in one write; line by line if an id was used for another event.

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


def _batches(stream: BinaryIO, chart: Chart, *, force: bool) -> Iterator[Sequence[_Line]]:
    """Yield batches to be sent in one write each: all lines that have arrived.

    Raises
    ------
    _BadLineError
        A line is wrong; raised after the batch of the lines before it.
    """
    for texts in _arriving(stream):
        batch: list[_Line] = []
        for number, text in texts:
            if not text.strip():
                continue
            try:
                batch.append(_read(number, text, chart, force=force))
            except _BadLineError:
                yield batch
                raise
        yield batch


def _arriving(stream: BinaryIO) -> Iterator[list[tuple[int, bytes]]]:
    """Yield the lines that have arrived, with their numbers.

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


def _read(number: int, text: bytes, chart: Chart, *, force: bool) -> _Line:
    try:
        record = decode(text)
    except ReadError as error:
        raise _BadLineError(number, f"{error.reason}.") from None
    flaw = _flaw(record)
    if flaw:
        raise _BadLineError(number, flaw)
    if "start" in record:
        return _Line(number, record["key"], None, start_body(), record.get("id"))
    event = record["event"]
    try:
        body = event_body(event, record.get("data"))
    except SettlesimError as error:
        raise _BadLineError(number, f"{error}.") from None
    flaw = None if force else check_event(chart, event)
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
        if name not in record and not (name == "event" and "start" in record):
            return f"it has no {name!r}."
    if "start" in record and (record["start"] is not True or {"event", "data"} & set(record)):
        return 'its start is to be true, without event and data: {"key": KEY, "start": true}.'
    flaw = key_flaw(record["key"])
    if flaw:
        return f"its key {flaw}."
    given = record.get("id")
    if given is not None and key_flaw(given):
        return f"its id is {shorten(given, 40)}; a text that is not empty is needed."
    return None


def _data(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    return None if value is None else parse_json(value)


@click.command(
    cls=Command,
    short_help="Put events into a chart's queue.",
    help=f"""Put EVENT for the instance KEY into the queue of CHART, or many events from a file.

    With --start instead of EVENT, the instance is started without an event; an existing one is
    left alone.

    An event that was accepted is on the disk and is handled once by `settlesim work`, after
    all earlier ones of its key. A duplicate with the same --id for the same key is accepted
    only once within five minutes; with --deduplication-scope queue, for any key.

    {CHART_HELP}

    A file of events has one JSON object on each line, with key, event and, where wanted,
    data and id; for a start, with key and "start": true. It is read up to the first invalid
    line; the events before that line are accepted.

    \b
    Exit status: 0; 1 where the store failed or refuses the chart's version; 2 for wrong arguments,
    charts, lines, and events that the chart has no transition for; 130
    after Ctrl-C, which says what was accepted before it.

    \b
    Examples:
      settlesim send count c1 COUNT --store counts.db
      settlesim send order o1 PAY --data '{{"card": "gold"}}' --id pay-17 --store s.db
      settlesim send order o2 --start --store s.db
      settlesim send count --lines events.jsonl --store counts.db
      generate | settlesim send count --lines - --store counts.db""",
)
@chart_argument
@click.argument("key", required=False)
@click.argument("event", required=False)
@store_option(exists=False, queues=True)
@click.option("--data", metavar="JSON", callback=_data, help="The event's data.")
@click.option(
    "--id", "event_id", metavar="TEXT", help="The id of the event, the same for each duplicate."
)
@deduplication_option
@click.option(
    "--lines",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Send the events of a file; - for standard input.",
)
@click.option("--start", is_flag=True, help="Start the instance, without an event.")
@click.option("--force", is_flag=True, help="Also events that the chart has no transition for.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each event.")
def send(
    *,
    source: Source,
    key: str | None,
    event: str | None,
    path: str,
    data: Any,
    event_id: str | None,
    deduplication_scope: Literal["message_group", "queue"],
    lines: str | None,
    start: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Send one event, or those of a file."""
    from settlesim.chart.snapshot import check_key
    from settlesim.store import FifoQueue

    name = source.chart.name
    if lines is not None:
        if key is not None or data is not None or event_id is not None or start:
            raise click.UsageError("with --lines, the file says key, event, data and id")
        with queue_store(path) as store:
            store.check_version(name, source.chart.version)
            target = FifoQueue(store, name, deduplication_scope=deduplication_scope)
            send_lines(source.chart, target, lines, force=force, as_json=as_json)
        return
    if key is None or (event is None and not start):
        raise click.UsageError("KEY and EVENT are missing, or --lines FILE")
    check_key(key)
    if event is None:
        if data is not None:
            raise click.UsageError("--data is for an event, and --start has none")
        body = start_body()
    elif start:
        raise click.UsageError("either EVENT or --start")
    else:
        body = event_body(event, data)
        flaw = None if force else check_event(source.chart, event)
        if flaw:
            raise Refusal(flaw)
    with queue_store(path) as store:
        store.check_version(name, source.chart.version)
        target = FifoQueue(store, name, deduplication_scope=deduplication_scope)
        number = target.send(body, key, event_id)
    _tell(name, key, event, number, as_json=as_json)


def _tell(chart: str, key: str, event: str | None, number: int, *, as_json: bool) -> None:
    from settlesim.cli.text import plain

    if as_json:
        record = {"key": key, "event": event, "message": number}
        click.echo(json.dumps(record, ensure_ascii=False))
    else:
        what = "the start of" if event is None else f"{plain(event)} for"
        click.echo(f"Accepted {what} {plain(key)}: message {number} of queue {chart}.")
