"""The live panels on a page: everything that a hand can do with a chart and with a stepper."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import comm
import pytest
from playwright.sync_api import expect

from settlesim import Chart, MemoryStore, Settling
from settlesim.gallery import donut, order, signup
from settlesim.widgets import ChartPanel, StepPanel
from tests.browser.bare_page import BarePage
from tests.browser.gestures import active, press, press_disabled, wait_for
from tests.browser.watching import low_contrasts

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from settlesim.widgets.base.panel import Panel

pytestmark = pytest.mark.browser

CARD = {"PAY": {"card": "4242"}}

Show = Callable[["Panel"], "Locator"]
Shoot = Callable[[str], None]


def test_an_event_is_fired_by_its_button(show: Show, shoot: Shoot) -> None:
    """The service is named on its node while it runs; then the settled state lights up."""
    panel = show(order.panel(speed=0.05, data=CARD))  # time to look
    panel.page.emulate_media(reduced_motion="no-preference")
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


def test_an_event_is_fired_by_its_arrow_and_by_the_keyboard(show: Show) -> None:
    """A click on the line, a click on its label, Enter on it; arrows that are not enabled wait."""
    panel = show(order.panel(speed=10, data=CARD))
    panel.locator("g[data-id=e2_label]").click()  # SHIP is not accepted in `new`
    panel.locator("g[data-id=e0_label]").click()
    wait_for(panel, "paid")
    refund = panel.get_by_role("button", name="send CANCEL: paid to refunding")
    refund.focus()
    panel.page.keyboard.press("Enter")
    wait_for(panel, "refunded")
    assert panel.locator(".settlements li").count() == 3


def test_the_line_of_an_arrow_can_be_clicked(show: Show) -> None:
    """Somewhere along it, not on its label."""
    panel = show(order.panel(speed=10, data=CARD))
    x, y = panel.locator("g[data-id=e1] path.hit").evaluate(
        """line => {
            const point = line.getPointAtLength(line.getTotalLength() * 0.8);
            const at = new DOMPoint(point.x, point.y).matrixTransform(line.getScreenCTM());
            return [at.x, at.y + 3];
        }"""
    )
    panel.page.mouse.click(x, y)
    wait_for(panel, "cancelled")


def test_an_event_is_ignored_on_purpose(show: Show) -> None:
    """What is not accepted can be sent all the same, and the panel says what would be."""
    panel = show(order.panel(speed=10))
    press_disabled(panel, "SHIP")
    assert panel.locator(".settlements li").count() == 1
    panel.get_by_label("also send events").check()
    press(panel, "SHIP")
    panel.get_by_text("nothing takes it in new, which takes PAY, CANCEL").first.wait_for()
    assert panel.locator(".pill").inner_text() == "ignored"


def test_data_is_given_in_the_form_and_as_json(show: Show) -> None:
    """Both make the same data; text that is no JSON is said to be none."""
    panel = show(order.panel(speed=10))
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
    panel.get_by_text("not valid JSON yet").wait_for()
    press(panel, "PAY")
    panel.get_by_role("alert").locator("p", has_text="not strict JSON").wait_for()
    area.fill('{"card": "1"}')
    press(panel, "PAY")
    wait_for(panel, "paid")
    assert panel.get_by_role("alert").count() == 0


def test_the_person_is_the_service(show: Show, shoot: Shoot) -> None:
    """Done with a value, an error, out of time: one click each."""
    panel = show(order.panel(speed=10, data=CARD))
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
    value = panel.get_by_label("what charge_card returns")
    value.fill('{"charge": "mine"}')
    panel.page.keyboard.press("Enter")
    wait_for(panel, "paid")
    assert '"charge": "mine"' in panel.locator("pre.record").inner_text()


@pytest.mark.parametrize(
    ("typed", "taken", "kept"),
    [
        ("4242", "a number", 4242),
        ('"4242"', "text", "4242"),
        ("declined", "text", "declined"),
        ('{"charge": ', "text: not valid JSON yet", '{"charge": '),
        ("[1, 2]", "a list", [1, 2]),
        ("", "", None),
    ],
)
def test_an_answer_is_json_or_text_and_says_which(
    typed: str, taken: str, kept: Any, show: Show
) -> None:
    """As the values in the form of an event; a number and its digits are told apart."""
    chart = Chart(
        [
            {"name": "new", "tags": ["settled"]},
            {
                "name": "asking",
                "invoke": {"src": "ask", "on_done": {"dest": "told", "assign": "keep"}},
            },
            {"name": "told", "tags": ["settled"]},
        ],
        [["GO", "new", "asking"]],
        "new",
        context={"answer": None},
    ).bind({"keep": lambda context, event: {"answer": event.data}})
    made: ChartPanel = chart.panel(manual=True)
    panel = show(made)
    press(panel, "data of GO")
    panel.get_by_label("value 1", exact=True).fill(typed)
    expect(panel.locator(".data-form .taken")).to_have_text(taken)
    press(panel, "GO")
    wait_for(panel, "asking")
    panel.get_by_label("what ask returns").fill(typed)
    expect(panel.locator(".card .taken")).to_have_text(taken)
    press(panel, "ask is done")
    wait_for(panel, "told")
    assert json.dumps(made.context["answer"]) == json.dumps(kept)


@pytest.mark.parametrize("width", [900, 1300])
def test_the_donut_opens_with_its_whole_chart_in_sight(
    width: int, show: Show, shoot: Shoot
) -> None:
    """No node is scrolled away, and no text has less than 9 pixels."""
    panel = show(donut.panel(manual=True))
    page = panel.page
    page.set_viewport_size({"width": width, "height": 1000})
    box = panel.locator(".chart-box")
    expect(box).not_to_have_class(re.compile("full"))
    shoot(f"donut-{width}")
    hidden, smallest = box.evaluate(
        """box => [
            box.scrollWidth - box.clientWidth + box.scrollHeight - box.clientHeight,
            Math.min(...[...box.querySelectorAll("text")].map(text =>
                parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)),
        ]"""
    )
    page.set_viewport_size({"width": 1300, "height": 1000})
    assert hidden <= 2
    assert smallest >= 8.99


def test_time_travel_and_a_fork(show: Show, shoot: Shoot) -> None:
    """A click on a settlement shows what was then; a new instance goes on from there."""
    panel = show(order.panel(speed="at once", data=CARD))
    press(panel, "PAY")
    wait_for(panel, "paid")
    press(panel, "SHIP")
    wait_for(panel, "shipped")
    panel.locator("button.entry", has_text="PAY RESOLVED").click()
    wait_for(panel, "paid")
    assert panel.locator(".pill").inner_text() == "earlier"
    assert '"revision": 1' in panel.locator("pre.record").inner_text()
    shoot("past")
    press_disabled(panel, "SHIP")  # nothing happens in the past
    press(panel, "back to now")
    wait_for(panel, "shipped")
    panel.locator("button.entry", has_text="PAY RESOLVED").click()
    press(panel, "start a new instance from here")
    panel.get_by_text("forked from order-1 at revision 1").first.wait_for()
    press(panel, "CANCEL")
    wait_for(panel, "refunded")
    assert panel.get_by_label("instance", exact=True).input_value() == "order-1-1"
    panel.get_by_label("instance", exact=True).select_option("order-1")
    wait_for(panel, "shipped")


def test_an_error_of_user_code_is_shown_and_the_panel_goes_on(show: Show, shoot: Shoot) -> None:
    """The traceback is folded, and shows the user's line."""

    def keep_charge(context: Any, event: Any) -> dict[str, Any]:
        return {"charge": event.data["nothing"]}

    panel = show(order.bind({"keep_charge": keep_charge}).panel(manual=True))
    press(panel, "PAY")
    panel.get_by_label("what charge_card returns").fill("{}")
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


