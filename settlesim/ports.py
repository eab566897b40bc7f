"""The ports: what the runtime needs from a store, a queue and a clock, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass
from typing import Protocol, runtime_checkable

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import FrozenDict, JSONValue

__all__ = ["Clock", "Message", "Queue", "Send", "Store", "Timer", "Timers", "Transaction"]


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
    """A delay of a settled node: its way out opens when it was active for a while."""

    id: str
    """The id of the chart's delay."""
    seconds: float
    """From the settlement that starts it."""


@dataclass(frozen=True, slots=True)
class Timers:
    """What a settlement does to the timers of its instance; those not named here end."""

    started: tuple[Timer, ...] = ()
    """Of nodes that were entered."""
    kept: tuple[str, ...] = ()
    """The ids of those whose nodes were not left."""


@dataclass(frozen=True, slots=True, init=False)
class Transaction:
    """What one settlement changes in a store, all of it or nothing."""

    key: str
    """The instance."""
    snapshot: Snapshot | None
    """The new state, with revision `expected` + 1; None where the instance stays as it is."""
    expected: int
    """The revision that the store must hold now; 0 for an instance that it does not have."""
    _: KW_ONLY
    consumed: str | None = None
    """The receipt of the message that was handled, which is deleted."""
    mark: str | None = None
    """The id of the event that was handled, so that a repetition of it can be told."""
    sends: tuple[Send, ...] = ()
    """The messages that go out."""
    timers: Timers | None = None
    """What becomes of the instance's timers; None leaves them alone."""
    record: FrozenDict | None = None
    """What the instance's list of settlements keeps of this one."""
    before: Snapshot | None = None
    """The state that was loaded, if the sender says so: then the store compares it too, since an
    instance that was deleted and begun anew may be at the same revision with another state."""

    def __init__(
        self,
        key: str,
        snapshot: Snapshot | None,
        expected: int,
        *,
        consumed: str | None = None,
        mark: str | None = None,
        sends: tuple[Send, ...] = (),
        timers: Timers | None = None,
        record: FrozenDict | None = None,
        before: Snapshot | None = None,
    ) -> None:
        # As `dataclass` would write it, in half the time: each event makes one.
        _set_key(self, key)
        _set_snapshot(self, snapshot)
        _set_expected(self, expected)
        _set_consumed(self, consumed)
        _set_mark(self, mark)
        _set_sends(self, sends)
        _set_timers(self, timers)
        _set_record(self, record)
        _set_before(self, before)


(
    _set_key,
    _set_snapshot,
    _set_expected,
    _set_consumed,
    _set_mark,
    _set_sends,
    _set_timers,
    _set_record,
    _set_before,
) = (vars(Transaction)[name].__set__ for name in Transaction.__slots__)


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
            The instance is at another revision; nothing was written.
        ReceiptExpiredError
            The consumed message may be in other hands by now; nothing was written.
        EventRepeatedError
            The event was marked before; nothing was written.
        DeduplicationError
            A message that goes out has the deduplication id of another one; nothing was
            written.
        StoreError
            The store could not write; it holds what it held before.
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


@runtime_checkable
class Queue(Protocol):
    """Where messages wait for a consumer, in the terms of SQS."""

    name: str

    def send(self, body: JSONValue, group_id: str, deduplication_id: str | None = None) -> int:
        """Accept a message; it is on the disk when this returns.

        Returns
        -------
        id : of the message; of the earlier one where `deduplication_id` is known

        Raises
        ------
        DeduplicationError
            The deduplication id is known with another body.
        """
        ...

    def receive(
        self, max_messages: int = 1, visibility_timeout: float | None = None
    ) -> Sequence[Message]:
        """Return messages that may be handled now, and hide them from others for a while.

        Parameters
        ----------
        visibility_timeout : seconds; None for the queue's own
        """
        ...

    def delete(self, receipt: str) -> None:
        """Remove a message that was handled.

        Raises
        ------
        ReceiptExpiredError
            Somebody else may have it by now.
        """
        ...

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Hide a received message from now on for `seconds`; 0 gives it back at once.

        Raises
        ------
        ReceiptExpiredError
            Somebody else may have it by now.
        """
        ...


@runtime_checkable
class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Return the time in seconds; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Return a context that is left with TimeoutError when `seconds` have passed.

        Raises
        ------
        TimeoutError
            From the ``async with`` block, when the time passed first.
        """
        ...
