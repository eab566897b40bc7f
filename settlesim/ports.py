"""The ports: what the runtime needs from a store, a queue and a clock, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256
from json import JSONEncoder
from typing import Final, NamedTuple, Protocol, runtime_checkable

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.errors import InvalidValueError, shorten

__all__ = [
    "MAX_VISIBILITY",
    "ChartDefinition",
    "ChartQueue",
    "ChartStore",
    "ChartVersion",
    "Clock",
    "DurableTimer",
    "Mark",
    "Message",
    "Queue",
    "QueueStore",
    "Rewrite",
    "Send",
    "Store",
    "StoredChart",
    "StoredSnapshot",
    "Timer",
    "Timers",
    "Transaction",
    "WaitingMessage",
    "digest_of",
]

MAX_VISIBILITY: Final = 43_200.0
"""Seconds for which a message can be hidden at most, as in SQS: twelve hours."""

_encoder: Final = JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def digest_of(body: JSONValue) -> str:
    """Return a digest of a JSON value that does not depend on the order of its keys.

    Returns
    -------
    digest : 32 hexadecimal digits, the beginning of the SHA-256 of the sorted JSON text
    """
    return sha256(_encoder.encode(body).encode()).hexdigest()[:32]


class ChartVersion(NamedTuple):
    """One version of a chart."""

    chart: str
    """The chart's name."""
    version: int
    migrates: tuple[int, ...] = ()
    """The earlier versions whose instances the consumer can migrate to its own."""


@dataclass(frozen=True, slots=True)
class ChartDefinition:
    """A chart as a store keeps it, so that later versions of the program can read it."""

    chart: str
    """The chart's name."""
    version: int
    fingerprint: str
    """Tells the definition from others of the same version."""
    text: str
    """The definition as JSON text, which `read_chart` reads."""


@dataclass(frozen=True, slots=True)
class StoredChart:
    """A chart that has saved an instance in a store."""

    definition: ChartDefinition
    since: float
    """When it saved the first instance, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Send:
    """A message that a settlement sends: it is in its queue when the settlement is saved."""

    queue: str
    """The queue's name."""
    body: JSONValue
    group_id: str
    """Messages of one group are handled in order; the key of an instance."""
    deduplication_id: str | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """A delay of a settled state: its transition is taken if the state stays active so long."""

    id: str
    """The id of the chart's delay."""
    seconds: float
    """From the settlement that starts it."""


