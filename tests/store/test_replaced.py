"""Files that are replaced by others while a store has them open: read anew, or refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal import names as names_module
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.names import PATIENCE
from settlesim.store.journal.records import record_line
from settlesim.store.repair.mend import accept_edits
from tests.store.faults import FULL, Exact, Faulty, abandon, count, journal_of, save, write_behind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


def make(path: Path, *keys: str, fold: bool = True) -> None:
    """Make a store with these instances, saved in this order."""
    store = TinyStore(path, now=lambda: 0.0)
    for key in keys:
        save(store, key, 1)
    if fold:
        store.close()
    abandon(store)


def remove(path: Path) -> None:
    """Remove a store's files."""
    path.unlink()
    journal_of(path).unlink()


# --- both files -----------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("keys", [("new",), ("new", "newer"), ("n", "n2", "n3")])
def test_files_that_are_removed_and_made_anew_are_read_anew(
    path: Path, fold: bool, keys: tuple[str, ...]
) -> None:
    """Whether the number of their transactions is the same or not; nothing of them is lost."""
    with TinyStore(path, now=lambda: 0.0) as store:
        save(store, "old", 1)
        save(store, "older", 1)
        remove(path)
        make(path, *keys, fold=fold)
        assert store.keys() == sorted(keys)
        save(store, "third", 3)
        store.compact()
    with TinyStore(path) as store:
        assert store.keys() == sorted([*keys, "third"])


def moved(source: Path, target: Path) -> None:
    """Put a file in the place of another one, in one step."""
    source.replace(target)


def copied(source: Path, target: Path) -> None:
    """Write a file into another one, which stays the same file."""
    shutil.copyfile(source, target)


@pytest.mark.parametrize("how", [moved, copied])
@pytest.mark.parametrize("keys", [("x",), ("x", "y"), tuple("uvwxyz")])
def test_store_that_is_put_in_the_place_of_an_open_one_is_read_anew(
    path: Path, how: Callable[[Path, Path], None], keys: tuple[str, ...]
) -> None:
    """As a backup that is put back under a running process: nothing of it is cut or mixed."""
    other = path.with_name("other.json")
    make(other, *keys, fold=False)
    with TinyStore(path, now=lambda: 0.0) as store:
        save(store, "a", 1)
        store.compact()
        save(store, "b", 1)
        how(other, path)
        how(journal_of(other), journal_of(path))
        assert store.keys() == sorted(keys)
        save(store, "third", 3)
    with TinyStore(path) as store:
        assert store.keys() == sorted([*keys, "third"])
    assert not path.with_name("store.json.torn").exists()


# --- one of them ----------------------------------------------------------------------------


def test_snapshot_of_another_store_is_not_overwritten(path: Path) -> None:
    """Although its number could be that of a fold that was killed half way."""
    other = path.with_name("other.json")
    make(other, "x", "y", "z")
    with TinyStore(path) as store:
        for key in "abcd":
            save(store, key, 1)
        shutil.copy(other, path)
        save(store, "e", 1)
        with pytest.raises(StoreDamagedError, match="another program changed it"):
            store.compact()
        abandon(store)
    assert path.read_bytes() == other.read_bytes()


def test_snapshot_of_another_store_with_the_number_of_the_first_one_is_not_overwritten(
    path: Path,
) -> None:
    """Then its check tells."""
    other = path.with_name("other.json")
    make(other, "x")
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        shutil.copy(other, path)
        for call in 2 * (store.compact, lambda: save(store, "b", 1)):
            with pytest.raises(StoreDamagedError, match="is not the one that"):
                call()
        abandon(store)
    assert path.read_bytes() == other.read_bytes()


def test_snapshot_that_was_copied_onto_itself_is_no_change(path: Path) -> None:
    """Its time is another one, what is in it is the same."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        whole = path.read_bytes()
        path.write_bytes(whole)
        store.compact()
        assert path.read_bytes() == whole
        path.write_bytes(whole)
        save(store, "a", 2, revision=2)
        store.compact()
    with TinyStore(path) as store:
        assert count(store, "a") == 2


@pytest.mark.parametrize("how", [moved, copied])
def test_journal_of_another_store_is_refused(path: Path, how: Callable[[Path, Path], None]) -> None:
    """It continues another snapshot."""
    other = path.with_name("other.json")
    make(other, "x")
    make(other, *"yz", fold=False)
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        how(journal_of(other), journal_of(path))
        for call in (store.keys, lambda: save(store, "b", 1)):
            with pytest.raises(StoreDamagedError, match="is not the one that"):
                call()
        abandon(store)


@pytest.mark.parametrize("how", [moved, copied])
def test_save_behind_an_older_snapshot_is_refused_until_the_right_one_is_back(
    path: Path, how: Callable[[Path, Path], None]
) -> None:
    """Nobody could open what it would be laid over."""
    old, right = path.with_name("old.json"), path.with_name("right.json")
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        shutil.copy(path, old)
        save(store, "b", 1)
        store.compact()
        shutil.copy(path, right)
        how(old, path)
        for call in 2 * (store.compact, lambda: save(store, "c", 1)):
            with pytest.raises(StoreDamagedError, match="an older copy"):
                call()
        assert store.keys() == ["a", "b"]
        how(right, path)
        save(store, "c", 1)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b", "c"]


@pytest.mark.parametrize("how", [moved, copied])
def test_older_snapshot_is_noticed_at_once_or_a_moment_later_and_nothing_is_lost(
    path: Path, how: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once where it came under its name; in a burst of saves nobody looks into the file."""
    now = 1000.0
    monkeypatch.setattr(names_module, "wall_clock", lambda: now)
    old, right = path.with_name("old.json"), path.with_name("right.json")
    with TinyStore(path, files=Exact()) as store:
        save(store, "a", 1)
        store.compact()
        shutil.copy(path, old)
        save(store, "b", 1)
        store.compact()
        shutil.copy(path, right)
        save(store, "c", 1)
        how(old, path)
        now += PATIENCE / 2
        if how is copied:
            save(store, "d", 1)
            now += PATIENCE
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="an older copy"):
                save(store, "e", 1)
        how(right, path)
        save(store, "e", 1)
        abandon(store)
    with TinyStore(path) as store:
        assert store.keys() == sorted("abce" if how is moved else "abcde")


