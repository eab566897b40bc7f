"""A page without Jupyter: the front end of a real panel in a browser, the panel in this process.

Playwright's synchronous calls run an event loop in this thread while they wait. The panel lives
in that loop, as it lives in the loop of a kernel, and its widget speaks ipywidgets' own protocol
with the page: what the widget publishes goes there in batches, and what the page sends is handed
to the widget. Both travel as JSON text, so that every key arrives as it was.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from comm.base_comm import BaseComm
from greenlet import greenlet
from playwright.sync_api import Error

from tests.browser.watching import watch_for_problems

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

    from settlesim.widgets.panel import Panel

__all__ = ["ADDRESS", "BarePage"]

ADDRESS = "http://127.0.0.1/panels"  # never asked of a server; a page of 127.0.0.1 may copy

HTML = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>panels</title></head>
<body data-jp-theme-light="true">
<script type="module">
const models = new Map();

/** What a front end is given: the state of a widget and its messages. */
class Model {
  constructor(id, state) {
    Object.assign(this, { id, state: new Map(Object.entries(state)), acts: new Map(), ends: [] });
    this.heard = this.get("heard") ?? 0;
    this.sent = 0;
  }

  get(name) { return this.state.get(name); }

  on(kind, act) {
    if (!this.acts.has(kind)) this.acts.set(kind, new Set());
    this.acts.get(kind).add(act);
  }

  off(kind, act) { this.acts.get(kind)?.delete(act); }

  send(content) {
    if (this.closed) throw new Error("the connection is closed");
    if (window.deaf) return; // as a kernel that is gone
    this.sent += 1;
    window.toPython(this.id, JSON.stringify(content));
  }

  update(state) {
    const old = this.state;
    this.state = new Map([...old, ...Object.entries(state)]);
    for (const [name, value] of Object.entries(state)) {
      if (JSON.stringify(value) === JSON.stringify(old.get(name))) continue;
      for (const act of [...this.acts.get(`change:${name}`) ?? []]) act();
    }
  }

  async show() {
    const el = document.createElement("div");
    el.className = "jp-OutputArea-output";
    document.body.append(el);
    const style = document.createElement("style");
    style.textContent = this.get("_css");
    document.head.append(style);
    const text = new Blob([this.get("_esm")], { type: "text/javascript" });
    const { default: widget } = await import(URL.createObjectURL(text));
    const end = await widget.render({ model: this, el });
    this.ends.push(end, () => el.remove(), () => style.remove());
  }

  close() {
    this.closed = true;
    this.ends.forEach((end) => end?.());
  }
}

window.fromPython = (batch) => {
  for (const [id, kind, content] of JSON.parse(batch)) {
    if (kind === "comm_open") models.set(id, new Model(id, content.state));
    else if (kind === "comm_close") models.get(id)?.close(); // may be of a page before
    else if (content.method === "update") models.get(id).update(content.state);
    else throw new Error(`the page does not know ${kind} ${content.method}`);
  }
};
window.show = (id) => models.get(id).show();
window.isAnswered = () => [...models.values()]
  .every((model) => model.closed || (model.get("heard") ?? 0) - model.heard >= model.sent);
</script>
</body>
</html>
"""


class _Comm(BaseComm):
    """The connection of one widget with the page."""

    page: BarePage

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
        **keys: Any,
    ) -> None:
        assert not buffers
        self.page.publish(self.comm_id, msg_type, data or {})


class BarePage:
    """A page that shows panels of this process.

    Parameters
    ----------
    page : a new page of the browser
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems = watch_for_problems(page)
        """What may never happen on a page, and what went wrong in handling a message."""
        self._comms: dict[str, _Comm] = {}
        self._panels: list[Panel] = []
        self._out: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._pushing = False
        page.expose_function("toPython", self._take)
        page.route(ADDRESS, self._answer)
        self.open()

    def open(self) -> None:
        """Begin with an empty page, in the light theme and without motion.

        A picture that moves is painted sixty times in a second, which costs more than all else
        in these tests; tests of motion ask for it.
        """
        self._comms.clear()
        self.page.emulate_media(reduced_motion="reduce")
        self.page.goto(ADDRESS)
        self.page.wait_for_function("window.show !== undefined")

    @staticmethod
    def _answer(route: Route) -> None:
        route.fulfill(body=HTML, content_type="text/html; charset=utf-8")

    def create_comm(self, *given: Any, **options: Any) -> BaseComm:
        """Return the connection of a new widget; takes the place of ``comm.create_comm``."""
        made = _Comm.__new__(_Comm)
        made.page = self
        made.__init__(*given, **options)  # type: ignore[misc]  # it publishes at once
        self._comms[made.comm_id] = made
        return made

    def theme(self, name: Literal["light", "dark"]) -> None:
        """Look like JupyterLab's theme of this name."""
        self.page.evaluate(
            """dark => {
                document.body.dataset.jpThemeLight = String(!dark);
                document.body.style.background = dark ? "#111" : "#fff";
            }""",
            name == "dark",
        )

    def show(self, panel: Panel, state: Literal["visible", "attached"] = "visible") -> Locator:
        """Show a panel below the others; return its element, which is in this state."""
        self._panels.append(panel)
        widget = panel.widget
        count = self.page.locator(".settlesim-panel").count()
        self._push()  # the page has to know it first
        self.page.evaluate("id => show(id)", widget.model_id)
        found = self.page.locator(".settlesim-panel").nth(count)
        found.wait_for(state=state)
        return found

    def wait_for_answers(self) -> None:
        """Wait until the panels have handled all that the page has sent, and it has been told."""
        self.page.wait_for_function("isAnswered()")

    def clear(self) -> None:
        """Close the panels; they leave the page, and nothing went wrong."""
        for panel in self._panels:
            panel.close()
        self._panels.clear()
        self.page.wait_for_function("!document.querySelector('.settlesim-panel')")
        assert self.problems == []

    # --- from Python to the page --------------------------------------------------------------

    def publish(self, comm_id: str, kind: str, content: dict[str, Any]) -> None:
        """Have the page told as soon as this thread waits for the page."""
        self._out.append((comm_id, kind, content))
        if not self._pushing and not self.page.is_closed():
            self._pushing = True
            # A synchronous call out of a callback of the loop needs a greenlet of its own.
            asyncio.get_running_loop().call_soon(lambda: greenlet(self._push).switch())

    def _push(self) -> None:
        try:
            while self._out and not self.page.is_closed():
                batch = json.dumps(list(self._out))
                self._out.clear()
                self.page.evaluate("batch => fromPython(batch)", batch)
        except Error as error:
            self.problems.append(f"to the page: {error}")
        finally:
            self._pushing = False

    # --- from the page to Python --------------------------------------------------------------

    def _take(self, comm_id: str, content: str) -> None:
        try:
            data = {"method": "custom", "content": json.loads(content)}
            self._comms[comm_id].handle_msg({"content": {"data": data}, "buffers": []})
        except Exception as error:
            self.problems.append(f"from the page: {error!r}")
            raise
