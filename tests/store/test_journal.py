"""The journalled database: ids, group commit, processes, forks, interrupts."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.database import StrictDocument
from settlesim.store.documents import INSTANCES, InstanceDocument
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.files import FileSystem
from tests.store.faults import (
    FULL,
    Counting,
    Faulty,
    Hooked,
    abandon,
    count,
    journal_of,
    journal_text,
    names,
    save,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


class Keys:
    """An index from numbers to ids, which refuses the number 13."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.clears = 0

    def clear(self) -> None:
        self.clears += 1
        self.ids.clear()

    def update(self, table: str, id: int, new: Mapping[str, Any] | None) -> None:  # noqa: A002
        for number in [number for number, known in self.ids.items() if known == id]:
            del self.ids[number]
        if new is not None:
            if new["n"] == 13:
                raise StoreDamagedError(path="test", reason="13")
            self.ids[new["n"]] = id


def documents(database: JournalDatabase, table: str) -> dict[int, Any]:
    with database.reading() as reader:
        return {number: reader.get(table, number) for number in reader.ids(table)}


# --- what a transaction costs ---------------------------------------------------------------


def test_a_transaction_is_one_line_and_one_sync(path: Path) -> None:
    """Over several tables, whatever else the store holds."""
    files = Counting()
    database = JournalDatabase(path, files=files)
    with database.writing() as changes:
        for number in range(1000):
            changes.insert("a", {"n": number})
    files.calls.clear()
    with database.writing() as changes:
        changes.put("a", 7, {"n": -7})
        changes.remove("a", 8)
        changes.insert("b", {"n": 1})
    assert files.calls == ["write", "begin_sync", "sync"]
    files.calls.clear()
    with database.writing(durable=False) as changes:
        changes.insert("b", {"n": 2})
    assert files.calls == ["write"]
    database.close()


def test_without_sync_nothing_is_synced(path: Path) -> None:
    """Neither a transaction nor a snapshot."""
    files = Counting()
    with TinyStore(path, files=files, sync="none") as store:
        save(store, "a", 1)
        store.compact()
    assert set(files.calls) == {"write", "replace"}
    with pytest.raises(ValueError, match="'full' and 'none'"):
        TinyStore(path, sync="all")  # type: ignore[arg-type]


def test_a_block_that_changes_nothing_writes_nothing(path: Path) -> None:
    """But what it was decided on is on the disk when it is left."""
    files = Counting()
    database = JournalDatabase(path, files=files)
    with database.writing():
        pass
    assert names(path.parent) == ["store.json.lock"]
    with database.writing(durable=False) as changes:
        changes.insert("a", {"n": 1})
    files.calls.clear()
    with database.writing() as changes:
        assert changes.get("a", 1) == {"n": 1}
    assert files.calls == ["sync"]
    with database.writing():
        pass
    assert files.calls == ["sync"]
    database.close()


def insert(
    database: JournalDatabase,
    *new: Any,
    error: BaseException | None = None,
    table: str = "a",
) -> None:
    """Insert documents in one transaction, which ends with the error if there is one."""
    with database.writing() as changes:
        for document in new:
            changes.insert(table, document)
        if error is not None:
            raise error


def test_transaction_that_fails_changes_nothing(path: Path) -> None:
    """An error in the block, or a document that JSON cannot carry."""
    database = JournalDatabase(path)
    insert(database, {"n": 1})
    before = (path.parent / "store.json.journal").read_bytes()
    with pytest.raises(ZeroDivisionError):
        insert(database, {"n": 2}, error=ZeroDivisionError())
    for bad in ({"n": float("nan")}, {"n": {1, 2}}):
        with pytest.raises((ValueError, TypeError)):
            insert(database, {"n": 2}, bad)
    assert documents(database, "a") == {1: {"n": 1}}
    assert (path.parent / "store.json.journal").read_bytes() == before
    database.close()


def change_two(store: TinyStore, *documents: dict[str, Any]) -> None:
    """Put two documents in their places in tables without indexes."""
    with store.database.writing() as changes:
        for table, document in zip(("t", "u"), documents, strict=True):
            changes.put(table, 1, document)


