"""Verifying a store, taking edits by hand, and salvaging what is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store import TinyStore
from settlesim.store.repair.mend import accept_edits, salvage_store
from settlesim.store.repair.verify import verify_store
from tests.store.faults import abandon, count, journal_of, names, save, write_behind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture
def folded(path: Path) -> Path:
    """A store of a hundred instances that is all in its snapshot."""
    with TinyStore(path) as store:
        for number in range(100):
            save(store, f"k{number}", number)
    return path


@pytest.fixture
def killed(path: Path) -> Path:
    """A store with two instances in its snapshot and eight saves in its journal."""
    store = TinyStore(path)
    save(store, "a", 1)
    save(store, "b", 1)
    store.compact()
    for number in range(8):
        save(store, f"k{number}", number)
    abandon(store)
    return path


def flip(path: Path, text: bytes, by: bytes) -> int:
    """Damage a file where a text stands; return the place."""
    data = path.read_bytes()
    assert len(text) == len(by)
    place = data.index(text)
    path.write_bytes(data[:place] + by + data[place + len(by) :])
    return place


# --- verify ---------------------------------------------------------------------------------


def test_whole_store_is_reported_as_whole_and_not_changed(killed: Path) -> None:
    """With what is in it and in its journal."""
    before = {name: (killed.parent / name).read_bytes() for name in names(killed.parent)}
    report = verify_store(killed)
    assert report.is_whole
    assert (report.format, report.transactions, report.in_journal) == (2, 10, 8)
    assert report.documents == {"instances": 10}
    assert report.unfinished is None
    assert report.set_aside == (0, 0)
    assert {name: (killed.parent / name).read_bytes() for name in before} == before


def test_every_damage_is_named_not_only_the_first(folded: Path) -> None:
    """File, first and last byte of each block."""
    places = [flip(folded, b'"key":"k%d"' % number, b'"kex":"k%d"' % number) for number in (3, 90)]
    report = verify_store(folded)
    assert not report.is_whole
    assert len(report.damage) == 2
    for damage, place in zip(report.damage, places, strict=True):
        assert damage.path == str(folded)
        assert damage.start <= place < damage.end
        assert f"bytes {damage.start} to {damage.end - 1}" in str(damage)
    assert 0 < report.documents["instances"] < 100


def test_damage_of_several_records_is_named_each(killed: Path) -> None:
    """Also those after the first, which is where opening stops."""
    places = [
        flip(journal_of(killed), b'"count":%d' % number, b'"cound":%d' % number)
        for number in (1, 2, 5)
    ]
    report = verify_store(killed)
    spans = [(damage.start, damage.end) for damage in report.damage]
    assert len(spans) == 2  # two neighbours are one stretch
    assert spans[0][0] <= places[0] < places[1] < spans[0][1]
    assert spans[1][0] <= places[2] < spans[1][1]
    assert {damage.path for damage in report.damage} == {str(journal_of(killed))}


def test_unfinished_end_and_what_was_set_aside_are_reported(killed: Path) -> None:
    """Neither is damage."""
    torn = [b"12345678 {", b"x\ny\0", b"# cut off\nz"]
    for number, tail in enumerate(torn):
        start = write_behind(killed, tail)
        report = verify_store(killed)
        assert report.is_whole
        assert report.unfinished is not None
        assert report.unfinished.start == start
        assert report.unfinished.end == start + len(tail)
        assert report.set_aside == (number, sum(map(len, torn[:number])))
        with TinyStore(killed) as store:
            save(store, f"new{number}", 1)
            abandon(store)


def test_piece_that_was_set_aside_in_part_is_counted_with_those_after_it(killed: Path) -> None:
    """A process may be killed in the middle of that, too; the next one does it anew."""
    torn = killed.with_name("store.json.torn")
    torn.write_bytes(b"# cut off the journal at byte 700, 50 bytes:\n0123456789")
    for number in range(2):
        write_behind(killed, b"98765")
        with TinyStore(killed) as store:
            save(store, f"new{number}", 1)
            abandon(store)
    assert verify_store(killed).set_aside == (3, 10 + 5 + 5)
    torn.write_bytes(b"# cut off the journal at byte 700, 50 bytes")
    assert verify_store(killed).set_aside == (0, 0)
    torn.write_bytes(b"no such file of ours")
    assert verify_store(killed).set_aside == (0, 0)


def test_missing_file_and_old_copy_are_damage(killed: Path) -> None:
    """As on opening, but with everything else that can be said."""
    old = killed.read_bytes()
    killed.unlink()
    assert "the file is missing" in str(verify_store(killed).damage[0])
    killed.write_bytes(old)
    with TinyStore(killed) as store:
        store.compact()
    killed.write_bytes(old)
    (damage,) = verify_store(killed).damage
    assert "its state 2 is not the one that" in damage.reason


def test_first_format_and_documents_that_no_rule_can_use_are_told(path: Path) -> None:
    """A bad record is named by its document."""
    good = {"key": "a", "chart": "c", "version": 1, "revision": 1, "configuration": ["s"]}
    tables = {
        "meta": {"1": {"store": "settlesim", "format": 1}},
        "instances": {"1": {**good, "context": {}}, "2": {**good, "key": "b"}},
    }
    path.write_text(json.dumps(tables))
    report = verify_store(path)
    assert report.format == 1
    assert [damage.reason for damage in report.damage] == [
        "document 2 of table 'instances': the record has no 'context'"
    ]


def test_what_can_not_be_verified_is_refused(path: Path) -> None:
    """No file, a folder, a newer format."""
    with pytest.raises(StoreUnavailableError, match="no such file"):
        verify_store(path)
    assert names(path.parent) == []
    path.write_text('{"meta":{"1":{"store":"settlesim","format":9}}}')
    with pytest.raises(StoreUnavailableError, match="format 9"):
        verify_store(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnavailableError, match="a folder"):
        verify_store(path)


# --- accept ---------------------------------------------------------------------------------


def test_edit_by_hand_is_taken_when_somebody_says_so(folded: Path) -> None:
    """Refused on opening, accepted, and then the state like any other."""
    folded.write_text(folded.read_text().replace('"count":57}', '"count":5700}'))
    with pytest.raises(StoreDamagedError, match="--accept"):
        TinyStore(folded)
    assert accept_edits(folded)
    with TinyStore(folded) as store:
        assert count(store, "k57") == 5700
        assert len(store.keys()) == 100
    assert verify_store(folded).is_whole
    assert not accept_edits(folded)


def test_file_that_another_program_wrote_anew_is_taken(folded: Path) -> None:
    """As `jq` or stock TinyDB do, with other spaces and without the lines."""
    tables = json.loads(folded.read_text())
    del tables["instances"]["8"]
    tables["notes"] = {"1": {"text": "checked"}}
    folded.write_text(json.dumps(tables, indent=2))
    assert accept_edits(folded)
    with TinyStore(folded) as store:
        assert store.load("k7") is None
        assert store.db.table("notes").all() == [{"text": "checked"}]
        save(store, "new", 1)
        assert store.db.table("instances").get(doc_id=101) is not None


def test_journal_is_laid_over_an_edit(killed: Path) -> None:
    """What was saved after the file was written is newer than the edit."""
    text = killed.read_text()
    killed.write_text(text.replace('"key":"b"', '"key":"edited"'))
    assert accept_edits(killed)
    with TinyStore(killed) as store:
        assert store.keys() == ["a", "edited", *(f"k{number}" for number in range(8))]


def test_open_store_goes_on_after_an_accepted_edit(folded: Path) -> None:
    """It reads the file anew."""
    with TinyStore(folded) as store:
        folded.write_text(folded.read_text().replace('"count":57}', '"count":5700}'))
        assert count(store, "k57") == 57
        assert accept_edits(folded)
        assert count(store, "k57") == 5700
        save(store, "k57", 1, revision=2)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"count":57}', '"count":57', "not strict JSON"),
        ('"key":"k57"', '"key":"k56"', "the key 'k56' stands in document"),
        ('"key":"k57"', '"kex":"k57"', "has no 'key'"),
        ('"revision":1', '"revision":-1', "negative"),
        ('"store":"settlesim"', '"store":"another"', "no store of this library"),
    ],
)
def test_edit_that_makes_no_store_is_not_taken(
    folded: Path, old: str, new: str, reason: str
) -> None:
    """The file stays as the person left it."""
    text = folded.read_text().replace(old, new, 1)
    folded.write_text(text)
    with pytest.raises(StoreDamagedError, match=reason):
        accept_edits(folded)
    assert folded.read_text() == text


def test_damaged_journal_is_no_edit(killed: Path) -> None:
    """Only the file is there to be edited."""
    flip(journal_of(killed), b'"count":3', b'"count":4')
    with pytest.raises(StoreDamagedError, match="not as it was written") as caught:
        accept_edits(killed)
    assert caught.value.path == str(journal_of(killed))


# --- salvage --------------------------------------------------------------------------------


def test_salvage_writes_all_that_is_whole_and_says_what_is_missing(folded: Path) -> None:
    """By table and document; the old store stays as it is."""
    flip(folded, b'"count":57}', b'"count":58}')
    before = folded.read_bytes()
    new = folded.with_name("new.json")
    saved = salvage_store(folded, new)
    missing = {int(text.split()[1]) for text in saved.missing}
    assert 58 in missing
    assert len(missing) < 20
    assert saved.documents == {"instances": 100 - len(missing)}
    assert all("of table 'instances'" in text for text in saved.missing)
    with TinyStore(new) as store:
        assert store.keys() == sorted(
            f"k{number}" for number in range(100) if number + 1 not in missing
        )
        assert count(store, "k99") == 99
    assert folded.read_bytes() == before
    assert verify_store(new).is_whole


def test_what_the_journal_has_newer_is_not_missing(killed: Path) -> None:
    """A document that is damaged in the file may stand whole in the journal."""
    with TinyStore(killed) as store:
        save(store, "a", 2, revision=2)
        abandon(store)
    flip(killed, b'"key":"a"', b'"key":"A"')
    saved = salvage_store(killed, killed.with_name("new.json"))
    assert saved.missing == ("document 2 of table 'instances'",)
    with TinyStore(killed.with_name("new.json")) as store:
        assert count(store, "a") == 2
        assert store.load("b") is None
        assert count(store, "k7") == 7


def test_records_after_a_damaged_one_are_salvaged_too(killed: Path) -> None:
    """And the damaged one is named with its place."""
    flip(journal_of(killed), b'"count":3', b'"count":4')
    saved = salvage_store(killed, killed.with_name("new.json"))
    (missing,) = saved.missing
    assert "store.json.journal, bytes" in missing
    with TinyStore(killed.with_name("new.json")) as store:
        assert store.keys() == ["a", "b", "k0", "k1", "k2", "k4", "k5", "k6", "k7"]


def test_file_of_which_the_checksums_are_lost_is_read_line_by_line(folded: Path) -> None:
    """Then nothing can be said about its documents, and that is said."""
    flip(folded, b'"seq":100', b'"seq":900')
    flip(folded, b'"count":57}', b'"count";57}')
    new = folded.with_name("new.json")
    saved = salvage_store(folded, new)
    assert saved.missing[0] == "document 58 of table 'instances'"
    assert "99 documents could not be checked" in saved.missing[1]
    with TinyStore(new) as store:
        assert len(store.keys()) == 99


def test_truncated_file_keeps_its_beginning(folded: Path) -> None:
    """What was cut off is named by its bytes."""
    data = folded.read_bytes()
    folded.write_bytes(data[: len(data) // 2])
    saved = salvage_store(folded, folded.with_name("new.json"))
    assert 30 < saved.documents["instances"] < 60
    assert any("are missing at its end" in text for text in saved.missing)


def test_salvage_goes_into_a_new_store_only(folded: Path) -> None:
    """Nothing is overwritten."""
    for name in ("there.json", "other.json.journal"):
        folded.with_name(name).write_text("mine")
        with pytest.raises(StoreUnavailableError, match="it exists"):
            salvage_store(folded, folded.with_name(name.removesuffix(".journal")))
        assert folded.with_name(name).read_text() == "mine"


def test_whole_store_is_salvaged_whole(killed: Path) -> None:
    """Ids, counters and tables of others included."""
    with TinyStore(killed) as store:
        store.db.table("notes").insert({"n": 1})
        store.delete("k7", 1)
        abandon(store)
    new = killed.with_name("new.json")
    assert salvage_store(killed, new).missing == ()
    with TinyStore(killed) as store, TinyStore(new) as copy:
        assert copy.keys() == store.keys()
        assert copy.db.table("notes").all() == [{"n": 1}]
        save(copy, "new", 1)
        assert copy.db.table("instances").get(doc_id=11) is not None
