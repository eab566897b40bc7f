"""`verify_store`: a whole store is whole, and each law finds what was planted against it."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import InvalidValueError, StoreError, StoreUnavailableError
from settlesim.ports import ChartDefinition, Message, Timer, Timers, Transaction
from settlesim.store import (
    FifoQueue,
    SqliteStore,
    StandardQueue,
    StoreReport,
    TinyStore,
    open_store,
    verify_store,
)
from settlesim.store.sql import SqlStore


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def commit(store: SqlStore | TinyStore, key: str, expected: int, **more: Any) -> None:
    """Save the next revision of an instance, with a record."""
    context = freeze_object({"n": expected}, where="context")
    snapshot = Snapshot("order", 1, ("paid",), context, expected + 1)
    if isinstance(store, SqliteStore):
        more = {"definition": ChartDefinition("order", 1, "f1", "{}"), **more}
    record = freeze_object({"event": {"name": "PAY"}, "outcome": "resolved"}, where="record")
    store.commit(Transaction(key, snapshot, expected, record=record, **more))


def fill(store: SqliteStore, time: Time) -> None:
    """Put at least one row into each table.

    Messages of queue "order": 1 and 2 of "a", of which 1 is in flight; 3 of "b", dead, whose
    group is parked with 4; 5 of the timer; 6 alone in queue "any".
    """
    queue = FifoQueue(store, "order", policy="halt", max_failures=1)
    timers = Timers(started=(Timer("soon", 1.0), Timer("late", 1e6)))
    commit(store, "a", 0, timers=timers)
    commit(store, "a", 1, mark="event", timers=Timers(kept=("soon", "late")))
    queue.send_many([({"event": "PAY"}, "a", "id-1"), ({"event": "SHIP"}, "a")])
    queue.send_many([({"event": "PAY"}, "b"), ({"event": "SHIP"}, "b", "id-4")])
    received = queue.receive(10)
    assert [message.id for message in received] == [1, 3]
    queue.fail(received[1].receipt, "no network")
    time.at += 2
    assert queue.release_timers() == 1
    StandardQueue(store, "any").send({"event": "PAY"}, "c")
    store.require_version("order", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole store with at least one row in each table."""
    file, time = tmp_path / "s.db", Time()
    with SqliteStore(file, now=time) as store:
        fill(store, time)
    return file


def planted(path: Path, *statements: str) -> StoreReport:
    """Change a store behind its back, and verify it."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return verify_store(path)


# --- whole stores -------------------------------------------------------------------------------


def test_a_whole_store_is_whole_and_counted(path: Path) -> None:
    """Each table has at least one row, so that every law has something to look at."""
    report = verify_store(path)
    assert report.damages == ()
    assert report.is_whole
    assert report.counts == {
        "instances": 1,
        "settlements": 2,
        "marks": 1,
        "timers": 2,
        "messages": 5,
        "heads": 2,
        "parked": 1,
        "dead_letters": 1,
        "deduplication": 2,
        "charts": 1,
        "least_versions": 1,
    }


def files(folder: Path) -> dict[str, bytes]:
    """What stands in a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.suffix != ".db-shm"}


def test_nothing_is_changed(path: Path) -> None:
    """No byte, and no file stands beside it afterwards."""
    before = files(path.parent)
    assert verify_store(path).is_whole
    assert files(path.parent) == before
    assert list(path.parent.iterdir()) == [path]


