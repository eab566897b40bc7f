"""The live page over a Restate server, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.watching import watch_for_problems
from tests.engines.conftest import restate_binary, restate_server
from tests.engines.restate_server import RestateServer
from tests.engines.serve_process import serving_over_restate

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["restate_binary", "restate_server"]

pytestmark = pytest.mark.browser


def test_the_live_page_shows_an_instance_settle_over_restate(
    page: Page, restate_server: RestateServer
) -> None:
    """A button sends the event, the path runs through the chart, and a reload shows the state."""
    from playwright.sync_api import expect

    problems = watch_for_problems(page)
    with serving_over_restate(restate_server) as (url, _):
        page.goto(f"{url}#/page-1")
        expect(page.locator("header .pill")).to_have_text("live")
        page.get_by_role("button", name="COUNT", exact=True).click()
        expect(page.locator(".status .pill")).to_have_text("resolved")
        expect(page.locator("ol.happened li")).to_have_count(1)
        page.get_by_role("button", name="COUNT", exact=True).click()
        expect(page.locator(".chart-box .taken").nth(2)).to_be_attached()  # the whole path ran
        expect(page.locator("ol.happened li")).to_have_count(2)
        expect(page.locator("table.instances")).to_contain_text("page-1")
        page.reload()
        expect(page.locator(".status .pill")).to_have_text("at rest")
        expect(page.locator("ol.happened li")).to_have_count(2)
    assert problems == []
