"""A Chromium, and pages without Jupyter on which the panels of this process are shown."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import comm
import pytest

from tests.browser.bare_page import BarePage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from settlesim.widgets.base.panel import Panel

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 60_000
"""Milliseconds for which anything is waited for: a busy machine is no fault of the code."""


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    names = "chromium-headless-shell", "chromium", "chromium-browser"
    chosen = os.environ.get("SETTLESIM_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium; without one the test is skipped, but fails in CI."""
    found = find_chromium()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: CI has to install one")
        pytest.skip("no Chromium on this machine; SETTLESIM_CHROMIUM names one")
    return found


# For a module: as long as Playwright is there, an event loop counts as running in this thread,
# and tests elsewhere could not start one.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Start a Chromium, in a profile of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=CHROMIUM_OPTIONS
        )
        try:
            yield started
        finally:
            started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page that shares nothing with another."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    try:
        context.set_default_timeout(TIMEOUT)
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture(scope="module")
def module_page(browser: Browser) -> Iterator[BarePage]:
    """Open the one page on which the panels of a module are shown, test after test."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    try:
        context.set_default_timeout(TIMEOUT)
        yield BarePage(context.new_page())
    finally:
        context.close()


@pytest.fixture
def bare_page(module_page: BarePage, monkeypatch: pytest.MonkeyPatch) -> Iterator[BarePage]:
    """Return an empty page that shows panels of this process, and may do nothing else."""
    monkeypatch.setattr(comm, "create_comm", module_page.create_comm)
    monkeypatch.setenv("SETTLESIM_PANELS", "live")  # somebody looks, so nothing is waited for
    module_page.problems.clear()
    module_page.open()
    yield module_page
    module_page.clear()


@pytest.fixture
def show(bare_page: BarePage) -> Callable[[Panel], Locator]:
    """Return a function that shows a panel, and returns its element on the page."""
    return bare_page.show


@pytest.fixture
def shoot(module_page: BarePage, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that keeps a picture of the page where SETTLESIM_SCREENSHOTS says."""
    folder = os.environ.get("SETTLESIM_SCREENSHOTS")

    def take(name: str) -> None:
        if folder is not None:
            target = Path(folder) / f"{request.node.name[5:45]}-{name}.png"
            module_page.page.screenshot(path=str(target), full_page=True)

    return take
