"""Whether an open file still has its name, and how seldom that has to be asked."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal import files as module
from settlesim.store.journal import names as names_module
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.names import PATIENCE, Names
from tests.store.faults import Exact, Faulty, count, save

MUCH_LATER = 10.0
"""Seconds."""


@pytest.fixture
def files() -> FileSystem:
    return FileSystem()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """An open file and its path."""
    path = tmp_path.resolve() / "file"
    path.write_text("own")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor, path
    os.close(descriptor)


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("other")
    os.replace(other, path)


def _make_anew(path: Path) -> None:
    path.unlink()
    path.write_text("other")


def _exchange(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.write_text("other")


@pytest.mark.parametrize("change", [Path.unlink, _replace, _make_anew, _exchange])
def test_file_that_lost_its_name_is_told(
    files: FileSystem, opened: tuple[int, Path], change: Callable[[Path], object]
) -> None:
    """Whatever has the name now, or nothing."""
    descriptor, path = opened
    assert files.is_at(descriptor, str(path))
    change(path)
    assert not files.is_at(descriptor, str(path))


def test_file_that_has_its_name_again_is_known(files: FileSystem, opened: tuple[int, Path]) -> None:
    """By another link to it, or through a link in the path."""
    descriptor, path = opened
    os.link(path, path.with_name("second"))
    path.unlink()
    os.link(path.with_name("second"), path)
    assert files.is_at(descriptor, str(path))
    path.with_name("soft").symlink_to(path)
    assert files.is_at(descriptor, str(path.with_name("soft")))


@pytest.fixture
def folder(files: FileSystem, tmp_path: Path) -> Iterator[int]:
    """A folder that is open."""
    descriptor = files.open_folder(str(tmp_path))
    yield descriptor
    files.close(descriptor)


@pytest.mark.parametrize(("fraction", "still"), [(0.5, 0.02), (0.0, 2.0)])
def test_folder_that_was_just_changed_has_no_stamp(
    files: FileSystem,
    folder: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fraction: float,
    still: float,
) -> None:
    """A file system's clock may stand still for two seconds where it has whole ones: a second
    change at the same time would be missed."""
    now = 5_000_000_000.0 + fraction  # later than the change of this time, which nobody can set
    os.utime(tmp_path, (now, now))
    monkeypatch.setattr(module, "wall_clock", lambda: now)
    assert files.names_stamp(folder) is None
    monkeypatch.setattr(module, "wall_clock", lambda: now + still)
    assert files.names_stamp(folder) is None
    monkeypatch.setattr(module, "wall_clock", lambda: now + MUCH_LATER)
    stamp = files.names_stamp(folder)
    assert stamp is not None
    assert files.names_stamp(folder) == stamp
    monkeypatch.setattr(module, "wall_clock", lambda: now - MUCH_LATER)  # the clock was put back
    assert files.names_stamp(folder) is None
    assert files.names_stamp(-1) is None


@pytest.mark.parametrize("change", [Path.unlink, _replace, _make_anew, _exchange, Path.touch])
def test_every_change_of_a_name_gives_another_stamp(
    files: FileSystem,
    folder: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
) -> None:
    """And what is written into a file does not."""
    later = 10 * MUCH_LATER + os.stat(tmp_path).st_mtime
    monkeypatch.setattr(module, "wall_clock", lambda: later)
    path = tmp_path / "file"
    path.write_text("own")
    os.utime(tmp_path, ns=(0, 0))  # long ago
    stamp = files.names_stamp(folder)
    path.write_text("longer")
    assert files.names_stamp(folder) == stamp
    change(path)
    assert (files.names_stamp(folder) == stamp) == (change is Path.touch)


class Asked(FileSystem):
    """Notes which files are asked, in a folder with a stamp that a test sets."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.last: object = None
        self.answer = self.in_place = True
        self.broken = False
        self.opened: list[int] = []
        self.closed: list[int] = []

    def open_folder(self, path: str) -> int:
        self.opened.append(len(self.opened))
        return self.opened[-1]

    def close(self, descriptor: int) -> None:
        self.closed.append(descriptor)

    def names_stamp(self, folder: int, last: object = None) -> object:
        return self.last

    def is_at(self, descriptor: int, path: str) -> bool:
        if path == "/folder":
            assert descriptor == self.opened[-1]
            if self.broken:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.in_place
        self.asked.append(path)
        return self.answer

    def is_link(self, path: str) -> bool:
        return path.endswith("link")