def test_what_only_the_log_of_a_killed_process_has_is_verified_there(path: Path) -> None:
    """And stays there."""
    script = (
        "import os, sys; from settlesim import SqliteStore, FifoQueue; "
        "store = SqliteStore(sys.argv[1]); FifoQueue(store, 'order').send(1, 'z'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False, timeout=60)
    before = files(path.parent)
    assert len(before) == 2
    report = verify_store(path)
    assert (report.is_whole, report.counts["messages"]) == (True, 6)
    assert files(path.parent) == before


def test_a_store_that_is_open_is_verified_as_of_one_moment(path: Path) -> None:
    """Its owner goes on."""
    with SqliteStore(path) as store:
        assert verify_store(path).is_whole
        FifoQueue(store, "order").send(1, "z")
        assert verify_store(path).counts["messages"] == 6


@pytest.mark.parametrize("seed", range(6))
def test_whatever_a_store_does_leaves_it_whole(tmp_path: Path, seed: int) -> None:
    """No law is broken by what queues and stores may do, clock steps among it."""
    lots, time = random.Random(seed), Time()
    with SqliteStore(tmp_path / "s.db", now=time, history=3) as store:
        walk = steps(store, time, lots)
        for _ in range(15):
            for _ in range(15):
                next(walk)
            assert verify_store(tmp_path / "s.db").damages == ()


def steps(store: SqliteStore, time: Time, lots: random.Random) -> Iterator[None]:
    """Do one thing after another, whether it works or not."""
    queues: list[Any] = [
        FifoQueue(store, "order", policy="halt", max_failures=2, max_receives=2),
        FifoQueue(store, "other", max_failures=1, deduplication_scope="queue", chart="order"),
        StandardQueue(store, "any", copy_every=2, max_failures=2),
    ]
    held: list[tuple[Any, Message]] = []
    while True:
        with suppress(StoreError):
            if held and lots.random() < 0.4:
                answer(*lots.choice(held), lots)
            elif lots.random() < 0.3:
                consumed = lots.choice(held)[1].receipt if held and lots.random() < 0.5 else None
                save(store, lots, consumed)
            else:
                handle(lots.choice(queues), held, lots)
            time.at += lots.choice([0, 0, 1, 20, 400, -30, 100_000])
        yield


def answer(queue: Any, message: Message, lots: random.Random) -> None:
    """Do what a consumer may do with a message that it received at some time."""
    match lots.randrange(4):
        case 0 | 1:
            queue.fail(message.receipt, "no", retry_in=lots.choice([0, 50]))
        case 2:
            queue.release(message.receipt)
        case 3:
            queue.delete(message.receipt)


def save(store: SqliteStore, lots: random.Random, consumed: str | None) -> None:
    """Save or remove an instance."""
    key = lots.choice("abc")
    found = store.load(key)
    revision = 0 if found is None else found.revision
    if lots.random() < 0.1:
        store.delete(key, revision)
    elif lots.random() < 0.1:
        store.prune(older_than=0, final=False)
    else:
        timers = lots.choice([None, Timers((Timer("t", 10.0),), ("u",)), Timers((), ("t",))])
        commit(store, key, revision, timers=timers, consumed=consumed)


def handle(queue: Any, held: list[tuple[Any, Message]], lots: random.Random) -> None:
    """Send, receive or bring back."""
    key = lots.choice("abc")
    match lots.randrange(7):
        case 0 | 1:
            queue.send(lots.randrange(2), key, lots.choice(["x", "y", None]))
        case 2 | 3:
            held += [(queue, each) for each in queue.receive(3)]
        case 4:
            queue.redrive()
        case 5:
            queue.resume(key)
        case 6:
            queue.release_timers()


# --- one violation per law ------------------------------------------------------------------

PLANTED = [
    # instances
    ("UPDATE instances SET context = '{'", "table instances, row 'a': its context: not strict"),
    ("UPDATE instances SET context = '{\"n\": NaN}'", "its context: not strict JSON: NaN"),
    ("UPDATE instances SET context = '[]'", "'context' is of type"),
    ("UPDATE instances SET configuration = '[]'", "row 'a': 'configuration' is no list"),
    ("UPDATE instances SET revision = 0", "its revision is 0, which is that of no saved instance"),
    ("UPDATE instances SET revision = -1", "its revision is -1"),
    ("UPDATE instances SET version = 'x'", "its version is 'x', and integer is needed"),
    ("UPDATE instances SET final = 7", "its final is 7, and 0 or 1 is needed"),
    ("UPDATE instances SET saved_at = 9e999", "its saved_at is inf"),
    ("UPDATE instances SET chart = CAST(x'ff' AS TEXT)", "its chart has bytes that are not UTF-8"),
    ("INSERT INTO instances SELECT '', chart, version, revision, configuration, context, final,"
     " saved_at, fingerprint, history FROM instances", "its key is empty"),
    ("UPDATE instances SET fingerprint = ''", "row 'a': 'fingerprint' is '', no text"),
    ("UPDATE instances SET fingerprint = x'00'", "its fingerprint is b'\\x00', and text is needed"),
    ("UPDATE instances SET history = '{'", "row 'a': its history: not strict JSON"),
    ("UPDATE instances SET history = '{\"h\": []}'", "'history_states' has [] for 'h'"),
    # settlements
    ("UPDATE settlements SET record = '[]'", "table settlements, row 1: its record is []"),
    ("UPDATE settlements SET record = '{\"key\": 1}'", "its record has 'key'"),
    ("UPDATE settlements SET snapshot = '{}'", "row 2: the record has no 'chart'"),
    ("UPDATE settlements SET revision = 1 WHERE number = 2",
     "row 2: its revision is 1, and that of its snapshot 2"),
    ("UPDATE settlements SET revision = 3, snapshot = NULL WHERE number = 1",
     "row 2: its revision is 2, and that of the settlement before it 3"),
    ("UPDATE instances SET revision = 1",
     "row 2: its revision is 2, and its instance 'a' is at revision 1"),
    ("UPDATE settlements SET key = 'z'", "its instance 'z' is not there"),
    ("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'settlements'",
     "table settlements: its sequence is at 1, and the number 2 was used"),
    # marks
    ("UPDATE marks SET revision = -1", "table marks, row 'a' 'event': its revision is -1"),
    ("UPDATE marks SET id = ''", "its id is ''"),
    ("UPDATE marks SET digest = 'x'", "its digest is 'x'"),
    # timers
    ("UPDATE timers SET sent = 1", "table timers, row 2: it is marked as sent, and no message of"),
    ("UPDATE timers SET sent = 0", "row 1: it is not marked as sent, and 1 message of it is there"),
    ("UPDATE messages SET timer = 1", "it is marked as sent, and 5 messages of it are there"),
    ("UPDATE timers SET key = 'z'", "row 1: there is no instance 'z'"),
    ("UPDATE timers SET due = 'soon'", "its due is 'soon', and real is needed"),
    ("DELETE FROM sqlite_sequence WHERE name = 'timers'", "table timers: its sequence is at 0"),
    # messages
    ("UPDATE messages SET body = '{'", "table messages, row 1: its body: not strict JSON"),
    ("UPDATE messages SET body = '{\"a\":1,\"a\":2}'", "the key 'a' appears twice"),
    ("UPDATE messages SET errors = '[1]'", "its errors are no JSON list of texts"),
    ("UPDATE messages SET group_id = ''", "its group_id is ''"),
    ("UPDATE messages SET first_id = id", "its first_id is 1, which is not below its id"),
    ("UPDATE messages SET answered = 9 WHERE id = 1", "received 1 time and answered 9 times"),
    ("UPDATE messages SET in_flight = 1", "row 2: it is in flight, and every reception"),
    ("UPDATE messages SET in_flight = 1, receives = 1 WHERE id = 2",
     "row 1: message 2 of its group is in flight, though this one comes before it"),
    ("UPDATE sqlite_sequence SET seq = 2 WHERE name = 'messages'",
     "table messages: its sequence is at 2, and the number 6 was used"),
    # heads
    ("DELETE FROM heads WHERE queue = 'any'",
     "table heads, row 'any' '#6': it is missing, so message 6 is never received"),
    ("INSERT INTO heads SELECT queue, '=z', 'z', 9, 0, 0 FROM heads LIMIT 1",
     "'=z': no message of its group waits for it"),
    ("UPDATE heads SET message = 2 WHERE queue = 'order'",
     "table heads, row 'order' '=a': its message is 2, and the messages say 1"),
    ("UPDATE heads SET visible_at = 0 WHERE queue = 'order'", "its visible_at is 0.0, and the"),
    ("DELETE FROM parked", "row 'order' '=b': it is missing, so message 4 is never received"),
    ("DELETE FROM messages WHERE id = 6", "row 'any' '#6': no message of its group waits"),
    # parked groups, dead letters, deduplication ids
    ("UPDATE parked SET queue = ''", "table parked, row '' 'b': its queue is ''"),
    ("UPDATE dead_letters SET body = ''", "table dead_letters, row 3: its body: not strict JSON"),
    ("UPDATE dead_letters SET in_flight = 1, receives = 3", "row 3: it is in flight"),
    ("UPDATE dead_letters SET id = 4", "row 4: the message is in its queue, too"),
    ("UPDATE deduplication SET digest = 'x'", "table deduplication, row 'order' 'a' 'id-1': its"),
    ("UPDATE deduplication SET message = 2", "message 2 has another queue, group or id"),
    ("UPDATE deduplication SET scope = 'z' WHERE id = 'id-1'", "message 1 has another"),
    ("UPDATE messages SET body = '7' WHERE id = 4", "is not that of the body of message 4"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "named"), PLANTED, ids=[each for each, _ in PLANTED])
def test_each_law_finds_what_breaks_it(path: Path, statement: str, named: str) -> None:
    """With its table and its row."""
    report = planted(path, statement)
    assert not report.is_whole
    assert any(named in str(damage) for damage in report.damages), report.damages


def test_all_damages_are_named_not_only_the_first(path: Path) -> None:
    """Also several of one table."""
    report = planted(
        path, "UPDATE messages SET body = ''", "UPDATE marks SET id = ''", "DELETE FROM parked"
    )
    assert {damage.table for damage in report.damages} == {
        "messages",
        "marks",
        "heads",
        "deduplication",
    }
    assert len([damage for damage in report.damages if damage.table == "messages"]) == 5


def test_a_message_that_was_redriven_before_one_in_flight_is_no_damage(tmp_path: Path) -> None:
    """It came back to its old place."""
    time = Time()
    with SqliteStore(tmp_path / "s.db", now=time) as store:
        queue = FifoQueue(store, "order", policy="halt", max_failures=1)
        queue.send_many([(1, "a"), (2, "a")])
        queue.fail(queue.receive()[0].receipt, "no")
        queue.resume("a")
        assert queue.receive()[0].id == 2
        queue.redrive()
        assert verify_store(store.path).is_whole
        time.at += 60  # nobody has answered for the second one
        assert queue.receive()[0].id == 1
        assert verify_store(store.path).is_whole


# --- files --------------------------------------------------------------------------------------


def test_pages_that_are_damaged_are_found_by_sqlite(path: Path) -> None:
    """Anywhere in the file, and nothing is raised."""
    data = path.read_bytes()
    for page in range(1, len(data) // 4096):
        at = page * 4096
        path.write_bytes(data[:at] + b"\xff" * 4096 + data[at + 4096 :])
        report = verify_store(path)
        assert not report.is_whole, page


def test_bytes_anywhere_in_the_file_raise_nothing_but_errors_of_the_store(path: Path) -> None:
    """Whatever is found is a report."""
    data, lots = path.read_bytes(), random.Random(1)
    for _ in range(60):
        at = lots.randrange(len(data))
        path.write_bytes(data[:at] + bytes([lots.randrange(256)]) + data[at + 1 :])
        with suppress(StoreUnavailableError):  # where it seems to be of a newer version
            verify_store(path)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "it is empty"), (b"junk " * 200, "file is not a database")]
)
def test_a_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes, reason: str) -> None:
    """As its reason says."""
    (tmp_path / "s.db").write_bytes(content)
    (damage,) = verify_store(tmp_path / "s.db").damages
    assert (str(damage), damage.table) == (reason, None)


