"""The TinyDB file: replaced whole or not at all, never misread, shared by processes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB, where

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import StoreDamagedError, StoreError, StoreUnavailableError
from settlesim.ports import Transaction
from settlesim.store import TinyStore
from settlesim.store.files import FileSystem

STEPS = ["create", "write", "sync", "replace", "sync_folder"]


class Faulty(FileSystem):
    """A file system in which one call fails, once armed."""

    def __init__(self, step: str, error: BaseException) -> None:
        self.step, self.error, self.armed = step, error, False

    def _at(self, step: str) -> None:
        if self.armed and step == self.step:
            raise self.error

    def create(self, path: str, mode: int) -> int:
        self._at("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.armed and self.step == "write":
            super().write(descriptor, data[: len(data) // 2])
        self._at("write")
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._at("sync")
        super().sync(descriptor)

    def replace(self, source: str, target: str) -> None:
        self._at("replace")
        super().replace(source, target)

    def sync_folder(self, path: str) -> None:
        self._at("sync_folder")
        super().sync_folder(path)


class Hooked(FileSystem):
    """A file system that calls a function in the middle of each save."""

    def __init__(self, hook: Callable[[], object]) -> None:
        self.hook = hook

    def sync(self, descriptor: int) -> None:
        self.hook()
        super().sync(descriptor)


class Unprivileged(FileSystem):
    """A file system that takes permissions seriously even for root, who runs some tests."""

    def may_write(self, path: str) -> bool:
        return bool(os.stat(path).st_mode & stat.S_IWUSR)


class Dribble(FileSystem):
    """A file system that takes three bytes at a time."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return super().write(descriptor, data[:3])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


def save(store: TinyStore, key: str, count: int, revision: int = 1) -> None:
    context = freeze_object({"count": count}, where="context")
    new = Snapshot("count", 1, ("odd",), context, revision)
    store.commit(Transaction(key, new, revision - 1))


def count(store: TinyStore, key: str) -> int:
    found = store.load(key)
    assert found is not None
    return int(found.context["count"])


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# --- the file ------------------------------------------------------------------------------


def test_file_holds_one_document_a_line(path: Path) -> None:
    """People can read, grep and compare it."""
    with TinyStore(path) as store:
        save(store, "é", 1)
        save(store, "b", 2)
    assert path.read_text("utf-8") == (
        '{"meta":{\n"1":{"store":"settlesim","format":1}\n},\n"instances":{\n'
        '"1":{"key":"é","chart":"count","version":1,"revision":1,"configuration":["odd"],'
        '"context":{"count":1}},\n'
        '"2":{"key":"b","chart":"count","version":1,"revision":1,"configuration":["odd"],'
        '"context":{"count":2}}\n}}\n'
    )


def test_stock_tinydb_opens_the_file(path: Path) -> None:
    """It is a TinyDB file, ids, tables and all."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        save(store, "b", 2)
    with TinyDB(path, access_mode="r") as db:
        table = db.table("instances")
        assert [document.doc_id for document in table] == [1, 2]
        assert table.get(where("key") == "b")["context"] == {"count": 2}


def test_opening_and_reading_write_nothing(path: Path) -> None:
    """A missing file is an empty store, and stays missing until the first save."""
    with TinyStore(path) as store:
        assert store.keys() == []
        assert store.load("a") is None
        with pytest.raises(StoreError):
            store.delete("a", 1)
    assert not path.exists()


def test_foreign_tables_documents_and_fields_are_kept(path: Path) -> None:
    """What else people put into the file comes through every save and delete."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        save(store, "b", 1)
    with TinyDB(path) as db:
        db.table("notes").insert({"text": "ü\ud800", "n": [1, 2.5, None]})
        db.table("instances").update({"owner": "Ada"}, where("key") == "a")
    tables = json.loads(path.read_text())
    tables["meta"]["2"] = {"x": 1}
    tables["odd"] = [1, {"a": {}}]
    path.write_text(json.dumps(tables))
    with TinyStore(path) as store:
        save(store, "a", 2, revision=2)
        store.delete("b", 1)
    after = json.loads(path.read_text())
    assert after["notes"] == tables["notes"]
    assert after["meta"] == tables["meta"]
    assert after["odd"] == tables["odd"]
    assert after["instances"]["1"]["owner"] == "Ada"
    assert after["instances"]["1"]["context"] == {"count": 2}