@dataclass(frozen=True, slots=True)
class Timers:
    """What a settlement does to the timers of its instance; those not named here end."""

    started: tuple[Timer, ...] = ()
    """The timers of states that were entered."""
    kept: tuple[str, ...] = ()
    """The ids of those whose states were not left."""
    renamed: tuple[tuple[str, str], ...] = ()
    """The old and the new id of each timer whose delay has another id in the version of the chart
    that saves; it keeps its due time. `kept` and `started` have the new ids."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one settlement changes in a store, all of it or nothing.

    A store that cannot keep one of the parts after `expected` refuses the transaction with
    `refuse_parts`; only a `record` and a `definition` may be left out silently.
    """

    key: str
    """The instance."""
    snapshot: Snapshot | None
    """The new state, with revision `expected` + 1; None if the instance stays as it is."""
    expected: int
    """The revision that the store must hold now; 0 for an instance that it does not have."""
    _: KW_ONLY
    final: bool = False
    """Whether the chart has finished in `snapshot`."""
    consumed: str | None = None
    """The receipt of the message that was handled, which is deleted."""
    mark: str | None = None
    """The id of the event that was handled, by which a duplicate is recognized."""
    sends: tuple[Send, ...] = ()
    """The messages that go out."""
    timers: Timers | None = None
    """What happens to the instance's timers; None leaves them alone."""
    record: FrozenDict | None = None
    """What the instance's list of settlements keeps of this one."""
    definition: ChartDefinition | None = None
    """The chart that saves `snapshot`; a store without a list of charts leaves it out."""
    secret: tuple[str, ...] = ()
    """Names of fields whose values the store hides in the list of settlements."""
    before: Snapshot | None = None
    """The state that was loaded, for the store to compare too; None to compare only the revision.
    An instance that was deleted and created again may be at the same revision in another state."""

    def refuse_parts(self, *names: str, store: str) -> None:
        """Refuse the transaction if it has a part that a store cannot keep.

        Parameters
        ----------
        names : of fields among `consumed`, `mark`, `sends` and `timers`
        store : how the error names the store

        Raises
        ------
        InvalidValueError
            One of these fields is set.
        """
        found = [name for name in names if getattr(self, name) not in (None, ())]
        if found:
            reason = f"has {' and '.join(found)}, which {store} cannot keep; a SqliteStore can"
            raise InvalidValueError(
                where=f"the transaction of instance {shorten(self.key, 60)}", reason=reason
            )


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The new state of an instance that is migrated to another version of its chart."""

    key: str
    """The instance."""
    before: Snapshot
    """The state that the store must hold now."""
    after: Snapshot
    """The new state, at the same revision."""
    final: bool = False
    """Whether the chart has finished in `after`."""
    timers: Timers | None = None
    """What happens to the instance's timers; None leaves them alone."""


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message of a queue, seen without receiving it."""

    id: int
    group_id: str
    body: JSONValue
    version: int | None
    """The chart version when it was sent: that of the instance, or for a new key the newest one
    that the store had seen; None if neither was known."""
    dead: bool
    """Whether it is a dead letter."""
    fingerprint: str | None = None
    """The fingerprint of the definition that this version had then; None if it was not known."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a store remembers of a settled event."""

    key: str
    id: str
    """The event's id."""
    revision: int
    """The instance's revision after the event."""
    outcome: str | None
    """Such as ``"resolved"``; None if the transaction's record has none."""
    digest: str | None
    """The `digest_of` the body of the event's message; None if the event came without one."""
    until: float
    """When it is forgotten, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class DurableTimer:
    """A delay that runs, or whose message waits in the queue."""

    key: str
    """The instance."""
    delay: str
    """The id of the chart's delay."""
    token: int
    """Tells this start of the delay from all others."""
    due: float
    """When it may fire, in seconds since the epoch."""
    sent: bool
    """Whether its message was sent."""


@runtime_checkable
class Store(Protocol):
    """Where instances are kept between events."""

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The record cannot be read; it is never taken for a missing one.
        """
        ...

    def keys(self) -> Sequence[str]:
        """Return the keys of all instances, sorted."""
        ...

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, which is 0 if it does not exist.
        """
        ...

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, or not in the state `before`, or the timer
            whose message is consumed has been ended; nothing was written.
        ReceiptExpiredError
            Another consumer may have the consumed message by now; nothing was written.
        EventRepeatedError
            The event was marked before; nothing was written.
        DeduplicationError
            A message to be sent has the deduplication id of another one; nothing was written.
        ChartMismatchError
            It starts an instance, and the store has seen a later version of the chart than that
            of `definition`; nothing was written.
        StoreError
            The store could not write; it holds what it held before.
        InvalidValueError
            The transaction has a part that this store cannot keep; nothing was written.
        """
        ...


@runtime_checkable
class QueueStore(Store, Protocol):
    """A store whose `commit` also keeps marks, timers and messages, in the same write."""

    def mark(self, key: str, event_id: str) -> Mark | None:
        """Return what is remembered of a settled event, or None."""
        ...

    def timers(self, key: str) -> Sequence[DurableTimer]:
        """Return the instance's timers, the oldest first."""
        ...


