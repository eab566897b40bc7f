"""`JournalDriver`: services as journaled calls, delays as durable sleeps.

After a crash, Restate runs a handler again from its beginning, with the results of finished steps
from its journal. So everything that decides what happens next has to come from the journal: the
answers, the seconds that each took, and the order in which they came. The time of this driver is
computed from these seconds; a pause between a crash and the next attempt does not count.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, NamedTuple

import restate
from restate.serde import BytesSerde

from settlesim.chart.strict_json import freeze, thaw
from settlesim.errors import FunctionFailedError, InvalidValueError, error_message
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.driver import Activity
from settlesim.settling.settlement import Answer, Pending, PendingDelay

__all__ = ["FinishedCalls", "JournalDriver"]

FinishedCalls = dict[tuple[str, int], tuple[Pending, Answer]]
"""The services of an event that have answered, by invocation and number."""


class _Running(NamedTuple):
    activity: Activity
    future: Any
    """The SDK's future of the call or the sleep."""
    began: float
    seconds: float
    """The length of a delay, or the time-out of a service."""
    last: bool
    """Whether the deadline of the event comes before its end."""


class JournalDriver:
    """Drives one attempt of one event.

    Parameters
    ----------
    context : the SDK's context of the exclusive handler
    calls : runs a service in this process
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that the attempt may take altogether
    attempt : counts the attempts of the event, from 1
    finished
        The answers of earlier attempts of the event: a service that is called again with the same
        input is answered from here. The answers of this attempt are added.
    """

    def __init__(
        self,
        context: Any,
        calls: AsyncioDriver,
        *,
        service_timeout: float,
        deadline: float,
        attempt: int,
        finished: FinishedCalls,
    ) -> None:
        self._context = context
        self._calls = calls
        self._service_timeout = service_timeout
        self._deadline = deadline
        self._attempt = attempt
        self._finished = finished
        self._time = 0.0
        self._known: list[tuple[Activity, Answer]] = []
        self._running: list[_Running] = []
        self._tasks: dict[tuple[str, int], asyncio.Task[Answer]] = {}
        self._given_up: set[tuple[str, int]] = set()

    @property
    def deadline(self) -> float:
        """Seconds that the attempt may take altogether."""
        return self._deadline

    def now(self) -> float:
        """Return the time of the journal."""
        return self._time

    def start(self, activity: Activity) -> None:
        """Begin a journaled call or a durable sleep."""
        left = max(0.0, self._deadline - self._time)
        if isinstance(activity, PendingDelay):
            wanted = activity.seconds
        else:
            known = self._finished.get((activity.id, activity.number))
            if known is not None and known[0] == activity:
                self._known.append((activity, known[1]))
                return
            wanted = self._service_timeout if activity.timeout is None else activity.timeout
        seconds = min(wanted, left)
        if isinstance(activity, PendingDelay):
            future = self._context.sleep(timedelta(seconds=seconds))
        else:
            future = self._run(activity, seconds)
        self._running.append(_Running(activity, future, self._time, seconds, left < wanted))

    def _run(self, service: Pending, limit: float) -> Any:
        name = service.id, service.number

        async def run() -> bytes:
            if name in self._given_up:
                return _written(Answer())
            task = asyncio.create_task(self._calls.call(service, limit, own_task=True))
            self._tasks[name] = task
            try:
                return _written(await task)
            except FunctionFailedError as error:  # such as a function that is not async
                return _refused(error.reason)
            finally:
                task.cancel()  # the connection to the server may be gone

        entry = f"{service.id}:{service.number}:{self._attempt}"
        return self._context.run_typed(entry, run, restate.RunOptions(serde=BytesSerde()))

    def stop(self, activity: Activity) -> None:
        """End a service; its journal entry says that it was given up."""
        self._known = [each for each in self._known if each[0] != activity]
        self._running = [each for each in self._running if each.activity != activity]
        self._give_up(activity)

    def _give_up(self, activity: Activity) -> None:
        if isinstance(activity, Pending):
            name = activity.id, activity.number
            self._given_up.add(name)
            if name in self._tasks:
                self._tasks[name].cancel()

    async def next(self) -> tuple[Activity, Answer]:
        """Wait for the next answer.

        Raises
        ------
        TimeoutError
            The attempt took longer than its deadline.
        """
        if self._known:
            return self._known.pop(0)
        completed, _ = await restate.wait_completed(*(each.future for each in self._running))
        found = next(each for each in self._running if each.future in completed)
        self._running.remove(found)
        written = await found.future
        if isinstance(found.activity, Pending):
            answer = _read(found.activity, written)
        else:
            answer = Answer(seconds=found.seconds)
        self._time = max(self._time, found.began + answer.seconds)
        if found.last and (answer.timed_out or isinstance(found.activity, PendingDelay)):
            raise TimeoutError
        if isinstance(found.activity, Pending) and answer.error is None:
            name = found.activity.id, found.activity.number
            self._finished[name] = found.activity, answer
        return found.activity, answer

    async def close(self) -> None:
        """End the services that still run."""
        for each in self._running:
            self._give_up(each.activity)


# --- answers in the journal -----------------------------------------------------------------


def _written(answer: Answer) -> bytes:
    """Return an answer as the journal has it."""
    if answer.error is None:
        try:
            value = None if answer.value is None else thaw(freeze(answer.value, where="the result"))
        except InvalidValueError as error:
            return _refused(str(error))
        return _encoded({"value": value, "seconds": answer.seconds})
    return _encoded(
        {
            "error": [error_message(type(answer.error).__name__), error_message(answer.error)],
            "timed_out": answer.timed_out,
            "seconds": answer.seconds,
        }
    )


def _refused(reason: str) -> bytes:
    return _encoded({"refused": reason})


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _read(service: Pending, written: bytes) -> Answer:
    """Return the answer that the journal has.

    Raises
    ------
    FunctionFailedError
        The service is no async function, or its result is no strict JSON.
    """
    found = json.loads(written)
    if "refused" in found:
        raise FunctionFailedError(function=service.service, role="service", reason=found["refused"])
    if "error" not in found:
        return Answer(found["value"], seconds=found["seconds"])
    name, message = found["error"]
    error = TimeoutError(message) if found["timed_out"] else type(name, (Exception,), {})(message)
    return Answer(error=error, timed_out=found["timed_out"], seconds=found["seconds"])
