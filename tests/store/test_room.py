"""A journal grows by blanks, into which records are written: that nobody notices."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import StoreUnavailableError
from settlesim.ports import Transaction
from settlesim.store import TinyStore
from settlesim.store.journal.files import FileSystem
from tests.store.faults import FULL, Faulty, abandon, count, journal_of, journal_text, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


def blanks(path: Path) -> int:
    """Return how many blanks are at the end of a journal."""
    return journal_of(path).stat().st_size - len(journal_text(path))


def test_journal_grows_seldom_and_by_as_much_as_it_has(path: Path) -> None:
    """Between 4 and 64 kilobytes at a time."""
    sizes = []
    with TinyStore(path, sync="none") as store:
        for revision in range(1, 2001):
            save(store, "a", revision, revision)
            sizes.append(journal_of(path).stat().st_size)
            assert blanks(path) <= max(4096, min(len(journal_text(path)), 65536))
    grown = sorted(set(sizes))
    assert len(grown) < 15
    assert max(after - before for before, after in itertools.pairwise(grown)) < 66_000


def test_blanks_are_no_part_of_what_is_read(path: Path) -> None:
    """By a process that opens the store, and by one that has it open."""
    with TinyStore(path) as store, TinyStore(path) as other:
        for revision in range(1, 40):
            save(store, "a", revision, revision)
            assert count(other, "a") == revision
            assert store.database.replica.journal is not None
            assert store.database.replica.journal.position == len(journal_text(path))
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 39
        store.compact()
        assert blanks(path) == 0


def test_two_that_write_in_turn_use_each_others_room(path: Path) -> None:
    """Nothing is written over, and the journal does not grow twice as often."""
    sizes = set()
    with TinyStore(path) as one, TinyStore(path) as two:
        for revision in range(1, 100, 2):
            save(one, "a", revision, revision)
            save(two, "a", revision + 1, revision + 1)
            sizes.add(journal_of(path).stat().st_size)
        assert count(one, "a") == count(two, "a") == 100
    assert len(sizes) <= 5


def texts(store: TinyStore, key: str, revision: int, text: str) -> None:
    """Save an instance that has a text."""
    context = freeze_object({"text": text}, where="context")
    store.commit(Transaction(key, Snapshot("count", 1, ("odd",), context, revision), revision - 1))


@pytest.mark.parametrize("text", ["x" * 9000, " " * 9000, "x" * 3900 + " " * 300, "\n " * 3000])
def test_large_records_and_texts_of_blanks_are_read_whole(path: Path, text: str) -> None:
    """Wherever a look at the journal ends."""
    with TinyStore(path) as store, TinyStore(path) as other:
        for revision in range(1, 6):
            texts(store, "a", revision, text)
            found = other.load("a")
            assert found is not None
            assert (found.revision, found.context["text"]) == (revision, text)
            texts(other, "b", revision, text)
        abandon(store)
    with TinyStore(path) as store:
        assert [store.load(key).context["text"] for key in "ab"] == [text, text]  # type: ignore[union-attr]


class Small(FileSystem):
    """A disk that has no place for more than some bytes at a time: it takes so many, or none."""

    def __init__(self, most: int, error: int = errno.ENOSPC, *, part: bool = False) -> None:
        self.most, self.error, self.part, self.armed = most, error, part, True

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        if self.armed and offset is not None and len(data) > self.most:
            if self.part:
                return super().write(descriptor, data[: self.most], offset)
            raise OSError(self.error, os.strerror(self.error))
        return super().write(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        raise AssertionError("others may have read what is cut")


@pytest.mark.parametrize("most", [100, 1000])
def test_write_that_is_cut_short_in_the_line_or_in_the_blanks_is_a_write(
    path: Path, most: int
) -> None:
    """Once the line is whole, nothing is taken back: a reader may have it."""
    files = Small(most, part=True)
    with TinyStore(path, files=files) as store, TinyStore(path) as other:
        for revision in range(1, 20):
            save(store, "a", revision, revision)
            assert count(other, "a") == revision
            assert blanks(path) < 1000
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 19


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_disk_that_has_place_for_a_record_alone_takes_it(path: Path, error: int) -> None:
    """And room is made later, when there is place."""
    files = Small(1000, error)
    with TinyStore(path, files=files) as store:
        for revision in range(1, 4):
            save(store, "a", revision, revision)
            assert blanks(path) == 0
        files.armed = False
        save(store, "a", 4, revision=4)
        assert blanks(path) > 0
        abandon(store)
    with TinyStore(path) as store:
        assert count(store, "a") == 4


def test_another_failure_of_the_disk_is_told(path: Path) -> None:
    """That is no matter of place."""
    files = Small(1000, errno.EIO)
    files.truncate = FileSystem().truncate  # type: ignore[method-assign]
    with TinyStore(path, files=files) as store:
        with pytest.raises(StoreUnavailableError, match=r"Input/output error.*Nothing was changed"):
            save(store, "a", 1)
        assert store.keys() == []
        assert blanks(path) == 0


def test_record_that_was_half_written_into_the_blanks_is_cut_with_them(path: Path) -> None:
    """The next one makes its own room."""
    files = Faulty("write", FULL)
    with TinyStore(path, files=files) as store:
        save(store, "a", 1)
        assert blanks(path) > 0
        files.armed = True
        with pytest.raises(StoreUnavailableError, match="No space"):
            save(store, "a", 2, revision=2)
        assert blanks(path) == 0
        files.armed = False
        save(store, "a", 2, revision=2)
        assert blanks(path) > 0


class Reading(FileSystem):
    """Counts the bytes that are read."""

    def __init__(self) -> None:
        self.bytes = 0

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        found = super().read(descriptor, size, offset)
        self.bytes += len(found)
        return found


def test_to_follow_another_process_costs_a_glance_and_not_all_the_blanks(path: Path) -> None:
    """However many they are."""
    files = Reading()
    with TinyStore(path, sync="none") as store, TinyStore(path, files=files) as other:
        for revision in range(1, 1000):
            save(store, "a", revision, revision)
        assert count(other, "a") == 999
        assert blanks(path) > 20_000
        files.bytes = 0
        for revision in range(1000, 1010):
            save(store, "a", revision, revision)
            assert count(other, "a") == revision
        assert files.bytes < 10 * 6000