def test_hand_edit_is_seen_by_an_open_store(path: Path) -> None:
    """An edit that keeps the file valid is the new state."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        text = path.read_text()
        path.write_text(text.replace('"count":1}', '"count" : 1000}'))
        assert count(store, "a") == 1000
        save(store, "a", 1001, revision=2)
        assert count(store, "a") == 1001


def test_document_ids_are_not_given_twice_by_two_openers(path: Path) -> None:
    """Each store counts from what is in the file now."""
    with TinyStore(path) as one, TinyStore(path) as two:
        for number in range(4):
            save(one, f"one{number}", number)
            save(two, f"two{number}", number)
        assert one.keys() == two.keys()
        assert len(one.keys()) == 8


# --- damage ---------------------------------------------------------------------------------


def test_every_truncation_is_damage_or_the_whole_store(path: Path) -> None:
    """A file that was cut anywhere is never read as empty, older or partly, nor written."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        save(store, "é", 2)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size == len(whole) - 1:  # only the line end is missing
            with TinyStore(path) as store:
                assert store.keys() == ["a", "é"]
                assert (count(store, "a"), count(store, "é")) == (1, 2)
        else:
            with pytest.raises(StoreDamagedError, match=r"store\.json is damaged"):
                TinyStore(path)
        assert path.read_bytes() == whole[:size]


GOOD = (
    '"1":{"key":"a","chart":"c","version":1,"revision":1,"configuration":["s"],"context":{"n":1}}'
)
META = '"meta":{"1":{"store":"settlesim","format":1}}'


def wrap(documents: str) -> str:
    return f'{{{META},\n"instances":{{{documents}}}}}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("\0" * 64, "char 0"),
        ("no store", "line 1 column 1"),
        (wrap(GOOD) + "}", "Extra data: line 2"),
        ("[]", "no JSON object"),
        ("{}", "no store of this library wrote it"),
        ('{"_default":{"1":{"a":1}}}', "no store of this library wrote it"),
        ('{"meta":{"1":{"store":"settlesim","format":"1"}},"instances":{}}', "format is '1'"),
        (f"{{{META}}}", "no table 'instances'"),
        (f'{{{META},"instances":[]}}', "no table 'instances'"),
        (wrap(GOOD + "," + GOOD), "'1' stands twice"),
        (wrap(GOOD + "," + GOOD.replace('"1":', '"2":', 1)), "the key 'a' stands in document 1"),
        (wrap(GOOD.replace('"1":', '"01":', 1)), "no whole number"),
        (wrap(GOOD.replace('"1":', '"a":', 1)), "no whole number"),
        (wrap(GOOD.replace('"key"', '"kee"')), "has no 'key'"),
        (wrap(GOOD.replace('"key":"a"', '"key":""')), "is empty"),
        (wrap(GOOD.replace('"key":"a"', '"key":"\\ud800"')), "lone surrogate"),
        (wrap(GOOD.replace('"n":1', '"n":NaN')), "NaN is not JSON"),
        (wrap(GOOD.replace('"n":1', '"n":1e999')), "1e999"),
        (wrap(GOOD)[:-1] + ',"notes":{"1":{"n":-1e999}}}', "1e999"),
        (wrap("[" * 100_000), "strict JSON|nested too deeply"),
    ],
)
def test_file_that_is_no_store_is_damage_and_stays_as_it_is(
    path: Path, text: str, reason: str
) -> None:
    """The error names the file and the place; nothing is overwritten."""
    path.write_text(text)
    with pytest.raises(StoreDamagedError, match=reason) as caught:
        TinyStore(path)
    assert caught.value.path == str(path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"n":1', '"n":"\\ud800"', "lone surrogate"),
        ('"n":1', '"n":' + "[" * 70 + "]" * 70, "nested deeper"),
        ('"version":1', '"version":true', "'version' is of type bool"),
        ('"revision":1', '"revision":-1', "negative"),
        ('"configuration":["s"]', '"configuration":[]', "no list of node names"),
        ('"chart":"c",', "", "no 'chart'"),
    ],
)
def test_damaged_record_is_named_and_neither_loaded_saved_nor_deleted(
    path: Path, old: str, new: str, reason: str
) -> None:
    """Other instances of the file can still be loaded."""
    good = GOOD.replace('"1":', '"2":', 1).replace('"key":"a"', '"key":"b"')
    path.write_text(wrap(GOOD.replace(old, new, 1) + ",\n" + good))
    before = path.read_bytes()
    with TinyStore(path) as store:
        assert store.load("b") is not None
        calls: list[Callable[[], object]] = [
            lambda: store.load("a"),
            lambda: save(store, "a", 1, revision=2),
            lambda: store.delete("a", 1),
        ]
        for call in calls:
            with pytest.raises(StoreDamagedError, match=reason) as caught:
                call()
            assert "'a'" in str(caught.value)
    assert path.read_bytes() == before


