"""Whether an open file still has its name, and how seldom that has to be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settlesim.errors import StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal import files as module
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.names import Names
from tests.store.faults import save

MUCH_LATER = 10.0
"""Seconds."""


@pytest.fixture
def files() -> FileSystem:
    return FileSystem()


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


@pytest.mark.parametrize(("fraction", "still"), [(0.5, 0.02), (0.0, 2.0)])
def test_folder_that_was_just_changed_has_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fraction: float, still: float
) -> None:
    """A file system's clock may stand still for two seconds where it has whole ones: a second
    change at the same time would be missed."""
    files = FileSystem()
    now = 5_000_000_000.0 + fraction  # later than the change of this time, which nobody can set
    os.utime(tmp_path, (now, now))
    monkeypatch.setattr(module, "wall_clock", lambda: now)
    assert files.names_stamp(str(tmp_path)) is None
    monkeypatch.setattr(module, "wall_clock", lambda: now + still)
    assert files.names_stamp(str(tmp_path)) is None
    monkeypatch.setattr(module, "wall_clock", lambda: now + MUCH_LATER)
    stamp = files.names_stamp(str(tmp_path))
    assert stamp is not None
    assert files.names_stamp(str(tmp_path)) == stamp
    monkeypatch.setattr(module, "wall_clock", lambda: now - MUCH_LATER)  # the clock was put back
    assert files.names_stamp(str(tmp_path)) is None
    assert files.names_stamp(str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize("change", [Path.unlink, _replace, _make_anew, _exchange, Path.touch])
def test_every_change_of_a_name_gives_another_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    """And what is written into a file does not."""
    later = 10 * MUCH_LATER + os.stat(tmp_path).st_mtime
    monkeypatch.setattr(module, "wall_clock", lambda: later)
    path = tmp_path / "file"
    path.write_text("own")
    os.utime(tmp_path, ns=(0, 0))  # long ago
    stamp = FileSystem().names_stamp(str(tmp_path))
    path.write_text("longer")
    assert FileSystem().names_stamp(str(tmp_path)) == stamp
    change(path)
    assert (FileSystem().names_stamp(str(tmp_path)) == stamp) == (change is Path.touch)


class Asked(FileSystem):
    """Notes which files are asked, in a folder with a stamp that a test sets."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.last: object = None
        self.answer = True

    def names_stamp(self, folder: str, last: object = None) -> object:
        return self.last

    def is_at(self, descriptor: int, path: str) -> bool:
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