def test_a_database_of_others_is_no_store(tmp_path: Path) -> None:
    """It is told by its number."""
    report = planted(tmp_path / "s.db", "CREATE TABLE notes(text)")
    assert "not a store of settlesim" in str(report.damages[0])


def test_a_table_or_an_index_that_is_missing_is_named(path: Path) -> None:
    """Without an index a store would be slow, or an id not unique."""
    report = planted(path, "DROP TABLE marks", "DROP INDEX heads_by_time")
    named = " ".join(map(str, report.damages))
    assert "it has no table marks, or one with other columns" in named
    assert "it has no index heads_by_time" in named


def test_a_file_without_the_columns_for_fingerprint_and_history_is_whole(path: Path) -> None:
    """Whoever opens it adds them; to verify changes nothing, before and after."""
    drops = [f"ALTER TABLE instances DROP COLUMN {each}" for each in ("fingerprint", "history")]
    report = planted(path, *drops)
    assert report.damages == ()
    assert report.counts["instances"] > 0
    with SqliteStore(path) as store:
        assert store.load("a") is not None
    assert verify_store(path) == report


def test_a_newer_schema_is_refused(path: Path) -> None:
    """It is not called damaged."""
    with pytest.raises(StoreUnavailableError, match="use a newer settlesim"):
        planted(path, "PRAGMA user_version = 99")


