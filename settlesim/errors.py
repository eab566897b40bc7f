"""Every error that settlesim raises, sorted by who has to act.

::

    SettlesimError
    ├── DefinitionError             the chart's author: raised while a chart is built or bound
    │   └── UnboundFunctionError
    ├── ReadError                   the caller: a source that is not a chart
    ├── InvalidValueError           the caller: a value out of range, or not strict JSON
    ├── InvalidEventError           the sender: a name that no external event may have
    ├── SettleError                 the chart and the event together
    │   ├── FunctionFailedError
    │   ├── ServiceFailedError
    │   ├── StalledError
    │   ├── MicrostepLimitError
    │   ├── DeadlineExceededError
    │   └── RejectedError
    ├── StoreError                  the store
    │   ├── VersionConflictError    another worker was first: load again
    │   ├── ReceiptExpiredError     the consumer was too slow: another one may have the message
    │   ├── EventRepeatedError      the event was settled before: only consume its message
    │   ├── DeduplicationError      the sender: one id for two different messages
    │   ├── ChartMismatchError      another chart or version saved the instance
    │   │   ├── MigrationError      the chart's author: its steps do not lead here
    │   │   └── ChartEditedError    the chart's author: a new definition without a new version
    │   ├── LeastVersionError       the operator: the store needs a later version
    │   ├── UnexpectedRevisionError the sender: the instance has changed since it was looked at
    │   ├── StoreDamagedError
    │   └── StoreUnavailableError   the environment: disk, permissions, lock, newer format
    ├── SimulationError             the caller: a scenario that makes no sense
    │   └── ReplayDivergedError     a schedule that the scenario does not follow
    ├── RenderError                 the picture
    │   ├── LayoutTimeoutError
    │   └── RendererMissingError
    └── MissingExtraError           the environment: also an ImportError

Facts are keyword arguments and attributes; the message says the fact with its
values, what was possible, and what to do. Every error pickles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

__all__ = [
    "ChartEditedError",
    "ChartMismatchError",
    "DeadlineExceededError",
    "DeduplicationError",
    "DefinitionError",
    "EventRepeatedError",
    "FunctionFailedError",
    "InvalidEventError",
    "InvalidValueError",
    "LayoutTimeoutError",
    "LeastVersionError",
    "MicrostepLimitError",
    "MigrationError",
    "MissingExtraError",
    "Problem",
    "ReadError",
    "ReceiptExpiredError",
    "RejectedError",
    "RenderError",
    "RendererMissingError",
    "ReplayDivergedError",
    "ServiceFailedError",
    "SettleError",
    "SettlesimError",
    "SimulationError",
    "StalledError",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
    "UnboundFunctionError",
    "UnexpectedRevisionError",
    "VersionConflictError",
    "shorten",
]


def shorten(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut in the middle if it is longer than `limit`."""
    try:
        text = repr(value)
    except Exception:  # a number of too many digits, lists too deep, a faulty __repr__
        text = f"<{type(value).__name__}>"
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def names_of(names: Iterable[str]) -> str:
    """Return names for an error's text, quoted and separated by commas."""
    return ", ".join(shorten(name) for name in names)


def rebuild(cls: type[SettlesimError], message: str, facts: dict[str, Any]) -> SettlesimError:
    """Rebuild an error that was pickled."""
    error = cls.__new__(cls)
    SettlesimError.__init__(error, message, **facts)
    return error


class SettlesimError(Exception):
    """The base of every error that settlesim raises on purpose."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self._facts = facts
        vars(self).update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (type(self), str(self), self._facts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a chart's definition."""

    where: str
    """The place in the definition, such as ``transitions[2].dest``."""

    message: str
    """The fact, what was possible, and the nearest known name if there is one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class DefinitionError(SettlesimError):
    """A chart's definition is wrong; `problems` lists everything that was found."""

    problems: Sequence[Problem]
    chart: str
    more: int
    """How many further problems were found, beyond those that are listed."""

    def __init__(self, *, problems: Sequence[Problem], chart: str = "chart", more: int = 0) -> None:
        head = f"chart {shorten(chart)} has {len(problems) + more} problem"
        head += ":" if len(problems) + more == 1 else "s:"
        lines = [head, *(f"  - {problem}" for problem in problems)]
        if more:
            lines.append(f"  ... and {more} more")
        super().__init__("\n".join(lines), problems=problems, chart=chart, more=more)


