"""An event run again, to record everything that was asked and run on its way.

Theory of operation
-------------------
A settlement says which transitions fired, but not what was enabled and what each guard answered.
A run is deterministic, so it can be repeated from the same snapshot with the same answers of the
services. `trace` does that on the engine itself, with a `Program` that records every attempt to
fire a transition, and with guards and assigns that record their answers.

Guards and assigns are pure by contract. If one is not, and the second run differs from the
first, `Trace.differs` says so.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from settlesim.chart import Chart, Event, Snapshot, Transition
from settlesim.chart.event import matches
from settlesim.chart.strict_json import FrozenDict
from settlesim.errors import SettlesimError
from settlesim.machine.fired import NO_HISTORY, Fired, History
from settlesim.machine.program import Program
from settlesim.settling import Call, CallStatus, Microstep, Settlement
from settlesim.settling.settlement import START_EVENT
from settlesim.settling.settling import Settling

__all__ = ["Asked", "Attempt", "Trace", "again", "candidates", "chart_of_event", "trace"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a guard said, or an assign returned."""

    name: str
    answer: Any
    """True or False for a guard, the changes for an assign; or the exception that it raised."""


@dataclass(slots=True)
class Attempt:
    """One trigger tried in one configuration, with the result."""

    trigger: str
    event: Event
    configuration: tuple[str, ...]
    context: FrozenDict
    guards: list[Asked] = field(default_factory=list)
    assigns: list[Asked] = field(default_factory=list)
    fired: Fired | None = None
    """None if nothing was enabled, or an error ended it."""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """All attempts of one event, in order, and the second run itself."""

    attempts: tuple[Attempt, ...]
    settling: Settling | None
    """The second run; None if its first attempt failed."""
    differs: bool
    """Whether the second run took other microsteps, because a guard or an assign is not pure."""


class _Recorder(Program):
    """A program that records what it tries."""

    def __init__(self, chart: Chart) -> None:
        self.attempts: list[Attempt] = []
        super().__init__(
            chart.bind(
                {
                    name: self._written(name, chart.roles[name], function)
                    for name, function in chart.functions.items()
                    if chart.roles[name] != "service"
                }
            )
        )

    def _written(self, name: str, role: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)  # keeps the signature, which may have a parameter `active`
        def call(context: FrozenDict, event: Event, **active: Any) -> Any:
            try:
                answer = function(context, event, **active)
            except Exception as error:
                self._note(role, Asked(name, error))
                raise
            self._note(role, Asked(name, answer))
            return answer

        return call

    def _note(self, role: str, asked: Asked) -> None:
        attempt = self.attempts[-1]
        (attempt.guards if role == "guard" else attempt.assigns).append(asked)

    @contextlib.contextmanager
    def _attempt(self, attempt: Attempt) -> Iterator[Attempt]:
        self.attempts.append(attempt)
        try:
            yield attempt
        except BaseException as error:
            attempt.error = error
            raise

    def fire(
        self,
        configuration: tuple[str, ...],
        context: FrozenDict,
        trigger: str,
        event: Event,
        history: History = NO_HISTORY,
    ) -> Fired | None:
        """Fire as `Program` does, and record the attempt."""
        with self._attempt(Attempt(trigger, event, configuration, context)) as attempt:
            attempt.fired = super().fire(configuration, context, trigger, event, history)
        return attempt.fired

    def start(self, event: Event) -> Fired:
        """Start as `Program` does, and record the attempt."""
        chart = self.chart
        first = Attempt("start", event, (), chart.context)
        with self._attempt(first):
            first.fired = super().start(event)
        return first.fired


def chart_of_event(value: Settling | Settlement) -> Chart | None:
    """Return the chart of an event; None for a settlement that was read without it."""
    return value.chart if isinstance(value, Settlement) else value._program.chart


def trace(value: Settling | Settlement, chart: Chart) -> Trace:
    """Return how an event went, by running it again.

    Parameters
    ----------
    value : an event that has settled, or is on its way
    chart : the value's chart, with guards and assigns bound
    """
    recorder = _Recorder(chart)
    before: Snapshot | None = value.before if value.before.revision else None
    again: Settling | None = None
    with contextlib.suppress(SettlesimError):  # the last attempt has recorded it
        again = Settling(recorder, before, _given(value), key=value.key)
        _answer(again, value.microsteps, list(value.calls))
    found = again.microsteps if again is not None else ()
    return Trace(tuple(recorder.attempts), again, found != value.microsteps)


def _given(value: Settling | Settlement) -> Event | None:
    """Return the event that a `Settling` is made with; None for a start without an event."""
    return None if value.event == START_EVENT else value.event


def again(value: Settling, microsteps: tuple[Microstep, ...], calls: tuple[Call, ...]) -> Settling:
    """Return an event as it was before its last answer, by running it again up to there.

    Parameters
    ----------
    value : an event that an error has ended
    microsteps, calls : its microsteps and the services' answers before the last answer
    """
    before = value.before if value.before.revision else None
    made = Settling(value._program, before, _given(value), key=value.key)
    _answer(made, microsteps, list(calls))
    return made


def _answer(again: Settling, microsteps: tuple[Microstep, ...], calls: list[Call]) -> None:
    """Give the same answers in the same order."""
    calls = [call for call in calls if call.status is not CallStatus.CANCELLED]
    while again.settlement is None:
        at = len(again.microsteps)
        trigger = microsteps[at].trigger if at < len(microsteps) else ""
        delay = trigger.removeprefix("after.")
        if trigger.startswith("after.") and any(each.id == delay for each in again.delays):
            again.elapsed(delay)
        elif calls and any(each.id == calls[0].invocation for each in again.pending):
            _repeat(again, calls.pop(0))
        elif calls and (wait := _wait_before(again, calls[0])) is not None:
            again.elapsed(wait)
        else:
            return


def _wait_before(again: Settling, call: Call) -> str | None:
    """Return the delay after which this service is called again; None where there is none."""
    waits = (each.id for each in again.delays if each.retries == call.invocation)
    return next(waits, None)


def _repeat(again: Settling, call: Call) -> None:
    if call.status is CallStatus.DONE:
        again.done(call.invocation, call.result, seconds=call.seconds)
        return
    kind, _, message = (call.error or "").partition(": ")
    error = type(kind or "Error", (Exception,), {})(message)
    timeout = call.status is CallStatus.TIMEOUT
    again.failed(call.invocation, error, seconds=call.seconds, timeout=timeout)


def candidates(chart: Chart, attempt: Attempt) -> list[tuple[int, Transition]]:
    """Return the transitions that an attempt could fire, in the order in which they are tried."""
    active = set(chart.active(attempt.configuration))
    found = [
        (index, edge)
        for index, edge in enumerate(chart.edges)
        if edge.source in active and _may_trigger(chart, attempt.trigger, edge)
    ]
    return sorted(found, key=lambda pair: -pair[1].source.count("."))


def _may_trigger(chart: Chart, trigger: str, edge: Transition) -> bool:
    if chart.semantics == "scxml" and trigger and edge.trigger:
        return matches(trigger, edge.trigger)
    return edge.trigger == trigger