def test_two_panels_on_one_key_stay_in_step(show: Show) -> None:
    """Also where one of them shows the other's service."""
    store = MemoryStore()
    first = show(order.panel(store=store, manual=True))
    second = show(order.panel(store=store, speed=10))
    press(first, "PAY")
    wait_for(second, "charging")
    choice = "label:has-text('services')"
    assert second.locator(choice).inner_text().startswith("services, from the next event on")
    assert "from the next event on" not in first.locator(choice).inner_text()
    second.get_by_label("what charge_card returns").fill('{"charge": 1}')
    press(second, "charge_card is done")
    wait_for(first, "paid")
    press(second, "SHIP")
    wait_for(first, "shipped")
    press(second, "new instance")
    wait_for(second, "new")
    assert second.get_by_label("instance", exact=True).input_value() == "order-2"
    assert active(first) == ["shipped"]


def test_a_panel_is_there_again_when_it_is_shown_again(show: Show) -> None:
    """State and history are in Python; also in the midst of an event."""
    made: ChartPanel = order.panel(speed=10, data=CARD)
    first = show(made)
    press(first, "PAY")
    wait_for(first, "paid")
    first.get_by_label("services").select_option("me")
    press(first, "SHIP")
    wait_for(first, "printing")
    again = show(made)
    wait_for(again, "printing")
    assert again.locator(".settlements li").count() == 2
    again.get_by_label("what print_label returns").fill('{"label": "x"}')
    press(again, "print_label is done")
    wait_for(again, "shipped")
    wait_for(first, "shipped")