class UnboundFunctionError(DefinitionError):
    """A chart cannot run, because functions that it names are not bound."""

    def __init__(
        self, *, problems: Sequence[Problem] = (), chart: str = "chart", names: Sequence[str] = ()
    ) -> None:
        found = tuple(problems) or tuple(
            Problem(
                name,
                "is named in the chart but not bound: bind returns a new chart, so write "
                "chart = chart.bind({...})",
            )
            for name in names
        )
        super().__init__(problems=found, chart=chart)
        self.names = tuple(names)
        self._facts["names"] = self.names


class ReadError(SettlesimError):
    """A source could not be read as a chart or as JSON."""

    source: str
    reason: str

    def __init__(self, *, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}", source=source, reason=reason)


class InvalidValueError(SettlesimError):
    """A value that is not allowed, such as one that is not strict JSON (RFC 8259)."""

    where: str
    reason: str

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}", where=where, reason=reason)


class InvalidEventError(SettlesimError):
    """An event with a name or data that no external event may have."""

    name: str
    reason: str

    def __init__(self, *, name: object, reason: str) -> None:
        super().__init__(
            f"event {shorten(name)} {reason}",
            name=name if isinstance(name, str) else shorten(name),
            reason=reason,
        )


class SettleError(SettlesimError):
    """One event could not be brought to a settled state; the instance is as it was."""


class FunctionFailedError(SettleError):
    """A guard or an assign raised, or returned what it may not return."""

    function: str
    role: str
    reason: str

    def __init__(self, *, function: str, role: str, reason: str) -> None:
        super().__init__(
            f"{role} {shorten(function)} {reason}", function=function, role=role, reason=reason
        )


class ServiceFailedError(SettleError):
    """A service failed or ran out of time, and its state has no enabled ``on_error``."""

    service: str
    invocation: str
    reason: str

    def __init__(self, *, service: str, invocation: str, reason: str) -> None:
        super().__init__(
            f"service {shorten(service)} {reason}, and no on_error of invocation "
            f"{shorten(invocation)} takes it: add on_error to the state",
            service=service,
            invocation=invocation,
            reason=reason,
        )


class StalledError(SettleError):
    """The run stopped in a state without a settling tag, with nothing pending."""

    configuration: tuple[str, ...]
    path: tuple[str, ...]

    def __init__(self, *, configuration: Sequence[str], path: Sequence[str] = ()) -> None:
        super().__init__(
            f"stalled in {names_of(configuration)}: nothing is pending there and no settling tag "
            "is on it. Tag the state, or give it an invoke, an after or an always.",
            configuration=tuple(configuration),
            path=tuple(path),
        )


class MicrostepLimitError(SettleError):
    """One event took more microsteps than allowed."""

    limit: int
    cycle: tuple[str, ...]

    def __init__(self, *, limit: int, cycle: Sequence[str]) -> None:
        round_trip = " -> ".join(cycle) if cycle else "no repeated configuration"
        super().__init__(
            f"more than {limit} microsteps for one event; the last ones repeat: {round_trip}. "
            "Give the loop a guard that ends it.",
            limit=limit,
            cycle=tuple(cycle),
        )


class DeadlineExceededError(SettleError):
    """One event took longer than the total deadline."""

    seconds: float
    configuration: tuple[str, ...]

    def __init__(self, *, seconds: float, configuration: Sequence[str]) -> None:
        super().__init__(
            f"not settled after {seconds:g} seconds, still in {names_of(configuration)}: "
            "raise the deadline, or give the services a timeout.",
            seconds=seconds,
            configuration=tuple(configuration),
        )


