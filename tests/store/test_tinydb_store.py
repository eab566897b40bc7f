"""A TinyStore: one TinyDB file that people read and edit, and whose damage is named."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import TinyDB, where

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, encode, freeze_object
from settlesim.errors import (
    InvalidValueError,
    StoreDamagedError,
    StoreUnavailableError,
    VersionConflictError,
)
from settlesim.ports import Send, Timers, Transaction
from settlesim.store.tinydb import TinyStore
from settlesim.store.tinydb_content import read_content
from settlesim.testing import ManualTime
from tests.examples import scaled
from tests.store.tiny_children import count, save
from tests.strategies import json_values, keys, snapshots, texts

# --- helpers ----------------------------------------------------------------------------------


class Time(ManualTime):
    """From a thousand seconds after the epoch on."""

    def __init__(self) -> None:
        self.seconds = 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.json"


@pytest.fixture
def store(path: Path) -> TinyStore:
    """A store with two instances and three settlements."""
    found = TinyStore(path, now=Time())
    save(found, "a", 1)
    save(found, "a", 2, 2)
    save(found, "b", 1, final=True)
    return found


def record(**fields: Any) -> FrozenDict:
    return freeze_object(fields, where="record")


def state(*leaves: str, chart: str = "count", version: int = 1) -> Snapshot:
    return Snapshot(chart, version, leaves, record(), 1)


def everything(store: TinyStore) -> str:
    """All that a store returns, as JSON text."""
    instances = store.find(limit=10_000)
    past = store.settlements_since(limit=10_000)
    return encode([[each.to_dict() for each in instances], [p.to_dict() for p in past]])


# --- the file ---------------------------------------------------------------------------------


def test_the_file_has_one_document_a_line(store: TinyStore, path: Path) -> None:
    """Which is what `grep` and a diff are useful on."""
    assert path.read_text() == (
        "{\n"
        '  "meta":{\n'
        '    "1":{"store":"settlesim","format":3,"last_settlement":3}\n'
        "  },\n"
        '  "instances":{\n'
        '    "1":{"key":"a","chart":"count","version":1,"revision":2,"configuration":["odd"],'
        '"context":{"count":2},"final":false,"saved_at":1000.0},\n'
        '    "2":{"key":"b","chart":"count","version":1,"revision":1,"configuration":["odd"],'
        '"context":{"count":1},"final":true,"saved_at":1000.0}\n'
        "  },\n"
        '  "settlements":{\n'
        '    "1":{"key":"a","revision":1,"at":1000.0,"event":{"name":"COUNT"},"turn":1,'
        '"snapshot":{"chart":"count","version":1,"revision":1,"configuration":["odd"],'
        '"context":{"count":1}}},\n'
        '    "2":{"key":"a","revision":2,"at":1000.0,"event":{"name":"COUNT"},"turn":2,'
        '"snapshot":{"chart":"count","version":1,"revision":2,"configuration":["odd"],'
        '"context":{"count":2}}},\n'
        '    "3":{"key":"b","revision":1,"at":1000.0,"event":{"name":"COUNT"},"turn":1,'
        '"snapshot":{"chart":"count","version":1,"revision":1,"configuration":["odd"],'
        '"context":{"count":1}}}\n'
        "  }\n"
        "}\n"
    )


def test_a_save_changes_only_the_lines_of_its_instance(store: TinyStore, path: Path) -> None:
    """A diff in git shows what happened."""
    before = path.read_text().splitlines()
    store.commit(Transaction("a", Snapshot("count", 1, ("odd",), record(), 3), 2))
    after = path.read_text().splitlines()
    assert [number for number, (x, y) in enumerate(zip(before, after, strict=True)) if x != y] == [
        5
    ]


def test_stock_tinydb_reads_and_edits_the_file(store: TinyStore, path: Path) -> None:
    """While nobody saves; what it added stays there after the next save."""
    with TinyDB(path) as db:
        (found,) = db.table("instances").search(where("key") == "a")
        assert found["context"] == {"count": 2}
        db.table("instances").update({"note": "of a person"}, where("key") == "a")
        db.table("instances").remove(where("key") == "b")
        db.table("mine").insert({"text": "é"})
    assert store.keys() == ["a"]
    save(store, "a", 3, 3)
    save(store, "c", 1)
    with TinyDB(path) as db:
        assert db.table("mine").all() == [{"text": "é"}]
        noted = db.table("instances").get(where("key") == "a")
        assert isinstance(noted, dict)
        assert (noted["note"], noted["revision"]) == ("of a person", 3)


@pytest.mark.parametrize("layout", [{"indent": 2}, {"indent": None}, {"sort_keys": True}])
def test_any_layout_of_the_file_is_read(store: TinyStore, path: Path, layout: Any) -> None:
    """An editor may indent it and put its keys in another order."""
    before = json.loads(everything(store))
    path.write_text(json.dumps(json.loads(path.read_text()), **layout))
    assert json.loads(everything(TinyStore(path))) == before
    assert json.loads(everything(store)) == before
    save(store, "a", 3, 3)
    assert count(TinyStore(path), "a") == 3


def test_documents_in_another_order_are_read(store: TinyStore, path: Path) -> None:
    """The numbers say in which order settlements were saved."""
    before = everything(store)
    found = json.loads(path.read_text())
    for name in found:
        found[name] = dict(reversed(found[name].items()))
    path.write_text(json.dumps(dict(reversed(found.items()))))
    assert everything(store) == before


def test_a_context_that_was_edited_is_loaded(store: TinyStore, path: Path) -> None:
    """By a store that has the file open already."""
    path.write_text(
        path.read_text().replace('"context":{"count":2},"final"', '"context":{},"final"')
    )
    loaded = store.load("a")
    assert loaded is not None
    assert loaded.context == {}


@settings(max_examples=scaled(20))
@given(
    saves=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "é\n"]) | keys(),
            snapshots() | st.none(),
            st.none()
            | st.dictionaries(texts().map(lambda text: f"x{text}"), json_values(), max_size=3),
            st.booleans(),
        ),
        max_size=12,
    ),
    history=st.integers(0, 3),
)
def test_a_file_that_is_read_again_holds_what_was_saved(saves: list[Any], history: int) -> None:
    """Instances, settlements and the order of their keys, for one who saved and one who reads."""
    with tempfile.TemporaryDirectory() as folder:
        store = TinyStore(Path(folder, "store.json"), history=history)
        model: dict[str, Snapshot] = {}
        past: list[tuple[str, Any, Any]] = []
        for key, new, fields, final in saves:
            expected = model[key].revision if key in model else 0
            kept = None if fields is None else record(**fields)
            after = new and replace(new, revision=expected + 1)
            if after is not None:
                model[key] = after
            store.commit(Transaction(key, after, expected, final=final, record=kept))
            if kept is not None:
                past.append((key, after, kept))
        with TinyStore(store.path) as fresh:
            assert everything(fresh) == everything(store)
            assert {each.key: each.snapshot for each in fresh.find(limit=99)} == model
            for key in {key for key, _, _ in past}:
                own = [(snapshot, kept) for each, snapshot, kept in past if each == key]
                found = [(each.snapshot, each.record) for each in fresh.settlements(key)]
                assert encode([each[1] for each in found]) == encode(
                    [each[1] for each in own[len(own) - min(history, len(own)) :]]
                )
            numbers = [each.number for each in fresh.settlements_since(limit=99)]
            assert numbers == sorted(set(numbers))


# --- damage -----------------------------------------------------------------------------------


def holds_all(data: bytes) -> bool:
    """Whether a file is read with all its documents; False where it is refused."""
    try:
        content = read_content(data, "store.json", Time())
    except (StoreDamagedError, StoreUnavailableError):
        return False
    assert (len(content.instances), len(content.settlements)) == (2, 3)
    return True


def test_a_file_that_was_cut_is_refused(store: TinyStore, path: Path) -> None:
    """At every byte, and never written over; only the last end of line says nothing."""
    data = path.read_bytes()
    for size in range(len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(StoreDamagedError, match="not strict JSON" if size else "0 bytes"):
            TinyStore(path)
        with pytest.raises(StoreDamagedError):
            save(store, "c", 1)
        assert path.read_bytes() == data[:size]
    assert holds_all(data[:-1])


def test_no_byte_that_is_changed_or_missing_makes_documents_vanish(
    store: TinyStore, path: Path, finding: Callable[[object], None]
) -> None:
    """It is refused, or it is another value in a document: the file has no checksums."""
    data = path.read_bytes()
    results = [
        holds_all(data[:at] + changed + data[at + 1 :])
        for at in range(len(data))
        for changed in [b"", *(bytes([data[at] ^ flip]) for flip in (1, 2, 4, 8, 16, 32, 64, 128))]
    ]
    read, refused = results.count(True), results.count(False)
    finding(f"TinyStore: of {read + refused} changed files {refused} were refused, {read} read")
    assert refused > read


GOOD = {
    "key": "a", "chart": "count", "version": 1, "revision": 1, "configuration": ["odd"],
    "context": {}, "final": False, "saved_at": 1.0,
}  # fmt: skip
PAST = {"key": "a", "revision": 1, "at": 1.0, "snapshot": None}
META = {"store": "settlesim", "format": 3, "last_settlement": 1}


def tables(*, meta: Any = META, instances: Any = None, settlements: Any = None) -> dict[str, Any]:
    return {
        "meta": {"1": meta},
        "instances": {"1": GOOD} if instances is None else instances,
        "settlements": {"1": PAST} if settlements is None else settlements,
    }


def test_the_examples_of_damage_begin_with_a_good_file(path: Path) -> None:
    """Else they would show nothing."""
    path.write_text(json.dumps(tables()))
    assert TinyStore(path).keys() == ["a"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "no JSON object"),
        ({}, "no table 'meta'"),
        ({"_default": {"1": {"a": 1}}}, "no table 'meta'"),
        (tables(meta={**META, "store": "other"}), '"store":"settlesim"'),
        (tables(meta={**META, "format": "3"}), "its format is '3'"),
        (tables(meta={**META, "format": 0}), "its format is 0"),
        (tables(meta={**META, "format": 2}), "does not fit"),
        (tables(meta={**META, "last_settlement": None}), "last_settlement is None"),
        ({"meta": {"1": META}, "settlements": {}}, "no table 'instances'"),
        ({"meta": {"1": META}, "instances": {}}, "no table 'settlements'"),
        (tables(instances=[]), "no table 'instances'"),
        (tables(instances={"x": GOOD}), "the id 'x' in table 'instances'"),
        (tables(instances={"01": GOOD}), "the id '01'"),
        (tables(instances={"1": 1}), "document 1 of table 'instances' is no JSON object"),
        (tables(instances={"1": GOOD, "2": GOOD}), "document 2 .* has the key 'a' of document 1"),
        (tables(instances={"1": {**GOOD, "key": 1}}), "its key is 1 of type int"),
        (tables(instances={"1": {**GOOD, "key": "\ud800"}}), "lone surrogate"),
        (tables(instances={"1": {**GOOD, "revision": 0}}), "revision 0"),
        (tables(instances={"1": {**GOOD, "revision": "1"}}), "'revision' is of type str"),
        (tables(instances={"1": {**GOOD, "configuration": []}}), "'configuration'"),
        (tables(instances={"1": {**GOOD, "context": None}}), "'context' is of type NoneType"),
        (tables(instances={"1": {**GOOD, "final": 0}}), "'final' is 0"),
        (tables(instances={"1": {**GOOD, "saved_at": True}}), "'saved_at' is True"),
        (tables(settlements={"1": {**PAST, "key": ""}}), "its key is empty"),
        (tables(settlements={"1": {**PAST, "revision": -1}}), "'revision' is -1"),
        (tables(settlements={"1": {**PAST, "at": None}}), "'at' is None"),
        (tables(settlements={"1": {**PAST, "snapshot": 1}}), "document 1 of table 'settlements'"),
        (tables(settlements={"1": {"key": "a", "revision": 1, "at": 1}}), "has no 'snapshot'"),
    ],
)
def test_damage_is_named(path: Path, content: Any, reason: str) -> None:
    """With the file and the document, and it is not changed."""
    text = json.dumps(content)
    path.write_text(text)
    with pytest.raises(StoreDamagedError, match=reason) as caught:
        TinyStore(path)
    assert caught.value.path == str(path)
    assert caught.value.final
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"meta":{"1":{}},"meta":{"1":{}}}', "appears twice"),
        ('{"meta":{"1":{"x":NaN}}}', "NaN is not JSON"),
        ('{"meta":{"1":{"x":1e999}}}', "larger than any number"),
        ("\ufeff{}", "BOM"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_strict_json_is_refused(path: Path, text: str, reason: str) -> None:
    """What another reader would take in one way or the other."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreDamagedError, match=reason):
        TinyStore(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    """It is not damaged, so the error is another one."""
    path.write_text(json.dumps(tables(meta={**META, "format": 4})))
    with pytest.raises(StoreUnavailableError, match=r"has format 4, .* formats up to 3"):
        TinyStore(path)


# --- what former versions wrote ---------------------------------------------------------------

FORMER = """{"meta":{
"1":{"store":"settlesim","format":2,"seq":5,"ids":{"instances":3,"marks":1,"meta":1,"settlements":7},\
"blocks":[["meta",4,"a30da6a1"],["instances",116,"ff2503d7"],["marks",106,"014c2938"],\
["settlements",210,"59ffd355"],["meta",2,"3b9dfc5a"]],"check":"42059081"}
},
"instances":{
"1":{"key":"a","chart":"count","version":1,"revision":1,"configuration":["odd"],"context":{"n":1}},
"3":{"key":"b","chart":"count","version":1,"revision":1,"configuration":["odd"],"context":{"n":2}}
},
"marks":{
"1":{"key":"b","id":"e","revision":2,"outcome":null,"digest":null,"until":900.0}
},
"deduplication":{
"1":{"queue":"count","group":"b","id":"e","digest":"","message":1,"until":901.0,"window":1.0}
},
"settlements":{
"5":{"key":"a","revision":1,"at":5.5,"outcome":"done","snapshot":{"chart":"count","version":1,\
"revision":1,"configuration":["odd"],"context":{"n":1}}},
"6":{"key":"a","revision":1,"at":6.5,"outcome":"ignored","snapshot":null},
"7":{"key":"c","revision":0,"at":7.5,"outcome":"ignored","snapshot":null}
}}
"""


def test_a_file_of_a_former_version_without_a_journal_is_read(path: Path) -> None:
    """Whether an instance is finished, and when it was saved, is what its settlements say."""
    path.write_text(FORMER)
    with TinyStore(path, now=Time()) as store:
        found = [(each.key, each.final, each.saved_at) for each in store.find()]
        assert found == [("a", True, 5.5), ("b", False, 0.0)]
        assert [each.number for each in store.settlements_since()] == [5, 6, 7]
        assert path.read_text() == FORMER
        save(store, "c", 1)
        assert store.settlements_since(7)[0].number == 8
    with TinyDB(path) as db:
        assert db.tables() == {"meta", "instances", "settlements"}
    assert TinyStore(path).keys() == ["a", "b", "c"]


def test_a_file_of_the_first_format_is_read(path: Path) -> None:
    """It had no checksums, and no counters."""
    instance = {name: value for name, value in GOOD.items() if name not in ("final", "saved_at")}
    meta = {"store": "settlesim", "format": 1}
    path.write_text(json.dumps({"meta": {"1": meta}, "instances": {"1": instance}}))
    assert TinyStore(path).keys() == ["a"]
    path.write_text(json.dumps({"meta": {"1": meta}}))
    with pytest.raises(StoreDamagedError, match="names tables that it does not have"):
        TinyStore(path)


def test_a_former_file_with_messages_is_refused(path: Path) -> None:
    """There is no place for them here."""
    messages = '"messages":{\n"1":{"queue":"count","group":"a","body":"X"}\n},\n"settlements"'
    path.write_text(FORMER.replace('"settlements":{\n', messages + ":{\n"))
    with pytest.raises(StoreUnavailableError, match=r"'messages' .* a queue needs a SqliteStore"):
        TinyStore(path, now=Time())


@pytest.mark.parametrize(("until", "table"), [("900.0", "marks"), ("901.0", "deduplication")])
def test_a_former_file_with_ids_that_still_count_is_refused(
    path: Path, until: str, table: str
) -> None:
    """Without them an event that comes again would be applied twice."""
    path.write_text(FORMER.replace(until, "1000.5"))
    with pytest.raises(StoreUnavailableError, match=f"'{table}'"):
        TinyStore(path, now=Time())


def test_no_byte_that_is_changed_makes_documents_of_a_former_file_vanish() -> None:
    """Also without its checksums."""
    data = FORMER.encode()
    for at in range(len(data)):
        holds_all(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("there", [True, False])
def test_a_journal_of_a_former_version_is_not_passed_over(path: Path, there: bool) -> None:
    """The error says how to fold it into the file; also where the file itself is missing."""
    if there:
        path.write_text(FORMER)
    journal = path.with_name("store.json.journal")
    journal.write_text("")
    with pytest.raises(StoreUnavailableError, match=r"settlesim compact --store .*store\.json"):
        TinyStore(path)
    journal.unlink()
    store = TinyStore(path, now=Time())
    journal.write_text("")
    with pytest.raises(StoreUnavailableError, match="then remove the journal"):
        save(store, "z", 1)


# --- instances and settlements ----------------------------------------------------------------


def test_instances_are_found_by_chart_state_and_version(path: Path) -> None:
    """A state is also found by a state inside it, never by the beginning of its name."""
    store = TinyStore(path)
    for key, snapshot in {
        "a": state("open"),
        "b": state("open.paid", "x"),
        "c": state("opened"),
        "d": state("open", version=2),
        "e": state("open", chart="other"),
    }.items():
        store.commit(Transaction(key, snapshot, 0))

    def found(*given: Any, **more: Any) -> str:
        return "".join(each.key for each in store.find(*given, **more))

    assert found() == "abcde"
    assert found("count") == "abcd"
    assert found(state="open") == "abde"
    assert found(state="open.paid") == found(state="x") == "b"
    assert found("count", "open", 1) == "ab"
    assert found(version=3) == found(state="paid") == ""
    assert store.find(state="x")[0].snapshot == state("open.paid", "x")


def test_instances_are_found_a_page_at_a_time(path: Path) -> None:
    """Each page begins after the last key of the one before."""
    store = TinyStore(path)
    for key in "dbace":
        store.commit(Transaction(key, state("odd"), 0))
    pages, after = [], None
    while page := store.find(after=after, limit=2):
        pages.append([each.key for each in page])
        after = page[-1].key
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    with pytest.raises(InvalidValueError, match="limit"):
        store.find(limit=0)


def test_settlements_are_followed_by_their_number(store: TinyStore) -> None:
    """In the order of their saves, over all instances."""
    first = store.settlements_since(limit=2)
    assert [(each.number, each.key, each.revision) for each in first] == [(1, "a", 1), (2, "a", 2)]
    (last,) = store.settlements_since(first[-1].number)
    assert (last.number, last.key, last.event, last.outcome) == (3, "b", {"name": "COUNT"}, None)
    assert store.settlements_since(3) == ()
    save(store, "a", 3, 3)
    assert [each.number for each in store.settlements_since(3)] == [4]
    for cursor in (-1, 1.0, None):
        with pytest.raises(InvalidValueError, match="cursor"):
            store.settlements_since(cursor)  # type: ignore[arg-type]


def test_the_newest_settlements_are_remembered(path: Path) -> None:
    """As many as asked for, oldest first, of each instance by itself."""
    store = TinyStore(path, history=2)
    for revision in range(1, 5):
        save(store, "a", revision, revision)
    save(store, "b", 1)
    assert [each.revision for each in store.settlements("a")] == [3, 4]
    assert [each.number for each in store.settlements_since()] == [3, 4, 5]
    assert store.settlements("c") == ()


def test_a_record_without_a_state_is_kept(store: TinyStore) -> None:
    """As of an event that was ignored; without a record nothing is written."""
    store.commit(Transaction("a", None, 2, record=record(outcome="ignored")))
    last = store.settlements("a")[-1]
    assert (last.revision, last.snapshot, last.outcome) == (2, None, "ignored")
    before = Path(store.path).stat()
    store.commit(Transaction("a", None, 2))
    assert Path(store.path).stat() == before
    with pytest.raises(VersionConflictError):
        store.commit(Transaction("a", None, 1, record=record(outcome="ignored")))


def test_a_store_without_history_remembers_no_settlement(path: Path) -> None:
    """Zero is none."""
    store = TinyStore(path, history=0)
    save(store, "a", 1)
    assert store.settlements("a") == ()


def test_a_deleted_instance_takes_its_settlements_with_it(store: TinyStore) -> None:
    """Their numbers are not used again, also by a store that is opened later."""
    store.delete("b", 1)
    assert store.settlements("b") == ()
    save(TinyStore(store.path), "b", 1)
    assert [each.number for each in store.settlements("b")] == [4]


def test_finished_instances_are_pruned(path: Path) -> None:
    """With their settlements; the numbers of those are never used again."""
    now = Time()
    store = TinyStore(path, now=now)
    save(store, "old", 1, final=True)
    save(store, "underway", 1)
    now.seconds += 100
    save(store, "new", 1, final=True)
    assert store.prune(older_than=101) == ()
    assert store.prune(older_than=100) == ("old",)
    assert store.keys() == ["new", "underway"]
    assert store.settlements("old") == ()
    assert store.prune(older_than=0) == ("new",)
    assert store.prune(final=False, older_than=0) == ("underway",)
    assert store.keys() == []
    assert store.settlements_since() == ()
    again = TinyStore(path)
    save(again, "old", 1)
    assert [each.number for each in again.settlements_since()] == [4]
    with pytest.raises(InvalidValueError, match="older_than"):
        store.prune(older_than=-1)


# --- what a TinyStore is not ------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        {"consumed": "count:1:1"},
        {"mark": "e1"},
        {"sends": (Send("q", 1, "a"),)},
        {"timers": Timers()},
    ],
)
def test_parts_that_need_a_queue_are_refused(store: TinyStore, parts: dict[str, Any]) -> None:
    """By name, and nothing is written."""
    before = Path(store.path).read_bytes()
    (name,) = parts
    with pytest.raises(InvalidValueError, match=rf"{name}, which a TinyStore cannot keep"):
        store.commit(Transaction("z", state("odd"), 0, **parts))
    assert Path(store.path).read_bytes() == before


