"""Every notebook in a real JupyterLab, run from top to bottom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser

NAMES = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


PANELS = {  # how many there are to play with
    "00_start_here.ipynb": 1, "01_draw.ipynb": 1, "02_settle.ipynb": 1, "03_why_fifo.ipynb": 1,
    "04_faults.ipynb": 1, "05_play.ipynb": 8, "06_be_the_scheduler.ipynb": 10,
    "07_for_real.ipynb": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(
    name: str, open_notebook: Callable[[str], Any], tmp_path: Path
) -> None:
    """No cell ends in an error, and the pictures are on the page in both themes."""
    notebook = open_notebook(name)
    problems: list[str] = []
    notebook.page.on("pageerror", lambda error: problems.append(str(error)))
    notebook.page.on("dialog", lambda dialog: problems.append(dialog.message))
    notebook.run_all()

    outputs = notebook.outputs()
    assert [each for each in outputs if each["output_type"] == "error"] == []
    assert [each for each in outputs if each.get("name") == "stderr"] == []
    assert problems == []

    expect(notebook.page.locator(".settlesim-panel")).to_have_count(PANELS[name])
    pictures = notebook.page.locator(".jp-OutputArea-output svg, .jp-OutputArea-output img")
    assert pictures.count() >= 2
    broken = notebook.page.evaluate(
        "() => [...document.querySelectorAll('.jp-OutputArea-output img')]"
        ".filter(image => !image.naturalWidth).length"
    )
    assert broken == 0

    folder = Path(os.environ.get("SETTLESIM_SCREENSHOTS", tmp_path))
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        target = folder / f"{Path(name).stem}-{theme.split()[1].lower()}.png"
        notebook.page.wait_for_selector("#jupyterlab-splash", state="detached")
        notebook.page.screenshot(path=str(target))
        assert target.stat().st_size > 10_000
