"""The scheduler and the queue lab in a real JupyterLab: pressed, walked, stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import watch_for_problems

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

RACE = """from settlesim.gallery import append_log, order
from settlesim.sim import Scenario, explore
from settlesim.widgets import RacePanel
panel = RacePanel({source})
panel"""
LAB = """from settlesim.gallery import append_log, order
from settlesim.widgets import queue_lab
lab = queue_lab({source})
lab"""
CLICKS = 'Scenario(order, ["PAY", "CANCEL"], queue="{queue}")'

Write = Callable[..., Any]
Shoot = Callable[[str], None]


@pytest.fixture
def problems(page: Page) -> list[str]:
    """Collect what may never happen on a page."""
    return watch_for_problems(page)


@pytest.fixture
def shoot(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Shoot:
    """Return a function that keeps a picture of the panel."""
    folder = Path(os.environ.get("SETTLESIM_SCREENSHOTS", tmp_path))

    def take(name: str) -> None:
        target = folder / f"{request.node.name[5:45]}-{name}.png"
        page.locator(".settlesim-panel").first.screenshot(path=str(target))

    return take


def open_race(write_notebook: Write, source: str) -> Any:
    """Open a race, and wait until its endings are known."""
    notebook = write_notebook(RACE.format(source=source))
    notebook.run_all()
    notebook.page.locator(".race .bars-box svg").wait_for(timeout=30_000)
    return notebook


def race_of(page: Page) -> Locator:
    return page.locator(".race").first


def step(race: Locator, name: str) -> None:
    """Press the button of a step, and wait until it has happened."""
    race.locator(f'button.step[data-step="{name}"]').click()
    happened(race, name)


def happened(race: Locator, name: str) -> None:
    """Wait until a step is the last that has happened."""
    race.locator(".happened code", has_text=name).wait_for()


def path_of(race: Locator) -> str:
    return race.get_by_label("the path, as replay takes it").input_value()


def wait_for_path(race: Locator, path: str) -> None:
    race.page.wait_for_function(
        "([field, path]) => field.value === path",
        arg=[race.get_by_label("the path, as replay takes it").element_handle(), path],
    )


WALK = """async ([race, seed, known]) => {
    const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
    const count = () => race.querySelector('.transport .count').textContent;
    let dice = seed * 2654435761 % 4294967296;
    const pressed = new Set(known);
    const able = () => [...race.querySelectorAll('.scheduler button.step')]
        .filter((each) => each.getAttribute('aria-disabled') !== 'true');
    const first = race.querySelector('[aria-label="to the beginning"]');
    if (first.getAttribute('aria-disabled') !== 'true') {
        first.click();
        while (!count().startsWith('step 0 ')) await pause();
    }
    const path = [];
    while (able().length) {
        dice = (dice * 1664525 + 1013904223) % 4294967296;
        const here = path.join(' ');
        const all = able();
        const fresh = all.filter((each) => !pressed.has(`${here} ${each.dataset.step}`));
        const from = fresh.length ? fresh : all;
        const button = from[Math.floor(dice / 4294967296 * from.length)];
        const before = count();
        pressed.add(`${here} ${button.dataset.step}`);
        path.push(button.dataset.step);
        button.click();
        while (count() === before || able().includes(button)) await pause();
    }
    return [race.querySelector('.verdict-word').textContent, path.join(' '), [...pressed]];
}"""


def walk(race: Locator, seed: int, known: list[str]) -> tuple[str, str, list[str]]:
    """Press buttons to the end, such as were not pressed in this place before where there are."""
    verdict, path, pressed = race.page.evaluate(WALK, [race.element_handle(), seed, known])
    return verdict, path, pressed


# --- the scheduler ------------------------------------------------------------------------


def test_direct_is_broken_by_hand(write_notebook: Write, problems: list[str], shoot: Shoot) -> None:
    """Load, load, save, save: the panel says that it is forbidden, and why."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="direct")).page)
    shoot("beginning")
    for name in ("l1", "l2", "c1"):
        step(race, name)
    shoot("half-way")
    assert "paid" in race.locator(".workers tr", has_text="handler 1").inner_text()
    for name in ("s1", "s2"):
        step(race, name)
    assert "forbidden: lost update" in race.locator(".verdict").inner_text()
    assert "lost update" in (race.locator(".lanes-box svg").text_content() or "")
    assert race.locator(".facts tr.changed", has_text="rests in").inner_text().split() == [
        "rests", "in", "cancelled", "changed",
    ]  # fmt: skip
    assert path_of(race) == "l1 l2 c1 s1 s2"
    assert race.locator(".bars-box .bar.here").count() == 1
    assert "forbidden: lost update" in race.locator(".said").inner_text()
    shoot("broken")
    assert problems == []