def test_second_document_with_one_key_is_refused_before_it_is_written(path: Path) -> None:
    """Else the store could not be opened any more."""
    with TinyStore(path) as store:
        save(store, "b", 1)
        new = Snapshot("count", 1, ("odd",), freeze_object({}, where="context"), 1)
        with pytest.raises(StoreDamagedError, match="'a' stands in"):
            insert(store.database, *2 * [InstanceDocument("a", new)], table=INSTANCES)
        assert store.keys() == ["b"]
        save(store, "a", 1)
        abandon(store)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b"]


@pytest.mark.parametrize("kind", [dict, StrictDocument])
def test_number_that_json_has_not_is_refused_before_it_is_written(
    path: Path, kind: type[dict[str, Any]]
) -> None:
    """Also beside a document that is fit to be kept."""
    new = Snapshot("count", 1, ("odd",), freeze_object({"n": None}, where="context"), 1)
    with TinyStore(path) as store:
        change_two(store, {}, {})
        save(store, "a", 1)
        before = journal_of(path).read_bytes()
        with pytest.raises(ValueError, match="JSON"):
            change_two(store, InstanceDocument("a", new), kind(a=math.nan, b=None))
        assert journal_of(path).read_bytes() == before
        assert count(store, "a") == 1


def test_document_that_says_what_the_file_is_can_not_be_changed(path: Path) -> None:
    """The rest of the meta table belongs to whoever wants it."""
    with JournalDatabase(path) as database:
        with database.writing() as changes:
            with pytest.raises(InvalidValueError, match="says what the file is"):
                changes.put("meta", 1, {})
            assert changes.insert("meta", {"owner": "Ada"}) == 2
        database.compact()
    with JournalDatabase(path) as database:
        assert documents(database, "meta") == {2: {"owner": "Ada"}}


def test_blocks_do_not_stand_inside_each_other(path: Path) -> None:
    """A second one in the same thread is a fault of the program, and is told at once."""
    with JournalDatabase(path) as database:
        with database.writing(), pytest.raises(RuntimeError, match="inside another one"):
            documents(database, "a")
        assert documents(database, "a") == {}


# --- ids ------------------------------------------------------------------------------------


def test_ids_never_come_back(path: Path) -> None:
    """Not after a removal, not after a compaction, not in another process."""
    with JournalDatabase(path) as database:
        with database.writing() as changes:
            assert [changes.insert("a", {"n": n}) for n in range(3)] == [1, 2, 3]
        with database.writing() as changes:
            for number in (1, 2, 3):
                changes.remove("a", number)
        with JournalDatabase(path) as other, other.writing() as changes:
            assert changes.insert("a", {"n": 4}) == 4
            changes.remove("a", 4)
        database.compact()
    with JournalDatabase(path) as database, database.writing() as changes:
        assert changes.insert("a", {"n": 5}) == 5
    with JournalDatabase(path) as database, database.writing() as changes:
        changes.drop("a")
        assert changes.insert("a", {"n": 6}) == 6


def test_ids_are_given_in_order_also_when_an_old_one_comes_back(path: Path) -> None:
    """As when a dead letter is put back to its old place."""
    with JournalDatabase(path) as database:
        with database.writing() as changes:
            for number in range(4):
                changes.insert("a", {"n": number})
            changes.remove("a", 2)
        with database.writing() as changes:
            changes.put("a", 2, {"n": 22})
            assert list(changes.ids("a")) == [1, 2, 3, 4]
        assert list(documents(database, "a")) == [1, 2, 3, 4]
    with JournalDatabase(path) as database:
        assert list(documents(database, "a")) == [1, 2, 3, 4]


# --- indexes --------------------------------------------------------------------------------


