"""Damage of a store's files: named, never read as empty or older, never overwritten."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from tests.store.faults import abandon, count, journal_of, journal_text, names, save, write_behind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture
def folded(path: Path) -> Path:
    """A store of six instances that is all in its snapshot."""
    with TinyStore(path) as store:
        for number in range(6):
            save(store, f"k{number}", number)
    return path


@pytest.fixture
def killed(path: Path) -> Path:
    """A store whose process was killed after eight saves that are in the journal."""
    store = TinyStore(path)
    for number in range(8):
        save(store, f"k{number}", number)
    abandon(store)
    return path


def lines(path: Path) -> list[bytes]:
    """Return the lines of a journal, with their ends."""
    return journal_text(path).splitlines(keepends=True)


# --- the snapshot ---------------------------------------------------------------------------


def test_every_truncation_of_a_snapshot_is_named(folded: Path) -> None:
    """A file that was cut anywhere is never read as empty, older or partly, nor written."""
    whole = folded.read_bytes()
    for size in range(len(whole)):
        folded.write_bytes(whole[:size])
        with pytest.raises(StoreDamagedError, match=r"store\.json is damaged"):
            TinyStore(folded)
        assert folded.read_bytes() == whole[:size]
    folded.write_bytes(whole)
    with TinyStore(folded) as store:
        assert len(store.keys()) == 6


def test_every_changed_byte_of_a_snapshot_is_named(folded: Path) -> None:
    """Whatever a byte becomes: also another digit, another case, another format."""
    whole = folded.read_bytes()
    for place, byte in enumerate(whole):
        for new in {byte ^ 1, byte ^ 0x20, ord("1")} - {byte}:
            folded.write_bytes(whole[:place] + bytes([new]) + whole[place + 1 :])
            with pytest.raises(StoreDamagedError):
                TinyStore(folded)


def test_damage_of_a_snapshot_is_named_with_its_bytes(path: Path) -> None:
    """The block in which it is, and what can be done."""
    with TinyStore(path) as store:
        for number in range(100):
            save(store, f"k{number}", number)
    data = bytearray(path.read_bytes())
    place = data.index(b'"key":"k57"')
    data[place + 8] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreDamagedError) as caught:
        TinyStore(path)
    words = caught.value.reason.split()
    start, end = int(words[1]), int(words[3])
    assert start <= place + 8 <= end
    assert end - start < 2000
    assert "settlesim verify --store" in caught.value.reason
    assert "--accept" in caught.value.reason
    path.write_bytes(bytes(data) + b"\n")
    with pytest.raises(StoreDamagedError, match="too many at its end"):
        TinyStore(path)


def test_snapshot_that_is_missing_under_its_journal_is_damage(killed: Path) -> None:
    """Not an empty store."""
    killed.unlink()
    with pytest.raises(StoreDamagedError, match=r"the file is missing, and .* continues it"):
        TinyStore(killed)
    assert names(killed.parent) == ["store.json.journal", "store.json.lock"]


def test_older_snapshot_under_a_newer_journal_is_damage(folded: Path) -> None:
    """Somebody put an old copy back and left the journal: it would lack what is between."""
    old = folded.read_bytes()
    with TinyStore(folded) as store:
        save(store, "k0", 9, revision=2)
    new = folded.read_bytes()
    folded.write_bytes(old)
    with pytest.raises(StoreDamagedError, match="an older copy may have been put in its place"):
        TinyStore(folded)
    journal_of(folded).unlink()  # as the text says
    with TinyStore(folded) as store:
        assert count(store, "k0") == 0
    folded.write_bytes(new)
    with TinyStore(folded) as store:
        assert count(store, "k0") == 9


def test_snapshot_alone_is_the_store_that_it_was(folded: Path, tmp_path: Path) -> None:
    """A copy of the file, without the journal, can be opened and goes on."""
    copy = tmp_path / "copy.json"
    shutil.copy(folded, copy)
    with TinyStore(copy) as store:
        assert len(store.keys()) == 6
        save(store, "k6", 6)
    with TinyStore(copy) as store:
        assert len(store.keys()) == 7


def test_edit_under_an_open_store_is_not_overwritten(folded: Path) -> None:
    """What another program wrote is left, and so is what was saved meanwhile."""
    store = TinyStore(folded)
    save(store, "k0", 9, revision=2)
    edited = folded.read_bytes().replace(b'"key":"k1"', b'"key":"K1"')
    folded.write_bytes(edited)
    save(store, "k0", 10, revision=3)
    with pytest.raises(StoreDamagedError):
        store.compact()
    store.close()
    assert folded.read_bytes() == edited
    with pytest.raises(StoreDamagedError, match="--accept"):
        TinyStore(folded)


# --- the journal ----------------------------------------------------------------------------


def test_every_changed_byte_of_a_journal_is_damage_or_an_unfinished_end(killed: Path) -> None:
    """A later record proves that one was whole; the last ones have no such witness.

    Never is a record changed, or left out in the middle.
    """
    whole = journal_text(killed)
    last = len(whole) - len(lines(killed)[-1])
    found: Counter[str] = Counter()
    for place, byte in enumerate(whole):
        for new in {byte ^ 1, ord("\n")} - {byte}:
            journal_of(killed).write_bytes(whole[:place] + bytes([new]) + whole[place + 1 :])
            try:
                with TinyStore(killed) as store:
                    keys = store.keys()
            except StoreDamagedError as error:
                found["named" if error.path.endswith(".journal") else "at the wrong place"] += 1
                continue
            assert keys == [f"k{number}" for number in range(len(keys))]
            # the end of the last but one is the end of its line, too
            assert place >= last - 1
            assert len(keys) in (6, 7)
            found["cut"] += 1
    assert found.keys() == {"named", "cut"}
    assert found["named"] > 3 * found["cut"]


def test_every_truncation_of_a_journal_leaves_whole_transactions(killed: Path) -> None:
    """What is cut off at the end can not be told from what was never written."""
    whole = journal_text(killed)
    start = len(lines(killed)[0])
    for size in range(len(whole)):
        journal_of(killed).write_bytes(whole[:size])
        if size < start:
            with pytest.raises(StoreDamagedError, match="first line"):
                TinyStore(killed)
            continue
        with TinyStore(killed) as store:
            keys = store.keys()
        assert keys == [f"k{number}" for number in range(len(keys))]
        assert len(keys) == whole[start:size].count(b"\n")


def test_damaged_record_is_named_with_its_file_and_its_byte(killed: Path) -> None:
    """And nothing is cut, written or folded."""
    parts = lines(killed)
    place = sum(map(len, parts[:4]))
    parts[4] = parts[4].replace(b'"count":3', b'"count":4')
    journal_of(killed).write_bytes(b"".join(parts))
    with pytest.raises(StoreDamagedError, match=f"at byte {place} .* transaction 4") as caught:
        TinyStore(killed)
    assert caught.value.path == str(journal_of(killed))
    assert journal_of(killed).read_bytes() == b"".join(parts)


def test_record_that_is_missing_in_the_middle_is_damage(killed: Path) -> None:
    """A whole line can vanish in an editor, and leaves no bad checksum."""
    parts = lines(killed)
    journal_of(killed).write_bytes(b"".join(parts[:3] + parts[4:]))
    with pytest.raises(StoreDamagedError, match="transaction 4 comes after transaction 2"):
        TinyStore(killed)


def test_unfinished_end_is_left_by_readers_and_set_aside_by_the_next_writer(killed: Path) -> None:
    """Nobody was told that it had been kept; still it is not thrown away."""
    whole = journal_text(killed)
    torn = b'1234abcd {"seq":9,"d":8,"at'
    journal_of(killed).write_bytes(whole + torn)
    with TinyStore(killed) as store:
        assert len(store.keys()) == 8
        assert journal_of(killed).read_bytes() == whole + torn
        save(store, "k8", 8)
        assert len(store.keys()) == 9
    aside = killed.with_name("store.json.torn").read_bytes()
    assert torn in aside
    assert f"at byte {len(whole)}, {len(torn)} bytes".encode() in aside
    with TinyStore(killed) as store:
        assert len(store.keys()) == 9


def test_what_is_set_aside_is_told_to_the_log(
    killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """File, place and size, where it is kept, and whether it may have been acknowledged."""
    journal, torn = journal_of(killed), killed.with_name("store.json.torn")
    start = write_behind(killed, b"12345678 {")
    with TinyStore(killed) as store:
        assert caplog.records == []  # a reader cuts nothing
        save(store, "k8", 8)
        (record,) = caplog.records
        assert (record.name, record.levelname) == ("settlesim.store", "WARNING")
        text = record.getMessage()
        assert text.startswith(f"{journal}, bytes {start} to {start + 9}: ")
        assert str(torn) in text
        assert "was never finished" in text
        save(store, "k9", 9)
        assert len(caplog.records) == 1
        abandon(store)
    data = journal_text(killed)
    journal.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])  # of one that was told
    with TinyStore(killed) as store:
        save(store, "k10", 10)
    text = caplog.records[-1].getMessage()
    assert len(caplog.records) == 2
    assert "may have been acknowledged" in text
    assert data.splitlines(keepends=True)[-1][:-9] in torn.read_bytes()


def test_records_that_the_disk_wrote_out_of_order_are_an_unfinished_end(killed: Path) -> None:
    """The last record is whole, the one before it not, and nobody called it durable."""
    parts = lines(killed)
    assert json.loads(parts[8][9:])["d"] == 7
    parts[8] = parts[8].replace(b'"d":7', b'"d":6')
    body = parts[8][9:-1]
    from zlib import crc32

    parts[8] = b"%08x %b\n" % (crc32(body), body)
    parts[7] = b"\0" * len(parts[7])
    journal_of(killed).write_bytes(b"".join(parts))
    with TinyStore(killed) as store:
        assert store.keys() == [f"k{number}" for number in range(6)]
        save(store, "new", 1)
        assert len(store.keys()) == 7


def test_damage_before_the_snapshot_costs_nothing(folded: Path, tmp_path: Path) -> None:
    """A journal that was not yet replaced when its process was killed is not needed."""
    store = TinyStore(folded)
    save(store, "k6", 6)
    save(store, "k7", 7)
    old = journal_of(folded).read_bytes()
    store.compact()
    abandon(store)
    place = old.index(b'"count":6')
    journal_of(folded).write_bytes(old[:place] + b"?" + old[place + 1 :])
    with TinyStore(folded) as store:
        assert len(store.keys()) == 8
        save(store, "k8", 8)
    with TinyStore(folded) as store:
        assert len(store.keys()) == 9


def test_first_line_of_a_journal_is_needed(killed: Path) -> None:
    """It says on which snapshot the rest is based."""
    for data in (b"", b"x\n", b"".join(lines(killed)[1:])):
        journal_of(killed).write_bytes(data)
        with pytest.raises(StoreDamagedError, match=r"journal is damaged: its first line"):
            TinyStore(killed)


def test_journal_of_a_newer_format_is_named(killed: Path) -> None:
    """It is not taken for a damaged one."""
    from zlib import crc32

    parts = lines(killed)
    body = parts[0][9:-1].replace(b'"format":2', b'"format":3')
    journal_of(killed).write_bytes(b"%08x %b\n" % (crc32(body), body) + b"".join(parts[1:]))
    with pytest.raises(StoreUnavailableError, match=r"format 3, .* up to 2"):
        TinyStore(killed)


def test_journal_that_is_a_folder_is_refused(folded: Path) -> None:
    """As the store itself."""
    journal_of(folded).unlink()
    journal_of(folded).mkdir()
    with pytest.raises(StoreUnavailableError, match="a folder"):
        TinyStore(folded)


def test_journal_that_is_removed_under_an_open_store_is_named(killed: Path) -> None:
    """What was in it is in this process's memory only."""
    store = TinyStore(killed)
    journal_of(killed).unlink()
    for call in (store.keys, lambda: save(store, "new", 1)):
        with pytest.raises(StoreDamagedError, match="was removed while it was open"):
            call()
    store.close()


def test_damage_that_comes_while_a_store_is_open_is_found_by_the_next_look(killed: Path) -> None:
    """Where the file is longer than it was, what is new is checked; where shorter, everything."""
    store = TinyStore(killed)
    whole = journal_of(killed).read_bytes()
    journal_of(killed).write_bytes(whole[:10])
    with pytest.raises(StoreDamagedError):
        save(store, "new", 1)
    journal_of(killed).write_bytes(whole)
    assert len(store.keys()) == 8
    store.close()