def test_files_are_asked_once_for_each_stamp() -> None:
    """And always where there is none, or where the answer was no."""
    files = Asked()
    names = Names(files, "/folder")

    def ask(stamp: object, descriptor: int = 3) -> list[str]:
        files.last = stamp
        files.asked.clear()
        names.look()
        for path in ("/folder/a", "/folder/b"):
            assert names.lead_to(descriptor, path) == files.answer
        return [os.path.basename(path) for path in files.asked]

    assert ask(None) == ask(None) == ["a", "b"]
    assert ask(1) == ["a", "b"]
    assert ask(1) == []
    assert ask(1, descriptor=4) == ["a", "b"]
    assert ask(2, descriptor=4) == ["a", "b"]
    files.answer = False
    assert ask(3) == ask(3) == ["a", "b"]


def test_path_of_the_folder_is_followed_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once where a name was changed, or the clock was put back; then all is asked anew."""
    now = 1000.0
    monkeypatch.setattr(names_module, "wall_clock", lambda: now)
    files = Asked()
    files.last = 1
    names = Names(files, "/folder")

    def is_known() -> bool:
        known = names.still_lead_to(3, "/folder/a")
        names.look()
        files.asked.clear()
        assert names.lead_to(3, "/folder/a")
        assert known == (not files.asked)
        return known

    assert [is_known(), is_known()] == [False, True]
    files.in_place = False
    now += PATIENCE / 2
    assert is_known()
    for change in ("time", "names", "clock"):
        now += {"time": 2 * PATIENCE, "names": 0, "clock": -1}[change]
        files.last = change if change == "names" else files.last
        assert [is_known(), is_known()] == [False, True]
    files.in_place = True
    now += 2 * PATIENCE
    assert is_known()
    files.broken = True
    now += 2 * PATIENCE
    assert [is_known(), is_known()] == [False, True]
    assert files.opened == [0, 1, 2, 3, 4]
    assert files.closed == [0, 1, 2, 3]


def test_loads_do_not_put_off_the_look_at_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow the path of the folder by themselves."""
    now = 1000.0
    monkeypatch.setattr(names_module, "wall_clock", lambda: now)
    files = Asked()
    files.last = 1
    names = Names(files, "/folder")
    names.look()
    assert names.lead_to(3, "/folder/a")
    for _ in range(4):
        now += 0.75 * PATIENCE
        assert names.still_lead_to(3, "/folder/a")
    looks = names.looks
    names.look()
    assert names.looks > looks


@pytest.mark.parametrize("depth", [1, 2])
def test_store_whose_folder_was_moved_goes_on_in_the_one_at_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    """Also where a folder above it was; until that is noticed it is as if it came later."""
    now = 1000.0
    monkeypatch.setattr(names_module, "wall_clock", lambda: now)
    path = tmp_path / "above" / "folder" / "store.json"
    path.parent.mkdir(parents=True)
    moved = path.parents[depth - 1]
    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        store.load("a")
        shutil.copytree(moved, tmp_path / "copy")
        save(store, "b", 1)
        moved.rename(tmp_path / "away")
        (tmp_path / "copy").rename(moved)
        now += 2 * PATIENCE
        with pytest.raises(StoreDamagedError, match="older copy"):
            store.load("a")
    with TinyStore(path) as store:
        assert store.keys() == ["a"]
        save(store, "c", 1)
    away = tmp_path / "away" / path.relative_to(moved)
    with TinyStore(away) as store:
        assert store.keys() == ["a", "b"]


