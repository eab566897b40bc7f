"""A process that is forked while a store is in use: the child is left with nothing held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settlesim.errors import StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.lock import FileLock, InterruptsHeld
from settlesim.store.journal.names import Names
from tests.store.faults import count, save

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


def in_child(work: Callable[[], object]) -> int:
    """Fork; return the child's exit status: 0 where the work returned true, 1 where not."""
    child = os.fork()
    if not child:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def interrupts_are_delivered() -> bool:
    """Say whether Ctrl-C raises in this process, as it does where nobody holds it back."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return True
    return False


@pytest.fixture
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_handler")
def test_child_of_another_thread_hears_ctrl_c(path: Path) -> None:
    """Although the main thread of the parent writes at that moment, two stores even."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(in_child(interrupts_are_delivered)))
    with (
        JournalDatabase(path) as one,
        JournalDatabase(f"{path}.2") as two,
        one.writing(),
        two.writing(),
    ):
        thread.start()
        thread.join(timeout=60)
    assert found == [0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("default_handler")
@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_child_that_never_leaves_the_block_of_its_parent_hears_ctrl_c(
    path: Path, kind: str
) -> None:
    """As one that multiprocessing starts."""
    with JournalDatabase(path) as database:
        with database.reading() if kind == "reading" else database.writing():
            assert in_child(interrupts_are_delivered) == 0
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("default_handler")
def test_ctrl_c_that_the_parent_holds_back_is_the_parents(path: Path) -> None:
    """The child does not get it a second time."""
    with JournalDatabase(path) as database:
        block = database.reading()
        block.__enter__()
        signal.raise_signal(signal.SIGINT)

        def leave() -> bool:
            block.__exit__(None, None, None)
            return True

        assert in_child(leave) == 0
        with pytest.raises(KeyboardInterrupt):
            block.__exit__(None, None, None)


@pytest.mark.usefixtures("default_handler")
def test_child_reads_on_in_the_block_in_which_it_was_forked(path: Path) -> None:
    """It sees what was there, leaves the block, and uses the store like any other process."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        block = store.database.reading()
        block.__enter__()

        def work() -> bool:
            found = block.get("instances", 1)
            block.__exit__(None, None, None)
            save(store, "b", 1)
            return found is not None and found["key"] == "a" and interrupts_are_delivered()

        status = in_child(work)
        block.__exit__(None, None, None)
        assert status == 0
        assert store.keys() == ["a", "b"]


def test_child_of_a_writing_block_may_end_in_its_own_way(path: Path) -> None:
    """Its own error, or its exit, is not replaced by that of the store; nothing is written."""
    with TinyStore(path) as store:
        save(store, "a", 1)

        def work() -> bool:
            for error in (SystemExit(3), ZeroDivisionError()):
                block.__exit__(type(error), error, None)  # raises nothing
            with pytest.raises(StoreUnavailableError, match="the parent has the changes"):
                block.__exit__(None, None, None)
            return store.keys() == ["a"]

        block = store.database.writing()
        block.__enter__()
        block.insert("other", {"n": 1})
        status = in_child(work)
        block.__exit__(None, None, None)
        assert status == 0
        with store.database.reading() as reader:
            assert list(reader.ids("other")) == [1]


LEFT = """
import os, sys
from settlesim.store import TinyStore
from tests.store.faults import save

store = TinyStore(sys.argv[1])
save(store, "a", 1)
with store.database.reading():
    child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert store.keys() == ["a", "b"]
else:
    save(store, "b", 1)
"""


def test_child_that_leaves_the_block_and_ends_ends_well(path: Path) -> None:
    """As a program that forks in the middle of a block."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with TinyStore(path) as store:
        assert (count(store, "a"), count(store, "b")) == (1, 1)


def test_lock_does_not_stay_with_a_child_when_its_holder_is_killed(path: Path) -> None:
    """Whoever takes it: also the acceptance of an edit, which opens no store."""
    files = FileSystem()
    names = Names(files, str(path.parent))
    one, two = (FileLock(f"{path}.lock", files, names, limit=0, store=str(path)) for _ in range(2))
    one.acquire(InterruptsHeld())
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"1")
        signal.pause()
    try:
        assert os.read(reading, 1) == b"1"
        one.close()  # as the system does with the descriptors of a process that was killed
        two.acquire(InterruptsHeld())
        two.drop()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
