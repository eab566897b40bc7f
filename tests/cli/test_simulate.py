"""``settlesim simulate``."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from settlesim.cli.simulation_text import exploration_text, replay_text
from settlesim.gallery import order
from settlesim.sim import Distribution, Scenario, explore, replay, sample
from settlesim.sim.search_choice import FEW_STATES
from tests.cli.conftest import Run
from tests.sim.interrupts import interrupt_at


def test_a_refuted_scenario_ends_with_status_1_and_its_shortest_schedule(run: Run) -> None:
    """The endings are counted, and the schedule printed is the one that the search found."""
    result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct")
    found = explore(Scenario(order, ["PAY", "CANCEL"], queue="direct"))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [
        "REFUTED: some schedules end differently from handling the events one after another, in "
        "arrival order",
        "order [PAY, CANCEL], no queue, a handler for each event",
    ]
    assert "4 endings, 10 interleavings, 18 states" in result.stdout
    assert f"  {found.counterexample}" in result.stdout.splitlines()
    assert result.stderr == ""


def test_a_proved_scenario_ends_with_status_0(run: Run) -> None:
    """FIFO per key leaves one ending."""
    result = run("simulate", "order", "PAY", "SHIP", "--queue", "fifo_group", "--workers", "3")
    assert result.exit_code == 0
    assert result.stdout.startswith("PROVED")
    assert "1 ending, 1 interleaving, 11 states" in result.stdout


def test_a_search_that_was_cut_ends_with_status_3(run: Run) -> None:
    """It is no proof, and says where it stopped."""
    result = run("simulate", "order", "PAY", "SHIP", "--limit", "5", "--queue", "fifo_group")
    assert result.exit_code == 3
    assert "Note: there are more than 5 states" in result.stdout


def test_an_interrupt_is_no_verdict(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C gives what is known so far, as UNDETERMINED: 1 would mean REFUTED."""
    monkeypatch.syspath_prepend(str(here))
    (here / "stopping.py").write_text(
        "from settlesim.gallery import order\n"
        "async def stop(call):\n    raise KeyboardInterrupt\n"
        "chart = order.bind({'charge_card': stop})\n"
    )
    result = run("simulate", "stopping:chart", "PAY")
    assert result.exit_code == 3
    assert result.stdout.startswith("UNDETERMINED")


def test_an_interrupt_while_a_counterexample_is_looked_for_keeps_the_verdict(run: Run) -> None:
    """What was explored is told without a schedule."""
    with interrupt_at("shortest"):
        result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct")
    assert result.exit_code == 1
    assert result.stdout.startswith("REFUTED")
    assert "counterexample" not in result.stdout


def test_the_options_are_those_of_a_scenario(run: Run) -> None:
    """Protections, faults, dead letters, keys and criterion reach the search."""
    words = ("--queue", "fifo_group", "--crashes", "1", "--expiries", "1")
    protected = (*words, "--protect", "idempotent,cas", "--protect", "inbox")
    assert run("simulate", "order", "PAY", "SHIP", *words).exit_code == 1
    assert run("simulate", "order", "PAY", "SHIP", *protected).exit_code == 0
    assert run("simulate", "order", "PAY", "--queue", "mutex").exit_code == 0
    mutex = ("simulate", "order", "PAY", "CANCEL", "--queue", "mutex")
    assert run(*mutex).exit_code == 1
    assert run(*mutex, "--criterion", "serializable").exit_code == 0
    keys = run("simulate", "order", "PAY", "SHIP", "--queue", "fifo_group", "--keys", "2", "--json")
    assert json.loads(keys.stdout)["interleavings"] == 184_756
    dead = run(
        "simulate", "order", "PAY", "SHIP", "--queue", "fifo_group", "--crashes", "1",
        "--max-receives", "1", "--json",
    )  # fmt: skip
    assert any(each["dead"] for each in json.loads(dead.stdout)["endings"])


def test_a_deployment_is_simulated(run: Run) -> None:
    """At any point the later version takes over; without a step it strands an order."""
    later = "settlesim.gallery:order_with_review"
    words = ("simulate", later, "PAY", "SHIP", "--queue", "fifo_group", "--old", "order")
    result = run(*words)
    assert result.exit_code == 1
    assert "r1 v1 l1 c1 s1 d1 r2 l2 g2" in result.stdout
    wrong = run(*words[:-1], later)
    assert wrong.exit_code == 2
    assert "--old" in wrong.stderr


