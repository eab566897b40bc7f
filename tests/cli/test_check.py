"""``settlesim check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from settlesim.gallery import count, order
from tests.cli.conftest import Run

LIMBO = {
    "name": "limbo",
    "states": [{"name": "a", "tags": ["settled"]}, "b"],
    "transitions": [["GO", "a", "b"]],
    "initial": "a",
}


def test_a_proved_chart_ends_with_status_0(run: Run) -> None:
    """The report is what `chart.check()` says."""
    result = run("check", "order")
    assert result.exit_code == 0
    assert result.stdout == f"{order.check()}\n"
    assert "PROVED" in result.stdout


def test_a_refuted_chart_ends_with_status_1_and_shows_the_way(here: Path, run: Run) -> None:
    """Errors are printed with a shortest run that shows them."""
    (here / "limbo.json").write_text(json.dumps(LIMBO))
    result = run("check", "limbo.json")
    assert result.exit_code == 1
    assert "SET101 error: state 'b'" in result.stdout
    assert "GO -> b" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_warnings_count_only_when_strict(run: Run, options: tuple[str, ...], status: int) -> None:
    """`count` has one warning."""
    result = run("check", "count", *options)
    assert result.exit_code == status
    assert "SET205 warning" in result.stdout


def test_strict_passes_a_chart_without_warnings(run: Run) -> None:
    """Nothing to complain about is status 0."""
    assert run("check", "order", "--strict").exit_code == 0


def test_the_report_is_printed_as_json(run: Run) -> None:
    """`--json` prints `report.to_dict()` and keeps the exit status."""
    result = run("check", "count", "--json", "--strict")
    assert json.loads(result.stdout) == count.check().to_dict()
    assert result.exit_code == 1


def test_the_limit_is_passed_on(run: Run) -> None:
    """A chart that was not visited whole is not proved."""
    result = run("check", "order", "--limit", "3")
    assert "UNDETERMINED" in result.stdout
    assert run("check", "order", "--limit", "3", "--strict").exit_code == 1


def test_a_limit_of_nothing_is_refused(run: Run) -> None:
    """The limit is 1 or more."""
    result = run("check", "order", "--limit", "0")
    assert result.exit_code == 2
    assert "Invalid value for '--limit'" in result.stderr
