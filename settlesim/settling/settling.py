"""`Settling`: one event on its way to a settled state, without any input or output.

Theory of operation
-------------------
A `Settling` is a session. It runs transitions until it has to wait, and says for what:
`pending` services and `delays`. Whoever drives it answers with `done`, `failed` or `elapsed`,
and it runs on, until `settlement` holds the result. The interpreter answers with real calls,
a stepper by button, a simulator one completion at a time: one engine, no twin.

The definition of *settled*: stable, no service running, and every active leaf carries a
settling tag, itself or by the nearest tagged ancestor, or is final.

What this module does not do
----------------------------
It reads no clock, awaits nothing and saves nothing. An error ends the session; the
snapshot that it began with is still valid.

Starts and delays
-----------------
A new instance is started before its first event is applied: its initial state is entered, and
eventless transitions, services and delays run until it rests. Start and event are one session
and one revision. A start that did something (see `InstanceStart.worked`) is worth saving, so it
is kept even if the event is ignored or rejected; it has to stop in a settled state. A
start that ends as rejected is not saved and takes no event, unless the chart persists
rejections. A start that did nothing need not be settled: the event is applied in any case.

A delay of a state in which the instance rests keeps running after the session, so the settlement
names it (`Settlement.timers`). When it has passed, a session of its own settles it, with `Elapsed`
in place of an external event.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import copy
from typing import Any, Final

from settlesim.chart import EVENTLESS, Chart, Event, Snapshot, external_event
from settlesim.chart.event import EventName
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, JSONValue, encode, freeze
from settlesim.errors import (
    FunctionFailedError,
    InvalidValueError,
    MicrostepLimitError,
    ServiceFailedError,
    SettleError,
    StalledError,
    error_message,
)
from settlesim.machine.fired import Fired
from settlesim.machine.program import (
    Program,
    check_snapshot,
    frozen_history,
    history_of,
    program_of,
)
from settlesim.settling.invocations import Running
from settlesim.settling.macrostep import (
    Position,
    after_firing,
    cycle_of,
    next_internal,
)
from settlesim.settling.settlement import (
    START_EVENT,
    Call,
    CallStatus,
    Elapsed,
    InstanceStart,
    Microstep,
    Pending,
    PendingDelay,
    Settlement,
)

__all__ = ["MAX_MICROSTEPS", "Pending", "PendingDelay", "Settling", "check_snapshot"]

MAX_MICROSTEPS: Final = 1_000
"""How many microsteps one event may take."""


class Settling:
    """One event of one instance, step by step.

    Parameters
    ----------
    chart
        Guards and assigns have to be bound.
    snapshot
        The instance's last settled state; None for a new instance, which is started before the
        event is applied.
    event
        An event or its name; `Elapsed` for a delay that has passed while the instance
        rested. A delay of a state that is not active is ignored. None starts a new instance
        without an event; one that exists ignores it.
    key : the instance's key, for the settlement
    max_microsteps : how many microsteps the event may take

    Raises
    ------
    InvalidEventError
        The event's name is reserved, or its data is no strict JSON.
    ChartMismatchError
        The snapshot is of another chart or version, or of states that are not settled in this one.
    SettleError
        As the methods below: the event may fail before anything is pending.

    Examples
    --------
    >>> from settlesim.gallery import count
    >>> settling = Settling(count, None, "COUNT")
    >>> settling.settlement.outcome
    <Outcome.RESOLVED: 'resolved'>
    >>> settling = Settling(count, settling.settlement.after, "COUNT")
    >>> [pending.service for pending in settling.pending]
    ['wait']
    """

    def __init__(
        self,
        chart: Chart | Program,
        snapshot: Snapshot | None,
        event: Event | Elapsed | EventName | None,
        *,
        key: str = "",
        max_microsteps: int = MAX_MICROSTEPS,
    ) -> None:
        self._program = chart if isinstance(chart, Program) else program_of(chart)
        chart = self._program.chart
        elapsed: str | None = None
        if isinstance(event, Event):
            self.event = external_event(event.name, event.data)
        elif isinstance(event, Elapsed):
            self.event, elapsed = event.event, event.id
        elif event is None:
            self.event = START_EVENT
        else:
            self.event = external_event(event)
        self.key = key
        self.settlement: Settlement | None = None
        """The result; None while the session is running."""
        self.start: InstanceStart | None = None
        """Where the start of a new instance stopped; None before that, and if it existed."""
        self._start_timers: tuple[PendingDelay, ...] = ()
        self._only_start = event is None
        self._error: BaseException | None = None
        self._last = self.event
        self._max_microsteps = max_microsteps
        self._microsteps: list[Microstep] = []
        self._running = Running(self._program, self.event)
        self._applied = False
        if snapshot is None:
            self.before = Snapshot(
                chart.name,
                chart.version,
                chart.initial_configuration,
                chart.context,
                fingerprint=chart.fingerprint,
            )
            if elapsed is None:
                self._guarded(self._enter)
                return
        else:
            check_snapshot(self._program, snapshot, key)
            self.before = snapshot
        self._context = self.before.context
        self._position = Position(self.before.configuration, history=history_of(self.before))
        if snapshot is None or event is None:
            # No delay of a new instance can have passed; an existing one is not started again.
            self.settlement = self._settle(Outcome.IGNORED)
            return
        if self._running.activities.delays:
            active = self._program.active(snapshot.configuration)
            self._running.rest_in(active, elapsed)
        self._guarded(self._apply, elapsed)

    def __repr__(self) -> str:
        if self.settlement is not None:
            return f"<Settling {self.settlement}>"
        waits = [*self._running.pending, *self._running.delays]
        return f"<Settling {self.event.name} in {' + '.join(self.configuration)}: {waits} pending>"

    def copy(self) -> Settling:
        """Return an independent session that continues from here.

        A simulator copies a session to try several answers.
        """
        other = copy(self)
        other._microsteps = list(self._microsteps)
        other._running = self._running.copy()
        return other

    # --- what it waits for ----------------------------------------------------------------

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The services that run, in the order in which they were started."""
        return tuple(self._running.pending.values())

    @property
    def delays(self) -> tuple[PendingDelay, ...]:
        """The delays that run, in the order in which they were started.

        Those of states come first, then the waits before a service that failed is called again.
        """
        running = self._running
        delays = tuple(running.delays.values())
        if running.waiting:
            delays += tuple(delay for delay, _ in running.waiting.values())
        return delays

    @property
    def configuration(self) -> tuple[str, ...]:
        """The active leaves now."""
        return self._position.configuration

    @property
    def context(self) -> FrozenDict:
        """The context now."""
        return self._context

    @property
    def microsteps(self) -> tuple[Microstep, ...]:
        """The microsteps so far."""
        return tuple(self._microsteps)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The service calls that have ended so far."""
        return tuple(self._running.calls)

    @property
    def delays_outside(self) -> tuple[PendingDelay, ...]:
        """The delays that it started and that keep running after it, if it is saved."""
        return self._running.started()

    def situation(self) -> tuple[Hashable, ...]:
        """Return everything that determines the rest of the session, except future answers."""
        running, start = self._running, self.start
        return (
            self._applied,
            None if start is None else (start.outcome, encode(start.snapshot.to_dict())),
            bool(running.calls),
            self._position,
            encode(self._context),
            encode(self._last.to_dict()) if self._program.eventless_sources else "",
            tuple(sorted(running.starts.items())),
            tuple(
                (each.id, each.number, each.attempt, encode(each.context)) for each in self.pending
            ),
            running.retries(),
            self.delays,
            tuple(running.resting.items()),
            len(self._microsteps),
        )

    # --- answers --------------------------------------------------------------------------

    def done(self, id: str, value: JSONValue = None, *, seconds: float = 0.0) -> None:  # noqa: A002
        """Report that a service has returned.

        Parameters
        ----------
        id : of the invocation
        value : strict JSON, the ``event.data`` of its ``on_done``
        seconds : how long it took

        Raises
        ------
        FunctionFailedError
            The value is no strict JSON, or a guard or an assign failed afterwards.
        StalledError, MicrostepLimitError
            The run stopped in a state without a settling tag, or does not stop.
        """
        self._guarded(self._done, self._take(id), value, seconds)

    def failed(
        self,
        id: str,  # noqa: A002
        error: BaseException | str,
        *,
        seconds: float = 0.0,
        timeout: bool = False,
    ) -> None:
        """Report that a service failed, or that its time is up.

        If its `retry` allows it, the service is pending again, now or after one of `delays`.

        Parameters
        ----------
        id : of the invocation
        error : an exception or a text; ``on_error`` sees its type and message as data
        seconds : how long it took
        timeout : whether it is a time-out

        Raises
        ------
        ServiceFailedError
            No ``on_error`` of the invocation is enabled.
        FunctionFailedError, StalledError, MicrostepLimitError
            As `done`.
        """
        self._guarded(self._failed, self._take(id), error, seconds, timeout)

    def elapsed(self, id: str) -> None:  # noqa: A002
        """Report that a delay has passed.

        Raises
        ------
        FunctionFailedError, StalledError, MicrostepLimitError
            As `done`.
        """
        self._check_alive()
        if self._running.call_again(id):
            return
        if id not in self._running.delays:
            raise KeyError(f"no delay {id!r} runs")
        del self._running.delays[id]
        self._guarded(self._elapsed, id)

    # --- the run --------------------------------------------------------------------------

    def _guarded(self, run: Callable[..., None], *args: Any) -> None:
        """Run a part of the session, which any error ends for good, a KeyboardInterrupt too."""
        try:
            run(*args)
        except BaseException as error:
            self._error = error
            self._running.stop()
            raise

    def _check_alive(self) -> None:
        if self._error is not None:
            raise SettleError("the session has ended with an error") from self._error

    def _take(self, id_: str) -> Pending:
        self._check_alive()
        if id_ not in self._running.pending:
            raise KeyError(f"no service of invocation {id_!r} runs")
        return self._running.pending.pop(id_)

    def _done(self, pending: Pending, value: JSONValue, seconds: float) -> None:
        try:
            result = None if value is None else freeze(value, where="the result")
        except InvalidValueError as error:
            raise FunctionFailedError(
                function=pending.service, role="service", reason=str(error)
            ) from None
        self._leave(pending.id)
        self._running.end(pending, CallStatus.DONE, seconds, result=result)
        trigger = self._running.activities.invocations[pending.id].done_trigger
        self._fire(trigger, Event(trigger, result))
        self._run_on()

    def _failed(
        self, pending: Pending, error: BaseException | str, seconds: float, timeout: bool
    ) -> None:
        kind = "TimeoutError" if timeout else "Error"
        if isinstance(error, BaseException) and not timeout:
            kind = error_message(type(error).__name__)
        message = error_message(error)
        text = f"{kind}: {message}" if message else kind
        status = CallStatus.TIMEOUT if timeout else CallStatus.ERROR
        self._running.end(pending, status, seconds, error=text)
        before = self.before
        session = f"{before.chart} {self.key} {before.revision} {self.event.name}"
        if self._running.retry(pending, kind, session):
            return
        self._leave(pending.id)
        trigger = self._running.activities.invocations[pending.id].error_trigger
        data = freeze({"type": kind, "message": message})
        if not self._fire(trigger, Event(trigger, data)):
            cause = error if isinstance(error, BaseException) else None
            reason = message if timeout else f"failed with {text}"
            raise ServiceFailedError(
                service=pending.service, invocation=pending.id, reason=reason
            ) from cause
        self._run_on()

    def _elapsed(self, id_: str) -> None:
        left = tuple(each for each in self._position.delays if each != id_)
        self._position = self._position._replace(delays=left)
        trigger = self._running.activities.delays[id_].trigger
        self._fire(trigger, Event(trigger))
        self._run_on()

    def _leave(self, id_: str) -> None:
        """Note that a service has ended for good."""
        self._position = self._position.without(id_)

    def _enter(self) -> None:
        """Enter the initial states of a new instance."""
        fired = self._program.start(self.event)
        self._context = fired.context
        self._position = after_firing(
            self._program, self._running.activities, Position(fired.configuration), fired
        )
        self._running.update(self._position, fired, self._context)
        self._run_on()

    def _apply(self, elapsed: str | None = None) -> None:
        """Apply the event to a configuration that is at rest.

        Parameters
        ----------
        elapsed : the delay whose event it is, ignored unless its state is active
        """
        self._applied = True
        if elapsed is not None:
            active = self._program.active(self._position.configuration)
            if not self._running.may_pass(elapsed, active):
                self.settlement = self._settle(Outcome.IGNORED)
                return
        if not self._fire(self.event.name, self.event):
            self.settlement = self._settle(Outcome.IGNORED)
            return
        self._run_on()

    def _fire(self, trigger: str, event: Event) -> bool:
        position = self._position
        fired = self._program.fire(
            position.configuration, self._context, trigger, event, position.history
        )
        if fired is None:
            return False
        self._last = event
        activities = self._running.activities
        self._step(trigger, fired, after_firing(self._program, activities, self._position, fired))
        return True

    def _step(self, trigger: str, fired: Fired, position: Position) -> None:
        if len(self._microsteps) >= self._max_microsteps:
            raise MicrostepLimitError(
                limit=self._max_microsteps,
                cycle=cycle_of([step.after for step in self._microsteps]),
            )
        self._microsteps.append(
            Microstep(
                trigger,
                fired.edges,
                self._position.configuration,
                fired.configuration,
                fired.context,
            )
        )
        self._context = fired.context
        self._position = position
        self._running.update(position, fired, fired.context)

    def _run_on(self) -> None:
        """Run until stable; then settle, apply the event, wait, or say that it stalled."""
        running = self._running
        while self._position.configuration[0] not in self._program.stable_leaves:
            step = next_internal(
                self._program, running.activities, self._position, self._context, self._last
            )
            if step is None:
                if self._position.internal:
                    self._position = self._position._replace(internal=())
                break
            if step.trigger != EVENTLESS:
                self._last = Event(step.trigger)
            self._step(*step)
        if running.pending or running.waiting:
            return
        configuration = self._position.configuration
        outcome = self._program.outcome(configuration)
        if outcome is not None:
            if self._applied:
                self.settlement = self._settle(outcome)
            else:
                self._end_start(outcome)
        elif not self._applied and self._may_start_here(configuration):
            self._end_start(Outcome.IGNORED)
        elif not running.delays:
            raise StalledError(
                configuration=configuration,
                path=[" + ".join(step.after) for step in self._microsteps],
            )

    def _may_start_here(self, configuration: tuple[str, ...]) -> bool:
        """Whether a start may end in a state without a settling tag: only if it did nothing."""
        return (
            not self._running.delays
            and self._program.chart.is_initial(configuration)
            and not self._worked()
        )

    def _worked(self) -> bool:
        """Whether the start ran a microstep or a service, or a callback changed the context."""
        return bool(self._microsteps or self._running.calls) or (
            self._context != self._program.chart.context
        )

    def _end_start(self, outcome: Outcome) -> None:
        """Note where a new instance has stopped, and apply the event there."""
        self._running.rest()
        self._position = self._position._replace(delays=())
        worked = self._worked()
        kept = worked or self._only_start
        self.start = InstanceStart(
            outcome,
            self._snapshot(kept and self._is_saved(outcome)),
            tuple(self._microsteps),
            tuple(self._running.calls),
            worked,
        )
        self._start_timers = self._running.started()
        refused = outcome is Outcome.REJECTED and worked and not self._is_saved(outcome)
        if self._only_start or refused:
            self.settlement = self._settle(outcome)
        else:
            self._apply()

    def _is_saved(self, outcome: Outcome) -> bool:
        if outcome is Outcome.REJECTED:
            return self._program.chart.on_reject == "persist"
        return outcome is not Outcome.IGNORED

    def _snapshot(self, saved: bool) -> Snapshot:
        """Return a snapshot of the instance as it is now."""
        before = self.before
        return Snapshot(
            before.chart,
            before.version,
            self._position.configuration,
            self._context,
            before.revision + saved,
            fingerprint=self._program.chart.fingerprint,
            history_states=frozen_history(self._position.history),
        )

    def _settle(self, outcome: Outcome) -> Settlement:
        chart, running = self._program.chart, self._running
        if running.delays:
            running.rest()
        after = self.before
        timers: tuple[PendingDelay, ...] = ()
        kept: tuple[str, ...] = ()
        saved = self._is_saved(outcome)
        if not saved and self.start is not None and self.start.kept:
            after, timers = self.start.snapshot, self._start_timers
        elif outcome is not Outcome.IGNORED:
            after = self._snapshot(saved)
            if saved and running.resting:
                timers, kept = running.started(), running.kept()
        return Settlement(
            outcome,
            self.key,
            self.event,
            self.before,
            after,
            tuple(self._microsteps),
            tuple(running.calls),
            chart,
            timers,
            kept,
            self.start,
        )
