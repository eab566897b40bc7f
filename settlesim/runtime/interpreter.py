"""`Interpreter`: load an instance, bring one event to a settled node, save.

Theory of operation
-------------------
`settlesim.engine.Settling` says which services and delays are pending; the interpreter runs
them as asyncio tasks on its clock and answers, one completion at a time. The store is asked
twice: for the snapshot at the beginning, and to commit the next one, under compare-and-set
on the revision, at the end. Between the two nothing is written, so an error, a
cancellation or the end of the process leaves the instance settled where it was.

What this module does not do
----------------------------
It brings no order into events: two that are settled at once for one instance load the same
snapshot, and the second commit is refused. A FIFO queue in front of it is the remedy.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart import Chart, Event, Snapshot, Transition
from settlesim.chart.values import FrozenDict, JSONValue
from settlesim.engine.program import program_of
from settlesim.engine.settlement import Settlement
from settlesim.engine.settling import MAX_MICROSTEPS, Pending, PendingDelay, Settling
from settlesim.errors import (
    DeadlineExceededError,
    FunctionFailedError,
    InvalidValueError,
    shorten,
)
from settlesim.ports import Clock, Store, Transaction
from settlesim.runtime.clock import RealClock
from settlesim.runtime.coroutines import resume

__all__ = ["DEADLINE", "SERVICE_TIMEOUT", "Interpreter", "ServiceCall"]

SERVICE_TIMEOUT: Final = 60.0
"""Seconds that a service may take where its chart says nothing."""
DEADLINE: Final = 300.0
"""Seconds that one event may take altogether."""
_GRACE: Final = 5.0  # seconds that a cancelled service has to end before it is let go


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """What a service is given."""

    service: str
    context: FrozenDict
    """The instance's context when the service was started."""
    event: Event
    """The event that is being settled."""
    input: JSONValue
    """What the chart's ``input`` says."""
    idempotency_key: str | None
    """The same for every repetition of this call; None where the event has no id."""
    clock: Clock

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on the interpreter's clock."""
        await self.clock.sleep(seconds)