def test_events_may_be_of_an_instance_and_have_data(run: Run) -> None:
    """KEY:EVENT names the instance; a declined card is rejected in every order."""
    two = run("simulate", "order", "a:PAY", "b:PAY", "--queue", "direct", "--json")
    assert two.exit_code == 0
    declined = run("simulate", "order", "PAY", "--data", 'PAY={"card": "declined"}', "--json")
    [ending] = json.loads(declined.stdout)["endings"]
    assert "new" in json.dumps(ending["store"])


def test_a_message_may_start_an_instance_without_an_event(run: Run) -> None:
    """A dash stands in the place of the event."""
    result = run("simulate", "order", "-", "b:-", "b:PAY", "--queue", "fifo_group", "--json")
    events = [None, None, "PAY"]
    assert [each[1] for each in json.loads(result.stdout)["scenario"]["events"]] == events
    plain = run("simulate", "order", "-", "PAY", "--queue", "fifo_group", "--keys", "2")
    assert (result.exit_code, plain.exit_code) == (0, 0)


TIMES = ("charge_card=2..4", "refund_card=exponential:0.5", "print_label=lognormal:1,0.3")


def test_a_sample_is_measured_with_the_times_that_are_given(run: Run) -> None:
    """As `sample` does with these durations."""
    words = ["simulate", "order", "PAY", "CANCEL", "--queue", "direct", "--sample", "50"]
    words += ["--time", "step=0.5"] + [word for each in TIMES for word in ("--time", each)]
    durations: dict[str, Any] = {
        "step": 0.5,
        "charge_card": (2, 4),
        "refund_card": Distribution.exponential(0.5),
        "print_label": Distribution.lognormal(1, 0.3),
    }
    scenario = Scenario(order, ["PAY", "CANCEL"], queue="direct")
    assert run(*words).stdout.startswith(str(sample(scenario, 50, 1, durations)))


