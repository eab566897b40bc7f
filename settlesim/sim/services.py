"""Runs services for the simulator: each call once, on a simulated clock."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from settlesim.chart import Chart
from settlesim.chart.values import JSONValue, freeze
from settlesim.engine.settlement import Pending
from settlesim.engine.table import Answer
from settlesim.errors import FunctionFailedError, InvalidValueError, shorten
from settlesim.runtime import ServiceCall, SimulatedClock
from settlesim.runtime.coroutines import resume
from settlesim.runtime.interpreter import SERVICE_TIMEOUT

__all__ = ["Services"]


class Services:
    """Runs the bound services of a chart.

    Each run has a simulated clock of its own, and so takes no time; the time-out of its
    invocation counts on that clock.
    """

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._runner: asyncio.Runner | None = None

    def __call__(self, pending: Pending) -> Answer:
        """Run the service that is pending."""
        coroutine = _answer(self._chart, pending)
        if self._runner is not None:
            return self._runner.run(coroutine)
        if not _loop_runs():
            return asyncio.run(coroutine)
        found: list[Answer] = []  # in Jupyter: a loop of its own, in a thread
        thread = threading.Thread(
            target=lambda: found.append(asyncio.run(coroutine)),
            name="settlesim-service",
            daemon=True,
        )
        thread.start()
        thread.join()
        return found[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run what is called in the block in one event loop: to make one costs the most."""
        if self._runner is not None or _loop_runs():
            yield
            return
        with asyncio.Runner() as runner:
            self._runner = runner
            try:
                yield
            finally:
                self._runner = None


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _answer(chart: Chart, pending: Pending) -> Answer:
    limit = SERVICE_TIMEOUT if pending.timeout is None else pending.timeout
    try:
        value = await _value(chart, pending, limit)
        return Answer(None if value is None else freeze(value, where="the result"))
    except InvalidValueError as error:
        return Answer(
            error=FunctionFailedError(function=pending.service, role="service", reason=str(error))
        )
    except _TimeIsUpError as error:
        return Answer(error=error, timed_out=True)
    except Exception as error:
        return Answer(error=error)


class _TimeIsUpError(Exception):
    """Tells the time-out of the invocation from one inside the service."""


async def _value(chart: Chart, pending: Pending, limit: float) -> JSONValue:
    clock = SimulatedClock()
    call = ServiceCall(pending.service, pending.context, pending.event, pending.input, None, clock)
    service = chart.functions[pending.service](call)
    if not inspect.iscoroutine(service):
        if inspect.isawaitable(service):
            return await service
        raise FunctionFailedError(
            function=pending.service,
            role="service",
            reason=f"returned {shorten(service, 40)} at once: make it an async function",
        )
    try:
        waits_for = service.send(None)  # a service that never waits needs no timer
    except StopIteration as stop:
        return stop.value
    failed: Exception | None = None
    try:
        async with clock.timeout(limit):
            try:
                return await resume(service, waits_for)
            except Exception as error:
                failed = error
    except TimeoutError:
        raise _TimeIsUpError(f"did not end within {limit:g} seconds") from None
    assert failed is not None  # the block returns, notes a failure, or is left by the time-out
    raise failed
