"""``settlesim status``, ``dead-letters``, ``redrive`` and ``resume``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

BAD = {
    "name": "bad",
    "context": {"log": []},
    "states": [
        {"name": "a", "tags": ["settled"]},
        {"name": "busy", "invoke": {"src": "work", "on_done": "a"}},
    ],
    "transitions": [["GO", "a", "busy"], ["OK", "a", "="]],
    "initial": "a",
}


@pytest.fixture
def bad(here: Path) -> str:
    """A chart whose service may be made to fail."""
    (here / "bad.json").write_text(json.dumps(BAD))
    return "bad.json"


def work(run: Run, chart: str, *words: str, fails: bool = True) -> str:
    """Run a worker until nothing waits, and return what it says at its end."""
    answer = "work=error:no network" if fails else "work=done"
    options = ("--until-empty", "--max-failures", "1", "--log", "off", "--service", answer)
    result = run("work", chart, "--store", "s.db", *options, *words)
    assert result.exit_code == 0
    return result.stderr


def send(run: Run, chart: str, key: str, *events: str) -> None:
    """Send events without data."""
    for event in events:
        assert run("send", chart, key, event, "--store", "s.db").exit_code == 0


def records(run: Run, command: str) -> list[dict[str, object]]:
    """The JSON that a command prints."""
    found: list[dict[str, object]] = json.loads(run(command, "--store", "s.db", "--json").stdout)
    return found


# --- status ---------------------------------------------------------------------------------


def test_what_waits_is_shown_by_queue(bad: str, run: Run) -> None:
    """Sorted by name; the age of the oldest is rounded."""
    send(run, "count", "c", "COUNT", "COUNT")
    send(run, bad, "k", "GO", "OK")
    work(run, bad, "--policy", "halt")
    result = run("status", "--store", "s.db")
    assert result.exit_code == 0
    head, titles, first, second = result.stdout.splitlines()
    assert head == "0 instances"
    assert " ".join(titles.split()) == (
        "QUEUE WAITING IN FLIGHT OLDEST DEAD LETTERS TIMERS OVERDUE VERSIONS PARKED KEYS"
    )
    assert first.split()[:3] == ["bad", "1", "0"]
    assert first.split()[-6:] == ["1", "0", "0", "-", "k", "(1)"]
    assert second.split()[:3] == ["count", "2", "0"]
    assert second.split()[-5:] == ["0", "0", "0", "-", "-"]


def test_status_is_printed_as_json(bad: str, run: Run) -> None:
    """With all that a queue tells."""
    send(run, bad, "k", "GO", "OK")
    work(run, bad, "--policy", "halt")
    found = json.loads(run("status", "--store", "s.db", "--json").stdout)
    assert found["instances"] == 0
    queue = found["queues"]["bad"]
    parked = queue.pop("parked")
    assert queue.pop("oldest") >= 0
    counts = {"depth": 1, "in_flight": 0, "dead_letters": 1, "timers": 0, "overdue": 0}
    assert queue == {**counts, "versions": {}}
    assert [(each["group_id"], each["waiting"]) for each in parked] == [("k", 1)]


def test_a_queue_that_only_waits_for_timers_is_shown(here: Path, run: Run) -> None:
    """An event will come of them."""
    chart = {
        "name": "held",
        "states": [{"name": "a", "tags": ["settled"], "after": {"3600": "a"}}],
        "transitions": [["HOLD", "a", "="]],
        "initial": "a",
    }
    (here / "held.json").write_text(json.dumps(chart))
    run("settle", "held.json", "k", "HOLD", "--store", "s.db")
    found = json.loads(run("status", "--store", "s.db", "--json").stdout)
    assert found["queues"]["held"]["timers"] == 1
    assert found["queues"]["held"]["depth"] == 0


def test_one_queue_may_be_asked_for(bad: str, run: Run) -> None:
    """One that holds nothing is an error, with the nearest name."""
    send(run, "count", "c", "COUNT")
    send(run, bad, "k", "OK")
    found = json.loads(run("status", "--store", "s.db", "--queue", "bad", "--json").stdout)
    assert list(found["queues"]) == ["bad"]
    wrong = run("status", "--store", "s.db", "--queue", "cuont")
    assert wrong.exit_code == 1
    assert wrong.stderr == "Error: no queue 'cuont' holds anything; did you mean 'count'?\n"


def test_a_store_without_queues_says_so(here: Path, run: Run) -> None:
    """Its instances are counted."""
    run("settle", "count", "c", "COUNT", "--store", "s.db")
    result = run("status", "--store", "s.db")
    assert result.stdout == "1 instance\nNo queue holds anything.\n"


def test_a_missing_store_is_not_made(here: Path, run: Run) -> None:
    """Looking creates nothing."""
    for command in ("status", "dead-letters", "redrive"):
        result = run(command, "--store", "s.db")
        assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
    assert list(here.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_watching_goes_on_until_ctrl_c(here: Path, run: Run) -> None:
    """A line of JSON for each look, what others send among it; then status 0."""
    send(run, "count", "c", "COUNT")
    words = ["status", "--store", "s.db", "--watch", "--interval", "0.05", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "settlesim", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for depth in (1, 2):
            seen = 0
            while seen < depth:
                seen = json.loads(process.stdout.readline())["queues"]["count"]["depth"]
            assert seen == depth
            send(run, "count", "c", "COUNT")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


# --- dead letters ---------------------------------------------------------------------------


def test_dead_letters_are_shown_with_their_error(bad: str, run: Run) -> None:
    """And how often they were tried."""
    assert run("dead-letters", "--store", "s.db").exit_code == 2
    send(run, bad, "k", "GO", "OK")
    assert work(run, bad) == "1 dead, 1 resolved\n"
    result = run("dead-letters", "--store", "s.db")
    titles, line = result.stdout.splitlines()
    assert titles.startswith("QUEUE  MESSAGE  KEY  EVENT  FAILED  PUT ASIDE  LAST ERROR")
    assert line.split()[:5] == ["bad", "1", "k", "GO", "1"]
    assert "ServiceFailedError: service 'work' failed with RuntimeError: no network" in line
    (record,) = records(run, "dead-letters")
    assert (record["body"], record["failures"], record["group_id"]) == ({"event": "GO"}, 1, "k")


def test_no_dead_letters_are_told_too(here: Path, run: Run) -> None:
    """Nothing went wrong."""
    send(run, "count", "c", "COUNT")
    assert run("dead-letters", "--store", "s.db").stdout == "There are no dead letters.\n"
    assert run("redrive", "--store", "s.db").stdout == "There is nothing to put back.\n"


def test_redrive_puts_a_skipped_event_to_the_end(bad: str, run: Run) -> None:
    """It is settled after what went on without it."""
    send(run, bad, "k", "GO", "OK")
    work(run, bad)
    result = run("redrive", "--store", "s.db")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Put 1 message back.\n", "")
    assert work(run, bad, fails=False) == "1 resolved\n"
    assert records(run, "dead-letters") == []


def test_redrive_puts_a_halting_event_into_its_place_and_resume_lets_its_key_go_on(
    bad: str, run: Run
) -> None:
    """So the order of the key is what it was."""
    send(run, bad, "k", "GO", "OK")
    send(run, bad, "other", "GO")
    work(run, bad, "--policy", "halt")
    result = run("redrive", "--key", "k", "--store", "s.db")
    assert result.stdout == "Put 1 message back.\n"
    on = "settlesim resume --queue=bad --store=s.db -- k"
    assert result.stderr == f"k is still parked. To resume it: {on}\n"
    assert work(run, bad, fails=False) == "Nothing was handled.\n"
    assert run("resume", bad, "k", "--store", "s.db").stdout == "k is resumed.\n"
    assert work(run, bad, fails=False) == "2 resolved\n"
    shown = json.loads(run("show", "k", "--store", "s.db", "--history", "--json").stdout)
    assert [each["event"]["name"] for each in shown["settlements"]] == ["GO", "OK"]
    assert [each["group_id"] for each in records(run, "dead-letters")] == ["other"]


AWKWARD = ["two words; $(touch ran)", "it's", "-x", "--", "a\x1b[2J\u202e\u2028b\n\\c\x9b1", "~/*"]


@pytest.mark.parametrize("key", AWKWARD)
@pytest.mark.parametrize("folder", ["plain", "my $HOME's; files"])
def test_what_is_told_to_type_works_in_a_shell(here: Path, run: Run, key: str, folder: str) -> None:
    """For a chart of a module, whose queue has another name, and for any key and any path."""
    (here / folder).mkdir()
    store = f"{folder}/s.db"
    (here / "shop.py").write_text(f"from settlesim import Chart\nbad = Chart(**{BAD!r})\n")
    assert run("send", "--store", store, "--", "shop:bad", key, "GO").exit_code == 0
    options = ("--until-empty", "--max-failures", "1", "--log", "off", "--policy", "halt")
    run("work", "shop:bad", "--store", store, "--service", "work=error", *options)
    hint = run("dead-letters", "--store", store).stderr
    told = typed(hint.removeprefix("To put them back: ").removesuffix("\n"))
    assert told[0] == "settlesim"
    result = run(*told[1:])
    assert result.stdout == "Put 1 message back.\n"
    told = typed(result.stderr.rpartition(" To resume it: ")[2].removesuffix("\n"))
    assert told == ["settlesim", "resume", "--queue=bad", f"--store={store}", "--", key]
    assert run(*told[1:]).stdout.endswith(" is resumed.\n")
    assert not (here / "ran").exists()


def typed(command: str) -> list[str]:
    """The words that a shell makes of a command."""
    source = "import json, sys; print(json.dumps(sys.argv[1:]))"
    script = f"\"$0\" -c '{source}' {command}"
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], capture_output=True, check=True, timeout=60
    )
    words: list[str] = json.loads(done.stdout)
    return words


def test_a_queue_is_resumed_by_the_name_of_its_chart_or_by_its_own(bad: str, run: Run) -> None:
    """And by nothing else."""
    send(run, bad, "k", "GO", "OK")
    for words in (["bad.json", "k"], ["k", "--queue", "bad"]):
        work(run, bad, "--policy", "halt")
        assert run("resume", *words, "--store", "s.db").stdout == "k is resumed.\n"
        run("redrive", "--store", "s.db")
    for words in (["k"], ["bad.json", "k", "--queue", "bad"], []):
        wrong = run("resume", *words, "--store", "s.db")
        assert wrong.exit_code == 2
        assert "give CHART and KEY, or --queue NAME and KEY" in wrong.stderr


def test_resume_says_what_it_leaves_out(bad: str, run: Run) -> None:
    """The dead letter stays where it is."""
    send(run, bad, "k", "GO", "OK")
    work(run, bad, "--policy", "halt")
    result = run("resume", bad, "k", "--store", "s.db")
    assert (result.exit_code, result.stdout) == (0, "k is resumed.\n")
    assert result.stderr == "Left out: message 1, still among the dead letters.\n"
    assert work(run, bad) == "1 resolved\n"
    again = run("resume", bad, "k", "--store", "s.db")
    assert (again.exit_code, again.stdout) == (0, "k was not parked.\n")


def test_single_messages_may_be_put_back(bad: str, run: Run) -> None:
    """By their numbers; one that is no dead letter is an error."""
    send(run, bad, "k", "GO")
    send(run, bad, "other", "GO")
    work(run, bad)
    wrong = run("redrive", "--store", "s.db", "--message", "2", "--message", "9")
    assert (wrong.exit_code, wrong.stderr) == (1, "Error: no dead letter is message 9.\n")
    assert run("redrive", "--store", "s.db", "--message", "2").exit_code == 0
    assert [each["id"] for each in records(run, "dead-letters")] == [1]
