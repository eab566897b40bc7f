"""The TinyDB file with its journal: all or nothing, never misread, shared by processes."""

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
from typing import Literal

import pytest
from tinydb import TinyDB, where

from settlesim.errors import StoreDamagedError, StoreError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.lock import InterruptsHeld
from tests.store.faults import (
    FULL,
    Dribble,
    Faulty,
    Hooked,
    Unprivileged,
    abandon,
    count,
    journal_of,
    journal_text,
    names,
    save,
)

FILES = ["store.json", "store.json.journal", "store.json.lock"]
STEPS = ["create", "write", "sync", "replace", "sync_folder"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


# --- the file ------------------------------------------------------------------------------


def test_file_holds_one_document_a_line(path: Path) -> None:
    """People can read, grep and compare it."""
    with TinyStore(path) as store:
        save(store, "é", 1)
        save(store, "b", 2)
    head, line, rest = path.read_text("utf-8").split("\n", 2)
    assert head == '{"meta":{'
    assert line.startswith(
        '"1":{"store":"settlesim","format":2,"seq":2,"ids":{"instances":2,"meta":1},'
    )
    assert rest == (
        '},\n"instances":{\n'
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


def test_document_ids_are_not_given_twice_by_two_openers(path: Path) -> None:
    """Each store counts from what is in the file now."""
    with TinyStore(path) as one, TinyStore(path) as two:
        for number in range(4):
            save(one, f"one{number}", number)
            save(two, f"two{number}", number)
        assert one.keys() == two.keys()
        assert len(one.keys()) == 8


# --- the first format, and what is no store ----------------------------------------------------


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
    text = wrap(GOOD).replace('"format":1', '"format":3')
    path.write_text(text)
    with pytest.raises(StoreUnavailableError, match=r"format 3, .* up to 2"):
        TinyStore(path)
    assert path.read_text() == text


def test_file_of_the_first_format_is_read_and_becomes_the_present_one(path: Path) -> None:
    """With the first save; before it the file stays as it is."""
    text = wrap(GOOD)
    path.write_text(text)
    with TinyStore(path) as store:
        assert store.load("a") is not None
        assert path.read_text() == text
        save(store, "a", 2, revision=2)
        assert path.read_text() != text
    with TinyStore(path) as store:
        assert count(store, "a") == 2
    assert '"format":2' in path.read_text()


def test_foreign_tables_documents_and_fields_are_kept(path: Path) -> None:
    """What else people put into a file comes through, also what no TinyDB table is."""
    tables = json.loads(wrap(GOOD))
    tables["instances"]["1"]["owner"] = "Ada"
    tables["meta"]["2"] = {"x": 1}
    tables["notes"] = {"1": {"text": "\u00fc\ud800", "n": [1, 2.5, None]}}
    tables["odd"] = [1, {"a": {}}]
    tables["names"] = {"a": {"b": 1}}
    path.write_text(json.dumps(tables))
    for revision in (2, 3):
        with TinyStore(path) as store:
            save(store, f"b{revision}", 2)
            store.compact()
    after = json.loads(path.read_text())
    assert after["instances"]["1"] == tables["instances"]["1"]
    assert {name: after[name] for name in ("notes", "odd", "names")} == {
        name: tables[name] for name in ("notes", "odd", "names")
    }
    assert after["meta"]["2"] == tables["meta"]["2"]


def test_edit_of_the_first_format_is_seen_by_an_open_store(path: Path) -> None:
    """It has no checksums: as long as nobody saved, a valid edit is the new state."""
    path.write_text(wrap(GOOD))
    with TinyStore(path) as store:
        assert store.load("a") is not None
        path.write_text(wrap(GOOD.replace('"n":1', '"n" : 1000')))
        found = store.load("a")
        assert found is not None
        assert found.context["n"] == 1000


# --- failing calls ---------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS[:-1])
def test_failed_call_of_the_first_save_leaves_an_empty_store(path: Path, step: str) -> None:
    """Nothing is half there, no temporary file is left, and the next save works."""
    files = Faulty(step, FULL)
    store = TinyStore(path, files=files)
    files.armed = True
    with pytest.raises(StoreUnavailableError, match="No space left on device") as caught:
        save(store, "a", 1)
    assert isinstance(caught.value.__cause__, OSError)
    assert set(names(path.parent)) <= set(FILES)
    assert store.keys() == []
    files.armed = False
    with TinyStore(path) as other:
        assert other.keys() == []
    save(store, "a", 1)
    assert count(store, "a") == 1
    store.close()


def test_full_disk_refuses_a_save_and_takes_it_when_there_is_room(path: Path) -> None:
    """Half a record was written: it is cut again, and nothing shows of it."""
    files = Faulty("write", FULL)
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    before = journal_text(path)
    files.armed = True
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match=r"No space left.*Nothing was changed"):
            save(store, "a", 2, revision=2)
        assert count(store, "a") == 1
        assert journal_text(path) == before
    files.armed = False
    save(store, "a", 2, revision=2)
    with TinyStore(path) as other:
        assert count(other, "a") == 2
    store.close()


def test_store_can_be_closed_while_the_disk_is_full(path: Path) -> None:
    """Folding fails then; the journal has everything, and it opens again."""
    files = Faulty("write", FULL)
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    files.armed = True
    store.close()
    with TinyStore(path) as store:
        assert count(store, "a") == 1


def test_record_that_can_not_be_cut_again_is_cut_by_the_next_writer(path: Path) -> None:
    """Both the write and the way back fail; nobody reads the half, and it is kept aside."""

    class Broken(Faulty):
        def truncate(self, descriptor: int, size: int) -> None:
            if self.armed:
                raise OSError(errno.EIO, "I/O error")
            super().truncate(descriptor, size)

    files = Broken("write", FULL)
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    files.armed = True
    with pytest.raises(StoreUnavailableError, match="No space"):
        save(store, "a", 2, revision=2)
    assert count(store, "a") == 1
    files.armed = False
    with TinyStore(path) as other:
        assert count(other, "a") == 1
        save(other, "b", 1)
    assert store.keys() == ["a", "b"]
    assert "store.json.torn" in names(path.parent)
    store.close()


def test_failed_sync_is_answered_by_a_new_snapshot(path: Path) -> None:
    """What was to be written may be gone; everything is written anew, and the save is kept."""
    files = Faulty("sync", OSError(errno.EIO, "I/O error"), times=1)
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        files.armed = True
        save(store, "a", 2, revision=2)
        assert files.times == 0
        assert json.loads(path.read_text())["instances"]["1"]["context"] == {"count": 2}
        save(store, "a", 3, revision=3)
    with TinyStore(path) as store:
        assert count(store, "a") == 3


class Failing(FileSystem):
    """A file system in which kinds of calls fail, for as long as there is an error."""

    def __init__(self, *calls: str) -> None:
        self.calls = calls
        self.error: OSError | None = None

    def _at(self, call: str) -> None:
        if self.error is not None and call in self.calls:
            raise self.error

    def create(self, path: str, mode: int) -> int:
        self._at("create")
        return super().create(path, mode)

    def open(self, path: str, to: Literal["read", "write", "append"] = "read") -> int:
        self._at("open")
        return super().open(path, to)

    def sync(self, descriptor: int) -> None:
        self._at("sync")
        super().sync(descriptor)

    def sync_folder(self, path: str) -> None:
        self._at("sync_folder")
        super().sync_folder(path)


@pytest.mark.parametrize(
    ("number", "calls"),
    [
        (errno.EIO, ["sync"]),
        (errno.ENOSPC, ["sync", "create"]),
        (errno.EMFILE, ["sync_folder", "create", "open"]),
    ],
)
def test_save_is_in_doubt_where_the_disk_fails_and_the_store_goes_on_when_it_works_again(
    path: Path, number: int, calls: list[str]
) -> None:
    """The same object: it reads the files anew, and trusts nothing that nobody called durable."""
    store = TinyStore(path)
    save(store, "a", 1)
    abandon(store)
    files = Failing(*calls)
    store = TinyStore(path, files=files)
    with store.database.writing(durable=False) as changes:  # has opened all that it needs
        changes.insert("other", {"n": 1})
    files.error = OSError(number, os.strerror(number))
    with pytest.raises(StoreUnavailableError, match="may be there or not") as caught:
        save(store, "a", 2, revision=2)
    assert not caught.value.final
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=os.strerror(number)) as caught:
            save(store, "b", 1)
        assert not caught.value.final
        if number != errno.EMFILE:
            break  # it may be there already, and then the next one is a conflict
    files.error = None
    assert count(store, "a") == 2
    with TinyStore(path) as other:
        assert other.keys() == store.keys()
    if store.load("b") is None:
        save(store, "b", 1)
    save(store, "c", 1)
    abandon(store)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b", "c"]
        assert count(store, "a") == 2


