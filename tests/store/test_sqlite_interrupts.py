"""Ctrl-C at random moments of what a store does: never half a transaction, never a lock left.

A timer raises `KeyboardInterrupt` wherever Python delivers signals, once or twice in each use.
The moments differ from run to run; what has to hold does not.
"""

from __future__ import annotations

import contextlib
import gc
import random
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import EventRepeatedError, ReceiptExpiredError, VersionConflictError
from settlesim.ports import Message, Send, Transaction
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from tests.store.saving import integrity, save_next

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timer")

USES = 600
LONGEST = 0.001
"""Seconds until an interrupt comes, at most: about as long as a use takes."""
SYNCED = 2
"""SQLite's number for ``FULL``."""


class Storm:
    """Interrupts uses of a store."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._left, self._again = 0, 0.0
        self.came = Counter[bool]()
        """How many uses were cut short, and how many not."""

    def _strike(self, number: int, frame: FrameType | None) -> None:
        if self._left:
            self._left -= 1
            # Made before the next one can come: Python calls it a SystemError if that happens while
            # a class of exceptions is called.
            interrupt = KeyboardInterrupt()
            if self._left:
                signal.setitimer(signal.ITIMER_REAL, self._again)
            raise interrupt

    def __enter__(self) -> Storm:
        # What is collected could be struck, too; Python tells that to nobody but this hook.
        gc.disable()
        self._hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        self._before = signal.signal(signal.SIGALRM, self._strike)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, self._before)
        sys.unraisablehook = self._hook
        gc.enable()

    def __call__(self, use: Callable[[], object]) -> None:
        """Interrupt this use, perhaps, and perhaps also what ends it then."""
        first, self._again = self._dice.uniform(1e-5, LONGEST), self._dice.uniform(1e-6, 1e-4)
        done = False
        try:
            try:
                self._left = self._dice.choice((1, 2))
                signal.setitimer(signal.ITIMER_REAL, first)
                use()
                done = True
            finally:
                self._left = 0
        except KeyboardInterrupt:
            pass
        self._left = 0
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        self.came[not done] += 1


def settle(store: SqlStore, message: Message) -> None:
    """Consume a message, and append its id to the log of its instance, in one transaction."""
    key = message.group_id
    found = store.load(key)
    log = [] if found is None else list(found.context["log"])
    revision = len(log)
    context = freeze_object({"log": [*log, message.body]}, where="context")
    new = Snapshot("log", 1, ("on",), context, revision + 1)
    sends = (Send("sent", message.body, key),)
    settled = Transaction(
        key, new, revision, consumed=message.receipt, mark=f"{message.id}", sends=sends
    )
    store.commit(settled)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    with MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db") as made:
        yield made
    if request.param == "file":
        assert integrity(tmp_path / "store.db") == "ok"


def check(store: SqlStore, connection: sqlite3.Connection) -> None:
    """Look at the store after an interrupt: all of a transaction or nothing, and no lock."""
    with store.database._lock:  # the other thread is outside
        assert not store.database._in_use
        assert not connection.in_transaction
    (rows,) = store.database.rows(
        "SELECT (SELECT count(*) FROM messages WHERE queue = 'sent'), (SELECT count(*) FROM marks)"
    )
    sent, marks = rows
    keys = store.keys()
    logs = {key: store.load(key) for key in keys if key != "beside"}
    settled = sum(0 if each is None else each.revision for each in logs.values())
    assert settled == sent == marks, rows
    for key, found in logs.items():
        assert found is not None
        log = list(found.context["log"])
        assert log == sorted(set(log)), f"{key}: {log}"


def test_interrupts_leave_whole_transactions_and_no_lock(
    store: SqlStore, finding: Callable[[object], None]
) -> None:
    """A sender and worker that is interrupted, beside a thread that goes on saving."""
    queue = FifoQueue(store, "log", visibility_timeout=0.001, max_receives=None)
    connection = store.database._connection
    over = threading.Event()
    saved = 0

    def beside() -> None:
        nonlocal saved
        while not over.is_set():
            save_next(store, "beside")
            saved += 1

    dice, sent = random.Random(7), 0
    held: list[Message] = []

    def send() -> None:
        nonlocal sent
        sent += 1
        queue.send(sent, f"key-{sent % 3}", f"id-{sent}")

    def receive() -> None:
        held.extend(queue.receive(3))

    def commit() -> None:
        if held:
            settle(store, held.pop())

    def release() -> None:
        if held:
            queue.release(held.pop().receipt)

    thread = threading.Thread(target=beside)
    with Storm(11) as storm:
        thread.start()
        try:
            for _ in range(USES):
                use = dice.choice((send, receive, receive, commit, commit, release))
                storm(lambda use=use: refused(use))  # type: ignore[misc]
                check(store, connection)
                queue.send("probe", "probe", "probe")
                assert connection.execute("PRAGMA synchronous").fetchone()[0] == SYNCED
        finally:
            over.set()
            thread.join()
    assert not thread.is_alive()
    assert saved > 0
    finding(f"interrupts: {storm.came[True]} of {USES} uses cut short, {saved} saves beside them")
    assert storm.came[True] > USES / 20
    assert storm.came[False] > USES / 20


def refused(use: Callable[[], object]) -> None:
    """Use the store; an expired receipt or a lost race is nothing to worry about here."""
    with contextlib.suppress(ReceiptExpiredError, VersionConflictError, EventRepeatedError):
        use()


def test_interrupts_while_a_store_is_opened_and_closed(tmp_path: Path) -> None:
    """The file is whole each time, and no opening leaves a lock."""
    path = tmp_path / "store.db"
    stores: list[SqliteStore] = []

    def open_and_save() -> None:
        stores.append(SqliteStore(path, lock_timeout=1.0))
        save_next(stores[-1], "a")
        stores.pop().close()

    with Storm(5) as storm:
        for _ in range(150):
            storm(open_and_save)
            while stores:
                stores.pop().close()
            other = SqliteStore(path, lock_timeout=0.0)
            save_next(other, "b")
            other.close()
    assert storm.came[True] > 5
    assert integrity(path) == "ok"
