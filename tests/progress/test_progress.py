"""Progress is told by counts, shown in a terminal or a notebook, and leaves nothing behind."""

from __future__ import annotations

import io
import pickle
import queue
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from settlesim import import_chart
from settlesim.gallery import order
from settlesim.progress import Cancelled, Progress, Reporter, show_progress
from settlesim.view.graphviz.process import Child


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let bars appear at their first report."""
    monkeypatch.setattr("settlesim.progress.bars.DELAY", 1e-6)
    monkeypatch.setattr("settlesim.progress.bars.INTERVAL", 0)


def what_is_left(text: str) -> str:
    """Return what a terminal shows of a line in the end."""
    shown: list[str] = []
    at = 0
    for character in text:
        if character == "\r":
            at = 0
            continue
        shown[at : at + 1] = [character]
        at += 1
    return "".join(shown).strip()


# --- telling and stopping -----------------------------------------------------------------


def test_a_reporter_tells_each_report() -> None:
    """In their order, with what was given."""
    told: list[Progress] = []
    reporter = Reporter(told.append)
    reporter.report(1)
    reporter.report(2, 10, "states")
    assert told == [Progress(1, None, ""), Progress(2, 10, "states")]


def test_a_reporter_without_anybody_does_nothing() -> None:
    """So a computation need not ask whether there is somebody."""
    Reporter().report(1, 2, "states")


def test_a_flag_stops_at_the_next_report_and_ends_as_ctrl_c_does() -> None:
    """Nothing is told any more; whoever handles Ctrl-C handles this."""
    stop, told = threading.Event(), list[Progress]()
    reporter = Reporter(told.append, stop)
    reporter.report(1)
    stop.set()
    with pytest.raises(KeyboardInterrupt) as caught:
        reporter.report(2)
    assert told == [Progress(1)]
    assert type(pickle.loads(pickle.dumps(caught.value))) is Cancelled


# --- who is told --------------------------------------------------------------------------


def test_a_function_is_given_as_it_is_and_false_is_nobody() -> None:
    """On a terminal, too."""
    told: list[Progress] = []
    with show_progress(told.append, stream=Terminal()) as callback:
        assert callback == told.append
    with show_progress(False, stream=Terminal()) as callback:
        assert callback is None


def test_a_file_gets_no_bar(at_once: None) -> None:
    """Nor does a program without a console."""
    file = io.StringIO()
    with show_progress(stream=file) as callback:
        assert callback is None
    assert file.getvalue() == ""


def test_a_program_without_a_console_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no standard error."""
    monkeypatch.setattr(sys, "stderr", None)
    with show_progress() as callback:
        assert callback is None


# --- a terminal ---------------------------------------------------------------------------


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end(at_once: None) -> None:
    """It has what is counted, how much of it, and how much there will be."""
    terminal = Terminal()
    with show_progress(stream=terminal) as callback:
        assert callback is not None
        callback(Progress(65_536, 2_000_000, "states found"))
        assert what_is_left(terminal.getvalue()).startswith("states found |")
        assert what_is_left(terminal.getvalue()).endswith("65536/2000000")
    assert what_is_left(terminal.getvalue()) == ""
    assert "\n" not in terminal.getvalue()


def test_a_bar_is_gone_after_an_error_too(at_once: None) -> None:
    """And after Ctrl-C."""
    terminal = Terminal()

    def interrupted() -> None:
        with show_progress(stream=terminal) as callback:
            assert callback is not None
            callback(Progress(1, None, "states found"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "states found" in terminal.getvalue()
    assert what_is_left(terminal.getvalue()) == ""


def test_what_is_quick_shows_nothing() -> None:
    """Half a second has to pass first."""
    terminal = Terminal()
    with show_progress(stream=terminal) as callback:
        assert callback is not None
        callback(Progress(1, 2, "states found"))
    assert terminal.getvalue() == ""


# --- a notebook ---------------------------------------------------------------------------


class Output:
    """Keeps what the output of a cell has shown."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    """The output of a cell, in what looks like the kernel of a notebook."""
    kept = Output()

    def display(bundle: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert raw
        assert display_id
        kept.shown.append(bundle)
        return kept

    parent = {"metadata": {"cellId": "c1"}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda channel: parent))
    module: Any = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return kept


def test_a_notebook_gets_an_output_that_is_emptied(at_once: None, output: Output) -> None:
    """No byte of it is left, and the text is escaped."""
    with show_progress() as callback:
        assert callback is not None
        callback(Progress(5, 10, "a <b>"))
        callback(Progress(2_000, None, "states"))
    first, *_, last = output.shown
    assert first["text/plain"] == "a <b>: 5 of 10"
    assert first["text/html"] == '<progress max="10" value="5"></progress> a &lt;b&gt;: 5 of 10'
    assert last == {}


def test_a_notebook_shows_nothing_of_what_is_quick(output: Output) -> None:
    """Not even an empty output, so that a notebook has the same bytes each time."""
    with show_progress() as callback:
        assert callback is not None
        callback(Progress(5, 10, "states"))
    assert output.shown == []


def test_a_notebook_that_nobody_looks_at_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs notebooks to compare their outputs names no cell."""
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda channel: {"metadata": {}}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with show_progress() as callback:
        assert callback is None


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shell has no kernel."""
    module: Any = SimpleNamespace(get_ipython=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "IPython", module)
    with show_progress(stream=io.StringIO()) as callback:
        assert callback is None


# --- who reports --------------------------------------------------------------------------


def test_a_check_reports_its_run_states_and_can_be_stopped() -> None:
    """Each of them once, until the flag is set."""
    told: list[Progress] = []
    report = order.check(progress=told.append)
    assert [each.done for each in told] == list(range(report.run_states))
    stop, few = threading.Event(), list[Progress]()

    def enough(progress: Progress) -> None:
        few.append(progress)
        if progress.done == 3:
            stop.set()

    with pytest.raises(Cancelled):
        order.check(progress=enough, stop=stop)
    assert [each.done for each in few] == [0, 1, 2, 3]


def test_a_layout_reports_each_second_of_waiting() -> None:
    """The answer comes after the first of them."""
    child, told = Child(), list[Progress]()

    def answer(progress: Progress) -> None:
        told.append(progress)
        child._answers.put((True, b"a picture"))

    assert child._next(20.0, Reporter(answer), "layout") == (True, b"a picture")
    assert told == [Progress(1, 20, "layout")]
    with pytest.raises(queue.Empty):
        child._next(0.01, Reporter(), "layout")


def test_an_import_reports_its_stages(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; nothing is left of it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    import_chart({"id": "lamp", "initial": "off", "states": {"off": {}}})
    shown = terminal.getvalue()
    for stage in ("assembling the chart", "building the chart", "tagging the settled states"):
        assert stage in shown
    assert what_is_left(shown) == ""
