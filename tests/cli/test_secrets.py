"""No command shows the value of a field that a chart names as secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from settlesim.cli import program
from tests.cli.conftest import Run

SECRET = "sk-4711-leaked"

MODULE = """
import re
from settlesim import Chart, migration

async def charge(call):
    if call.event.data.get("fail"):
        raise RuntimeError(f"no money on {call.event.data['card']}")
    return {"card": call.event.data["card"], "receipt": 1}

def keep(context, event):
    return {"card": event.data["card"], "receipt": event.data["receipt"]}

def broken(context, event):
    raise ValueError(f"what is {event.data['card']}")

def chart(version=1):
    return Chart(
        name="till", version=version, secret=["card"],
        context={"card": None, "receipt": 0}, initial="open",
        states=[
            {"name": "open", "tags": ["settled"]},
            {"name": "paying", "invoke": {"src": "charge", "input": ["card"],
                "on_done": {"dest": "open", "assign": "keep"}}},
            {"name": "refused", "tags": ["reject"]},
        ],
        transitions=[["PAY", "open", "paying"], ["NO", "open", "refused"],
            {"trigger": "BAD", "source": "open", "dest": "open", "conditions": "broken"}],
    ).bind({"charge": charge, "keep": keep, "broken": broken})

till = chart()

def leak(context):
    raise ValueError(f"what to do with {context['card']}")

def stay(context):
    return context["card"] or "open"

