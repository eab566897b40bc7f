"""The services and delays of one event, as coroutines and tasks on a clock.

A service that runs alone needs no task, and one that never waits needs no timer. Several
run side by side as tasks; they are answered one completion at a time, the oldest first.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart import Event
from settlesim.chart.values import FrozenDict, JSONValue
from settlesim.engine.settlement import Pending, PendingDelay
from settlesim.engine.settling import Settling
from settlesim.errors import DeadlineExceededError, FunctionFailedError, shorten
from settlesim.ports import Clock
from settlesim.runtime.clock import SimulatedClock
from settlesim.runtime.coroutines import GRACE, resume

__all__ = ["Run", "ServiceCall"]

_SELF_CANCELLED: Final = "the service cancelled itself"
_EXITED: Final = "the service called sys.exit"
_SIMULATED: Final = (
    " of simulated time (a service that awaits anything but call.sleep needs RealClock)"
)


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


class Run:
    """The services and delays of one event, as tasks."""

    def __init__(
        self,
        settling: Settling,
        functions: Mapping[str, Callable[..., Any]],
        clock: Clock,
        *,
        service_timeout: float,
        deadline: float,
        key_prefix: str | None,
    ) -> None:
        self.settling = settling
        self.clock = clock
        self.functions = functions
        self.service_timeout = service_timeout
        self.deadline = deadline
        self.key_prefix = key_prefix
        self.hint = _SIMULATED if isinstance(clock, SimulatedClock) else ""
        self.began = self.clock.now()
        self.tasks: dict[tuple[str, int], asyncio.Task[_Answer]] = {}
        self.clock_task: asyncio.Task[None] | None = None
        self.cancelled: list[asyncio.Task[_Answer]] = []
        self.delays_began: dict[tuple[str, int], float] = {}

    def seconds_left(self, delay: PendingDelay) -> float:
        """Return how long a delay of the session has still to run, 0 for one that is due."""
        began = self.delays_began.get((delay.id, delay.number))
        ran = 0.0 if began is None else self.clock.now() - began
        return max(0.0, delay.seconds - ran)

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
        answer = await self._call(pending, min(limit, left), own_task=False)
        self._give(answer, too_late=answer.timed_out and left < limit)

    def _give(self, answer: _Answer, *, too_late: bool) -> None:
        if too_late:
            raise self._too_late()
        answer.give(self.settling)

    async def _call(self, pending: Pending, limit: float, *, own_task: bool) -> _Answer:
        """Run a service; its failure is an answer, a cancellation of the settle is none.

        A task of its own is cancelled by itself, or by `Run`, which then reads no answer.
        """
        started = self.clock.now()
        answer = _Answer(pending, limit, self.hint)
        try:
            await self._run_service(pending, limit, answer)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not own_task and (task is None or task.cancelling()):
                raise
            answer.error = RuntimeError(_SELF_CANCELLED)
        answer.seconds = round(self.clock.now() - started, 9)
        return answer

    async def _run_service(self, pending: Pending, limit: float, answer: _Answer) -> None:
        try:
            result = self._start(pending)
        except (Exception, SystemExit) as error:
            answer.fail(error)
            return
        service = _coroutine(pending.service, result)
        try:
            waits_for = service.send(None)  # a service that never waits needs no timer
        except StopIteration as stop:
            answer.value = stop.value
            return
        except (Exception, SystemExit) as error:
            answer.fail(error)
            return
        try:
            async with self.clock.timeout(limit):
                try:
                    answer.value = await resume(service, waits_for)
                except (Exception, SystemExit) as error:
                    answer.fail(error)
        except TimeoutError:
            answer.timed_out = True

    def _start(self, pending: Pending) -> object:
        key = None
        if self.key_prefix is not None:
            key = f"{self.key_prefix}:{pending.id}:{pending.number}"
        call = ServiceCall(
            pending.service, pending.context, pending.event, pending.input, key, self.clock
        )
        return self.functions[pending.service](call)

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
                wanted[each.id, each.number] = self._call(each, limit, own_task=True)
        for delay in delays:
            if (delay.id, -delay.number) not in self.tasks:
                wanted[delay.id, -delay.number] = self._wait(delay)
                self.delays_began.setdefault((delay.id, delay.number), self.clock.now())
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
        ended, _ = await asyncio.wait(tasks, timeout=GRACE)
        for task in ended:
            if not task.cancelled():
                task.exception()  # has been seen: asyncio does not log it

    def _too_late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            seconds=self.deadline, configuration=self.settling.configuration
        )


class _Answer:
    """How a service or a delay ended."""

    __slots__ = ("error", "hint", "limit", "seconds", "timed_out", "value", "what")

    def __init__(self, what: Pending | PendingDelay, limit: float, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        self.limit = limit
        self.value: JSONValue = None
        self.error: Exception | None = None
        self.timed_out = False
        self.seconds = 0.0

    def fail(self, error: Exception | SystemExit) -> None:
        """Note what the service raised: it may end itself, not the process."""
        if isinstance(error, SystemExit):
            self.error = RuntimeError(f"{_EXITED}({error.code})")
        else:
            self.error = error

    def give(self, settling: Settling) -> None:
        """Tell the session."""
        if isinstance(self.what, PendingDelay):
            settling.elapsed(self.what.id)
        elif self.timed_out:
            settling.failed(
                self.what.id,
                f"did not end within {self.limit:g} seconds{self.hint}",
                seconds=self.seconds,
                timeout=True,
            )
        elif self.error is not None:
            settling.failed(self.what.id, self.error, seconds=self.seconds)
        else:
            settling.done(self.what.id, self.value, seconds=self.seconds)


def _coroutine(service: str, result: object) -> Coroutine[Any, Any, JSONValue]:
    """Return what a service gave back as a coroutine.

    Raises
    ------
    FunctionFailedError
        It can not be awaited. No ``on_error`` takes this: the service has to be mended.
    """
    if inspect.iscoroutine(result):
        return result
    if not inspect.isawaitable(result):
        raise FunctionFailedError(
            function=service,
            role="service",
            reason=f"returned {shorten(result, 40)} at once: make it an async function",
        )
    return _awaited(result)


async def _awaited(awaitable: Awaitable[JSONValue]) -> JSONValue:
    return await awaitable
