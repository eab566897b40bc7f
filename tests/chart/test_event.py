"""Events, and what a name may be."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Chart, Event, external_event
from settlesim.chart.event import MAX_NAME_LENGTH, has_transition, name_flaw, unknown_event
from settlesim.chart.strict_json import FrozenDict
from settlesim.errors import InvalidEventError


@pytest.mark.parametrize("name", ["a", "A b", "é", "日本", "🙂", "a.b", "x" * MAX_NAME_LENGTH])
def test_text_with_something_to_see_is_a_name(name: str) -> None:
    """Any script, spaces, dots."""
    assert name_flaw(name) is None


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        (None, "is of type NoneType; a name is text"),
        (5, "is of type int; a name is text"),
        ("", "is empty"),
        (" \t", "is empty"),
        ("x" * 1_000, "has 1000 characters; 200 is the limit"),
        ("a\nb", "has the control character '\\n'"),
        ("a\x00", "has the control character '\\x00'"),
        ("a\ud800", "has the control character '\\ud800'"),
        ("a\u2028b", "has the control character '\\u2028'"),
    ],
)
def test_everything_else_is_no_name(name: object, flaw: str) -> None:
    """The flaw is said in words."""
    assert name_flaw(name) == flaw


def test_an_event_carries_frozen_data() -> None:
    """What a guard is given can not be changed."""
    event = external_event("GO", {"a": [1]})
    assert event == Event("GO", {"a": [1]})
    assert type(event.data) is FrozenDict
    assert event.to_dict() == {"name": "GO", "data": {"a": [1]}}
    assert external_event("GO") == Event("GO")


@pytest.mark.parametrize("name", ["done.invoke.work.0", "error.x", "after."])
def test_reserved_names_are_refused(name: str) -> None:
    """Nobody outside can pretend that a service came back."""
    with pytest.raises(InvalidEventError, match="is a reserved name"):
        external_event(name)


@pytest.mark.parametrize("name", [5, "", "\ud800"])
def test_an_event_needs_a_name(name: object) -> None:
    """What is no name is no event's name either."""
    with pytest.raises(InvalidEventError):
        external_event(name)


def test_data_that_json_can_not_carry_is_refused() -> None:
    """The error names the place in the data."""
    with pytest.raises(InvalidEventError) as caught:
        external_event("GO", {"when": {1, 2}})
    assert str(caught.value).startswith("event 'GO' cannot be sent: data['when'] has {1, 2}")


@pytest.mark.parametrize(
    ("semantics", "known", "unknown"),
    [
        ("scxml", ["GO", "skip", "skip.one"], ["go", "skipped", "GO.now"]),
        ("transitions", ["GO", "skip.*"], ["skip", "skip.one"]),
    ],
)
def test_a_chart_has_a_transition_for_what_its_descriptors_match(
    semantics: Any, known: list[str], unknown: list[str]
) -> None:
    """By the rules of SCXML; by those of `transitions` an asterisk is a letter."""
    chart = Chart(["a"], [["GO", "a", "a"], ["skip.*", "a", "a"]], "a", semantics=semantics)
    assert [name for name in known + unknown if has_transition(chart, name)] == known


def test_an_unknown_event_is_told_with_the_nearest() -> None:
    """Or, where none looks like it, with all that the chart has."""
    chart = Chart(["a"], [["APPROVE", "a", "a"], ["REJECT", "a", "a"]], "a", name="claim")
    assert unknown_event(chart, "APPROVE") is None
    assert unknown_event(chart, "APROVE") == (
        "chart 'claim' has no transition for 'APROVE'; did you mean 'APPROVE'?"
    )
    assert unknown_event(chart, "approve") == (
        "chart 'claim' has no transition for 'approve'; did you mean 'APPROVE'?"
    )
    assert unknown_event(chart, "PAY") == (
        "chart 'claim' has no transition for 'PAY'; it has 'APPROVE', 'REJECT'."
    )


def test_no_event_is_unknown_to_a_chart_that_takes_any() -> None:
    """By the rules of SCXML an asterisk stands for every event."""
    chart = Chart(["a"], [["*", "a", "a"]], "a", semantics="scxml")
    assert unknown_event(chart, "WHATEVER") is None
