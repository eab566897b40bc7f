"""Reserved triggers, in words."""

from __future__ import annotations

from settlesim.chart import EVENTLESS, Chart
from settlesim.chart.trigger_words import trigger_words
from settlesim.gallery import count, donut


def test_every_kind_of_trigger_has_words() -> None:
    """Events by their name; services, delays and finished nodes as what happened."""
    said = {trigger_words(donut, edge.trigger) for edge in donut.edges}
    assert said == {
        "BAKE",
        "GLAZE",
        "EAT",
        "sift done",
        "sift failed",
        "after 6 s",
        "whisk done",
        "whisk failed",
        "making.mixing finished",
        "fry done",
        "fry failed",
        "after 5 s",
    }
    assert trigger_words(count, EVENTLESS) == "eventless"


def test_an_unguarded_eventless_transition_is_drawn_as_always() -> None:
    """It needs a word, for it has neither an event nor a guard."""
    chart = Chart(["a", {"name": "b", "tags": ["settled"]}], [["", "a", "b"]], "a")
    assert ">always</text>" in chart.draw().svg