class Interpreter:
    """Runs the instances of one chart, each from settled node to settled node.

    Parameters
    ----------
    chart
        With all its functions bound.
    store
        Where the instances are kept.
    clock
        Where services and delays take their time; real by default.
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that one event may take altogether
    max_microsteps : how many microsteps one event may take

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.

    Examples
    --------
    >>> from settlesim import Interpreter, MemoryStore, SimulatedClock
    >>> from settlesim.gallery import count
    >>> interpreter = Interpreter(count, MemoryStore(), clock=SimulatedClock())
    >>> interpreter.settle_sync("c1", "COUNT").after.configuration
    ('even',)
    >>> interpreter.settle_sync("c1", "COUNT").after.context
    {'count': 2}
    """

    def __init__(
        self,
        chart: Chart,
        store: Store,
        *,
        clock: Clock | None = None,
        service_timeout: float = SERVICE_TIMEOUT,
        deadline: float = DEADLINE,
        max_microsteps: int = MAX_MICROSTEPS,
    ) -> None:
        chart.require("guard", "assign", "service")
        self.chart = chart
        self.store = store
        self.clock: Clock = RealClock() if clock is None else clock
        self.service_timeout = service_timeout
        self.deadline = deadline
        self.max_microsteps = max_microsteps
        self._program = program_of(chart)

    # --- one event ------------------------------------------------------------------------

    async def settle(
        self, key: str, event: str, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Bring one event to a settled node and save the instance there.

        Parameters
        ----------
        key : names the instance; one that was never saved begins anew
        event : a name that is not reserved
        data : strict JSON
        event_id : the same for every repetition of this event; part of a service's
            idempotency key

        Returns
        -------
        settlement : a rejected or ignored event is a result, not an error

        Raises
        ------
        InvalidEventError
            The name is reserved, or the data is no strict JSON.
        SettleError
            The event came to no settled node; the instance is as it was.
        VersionConflictError
            Another worker saved the instance meanwhile; nothing was written.
        StoreError
            The store could not read or write.
        """
        check_key(key)
        settling = Settling(
            self._program,
            self.store.load(key),
            Event(event, data),
            key=key,
            max_microsteps=self.max_microsteps,
        )
        if settling.settlement is None:
            await _Run(self, settling, key, event_id).finish()
        settlement = settling.settlement
        assert settlement is not None  # finish() returns with it, or raises
        if settlement.saved:
            self.store.commit(Transaction(key, settlement.after, settlement.before.revision))
        return settlement

    def settle_sync(
        self, key: str, event: str, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Do what `settle` does, also where an event loop runs already (Jupyter).

        There the services run in a loop of their own, in a thread, and this call waits.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.settle(key, event, data, event_id))
        return _run_in_thread(self.settle(key, event, data, event_id))

    # --- reading without an event ---------------------------------------------------------

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last settled state, or None for one that was never saved."""
        check_key(key)
        return self.store.load(key)

    def accepts(self, key: str) -> dict[str, tuple[Transition, ...]]:
        """Return the events that the instance takes now, each with its transitions.

        Guards are not asked. For an instance that was never saved these are the events of
        the initial configuration.
        """
        snapshot = self.load(key)
        configuration = (
            self.chart.initial_configuration if snapshot is None else snapshot.configuration
        )
        return self._program.accepts(configuration)

    def keys(self) -> Sequence[str]:
        """Return the keys of all instances in the store, sorted."""
        return self.store.keys()

    def delete(self, key: str) -> None:
        """Forget the instance; one that was never saved is no error.

        Raises
        ------
        VersionConflictError
            Another worker saved it meanwhile.
        """
        snapshot = self.load(key)
        if snapshot is not None:
            self.store.delete(key, snapshot.revision)

    def __repr__(self) -> str:
        return f"Interpreter({self.chart.name!r}, {self.store!r})"


def check_key(key: object) -> None:
    """Refuse what can not name an instance.

    Raises
    ------
    InvalidValueError
        No text, or an empty one.
    """
    if not isinstance(key, str) or not key:
        raise InvalidValueError(
            where="key", reason=f"is {shorten(key, 40)}; a text that is not empty is needed"
        )


class _Run:
    """The services and delays of one event, as tasks."""

    def __init__(
        self, interpreter: Interpreter, settling: Settling, key: str, event_id: str | None
    ) -> None:
        self.settling = settling
        self.clock = interpreter.clock
        self.functions = interpreter.chart.functions
        self.service_timeout = interpreter.service_timeout
        self.deadline = interpreter.deadline
        self.key_prefix = None if event_id is None else f"{interpreter.chart.name}:{key}:{event_id}"
        self.began = self.clock.now()
        self.tasks: dict[tuple[str, int], asyncio.Task[_Answer]] = {}
        self.clock_task: asyncio.Task[None] | None = None
        self.cancelled: list[asyncio.Task[_Answer]] = []

    async def finish(self) -> None:
        """Drive the session to its settlement."""
        settling = self.settling
        try:
            while settling.settlement is None:
                pending, delays = settling.pending, settling.delays
                if len(pending) == 1 and not delays and not self.tasks:
                    await self._run_alone(pending[0])
                else:
                    self._begin(pending, delays)
                    await self._answer_first()
        finally:
            if self.clock_task is not None:
                await self._cancel_all(self.clock_task)

    # --- one service, nothing beside it: no task is needed --------------------------------

    async def _run_alone(self, pending: Pending) -> None:
        left = self.began + self.deadline - self.clock.now()
        limit = self.service_timeout if pending.timeout is None else pending.timeout
        answer = await self._call(pending, min(limit, left))
        if answer.timed_out and left < limit:
            raise self._too_late()
        answer.give(self.settling)

    async def _call(self, pending: Pending, limit: float) -> _Answer:
        """Run a service; its failure is an answer, a cancellation from outside is none."""
        started = self.clock.now()
        answer = _Answer(pending, limit)
        try:
            await self._run_service(pending, limit, answer)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            answer.error = RuntimeError("the service cancelled itself")
        answer.seconds = self.clock.now() - started
        return answer

    async def _run_service(self, pending: Pending, limit: float, answer: _Answer) -> None:
        try:
            service = self._service(pending)
            waits_for = service.send(None)  # a service that never waits needs no timer
        except StopIteration as stop:
            answer.value = stop.value
            return
        except Exception as error:
            answer.error = error
            return
        try:
            async with self.clock.timeout(limit):
                try:
                    answer.value = await resume(service, waits_for)
                except Exception as error:
                    answer.error = error
        except TimeoutError:
            answer.timed_out = True

    def _service(self, pending: Pending) -> Coroutine[Any, Any, JSONValue]:
        key = None
        if self.key_prefix is not None:
            key = f"{self.key_prefix}:{pending.id}:{pending.number}"
        call = ServiceCall(
            pending.service, pending.context, pending.event, pending.input, key, self.clock
        )
        result = self.functions[pending.service](call)
        if inspect.iscoroutine(result):
            return result
        if not inspect.isawaitable(result):
            raise FunctionFailedError(
                function=pending.service,
                role="service",
                reason=f"returned {shorten(result, 40)} at once: make it an async function",
            )
        return _awaited(result)

    # --- several at once ------------------------------------------------------------------

    def _begin(self, pending: tuple[Pending, ...], delays: tuple[PendingDelay, ...]) -> None:
        """Start what is new, cancel what is no longer wanted."""
        if self.clock_task is None:
            left = self.began + self.deadline - self.clock.now()
            self.clock_task = asyncio.create_task(self.clock.sleep(max(0.0, left)))
        wanted: dict[tuple[str, int], Coroutine[Any, Any, _Answer]] = {}
        for each in pending:
            if (each.id, each.number) not in self.tasks:
                limit = self.service_timeout if each.timeout is None else each.timeout
                wanted[each.id, each.number] = self._call(each, limit)
        for delay in delays:
            if (delay.id, -delay.number) not in self.tasks:
                wanted[delay.id, -delay.number] = self._wait(delay)
        alive = {(each.id, each.number) for each in pending}
        alive |= {(each.id, -each.number) for each in delays}
        for name in [name for name in self.tasks if name not in alive]:
            task = self.tasks.pop(name)
            task.cancel()
            self.cancelled.append(task)
        for name, coroutine in wanted.items():
            self.tasks[name] = asyncio.create_task(coroutine)

    async def _wait(self, delay: PendingDelay) -> _Answer:
        await self.clock.sleep(delay.seconds)
        return _Answer(delay, 0.0)

    async def _answer_first(self) -> None:
        """Wait for a completion and give it to the session; the oldest task goes first."""
        assert self.clock_task is not None
        await asyncio.wait(
            [*self.tasks.values(), self.clock_task], return_when=asyncio.FIRST_COMPLETED
        )
        for name, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[name]
                (await task).give(self.settling)
                return
        raise self._too_late()

    async def _cancel_all(self, clock_task: asyncio.Task[None]) -> None:
        """End every task; one that will not end is let go after a while."""
        tasks: list[asyncio.Task[Any]] = [clock_task, *self.tasks.values(), *self.cancelled]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_GRACE)

    def _too_late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            seconds=self.deadline, configuration=self.settling.configuration
        )


