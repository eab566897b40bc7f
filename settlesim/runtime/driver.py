"""One event, from a snapshot to a transaction, whatever runs its services.

Theory of operation
-------------------
`settle` knows what has to run, in which order answers count, and what has to be written at the
end. It does not know how a service runs or how time passes: that is a `Driver`'s part. The
interpreter and the worker drive with asyncio tasks on a clock (`AsyncioDriver`); a durable
execution engine drives with its own journalled calls and timers; a test answers from a list.

::

    settle                      driver
      | start(pending)  ------->  begins a service, or a delay
      | next()          ------->  waits ...
      |        <-------  (pending, answer)
      | stop(pending)   ------->  its state was left: the answer is not wanted any more
      | close()         ------->  ends what still runs

This module imports no asyncio. `Driver.next` is a coroutine function, so that a driver can
wait by the means of its engine; if it never waits, `settle` needs no event loop.

Errors pass through; `settlesim.runtime.blame` says who has to act on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from settlesim.chart import Event, Snapshot
from settlesim.errors import DeadlineExceededError
from settlesim.machine.program import Program
from settlesim.ports import Transaction
from settlesim.runtime.transactions import Keeping, transaction_of
from settlesim.settling.settlement import Answer, Elapsed, Pending, PendingDelay, Settlement
from settlesim.settling.settling import MAX_MICROSTEPS, Settling

__all__ = ["Activity", "Driver", "Passed", "Settled", "drive", "settle"]

Activity: TypeAlias = Pending | PendingDelay
"""A pending service or delay of a `Settling`; no two of one event are equal."""


class Driver(Protocol):
    """Runs the services and delays of one event."""

    @property
    def deadline(self) -> float:
        """Seconds that the event may take altogether."""
        ...

    def now(self) -> float:
        """Return the time in seconds; only differences within one event are meaningful."""
        ...

    def start(self, activity: Activity) -> None:
        """Begin a service or a delay; a driver may postpone this until `next`."""
        ...

    def stop(self, activity: Activity) -> None:
        """Give up a service or a delay whose state was left.

        An engine that cannot give it up may let it run: an answer that comes nevertheless is
        ignored.
        """
        ...

    async def next(self) -> tuple[Activity, Answer]:
        """Wait for the next service that ended, or delay that passed.

        Each activity that was started is answered at most once, one in each call. Where several
        are ready, the one that was started first comes first.

        Raises
        ------
        TimeoutError
            The event took longer than its deadline.
        """
        ...

    async def close(self) -> None:
        """End whatever still runs; called once, after an error and a cancellation too."""
        ...


@dataclass(slots=True)
class Passed:
    """How long the delays of a session ran, and which of them passed."""

    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    """How long each delay ran in the session, by id and number."""
    delays: list[tuple[str, int]] = field(default_factory=list)
    """The delays that passed, in order: the id, and how many calls had ended before."""


class Settled(NamedTuple):
    """The settlement of one event, and everything that has to be written for it."""

    settlement: Settlement
    transaction: Transaction


async def settle(
    program: Program,
    snapshot: Snapshot | None,
    event: Event | Elapsed | None,
    driver: Driver,
    *,
    key: str,
    keeping: Keeping,
    max_microsteps: int = MAX_MICROSTEPS,
) -> Settled:
    """Bring one event to a settled state.

    Parameters
    ----------
    snapshot : the instance's last settled state; None for a new instance
    event : None to start a new instance without an event
    keeping : what the transaction has besides the new state

    Raises
    ------
    InvalidEventError
        The event's name is reserved, or its data is no strict JSON.
    ChartMismatchError
        The snapshot is of another chart or version, or of states that are not settled here.
    DeadlineExceededError
        The event took longer than the driver's deadline.
    SettleError
        The event reached no settled state.
    """
    settling = Settling(program, snapshot, event, key=key, max_microsteps=max_microsteps)
    passed = await drive(settling, driver)
    assert settling.settlement is not None  # `drive` returns with it, or raises
    return Settled(settling.settlement, transaction_of(settling.settlement, keeping, passed))


async def drive(settling: Settling, driver: Driver) -> Passed:
    """Answer a session until it is settled.

    Raises
    ------
    DeadlineExceededError, SettleError
        As `settle`.
    """
    passed = Passed()
    if settling.settlement is not None:
        return passed
    running: list[Activity] = []
    began: dict[tuple[str, int], float] = {}
    try:
        while settling.settlement is None:
            wanted: list[Activity] = [*settling.pending, *settling.delays]
            for activity in running:
                if activity not in wanted:
                    driver.stop(activity)
            for activity in [each for each in wanted if each not in running]:
                if isinstance(activity, PendingDelay):
                    began[activity.id, activity.number] = driver.now()
                driver.start(activity)
            running = wanted
            activity, answer = await driver.next()
            if activity in running:
                running.remove(activity)
                _give(settling, activity, answer, passed)
    except TimeoutError:  # of the driver: functions of the chart raise SettleErrors here
        raise DeadlineExceededError(
            seconds=driver.deadline, configuration=settling.configuration
        ) from None
    finally:
        await driver.close()
    if began:
        now = driver.now()
        passed.seconds = {name: now - at for name, at in began.items()}
    return passed


def _give(settling: Settling, activity: Activity, answer: Answer, passed: Passed) -> None:
    """Give an answer to the session."""
    if isinstance(activity, PendingDelay):
        passed.delays.append((activity.id, len(settling.calls)))
        settling.elapsed(activity.id)
    elif answer.error is None:
        settling.done(activity.id, answer.value, seconds=answer.seconds)
    else:
        settling.failed(activity.id, answer.error, seconds=answer.seconds, timeout=answer.timed_out)
