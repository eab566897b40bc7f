"""Members of enums as states, triggers, destinations and events."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from settlesim import Chart, Interpreter, MemoryStore, Scenario, Settling
from settlesim.chart import Event, external_event
from settlesim.errors import DefinitionError, InvalidEventError
from settlesim.runtime.event_messages import event_body


class Light(enum.Enum):
    RED = 1
    GREEN = 2


class Order(enum.StrEnum):
    START = "start"
    STOP = "stop"


class Mixed(str, enum.Enum):  # noqa: UP042  # what people write who have Python 3.10
    START = "start"


class Review(enum.Enum):
    ASKING = 1
    DONE = 2


class Loan(enum.Enum):
    DRAFT = 1
    REVIEW = Review
    PAID = 3


def ways(chart: Chart) -> list[tuple[str, str, str | None]]:
    return [(each.trigger, each.source, each.dest) for each in chart.transitions]


def test_a_trigger_that_is_a_text_is_its_value_and_any_other_its_name() -> None:
    """As `transitions` has it: the value is what comes over the wire."""
    chart = Chart(
        ["a", "b"],
        [[Order.START, "a", "b"], [Mixed.START, "b", "a"], [Light.RED, "b", "a"]],
        "a",
    )
    assert [trigger for trigger, _, _ in ways(chart)] == ["start", "start", "RED"]


def test_members_of_enums_can_be_sent() -> None:
    """To an interpreter, a session, a queue and a scenario."""
    states: list[Any] = [{"name": name, "tags": ["settled"]} for name in "ab"]
    chart = Chart(states, [[Order.START, "a", "b"], [Light.RED, "b", "a"]], "a")
    interpreter = Interpreter(chart, MemoryStore())
    assert interpreter.settle_sync("k", Order.START).after == interpreter.store.load("k")
    assert interpreter.settle_sync("k", Light.RED).outcome.name == "RESOLVED"
    settlement = Settling(chart, None, Mixed.START).settlement
    assert settlement is not None
    assert (settlement.event, type(settlement.event.name)) == (Event("start"), str)
    assert event_body(Order.START) == {"event": "start"}
    assert event_body(Light.RED, 1) == {"event": "RED", "data": 1}
    arrivals = Scenario(chart, [Order.START, ("k", Light.RED)]).events
    assert [each.event for each in arrivals] == ["start", "RED"]
    assert len(Scenario(chart, [Order.START, Light.RED], keys=2).events) == 4


def test_a_reserved_name_is_refused_from_an_enum_too() -> None:
    """The rule is about the name."""

    class Own(enum.StrEnum):
        DONE = "done.work"

    with pytest.raises(InvalidEventError, match=r"'done\.work' is a reserved name"):
        external_event(Own.DONE)


def test_members_of_a_nested_enum_are_found_where_they_are() -> None:
    """As source, destination, initial state and target inside a state."""
    chart = Chart(
        [*Loan, {"name": "end", "always": Review.ASKING}],
        [["ASK", Loan.DRAFT, Review.ASKING], ["PAY", Review, Loan.PAID]],
        Review.DONE,
    )
    assert [node.name for node in chart.states][:4] == [
        *("DRAFT", "REVIEW", "REVIEW.ASKING", "REVIEW.DONE"),
    ]
    assert ways(chart) == [
        ("", "end", "REVIEW.ASKING"),
        ("ASK", "DRAFT", "REVIEW.ASKING"),
        ("PAY", "REVIEW.ASKING", "PAID"),
        ("PAY", "REVIEW.DONE", "PAID"),
    ]
    assert chart.initial == "REVIEW.DONE"


def test_inside_a_state_its_own_member_is_meant() -> None:
    """One enum may be the children of two states."""
    twice: list[Any] = [
        {"name": "l", "children": Light, "transitions": [["GO", Light.RED, Light.GREEN]]},
        {"name": "r", "children": Light},
    ]
    assert ways(Chart(twice, [], "l")) == [("GO", "l.RED", "l.GREEN")]
    with pytest.raises(DefinitionError, match=r"is the states 'l.RED' and 'r.RED': write the name"):
        Chart(twice, [["GO", "r", Light.RED]], "l")


def test_a_member_that_is_no_state_is_taken_by_its_name() -> None:
    """So an enum of names can stand beside states that are texts."""
    assert ways(Chart(["RED"], [["GO", Light.RED, Light.RED]], Light.RED)) == [("GO", "RED", "RED")]
    with pytest.raises(DefinitionError, match="unknown destination 'GREEN'"):
        Chart(["RED"], [["GO", Light.RED, Light.GREEN]], "RED")