def test_removed_snapshot_is_written_by_the_next_save_that_can(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However soon it comes; where it can not be written, nothing is acknowledged."""
    monkeypatch.setattr(names_module, "wall_clock", lambda: 1000.0)
    files = Faulty("create", FULL)
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        store.compact()
        save(store, "b", 1)
        path.unlink()
        files.armed = True
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="No space left"):
                save(store, "c", 1)
        files.armed = False
        save(store, "d", 1)
        assert path.exists()
        abandon(store)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b", "d"]


@pytest.mark.parametrize("how", [moved, copied])
def test_older_copy_of_the_journal_is_refused_until_the_right_one_is_back(
    path: Path, how: Callable[[Path, Path], None]
) -> None:
    """An open store knows what was on the disk, and does not go back behind it."""
    old, right = path.with_name("old"), path.with_name("right")
    with TinyStore(path) as store:
        save(store, "a", 1)
        shutil.copy(journal_of(path), old)
        save(store, "b", 1)
        shutil.copy(journal_of(path), right)
        how(old, journal_of(path))
        for call in 2 * (lambda: save(store, "c", 1), store.keys, store.compact):
            with pytest.raises(StoreDamagedError, match="an older copy"):
                call()
        how(right, journal_of(path))
        save(store, "c", 1)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b", "c"]


def test_edit_is_not_overwritten_by_a_process_that_took_over_the_journal_behind_it(
    path: Path,
) -> None:
    """What it knows of the snapshot is what the journal says, not what it looked at."""
    with TinyStore(path) as store, TinyStore(path) as other:
        save(store, "a", 1)
        assert count(other, "a") == 1
        store.compact()
        edited = path.read_bytes().replace(b'"count":1', b'"count":7')
        path.write_bytes(edited)
        assert count(other, "a") == 1
        save(other, "b", 1)
        with pytest.raises(StoreDamagedError):
            other.compact()
        abandon(other)
        abandon(store)
    assert path.read_bytes() == edited


# --- an edit that is taken ------------------------------------------------------------------


class Killed(BaseException):
    """Ends a call where a process would be killed."""


class KilledBeforeJournal(FileSystem):
    """A file system on which no journal gets its name."""

    def replace(self, source: str, target: str) -> None:
        if target.endswith(".journal"):
            raise Killed
        super().replace(source, target)


def test_open_store_loses_nothing_when_the_acceptance_of_an_edit_is_killed(path: Path) -> None:
    """What it saves afterwards, without having seen the edit, is laid over it."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        save(store, "b", 1)
        store.compact()
        save(store, "b", 2, revision=2)
        path.write_bytes(path.read_bytes().replace(b'"count":1', b'"count":7'))
        with pytest.raises(Killed):
            accept_edits(path, files=KilledBeforeJournal())
        save(store, "c", 1)
        with TinyStore(path) as other:
            found = [count(other, key) for key in "abc"]
            assert found == [7, 2, 1]
            other.compact()
            save(other, "d", 1)
        assert [count(store, key) for key in "abcd"] == [*found, 1]
    with TinyStore(path) as store:
        assert [count(store, key) for key in "abcd"] == [*found, 1]


def test_acceptance_that_was_killed_can_be_done_again(path: Path) -> None:
    """Before the new snapshot and after it."""

    class KilledBeforeSnapshot(FileSystem):
        def replace(self, source: str, target: str) -> None:
            raise Killed

    make(path, "a", "b", fold=False)
    torn = b"00000000 {\n" + record_line(4, 0, 0.0, {})  # out of order, and never finished
    write_behind(path, torn)
    path.write_bytes(path.read_bytes().replace(b'"seq":0,', b'"seq":0, '))
    for files in (KilledBeforeSnapshot(), KilledBeforeJournal()):
        with pytest.raises(Killed):
            accept_edits(path, files=files)
    assert not accept_edits(path)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b"]
        save(store, "c", 1)
    with TinyStore(path) as store:
        assert store.keys() == ["a", "b", "c"]
