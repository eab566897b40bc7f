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
      | stop(pending)   ------->  its node was left: the answer is not wanted any more
      | close()         ------->  ends what still runs

This module imports no asyncio. `Driver.next` is a coroutine function, so that a driver may wait
in whatever way its engine has; where it never waits, `settle` ends without an event loop.

Errors pass through; `settlesim.runtime.blame` says who has to act on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from settlesim.chart import Event, Snapshot
from settlesim.engine.program import Program
from settlesim.engine.settlement import (
    Answer,
    Elapsed,
    Pending,
    PendingDelay,
    Settlement,
    printable,
)
from settlesim.engine.settling import MAX_MICROSTEPS, Settling
from settlesim.errors import DeadlineExceededError
from settlesim.ports import Transaction
from settlesim.runtime.transactions import Keeping, transaction_of

__all__ = ["Activity", "Answers", "Driver", "Settled", "drive", "name_of", "settle"]

Activity: TypeAlias = Pending | PendingDelay
"""A service or a delay; `name_of` tells it from others of its event."""


class Driver(Protocol):
    """Runs the services and delays of one event."""

    @property
    def deadline(self) -> float:
        """Seconds that the event may take altogether."""
        ...

    def now(self) -> float:
        """Return the time in seconds; only differences within one event mean something."""
        ...

    def start(self, activity: Activity) -> None:
        """Begin a service or a delay; it may also wait for `next`."""
        ...

    def stop(self, activity: Activity) -> None:
        """Give up a service or a delay whose node was left.

        An engine that cannot give it up may let it run: an answer that comes all the same is
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
class Answers:
    """What a driver answered to one event, in order."""

    given: list[dict[str, Any]] = field(default_factory=list)
    """One object for each: the `invocation` with its `value`, or with an `error` of `type` and
    `message` and, where its time was up, `timeout`; or the `delay` that passed."""
    delays: dict[tuple[str, int], float] = field(default_factory=dict)
    """How many seconds each delay ran in the session, by id and number."""


class Settled(NamedTuple):
    """What one event came to, and all that has to be written for it."""

    settlement: Settlement
    transaction: Transaction


async def settle(
    program: Program,
    snapshot: Snapshot | None,
    event: Event | Elapsed,
    driver: Driver,
    *,
    key: str,
    keeping: Keeping,
    max_microsteps: int = MAX_MICROSTEPS,
) -> Settled:
    """Bring one event to a settled node.

    Parameters
    ----------
    snapshot : the instance's last settled state; None for a new instance
    keeping : what the transaction has beside the new state

    Raises
    ------
    InvalidEventError
        The event's name is reserved, or its data is no strict JSON.
    ChartMismatchError
        The snapshot is of another chart or version, or of nodes where this chart cannot rest.
    DeadlineExceededError
        The event took longer than the driver's deadline.
    SettleError
        The event came to no settled node.
    """
    settling = Settling(program, snapshot, event, key=key, max_microsteps=max_microsteps)
    answers = await drive(settling, driver)
    assert settling.settlement is not None  # `drive` returns with it, or raises
    return Settled(
        settling.settlement, transaction_of(settling.settlement, keeping, answers=answers)
    )


async def drive(settling: Settling, driver: Driver) -> Answers:
    """Answer a session until it is settled.

    Raises
    ------
    DeadlineExceededError, SettleError
        As `settle`.
    """
    answers = Answers()
    if settling.settlement is not None:
        return answers
    began: dict[tuple[str, int], float] = {}
    running: dict[tuple[str, str, int], Activity] = {}
    try:
        while settling.settlement is None:
            _start_and_stop(settling, driver, running, began)
            try:
                activity, answer = await driver.next()
            except TimeoutError:
                configuration = settling.configuration
                raise DeadlineExceededError(
                    seconds=driver.deadline, configuration=configuration
                ) from None
            if running.pop(name_of(activity), None) is not None:
                answers.given.append(_give(settling, activity, answer))
    finally:
        await driver.close()
    now = driver.now()
    answers.delays = {name: now - at for name, at in began.items()}
    return answers


def name_of(activity: Activity) -> tuple[str, str, int]:
    """Return what tells an activity from all others of its event."""
    kind = "delay" if isinstance(activity, PendingDelay) else "service"
    return kind, activity.id, activity.number


def _start_and_stop(
    settling: Settling,
    driver: Driver,
    running: dict[tuple[str, str, int], Activity],
    began: dict[tuple[str, int], float],
) -> None:
    """Tell the driver what is new, and what is no longer wanted."""
    activities: list[Activity] = [*settling.pending, *settling.delays]
    wanted = {name_of(each): each for each in activities}
    for name in [name for name in running if name not in wanted]:
        driver.stop(running.pop(name))
    for name, activity in wanted.items():
        if name not in running:
            running[name] = activity
            if isinstance(activity, PendingDelay):
                began[activity.id, activity.number] = driver.now()
            driver.start(activity)


def _give(settling: Settling, activity: Activity, answer: Answer) -> dict[str, Any]:
    """Give an answer to the session; return what is remembered of it."""
    if isinstance(activity, PendingDelay):
        settling.elapsed(activity.id)
        return {"delay": activity.id}
    ended = len(settling.calls)
    if answer.error is None:
        settling.done(activity.id, answer.value, seconds=answer.seconds)
        return {"invocation": activity.id, "value": settling.calls[ended].result}
    settling.failed(activity.id, answer.error, seconds=answer.seconds, timeout=answer.timed_out)
    kind = printable(type(answer.error).__name__)
    error = {"type": kind, "message": printable(answer.error)}
    timeout = {"timeout": True} if answer.timed_out else {}
    return {"invocation": activity.id, "error": error, **timeout}