@pytest.mark.parametrize("name", ["s.db", "s.json"])
def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, name: str) -> None:
    """Nor anything beside it."""
    with pytest.raises(StoreUnavailableError, match="there is no such file"):
        verify_store(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --- TinyDB ---------------------------------------------------------------------------------


def tiny(tmp_path: Path) -> Path:
    """Return the file of a TinyDB store with two instances."""
    with TinyStore(tmp_path / "s.json") as store:
        commit(store, "a", 0)
        commit(store, "b", 0)
    return tmp_path / "s.json"


def test_a_tinydb_file_is_read(tmp_path: Path) -> None:
    """With the tables of others."""
    path = tiny(tmp_path)
    content = json.loads(path.read_text())
    content["notes"] = {"1": {"text": "mine"}}
    path.write_text(json.dumps(content))
    report = verify_store(path)
    assert report.is_whole
    assert report.counts == {"instances": 2, "settlements": 2, "notes": 1}


def test_every_document_that_is_damaged_is_named(tmp_path: Path) -> None:
    """Not only the first; and nothing is changed."""
    path = tiny(tmp_path)
    content = json.loads(path.read_text())
    content["instances"]["1"]["revision"] = 0
    content["instances"]["2"]["key"] = 5
    del content["settlements"]["2"]["snapshot"]
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    report = verify_store(path)
    assert [str(damage).partition(":")[0] for damage in report.damages] == [
        "document 1 of table 'instances'",
        "document 2 of table 'instances'",
        "document 2 of table 'settlements' has no 'snapshot'",
    ]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "it is empty"), ("{", "not strict JSON"), ("[]", "no JSON object"), ("{}", "no table")],
)
def test_a_file_that_is_no_store_is_damaged(tmp_path: Path, content: str, reason: str) -> None:
    """As its reason says."""
    (tmp_path / "s.json").write_text(content)
    report = verify_store(tmp_path / "s.json")
    assert reason in str(report.damages[0])


