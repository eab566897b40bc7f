"""``settlesim show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture(params=["s.json", "s.db"])
def name(request: pytest.FixtureRequest) -> str:
    """The file of a TinyDB store, and of a SQLite store."""
    return str(request.param)


@pytest.fixture
def store(here: Path, run: Run, name: str) -> str:
    """A store with an order and a count."""
    for words in (("order", "o1", "PAY"), ("count", "c1", "COUNT"), ("count", "c1", "COUNT")):
        assert run("settle", *words, "--store", name).exit_code == 0
    return name


def test_all_instances_are_shown_in_a_table(store: str, run: Run) -> None:
    """Sorted by key."""
    result = run("show", "--store", store)
    assert result.exit_code == 0
    context = '{"amount": 20, "charge": "charge of 20", "label": null}'
    assert result.stdout.splitlines() == [
        "KEY  CHART     REVISION  STATE  CONTEXT",
        'c1   count v1         2  even   {"count": 2}',
        f"o1   order v1         1  paid   {context}",
    ]


def test_one_instance_is_shown_with_its_context(store: str, run: Run) -> None:
    """One fact a line."""
    assert run("show", "o1", "--store", store).stdout == (
        "key       o1\n"
        "chart     order version 1\n"
        "state     paid\n"
        "revision  1\n"
        "context\n"
        "  amount  20\n"
        '  charge  "charge of 20"\n'
        "  label   null\n"
    )


def test_instances_are_printed_as_json(store: str, run: Run) -> None:
    """All are a list, one is an object."""
    everything = json.loads(run("show", "--store", store, "--json").stdout)
    assert [each["key"] for each in everything] == ["c1", "o1"]
    one = json.loads(run("show", "c1", "--store", store, "--json").stdout)
    assert one == everything[0]
    assert one["configuration"] == ["even"]


def test_an_unknown_key_is_an_error_with_the_nearest_one(store: str, run: Run) -> None:
    """Status 1: the question was right, the answer is no."""
    result = run("show", "O1", "--store", store)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {store} holds no instance 'O1'; did you mean 'o1'?\n"
    assert "it holds 'c1', 'o1'." in run("show", "zzzz", "--store", store).stderr


def test_a_large_store_does_not_list_its_keys(here: Path, run: Run, name: str) -> None:
    """Beyond eight only their number is said."""
    for number in range(9):
        run("settle", "count", f"count-{number}", "COUNT", "--store", name)
    assert "it holds 9 others." in run("show", "zzzz", "--store", name).stderr


def test_a_missing_store_is_an_error_and_is_not_made(here: Path, run: Run, name: str) -> None:
    """Looking at a store does not create one."""
    result = run("show", "--store", f"no-{name}")
    assert result.exit_code == 2
    assert f"'no-{name}' does not exist" in result.stderr
    assert not (here / f"no-{name}").exists()


def test_the_store_has_to_be_named(run: Run) -> None:
    """There is no default store."""
    result = run("show")
    assert result.exit_code == 2
    assert "Missing option '--store'" in result.stderr


def test_a_damaged_store_is_an_error(here: Path, run: Run, name: str) -> None:
    """Damage is not read as empty."""
    (here / name).write_text("{")
    result = run("show", "--store", name)
    assert result.exit_code == 1
    assert "Error: store" in result.stderr
    assert "is damaged" in result.stderr


def test_a_store_without_instances_says_so(here: Path, run: Run, name: str) -> None:
    """No table with a head alone."""
    run("settle", "order", "o", "CANCEL", "--store", name)
    assert run("prune", "--older-than", "0s", "--store", name).stdout == "o\nRemoved 1 instance.\n"
    assert run("show", "--store", name).stdout == f"{name} holds no instances.\n"
    assert json.loads(run("show", "--store", name, "--json").stdout) == []


def test_the_last_settlements_are_shown_where_they_are_asked_for(store: str, run: Run) -> None:
    """With the revision, the event, how it ended and where."""
    text = run("show", "c1", "--store", store, "--history").stdout
    assert "settlements\n     1  COUNT  resolved  even  " in text
    assert "\n     2  COUNT  resolved  even  " in text
    record = json.loads(run("show", "c1", "--store", store, "--history", "--json").stdout)
    assert [each["revision"] for each in record["settlements"]] == [1, 2]
    assert record["settlements"][1]["snapshot"]["context"] == {"count": 2}
    refused = run("show", "--store", store, "--history")
    assert (refused.exit_code, "name its KEY" in refused.stderr) == (2, True)


def test_the_delays_that_run_are_shown(here: Path, run: Run) -> None:
    """With when they are due."""
    chart = {
        "name": "held",
        "states": [{"name": "a", "tags": ["settled"], "after": {"86400": "a"}}],
        "transitions": [["HOLD", "a", "="]],
        "initial": "a",
    }
    (here / "held.json").write_text(json.dumps(chart))
    assert run("settle", "held.json", "k", "HOLD", "--store", "s.db").exit_code == 0
    assert "\ndelays\n  a.0  due in 24 h\n" in run("show", "k", "--store", "s.db").stdout
    (timer,) = json.loads(run("show", "k", "--store", "s.db", "--json").stdout)["timers"]
    assert (timer["delay"], timer["sent"]) == ("a.0", False)


def test_an_instance_without_context_is_shown(here: Path, run: Run, name: str) -> None:
    """An empty context is an empty object."""
    chart = {
        "name": "bare",
        "states": [{"name": "a", "tags": ["settled"]}],
        "transitions": [["GO", "a", "a"]],
        "initial": "a",
    }
    (here / "bare.json").write_text(json.dumps(chart))
    assert run("settle", "bare.json", "k", "GO", "--store", name).exit_code == 0
    assert run("show", "k", "--store", name).stdout.endswith("\ncontext   {}\n")