def test_save_that_waits_for_a_sync_is_in_doubt_too_when_another_one_fails(path: Path) -> None:
    """Whatever was not durable then may be gone, also where a later sync goes well."""
    files = Failing("sync", "create")
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    database, interrupts = store.database, InterruptsHeld()
    with database.writing(durable=False) as changes:
        changes.insert("other", {"n": 1})
    waits = database.standing
    files.error = FULL
    with pytest.raises(StoreUnavailableError, match="may be there or not"):
        save(store, "b", 1)
    files.error = None
    save(store, "c", 1)
    with pytest.raises(StoreUnavailableError, match="may be there or not"):
        database.make_durable(waits, interrupts)
    database.make_durable(database.standing, interrupts)
    store.close()


def test_what_nobody_called_durable_is_written_again_by_a_process_that_opens_later(
    path: Path,
) -> None:
    """Its own sync would not tell of one that failed before it came."""
    store = TinyStore(path)
    save(store, "a", 1)
    save(store, "a", 2, revision=2)
    abandon(store)
    last = journal_text(path).splitlines()[-1]
    with TinyStore(path) as store:
        save(store, "b", 1)
        lines = journal_text(path).splitlines()
        assert lines.count(last) == 2
        save(store, "b", 2, revision=2)
        assert journal_of(path).read_bytes().count(last) == 2
        with TinyStore(path) as other:
            assert (count(other, "a"), count(other, "b")) == (2, 2)


