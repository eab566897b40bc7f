"""The panel of a store on a page: it follows what workers do, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from settlesim import FifoQueue, MemoryStore, SimulatedClock, Worker
from settlesim.gallery import order
from settlesim.widgets import StorePanel
from tests.browser.gestures import active
from tests.browser.watching import low_contrasts

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from settlesim.widgets.base.panel import Panel

pytestmark = pytest.mark.browser

Show = Callable[["Panel"], "Locator"]
Shoot = Callable[[str], None]


def work(store: MemoryStore, *events: tuple[str, Any]) -> None:
    """Send bodies to instances, and settle all that can be settled."""
    queue = FifoQueue(store, "order", policy="halt")
    for key, body in events:
        queue.send(body, key)
    Worker(order, store, queue, clock=SimulatedClock()).run_sync(until_empty=True)


def test_it_shows_a_store_and_follows_it(show: Show, shoot: Shoot) -> None:
    """A row is chosen, others settle events, a dead letter is put back and its key resumed."""
    from playwright.sync_api import expect

    store = MemoryStore()
    work(store, ("<b>o1</b>", {"event": "PAY"}), ("o2", {"event": "CANCEL"}), ("o3", "no event"))
    panel = show(StorePanel(store, order, poll=0.02))
    expect(panel.locator("table.instances tbody tr")).to_have_count(2)
    expect(panel.locator(".queues")).to_contain_text("1 dead letter")
    shoot("light")
    panel.get_by_role("button", name="<b>o1</b>", exact=True).click()
    expect(panel.locator(".headline")).to_have_text("in paid, revision 1")
    assert active(panel) == ["paid"]
    work(store, ("<b>o1</b>", {"event": "SHIP"}))
    expect(panel.locator(".headline")).to_have_text("in shipped, revision 2")
    expect(panel.locator("ol.settlements li")).to_have_count(2)
    panel.get_by_role("button", name="redrive").click()
    expect(panel.locator(".queues")).to_contain_text("0 dead letters")
    panel.get_by_role("button", name="resume o3").click()
    expect(panel.get_by_role("button", name="resume o3")).to_have_count(0)
    assert low_contrasts(panel) == []
    panel.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    expect(panel).to_have_class("settlesim-panel store-panel dark")
    assert low_contrasts(panel) == []
    shoot("dark")
    panel.page.evaluate("document.body.dataset.jpThemeLight = 'true'")
