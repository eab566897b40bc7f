"""Text of people who mean ill, in races and queue labs: shown as text, it does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests import hostile
from tests.browser.conftest import watch_for_problems
from tests.browser.test_hostile import HARMLESS, SETUP

pytestmark = pytest.mark.browser

PANELS = """
from settlesim.sim import Scenario
from settlesim.widgets import RacePanel, queue_lab
kept = []
for name in HOSTILE[{first}:{last}]:
    chart = hostile_chart(name)
    race = RacePanel(Scenario(chart, [(name, name), (name, name, {{name: name}})]), seed=1)
    for message in (
        {{"kind": name}}, {{"kind": "paste", "text": name}}, {{"kind": "queue", "name": name}},
        {{"kind": "take", "step": name}}, {{"kind": "ending", "index": name}},
    ):
        race.receive(message)
    lab = queue_lab(chart, [name, name], data={{name: name}})
    lab.receive({{"kind": "choose", "name": "start", "value": name}})
    lab.receive({{"kind": "choose", "name": "queue", "value": name}})
    lab.receive({{"kind": "choose", "name": "queue", "value": "standard"}})
    lab.receive({{"kind": "choose", "name": name, "value": name}})
    lab.choose(start=None)
    kept.append((race, lab))
    display(race, lab)
"""
PRESS = """async () => {
    const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
    for (const race of document.querySelectorAll('.race')) {
        for (let turn = 0; turn < 6; turn += 1) {
            race.querySelector('.jumps button').click();
            await pause();
        }
    }
    for (const each of document.querySelectorAll('.settlesim-panel .bar')) {
        each.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
        each.dispatchEvent(new MouseEvent('click', { bubbles: true }));
        await pause();
    }
}"""


@pytest.mark.parametrize("first", [0, 17, 34])
def test_hostile_text_is_shown_as_text(first: int, write_notebook: Any) -> None:
    """No dialog, no request, no script element, no handler; every panel says the name."""
    names = hostile.HOSTILE[first : first + 17]
    notebook = write_notebook(SETUP, PANELS.format(first=first, last=first + 17))
    page = notebook.page
    problems = watch_for_problems(page)
    page.set_viewport_size({"width": 1300, "height": 1500})
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    for kind in ("race", "queue-lab"):
        panels = page.locator(f".{kind}")
        page.wait_for_function(
            "([kind, n]) => document.querySelectorAll(`.${kind} .bars-box svg`).length === n",
            arg=[kind, len(names)],
            timeout=60_000,
        )
        said = panels.evaluate_all("panels => panels.map(panel => panel.textContent)")
        for name, text in zip(names, said, strict=True):
            assert name in text
    page.evaluate(PRESS)
    page.wait_for_timeout(300)  # what would happen, would happen now
    assert page.evaluate(HARMLESS) == []
    assert page.evaluate("window.pwned") is None
    assert problems == []