class StoredSnapshot(Protocol):
    """An instance as a store lists it."""

    @property
    def key(self) -> str:
        """The instance."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """Its last saved state."""
        ...


@runtime_checkable
class ChartStore(Store, Protocol):
    """A store that knows which charts have saved its instances, so that charts may change."""

    def charts(self, name: str | None = None) -> Sequence[StoredChart]:
        """Return the charts that have saved instances, sorted by name, version and time.

        Parameters
        ----------
        name : of the chart; None for all
        """
        ...

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a chart that has saved an instance; None for none."""
        ...

    def least_version(self, name: str) -> int:
        """Return the least version of a chart that may use the store; 0 if any may."""
        ...

    def check_version(self, name: str, version: int) -> None:
        """Refuse a version of a chart below the least one.

        Raises
        ------
        LeastVersionError
        """
        ...

    def require_version(self, name: str, version: int) -> None:
        """Refuse earlier versions of a chart from now on; 0 allows all of them again."""
        ...

    def instance_versions(self, name: str) -> Mapping[int, int]:
        """Count the instances of a chart by the version that saved them last."""
        ...

    def find(
        self, *, chart: str | None, version: int | None, after: str | None, limit: int
    ) -> Sequence[StoredSnapshot]:
        """Return instances that a version of a chart has saved last, sorted by key.

        Parameters
        ----------
        after : the last key of the previous page; None for the first page
        limit : how many are returned at most
        """
        ...

    def rewrite(
        self, rewrites: Sequence[Rewrite], definition: ChartDefinition | None = None
    ) -> Sequence[str]:
        """Replace the states of instances in one write, each if it is in its state `before`.

        Parameters
        ----------
        definition : the chart that the new states belong to

        Returns
        -------
        keys : of the instances that were left alone because another writer was first
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a consumer received it (SQS: ReceiveMessage)."""

    queue: str
    """The queue's name."""
    id: int
    """Unique in its queue; later messages have greater ones (SQS: SequenceNumber)."""
    first_id: int
    """The id with which it was accepted; not `id` if it was redriven to the end of its queue."""
    group_id: str
    body: JSONValue
    deduplication_id: str | None
    receipt: str
    """Proves this one reception; the next one of the same message has another."""
    receives: int
    """How often it was received, this time included (SQS: ApproximateReceiveCount)."""
    failures: int
    """How often a consumer released it because it could not be handled."""
    sent_at: float
    """When it was accepted, in seconds since the epoch, on the store's clock."""
    version: int | None = None
    """As `WaitingMessage.version`."""
    fingerprint: str | None = None
    """As `WaitingMessage.fingerprint`."""


