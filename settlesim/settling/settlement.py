"""What one event did, as frozen values: pictures, tables, traces and tests read these."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.display import DiagramOptions, StepPanelOptions
from settlesim.errors import RejectedError

if TYPE_CHECKING:
    from settlesim.display import Picture, StepPanel

__all__ = [
    "START_EVENT",
    "Answer",
    "Call",
    "CallStatus",
    "Elapsed",
    "InstanceStart",
    "Microstep",
    "Outcome",
    "Pending",
    "PendingDelay",
    "Settlement",
    "event_words",
]

START_EVENT: Final = Event("_settlesim.start")
"""What callbacks and services see as the event when an instance is started without one."""


def event_words(event: Event) -> str:
    """Name an event as people read it: ``start`` for an instance that is started without one."""
    return "start" if event == START_EVENT else event.name


class CallStatus(enum.Enum):
    """How a service call ended."""

    DONE = "done"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    """Its state was left before it ended."""


class Pending(NamedTuple):
    """A service that has to run now."""

    id: str
    """The invocation's id."""
    number: int
    """Counts the starts of this invocation within this event, from 1."""
    service: str
    input: JSONValue
    timeout: float | None
    """Seconds; None for the driver's default."""
    context: FrozenDict
    """The context when the service was started."""
    event: Event
    """The external event that is being settled."""
    attempt: int = 1
    """Counts the calls of this start, from 1: more than one where it failed and is retried."""


class PendingDelay(NamedTuple):
    """A delay that runs: call `Settling.elapsed` when its seconds have passed."""

    id: str
    number: int
    """Counts the starts of this delay within this event, from 1."""
    seconds: float
    retries: str | None = None
    """The id of the invocation whose service is called again then; None for a delay of a state."""


