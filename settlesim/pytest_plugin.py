"""A pytest plugin: the fixture `chart_tester`, and a report of what the tests reached on charts.

pytest loads it automatically if settlesim is installed; it imports nothing else of settlesim until
a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from settlesim.chart import Chart
    from settlesim.testing import ChartCoverage, ChartTester

_COVERAGES = pytest.StashKey[dict[str, "ChartCoverage"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the report."""
    group = parser.getgroup("settlesim", "statecharts")
    group.addoption(
        "--chart-coverage",
        metavar="FOLDER",
        help="draw each chart that was tested with chart_tester, and what was reached, in FOLDER",
    )
    group.addoption(
        "--chart-coverage-min",
        metavar="PERCENT",
        type=float,
        default=0.0,
        help="fail if fewer of a chart's states and transitions were reached",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start with empty counts."""
    config.stash[_COVERAGES] = {}


@pytest.fixture
def chart_tester(request: pytest.FixtureRequest) -> Callable[[Chart], ChartTester]:
    """Return a function that makes a `settlesim.testing.ChartTester` of a chart.

    What all tests of a run reach on equal charts is counted together.
    """
    from settlesim.testing import ChartTester

    def tester(chart: Chart) -> ChartTester:
        return ChartTester(chart, _coverage(request.config, chart))

    return tester


def _coverage(config: pytest.Config, chart: Chart) -> ChartCoverage:
    from settlesim.chart import chart_to_json
    from settlesim.testing import ChartCoverage

    return config.stash[_COVERAGES].setdefault(chart_to_json(chart), ChartCoverage(chart))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a pytest-xdist worker to the main process; fail there if they are low."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["settlesim"] = [
            (text, list(each.states), list(each.transitions))
            for text, each in session.config.stash[_COVERAGES].items()
        ]
    elif _too_low(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of pytest-xdist has counted."""
    for text, states, transitions in getattr(node, "workeroutput", {}).get("settlesim", ()):
        from settlesim.chart import read_chart

        _coverage(node.config, read_chart(text)).add_reached([states], transitions)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Report which states and transitions no test has reached, and draw them if asked to."""
    found = config.stash[_COVERAGES].values()
    if not found:
        return
    terminalreporter.section("charts")
    for each in found:
        terminalreporter.write_line(str(each))
    for each in _too_low(config):
        terminalreporter.write_line(
            f"{each.chart.name}: {each.share:.0%} were reached, and"
            f" --chart-coverage-min asks for {config.getoption('chart_coverage_min'):g} %",
            red=True,
        )
    if folder := config.getoption("chart_coverage"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for each in found:
            path = Path(folder) / f"{each.chart.name}-{each.chart.version}.svg"
            each.draw(path)
            terminalreporter.write_line(f"Wrote {path}.")


def _too_low(config: pytest.Config) -> list[ChartCoverage]:
    least = config.getoption("chart_coverage_min")
    return [each for each in config.stash[_COVERAGES].values() if 100 * each.share < least]
