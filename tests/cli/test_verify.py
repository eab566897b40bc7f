"""``settlesim verify`` and ``settlesim backup``."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from settlesim.store import FifoQueue, SqliteStore
from tests.cli.conftest import Run

STORES = ["s.json", "s.db"]


@pytest.mark.parametrize("name", STORES)
def test_a_whole_store_is_said_to_be_whole(here: Path, run: Run, name: str) -> None:
    """With what it holds; status 0."""
    for key in ("a", "b", "b"):
        run("settle", "count", key, "COUNT", "--store", name)
    result = run("verify", "--store", name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{name} is whole: 1 chart, 2 instances, 3 settlements\n"


def test_what_is_in_a_store_is_counted_in_words(here: Path, run: Run) -> None:
    """One of each in the singular."""
    with SqliteStore("s.db") as store:
        queue = FifoQueue(store, "count", max_failures=1, policy="halt")
        for key in ("a", "b"):
            queue.send({"event": "COUNT"}, key, f"id of {key}")
        (message,) = queue.receive(1)
        queue.fail(message.receipt, "ValueError", retry_in=0.0)
    assert run("verify", "--store", "s.db").stdout == (
        "s.db is whole: 1 dead letter, 2 deduplication ids, 1 message, 1 parked group\n"
    )


def test_tables_of_others_are_counted_by_their_names(here: Path, run: Run) -> None:
    """A TinyDB file may have some."""
    run("settle", "count", "a", "COUNT", "--store", "s.json")
    content = json.loads((here / "s.json").read_text())
    content["notes"] = {"1": {"n": 1}, "2": {"n": 2}}
    (here / "s.json").write_text(json.dumps(content))
    assert run("verify", "--store", "s.json").stdout == (
        "s.json is whole: 1 chart, 1 instance, 1 settlement, 2 documents of 'notes'\n"
    )


def test_an_empty_store_is_whole(here: Path, run: Run) -> None:
    """Nothing is nothing."""
    SqliteStore("s.db").close()
    assert run("verify", "--store", "s.db").stdout == "s.db is whole: nothing is in it\n"


def damage(name: str) -> None:
    """Change a store behind its back."""
    if name.endswith(".json"):
        path = Path(name)
        path.write_text(path.read_text().replace('"key":"a"', '"kez":"a"'))
        return
    with closing(sqlite3.connect(name)) as connection:
        connection.execute("UPDATE instances SET context = '{' WHERE key = 'a'")
        connection.execute("UPDATE settlements SET record = '[]' WHERE number = 1")
        connection.commit()


@pytest.mark.parametrize("name", STORES)
def test_each_damage_is_named(here: Path, run: Run, name: str) -> None:
    """Status 1, for scripts, and JSON for them, too."""
    for key in ("a", "b"):
        run("settle", "count", key, "COUNT", "--store", name)
    damage(name)
    result = run("verify", "--store", name)
    assert result.exit_code == 1
    first, second, last = result.stdout.splitlines()
    assert last.startswith(f"{name} is damaged: ")
    if name == "s.db":
        assert first.startswith("DAMAGED  table instances, row 'a': its context: not strict JSON")
        assert second.startswith("DAMAGED  table settlements, row 1: its record")
    else:
        assert first.startswith("DAMAGED  document 1 of table 'instances': its key")
        assert second.startswith("DAMAGED  document 1 of table 'settlements': its key")
    result = run("verify", "--store", name, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["whole"], len(report["damages"])) == (False, 2)
    assert report["damages"][0]["table"] == ("instances" if name == "s.db" else None)
    assert report["store"].endswith(name)


def test_a_journal_of_a_former_version_is_refused_with_what_to_do(here: Path, run: Run) -> None:
    """The file alone is not the store."""
    run("settle", "count", "a", "COUNT", "--store", "s.json")
    (here / "s.json.journal").touch()
    for words in (("verify",), ("show",), ("backup", "b.json")):
        result = run(*words, "--store", "s.json")
        assert result.exit_code == 1
        assert "With that version run `settlesim compact --store" in result.stderr


@pytest.mark.parametrize("name", STORES)
def test_a_missing_store_is_not_made(here: Path, run: Run, name: str) -> None:
    """Status 2."""
    for words in (("verify",), ("backup", f"b-{name}")):
        result = run(*words, "--store", name)
        assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
    assert list(here.iterdir()) == []


def test_what_is_gone_is_gone(run: Run) -> None:
    """There is no journal to fold, and no edit to accept."""
    assert "No such command 'compact'" in run("compact").stderr
    for option in ("--accept", "--salvage"):
        assert "No such option" in run("verify", option).stderr


# --- backup -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORES)
def test_a_backup_is_a_store_of_its_own(here: Path, run: Run, name: str) -> None:
    """As it was at that moment."""
    run("settle", "count", "a", "COUNT", "--store", name)
    result = run("backup", f"b-{name}", "--store", name)
    assert (result.exit_code, result.stdout) == (0, f"b-{name} has a copy of {name}.\n")
    run("settle", "count", "a", "COUNT", "--store", name)
    assert json.loads(run("show", "a", "--store", f"b-{name}", "--json").stdout)["revision"] == 1


@pytest.mark.parametrize("name", STORES)
def test_a_backup_overwrites_nothing(here: Path, run: Run, name: str) -> None:
    """Status 1, and the file is what it was."""
    run("settle", "count", "a", "COUNT", "--store", name)
    (here / f"b-{name}").write_text("mine")
    result = run("backup", f"b-{name}", "--store", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it exists; a backup makes a new file" in result.stderr
    assert (here / f"b-{name}").read_text() == "mine"


@pytest.mark.parametrize(("name", "other"), [("s.json", "b.db"), ("s.db", "b.json")])
def test_a_backup_is_of_the_same_kind(here: Path, run: Run, name: str, other: str) -> None:
    """Its suffix has to say what it is."""
    run("settle", "count", "a", "COUNT", "--store", name)
    result = run("backup", other, "--store", name)
    assert result.exit_code == 2
    assert f"'{other}' would be another kind of store than '{name}'" in result.stderr
    assert "names no kind of store" in run("backup", "b.bak", "--store", name).stderr
    assert not (here / other).exists()