def test_the_queries_of_tinydb_see_what_was_saved_last(store: TinyStore, path: Path) -> None:
    """Also a table that was asked before, and what another one saved."""
    table = store.db.table("instances", cache_size=10)
    query = where("revision") == 3
    assert table.search(query) == []
    save(TinyStore(path), "a", 3, 3)
    assert [each["key"] for each in table.search(query)] == ["a"]
    assert store.db.tables() == {"meta", "instances", "settlements"}
    found = table.all()
    found[0]["context"]["count"] = 99
    assert count(store, "a") == 3
    assert table.all()[0]["context"] == {"count": 3}


@pytest.mark.parametrize(
    "write",
    [
        lambda db: db.insert({"a": 1}),
        lambda db: db.table("instances").truncate(),
        lambda db: db.table("instances").update({"revision": 1}),
        lambda db: db.table("instances").remove(where("key") == "a"),
        lambda db: db.table("instances").upsert({"key": "a"}, where("key") == "a"),
        lambda db: db.drop_table("instances"),
        lambda db: db.drop_tables(),
    ],
)
def test_tinydb_cannot_write_through_the_store(
    store: TinyStore, path: Path, write: Callable[[TinyDB], object]
) -> None:
    """It would pass by the lock and the revisions; the error says what to do."""
    before = path.read_bytes()
    with pytest.raises(InvalidValueError, match=r"db is for queries only: save with commit\(\)"):
        write(store.db)
    assert path.read_bytes() == before


