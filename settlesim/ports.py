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
    """Return what tells two JSON values apart, whatever the order of their keys.

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
    """The earlier versions of which the consumer can carry instances to its own."""


@dataclass(frozen=True, slots=True)
class ChartDefinition:
    """What a store keeps of a chart, so that a later program can say what it was."""

    chart: str
    """The chart's name."""
    version: int
    fingerprint: str
    """Tells the definition from others of the same version."""
    text: str
    """The definition as JSON text, which `read_chart` reads."""


@dataclass(frozen=True, slots=True)
class StoredChart:
    """A chart that a store knows, since it has saved an instance there."""

    definition: ChartDefinition
    since: float
    """When it saved the first one, in seconds since the epoch."""


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
    """A delay of a settled state: its transition is taken when it was active for so long."""

    id: str
    """The id of the chart's delay."""
    seconds: float
    """From the settlement that starts it."""


@dataclass(frozen=True, slots=True)
class Timers:
    """What a settlement does to the timers of its instance; those not named here end."""

    started: tuple[Timer, ...] = ()
    """Of states that were entered."""
    kept: tuple[str, ...] = ()
    """The ids of those whose states were not left."""
    renamed: tuple[tuple[str, str], ...] = ()
    """The old and the new id of those whose delays have another one in the version of the chart
    that saves; they keep their due times. `kept` and `started` have the new ones."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one settlement changes in a store, all of it or nothing.

    A store that cannot keep one of the parts after `expected` refuses the transaction with
    `refuse_parts`; only a `record` and a `definition` may be left out in silence.
    """

    key: str
    """The instance."""
    snapshot: Snapshot | None
    """The new state, with revision `expected` + 1; None where the instance stays as it is."""
    expected: int
    """The revision that the store must hold now; 0 for an instance that it does not have."""
    _: KW_ONLY
    final: bool = False
    """Whether the chart has finished in `snapshot`."""
    consumed: str | None = None
    """The receipt of the message that was handled, which is deleted."""
    mark: str | None = None
    """The id of the event that was handled, so that a duplicate of it can be told."""
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
    """The state that was loaded, if the sender says so: then the store compares it too, since an
    instance that was deleted and created again may be at the same revision with another state."""

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
    """An instance in another version of its chart; nothing happens to it."""

    key: str
    """The instance."""
    before: Snapshot
    """The state that the store must hold now."""
    after: Snapshot
    """The state in its place, at the same revision."""
    final: bool = False
    """Whether the chart has finished in `after`."""
    timers: Timers | None = None
    """What happens to the instance's timers; None leaves them alone."""


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message of a queue as somebody sees it who does not receive it."""

    id: int
    group_id: str
    body: JSONValue
    version: int | None
    """The chart version that the sender met: that of the instance, or for a new key the newest
    one that the store had seen; None where neither was known."""
    dead: bool
    """Whether it is a dead letter."""
    fingerprint: str | None = None
    """Tells the definition that this version had then from others of the same version; None where
    it was not known."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a store remembers of an event that was settled."""

    key: str
    id: str
    """The event's id."""
    revision: int
    """The instance's revision after the event."""
    outcome: str | None
    """Such as ``"resolved"``, where the transaction's record has it."""
    digest: str | None
    """Of the body of the event's message, see `digest_of`; None where no message brought it."""
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
            The instance is at another revision, 0 where there is none.
        """
        ...

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision, or not in the state `before`, or the timer
            whose message is consumed was ended; nothing was written.
        ReceiptExpiredError
            The consumed message may be in other hands by now; nothing was written.
        EventRepeatedError
            The event was marked before; nothing was written.
        DeduplicationError
            A message that goes out has the deduplication id of another one; nothing was
            written.
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
        """Return what is remembered of an event that was settled, None where nothing is."""
        ...

    def timers(self, key: str) -> Sequence[DurableTimer]:
        """Return the instance's timers, the oldest first."""
        ...


