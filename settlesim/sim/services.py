"""Runs services for the simulator: each call once, by hand, on a clock of its own.

Theory of operation
-------------------
A service is driven step by step. `call.sleep` yields a token, and the time goes on by as
much; nothing else may be waited for. A future, a task, a timer of the event loop or a
thread stands for the world outside, which no simulated time passes in: what such a service
answers cannot be learnt by running it, and a guess would make a false proof. So it is
refused, and the caller is asked for `Scenario(results=...)`.

An event loop is there all the same, since some code looks for one before it waits.
"""

from __future__ import annotations

import asyncio
import math
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue, freeze
from settlesim.errors import FunctionFailedError, InvalidValueError, SimulationError, shorten
from settlesim.runtime import ServiceCall
from settlesim.runtime.asyncio_driver import SELF_CANCELLED
from settlesim.runtime.coroutines import coroutine_of, in_thread, loop_runs
from settlesim.runtime.interpreter import SERVICE_TIMEOUT
from settlesim.settling.settlement import Answer, Pending

__all__ = ["KEY_MARK", "Services"]

KEY_MARK: Final = ":simulated:"
"""Part of every idempotency key here, and of no real one."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_PATIENCE: Final = 1_000  # waits in a row in which no time passes


class Services:
    """Runs the bound services of a chart.

    Each run has a clock of its own, and so takes no time; the time-out of its invocation
    counts on that clock.

    Raises
    ------
    SimulationError
        From a call: the service waits for anything but `call.sleep`, or raises what is no
        Exception.
    """

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._runner: asyncio.Runner | None = None

    def __call__(self, pending: Pending) -> Answer:
        """Run the service that is pending."""
        if self._runner is not None:
            return self._run(self._runner, pending)
        if not loop_runs():
            with asyncio.Runner(loop_factory=_Loop) as runner:
                return self._run(runner, pending)
        return in_thread(lambda: Services(self._chart)(pending))  # in Jupyter

    def _run(self, runner: asyncio.Runner, pending: Pending) -> Answer:
        # by the loop itself: Runner.run costs four times as much, most of it for its own Ctrl-C
        return runner.get_loop().run_until_complete(_answer(self._chart, pending))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run what is called in the block in one event loop: to make one costs the most."""
        if self._runner is not None or loop_runs():
            yield
            return
        with asyncio.Runner(loop_factory=_Loop) as runner:
            self._runner = runner
            try:
                yield
            finally:
                self._runner = None


# --- one service --------------------------------------------------------------------------


async def _answer(chart: Chart, pending: Pending) -> Answer:
    limit = SERVICE_TIMEOUT if pending.timeout is None else pending.timeout
    clock = _HandClock()
    try:
        value = _value(chart, pending, limit, clock)
        return _result(pending, value, clock.time)
    except _OutsideError as error:
        raise SimulationError(
            where=f"service {pending.service}",
            reason=f"{error}, and here only call.sleep passes time. Say what it answers: "
            f"results={{{pending.service!r}: ...}}",
        ) from None
    except _TimeIsUpError:
        return Answer.late(limit, seconds=limit)
    except asyncio.CancelledError:
        return Answer(error=RuntimeError(SELF_CANCELLED), seconds=clock.time)
    except Exception as error:
        return Answer(error=error, seconds=clock.time)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise SimulationError(
            where=f"service {pending.service}",
            reason=f"raised {shorten(error)}, which ends a program and is no answer. "
            f"Say what it answers: results={{{pending.service!r}: ...}}",
        ) from error


def _result(pending: Pending, value: JSONValue, seconds: float) -> Answer:
    try:
        result = None if value is None else freeze(value, where="the result")
        return Answer(result, seconds=seconds)
    except InvalidValueError as error:
        return Answer(
            error=FunctionFailedError(function=pending.service, role="service", reason=str(error))
        )