def test_a_journal_of_a_former_version_is_not_overlooked(tmp_path: Path) -> None:
    """The file alone is not the store."""
    path = tiny(tmp_path)
    path.with_name("s.json.journal").touch()
    with pytest.raises(StoreUnavailableError, match="journal is beside it"):
        verify_store(path)


# --- suffixes, backups ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.json", "s.JSON", "s.db", "s.sqlite", "s.Sqlite3"])
def test_a_store_is_opened_by_its_suffix(tmp_path: Path, name: str) -> None:
    """Capitals do not matter."""
    with open_store(tmp_path / name) as store:
        assert isinstance(store, TinyStore) == name.lower().endswith(".json")


@pytest.mark.parametrize("name", ["s", "s.txt", ".json", "s.json.bak", "db"])
def test_another_suffix_is_refused_with_what_is_possible(tmp_path: Path, name: str) -> None:
    """And nothing is made."""
    for call in (open_store, verify_store):
        with pytest.raises(InvalidValueError, match=r"\.json for a TinyDB.*\.db, \.sqlite"):
            call(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["s.json", "s.db"])
def test_a_backup_is_the_store_and_overwrites_nothing(tmp_path: Path, name: str) -> None:
    """It is whole, readable by its owner only, and alone in its folder."""
    (tmp_path / "copies").mkdir()
    copy = tmp_path / "copies" / name
    with open_store(tmp_path / name) as store:
        commit(store, "a", 0)
        store.backup(copy)
        commit(store, "a", 1)
        before = copy.read_bytes()
        with pytest.raises(StoreUnavailableError, match="it exists; a backup makes a new file"):
            store.backup(copy)
        with pytest.raises(StoreUnavailableError):
            store.backup(tmp_path / "no" / name)
    assert copy.read_bytes() == before
    assert os.listdir(copy.parent) == [name]
    assert copy.stat().st_mode & 0o077 == 0
    assert verify_store(copy).is_whole
    with open_store(copy) as copied:
        (past,) = copied.settlements("a")
        assert past.revision == 1


@pytest.mark.parametrize("name", ["s.json", "s.db"])
def test_a_dry_run_of_prune_removes_nothing(tmp_path: Path, name: str) -> None:
    """It returns what prune then removes."""
    with open_store(tmp_path / name) as store:
        commit(store, "done", 0, final=True)
        commit(store, "open", 0)
        assert store.prune(older_than=0, dry_run=True) == ("done",)
        assert store.keys() == ["done", "open"]
        assert store.prune(older_than=3600, dry_run=True) == ()
        assert store.prune(older_than=0) == ("done",)
        assert store.keys() == ["open"]
