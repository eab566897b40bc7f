"""``effect`` of an invocation: whether a service changes the world outside."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim import Chart
from settlesim.errors import DefinitionError, InvalidValueError
from settlesim.gallery import append_log, counter


def chart(**invoke: Any) -> Chart:
    call: Any = {"src": "work", "on_done": "b", **invoke}
    return Chart([{"name": "a", "invoke": call}, "b"], initial="a")


@pytest.mark.parametrize(
    ("given", "effect"), [({}, True), ({"effect": True}, True), ({"effect": False}, False)]
)
def test_a_service_has_an_effect_unless_the_chart_says_no(
    given: dict[str, bool], effect: bool
) -> None:
    """And the chart reads back as it was written."""
    made = chart(**given)
    assert made.node("a").invoke[0].effect is effect
    assert Chart.from_dict(made.to_dict()) == made
    assert ("effect" in made.to_dict()["states"][0]["invoke"][0]) is not effect
    assert (made == chart()) is effect


@pytest.mark.parametrize("wrong", ["no", 0, 1, None])
def test_effect_is_true_or_false(wrong: Any) -> None:
    """Anything else is a problem of the chart."""
    with pytest.raises(DefinitionError, match="true or false is needed"):
        chart(effect=wrong)


@pytest.mark.parametrize(
    "make", [lambda: append_log(0), lambda: append_log(2, -1), lambda: counter(True)]
)
def test_charts_of_a_size_need_a_whole_number(make: Any) -> None:
    """With the smallest one that makes sense."""
    with pytest.raises(InvalidValueError, match="a whole number from"):
        make()
