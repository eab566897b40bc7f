"""``settlesim send``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settlesim import FifoQueue, Message, SqliteStore
from tests.cli.conftest import Run


def waiting(path: str = "s.db", queue: str = "count") -> list[tuple[str, Any, str | None]]:
    """What waits in a queue: key, body and id of each message, in order."""
    with SqliteStore(path) as store:
        found = FifoQueue(store, queue)
        messages: list[Message] = []
        while more := found.receive(100, 60):
            messages += more
            for each in more:
                found.delete(each.receipt)
    messages.sort(key=lambda each: each.id)
    return [(each.group_id, each.body, each.deduplication_id) for each in messages]


def lines(*records: Any) -> str:
    """JSON lines."""
    return "".join(json.dumps(each) + "\n" for each in records)


def test_an_event_is_accepted_on_the_disk(here: Path, run: Run) -> None:
    """It waits for a worker, with its data and id."""
    result = run(
        "send", "order", "o1", "PAY", "--data", '{"card": 1}', "--id", "p", "--store", "s.db"
    )
    assert result.exit_code == 0
    assert result.stdout == "Accepted PAY for o1: message 1 of queue order.\n"
    assert waiting("s.db", "order") == [("o1", {"event": "PAY", "data": {"card": 1}}, "p")]


def test_an_event_that_comes_again_is_accepted_once(here: Path, run: Run) -> None:
    """Its first message is told."""
    for _ in range(2):
        result = run("send", "count", "c", "COUNT", "--id", "1", "--store", "s.db", "--json")
        assert json.loads(result.stdout) == {"key": "c", "event": "COUNT", "message": 1}
    assert len(waiting()) == 1


def test_an_id_of_another_event_is_an_error(here: Path, run: Run) -> None:
    """Status 1: nothing was sent."""
    run("send", "count", "c", "COUNT", "--id", "1", "--store", "s.db")
    result = run("send", "count", "c", "COUNT", "--id", "1", "--data", "5", "--store", "s.db")
    assert result.exit_code == 1
    assert "was sent before with another body" in result.stderr
    assert waiting() == [("c", {"event": "COUNT"}, "1")]


def test_an_event_that_the_chart_does_not_know_is_refused_unless_forced(
    here: Path, run: Run
) -> None:
    """A worker would only ignore it."""
    result = run("send", "order", "o1", "PAYY", "--store", "s.db")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: chart 'order' has no transition for 'PAYY'; did you mean 'PAY'? "
        "--force sends it anyway.\n"
    )
    assert not (here / "s.db").exists()
    far = run("send", "order", "o1", "XYZ", "--store", "s.db")
    assert "it has 'PAY', 'CANCEL'" in far.stderr
    forced = run("send", "order", "o1", "PAYY", "--store", "s.db", "--force")
    assert forced.exit_code == 0
    assert waiting(queue="order") == [("o1", {"event": "PAYY"}, None)]


def test_a_reserved_name_cannot_be_forced(here: Path, run: Run) -> None:
    """Only the engine sends these."""
    result = run("send", "order", "o1", "after.new.0", "--store", "s.db", "--force")
    assert (result.exit_code, "is a reserved name" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count"], "KEY and EVENT are missing, or --lines FILE"),
        (["count", "c"], "KEY and EVENT are missing, or --lines FILE"),
        (["count", "c", "COUNT", "--lines", "-"], "the file says key, event, data and id"),
        (["count", "", "COUNT"], "is empty"),
        (["cuont", "c", "COUNT"], "did you mean 'count'?"),
        (["count", "c", "COUNT", "--data", "{"], "not strict JSON"),
    ],
)
def test_wrong_arguments_are_told(here: Path, run: Run, words: list[str], message: str) -> None:
    """With status 2, and nothing is sent."""
    result = run("send", *words, "--store", "s.db")
    assert result.exit_code == 2
    assert message in result.stderr


# --- many events ----------------------------------------------------------------------------


def test_the_events_of_a_file_are_accepted_in_order(here: Path, run: Run) -> None:
    """Each line is an event; empty lines are nothing."""
    (here / "events").write_text(
        lines({"key": "a", "event": "COUNT"}, {"event": "COUNT", "key": "b", "data": [1]})
        + "\n"
        + json.dumps({"key": "a", "event": "COUNT", "id": "x"})
    )
    result = run("send", "count", "--lines", "events", "--store", "s.db")
    assert (result.exit_code, result.stdout) == (0, "Accepted 3 events, lines 1 to 4.\n")
    assert waiting() == [
        ("a", {"event": "COUNT"}, None),
        ("b", {"event": "COUNT", "data": [1]}, None),
        ("a", {"event": "COUNT"}, "x"),
    ]


def test_events_come_from_standard_input(here: Path, run: Run) -> None:
    """And each that was accepted is told with its line, where that is asked for."""
    text = lines(*({"key": f"k{index}", "event": "COUNT"} for index in range(1200)))
    result = run("send", "count", "--lines", "-", "--store", "s.db", "--json", input=text)
    assert result.exit_code == 0
    told = [json.loads(each) for each in result.stdout.splitlines()]
    assert [each["line"] for each in told] == list(range(1, 1201))
    assert told[-1] == {"line": 1200, "key": "k1199", "event": "COUNT", "message": 1200}
    assert [key for key, _, _ in waiting()] == [f"k{index}" for index in range(1200)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not strict JSON"),
        ("[1]", "and an object with key and event is needed"),
        ('{"key": "a"}', "it has no 'event'"),
        ('{"event": "COUNT"}', "it has no 'key'"),
        ('{"key": "a", "event": "COUNT", "dta": 1}', "it has 'dta'"),
        ('{"key": 5, "event": "COUNT"}', "its key is 5 of type int"),
        ('{"key": "a", "event": "CONUT"}', "did you mean 'COUNT'?"),
        ('{"key": "a", "event": "done.x"}', "is a reserved name"),
        ('{"key": "a", "event": 7}', "a name is text"),
        ('{"key": "a", "event": "COUNT", "id": 7}', "its id is 7"),
        ('{"key": "a", "key": "b", "event": "COUNT"}', "appears twice"),
        ('{"key": "a", "event": "COUNT", "data": NaN}', "NaN is not JSON"),
        ('"' + "x" * 2_000_000, "it has more than 1048576 bytes"),
    ],
)
def test_a_bad_line_is_named_and_what_stands_before_it_is_accepted(
    here: Path, run: Run, line: str, message: str
) -> None:
    """Status 2; the lines after it are not sent."""
    good = json.dumps({"key": "a", "event": "COUNT"})
    (here / "events").write_text(f"{good}\n{good}\n{line}\n{good}\n")
    result = run("send", "count", "--lines", "events", "--store", "s.db")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: line 3: ")
    assert message in result.stderr
    assert result.stderr.endswith(" Accepted 2 events, lines 1 to 2.\n")
    assert len(waiting()) == 2


def test_a_first_line_that_is_bad_sends_nothing(here: Path, run: Run) -> None:
    """And says so."""
    result = run("send", "count", "--lines", "-", "--store", "s.db", input="no\n")
    assert result.stderr.endswith(" Nothing was sent.\n")


def test_the_line_whose_id_was_used_for_another_event_is_named(here: Path, run: Run) -> None:
    """Though its batch is one write."""
    text = lines(
        {"key": "a", "event": "COUNT", "id": "1"},
        {"key": "a", "event": "COUNT", "id": "1"},
        {"key": "a", "event": "COUNT", "id": "1", "data": 5},
        {"key": "a", "event": "COUNT", "id": "2"},
    )
    result = run("send", "count", "--lines", "-", "--store", "s.db", input=text)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: line 3: queue 'count': the deduplication id '1'")
    assert result.stderr.endswith("Accepted 2 events, lines 1 to 2.\n")
    assert waiting() == [("a", {"event": "COUNT"}, "1")]


def test_lines_are_accepted_as_they_come(here: Path) -> None:
    """What was told is on the disk while more is still to be written."""
    words = ["send", "count", "--lines", "-", "--store", "s.db", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "settlesim", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(lines({"key": "a", "event": "COUNT"}))
            assert json.loads(process.stdout.readline())["message"] == number
            with SqliteStore("s.db") as store:
                assert FifoQueue(store, "count").status().depth == number
        process.stdin.close()
        assert process.wait(60) == 0


# --- starts -------------------------------------------------------------------------------


def test_the_start_of_an_instance_is_sent(here: Path, run: Run) -> None:
    """By an option, or by a line of its own form."""
    result = run("send", "order", "o1", "--start", "--id", "s", "--store", "s.db")
    assert result.stdout == "Accepted the start of o1: message 1 of queue order.\n"
    (here / "lines").write_text(lines({"key": "o2", "start": True}))
    assert run("send", "order", "--lines", "lines", "--store", "s.db").exit_code == 0
    assert waiting("s.db", "order") == [
        ("o1", {"start": True}, "s"),
        ("o2", {"start": True}, None),
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["order", "o1", "PAY", "--start"], "either EVENT or --start"),
        (["order", "o1", "--start", "--data", "1"], "--start has none"),
        (["order", "--start"], "KEY and EVENT are missing"),
        (["order", "--lines", "lines", "--start"], "the file says key"),
        (["order", "--lines", "lines"], "line 1: its start is to be true"),
    ],
)
def test_a_start_has_no_event_and_no_data(
    here: Path, run: Run, words: list[str], reason: str
) -> None:
    """What cannot be meant is refused."""
    (here / "lines").write_text(lines({"key": "o1", "start": True, "event": "PAY"}))
    result = run("send", *words, "--store", "s.db")
    assert result.exit_code == 2
    assert reason in result.stderr


def test_an_event_of_a_retired_version_is_not_accepted(here: Path, run: Run) -> None:
    """No step renames it any more."""
    with SqliteStore(here / "s.db") as store:
        store.require_version("count", 2)
    (here / "e.jsonl").write_text(lines({"key": "c", "event": "COUNT"}))
    for words in (("c", "COUNT"), ("--lines", "e.jsonl")):
        result = run("send", "count", *words, "--store", "s.db")
        assert result.exit_code == 1
        assert "needs version 2 or a later one" in result.stderr
    assert waiting() == []
