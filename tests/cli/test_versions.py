"""``freeze``, ``check`` and ``migrate``: versions of a chart from a shell."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

from settlesim import FifoQueue, Interpreter, MemoryStore, SqliteStore, TinyStore
from settlesim.store import verify_store
from tests.cli.conftest import Run

MODULE = """
from settlesim import Chart, migration

def settled(name):
    return {"name": name, "tags": ["settled"]}

old = Chart([settled("open"), settled("paid")], [["PAY", "open", "paid"]], "open", name="shop")
naive = Chart([settled("open"), settled("charged")], [["CHARGE", "open", "charged"]], "open",
              name="shop", version=2)
edited = Chart([settled("open"), settled("charged")], [["PAY", "open", "charged"]], "open",
               name="shop")
new = naive.with_migrations(
    migration(old, states={"paid": "charged"}, events={"PAY": "CHARGE"}))
silent = naive.with_migrations(migration(old))
"""


@pytest.fixture
def module(here: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module with versions of a chart, of a name that no other test has."""
    name = re.sub(r"\W", "_", request.node.name)
    (here / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))
    return name


def fill(path: Path, module: str, count: int = 5) -> None:
    """Let the old version save instances, of which all but one are paid; one event waits."""
    old = import_module(module).old
    store = SqliteStore(path) if path.suffix == ".db" else TinyStore(path)
    with store:
        interpreter = Interpreter(old, store)
        interpreter.start_sync("k0")
        for number in range(1, count):
            interpreter.settle_sync(f"k{number}", "PAY")
        if isinstance(store, SqliteStore):
            FifoQueue(store, "shop").send({"event": "PAY"}, "k0")


# --- freezing and checking ------------------------------------------------------------------------


def test_a_version_is_frozen_once_and_an_edit_is_refused(run: Run, here: Path, module: str) -> None:
    """The file is readable, and a check wants a step from it."""
    path = here / "charts" / "shop.v1.json"
    result = run("freeze", f"{module}:old")
    assert (result.exit_code, result.stdout) == (0, f"{Path('charts/shop.v1.json')} was written\n")
    text = path.read_text()
    assert json.loads(text)["states"][1]["name"] == "paid"
    assert run("freeze", f"{module}:old").stdout.endswith("is there already\n")
    result = run("freeze", f"{module}:edited")
    assert result.exit_code == 1
    assert "has another definition of version 1: state paid is gone" in result.stderr
    assert path.read_text() == text
    result = run("check", f"{module}:edited")
    assert (result.exit_code, "SET405 error: version 1: it was frozen" in result.stdout) == (
        1,
        True,
    )
    result = run("check", f"{module}:naive")
    assert result.exit_code == 1
    assert "SET404 error: version 1: no migration step leads from it to version 2" in result.stdout
    assert run("check", f"{module}:naive", "--frozen", "nowhere").exit_code == 0
    assert run("check", f"{module}:new").exit_code == 0
    assert run("freeze", f"{module}:edited", "--replace").exit_code == 0
    assert "charged" in path.read_text()


