"""The scheduler and the queue lab on a page: pressed, walked, stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import pytest

from settlesim.gallery import append_log, count, donut, order
from settlesim.sim import Exploration, Scenario, explore
from settlesim.widgets import RacePanel, queue_lab
from tests.browser.gestures import (
    happened,
    path_of,
    step,
    verdict_is,
    wait_for_path,
)
from tests.browser.watching import low_contrasts

if TYPE_CHECKING:
    from playwright.sync_api import Locator, ViewportSize

    from settlesim.widgets.base.panel import Panel
    from tests.browser.bare_page import BarePage

pytestmark = pytest.mark.browser

Show = Callable[["Panel"], "Locator"]
Shoot = Callable[[str], None]


def clicks(queue: str, **options: Any) -> Scenario:
    """Return two clicks on one order."""
    return Scenario(order, ["PAY", "CANCEL"], queue=queue, **options)


@pytest.fixture
def show_race(show: Show) -> Callable[[Scenario | Exploration], Locator]:
    """Return a function that shows a race, and waits until its endings are known."""

    def shown(source: Scenario | Exploration) -> Locator:
        race = show(RacePanel(source))
        race.locator(".bars-box .bar").first.wait_for()
        return race

    return shown


@pytest.fixture
def show_lab(show: Show) -> Callable[..., Locator]:
    """Return a function that shows a queue lab, and waits for what can be chosen."""

    def shown(*given: Any, **choices: Any) -> Locator:
        lab = show(queue_lab(*given, **choices))
        lab.locator(".controls fieldset").first.wait_for()
        return lab

    return shown


THEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")
ShowRace = Callable[["Scenario | Exploration"], "Locator"]
ShowLab = Callable[..., "Locator"]


WALK = """async ([race, seed, known]) => {
    const change = () => new Promise((resolve) => {
        const watcher = new MutationObserver(() => { watcher.disconnect(); resolve(); });
        const all = { attributes: true, characterData: true, childList: true, subtree: true };
        watcher.observe(race, all);
    });
    const count = () => race.querySelector('.transport .count').textContent;
    let dice = seed * 2654435761 % 4294967296;
    const pressed = new Set(known);
    const able = () => [...race.querySelectorAll('.scheduler button.step')]
        .filter((each) => each.getAttribute('aria-disabled') !== 'true');
    const first = race.querySelector('[aria-label="to the beginning"]');
    if (first.getAttribute('aria-disabled') !== 'true') {
        first.click();
        while (!count().startsWith('step 0 ')) await change();
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
        while (count() === before || able().includes(button)) await change();
    }
    return [race.querySelector('.verdict-word').textContent, path.join(' '), [...pressed]];
}"""


def walk(race: Locator, seed: int, known: list[str]) -> tuple[str, str, list[str]]:
    """Press buttons to the end, such as were not pressed in this place before where there are."""
    verdict, path, pressed = race.page.evaluate(WALK, [race.element_handle(), seed, known])
    return verdict, path, pressed


SOME_OR_MANY = pytest.mark.parametrize("walks", [3, pytest.param(12, marks=pytest.mark.nightly)])


# --- the scheduler ------------------------------------------------------------------------


def test_direct_is_broken_by_hand(show_race: ShowRace, shoot: Shoot) -> None:
    """Load, load, save, save: the panel says that it is forbidden, and why."""
    race = show_race(clicks("direct"))
    shoot("beginning")
    for name in ("l1", "l2", "c1"):
        step(race, name)
    shoot("half-way")
    assert "paid" in race.locator(".workers tr", has_text="handler 1").inner_text()
    for name in ("s1", "s2"):
        step(race, name)
    assert "forbidden: lost update" in race.locator(".verdict").inner_text()
    assert "lost update" in (race.locator(".lanes-box svg").text_content() or "")
    state = race.locator(".store .fact.changed", has_text="state")
    assert state.inner_text().split() == ["state", "cancelled", "changed"]
    assert path_of(race) == "l1 l2 c1 s1 s2"
    assert race.locator(".bars-box .bar.here").count() == 1
    assert "forbidden: lost update" in race.locator(".said").inner_text()
    shoot("broken")


@SOME_OR_MANY
def test_fifo_group_can_not_be_broken_with_any_button(
    walks: int, show_race: ShowRace, shoot: Shoot
) -> None:
    """Seeded walks through the real buttons, two orders and three workers: always right."""
    source = Scenario(order, ["PAY", "CANCEL"], 3, "fifo_group", keys=2)
    race = show_race(source)
    pressed: list[str] = []
    paths = set()
    for seed in range(walks):
        verdict, path, pressed = walk(race, seed, pressed)
        assert "as FIFO" in verdict
        paths.add(path)
    assert len(paths) == walks
    shoot("unbroken")


@SOME_OR_MANY
def test_fifo_group_with_protections_can_not_be_broken_by_faults_either(
    walks: int, show_race: ShowRace, shoot: Shoot
) -> None:
    """Crash and time-out buttons among them; the same without protections can be broken."""
    source = Scenario(
        order,
        ["PAY", "CANCEL"],
        2,
        "fifo_group",
        protections=["cas", "inbox", "idempotent"],
        faults={"crashes": 1, "expiries": 1},
    )
    race = show_race(source)
    pressed: list[str] = []
    for seed in range(walks):
        verdict, _, pressed = walk(race, seed, pressed)
        assert "as FIFO" in verdict
    assert any(" k1" in each for each in pressed)
    assert any(" e1" in each for each in pressed)
    shoot("unbroken")


def test_standard_is_broken_by_chance(show_race: ShowRace) -> None:
    """The same walks under a standard queue come to forbidden ends: the walks can fail."""
    race = show_race(clicks("standard"))
    assert any("forbidden" in walk(race, seed, [])[0] for seed in range(1, 9))


def test_a_step_that_is_not_there_says_why(show_race: ShowRace, shoot: Shoot) -> None:
    """The reason stands beside it; pressed on purpose, it is said again, and nothing happens."""
    race = show_race(clicks("fifo_group"))
    step(race, "r1")
    barred = race.locator(".barred")
    assert "blocked: the group order-1 has a message in flight, 1 PAY" in barred.inner_text()
    button = barred.locator("button")
    assert button.get_attribute("aria-disabled") == "true"
    button.dispatch_event("click")
    race.locator(".remark", has_text="r2 is not there").wait_for()
    assert path_of(race) == "r1"
    shoot("blocked")


KEEP_COUNTS = """(race) => {
    window.counts = [];
    const count = race.querySelector('.count');
    new MutationObserver(() => {
        if (window.counts.at(-1) !== count.textContent) window.counts.push(count.textContent);
    }).observe(count, { childList: true });
}"""


def test_play_back_step_and_slider(show_race: ShowRace) -> None:
    """Play runs to the end and stops; the slider and the columns of the lanes lead anywhere.

    Also where less motion is asked for: steps follow each other, but nothing moves.
    """
    race = show_race(clicks("direct"))
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


def test_keys_alone_are_enough(show_race: ShowRace) -> None:
    """Digits press, arrows go back and on, the focus stays in the scheduler, and is seen."""
    race = show_race(clicks("direct"))
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
    wait_for_path(race, "l1 c1 s1 l2 c2 s2")


def test_the_same_under_another_discipline(show_race: ShowRace, shoot: Shoot) -> None:
    """The race of `direct` goes on under `standard`, and ends at once under `fifo_group`."""
    race = show_race(clicks("direct"))
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


def test_a_path_is_pasted_and_copied(show_race: ShowRace) -> None:
    """A whole call may be pasted; a path that does not go on says where it ends."""
    race = show_race(clicks("fifo_group"))
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


def test_a_bar_leads_to_its_ending(show_race: ShowRace) -> None:
    """Every bar, with the mouse; the one that is shown is marked."""
    source = explore(Scenario(append_log(3), ["E1", "E2", "E3"], queue="direct"))
    race = show_race(source)
    bars = race.locator(".bars-box .bar")
    assert bars.count() == 12
    for index in (0, 5, 11):
        bars.nth(index).click()
        race.page.wait_for_function(
            "([race, index]) => race.querySelectorAll('.bars-box .bar')[index]"
            ".classList.contains('here')",
            arg=[race.element_handle(), index],
        )


# --- room -------------------------------------------------------------------------------

WINDOW: ViewportSize = {"width": 900, "height": 900}

FITTING: dict[str, tuple[Scenario, str]] = {
    "two clicks": (clicks("direct"), "l1 l2 c1 s1 s2"),
    "three counts": (
        Scenario(count, ["COUNT"] * 3, queue="standard", faults={"crashes": 1}),
        "r1 l1 s1 d1 r2 l2 c2 r3 l3 c3 k2 c3 s3 d3 r2.2 l2.2 c2.2 c2.2 s2.2 d2.2",
    ),
    "donut": (
        Scenario(donut, ["BAKE", "GLAZE", "EAT"], queue="direct"),
        "l1 c1:2 c1 c1 a1 s1 l3 s3 l2 i2",
    ),
}

OUTSIDE = """(panel) => {
    const whole = panel.getBoundingClientRect();
    const scrolls = (each) => each.closest('.bars-box, .lanes-box');
    return [...panel.querySelectorAll('*')]
        .filter((each) => each.checkVisibility() && !each.closest('.unseen, .said'))
        .filter((each) => !scrolls(each) && each.scrollWidth > each.clientWidth + 1
            && getComputedStyle(each).overflowX === 'hidden'
            || !scrolls(each) && each.getBoundingClientRect().right > whole.right + 1)
        .map((each) => `${each.tagName} ${each.className} ${each.textContent}`);
}"""


@pytest.mark.parametrize("name", FITTING)
def test_a_race_fits_one_window(
    name: str, show_race: ShowRace, bare_page: BarePage, shoot: Shoot
) -> None:
    """Buttons, store, effects and endings are seen together after every step; nothing is cut."""
    scenario, path = FITTING[name]
    made = RacePanel(scenario)
    page = bare_page.page
    page.set_viewport_size(WINDOW)
    try:
        race = bare_page.show(made)
        race.locator(".bars-box .bar").first.wait_for()
        for number, each in enumerate(path.split(), 1):
            made.take(each)
            race.locator(".count", has_text=f"step {number} of {number}").wait_for()
            box = race.bounding_box()
            assert box is not None
            assert box["width"] <= 900
            assert box["height"] <= 900
            assert race.evaluate(OUTSIDE) == []
        for part in (".scheduler", ".bars-box", ".store", ".effects"):
            spot = race.locator(part).bounding_box()
            assert spot is not None
            assert spot["y"] + spot["height"] <= 900
        for theme in THEMES:
            bare_page.theme(theme)
            shoot(f"{name.replace(' ', '-')}-{theme}")
    finally:
        page.set_viewport_size({"width": 1300, "height": 1000})


def test_effects_are_listed_as_the_world_has_seen_them(show_race: ShowRace) -> None:
    """Nothing at first; each call that comes back adds one, and the new one is marked."""
    race = show_race(clicks("fifo_group"))
    effects = race.locator(".effects")
    assert "no effect yet" in effects.inner_text()
    for name in ("r1", "l1", "c1"):
        step(race, name)
    assert effects.locator(".call.changed").inner_text().split() == [
        "charge_card", "of", "1", "new",
    ]  # fmt: skip
    for name in ("s1", "d1", "r2", "l2", "c2"):
        step(race, name)
    assert [each.split()[0] for each in effects.locator(".call").all_inner_texts()] == [
        "charge_card", "refund_card",
    ]  # fmt: skip
    assert effects.locator(".call.changed").count() == 1


# --- reload, themes ---------------------------------------------------------------------


def test_a_race_that_is_shown_again_is_where_it_was(show: Show) -> None:
    """Path, verdict and endings are in Python; the panel goes on."""
    made = RacePanel(clicks("direct"))
    first = show(made)
    for name in ("l1", "l2"):
        step(first, name)
    again = show(made)
    again.locator(".bars-box .bar").first.wait_for()
    assert path_of(again) == "l1 l2"
    step(again, "c1")
    assert path_of(again) == "l1 l2 c1"


def test_every_text_can_be_read_in_both_themes(
    show_race: ShowRace, bare_page: BarePage, shoot: Shoot
) -> None:
    """4.5 to 1 at least, with buttons, faults, notes and changes on the page."""
    race = show_race(clicks("fifo_group", workers=2, faults={"crashes": 1}))
    step(race, "r1")
    step(race, "l1")
    race.locator(".barred button").dispatch_event("click")
    race.locator(".remark", has_text="blocked").wait_for()
    for theme in THEMES:
        bare_page.theme(theme)
        assert low_contrasts(race) == []
        shoot(theme)


# --- the lab ------------------------------------------------------------------------------


def test_bars_and_verdict_follow_the_choices(show_lab: ShowLab, shoot: Shoot) -> None:
    """Events, discipline, protections and faults, chosen by hand."""
    lab = show_lab(order, ["PAY", "CANCEL"])
    verdict_is(lab, "REFUTED")
    assert lab.locator(".bars-box .bar").count() == 4
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
    lab.get_by_role("button", name="add SHIP").click()
    lab.locator(".chip", has_text="3 SHIP").wait_for()
    lab.get_by_role("button", name="SHIP one place earlier").click()
    lab.locator(".chip", has_text="2 SHIP").wait_for()
    lab.get_by_role("button", name="remove CANCEL").click()
    lab.page.wait_for_function("document.querySelectorAll('.chip').length === 2")
    code = lab.locator(".source code")
    lab.page.wait_for_function(
        "document.querySelector('.source code').textContent.includes('SHIP')"
    )
    assert '["PAY", "SHIP"]' in code.inner_text()
    verdict_is(lab, "PROVED")
    shoot("protected")


def test_what_makes_no_sense_says_so_in_place(show_lab: ShowLab, shoot: Shoot) -> None:
    """Beside the fault and the protection; nothing is raised, and it can be mended."""
    lab = show_lab(order, ["PAY", "CANCEL"])
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


def test_a_long_search_shows_how_far_it_is_and_is_stopped(show_lab: ShowLab, shoot: Shoot) -> None:
    """A bar after half a second; Python answers meanwhile; what is known is no proof."""
    lab = show_lab(
        append_log(5),
        ["E1", "E2", "E3", "E4", "E5"],
        queue="standard",
        workers=5,
        faults={"crashes": 3},
        limit=20_000_000,
    )
    lab.locator(".search-progress").wait_for()
    lab.get_by_role("radio", name="mutex").check()  # nothing is held up
    lab.page.wait_for_function(
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


def test_a_bar_of_the_lab_shows_the_way_there(show_lab: ShowLab) -> None:
    """Lanes below, with the path in words that `replay` takes."""
    lab = show_lab(order, ["PAY", "CANCEL"])
    verdict_is(lab, "REFUTED")
    lab.locator(".bars-box .bar").last.click()
    lab.locator(".way .lanes-box svg").wait_for()
    assert "l1" in lab.locator(".way code").inner_text()
    lab.get_by_role("button", name="show the shortest counterexample").click()
    lab.locator(".way code", has_text="l2 s2 l1 i1").wait_for()


def test_the_lab_can_be_read_in_both_themes(
    show_lab: ShowLab, bare_page: BarePage, shoot: Shoot
) -> None:
    """4.5 to 1 at least, also with a problem on the page."""
    lab = show_lab(order, ["PAY", "CANCEL"])
    verdict_is(lab, "REFUTED")
    for theme in THEMES:
        bare_page.theme(theme)
        if theme == "light":
            lab.get_by_role("checkbox", name="fence").check()
            lab.locator(".nothing").wait_for()
        assert low_contrasts(lab) == []
        shoot(theme)


def test_panels_on_one_page_leave_each_other_alone(show_lab: ShowLab, show: Show) -> None:
    """Two labs have choices of their own, and no style of theirs shows in another panel."""
    labs = [show_lab(order, ["PAY", "CANCEL"], queue=queue) for queue in ("direct", "mutex")]
    page = show(order.panel()).page
    page.locator(".chart-panel table.context tr").first.wait_for()
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