class StoredSnapshot(Protocol):
    """An instance in a list of them."""

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
        """Return the charts that have saved instances, by name, version and time.

        Parameters
        ----------
        name : of the chart; None for all
        """
        ...

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a chart that has saved an instance; None for none."""
        ...

    def least_version(self, name: str) -> int:
        """Return the least version of a chart that may use the store; 0 where any may."""
        ...

    def check_version(self, name: str, version: int) -> None:
        """Refuse a version of a chart below the least one.

        Raises
        ------
        LeastVersionError
        """
        ...

    def require_version(self, name: str, version: int) -> None:
        """Refuse earlier versions of a chart from now on; 0 takes that back."""
        ...

    def instance_versions(self, name: str) -> Mapping[int, int]:
        """Return how many instances of a chart each version has saved last."""
        ...

    def find(
        self, *, chart: str | None, version: int | None, after: str | None, limit: int
    ) -> Sequence[StoredSnapshot]:
        """Return instances that a version of a chart has saved last, sorted by key.

        Parameters
        ----------
        after : the last key of the page before; None for the first page
        limit : how many are returned at most
        """
        ...

    def rewrite(
        self, rewrites: Sequence[Rewrite], definition: ChartDefinition | None = None
    ) -> Sequence[str]:
        """Put instances into other words, each if it is in its state `before`, in one write.

        Parameters
        ----------
        definition : the chart in whose words they are afterwards

        Returns
        -------
        keys : of those that were left alone, since another writer was first
        """
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a consumer received it (SQS: ReceiveMessage)."""

    queue: str
    """The queue's name."""
    id: int
    """Unique in its queue, later messages have greater ones (SQS: SequenceNumber)."""
    first_id: int
    """The id with which it was accepted; another one where it came back from the dead letters
    to the end of its queue."""
    group_id: str
    body: JSONValue
    deduplication_id: str | None
    receipt: str
    """Proves this one reception; the next one of the same message has another."""
    receives: int
    """How often it was received, this time included (SQS: ApproximateReceiveCount)."""
    failures: int
    """How often a consumer gave it back because it could not be handled."""
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
        """Whose `commit` consumes the receipts of this queue."""
        ...

    @property
    def chart(self) -> str:
        """The name of the chart whose timers send into this queue."""
        ...

    @property
    def ordered(self) -> bool:
        """Whether the messages of one group are handled in order, each by one consumer at a time.

        Where they are not, a message may be delivered twice, and a consumer has to mark every
        event.
        """
        ...

    @property
    def visibility_timeout(self) -> float:
        """For how many seconds a received message is hidden from others."""
        ...

    def send(self, body: JSONValue, group_id: str, deduplication_id: str | None = None) -> int:
        """Accept a message; it is on the disk when this returns.

        A deduplication id is known while its message waits, and for a window after it was
        accepted and after it was deleted; within its group, where the queue says nothing else.

        Returns
        -------
        id : of the message; of the earlier one where `deduplication_id` is known

        Raises
        ------
        DeduplicationError
            The deduplication id is known with another body.
        InvalidValueError
            A body that is no strict JSON, or an id that is no text.
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
            The chart version that the consumer has: groups whose instance was saved by one
            that it has not and cannot migrate are left to others; so are groups without an
            instance where the store has seen a later version. None for all groups.
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
        final : it can never be handled, so it goes to the dead letters now

        Returns
        -------
        dead : whether it went to the dead letters

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
        delays : the ids of the chart's delays; timers of others are kept. None for all.

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
        """Return in how many seconds time alone may make a message receivable.

        Parameters
        ----------
        chart_version : as of `receive`
        delays : as of `release_timers`

        Returns
        -------
        seconds : 0 where something is receivable now; None where nothing is hidden, held back
            or due later
        """
        ...

    def left(
        self, groups: Collection[str] = (), *, chart_version: ChartVersion | None = None
    ) -> tuple[int, int]:
        """Count the messages outside parked groups; both numbers are of one moment.

        Parameters
        ----------
        groups : which are left out of the second number
        chart_version : as of `receive`; groups that it leaves to others are left out too

        Returns
        -------
        left : those in flight included
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
        """Return the timers that run for instances of the chart, by key."""
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
