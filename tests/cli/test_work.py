"""``settlesim work``, and what signals do to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlesim import FifoQueue, SqliteStore
from settlesim.store import QueueStatus
from tests.cli.conftest import Run


def status(queue: str = "count") -> QueueStatus:
    """What waits."""
    with SqliteStore("s.db") as store:
        return FifoQueue(store, queue).status()


def test_what_waits_is_settled_and_told(here: Path, run: Run) -> None:
    """One line for each event, and a sum at the end."""
    for _ in range(3):
        run("send", "count", "c1", "COUNT", "--store", "s.db")
    result = run("work", "count", "--store", "s.db", "--until-empty", "--service", "wait=done")
    assert result.exit_code == 0
    told = [line.rpartition(" in ")[0] for line in result.stdout.splitlines()]
    assert told == [f"COUNT of 'c1': resolved at revision {number}" for number in (1, 2, 3)]
    assert result.stderr == "3 resolved\n"
    shown = json.loads(run("show", "c1", "--store", "s.db", "--json").stdout)
    assert (shown["revision"], shown["context"]) == (3, {"count": 4})


def test_records_are_printed_as_json_lines(here: Path, run: Run) -> None:
    """With all their fields."""
    run("send", "order", "o1", "PAY", "--id", "p1", "--store", "s.db")
    result = run("work", "order", "--store", "s.db", "--until-empty", "--log", "json")
    (record,) = map(json.loads, result.stdout.splitlines())
    assert record["at"] > 0
    assert record["seconds"] > 0
    assert record["message"].startswith("PAY of 'o1': resolved at revision 1 in ")
    names = ("level", "key", "event", "event_id", "outcome", "revision", "receives", "error")
    assert [record[name] for name in names] == [
        "info", "o1", "PAY", "p1", "resolved", 1, 1, None
    ]  # fmt: skip


def test_nothing_is_printed_of_events_where_that_is_wanted(here: Path, run: Run) -> None:
    """The sum is."""
    run("send", "count", "c1", "COUNT", "--store", "s.db")
    result = run("work", "count", "--store", "s.db", "--until-empty", "--log", "off")
    assert (result.stdout, result.stderr) == ("", "1 resolved\n")


def test_an_empty_queue_is_no_error(here: Path, run: Run) -> None:
    """Nothing waits, and nothing is written."""
    result = run("work", "count", "--store", "s.db", "--until-empty")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Nothing was handled.\n"


def test_a_chart_without_functions_wants_stand_ins(parcel: str, run: Run) -> None:
    """As `settlesim settle` does."""
    run("send", parcel, "p1", "SEND", "--store", "s.db")
    bare = run("work", parcel, "--store", "s.db", "--until-empty")
    assert (bare.exit_code, "--stub stands in for all" in bare.stderr) == (2, True)
    result = run("work", parcel, "--store", "s.db", "--until-empty", "--stub")
    assert (result.exit_code, result.stderr) == (0, "1 done\n")


def test_a_name_cannot_be_obeyed_by_the_terminal(here: Path, run: Run) -> None:
    """Control characters of a key or an error are shown, not sent."""
    run("send", "order", "o\x1b[2J", "PAY", "--store", "s.db")
    words = ("--service", "charge_card=error:\x1b]0;x\x07\nnew line")
    result = run("work", "order", "--store", "s.db", "--until-empty", *words)
    assert "\x1b" not in result.stdout
    assert "o\\x1b[2J" in result.stdout


def test_dead_letters_are_skipped_or_halt_their_key(here: Path, run: Run) -> None:
    """The policy is the worker's."""
    chart = {
        "name": "bad",
        "states": [{"name": "a", "tags": ["settled"]}, "limbo"],
        "transitions": [["BAD", "a", "limbo"], ["OK", "a", "a"]],
        "initial": "a",
    }
    (here / "bad.json").write_text(json.dumps(chart))
    for key in ("k", "other"):
        for event in ("BAD", "OK") if key == "k" else ("OK",):
            run("send", "bad.json", key, event, "--store", "s.db")
    words = ("--store", "s.db", "--until-empty", "--max-failures", "1")
    halted = run("work", "bad.json", *words, "--policy", "halt")
    assert (halted.exit_code, halted.stderr) == (0, "1 dead, 1 resolved\n")
    assert status("bad").parked == 1
    assert run("resume", "bad.json", "k", "--store", "s.db").exit_code == 0
    assert run("work", "bad.json", *words).stderr == "1 resolved\n"


