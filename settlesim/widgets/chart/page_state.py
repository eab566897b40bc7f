"""A stage as plain JSON for the page: what is active, what may be sent, what has changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from settlesim.chart import Chart, TransitionKind
from settlesim.chart.outcome import Outcome
from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import encode, freeze
from settlesim.chart.trigger_words import trigger_words
from settlesim.settling import Microstep, Settlement
from settlesim.settling.settlement import START_EVENT, event_words
from settlesim.widgets.chart.instance import PastEvent
from settlesim.widgets.chart.running_event import Activity, Flight

__all__ = [
    "accepted",
    "changes",
    "entry_of",
    "headline",
    "in_words",
    "pairs",
    "recorded_steps",
    "running_of",
    "sentence",
    "steps_of",
    "text_of",
    "texts_of",
]

_LONGEST: Final = 4_000
_SIGNS: Final = {
    Outcome.RESOLVED: "\N{CHECK MARK}",
    Outcome.DONE: "\N{BLACK SQUARE}",
    Outcome.REJECTED: "\N{MULTIPLICATION X}",
    Outcome.IGNORED: "\N{EN DASH}",
}


def in_words(configuration: tuple[str, ...]) -> str:
    """Return the active leaves as text."""
    return " + ".join(configuration)


def accepted(chart: Chart, configuration: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the events that a configuration takes, each with the ids of its edges."""
    active = set(chart.active(configuration))
    found: dict[str, list[str]] = {}
    for index, edge in enumerate(chart.edges):
        if edge.kind is TransitionKind.EXTERNAL and edge.source in active:
            found.setdefault(edge.trigger, []).append(f"e{index}")
    return found


def pairs(mapping: Mapping[str, Any]) -> list[list[Any]]:
    """Return a mapping of users' names as pairs, because a script's object has its own names."""
    return [[name, value] for name, value in mapping.items()]


def steps_of(chart: Chart, microsteps: tuple[Microstep, ...]) -> list[dict[str, Any]]:
    """Return what each microstep took and what was active afterwards."""
    return [
        {"edges": [f"e{edge}" for edge in step.edges], "active": list(chart.active(step.after))}
        for step in microsteps
    ]


def recorded_steps(chart: Chart, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the same as `steps_of`, for a settlement that a store has recorded.

    The record has the transitions of all microsteps in one list. If a microstep took several of
    them, all transitions count as those of the last microstep.
    """
    path = [leaves for leaves in record.get("path", ()) if all(leaf in chart for leaf in leaves)]
    edges = [f"e{edge}" for edge in record.get("edges", ())]
    after = path[1:]
    taken = [[edge] for edge in edges]
    if len(after) != len(edges):
        taken = [[] for _ in after[1:]] + [edges]
    return [
        {"edges": each, "active": list(chart.active(tuple(leaves)))}
        for each, leaves in zip(taken, after, strict=False)
    ]


def running_of(flight: Flight) -> list[dict[str, Any]]:
    """Return the services and delays that run."""
    return [_running(each) for each in flight.activities()]


def _running(each: Activity) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.service or f"delay of {each.limit:g} s",
        "service": each.service is not None,
        "node": each.node,
        "elapsed": round(each.elapsed, 3),
        "limit": each.limit,
        "input": None if each.input is None else encode(each.input)[:_LONGEST],
    }


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], secret: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the context key by key: its value, and how it differs from before.

    Parameters
    ----------
    secret : fields whose values are hidden; only that they have changed is shown
    """
    rows = []
    hidden_before, hidden_after = hide(before, secret), hide(after, secret)
    for key, value in after.items():
        kind = "same"
        if key not in before:
            kind = "new"
        elif before[key] != value or type(before[key]) is not type(value):
            kind = "changed"
        was = text_of(hidden_before[key]) if kind == "changed" else None
        rows.append({"key": key, "value": text_of(hidden_after[key]), "kind": kind, "was": was})
    gone = [key for key in before if key not in after]
    return rows + [
        {"key": key, "value": "", "kind": "gone", "was": text_of(hidden_before[key])}
        for key in gone
    ]


def text_of(value: Any) -> str:
    """Return JSON as text, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def entry_of(chart: Chart, entry: PastEvent) -> dict[str, Any]:
    """Return an entry of the list of settlements."""
    settlement = entry.settlement
    if settlement is None:
        return {
            "number": entry.number,
            "kind": entry.kind,
            "sign": "!" if entry.kind == "failed" else "\N{MIDDLE DOT}",
            "event": "",
            "outcome": "",
            "text": entry.text,
            "where": in_words(entry.snapshot.configuration),
            "data": None,
        }
    data = hide(settlement.event.data, chart.secret)
    return {
        "number": entry.number,
        "kind": settlement.outcome.value,
        "sign": _SIGNS[settlement.outcome],
        "event": event_words(settlement.event),
        "outcome": settlement.outcome.name,
        "text": _story(chart, settlement),
        "where": in_words(entry.snapshot.configuration),
        "data": None if data is None else text_of(data)[:200],
    }


def _story(chart: Chart, settlement: Settlement) -> str:
    """Say in one line what an event did."""
    kept = f"saved as revision {settlement.after.revision}" if settlement.saved else "not saved"
    if settlement.only_start_saved:
        kept = f"the start was saved as revision {settlement.after.revision}"
    if settlement.outcome is Outcome.IGNORED:
        here = settlement.path[-1]
        if settlement.event == START_EVENT and settlement.start is None:
            return f"the instance exists already, in {in_words(here)}"
        if settlement.event == START_EVENT:
            return (
                f"an event starts it in {in_words(here)}, which is not settled; nothing was saved"
            )
        takes = accepted(chart, here)
        told = f"; {kept}" if settlement.saved else ""
        if settlement.event.name in takes:
            return f"its guard said no in {in_words(here)}{told or '; nothing was saved'}"
        possible = ", ".join(takes) or "no event at all"
        return f"nothing takes it in {in_words(here)}, which takes {possible}{told}"
    path = " \N{RIGHTWARDS ARROW} ".join(map(in_words, settlement.path))
    reason = settlement.reason if settlement.outcome is Outcome.REJECTED else None
    return f"{path} ({reason}); {kept}" if reason else f"{path}; {kept}"


def sentence(chart: Chart, entry: PastEvent) -> str:
    """Say what an entry is, in one line."""
    told = entry_of(chart, entry)
    if told["event"]:
        return f"{told['event']} {told['outcome']}: {told['text']}"
    return f"{told['text']}, in {told['where']}"


def headline(chart: Chart, flight: Flight) -> str:
    """Say what is on its way."""
    settling = flight.settling
    waits = [each.service or f"{each.limit:g} s to pass" for each in flight.activities()]
    steps = settling.microsteps
    name = event_words(settling.event)
    last = trigger_words(chart, steps[-1].trigger) if steps else "start"
    last = "" if last == name else f": {last}"
    where = in_words(settling.configuration)
    return f"{name} is on its way{last}, now in {where}; waits for {', '.join(waits) or 'nothing'}"


def texts_of(values: Mapping[str, Any] | None, what: str) -> dict[str, str]:
    """Return values as JSON text, by name."""
    return {
        name: encode(freeze(value, where=f"{what} {name!r}"))
        for name, value in (values or {}).items()
    }