def _value(chart: Chart, pending: Pending, limit: float, clock: _HandClock) -> JSONValue:
    """Drive a service to its end."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    key = f"{chart.name}{KEY_MARK}{pending.event.name}:{pending.id}:{pending.number}"
    call = ServiceCall(
        pending.service,
        pending.context,
        pending.event,
        pending.input,
        key,
        clock,
        pending.attempt,
    )
    loop.outside, loop.watched = "", True
    try:
        service = coroutine_of(call.service, chart.functions[call.service](call))
        return _drive(service, clock, limit, loop)
    except _OutsideError:
        raise
    except (Exception, asyncio.CancelledError):
        if loop.outside:  # it may have failed for that only
            raise _OutsideError(loop.outside) from None
        raise
    finally:
        loop.watched = False


def _drive(
    service: Coroutine[Any, Any, JSONValue], clock: _HandClock, limit: float, loop: _Loop
) -> JSONValue:
    idle = 0
    try:
        while True:
            try:
                waits_for = service.send(None)
            except StopIteration as stop:
                if loop.outside:
                    raise _OutsideError(loop.outside) from None
                result: JSONValue = stop.value
                return result
            if loop.outside:
                raise _OutsideError(loop.outside)
            if waits_for is not None and not isinstance(waits_for, _Sleep):
                raise _OutsideError("waits for something outside of the simulation")
            seconds = 0.0 if waits_for is None else waits_for.seconds
            idle = 0 if seconds else idle + 1
            if idle > _PATIENCE:
                raise _OutsideError("waits on and on for something outside of the simulation")
            # at equal times the time-out comes first, as in the interpreter
            if clock.time + seconds >= limit and (seconds or limit <= 0):
                _end(service)
                raise _TimeIsUpError
            clock.time += seconds
    finally:
        with suppress(RuntimeError):  # one that ignores its end is left behind
            service.close()


def _end(service: Coroutine[Any, Any, JSONValue]) -> None:
    """Cancel a service whose time is up; what it makes of that is no answer."""
    with suppress(StopIteration, Exception, asyncio.CancelledError):
        service.throw(asyncio.CancelledError())


class _TimeIsUpError(Exception):
    """The time of the invocation is up."""


class _OutsideError(BaseException):
    """The service waits for the world outside; no service can catch it."""


@dataclass(frozen=True, slots=True)
class _Sleep:
    """What `call.sleep` yields."""

    seconds: float


class _HandClock:
    """A clock for one service, which whoever drives the service puts on."""

    def __init__(self) -> None:
        self.time = 0.0

    simulated = True

    def now(self) -> float:
        """Return the simulated time in seconds."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Say how long to wait."""
        await _yielded(_Sleep(max(0.0, _number(seconds))))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Refuse: a service has `call.sleep` alone."""
        raise _OutsideError(f"has a time-out of {seconds} seconds of its own")


@types.coroutine
def _yielded(sleep: _Sleep) -> Generator[_Sleep, None, None]:
    yield sleep


def _number(seconds: object) -> float:
    """Refuse what the interpreter's clocks refuse."""
    if isinstance(seconds, (int, float)) and math.isfinite(seconds):
        return float(seconds)
    raise InvalidValueError(
        where="seconds",
        reason=f"is {shorten(seconds, 60)}; a finite number of seconds is needed",
    )


class _Loop(asyncio.SelectorEventLoop):
    """Notes what a service asks of it that leads out of the simulation."""

    outside = ""
    watched = False

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Note a timer: asyncio.sleep, asyncio.timeout, asyncio.wait_for."""
        self._note("sets a timer of the event loop")
        return super().call_at(when, callback, *args, context=context)

    def create_task(self, *args: Any, **options: Any) -> asyncio.Task[Any]:
        """Note a task: asyncio.gather, asyncio.create_task."""
        self._note("starts a task")
        return super().create_task(*args, **options)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Note a thread: asyncio.to_thread. Nothing of it is to happen."""
        self._note("starts a thread")
        if self.watched:
            raise _OutsideError(self.outside)
        return super().run_in_executor(executor, func, *args)

    def _note(self, what: str) -> None:
        if self.watched and not self.outside:
            self.outside = what
