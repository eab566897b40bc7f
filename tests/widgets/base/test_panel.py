"""What every panel keeps to: parts, messages, errors, threads and its end."""

from __future__ import annotations

import asyncio
import gc
import threading
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import ipywidgets
import pytest
import traitlets
from IPython.utils.generics import complete_object
from ipywidgets.widgets.widget import _instances

from settlesim.errors import InvalidValueError, MissingExtraError, RenderError
from settlesim.view.svg.page import page_html
from settlesim.widgets.base import hosting
from settlesim.widgets.base.hosting import CellWatch
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.base.seat import HINT


class Tally(Panel):
    """A panel that counts."""

    kind = "tally"
    scripts = ()
    part_names = ("count", "thread")

    def __init__(self) -> None:
        super().__init__()
        self.show(count=0)
        self.stopped = 0

    @observable
    def count(self) -> int:
        """Return how far it has counted."""
        found: int = self.parts["count"]
        return found

    def on_add(self, by: int) -> None:
        """Add."""
        self.show(count=self.parts["count"] + by * by // by, thread=threading.get_ident())

    def twin(self) -> str:
        """Return a picture."""
        if self.parts["count"] > 9:
            raise RenderError("too many")
        return f"<svg><text>{self.parts['count']}</text></svg>"

    def stop(self) -> None:
        """Count the stops."""
        self.stopped += 1

    def __repr__(self) -> str:
        return f"<Tally: {self.parts['count']}>"


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have panels believe that somebody looks."""
    monkeypatch.setenv("SETTLESIM_PANELS", "live")


def test_a_message_calls_the_method_of_its_kind() -> None:
    """The fields of the message are its arguments."""
    panel = Tally()
    panel.receive({"kind": "add", "by": 3})
    assert panel.parts["count"] == 3


@pytest.mark.parametrize(
    "message",
    [
        *(None, 3, "add", [], {}, {"kind": 3}, {"kind": "nothing"}, {"kind": "add"}),
        *({"kind": kind, "callback": print} for kind in ("__init", "msg", "trait_change")),
    ],
)
def test_a_message_that_makes_no_sense_is_an_error_in_the_panel(message: Any) -> None:
    """Nothing is raised into the kernel's log, and the panel goes on."""
    panel = Tally()
    panel.receive(message)
    assert isinstance(panel.errors[0], (InvalidValueError, TypeError))
    panel.receive({"kind": "add", "by": 1})
    assert panel.parts["count"] == 1


def test_an_error_is_shown_with_its_traceback_and_kept() -> None:
    """The front end gets text and traceback; the exception itself is in `errors`."""
    panel = Tally()
    panel.receive({"kind": "add", "by": 0})
    assert isinstance(panel.errors[0], ZeroDivisionError)
    shown = panel.parts["error"]
    assert shown["text"].startswith("ZeroDivisionError")
    assert "on_add" in shown["traceback"]
    panel.receive({"kind": "forget"})
    assert panel.parts["error"] is None
    assert len(panel.errors) == 1


def test_every_message_is_heard() -> None:
    """The page counts on it: where nothing is heard, it says that the kernel does not answer."""
    panel = Tally()
    for message in ({"kind": "add", "by": 1}, {"kind": "nothing"}, None):
        panel.receive(message)
    assert panel.parts["heard"] == 3


def test_only_a_known_part_can_be_shown() -> None:
    """A name that the front end does not know is a mistake of the panel's author."""
    with pytest.raises(KeyError, match="coutn"):
        Tally().show(coutn=1)


def test_where_nobody_looks_there_is_only_the_static_twin() -> None:
    """Picture and text, no widget: the page needs no kernel, and a converter no HTML."""
    panel = Tally()
    assert panel._repr_mimebundle_() == {
        "text/plain": "<Tally: 0>",
        "text/html": page_html("<svg><text>0</text></svg>", "<Tally: 0>"),
        "image/svg+xml": "<svg><text>0</text></svg>",
    }


def test_a_picture_that_can_not_be_drawn_leaves_the_text() -> None:
    """The text says it too."""
    panel = Tally()
    panel.show(count=10)
    assert panel._repr_mimebundle_() == {"text/plain": "<Tally: 10>"}


@pytest.mark.usefixtures("live")
def test_where_a_widget_needs_a_view_it_comes_with_its_twin() -> None:
    """One bundle: the widget's view, the picture, the text."""
    with Tally() as panel:
        bundle = panel._repr_mimebundle_()
        view = bundle["application/vnd.jupyter.widget-view+json"]
        assert view["model_id"] == panel.widget.model_id
        assert bundle["text/plain"] == "<Tally: 0>"
        assert "<svg>" in bundle["text/html"]


@pytest.fixture
def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have panels believe that a cell of JupyterLab made them."""
    _run_in(monkeypatch, cell="a-cell")


def _run_in(monkeypatch: pytest.MonkeyPatch, cell: str | None = None, **variables: str) -> None:
    """Have panels believe that they are in a kernel, with this cell and these variables."""
    for name in ("SETTLESIM_PANELS", "SERVER_SOFTWARE", *hosting._VIEW_HOSTS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shell = SimpleNamespace(events=SimpleNamespace(register=lambda *event: None))
    monkeypatch.setattr(hosting, "kernel_shell", lambda: shell)
    monkeypatch.setattr(hosting, "cell_id", lambda: cell)


@pytest.mark.parametrize(
    ("cell", "variables", "expected"),
    [
        (None, {}, "twin"),  # nbclient, nbval
        ("a-cell", {}, "seat"),
        (None, {"SERVER_SOFTWARE": "voila/0.5.13"}, "seat"),
        ("a-cell", {"VSCODE_PID": "7"}, "view"),
        ("vscode-notebook-cell:/home/ada/a.ipynb#W0sZmlsZQ", {}, "view"),
        (None, {"COLAB_RELEASE_TAG": "release"}, "view"),
        ("a-cell", {"SETTLESIM_PANELS": "static"}, "twin"),
        ("a-cell", {"SETTLESIM_PANELS": "view"}, "view"),
        ("a-cell", {"SETTLESIM_PANELS": "live"}, "seat"),
        (None, {"SETTLESIM_PANELS": "live"}, "view"),
    ],
)
def test_what_a_cell_gets_depends_on_the_front_end(
    cell: str | None,
    variables: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A widget needs a view in VS Code and Colab; elsewhere it takes the place of its twin."""
    _run_in(monkeypatch, cell, **variables)
    assert hosting.output() == expected
    assert hosting.is_live() == (expected != "twin")


class Images(HTMLParser):
    """The images of a page, and its other text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.classes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an image, and every class."""
        assert tag != "script"
        found = dict(attrs)
        self.classes += (found.get("class") or "").split()
        if tag == "img":
            self.images.append(found)

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


@pytest.mark.usefixtures("in_a_notebook")
def test_in_a_notebook_the_only_output_is_the_twin() -> None:
    """An image that an untrusted page keeps, with the class by which the panel finds it."""
    with Tally() as panel:
        bundle = panel._repr_mimebundle_()
        assert bundle.keys() == {"text/html", "text/plain"}
        page = Images(bundle["text/html"])
        [image] = page.images
        assert image["alt"] == bundle["text/plain"] == "<Tally: 0>"
        assert unquote(image["src"] or "") == "data:image/svg+xml,<svg><text>0</text></svg>"
        assert "run this cell to play" in page.text
        assert f"settlesim-{panel.widget.model_id}" in page.classes
        assert panel.widget.seat in page.classes
        panel.close()
        assert HINT not in panel._repr_mimebundle_()["text/html"]


@pytest.mark.usefixtures("in_a_notebook")
def test_a_twin_that_cannot_be_drawn_is_text_in_a_notebook() -> None:
    """The panel takes its place all the same."""
    with Tally() as panel:
        panel.show(count=10)
        page = Images(panel._repr_mimebundle_()["text/html"])
        assert page.images == []
        assert "<Tally: 10>" in page.text


@pytest.mark.usefixtures("live")
def test_the_widget_follows_the_parts() -> None:
    """What is shown later is a trait of the widget, so that it survives a reload of the page."""
    with Tally() as panel:
        assert panel.widget.count == 0
        panel.receive({"kind": "add", "by": 2})
        assert panel.widget.count == 2
        panel.receive({"kind": "add", "by": 0})
        assert panel.widget.error["kind"] == "ZeroDivisionError"


@pytest.mark.usefixtures("live")
def test_a_message_of_the_page_reaches_the_panel() -> None:
    """The widget passes on what it is sent."""
    with Tally() as panel:
        panel.widget._handle_custom_msg({"kind": "add", "by": 5}, [])
        assert panel.parts["count"] == 5


@pytest.mark.usefixtures("live")
def test_closing_ends_everything_once() -> None:
    """The widget is closed and forgotten, messages that come late do nothing."""
    panel = Tally()
    assert panel.widget.comm is not None
    panel.close()
    panel.close()
    assert panel.stopped == 1
    assert panel.widget.comm is None
    panel.receive({"kind": "add", "by": 5})
    assert panel.parts["count"] == 0
    assert "application/vnd.jupyter.widget-view+json" not in panel._repr_mimebundle_()


async def _from_a_thread(panel: Tally) -> None:
    thread = threading.Thread(target=panel.receive, args=({"kind": "add", "by": 1},))
    thread.start()
    thread.join()
    assert panel.parts["count"] == 0  # not handled there
    await asyncio.sleep(0)


def test_a_message_in_another_thread_is_handled_at_home() -> None:
    """The panel's loop handles it, in the thread in which the panel was made."""

    async def main() -> None:
        panel = Tally()
        await _from_a_thread(panel)
        assert panel.parts["count"] == 1
        assert panel.parts["thread"] == threading.get_ident()

    asyncio.run(main())


def test_without_an_event_loop_messages_are_handled_at_once() -> None:
    """A plain program, or a loop that has ended."""

    async def make() -> Tally:
        return Tally()

    panel = asyncio.run(make())
    thread = threading.Thread(target=panel.receive, args=({"kind": "add", "by": 1},))
    thread.start()
    thread.join()
    assert panel.parts["count"] == 1


def test_a_cell_that_runs_again_closes_what_it_made() -> None:
    """What other cells made stays."""
    cell = "one"
    cells = CellWatch(lambda: cell)
    first, other = Tally(), Tally()
    cells.add(first)
    cell = "two"
    cells.add(other)
    cells.begins("one")
    assert (first.closed, other.closed) == (True, False)
    cells.begins("one")
    cells.begins(None)
    assert first.stopped == 1
    assert not other.closed


def test_a_panel_that_is_gone_is_not_kept_by_the_watch() -> None:
    """The watch holds no panel alive."""
    cells = CellWatch(lambda: "one")
    cells.add(Tally())
    gc.collect()
    assert len(cells._everyone) == 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which extra to install."""
    monkeypatch.setattr(hosting, "REQUIRED", ("ipywidgets", "nothing_of_that_name"))
    with pytest.raises(MissingExtraError, match=r"Tally needs 'nothing_of_that_name'.*\[lab\]"):
        Tally()


# --- a panel is a widget ----------------------------------------------------------------------


def test_an_observed_property_tells_its_changes() -> None:
    """Once for all that is set together, and not where nothing has changed."""
    panel = Tally()
    heard: list[tuple[int, int]] = []
    panel.observe(lambda change: heard.append((change["old"], change["new"])), "count")
    panel.receive({"kind": "add", "by": 3})
    panel.show(thread=1)
    with panel.together():
        panel.show(count=4)
        panel.show(count=5)
    assert heard == [(0, 3), (3, 5)]
    panel.unobserve_all()
    panel.show(count=6)
    assert len(heard) == 2


def test_an_observed_property_is_linked_but_not_written() -> None:
    """Another widget follows it."""
    panel, label = Tally(), ipywidgets.IntText()
    traitlets.dlink((panel, "count"), (label, "value"))
    panel.receive({"kind": "add", "by": 3})
    assert label.value == panel.count == 3
    with pytest.raises(traitlets.TraitError, match="read-only"):
        panel.count = 4


def test_an_error_of_an_observer_is_shown_in_the_panel() -> None:
    """As one of the panel's own, and the panel goes on."""
    panel = Tally()
    panel.observe(lambda change: 1 // 0, "count")
    panel.receive({"kind": "add", "by": 3})
    assert isinstance(panel.errors[0], ZeroDivisionError)
    assert panel.parts["count"] == 3


@pytest.mark.usefixtures("live")
def test_a_panel_stands_in_a_box() -> None:
    """Its model is opened for that and not before; closing it closes all of it."""
    before = len(_instances)
    panel = Tally()
    assert panel.comm is None
    assert len(_instances) == before
    box = ipywidgets.VBox([panel])
    assert box.get_state()["children"] == [f"IPY_MODEL_{panel.model_id}"]
    assert panel.get_state()["children"] == [f"IPY_MODEL_{panel.widget.model_id}"]
    panel.close()
    assert panel.comm is None
    box.layout.close()
    box.close()
    assert len(_instances) == before
    assert panel._repr_mimebundle_()["text/plain"] == "<Tally: 0>"


def test_completion_offers_what_a_person_may_call() -> None:
    """Neither a widget's inside nor what answers the page."""
    offered = dir(Tally())
    assert {"close", "count", "errors", "observe", "widget"} <= set(offered)
    for name in ("on_add", "on_msg", "comm", "keys", "hold_sync", "receive", "send", "_handle"):
        assert name not in offered
    assert complete_object(Tally(), ["on_add", "comm"]) == offered
