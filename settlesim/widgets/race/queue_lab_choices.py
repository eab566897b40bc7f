"""What is chosen in a queue lab, and why a choice makes no sense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from keyword import iskeyword
from typing import Any, Final, TypedDict

from settlesim.chart import Chart, NodeKind, TransitionKind
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import SettlesimError, SimulationError, shorten
from settlesim.sim import (
    BATCH_FAILURES,
    DISCIPLINES,
    POLICIES,
    PROTECTIONS,
    Criterion,
    Faults,
    Property,
    Scenario,
)

__all__ = [
    "FAULT_WORDS",
    "Choices",
    "LabChanges",
    "LabChoices",
    "QueueLabOptions",
    "code_of",
    "events_of",
    "options_of",
    "problems_of",
    "starts_of",
]

FAULT_WORDS: Final[Mapping[str, str]] = {
    "crashes": "a worker stops between two steps",
    "expiries": "the visibility time-out passes while the handler goes on",
    "duplicates": "the queue delivers again what was deleted",
    "service_failures": "a service fails",
}
"""What each fault is, by the names of `Faults`."""

_CRITERIA: Final = {
    "fifo": "as one after another, in arrival order",
    "serializable": "as one after another, in any order",
}
MOST_EVENTS: Final = 12


class LabChoices(TypedDict, total=False):
    """How events are handled, as `Scenario` takes it."""

    keys: int
    workers: int
    queue: str
    protections: Iterable[str]
    faults: Mapping[str, int]
    max_receives: int | None
    criterion: str
    start: str | None
    batch: int
    batch_failures: str
    while_running: str


class QueueLabOptions(LabChoices, total=False):
    """The options of a queue lab."""

    data: Mapping[str, JSONValue] | None
    results: Mapping[str, JSONValue] | None
    properties: Iterable[Property]
    limit: int


class LabChanges(LabChoices, total=False):
    """What can be chosen in a queue lab."""

    events: Iterable[str]


@dataclass(frozen=True, slots=True)
class Choices:
    """All choices; their values may make no sense."""

    events: tuple[str, ...] = ()
    """In arrival order, the same for every instance."""
    keys: Any = 1
    workers: Any = 2
    queue: Any = "direct"
    protections: tuple[str, ...] = ()
    faults: Mapping[str, Any] = field(default_factory=dict)
    max_receives: Any = None
    criterion: Any = "fifo"
    start: Any = None
    batch: Any = 1
    batch_failures: Any = "whole"
    while_running: Any = "enqueue"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        faults = {name: self.faults.get(name, 0) for name in Faults._fields}
        return {
            **found,
            "events": list(self.events),
            "protections": list(self.protections),
            "faults": faults,
        }

    def scenario(
        self, chart: Chart, data: Mapping[str, JSONValue], results: Mapping[str, JSONValue] | None
    ) -> Scenario:
        """Return the scenario.

        Parameters
        ----------
        data : the data of the events, by name
        results : as `Scenario`

        Raises
        ------
        SimulationError
            The choices make no sense.
        """
        events: list[Any] = list(self.events)
        keys = self.keys
        if data and isinstance(keys, int) and keys > 0:  # only events with a key have data
            events = [
                (f"{chart.name}-{number}", event, data.get(event))
                for number in range(1, keys + 1)
                for event in self.events
            ]
            keys = 1
        return Scenario(
            chart,
            events,
            self.workers,
            self.queue if isinstance(self.queue, str) else repr(self.queue),
            protections=self.protections,
            faults={name: number for name, number in self.faults.items() if number != 0},
            start=self.start,
            keys=keys,
            max_receives=self.max_receives,
            criterion=self.criterion,
            results=results,
            batch=self.batch,
            batch_failures=self.batch_failures,
            while_running=self.while_running,
        )


def changed(choices: Choices, **changes: Any) -> Choices:
    """Return choices with some of them changed; faults that are not named stay as they are.

    Raises
    ------
    SimulationError
        There is no such choice.
    """
    known = [each.name for each in fields(Choices)]
    for name in changes:
        if name not in known:
            raise SimulationError(
                where="choice", reason=f"{shorten(name)} is none; known are {', '.join(known)}"
            )
    for name in ("events", "protections"):
        if name in changes:
            changes[name] = tuple(changes[name])
    if "faults" in changes:
        changes["faults"] = {**choices.faults, **changes["faults"]}
    return replace(choices, **changes)


# --- what makes no sense ------------------------------------------------------------------


def problems_of(
    choices: Choices,
    chart: Chart,
    data: Mapping[str, JSONValue],
    results: Mapping[str, JSONValue] | None,
) -> dict[str, str]:
    """Return why choices make no sense, by their names; empty if all do.

    Each choice is judged on its own. If none has a problem, all of them together are judged, under
    the name ``all``. Protections and faults stand under their own names.
    """
    plain = Choices(choices.events)
    alone: dict[str, Choices] = {"events": plain}
    for name in ("keys", "workers", "queue", "criterion", "start"):
        alone[name] = replace(plain, **{name: getattr(choices, name)})
    queue = choices.queue if isinstance(choices.queue, str) and choices.queue in DISCIPLINES else ""
    under = replace(plain, queue=queue or "standard")
    for name in ("max_receives", "batch", "while_running"):
        alone[name] = replace(under, **{name: getattr(choices, name)})
    batches = replace(plain, queue="fifo_group", batch=max(2, _whole(choices.batch)))
    alone["batch_failures"] = replace(batches, batch_failures=choices.batch_failures)
    for name in choices.protections:
        alone[name] = replace(under, protections=(name,))
    for name, number in choices.faults.items():
        alone[name] = replace(under, faults={name: number})
    found: dict[str, str] = {}
    for name, each in alone.items():
        try:
            each.scenario(chart, data, results)
        except SettlesimError as error:
            if name == "events" or "events" not in found:
                found[name] = _reason(error)
    if not found:  # each choice makes sense on its own, but they may contradict each other
        try:
            choices.scenario(chart, data, results)
        except SettlesimError as error:
            found["all"] = str(error)
    return found


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _reason(error: SettlesimError) -> str:
    return error.reason if isinstance(error, SimulationError) else str(error)


# --- what there is to choose --------------------------------------------------------------


def events_of(chart: Chart) -> tuple[str, ...]:
    """Return the events that a chart takes, in the order in which it names them."""
    edges = (edge for edge in chart.edges if edge.kind is TransitionKind.EXTERNAL)
    return tuple(dict.fromkeys(edge.trigger for edge in edges))


def starts_of(chart: Chart) -> tuple[str, ...]:
    """Return the states in which an instance may be before the first event."""
    leaves = (node for node in chart.states if not node.children)
    rests = (node for node in leaves if chart.rest_of(node.name) == "resolved")
    return tuple(node.name for node in rests if node.kind is not NodeKind.FINAL)


def options_of(chart: Chart) -> dict[str, Any]:
    """Return everything that can be chosen, with what it means, as plain JSON."""
    return {
        "chart": chart.name,
        "events": list(events_of(chart)),
        "most": MOST_EVENTS,
        "disciplines": [
            {"name": name, "words": each.meaning} for name, each in DISCIPLINES.items()
        ],
        "protections": [{"name": name, "words": words} for name, words in PROTECTIONS.items()],
        "faults": [{"name": name, "words": words} for name, words in FAULT_WORDS.items()],
        "criteria": [{"name": each.value, "words": _CRITERIA[each.value]} for each in Criterion],
        "starts": list(starts_of(chart)),
        "batch_failures": [
            {"name": name, "words": words} for name, words in BATCH_FAILURES.items()
        ],
        "policies": [{"name": name, "words": words} for name, words in POLICIES.items()],
    }


# --- as source text -----------------------------------------------------------------------


def code_of(scenario: Scenario, start: str | None = None) -> str:
    """Return the code to write in a cell to explore the same scenario.

    The chart is referred to by its own name, or as `chart` if that is not a valid name in Python;
    properties are referred to as `properties`.

    Parameters
    ----------
    start : the name of the state that the scenario starts in
    """
    several = len(scenario.instances) > 1 or any(each.data is not None for each in scenario.events)
    events: list[Any] = [None if each.starts else each.event for each in scenario.events]
    if several:
        events = [
            tuple(each)
            if each.data is not None
            else (each.key, None if each.starts else each.event)
            for each in scenario.events
        ]
    name = scenario.chart.name
    parts = [name if name.isidentifier() and not iskeyword(name) else "chart", _source(events)]
    if scenario.workers != Choices().workers:
        parts.append(f"workers={scenario.workers}")
    faults = {name: number for name, number in scenario.faults._asdict().items() if number}
    named = {
        "queue": scenario.queue,
        "protections": list(scenario.protections),
        "faults": faults,
        "max_receives": scenario.max_receives,
        "criterion": scenario.criterion.value,
        "start": start,
        "batch": scenario.batch,
        "batch_failures": scenario.batch_failures,
        "while_running": scenario.while_running,
    }
    usual = Choices()
    parts += [
        f"{name}={_source(value)}"
        for name, value in named.items()
        if value and (name == "queue" or value != getattr(usual, name))
    ]
    if scenario.properties:
        parts.append("properties=properties")
    call = f"explore(Scenario({', '.join(parts)}))"
    return f"from settlesim.sim import Scenario, explore\n{call}"


def _source(value: Any) -> str:
    """Return a value as source text, with double quotes where possible."""
    if isinstance(value, Mapping):
        pairs = (f"{_source(name)}: {_source(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_source, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    text = repr(value)
    if isinstance(value, str) and text[0] == "'" and '"' not in text:
        return f'"{text[1:-1]}"'
    return text
