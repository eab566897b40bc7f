"""``settlesim settle``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settlesim import Interpreter, MemoryStore, SimulatedClock
from settlesim.cli.text import settlement_text
from settlesim.gallery import order
from tests.cli.conftest import Run

STUBS = ("--guard", "is_paid=true", "--assign", "keep_time={}", "--assign", 'count_try={"tries":1}')


def settled(run: Run, *words: str) -> dict[str, Any]:
    """Settle with ``--json`` and return what was printed."""
    record: dict[str, Any] = json.loads(run("settle", *words, "--json").stdout)
    return record


# --- outcomes -----------------------------------------------------------------------------


def test_a_resolved_event_is_told_with_path_calls_and_context(run: Run) -> None:
    """The whole output, as a person reads it."""
    result = run("settle", "order", "o1", "PAY")
    assert result.exit_code == 0
    assert result.stdout == (
        "RESOLVED: PAY brought 'o1' to paid\n"
        "\n"
        "path\n"
        "  new (a new instance)\n"
        "  PAY               -> charging\n"
        "  charge_card done  -> paid\n"
        "\n"
        "services\n"
        '  charge_card  done after 0.8 s: {"charge": "charge of 20"}\n'
        "\n"
        "context\n"
        "  amount  20\n"
        '  charge  null -> "charge of 20"\n'
        "  label   null\n"
        "\n"
        "Nothing is kept without --store FILE.\n"
    )


def test_a_rejected_event_ends_with_status_1_and_saves_nothing(here: Path, run: Run) -> None:
    """The instance is where it was."""
    data = '{"card": "declined"}'
    result = run("settle", "order", "o1", "PAY", "--data", data, "--store", "s.json")
    assert result.exit_code == 1
    assert result.stdout.startswith("REJECTED: PAY brought 'o1' to declined\n")
    assert "charge_card failed  -> declined" in result.stdout
    assert "the bank declined the card" in result.stdout
    assert result.stdout.endswith(
        "Nothing was saved: the instance is still in new (never saved).\n"
    )
    assert result.stderr == ""
    assert not (here / "s.json").exists()


def test_a_final_node_is_told_as_the_end(run: Run) -> None:
    """DONE is status 0."""
    result = run("settle", "order", "o1", "CANCEL")
    assert result.exit_code == 0
    assert result.stdout.startswith("DONE: CANCEL brought 'o1' to its end in cancelled\n")


@pytest.mark.parametrize(
    ("chart", "before", "event", "reason"),
    [
        ("order", [], "PAYY", "It takes PAY, CANCEL; did you mean 'PAY'?"),
        ("order", [], "xyz", "It takes PAY, CANCEL."),
        ("order", ["CANCEL"], "PAY", "No event has a transition from there."),
        (
            "signup",
            ["SIGN_UP"],
            "VERIFY",
            "There are transitions for it, and their guards said no.",
        ),
    ],
)
def test_an_ignored_event_says_why_and_ends_with_status_0(
    here: Path, run: Run, chart: str, before: list[str], event: str, reason: str
) -> None:
    """A typing error, an instance at its end, and a guard are told apart."""
    for each in before:
        assert run("settle", chart, "k", each, "--store", "s.json").exit_code == 0
    result = run("settle", chart, "k", event, "--store", "s.json")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"IGNORED: 'k' does not take {event} in ")
    assert reason in result.stdout


def test_parallel_nodes_and_delays_are_told_in_words(run: Run) -> None:
    """Reserved triggers are said as `check` says them; the simulated clock costs no time."""
    lines = run("settle", "donut", "d1", "BAKE").stdout.splitlines()
    assert (
        "  BAKE                    -> making.mixing.dry.sifting + making.mixing.wet.whisking"
        in lines
    )
    assert "  making.mixing finished  -> making.frying" in lines
    assert "  after 5 s               -> ready.plain" in lines
    assert "  whisk  done after 3 s" in lines


def test_a_cancelled_service_and_a_time_out_are_told(here: Path, run: Run) -> None:
    """Every status of a call has its words."""
    chart = {
        "name": "race",
        "initial": "idle",
        "states": [
            {"name": "idle", "tags": ["settled"]},
            {
                "name": "racing",
                "invoke": [{"src": "wait", "on_done": "idle", "on_error": "idle"}],
                "after": {"0.5": "idle"},
            },
            {
                "name": "waiting",
                "invoke": {"src": "wait", "timeout": 0.5, "on_done": "idle", "on_error": "idle"},
            },
        ],
        "transitions": [["RACE", "idle", "racing"], ["WAIT", "idle", "waiting"]],
    }
    (here / "race_of_mine.py").write_text(
        "from settlesim import read_chart\n"
        "async def wait(call):\n    await call.sleep(1.0)\n"
        f"chart = read_chart({chart!r}).bind({{'wait': wait}})\n"
    )
    race = run("settle", "race_of_mine:chart", "k", "RACE", "--simulated").stdout
    assert "  after 0.5 s  -> idle" in race
    assert "  wait  cancelled: its state was left" in race
    wait = run("settle", "race_of_mine:chart", "k", "WAIT", "--simulated").stdout
    assert "  wait  timeout after 0.5 s: TimeoutError: did not end within 0.5 seconds" in wait


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.73e-05, "0 s"), (0.8, "0.8 s"), (0.12345, "0.123 s"), (1e4, "10000 s")]
)
def test_seconds_are_told_to_the_millisecond(seconds: float, told: str) -> None:
    """What a stand-in took on a real clock is nothing."""
    settlement = Interpreter(order, MemoryStore(), clock=SimulatedClock()).settle_sync("o", "PAY")
    calls = (settlement.calls[0]._replace(seconds=seconds),)
    text = settlement_text(replace(settlement, calls=calls), [])
    assert f"  charge_card  done after {told}: " in text


def test_the_settlement_is_printed_as_json(here: Path, run: Run) -> None:
    """Everything is in it, and whether and where it was saved."""
    record = settled(run, "order", "o1", "PAY", "--store", "s.json")
    assert record["outcome"] == "resolved"
    assert record["path"] == [["new"], ["charging"], ["paid"]]
    assert record["microsteps"][1]["trigger"] == "done.invoke.charging.0"
    assert record["calls"][0]["result"] == {"charge": "charge of 20"}
    assert record["before"]["revision"] == 0
    assert record["after"]["context"]["charge"] == "charge of 20"
    assert (record["saved"], record["store"]) == (True, "s.json")
    kept_nowhere = settled(run, "order", "o1", "PAY")
    assert (kept_nowhere["saved"], kept_nowhere["store"]) == (False, None)


def test_a_rejected_settlement_as_json_ends_with_status_1(run: Run) -> None:
    """The format does not change the exit status."""
    data = '{"card": "declined"}'
    assert run("settle", "order", "o1", "PAY", "--data", data, "--json").exit_code == 1


def test_text_that_a_terminal_would_obey_is_escaped(run: Run) -> None:
    """Keys, data and errors come from anywhere."""
    data = json.dumps({"email": "a\x1b[31m\x9b31mb"})
    result = run("settle", "signup", "k\x1b[31m", "SIGN_UP", "--data", data)
    assert "\x1b" not in result.stdout
    assert "\x9b" not in result.stdout
    assert "a\\u001b[31m\\u009b31mb" in result.stdout


def test_a_long_value_is_cut_for_people_and_whole_as_json(run: Run) -> None:
    """A context may be large."""
    data = json.dumps({"email": "x" * 1000})
    words = ("settle", "signup", "k", "SIGN_UP", "--data", data)
    assert max(map(len, run(*words).stdout.splitlines())) < 250
    assert "x" * 1000 in run(*words, "--json").stdout


# --- instances, events, clocks ------------------------------------------------------------


def test_an_instance_goes_on_where_the_store_has_it(here: Path, run: Run) -> None:
    """Two commands, one instance."""
    assert (
        "Saved as revision 1 in s.json."
        in run("settle", "count", "c1", "COUNT", "--store", "s.json").stdout
    )
    second = run("settle", "count", "c1", "COUNT", "--store", "s.json").stdout
    assert "  even\n  COUNT      -> counting_even\n" in second
    assert "  count  0 -> 2" in second
    assert "Saved as revision 2 in s.json." in second


def test_the_event_id_is_part_of_the_idempotency_key(here: Path, run: Run) -> None:
    """`--id` reaches the services."""
    (here / "keys_of_mine.py").write_text(
        "from settlesim import Chart\n"
        "async def work(call):\n    return call.idempotency_key\n"
        "chart = Chart([{'name': 'a', 'tags': ['settled']},"
        " {'name': 'b', 'invoke': {'src': work, 'on_done': 'a', 'on_error': 'a'}}],"
        " [['GO', 'a', 'b']], 'a', name='keys')\n"
    )
    record = settled(run, "keys_of_mine:chart", "k", "GO", "--id", "e7")
    assert record["calls"][0]["result"] == "keys:k:e7:b.0:1"
    assert settled(run, "keys_of_mine:chart", "k", "GO")["calls"][0]["result"] is None


CLOCK = (
    "from settlesim import Chart, RealClock\n"
    "async def work(call):\n    return isinstance(call.clock, RealClock)\n"
    "chart = Chart([{'name': 'a', 'tags': ['settled']},"
    " {'name': 'b', 'invoke': {'src': work, 'on_done': 'a', 'on_error': 'a'}}],"
    " [['GO', 'a', 'b']], 'a')\n"
)


@pytest.mark.parametrize(
    ("options", "is_real"), [((), True), (("--real",), True), (("--simulated",), False)]
)
def test_a_python_chart_runs_on_the_real_clock_unless_told(
    here: Path, run: Run, options: tuple[str, ...], is_real: bool
) -> None:
    """Its services may do real work, which no simulated time waits for."""
    (here / "clock_of_mine.py").write_text(CLOCK)
    record = settled(run, "clock_of_mine:chart", "k", "GO", *options)
    assert record["calls"][0]["result"] is is_real


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{a}", "'{a}': not strict JSON"),
        ("NaN", "not strict JSON: NaN is not JSON"),
        ('"\\ud800"', "has a lone surrogate"),
    ],
)
def test_data_that_is_no_strict_json_is_a_usage_error(run: Run, data: str, message: str) -> None:
    """The message shows how to quote."""
    result = run("settle", "order", "o1", "PAY", "--data", data)
    assert result.exit_code == 2
    assert "Invalid value for '--data'" in result.stderr
    assert message in result.stderr
    assert """'{"amount": 20}'""" in result.stderr


# --- stand-ins ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "result", "error"),
    [
        ("done", "done", None, None),
        ('done:{"t": 3}', "done", {"t": 3}, None),
        ("error", "rejected", None, "RuntimeError: drive failed as asked"),
        ("error:snow", "rejected", None, "RuntimeError: snow"),
    ],
)
def test_a_service_option_stands_in_for_a_service(
    parcel: str, run: Run, answer: str, outcome: str, result: object, error: str | None
) -> None:
    """A chart from a file runs with every answer that a service may give."""
    record = settled(run, parcel, "p1", "SEND", "--service", f"drive={answer}", *STUBS)
    assert record["outcome"] == outcome
    assert record["calls"][0]["result"] == result
    assert record["calls"][0]["error"] == error
    assert record["after"]["context"]["tries"] == (0 if error is None else 1)


def test_a_guard_option_stands_in_for_a_guard(parcel: str, run: Run) -> None:
    """A guard that says no makes the event be ignored."""
    record = settled(run, parcel, "p1", "SEND", "--stub", "--guard", "is_paid=false")
    assert record["outcome"] == "ignored"


def test_stub_stands_in_for_everything_that_is_not_bound(parcel: str, run: Run) -> None:
    """Services are done, guards say yes, assigns change nothing; what was given stays."""
    assert settled(run, parcel, "p1", "SEND", "--stub")["outcome"] == "done"
    record = settled(run, parcel, "p1", "SEND", "--stub", "--service", "drive=error")
    assert record["outcome"] == "rejected"


def test_a_stand_in_replaces_a_function_that_a_chart_has(run: Run) -> None:
    """A failure can be tried on a chart of the gallery."""
    record = settled(run, "order", "o1", "PAY", "--service", "charge_card=error:no")
    assert record["outcome"] == "rejected"


def test_functions_that_are_not_bound_are_named_with_what_to_do(parcel: str, run: Run) -> None:
    """The message lists them with options that can be copied."""
    result = run("settle", parcel, "p1", "SEND", "--guard", "is_paid=true")
    assert result.exit_code == 2
    assert (
        "Error: chart 'parcel' names functions that are not bound. "
        "Options can stand in for them:\n"
        "  service drive     --service drive=done\n"
        "  assign keep_time  --assign 'keep_time={}'\n"
        "  assign count_try  --assign 'count_try={}'\n"
        "--stub stands in for all of them."
    ) in result.stderr
    assert "module:attribute" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--service", "drive"), "'drive' is not NAME=ANSWER"),
        (("--service", "=done"), "'=done' is not NAME=ANSWER"),
        (("--service", "drive=perhaps"), "'perhaps' is no answer of drive: done, done:JSON, error"),
        (("--service", "drive=done:{"), "not strict JSON"),
        (("--service", "drive=done", "--service", "drive=error"), "drive is given twice"),
        (("--service", "drove=done"), "has no service 'drove'; did you mean 'drive'?"),
        (("--service", "x=done"), "has no service 'x'; it has drive."),
        (("--service", "is_paid=done"), "is_paid is one of its guards: use --guard"),
        (("--guard", "is_paid=1"), "'1' is no answer of is_paid: true or false"),
        (("--assign", "keep_time=[]"), "'[]' is no JSON object"),
    ],
)
def test_wrong_stand_ins_are_usage_errors(
    parcel: str, run: Run, options: tuple[str, ...], message: str
) -> None:
    """Each says what was possible."""
    result = run("settle", parcel, "p1", "SEND", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_chart_without_that_role_says_so(run: Run) -> None:
    """`order` has no guards at all."""
    result = run("settle", "order", "o1", "PAY", "--guard", "x=true")
    assert "chart 'order' has no guards, so no 'x'" in result.stderr


# --- errors -------------------------------------------------------------------------------


def test_a_stalled_event_is_one_clean_message_and_saves_nothing(here: Path, run: Run) -> None:
    """An error of the chart and the event together ends with status 1."""
    chart = {
        "states": [{"name": "a", "tags": ["settled"]}, "b"],
        "transitions": [["GO", "a", "b"]],
        "initial": "a",
    }
    (here / "limbo.json").write_text(json.dumps(chart))
    result = run("settle", "limbo.json", "k", "GO", "--store", "s.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: stalled in 'b'")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (here / "s.json").exists()


def test_a_service_that_fails_without_on_error_is_one_clean_message(here: Path, run: Run) -> None:
    """The message says what to add."""
    chart = {
        "states": [
            {"name": "a", "tags": ["settled"]},
            {"name": "b", "invoke": {"src": "work", "on_done": "a"}},
        ],
        "transitions": [["GO", "a", "b"]],
        "initial": "a",
    }
    (here / "fragile.json").write_text(json.dumps(chart))
    result = run("settle", "fragile.json", "k", "GO", "--service", "work=error:snow")
    assert result.exit_code == 1
    assert "service 'work' failed with RuntimeError: snow" in result.stderr


@pytest.mark.parametrize(
    ("key", "event", "message"),
    [
        ("o1", "done.invoke.charging.0", "is a reserved name"),
        ("o1", " ", "is empty"),
        ("", "PAY", "key"),
    ],
)
def test_events_and_keys_that_nothing_may_have_end_with_status_2(
    run: Run, key: str, event: str, message: str
) -> None:
    """What was given is wrong, not what happened."""
    result = run("settle", "order", key, event)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr


def test_an_instance_of_another_chart_is_refused(here: Path, run: Run) -> None:
    """A store may hold instances of many charts."""
    run("settle", "count", "k", "COUNT", "--store", "s.json")
    result = run("settle", "order", "k", "PAY", "--store", "s.json")
    assert result.exit_code == 1
    assert "instance 'k' was saved by count version 1, this is order version 1" in result.stderr


def test_a_file_that_is_no_store_is_refused_and_left_alone(here: Path, run: Run) -> None:
    """Nothing is written over."""
    (here / "notes.json").write_text("my notes")
    result = run("settle", "count", "k", "COUNT", "--store", "notes.json")
    assert result.exit_code == 1
    assert "notes.json is damaged" in result.stderr
    assert (here / "notes.json").read_text() == "my notes"


def test_a_store_in_a_folder_that_is_missing_is_refused(here: Path, run: Run) -> None:
    """Folders are not made on the way."""
    result = run("settle", "count", "k", "COUNT", "--store", "no/s.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_delays_that_go_on_are_told(here: Path, run: Run) -> None:
    """They pass where a worker runs."""
    chart = {
        "name": "held",
        "states": [{"name": "a", "tags": ["settled"], "after": {"60": "a"}}],
        "transitions": [["HOLD", "a", "="]],
        "initial": "a",
    }
    (here / "held.json").write_text(json.dumps(chart))
    result = run("settle", "held.json", "k", "HOLD")
    assert "\n\ndelays, which a worker lets pass\n  a.0  passes in 60 s\n" in result.stdout
    record = json.loads(run("settle", "held.json", "k", "HOLD", "--json").stdout)
    assert record["timers"] == [{"id": "a.0", "seconds": 60.0}]


# --- starts -------------------------------------------------------------------------------

HELLO = {
    "states": [
        {"name": "boot", "invoke": {"src": "greet", "on_done": "open", "on_error": "open"}},
        {"name": "open", "tags": ["settled"]},
        {"name": "shut", "tags": ["settled"]},
    ],
    "transitions": [["GO", "open", "shut"], ["BACK", "shut", "open"]],
    "initial": "boot",
    "name": "hello",
}


def test_an_instance_is_started_without_an_event(here: Path, run: Run) -> None:
    """One that exists is left alone, with status 0."""
    (here / "hello.json").write_text(json.dumps(HELLO))
    words = ("start", "hello.json", "h1", "--stub", "--store", "s.json")
    first = run(*words)
    assert first.exit_code == 0
    assert first.stdout.startswith("RESOLVED: 'h1' was started, and is in open\n")
    assert first.stdout.endswith("Saved as revision 1 in s.json.\n")
    again = run(*words)
    assert again.exit_code == 0
    assert again.stdout.startswith("IGNORED: 'h1' exists already, in open; it is left alone\n")
    record = json.loads(run(*words, "--json").stdout)
    assert (record["start"], record["saved"]) == (None, False)


def test_a_start_with_nothing_to_do_is_told(run: Run) -> None:
    """The first event starts such an instance."""
    result = run("start", "count", "c1")
    assert result.exit_code == 0
    assert result.stdout.startswith("IGNORED: 'c1' has nothing to do in idle, which is not settled")


def test_the_start_is_saved_where_the_event_is_ignored(here: Path, run: Run) -> None:
    """Both are told."""
    (here / "hello.json").write_text(json.dumps(HELLO))
    result = run("settle", "hello.json", "h1", "BACK", "--stub", "--store", "s.json")
    assert result.exit_code == 0
    assert result.stdout.startswith("IGNORED: 'h1' does not take BACK in open\nIt takes GO")
    assert "greet done  -> open" in result.stdout
    assert result.stdout.endswith("The start was saved as revision 1 in s.json.\n")
    record = settled(run, "hello.json", "h2", "BACK", "--stub", "--store", "s.json")
    assert record["start"]["outcome"] == "resolved"
    assert record["start"]["snapshot"] == record["after"]
