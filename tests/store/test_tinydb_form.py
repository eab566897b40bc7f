"""The store as a TinyDB: the same methods, at the cost of what they touch, for many processes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB, where
from tinydb.operations import delete, increment
from tinydb.table import Document

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import StoreDamagedError
from settlesim.ports import Transaction
from settlesim.store import TinyStore
from settlesim.store.journal.tinydb_form import JournalDB, JournalStorage
from tests.store.faults import count, journal_text, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture(params=["journal", "storage"])
def db(request: pytest.FixtureRequest, path: Path) -> Iterator[TinyDB]:
    """A database whose tables are ours, and a plain TinyDB on our storage."""
    if request.param == "journal":
        made: TinyDB = JournalDB(path)
    else:
        made = TinyDB(path, storage=JournalStorage)
    with made as opened:
        yield opened


def lines(path: Path) -> list[bytes]:
    return journal_text(path).splitlines()[1:]


# --- TinyDB's methods -------------------------------------------------------------------------


def test_documents_are_inserted_found_updated_and_removed(db: TinyDB) -> None:
    """The daily methods of a table."""
    assert db.insert({"n": 1}) == 1
    assert db.insert_multiple([{"n": 2}, {"n": 3}]) == [2, 3]
    assert db.search(where("n") > 1) == [{"n": 2}, {"n": 3}]
    assert db.get(doc_id=2) == {"n": 2}
    assert db.get(where("n") == 3) == {"n": 3}
    assert db.get(doc_ids=[1, 3, 9]) == [{"n": 1}, {"n": 3}]
    assert db.contains(where("n") == 1)
    assert not db.contains(doc_id=9)
    assert db.count(where("n").exists()) == len(db) == 3
    assert db.update({"m": 0}, where("n") >= 2) == [2, 3]
    assert db.update(increment("m"), doc_ids=[3, 9]) == [3]
    assert db.all() == [{"n": 1}, {"n": 2, "m": 0}, {"n": 3, "m": 1}]
    assert db.update(delete("m"), where("m").exists()) == [2, 3]
    assert db.update({"k": 1}) == [1, 2, 3]
    assert db.upsert({"n": 2, "u": 1}, where("n") == 2) == [2]
    assert db.upsert({"n": 4}, where("n") == 4) == [4]
    assert db.remove(where("n") == 3) == [3]
    assert db.remove(doc_ids=[1, 9]) == [1]
    assert [each.doc_id for each in db] == [2, 4]
    db.truncate()
    assert len(db) == 0
    assert db.insert({"n": 1}) == 1  # as TinyDB: an emptied table begins again


def test_documents_with_an_id_of_their_own_are_taken_once(db: TinyDB) -> None:
    """An id that is there already is refused, and nothing is written."""
    assert db.insert(Document({"n": 1}, doc_id=7)) == 7
    with pytest.raises(ValueError, match="already exists"):
        db.insert(Document({"n": 2}, doc_id=7))
    with pytest.raises(ValueError, match="already exists"):
        db.insert_multiple([{"n": 3}, Document({"n": 2}, doc_id=7)])
    assert db.all() == [{"n": 1}]
    assert db.insert({"n": 8}) > 7
    assert db.upsert(Document({"n": 9}, doc_id=7)) == [7]
    assert db.get(doc_id=7) == {"n": 9}


def test_tables_are_made_listed_and_dropped(db: TinyDB) -> None:
    """Each by its name, and all at once."""
    assert db.tables() == set()
    db.table("a").insert({"n": 1})
    db.table("b").insert({"n": 1})
    assert db.tables() == {"a", "b"}
    db.drop_table("a")
    db.drop_table("unknown")
    assert db.tables() == {"b"}
    assert db.table("a").insert({"n": 1}) == 1
    db.drop_tables()
    assert db.tables() == set()
    assert db.table("b").all() == []


def test_what_json_cannot_carry_is_refused_before_anything_is_written(
    db: TinyDB, path: Path
) -> None:
    """Unlike stock TinyDB, which writes NaN."""
    db.insert({"n": 1})
    before = lines(path)
    for bad in ({1, 2}, float("nan")):
        with pytest.raises((TypeError, ValueError)):
            db.insert({"n": bad})
    assert lines(path) == before
    assert db.all() == [{"n": 1}]


def test_update_that_fails_changes_nothing(db: TinyDB, path: Path) -> None:
    """A function that raises at the second document leaves the first one as it was."""
    db.insert_multiple([{"n": 1}, {"n": 2}, {}])
    before = lines(path)
    with pytest.raises(KeyError):
        db.update(increment("n"))
    assert db.all() == [{"n": 1}, {"n": 2}, {}]
    assert lines(path) == before


def test_found_documents_can_be_changed_without_changing_the_store(db: TinyDB) -> None:
    """Each look gives documents of its own."""
    db.insert({"list": [1]})
    for look in (db.all, lambda: db.search(where("list").exists()), lambda: [db.get(doc_id=1)]):
        look()[0]["list"].append(2)
        assert db.all() == [{"list": [1]}]


def test_stock_tinydb_reads_what_was_written(db: TinyDB, path: Path) -> None:
    """After the store was closed, the file is all of it."""
    db.table("a").insert_multiple({"n": number} for number in range(3))
    db.close()
    with TinyDB(path, access_mode="r") as stock:
        assert [document.doc_id for document in stock.table("a")] == [1, 2, 3]
        assert stock.table("a").get(where("n") == 2) == {"n": 2}


# --- what ours adds ---------------------------------------------------------------------------


def test_only_what_changed_is_written(path: Path) -> None:
    """One line for each call, as long as the documents in it."""
    with JournalDB(path) as db:
        db.insert_multiple({"n": number, "text": "x" * 100} for number in range(200))
        del_from = len(lines(path))
        db.update({"n": -1}, doc_ids=[7])
        db.update({"n": -1}, where("n") == -1)  # changes nothing
        db.upsert({"n": 500}, where("n") == 500)
        db.remove(doc_ids=[8])
        new = [json.loads(line[9:])["set"] for line in lines(path)[del_from:]]
        assert new == [
            {"_default": {"7": {"n": -1, "text": "x" * 100}}},
            {"_default": {"201": {"n": 500}}},
            {"_default": {"8": None}},
        ]


def test_number_that_is_only_spelled_in_another_way_is_no_change(path: Path) -> None:
    """The encoder of instances and the one of foreign documents write some floats differently."""
    with TinyStore(path) as store:
        context = freeze_object({"a": 1e16, "b": [1e-7], "n": None}, where="context")
        store.commit(Transaction("a", Snapshot("count", 1, ("odd",), context, 1), 0))
        written = journal_text(path)
        table = store.db.table("instances")
        assert table.update({"version": 2}, where("key") == "b") == []
        assert table.update({"version": 1}, where("key") == "a") == [1]
        assert journal_text(path) == written
        table.update({"version": True}, where("key") == "a")
        assert journal_text(path) != written


def test_plain_tinydb_on_the_storage_writes_only_what_changed_too(path: Path) -> None:
    """It reads and compares everything, but the journal grows by the difference."""
    with TinyDB(path, storage=JournalStorage) as db:
        db.insert_multiple({"n": number} for number in range(50))
        db.update({"n": -1}, doc_ids=[7])
        assert json.loads(lines(path)[-1][9:])["set"] == {"_default": {"7": {"n": -1}}}


def test_a_second_opener_sees_everything_at_once(path: Path) -> None:
    """No query is answered from what was found before another one wrote."""
    with JournalDB(path) as one, JournalDB(path) as two:
        for number in range(5):
            one.insert({"n": number})
            assert two.count(where("n") >= 0) == number + 1
            two.update({"n": number + 100}, where("n") == number)
            assert one.get(where("n") == number + 100) is not None
        table = one.table("cached", cache_size=5)
        table.insert({"n": 1})
        assert table.count(where("n") == 1) == 1
        two.table("cached").update({"n": 2})
        assert table.count(where("n") == 1) == 0


def _insert(path: Path, worker: int) -> None:
    with JournalDB(path) as db:
        for number in range(20):
            db.insert({"worker": worker, "number": number})
            db.table("sum").upsert({"key": "sum"}, where("key") == "sum")
            db.table("sum").update(increment("n"), where("key") == "sum")


def test_processes_that_insert_and_update_at_once_lose_nothing(path: Path) -> None:
    """Every id is given once, and each update sees the one before it."""
    with JournalDB(path) as db:
        db.table("sum").insert({"key": "sum", "n": 0})
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_insert, args=(path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
        assert worker.exitcode == 0
    with JournalDB(path) as db:
        assert [each.doc_id for each in db] == list(range(1, 61))
        assert db.table("sum").all() == [{"key": "sum", "n": 60}]
        for number in range(3):
            mine = db.search(where("worker") == number)
            assert [each["number"] for each in mine] == list(range(20))


def test_table_can_be_read_while_it_is_updated(path: Path) -> None:
    """By the same thread, in a function that TinyDB calls for each document."""
    with JournalDB(path) as db:
        db.insert_multiple([{"n": 1}, {"n": 2}])

        def look(document: Any) -> None:
            document["seen"] = len(db.all())

        db.update(look)
        assert db.all() == [{"n": 1, "seen": 2}, {"n": 2, "seen": 2}]


def test_a_store_can_be_queried_and_annotated_as_a_tinydb(path: Path) -> None:
    """Its instances are documents; a field of one's own stays until the next save."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        save(store, "b", 2)
        instances = store.db.table("instances")
        assert instances.get(where("key") == "b")["context"] == {"count": 2}  # type: ignore[index]
        assert instances.count(where("chart") == "count") == 2
        store.db.table("notes").insert({"about": "a"})
        instances.remove(where("key") == "b")
        assert store.keys() == ["a"]
        save(store, "b", 3)
    with TinyStore(path) as store:
        assert count(store, "b") == 3
        assert store.db.table("notes").all() == [{"about": "a"}]


def test_document_that_no_store_could_read_is_refused(path: Path) -> None:
    """An instance without a key, or with one that is taken."""
    with TinyStore(path) as store:
        save(store, "a", 1)
        instances = store.db.table("instances")
        with pytest.raises(StoreDamagedError, match="has no 'key'"):
            instances.insert({"chart": "count"})
        with pytest.raises(StoreDamagedError, match="the key 'a' stands in document 1 and in 2"):
            instances.insert({"key": "a"})
        assert store.keys() == ["a"]
        save(store, "b", 1)
        assert store.keys() == ["a", "b"]
