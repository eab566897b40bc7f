"""The panels in a real JupyterLab and in Notebook 7: what only Jupyter and a kernel can show.

One server, and one notebook with every kind of live panel, which is run from top to bottom at the
beginning of each test. What does not need Jupyter is tested on a page without it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from settlesim.widgets.base.seat import HINT
from tests.browser.conftest import TIMEOUT
from tests.browser.gestures import active, path_of, press, step, wait_for
from tests.browser.jupyter import LabNotebook, serve, write_notebook
from tests.browser.watching import low_contrasts, watch_for_problems
from tests.documents import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Error, Page

pytestmark = pytest.mark.browser

CHART = """import threading
from settlesim.gallery import append_log, count, order
from settlesim.sim import Scenario
from settlesim.widgets import RacePanel, queue_lab
seen = []
async def charge_card(call):
    seen.append(threading.current_thread() is threading.main_thread())
    return {"charge": 1}
panel = order.bind({"charge_card": charge_card}).panel(speed="at once")
panel"""
RACE = 'race = RacePanel(Scenario(order, ["PAY", "CANCEL"], queue="direct"))\nrace'
LAB = 'queue_lab(order, ["PAY", "CANCEL"])'
SLOW = "slow = count.panel(speed=0.01)\nslow.fire('COUNT')\nslow.fire('COUNT')\nslow"
COUNTS = """import asyncio
race.search.wait()
await asyncio.sleep(0)  # what was cancelled ends
names = [each.name for each in threading.enumerate() if "settlesim-s" in each.name]
tasks = [each for each in asyncio.all_tasks() if "settlesim" in repr(each)]
print(len(get_ipython().kernel.comm_manager.comms), len(tasks), names, seen)"""

BOX = """from ipywidgets import Text, VBox, interactive_output
from traitlets import dlink
from settlesim.gallery import count
panel, label = count.panel(speed="at once"), Text()
dlink((panel, "snapshot"), (label, "value"),
      lambda snapshot: f"{snapshot.configuration[0]} at revision {snapshot.revision}")
def tell(snapshot):
    print("now in", snapshot.configuration[0])