failing = chart(2).with_migrations(migration(till, chart(2), context=leak))
nowhere = chart(2).with_migrations(migration(till, chart(2), states={"open": stay}))
"""

DATA = json.dumps({"card": SECRET})
FAILING = json.dumps({"card": SECRET, "fail": True})

COMMANDS = [
    ["settle", "till:till", "new", "PAY", "--data", DATA],
    ["settle", "till:till", "new", "PAY", "--data", FAILING],
    ["settle", "till:till", "new", "BAD", "--data", DATA],
    ["settle", "till:till", "a", "NO", "--data", DATA, "--store", "s.db"],
    ["settle", "till:till", "a", "PAY", "--data", DATA, "--store", "s.db"],
    ["settle", "till:till", "a", "NOPE", "--data", DATA, "--store", "s.db"],
    ["start", "till:till", "a", "--store", "s.db"],
    ["find", "--store", "s.db"],
    ["show", "--store", "s.db"],
    ["show", "a", "--store", "s.db"],
    ["show", "a", "--history", "--store", "s.db"],
    ["log", "--store", "s.db"],
    ["status", "--store", "s.db"],
    ["dead-letters", "--store", "s.db"],
    ["dead-letters", "--store", "s.db", "--chart", "till:till"],
    ["verify", "--store", "s.db"],
    ["rehearse", "till:till", "--store", "s.db"],
    ["migrate", "till:till", "--store", "s.db"],
    ["check", "till:till"],
    ["migrate", "till:failing", "--store", "s.db"],
    ["migrate", "till:failing", "--store", "s.db", "--apply"],
    ["migrate", "till:nowhere", "--store", "s.db"],
    ["settle", "till:failing", "a", "PAY", "--data", DATA, "--store", "s.db"],
    ["rehearse", "till:failing", "--store", "s.db"],
    ["simulate", "till:till", "PAY", "NO", "--data", f"PAY={DATA}"],
    ["simulate", "till:till", "PAY", "--data", f"PAY={DATA}", "--replay", "r1 l1 c1 s1 d1"],
    ["simulate", "till:till", "PAY", "NO", "--data", f"PAY={DATA}", "--sample", "9"],
    ["simulate", "till:till", "PAY", "NO", "--data", f"PAY={DATA}", "--find", "dead"],
]


@pytest.fixture
def module(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the chart into the current folder."""
    (here / "till.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """Keep an instance with a secret, and dead letters; return the store and what a worker printed.

    Once for all tests, each of which has a copy.
    """
    folder = tmp_path_factory.mktemp("sold")
    (folder / "till.py").write_text(MODULE)

    def run(*words: str) -> Result:
        return CliRunner().invoke(program, [*words, "--store", "s.db"])

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        run("send", "till:till", "a", "PAY", "--data", DATA)
        for key in ("a", "never-saved"):
            for event, data in (("PAY", FAILING), ("BAD", DATA)):
                run("send", "till:till", key, event, "--data", data)
        done = run("work", "till:till", "--until-empty", "--max-failures", "1", "--log", "json")
    return (folder / "s.db").read_bytes(), done.output + done.stderr


@pytest.fixture
def shop(sold: tuple[bytes, str], module: None, here: Path) -> str:
    """Have the store in the current folder; return what the worker printed."""
    (here / "s.db").write_bytes(sold[0])
    return sold[1]


def test_no_log_line_shows_it(shop: str) -> None:
    """Nor the messages of errors, which may hold it; what failed, and how, is told."""
    assert '"outcome": "dead"' in shop
    assert "ServiceFailedError" in shop
    assert SECRET not in shop


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_shows_it(run: Run, words: list[str], form: str) -> None:
    """As text and as JSON."""
    known = run(words[0], "--help").output
    if form == "json" and not re.search(r"--json\b", known):
        return
    done = run(*words, *(["--json"] if form == "json" else []))
    assert done.exit_code in (0, 1, 3), done.output
    assert done.output.strip() or done.stderr.strip()
    assert SECRET not in done.output + done.stderr
    if form == "json" and "card" in done.output:
        assert '"***"' in done.output or '"card": null' in done.output


@pytest.mark.usefixtures("module")
def test_no_picture_of_a_schedule_shows_it(run: Run, here: Path) -> None:
    """Nor its text alternative; the events differ in nothing but what is secret."""
    words = ["simulate", "till:till", "k:PAY", "k:PAY", "--data", f"PAY={DATA}", "--picture"]
    for kind in ("bars", "lanes", "states"):
        done = run(*words, kind, "-o", f"{kind}.svg")
        assert SECRET not in done.output + done.stderr
        assert SECRET not in (here / f"{kind}.svg").read_text()
    assert "card=***" in (here / "lanes.svg").read_text()


@pytest.mark.usefixtures("shop")
def test_a_failing_step_of_a_migration_does_not_tell_it(run: Run) -> None:
    """In the log of a worker: the kind of the error is told, and where it was."""
    run("send", "till:failing", "a", "PAY", "--data", DATA, "--store", "s.db")
    words = ("--store", "s.db", "--until-empty", "--log", "json")
    done = run("work", "till:failing", *words)
    assert '"outcome": "released"' in done.output + done.stderr
    assert "ValueError" in done.output + done.stderr
    assert SECRET not in done.output + done.stderr


@pytest.mark.usefixtures("shop")
def test_it_is_in_the_store_all_the_same(here: Path) -> None:
    """So the test above can fail: the chart goes on with the value."""
    assert SECRET.encode() in b"".join(each.read_bytes() for each in here.glob("s.db*"))


@pytest.mark.usefixtures("module")
def test_the_data_of_a_chart_that_is_not_known_yet_is_hidden(run: Run) -> None:
    """Only a chart says what is secret; --chart names it."""
    data = json.dumps({"card": SECRET, "amount": 17})
    run("send", "till:till", "k", "BAD", "--data", data, "--store", "s.db")
    run("work", "till:till", "--store", "s.db", "--until-empty", "--max-failures", "1")
    hidden = run("dead-letters", "--store", "s.db", "--json")
    assert '"data": "***"' in hidden.stdout
    assert "--chart" in hidden.stderr
    shown = run("dead-letters", "--store", "s.db", "--json", "--chart", "till:till")
    assert json.loads(shown.stdout)[0]["body"]["data"] == {"card": "***", "amount": 17}
    assert shown.stderr == ""


@pytest.mark.parametrize("store", ["s.db", "s.json"])
def test_a_field_that_becomes_secret_is_hidden_from_its_next_event_on(
    here: Path, run: Run, store: str
) -> None:
    """The store keeps what the chart said last, though its fingerprint is the same."""
    chart = {
        "name": "plain",
        "context": {"card": SECRET},
        "initial": "a",
        "states": [{"name": "a", "tags": ["settled"]}],
        "transitions": [["GO", "a", "a"]],
    }
    for secret, hidden in (([], False), (["card"], True)):
        (here / "plain.json").write_text(json.dumps(chart | {"secret": secret}))
        assert run("settle", "plain.json", "k", "GO", "--store", store).exit_code == 0
        assert (SECRET not in run("show", "k", "--store", store).output) == hidden
