"""The live panels in a real JupyterLab: everything that a hand can do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import watch_for_problems

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

ORDER = "from settlesim.gallery import order\npanel = order.panel(speed=10, data={data})\npanel"
CARD = "{'PAY': {'card': '4242'}}"

Write = Callable[..., Any]


@pytest.fixture
def problems(page: Page) -> list[str]:
    """Collect what may never happen on a page."""
    return watch_for_problems(page)


@pytest.fixture
def shoot(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that keeps a picture of the page."""
    folder = Path(os.environ.get("SETTLESIM_SCREENSHOTS", tmp_path))

    def take(name: str) -> None:
        page.screenshot(path=str(folder / f"{request.node.name[5:45]}-{name}.png"))

    return take


def open_panels(write_notebook: Write, *cells: str, kind: str = "chart-panel") -> Any:
    """Open a notebook of these cells, run it, and wait for its panels."""
    notebook = write_notebook(*cells)
    notebook.run_all()
    panels = notebook.page.locator(f".{kind}")
    panels.first.wait_for(timeout=30_000)
    panels.first.locator(".chart-box svg").wait_for()
    return notebook


def panel_of(page: Page, number: int = 0, kind: str = "chart-panel") -> Locator:
    return page.locator(f".{kind}").nth(number)


def press(panel: Locator, name: str) -> None:
    panel.get_by_role("button", name=name, exact=True).click()


def press_disabled(panel: Locator, name: str) -> None:
    """Press what says that it is disabled; Playwright would wait for it."""
    button = panel.get_by_role("button", name=name, exact=True)
    assert button.get_attribute("aria-disabled") == "true"
    button.dispatch_event("click")


def active(panel: Locator) -> list[str]:
    """Return the titles of the active nodes."""
    found: list[str] = panel.evaluate(
        "panel => [...panel.querySelectorAll('g.node.active')]"
        ".map(node => node.querySelector('title').textContent.split(':')[0])"
    )
    return found


def wait_for(panel: Locator, *nodes: str) -> None:
    """Wait until exactly these nodes are active."""
    panel.page.wait_for_function(
        """([panel, nodes]) => JSON.stringify([...panel.querySelectorAll('g.node.active')]
            .map(node => node.querySelector('title').textContent.split(':')[0])) === nodes""",
        arg=[
            panel.element_handle(),
            f"[{','.join(f'{chr(34)}{node}{chr(34)}' for node in nodes)}]",
        ],
        timeout=20_000,
    )


def test_an_event_is_fired_by_its_button(
    write_notebook: Write, problems: list[str], shoot: Callable[[str], None]
) -> None:
    """The service is named on its node while it runs; then the settled node lights up."""
    source = ORDER.replace("speed=10", "speed=0.05").format(data=CARD)  # time to look
    page = open_panels(write_notebook, source).page
    panel = panel_of(page)
    assert active(panel) == ["new"]
    assert panel.locator(".pill").inner_text() == "new, not saved yet"
    ship = panel.get_by_role("button", name="SHIP", exact=True)
    assert ship.get_attribute("aria-disabled") == "true"
    press(panel, "PAY")
    panel.locator("g.tag text", has_text=re.compile(r"charge_card 0\.[1-9] s")).wait_for()
    shoot("running")
    assert active(panel) == ["charging"]
    panel.get_by_label("speed").select_option("at once")
    wait_for(panel, "paid")
    assert panel.locator(".pill").inner_text() == "resolved"
    assert panel.locator("tr.changed").inner_text().split() == [
        "charge", '"charge', "of", '20"', "was", "null", "changed",
    ]  # fmt: skip
    assert '"revision": 1' in panel.locator("pre.record").inner_text()
    assert "PAY RESOLVED" in panel.locator(".said").inner_text()
    assert ship.get_attribute("aria-disabled") == "false"
    shoot("settled")
    assert problems == []


def test_an_event_is_fired_by_its_arrow_and_by_the_keyboard(
    write_notebook: Write, problems: list[str]
) -> None:
    """A click on the line, a click on its label, Enter on it; arrows that are not enabled wait."""
    page = open_panels(write_notebook, ORDER.format(data=CARD)).page
    panel = panel_of(page)
    panel.locator("g[data-id=e2_label]").click()  # SHIP is not accepted in `new`
    panel.locator("g[data-id=e0_label]").click()
    wait_for(panel, "paid")
    refund = panel.get_by_role("button", name="send REFUND: paid to refunding")
    refund.focus()
    page.keyboard.press("Enter")
    wait_for(panel, "refunded")
    assert panel.locator(".settlements li").count() == 3
    assert problems == []


