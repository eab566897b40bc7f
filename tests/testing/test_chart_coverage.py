"""What tests of a chart have reached is counted, reported and drawn."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from settlesim import Chart
from settlesim.errors import InvalidValueError
from settlesim.gallery import count, order
from settlesim.testing import ChartCoverage, ChartTester

pytest_plugins = ["pytester"]

NESTED = Chart(
    name="nested",
    initial="out",
    states=[
        {"name": "out", "tags": ["settled"]},
        {"name": "in", "tags": ["settled"], "initial": "a", "children": ["a", "b"]},
    ],
    transitions=[["GO", "out", "in"], ["ON", "in.a", "in.b"], ["HALT", "in", None]],
)

TESTS = """
import pytest
from settlesim.gallery import order

def test_cancel(chart_tester):
    chart_tester(order).settle("CANCEL")

@pytest.mark.parametrize("card", ["4242", "declined"])
def test_pay(chart_tester, card):
    chart_tester(order).settle("PAY", {"card": card})
"""


def test_a_chart_that_nothing_was_done_with_is_not_covered() -> None:
    """Every state and transition is missed."""
    coverage = ChartCoverage(order)
    assert coverage.share == 0
    assert coverage.missed_states == tuple(node.name for node in order.states)
    assert coverage.missed_transitions == order.edges


def test_states_on_the_way_and_around_are_covered() -> None:
    """Entering a child enters its parent; a state that was only passed was active too."""
    tester = ChartTester(NESTED)
    tester.settle("GO")
    assert tester.coverage.states == ("out", "in", "in.a")
    assert tester.coverage.transitions == (0,)
    tester = ChartTester(order)
    tester.settle("PAY", {"card": "declined"})
    assert "charging" in tester.coverage.states
    assert "declined" in tester.coverage.states


def test_everything_that_is_reached_is_nothing_missed() -> None:
    """A whole chart is a share of one."""
    tester = ChartTester(NESTED)
    for event in ("GO", "ON", "HALT"):
        tester.settle(event)
    assert tester.coverage.share == 1
    assert str(tester.coverage) == "nested version 1: 4 of 4 states, 3 of 3 transitions"


def test_what_is_missed_is_named() -> None:
    """States by their names, transitions by source, targets and trigger."""
    tester = ChartTester(NESTED)
    tester.start()
    assert str(tester.coverage).splitlines()[1:] == [
        "  never active: in",
        "  never active: in.a",
        "  never active: in.b",
        "  never taken:  out -> in on GO",
        "  never taken:  in.a -> in.b on ON",
        "  never taken:  in -> no target on HALT",
    ]


def test_one_state_and_one_transition_are_said_in_the_singular() -> None:
    """The heading of a very small chart."""
    chart = Chart([{"name": "on", "tags": ["settled"]}], [["GO", "on", "on"]], "on", name="small")
    assert ChartCoverage(chart).heading == "small version 1: 0 of 1 state, 0 of 1 transition"


def test_functions_may_differ_from_tester_to_tester() -> None:
    """A chart bound to other functions is counted with it; another chart is refused."""
    coverage = ChartCoverage(order)
    other = order.bind({"keep_label": lambda context, event: {}})
    ChartTester(other, coverage).settle("CANCEL")
    assert coverage.states == ("new", "cancelled")
    with pytest.raises(InvalidValueError, match="belongs to"):
        ChartTester(count, coverage).settle("COUNT")


def test_a_delay_passes_when_the_test_says_so() -> None:
    """It counts as a transition that was taken; one whose state was left is ignored."""
    chart = Chart(
        states=[
            {"name": "free", "tags": ["settled"]},
            {"name": "held", "tags": ["settled"], "after": {900: "free"}},
        ],
        transitions=[["HOLD", "free", "held"]],
        initial="free",
    )
    tester = ChartTester(chart)
    (timer,) = tester.settle("HOLD", key="12A").timers
    assert tester.coverage.missed_transitions
    assert tester.elapsed(timer.id, key="12A").after.configuration == ("free",)
    assert not tester.coverage.missed_transitions
    assert tester.elapsed(timer.id, key="12A").outcome.name == "IGNORED"


def test_the_picture_has_the_transitions_that_were_taken(tmp_path: Path) -> None:
    """It is that of the chart with a path, under a title with the numbers."""
    tester = ChartTester(order)
    tester.settle("CANCEL")
    tester.coverage.draw(tmp_path / "order.svg")
    text = (tmp_path / "order.svg").read_text(encoding="utf-8")
    assert "order version 1: 2 of 9 states, 1 of 10 transitions" in text


def test_pytest_finds_the_plugin_by_itself() -> None:
    """The package names it as an entry point; the runs below name it on their command line."""
    (entry,) = entry_points(group="pytest11", name="settlesim")
    assert entry.value == "settlesim.pytest_plugin"


OPTIONS = ("-q", "-p", "settlesim.pytest_plugin", "-p", "xdist", "-p", "no:cacheprovider")


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return what runs tests with no plugin but ours and pytest-xdist: others take seconds."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.plugins = []
    pytester.makepyfile(test_it=TESTS)
    return pytester


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["one", "two"])
def test_the_report_is_that_of_the_whole_run(processes: list[str], inner: pytest.Pytester) -> None:
    """Also where pytest-xdist runs the tests in several processes."""
    done = inner.runpytest_inprocess(*OPTIONS, "--chart-coverage", "seen", *processes)
    text = done.stdout.str()
    assert done.ret == 0
    assert "order version 1: 5 of 9 states, 4 of 10 transitions" in text
    assert "never taken:  paid -> printing on SHIP" in text
    assert "never taken:  new -> cancelled" not in text
    drawn = inner.path / "seen" / "order-1.svg"
    assert drawn.read_text(encoding="utf-8").startswith("<svg")


def test_too_little_coverage_fails_the_run(inner: pytest.Pytester) -> None:
    """With the number that was asked for, and only then."""
    done = inner.runpytest_inprocess(*OPTIONS, "--chart-coverage-min", "60")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "order: 47% were reached, and --chart-coverage-min asks for 60 %" in done.stdout.str()
    assert inner.runpytest_inprocess(*OPTIONS, "--chart-coverage-min", "40").ret == 0


def test_a_run_without_charts_has_no_report(inner: pytest.Pytester) -> None:
    """And imports nothing of settlesim but the plugin, in a process of its own."""
    nothing = "import sys\ndef test_it():\n    assert 'settlesim.chart' not in sys.modules\n"
    inner.makepyfile(test_it=nothing)
    done = inner.runpytest_subprocess(*OPTIONS)
    assert done.ret == 0
    assert "charts" not in done.stdout.str()
