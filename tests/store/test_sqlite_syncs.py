"""What is synced: all that a service may act on, and of a reception only the first after opening.

SQLite's own statements say how far a commit has to be on the disk; that it does so then is seen
by counting the system's calls, where `strace` is there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settlesim.ports import Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue, SqliteStore
from settlesim.testing import ManualTime
from settlesim.testing.openers import snapshot
from tests.documents import ROOT
from tests.store.saving import SECONDS

SYNCED, NOT_SYNCED = 2, 1
"""SQLite's numbers for ``FULL`` and ``NORMAL``."""


class Traced:
    """A store whose commits are noted, each with how far it is synced."""

    def __init__(self, path: Path) -> None:
        self.time = ManualTime()
        self.store = SqliteStore(path, now=self.time)
        self.queue = FifoQueue(self.store, "count", max_failures=1)
        self._connection = self.store.database._connection
        self._commits = 0
        self._connection.set_trace_callback(self._note)

    def _note(self, statement: str) -> None:
        self._commits += statement == "COMMIT"

    def __call__(self, use: Callable[[], Any]) -> tuple[list[int], Any]:
        """Use the store; return how far each of its commits is synced, and what it returned."""
        self._commits = 0
        found = use()
        commits = self._commits
        level = self._connection.execute("PRAGMA synchronous").fetchone()[0]
        return [level] * commits, found


@pytest.fixture
def traced(tmp_path: Path) -> Any:
    found = Traced(tmp_path / "store.db")
    yield found
    found.store.close()


def test_what_is_received_extended_and_released_is_not_synced(traced: Traced) -> None:
    """A power cut only brings the message back sooner."""
    queue = traced.queue
    queue.send("E", "a")
    for _ in range(3):
        levels, (message,) = traced(queue.receive)
        assert levels == [NOT_SYNCED]
        assert traced(lambda: queue.change_visibility(message.receipt, 60.0))[0] == [NOT_SYNCED]  # noqa: B023
        assert traced(lambda: queue.release(message.receipt))[0] == [NOT_SYNCED]  # noqa: B023


def test_all_that_a_service_may_act_on_is_synced(traced: Traced) -> None:
    """Each write after receptions, which are not: the way back to a sync is tested, too."""
    queue, store = traced.queue, traced.store

    def received() -> str:
        levels, (message,) = traced(queue.receive)
        assert levels == [NOT_SYNCED]
        return str(message.receipt)

    queue.send_many([(number, f"group {number}") for number in range(9)])
    synced = [SYNCED]
    receipt = received()
    settled = Transaction(
        "a",
        snapshot(1),
        0,
        consumed=receipt,
        mark="e",
        timers=Timers((Timer("d", 5.0),)),
        sends=(Send("count", 1, "b"),),
    )
    assert traced(lambda: store.commit(settled))[0] == synced
    receipt = received()
    assert traced(lambda: queue.delete(receipt))[0] == synced
    received()
    assert traced(lambda: queue.send("E", "a", "id"))[0] == synced
    receipt = received()
    assert traced(lambda: queue.fail(receipt, "no"))[0] == synced
    traced.time.step(60)
    received()
    assert traced(queue.release_timers)[0] == synced
    received()
    assert traced(queue.redrive)[0] == synced
    assert traced(lambda: store.delete("a", 1))[0] == synced


def test_what_finds_nothing_writes_nothing(traced: Traced) -> None:
    """So that a worker that waits keeps nobody from writing."""
    queue = traced.queue
    for use in (queue.receive, queue.release_timers, queue.status, queue.next_change):
        assert traced(use)[0] == []


@pytest.mark.parametrize(
    "before", ["nothing", "a resume of nothing", "a prune of nothing", "a read"]
)
def test_the_first_reception_after_opening_is_synced(tmp_path: Path, before: str) -> None:
    """A killed process may have left what was never synced; a write of nothing syncs nothing."""
    with SqliteStore(tmp_path / "store.db") as store:
        FifoQueue(store, "count").send_many([(1, "a"), (2, "b")])
    traced = Traced(tmp_path / "store.db")
    uses: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "a resume of nothing": lambda: traced.queue.resume("x"),
        "a prune of nothing": lambda: traced.store.prune(older_than=0.0),
        "a read": traced.store.keys,
    }
    with traced.store:
        uses[before]()
        assert traced(traced.queue.receive)[0] == [SYNCED]
        assert traced(traced.queue.receive)[0] == [NOT_SYNCED]


def test_an_interrupt_while_the_level_is_changed_costs_no_sync(traced: Traced) -> None:
    """Python can raise right after SQLite has changed it: the next send is synced still."""
    queue = traced.queue
    queue.send(1, "a")
    connection = traced.store.database._connection

    changed = False

    def note(statement: str) -> None:
        nonlocal changed
        changed = changed or statement == "PRAGMA synchronous=NORMAL"

    def interrupt(frame: Any, event: str, argument: Any) -> None:
        if event == "c_return" and changed:
            sys.setprofile(None)
            raise KeyboardInterrupt

    connection.set_trace_callback(note)

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            queue.receive()
    finally:
        sys.setprofile(None)
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == NOT_SYNCED
    queue.send(2, "a")
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == SYNCED


PROGRAM = """
import os, sys
from settlesim.store import FifoQueue, SqliteStore
from tests.store.saving import save

with SqliteStore(sys.argv[1]) as store:
    queue = FifoQueue(store, "q")

    def tell(what):
        os.write(2, f"<{what}>".encode())

    for _ in range(3):
        tell("send"); queue.send("E", "a")
        tell("receive"); (message,) = queue.receive()
        tell("delete"); queue.delete(message.receipt)
        tell("save"); save(store, "a", _ + 1)
    tell("end")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="counts the calls with strace")
def test_the_system_is_asked_to_sync_for_each_write_that_needs_it(tmp_path: Path) -> None:
    """What SQLite makes of its level: one sync of the log, before the call returns."""
    log = tmp_path / "strace"
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=fsync,fdatasync,write",
            "-o",
            log,
            sys.executable,
            "-c",
            PROGRAM,
            path,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    found: list[tuple[str, int]] = []
    for line in log.read_text().splitlines():
        told = re.search(r'write\(2.*"<(\w+)>"', line)
        if told:
            found.append((told[1], 0))
        elif found and re.search(r"f(data)?sync\(.*store\.db-wal", line):
            found[-1] = (found[-1][0], found[-1][1] + 1)
    # The first write also syncs the head of a new log.
    assert found[0][0] == "send"
    assert found[0][1] >= 1
    assert found[1:-1] == [
        ("receive", 0),
        ("delete", 1),
        ("save", 1),
        *[("send", 1), ("receive", 0), ("delete", 1), ("save", 1)] * 2,
    ]
