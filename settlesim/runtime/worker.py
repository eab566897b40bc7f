"""`Worker`: receives the events of one chart from a queue and settles them, one commit each.

Theory of operation
-------------------
The worker receives messages, at most `concurrency` at a time, and handles each in a task of its
own. A task loads the instance, settles the event as the interpreter does, and commits everything
in one write: the new state under compare-and-set, the mark of the event, the end of its message,
what happens to the timers, and what is remembered. While services run, the message's visibility
is extended. So a worker may be killed at any moment: either that write is there, or the message
is redelivered and nothing has happened to the instance.

Services may run again after that, with the same idempotency keys.

What this module does not do
----------------------------
It does not end a service, guard or assign that never returns to the event loop, such as one that
calls ``time.sleep``; no other service of the process runs meanwhile. The messages that the worker
has are kept until the deadlines of their events; then other workers receive them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from settlesim.argument_checks import check_count, check_seconds
from settlesim.chart import Chart
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import MAX_VISIBILITY, Clock, Queue, QueueStore
from settlesim.runtime.coroutines import run_anywhere
from settlesim.runtime.interpreter import DEADLINE, SERVICE_TIMEOUT, Interpreter, OnEdited
from settlesim.runtime.leases import Leases
from settlesim.runtime.logs import LOGGER
from settlesim.runtime.message_handler import Handler
from settlesim.runtime.store_calls import store_calls_for
from settlesim.runtime.worker_loop import Serving
from settlesim.settling.settling import MAX_MICROSTEPS

__all__ = ["Worker"]

_GRACE: Final = 10.0
_SPARE_THREADS: Final = 1
"""Besides one for each message: one to receive the next messages."""


class Worker:
    """Settles the events of a chart that wait in a queue.

    Parameters
    ----------
    chart
        With all its functions bound, by itself or by `services`.
    store
        Where the instances are kept, such as a SqliteStore or a MemoryStore.
    queue
        A queue in that store. Its message groups are the keys of instances.
    services : functions to bind to the chart, by name, as `Chart.bind` takes them
    concurrency : how many messages are handled concurrently, of different groups in a FIFO queue
    clock
        Where services and delays take their time; real by default. A simulated one needs a
        store with the same time: ``MemoryStore(now=clock.now)``.
    visibility_timeout : seconds for which a received message is hidden from other workers;
        extended while services run, until the event's deadline; at most 43,200; None for the
        queue's own
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that one event may take altogether
    max_microsteps : how many microsteps one event may take
    backoff : seconds for which a message is held back after a failure, twice as long after
        each further one, at most 60
    poll : seconds between two polls of an empty queue
    grace : seconds for which `stop` waits for services
    logger
        Gets one record for each message that was handled; ``settlesim.worker`` by default.
    record_answers
        Whether the settlements in the store include the answers of services, see `Interpreter`.
        Use False where answers are secret.
    on_edited
        What happens to an instance that this version of the chart saved when it had another
        definition, see `Interpreter`.

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    TypeError
        The first three arguments are not a chart, a store and a queue.
    InvalidValueError
        The queue belongs to another store, or its timers to another chart; a number that is
        out of its range; a service that may take longer than its event.
    LeastVersionError
        The store requires a later version of the chart.

    Notes
    -----
    An error of the chart's functions counts against its message: after `queue.max_failures`
    attempts it goes to the dead letters, and its group continues or is parked, as the queue's
    policy says. Errors of the store and conflicts with another worker are retried without being
    counted. A reception without a result, because the process died or a service blocked it beyond
    the deadline, counts towards `queue.max_receives`. A store that is damaged, was closed, or
    cannot be used again ends the worker.

    An instance that an earlier version saved is carried to this one by the chart's `migrations`
    when its next event is settled, in the same write, and its waiting events and timers with it.
    Events are left to other workers if a later version saved their instance, or one from which no
    migration leads here; so are events that start an instance, once the store has seen a later
    version.

    Examples
    --------
    >>> from settlesim import FifoQueue, MemoryStore, SimulatedClock, Worker
    >>> from settlesim.gallery import count
    >>> clock = SimulatedClock()
    >>> store = MemoryStore(now=clock.now)
    >>> queue = FifoQueue(store, "count")
    >>> for _ in range(3):
    ...     _ = queue.send({"event": "COUNT"}, "c1")
    >>> Worker(count, store, queue, clock=clock).run_sync(until_empty=True)
    >>> store.load("c1").context
    {'count': 4}
    """

    def __init__(
        self,
        chart: Chart,
        store: QueueStore,
        queue: Queue,
        services: Mapping[str, Callable[..., Any]] | None = None,
        *,
        concurrency: int = 1,
        clock: Clock | None = None,
        visibility_timeout: float | None = None,
        service_timeout: float | None = None,
        deadline: float = DEADLINE,
        max_microsteps: int = MAX_MICROSTEPS,
        backoff: float = 1.0,
        poll: float = 0.1,
        grace: float = _GRACE,
        logger: logging.Logger | logging.LoggerAdapter[Any] | None = None,
        record_answers: bool = True,
        on_edited: OnEdited = "refuse",
    ) -> None:
        _check_kinds(chart, store, queue)
        self.chart = chart if services is None else chart.bind(services)
        self.store = store
        self.queue = queue
        self.concurrency = concurrency
        self.visibility_timeout = (
            queue.visibility_timeout if visibility_timeout is None else visibility_timeout
        )
        self.backoff = backoff
        self.poll = poll
        self.grace = grace
        self.interpreter = Interpreter(
            self.chart,
            store,
            clock=clock,
            service_timeout=_service_timeout(service_timeout, deadline),
            deadline=deadline,
            max_microsteps=max_microsteps,
            record_answers=record_answers,
            on_edited=on_edited,
        )
        self._check()
        self.clock = self.interpreter.clock
        self.logger = logging.getLogger(LOGGER) if logger is None else logger
        self._lock = threading.Lock()
        self._stopping = False
        self._wake: Callable[[], object] | None = None

    def _check(self) -> None:
        name = self.queue.name
        if self.queue.store is not self.store:
            reason = "belongs to another store: a message and what it changes are one write"
            raise InvalidValueError(where=f"queue {name!r}", reason=reason)
        timed = any(node.after for node in self.chart.states)
        if timed and self.queue.chart != self.chart.name:
            reason = (
                f"gets the timers of chart {self.queue.chart!r}, and the worker is for "
                f"{self.chart.name!r}, which has delays: give the queue chart={self.chart.name!r}"
            )
            raise InvalidValueError(where=f"queue {name!r}", reason=reason)
        check_count(self.concurrency, where="concurrency")
        for where, seconds, least in (
            ("visibility_timeout", self.visibility_timeout, "above"),
            ("poll", self.poll, "above"),
            ("backoff", self.backoff, "from"),
            ("grace", self.grace, "from"),
        ):
            if not _is_seconds(seconds) or (least == "above" and not seconds):
                reason = f"is {shorten(seconds, 40)}; a finite number of seconds {least} 0"
                raise InvalidValueError(where=where, reason=f"{reason} is needed")
        check_seconds(self.visibility_timeout, where="visibility_timeout", most=MAX_VISIBILITY)

    # --- running --------------------------------------------------------------------------

    async def run(self, until_empty: bool = False) -> None:
        """Handle messages until `stop` is called.

        Parameters
        ----------
        until_empty
            End as soon as the queue has no message outside parked groups. Messages that other
            workers have count, running timers do not.

        Raises
        ------
        StoreDamagedError
            The store cannot be read.
        StoreUnavailableError
            The store was closed: it can never be used again.
        ChartMismatchError
            With `until_empty`: the only messages left are for instances that another chart or
            version saved, or that this chart cannot continue. Without it they are kept.
        RuntimeError
            The worker runs already.
        """
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._wake is not None:
                raise RuntimeError(f"{self!r} runs already")
            self._wake = partial(loop.call_soon_threadsafe, woken.set)
            if self._stopping:
                woken.set()
        calls = store_calls_for(self.clock, self.concurrency + _SPARE_THREADS)
        leases = Leases(
            self.queue,
            self.clock,
            visibility=self.visibility_timeout,
            deadline=self.interpreter.deadline,
            logger=self.logger,
        )
        handler = Handler(
            self.interpreter,
            self.store,
            self.queue,
            calls=calls,
            leases=leases,
            backoff=self.backoff,
            logger=self.logger,
        )
        try:
            await Serving(
                handler,
                woken,
                visibility=self.visibility_timeout,
                concurrency=self.concurrency,
                poll=self.poll,
                grace=self.grace,
            ).run(until_empty)
        finally:
            with self._lock:
                self._wake, self._stopping = None, False
            calls.close()
            leases.close()

    def run_sync(self, until_empty: bool = False) -> None:
        """Do what `run` does, also where an event loop runs already (Jupyter)."""
        run_anywhere(self.run(until_empty))

    def stop(self) -> None:
        """Let `run` end: what is in flight has `grace` seconds, then it is released.

        Any thread and a signal handler may call it. A worker that does not run yet ends
        as soon as it is run.
        """
        self._stopping = True
        wake = self._wake
        if wake is not None:
            wake()

    def __repr__(self) -> str:
        return f"Worker({self.chart.name!r}, {self.store!r}, {self.queue.name!r})"


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < math.inf


def _service_timeout(service_timeout: float | None, deadline: float) -> float:
    """Return how long a service may take; the interpreter refuses what is no number."""
    if service_timeout is None:
        good = _is_seconds(deadline) and deadline > 0
        return min(SERVICE_TIMEOUT, deadline) if good else SERVICE_TIMEOUT
    if _is_seconds(service_timeout) and _is_seconds(deadline) and service_timeout > deadline:
        reason = (
            f"is {service_timeout:g} s, and the deadline of the whole event is {deadline:g} s: "
            "raise the deadline"
        )
        raise InvalidValueError(where="service_timeout", reason=reason)
    return service_timeout


def _check_kinds(chart: object, store: object, queue: object) -> None:
    good = isinstance(chart, Chart) and isinstance(store, QueueStore) and isinstance(queue, Queue)
    if not good:
        raise TypeError(
            f"Worker({shorten(chart, 40)}, {shorten(store, 40)}, {shorten(queue, 40)}): a Chart, a "
            "store that keeps queues and a queue in it are needed, such as "
            "Worker(chart, store, FifoQueue(store, chart.name))"
        )