def test_the_line_of_an_arrow_can_be_clicked(write_notebook: Write) -> None:
    """Somewhere along it, not on its label."""
    page = open_panels(write_notebook, ORDER.format(data=CARD)).page
    panel = panel_of(page)
    x, y = panel.locator("g[data-id=e1] path.hit").evaluate(
        """line => {
            const point = line.getPointAtLength(line.getTotalLength() * 0.8);
            const at = new DOMPoint(point.x, point.y).matrixTransform(line.getScreenCTM());
            return [at.x, at.y + 3];
        }"""
    )
    page.mouse.click(x, y)
    wait_for(panel, "cancelled")


def test_an_event_is_ignored_on_purpose(write_notebook: Write) -> None:
    """What is not accepted can be sent all the same, and the panel says what would be."""
    panel = panel_of(open_panels(write_notebook, ORDER.format(data="None")).page)
    press_disabled(panel, "SHIP")
    assert panel.locator(".settlements li").count() == 1
    panel.get_by_label("send on purpose").check()
    press(panel, "SHIP")
    panel.get_by_text("nothing takes it in new, which takes PAY, CANCEL").first.wait_for()
    assert panel.locator(".pill").inner_text() == "ignored"


def test_data_is_given_in_the_form_and_as_json(write_notebook: Write) -> None:
    """Both make the same data; text that is no JSON is said to be none."""
    panel = panel_of(open_panels(write_notebook, ORDER.format(data="None")).page)
    press(panel, "data of PAY")
    panel.get_by_label("name 1", exact=True).fill("card")
    panel.get_by_label("value 1", exact=True).fill("declined")
    press(panel, "PAY")
    panel.locator(".settlements").get_by_text("the bank declined the card").wait_for()
    assert active(panel) == ["new"]
    press(panel, "as JSON")
    area = panel.get_by_label("data of PAY as JSON")
    assert area.input_value() == '{"card":"declined"}'
    area.fill("{")
    panel.get_by_text("this is no JSON yet").wait_for()
    press(panel, "PAY")
    panel.get_by_role("alert").locator("p", has_text="not strict JSON").wait_for()
    area.fill('{"card": "1"}')
    press(panel, "PAY")
    wait_for(panel, "paid")
    assert panel.get_by_role("alert").count() == 0


def test_the_person_is_the_service(
    write_notebook: Write, problems: list[str], shoot: Callable[[str], None]
) -> None:
    """Done with a value, an error, out of time: one click each."""
    page = open_panels(write_notebook, ORDER.format(data=CARD)).page
    panel = panel_of(page)
    panel.get_by_label("services").select_option("me")
    press(panel, "PAY")
    wait_for(panel, "charging")
    shoot("waits")
    press(panel, "charge_card fails")
    panel.get_by_text("charge_card: Error: failed").first.wait_for()
    press(panel, "PAY")
    press(panel, "charge_card runs out of time")
    panel.get_by_text("did not end within 30 seconds").first.wait_for()
    press(panel, "PAY")
    panel.get_by_role(
        "button", name="time passes: 30.0 s, then charge_card is out of time"
    ).wait_for()
    press(panel, "let pass")
    panel.get_by_text("simulated time: 1.0 s").wait_for()
    value = panel.get_by_label("what charge_card returns, as JSON")
    value.fill('{"charge": "mine"}')
    page.keyboard.press("Enter")
    wait_for(panel, "paid")
    assert '"charge": "mine"' in panel.locator("pre.record").inner_text()
    assert problems == []