VBox([panel, label, interactive_output(tell, {"snapshot": panel})])"""
EVERY_PANEL = [
    "from settlesim.gallery import order\nfrom settlesim.sim import Scenario\n"
    "from settlesim.widgets import RacePanel, StorePanel, queue_lab\n"
    "panel = order.panel(speed='at once')\npanel",
    'RacePanel(Scenario(order, ["PAY", "CANCEL"], queue="direct"), path="l1 l2")',
    'queue_lab(order, ["PAY", "CANCEL"])',
    "from settlesim import Settling\nfrom settlesim.widgets import StepPanel\n"
    "StepPanel(Settling(order, None, 'PAY'))",
    "StorePanel(panel.store, order)",
]
EVERY_TWIN = [(True, False)] * 3 + [(True, True), (False, True)]
"""Of each of them: whether its twin has a picture, and a table."""

PANELS = {  # how many there are to play with
    "00_start_here.ipynb": 1, "01_draw.ipynb": 1, "02_settle.ipynb": 1, "03_why_fifo.ipynb": 1,
    "04_faults.ipynb": 1, "05_play.ipynb": 8, "06_be_the_scheduler.ipynb": 10,
    "07_for_real.ipynb": 1, "08_change.ipynb": 0, "09_beyond_one_machine.ipynb": 0,
    "10_your_own_chart.ipynb": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the notebooks, and write the notebook with every kind of live panel."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    write_notebook(folder / "notebooks" / "panels.ipynb", CHART, RACE, LAB, SLOW, COUNTS)
    return folder


@pytest.fixture(scope="module")
def server(lab_folder: Path) -> Iterator[str]:
    """Run JupyterLab on the notebooks."""
    with serve(lab_folder) as address:
        yield address


@pytest.fixture
def shoot_lab(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Return a function that keeps a picture of a page where SETTLESIM_SCREENSHOTS says."""

    def take(page: Page, name: str) -> None:
        if folder := os.environ.get("SETTLESIM_SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"{request.node.name[5:60]}-{name}.png"))

    return take


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Make the profile in which all pages are opened, so that JupyterLab is loaded once."""
    made = browser.new_context(
        viewport={"width": 1300, "height": 5000},  # cells out of view have no elements
        reduced_motion="reduce",  # what moves is painted again and again
    )
    try:
        made.set_default_timeout(TIMEOUT)
        yield made
    finally:
        made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Open a page; in the end nothing that may never happen has happened on it."""
    opened = context.new_page()
    problems = watch_for_problems(opened, ignore=_is_of_notebook_7)
    yield opened
    opened.close()  # does not ask whether to save
    assert problems == []


def _is_of_notebook_7(error: Error) -> bool:
    """Whether an error comes from the files of Notebook 7 alone.

    It trips over JupyterLab's settings and workspace, which it shares here.
    """
    places = re.findall(r"(?:https?|blob):\S+", error.stack or "")
    return bool(places) and all("/static/notebook/" in each for each in places)


@pytest.fixture(scope="module")
def lab_page(context: BrowserContext) -> Iterator[tuple[Page, list[str]]]:
    """Open a page on which JupyterLab is loaded once; return it with what may never happen."""
    page = context.new_page()
    problems = watch_for_problems(page)
    yield page, problems
    page.close()


@pytest.fixture
def lab(lab_page: tuple[Page, list[str]], server: str) -> Iterator[Callable[[str], LabNotebook]]:
    """Return a function that opens a notebook in the JupyterLab of the module."""
    page, problems = lab_page
    problems.clear()
    yield lambda name: LabNotebook(page, server, name, instead=page.url.startswith(server))
    assert problems == []


@pytest.fixture
def notebook(lab: Callable[[str], LabNotebook]) -> LabNotebook:
    """Run the notebook with every kind of panel from top to bottom."""
    opened = lab("panels.ipynb")
    opened.run_all()
    assert [each for each in opened.outputs() if each["output_type"] == "error"] == []
    opened.page.locator(".race .bars-box .bar").first.wait_for()
    opened.page.locator(".queue-lab .bars-box .bar").first.wait_for()
    return opened


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name.startswith("05") else pytest.mark.nightly)
        for name in sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    ],
)
def test_a_notebook_runs_from_top_to_bottom(
    name: str, lab: Callable[[str], LabNotebook], shoot_lab: Callable[[Page, str], None]
) -> None:
    """No cell ends in an error, and the pictures are on the page."""
    notebook = lab(name)
    page = notebook.page
    notebook.run_all()

    outputs = notebook.outputs()
    assert [each for each in outputs if each["output_type"] == "error"] == []
    assert [each for each in outputs if each.get("name") == "stderr"] == []

    expect(page.locator(".settlesim-panel")).to_have_count(PANELS[name])
    pictures = page.locator(".jp-OutputArea-output svg, .jp-OutputArea-output img")
    assert pictures.count() >= 2
    broken = page.evaluate(
        "() => [...document.querySelectorAll('.jp-OutputArea-output img')]"
        ".filter(image => !image.naturalWidth).length"
    )
    assert broken == 0
    if name.startswith("05"):
        panel = page.locator(".chart-panel").first
        press(panel, "COUNT")
        expect(panel.locator("g.node.active")).to_contain_text("even")
        kitchen = page.locator(".chart-panel", has=page.locator(".card")).first
        press(kitchen, "whisk is done")
        expect(kitchen.locator(".card")).to_have_count(1)

    if "SETTLESIM_SCREENSHOTS" in os.environ:
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            notebook.theme(theme)
            shoot_lab(page, theme.split()[1].lower())


def test_panels_are_there_again_when_the_page_is_loaded_again(notebook: LabNotebook) -> None:
    """State and history are in the kernel."""
    page = notebook.page
    panel, race = page.locator(".chart-panel").first, page.locator(".race")
    press(panel, "PAY")
    wait_for(panel, "paid")
    panel.get_by_label("services").select_option("me")
    press(panel, "SHIP")
    wait_for(panel, "printing")
    for name in ("l1", "l2"):
        step(race, name)
    page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save'); }")
    page.reload()
    panel.locator(".chart-box svg").wait_for()
    wait_for(panel, "printing")
    assert panel.locator(".settlements li").count() == 2
    panel.get_by_label("what print_label returns").fill('{"label": "x"}')
    press(panel, "print_label is done")
    wait_for(panel, "shipped")
    race.locator(".bars-box .bar").first.wait_for()
    assert path_of(race) == "l1 l2"
    step(race, "c1")
    assert path_of(race) == "l1 l2 c1"


