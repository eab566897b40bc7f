"""The system refuses: a full disk, files and folders that may not be written or read."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from settlesim.errors import StoreUnavailableError
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from tests.store.saving import count, in_child, integrity, save

NOBODY = 65_534
TEXT = "x" * 3000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def content(store: SqlStore) -> str:
    """Return every row that a store sees."""
    return "\n".join(store.database._connection.iterdump())


WRITES: dict[str, Callable[[SqlStore], object]] = {
    "commit": lambda store: save(store, "a", 2, TEXT * 10),
    "a new instance": lambda store: save(store, "b", 1, TEXT * 10),
    "send": lambda store: FifoQueue(store, "q").send(TEXT * 10, "other"),
    "many": lambda store: FifoQueue(store, "q").send_many([(TEXT, "a")] * 20),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_database_that_may_not_grow_refuses_and_goes_on_later(
    path: Path, kind: str, name: str
) -> None:
    """SQLite's own limit: all of the write is undone, and what fits is still written."""
    with SqliteStore(path) if kind == "file" else MemoryStore() as store:
        save(store, "a", 1)
        before = content(store)
        connection = store.database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreUnavailableError, match="full") as caught:
            WRITES[name](store)
        assert not caught.value.final
        assert content(store) == before
        connection.execute("PRAGMA max_page_count=1000000")
        WRITES[name](store)
        assert content(store) != before


def fill_up(path: Path, room: int) -> bool:
    """Save until the system lets no file grow; then with more room again."""
    with SqliteStore(path) as store:
        queue, saved, sent = FifoQueue(store, "q"), 0, 0
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        limit = max(each.stat().st_size for each in path.parent.iterdir()) + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        refused = 0
        while refused < 3:
            try:
                save(store, "a", saved + 1, TEXT)
                saved += 1
                queue.send(TEXT, "a")
                sent += 1
            except StoreUnavailableError:
                refused += 1
            assert (count(store, "a"), queue.status().depth) == (saved, sent)
            with SqliteStore(path) as other:
                assert (count(other, "a"), FifoQueue(other, "q").waiting("a")) == (saved, sent)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        save(store, "a", saved + 1, TEXT)
        queue.send(TEXT, "a")
        return count(store, "a") == saved + 1 and queue.status().depth == sent + 1


@pytest.mark.parametrize("room", [0, 1, 1000, 5000, 24_000, 24_100, 70_001])
def test_files_that_cannot_grow_lose_nothing_that_was_acknowledged(path: Path, room: int) -> None:
    """As on a full disk: a write that the system cuts short anywhere is one that was not made."""
    SqliteStore(path).close()
    assert in_child(lambda: fill_up(path, room)) == 0
    assert integrity(path) == "ok"


def make_new(path: Path) -> bool:
    """Make a store where there is no room for one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
    with pytest.raises(StoreUnavailableError):
        SqliteStore(path)
    return not list(path.parent.iterdir())


def test_a_new_store_for_which_there_is_no_room_leaves_no_file(path: Path) -> None:
    """Half a store would be damage to whoever comes next."""
    assert in_child(lambda: make_new(path)) == 0


def back_up(path: Path) -> bool:
    """Back up a store where there is no room for the copy."""
    with SqliteStore(path) as store:
        save(store, "a", 1, TEXT * 10)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
        with pytest.raises(StoreUnavailableError):
            store.backup(path.with_name("copy.db"))
        found = sorted(each.name for each in path.parent.iterdir())
        return found == ["store.db", "store.db-shm", "store.db-wal"] and count(store, "a") == 1


def test_a_backup_for_which_there_is_no_room_leaves_no_file(path: Path) -> None:
    """And the store goes on."""
    assert in_child(lambda: back_up(path)) == 0


# --- permissions --------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder to which everybody has a way, as there is none to those of the tests."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], object]) -> int:
    """Do something in a child whom no file belongs to; root may read and write everything."""

    def change() -> object:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return work()

    return in_child(change)


MODES = {
    "a file that may not be written": (0o444, 0o777),
    "a folder that may not be written": (0o666, 0o555),
    "neither may be written": (0o444, 0o555),
    "a file that may not be read": (0o000, 0o777),
}


def try_all(path: Path) -> bool:
    """Open and use a store; every refusal is an error of ours, and a write is always refused."""
    uses: list[Callable[[SqliteStore], object]] = [
        lambda store: save(store, "a", 2),
        lambda store: FifoQueue(store, "q").send(1, "a"),
    ]
    for use in uses:
        try:
            store = SqliteStore(path)
        except StoreUnavailableError:
            continue
        with store, pytest.raises(StoreUnavailableError):
            use(store)
        with SqliteStore(path) as store:
            assert count(store, "a") == 1
    return True


@pytest.mark.parametrize(
    ("name", "in_use"),
    [
        # With its companions there, only the files need be writable.
        (name, in_use)
        for name in MODES
        for in_use in (False, True)
        if not (in_use and name == "a folder that may not be written")
    ],
)
def test_what_may_not_be_written_is_refused_and_not_changed(
    open_folder: Path, name: str, in_use: bool
) -> None:
    """To somebody else than its owner, who may have it open; what can be read is right."""
    path = open_folder / "store.db"
    file_mode, folder_mode = MODES[name]
    with SqliteStore(path) as store:
        save(store, "a", 1)
        if not in_use:
            store.close()
        for each in open_folder.iterdir():
            each.chmod(file_mode)
        open_folder.chmod(folder_mode)
        assert as_nobody(lambda: try_all(path)) == 0
        open_folder.chmod(0o777)
        path.chmod(0o666)
    with SqliteStore(path) as store:
        assert count(store, "a") == 1
    assert integrity(path) == "ok"


def refuse_to_make(path: Path) -> bool:
    """Make a store where nobody may."""
    with pytest.raises(StoreUnavailableError, match="Permission denied"):
        SqliteStore(path)
    return True


def test_a_folder_that_may_not_be_written_gets_no_store(open_folder: Path) -> None:
    """The error has the system's reason."""
    open_folder.chmod(0o555)
    assert as_nobody(lambda: refuse_to_make(open_folder / "store.db")) == 0
    assert not list(open_folder.iterdir())


def test_a_folder_at_the_path_is_refused(tmp_path: Path) -> None:
    """It is no file."""
    with pytest.raises(StoreUnavailableError):
        SqliteStore(tmp_path)


def test_a_store_in_another_mode_is_brought_back_to_the_log(path: Path) -> None:
    """As a copy that another program made, such as one by ``VACUUM INTO``."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    with SqliteStore(path) as store:
        mode = store.database._connection.execute("PRAGMA journal_mode").fetchone()[0]
        assert (mode, count(store, "a")) == ("wal", 1)
