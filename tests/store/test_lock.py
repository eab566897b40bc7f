"""The locks of a store: nobody keeps one whatever ends the way to it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import settlesim.store
from settlesim.errors import StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.files import FileSystem
from tests.store.faults import save

STORE = str(Path(settlesim.store.__file__).parent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


class Blind(FileSystem):
    """A file system in which the look at a lock file that was just locked fails, once armed."""

    error: BaseException | None = None

    def try_lock(self, descriptor: int) -> bool:
        self.locked = super().try_lock(descriptor)
        return self.locked

    def is_at(self, descriptor: int, path: str) -> bool:
        if path.endswith(".lock"):
            error, self.error = self.error, None
            if error is not None:
                assert self.locked
                raise error
        return super().is_at(descriptor, path)


@pytest.mark.parametrize("kind", [OSError, SystemExit, MemoryError])
def test_lock_is_free_after_a_look_at_its_file_that_failed(
    path: Path, kind: type[BaseException]
) -> None:
    """Also for a forked process that has a copy of the descriptor."""
    files = Blind()
    with TinyStore(path, files=files) as store, TinyStore(path, lock_timeout=0) as other:
        save(store, "a", 1)
        child = os.fork()
        if not child:
            signal.pause()
        try:
            files.error = kind(errno.EIO, "Input/output error")
            with pytest.raises((StoreUnavailableError, SystemExit, MemoryError)) as caught:
                save(store, "a", 2, revision=2)
            assert files.error is None
            if kind is OSError:
                assert "its lock" in str(caught.value)
            save(other, "a", 2, revision=2)
            save(store, "a", 3, revision=3)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_ctrl_c_is_heard_where_blocks_of_two_stores_overlap(path: Path) -> None:
    """The one that was entered first may be left first; what came meanwhile comes at the end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with TinyStore(path) as one, TinyStore(path.with_name("two.json")) as two:
            first, second = one.database.reading(), two.database.reading()
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            signal.raise_signal(signal.SIGINT)  # held back
            with pytest.raises(KeyboardInterrupt):
                second.__exit__(None, None, None)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_ctrl_c_is_held_back_and_heard_where_a_block_is_used_again(path: Path, kind: str) -> None:
    """Each time."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with TinyStore(path) as store:
            block = getattr(store.database, kind)()
            for _ in range(3):
                block.__enter__()
                signal.raise_signal(signal.SIGINT)
                with pytest.raises(KeyboardInterrupt):
                    block.__exit__(None, None, None)
                with block:
                    pass
                assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_heard_where_a_program_changes_the_handler_in_a_block(path: Path) -> None:
    """Its own handler stays; and what it puts back later holds nothing back any more."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    heard: list[int] = []
    try:
        with TinyStore(path) as store:
            with store.database.reading():
                found = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
            signal.raise_signal(signal.SIGINT)
            assert heard == [signal.SIGINT]
            signal.signal(signal.SIGINT, found)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


class AlarmError(BaseException):
    """What the handler of another signal than Ctrl-C raises, as a test with a time limit does."""


class Alarm:
    """Raises before the how-manieth line of the store's code that runs."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.lines = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Alarm | None:
        if not frame.f_code.co_filename.startswith(STORE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise AlarmError
        return self


def enter(store: TinyStore, kind: str, line: int) -> tuple[Alarm, bool]:
    """Enter a block, and let the alarm come at a line; say whether the block was entered."""
    database, alarm = store.database, Alarm(line)
    block = database.reading() if kind == "reading" else database.writing()
    previous = sys.gettrace()
    sys.settrace(alarm)
    try:
        block.__enter__()
    except AlarmError:
        return alarm, False
    finally:
        sys.settrace(previous)
    block.__exit__(None, None, None)
    return alarm, True


class Restless(FileSystem):
    """A file system whose folders are always just changed: each way in has the same lines."""

    def names_stamp(self, folder: int, last: object = None) -> object:
        return None


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_alarm_at_any_line_on_the_way_into_a_block_leaves_no_lock(path: Path, kind: str) -> None:
    """Neither that of the threads nor that of the processes, and Ctrl-C is as it was."""
    handler = signal.getsignal(signal.SIGINT)
    with (
        TinyStore(path, lock_timeout=0, files=Restless()) as store,
        TinyStore(path, lock_timeout=0) as other,
    ):
        save(store, "a", 0)
        lines = enter(store, kind, 0)[0].lines
        assert lines > 20
        for line in range(1, lines + 1):
            alarm, entered = enter(store, kind, line)
            assert not entered, alarm.where
            assert signal.getsignal(signal.SIGINT) is handler, alarm.where
            thread = threading.Thread(target=save, args=(store, f"{line} thread", line))
            thread.start()
            thread.join(timeout=60)
            save(other, f"{line} other", line)
            assert len(store.keys()) == 1 + 2 * line, alarm.where


# --- closing --------------------------------------------------------------------------------


def test_store_can_be_closed_although_its_own_thread_never_left_a_block(path: Path) -> None:
    """As after the handler of a signal raised at the very edge of one."""
    store = TinyStore(path)
    save(store, "a", 1)
    block = store.database.reading()
    block.__enter__()
    try:
        store.close()
        with TinyStore(path) as other:
            assert other.keys() == ["a"]
    finally:
        block.__exit__(None, None, None)  # for the other tests: it holds Ctrl-C back


def test_block_in_which_the_store_is_closed_still_keeps_its_changes(path: Path) -> None:
    """Nothing comes after it."""
    database = JournalDatabase(path)
    with database.writing() as changes:
        changes.insert("a", {"n": 1})
        database.close()
    with pytest.raises(StoreUnavailableError, match="was closed"):
        database.reading().__enter__()
    with JournalDatabase(path) as other, other.reading() as reader:
        assert list(reader.ids("a")) == [1]
