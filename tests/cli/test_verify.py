"""``settlesim verify`` and ``settlesim compact``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from settlesim.store import FifoQueue, TinyStore
from tests.cli.conftest import Run
from tests.store.faults import abandon, save, write_behind


@pytest.fixture
def store(here: Path) -> Path:
    """A store with two instances in its file and one in its journal, of a killed process."""
    store = TinyStore("s.json")
    save(store, "a", 1)
    save(store, "b", 1)
    store.compact()
    save(store, "c", 1)
    abandon(store)
    return here / "s.json"


def test_a_whole_store_is_said_to_be_whole(store: Path, run: Run) -> None:
    """With what it holds and what is in its journal."""
    result = run("verify", "--store", "s.json")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "s.json is whole: format 2, 3 transactions, 3 instances",
        "1 transaction is in its journal, not yet in the file",
    ]


def test_what_is_in_a_store_is_counted_in_words(here: Path, run: Run) -> None:
    """One of each in the singular, and tables of others by their names."""
    with TinyStore("s.json") as store:
        queue = FifoQueue(store, "count", max_failures=1, policy="halt")
        for key in ("a", "b"):
            queue.send({"event": "COUNT"}, key, f"id of {key}")
        (message,) = queue.receive(1)
        queue.fail(message.receipt, "ValueError", retry_in=0.0)
        save(store, "a", 1)
        store.db.table("notes").insert_multiple([{"n": 1}, {"n": 2}])
    assert run("verify", "--store", "s.json").stdout == (
        "s.json is whole: format 2, 6 transactions, 1 dead letter, 2 deduplication ids, "
        "1 instance, 1 message, 1 parked group, 2 documents of 'notes'\n"
    )
    with TinyStore("s.json") as store:
        save(store, "b", 1)
        store.db.table("notes").remove(doc_ids=[1])
    assert run("verify", "--store", "s.json").stdout == (
        "s.json is whole: format 2, 8 transactions, 1 dead letter, 2 deduplication ids, "
        "2 instances, 1 message, 1 parked group, 1 document of 'notes'\n"
    )


def test_damage_is_named_with_file_and_bytes(store: Path, run: Run) -> None:
    """Status 1, for scripts."""
    store.write_bytes(store.read_bytes().replace(b'"key":"b"', b'"kez":"b"'))
    result = run("verify", "--store", "s.json")
    assert result.exit_code == 1
    first, second, _ = result.stdout.splitlines()
    assert first.startswith(f"DAMAGED  {store}, bytes ")
    assert second.startswith("s.json is damaged: ")
    assert run("show", "--store", "s.json").exit_code == 1


def test_an_unfinished_end_is_no_damage_and_is_told(store: Path, run: Run) -> None:
    """Before and after it was set aside."""
    write_behind(store, b"0123456789")
    result = run("verify", "--store", "s.json")
    assert result.exit_code == 0
    assert "its journal ends in 10 bytes that are no record" in result.stdout
    with TinyStore(store) as opened:
        save(opened, "d", 1)
    result = run("verify", "--store", "s.json")
    assert "s.json.torn keeps what was set aside: 1 piece, 10 bytes" in result.stdout
    assert "ends in" not in result.stdout


def test_an_edit_is_refused_until_it_is_accepted(store: Path, run: Run) -> None:
    """And only then shown."""
    assert run("compact", "--store", "s.json").exit_code == 0
    text = json.loads(store.read_text())
    text["instances"] = {}
    store.write_text(json.dumps(text))
    assert "--accept" in run("show", "--store", "s.json").stderr
    result = run("verify", "--store", "s.json", "--accept")
    assert result.exit_code == 0
    assert result.stdout == "s.json was taken as it is, and has new checksums.\n"
    assert run("show", "--store", "s.json").stdout == "s.json holds no instances.\n"
    again = run("verify", "--store", "s.json", "--accept")
    assert again.stdout == "s.json was not edited: nothing to accept.\n"


def test_what_is_whole_is_salvaged_into_a_new_store(store: Path, run: Run) -> None:
    """Status 1 where something is missing, 0 where nothing is."""
    assert run("verify", "--store", "s.json", "--salvage", "whole.json").exit_code == 0
    store.write_bytes(store.read_bytes().replace(b'"key":"b"', b'"kez":"b"'))
    result = run("verify", "--store", "s.json", "--salvage", "new.json")
    assert result.exit_code == 1
    assert "MISSING  document 2 of table 'instances'" in result.stdout
    assert result.stdout.endswith("new.json has what is whole in s.json: 1 instance\n")
    keys = [each["key"] for each in json.loads(run("show", "--store", "new.json", "--json").stdout)]
    assert keys == ["c"]
    assert "it exists" in run("verify", "--store", "s.json", "--salvage", "new.json").stderr


def test_options_that_do_not_go_together_and_missing_files_are_refused(
    here: Path, run: Run
) -> None:
    """Status 2, and nothing is made."""
    for words in (["--accept", "--salvage", "x"], [], ["--accept"], ["--salvage", "x"]):
        assert run("verify", "--store", "no.json", *words).exit_code == 2
    assert run("compact", "--store", "no.json").exit_code == 2
    assert list(here.iterdir()) == []


def test_a_compacted_store_is_all_in_its_file(store: Path, run: Run) -> None:
    """A copy of the file alone is the store."""
    result = run("compact", "--store", "s.json")
    assert result.exit_code == 0
    assert result.stdout.endswith("and is the whole store.\n")
    assert json.loads(store.read_text())["instances"].keys() == {"1", "2", "3"}
    (store.parent / "copy.json").write_bytes(store.read_bytes())
    shown = run("show", "--store", "copy.json", "--json").stdout
    assert [each["key"] for each in json.loads(shown)] == ["a", "b", "c"]


def test_show_has_what_is_only_in_the_journal(store: Path, run: Run) -> None:
    """The file and the journal together are the store."""
    shown = json.loads(run("show", "--store", "s.json", "--json").stdout)
    assert [each["key"] for each in shown] == ["a", "b", "c"]