@pytest.mark.nightly
def test_a_restarted_kernel_leaves_pictures(notebook: LabNotebook) -> None:
    """They say what to do, and are panels again when the cells have run again."""
    page = notebook.page
    panel = page.locator(".chart-panel").first
    page.evaluate(
        "async () => {"
        " await jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    expect(page.locator(".settlesim-panel")).to_have_count(0)
    expect(page.get_by_text(HINT)).to_have_count(4)
    notebook.run_all()
    expect(page.get_by_text(HINT).filter(visible=True)).to_have_count(0)
    press(panel, "PAY")
    wait_for(panel, "paid")


@pytest.mark.parametrize(
    "view",
    [
        pytest.param("lab/tree", id="lab"),
        pytest.param("notebooks", id="notebook 7", marks=pytest.mark.nightly),
    ],
)
def test_a_saved_notebook_that_is_opened_again_shows_pictures(
    view: str,
    lab: Callable[[str], LabNotebook],
    page: Page,
    server: str,
    lab_folder: Path,
    shoot_lab: Callable[[Page, str], None],
) -> None:
    """Saved, its kernel ended, opened again: trusted or not, and then played again."""
    in_lab = view == "lab/tree"
    path = lab_folder / "notebooks" / f"saved-{view[0]}.ipynb"
    write_notebook(path, *EVERY_PANEL)
    notebook = lab(path.name) if in_lab else LabNotebook(page, server, path.name, view)
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    panels = notebook.page.locator(".settlesim-panel")
    expect(panels).to_have_count(len(EVERY_PANEL))
    assert twins_seen(notebook.page) == []
    notebook.save()
    notebook.shut_down()
    expect(panels).to_have_count(0)
    assert twins_seen(notebook.page) == EVERY_TWIN
    shoot_lab(notebook.page, "kernel-ended")

    notebook = LabNotebook(page, server, path.name, view)
    panels = page.locator(".settlesim-panel")
    assert twins_seen(page) == EVERY_TWIN
    expect(page.get_by_text(HINT)).to_have_count(len(EVERY_PANEL))
    wait_for_papers(page, dark=False)
    shoot_lab(page, "opened-again")
    if in_lab:  # Notebook 7 has its themes in another place
        notebook.theme("JupyterLab Dark")
        wait_for_papers(page, dark=True)
        for width in (1400, 900):
            page.set_viewport_size({"width": width, "height": 1000})
            shoot_lab(page, f"opened-again-dark-{width}")
        page.set_viewport_size({"width": 1300, "height": 1000})
        notebook.theme("JupyterLab Light")
    notebook.run_all()
    expect(panels).to_have_count(len(EVERY_PANEL))
    assert twins_seen(page) == []
    press(panels.first, "PAY")
    wait_for(panels.first, "paid")
    notebook.save()  # or Notebook 7 asks before its page is left

    record = json.loads(path.read_text(encoding="utf-8"))
    record["cells"][0]["source"] += "  # of somebody else"
    other = path.with_name(f"foreign-{path.name}")
    other.write_text(json.dumps(record), encoding="utf-8")
    notebook = LabNotebook(page, server, other.name, view, instead=in_lab)
    assert not notebook.is_trusted()
    expect(page.locator(".settlesim-twin").filter(visible=True)).to_have_count(len(EVERY_TWIN))
    assert twins_seen(page) == EVERY_TWIN
    assert page.evaluate(PAPERS) == []
    expect(page.locator(".settlesim-twin img").filter(visible=True)).to_have_count(4)
    twin = page.locator(".settlesim-twin").filter(visible=True).first
    assert "Chart 'order'" not in twin.inner_text()
    shoot_lab(page, "untrusted")


@pytest.mark.nightly
def test_a_panel_in_a_box_is_played_and_another_widget_follows(
    lab: Callable[[str], LabNotebook], lab_folder: Path
) -> None:
    """It is a widget like any other: in a box, linked, observed by `interactive_output`."""
    path = lab_folder / "notebooks" / "box.ipynb"
    write_notebook(path, BOX)
    notebook = lab(path.name)
    page = notebook.page
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    panel = page.locator(".widget-vbox .chart-panel")
    expect(panel).to_have_count(1)
    press(panel, "COUNT")
    wait_for(panel, "even")
    expect(page.locator(".widget-text input")).to_have_value("even at revision 1")
    expect(page.locator(".jp-OutputArea-output", has_text="now in even")).not_to_have_count(0)


def twins_seen(page: Page) -> list[tuple[bool, bool]]:
    """Return of every twin in sight whether it is a whole picture, and has a table."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.settlesim-twin img')].every(each => each.complete)"
    )
    found: list[list[bool]] = page.evaluate(
        """() => [...document.querySelectorAll('.settlesim-twin')]
            .filter(each => each.checkVisibility())
            .map(each => [
                [...each.querySelectorAll('img, svg')].filter(
                    image => image.clientWidth > 50 && image.checkVisibility()).length === 1,
                each.querySelector('table') !== null,
            ])"""
    )
    return [(picture, table) for picture, table in found]


PAPERS = """() => [...document.querySelectorAll('.settlesim-picture svg .card')]
    .filter(each => each.checkVisibility()).map(each => getComputedStyle(each).fill)"""
"""The colours on which the inline pictures in sight are painted."""
PAPERS_ARE = (
    """dark => {
    const probe = document.createElement('p');
    probe.style.color = 'var(--jp-layout-color1)';
    document.body.append(probe);
    const page = getComputedStyle(probe).color;
    probe.remove();
    const isDark = Number(page.match(/[0-9]+/)[0]) < 128;
    const seen = ("""
    + PAPERS
    + """)();
    return isDark === dark && seen.length > 0 && seen.every(each => each === page);
}"""
)


def wait_for_papers(page: Page, *, dark: bool) -> None:
    """Wait until the inline pictures in sight are painted on the page's own paper.

    JupyterLab loads a theme, and shows the cells again, some time after it is asked to.
    """
    page.wait_for_function(PAPERS_ARE, arg=dark)


def test_panels_follow_the_theme(
    notebook: LabNotebook, shoot_lab: Callable[[Page, str], None]
) -> None:
    """Every text of every panel can be read in both of JupyterLab's themes."""
    page = notebook.page
    panels = page.locator(".settlesim-panel")
    expect(panels).to_have_count(4)
    press(panels.first, "data of PAY")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        for panel in panels.all():
            assert ("dark" in (panel.get_attribute("class") or "").split()) == ("Dark" in theme)
            assert low_contrasts(panel) == []
        for width in (1400, 900):
            page.set_viewport_size({"width": width, "height": 5000})
            shoot_lab(page, f"{theme[11:].lower()}-{width}")


@pytest.mark.nightly
def test_a_race_is_run_in_notebook_7(page: Page, server: str) -> None:
    """It is another program around the same parts: a queue is broken by hand, with its bars."""
    notebook = LabNotebook(page, server, "06_be_the_scheduler.ipynb", "notebooks")
    assert page.evaluate("jupyterapp.name") == "Jupyter Notebook"
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    race = page.locator(".race").first
    for name in ("l1", "l2", "c1", "s1", "s2"):
        step(race, name)
    expect(race.locator(".verdict")).to_contain_text("forbidden: lost update")
    expect(race.locator(".bars-box .bar")).to_have_count(4)
    lab = page.locator(".queue-lab").first
    expect(lab.locator(".search-verdict")).to_contain_text("REFUTED")


def test_keys_belong_to_the_panel(notebook: LabNotebook) -> None:
    """What is pressed in a panel is no shortcut of the notebook: no cell comes or goes."""
    page = notebook.page
    cells = page.locator(".jp-CodeCell").count()
    panel, race = page.locator(".chart-panel").first, page.locator(".race")
    panel.get_by_role("button", name="PAY", exact=True).focus()
    for key in ("a", "b", "x", "Tab", "Shift+Tab", "Enter"):
        page.keyboard.press(key)
    wait_for(panel, "paid")
    race.locator('button.step[data-step="l1"]').focus()
    for key, name in (("Enter", "l1"), ("2", "l2"), ("1", "c1")):
        page.keyboard.press(key)
        race.locator(".happened code", has_text=name).wait_for()
    assert page.evaluate("document.activeElement.closest('.scheduler') !== null")
    assert page.locator(".jp-CodeCell").count() == cells
    assert page.locator(".jp-CodeCell.jp-mod-editMode").count() == 0


@pytest.mark.nightly
def test_a_cell_that_runs_again_leaves_nothing_behind(notebook: LabNotebook) -> None:
    """No widget, task or search is left; services run in the notebook's thread, also meanwhile."""
    page = notebook.page
    panel = page.locator(".chart-panel").first
    counted = []
    for _ in range(3):
        press(panel, "PAY")
        wait_for(panel, "paid")
        page.locator(".chart-panel").nth(1).locator("g.tag").wait_for()
        notebook.run(4)
        counted.append(notebook.outputs()[-1]["text"])
        notebook.run_all()
        expect(page.locator(".settlesim-panel")).to_have_count(4)
        wait_for(panel, "new")
    assert len(set(counted)) == 1, counted
    assert counted[0].endswith(" 2 [] [True]\n"), counted
    assert active(panel) == ["new"]
