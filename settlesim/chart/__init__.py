"""The chart as data: no I/O except reading charts, no clock, no randomness, no `transitions`."""

from settlesim.chart.chart import Chart
from settlesim.chart.definition import (
    DEFAULT_TAGS,
    EVENTLESS,
    Delay,
    Invocation,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
    TransitionKind,
)
from settlesim.chart.event import Event, external_event
from settlesim.chart.reader import chart_to_json, read_chart
from settlesim.chart.snapshot import Snapshot

__all__ = [
    "DEFAULT_TAGS",
    "EVENTLESS",
    "Chart",
    "Delay",
    "Event",
    "Invocation",
    "Node",
    "NodeKind",
    "SettlingTags",
    "Snapshot",
    "Transition",
    "TransitionKind",
    "chart_to_json",
    "external_event",
    "read_chart",
]
