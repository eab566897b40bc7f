"""`Scenario`: what is simulated, as a value.

Rules
-----
1. A scenario that makes no sense is refused when it is made, with the reason: for example a fault
   that the discipline cannot have, or a protection that the queue does not support.
2. Messages arrive in the order of `Scenario.events`, all of them before the first is received.
3. A delay of a settled state is a timer. Its message may enter the queue at any point after the
   save that started it, in front of the events that have not been received by then. It may also
   never come: a run may end while a timer is running.
4. Under ``direct`` there is no queue. Every handler may start at any point, whatever `workers` is,
   and the event of a handler that crashes is lost.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, NoneType
from typing import Any, Final, NamedTuple, Unpack

from settlesim.argument_checks import nearest, takes_options
from settlesim.chart import Chart, Event, Snapshot, external_event
from settlesim.chart.event import external_events, has_transition
from settlesim.chart.migration import Migration
from settlesim.chart.strict_json import FrozenDict, JSONValue, encode, freeze_object, thaw
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    SettlesimError,
    SimulationError,
    StoreDamagedError,
    shorten,
)
from settlesim.machine.program import check_snapshot, program_of
from settlesim.settling.settlement import START_EVENT, Elapsed, event_words
from settlesim.sim.assumptions import (
    TIMINGS,
    Assumptions,
    ServiceError,
    read_durations,
    read_errors,
)
from settlesim.sim.compiled import durable_delays
from settlesim.sim.disciplines import DISCIPLINES
from settlesim.sim.monitors import MONITORS
from settlesim.sim.observation import Vocabulary
from settlesim.sim.policies import BATCH_FAILURES, POLICIES
from settlesim.sim.properties import Property, checked_properties
from settlesim.sim.scenario_options import ScenarioChanges
from settlesim.sim.terms import Criterion

__all__ = ["PROTECTIONS", "Arrival", "Faults", "Scenario"]

PROTECTIONS: Final[Mapping[str, str]] = {
    "cas": "a save is refused where the instance is at another revision than was loaded",
    "fence": "a save is refused where the message was received again since",
    "inbox": "what is saved names the messages that are in it; a duplicate is only deleted",
    "idempotent": "a service that is called again for the same event has no second effect",
    "atomic": "a save deletes the message in one write, refused where the receipt is not good",
}
"""Every protection of the handler, with its meaning."""

_MAX: Final = 1_000  # of workers, faults and receives
_KEYS: Final = (
    "chart",
    "events",
    "workers",
    "queue",
    "protections",
    "faults",
    "start",
    "max_receives",
    "criterion",
    "monitors",
    "results",
    "timing",
    "durations",
    "errors",
    "timers",
    "old",
    "properties",
    "batch",
    "batch_failures",
    "while_running",
)
_TIMERS: Final = 4
"""The largest default of `Scenario.timers`."""


class Arrival(NamedTuple):
    """One event for one instance."""

    key: str
    event: str
    """The event's name; a reserved one if the message starts the instance without an event."""
    data: JSONValue = None

    @property
    def starts(self) -> bool:
        """Whether the message starts the instance without an event."""
        return self.event == START_EVENT.name

    @property
    def words(self) -> str:
        """The event as text for people: ``start`` for a message that starts the instance."""
        return event_words(Event(self.event))


class Faults(NamedTuple):
    """How often each fault may happen at most."""

    crashes: int = 0
    """A worker stops between two steps of a handler."""
    expiries: int = 0
    """A visibility time-out passes while the handler continues."""
    duplicates: int = 0
    """A message that was deleted is delivered again."""
    service_failures: int = 0
    """A service fails with an error or runs out of time, without having its effect."""


