"""`Engine`: the interface between callers and whatever runs a durable chart."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from settlesim.chart import Chart, Snapshot
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import SettlesimError
from settlesim.store.entries import ParkedGroup, PastSettlement, StoredInstance

__all__ = [
    "Accepted",
    "DeadEvent",
    "Engine",
    "EngineStatus",
    "EventStage",
    "EventStatus",
    "NotPromisedError",
    "Promise",
]


class Promise(enum.Enum):
    """A promise that some engines give and others cannot; `Engine` lists what all of them promise.

    `settlesim.testing.EngineContract` tests each promise on the engines that give it. On the
    others it tests that the request is refused, or what happens instead.
    """

    FOLLOW_ALL = "follow_all"
    """`Engine.settlements` without a key returns those of all instances, in the order of their
    commits. Other engines raise `NotPromisedError`."""
    EXPECTED_REVISION = "expected_revision"
    """`Engine.send` takes `expected`. Other engines raise `NotPromisedError`."""
    REFUSE_REUSED_ID = "refuse_reused_id"
    """`Engine.send` refuses an id that was used for another event. Other engines take the second
    event for a duplicate of the first, and do not apply it."""
    REDRIVE_IN_PLACE = "redrive_in_place"
    """Under the policy ``halt`` a dead letter that is retried comes before the events that were
    parked behind it. On other engines it comes after them."""
    FINISHED_CALLS_KEPT = "finished_calls_kept"
    """A service that answered is not called again when its event is retried after a failure.
    Other engines call it again, with the same idempotency key."""
    VERSIONS_TOGETHER = "versions_together"
    """Engines of two versions of the chart may work at the same time: each event is settled by
    the version that saved its instance. On other engines an event may wait until that version
    works alone."""


class EventStage(enum.Enum):
    """How far an event has got."""

    WAITING = "waiting"
    """It was accepted and is not settled yet; it may be in progress."""
    SETTLED = "settled"
    """It was applied, rejected or ignored."""
    DEAD = "dead"
    """It is a dead letter."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that an engine has accepted: no crash loses it from now on."""

    key: str
    event_id: str
    """The caller's, or one that the engine made."""
    new: bool = True
    """False for a duplicate of an event that was accepted earlier."""
    ahead: int | None = None
    """How many events of the instance wait before it; None where the engine cannot tell."""