class _Answer:
    """How a service or a delay ended."""

    __slots__ = ("error", "limit", "seconds", "timed_out", "value", "what")

    def __init__(self, what: Pending | PendingDelay, limit: float) -> None:
        self.what = what
        self.limit = limit
        self.value: JSONValue = None
        self.error: Exception | None = None
        self.timed_out = False
        self.seconds = 0.0

    def give(self, settling: Settling) -> None:
        """Tell the session."""
        if isinstance(self.what, PendingDelay):
            settling.elapsed(self.what.id)
        elif self.timed_out:
            settling.failed(
                self.what.id,
                f"did not end within {self.limit:g} seconds",
                seconds=self.seconds,
                timeout=True,
            )
        elif self.error is not None:
            if isinstance(self.error, FunctionFailedError):
                raise self.error
            settling.failed(self.what.id, self.error, seconds=self.seconds)
        else:
            settling.done(self.what.id, self.value, seconds=self.seconds)


async def _awaited(awaitable: Awaitable[JSONValue]) -> JSONValue:
    return await awaitable


def _run_in_thread(coroutine: Coroutine[Any, Any, Settlement]) -> Settlement:
    """Run a coroutine in a loop of its own, in a thread; an interrupt cancels it."""
    result: Future[Settlement] = Future()
    loop_and_task: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> Settlement:
        task = asyncio.current_task()
        assert task is not None
        loop_and_task.append((asyncio.get_running_loop(), task))
        return await coroutine

    def run() -> None:
        try:
            result.set_result(asyncio.run(main()))
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=run, name="settlesim-settle", daemon=True)
    thread.start()
    try:
        return result.result()
    except KeyboardInterrupt:
        for loop, task in loop_and_task:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(_GRACE)
        raise
