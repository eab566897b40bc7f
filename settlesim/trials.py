"""Trials with real threads and processes: without a queue events are lost, and with one none.

Each trial sends COUNT events to one instance of the gallery's ``count`` chart, which adds 2 for
each of them, so the count tells how many were kept. A trial reports only what has to hold in every
run, not what depends on its timing:

* `direct_trial` lets each handler load, settle and save by itself, on a plain TinyDB file. The
  handlers meet in the chart's service, so that all of them have loaded before one saves.
* `queued_trial` sends the same events through a `FifoQueue` to several workers.
* `killed_trial` kills a worker with SIGKILL while its service runs, and starts another.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, get_args

from settlesim.errors import InvalidValueError, SettlesimError, shorten
from settlesim.gallery import count
from settlesim.runtime import Interpreter, Worker
from settlesim.store import FifoQueue, SqliteStore
from settlesim.store.blind import BlindStore

__all__ = ["KEY", "KilledTrial", "Trial", "direct_trial", "killed_trial", "queued_trial"]

KEY = "c1"
"""The instance that every trial is about."""

Kind = Literal["threads", "processes"]

_PATIENCE = 120.0
"""Seconds after which a trial gives up: then something is wrong, not just slow."""
_LEASE = 1.0
"""Seconds after which the killed worker's message becomes visible again."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the events of one trial."""

    how: str
    """What was tried, in a few words."""
    events: int
    """How many COUNT events were sent after the first one, which only enters ``even``."""
    count: int
    """The count in the instance's context in the end."""

    @property
    def kept(self) -> int:
        """How many of the events were counted."""
        return self.count // 2

    @property
    def lost(self) -> int:
        """How many of the events were not counted."""
        return self.events - self.kept

    def __str__(self) -> str:
        plural = "" if self.events == 1 else "s"
        return f"{self.how}: {self.events} event{plural}, {self.kept} kept, {self.lost} lost"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class KilledTrial:
    """A worker that was killed in the middle of an event, and the one that came after it."""

    trial: Trial
    at_kill: tuple[str, int, int]
    """State, count and revision of the instance after the worker was killed."""
    in_flight: int
    """How many messages were in flight then."""
    waiting: int
    """How many others were in the queue."""
    calls: tuple[str, ...]
    """The idempotency key of every run of the service, in order."""

    @property
    def repeated(self) -> tuple[str, ...]:
        """The keys under which the service ran more than once."""
        return tuple(dict.fromkeys(key for key in self.calls if self.calls.count(key) > 1))

    def __str__(self) -> str:
        node, counted, revision = self.at_kill
        again = ", ".join(self.repeated) or "nothing"
        return (
            f"killed while a service ran: settled in {node}, count {counted}, revision {revision}\n"
            f"in flight {self.in_flight}, waiting {self.waiting}\n"
            f"the next worker: {self.trial}\n"
            f"run again under the same key: {again}"
        )

    __repr__ = __str__


# --- without a queue ----------------------------------------------------------------------


def direct_trial(
    path: str | os.PathLike[str], *, handlers: int = 4, kind: Kind = "threads"
) -> Trial:
    """Let each handler settle one COUNT by itself, on a plain TinyDB file.

    Parameters
    ----------
    path : of a file that does not exist
    handlers : how many, each with one event, 2 to 64
    kind : what a handler is: a thread of this process, or a process

    Raises
    ------
    InvalidValueError
        `handlers` or `kind` is not possible, or the file exists.
    """
    _check(path, handlers, kind)
    Interpreter(count, BlindStore(path)).settle_sync(KEY, "COUNT")
    meeting: Any
    if kind == "threads":
        meeting = threading.Barrier(handlers)
        _run_threads([lambda: _handle_directly(path, meeting)] * handlers)
    else:
        context = multiprocessing.get_context("spawn")
        meeting = context.Barrier(handlers)
        arguments = (path, meeting)
        _run_processes(
            [context.Process(target=_handle_directly, args=arguments) for _ in range(handlers)]
        )
    return Trial(f"{handlers} {kind}, a plain file", handlers, _count(BlindStore(path)))


def _handle_directly(path: str | os.PathLike[str], meeting: Any) -> None:
    met = False

    async def wait(call: Any) -> None:
        nonlocal met
        if not met:
            meeting.wait(_PATIENCE)  # now every handler has loaded
            met = True

    Interpreter(count.bind({"wait": wait}), BlindStore(path)).settle_sync(KEY, "COUNT")


# --- with a queue -------------------------------------------------------------------------