def test_a_damaged_store_is_an_error_without_traceback(here: Path, run: Run) -> None:
    """Status 1."""
    (here / "s.db").write_text("SQLite format 3, or not")
    result = run("work", "count", "--store", "s.db", "--until-empty")
    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_instance_of_another_version_is_an_error_at_the_end(here: Path, run: Run) -> None:
    """The event stays where it is, for a worker that knows the version."""
    chart = {
        "name": "v",
        "version": 2,
        "states": [{"name": "a", "tags": ["settled"]}],
        "transitions": [["OK", "a", "="]],
        "initial": "a",
    }
    (here / "new.json").write_text(json.dumps(chart))
    (here / "old.json").write_text(json.dumps({**chart, "version": 1}))
    run("settle", "new.json", "k", "OK", "--store", "s.db")
    run("send", "old.json", "k", "OK", "--store", "s.db")
    result = run("work", "old.json", "--store", "s.db", "--until-empty")
    assert result.exit_code == 1
    assert "was saved by v version 2, this is v version 1" in result.stderr
    assert status("v").depth == 1


# --- signals --------------------------------------------------------------------------------

SLOW = """
import asyncio, os
from settlesim import Chart

async def wait(call):
    os.write(int(os.environ["STARTED"]), b"x")
    await asyncio.get_running_loop().run_in_executor(None, os.read, int(os.environ["GO"]), 1)

chart = Chart(
    name="slow",
    states=[
        {"name": "a", "tags": ["settled"]},
        {"name": "busy", "invoke": {"src": "wait", "on_done": "a", "on_error": "a"}},
    ],
    transitions=[["GO", "a", "busy"]],
    initial="a",
).bind({"wait": wait})
"""


class Slow:
    """A worker whose service says that it has begun, and ends when it is told to."""

    def __init__(self, process: subprocess.Popen[str], started: int, go: int) -> None:
        self.process = process
        self._started = started
        self._go = go

    def started(self) -> None:
        """Return when the service runs."""
        assert os.read(self._started, 1) == b"x"

    def go(self) -> None:
        """Let the service end."""
        os.write(self._go, b"x")

    def signal(self, number: int) -> None:
        """Send a signal, and return when the worker says that it stops."""
        assert self.process.stderr is not None
        self.process.send_signal(number)
        assert self.process.stderr.readline().startswith("Stopping: what is in flight has ")

    def ended(self) -> tuple[int, str, str]:
        """Return status, standard output and what is left of standard error."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def slow_worker(here: Path, *words: str) -> Iterator[Slow]:
    """A worker in a process of its own, with one event in hand."""
    (here / "slow.py").write_text(SLOW)
    with SqliteStore("s.db") as store:
        FifoQueue(store, "slow").send({"event": "GO"}, "k")
    (from_it, started), (go, to_it) = os.pipe(), os.pipe()
    command = [sys.executable, "-m", "settlesim", "work", "slow:chart", "--store", "s.db", *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(started, go),
        env={**os.environ, "STARTED": str(started), "GO": str(go), "PYTHONUNBUFFERED": "1"},
    )
    for descriptor in (started, go):  # so that the end of the process can be seen
        os.close(descriptor)
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first == "Waiting for events of slow in s.db; Ctrl-C stops.\n"
        slow = Slow(process, from_it, to_it)
        slow.started()
        yield slow
    finally:
        process.kill()
        process.communicate()
        for descriptor in (from_it, to_it):
            os.close(descriptor)


needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_end(here: Path, number: int) -> None:
    """In an orderly way, with status 0 and no traceback."""
    with slow_worker(here, "--grace", "600") as slow:
        slow.signal(number)
        slow.go()
        code, out, err = slow.ended()
    assert (code, err) == (0, "1 resolved\n")
    assert out.startswith("GO of 'k': resolved at revision 1 in ")
    assert status("slow").depth == 0


@needs_signals
def test_what_does_not_end_in_time_is_given_back(here: Path) -> None:
    """Visible at once for the next worker, and no failure is counted."""
    with slow_worker(here, "--grace", "0") as slow:
        slow.signal(signal.SIGTERM)
        assert slow.process.stdout is not None
        assert slow.process.stdout.readline().startswith("GO of 'k': released in ")
        slow.go()  # the thread in which the service reads
        code, _, err = slow.ended()
    assert (code, err) == (0, "1 released\n")
    assert (status("slow").depth, status("slow").in_flight) == (1, 0)


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(here: Path, number: int) -> None:
    """Status as of a process that the signal ended; the event becomes visible again later."""
    with slow_worker(here, "--grace", "600") as slow:
        slow.signal(number)
        slow.process.send_signal(number)
        code, out, err = slow.ended()
    assert (code, out, err) == (128 + number, "", "")
    assert (status("slow").depth, status("slow").in_flight) == (1, 1)
    with SqliteStore("s.db") as store:
        assert store.load("k") is None