def test_index_follows_this_database_and_others(path: Path) -> None:
    """It is told what is there, what is written here, and what others wrote."""
    database, other, keys = JournalDatabase(path), JournalDatabase(path), Keys()
    with other.writing() as changes:
        changes.insert("a", {"n": 5})
    database.add_index(["a"], keys)
    assert keys.ids == {5: 1}
    with database.writing() as changes:
        changes.insert("a", {"n": 6})
        changes.insert("b", {"n": 60})
    with other.writing() as changes:
        changes.remove("a", 1)
        changes.put("a", 2, {"n": 7})
    other.compact()
    with other.writing() as changes:
        changes.insert("a", {"n": 8})
    with database.reading():
        assert keys.ids == {7: 2, 8: 3}
    with database.writing() as changes:
        changes.drop("a")
    assert keys.ids == {}
    assert keys.clears == 1
    database.close()
    other.close()


def change(database: JournalDatabase, new: Any) -> None:
    with database.writing() as changes:
        changes.put("a", 1, {"n": 100})
        changes.remove("a", 2)
        changes.insert("a", new)


@pytest.mark.parametrize("how", ["refused", "disk full"])
def test_index_is_as_it_was_after_a_transaction_that_failed(path: Path, how: str) -> None:
    """Refused by the index itself in the middle, or by the disk after it."""
    files = Faulty("write", FULL)
    database, keys = JournalDatabase(path, files=files), Keys()
    database.add_index(["a"], keys)
    with database.writing() as changes:
        changes.insert("a", {"n": 1})
        changes.insert("a", {"n": 2})
    files.armed = how == "disk full"
    with pytest.raises((StoreDamagedError, StoreUnavailableError)):
        change(database, {"n": 13 if how == "refused" else 3})
    files.armed = False
    assert keys.ids == {1: 1, 2: 2}
    assert documents(database, "a") == {1: {"n": 1}, 2: {"n": 2}}
    database.close()


# --- following other processes ----------------------------------------------------------------


def test_new_journal_of_another_process_is_taken_over_without_reading_everything(
    path: Path,
) -> None:
    """Where nothing was missed, the snapshot before it is what is in memory already."""

    class Reads(FileSystem):
        opened: list[str]

        def open(self, path: str, to: Literal["read", "write", "append"] = "read") -> int:
            self.opened.append(os.path.basename(path))
            return super().open(path, to)

    Reads.opened = []
    with TinyStore(path) as store:
        save(store, "a", 1)
    reader = TinyStore(path, files=Reads())
    Reads.opened.clear()
    with TinyStore(path) as store:
        for revision in range(2, 6):
            save(store, "a", revision, revision)
            store.compact()
            save(store, "b", revision, revision - 1)
            assert (count(reader, "a"), count(reader, "b")) == (revision, revision)
    assert set(Reads.opened) == {"store.json.journal"}
    reader.close()


def test_store_that_was_not_looked_at_for_long_catches_up(path: Path) -> None:
    """Over several compactions of others."""
    reader = TinyStore(path)
    with TinyStore(path) as store:
        save(store, "a", 1)
    assert count(reader, "a") == 1
    for revision in range(2, 5):
        with TinyStore(path) as store:
            save(store, "a", revision, revision)
    assert count(reader, "a") == 4
    save(reader, "a", 5, revision=5)
    with TinyStore(path) as store:
        assert count(store, "a") == 5
    reader.close()


def test_large_journal_is_folded_without_being_asked(path: Path) -> None:
    """When it is larger than what was said, and than the snapshot."""
    with TinyStore(path, compact_bytes=2000) as store, TinyStore(path) as other:
        sizes = []
        for revision in range(1, 60):
            save(store, "a", revision, revision)
            sizes.append(len(journal_text(path)))
            assert count(other, "a") == revision
        assert max(sizes) < 2600
        assert sizes.count(min(sizes)) > 2
        save(other, "a", 60, revision=60)
        assert count(store, "a") == 60


def test_failed_fold_does_not_fail_the_save(path: Path) -> None:
    """The save is in the journal; another one will fold it."""
    files = Faulty("replace", FULL)
    with TinyStore(path, compact_bytes=1, files=files) as store:
        save(store, "a", 1)
        files.armed = True
        for revision in range(2, 6):
            save(store, "a", revision, revision)
        files.armed = False
        save(store, "a", 6, revision=6)
    with TinyStore(path) as store:
        assert count(store, "a") == 6