class Answer(NamedTuple):
    """How a service ended, or that a delay has passed."""

    value: JSONValue = None
    error: Exception | None = None
    timed_out: bool = False
    """Whether its time was up; the message is then that of `error`."""
    seconds: float = 0.0
    """How long it took."""

    @classmethod
    def late(cls, limit: float, hint: str = "", *, seconds: float = 0.0) -> Answer:
        """Return the answer of a service that did not end within `limit` seconds.

        Parameters
        ----------
        hint : what the message says after the number of seconds
        """
        error = TimeoutError(f"did not end within {limit:g} seconds{hint}")
        return cls(error=error, timed_out=True, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Says that a delay of a state in which an instance rests has passed.

    It is not an external event: only the engine's own triggers begin with ``after.``.
    """

    id: str
    """The delay's id, as in `Settlement.timers`."""

    @property
    def event(self) -> Event:
        """The event that guards, assigns and services see."""
        return Event(f"after.{self.id}")


class Microstep(NamedTuple):
    """One set of transitions that fired together (SCXML 1.0, section 3.13)."""

    trigger: str
    """The event's name, the empty string for eventless, or a reserved name."""
    edges: tuple[int, ...]
    """Positions in ``chart.edges`` of the transitions that fired, in order."""
    before: tuple[str, ...]
    """The active leaves before."""
    after: tuple[str, ...]
    """The active leaves after."""
    context: FrozenDict
    """The context after."""

    def to_dict(self) -> dict[str, Any]:
        """Return the microstep as plain JSON."""
        return {
            "trigger": self.trigger,
            "edges": list(self.edges),
            "before": list(self.before),
            "after": list(self.after),
            "context": self.context,
        }


class Call(NamedTuple):
    """One run of a service."""

    service: str
    invocation: str
    """The id of the invocation that asked for it."""
    input: JSONValue
    status: CallStatus
    result: JSONValue = None
    """What the service returned; None unless it is done."""
    error: str | None = None
    """Type and message of the failure."""
    seconds: float = 0.0
    """How long it took, on the interpreter's clock."""

    def to_dict(self) -> dict[str, Any]:
        """Return the call as plain JSON."""
        return {
            "service": self.service,
            "invocation": self.invocation,
            "input": self.input,
            "status": self.status.value,
            "result": self.result,
            "error": self.error,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class InstanceStart:
    """The start of a new instance: where it stopped before its event was applied."""

    outcome: Outcome
    """RESOLVED, DONE or REJECTED, as for an event that ends there; IGNORED in an initial state
    without a settling tag, which is never saved."""
    snapshot: Snapshot
    """The snapshot after the start. Its revision is 1 if it is to be saved even where the event is
    ignored or rejected, else 0."""
    microsteps: tuple[Microstep, ...] = ()
    """The first ones of the settlement."""
    calls: tuple[Call, ...] = ()
    """The first ones of the settlement."""
    worked: bool = False
    """Whether it ran a microstep or a service, or a callback changed the context."""

    @property
    def configuration(self) -> tuple[str, ...]:
        """The active leaves after the start."""
        return self.snapshot.configuration

    @property
    def context(self) -> FrozenDict:
        """The context after the start."""
        return self.snapshot.context

    @property
    def kept(self) -> bool:
        """Whether it is saved even if the event is ignored or rejected."""
        return self.snapshot.revision > 0

    def to_dict(self) -> dict[str, Any]:
        """Return the start as plain JSON, with only the numbers of its microsteps and calls."""
        return {
            "outcome": self.outcome.value,
            "snapshot": self.snapshot.to_dict(),
            "microsteps": len(self.microsteps),
            "calls": len(self.calls),
            "worked": self.worked,
        }


@dataclass(frozen=True, slots=True)
class Settlement:
    """One event, from a settled configuration to the next.

    A new instance is started before its first event is applied. `microsteps`, `calls`, `path` and
    `edges` are then those of the whole run, `start` has those of the start, and `outcome` is the
    event's. A start that did something is saved even if the event is ignored or rejected.
    """

    outcome: Outcome
    """The event's outcome; the start's if there was no event, or if a rejected start ended it."""
    key: str
    event: Event
    before: Snapshot
    after: Snapshot
    """Where it ended; its revision is that of `before` where nothing was to be saved. Where only
    the start is saved, this is where the start stopped."""
    microsteps: tuple[Microstep, ...] = ()
    """Of the whole run: those of the start, then those of the event."""
    calls: tuple[Call, ...] = ()
    """Of the whole run, in the order in which they ended."""
    chart: Chart | None = field(default=None, repr=False, compare=False)
    """The chart, so that the settlement can draw itself."""
    timers: tuple[PendingDelay, ...] = ()
    """The delays that it started in states where the instance rests now: whoever stores the
    instance has to begin a session with `Elapsed` when their seconds have passed. Like `kept`,
    empty where nothing was to be saved."""
    kept: tuple[str, ...] = ()
    """The ids of the delays of states that were active before and were not left: those that are
    running continue."""
    start: InstanceStart | None = None
    """How the instance was started; None for one that existed."""

    @property
    def saved(self) -> bool:
        """Whether there is something to save; the interpreter saves it, a session does not."""
        return self.after.revision > self.before.revision

    @property
    def only_start_saved(self) -> bool:
        """Whether the event was ignored or rejected, and the start before it is saved."""
        return self.start is not None and self.after is self.start.snapshot and self.saved

    @property
    def path(self) -> tuple[tuple[str, ...], ...]:
        """The configurations passed through, first and last included."""
        found = [self.before.configuration]
        for step in self.microsteps:
            if step.after != found[-1]:
                found.append(step.after)
        return tuple(found)

    @property
    def edges(self) -> tuple[int, ...]:
        """Positions in ``chart.edges`` of every transition that fired, in order."""
        return tuple(edge for step in self.microsteps for edge in step.edges)

    @property
    def reason(self) -> str | None:
        """The error of the last service that failed; None if none did."""
        for call in reversed(self.calls):
            if call.error is not None:
                return f"{call.service}: {call.error}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the settlement as plain JSON, without the chart."""
        return {
            "outcome": self.outcome.value,
            "key": self.key,
            "event": self.event.to_dict(),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "path": [list(leaves) for leaves in self.path],
            "microsteps": [step.to_dict() for step in self.microsteps],
            "calls": [call.to_dict() for call in self.calls],
            "timers": [{"id": each.id, "seconds": each.seconds} for each in self.timers],
            "start": None if self.start is None else self.start.to_dict(),
        }

    def raise_if_rejected(self) -> Settlement:
        """Return the settlement itself unless it was rejected.

        Raises
        ------
        RejectedError
            The outcome is REJECTED; the error carries this settlement.
        """
        if self.outcome is Outcome.REJECTED:
            raise RejectedError(settlement=self)
        return self

    def __str__(self) -> str:
        path = " -> ".join(" + ".join(leaves) for leaves in self.path)
        kept = f"saves revision {self.after.revision}" if self.saved else "saves nothing"
        if self.only_start_saved:
            kept = f"saves the start as revision {self.after.revision}"
        of_key = f" of {self.key!r}" if self.key else ""
        head = f"{self.outcome.name:8}  {event_words(self.event)}{of_key}"
        why = f" ({self.reason})" if self.outcome is Outcome.REJECTED and self.reason else ""
        return f"{head}: {path}{why}; {kept}"

    def __repr__(self) -> str:
        return f"<Settlement {self}>"

    @takes_options(DiagramOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[DiagramOptions]
    ) -> Picture:
        """Return the picture of the chart with the path of this event.

        The state after the event is marked as active; for a rejected event that is not saved, the
        state before it.

        Parameters
        ----------
        target : a file's path; its suffix is the format: svg, png, pdf, dot, mmd
        title : a line above the chart
        legend : whether the signs that occur are explained below; False by default
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        direction
            ``"LR"`` from left to right, ``"TB"`` from top to bottom; None, the default, for left to
            right, or top to bottom where only that keeps the text readable at `width`.
        width
            Pixels available to the picture, 900 by default; text is never smaller than 9 pixels.
        format : of the file, if its suffix does not tell
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture
        renderer
            None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
        timeout : seconds after which the layout is stopped; 20 by default

        Raises
        ------
        RenderError
            As `Chart.draw`, and where the settlement was read without its chart.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    @takes_options(StepPanelOptions)
    def panel(self, **options: Unpack[StepPanelOptions]) -> StepPanel:
        """Return a live view of this event, microstep by microstep.

        Parameters
        ----------
        chart : the chart, where the settlement was read without it
        answers : your initial answer for each service, by service name

        Raises
        ------
        InvalidValueError
            The settlement was read without its chart.
        MissingExtraError
            The ``lab`` extra is not installed.
        """
        panel: StepPanel = display.panel(self, **options)
        return panel

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)
