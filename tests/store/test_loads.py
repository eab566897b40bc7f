"""Loading an instance while others save, fold and replace: without a lock, and never amiss."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settlesim.errors import (
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from settlesim.store import TinyStore
from settlesim.store.database import Document
from settlesim.store.documents import INSTANCES, read_instance
from settlesim.store.journal import files as files_module
from settlesim.store.journal import names as names_module
from settlesim.store.journal.names import Names
from tests.store.faults import Exact, abandon, count, journal_of, save


class Noting(Exact):
    """Notes its calls; the one that is named fails."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.fails = ""

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def names_stamp(self, folder: int, last: object = None) -> object:
        self._note("names_stamp")
        return super().names_stamp(folder, last)

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        self._note("read")
        return super().read(descriptor, size, offset)

    def try_lock(self, descriptor: int) -> bool:
        self._note("try_lock")
        return super().try_lock(descriptor)


@pytest.fixture(autouse=True, params=["still", "fast"])
def _clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, so that nothing is found only because it is looked at again after
    a while; and one by which that while is over at each look."""
    times = itertools.repeat(1000.0) if request.param == "still" else itertools.count(1000.0)
    monkeypatch.setattr(names_module, "wall_clock", times.__next__)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


def in_thread(work: Callable[[], object]) -> None:
    """Do something in another thread, and raise what it raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_load_looks_at_the_folder_and_at_the_end_of_the_journal(path: Path) -> None:
    """Two system calls, also of an instance that is not there."""
    files = Noting()
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        store.load("a")
        files.calls.clear()
        assert count(store, "a") == 1
        assert store.load("b") is None
        assert files.calls == 2 * ["names_stamp", "read"]


def test_load_does_not_wait_for_a_thread_that_writes(path: Path) -> None:
    """Where nothing is new it gives what was kept last; all other uses wait."""
    with TinyStore(path, files=Exact(), lock_timeout=0) as store:
        save(store, "a", 1)
        store.load("a")
        with store.database.writing() as changes:
            changes.remove(INSTANCES, 1)
            in_thread(lambda: save_is(store, 1))
            with pytest.raises(StoreUnavailableError, match="another thread"):
                in_thread(store.keys)
        assert store.load("a") is None


def save_is(store: TinyStore, number: int) -> None:
    """Check which count instance "a" was saved with."""
    assert count(store, "a") == number


def test_load_inside_a_block_of_the_same_thread_is_refused(path: Path) -> None:
    """As every use of a store inside another one."""
    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        store.load("a")
        for block in (store.database.reading, store.database.writing):
            with block(), pytest.raises(RuntimeError, match="inside another"):
                store.load("a")


def test_load_of_a_closed_store_is_refused(path: Path) -> None:
    """Also where the thread that closed it was in a block, which keeps the tables."""
    store = TinyStore(path, files=Exact())
    save(store, "a", 1)
    store.load("a")
    block = store.database.writing()
    block.__enter__()
    store.close()
    block.__exit__(None, None, None)
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.load("a")


def test_load_sees_at_once_what_another_process_kept(path: Path) -> None:
    """A save, a new journal, and both."""
    with TinyStore(path, files=Exact()) as store, TinyStore(path) as other:
        save(store, "a", 0)
        store.load("a")
        for number in range(1, 30):
            save(other, "a", number, number + 1)
            if number % 3 == 0:
                other.compact()
            assert count(store, "a") == number
            if number % 5 == 0:
                other.compact()
            assert count(store, "a") == number


def test_load_tells_that_the_journal_is_gone(path: Path) -> None:
    """It does not go on with what it has in memory."""
    store = TinyStore(path, files=Exact())
    save(store, "a", 1)
    store.load("a")
    journal_of(path).unlink()
    with pytest.raises(StoreDamagedError, match="removed while it was open"):
        store.load("a")
    abandon(store)


@pytest.mark.parametrize("call", ["names_stamp", "read"])
def test_load_tells_what_the_system_refused(path: Path, call: str) -> None:
    """And works again when it does not."""
    files = Noting()
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        store.load("a")
        files.fails = call
        with pytest.raises(StoreUnavailableError, match="reading failed: Input/output error"):
            store.load("a")
        files.fails = ""
        assert count(store, "a") == 1


def test_record_that_can_not_be_read_is_named(path: Path) -> None:
    """By its key and its document."""
    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        table = store.db.table(INSTANCES)
        table.update({"version": 1.5}, doc_ids=[1])
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="'a' in document 1: 'version'"):
                store.load("a")


def test_what_was_read_while_another_thread_kept_a_change_is_read_again(path: Path) -> None:
    """Between the look at the journal and the document everything may be another one."""
    changes: list[Callable[[], object]] = []

    def read(text: str) -> Document:
        if changes:
            in_thread(changes.pop())
        return read_instance(text)

    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        store.compact()
        store.keys()
        store.database.read_with(INSTANCES, read)
        changes.append(lambda: save(store, "a", 2, 2))
        found = store.load("a")
        assert found is not None
        assert (found.revision, found.context["count"]) == (2, 2)