class RejectedError(SettleError):
    """Raised by ``settlement.raise_if_rejected()``; carries the settlement."""

    settlement: Any

    def __init__(self, *, settlement: Any) -> None:
        where = ", ".join(settlement.path[-1])
        of_key = f" of {shorten(settlement.key)}" if settlement.key else ""
        super().__init__(
            f"event {shorten(settlement.event.name)}{of_key} "
            f"was rejected in {where}" + (f": {settlement.reason}" if settlement.reason else ""),
            settlement=settlement,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # without the chart, since pickle may not be able to carry its functions
        facts = {"settlement": replace(self.settlement, chart=None)}
        return rebuild, (type(self), str(self), facts)


class RenderError(SettlesimError):
    """A picture could not be drawn."""

    def __init__(self, message: str = "the picture could not be drawn", **facts: Any) -> None:
        super().__init__(message, **facts)


class LayoutTimeoutError(RenderError):
    """The layout took too long and was stopped."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(
            f"the layout was stopped after {seconds:g} seconds: the chart is too dense for it. "
            "Draw a part of it, use format='mermaid', or raise the time limit.",
            seconds=seconds,
        )


class RendererMissingError(RenderError):
    """No program that lays out pictures was found."""

    def __init__(self, *, tried: Sequence[str]) -> None:
        super().__init__(
            f"no renderer found (tried {', '.join(tried)}): install pygraphviz 2 or newer, or a "
            "Graphviz with `dot` on PATH. format='dot' and format='mermaid' need neither.",
            tried=tuple(tried),
        )


class MissingExtraError(SettlesimError, ImportError):
    """A feature needs an optional part of settlesim."""

    extra: str
    feature: str
    module: str
    """The module that is not installed."""

    def __init__(self, *, extra: str, feature: str, module: str) -> None:
        super().__init__(
            f"{feature} needs {module!r}, which is not installed: install settlesim[{extra}] "
            "and start again.",
            extra=extra,
            feature=feature,
            module=module,
        )


class SimulationError(SettlesimError):
    """A scenario makes no sense, or cannot be simulated; `reason` says why."""

    where: str
    reason: str

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}", where=where, reason=reason)


class ReplayDivergedError(SimulationError):
    """A schedule names a step that is not enabled there."""

    position: int
    """Which step it is, from 1."""
    step: str
    enabled: tuple[str, ...]

    def __init__(self, *, position: int, step: str, enabled: Sequence[str]) -> None:
        possible = f"possible: {', '.join(enabled)}" if enabled else "nothing more can happen"
        super().__init__(
            where=f"step {position} of the schedule",
            reason=f"{step} cannot happen here; {possible}",
        )
        self.position = position
        self.step = step
        self.enabled = tuple(enabled)
        self._facts = {"position": position, "step": step, "enabled": self.enabled, **self._facts}


class StoreError(SettlesimError):
    """The store could not do what was asked."""

    final: bool = False
    """Whether a retry cannot help, because a person has to act first."""


class VersionConflictError(StoreError):
    """A save expected another revision than the stored one; nothing was written."""

    key: str
    expected: int
    actual: int

    def __init__(self, *, key: str, expected: int, actual: int) -> None:
        if actual == expected:
            what = f"at revision {actual} again: it was deleted and created again, or its "
            what += "timer was ended"
        else:
            what = f"at revision {actual}, not {expected}: another worker saved it first"
        super().__init__(
            f"instance {shorten(key)} is {what}. Load it again.",
            key=key,
            expected=expected,
            actual=actual,
        )


class ReceiptExpiredError(StoreError):
    """The receipt of a message is no longer valid: another consumer may have the message."""

    queue: str
    receipt: str
    reason: str

    def __init__(self, *, queue: str, receipt: str, reason: str) -> None:
        super().__init__(
            f"receipt {shorten(receipt, 60)} of queue {shorten(queue, 60)} is no longer valid: "
            f"{reason}. Nothing was changed.",
            queue=queue,
            receipt=receipt,
            reason=reason,
        )


class EventRepeatedError(StoreError):
    """The event was settled before, with the same id; nothing was written."""

    key: str
    event_id: str
    revision: int
    """The instance's revision after the event."""
    outcome: str | None
    """How it ended, such as ``"resolved"``; None if the store does not know it."""

    def __init__(
        self, *, key: str, event_id: str, revision: int, outcome: str | None = None
    ) -> None:
        ended = "" if outcome is None else f" and was {outcome}"
        super().__init__(
            f"event {shorten(event_id, 60)} of instance {shorten(key, 60)} was settled before, at "
            f"revision {revision}{ended}. Nothing was written; delete its message.",
            key=key,
            event_id=event_id,
            revision=revision,
            outcome=outcome,
        )


class DeduplicationError(StoreError):
    """A deduplication id that was used for another message of the same group."""

    queue: str
    group_id: str
    deduplication_id: str

    def __init__(self, *, queue: str, group_id: str, deduplication_id: str) -> None:
        super().__init__(
            f"queue {shorten(queue, 60)}: the deduplication id {shorten(deduplication_id, 60)} of "
            f"group {shorten(group_id, 60)} was sent before with another body. Nothing was sent; "
            "an id is for one event and its duplicates.",
            queue=queue,
            group_id=group_id,
            deduplication_id=deduplication_id,
        )


class UnexpectedRevisionError(StoreError):
    """An event was meant for another revision of its instance; it was not accepted."""

    key: str
    expected: int
    actual: int
    waiting: int
    """How many events that were accepted before still wait."""

    def __init__(self, *, key: str, expected: int, actual: int, waiting: int = 0) -> None:
        if actual == expected:
            events = "1 event waits" if waiting == 1 else f"{waiting} events wait"
            what = f"at revision {actual}, but {events} that will change it"
        else:
            what = f"at revision {actual}, not {expected}"
        super().__init__(
            f"instance {shorten(key)} is {what}. The event was not accepted: read the instance "
            "again, and send it with the revision that was read.",
            key=key,
            expected=expected,
            actual=actual,
            waiting=waiting,
        )


class ChartMismatchError(StoreError):
    """A stored instance belongs to another chart, version, or set of states."""

    key: str
    stored: str
    current: str
    reason: str

    def __init__(self, *, key: str, stored: str, current: str, reason: str) -> None:
        super().__init__(
            f"instance {shorten(key)} was saved by {stored}, this is {current}: {reason}",
            key=key,
            stored=stored,
            current=current,
            reason=reason,
        )


class MigrationError(ChartMismatchError):
    """A stored instance cannot be migrated to the chart's version."""

    stranded: bool
    """Whether the migrations end in an unsettled state; otherwise one is missing or failed."""

    def __init__(
        self, *, key: str, stored: str, current: str, reason: str, stranded: bool = False
    ) -> None:
        super().__init__(key=key, stored=stored, current=current, reason=reason)
        self.stranded = stranded
        self._facts["stranded"] = stranded


class ChartEditedError(ChartMismatchError):
    """A stored instance was saved by this version of the chart, which had another definition."""


class LeastVersionError(StoreError):
    """The store needs a later version of the chart than this one."""

    chart: str
    version: int
    least: int

    def __init__(self, *, chart: str, version: int, least: int, store: str) -> None:
        super().__init__(
            f"this is chart {shorten(chart, 60)} version {version}, and store {store} needs "
            f"version {least} or a later one: an earlier one would strand instances. "
            f"`settlesim find --store {quote(store)} --chart {quote(chart)}` shows them.",
            chart=chart,
            version=version,
            least=least,
            store=store,
        )


class StoreDamagedError(StoreError):
    """A store's file or record is not what this library wrote."""

    path: str
    reason: str
    final = True

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(
            f"store {path} is damaged: {reason}. It was not changed.", path=path, reason=reason
        )


class StoreUnavailableError(StoreError):
    """A store's file cannot be read or written at the moment; `reason` says why.

    It is `final` if this store object can never be used again: it was closed, or its file was
    replaced.
    """

    path: str
    reason: str

    def __init__(self, *, path: str, reason: str, final: bool = False) -> None:
        super().__init__(
            f"store {path} cannot be used: {reason}", path=path, reason=reason, final=final
        )


def newer_version(key: str, chart: str, version: int, newest: int) -> ChartMismatchError:
    """Return the error for starting an instance in an earlier version than the newest one."""
    return ChartMismatchError(
        key=key,
        stored="no version so far",
        current=f"{chart} version {version}",
        reason=f"the store has seen version {newest}, in which new instances start",
    )


def error_message(error: BaseException | str) -> str:
    """Return an error's text as strict JSON can carry it, even if ``str(error)`` fails."""
    try:
        text = str(error)
    except Exception as failure:
        text = f"(its text cannot be made: {type(failure).__name__})"
    return text.encode("utf-8", "backslashreplace").decode()[:10_000]