def test_sync_through_a_descriptor_that_heard_of_no_failure_is_refused(
    path: Path,
) -> None:
    """As of a thread that comes to its sync when the files were just read anew."""
    store = TinyStore(path)
    save(store, "a", 1)
    save(store, "a", 2, revision=2)
    abandon(store)
    with TinyStore(path) as store:
        replica = store.database.replica
        assert replica.doubtful
        with pytest.raises(OSError, match="opened anew"):
            replica.sync()
        assert replica.doubtful
        save(store, "b", 1)
        assert not replica.doubtful
        assert replica.durable == replica.seq == 3


@pytest.mark.parametrize("step", ["write", "sync"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_save_leaves_no_lock_and_no_half(
    path: Path, step: str, kind: type[BaseException]
) -> None:
    """Whatever ends a save, the store can be used by this and by another opener."""
    files = Faulty(step, kind(), times=1)
    store = TinyStore(path, files=files)
    save(store, "a", 1)
    files.armed = True
    with pytest.raises(kind):
        save(store, "a", 2, revision=2)
    files.armed = False
    assert names(path.parent) == FILES
    with TinyStore(path, lock_timeout=0) as other:
        revision = count(other, "a") + 1  # the record is whole where only its sync was ended
        assert revision == (2 if step == "write" else 3)
        save(other, "a", revision, revision)
    assert count(store, "a") == revision
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
            hooked.armed = False
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
    assert names(path.parent) == FILES


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
    assert names(path.parent) == FILES


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_permissions_of_the_file_are_kept(path: Path) -> None:
    """A save by replacement keeps who may read."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        for mode in (0o600, 0o640, 0o666):
            path.chmod(mode)
            revision = store.load("a").revision + 1  # type: ignore[union-attr]
            save(store, "a", 1, revision)
            store.compact()
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert stat.S_IMODE(journal_of(path).stat().st_mode) == mode


def test_link_is_followed_and_stays_a_link(path: Path) -> None:
    """Two names of one file are one store with one lock."""
    link = path.parent / "link.json"
    link.symlink_to(path.name)
    with TinyStore(link) as one, TinyStore(path) as two:
        save(one, "a", 1)
        save(two, "a", 2, revision=2)
        assert count(one, "a") == 2
    assert link.is_symlink()
    assert names(path.parent) == ["link.json", *FILES]


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


def test_lock_that_is_held_too_long_is_reported(path: Path, held: Path) -> None:
    """A frozen writer does not freeze the others; readers need no lock."""
    with TinyStore(path, lock_timeout=0) as store:
        assert store.keys() == []
        with pytest.raises(StoreUnavailableError, match=r"has held .* for 0 seconds"):
            save(store, "b", 1)
        assert store.keys() == []


def test_lock_is_free_while_a_save_waits_for_the_disk(path: Path) -> None:
    """Group commit: others append meanwhile, and one sync covers them all."""
    syncs: list[int] = []

    def meanwhile() -> None:
        syncs.append(1)
        if len(syncs) == 1:
            with TinyStore(path, lock_timeout=0) as other:
                save(other, "b", 1)

    with TinyStore(path) as store:
        save(store, "z", 1)
    with TinyStore(path, files=Hooked(meanwhile)) as store:
        save(store, "a", 1)
        assert store.keys() == ["a", "b", "z"]


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
    assert names(path.parent) == FILES


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


def test_readers_are_not_kept_waiting_by_a_save(path: Path) -> None:
    """In the middle of one, another opener reads a committed state: the one before or after."""
    seen: list[int] = []
    reader = TinyStore(path)

    def meanwhile() -> None:
        found = reader.load("a")
        seen.append(0 if found is None else found.revision)

    hooked = Hooked(meanwhile)
    with TinyStore(path, files=hooked) as store:
        for revision in range(1, 5):
            save(store, "a", revision, revision)
            assert count(reader, "a") == revision
        hooked.armed = False
    reader.close()
    assert seen == [0, 0, 1, 2, 3, 4]


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
        with store.database.reading():  # a lock that the child inherits held, by no thread it has
            child = multiprocessing.get_context("fork").Process(
                target=_save_in_child, args=(store,)
            )
            child.start()
            child.join(timeout=60)
            child.kill()  # one that hangs must not keep the tests from ending
        assert child.exitcode == 0
        assert count(store, "a") == 2