_NO_FAULTS: Final = Faults()


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Scenario:
    """A chart, events for its instances, and what may happen to them.

    Parameters
    ----------
    chart
        Its guards and assigns have to be bound; so do the services that `results` does not name.
    events
        ``"E"``, ``(key, "E")`` or ``(key, "E", data)``, in arrival order. An event that the chart
        does not know is ignored, as by the interpreter; see `unknown_events`. None instead of an
        event, or ``(key, None)``, is a message that starts the instance without an event.
    workers : how many handlers may run at the same time; 1 or more
    queue : a name in `DISCIPLINES`
    protections : names in `PROTECTIONS`
    faults : how often each fault may happen, by the names of `Faults`
    start
        The instances' state at the beginning: a snapshot, or the name of a settled state. None for
        new instances.
    keys : for events without a key: the number of instances, each of which gets all events
    max_receives
        After how many receives a message that is released becomes a dead letter; None for never.
    criterion : ``"fifo"`` or ``"serializable"``: what `Exploration.verdict` is about
    monitors : names in `MONITORS`; each may increase the number of states
    results
        What services return, by name; these services are not run. Needed for every service that
        awaits anything other than `call.sleep`.
    timing
        What is assumed about time inside one handler. ``"any"``: services and delays that run there
        complete in any order. ``"simulated"``: services take the time of their `call.sleep`, and
        delays that of the chart.
    durations
        How long services take, by name: seconds, or ``(least, most)``. Only orders of completion
        that some choice of durations allows are explored. Delays then take exactly their time, and
        services that are not named any time within their time-outs.
    errors
        What services may raise, by name: lists of exceptions. A `TimeoutError` in a list says that
        the service may have its effect even if nobody waits for it any more, because its time-out
        has passed or its state was left. Services that are not named raise an unspecified error.
        ``service_failures`` says how often services fail.
    batch
        How many messages of one group a worker may receive together at most; more than 1 needs
        ``queue="fifo_group"``.
    batch_failures
        A name in `BATCH_FAILURES`: what a failed message of a batch does to the others.
    while_running
        A name in `POLICIES`: what happens when an event arrives while another one of its instance
        waits or is handled.
    old
        An earlier version of the chart, which workers have until `chart` takes over, at any point.
        Messages that they received before are handled to their end by the earlier version. `start`
        is a state of the earlier version. None if all workers have `chart`.
    timers
        How often each delay of a settled state may come, for each instance. None for as often as
        the instance has events, up to 4. If a delay could come more often, nothing is proved.
    properties
        Your own questions, made by `always`, `never`, `eventually` and `sometimes`. Each gets a
        verdict.

    Raises
    ------
    SimulationError
        The parts make no sense together, or a name is unknown.
    InvalidValueError
        A result is not strict JSON.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> Scenario(order, ["PAY", "SHIP"]).events[0]
    Arrival(key='order-1', event='PAY', data=None)
    >>> Scenario(order, ["PAY"], queue="mutexes")
    Traceback (most recent call last):
    settlesim.errors.SimulationError: queue: unknown name 'mutexes'; did you mean 'mutex'?
    """

    chart: Chart
    events: Sequence[Arrival]
    workers: int
    queue: str
    protections: tuple[str, ...]
    faults: Faults
    start: Snapshot | None
    keys: int
    max_receives: int | None
    criterion: Criterion
    monitors: tuple[str, ...]
    results: FrozenDict | None
    timing: str
    durations: Mapping[str, tuple[float, float]]
    errors: Mapping[str, tuple[ServiceError, ...]]
    timers: int
    old: Chart | None
    properties: tuple[Property, ...]
    batch: int
    batch_failures: str
    while_running: str

    def __init__(
        self,
        chart: Chart,
        events: Sequence[Any],
        workers: int = 2,
        queue: str = "standard",
        *,
        protections: Collection[str] = (),
        faults: Mapping[str, int] | Faults = _NO_FAULTS,
        start: Snapshot | str | None = None,
        keys: int = 1,
        max_receives: int | None = None,
        criterion: Criterion | str = Criterion.FIFO,
        monitors: Collection[str] = (),
        results: Mapping[str, JSONValue] | None = None,
        timing: str = "any",
        durations: Mapping[str, float | tuple[float, float]] | None = None,
        errors: Mapping[str, Iterable[Any]] | None = None,
        timers: int | None = None,
        old: Chart | None = None,
        properties: Iterable[Property] = (),
        batch: int = 1,
        batch_failures: str = "whole",
        while_running: str = "enqueue",
    ) -> None:
        set_ = object.__setattr__
        set_(self, "chart", _chart(chart))
        set_(self, "old", _old(old, chart))
        _whole("keys", keys, 1)
        set_(self, "events", _messages(events, chart.name, keys))
        set_(self, "keys", len(self.instances))
        _whole("workers", workers, 1)
        set_(self, "workers", workers)
        set_(self, "queue", _named("queue", queue, DISCIPLINES))
        set_(self, "protections", _names("protections", protections, PROTECTIONS))
        set_(self, "monitors", _names("monitors", monitors, MONITORS))
        set_(self, "faults", _faults(faults))
        set_(self, "criterion", _criterion(criterion))
        set_(self, "start", _start(start, chart if old is None else old))
        if max_receives is not None:
            _whole("max_receives", max_receives, 1)
        set_(self, "max_receives", max_receives)
        set_(self, "results", _results(results, self._services()))
        set_(self, "timing", _named("timing", timing, TIMINGS))
        set_(self, "durations", _by_service("durations", durations, self._services()))
        set_(self, "errors", _by_service("errors", errors, self._services()))
        if timers is None:
            counts = Counter(each.key for each in self.events)
            timers = min(max(counts.values()), _TIMERS)
        _whole("timers", timers, 0)
        set_(self, "timers", timers)
        set_(self, "properties", checked_properties(properties, self.vocabulary))
        _whole("batch", batch, 1)
        set_(self, "batch", batch)
        set_(self, "batch_failures", _named("batch_failures", batch_failures, BATCH_FAILURES))
        set_(self, "while_running", _named("while_running", while_running, POLICIES))
        self._check_sense()

    def _check_sense(self) -> None:
        queue, faults = self.queue, self.faults
        if queue == "direct":
            self._check_direct()
        self._check_batch()
        if self.while_running != "enqueue":
            if self.batch > 1:
                raise _refusal("while_running", "is not explored together with batches")
            self._check_plain("while_running")
        if faults.duplicates and queue.startswith("fifo_"):
            raise _refusal(
                "faults['duplicates']",
                f"a FIFO queue delivers none of its own, and queue is {queue!r}",
            )
        if faults.service_failures and not self._services():
            raise _refusal(
                "faults['service_failures']",
                f"chart {self.chart.name!r} has no service that could fail",
            )
        if self.errors and not faults.service_failures:
            raise _refusal(
                "errors",
                "say what services raise, and not how often; give "
                "faults={'service_failures': 1} as well",
            )

        if self.old is not None and any(each.starts for each in self.events):
            raise _refusal("events", "start an instance, and a deployment is explored without that")

    def _check_batch(self) -> None:
        """Refuse batches that the other arguments do not allow."""
        if self.batch == 1:
            if self.batch_failures != "whole":
                raise _refusal("batch_failures", "is about batches; give batch=2 or more as well")
            return
        if self.queue != "fifo_group":
            raise _refusal(
                "batch",
                f"is of the messages of one group, and queue is {self.queue!r}; "
                "give queue='fifo_group'",
            )
        if "atomic" in self.protections:
            raise _refusal("protections", "atomic deletes with the save, a batch at its end")
        self._check_plain("batch")

    def _check_plain(self, where: str) -> None:
        """Refuse features that are not explored together with batches and policies."""
        if self.old is not None:
            raise _refusal(where, "is not explored together with a deployment (old)")
        delays = durable_delays(self.chart)
        if delays:
            raise _refusal(
                where,
                f"is explored only without delays in settled states, and chart {self.chart.name!r} "
                f"has {', '.join(delays)}",
            )

    def _services(self) -> list[str]:
        """Return the services that a worker of either version may call."""
        charts = [self.chart, *([] if self.old is None else [self.old])]
        roles = (item for chart in charts for item in chart.roles.items())
        return list(dict.fromkeys(name for name, role in roles if role == "service"))

    def _check_direct(self) -> None:
        """Refuse everything that needs a queue."""
        for where, needs, given in (
            ("faults['expiries']", "they need a queue", self.faults.expiries),
            ("faults['duplicates']", "they need a queue", self.faults.duplicates),
            ("protections", "fence needs the receipts of a queue", "fence" in self.protections),
            (
                "protections",
                "inbox needs messages that are redelivered",
                "inbox" in self.protections,
            ),
            ("protections", "atomic needs messages to delete", "atomic" in self.protections),
            ("max_receives", "needs a queue", self.max_receives is not None),
        ):
            if given:
                raise _refusal(where, f"{needs}, and queue is 'direct'")

    # --- properties -----------------------------------------------------------------------

    @property
    def instances(self) -> tuple[str, ...]:
        """The keys of the instances, in the order in which they are first named."""
        return tuple(dict.fromkeys(each.key for each in self.events))

    @cached_property
    def messages(self) -> tuple[Arrival, ...]:
        """Every message there may be: the events, then those of the timers.

        Each delay of a settled state has `timers` messages for each instance, since it may start
        again. Such a message enters the queue only when its delay has passed.
        """
        delays = () if self.old is None else durable_delays(self.old)
        delays += durable_delays(self.chart)
        return tuple(self.events) + tuple(
            Arrival(key, Elapsed(delay).event.name)
            for key in self.instances
            for delay in delays
            for _ in range(self.timers)
        )

    @property
    def unknown_events(self) -> tuple[str, ...]:
        """A note for each event that the chart does not know, and that is therefore ignored."""
        charts = [self.chart, *([] if self.old is None else [self.old])]
        known = [name for chart in charts for name in external_events(chart)]
        names = dict.fromkeys(
            each.event
            for each in self.events
            if not each.starts and not any(has_transition(chart, each.event) for chart in charts)
        )
        return tuple(
            f"chart {self.chart.name!r} has no event {shorten(name, 60)}, which is ignored; "
            f"{_hint(name, known)}"
            for name in names
        )

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that a predicate about the scenario may use."""
        charts = [self.chart, *([] if self.old is None else [self.old])]
        nodes = [node for chart in charts for node in chart.states]
        return Vocabulary(
            states=tuple(dict.fromkeys(node.name for node in nodes)),
            services=tuple(
                dict.fromkeys(each.src for node in nodes for each in node.invoke if each.effect)
            ),
            events=tuple(dict.fromkeys(each.event for each in self.messages)),
            keys=self.instances,
            fields=tuple(dict.fromkeys(name for chart in charts for name in chart.context)),
        )

    @property
    def assumptions(self) -> Assumptions:
        """What is known about time and errors."""
        return Assumptions(self.timing, self.durations, self.errors, self.timers)

    @takes_options(ScenarioChanges)
    def replace(self, **changes: Unpack[ScenarioChanges]) -> Scenario:
        """Return this scenario with some parts changed.

        Parameters
        ----------
        chart, events, workers, queue, protections, faults, start, keys, max_receives
            As `Scenario` takes them.
        criterion, monitors, results, timing, durations, errors, timers, old, properties
            As `Scenario` takes them.
        batch, batch_failures, while_running
            As `Scenario` takes them.

        Raises
        ------
        SimulationError
            As `Scenario`.
        """
        given: dict[str, Any] = {**changes}  # arguments have wider types than the fields
        return dataclasses.replace(self, **given)

    # --- reading and writing --------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as plain JSON, without the functions of its chart."""
        return {
            "chart": self.chart.to_dict(),
            "events": [
                [each.key, None if each.starts else each.event, thaw(each.data)]
                for each in self.events
            ],
            "workers": self.workers,
            "queue": self.queue,
            "protections": list(self.protections),
            "faults": self.faults._asdict(),
            "start": None if self.start is None else thaw(self.start.to_dict()),
            "max_receives": self.max_receives,
            "criterion": self.criterion.value,
            "monitors": list(self.monitors),
            "results": thaw(self.results),
            "timing": self.timing,
            "durations": {name: list(window) for name, window in self.durations.items()},
            "errors": {
                name: [error._asdict() for error in errors] for name, errors in self.errors.items()
            },
            "timers": self.timers,
            "old": None if self.old is None else self.old.to_dict(),
            "properties": [each.to_dict() for each in self.properties],
            **self.policies,
        }

    @property
    def policies(self) -> dict[str, Any]:
        """The arguments about batches and arrivals that differ from their defaults."""
        found: dict[str, Any] = {}
        if self.batch > 1:
            found |= {"batch": self.batch, "batch_failures": self.batch_failures}
        if self.while_running != "enqueue":
            found["while_running"] = self.while_running
        return found

    @classmethod
    def from_dict(
        cls,
        record: Mapping[str, Any],
        functions: Mapping[str, Any] | None = None,
        migrations: Iterable[Migration] = (),
    ) -> Scenario:
        """Read a mapping such as `to_dict` writes.

        Parameters
        ----------
        record : plain JSON
        functions : the functions to bind to the chart's names; None to leave them unbound
        migrations : the steps from the earlier version to the chart, if there is one

        Raises
        ------
        SimulationError, DefinitionError
            As the constructor, and for unknown keys.
        """
        if not isinstance(record, dict) or not {"chart", "events"} <= set(record):
            raise _refusal("scenario", "a mapping with 'chart' and 'events' is needed")
        for key in record:
            if key not in _KEYS:
                raise _unknown("scenario", key, _KEYS)
        rest = {**record, "chart": Chart.from_dict(record["chart"]).bind(functions or {})}
        if record.get("old") is not None:
            rest["chart"] = _bound(record["chart"], functions)
            rest["old"] = _bound(record["old"], functions)
            rest["chart"] = rest["chart"].with_migrations(*migrations)
        if not isinstance(rest.get("start"), (str, NoneType)):
            try:
                rest["start"] = Snapshot.from_dict(rest["start"], source="start")
            except StoreDamagedError as error:
                raise _refusal("start", f"is no snapshot: {error.reason}") from None
        return cls(**rest)

    # --- a value --------------------------------------------------------------------------

    def _parts(self) -> str:
        record = self.to_dict()
        del record["chart"], record["old"], record["properties"]
        return encode(record)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scenario):
            return NotImplemented
        charts = (self.chart, self.old) == (other.chart, other.old)
        same = charts and self._parts() == other._parts()
        return same and self.properties == other.properties

    def __hash__(self) -> int:
        return hash((self.chart, self._parts()))

    def __repr__(self) -> str:
        events = ", ".join(
            each.words if len(self.instances) == 1 else f"{each.key}: {each.words}"
            for each in self.events
        )
        parts = [f"{self.chart.name!r}", f"[{events}]", f"workers={self.workers}", self.queue]
        parts += self.protections
        parts += [f"{name}={n}" for name, n in self.faults._asdict().items() if n]
        if self.max_receives is not None:
            parts.append(f"max_receives={self.max_receives}")
        parts += [f"{name}={value}" for name, value in self.policies.items()]
        if self.timing != "any":
            parts.append(f"timing={self.timing}")
        if self.old is not None:
            parts.append(f"version {self.chart.version} takes over from {self.old.version}")
        parts += [f"{name}={least:g}..{most:g}s" for name, (least, most) in self.durations.items()]
        return f"Scenario({', '.join(parts)})"