def test_what_is_known_of_names_is_known_of_one_stamp_only(path: Path) -> None:
    """Whatever another thread found meanwhile."""
    files = Exact()
    path.write_text("")
    descriptor = os.open(path, os.O_RDONLY)
    names = Names(files, str(path.parent))
    assert not names.still_lead_to(descriptor, str(path))  # nobody looked yet
    names.look()
    assert not names.still_lead_to(descriptor, str(path))  # nobody asked yet
    assert names.lead_to(descriptor, str(path))
    assert names.still_lead_to(descriptor, str(path))
    assert not names.still_lead_to(descriptor + 1, str(path))
    seen = names.looks
    (path.parent / "new").write_text("")
    assert not names.still_lead_to(descriptor, str(path))
    names.look()
    assert names.looks > seen
    assert not names.still_lead_to(descriptor, str(path))
    os.close(descriptor)


@pytest.mark.parametrize("flip", [True, False])
def test_reload_that_met_a_damage_leaves_nothing_half_known(path: Path, flip: bool) -> None:
    """When the damage is mended, all is there; else a save could begin an instance twice."""
    with TinyStore(path) as store:
        for key in "abc":
            save(store, key, 1)
        good = path.read_bytes(), journal_of(path).read_bytes()
        bad = bytearray(good[1])
        first = bad.index(b"\n") + 1
        bad[bad.index(b"\n", first) + 20] ^= 1  # in the second record: the third one tells
        journal_of(path).unlink()
        path.write_bytes(good[0])
        journal_of(path).write_bytes(bad)
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="not as it was written"):
                store.load("a")
        if flip:  # mended in place
            with journal_of(path).open("r+b") as stream:
                stream.write(good[1])
        else:
            journal_of(path).unlink()
            journal_of(path).write_bytes(good[1])
        assert count(store, "a") == 1
        assert store.keys() == ["a", "b", "c"]
        with pytest.raises(VersionConflictError):
            save(store, "b", 2)
        save(store, "b", 2, 2)
    with TinyStore(path) as store:
        assert [count(store, key) for key in "abc"] == [1, 2, 1]


# --- many at once -----------------------------------------------------------------------------

WRITER = """
import sys
from settlesim.store import TinyStore
from tests.store.faults import save

with TinyStore(sys.argv[1]) as store:
    for number in range(1, 121):
        save(store, "far", number, number)
        print(number, flush=True)
        if number % 17 == 0:
            store.compact()
"""


class Run:
    """Threads that save, fold and load, until the writers are ready.

    Parameters
    ----------
    known : the last revision of each instance of which is known that it was saved
    """

    def __init__(self, store: TinyStore) -> None:
        self.store = store
        self.known: dict[str, int] = {"far": 0, "one": 0, "two": 0}
        self.writers = 3
        self.loads = 0
        self.wrong: list[str] = []

    def write(self, key: str) -> None:
        """Save an instance again and again, and fold the journal now and then."""
        try:
            for revision in range(1, 121):
                save(self.store, key, revision, revision)
                self.known[key] = revision
                if revision % 29 == 0:
                    self.store.compact()
        finally:
            self.writers -= 1

    def follow(self, process: subprocess.Popen[str]) -> None:
        """Note what another process says that it saved."""
        try:
            assert process.stdout is not None
            for line in process.stdout:
                self.known["far"] = int(line)
        finally:
            self.writers -= 1

    def read(self) -> None:
        """Load all instances, and compare with what is known to be saved."""
        while self.writers:
            for key in self.known:
                least = self.known[key]
                try:
                    found = self.store.load(key)
                except StoreError as error:
                    self.wrong.append(f"{key}: {error}")
                    return
                revision = 0 if found is None else found.revision
                self.loads += 1
                if revision < least or (found is not None and found.context["count"] != revision):
                    self.wrong.append(f"{key} is at {revision}, and {least} was saved before")


@pytest.mark.parametrize("kind", [Exact, files_module.FileSystem])
def test_loads_beside_threads_and_a_process_that_save_and_fold_are_never_old(
    path: Path, kind: Callable[[], Any]
) -> None:
    """What was saved before a load began is in what it returns."""
    with TinyStore(path, files=kind()) as store:
        run = Run(store)
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            works: list[Callable[[], object]] = [
                lambda: run.follow(process),
                lambda: run.write("one"),
                lambda: run.write("two"),
                run.read,
                run.read,
            ]
            threads = [threading.Thread(target=work) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=120)
        assert not run.wrong
        assert run.loads > 100
        assert run.known == {"far": 120, "one": 120, "two": 120}
