"""The live page in a real browser: sent, watched, reloaded, and the server started anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from settlesim import Chart, MemoryStore, SqliteStore
from settlesim.engines import EmbeddedEngine, NotPromisedError, Promise
from settlesim.testing import Work, engine_chart
from tests.browser.watching import low_contrasts, watch_for_problems
from tests.hostile import HOSTILE
from tests.http.background import in_background

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


@contextmanager
def a_server(folder: Path, chart: Chart, port: int = 0) -> Iterator[str]:
    with SqliteStore(folder / "store.db") as store, in_background(chart, store, port) as url:
        yield url


class Narrow(EmbeddedEngine):
    """Can only follow one instance at a time, as an engine on many machines."""

    promises = EmbeddedEngine.promises - {Promise.FOLLOW_ALL}  # type: ignore[misc]

    async def settlements(self, key: str | None = None, **more: Any) -> Any:
        if key is None:
            raise NotPromisedError(engine=self.name, promise=Promise.FOLLOW_ALL.value)
        return await super().settlements(key, **more)


def send(url: str, key: str, kind: str, data: Any = None) -> None:
    body = {"type": kind, "data": data}
    httpx.post(f"{url}/machines/{quote(key, safe='')}/events?wait=30", json=body, timeout=60)


def lit(page: Page) -> Locator:
    """Return the nodes that are marked as active."""
    return page.locator(".chart-box g.node.active")


def happened(page: Page) -> Locator:
    return page.locator("ol.happened li")


def test_an_event_is_sent_watched_and_kept(page: Page, tmp_path: Path) -> None:
    """By keyboard; after a reload and a restart of the server the instance is still there."""
    from playwright.sync_api import expect

    problems = watch_for_problems(page)
    work = Work()
    chart = engine_chart(work)
    with a_server(tmp_path, chart) as url:
        page.goto(url)
        expect(page.locator("header .pill")).to_have_text("live")
        page.get_by_label("key of an instance").fill("order/7")
        page.keyboard.press("Enter")
        expect(page.locator(".status .pill")).to_have_text("new, not saved yet")
        expect(lit(page)).to_have_count(1)
        page.get_by_role("button", name="data of CALL").click()
        page.get_by_role("button", name="as JSON").click()
        page.get_by_label("data of CALL as JSON").fill('"hello"')
        page.get_by_role("button", name="CALL", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.locator(".status .pill")).to_have_text("resolved")
        expect(page.locator(".chart-box g.taken path").first).to_be_visible()
        expect(page.locator(".chart-box .taken").nth(2)).to_be_attached()  # the whole path ran
        expect(page.locator("table.context")).to_contain_text('["hello"]')
        expect(happened(page)).to_have_count(1)
        expect(page.locator("table.instances tbody tr")).to_have_count(1)
        page.reload()
        expect(page.locator(".status .pill")).to_have_text("at rest")
        expect(page.locator("table.context")).to_contain_text('["hello"]')
        expect(happened(page)).to_have_count(1)
        send(url, "order/7", "ADD", "from elsewhere")
        expect(happened(page)).to_have_count(2)
    expect(page.locator("header .pill")).to_have_text(re.compile("connecting"))
    page.get_by_role("button", name="ADD", exact=True).click()
    expect(page.locator(".status .pill")).to_have_text(re.compile("sending again"))
    with a_server(tmp_path, chart, urlsplit(url).port or 0):
        expect(page.locator("header .pill")).to_have_text("live")
        expect(page.locator("table.context")).to_contain_text('["hello","from elsewhere",null]')
        expect(page.locator(".status .pill")).to_have_text(re.compile("resolved|at rest"))
        expect(happened(page)).to_have_count(3)
    assert problems == []


def test_what_could_not_be_settled_is_shown_and_retried(page: Page, tmp_path: Path) -> None:
    """With its error, to whoever sent it and to whoever looks."""
    from playwright.sync_api import expect

    work = Work()
    work.failures["first"] = 1
    with a_server(tmp_path, engine_chart(work)) as url:
        page.goto(f"{url}/#/a")
        page.get_by_role("button", name="CALL", exact=True).click()
        expect(page.locator(".error")).to_contain_text("no first today")
        expect(page.locator(".attention")).to_contain_text("could not settle CALL")
        page.get_by_role("button", name="retry CALL of a").click()
        expect(page.locator(".status .pill")).to_have_text("resolved")
        expect(page.locator(".attention")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_it_can_be_read(browser: Browser, tmp_path: Path, scheme: Any, width: int) -> None:
    """In both themes, on a phone and on a desktop; nothing is wider than the window."""
    from playwright.sync_api import expect

    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        page = context.new_page()
        with a_server(tmp_path, engine_chart(Work())) as url:
            send(url, "a", "ADD", "x" * 100)
            send(url, "b", "EVEN", "x")
            page.goto(f"{url}/#/a")
            expect(page.locator(".attention")).to_be_visible()
            expect(happened(page)).to_have_count(1)
            paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(23, 28, 35)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert low_contrasts(page.locator(".live-page")) == []
    finally:
        context.close()


def test_names_are_text_and_nothing_else(page: Page, tmp_path: Path) -> None:
    """Of charts, states, events and keys, and their data: no dialog, no request, no element."""
    from playwright.sync_api import expect

    problems = watch_for_problems(page)
    names = [name for name in HOSTILE if "." not in name and len(name) < 150][:8]
    states: list[Any] = [{"name": name, "tags": ["settled"]} for name in names]
    transitions = [[name, names[0], names[1]] for name in names]
    chart = Chart(states, transitions, names[0], name=names[0], context={names[0]: names[1]})
    with a_server(tmp_path, chart) as url:
        for key in names:
            send(url, key, names[0], {names[1]: names[2]})
        page.goto(f"{url}/#/{quote(names[0], safe='')}")
        expect(page.locator("table.instances tbody tr")).to_have_count(len(names))
        expect(happened(page)).to_have_count(1)
        tags = page.evaluate(
            "() => [...new Set([...document.querySelectorAll('.live-page *')]"
            ".map(each => each.localName))].filter(each =>"
            " /^(script|iframe|img|object|embed|image|use|foreignobject)$/i.test(each))"
        )
        assert tags == []
    assert problems == []


def test_it_serves_an_engine_that_cannot_follow_all(page: Page) -> None:
    """The table looks again now and then; the chosen instance is followed."""
    from playwright.sync_api import expect

    problems = watch_for_problems(page)
    chart = engine_chart(Work())
    with MemoryStore() as store, in_background(chart, store, kind=Narrow) as url:
        assert httpx.get(f"{url}/settlements").status_code == 501
        page.goto(f"{url}/#/a")
        expect(page.locator(".status .pill")).to_have_text("new, not saved yet")
        send(url, "a", "ADD", 1)
        expect(page.locator(".status .pill")).to_have_text("resolved")
        send(url, "b", "ADD", 2)
        expect(page.locator("table.instances tbody tr")).to_have_count(2)
        expect(page.locator("header .pill")).to_have_text("live")
    assert problems == []