# --- threads --------------------------------------------------------------------------------


def test_threads_share_a_sync(path: Path) -> None:
    """What was appended while one sync ran is covered by the next one, for all threads."""
    waiting = threading.Event()
    appended = threading.Barrier(4)
    syncs: list[int] = []

    def hook() -> None:
        syncs.append(1)
        if len(syncs) == 1:
            waiting.set()
            appended.wait(timeout=60)  # until the three others have appended

    with TinyStore(path) as store:
        save(store, "z", 1)
    hooked = Hooked(hook)
    store = TinyStore(path, files=hooked)

    def work(key: str) -> None:
        waiting.wait(timeout=60)
        with store.database.writing(durable=False) as changes:
            changes.insert("other", {"key": key})
        appended.wait(timeout=60)
        save(store, key, 1)

    threads = [threading.Thread(target=work, args=(key,)) for key in "bcd"]
    for thread in threads:
        thread.start()
    save(store, "a", 1)
    for thread in threads:
        thread.join(timeout=60)
    assert store.keys() == ["a", "b", "c", "d", "z"]
    assert 2 <= len(syncs) <= 4
    hooked.armed = False
    store.close()


def test_sync_is_not_begun_while_another_one_runs(path: Path) -> None:
    """One that comes after both covers both; the page may be written again until then."""
    calls: list[str] = []
    others: list[threading.Thread] = []

    class Busy(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.calls = calls

        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            if others:
                other = others.pop()
                other.start()
                for _ in range(6000):
                    if calls[-1] == "write":
                        break
                    other.join(timeout=0.01)

    with TinyStore(path, files=Busy()) as store:
        save(store, "a", 1)
        calls.clear()
        others.append(thread := threading.Thread(target=save, args=(store, "b", 1)))
        save(store, "c", 1)
        thread.join(timeout=60)
        assert calls == ["write", "begin_sync", "sync", "write", "sync"]
        assert store.keys() == ["a", "b", "c"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux begins a sync")
def test_sync_that_can_not_be_begun_is_done_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a hint, and some file systems take none."""
    asked: list[tuple[int, int]] = []

    def refuse(descriptor: int, offset: int, size: int, advice: int) -> None:
        asked.append((offset, size))
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with TinyStore(path) as store:
        save(store, "a", 1)
        monkeypatch.setattr(os, "posix_fadvise", refuse)
        before = journal_of(path).read_bytes()
        save(store, "b", 1)
        ((offset, size),) = asked
        line = journal_of(path).read_bytes()[offset : offset + size]
        assert line.endswith(b"\n")
        assert b'"key":"b"' in line
        assert before[offset : offset + size].isspace()
        abandon(store)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b"]


def test_threads_that_increment_one_instance_lose_nothing(path: Path) -> None:
    """Compare and set under one lock."""
    workers, times = 4, 25
    with JournalDatabase(path) as database:
        with database.writing() as changes:
            changes.insert("a", {"n": 0})

        def work() -> None:
            for _ in range(times):
                with database.writing() as changes:
                    found = changes.get("a", 1)
                    assert found is not None
                    changes.put("a", 1, {"n": found["n"] + 1})

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert documents(database, "a") == {1: {"n": workers * times}}
    with JournalDatabase(path) as database:
        assert documents(database, "a") == {1: {"n": workers * times}}


# --- processes ------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from settlesim.store import TinyStore
from tests.store.faults import save

store = TinyStore(sys.argv[1])
for number in range(1, 20):
    save(store, "a", number, number)
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_saved_is_there(path: Path) -> None:
    """Nothing was folded; the next one reads the journal and goes on."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with TinyStore(path) as store:
        assert count(store, "a") == int(done.stdout.split()[-1]) == 19
        save(store, "a", 20, revision=20)


def _increment(database: JournalDatabase, times: int) -> None:
    for _ in range(times):
        with database.writing() as changes:
            found = changes.get("a", 1)
            assert found is not None
            changes.put("a", 1, {"n": found["n"] + 1})


def test_forked_children_and_their_parent_lose_nothing(path: Path) -> None:
    """Each has descriptors and a lock of its own."""
    with JournalDatabase(path) as database:
        with database.writing() as changes:
            changes.insert("a", {"n": 0})
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=_increment, args=(database, 20)) for _ in range(3)]
        for child in children:
            child.start()
        _increment(database, 20)
        for child in children:
            child.join(timeout=120)
            assert child.exitcode == 0
        assert documents(database, "a") == {1: {"n": 80}}


