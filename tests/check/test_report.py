"""The report as text and as JSON, and how it raises itself."""

from __future__ import annotations

import json

import pytest

from settlesim.chart import Chart
from settlesim.chart.report import Report, Verdict
from settlesim.check.contract import check_chart
from settlesim.errors import DefinitionError
from settlesim.gallery import CHARTS
from tests.settling.driving import chart_of, settled

LIMBO = chart_of(
    [settled("a"), "b", {"name": "c", "invoke": {"src": "work", "on_done": "a"}}],
    [["GO", "a", "b"], ["CALL", "a", "c"]],
    name="doors",
    version=3,
)


def test_a_report_reads_as_text() -> None:
    """One line for the verdict, then every finding with its numbered path."""
    assert str(check_chart(LIMBO)).splitlines() == [
        "doors version 3: REFUTED (1 settled configuration, 8 run states, 8 steps, "
        "at most 2 microsteps per event)",
        "SET101 error: state 'b': nothing is pending here and no settling tag is on it: tag it, "
        "or give it an invoke, an after or an always",
        "    1. new instance in a",
        "    2. GO -> b",
        "SET103 error: state 'c': service 'work' may fail, and it has no on_error",
        "    1. new instance in a",
        "    2. CALL -> c",
        "    3. work failed or out of time -> c",
    ]


def test_a_report_without_a_bound_does_not_name_one() -> None:
    """A loop has no longest run, and a chart without transitions has none worth naming."""
    loop = chart_of([settled("a"), {"name": "b", "after": {"1": "="}}], [["GO", "a", "b"]])
    assert str(check_chart(loop)).splitlines()[0].endswith("run states, 4 steps)")
    assert "at most" not in str(check_chart(chart_of([settled("a")])))


@pytest.mark.parametrize("chart", [*CHARTS.values(), LIMBO], ids=lambda chart: chart.name)
def test_a_report_is_plain_json(chart: Chart) -> None:
    """It comes back from JSON text as it went in."""
    report = check_chart(chart)
    record = report.to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["verdict"] == report.verdict.value
    assert [tuple(leaves) for leaves in record["settled"]] == list(report.settled)
    assert len(record["findings"]) == len(report.findings)


def test_a_finding_is_json_with_its_path() -> None:
    """Code, severity and title stand beside what was found."""
    assert check_chart(LIMBO).errors[0].to_dict() == {
        "code": "SET101",
        "severity": "error",
        "title": "limbo: a run stops in a state without a settling tag",
        "where": "state 'b'",
        "message": "nothing is pending here and no settling tag is on it: tag it, or give it an "
        "invoke, an after or an always",
        "path": ["new instance in a", "GO -> b"],
    }


def test_a_refuted_report_raises_its_errors() -> None:
    """Every error is a problem of the definition; a proved report returns itself."""
    report = check_chart(LIMBO)
    assert not report.ok
    with pytest.raises(DefinitionError, match=r"\[SET101\]") as info:
        report.raise_if_refuted()
    assert (info.value.chart, len(info.value.problems)) == ("doors", 2)
    fine = check_chart(CHARTS["order"])
    assert fine.ok
    assert fine.raise_if_refuted() is fine


def test_the_chart_checks_itself() -> None:
    """``chart.check()`` and ``chart.settling_graph()`` go through the display hooks."""
    report = LIMBO.check(limit=2)
    assert isinstance(report, Report)
    assert report.verdict is Verdict.UNDETERMINED
    assert LIMBO.settling_graph().chart is LIMBO


def test_no_function_of_the_chart_is_called() -> None:
    """Guards, assigns and services that would explode stay untouched."""

    def explode(*args: object) -> None:
        raise AssertionError("called")

    for chart in CHARTS.values():
        trapped = chart.bind(dict.fromkeys(chart.roles, explode))
        assert check_chart(trapped) == check_chart(chart)
        assert trapped.settling_graph().to_dict() == chart.settling_graph().to_dict()