def test_a_schedule_is_followed_step_by_step(run: Run) -> None:
    """Each step has its words, and an anomaly its mark."""
    result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct",
                 "--replay", "l1 l2 c1 s1 s2")  # fmt: skip
    assert result.exit_code == 1
    assert "s2  CANCEL: cancelled (charge=None) is saved as revision 2" in result.stdout
    assert "<- lost update" in result.stdout
    sentence = replay(Scenario(order, ["PAY", "CANCEL"], queue="direct"), "l1 l2 c1 s1 s2").sentence
    assert sentence in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["order", "PAY", "--queue", "fifo"], "is not one of"),
        (["order", "PAY", "--queue", "direct", "--expiries", "1"], "--expiries: they need a queue"),
        (["order", "PAY", "--queue", "direct", "--duplicates", "1"], "--duplicates: they need"),
        (["order", "PAY", "--queue", "fifo_group", "--duplicates", "1"], "--duplicates: a FIFO"),
        (["order", "PAY", "--protect", "cass"], "cas"),
        (["order", "PAY", "SHIP", "--replay", "r1 s1"], "l1"),
        (["order", "PAY", "--replay", "hello"], "hello"),
        (["order", "PAY", "--picture", "lanes"], "give -o FILE"),
        (["order", "PAY", "-o", "x.pdf"], ".svg or .png"),
        (["order", "PAY", "--data", "PAY"], "EVENT=JSON"),
        (["order", "PAY", "--data", "SHIP=1"], "no such event is given"),
        (["order", "a:PAY", "--keys", "2"], "--keys is for events without keys"),
        (["order", "PAY", "--replay", "r1", "-o", "x.svg", "--picture", "bars"], "as lanes"),
        (["order"], "EVENT"),
        (["ordr", "PAY"], "did you mean 'order'?"),
        (["order", "PAY", "--crashes", "-1"], "'--crashes': -1 is not in the range"),
        (["order", "PAY", "--expiries", "many"], "'--expiries'"),
        (["order", "PAY", "--workers", "0"], "'--workers': 0 is not in the range"),
        (["order", "PAY", "--queue", "direct", "--max-receives", "2"], "--max-receives: needs a"),
        (["order", "PAY", "--queue", "direct", "--protect", "fence"], "--protect: fence needs"),
        (["order", "PAY", "--start", "nowhere"], "--start: unknown name 'nowhere'; known are new"),
        (["order", "PAY", "--replay", "r1", "--limit", "9"], "leave --limit out"),
        (["order", "PAY", "--replay", "r1", "--certificate"], "leave --certificate out"),
        (["order", "PAY", "--theme", "dark"], "give -o FILE"),
        (["order", "done.x"], "reserved name"),
        (["order", "PAY", "--time", "step=1"], "--time is that of --sample RUNS"),
        (["order", "PAY", "--sample", "9", "--time", "step=1"], "--time: do not say how long"),
        (["order", "PAY", "--sample", "9", "--time", "step"], "is not NAME=SECONDS"),
        (["order", "PAY", "--sample", "9", "--time", "step=normal:1"], "=lognormal:MEDIAN"),
        (["order", "PAY", "--sample", "9", "--time", "step=lognormal:0,1"], "> 0 is needed"),
    ],
)
def test_what_was_given_wrong_ends_with_status_2(words: list[str], said: str, run: Run) -> None:
    """The message says what is possible, without a traceback."""
    result = run("simulate", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_event_that_the_chart_does_not_know_is_ignored_and_told(run: Run) -> None:
    """As the interpreter treats it, with what is near."""
    result = run("simulate", "order", "PAYY")
    assert result.exit_code == 0
    told = "Note: chart 'order' has no event 'PAYY', which is ignored; did you mean 'PAY'?"
    assert told in result.stdout


def test_a_search_that_was_cut_has_no_shares(run: Run) -> None:
    """Its counts are lower bounds, so that a share of them would mean nothing."""
    result = run("simulate", "order", "PAY", "SHIP", "--crashes", "1", "--limit", "100")
    assert "Note: there are more than 100 states" in result.stdout
    assert "not known" in result.stdout
    assert " %" not in result.stdout
    assert "shortest counterexample" not in result.stdout
    assert "a counterexample (0 faults" in result.stdout


def test_a_note_keeps_the_name_of_a_service(run: Run) -> None:
    """It may begin with one, which is written as it is in the chart."""
    declined = ("--data", 'PAY={"card": "declined"}')
    result = run("simulate", "order", "PAY", *declined)
    assert "Note: charge_card fails by itself (CardDeclinedError" in result.stdout


def test_workers_without_a_queue_are_noted(run: Run) -> None:
    """They are not used there, which is no error: a script may go through all disciplines."""
    result = run("simulate", "order", "PAY", "--queue", "direct", "--workers", "3")
    assert result.exit_code == 0
    assert "--workers is not used" in result.stderr
    assert run("simulate", "order", "PAY", "--queue", "direct").stderr == ""


@pytest.mark.parametrize("picture", ["bars", "lanes", "states"])
@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_written(picture: str, suffix: str, here: Path, run: Run) -> None:
    """Bars of the endings, lanes of a schedule, or the graph of all states."""
    name = f"race.{suffix}"
    result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct",
                 "-o", name, "--picture", picture, "--theme", "dark")  # fmt: skip
    assert result.exit_code == 1
    assert (here / name).read_bytes()[:4] in {b"<svg", b"\x89PNG"}
    assert f"Wrote {name}." in result.stderr


def test_json_and_the_certificate_are_plain(run: Run) -> None:
    """Everything that was found, with a checksum over all states."""
    result = run("simulate", "order", "PAY", "SHIP", "--queue", "fifo_group", "--json",
                 "--certificate")  # fmt: skip
    record: dict[str, Any] = json.loads(result.stdout)
    assert record["verdict"] == "proved"
    assert len(record["sha256"]) == 64


def test_a_chart_without_functions_is_simulated_with_stubs(parcel: str, run: Run) -> None:
    """As in settle; without them the missing functions are named."""
    missing = run("simulate", parcel, "SEND")
    assert missing.exit_code == 2
    assert "drive" in missing.stderr
    stubbed = run("simulate", parcel, "SEND", "--service", "drive=done", "--guard", "is_paid=true",
                  "--stub")  # fmt: skip
    assert stubbed.exit_code == 0
    assert "delivered" in stubbed.stdout


