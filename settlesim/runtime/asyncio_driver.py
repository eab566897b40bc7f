"""`AsyncioDriver`: services and delays of one event as coroutines and tasks on a clock.

A service that runs alone runs in the task that settles the event, and one that never waits needs
no timer (`benchmarks.settle` shows what that is worth). Several run concurrently, as tasks; of
those that have ended, the one that was started first is answered first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from settlesim.chart.strict_json import JSONValue
from settlesim.ports import Clock
from settlesim.runtime.coroutines import GRACE, coroutine_of, resume
from settlesim.runtime.driver import Activity
from settlesim.runtime.loop_watch import LoopWatch
from settlesim.runtime.service_call import ServiceCall
from settlesim.settling.settlement import Answer, Pending, PendingDelay

__all__ = ["SELF_CANCELLED", "AsyncioDriver"]

SELF_CANCELLED: Final = "the service cancelled itself"
_EXITED: Final = "the service called sys.exit"
_SIMULATED: Final = (
    " of simulated time (a service that awaits anything but call.sleep needs RealClock)"
)


class AsyncioDriver:
    """Drives one event.

    Parameters
    ----------
    functions : of the chart, by name
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that the event may take altogether
    key_prefix : what idempotency keys begin with; None where the event has no id
    watch : is told which service holds the event loop
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        clock: Clock,
        *,
        service_timeout: float,
        deadline: float,
        key_prefix: str | None = None,
        watch: LoopWatch | None = None,
    ) -> None:
        self.clock = clock
        self._functions = functions
        self._service_timeout = service_timeout
        self._deadline = deadline
        self._key_prefix = key_prefix
        self._watch = watch
        self._hint = _SIMULATED if clock.simulated else ""
        self._began = clock.now()
        self._new: list[Activity] = []
        self._tasks: list[tuple[Activity, asyncio.Task[Answer]]] = []
        self._stopped: list[asyncio.Task[Answer]] = []
        self._alarm: asyncio.Task[None] | None = None
        """A task that ends at the deadline; it begins with the first task."""

    @property
    def deadline(self) -> float:
        """Seconds that the event may take altogether."""
        return self._deadline

    def now(self) -> float:
        """Return the clock's time."""
        return self.clock.now()

    def start(self, activity: Activity) -> None:
        """Remember what `next` has to begin."""
        self._new.append(activity)

    def stop(self, activity: Activity) -> None:
        """Cancel a task."""
        for each in [each for each in self._tasks if each[0] == activity]:
            self._tasks.remove(each)
            each[1].cancel()
            self._stopped.append(each[1])

    async def next(self) -> tuple[Activity, Answer]:
        """Wait for the next answer.

        Raises
        ------
        TimeoutError
            The event took longer than its deadline.
        """
        if not self._tasks and len(self._new) == 1:
            alone = self._new[0]
            if isinstance(alone, Pending):
                self._new.clear()
                return alone, await self.call(alone, self._limit(alone), own_task=False)
        if self._alarm is None:
            self._alarm = asyncio.create_task(self.clock.sleep(max(0.0, self._seconds_left())))
        for activity in self._new:
            self._tasks.append((activity, asyncio.create_task(self._run(activity))))
        self._new.clear()
        running = [task for _, task in self._tasks]
        await asyncio.wait([*running, self._alarm], return_when=asyncio.FIRST_COMPLETED)
        for each in self._tasks:
            if each[1].done():
                self._tasks.remove(each)
                return each[0], await each[1]
        raise TimeoutError

    async def close(self) -> None:
        """End every task; one that does not end is abandoned after a few seconds."""
        if self._alarm is None:
            return
        tasks: list[asyncio.Task[Any]] = [self._alarm, *self._stopped]
        tasks += [task for _, task in self._tasks]
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=GRACE)
        for task in ended:
            if not task.cancelled():
                task.exception()  # retrieved, so that asyncio does not log it

    # --- services and delays --------------------------------------------------------------

    def _seconds_left(self) -> float:
        return self._began + self._deadline - self.clock.now()

    def _limit(self, service: Pending) -> float:
        return self._service_timeout if service.timeout is None else service.timeout

    async def _run(self, activity: Activity) -> Answer:
        if isinstance(activity, PendingDelay):
            await self.clock.sleep(activity.seconds)
            return Answer()
        return await self.call(activity, self._limit(activity), own_task=True)

    async def call(self, service: Pending, limit: float, *, own_task: bool) -> Answer:
        """Run a service; its failure is an answer, while a cancellation of the event is raised.

        With `own_task`, a cancellation comes from the service itself, or from the driver, which
        then does not read the answer. Otherwise nobody else ends the wait at the event's deadline.

        Raises
        ------
        TimeoutError
            The event took longer than its deadline.
        """
        began = self.clock.now()
        try:
            answer = self._begin(service)
            if not isinstance(answer, Answer):  # one that never waits needs no timer
                left = limit if own_task else self._seconds_left()
                answer = await self._within(min(limit, left), answer)
                if answer.timed_out and left < limit:
                    raise TimeoutError
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not own_task and (task is None or task.cancelling()):
                raise
            answer = Answer(error=RuntimeError(SELF_CANCELLED))
        seconds = round(self.clock.now() - began, 9)
        return Answer(answer.value, answer.error, answer.timed_out, seconds)

    def _begin(self, service: Pending) -> Answer | Awaitable[JSONValue]:
        """Begin a service; return its answer, or the rest of it if it waits for something."""
        try:
            awaitable = self._awaitable(service)
        except (Exception, SystemExit) as error:
            return _failure(error)
        coroutine = coroutine_of(service.service, awaitable)
        if self._watch is not None:
            coroutine = self._watch.watched(coroutine, service.service)
        try:
            return resume(coroutine, coroutine.send(None))
        except StopIteration as stop:
            return Answer(stop.value)
        except (Exception, SystemExit) as error:
            return _failure(error)

    async def _within(self, limit: float, rest: Awaitable[JSONValue]) -> Answer:
        try:
            async with self.clock.timeout(limit):
                try:
                    return Answer(await rest)
                except (Exception, SystemExit) as error:
                    return _failure(error)
        except TimeoutError:
            return Answer.late(limit, self._hint)

    def _awaitable(self, service: Pending) -> object:
        key = None
        if self._key_prefix is not None:
            key = f"{self._key_prefix}:{service.id}:{service.number}"
        call = ServiceCall(
            service.service,
            service.context,
            service.event,
            service.input,
            key,
            self.clock,
            service.attempt,
        )
        function = self._functions[service.service]
        if self._watch is None:
            return function(call)
        with self._watch.holding(service.service):
            return function(call)


def _failure(error: Exception | SystemExit) -> Answer:
    """Return the answer of a service that raised; ``sys.exit`` ends it, not the process."""
    if isinstance(error, SystemExit):
        return Answer(error=RuntimeError(f"{_EXITED}({error.code})"))
    return Answer(error=error)
