"""Text of people who mean ill, in races and queue labs: shown as text, it does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from settlesim.sim import Scenario
from settlesim.widgets import RacePanel, queue_lab
from tests.browser.test_hostile import LET_IT_HAPPEN, in_turns
from tests.browser.watching import HARMFUL
from tests.hostile import hostile_chart

if TYPE_CHECKING:
    from settlesim.widgets import QueueLab
    from tests.browser.bare_page import BarePage

pytestmark = pytest.mark.browser

PRESS = """async ([race, lab]) => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let turn = 0; turn < 6; turn += 1) {
        race.querySelector('.scheduler .title-row button').click();
        await frame();
    }
    for (const each of [race, lab].flatMap((panel) => [...panel.querySelectorAll('.bar')])) {
        each.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        each.dispatchEvent(new MouseEvent('click', { bubbles: true }));
        await frame();
    }
}"""


def race_panel(name: str) -> RacePanel:
    """Return a race that was given the name in every place."""
    events = [(name, name), (name, name, {name: name})]
    race = RacePanel(Scenario(hostile_chart(name), events), seed=1)
    for message in (
        {"kind": name},
        {"kind": "paste", "text": name},
        {"kind": "queue", "name": name},
        {"kind": "take", "step": name},
        {"kind": "ending", "index": name},
    ):
        race.receive(message)
    return race


def lab_panel(name: str) -> QueueLab:
    """Return a queue lab that was given the name in every place."""
    lab = queue_lab(hostile_chart(name), [name, name], data={name: name})
    lab.receive({"kind": "choose", "name": "start", "value": name})
    lab.receive({"kind": "choose", "name": "queue", "value": name})
    lab.receive({"kind": "choose", "name": "queue", "value": "standard"})
    lab.receive({"kind": "choose", "name": name, "value": name})
    lab.choose(start=None)
    return lab


@in_turns
def test_hostile_text_is_shown_as_text(names: list[str], bare_page: BarePage) -> None:
    """No dialog, no request, no script element, no handler; every panel says the name."""
    page = bare_page.page
    for name in names:
        made = race_panel(name), lab_panel(name)
        panels = [bare_page.show(each) for each in made]
        for panel in panels:
            panel.locator(".bars-box .bar").first.wait_for()
            assert name in (panel.text_content() or "")
        heard = made[0].parts["heard"]
        page.evaluate(PRESS, [panel.element_handle() for panel in panels])
        bare_page.wait_for_answers()
        page.evaluate(LET_IT_HAPPEN)
        assert made[0].parts["heard"] > heard + 6
        assert page.evaluate(HARMFUL) == []
        assert page.evaluate("window.pwned") is None
        bare_page.clear()