@runtime_checkable
class Queue(Protocol):
    """Where messages wait for a consumer, in the terms of SQS."""

    @property
    def name(self) -> str:
        """The queue's name."""
        ...

    @property
    def store(self) -> QueueStore:
        """The store whose `commit` consumes the receipts of this queue."""
        ...

    @property
    def chart(self) -> str:
        """The name of the chart whose timers send into this queue."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether the messages of one group are handled in order, each by one consumer at a time.

        If they are not, a message may be delivered twice, and a consumer has to mark every event.
        """
        ...

    @property
    def visibility_timeout(self) -> float:
        """For how many seconds a received message is hidden from others."""
        ...

    def send(self, body: JSONValue, group_id: str, deduplication_id: str | None = None) -> int:
        """Accept a message; it is on disk when this returns.

        A deduplication id is known while its message waits, and for a window after it was
        accepted and after it was deleted. It counts within its group, unless the queue says
        otherwise.

        Returns
        -------
        id : of the message; of the earlier one if `deduplication_id` is known

        Raises
        ------
        DeduplicationError
            The deduplication id is known with another body.
        InvalidValueError
            The body is not strict JSON, or an id is not a text.
        """
        ...

    def receive(
        self,
        max_messages: int = 1,
        visibility_timeout: float | None = None,
        *,
        chart_version: ChartVersion | None = None,
    ) -> Sequence[Message]:
        """Return messages that may be handled now, and hide them from others.

        An ordered queue returns one message of a group at most. The group whose head has been
        receivable longest comes first, so that no group starves.

        Parameters
        ----------
        visibility_timeout : seconds; None for the queue's own
        chart_version
            The chart version of the consumer. A group is left to others if its instance was
            saved by a version that the consumer neither has nor can migrate, or if it has no
            instance and the store has seen a later version. None for all groups.
        """
        ...

    def delete(self, receipt: str) -> None:
        """Remove a message that was handled.

        Raises
        ------
        ReceiptExpiredError
            The message was received again, or is gone.
        """
        ...

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Hide a received message from now on for `seconds`; 0 releases it to others.

        Raises
        ------
        ReceiptExpiredError
            The message was received again or released, or is gone.
        """
        ...

    def release(self, receipt: str, retry_in: float = 0.0) -> None:
        """Make a received message visible to others again, without counting anything against it.

        Parameters
        ----------
        retry_in : seconds for which it is held back, and its group with it

        Raises
        ------
        ReceiptExpiredError
            As `change_visibility`.
        """
        ...

    def fail(
        self,
        receipt: str,
        error: BaseException | str,
        retry_in: float = 0.0,
        *,
        final: bool = False,
    ) -> bool:
        """Release a received message because it could not be handled, and count that.

        Parameters
        ----------
        error : its text is kept with the message
        retry_in : seconds for which it is held back, and its group with it
        final : whether the message can never be handled, and goes to the dead letters now

        Returns
        -------
        dead : whether the message went to the dead letters

        Raises
        ------
        ReceiptExpiredError
            The message was received again, or is gone.
        """
        ...

    def release_timers(self, delays: Collection[str] | None = None) -> int:
        """Send the messages of timers that are due, each exactly once.

        Such a message goes to the group of its instance; its body is an object with `timer`,
        the id of the chart's delay, and `token`, the `DurableTimer`'s.

        Parameters
        ----------
        delays : ids of the chart's delays; timers of other delays are kept. None for all.

        Returns
        -------
        count : how many were sent
        """
        ...

    def next_change(
        self,
        *,
        chart_version: ChartVersion | None = None,
        delays: Collection[str] | None = None,
    ) -> float | None:
        """Return in how many seconds the next message becomes receivable by itself.

        Parameters
        ----------
        chart_version : as of `receive`
        delays : as of `release_timers`

        Returns
        -------
        seconds : 0 if a message is receivable now; None if no message is hidden or held back and
            no timer runs
        """
        ...

    def left(
        self, groups: Collection[str] = (), *, chart_version: ChartVersion | None = None
    ) -> tuple[int, int]:
        """Count the messages outside parked groups, and those of them outside `groups` too.

        Both numbers are read in one transaction.

        Parameters
        ----------
        groups : the ids of groups that the second number leaves out
        chart_version : as of `receive`; the second number also leaves out groups of others

        Returns
        -------
        left : messages outside parked groups, including those in flight
        others : how many of them belong to no group that is left out
        """
        ...


@runtime_checkable
class ChartQueue(Queue, Protocol):
    """A queue that can be looked at, so that a chart may change while messages wait."""

    def waiting_messages(self) -> Sequence[WaitingMessage]:
        """Return all messages and dead letters, in the order in which they were accepted."""
        ...

    def chart_timers(self) -> Sequence[DurableTimer]:
        """Return the timers of the chart's instances, sorted by key."""
        ...


@runtime_checkable
class Clock(Protocol):
    """Where time comes from."""

    @property
    def simulated(self) -> bool:
        """Whether only sleeping on this clock makes time pass.

        Then nothing outside the event loop takes time: a worker calls its store in the loop, and
        a service that waits for the world outside runs into its time-out.
        """
        ...

    def now(self) -> float:
        """Return the time in seconds; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that is left with TimeoutError when `seconds` have passed.

        Raises
        ------
        TimeoutError
            From the ``async with`` block, when the time passed first.
        """
        ...