def test_fifo_group_can_not_be_broken_with_any_button(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """Many seeded walks through the real buttons, two orders and three workers: always right."""
    source = 'Scenario(order, ["PAY", "CANCEL"], 3, "fifo_group", keys=2)'
    race = race_of(open_race(write_notebook, source).page)
    pressed: list[str] = []
    paths = set()
    for seed in range(1, 13):
        verdict, path, pressed = walk(race, seed, pressed)
        assert "as FIFO" in verdict
        paths.add(path)
    assert len(paths) > 10
    shoot("unbroken")
    assert problems == []


def test_fifo_group_with_protections_can_not_be_broken_by_faults_either(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """Crash and time-out buttons among them; the same without protections can be broken."""
    protections = 'protections=["cas", "inbox", "idempotent"]'
    faults = 'faults={"crashes": 1, "expiries": 1}'
    source = f'Scenario(order, ["PAY", "CANCEL"], 2, "fifo_group", {protections}, {faults})'
    race = race_of(open_race(write_notebook, source).page)
    pressed: list[str] = []
    for seed in range(1, 13):
        verdict, _, pressed = walk(race, seed, pressed)
        assert "as FIFO" in verdict
    assert any(" k1" in each for each in pressed)
    assert any(" e1" in each for each in pressed)
    shoot("unbroken")
    assert problems == []


def test_standard_is_broken_by_chance(write_notebook: Write) -> None:
    """The same walks under a standard queue come to forbidden ends: the walks can fail."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="standard")).page)
    verdicts = [walk(race, seed, [])[0] for seed in range(1, 13)]
    assert any("forbidden" in each for each in verdicts)


def test_a_step_that_is_not_there_says_why(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """The reason stands beside it; pressed on purpose, it is said again, and nothing happens."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="fifo_group")).page)
    step(race, "r1")
    barred = race.locator(".barred")
    assert "blocked: the group order-1 has a message in flight, 1 PAY" in barred.inner_text()
    button = barred.locator("button")
    assert button.get_attribute("aria-disabled") == "true"
    button.dispatch_event("click")
    race.locator(".remark", has_text="r2 is not there").wait_for()
    assert path_of(race) == "r1"
    shoot("blocked")
    assert problems == []


KEEP_COUNTS = """(race) => {
    window.counts = [];
    const count = race.querySelector('.count');
    new MutationObserver(() => {
        if (window.counts.at(-1) !== count.textContent) window.counts.push(count.textContent);
    }).observe(count, { childList: true });
}"""


def test_play_back_step_and_slider(write_notebook: Write, problems: list[str]) -> None:
    """Play runs to the end and stops; the slider and the columns of the lanes lead anywhere.

    Also where less motion is asked for: steps follow each other, but nothing moves.
    """
    race = race_of(open_race(write_notebook, CLICKS.format(queue="direct")).page)
    race.page.emulate_media(reduced_motion="reduce")
    race.get_by_role("button", name="show the shortest counterexample").click()
    wait_for_path(race, "l2 s2 l1 i1")
    assert "serializable" in race.locator(".verdict").inner_text()
    race.get_by_label("speed of play").select_option("fast")
    race.evaluate(KEEP_COUNTS)
    race.get_by_role("button", name="play").click()
    race.page.wait_for_function("window.counts.length >= 5")
    race.get_by_role("button", name="play").wait_for()
    counts = race.page.evaluate("window.counts")
    assert counts == [f"step {number} of 4" for number in range(5)]
    race.get_by_role("button", name="back").click()
    race.locator(".count", has_text="step 3 of 4").wait_for()
    race.get_by_role("button", name="step", exact=False).first.click()
    race.locator(".count", has_text="step 4 of 4").wait_for()
    race.get_by_label("step of the path").fill("1")
    race.locator(".count", has_text="step 1 of 4").wait_for()
    race.locator('.lanes-box g.column[data-id="column-2"]').click()
    race.locator(".count", has_text="step 2 of 4").wait_for()
    assert race.evaluate("race => race.getAnimations({subtree: true}).length") == 0
    assert problems == []


def test_keys_alone_are_enough(write_notebook: Write, problems: list[str]) -> None:
    """Digits press, arrows go back and on, the focus stays in the scheduler, and is seen."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="direct")).page)
    keyboard = race.page.keyboard
    race.locator('button.step[data-step="l1"]').focus()
    for key, name in (("Enter", "l1"), ("2", "l2"), ("1", "c1"), ("1", "s1")):
        keyboard.press(key)
        happened(race, name)
    where = "document.activeElement.closest('.scheduler') !== null"
    assert race.page.evaluate(where)
    outline = race.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keyboard.press("ArrowLeft")
    race.locator(".count", has_text="step 3 of 4").wait_for()
    keyboard.press("ArrowRight")
    race.locator(".count", has_text="step 4 of 4").wait_for()
    keyboard.press("1")
    happened(race, "s2")
    bar = race.locator(".bars-box .bar").first
    bar.focus()
    keyboard.press("Enter")
    wait_for_path(race, "l1 c1 s1 l2 i2")
    assert problems == []


def test_the_same_under_another_discipline(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """The race of `direct` goes on under `standard`, and ends at once under `fifo_group`."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="direct")).page)
    for name in ("l1", "l2", "c1"):
        step(race, name)
    choice = race.get_by_label("queue discipline")
    choice.select_option("standard")
    wait_for_path(race, "r1 l1 r2 l2 c1")
    choice.select_option("fifo_group")
    wait_for_path(race, "r1 l1")
    assert "blocked: the group order-1" in race.locator(".remark").inner_text()
    race.locator(".search-verdict", has_text="PROVED").wait_for()
    shoot("fifo")
    assert problems == []


def test_a_path_is_pasted_and_copied(write_notebook: Write, problems: list[str]) -> None:
    """A whole call may be pasted; a path that does not go on says where it ends."""
    race = race_of(open_race(write_notebook, CLICKS.format(queue="fifo_group")).page)
    field = race.get_by_label("the path, as replay takes it")
    field.fill('replay(scenario, "r1 l1 c1")')
    field.press("Enter")
    wait_for_path(race, "r1 l1 c1")
    field.fill("r1 l1 r2")
    race.get_by_role("button", name="go there").click()
    race.locator(".remark", has_text="step 3, r2 is not there").wait_for()
    race.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    race.get_by_role("button", name="copy").click()
    race.locator(".path-box .hint", has_text="copied").wait_for()
    assert race.page.evaluate("navigator.clipboard.readText()") == "r1 l1"
    assert problems == []


def test_a_bar_leads_to_its_ending(write_notebook: Write, problems: list[str]) -> None:
    """Every bar, with the mouse; the one that is shown is marked."""
    source = 'explore(Scenario(append_log(3), ["E1", "E2", "E3"], queue="direct"))'
    race = race_of(open_race(write_notebook, source).page)
    bars = race.locator(".bars-box .bar")
    assert bars.count() == 12
    for index in (0, 5, 11):
        bars.nth(index).click()
        race.page.wait_for_function(
            "([race, index]) => race.querySelectorAll('.bars-box .bar')[index]"
            ".classList.contains('here')",
            arg=[race.element_handle(), index],
        )
    assert problems == []


# --- reload, themes, calm -----------------------------------------------------------------


def test_after_a_reload_everything_is_where_it_was(
    write_notebook: Write, problems: list[str]
) -> None:
    """Path, verdict and endings are in the kernel; the panel goes on."""
    notebook = open_race(write_notebook, CLICKS.format(queue="direct"))
    race = race_of(notebook.page)
    for name in ("l1", "l2"):
        step(race, name)
    page = notebook.page
    page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save'); }")
    page.reload()
    race = race_of(page)
    race.locator(".bars-box svg").wait_for(timeout=60_000)
    assert path_of(race) == "l1 l2"
    step(race, "c1")
    assert path_of(race) == "l1 l2 c1"
    assert problems == []


def contrasts(panel: Locator) -> list[str]:
    """Return every visible text whose contrast to what is behind it is below 4.5 to 1."""
    found: list[str] = panel.evaluate(CONTRASTS)
    return found


CONTRASTS = """(panel) => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const channel = (value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const paper = (each) => {
        for (let up = each; up; up = up.parentElement) {
            const colour = rgb(getComputedStyle(up).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const bad = [];
    for (const each of panel.querySelectorAll('*')) {
        const own = [...each.childNodes]
            .some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || each.closest('svg') || !each.getClientRects().length) continue;
        if (each.closest('.said')) continue;
        const [one, other] = [light(rgb(getComputedStyle(each).color)), light(paper(each))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) bad.push(`${each.textContent.slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    return bad;
}"""


THEMES = ("JupyterLab Dark", "JupyterLab Light")


def test_every_text_can_be_read_in_both_themes(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """4.5 to 1 at least, with buttons, faults, notes and changes on the page."""
    source = 'Scenario(order, ["PAY", "CANCEL"], 2, "fifo_group", faults={"crashes": 1})'
    notebook = open_race(write_notebook, source)
    race = race_of(notebook.page)
    step(race, "r1")
    step(race, "l1")
    race.locator(".barred button").dispatch_event("click")
    race.locator(".remark", has_text="blocked").wait_for()
    for theme in THEMES:
        notebook.theme(theme)
        assert contrasts(race) == []
        shoot(theme.split()[1].lower())
    assert problems == []


COUNTS = """import asyncio, threading
panel.search.wait()
await asyncio.sleep(0)
names = [each.name for each in threading.enumerate()]
print(len(get_ipython().kernel.comm_manager.comms), [n for n in names if "settlesim-s" in n])"""


def test_a_cell_that_runs_again_leaves_nothing_behind(
    write_notebook: Write, problems: list[str]
) -> None:
    """The old panel is closed: as many widgets as before, and no search goes on."""
    notebook = write_notebook(RACE.format(source=CLICKS.format(queue="direct")), COUNTS)
    counted = []
    for _ in range(3):
        notebook.run_all()
        notebook.page.locator(".race .bars-box svg").wait_for()
        notebook.page.wait_for_function("document.querySelectorAll('.race').length === 1")
        counted.append(notebook.outputs()[-1]["text"])
    assert len(set(counted)) == 1, counted
    assert counted[0].endswith(" []\n")
    assert problems == []


# --- the lab ------------------------------------------------------------------------------


def open_lab(write_notebook: Write, source: str) -> Any:
    """Open a queue lab, and wait for its bars."""
    notebook = write_notebook(LAB.format(source=source))
    notebook.run_all()
    notebook.page.locator(".queue-lab .controls fieldset").first.wait_for(timeout=30_000)
    return notebook


def verdict_is(lab: Locator, word: str) -> None:
    lab.locator(".search-verdict", has_text=word).wait_for()


def test_bars_and_verdict_follow_the_choices(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """Events, discipline, protections and faults, chosen by hand."""
    lab = open_lab(write_notebook, 'order, ["PAY", "CANCEL"]').page.locator(".queue-lab")
    verdict_is(lab, "REFUTED")
    assert lab.locator(".bars-box .bar").count() == 3
    shoot("direct")
    lab.get_by_role("radio", name="fifo_group").check()
    verdict_is(lab, "PROVED")
    assert lab.locator(".bars-box .bar").count() == 1
    lab.get_by_label("crashes").fill("1")
    lab.get_by_label("crashes").press("Enter")
    verdict_is(lab, "REFUTED")
    for name in ("cas", "inbox", "idempotent"):
        lab.get_by_role("checkbox", name=name).check()
    verdict_is(lab, "PROVED")
    lab.get_by_role("button", name="let SHIP arrive").click()
    lab.locator(".chip", has_text="3 SHIP").wait_for()
    lab.get_by_role("button", name="SHIP one place earlier").click()
    lab.locator(".chip", has_text="2 SHIP").wait_for()
    lab.get_by_role("button", name="take CANCEL out").click()
    lab.page.wait_for_function("document.querySelectorAll('.chip').length === 2")
    code = lab.locator(".source code")
    lab.page.wait_for_function(
        "document.querySelector('.source code').textContent.includes('SHIP')"
    )
    assert '["PAY", "SHIP"]' in code.inner_text()
    verdict_is(lab, "PROVED")
    shoot("protected")
    assert problems == []


def test_what_makes_no_sense_says_so_in_place(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """Beside the fault and the protection; nothing is raised, and it can be mended."""
    lab = open_lab(write_notebook, 'order, ["PAY", "CANCEL"]').page.locator(".queue-lab")
    verdict_is(lab, "REFUTED")
    lab.get_by_label("expiries").fill("1")
    lab.get_by_label("expiries").press("Enter")
    lab.get_by_role("checkbox", name="fence").check()
    problem = lab.locator(".choice", has_text="fence").locator(".problem")
    problem.wait_for()
    assert "needs the receipts of a queue" in problem.inner_text()
    fault = lab.locator(".choice", has_text="expiries").locator(".problem")
    assert "need a queue" in fault.inner_text()
    assert lab.locator(".bars-box").is_hidden()
    assert lab.locator(".error").count() == 0
    shoot("senseless")
    lab.get_by_role("radio", name="standard").check()
    verdict_is(lab, "REFUTED")
    assert fault.is_hidden()
    assert problems == []


def test_a_long_search_shows_how_far_it_is_and_is_stopped(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """A bar after half a second; the kernel answers meanwhile; what is known is no proof."""
    source = (
        'append_log(5), ["E1", "E2", "E3", "E4", "E5"], queue="standard", workers=5, '
        'faults={"crashes": 3}, limit=20_000_000'
    )
    notebook = open_lab(write_notebook, source)
    lab = notebook.page.locator(".queue-lab")
    lab.locator(".search-progress").wait_for()
    lab.get_by_role("radio", name="mutex").check()  # the kernel is not held up
    notebook.page.wait_for_function(
        "document.querySelector('.source code').textContent.includes('mutex')"
    )
    lab.get_by_role("radio", name="standard").check()
    lab.locator(".search-progress .hint", has_text=",").wait_for()
    shoot("searching")
    lab.get_by_role("button", name="stop the search").click()
    verdict_is(lab, "UNDETERMINED")
    assert "no proof" in lab.locator(".search-verdict").inner_text()
    assert lab.locator(".search-progress").is_hidden()
    shoot("stopped")
    assert problems == []


def test_a_bar_of_the_lab_shows_the_way_there(write_notebook: Write, problems: list[str]) -> None:
    """Lanes below, with the path in words that `replay` takes."""
    lab = open_lab(write_notebook, 'order, ["PAY", "CANCEL"]').page.locator(".queue-lab")
    verdict_is(lab, "REFUTED")
    lab.locator(".bars-box .bar").last.click()
    lab.locator(".way .lanes-box svg").wait_for()
    assert "l1" in lab.locator(".way code").inner_text()
    lab.get_by_role("button", name="show the shortest counterexample").click()
    lab.locator(".way code", has_text="l2 s2 l1 i1").wait_for()
    assert problems == []


def test_the_lab_can_be_read_in_both_themes(
    write_notebook: Write, problems: list[str], shoot: Shoot
) -> None:
    """4.5 to 1 at least, also with a problem on the page."""
    notebook = open_lab(write_notebook, 'order, ["PAY", "CANCEL"]')
    lab = notebook.page.locator(".queue-lab")
    verdict_is(lab, "REFUTED")
    for number, theme in enumerate(THEMES):
        notebook.theme(theme)
        if number:
            lab.get_by_role("checkbox", name="fence").check()
            lab.locator(".nothing").wait_for()
        assert contrasts(lab) == []
        shoot(theme.split()[1].lower())
    assert problems == []


def test_panels_on_one_page_leave_each_other_alone(
    write_notebook: Write, problems: list[str]
) -> None:
    """Two labs have choices of their own, and no style of theirs shows in another panel."""
    lab = 'queue_lab(order, ["PAY", "CANCEL"], queue="{}")'
    notebook = write_notebook(
        "from settlesim.gallery import order\nfrom settlesim.widgets import queue_lab",
        lab.format("direct"), lab.format("mutex"), "order.panel()",
    )  # fmt: skip
    notebook.run_all()
    page = notebook.page
    page.locator(".queue-lab .controls fieldset").nth(1).wait_for(timeout=30_000)
    page.locator(".chart-panel table.context tr").first.wait_for()
    labs = [page.locator(".queue-lab").nth(number) for number in (0, 1)]
    labs[1].get_by_label("fifo_group").check()
    verdict_is(labs[1], "PROVED")
    chosen = [lab.locator("input[type=radio]:checked").get_attribute("value") for lab in labs]
    assert chosen == ["direct", "fifo_group"]
    ids = page.locator(".settlesim-panel [id]").evaluate_all("all => all.map(each => each.id)")
    assert len(ids) == len(set(ids)) > 20
    marks = page.locator(".chart-panel .context .mark").evaluate_all(
        "marks => marks.map(mark => getComputedStyle(mark, '::before').content)"
    )
    assert marks == ["none"] * 3
    assert problems == []
