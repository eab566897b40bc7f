"""How instances, events and settlements are written as JSON; secret values are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from settlesim.chart import Chart, Snapshot
from settlesim.chart.secrets import hide, hide_in_snapshot
from settlesim.engines import DeadEvent, EventStatus
from settlesim.store.entries import PastSettlement, StoredInstance
from settlesim.widgets.chart.page_state import accepted, recorded_steps

__all__ = [
    "chart_resource",
    "entity_tag",
    "fits",
    "instance_resource",
    "letter_resource",
    "settlement_resource",
    "snapshot_resource",
    "state_names",
    "state_value",
    "status_resource",
    "tags_of",
]


def state_value(configuration: tuple[str, ...]) -> Any:
    """Return active leaves as XState writes a state's value.

    Examples
    --------
    >>> state_value(("even",))
    'even'
    >>> state_value(("mixing.dry.sifting", "mixing.wet.whisking"))
    {'mixing': {'dry': 'sifting', 'wet': 'whisking'}}
    """
    tree: dict[str, Any] = {}
    for leaf in configuration:
        inside = tree
        for part in leaf.split("."):
            inside = inside.setdefault(part, {})
    return _collapsed(tree)


def _collapsed(tree: Mapping[str, Any]) -> Any:
    if len(tree) == 1:
        ((name, inside),) = tree.items()
        if not inside:
            return name
    return {name: _collapsed(inside) if inside else {} for name, inside in tree.items()}


def fits(chart: Chart, snapshot: Snapshot) -> bool:
    """Whether this version of the chart saved the snapshot, so that its states are known."""
    return (snapshot.chart, snapshot.version) == (chart.name, chart.version) and all(
        leaf in chart for leaf in snapshot.configuration
    )


def state_names(chart: Chart) -> list[str]:
    """Return the names of all states, those of earlier versions with a migration included."""
    charts = (chart, *(step.source for step in chart.migrations))
    return list(dict.fromkeys(node.name for each in charts for node in each.states))


def tags_of(chart: Chart, configuration: tuple[str, ...]) -> list[str]:
    """Return the tags of all active states, each once."""
    active = [chart.node(name) for name in chart.active(configuration)]
    return list(dict.fromkeys(tag for node in active for tag in node.tags))


def snapshot_resource(chart: Chart, snapshot: Snapshot) -> dict[str, Any]:
    """Return a state as JSON."""
    known = fits(chart, snapshot)
    shown = hide_in_snapshot(snapshot, chart.secret)
    return {
        "chart": snapshot.chart,
        "version": snapshot.version,
        "revision": snapshot.revision,
        "value": state_value(snapshot.configuration),
        "configuration": list(snapshot.configuration),
        "tags": tags_of(chart, snapshot.configuration) if known else [],
        "context": shown.context,
    }


def entity_tag(snapshot: Snapshot) -> str:
    """Return the entity tag of a settled state: its revision and the version of its chart.

    A migration changes the shown state, but not the revision. If-Match also takes a revision alone.
    """
    return f'"{snapshot.revision}.{snapshot.version}"'


def instance_resource(chart: Chart, instance: StoredInstance) -> dict[str, Any]:
    """Return an instance as JSON, with the events that it takes."""
    snapshot = instance.snapshot
    known = fits(chart, snapshot)
    return {
        "key": instance.key,
        **snapshot_resource(chart, snapshot),
        "final": instance.final,
        "saved_at": instance.saved_at,
        "accepts": accepted(chart, snapshot.configuration) if known else {},
    }


def status_resource(chart: Chart, status: EventStatus) -> dict[str, Any]:
    """Return the status of an event as JSON."""
    found = status.to_dict()
    if status.snapshot is not None:
        found["state"] = snapshot_resource(chart, status.snapshot)
    if chart.secret:
        found["errors"] = [error.partition(":")[0] for error in status.errors]
    return found


def letter_resource(chart: Chart, letter: DeadEvent) -> dict[str, Any]:
    """Return a dead letter as JSON."""
    found = letter.to_dict()
    if chart.secret:
        found["data"] = hide(letter.data, chart.secret)
        found["errors"] = [error.partition(":")[0] for error in letter.errors]
    return found


def settlement_resource(chart: Chart, past: PastSettlement) -> dict[str, Any]:
    """Return a settlement as JSON, with the steps that a page can show."""
    record = hide(past.record, chart.secret)
    event = record.get("event") or {}
    found = {
        "key": past.key,
        "number": past.number,
        "revision": past.revision,
        "at": past.at,
        "event": {"type": event.get("name"), "data": event.get("data")},
        "event_id": record.get("event_id"),
        "outcome": past.outcome,
        "calls": record.get("calls", []),
        "steps": recorded_steps(chart, record),
    }
    if past.snapshot is not None:
        found["state"] = snapshot_resource(chart, past.snapshot)
        if fits(chart, past.snapshot):
            found["accepts"] = accepted(chart, past.snapshot.configuration)
    return found


def chart_resource(chart: Chart) -> dict[str, Any]:
    """Return a chart as JSON; secret values in its initial context are hidden."""
    definition = chart.to_dict()
    if "context" in definition:
        definition["context"] = hide(definition["context"], chart.secret)
    return {"name": chart.name, "version": chart.version, "definition": definition}
