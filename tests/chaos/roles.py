"""What the processes do that are killed: send and work, by the library and by the command line."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.cli import program
from settlesim.errors import StoreError
from settlesim.ports import ChartVersion, Message, Transaction
from settlesim.runtime import Worker
from settlesim.store import FifoQueue, SqliteStore
from tests.chaos.charts import patient, tools
from tests.chaos.contending import contend
from tests.chaos.ledger import Ledger, read
from tests.chaos.phases import Phase
from tests.chaos.version_roles import migrate, send_all, work_in_version

__all__ = ["CHART", "ROLES", "STORE", "event_of", "is_poison", "repeats"]

STORE = "store.db"
CHART = "tests.chaos.charts:patient"
"""As the command line names it."""
MAX_RECEIVES = 1000
"""Workers die so often here that ten deaths on one slow event say nothing about it."""


# --- the events: what they are follows from the seed, whoever sends them ---------------------


def _dice(seed: int, key: str, number: int, what: str) -> random.Random:
    return random.Random(f"{seed} {key} {number} {what}")


def is_poison(seed: int, key: str, number: int) -> bool:
    """Say whether an event cannot be handled: about one of 25."""
    return _dice(seed, key, number, "poison").random() < 0.04


def event_of(seed: int, key: str, number: int, visibility: float) -> dict[str, Any]:
    """Return the body of an event.

    Its services take 50 to 150 milliseconds, and now and then longer than the lease.
    """
    dice = _dice(seed, key, number, "seconds")
    slow = dice.random() < 0.03
    seconds = visibility * 1.5 if slow else dice.uniform(0.05, 0.15)
    data = {
        "key": key,
        "number": number,
        "seconds": round(seconds, 3),
        "poison": is_poison(seed, key, number),
    }
    return {"event": "ADD", "data": data}


def repeats(seed: int, key: str, number: int) -> list[int]:
    """Return the events to send again after this one: for a fifth of them, itself or older."""
    dice = _dice(seed, key, number, "repeats")
    if dice.random() >= 0.2:
        return []
    return [number if dice.random() < 0.5 else max(1, number - dice.randint(1, 5))]


# --- sending -----------------------------------------------------------------------------------


def send(
    folder: Path, *, seed: int, keys: list[str], visibility: float, ahead: int, command: bool
) -> None:
    """Send the events of some keys in order until a file named ``stop`` is there.

    What was acknowledged is in the ledger ``sent``. A sender that follows a killed one goes
    on after the last of these, so that it may send an event that was accepted already.

    Parameters
    ----------
    ahead : how many events of a key may wait, so that there is always work and never too much
    command : whether each event is sent by ``settlesim send``
    """
    phase = Phase(folder)
    ledger = Ledger(folder / "sent")
    known = read(folder / "sent")
    numbers = {
        key: max((line["number"] for line in known if line["key"] == key), default=0)
        for key in keys
    }
    with SqliteStore(folder / STORE) as store:
        queue = FifoQueue(store, patient.name, visibility_timeout=visibility)

        def by_library(key: str, number: int) -> None:
            queue.send(event_of(seed, key, number, visibility), key, f"{key}-{number}")

        def by_command(key: str, number: int) -> None:
            event = event_of(seed, key, number, visibility)
            options = ["--data", json.dumps(event["data"]), "--id", f"{key}-{number}"]
            run("send", CHART, key, event["event"], *options, "--store", folder / STORE)

        send_one = by_command if command else by_library
        while not (folder / "stop").exists():
            phase.enter("idle")
            time.sleep(0.02)
            handled = _handled(store, queue, keys)
            for key in keys:
                if numbers[key] - handled[key] >= ahead:
                    continue
                number = numbers[key] + 1
                phase.enter("sending")
                send_one(key, number)
                ledger.add(key=key, number=number)
                numbers[key] = number
                for again in repeats(seed, key, number):
                    send_one(key, again)
                    ledger.add(key=key, number=again, again=True)


def run(*arguments: object) -> None:
    """Run ``settlesim`` with these arguments in this process.

    Raises
    ------
    RuntimeError
        It ended with another status than 0.
    """
    try:
        program([str(argument) for argument in arguments])
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"settlesim {arguments} ended with status {end.code}") from end


def _handled(store: SqliteStore, queue: FifoQueue, keys: list[str]) -> dict[str, int]:
    """Return how many events of each key are done with."""
    handled = dict.fromkeys(keys, 0)
    for letter in queue.dead_letters():
        if letter.group_id in handled:
            handled[letter.group_id] += 1
    for key in keys:
        found = store.load(key)
        handled[key] += 0 if found is None else len(found.context["log"])
    return handled


# --- working -----------------------------------------------------------------------------------


@contextmanager
def noted(folder: Path) -> Iterator[None]:
    """Write down what a store or a queue refuses."""
    try:
        yield
    except StoreError as error:
        Ledger(folder / "refused").add(error=type(error).__name__, process=os.getpid())
        raise


class WatchedStore(SqliteStore):
    """A store that writes down where its process is, and what it refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phase = tools(os.getpid())[1]
        self.received = Ledger(folder / "received")
        super().__init__(folder / STORE)

    def load(self, key: str) -> Snapshot | None:
        """Load, and say so."""
        found = super().load(key)
        self.phase.enter("loaded")
        return found

    def commit(self, transaction: Transaction) -> None:
        """Commit, and say so."""
        self.phase.enter("committing")
        with noted(self.folder):
            super().commit(transaction)
        self.phase.enter("after")