def test_newer_format_is_named_and_not_touched(path: Path) -> None:
    """An older library does not guess at what a newer one wrote."""
    text = wrap(GOOD).replace('"format":1', '"format":2')
    path.write_text(text)
    with pytest.raises(StoreUnavailableError, match=r"format 2, .* up to 1"):
        TinyStore(path)
    assert path.read_text() == text


def test_damage_that_comes_while_the_store_is_open_is_not_overwritten(path: Path) -> None:
    """A save reads the file first."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        path.write_text("")
        with pytest.raises(StoreDamagedError, match="empty"):
            save(store, "a", 2, revision=2)
        with pytest.raises(StoreDamagedError, match="empty"):
            store.keys()
    assert path.read_text() == ""


# --- failing calls ---------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS[:-1])
@pytest.mark.parametrize("first", [True, False])
def test_failed_call_leaves_the_old_content_and_no_litter(
    path: Path, step: str, first: bool
) -> None:
    """Disk full or broken, in each call of a save: all or nothing, and the next save works."""
    files = Faulty(step, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    store = TinyStore(path, files=files)
    if not first:
        save(store, "a", 1)
    before = path.read_bytes() if path.exists() else None
    files.armed = True
    with pytest.raises(StoreUnavailableError, match="No space left on device") as caught:
        save(store, "b", 1)
    assert isinstance(caught.value.__cause__, OSError)
    assert (path.read_bytes() if path.exists() else None) == before
    assert set(names(path.parent)) <= {"store.json", "store.json.lock"}
    assert store.keys() == ([] if first else ["a"])
    files.armed = False
    save(store, "b", 1)
    assert count(store, "b") == 1
    store.close()


def test_failed_sync_of_the_folder_is_reported_as_a_save_in_doubt(path: Path) -> None:
    """The save shows already, so the error says so, and a retry meets the new revision."""
    files = Faulty("sync_folder", OSError(errno.EIO, "I/O error"))
    with TinyStore(path, files=files) as store:
        files.armed = True
        with pytest.raises(StoreUnavailableError, match="is in the file, but a power cut"):
            save(store, "a", 1)
        files.armed = False
        assert count(store, "a") == 1
        save(store, "a", 2, revision=2)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_save_leaves_no_temporary_file_and_no_lock(
    path: Path, step: str, kind: type[BaseException]
) -> None:
    """Whatever ends a save, the store can be used by this and by another opener."""
    files = Faulty(step, kind())
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    files.armed = True
    with pytest.raises(kind):
        save(store, "a", 2, revision=2)
    files.armed = False
    assert names(path.parent) == ["store.json", "store.json.lock"]
    with TinyStore(path, lock_timeout=0) as other:
        revision = 3 if step == "sync_folder" else 2
        save(other, "a", 3, revision)
    assert count(store, "a") == 3
    store.close()


def test_ctrl_c_waits_for_the_end_of_a_save(path: Path) -> None:
    """The save is whole, the interrupt comes after it, and the handler is as it was."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        hooked = Hooked(lambda: signal.raise_signal(signal.SIGINT))
        with TinyStore(path, files=hooked) as store:
            with pytest.raises(KeyboardInterrupt):
                save(store, "a", 1)
            assert count(store, "a") == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_short_writes_are_completed(path: Path) -> None:
    """A system that takes a few bytes at a time gets them all."""
    with TinyStore(path, files=Dribble()) as store:
        save(store, "a", 1)
    with TinyStore(path) as store:
        assert count(store, "a") == 1


def test_temporary_file_of_a_killed_process_is_in_nobodys_way(path: Path) -> None:
    """It is replaced by the next save."""
    (path.parent / ".store.json.tmp").write_text("half a sto")
    with TinyStore(path) as store:
        save(store, "a", 1)
    assert names(path.parent) == ["store.json", "store.json.lock"]


def test_errors_pickle(path: Path) -> None:
    """An error crosses a process boundary whole."""
    path.mkdir()
    with pytest.raises(StoreUnavailableError) as caught:
        TinyStore(path)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (StoreUnavailableError, str(caught.value))


