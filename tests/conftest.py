"""Hypothesis profiles: ``ci`` if the environment variable CI is set, otherwise ``dev``.

``ci`` tries the same few examples each time; `.ci/nightly` tries others, and many more.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Generator

import pytest
from hypothesis import HealthCheck, settings

# No deadlines, and slow generation of examples is no error: the machine may be busy.
settings.register_profile("base", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", settings.get_profile("base"))
settings.register_profile(
    "ci", settings.get_profile("base"), derandomize=True, print_blob=True, max_examples=40
)
settings.register_profile(
    "nightly", settings.get_profile("base"), print_blob=True, max_examples=400
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# A shell without job control makes its background processes ignore Ctrl-C, and their children
# inherit that; the tests of Ctrl-C need the signal.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FINDING = "finding"


@pytest.fixture
def finding(request: pytest.FixtureRequest) -> Callable[[object], None]:
    """Adds a line to the end of the test report, such as what a test has counted."""

    def add(line: object) -> None:
        request.node.user_properties.append((FINDING, str(line)))  # kept when xdist sends a report

    return add


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Restore the logger of workers, which a command sets up for its whole process."""
    logger = logging.getLogger("settlesim.worker")
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers
    try:
        return (yield)
    finally:
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests found."""
    reports = [each for reports in terminalreporter.stats.values() for each in reports]
    lines = [
        str(line)
        for each in reports
        if isinstance(each, pytest.TestReport) and each.when == "call"
        for name, line in each.user_properties
        if name == FINDING
    ]
    if lines:
        terminalreporter.write_sep("=", "what was counted")
        for line in lines:
            terminalreporter.write_line(line)