def test_fork_inside_a_block_leaves_the_transaction_to_the_parent(path: Path) -> None:
    """Both would write it else."""
    with JournalDatabase(path) as database:
        reading, writing = os.pipe()
        with database.writing() as changes:
            changes.insert("a", {"n": 1})
            child = os.fork()
            if not child:
                status = 1
                try:
                    changes.__exit__(None, None, None)
                except StoreUnavailableError as error:
                    status = 0 if "forked" in str(error) else 2
                finally:
                    os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(reading)
        os.close(writing)
        assert documents(database, "a") == {1: {"n": 1}}


def test_interrupts_in_a_storm_leave_memory_and_disk_agreed(path: Path) -> None:
    """Ctrl-C at every system call of a save, one after the other."""

    class Interrupting(FileSystem):
        """Raises an interrupt at the call with a number."""

        at = calls = 0

        def _count(self) -> None:
            self.calls += 1
            if self.calls == self.at:
                signal.raise_signal(signal.SIGINT)

        def write(
            self, descriptor: int, data: bytes | memoryview, offset: int | None = None
        ) -> int:
            self._count()
            return super().write(descriptor, data, offset)

        def sync(self, descriptor: int) -> None:
            self._count()
            super().sync(descriptor)

        def unlock(self, descriptor: int) -> None:
            self._count()
            super().unlock(descriptor)

        def try_lock(self, descriptor: int) -> bool:
            self._count()
            return super().try_lock(descriptor)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    files = Interrupting()
    try:
        store = TinyStore(path, files=files)
        save(store, "a", 1)
        revision = 1
        for at in range(1, 5):
            files.calls, files.at = 0, at
            with pytest.raises(KeyboardInterrupt):
                save(store, "a", revision + 1, revision + 1)
            files.at = 0
            revision = count(store, "a")
            with TinyStore(path, lock_timeout=0) as other:
                assert count(other, "a") == revision
        assert revision == 5
        store.close()
    finally:
        signal.signal(signal.SIGINT, before)


# --- systems --------------------------------------------------------------------------------


def test_system_without_locks_is_refused_by_name(path: Path) -> None:
    """Rather than promise what can not be kept."""

    class Poor(FileSystem):
        missing = ("flock", "pread")

    with pytest.raises(StoreUnavailableError, match=r"no flock, no pread.*MemoryStore works"):
        TinyStore(path, files=Poor())
    assert names(path.parent) == []


def test_everything_imports_where_there_is_no_fcntl() -> None:
    """As on Windows; a store then says what is missing."""
    script = (
        "import asyncio, os, sys, tempfile, tinydb, transitions.extensions\n"
        "sys.modules['fcntl'] = None; sys.platform = 'win32'\n"
        "import settlesim; from settlesim.errors import StoreUnavailableError\n"
        "from settlesim.store import MemoryStore, TinyStore; MemoryStore().keys()\n"
        "try: TinyStore(os.path.join(tempfile.mkdtemp(), 's.json'))\n"
        "except StoreUnavailableError as error: print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert "no flock" in done.stdout, done.stderr


def test_clock_that_gives_no_number_of_json_is_refused_before_anything_is_written(
    path: Path,
) -> None:
    """What can not be read again must not be written."""
    times: list[Any] = [1.5, 2, Fraction(1, 3), Decimal(1), math.nan, math.inf]
    with TinyStore(path, now=lambda: times[0]) as store:
        for revision in (1, 2):
            save(store, "a", revision, revision)
            del times[0]
        while times:
            with pytest.raises((TypeError, ValueError)):
                save(store, "a", 3, revision=3)
            assert count(store, "a") == 2
            del times[0]
        times.append(3.0)
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 2
