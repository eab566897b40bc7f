"""Runs services for the simulator: each call step by step, on a simulated clock of its own.

Theory of operation
-------------------
A service is driven step by step. `call.sleep` yields a token, and the service's clock advances by
that time; a service may not wait for anything else. A future, a task, a timer of the event loop or
a thread means that the service depends on the world outside, where simulated time does not pass.
Running such a service does not tell what it would answer, and a guess could make a proof false. So
it is refused, and the caller is asked for `Scenario(results=...)`.

An event loop runs nevertheless, since some code asks for one before it waits.
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
"""Part of every idempotency key in the simulator, and of no real one."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_PATIENCE: Final = 1_000  # waits in a row in which no time passes


class Services:
    """Runs the bound services of a chart.

    Each run has a simulated clock of its own, by which the time-out of its invocation is measured.

    Raises
    ------
    SimulationError
        From a call: the service waits for something other than `call.sleep`, or raises a
        BaseException that is not an Exception.
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
        # not by Runner.run, which takes four times as long, mostly for its handling of Ctrl-C
        return runner.get_loop().run_until_complete(_answer(self._chart, pending))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run all calls of the block in one event loop, since making one takes most of the time."""
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
    """Call a service and drive it to its end."""
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
        if loop.outside:  # that may be the only reason why it failed
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
        with suppress(RuntimeError):  # a coroutine that ignores GeneratorExit
            service.close()


def _end(service: Coroutine[Any, Any, JSONValue]) -> None:
    """Cancel a service whose time is up; what it returns or raises then does not count."""
    with suppress(StopIteration, Exception, asyncio.CancelledError):
        service.throw(asyncio.CancelledError())


class _TimeIsUpError(Exception):
    """The time of the invocation is up."""


class _OutsideError(BaseException):
    """The service waits for the world outside; no `except Exception` of a service catches it."""


@dataclass(frozen=True, slots=True)
class _Sleep:
    """What `call.sleep` yields."""

    seconds: float


class _HandClock:
    """A clock for one service, advanced by the code that drives the service."""

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
        """Refuse: a service may only use `call.sleep`."""
        raise _OutsideError(f"has a time-out of {seconds} seconds of its own")


@types.coroutine
def _yielded(sleep: _Sleep) -> Generator[_Sleep, None, None]:
    yield sleep


def _number(seconds: object) -> float:
    """Return a number of seconds; refuse what the interpreter's clocks refuse."""
    if isinstance(seconds, (int, float)) and math.isfinite(seconds):
        return float(seconds)
    raise InvalidValueError(
        where="seconds",
        reason=f"is {shorten(seconds, 60)}; a finite number of seconds is needed",
    )


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that notes what a service asks of it that depends on the world outside."""

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
        """Note a thread, such as that of asyncio.to_thread, and refuse to start it."""
        self._note("starts a thread")
        if self.watched:
            raise _OutsideError(self.outside)
        return super().run_in_executor(executor, func, *args)

    def _note(self, what: str) -> None:
        if self.watched and not self.outside:
            self.outside = what
