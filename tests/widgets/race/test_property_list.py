"""Properties in the panels: a list with verdicts, and the schedule of the one that is pressed."""

from __future__ import annotations

import json
from typing import Any

from settlesim.gallery import order
from settlesim.sim import Scenario, effect, explore, in_state, never, sometimes
from settlesim.widgets import RacePanel, queue_lab

ASKED = [
    never("label and refund", effect("print_label") & effect("refund_card")),
    sometimes("refunded", in_state("refunded")),
    never("two states", in_state("new") & in_state("paid")),
]
SCENARIO = Scenario(order, ["PAY", "SHIP", "CANCEL"], properties=ASKED)
ROWS: list[dict[str, Any]] = [
    {
        "word": "REFUTED",
        "text": "never label and refund",
        "more": "broken in 1,700 of 6,169 interleavings",
        "shows": "counterexample",
    },
    {"word": "PROVED", "text": "sometimes refunded", "shows": "witness"},
    {"word": "PROVED", "text": "never two states", "more": "", "shows": None},
]


def check(rows: list[dict[str, Any]]) -> None:
    assert json.loads(json.dumps(rows)) == rows
    for row, expected in zip(rows, ROWS, strict=True):
        assert {**row, **expected} == row


def test_a_panel_lists_the_properties_and_shows_their_schedules() -> None:
    """Once they are known; one that is pressed is walked."""
    panel = RacePanel(SCENARIO, charts=False)
    assert panel.parts["properties"] == []
    panel.search.start(panel.scenario)
    panel.search.wait()
    check(panel.parts["properties"])
    panel.receive({"kind": "property", "index": 0})
    assert panel.path == str(explore(SCENARIO).properties[0].schedule)
    panel.receive({"kind": "property", "index": 2})
    assert panel.path == str(explore(SCENARIO).properties[0].schedule)
    panel.receive({"kind": "property", "index": 3})
    assert "3 is none of the list" in str(panel.parts)


def test_a_lab_judges_the_properties_under_every_choice() -> None:
    """The list follows the choices, and the schedule of the one that is pressed is drawn."""
    lab = queue_lab(order, ["PAY", "SHIP", "CANCEL"], queue="standard", properties=ASKED)
    assert lab.exploration is not None
    check(lab.parts["properties"])
    lab.receive({"kind": "property", "index": 1})
    assert lab.parts["way"]["path"] == str(explore(SCENARIO).properties[1].schedule)
    assert "properties=properties" in lab.parts["code"]
    lab.choose(queue="fifo_group")
    assert lab.exploration.properties[0].verdict.value == "proved"


def test_a_lab_says_which_property_makes_no_sense_with_a_choice() -> None:
    """A property may name an event or an instance that is not there."""
    asked = [never("second", in_state("paid", key="order-2"))]
    lab = queue_lab(order, ["PAY"], properties=asked)
    assert "'order-2' is no instance of the scenario" in lab.problems["all"]
    assert lab.exploration is None
    lab.choose(keys=2)
    assert lab.problems == {}
    assert lab.exploration is not None
