"""``settlesim diff`` and ``settlesim rehearse``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from settlesim import Interpreter, SimulatedClock, SqliteStore
from settlesim.gallery import order
from tests.cli.conftest import Run


@pytest.fixture
def edited(here: Path) -> str:
    """The file name of the order chart with another name for a state."""
    text = json.dumps(order.to_dict() | {"version": 2}).replace('"paid"', '"charged"')
    (here / "order.v2.json").write_text(text, encoding="utf-8")
    return "order.v2.json"


@pytest.fixture
def orders(here: Path) -> str:
    """The file name of a store with four orders: three are paid, one of them is shipped."""
    with SqliteStore("orders.db") as store:
        interpreter = Interpreter(order, store, clock=SimulatedClock())
        interpreter.start_sync("o0")
        for key in ("o1", "o2", "o3"):
            interpreter.settle_sync(key, "PAY")
        interpreter.settle_sync("o3", "SHIP")
    return "orders.db"


def test_the_words_are_those_of_the_diff(run: Run, edited: str) -> None:
    """One line for each change."""
    result = run("diff", "order", edited)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "order, version 1 to version 2: 5 changes"
    assert lines[1] == "- state paid is gone; perhaps it was renamed to charged"
    assert len(lines) == 6


def test_the_same_chart_has_no_changes(run: Run) -> None:
    """Another version does not count."""
    result = run("diff", "count", "count")
    assert result.stdout == "count, version 1 to version 1: the same meaning\n"


def test_stored_instances_are_counted(run: Run, edited: str, orders: str) -> None:
    """Who is stranded is in the heading and by state; nothing is written."""
    before = Path(orders).read_bytes()
    result = run("diff", "order", edited, "--store", orders)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "order, version 1 to version 2: 5 changes, 2 of 4 instances stranded"
    assert lines[-1] == "- stranded in paid: 2"
    record = json.loads(run("diff", "order", edited, "--store", orders, "--json").stdout)
    assert record["instances"]["states"]["paid"] == {"stored": 2, "stranded": 2, "moved": {}}
    assert Path(orders).read_bytes() == before


@pytest.mark.parametrize(("suffix", "beginning"), [("svg", b"<svg "), ("png", b"\x89PNG")])
def test_the_picture_is_written(
    run: Run, here: Path, edited: str, suffix: str, beginning: bytes
) -> None:
    """As what the suffix says."""
    result = run(
        "diff", "order", edited, "-o", f"d.{suffix}", "--theme", "dark", "--direction", "LR"
    )
    assert (result.exit_code, result.stderr) == (0, f"Wrote d.{suffix}.\n")
    assert (here / f"d.{suffix}").read_bytes().startswith(beginning)


def test_another_format_is_refused_before_anything_is_written(
    run: Run, here: Path, edited: str
) -> None:
    """A diff has no PDF."""
    result = run("diff", "order", edited, "-o", "d.pdf")
    assert result.exit_code == 2
    assert "named as neither .svg nor .png" in result.stderr
    assert not (here / "d.pdf").exists()


def test_a_chart_that_is_none_is_named(run: Run) -> None:
    """Either of the two."""
    for words in (("nothing", "order"), ("order", "nothing")):
        result = run("diff", *words)
        assert result.exit_code == 2
        assert "'nothing' is no chart" in result.stderr


# --- rehearse -----------------------------------------------------------------------------


def test_a_rehearsal_of_the_same_chart_finds_nothing(run: Run, orders: str) -> None:
    """And ends with status 0."""
    result = run("rehearse", "order", "--store", orders)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "order version 1: 5 settlements run again, 5 do what they did, 0 do something else\n"
    )


def test_differences_end_with_status_1(run: Run, here: Path, edited: str, orders: str) -> None:
    """Stand-ins take the place of assigns; one of each kind is drawn, before and after."""
    words = ("rehearse", edited, "--store", orders, "--stub", "--old", "order")
    result = run(*words, "--pictures", "rehearsal")
    assert result.exit_code == 1
    assert "- 3 instances: PAY now ends in charged instead of paid (o1, o2, o3)" in result.stdout
    assert "- 1 instance: SHIP now cannot go on from paid" in result.stdout
    assert sorted(each.name for each in (here / "rehearsal").iterdir()) == [
        "1-after.svg",
        "1-before.svg",
        "2-after.svg",
        "2-before.svg",
    ]
    record = json.loads(run(*words, "--json").stdout)
    assert [each["instances"] for each in record["differences"]] == [3, 1]


def test_functions_that_are_missing_are_named_with_their_options(
    run: Run, edited: str, orders: str
) -> None:
    """Services are not among them."""
    result = run("rehearse", edited, "--store", orders)
    assert result.exit_code == 2
    assert "--assign 'keep_charge={}'" in result.stderr
    assert "charge_card" not in result.stderr
