"""Charts of other formats on the command line: `convert`, and every CHART."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, read_chart
from tests.cli.conftest import Run

MACHINE: dict[str, Any] = {
    "id": "order",
    "initial": "cart",
    "states": {
        "cart": {"on": {"PAY": "paying"}},
        "paying": {"invoke": {"src": "charge", "onDone": "paid", "onError": "cart"}},
        "paid": {
            "on": {"SHIP": {"target": "shipped", "actions": {"type": "x", "params": {"n": 1}}}}
        },
        "shipped": {"type": "final"},
    },
}
LOSS = "1 action with parameters, at x of paid on 'SHIP': bind a function with the values in it"


@pytest.fixture
def machine(here: Path) -> str:
    """An XState configuration in the current folder."""
    (here / "machine.json").write_text(json.dumps(MACHINE))
    return "machine.json"


def test_every_command_takes_it_and_says_what_it_is(run: Run, machine: str) -> None:
    """What was left out and assumed stands on standard error, and the result on standard output."""
    note = (
        "Note: machine.json is XState v5 JSON.\n"
        f"  left out: {LOSS}\n"
        "  assumed: these 2 states have neither service, eventless transition nor delay, so they "
        "are settled: cart, paid\n"
    )
    for words in (
        ("check", machine),
        ("draw", machine, "--format", "mermaid"),
        ("settle", machine, "o1", "PAY", "--stub"),
        ("simulate", machine, "PAY", "PAY", "--stub", "--queue", "fifo_group"),
    ):
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith(note)
        assert "Note:" not in result.stdout


def test_it_becomes_a_file_of_ours(run: Run, machine: str, here: Path) -> None:
    """With the tags that were named, and where it is from."""
    result = run("convert", machine, "-o", "order.json", "--settled", "paid, cart")
    assert (result.exit_code, result.stdout) == (0, "Wrote order.json: settlesim, 4 states.\n")
    record = json.loads((here / "order.json").read_text())
    assert record["provenance"]["source"] == "machine.json"
    assert record["provenance"]["left_out"] == [LOSS]
    assert [node.name for node in read_chart("order.json").states if node.tags] == ["cart", "paid"]
    again = run("check", "order.json")
    assert (again.exit_code, again.stderr) == (0, "")


def test_one_state_is_no_states(run: Run, here: Path) -> None:
    """The number of states has its noun in the singular."""
    (here / "one.json").write_text(json.dumps({"id": "one", "initial": "a", "states": {"a": {}}}))
    assert (
        run("convert", "one.json", "-o", "one.mmd").stdout == "Wrote one.mmd: mermaid, 1 state.\n"
    )


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.scxml", "<?xml"), ("a.mmd", "---\ntitle: order\n---\nstateDiagram-v2"), ("a.json", "{")],
)
def test_the_suffix_says_the_format(
    run: Run, machine: str, here: Path, name: str, start: str
) -> None:
    """And what is written is read again."""
    assert run("convert", machine, "-o", name).exit_code == 0
    assert (here / name).read_text().startswith(start)
    assert run("convert", name, "-o", "again.json").exit_code == 0
    found = Chart.from_dict(json.loads((here / "again.json").read_text()))
    assert [node.name for node in found.states] == ["cart", "paying", "paid", "shipped"]


def test_without_a_file_the_text_is_printed(run: Run, machine: str) -> None:
    """In the format that is asked for."""
    result = run("convert", machine, "--to", "xstate")
    assert json.loads(result.stdout)["states"]["cart"]["on"]["PAY"] == [{"target": "paying"}]


def test_strict_refuses_what_would_be_left_out(run: Run, machine: str, here: Path) -> None:
    """No file is written."""
    result = run("convert", machine, "-o", "order.json", "--strict")
    assert result.exit_code == 2
    assert f"would be left out: {LOSS}" in result.stderr
    assert not (here / "order.json").exists()


def test_what_the_other_format_cannot_carry_is_told(run: Run, here: Path) -> None:
    """And refused by --strict."""
    chart = {"name": "a", "version": 2, "states": ["x"], "initial": "x"}
    (here / "a.json").write_text(json.dumps(chart))
    result = run("convert", "a.json", "--to", "xstate")
    assert result.stderr == (
        "Note: not in xstate: 1 setting of the chart, at version 2: "
        "say it again where the file is read\n"
    )
    assert run("convert", "a.json", "--to", "xstate", "--strict").exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("machine.json", "-o", "machine.json"), "is the file that is read"),
        (("machine.json", "-o", "a.txt"), "the suffix '.txt' is of no format"),
        (("gone.json", "-o", "a.json"), "cannot be read"),
        (("machine.json", "--settled", "pai"), "has no state 'pai'; did you mean 'paid'?"),
        (("machine.json", "--from", "asl"), "States is None"),
    ],
)
def test_wrong_words_are_refused(
    run: Run, machine: str, words: tuple[str, ...], message: str
) -> None:
    """With what is possible."""
    result = run("convert", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_missing_extra_says_what_to_install(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SCXML and YAML need the `formats` extra; JSON and Mermaid do not."""
    monkeypatch.setitem(__import__("sys").modules, "defusedxml", None)
    (here / "a.scxml").write_text("<scxml/>")
    result = run("check", "a.scxml")
    assert result.exit_code == 1
    assert "install settlesim[formats]" in result.stderr
