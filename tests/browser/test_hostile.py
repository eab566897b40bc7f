"""Text of people who mean ill, in charts, steps and pictures: shown as text, it does nothing."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests import hostile
from tests.browser.conftest import watch_for_problems

pytestmark = pytest.mark.browser

HARMLESS = """() => {
    const outputs = [...document.querySelectorAll('.jp-OutputArea-output')];
    const found = [];
    for (const each of outputs.flatMap(output => [...output.querySelectorAll('*')])) {
        if (/^(script|iframe|object|embed|link|meta|base|foreignobject|use|image|video|style)$/i
            .test(each.localName)) found.push(each.outerHTML.slice(0, 200));
        if (each.localName === 'img' && !/^data:image\\/svg/.test(each.src)) found.push(each.src);
        for (const { name, value } of each.attributes) {
            const link = /^(xlink:)?href$|^src$/i.test(name) && !/^data:image/.test(value);
            if (link || /^on/i.test(name)) found.push(`${each.localName} ${name}=${value}`);
        }
    }
    return found;
}"""

SETUP = f"""
from typing import Any
from settlesim import Chart, Settling
from settlesim.sim import Scenario, compare, explore, necessity, replay, run, sample
from settlesim.view import side_by_side, state_graph
from settlesim.widgets import StepPanel
from IPython.display import HTML, display
HOSTILE = {hostile.HOSTILE!r}
{inspect.getsource(hostile.hostile_chart)}
"""
PANELS = """
kept = []
for name in HOSTILE[{first}:{last}]:
    panel = hostile_chart(name).panel(
        key=name, manual=True, data={{name: {{name: name}}}}, answers={{f"{{name}} 1": name}})
    panel.send(name, {{name: [name]}})
    panel.failed(f"{{name}} 1", name)
    panel.receive({{"kind": "send", "event": name, "data": name}})
    panel.receive({{"kind": name, "id": name}})
    panel.send(name, name)
    kept.append(panel)
    display(panel)
"""
STEPS = """
for name in HOSTILE[{first}:{last}]:
    display(StepPanel(Settling(hostile_chart(name), None, name, key=name)))
"""
PICTURES = """
for name in HOSTILE[{first}:{last}]:
    chart = hostile_chart(name)
    panel = chart.panel(key=name, speed="at once")
    panel.send(name, {{name: name}})
    settlement = await panel.settled()
    display(chart, chart.draw(title=name, legend=True, path=[0]), settlement, chart.check())
    display(chart.settling_graph(), HTML(chart.draw().svg))
    display(*map(HTML, (panel._repr_mimebundle_()["image/svg+xml"],)))
    display(HTML(settlement.panel()._repr_mimebundle_()["text/html"]))
    race = Scenario(chart, [name, name], workers=2)
    found, walk = explore(race), run(race, seed=1)
    for value in (found, walk, compare(chart, [name, name]), sample(race, 5, 1), replay(race, "")):
        display(HTML(value.draw(title=name).svg))
    display(HTML(state_graph(found).svg), HTML(side_by_side(walk, walk).svg))
display(HTML(necessity(chart, [name, name]).draw(title=name).svg))
"""

SOURCES = {"panels": PANELS, "steps": STEPS, "pictures": PICTURES}


def test_there_are_fifty_names() -> None:
    """And they differ."""
    assert len(set(hostile.HOSTILE)) == 50


@pytest.mark.parametrize("first", [0, 25])
@pytest.mark.parametrize("kind", SOURCES)
def test_hostile_text_is_shown_as_text(kind: str, first: int, write_notebook: Any) -> None:
    """No dialog, no request, no script element, no handler; every panel says the name."""
    notebook = write_notebook(SETUP, SOURCES[kind].format(first=first, last=first + 25))
    page = notebook.page
    problems = watch_for_problems(page)
    page.set_viewport_size({"width": 1300, "height": 1500})
    notebook.run_all()
    assert [each for each in notebook.outputs() if each["output_type"] == "error"] == []
    if kind != "pictures":
        panels = page.locator(".settlesim-panel")
        panels.nth(24).locator("svg").first.wait_for()
        said = panels.evaluate_all("panels => panels.map(panel => panel.textContent)")
        for name, text in zip(hostile.HOSTILE[first : first + 25], said, strict=True):
            assert name in text
    if kind == "panels":
        _touch_everything(page)
    page.wait_for_timeout(300)  # what would happen, would happen now
    assert page.evaluate(HARMLESS) == []
    assert page.evaluate("window.pwned") is None
    assert problems == []


def _touch_everything(page: Any) -> None:
    """Open the forms, move over the arrows, and answer as the services."""
    page.evaluate(
        """() => {
            for (const panel of document.querySelectorAll('.chart-panel')) {
                panel.querySelector('.open-data').click();
                panel.querySelector('.data-form button').click();
                for (const each of panel.querySelectorAll('g.edge')) {
                    each.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
                }
                panel.querySelector('.card .main').click();
            }
        }"""
    )
    page.wait_for_function(
        "() => !document.querySelector('.chart-panel .services:not([hidden])')", timeout=30_000
    )
