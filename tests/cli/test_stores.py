"""Which store a command takes, and the commands that look over all of a store's instances."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settlesim import Interpreter, read_chart
from settlesim.store import FifoQueue, SqliteStore
from tests.cli.conftest import Run

STORES = ["s.json", "s.db"]
HELD = {
    "name": "held",
    "states": [{"name": "a", "tags": ["settled"], "after": {"1": "a"}}],
    "transitions": [["HOLD", "a", "="]],
    "initial": "a",
}


# --- suffixes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s", "s.txt", "s.json.bak"])
@pytest.mark.parametrize(
    "words",
    [
        ("settle", "count", "k", "COUNT"),
        ("send", "count", "k", "COUNT"),
        ("work", "count"),
        ("show",),
        ("status",),
        ("verify",),
    ],
    ids=lambda words: words[0],
)
def test_another_suffix_is_a_usage_error_that_says_what_is_possible(
    here: Path, run: Run, words: tuple[str, ...], name: str
) -> None:
    """Nothing is made, and nothing of a file that is there is read."""
    result = run(*words, "--store", name)
    assert result.exit_code == 2
    assert result.stderr.endswith(
        f"Invalid value for '--store': '{name}' names no kind of store: its suffix has to be "
        ".json for a TinyDB file, or .db, .sqlite or .sqlite3 for a SQLite file.\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("send", "count", "k", "COUNT"),
        ("work", "count"),
        ("status",),
        ("dead-letters",),
        ("redrive",),
        ("resume", "count", "k"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_that_needs_a_queue_says_why_and_what_to_type(
    here: Path, run: Run, words: tuple[str, ...]
) -> None:
    """In one sentence; nothing is made."""
    result = run(*words, "--store", "my orders.json")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "'my orders.json' is a TinyDB file, which has no queues, since a queue has to write "
        "messages and instances together: use a SQLite file, --store 'my orders.db'\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ["s.db", "s.sqlite", "s.SQLITE3"])
def test_every_suffix_of_sqlite_is_a_store_with_queues(here: Path, run: Run, name: str) -> None:
    """And one file is left."""
    assert run("send", "count", "k", "COUNT", "--store", name).exit_code == 0
    assert run("work", "count", "--store", name, "--until-empty").exit_code == 0
    assert run("settle", "count", "k", "COUNT", "--store", name).exit_code == 0
    assert json.loads(run("show", "k", "--store", name, "--json").stdout)["revision"] == 2
    assert (here / name).read_bytes().startswith(b"SQLite format 3")
    assert [each.name for each in here.iterdir()] == [name]


def test_delays_that_nobody_will_let_pass_are_told(here: Path, run: Run) -> None:
    """With what to type instead; a SQLite file keeps them."""
    (here / "held.json").write_text(json.dumps(HELD))
    result = run("settle", "held.json", "k", "HOLD", "--store", "s.json")
    assert (result.exit_code, result.stderr) == (
        0,
        "The delays do not run: s.json is a TinyDB file, and a worker needs a SQLite file, "
        "--store s.db\n",
    )
    result = run("settle", "held.json", "k", "HOLD", "--store", "s.db")
    assert (result.exit_code, result.stderr) == (0, "")
    with SqliteStore("s.db") as store:
        assert len(store.timers("k")) == 1


# --- find ---------------------------------------------------------------------------------------


@pytest.fixture(params=STORES)
def store(here: Path, run: Run, request: pytest.FixtureRequest) -> str:
    """A store with counts and orders, one of them at its end."""
    name = str(request.param)
    for chart, key, event in (
        ("count", "c1", "COUNT"),
        ("count", "c2", "COUNT"),
        ("donut", "d", "BAKE"),
        ("order", "o1", "PAY"),
        ("order", "o2", "CANCEL"),
    ):
        assert run("settle", chart, key, event, "--store", name).exit_code == 0
    return name


def found(run: Run, store: str, *words: str) -> tuple[list[str], Any]:
    """The keys that are found, and after which one to go on."""
    page = json.loads(run("find", "--store", store, "--json", *words).stdout)
    return [each["key"] for each in page["instances"]], page["after"]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ((), ["c1", "c2", "d", "o1", "o2"]),
        (("--chart", "order"), ["o1", "o2"]),
        (("--state", "paid"), ["o1"]),
        (("--state", "ready"), ["d"]),
        (("--chart", "count", "--state", "paid"), []),
        (("--version", "1", "--chart", "count"), ["c1", "c2"]),
        (("--version", "2"), []),
        (("--after", "d"), ["o1", "o2"]),
    ],
)
def test_instances_are_found_by_what_they_are_in(
    store: str, run: Run, words: tuple[str, ...], keys: list[str]
) -> None:
    """A state has those that lie within it."""
    assert found(run, store, *words) == (keys, None)


def test_what_is_found_comes_in_pages(store: str, run: Run) -> None:
    """Each says how to get the next one."""
    assert found(run, store, "--limit", "2") == (["c1", "c2"], "c2")
    assert found(run, store, "--limit", "2", "--after", "c2") == (["d", "o1"], "o1")
    assert found(run, store, "--limit", "2", "--after", "o1") == (["o2"], None)
    result = run("find", "--store", store, "--chart", "order", "--limit", "1")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["KEY", "o1"]
    assert result.stderr == (
        f"There are more: settlesim find --store={store} --chart=order --limit=1 --after=o1\n"
    )
    rest = run(*result.stderr.split("settlesim ")[1].split())
    assert [line.split()[0] for line in rest.stdout.splitlines()] == ["KEY", "o2"]
    assert rest.stderr == ""


def test_nothing_that_fits_is_told(store: str, run: Run) -> None:
    """Status 0: that is an answer."""
    result = run("find", "--store", store, "--chart", "coutn")
    assert (result.exit_code, result.stdout) == (0, "No instance fits.\n")


# --- log ----------------------------------------------------------------------------------------


def test_settlements_are_shown_in_their_order(store: str, run: Run) -> None:
    """And with which number to go on."""
    result = run("log", "--store", store)
    titles, *lines = result.stdout.splitlines()
    assert titles.split() == ["NUMBER", "KEY", "REVISION", "EVENT", "OUTCOME", "STATE", "SAVED"]
    assert [line.split()[:5] for line in lines][-2:] == [
        ["4", "o1", "1", "PAY", "resolved"],
        ["5", "o2", "1", "CANCEL", "done"],
    ]
    assert result.stderr == f"To continue: settlesim log --store={store} --since=5\n"
    again = run(*result.stderr.split("settlesim ")[1].split())
    assert again.stdout == "There is no settlement.\n"
    assert again.stderr == result.stderr


def test_settlements_are_printed_as_json_from_a_cursor_on(store: str, run: Run) -> None:
    """The cursor of a page is the number of its last one."""
    words = ("log", "--store", store, "--json")
    page = json.loads(run(*words, "--since", "2", "--limit", "2").stdout)
    assert [each["key"] for each in page["settlements"]] == ["d", "o1"]
    assert page["cursor"] == 4
    assert page["settlements"][1]["snapshot"]["configuration"] == ["paid"]
    assert json.loads(run(*words, "--since", "5").stdout) == {"settlements": [], "cursor": 5}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("as_json", [True, False])
def test_settlements_are_followed_until_ctrl_c(store: str, run: Run, as_json: bool) -> None:
    """Those that are there, and those that come; then status 0."""
    words = ["log", "--store", store, "--since", "4", "--follow", "--interval", "0.05"]
    with subprocess.Popen(
        [sys.executable, "-m", "settlesim", *words, *["--json"] * as_json],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    ) as process:
        assert process.stdout is not None
        for number, key in ((5, "o2"), (6, "c1")):
            line = process.stdout.readline()
            told = json.loads(line) if as_json else {}
            assert (told["number"], told["key"]) == (number, key) if as_json else key in line
            run("settle", "count", "c1", "COUNT", "--store", store)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


# --- prune --------------------------------------------------------------------------------------


def test_finished_instances_are_removed(store: str, run: Run) -> None:
    """A dry run only shows them; what is not finished stays."""
    words = ("prune", "--store", store, "--older-than")
    dry = run(*words, "0s", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "o2\n1 instance would be removed.\n")
    assert "o2" in found(run, store)[0]
    assert run(*words, "1h").stdout == "Removed 0 instances.\n"
    assert json.loads(run(*words, "0s", "--dry-run", "--json").stdout) == {
        "removed": False,
        "keys": ["o2"],
    }
    assert run(*words, "0s").stdout == "o2\nRemoved 1 instance.\n"
    assert found(run, store) == (["c1", "c2", "d", "o1"], None)
    assert json.loads(run(*words, "0s", "--json").stdout) == {"removed": True, "keys": []}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1.5min", 90), ("12h", 43_200), ("30d", 2_592_000), ("2 w", 1_209_600)],
)
def test_lengths_of_time_have_a_unit(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    """As people write them."""
    seen: list[float] = []

    def prune(self: SqliteStore, *, older_than: float, **options: object) -> tuple[str, ...]:
        seen.append(older_than)
        return ()

    SqliteStore("s.db").close()
    monkeypatch.setattr(SqliteStore, "prune", prune)
    assert run("prune", "--store", "s.db", "--older-than", text).exit_code == 0
    assert seen == [seconds]


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1y", "1e3s", "nan s", "30D", ""])
def test_other_lengths_of_time_are_refused(here: Path, run: Run, text: str) -> None:
    """With examples; thirty of what is a question."""
    SqliteStore("s.db").close()
    result = run("prune", "--store", "s.db", f"--older-than={text}")
    assert result.exit_code == 2
    assert "as in 90s, 12h or 30d" in " ".join(result.stderr.split())


def test_an_instance_for_which_events_wait_is_left(here: Path, run: Run) -> None:
    """They would create it again."""
    run("settle", "order", "o", "CANCEL", "--store", "s.db")
    run("send", "order", "o", "PAY", "--store", "s.db")
    result = run("prune", "--store", "s.db", "--older-than", "0s")
    assert result.stdout == "Removed 0 instances.\n"


# --- options of the queue -----------------------------------------------------------------------


def test_an_id_may_count_for_all_keys_of_the_queue(here: Path, run: Run) -> None:
    """By itself it counts for its key."""
    for options, first, second in (((), 1, 2), (("--deduplication-scope", "queue"), 3, 3)):
        for key, number in (("a", first), ("b", second)):
            words = ("count", key, "COUNT", "--id", f"x{first}", "--store", "s.db", *options)
            assert json.loads(run("send", *words, "--json").stdout)["message"] == number


def test_an_event_of_which_workers_die_is_a_dead_letter_after_max_receives(
    here: Path, run: Run
) -> None:
    """Whatever their number, no failure is counted."""
    with SqliteStore("s.db") as store:
        queue = FifoQueue(store, "count", visibility_timeout=0.0)
        queue.send({"event": "COUNT"}, "k")
        for _ in range(2):
            assert queue.receive()
    words = ("work", "count", "--store", "s.db", "--until-empty", "--max-receives")
    assert run(*words, "2").stderr.endswith("Nothing was handled.\n")
    (letter,) = json.loads(run("dead-letters", "--store", "s.db", "--json").stdout)
    assert (letter["failures"], letter["receives"]) == (0, 2)
    assert letter["reason"] == "it was received 2 times without a result"
    assert run("redrive", "--store", "s.db").exit_code == 0
    assert run(*words, "3").stderr == "1 resolved\n"


def test_status_says_what_waits_for_which_version(here: Path, run: Run) -> None:
    """As text and as JSON."""
    for version in (1, 2):
        (here / "v.json").write_text(json.dumps({**HELD, "version": version}))
        run("settle", "v.json", f"k{version}", "HOLD", "--store", "s.db")
    run("settle", "count", "c", "COUNT", "--store", "s.db")
    for key in ("k1", "k2", "k2", "new", "c"):
        assert run("send", "v.json", key, "HOLD", "--store", "s.db").exit_code == 0
    (queue,) = json.loads(run("status", "--store", "s.db", "--json").stdout)["queues"].values()
    assert queue["versions"] == {"count 1": 1, "held 1": 1, "held 2": 2}
    assert "count 1 (1), v1 (1), v2 (2)" in run("status", "--store", "s.db").stdout


def test_status_says_which_timers_are_overdue(here: Path, run: Run) -> None:
    """Those that no worker has sent in time."""
    (here / "held.json").write_text(json.dumps(HELD))
    with SqliteStore("s.db", now=lambda: 1_000_000.0) as store:
        Interpreter(read_chart(HELD), store).settle_sync("k", "HOLD")
    (queue,) = json.loads(run("status", "--store", "s.db", "--json").stdout)["queues"].values()
    assert (queue["timers"], queue["overdue"]) == (1, 1)
    _, titles, line = run("status", "--store", "s.db").stdout.splitlines()
    assert titles.split()[-5:] == ["TIMERS", "OVERDUE", "VERSIONS", "PARKED", "KEYS"]
    assert line.split()[-4:] == ["1", "1", "-", "-"]
