"""``settlesim simulate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settlesim.gallery import order
from settlesim.sim import Scenario, explore, replay
from tests.cli.conftest import Run


def test_a_refuted_scenario_ends_with_status_1_and_its_shortest_schedule(run: Run) -> None:
    """The endings are counted, and the schedule printed is the one that the search found."""
    result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct")
    found = explore(Scenario(order, ["PAY", "CANCEL"], queue="direct"))
    assert result.exit_code == 1
    assert result.stdout.startswith("REFUTED: order [PAY, CANCEL], no queue, 2 workers")
    assert "3 endings, 10 interleavings, 16 states" in result.stdout
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
    assert "There are more than 5 states" in result.stdout


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


def test_events_may_be_of_an_instance_and_have_data(run: Run) -> None:
    """KEY:EVENT names the instance; a declined card is rejected in every order."""
    two = run("simulate", "order", "a:PAY", "b:PAY", "--queue", "direct", "--json")
    assert two.exit_code == 0
    declined = run("simulate", "order", "PAY", "--data", 'PAY={"card": "declined"}', "--json")
    [ending] = json.loads(declined.stdout)["endings"]
    assert "new" in json.dumps(ending["store"])


def test_a_schedule_is_followed_step_by_step(run: Run) -> None:
    """Each step has its words, and an anomaly its mark."""
    result = run("simulate", "order", "PAY", "CANCEL", "--queue", "direct",
                 "--replay", "l1 l2 c1 s1 s2")  # fmt: skip
    assert result.exit_code == 1
    assert "s2  CANCEL: cancelled is saved as revision 2" in result.stdout
    assert "<- lost update" in result.stdout
    sentence = replay(Scenario(order, ["PAY", "CANCEL"], queue="direct"), "l1 l2 c1 s1 s2").sentence
    assert sentence in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["order", "PAY", "--queue", "fifo"], "is not one of"),
        (["order", "PAY", "--queue", "direct", "--expiries", "1"], "need a queue"),
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
    ],
)
def test_what_was_given_wrong_ends_with_status_2(words: list[str], said: str, run: Run) -> None:
    """The message says what is possible, without a traceback."""
    result = run("simulate", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_event_that_the_chart_does_not_know_is_noted(run: Run) -> None:
    """It is ignored by every instance, which may be a slip of the finger."""
    result = run("simulate", "order", "PAYY")
    assert "did you mean 'PAY'?" in result.stderr


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
