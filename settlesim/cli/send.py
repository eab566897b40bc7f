"""``settlesim send``: put events into a chart's queue, on the disk."""

from __future__ import annotations

import json
from typing import Any, Literal

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.durable import (
    check_event,
    deduplication_option,
    external_events,
    queue_store,
    store_option,
)
from settlesim.cli.running import Command, Refusal
from settlesim.cli.stubs import parse_json

__all__ = ["send"]


def _data(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    return None if value is None else parse_json(value)


@click.command(
    cls=Command,
    short_help="Put events into a chart's queue.",
    help=f"""Put EVENT for the instance KEY into the queue of CHART, or many events from a file.

    An event that was accepted is on the disk and is handled once by `settlesim work`, after
    all earlier ones of its key. A duplicate with the same --id for the same key is accepted
    only once within five minutes; with --deduplication-scope queue, for any key.

    {CHART_HELP}

    A file of events has one JSON object on each line, with key, event and, where wanted,
    data and id. It is read until a line is wrong; what stands before that line is accepted.

    \b
    Exit status: 0; 1 where the store failed; 2 for wrong arguments,
    charts, lines, and events that the chart has no transition for; 130
    after Ctrl-C, which says what was accepted before it.

    \b
    Examples:
      settlesim send count c1 COUNT --store counts.db
      settlesim send order o1 PAY --data '{{"card": "gold"}}' --id pay-17 --store s.db
      settlesim send count --lines events.jsonl --store counts.db
      generate | settlesim send count --lines - --store counts.db""",
)
@chart_argument
@click.argument("key", required=False)
@click.argument("event", required=False)
@store_option(exists=False, queues=True)
@click.option("--data", metavar="JSON", callback=_data, help="The event's data.")
@click.option(
    "--id", "event_id", metavar="TEXT", help="The same for every duplicate of this event."
)
@deduplication_option
@click.option(
    "--lines",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Send the events of a file; - for standard input.",
)
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
    force: bool,
    as_json: bool,
) -> None:
    """Send one event, or those of a file."""
    from settlesim.chart.snapshot import check_key
    from settlesim.cli.sending import send_lines
    from settlesim.runtime.messages import event_body
    from settlesim.store import FifoQueue

    name = source.chart.name
    known = None if force else external_events(source.chart)
    if lines is not None:
        if key is not None or data is not None or event_id is not None:
            raise click.UsageError("with --lines, the file says key, event, data and id")
        with queue_store(path) as store:
            target = FifoQueue(store, name, deduplication_scope=deduplication_scope)
            send_lines(source.chart, target, lines, known, as_json)
        return
    if key is None or event is None:
        raise click.UsageError("KEY and EVENT are missing, or --lines FILE")
    check_key(key)
    body = event_body(event, data)
    flaw = None if known is None else check_event(source.chart, event, known)
    if flaw:
        raise Refusal(flaw)
    with queue_store(path) as store:
        target = FifoQueue(store, name, deduplication_scope=deduplication_scope)
        number = target.send(body, key, event_id)
    _tell(name, key, event, number, as_json=as_json)


def _tell(chart: str, key: str, event: str, number: int, *, as_json: bool) -> None:
    from settlesim.cli.words import plain

    if as_json:
        record = {"key": key, "event": event, "message": number}
        click.echo(json.dumps(record, ensure_ascii=False))
    else:
        click.echo(f"Accepted {plain(event)} for {plain(key)}: message {number} of queue {chart}.")