@dataclass(frozen=True, slots=True)
class EventStatus:
    """What has become of an event."""

    key: str
    event_id: str
    stage: EventStage
    outcome: str | None = None
    """Of a settled event, such as ``"resolved"``."""
    revision: int | None = None
    """The instance's revision after a settled event."""
    snapshot: Snapshot | None = None
    """The state that a settled event saved; None where it saved none, or where that state is no
    longer remembered."""
    errors: tuple[str, ...] = ()
    """The last few errors of failed attempts, the oldest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "key": self.key,
            "event_id": self.event_id,
            "stage": self.stage.value,
            "outcome": self.outcome,
            "revision": self.revision,
            "errors": list(self.errors),
        }


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """A dead letter: an event that could not be settled, put aside with its errors."""

    id: str
    """The id of the letter, which is also a cursor of `Engine.dead_letters`."""
    key: str
    event: str | None
    """The event's name; None for a message that was no event."""
    data: JSONValue
    event_id: str | None
    errors: tuple[str, ...]
    """The last few errors, the oldest first."""
    failures: int
    """How many attempts failed."""
    reason: str
    """Why it was put aside."""
    at: float | None
    """When it was put aside, in seconds since the epoch; None where the engine cannot tell."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "id": self.id,
            "key": self.key,
            "event": self.event,
            "data": self.data,
            "event_id": self.event_id,
            "errors": list(self.errors),
            "failures": self.failures,
            "reason": self.reason,
            "at": self.at,
        }


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Counts of what waits; None where the engine cannot tell."""

    waiting: int | None
    """Events that were accepted and are not settled, including those in progress."""
    dead_letters: int | None
    parked: int | None
    """Instances that wait until they are resumed."""
    oldest: float | None = None
    """Seconds for which the oldest event has waited; None also where none waits."""
    timers: int | None = None
    """Running delays."""
    paused: int | None = None
    """Events that the engine no longer retries, until a person resumes them."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "waiting": self.waiting,
            "oldest": self.oldest,
            "dead_letters": self.dead_letters,
            "parked": self.parked,
            "timers": self.timers,
            "paused": self.paused,
        }


class NotPromisedError(SettlesimError):
    """An engine was asked for what it cannot promise."""

    engine: str
    promise: str

    def __init__(self, *, engine: str, promise: str) -> None:
        super().__init__(
            f"the engine {engine!r} does not promise {promise!r}: docs/engines.md has a table of "
            "what each engine promises",
            engine=engine,
            promise=promise,
        )


@runtime_checkable
class Engine(Protocol):
    """Runs the instances of one chart.

    An engine is an asynchronous context manager. Within it, events are worked on by whatever the
    adapter runs in this process, such as a worker; leaving it loses no accepted event. Its methods
    may be called from the event loop that has entered it.

    Notes
    -----
    Every engine promises:

    - An accepted event is applied to its instance exactly once, or becomes a dead letter exactly
      once, in the order of acceptance within its instance. A rejected or ignored event changes
      nothing.
    - Only settled states are visible.
    - A service may be called again, with the same idempotency key.
    - A delay of a settled state fires once, at or after its time, unless the state was left.
    - An event waits if another version of the chart has saved its instance and no migration leads
      from there to this version, or if it would create an instance and a newer version has already
      saved one.
    """

    @property
    def name(self) -> str:
        """How errors, metrics and documents name the engine."""
        ...

    @property
    def chart(self) -> Chart:
        """The chart whose instances it runs."""
        ...

    @property
    def promises(self) -> frozenset[Promise]:
        """What it promises beyond what all engines do."""
        ...

    @property
    def remembers(self) -> float:
        """For how many seconds the id of a settled event is known."""
        ...

    async def send(
        self,
        key: str,
        event: str,
        data: JSONValue = None,
        *,
        event_id: str | None = None,
        expected: int | None = None,
    ) -> Accepted:
        """Accept an event; no crash loses it once this has returned.

        Parameters
        ----------
        key : of the instance, which is created by its first event
        data : strict JSON
        event_id : the same for each duplicate of the event; None to let the engine make one
        expected : accept it only if it will be applied to this revision, 0 for an instance that
            does not exist; None for any

        Raises
        ------
        InvalidEventError
            The name is reserved, or is no name.
        InvalidValueError
            The engine cannot carry the key, the id or the data.
        DeduplicationError
            The id was used for another event; see `Promise.REFUSE_REUSED_ID`.
        UnexpectedRevisionError
            The instance is not at `expected`, or events wait that will change it.
        NotPromisedError
            `expected` is given, and the engine cannot promise it.
        ChartMismatchError
            The instance belongs to another chart.
        StoreError
            The engine could not accept it: nothing was sent, or the same call can be repeated
            with the same `event_id`.
        """
        ...

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        """Return an event's status: once it is settled or dead, or after `wait` seconds.

        Returns
        -------
        status : None for an event that the engine does not know, or no longer knows
        """
        ...

    async def load(self, key: str) -> StoredInstance | None:
        """Return an instance in its last settled state; None for one that was never saved."""
        ...

    async def find(
        self, *, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[StoredInstance]:
        """List the chart's instances, sorted by their keys, a page at a time.

        Parameters
        ----------
        state : only those that are in this state, or in one within it
        after : the last key of the page before
        limit : how many are returned at most
        """
        ...

    async def settlements(
        self, key: str | None = None, *, cursor: int = 0, wait: float = 0.0, limit: int = 100
    ) -> Sequence[PastSettlement]:
        """Return the settlements after `cursor`, oldest first; wait up to `wait` seconds for one.

        An engine remembers the last few settlements of each instance.

        Parameters
        ----------
        key : the instance; None for all of the chart, see `Promise.FOLLOW_ALL`
        cursor : the `number` of the last settlement that was seen; 0 for the beginning

        Raises
        ------
        NotPromisedError
            No key is given, and the engine cannot follow all instances.
        """
        ...

    async def latest(self, key: str | None = None) -> int:
        """Return the cursor from which to follow only new settlements.

        Parameters
        ----------
        key : as for `settlements`

        Returns
        -------
        cursor : no settlement so far has a greater number; 0 where there is none

        Raises
        ------
        NotPromisedError
            As `settlements`.
        """
        ...

    async def dead_letters(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[DeadEvent]:
        """List the dead letters, a page at a time; `after` is the last `id` of the page before."""
        ...

    async def retry(self, letter: str) -> bool:
        """Retry a dead letter, with its count of failures back at 0.

        Parameters
        ----------
        letter : its `DeadEvent.id`

        Returns
        -------
        found : False where there is no such letter
        """
        ...

    async def parked(self, *, after: str | None = None, limit: int = 100) -> Sequence[ParkedGroup]:
        """List the instances that wait until they are resumed, sorted by their keys."""
        ...

    async def resume(self, key: str) -> bool:
        """Resume a parked instance.

        Returns
        -------
        parked : whether it was parked
        """
        ...

    async def status(self) -> EngineStatus:
        """Count what waits."""
        ...

    async def check(self) -> None:
        """Check that events are accepted and worked on now.

        Raises
        ------
        StoreError
            They are not; the message says why.
        """
        ...

    async def __aenter__(self) -> Engine:
        """Start working."""
        ...

    async def __aexit__(self, *error: Any) -> None:
        """Stop in an orderly way."""
        ...


def _is_a_context(engine: Engine) -> AbstractAsyncContextManager[Any]:  # checked by mypy
    return engine