# --- paths ------------------------------------------------------------------------------------


def test_path_that_is_a_folder_is_refused(path: Path) -> None:
    """The error says what the path is."""
    path.mkdir()
    with pytest.raises(StoreUnavailableError, match="a folder"):
        TinyStore(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_path_that_is_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    """Nothing ever hangs."""
    os.mkfifo(path)
    with pytest.raises(StoreUnavailableError, match="no regular file"):
        TinyStore(path)


def test_missing_folder_is_named(path: Path) -> None:
    """Folders are not made behind the caller's back."""
    with pytest.raises(StoreUnavailableError, match=r"folder .*nowhere does not exist"):
        TinyStore(path.parent / "nowhere" / "store.json")


def test_path_below_a_regular_file_is_refused(path: Path) -> None:
    """Not even root can write there."""
    path.write_text("x")
    with pytest.raises(StoreUnavailableError, match="Not a directory"):
        TinyStore(path / "store.json")


def test_lock_that_can_not_be_made_refuses_the_save(path: Path) -> None:
    """As in a folder without write permission; a folder in the lock's place stops root too."""
    (path.parent / "store.json.lock").mkdir()
    with TinyStore(path) as store, pytest.raises(StoreUnavailableError, match="lock"):
        save(store, "a", 1)
    assert not path.exists()


def test_read_only_file_is_not_replaced(path: Path) -> None:
    """A rename would do it, but the owner said no."""
    with TinyStore(path, files=Unprivileged()) as store:
        save(store, "a", 1)
        path.chmod(0o444)
        with pytest.raises(StoreUnavailableError, match="read-only"):
            save(store, "a", 2, revision=2)
        assert count(store, "a") == 1
    assert names(path.parent) == ["store.json", "store.json.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_permissions_of_the_file_are_kept(path: Path) -> None:
    """A save by replacement keeps who may read."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        for mode in (0o600, 0o640, 0o666):
            path.chmod(mode)
            revision = store.load("a").revision + 1  # type: ignore[union-attr]
            save(store, "a", 1, revision)
            assert stat.S_IMODE(path.stat().st_mode) == mode


def test_link_is_followed_and_stays_a_link(path: Path) -> None:
    """Two names of one file are one store with one lock."""
    link = path.parent / "link.json"
    link.symlink_to(path.name)
    with TinyStore(link) as one, TinyStore(path) as two:
        save(one, "a", 1)
        save(two, "a", 2, revision=2)
        assert count(one, "a") == 2
    assert link.is_symlink()
    assert names(path.parent) == ["link.json", "store.json", "store.json.lock"]


def test_relative_path_survives_a_change_of_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store stays at the file that it opened."""
    monkeypatch.chdir(path.parent)
    with TinyStore("store.json") as store:
        monkeypatch.chdir("/")
        save(store, "a", 1)
    assert path.exists()


def test_closed_store_says_so(path: Path) -> None:
    """Closing twice is no fault; using it afterwards is."""
    store = TinyStore(path)
    save(store, "a", 1)
    store.close()
    store.close()
    assert repr(store) == f"TinyStore({str(path)!r}, closed)"
    calls: list[Callable[[], object]] = [
        store.keys,
        lambda: store.load("a"),
        lambda: save(store, "a", 2, revision=2),
        lambda: store.delete("a", 1),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="closed"):
            call()


# --- other processes ---------------------------------------------------------------------------


def test_lock_that_is_held_too_long_is_reported(path: Path) -> None:
    """A frozen writer does not freeze the others, and the lock is free after it."""
    seen: list[Any] = []

    def meanwhile() -> None:
        with TinyStore(path, lock_timeout=0) as other:
            assert other.keys() == []  # readers need no lock
            with pytest.raises(StoreUnavailableError, match=r"has held .* for 0 seconds") as caught:
                save(other, "b", 1)
            seen.append(caught.value)

    with TinyStore(path, files=Hooked(meanwhile)) as store:
        save(store, "a", 1)
    assert len(seen) == 1
    with TinyStore(path, lock_timeout=0) as other:
        save(other, "b", 1)
        assert other.keys() == ["a", "b"]


@pytest.fixture
def held(path: Path) -> Iterator[Path]:
    """The store's lock, held by somebody else."""
    fcntl = pytest.importorskip("fcntl")
    lock = path.parent / "store.json.lock"
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield lock


def test_ctrl_c_ends_the_wait_for_the_lock(
    path: Path, held: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the save itself holds an interrupt back, not the wait before it."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    waits: list[float] = []

    def interrupt(seconds: float) -> None:
        waits.append(seconds)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(time, "sleep", interrupt)
    try:
        with TinyStore(path) as store, pytest.raises(KeyboardInterrupt):
            save(store, "a", 1)
        assert len(waits) == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not path.exists()


def test_ctrl_c_that_is_ignored_stays_ignored(path: Path) -> None:
    """A process that wants no interrupts gets none from a save."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with TinyStore(path, files=Hooked(lambda: signal.raise_signal(signal.SIGINT))) as store:
            save(store, "a", 1)
            assert count(store, "a") == 1
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_lock_file_that_somebody_removes_is_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that has no name any more would exclude nobody."""
    fcntl = pytest.importorskip("fcntl")
    lock, flock = path.parent / "store.json.lock", fcntl.flock
    removals = iter([lock.unlink])  # between its opening and its locking, once

    def remove_and_lock(descriptor: int, operation: int) -> None:
        next(removals, lambda: None)()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with TinyStore(path) as store:
        save(store, "a", 1)
    assert names(path.parent) == ["store.json", "store.json.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is remembered there")
def test_file_that_was_read_stays_open_while_it_is_remembered(path: Path) -> None:
    """Else its inode number could come back with another file, and a save would be lost."""
    with TinyStore(path) as store, TinyStore(path) as other:
        for opener in (store, other, store):
            revision = 1 if opener.load("a") is None else opener.load("a").revision + 1  # type: ignore[union-attr]
            save(opener, "a", revision, revision)
            for each in (store, other):
                each.load("a")
                descriptor = each._storage.content()._descriptor
                assert descriptor is not None
                assert os.path.samestat(os.fstat(descriptor), path.stat())


def test_saves_of_equal_size_are_told_apart(path: Path) -> None:
    """A file system may give a new file the number and the time of one just removed."""
    with TinyStore(path) as one, TinyStore(path) as two:
        save(one, "a", 1)
        revision = 1
        for _ in range(8):
            for store in (two, one, one, two, two):
                revision += 1
                save(store, "a", revision, revision)
            assert count(one, "a") == count(two, "a") == revision


def test_reader_sees_the_old_or_the_new_state_while_another_saves(path: Path) -> None:
    """In the middle of a save the last committed state is what others read."""
    seen: list[int] = []
    reader = TinyStore(path)

    def meanwhile() -> None:
        found = reader.load("a")
        seen.append(0 if found is None else found.revision)

    with TinyStore(path, files=Hooked(meanwhile)) as store:
        for revision in range(1, 5):
            save(store, "a", revision, revision)
            assert count(reader, "a") == revision
    reader.close()
    assert seen == [0, 1, 2, 3]


INCREMENT = """
import sys
from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import TinyStore

path, times = sys.argv[1], int(sys.argv[2])
with TinyStore(path) as store:
    for _ in range(times):
        while True:
            old = store.load("a")
            revision, count = (0, 0) if old is None else (old.revision, old.context["count"])
            context = freeze_object({"count": count + 1}, where="context")
            new = Snapshot("count", 1, ("odd",), context, revision + 1)
            try:
                store.commit(Transaction("a", new, revision))
                break
            except VersionConflictError:
                pass
"""


def test_processes_that_increment_one_instance_lose_nothing(path: Path) -> None:
    """Compare-and-set with retries over three processes: every increment is there."""
    workers, times = 3, 40
    command = [sys.executable, "-c", INCREMENT, str(path), str(times)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(workers)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    with TinyStore(path) as store:
        found = store.load("a")
        assert found is not None
        assert (found.context["count"], found.revision) == (workers * times,) * 2


def _save_in_child(store: TinyStore) -> None:
    save(store, "a", 2, revision=2)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_store_works_in_a_forked_child(path: Path) -> None:
    """Parent and child share the file, not the lock of a thread."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        with store._mutex:  # a lock that the child inherits held, by a thread it has not
            child = multiprocessing.get_context("fork").Process(
                target=_save_in_child, args=(store,)
            )
            child.start()
            child.join(timeout=60)
            child.kill()  # one that hangs must not keep the tests from ending
        assert child.exitcode == 0
        assert count(store, "a") == 2
