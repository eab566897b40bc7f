"""Compaction: nothing to fold is nothing to do, and the same tables are the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.files import FileSystem
from tests.store.faults import FULL, Counting, abandon, count, journal_of, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


class Dies(FileSystem):
    """A file system whose process ends when a journal is about to take its name."""

    def replace(self, source: str, target: str) -> None:
        if target.endswith(".journal"):
            os._exit(9)
        super().replace(source, target)


def compact_and_die(path: Path) -> None:
    """Compact a store in another process, which may be killed in the middle of it."""
    child = os.fork()
    if not child:
        try:
            TinyStore(path, files=Dies()).compact()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def several_tables(path: Path, names: str) -> None:
    """Make tables in an order, in one transaction each, with the same documents."""
    with JournalDatabase(path) as database:
        for name in names:
            with database.writing() as changes:
                changes.insert(name, {"n": 1})


class NoJournal(FileSystem):
    """A file system on which no journal can be made any more, once armed."""

    armed = False

    def create(self, path: str, mode: int) -> int:
        if self.armed and ".journal" in path:
            raise FULL
        return super().create(path, mode)


def test_compaction_that_fails_half_way_says_what_is_so(path: Path) -> None:
    """The snapshot is a new one then; the store holds what it held, here and for others."""
    files = NoJournal()
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        before = path.read_bytes()
        files.armed = True
        with pytest.raises(StoreUnavailableError, match=r"No space left.*holds what it held"):
            store.compact()
        assert path.read_bytes() != before
        save(store, "a", 2, revision=2)
        with TinyStore(path) as other:
            assert count(other, "a") == 2


# --- nothing to fold ------------------------------------------------------------------------


def test_compaction_that_has_nothing_to_fold_writes_nothing(path: Path) -> None:
    """Neither in the process that folded last nor in one that opens later."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        for files in (Counting(), Counting()):
            with TinyStore(path, files=files) as other:
                other.compact()
                other.compact()
            assert files.calls == []
        save(store, "a", 2, revision=2)
        store.compact()
        assert len(journal_of(path).read_bytes().splitlines()) == 1


def test_compaction_of_a_store_without_a_journal_makes_one_and_is_done(path: Path) -> None:
    """As for a copy of the file alone: the files are written once, not twice."""
    with TinyStore(path) as store:
        save(store, "a", 1)
    journal_of(path).unlink()
    files = Counting()
    with TinyStore(path, files=files) as store:
        store.compact()
    assert files.calls.count("replace") == 2
    with TinyStore(path) as store:
        assert count(store, "a") == 1


def test_store_opens_after_a_process_was_killed_in_a_compaction_with_nothing_to_fold(
    path: Path,
) -> None:
    """Between the snapshot and the journal, whose numbers were the same before."""
    several_tables(path, "ba")
    compact_and_die(path)
    with JournalDatabase(path) as database, database.reading() as reader:
        assert reader.get("a", 1) == reader.get("b", 1) == {"n": 1}


def test_store_that_is_open_while_a_compaction_is_killed_goes_on(path: Path) -> None:
    """What it saves afterwards is found by the next one that opens."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        compact_and_die(path)
        save(store, "a", 2, revision=2)
        compact_and_die(path)
        save(store, "a", 3, revision=3)
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 3


def test_missing_snapshot_is_written_again_by_a_store_that_has_it_in_memory(path: Path) -> None:
    """By a compaction, although the journal holds nothing, and by a save."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        store.compact()
        whole = path.read_bytes()
        path.unlink()
        store.compact()
        assert path.read_bytes() == whole
        path.unlink()
        save(store, "a", 2, revision=2)
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 2


# --- the bytes ------------------------------------------------------------------------------


def test_same_tables_are_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order in which they were made, and whoever writes them."""
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    several_tables(one, "abc")
    several_tables(two, "cab")
    assert one.read_bytes() == two.read_bytes()
    journal_of(one).unlink()
    with TinyStore(one) as store:  # has read the file, did not make the tables
        store.compact()
    assert one.read_bytes() == two.read_bytes()


def test_tables_that_are_empty_or_gone_are_the_same_bytes_when_they_are_read(path: Path) -> None:
    """The greatest id of each is written whether the table is there or not."""
    several_tables(path, "cab")
    with JournalDatabase(path) as database, database.writing() as changes:
        changes.remove("c", 1)
        changes.drop("a")
        changes.insert("meta", {"owner": "Ada"})
        changes.remove("meta", 2)
    whole = path.read_bytes()
    assert b'"ids":{"a":1,"b":1,"c":1,"meta":2}' in whole
    journal_of(path).unlink()
    with JournalDatabase(path) as database:
        database.compact()
    assert path.read_bytes() == whole


# --- a snapshot that does not fit -------------------------------------------------------------


def test_nobody_is_told_to_take_a_journal_away_that_holds_records(path: Path) -> None:
    """They were acknowledged. Without records it is no loss, and is said."""
    with TinyStore(path) as store:
        save(store, "a", 1)
    old = path.read_bytes()
    with TinyStore(path) as store:
        save(store, "a", 2, revision=2)
    path.write_bytes(old)
    with pytest.raises(StoreDamagedError, match="take the journal away"):
        TinyStore(path)
    path.unlink()
    with pytest.raises(StoreDamagedError, match="take the journal away"):
        TinyStore(path)


@pytest.mark.parametrize("how", ["older", "missing"])
def test_records_of_a_journal_whose_snapshot_is_gone_are_salvaged(path: Path, how: str) -> None:
    """The advice leads there, and not to taking the journal away."""
    from settlesim.store.repair.mend import salvage_store

    with TinyStore(path) as store:
        save(store, "a", 1)
    old = path.read_bytes()
    with TinyStore(path) as store:
        save(store, "b", 1)
    store = TinyStore(path)
    save(store, "c", 1)
    abandon(store)
    if how == "older":
        path.write_bytes(old)
    else:
        path.unlink()
    with pytest.raises(StoreDamagedError, match="holds 1 transaction ") as caught:
        TinyStore(path)
    assert "away" not in caught.value.reason
    assert "--salvage NEW" in caught.value.reason
    new = path.with_name("new.json")
    salvage_store(path, new)
    with TinyStore(new) as store:
        assert store.keys() == (["a", "c"] if how == "older" else ["c"])
