"""The grid of faults and protections: every number, and only what it does show."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from settlesim import display
from settlesim.gallery import append_log, order
from settlesim.sim import ProtectionGrid, Verdict, protection_grid
from settlesim.view import Picture, grid
from settlesim.view.svg.palette import PALETTES

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def needed() -> ProtectionGrid:
    """PAY and SHIP under all combinations and faults."""
    return protection_grid(order, ["PAY", "SHIP"])


def by_id(picture: Picture) -> dict[str, ET.Element]:
    found = [each for each in ET.fromstring(picture.svg).iter() if "id" in each.attrib]
    assert len({each.attrib["id"] for each in found}) == len(found)
    return {each.attrib["id"]: each for each in found}


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def words_of(picture: Picture) -> list[str]:
    return texts(ET.fromstring(picture.svg))


def test_every_cell_has_its_number_of_endings(needed: ProtectionGrid) -> None:
    """Cell cell-1-2 is the second row, the third column; right ones have a badge."""
    found = by_id(grid(needed))
    for row, cells in enumerate(needed.cells):
        for column, cell in enumerate(cells):
            made = found[f"cell-{row}-{column}"]
            assert texts(made) == [f"{cell.endings:,}"]
            assert ("right" in made.attrib["class"].split()) is cell.right
            assert (made.find(f"{SVG}circle") is not None) is cell.right


def test_columns_with_fifo_stand_together_on_the_right(needed: ProtectionGrid) -> None:
    """Whatever their order in the value."""
    found = by_id(grid(needed))
    places = []
    for column, name in enumerate(needed.columns):
        box = found[f"cell-0-{column}"].find(f"{SVG}rect")
        assert box is not None
        places.append((float(box.attrib["x"]), "F" in name))
    assert [fifo for _, fifo in sorted(places)] == sorted(fifo for _, fifo in places)
    assert {"any order", "FIFO per key"} <= set(words_of(grid(needed)))


def test_letters_are_said_in_words(needed: ProtectionGrid) -> None:
    """Each letter has a row with its meaning; faults are said with their number."""
    words = set(words_of(grid(needed)))
    assert {"compare-and-set", "inbox", "effects idempotent"} <= words
    assert {
        "no faults",
        "1 crash",
        "1 visibility time-out",
        "1 crash and 1 visibility time-out",
    } <= words
    assert set(needed.columns) <= words


def test_sentences_say_what_the_grid_shows(needed: ProtectionGrid) -> None:
    """Necessary, enough without faults, and what is right under all of them."""
    words = words_of(grid(needed))
    assert "Without FIFO nothing here ever has exactly the right ending." in words
    assert "FIFO alone is enough only without faults." in words
    always = [
        column
        for index, column in enumerate(needed.columns)
        if all(row[index].right for row in needed.cells)
    ]
    assert f"Right under all faults here: {', '.join(always)}." in words


def test_events_that_commute_are_said_to(needed: ProtectionGrid) -> None:
    """Then nothing is claimed about order."""
    words = words_of(grid(protection_grid(order, ["SHIP", "SHIP"], fault_rows={"none": {}})))
    assert "The order of these events makes no difference to where they end." in words
    assert not [each for each in words if each.startswith("Without FIFO")]


def test_alternative_has_all_numbers(needed: ProtectionGrid) -> None:
    """Row by row."""
    alt = grid(needed).alt
    for row in needed.cells:
        for column, cell in zip(needed.columns, row, strict=True):
            assert f"{column} {cell.endings}{' right' if cell.right else ''}" in alt


def test_grid_shows_itself_in_both_themes(needed: ProtectionGrid) -> None:
    """The same places, other colours; a notebook shows the light one."""
    light, dark = grid(needed).svg, grid(needed, theme="dark").svg
    assert display.draw(needed).svg == light
    assert display.mimebundle(needed)["text/plain"] == grid(needed).alt
    assert PALETTES["dark"].paper in dark
    assert re.sub(r"#[0-9a-f]{6}", "", light) == re.sub(r"#[0-9a-f]{6}", "", dark)
    assert float(ET.fromstring(light).attrib["width"]) <= 860


def test_title_and_key_say_the_conditions_and_the_claim(needed: ProtectionGrid) -> None:
    """How many workers, what a check proves, and what a number counts."""
    words = " ".join(words_of(grid(needed)))
    assert "order, PAY, SHIP, 2 workers: how many endings there are" in words
    claim = "every schedule ends as handling the events one after another, in arrival order"
    assert f"proved: {claim}" in words
    assert "a number is how many endings there are" in words
    letters = protection_grid(order, ["PAY"], 3, {"crash": {"crashes": 1}}, max_receives=2)
    assert "order, PAY, 3 workers, dead letter after 2 receives:" in grid(letters).alt


def test_cells_that_are_undetermined_are_told_from_refuted_ones(needed: ProtectionGrid) -> None:
    """A question mark, said in the key and in the text alternative; none where all is known."""
    names = [f"E{index}" for index in range(1, 5)]
    cut = protection_grid(append_log(4), names, fault_rows={"none": {}}, limit=20)
    refuted, open_ = cut["none", "----"], cut["none", "F---"]
    assert refuted.exploration.verdict is Verdict.REFUTED
    assert open_.exploration.verdict is Verdict.UNDETERMINED
    words = words_of(grid(cut))
    assert f"\N{GREATER-THAN OR EQUAL TO}{refuted.endings}" in words
    assert f"\N{GREATER-THAN OR EQUAL TO}{open_.endings} ?" in words
    assert "?: neither proved nor refuted" in " ".join(words)
    assert f"F--- at least {open_.endings} undetermined" in grid(cut).alt
    assert "?" not in " ".join(words_of(grid(needed)))
