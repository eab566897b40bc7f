"""The notebooks as pages of `nbconvert`: without kernel, network and scripts there are pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from settlesim.gallery import donut, order
from settlesim.sim import Scenario, explore, replay
from tests.documents import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.browser

NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
EVERY_KIND = ("04_faults.ipynb", "05_play.ipynb", "06_be_the_scheduler.ipynb", "07_for_real.ipynb")
"""They have every kind of picture, panel and table; the others are converted at night."""


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
    tables = ("<svg", "<table", "<img")
    return [
        each
        for each in outputs
        if "image/svg+xml" in each
        or any(tag in "".join(each.get("text/html", "")) for tag in tables)
    ]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in EVERY_KIND else pytest.mark.nightly) for name in NAMES],
)
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
        if "<svg" in "".join(twin.get("text/html", "")):
            box = picture.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 50
        assert "model_id" not in output.inner_html()
    assert asked == []
    if folder := os.environ.get("SETTLESIM_SCREENSHOTS"):
        target = Path(folder) / f"{Path(name).stem}-static.png"
        still_page.screenshot(path=str(target), full_page=True)


# --- other fonts --------------------------------------------------------------------------

FONTS = ["Liberation Sans", "DejaVu Sans", "monospace"]
"""What a reader's machine may show the texts with: our font, a wider one, and a very wide one."""

TEXTS = """family => {
    const found = {wider: 0, outside: [], colliding: []};
    const sheet = document.createElement('style');
    sheet.textContent = `svg text { font-family: ${family} !important; }`;
    document.head.append(sheet);
    for (const svg of document.querySelectorAll('svg')) {
        const boxes = [];
        for (const text of svg.querySelectorAll('text')) {
            const box = text.getBoundingClientRect();
            boxes.push([text.textContent, box]);
            const pinned = text.getAttribute('textLength');
            text.removeAttribute('textLength');
            if (text.getComputedTextLength() > 1.05 * pinned) found.wider += 1;
            text.setAttribute('textLength', pinned);
            const body = text.closest('g.node')?.querySelector('rect, polygon, circle');
            const room = body?.getBoundingClientRect();
            if (room && text.textContent !== 'now'
                && (box.left < room.left || box.right > room.right)) {
                found.outside.push(text.textContent);
            }
        }
        boxes.forEach(([one, a], index) => boxes.slice(index + 1).forEach(([other, b]) => {
            const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (x > 1 && y > 5) found.colliding.push(`${one} | ${other}`);
        }));
    }
    sheet.remove();
    return found;
}"""
"""Returns how many texts would be wider, which ones leave their state, and which ones collide."""


def test_texts_keep_their_places_whatever_font_the_machine_has(page: Page) -> None:
    """They are condensed to the width that they were measured with."""
    clicks = Scenario(order, ["PAY", "CANCEL"])
    shown = [
        order.draw(configuration="paid", path=[0, 3], legend=True),
        donut.draw(direction="TB"),
        order.settling_graph().draw(legend=True),
        replay(clicks, "r1 l1 r2 l2 c1 s1 d1 s2 d2").draw(),
        explore(clicks).draw(),
    ]
    page.set_content("<!doctype html>" + "".join(each.svg for each in shown))
    found = {family: page.evaluate(TEXTS, family) for family in FONTS}
    # A family that the machine does not have is replaced by one that it has.
    assert max(each["wider"] for each in found.values()) > 50
    for family, each in found.items():
        assert (family, each["outside"], each["colliding"]) == (family, [], [])
