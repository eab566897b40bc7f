"""History states, arrows that fork, and retries in the picture of a chart."""

from __future__ import annotations

import pytest

from settlesim import Settling
from settlesim.chart import Chart
from settlesim.display import Direction
from tests.view.chart.test_diagram import by_id, with_class


@pytest.fixture
def player() -> Chart:
    """A parallel state with a history state and a transition to two of its regions."""
    tags = {"tags": ["settled"]}
    return Chart(
        [
            {"name": "off", **tags},  # type: ignore[list-item]
            {  # type: ignore[list-item]
                "name": "on",
                **tags,
                "parallel": [
                    {"name": "back", "history": "deep", "default": "sound.mute"},
                    {"name": "sound", "children": ["loud", "mute"]},
                    {
                        "name": "track",
                        "children": [
                            {"name": "last", "history": "shallow", "label": "as it was"},
                            "first",
                            "second",
                        ],
                    },
                ],
            },
        ],
        [
            ["POWER", "off", "on.back"],
            ["RESET", "on", ["on.sound.loud", "on.track.second"]],
            {"trigger": "M", "source": "on", "dest": "on.sound.mute", "internal": True},
            ["T", "off", "on.track.last"],
        ],
        "off",
        semantics="scxml",
    )


def words(svg: str, id_: str) -> list[str]:
    """The texts inside of a part of a picture."""
    return [each.text or "" for each in by_id(svg)[id_].iter() if each.tag.endswith("}text")]


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_a_history_state_is_an_h_with_an_arrow_to_its_default(
    player: Chart, direction: Direction
) -> None:
    """Deep ones have an asterisk; none of them is a place where an instance passes."""
    svg = player.draw(direction=direction).svg
    assert with_class(svg, "history") == ["n2", "n7"]
    assert words(svg, "n2") == ["H*"]
    assert words(svg, "n7") == ["H", "as it was"]
    assert with_class(svg, "default") == ["n2_default_0"]
    assert set(with_class(svg, "passing")).isdisjoint({"n2", "n7"})
    assert "passing: never saved" not in svg


def test_an_arrow_with_several_destinations_forks(player: Chart) -> None:
    """One arrow with its label, and the tooltip names all destinations."""
    svg = player.draw().svg
    made = by_id(svg)["e1"]
    heads = [each for each in made.iter() if each.tag.endswith("}polygon")]
    assert len(heads) == 2
    assert "RESET: on to on.sound.loud and on.track.second" in svg
    settlement = Settling(player, None, "POWER").settlement
    assert settlement is not None
    settlement = Settling(player, settlement.after, "RESET").settlement
    assert settlement is not None
    assert with_class(settlement.draw().svg, "taken") == ["e1", "e1_label"]


def test_what_stays_in_its_source_says_so(player: Chart) -> None:
    """An internal transition with a destination."""
    assert words(player.draw().svg, "e2_label") == ["M", "stays in on"]


def test_mermaid_and_dot_have_all_of_it(player: Chart) -> None:
    """Mermaid has forks, and no history states: those are states there."""
    picture = player.draw()
    text = picture.mermaid
    assert "state e1_fork <<fork>>" in text
    assert "n1 --> e1_fork : RESET" in text
    assert "e1_fork --> n4" in text
    assert 'state "H#42;" as n2' in text
    assert "n2 --> n5" in text
    assert text.count("--\n") == 1
    assert "e1_fork" in picture.dot


def test_the_legend_says_what_a_history_state_is(player: Chart) -> None:
    """Each of the two kinds where it occurs."""
    svg = player.draw(legend=True).svg
    assert "history: the child that was active before" in svg
    assert "history: all that was active inside before" in svg


def test_a_service_says_how_often_it_is_called(player: Chart) -> None:
    """Together with how long it may take; all entries of a retry count."""
    invoke = {"src": "charge", "on_error": "a", "on_done": "a"}
    chart = Chart(
        [
            {"name": "a", "tags": ["settled"]},
            {"name": "b", "invoke": {**invoke, "retry": 3}},  # type: ignore[list-item]
            {"name": "c", "invoke": {**invoke, "timeout": 5, "retry": [{"attempts": 2}, 4]}},  # type: ignore[list-item]
            {"name": "d", "invoke": {**invoke, "retry": 1}},  # type: ignore[list-item]
        ],
        [["B", "a", "b"], ["C", "a", "c"], ["D", "a", "d"]],
        "a",
    )
    svg = chart.draw().svg
    assert words(svg, "n1") == ["b", "charge", "≤ 3 calls"]
    assert words(svg, "n2") == ["c", "charge", "≤ 5 s, ≤ 5 calls"]
    assert words(svg, "n3") == ["d", "charge", "≤ 1 call"]


def test_a_hostile_label_of_a_history_state_stays_text() -> None:
    """As every other text."""
    name = "<script>&\"'\\]]>"
    inside = [{"name": "h", "history": "deep", "label": name}, "b"]
    chart = Chart([{"name": "a", "children": inside}], [["T", "a", "a.h"]], "a", semantics="scxml")  # type: ignore[list-item]
    picture = chart.draw()
    assert "<script" not in picture.svg
    assert "<script" not in picture.mermaid