def queued_trial(
    path: str | os.PathLike[str], *, events: int = 8, workers: int = 4, kind: Kind = "threads"
) -> Trial:
    """Send COUNTs through a `FifoQueue` and let workers take them.

    Parameters
    ----------
    path : of a store that does not exist
    events : how many, from 1
    workers : how many, 2 to 64
    kind : what a worker is: a thread of this process, or a process

    Raises
    ------
    InvalidValueError
        As `direct_trial`.
    """
    _check(path, workers, kind)
    _send(path, events)
    if kind == "threads":
        _run_threads([lambda: _work(path)] * workers)
    else:
        context = multiprocessing.get_context("spawn")
        _run_processes([context.Process(target=_work, args=(path,)) for _ in range(workers)])
    with SqliteStore(path) as store:
        return Trial(f"{workers} {kind}, a FIFO queue", events, _count(store))


def killed_trial(path: str | os.PathLike[str], *, events: int = 3) -> KilledTrial:
    """Kill a worker with SIGKILL while the service of the second COUNT runs; start another.

    Parameters
    ----------
    path : of a store that does not exist
    events : how many COUNTs are sent, from 2

    Raises
    ------
    InvalidValueError
        The file exists, or `events` is too small.
    """
    _check(path, 2, "processes")
    if type(events) is not int or events < 2:
        reason = f"is {shorten(events, 40)}; a whole number from 2 is needed"
        raise InvalidValueError(where="events", reason=reason)
    _send(path, events)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    first = context.Process(target=_work_until_killed, args=(path, there))
    first.start()
    there.close()
    _wait_for_word(here, first)
    first.kill()
    first.join()
    with SqliteStore(path) as store:
        snapshot = store.load(KEY)
        status = FifoQueue(store, count.name).status()
    assert snapshot is not None  # the first COUNT was settled
    _run_processes([context.Process(target=_work, args=(path,))])
    with SqliteStore(path) as store:
        trial = Trial("a worker after a killed one", events, _count(store))
    rest: Any = snapshot.context["count"]
    return KilledTrial(
        trial,
        (" + ".join(snapshot.configuration), rest, snapshot.revision),
        status.in_flight,
        status.depth - status.in_flight,
        tuple(_ledger(path).read_text(encoding="utf-8").split()),
    )


def _send(path: str | os.PathLike[str], events: int) -> None:
    with SqliteStore(path) as store:
        queue = FifoQueue(store, count.name)
        queue.send_many([({"event": "COUNT"}, KEY)] * (events + 1))


def _work(path: str | os.PathLike[str]) -> None:
    _worker(path, lambda key: None)


def _work_until_killed(path: str | os.PathLike[str], parent: Connection) -> None:
    keys: set[str] = set()

    def hang(key: str) -> None:
        keys.add(key.rsplit(":", 2)[0])
        if len(keys) > 1:  # the second event that has services
            parent.send("in the service")
            threading.Event().wait(_PATIENCE)

    _worker(path, hang)


def _worker(path: str | os.PathLike[str], meanwhile: Callable[[str], None]) -> None:
    ledger = _ledger(path)

    async def wait(call: Any) -> None:
        with ledger.open("a", encoding="utf-8") as lines:
            lines.write(f"{call.idempotency_key}\n")
        meanwhile(call.idempotency_key)

    with SqliteStore(path) as store:
        queue = FifoQueue(store, count.name, visibility_timeout=_LEASE)
        Worker(count, store, queue, {"wait": wait}).run_sync(until_empty=True)


def _ledger(path: str | os.PathLike[str]) -> Path:
    return Path(f"{os.fspath(path)}.calls")


# --- threads and processes ----------------------------------------------------------------


def _run_threads(targets: Sequence[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def run(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise SettlesimError("a thread of the trial did not end")


def _run_processes(processes: Sequence[Any]) -> None:
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE)
    for process in processes:
        if process.exitcode != 0:
            with suppress(ProcessLookupError):
                process.kill()
            raise SettlesimError(f"a process of the trial ended with {process.exitcode}")


def _wait_for_word(parent: Connection, process: Any) -> None:
    try:
        if parent.poll(_PATIENCE):
            parent.recv()
            return
    except EOFError:
        pass
    process.kill()
    raise SettlesimError("the first worker of the trial did not come to its service")


# --- looking ------------------------------------------------------------------------------


def _count(store: BlindStore | SqliteStore) -> int:
    snapshot = store.load(KEY)
    assert snapshot is not None  # the first COUNT was settled
    number: Any = snapshot.context["count"]
    return int(number)


def _check(path: str | os.PathLike[str], several: object, kind: object) -> None:
    if type(several) is not int or not 2 <= several <= 64:
        reason = f"is {shorten(several, 40)}; a whole number from 2 to 64 is needed"
        raise InvalidValueError(where="the number of handlers", reason=reason)
    if kind not in get_args(Kind):
        reason = f"is {shorten(kind, 40)}; possible: 'threads', 'processes'"
        raise InvalidValueError(where="kind", reason=reason)
    if os.path.exists(path):
        reason = f"{os.fspath(path)} exists; a trial begins with a new file"
        raise InvalidValueError(where="path", reason=reason)