# --- checks -------------------------------------------------------------------------------


def _refusal(where: str, reason: str) -> SimulationError:
    return SimulationError(where=where, reason=reason)


def _unknown(where: str, name: object, known: Collection[str]) -> SimulationError:
    return _refusal(where, f"unknown name {shorten(name)}; {_hint(name, known)}")


def _hint(name: object, known: Collection[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"known are {', '.join(known) or 'none'}"


def _whole(where: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= _MAX:
        raise _refusal(
            where, f"is {shorten(value)}; a whole number from {least} to {_MAX} is needed"
        )


def _named(where: str, name: object, known: Collection[str]) -> str:
    if not isinstance(name, str) or name not in known:
        raise _unknown(where, name, known)
    return name


def _names(where: str, names: object, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in the order of `known`, each once."""
    if names == "all":
        return tuple(known)
    if isinstance(names, str) or not isinstance(names, Collection):
        raise _refusal(where, f"is {shorten(names)}; a list of names is needed")
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise _unknown(where, name, known)
    return tuple(name for name in known if name in names)


def _chart(chart: object) -> Chart:
    if not isinstance(chart, Chart):
        raise _refusal("chart", f"is {shorten(chart, 60)}; a Chart is needed")
    return chart


def _bound(record: Mapping[str, Any], functions: Mapping[str, Any] | None) -> Chart:
    chart = Chart.from_dict(record)
    return chart.bind({k: v for k, v in (functions or {}).items() if k in chart.roles})


def _old(old: object, chart: Chart) -> Chart | None:
    """Return the earlier version, checked against the chart that takes over."""
    if old is None:
        return None
    if not isinstance(old, Chart):
        raise _refusal("old", f"is {shorten(old, 60)}; a Chart is needed")
    if old.name != chart.name or old.version >= chart.version:
        raise _refusal(
            "old",
            f"is {old.name!r} version {old.version}; an earlier version of {chart.name!r} than "
            f"{chart.version} is needed",
        )
    return old


def _results(results: object, services: list[str]) -> FrozenDict | None:
    if results is None:
        return None
    if not isinstance(results, Mapping):
        raise _refusal("results", f"is {shorten(results)}; a mapping from services is needed")
    for name in results:
        if name not in services:
            raise _unknown("results", name, services)
    return freeze_object(dict(results), where="results")


def _by_service(where: str, given: object, services: list[str]) -> Mapping[str, Any]:
    """Return durations or errors by service."""
    if given is None:
        return MappingProxyType({})
    if isinstance(given, Mapping):
        for name in given:
            if name not in services:
                raise _unknown(where, name, services)
    found = read_durations(given) if where == "durations" else read_errors(given)
    if isinstance(found, str):
        raise _refusal(where, found)
    return MappingProxyType(found)


def _faults(faults: object) -> Faults:
    if isinstance(faults, Faults):
        faults = faults._asdict()
    if not isinstance(faults, Mapping):
        raise _refusal("faults", f"is {shorten(faults)}; a mapping by name is needed")
    for name, number in faults.items():
        if name not in Faults._fields:
            raise _unknown("faults", name, Faults._fields)
        _whole(f"faults[{name!r}]", number, 0)
    return Faults(**faults)


def _criterion(criterion: object) -> Criterion:
    if isinstance(criterion, Criterion):
        return criterion
    names = {each.value: each for each in Criterion}
    if not isinstance(criterion, str) or criterion not in names:
        raise _unknown("criterion", criterion, names)
    return names[criterion]


def _start(start: object, chart: Chart) -> Snapshot | None:
    if start is None:
        return None
    if isinstance(start, str):
        if start not in chart:
            raise _unknown("start", start, [node.name for node in chart.states])
        start = Snapshot(chart.name, chart.version, chart.enter(start), chart.context, 1)
    if not isinstance(start, Snapshot):
        raise _refusal("start", f"is {shorten(start)}; a Snapshot or a state's name is needed")
    if type(start.context) is not FrozenDict:  # made by hand
        try:
            context = freeze_object(start.context, where="context")
        except SettlesimError as error:
            raise _refusal("start", str(error)) from None
        start = dataclasses.replace(start, context=context)
    try:
        check_snapshot(program_of(chart), start, "")
    except ChartMismatchError as error:
        raise _refusal("start", error.reason) from None
    return start


def _messages(events: object, name: str, keys: int) -> tuple[Arrival, ...]:
    if isinstance(events, (str, Mapping)) or not isinstance(events, Sequence) or not events:
        raise _refusal("events", f"is {shorten(events)}; a list of one event or more is needed")
    if len(events) * keys > _MAX:
        raise _refusal("events", f"are {len(events) * keys}; {_MAX} is the limit")
    read_before = all(isinstance(each, Arrival) for each in events)  # passed by `replace`
    if read_before and len({each.key for each in events}) == keys:
        return tuple(events)
    if keys > 1 and not all(isinstance(each, (str, enum.Enum, NoneType)) for each in events):
        raise _refusal("keys", "names a number of instances, and the events have keys already")
    return tuple(
        _message(each, f"events[{index}]", f"{name}-{number}")
        for number in range(1, keys + 1)
        for index, each in enumerate(events)
    )


def _message(spec: object, where: str, key: str) -> Arrival:
    if isinstance(spec, (str, enum.Enum, NoneType)):
        spec = (key, spec)
    if isinstance(spec, Arrival) and spec.starts:
        return spec
    if not isinstance(spec, (tuple, list)) or not 2 <= len(spec) <= 3:
        raise _refusal(where, f"is {shorten(spec)}; 'E', (key, 'E') or (key, 'E', data) is needed")
    if not isinstance(spec[0], str) or not spec[0]:
        raise _refusal(where, f"has the key {shorten(spec[0])}; text that is not empty is needed")
    if spec[1] is None:
        if len(spec) == 3 and spec[2] is not None:
            raise _refusal(where, "starts the instance without an event, so it has no data")
        return Arrival(spec[0], START_EVENT.name)
    try:
        event = external_event(spec[1], spec[2] if len(spec) == 3 else None)
    except (InvalidEventError, SettlesimError) as error:
        raise _refusal(where, str(error)) from None
    return Arrival(spec[0], event.name, event.data)
