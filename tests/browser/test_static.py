"""The notebooks as pages of `nbconvert`: without kernel, network and scripts there are pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.browser

NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def exporter() -> Any:
    """Make what turns notebooks into pages; its templates are read once."""
    from nbconvert import HTMLExporter

    made: Any = HTMLExporter
    return made()


@pytest.fixture
def still_page(browser: Browser) -> Iterator[Page]:
    """Open a page on which no script runs."""
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": 1300, "height": 1000}
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def twins_of(path: Path) -> list[dict[str, Any]]:
    """Return the outputs of a notebook that have a picture or a table."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [each.get("data", {}) for cell in cells for each in cell.get("outputs", [])]
    tables = ("<svg", "<table")
    return [
        each
        for each in outputs
        if "image/svg+xml" in each
        or any(tag in "".join(each.get("text/html", "")) for tag in tables)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_notebook_shows_the_twin_of_every_panel(
    name: str, exporter: Any, still_page: Page, tmp_path: Path
) -> None:
    """Each picture is on the page, in its place and of some size; nothing is asked of a network."""
    twins = twins_of(ROOT / "notebooks" / name)
    html, _ = exporter.from_filename(str(ROOT / "notebooks" / name))
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            asked.append(request.url)

    still_page.on("request", note)
    still_page.goto(page.as_uri())
    shown = still_page.locator(".jp-OutputArea-output:has(svg, table, img)")
    assert len(twins) > 1
    assert shown.count() == len(twins)
    for twin, output in zip(twins, shown.all(), strict=True):
        picture = output.locator("svg, img").first
        if "image/svg+xml" in twin or "<svg" in "".join(twin.get("text/html", "")):
            box = picture.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 50
        assert "model_id" not in output.inner_html()
    assert asked == []
    if folder := os.environ.get("SETTLESIM_SCREENSHOTS"):
        target = Path(folder) / f"{Path(name).stem}-static.png"
        still_page.screenshot(path=str(target), full_page=True)