def move(path: Path) -> Path:
    """Move the folder above that of a store, and put a copy there in which more was saved.

    Returns
    -------
    away : the path of the store that was moved
    """
    above, copy, away = path.parents[1], path.parents[2] / "copy", path.parents[2] / "away"
    shutil.copytree(above, copy)
    with TinyStore(copy / path.relative_to(above)) as store:
        save(store, "d", 1)
        store.compact()
        save(store, "e", 1)
    above.rename(away)
    copy.rename(above)
    return away / path.relative_to(above)


@pytest.mark.parametrize("what", ["save", "compact", "close"])
@pytest.mark.parametrize("began", [False, True])
def test_store_at_the_path_of_a_folder_that_was_moved_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, began: bool
) -> None:
    """Also in the moment in which nobody follows the path: where files are opened by it or made."""
    monkeypatch.setattr(names_module, "wall_clock", lambda: 1000.0)
    path = tmp_path / "above" / "folder" / "store.json"
    path.parent.mkdir(parents=True)
    with TinyStore(path) as store:
        save(store, "a", 1)
    store = TinyStore(path, files=Exact())
    if began:
        save(store, "b", 1)
    store.load("a")
    away = move(path)
    if what == "save":
        save(store, "f", 1)
    elif what == "compact":
        store.compact()
    store.close()
    with TinyStore(path) as here, TinyStore(away) as there:
        assert {"a", "d", "e"} <= set(here.keys())
        assert {"a"} <= set(there.keys())
        assert ("f" in here.keys() + there.keys()) == (what == "save")


def test_journal_that_was_taken_over_is_not_written_in_a_folder_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is opened for writing by its path; once that was followed, all goes on there."""
    monkeypatch.setattr(names_module, "wall_clock", lambda: 1000.0)
    path = tmp_path / "above" / "folder" / "store.json"
    path.parent.mkdir(parents=True)
    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        with TinyStore(path) as other:
            other.compact()
        with store.database.writing():
            pass  # now it knows where the new journal and the lock are
        away = move(path)
        with pytest.raises(StoreUnavailableError, match=r"its folder was moved.*was changed"):
            save(store, "f", 1)
        save(store, "g", 1)
    with TinyStore(path) as here, TinyStore(away) as there:
        assert here.keys() == ["a", "d", "e", "g"]
        assert there.keys() == ["a"]


def test_folder_that_can_not_be_opened_is_done_without(path: Path) -> None:
    """Each file is asked each time."""
    files = Faulty("open_folder", OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    files.armed = True
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        save(store, "a", 2, revision=2)
        assert count(store, "a") == 2


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors can not be counted")
def test_closed_store_holds_no_file_open(path: Path) -> None:
    """Its folder neither."""
    before = os.listdir("/proc/self/fd")
    with TinyStore(path) as store:
        save(store, "a", 1)
        assert len(os.listdir("/proc/self/fd")) > len(before)
    assert os.listdir("/proc/self/fd") == before


def test_link_is_asked_always() -> None:
    """It leads into another folder, of which nothing is known."""
    files = Asked()
    files.last = 1
    names = Names(files, "/folder")
    for _ in range(3):
        names.look()
        assert names.lead_to(3, "/folder/link")
    assert len(files.asked) == 3


def test_lock_behind_a_link_that_a_cleaner_removed_lets_only_one_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in a folder of locks that is emptied."""
    later = 10 * MUCH_LATER + os.stat(tmp_path).st_mtime
    monkeypatch.setattr(module, "wall_clock", lambda: later)
    path, lock = tmp_path / "store.json", tmp_path / "locks" / "lock"
    lock.parent.mkdir()
    path.with_name("store.json.lock").symlink_to(lock)
    with TinyStore(path) as one, TinyStore(path, lock_timeout=0) as two:
        save(one, "a", 1)
        save(one, "a", 2, revision=2)
        lock.unlink()
        with two.database.writing():
            monkeypatch.setattr(one.database._lock, "_limit", 0)
            with pytest.raises(StoreUnavailableError, match="another process has held"):
                save(one, "a", 3, revision=3)
