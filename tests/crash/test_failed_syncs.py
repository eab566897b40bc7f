"""What was acknowledged after a sync that failed is there after a power cut, too."""

from __future__ import annotations

import errno

import pytest

from settlesim.errors import StoreUnavailableError
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.lock import InterruptsHeld
from tests.crash.model_disk import ModelDisk
from tests.crash.model_files import FOLDER, Call, Fail, ModelFiles, Trouble

PATH = f"{FOLDER}/store.json"
JOURNAL = f"{PATH}.journal"


def opened(disk: ModelDisk) -> JournalDatabase:
    """Open the store as another process does."""
    return JournalDatabase(PATH, files=ModelFiles(disk), now=lambda: 0.0)


def put(database: JournalDatabase, key: str) -> None:
    """Save a document."""
    with database.writing() as changes:
        changes.insert("table", {"key": key})


def keys(database: JournalDatabase) -> list[str]:
    """Return the keys of the documents, in the order in which they were saved."""
    with database.reading() as reader:
        documents = [reader.get("table", number) for number in reader.ids("table")]
    return [document["key"][:9] for document in documents if document is not None]


def no_sync_and_no_new_file(call: Call) -> Trouble:
    """Let syncs fail, and what would make up for them."""
    return Fail(errno.EIO) if call.name in ("sync", "create") else None


def no_new_journal(call: Call) -> Trouble:
    """Let no journal be made."""
    made = call.name == "create" and ".journal" in call.path
    return Fail(errno.ENOSPC) if made else None


def works(call: Call) -> Trouble:
    """Let every call succeed."""
    return None


class Late(JournalDatabase):
    """A database whose next durable block is late: other threads come before its sync."""

    files: ModelFiles
    is_late = False

    def make_durable(self, standing: tuple[int, int], interrupts: InterruptsHeld) -> None:
        if self.is_late:
            self.is_late = False
            self.meanwhile()
        super().make_durable(standing, interrupts)

    def meanwhile(self) -> None:
        """Do what another thread does."""
        raise NotImplementedError


def late(kind: type[Late], disk: ModelDisk) -> Late:
    """Open a store with one document, and let its next block be late."""
    files = ModelFiles(disk)
    database = kind(PATH, files=files, now=lambda: 0.0)
    database.files = files
    put(database, "one")
    database.is_late = True
    return database


class ReadAnew(Late):
    """Another process's sync fails meanwhile, and the files are read anew."""

    def meanwhile(self) -> None:
        self.files.disk.names[JOURNAL].drop()
        self.replica.forget()
        assert keys(self) == ["one", "two"]


def test_late_sync_does_not_trust_a_journal_that_was_opened_anew_meanwhile() -> None:
    """It would be told nothing of the failure."""
    disk = ModelDisk()
    put(late(ReadAnew, disk), "two")
    for found in disk.after_power_cut():
        assert keys(opened(found)) == ["one", "two"]


class InDoubt(Late):
    """The sync of another thread fails meanwhile, and it looks again."""

    def meanwhile(self) -> None:
        self.files.before = no_sync_and_no_new_file
        with pytest.raises(StoreUnavailableError, match="may be there or not"):
            put(self, "three")
        self.files.before = works
        assert keys(self) == ["one", "two", "three"]


def test_late_sync_is_in_doubt_and_what_is_saved_after_it_is_kept() -> None:
    """The records that the failed sync dropped are written once more before it."""
    disk = ModelDisk()
    database = late(InDoubt, disk)
    with pytest.raises(StoreUnavailableError, match="may be there or not"):
        put(database, "two")
    put(database, "four")
    for found in disk.after_power_cut():
        assert keys(opened(found)) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("size", [0, 70_000], ids=["asked for", "instead of writing again"])
def test_snapshot_without_a_new_journal_does_not_make_the_old_journal_trusted(size: int) -> None:
    """A record that a process before dropped may be zeros, into which no other one runs."""
    disk = ModelDisk()
    files = ModelFiles(disk)
    dead = JournalDatabase(PATH, files=files, now=lambda: 0.0)
    put(dead, "one")
    files.before = no_sync_and_no_new_file
    with pytest.raises(StoreUnavailableError, match="may be there or not"):
        put(dead, "two".ljust(size))
    disk = disk.copy()
    files = ModelFiles(disk, no_new_journal)
    database = JournalDatabase(PATH, files=files, now=lambda: 0.0)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        put(database, "lost") if size else database.compact()
    files.before = works
    put(database, "three")
    for found in disk.after_power_cut():
        assert [key.strip() for key in keys(opened(found))] == ["one", "two", "three"]


def test_failed_sync_is_told_to_every_process_that_has_the_journal_open() -> None:
    """So that one which appends behind the dropped record writes everything anew."""
    disk = ModelDisk()
    files = ModelFiles(disk)
    first = JournalDatabase(PATH, files=files, now=lambda: 0.0)
    put(first, "one")
    second = opened(disk)
    put(second, "two")
    files.before = no_sync_and_no_new_file
    with pytest.raises(StoreUnavailableError, match="may be there or not"):
        put(first, "three")
    put(second, "four")
    for found in disk.after_power_cut():
        assert keys(opened(found)) == ["one", "two", "three", "four"]