def test_a_step_that_strands_instances_fails_the_check(run: Run, here: Path, module: str) -> None:
    """With the shortest example, before anything is deployed."""
    result = run("check", f"{module}:silent", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert [each["code"] for each in findings] == ["SET401", "SET402"]
    assert findings[0]["path"][-1] == "the step from version 1 to 2 -> paid"


# --- migrating ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.db", "s.json"])
def test_a_store_is_tried_migrated_and_retired(
    run: Run, here: Path, module: str, name: str
) -> None:
    """Each step tells what comes next; a status of 1 says that something is in the way."""
    path = here / name
    fill(path, module)
    chart = f"{module}:new"
    before = path.read_bytes() if name == "s.json" else b""
    result = run("migrate", f"{module}:silent", "--store", name, "--dry-run")
    assert result.exit_code == 1
    assert "FAILS  4 instances would be stranded: state 'paid' is not in version 2" in result.stdout
    assert "'k1', 'k2', 'k3' and 1 more" in result.stdout
    result = run("migrate", f"{module}:naive", "--store", name, "--json")
    assert (result.exit_code, json.loads(result.stdout)["stranded"]) == (1, 4)
    result = run("migrate", chart, "--store", name)
    assert result.exit_code == 0
    assert "5 instances, 0 of this version, 5 to migrate" in result.stdout
    assert ("event PAY goes on as CHARGE: 1" in result.stdout) == (name == "s.db")
    assert name != "s.json" or path.read_bytes() == before
    assert run("migrate", chart, "--store", name, "--retire", "1").exit_code == 1
    result = run("migrate", chart, "--store", name, "--apply")
    assert (result.exit_code, result.stdout) == (0, "shop version 2: 5 instances migrated\n")
    if name == "s.db":
        result = run("migrate", chart, "--store", name, "--retire", "1")
        assert (result.exit_code, "LEFT  1 message: 'k0'" in result.stdout) == (1, True)
        assert run("work", chart, "--store", name, "--until-empty").exit_code == 0
    result = run("migrate", chart, "--store", name, "--retire", "1")
    assert result.exit_code == 0
    assert "nothing below version 2 is left" in result.stdout
    command = ("settle", f"{module}:old", "k0", "PAY", "--store", name)
    result = run(*command)
    assert result.exit_code == 1
    assert "needs version 2 or a later one" in result.stderr
    assert f"{name} --chart shop` shows them" in result.stderr
    assert run("verify", "--store", name).exit_code == 0


def test_options_that_exclude_each_other_are_refused(run: Run, here: Path, module: str) -> None:
    """And a version that is not below the chart's."""
    fill(here / "s.db", module, 1)
    chart = f"{module}:new"
    result = run("migrate", chart, "--store", "s.db", "--apply", "--dry-run")
    assert (result.exit_code, "only one of" in result.stderr) == (2, True)
    result = run("migrate", chart, "--store", "s.db", "--retire", "2")
    assert (result.exit_code, "2 is not below 2" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", ["s.db", "s.json"])
@pytest.mark.parametrize(
    "command", [["migrate"], ["migrate", "--apply"], ["migrate", "--retire", "1"], ["rehearse"]]
)
def test_a_chart_that_the_store_has_never_seen_is_refused(
    run: Run, here: Path, module: str, name: str, command: list[str]
) -> None:
    """Nothing would be done to it, and that must not look like success."""
    fill(here / name, module)
    (here / "other.json").write_text(json.dumps(OTHER))
    verb, *options = command
    result = run(verb, "other.json", *options, "--store", name)
    assert result.exit_code == 2
    assert "the store has no instance of chart 'ship'" in result.stderr
    assert "did you mean 'shop'?" in result.stderr
    with (SqliteStore if name == "s.db" else TinyStore)(here / f"empty-{name}") as store:
        assert store.keys() == []
        store.require_version("ship", 0)
    result = run(verb, "other.json", *options, "--store", f"empty-{name}")
    assert (result.exit_code, "it has no charts." in result.stderr) == (2, True)


def test_messages_alone_make_a_chart_known(run: Run, here: Path) -> None:
    """They may be lost, too."""
    (here / "other.json").write_text(json.dumps(OTHER))
    with SqliteStore(here / "s.db") as store:
        FifoQueue(store, "ship").send({"event": "GONE"}, "k")
    result = run("migrate", "other.json", "--store", "s.db")
    assert (result.exit_code, "LOST   1 message of GONE" in result.stdout) == (1, True)


OTHER = {
    "name": "ship",
    "version": 2,
    "states": [{"name": "open", "tags": ["settled"]}],
    "transitions": [["SAIL", "open", "open"]],
    "initial": "open",
}
MACHINE = """
from transitions import Machine
from transitions.extensions.states import Tags, add_state_features
from settlesim import migration, read_chart

@add_state_features(Tags)
class Tagged(Machine):
    pass

def machine(states, transitions):
    return Tagged(model=None, states=[{"name": each, "tags": ["settled"]} for each in states],
                  transitions=transitions, initial=states[0], auto_transitions=False, name="lamp")

old = read_chart(machine(["off", "on"], [["PUSH", "off", "on"], ["PUSH", "on", "off"]]))
ways = [["PUSH", "off", "bright"], ["PUSH", "bright", "off"]]
record = read_chart(machine(["off", "bright"], ways))
new = type(record).from_dict({**record.to_dict(), "version": 2}).with_migrations(
    migration(old, states={"on": "bright"}))
"""


def test_charts_of_machines_of_transitions_are_migrated(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read from a machine is a chart like all others."""
    (here / "lamps.py").write_text(MACHINE)
    monkeypatch.syspath_prepend(str(here))
    assert run("settle", "lamps:old", "l", "PUSH", "--store", "s.db").exit_code == 0
    assert run("check", "lamps:new").exit_code == 0
    assert run("migrate", "lamps:new", "--store", "s.db").exit_code == 0
    assert run("settle", "lamps:new", "l", "PUSH", "--store", "s.db").exit_code == 0
    with SqliteStore(here / "s.db") as store:
        found = store.load("l")
    assert found is not None
    assert (found.version, found.configuration) == (2, ("off",))


def test_an_old_store_gets_what_versions_need_when_it_is_opened(here: Path) -> None:
    """It has the tables of a store in memory, and its messages no version."""
    with SqliteStore(here / "s.db") as store:
        FifoQueue(store, "shop").send({"event": "PAY"}, "k0")
    with closing(sqlite3.connect(here / "s.db")) as connection:
        for statement in (
            "DROP TABLE charts",
            "DROP TABLE least_versions",
            *(
                f"ALTER TABLE {table} DROP COLUMN {column}"
                for table in ("messages", "dead_letters")
                for column in ("version", "fingerprint")
            ),
            "DROP INDEX instances_by_key",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)
        connection.commit()
    assert verify_store(here / "s.db").is_whole
    with SqliteStore(here / "s.db") as store:
        (message,) = FifoQueue(store, "shop").waiting_messages()
        assert (message.version, store.charts(), store.least_version("shop")) == (None, (), 0)
        with MemoryStore() as fresh:
            names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            assert store.database.rows(names) == fresh.database.rows(names)
    assert verify_store(here / "s.db").is_whole
