"""The panels in Notebook 7, which is another program around the same parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LabNotebook, watch_for_problems
from tests.browser.test_races import step

if TYPE_CHECKING:
    from playwright.sync_api import Error, Locator, Page

pytestmark = pytest.mark.browser


def opened(page: Page, lab_server: tuple[str, Path], name: str) -> LabNotebook:
    """Open a notebook in Notebook 7, and run it."""
    notebook = LabNotebook(page, lab_server[0], name, "notebooks")
    assert page.evaluate("jupyterapp.name") == "Jupyter Notebook"
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    return notebook


def watch(page: Page) -> list[str]:
    """Return a list that collects the errors of panels, dialogs and foreign requests.

    Errors that come from the files of Notebook 7 alone are its own: it trips over JupyterLab's
    settings and workspace, which it shares here.
    """
    found = watch_for_problems(page)

    def forget(error: Error) -> None:
        places = re.findall(r"(?:https?|blob):\S+", error.stack or "")
        if places and all("/static/notebook/" in each for each in places):
            found.remove(f"error: {error}")

    page.on("pageerror", forget)
    return found


def press(panel: Locator, name: str) -> None:
    panel.get_by_role("button", name=name, exact=True).click()


def test_a_chart_is_played_with_in_notebook_7(page: Page, lab_server: tuple[str, Path]) -> None:
    """An event is fired, its service answered, and the new node lights up."""
    problems = watch(page)
    opened(page, lab_server, "05_play.ipynb")
    panel = page.locator(".chart-panel").first
    press(panel, "COUNT")
    expect(panel.locator("g.node.active")).to_contain_text("even")
    kitchen = page.locator(".chart-panel", has=page.locator(".card")).first
    press(kitchen, "whisk is done")
    expect(kitchen.locator(".card")).to_have_count(1)
    assert problems == []


def test_a_race_is_run_in_notebook_7(page: Page, lab_server: tuple[str, Path]) -> None:
    """The queue is broken by hand, and the bars are there."""
    problems = watch(page)
    opened(page, lab_server, "06_be_the_scheduler.ipynb")
    race = page.locator(".race").first
    for name in ("l1", "l2", "c1", "s1", "s2"):
        step(race, name)
    expect(race.locator(".verdict")).to_contain_text("forbidden: lost update")
    expect(race.locator(".bars-box g.bar")).to_have_count(3)
    lab = page.locator(".queue-lab").first
    expect(lab.locator(".search-verdict")).to_contain_text("REFUTED")
    assert problems == []