def test_time_travel_and_a_fork(
    write_notebook: Write, problems: list[str], shoot: Callable[[str], None]
) -> None:
    """A click on a settlement shows what was then; a new instance goes on from there."""
    source = ORDER.format(data=CARD).replace("speed=10", "speed='at once'")
    page = open_panels(write_notebook, source).page
    panel = panel_of(page)
    press(panel, "PAY")
    wait_for(panel, "paid")
    press(panel, "SHIP")
    wait_for(panel, "shipped")
    panel.locator("button.entry", has_text="PAY RESOLVED").click()
    wait_for(panel, "paid")
    assert panel.locator(".pill").inner_text() == "the past"
    assert '"revision": 1' in panel.locator("pre.record").inner_text()
    shoot("past")
    press_disabled(panel, "SHIP")  # nothing happens in the past
    press(panel, "back to now")
    wait_for(panel, "shipped")
    panel.locator("button.entry", has_text="PAY RESOLVED").click()
    press(panel, "go on with a new instance from here")
    panel.get_by_text("forked from order-1 at revision 1").first.wait_for()
    press(panel, "REFUND")
    wait_for(panel, "refunded")
    assert panel.get_by_label("instance", exact=True).input_value() == "order-1-1"
    panel.get_by_label("instance", exact=True).select_option("order-1")
    wait_for(panel, "shipped")
    assert problems == []


def test_an_error_of_user_code_is_shown_and_the_panel_goes_on(
    write_notebook: Write, shoot: Callable[[str], None]
) -> None:
    """The traceback is folded, and shows the user's line."""
    cell = (
        "from settlesim.gallery import order\n"
        "async def charge_card(call):\n    return 1 / 0\n"
        "def keep_charge(context, event):\n    return {'charge': event.data['nothing']}\n"
        "broken = order.bind({'keep_charge': keep_charge})\n"
        "broken.panel(manual=True)"
    )
    panel = panel_of(open_panels(write_notebook, cell).page)
    press(panel, "PAY")
    panel.get_by_label("what charge_card returns, as JSON").fill("{}")
    press(panel, "charge_card is done")
    alert = panel.get_by_role("alert")
    alert.get_by_text("KeyError: 'nothing'").first.wait_for()
    assert not alert.locator("pre").is_visible()
    alert.get_by_text("traceback", exact=True).click()
    assert "in keep_charge" in alert.locator("pre").inner_text()
    shoot("error")
    press(panel, "dismiss the error")
    alert.wait_for(state="detached")
    press(panel, "CANCEL")
    wait_for(panel, "cancelled")


def test_two_panels_on_one_key_stay_in_step(write_notebook: Write) -> None:
    """Also where one of them shows the other's service."""
    cells = (
        "from settlesim import MemoryStore\nfrom settlesim.gallery import order\n"
        "store = MemoryStore()\norder.panel(store=store, manual=True)",
        "order.panel(store=store, speed=10)",
    )
    page = open_panels(write_notebook, *cells).page
    first, second = panel_of(page), panel_of(page, 1)
    second.locator(".chart-box svg").wait_for()
    press(first, "PAY")
    wait_for(second, "charging")
    choice = "label:has-text('services')"
    assert second.locator(choice).inner_text().startswith("services, from the next event on")
    assert "from the next event on" not in first.locator(choice).inner_text()
    second.get_by_label("what charge_card returns, as JSON").fill('{"charge": 1}')
    press(second, "charge_card is done")
    wait_for(first, "paid")
    press(second, "SHIP")
    wait_for(first, "shipped")
    press(second, "new instance")
    wait_for(second, "new")
    assert second.get_by_label("instance", exact=True).input_value() == "order-2"
    assert active(first) == ["shipped"]


def test_the_panel_is_there_again_when_the_page_is_loaded_again(
    write_notebook: Write, problems: list[str]
) -> None:
    """State and history are in the kernel; also in the midst of an event."""
    notebook = open_panels(write_notebook, ORDER.format(data=CARD))
    page = notebook.page
    panel = panel_of(page)
    press(panel, "PAY")
    wait_for(panel, "paid")
    panel.get_by_label("services").select_option("me")
    press(panel, "SHIP")
    wait_for(panel, "printing")
    page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save'); }")
    page.reload()
    panel.locator(".chart-box svg").wait_for(timeout=60_000)
    wait_for(panel, "printing")
    assert panel.locator(".settlements li").count() == 2
    panel.get_by_label("what print_label returns, as JSON").fill('{"label": "x"}')
    press(panel, "print_label is done")
    wait_for(panel, "shipped")
    assert problems == []


