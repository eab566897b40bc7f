"""Text of people who mean ill, in charts, steps and pictures: shown as text, it does nothing."""

from __future__ import annotations

import asyncio
import html
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from settlesim import Settling
from settlesim.sim import Scenario, compare, explore, protection_grid, random_walk, replay, sample
from settlesim.view import side_by_side, state_graph
from settlesim.widgets import ChartPanel, StepPanel
from tests.browser.watching import HARMFUL, watch_for_problems
from tests.hostile import ALL_OTHERS, HOSTILE, ONE_OF_EACH_KIND, hostile_chart

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from settlesim.widgets.base.panel import Panel
    from tests.browser.bare_page import BarePage

pytestmark = pytest.mark.browser

in_turns = pytest.mark.parametrize(
    "names",
    [
        pytest.param(ONE_OF_EACH_KIND, id="one of each kind"),
        pytest.param(ALL_OTHERS, id="all others", marks=pytest.mark.nightly),
    ],
)
LET_IT_HAPPEN = """async () => {
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
    await new Promise(resolve => requestIdleCallback(resolve));
}"""
"""Returns when what was to be loaded or run by now has been asked for."""


def test_there_are_fifty_names() -> None:
    """And they differ; each is shown in every run or at night."""
    assert len(set(HOSTILE)) == 50
    assert {*ONE_OF_EACH_KIND, *ALL_OTHERS} == set(HOSTILE)


def chart_panel(name: str) -> ChartPanel:
    """Return a panel that was given the name in every place."""
    panel: ChartPanel = hostile_chart(name).panel(
        key=name, manual=True, data={name: {name: name}}, answers={f"{name} 1": name}
    )
    panel.fire(name, {name: [name]})
    panel.failed(f"{name} 1", name)
    panel.receive({"kind": "send", "event": name, "data": name})
    panel.receive({"kind": name, "id": name})
    panel.fire(name, name)
    return panel


def step_panel(name: str) -> StepPanel:
    """Return a panel of an event on its way."""
    return StepPanel(Settling(hostile_chart(name), None, name, key=name))


@in_turns
@pytest.mark.parametrize("make", [chart_panel, step_panel])
def test_hostile_text_in_panels_is_shown_as_text(
    make: Any, names: list[str], bare_page: BarePage
) -> None:
    """No dialog, no request, no script element, no handler; every panel says the name."""
    for name in names:
        made: Panel = make(name)
        panel = bare_page.show(made)
        assert name in (panel.text_content() or "")
    page = bare_page.page
    if make is chart_panel:
        _touch_everything(page)
    bare_page.wait_for_answers()
    page.evaluate(LET_IT_HAPPEN)
    assert page.evaluate(HARMFUL) == []
    assert page.evaluate("window.pwned") is None


def _touch_everything(page: Page) -> None:
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
    page.wait_for_function("() => !document.querySelector('.chart-panel .services:not([hidden])')")


async def outputs(name: str) -> list[str]:
    """Return everything that is shown of a chart in pictures and tables, as HTML."""
    chart = hostile_chart(name)
    panel = chart.panel(key=name, speed="at once")
    panel.fire(name, {name: name})
    settlement = await panel.settled()
    assert settlement is not None
    shown: list[Any] = [
        chart,
        chart.draw(title=name, legend=True, path=[0]),
        settlement,
        chart.check(),
    ]
    shown += [panel, settlement.panel(), chart.settling_graph()]
    bundles = [each._repr_mimebundle_() for each in shown]
    found = [each[kind] for each in bundles for kind in MARKUP if kind in each]
    found += [f"<pre>{html.escape(each['text/plain'])}</pre>" for each in bundles]
    found.append(chart.draw().svg)
    race = Scenario(chart, [name, name], workers=2)
    explored, walk = explore(race), random_walk(race, seed=1)
    for each in (
        explored,
        walk,
        compare(chart, [name, name]),
        sample(race, 5, 1),
        replay(race, ""),
    ):
        found.append(each.draw(title=name).svg)
    return [*found, state_graph(explored).svg, side_by_side(walk, walk).svg]


MARKUP = ("text/html", "image/svg+xml")


@in_turns
def test_hostile_text_in_pictures_is_shown_as_text(names: list[str], page: Page) -> None:
    """They are part of the page itself, without anything that would clean them."""
    with ThreadPoolExecutor(1) as pool:  # in this thread Playwright's loop runs
        found = [
            text for name in names for text in pool.submit(asyncio.run, outputs(name)).result()
        ]
    last = hostile_chart(names[-1])
    found.append(protection_grid(last, [names[-1]] * 2).draw(title=names[-1]).svg)
    body = "".join(f'<div class="jp-OutputArea-output">{each}</div>' for each in found)
    problems = watch_for_problems(page)
    page.set_content(f"<!doctype html><meta charset=utf-8><body>{body}")
    page.evaluate(LET_IT_HAPPEN)
    assert page.evaluate(HARMFUL) == []
    assert page.evaluate("window.pwned") is None
    assert problems == []