def test_a_closed_store_says_so(store: TinyStore) -> None:
    """For good; its file is as it was."""
    db = store.db
    with store:
        pass
    assert repr(store).endswith(", closed)")
    calls: list[Callable[[], object]] = [
        lambda: store.load("a"),
        store.keys,
        store.find,
        lambda: store.settlements("a"),
        store.settlements_since,
        lambda: store.prune(older_than=0),
        lambda: store.delete("a", 2),
        lambda: save(store, "a", 3, 3),
        lambda: db.table("instances").all(),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="was closed") as caught:
            call()
        assert caught.value.final
    assert count(TinyStore(store.path), "a") == 2


def test_a_store_pickles_as_its_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from another folder."""
    monkeypatch.chdir(path.parent)
    store = TinyStore("store.json", history=3, lock_timeout=5)
    save(store, "a", 1)
    monkeypatch.chdir("/")
    copy: TinyStore = pickle.loads(pickle.dumps(store))
    assert (copy.path, copy.history, copy.lock_timeout) == ("store.json", 3, 5)
    save(copy, "a", 2, 2)
    assert count(store, "a") == 2


@pytest.mark.parametrize("options", [{"history": -1}, {"history": True}, {"lock_timeout": -1.0}])
def test_settings_are_checked(path: Path, options: dict[str, Any]) -> None:
    """With the setting's name in the error."""
    with pytest.raises(InvalidValueError, match=next(iter(options))):
        TinyStore(path, **options)


def test_a_store_that_leaves_out_the_syncs_asks_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content and lists are the same; only a power cut could tell the difference."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for sync, calls in (("none", 0), ("full", 2)):
        synced.clear()
        with TinyStore(tmp_path / f"{sync}.json", sync=sync) as store:  # type: ignore[arg-type]
            store.commit(
                Transaction(
                    "a", Snapshot("count", 1, ("odd",), freeze_object({}, where="context"), 1), 0
                )
            )
            assert store.keys() == ["a"]
        assert len(synced) == calls
    with pytest.raises(InvalidValueError, match="possible: 'full', 'none'"):
        TinyStore(tmp_path / "x.json", sync="half")  # type: ignore[arg-type]