def test_a_panel_says_that_its_kernel_is_gone(write_notebook: Write) -> None:
    """After a restart nothing answers; the panel does not pretend that it does."""
    notebook = open_panels(write_notebook, ORDER.format(data=CARD))
    panel = panel_of(notebook.page)
    press(panel, "PAY")
    wait_for(panel, "paid")
    notebook.page.evaluate(
        "async () => {"
        " await jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    press(panel, "SHIP")
    panel.get_by_text("after a restart, run the cell again").wait_for(timeout=10_000)
    notebook.run_all()
    panel.get_by_text("after a restart").wait_for(state="detached")
    press(panel, "PAY")
    wait_for(panel, "paid")


COUNTS = (
    "import asyncio\nawait asyncio.sleep(0.2)  # what was cancelled ends\n"
    "print(len(get_ipython().kernel.comm_manager.comms),"
    " len([t for t in asyncio.all_tasks() if 'settlesim' in repr(t)]))"
)


def test_a_cell_that_runs_again_leaks_nothing(write_notebook: Write) -> None:
    """No widget, no task is left of the panel that it made before, whatever it was doing."""
    cell = (
        "from settlesim.gallery import count\n"
        "panel = count.panel(speed=0.01)\npanel.send('COUNT'); panel.send('COUNT')\npanel"
    )
    notebook = open_panels(write_notebook, cell, COUNTS)
    page = notebook.page
    counted = [notebook.outputs()[-1]["text"]]
    for _ in range(3):
        notebook.run_all()
        panel_of(page).locator("g.tag").wait_for()
        assert page.locator(".chart-panel").count() == 1
        counted.append(notebook.outputs()[-1]["text"])
    assert len(set(counted)) == 1, counted


def test_a_service_that_blocks_nothing_runs_while_cells_run(write_notebook: Write) -> None:
    """Messages come in another thread of the kernel; all that is run runs in the notebook's."""
    cell = (
        "import threading\nfrom settlesim.gallery import order\nseen = []\n"
        "async def charge_card(call):\n"
        "    seen.append(threading.current_thread() is threading.main_thread())\n"
        "    return {'charge': 1}\n"
        "panel = order.bind({'charge_card': charge_card}).panel(speed='at once', key='x')\npanel"
    )
    notebook = open_panels(write_notebook, cell, "print(seen)")
    panel = panel_of(notebook.page)
    for _ in range(4):
        press(panel, "PAY")
        wait_for(panel, "paid")
        panel.locator("button.entry").last.click()
        wait_for(panel, "new")
        press(panel, "go on with a new instance from here")
        panel.get_by_text("new instance").first.wait_for()
    notebook.page.evaluate(
        "() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 1;"
        " jupyterapp.commands.execute('notebook:run-cell'); }"
    )
    notebook.page.get_by_text("[True, True, True, True]").wait_for()


def test_an_event_is_stepped_through(
    write_notebook: Write, problems: list[str], shoot: Callable[[str], None]
) -> None:
    """Forward and back by button, key and click: what was enabled, what guards said, what ran."""
    cell = (
        "from settlesim.gallery import signup\n"
        "p = signup.panel(manual=True)\n"
        "p.send('SIGN_UP'); p.done('send_email', {'code': 'c1'})\n"
        "p.send('VERIFY', {'code': 'c1'})\n"
        "p.settlements[-1].panel()"
    )
    page = open_panels(write_notebook, cell, kind="step-panel").page
    panel = panel_of(page, kind="step-panel")
    assert active(panel) == ["waiting"]
    press(panel, "forward")
    panel.locator(".detail").get_by_text("code_matches").wait_for()
    assert "code_matches is true" in " ".join(panel.locator(".detail").inner_text().split())
    wait_for(panel, "verified")
    shoot("guard")
    page.keyboard.press("ArrowLeft")
    wait_for(panel, "waiting")
    panel.get_by_text("0 of 2").wait_for()
    page.keyboard.press("End")
    wait_for(panel, "verified")
    panel.locator(".frames button").nth(0).click()
    wait_for(panel, "waiting")
    assert problems == []


def test_an_event_on_its_way_is_stepped_on_by_hand(write_notebook: Write) -> None:
    """The stepper's person answers for the services."""
    cell = (
        "from settlesim import Settling\nfrom settlesim.gallery import donut\n"
        "from settlesim.widgets import StepPanel\nStepPanel(Settling(donut, None, 'BAKE'))"
    )
    page = open_panels(write_notebook, cell, kind="step-panel").page
    panel = panel_of(page, kind="step-panel")
    press(panel, "sift fails")
    press(panel, "the delay of 6 s passes")
    press(panel, "whisk is done")
    press(panel, "fry runs out of time")
    press(panel, "last")
    wait_for(panel, "burnt")
    panel.get_by_text("burnt is tagged reject").first.wait_for()


def test_after_an_error_the_person_answers_again(
    write_notebook: Write, shoot: Callable[[str], None]
) -> None:
    """The answer at first stands in the field; an empty one is an error, and no dead end."""
    cell = (
        "from settlesim import Settling\nfrom settlesim.gallery import order\n"
        "from settlesim.widgets import StepPanel\n"
        "StepPanel(Settling(order, None, 'PAY'), answers={'charge_card': {'charge': 'c-1'}})"
    )
    page = open_panels(write_notebook, cell, kind="step-panel").page
    panel = panel_of(page, kind="step-panel")
    field = panel.get_by_label("what charge_card returns, as JSON")
    assert field.input_value() == '{"charge":"c-1"}'
    assert panel.locator("table.context tr.same th").all_inner_texts() == [
        "amount", "charge", "label",
    ]  # fmt: skip
    field.fill("")
    press(panel, "charge_card is done")
    panel.get_by_role("alert").wait_for()
    press(panel, "last")
    shoot("error")
    press(panel, "dismiss the error")
    field.fill('{"charge": "c-2"}')
    press(panel, "charge_card is done")
    press(panel, "last")
    wait_for(panel, "paid")
    assert panel.get_by_role("alert").count() == 0


def test_a_panel_that_comes_to_be_seen_late_is_whole(
    page: Page, write_notebook: Write, shoot: Callable[[str], None]
) -> None:
    """Below the fold nothing can be measured; scrolled to, its tags are as wide as their text."""
    space = "from IPython.display import HTML\nHTML('<div style=height:1500px></div>')"
    manual = "from settlesim.gallery import donut\np = donut.panel(manual=True)\np.send('BAKE')\np"
    page.set_viewport_size({"width": 1300, "height": 900})
    notebook = write_notebook(space, space, manual, *[space] * 4)
    notebook.run_all()
    page.evaluate(
        "() => { const book = jupyterapp.shell.currentWidget.content;"
        " book.activeCellIndex = 2; book.scrollToItem(2, 'center'); }"
    )
    panel = panel_of(page)
    panel.locator("g.tag").nth(1).wait_for()
    page.wait_for_function(
        """() => [...document.querySelectorAll('g.tag')].every(tag => {
            const text = tag.querySelector('text').getComputedTextLength();
            return text > 30 && tag.querySelector('rect').width.baseVal.value > text;
        })"""
    )
    shoot("late")


CONTRAST = """panel => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const over = (top, below) => {
        const alpha = top.length > 3 ? top[3] : 1;
        return [0, 1, 2].map(at => top[at] * alpha + below[at] * (1 - alpha));
    };
    const light = colour => {
        const linear = colour.slice(0, 3).map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const paper = element => {
        const layers = [];
        for (let each = element; each; each = each.parentElement) {
            layers.push(channels(getComputedStyle(each).backgroundColor));
        }
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const poor = [];
    for (const each of panel.querySelectorAll('*:not(svg, svg *, option)')) {
        const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        const field = ['INPUT', 'TEXTAREA', 'SELECT'].includes(each.tagName);
        if (!(own || field) || !each.checkVisibility() || each.closest('.said')) continue;
        const below = paper(each);
        const ink = over(channels(getComputedStyle(each).color), below);
        const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) poor.push(`${each.className} ${each.textContent.slice(0, 30)}: ${ratio}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_every_text_can_be_read_in_both_themes(
    theme: str, write_notebook: Write, shoot: Callable[[str], None]
) -> None:
    """Contrast of 4.5 to 1 of every text, in every state of the panel (WCAG 2.1, 1.4.3)."""
    notebook = open_panels(write_notebook, ORDER.format(data=CARD))
    panel = panel_of(notebook.page)
    notebook.theme(theme)
    assert ("dark" in (panel.get_attribute("class") or "").split()) == ("Dark" in theme)
    press(panel, "data of PAY")
    assert panel.evaluate(CONTRAST) == []
    panel.get_by_label("services").select_option("me")
    press(panel, "PAY")
    wait_for(panel, "charging")
    assert panel.evaluate(CONTRAST) == []
    press(panel, "charge_card is done")  # without a value: an error of the assign
    panel.get_by_role("alert").get_by_text("traceback", exact=True).click()
    panel.get_by_label("send on purpose").check()
    press(panel, "SHIP")
    panel.get_by_role("alert").wait_for(state="detached")
    assert panel.evaluate(CONTRAST) == []
    press(panel, "PAY")
    press(panel, "charge_card fails")
    panel.locator("button.entry").last.click()
    assert panel.evaluate(CONTRAST) == []
    shoot(theme.split()[1].lower())


def test_everything_can_be_reached_by_keyboard(write_notebook: Write) -> None:
    """Tab goes through every control, each shows its focus, and each has a name."""
    page = open_panels(write_notebook, ORDER.format(data=CARD)).page
    panel = panel_of(page)
    panel.get_by_label("instance", exact=True).focus()
    seen = []
    for _ in range(40):
        found = page.evaluate(
            """() => {
                const each = document.activeElement;
                const look = getComputedStyle(each);
                const ring = look.outlineStyle !== 'none'
                    || getComputedStyle(each.querySelector('.hit') ?? each).strokeOpacity < 1;
                const label = each.getAttribute('aria-label') || each.textContent
                    || each.labels?.[0]?.textContent || '';
                return each.closest('.chart-panel') ? [label.trim(), ring] : null;
            }"""
        )
        if found is None:
            break
        seen.append(found)
        page.keyboard.press("Tab")
    names = [name for name, _ in seen]
    assert all(names)
    assert all(ring for _, ring in seen), seen
    for wanted in (
        "PAY",
        "data of PAY",
        "send PAY: new to charging",
        "send CANCEL: new to cancelled",
    ):
        assert wanted in names
    assert any(name.startswith("send on purpose") for name in names)
    press_from_keyboard = panel.get_by_role("button", name="CANCEL", exact=True)
    press_from_keyboard.focus()
    page.keyboard.press("Enter")
    wait_for(panel, "cancelled")
    assert panel.page.locator(".jp-CodeCell").count() == 1  # no short cut of the notebook


def test_less_motion_is_respected(write_notebook: Write) -> None:
    """No dot runs, nothing is animated; the states are shown all the same."""
    notebook = open_panels(write_notebook, ORDER.format(data=CARD))
    notebook.page.emulate_media(reduced_motion="reduce")
    panel = panel_of(notebook.page)
    panel.evaluate(
        "panel => { window.dots = 0; new MutationObserver(() => {"
        " window.dots += panel.querySelectorAll('.dot').length; })"
        ".observe(panel, { childList: true, subtree: true }); }"
    )
    press(panel, "PAY")
    wait_for(panel, "paid")
    assert notebook.page.evaluate("window.dots") == 0
    assert (
        panel.locator(".halo.active > rect").first.evaluate(
            "halo => getComputedStyle(halo).animationName"
        )
        == "none"
    )


def test_a_chart_of_a_hundred_states_stays_usable(
    write_notebook: Write, shoot: Callable[[str], None]
) -> None:
    """It is shown in a size that can be read, scrolled to where it is, and takes its events."""
    cell = (
        "from settlesim import Chart\n"
        "states = [{'name': f's{i}', 'tags': ['settled']} for i in range(100)]\n"
        "ways = [['GO', f's{i}', f's{i + 1}'] for i in range(99)]\n"
        "ways += [[f'JUMP_{i}', f's{i}', f's{(i * 7) % 100}'] for i in range(0, 100, 5)]\n"
        "Chart(states, ways, 's0').panel()"
    )
    page = open_panels(write_notebook, cell).page
    panel = panel_of(page)
    for number in range(1, 6):
        press(panel, "GO")
        wait_for(panel, f"s{number}")
    page.wait_for_function(
        """panel => {
            const node = panel.querySelector('g.node.active').getBoundingClientRect();
            const box = panel.querySelector('.chart-box').getBoundingClientRect();
            return node.left >= box.left && node.right <= box.right && node.height > 20;
        }""",
        arg=panel.element_handle(),
    )
    shoot("hundred")
    press(panel, "fit")
    assert panel.locator(".chart-box").evaluate("box => box.scrollWidth <= box.clientWidth + 1")
