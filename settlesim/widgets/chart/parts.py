"""The parts of a `ChartPanel`: the picture, the instance now, its context, its record."""

from __future__ import annotations

from typing import Any

from settlesim.chart import Chart, TransitionKind
from settlesim.chart.secrets import hide_in_snapshot
from settlesim.display import Direction
from settlesim.errors import RenderError
from settlesim.view.chart.drawing import CELL
from settlesim.widgets.base.live_svg import fitting_picture
from settlesim.widgets.chart.instance import PastEvent, Stage
from settlesim.widgets.chart.page_state import (
    accepted,
    changes,
    entry_of,
    headline,
    pairs,
    running_of,
    sentence,
    steps_of,
)
from settlesim.widgets.chart.records import record_text

__all__ = ["context_part", "now_part", "picture_part", "record_part"]


def picture_part(
    chart: Chart, direction: Direction | None = None, width: float = CELL
) -> dict[str, Any]:
    """Return the picture with its events; without one, why it could not be drawn."""
    edges = {
        f"e{index}": {"event": edge.trigger, "source": edge.source, "dest": edge.dest}
        for index, edge in enumerate(chart.edges)
        if edge.kind is TransitionKind.EXTERNAL
    }
    found = {"name": chart.name, "edges": edges, "why": ""}
    try:
        return {**found, **fitting_picture(chart, direction, width).to_dict()}
    except RenderError as error:
        why = f"The chart is not drawn: {error}"
        return {**found, "why": why, "svg": "", "nodes": [], "boxes": {}}


def now_part(stage: Stage, entry: PastEvent, *, past: bool) -> dict[str, Any]:
    """Return the instance's active states, its path, and the events that may be sent."""
    common = {"flight": stage.flights, "entry": entry.number, "key": stage.key}
    if stage.flight is not None and not past:
        return {**common, **_flying(stage)}
    chart = stage.chart
    settlement = entry.settlement
    here = entry.snapshot.configuration
    return {
        **common,
        "status": "past" if past else "rest",
        "active": list(chart.active(here)),
        "steps": steps_of(chart, settlement.microsteps) if settlement else [],
        "enabled": pairs({} if past or stage.flight is not None else accepted(chart, here)),
        "running": [],
        "rate": 0,
        "time": None,
        "headline": sentence(chart, entry),
        "outcome": entry_of(chart, entry)["kind"],
        "saved": entry.snapshot.revision > 0,
    }


def _flying(stage: Stage) -> dict[str, Any]:
    flight, chart = stage.flight, stage.chart
    assert flight is not None
    settling = flight.settling
    return {
        "status": "manual" if flight.manual else "running",
        "active": list(chart.active(settling.configuration)),
        "steps": steps_of(chart, settling.microsteps),
        "enabled": [],
        "running": running_of(flight),
        "rate": flight.rate,
        "time": round(flight.now(), 3) if flight.manual else None,
        "headline": headline(chart, flight),
        "outcome": "",
        "saved": False,
    }


def context_part(stage: Stage, entry: PastEvent, *, past: bool) -> list[dict[str, Any]]:
    """Return the context key by key, with what the event has changed."""
    if stage.flight is not None and not past:
        settling = stage.flight.settling
        return changes(settling.before.context, settling.context, stage.chart.secret)
    settlement = entry.settlement
    before = settlement.before.context if settlement else entry.snapshot.context
    return changes(before, entry.snapshot.context, stage.chart.secret)


def record_part(stage: Stage, entry: PastEvent) -> dict[str, Any]:
    """Return the instance's record as its store keeps it."""
    snapshot = entry.snapshot
    saved = snapshot.revision > 0
    text = record_text(stage.key, hide_in_snapshot(snapshot, stage.chart.secret)) if saved else ""
    return {"text": text, "where": repr(stage.store), "saved": saved}