def test_a_panel_says_that_nobody_answers(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart of the kernel; the panel does not pretend that something happened."""
    page.clock.install()  # for good: a page of its own
    bare_page = BarePage(page)
    monkeypatch.setattr(comm, "create_comm", bare_page.create_comm)
    panel = bare_page.show(order.panel(speed="at once", data=CARD))
    panel.page.evaluate("window.deaf = true")
    press(panel, "PAY")
    panel.page.clock.fast_forward(4_000)
    panel.get_by_text("after a restart, run the cell again").wait_for()
    assert active(panel) == ["new"]
    panel.page.evaluate("window.deaf = false")
    press(panel, "PAY")
    panel.get_by_text("after a restart").wait_for(state="detached")
    bare_page.clear()


def test_a_panel_that_is_closed_leaves_the_page(show: Show) -> None:
    """With it go its element, its timers and what was running in it."""
    made: ChartPanel = order.panel(speed=0.01, data=CARD)
    panel = show(made)
    press(panel, "PAY")
    wait_for(panel, "charging")
    made.close()
    panel.wait_for(state="detached")
    assert made.settlements == ()


def test_an_event_is_stepped_through(show: Show, shoot: Shoot) -> None:
    """Forward and back by button, key and click: what was enabled, what guards said, what ran."""
    with signup.panel(manual=True) as chart:
        chart.fire("SIGN_UP")
        chart.done("send_email", {"code": "c1"})
        chart.fire("VERIFY", {"code": "c1"})
        panel = show(chart.settlements[-1].panel())
    assert active(panel) == ["waiting"]
    press(panel, "forward")
    panel.locator(".detail").get_by_text("code_matches").wait_for()
    assert "code_matches is true" in " ".join(panel.locator(".detail").inner_text().split())
    wait_for(panel, "verified")
    shoot("guard")
    panel.page.keyboard.press("ArrowLeft")
    wait_for(panel, "waiting")
    panel.get_by_text("0 of 2").wait_for()
    panel.page.keyboard.press("End")
    wait_for(panel, "verified")
    panel.locator(".frames button").nth(0).click()
    wait_for(panel, "waiting")


def test_an_event_on_its_way_is_stepped_on_by_hand(show: Show) -> None:
    """The stepper's person answers for the services."""
    panel = show(StepPanel(Settling(donut, None, "BAKE")))
    press(panel, "sift fails")
    press(panel, "the delay of 6 s passes")
    press(panel, "whisk is done")
    press(panel, "fry runs out of time")
    press(panel, "last")
    wait_for(panel, "burnt")
    panel.get_by_text("burnt is tagged reject").first.wait_for()


def test_after_an_error_the_person_answers_again(show: Show, shoot: Shoot) -> None:
    """The answer at first stands in the field; an empty one is an error, and no dead end."""
    answers = {"charge_card": {"charge": "c-1"}}
    panel = show(StepPanel(Settling(order, None, "PAY"), answers=answers))
    field = panel.get_by_label("what charge_card returns")
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


def test_a_panel_that_comes_to_be_seen_late_is_whole(bare_page: BarePage, shoot: Shoot) -> None:
    """What is out of sight cannot be measured; once seen, its tags are as wide as their text."""
    made: ChartPanel = donut.panel(manual=True)
    made.fire("BAKE")
    page = bare_page.page
    hidden = page.add_style_tag(content=".jp-OutputArea-output { display: none }")
    panel = bare_page.show(made, state="attached")
    panel.locator("g.tag").nth(1).wait_for(state="attached")
    hidden.evaluate("style => style.remove()")
    panel.locator("g.tag").nth(1).wait_for()
    page.wait_for_function(
        """() => [...document.querySelectorAll('g.tag')].every(tag => {
            const text = tag.querySelector('text').getComputedTextLength();
            return text > 30 && tag.querySelector('rect').width.baseVal.value > text;
        })"""
    )
    shoot("late")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_can_be_read_in_both_themes(
    theme: Literal["dark", "light"], bare_page: BarePage, shoot: Shoot
) -> None:
    """Contrast of 4.5 to 1 of every text, in every state of the panel."""
    bare_page.theme(theme)
    panel = bare_page.show(order.panel(speed=10, data=CARD))
    assert ("dark" in (panel.get_attribute("class") or "").split()) == (theme == "dark")
    press(panel, "data of PAY")
    assert low_contrasts(panel) == []
    panel.get_by_label("services").select_option("me")
    press(panel, "PAY")
    wait_for(panel, "charging")
    assert low_contrasts(panel) == []
    press(panel, "charge_card is done")  # without a value: an error of the assign
    panel.get_by_role("alert").get_by_text("traceback", exact=True).click()
    panel.get_by_label("also send events").check()
    press(panel, "SHIP")
    panel.get_by_role("alert").wait_for(state="detached")
    assert low_contrasts(panel) == []
    press(panel, "PAY")
    press(panel, "charge_card fails")
    panel.locator("button.entry").last.click()
    assert low_contrasts(panel) == []
    shoot(theme)


def test_everything_can_be_reached_by_keyboard(show: Show) -> None:
    """Tab goes through every control, each shows its focus, and each has a name."""
    panel = show(order.panel(speed=10, data=CARD))
    page = panel.page
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
    assert any(name.startswith("also send events") for name in names)
    panel.get_by_role("button", name="CANCEL", exact=True).focus()
    page.keyboard.press("Enter")
    wait_for(panel, "cancelled")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_less_motion_is_respected(motion: Literal["reduce", "no-preference"], show: Show) -> None:
    """Then no dot runs, nothing is animated; the states are shown all the same."""
    panel = show(order.panel(speed=10, data=CARD))
    page = panel.page
    page.emulate_media(reduced_motion=motion)
    panel.evaluate(
        "panel => { window.dots = 0; new MutationObserver(() => {"
        " window.dots += panel.querySelectorAll('.dot').length; })"
        ".observe(panel, { childList: true, subtree: true }); }"
    )
    press(panel, "PAY")
    wait_for(panel, "paid")
    assert (page.evaluate("window.dots") == 0) == (motion == "reduce")
    animation = panel.locator(".halo.active > rect").first.evaluate(
        "halo => getComputedStyle(halo).animationName"
    )
    assert (animation == "none") == (motion == "reduce")


def test_a_chart_of_a_hundred_states_stays_usable(show: Show, shoot: Shoot) -> None:
    """It is shown in a size that can be read, scrolled to where it is, and takes its events."""
    states: list[Any] = [{"name": f"s{i}", "tags": ["settled"]} for i in range(100)]
    transitions = [["GO", f"s{i}", f"s{i + 1}"] for i in range(99)]
    transitions += [[f"JUMP_{i}", f"s{i}", f"s{(i * 7) % 100}"] for i in range(0, 100, 5)]
    panel = show(Chart(states, transitions, "s0").panel())
    for number in range(1, 6):
        press(panel, "GO")
        wait_for(panel, f"s{number}")
    panel.page.wait_for_function(
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
