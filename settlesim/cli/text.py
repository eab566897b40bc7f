"""Settlements and instances as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from settlesim.argument_checks import nearest
from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.secrets import hide, hide_in_snapshot
from settlesim.chart.strict_json import thaw
from settlesim.chart.trigger_words import trigger_words
from settlesim.cli.output import escaped
from settlesim.errors import shorten
from settlesim.settling.settlement import START_EVENT, Call, CallStatus, Settlement

__all__ = [
    "configuration_text",
    "instance_table",
    "json_line",
    "json_page",
    "plain",
    "settlement_record",
    "settlement_text",
    "snapshot_text",
    "table",
]

_WIDEST = 200  # characters of one JSON value; --json shows all of it


def json_page(value: Any) -> str:
    """Return indented JSON, with control characters escaped."""
    return escaped(json.dumps(value, indent=2, ensure_ascii=False))


def json_line(value: Any, limit: int = _WIDEST) -> str:
    """Return JSON in one line, with control characters escaped."""
    text = escaped(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def plain(text: str) -> str:
    """Return a text unchanged if it is printable, else its repr."""
    return text if text.isprintable() else repr(text)


def configuration_text(configuration: Iterable[str]) -> str:
    """Name a configuration."""
    return " + ".join(map(plain, configuration))


def table(rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Return rows as lines with aligned columns; the last column is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [
        indent
        + "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        + row[-1]
        for row in rows
    ]


# --- one settlement -----------------------------------------------------------------------


def settlement_text(settlement: Settlement, events: Sequence[str]) -> str:
    """Tell what one event did.

    Parameters
    ----------
    events : the events that the instance takes now; shown if the event was ignored
    """
    secret = _secret(settlement)
    lines = [_headline(settlement)]
    if settlement.outcome is Outcome.IGNORED and settlement.event != START_EVENT:
        lines.append(_why_ignored(settlement, events))
    if settlement.outcome is Outcome.IGNORED and not settlement.saved:
        return "\n".join(lines)
    if settlement.microsteps:
        lines += ["", "path", *_path(settlement)]
    if settlement.calls:
        lines += [
            "",
            "services",
            *table([_call(each, secret) for each in settlement.calls], indent="  "),
        ]
    before, after = settlement.before.context, settlement.after.context
    if before or after:
        lines += ["", "context", *_context(before, after, secret)]
    if settlement.timers:
        rows = [(plain(each.id), f"passes in {each.seconds:g} s") for each in settlement.timers]
        lines += ["", "delays, which a worker lets pass", *table(rows, indent="  ")]
    return "\n".join(lines)


def _headline(settlement: Settlement) -> str:
    key, event = shorten(settlement.key), plain(settlement.event.name)
    there = configuration_text(settlement.path[-1])
    if settlement.event == START_EVENT:
        return f"{settlement.outcome.name}: {_start_words(settlement, key, there)}"
    words = {
        Outcome.RESOLVED: f"{event} brought {key} to {there}",
        Outcome.DONE: f"{event} brought {key} to its end in {there}",
        Outcome.REJECTED: f"{event} brought {key} to {there}",
        Outcome.IGNORED: f"{key} does not take {event} in {there}",
    }
    return f"{settlement.outcome.name}: {words[settlement.outcome]}"


def _start_words(settlement: Settlement, key: str, there: str) -> str:
    """Tell what a start without an event did."""
    if settlement.start is None:
        return f"{key} exists already, in {there}; it is left alone"
    if settlement.outcome is Outcome.IGNORED:
        return f"{key} has nothing to do in {there}, which is not settled: an event starts it"
    if settlement.outcome is Outcome.DONE:
        return f"{key} was started, and came to its end in {there}"
    return f"{key} was started, and is in {there}"


def _why_ignored(settlement: Settlement, events: Sequence[str]) -> str:
    name = settlement.event.name
    if name in events:
        return "There are transitions for it, and their guards said no."
    if not events:
        return "No event has a transition from there."
    close = nearest(name, events)
    hint = f"; did you mean {close!r}?" if close else "."
    return f"It takes {', '.join(map(plain, events))}{hint}"


def _path(settlement: Settlement) -> list[str]:
    begin = configuration_text(settlement.before.configuration)
    new = " (a new instance)" if settlement.before.revision == 0 else ""
    rows = [
        (_trigger(settlement.chart, step.trigger), f"-> {configuration_text(step.after)}")
        for step in settlement.microsteps
    ]
    return [f"  {begin}{new}", *table(rows, indent="  ")]


def _trigger(chart: Chart | None, trigger: str) -> str:
    return plain(trigger if chart is None else trigger_words(chart, trigger))


def _secret(settlement: Settlement) -> tuple[str, ...]:
    """Return the fields whose values are not shown."""
    return () if settlement.chart is None else settlement.chart.secret


def _call(call: Call, secret: tuple[str, ...]) -> tuple[str, str]:
    seconds = f"{call.seconds:.3f}".rstrip("0").rstrip(".")
    ended = f"{call.status.value} after {seconds} s"
    if call.status is CallStatus.DONE and call.result is not None:
        ended += f": {json_line(hide(call.result, secret))}"
    elif call.status is CallStatus.CANCELLED:
        ended = "cancelled: its state was left"
    elif call.error is not None:
        ended += f": {plain(_call_error(call.error, secret))}"
    return plain(call.service), ended


def _call_error(error: str, secret: tuple[str, ...]) -> str:
    """Return an error; only its type if its message may hold a secret value."""
    return error.partition(":")[0] if secret else error


def _context(
    before: Mapping[str, Any], after: Mapping[str, Any], secret: tuple[str, ...]
) -> list[str]:
    shown_before, shown_after = hide(before, secret), hide(after, secret)
    rows = []
    for name in dict.fromkeys([*before, *after]):
        was, now = json_line(shown_before.get(name)), json_line(shown_after.get(name))
        if name not in before:
            was = "(nothing)"
        rows.append((plain(name), now if was == now else f"{was} -> {now}"))
    return table(rows, indent="  ")


def settlement_record(settlement: Settlement) -> dict[str, Any]:
    """Return a settlement as plain JSON, with the values of secret fields hidden."""
    secret = _secret(settlement)
    event = settlement.event.to_dict()
    if "data" in event:
        event["data"] = hide(event["data"], secret)
    start = None if settlement.start is None else thaw(settlement.start.to_dict())
    return {
        "outcome": settlement.outcome.value,
        "key": settlement.key,
        "event": event,
        "before": hide_in_snapshot(settlement.before, secret).to_dict(),
        "after": hide_in_snapshot(settlement.after, secret).to_dict(),
        "path": [list(each) for each in settlement.path],
        "microsteps": [
            {
                "trigger": step.trigger,
                "before": list(step.before),
                "after": list(step.after),
                "context": thaw(hide(step.context, secret)),
            }
            for step in settlement.microsteps
        ],
        "calls": [
            {
                "service": call.service,
                "invocation": call.invocation,
                "input": thaw(hide(call.input, secret)),
                "status": call.status.value,
                "result": thaw(hide(call.result, secret)),
                "error": None if call.error is None else _call_error(call.error, secret),
                "seconds": call.seconds,
            }
            for call in settlement.calls
        ],
        "timers": [{"id": each.id, "seconds": each.seconds} for each in settlement.timers],
        "start": start if start is None else hide(start, secret),
    }


# --- one instance -------------------------------------------------------------------------


def snapshot_text(key: str, snapshot: Snapshot) -> str:
    """Return an instance with its state and its context."""
    return "\n".join([*table(list(_facts(key, snapshot))), *_known(snapshot)])


def _facts(key: str, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    yield "key", plain(key)
    yield "chart", f"{plain(snapshot.chart)} version {snapshot.version}"
    yield "state", configuration_text(snapshot.configuration)
    yield "revision", str(snapshot.revision)


def _known(snapshot: Snapshot) -> list[str]:
    if not snapshot.context:
        return ["context   {}"]
    rows = [(plain(name), json_line(value)) for name, value in snapshot.context.items()]
    return ["context", *table(rows, indent="  ")]


def instance_table(found: Sequence[tuple[str, Snapshot]]) -> list[str]:
    """Return a table with a line for each instance, below its head."""
    rows = [("KEY", "CHART", "REVISION", "STATE", "CONTEXT")]
    rows.extend(
        (
            plain(key),
            f"{plain(snapshot.chart)} v{snapshot.version}",
            f"{snapshot.revision:>8}",
            configuration_text(snapshot.configuration),
            json_line(snapshot.context, 60),
        )
        for key, snapshot in found
    )
    return table(rows)
