"""The graph of states of a small scenario: all of them, and what is left from each."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from settlesim.errors import RenderError
from settlesim.gallery import order
from settlesim.sim import Faults, explore
from settlesim.view import Picture, state_graph
from settlesim.view.svg.palette import PALETTES
from tests.view.schedule.schedules import scenario

SVG = "{http://www.w3.org/2000/svg}"


def by_id(picture: Picture) -> dict[str, ET.Element]:
    found = [each for each in ET.fromstring(picture.svg).iter() if "id" in each.attrib]
    assert len({each.attrib["id"] for each in found}) == len(found)
    return {each.attrib["id"]: each for each in found}


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def words_of(picture: Picture) -> list[str]:
    return texts(ET.fromstring(picture.svg))


def test_every_state_and_step_is_drawn() -> None:
    """As many as the search has counted; shapes say what is still possible."""
    exploration = explore(scenario(order, ["PAY", "CANCEL"]))
    picture = state_graph(exploration)
    found = by_id(picture)
    last = [each for each in found.values() if "last" in each.get("class", "").split()]
    assert len(last) == len(exploration.endings)
    assert "4 last states with 4 endings: " in picture.alt
    assert (
        "refunded (charge_card, refund_card), as handling one after another, in arrival order"
        in picture.alt
    )
    assert sum(id_.startswith("state-") for id_ in found) == exploration.states
    assert sum(id_.startswith("step-") for id_ in found) == exploration.transitions
    assert f"{exploration.states} states, {exploration.transitions} steps" in picture.alt
    words = words_of(picture)
    for each in ("the step that made it wrong", "no right ending is left", "cancelled", "paid"):
        assert each in words


def test_step_that_made_it_wrong_leads_from_hope_to_none() -> None:
    """A thick arrow ends where no right ending can be reached, and begins where one can."""
    found = by_id(state_graph(explore(scenario(order, ["PAY", "SHIP"]))))
    fatal = [each for each in found.values() if "fatal" in each.get("class", "").split()]
    titles = {each.findtext(f"{SVG}title") for each in fatal}
    assert titles == {"l2"}


def test_fifo_is_one_safe_chain() -> None:
    """All states are safe, and nothing is said about what does not occur."""
    exploration = explore(scenario(order, ["PAY", "SHIP"], queue="fifo_group"))
    picture = state_graph(exploration)
    assert picture.alt.endswith(f"{exploration.states} states: only the right ending is left.")
    assert "no right ending is left" not in words_of(picture)


def test_too_many_states_are_refused_with_the_number() -> None:
    """The error says how many there are, and what can be done."""
    faults = Faults(crashes=1, expiries=1)
    exploration = explore(scenario(order, ["PAY", "SHIP"], faults=faults))
    assert exploration.states > 150
    with pytest.raises(RenderError, match=rf"has {exploration.states:,} states"):
        state_graph(exploration)
    with pytest.raises(RenderError, match=r"has 48 states; a graph of more than 47 cannot"):
        state_graph(explore(scenario(order, ["PAY", "CANCEL"])), limit=47)


def test_state_graph_is_written_to_a_file(tmp_path: Path) -> None:
    """In dark colours as well."""
    exploration = explore(scenario(order, ["PAY"]))
    state_graph(exploration, tmp_path / "x.svg", theme="dark")
    assert PALETTES["dark"].paper in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_equal_endings_are_drawn_as_one() -> None:
    """Under faults several last states have the same ending; the arrows lead to one box."""
    exploration = explore(
        scenario(order, ["PAY", "CANCEL"], queue="fifo_group", faults=Faults(crashes=1))
    )
    picture = state_graph(exploration)
    found = by_id(picture)
    last = [each for each in found.values() if "last" in each.get("class", "").split()]
    assert len(last) == len(exploration.endings) == 3
    assert sum(id_.startswith("step-") for id_ in found) == exploration.transitions
    merged = exploration.states - sum(id_.startswith("state-") for id_ in found)
    assert merged == 2
    assert "5 last states with 3 endings" in picture.alt
    assert f"{exploration.states} states" in picture.alt


def test_dashes_of_faults_are_in_the_key() -> None:
    """Only where there are faults."""
    fifo = scenario(order, ["PAY"], queue="fifo_group")
    assert "a fault" in words_of(state_graph(explore(fifo.replace(faults={"crashes": 1}))))
    assert "a fault" not in words_of(state_graph(explore(fifo)))