class WatchedQueue(FifoQueue):
    """A queue that writes down when something was received, and what it refused."""

    store: WatchedStore

    def receive(
        self,
        max_messages: int = 1,
        visibility_timeout: float | None = None,
        *,
        chart_version: ChartVersion | None = None,
    ) -> tuple[Message, ...]:
        """Receive, and say so."""
        self.store.phase.enter("idle")
        found = super().receive(max_messages, visibility_timeout, chart_version=chart_version)
        if found:
            self.store.phase.enter("received")
        process = os.getpid()
        for message in found:
            self.store.received.add(process=process, message=message.id, receives=message.receives)
        return found

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Extend the lease, if it has not ended."""
        with noted(self.store.folder):
            super().change_visibility(receipt, seconds)

    def release(self, receipt: str, retry_in: float = 0.0) -> None:
        """Make the message visible again, if nobody else has it."""
        with noted(self.store.folder):
            super().release(receipt, retry_in)

    def fail(
        self,
        receipt: str,
        error: BaseException | str,
        retry_in: float = 0.0,
        *,
        final: bool = False,
    ) -> bool:
        """Count a failure, if nobody else has the message."""
        with noted(self.store.folder):
            return super().fail(receipt, error, retry_in, final=final)


def work(folder: Path, *, visibility: float, concurrency: int, command: bool) -> None:
    """Handle events until a signal says to stop.

    Parameters
    ----------
    command : whether it is ``settlesim work``
    """
    if command:
        settings = {
            "visibility": visibility,
            "concurrency": concurrency,
            "max-failures": 2,
            "max-receives": MAX_RECEIVES,
        }
        options = [text for name, value in settings.items() for text in (f"--{name}", value)]
        run("work", CHART, "--store", folder / STORE, *options, "--log", "off")
        return
    with WatchedStore(folder) as store:
        queue = WatchedQueue(
            store,
            patient.name,
            visibility_timeout=visibility,
            max_failures=2,
            max_receives=MAX_RECEIVES,
        )
        worker = Worker(patient, store, queue, concurrency=concurrency, backoff=0.01, poll=0.01)
        signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
        worker.run_sync()


ROLES: dict[str, Callable[..., None]] = {
    "send": send,
    "work": work,
    "contend": contend,
    "send_all": send_all,
    "work_in_version": work_in_version,
    "migrate": migrate,
}
