"""The time from a click to the painted highlight in a real JupyterLab, measured in the browser.

Run ``python -m benchmarks.panel`` in the repository, with the ``dev`` extra and a Chromium.
The time runs from the click to the frame after the one in which the class of the new node was
set, so it includes the round trip to the kernel and the painting. The exit status is 1 if the
median is above the limit.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import CHROMIUM_OPTIONS, find_chromium
from tests.browser.jupyter import LabNotebook, serve, write_notebook

ROUNDS = 30
LIMIT = 100.0
"""Milliseconds."""

COUNT = "from settlesim.gallery import count\ncount.panel(manual=True)"
LARGE = """from settlesim import Chart
states = [{'name': f's{i}', 'tags': ['settled']} for i in range(100)]
Chart(states, [['COUNT', f's{i}', f's{(i + 1) % 100}'] for i in range(100)], 's0').panel()"""

MEASURE = """async ([panel, name, wanted]) => {
    const button = [...panel.querySelectorAll('button')]
        .find(each => (each.getAttribute('aria-label') ?? each.textContent) === name);
    const marked = () => [...panel.querySelectorAll('g.node.active > title')]
        .map(title => title.textContent.split(':')[0]).join();
    const before = marked();
    return new Promise(resolve => {
        let began = 0;
        const watcher = new MutationObserver(() => {
            if (wanted ? marked() !== wanted : marked() === before) return;
            watcher.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() =>
                resolve(performance.now() - began)));
        });
        watcher.observe(panel, { subtree: true, attributes: true, attributeFilter: ['class'] });
        began = performance.now();
        button.click();
    });
}"""


def open_panel(browser: Browser, address: str, folder: Path, name: str, source: str) -> Any:
    """Open a notebook of one cell, run it, and return its panel."""
    write_notebook(folder / name, source)
    page = browser.new_context(viewport={"width": 1300, "height": 1400}).new_page()
    LabNotebook(page, address, name).run_all()
    panel = page.locator(".chart-panel").first
    panel.locator(".chart-box svg").wait_for()
    return panel


def measure(panel: Any, name: str, wanted: str = "") -> float:
    """Return the milliseconds from a click on a button to the painted highlight."""
    handle = panel.element_handle()
    milliseconds: float = panel.page.evaluate(MEASURE, [handle, name, wanted])
    return milliseconds


def rounds_of_count(panel: Any) -> list[float]:
    """Send COUNT repeatedly; each time the node of the service is highlighted."""
    measure(panel, "COUNT", "even")
    found = []
    for _ in range(ROUNDS):
        found.append(measure(panel, "COUNT", "counting_even"))
        measure(panel, "give up this event; nothing is saved", "even")
    return found


def main() -> int:
    """Measure and print; return the exit status."""
    chromium = find_chromium()
    if chromium is None:
        print("no Chromium; SETTLESIM_CHROMIUM names one")
        return 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "notebooks"
        shutil.copytree(Path(__file__).parent.parent / "notebooks", folder)
        with serve(Path(place)) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, headless=True, args=CHROMIUM_OPTIONS
            )
            small = rounds_of_count(open_panel(browser, address, folder, "a.ipynb", COUNT))
            panel = open_panel(browser, address, folder, "b.ipynb", LARGE)
            large = [measure(panel, "COUNT") for _ in range(ROUNDS)]
            browser.close()
    for name, found in (("count", small), ("a ring of 100 states", large)):
        print(
            f"click to painted highlight, {name:22s} least {min(found):6.1f} ms, median "
            f"{statistics.median(found):6.1f} ms, most {max(found):6.1f} ms"
        )
    print(f"limit of the median on count: {LIMIT:g} ms")
    return 0 if statistics.median(small) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