def test_the_table_says_what_its_numbers_are(run: Run) -> None:
    """A share is one of interleavings, and an order is one of handling one after another."""
    lines = run("simulate", "order", "PAY", "CANCEL").stdout.splitlines()
    head = next(line for line in lines if line.startswith("interleavings"))
    assert head.split("  ")[:3] == ["interleavings", "share of them", "serial order"]
    for words in ("arrival order", "another order", "none"):
        assert any(words in line for line in lines)
    claim = "some schedules end differently from handling the events one after another"
    assert lines[0].startswith(f"REFUTED: {claim}, in arrival order")


def test_a_schedule_that_does_not_end_has_status_3(run: Run) -> None:
    """What could come next is named; nothing is known of how it ends."""
    result = run("simulate", "order", "PAY", "CANCEL", "--replay", "r1 l1")
    assert result.exit_code == 3
    assert "not at the end: next could be r2, c1" in result.stdout
    record = json.loads(run("simulate", "order", "PAY", "--replay", "r1", "--json").stdout)
    assert record["ending"] is None
    assert record["steps"][-1]["enabled"] == ["l1"]


def test_a_schedule_that_may_end_says_what_could_still_come(run: Run) -> None:
    """A duplicate may come or not: the end is judged, and not denied."""
    result = run(
        "simulate", "order", "PAY", "--workers", "1", "--duplicates", "1",
        "--replay", "r1 l1 c1 s1 d1",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "it may end here: next could be u1" in result.stdout
    assert "not at the end" not in result.stdout


def test_a_graph_of_too_many_states_is_refused_with_the_number(here: Path, run: Run) -> None:
    """What was found is printed all the same; no file is written."""
    result = run("simulate", "order", "PAY", "SHIP", "--crashes", "1", "--expiries", "1",
                 "-o", "x.svg", "--picture", "states")  # fmt: skip
    assert result.exit_code == 2
    assert result.stdout.startswith("REFUTED")
    assert "this scenario has 2,534 states; a graph of more than 150 cannot be read" in (
        result.stderr
    )
    assert not (here / "x.svg").exists()


def test_json_can_not_command_the_terminal(run: Run) -> None:
    """Control characters of either set are escaped, and the JSON is the same."""
    text = "a\x9b2J\u202e\U000e0001"
    data = json.dumps({"card": text}, ensure_ascii=False)
    result = run("simulate", "order", "PAY", "--data", f"PAY={data}", "--json")
    assert not [each for each in result.stdout if not each.isprintable() and each != "\n"]
    assert json.loads(result.stdout)["scenario"]["events"][0][2] == {"card": text}


HOSTILE = "\x1b[31mred\x07\x9b2J"
TURNED = "a\u202eb"


@pytest.mark.parametrize("more", [(), ("--replay", "r1 l1 s1 d1 r2 l2 i2 d2")])
def test_names_can_not_command_the_terminal(
    more: tuple[str, ...], here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, values, names and files of a person's own are printed with escapes."""
    record = {
        "name": TURNED,
        "initial": "new",
        "context": {"note": ""},
        "states": [
            {"name": "new", "tags": ["settled"]},
            {
                "name": TURNED,
                "invoke": {"src": "ask", "on_done": {"dest": "new", "assign": "keep"}},
            },
        ],
        "transitions": [[TURNED, "new", TURNED]],
    }
    (here / "own.py").write_text(
        "from settlesim.chart import Chart\n"
        "async def ask(call):\n    return call.event.name\n"
        f"def keep(context, event):\n    return {{'note': context['note'] + {HOSTILE!r}}}\n"
        f"chart = Chart.from_dict({record!r}).bind({{'ask': ask, 'keep': keep}})\n"
    )
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    events = (f"{HOSTILE}:{TURNED}", f"{HOSTILE}:{TURNED}", f"k:{TURNED}{HOSTILE}")
    result = run("simulate", "own:chart", *events[: 2 if not more else 3], *more,
                 "-o", f"{HOSTILE}.svg")  # fmt: skip
    assert result.exit_code in {1, 2, 3}, result.output
    assert "Traceback" not in result.output
    for stream in (result.stdout, result.stderr):
        assert not [each for each in stream if not each.isprintable() and each != "\n"]


# --- long searches and terminals ----------------------------------------------------------


class _Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_the_bar_goes_to_a_terminal_and_is_gone_in_the_end(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its control characters, which other texts on standard error do not get."""
    monkeypatch.setattr("settlesim.progress.bars.DELAY", 1e-6)
    monkeypatch.setattr("settlesim.progress.bars.INTERVAL", 0)
    terminal = _Terminal()
    monkeypatch.setattr("settlesim.cli.output.unfiltered", lambda stream: terminal)
    result = run("simulate", "order", "PAY", "SHIP")
    assert result.stdout.startswith("REFUTED")
    assert result.stderr == ""
    assert "states found |" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_a_pipe_gets_no_bar(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither standard output nor standard error."""
    monkeypatch.setattr("settlesim.progress.bars.DELAY", 1e-6)
    monkeypatch.setattr("settlesim.progress.bars.INTERVAL", 0)
    result = run("simulate", "order", "PAY", "SHIP")
    assert result.stderr == ""
    assert "states found" not in result.stdout


def test_lines_of_a_table_are_cut_to_a_width() -> None:
    """Columns stay where they are; a schedule to copy is never cut."""
    found = explore(Scenario(order, ["PAY", "SHIP"], faults={"crashes": 1}))
    assert found.counterexample is not None
    wrong = replay(found.scenario, found.counterexample)
    whole = exploration_text(found, wrong, None).splitlines()
    cut = exploration_text(found, wrong, None, width=50).splitlines()
    assert len(whole) == len(cut)
    table = slice(whole.index("") + 1, whole.index("", whole.index("") + 1))
    for long, short in zip(whole[table], cut[table], strict=True):
        assert short == (long if len(long) <= 50 else f"{long[:49]}\N{HORIZONTAL ELLIPSIS}")
    assert whole[table.stop :] == cut[table.stop :]
    steps = replay_text(wrong, width=20).splitlines()
    assert max(map(len, steps[2 : 2 + len(wrong.schedule)])) == 20


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_table_is_as_wide_as_the_terminal(here: Path) -> None:
    """In a pipe it is whole."""
    words = ["simulate", "order", "PAY", "SHIP", "--crashes", "1"]
    ours, theirs = os.openpty()
    process = _started(words, here, stdout=theirs, environment={"COLUMNS": "60"})
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        text = _read(terminal, until=b"shortest counterexample").decode()
    process.wait(timeout=60)
    rows = text[text.index("interleavings  share of") : text.index("shortest")].splitlines()
    assert max(map(len, rows)) == 60
    assert any(row.endswith("\N{HORIZONTAL ELLIPSIS}") for row in rows)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_ctrl_c_in_the_middle_of_a_search_gives_what_is_known(here: Path) -> None:
    """A real signal, sent when the bar shows that the search goes on."""
    (here / "long.py").write_text(
        "from settlesim.gallery import append_log\nchart = append_log(6)\n", encoding="utf-8"
    )
    events = [f"E{number}" for number in range(1, 7)]
    ours, theirs = os.openpty()
    words = ["simulate", "long:chart", *events, "--workers", "4", "--limit", "100000000"]
    process = _started(words, here, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            assert b"states found" in _read(terminal, until=b"states found")
            process.send_signal(signal.SIGINT)
            _read(terminal, until=None)
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3
    assert printed.startswith(b"UNDETERMINED: it is not known whether every schedule ends as ")
    assert b"Note: it was interrupted." in printed
    states = re.search(rb"at least ([0-9,]+) states", printed)
    assert states is not None
    assert int(states[1].replace(b",", b"")) >= FEW_STATES  # the first report


def _started(
    words: list[str], folder: Path, *, stdout: int, stderr: int | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start the command line; a shell may have told it to ignore Ctrl-C, so that is undone."""
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from settlesim.cli import program; program(sys.argv[1:], prog_name='settlesim')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", source, *words],
        cwd=folder,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(environment or {})},
    )


def _read(terminal: io.RawIOBase, until: bytes | None) -> bytes:
    """Read what a program writes to its terminal, until some words or its end."""
    found = b""
    while until is None or until not in found:
        try:
            more = terminal.read(4096)
        except OSError:  # Linux: nobody has the other end open any more
            break
        if not more:
            break
        found += more
    return found


SHOP = {
    "initial": "new",
    "states": [
        {"name": "new", "tags": ["settled"]},
        {
            "name": "charging",
            "invoke": {
                "src": "charge",
                "on_done": "paid",
                "on_error": [{"dest": "blocked", "conditions": "declined"}, "new"],
            },
            "after": {"10": "gave_up"},
        },
        {"name": "paid", "tags": ["settled"]},
        {"name": "blocked", "tags": ["settled"]},
        {"name": "gave_up", "tags": ["settled"]},
    ],
    "transitions": [["PAY", "new", "charging"]],
}


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A chart in which time and errors make a difference."""
    path = tmp_path / "shop.json"
    path.write_text(json.dumps(SHOP), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("options", "endings"),
    [
        ([], {"paid", "gave_up"}),
        (["--timing", "simulated", "--duration", "charge=1"], {"paid"}),
        (["--duration", "charge=2..9"], {"paid"}),
        (["--duration", "charge=11"], {"gave_up"}),
        (["--duration", "charge=2..10.5"], {"paid", "gave_up"}),
    ],
)
def test_what_is_known_of_time_is_said_by_options(
    run: Run, shop: str, options: list[str], endings: set[str]
) -> None:
    """And the page says what was assumed."""
    result = run("simulate", shop, "PAY", "--stub", *options, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert {each["store"][0]["configuration"][0] for each in found["endings"]} == endings
    text = run("simulate", shop, "PAY", "--stub", *options).stdout
    assumed = "charge takes" if "--duration" in options else "services and delays in any order"
    assert assumed in text.splitlines()[1]
    number = len(found["endings"])  # a service that was given up may have had its effect, or not
    assert (f"{number} endings, {'both' if number == 2 else 'all'} allowed" in text) is (number > 1)


def test_what_a_service_raises_is_said_by_options(run: Run, shop: str) -> None:
    """Type and message; where it is not said and a guard asks for it, nothing is proved."""
    base = ["simulate", shop, "PAY", "--stub", "--guard", "declined=true"]
    failing = [*base, "--service-failures", "1", "--duration", "charge=1"]
    named = run(*failing, "--error", "charge=CardDeclinedError:no", "--json")
    assert named.exit_code == 0
    [error] = json.loads(named.stdout)["scenario"]["errors"]["charge"]
    assert error == {"type": "CardDeclinedError", "message": "no", "timeout": False}


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--duration", "charge", "is not SERVICE=SECONDS"),
        ("--duration", "charge=long", "is not SERVICE=SECONDS"),
        ("--duration", "charge=3..1", "--duration: of 'charge' is (3.0, 1.0)"),
        ("--duration", "bank=3", "--duration: unknown name 'bank'"),
        ("--error", "charge", "is not SERVICE=TYPE"),
        ("--error", "charge=Odd", "--error: say what services raise"),
        ("--timing", "none", "--timing"),
    ],
)
def test_what_is_said_wrong_of_time_and_errors_ends_with_status_2(
    run: Run, shop: str, option: str, value: str, told: str
) -> None:
    """With the option's own name."""
    result = run("simulate", shop, "PAY", "--stub", option, value)
    assert result.exit_code == 2
    assert told in result.stderr


# --- questions of one's own ---------------------------------------------------------------

ORDER = ("simulate", "order", "PAY", "SHIP", "CANCEL")


def test_properties_are_told_with_their_shortest_schedule(run: Run) -> None:
    """Each with its verdict, and the exit status is about them."""
    result = run(*ORDER, "--never", "print_label & refund_card", "--sometimes", "shipped")
    assert result.exit_code == 1
    assert "REFUTED: never print_label & refund_card; broken in 1,700 of 6,169" in result.stdout
    assert "shortest counterexample: r1 l1 c1 s1 d1 r2 l2 c2 r3 l3 c3" in result.stdout
    assert "PROVED: sometimes shipped" in result.stdout
    kept = run(
        *ORDER, "--always", "~shipped | charge_card", "--eventually", "charge_card | cancelled"
    )
    assert kept.exit_code == 0
    assert kept.stdout.startswith("REFUTED")  # the criterion


def test_a_property_in_json_has_everything(run: Run) -> None:
    """Predicate, verdict and schedule."""
    result = run(*ORDER, "--never", "refund_card>=1", "--json")
    [found] = json.loads(result.stdout)["properties"]
    assert (found["predicate"], found["verdict"]) == ("effect:refund_card", "refuted")
    assert found["schedule"].startswith("r1 l1 c1 s1")


def test_a_property_that_cannot_be_read_names_the_nearest_word(run: Run) -> None:
    """Status 2, before anything is searched."""
    result = run(*ORDER, "--never", "shiped & refund_card")
    assert result.exit_code == 2
    assert "--never: predicate 'shiped & refund_card'" in result.stderr
    assert "did you mean 'shipped'?" in result.stderr


def test_find_prints_the_shortest_schedule(run: Run) -> None:
    """0 where there is one, 1 where there is none, 3 where that is not known."""
    found = run(*ORDER, "--find", "refunded")
    assert (found.exit_code, found.stdout) == (0, "found in 8 steps: r1 l1 c1 s1 r3 l3 c3 s3\n")
    assert run(*ORDER, "--find", "refunded & shipped").exit_code == 1
    assert run(*ORDER, "--find", "refunded", "--limit", "5").exit_code == 3
    assert run(*ORDER, "--find", "refunded", "--never", "paid").exit_code == 2


def test_a_test_and_a_model_are_written(run: Run, tmp_path: Path) -> None:
    """What is not written says why."""
    test, model = tmp_path / "test_it.py", tmp_path / "model.pml"
    pair = ("simulate", "order", "PAY", "CANCEL", "--never", "refund_card>=2")
    written = run(*pair, "--export-pytest", str(test), "--export-promela", str(model))
    assert "it asserts that the defect is there" in written.stderr
    assert "replay(scenario" in test.read_text()
    assert "ltl p1 { [] !(when1 && holds1) }" in model.read_text()
    fixed = run(*pair, "--export-pytest", str(test), "--expect-fixed")
    assert "it asserts that no defect is there" in fixed.stderr
    assert "never('refund_card>=2', effect('refund_card', times=2))" in test.read_text()
    for words, why in (
        (("--expect-fixed",), "--expect-fixed is about a test"),
        (("--export-pytest", str(test), "--stub"), "no stand-ins"),
        (("--export-pytest", str(tmp_path / "no" / "x.py")), "cannot be written"),
    ):
        refused = run(*pair, *words)
        assert refused.exit_code == 2
        assert why in refused.stderr


def test_instances_are_explored_alone_on_demand(run: Run) -> None:
    """The verdict says so, and each has its endings."""
    words = ["order", "a:PAY", "a:SHIP", "b:PAY", "--queue", "fifo_group", "--by-instance"]
    result = run("simulate", *words)
    assert result.exit_code == 0
    assert "2 instances, each alone with the whole budget: 2 endings of theirs" in result.stdout
    assert "a alone: proved" in result.stdout
    record = json.loads(run("simulate", *words, "--json").stdout)
    assert [each["verdict"] for each in record["instances"]] == ["proved", "proved"]


def test_schedules_at_random_refute_or_leave_open(run: Run) -> None:
    """With the seed that was given, and between what the share of wrong ones lies."""
    wrong = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct", "--sample", "50")
    assert wrong.exit_code == 1
    assert wrong.stdout.startswith("refuted: 50 random walks")
    fine = ["order", "PAY", "SHIP", "--queue", "fifo_group", "--sample", "20", "--seed", "7"]
    assert run("simulate", *fine).exit_code == 3
    record = json.loads(run("simulate", *fine, "--json").stdout)
    assert (record["verdict"], record["runs"], record["wrong"]) == ("undetermined", 20, 0)
    assert run("simulate", "order", "PAY", "--seed", "7").exit_code == 2
    assert run("simulate", *fine, "--limit", "9").exit_code == 2
