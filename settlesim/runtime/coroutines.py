"""Run a service's coroutine step by step; run any coroutine where a loop may run already.

Theory of operation
-------------------
`resume` continues a coroutine in the task that started it, and passes on what it yields and what
is sent or thrown to it (PEP 380), with one difference: the coroutine cannot swallow a
cancellation. asyncio counts requests to cancel a task, and whoever handles one takes it back
(``Task.uncancel``, as ``asyncio.timeout`` does). A coroutine that catches a cancellation and
continues without taking it back has swallowed it. Then `resume` raises the cancellation, whatever
the coroutine returns or raises; a coroutine that does not end is abandoned after `GRACE` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Final, TypeVar

from settlesim.chart.strict_json import JSONValue
from settlesim.errors import FunctionFailedError, shorten

__all__ = ["GRACE", "coroutine_of", "in_thread", "loop_runs", "resume", "run_anywhere"]

T = TypeVar("T")

GRACE: Final = 5.0
"""Seconds that a cancelled service has to end before it is abandoned."""


@types.coroutine
def resume(
    coroutine: Coroutine[Any, Any, Any], waits_for: object, *, grace: float = GRACE
) -> Generator[Any, Any, Any]:
    """Continue a coroutine that was started by ``send(None)`` and yielded `waits_for`.

    Parameters
    ----------
    coroutine : started in the task that awaits this
    waits_for : what it yielded
    grace : seconds that it has to end after a cancellation

    Raises
    ------
    asyncio.CancelledError
        The task was cancelled, whatever the coroutine made of it.
    """
    patience = _Patience(grace)
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # the coroutine gets a cancellation too
                step = partial(coroutine.throw, error)
            else:
                step = partial(coroutine.send, sent)
            if patience.is_over():
                with contextlib.suppress(BaseException):
                    coroutine.close()
                raise asyncio.CancelledError
            try:
                waits_for = step()
            except StopIteration as stop:
                if patience.is_cancelled():
                    raise asyncio.CancelledError from None
                return stop.value
            except Exception as error:
                if patience.is_cancelled():
                    raise asyncio.CancelledError from error
                raise
            patience.begin_if_cancelled()
    finally:
        patience.end()


class _Patience:
    """Limits the time for which a cancelled coroutine is waited for."""

    def __init__(self, grace: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # a service is awaited within a task
        self._task = task
        self._requests = task.cancelling()
        self._grace = grace
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def is_cancelled(self) -> bool:
        """Whether a request to cancel came and was not taken back."""
        return self._task.cancelling() > self._requests

    def begin_if_cancelled(self) -> None:
        """Start the timer if the coroutine waits again although it was cancelled."""
        if self._timer is None and self.is_cancelled():
            self._timer = self._task.get_loop().call_later(self._grace, self._wake)

    def _wake(self) -> None:
        if self.is_cancelled():
            self._over = True
            self._task.cancel()  # ends the wait, whatever it is for

    def is_over(self) -> bool:
        """Whether the time is up; takes back the request that ended the wait."""
        if self._over:
            self._over = False
            self._task.uncancel()
            return True
        return False

    def end(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()


def coroutine_of(service: str, result: object) -> Coroutine[Any, Any, JSONValue]:
    """Return what calling a service's function returned, as a coroutine.

    Raises
    ------
    FunctionFailedError
        It cannot be awaited. This does not lead to ``on_error``: the function has to be fixed.
    """
    if isinstance(result, types.CoroutineType):
        return result
    if inspect.isawaitable(result):
        return _awaited(result)
    raise FunctionFailedError(
        function=service,
        role="service",
        reason=f"returned {shorten(result, 40)} at once: make it an async function",
    )


async def _awaited(awaitable: Awaitable[JSONValue]) -> JSONValue:
    return await awaitable


# --- where a loop may run already (Jupyter) -----------------------------------------------


def loop_runs() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_anywhere(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; in a thread of its own if an event loop runs already."""
    if not loop_runs():
        return asyncio.run(coroutine)
    found: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        found.append((asyncio.get_running_loop(), task))
        return await coroutine

    def cancel() -> None:
        for loop, task in found:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                loop.call_soon_threadsafe(task.cancel)

    return in_thread(lambda: asyncio.run(main()), interrupted=cancel)


def in_thread(run: Callable[[], T], *, interrupted: Callable[[], object] | None = None) -> T:
    """Run a function in a thread, apart from the event loop that runs here; wait for it.

    Parameters
    ----------
    interrupted : is called when Ctrl-C ends the wait, so that the thread ends too
    """
    result: Future[T] = Future()

    def target() -> None:
        try:
            result.set_result(run())
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=target, name="settlesim-settle", daemon=True)
    try:
        thread.start()
        return result.result()
    except KeyboardInterrupt:
        if interrupted is not None:
            interrupted()
            wait([result], GRACE)
        raise
