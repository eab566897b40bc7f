"""The log of `transitions` is silent while a chart settles, unless somebody asks for it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from transitions import Machine

from settlesim import Chart, Interpreter, MemoryStore, SettlesimError
from settlesim.gallery import count
from tests.engine.driving import chart_of, settled


@pytest.fixture(params=["transitions", "transitions.core"])
def asked(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """A logger of `transitions` that somebody may set a level on."""
    logger = logging.getLogger(request.param)
    yield logger
    logger.setLevel(logging.NOTSET)


def names(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The loggers of `transitions` that said something."""
    return {each.name for each in caplog.records if each.name.startswith("transitions")}


def settle(chart: Chart, event: str) -> None:
    """Settle one event."""
    Interpreter(chart, MemoryStore()).settle_sync("k", event)


def nested() -> Chart:
    """A nested chart with a guard and an assign."""
    box = {"name": "box", "initial": "x", "children": [settled("x")]}
    way = {"trigger": "GO", "source": "a", "dest": "box", "conditions": "g", "assign": "s"}
    chart = chart_of([settled("a"), box], [way])
    return chart.bind({"g": lambda context, event: True, "s": lambda context, event: None})


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_a_chart_settles_without_lines_of_transitions(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """Flat and nested, with guards and assigns, also where a check explores them."""
    with caplog.at_level(level):
        settle(count, "COUNT")
        settle(nested(), "GO")
        nested().check()
    assert not names(caplog)


def test_a_program_that_logs_all_at_info_sees_none_of_it() -> None:
    """As with `logging.basicConfig` in a script."""
    script = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from settlesim import *; from settlesim.gallery import count\n"
        "Interpreter(count, MemoryStore()).settle_sync('k', 'COUNT')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )
    assert "transitions" not in done.stderr


def test_who_asks_for_it_sees_it(caplog: pytest.LogCaptureFixture, asked: logging.Logger) -> None:
    """By a level on its logger."""
    asked.setLevel(logging.INFO)
    settle(count, "COUNT")
    assert names(caplog) == {"transitions.core"}


def test_a_machine_beside_the_charts_is_logged_as_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also after a guard that failed, and one that settled another chart."""

    def fail(context: object, event: object) -> bool:
        settle(count, "COUNT")
        raise ValueError

    way = {"trigger": "GO", "source": "a", "dest": "a", "conditions": "fail"}
    failing = chart_of([settled("a")], [way]).bind({"fail": fail})
    with caplog.at_level(logging.INFO):
        with pytest.raises(SettlesimError):
            settle(failing, "GO")
        assert not names(caplog)
        machine = Machine(states=["a", "b"], transitions=[["go", "a", "b"]], initial="a")
        machine.trigger("go")
    assert names(caplog) == {"transitions.core"}


def test_the_loggers_of_others_are_as_they_were() -> None:
    """No level, no handler of ours."""
    script = (
        "import logging, transitions\n"
        "def state():\n"
        "    names = [None, *sorted(n for n in logging.root.manager.loggerDict if 'trans' in n)]\n"
        "    return {n: (logging.getLogger(n).level, len(logging.getLogger(n).handlers),"
        " logging.getLogger(n).disabled) for n in names}\n"
        "import transitions.extensions\n"
        "before = state()\n"
        "import settlesim\n"
        "assert {n: state()[n] for n in before} == before, (before, state())\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
