"""The growth of interleavings and states over the number of events."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from settlesim.errors import RenderError
from settlesim.view import Picture, growth

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [(2, 34, 70), (3, 346, 34_650), (4, 5_016, 63_063_000), (5, 94_624, 305_540_235_000)]


def by_id(picture: Picture) -> dict[str, ET.Element]:
    found = [each for each in ET.fromstring(picture.svg).iter() if "id" in each.attrib]
    assert len({each.attrib["id"] for each in found}) == len(found)
    return {each.attrib["id"]: each for each in found}


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def words_of(picture: Picture) -> list[str]:
    return texts(ET.fromstring(picture.svg))


def test_growth_says_every_number() -> None:
    """Exactly in words; in the picture the last ones exactly, the others by size."""
    picture = growth(POINTS)
    for _, states, interleavings in POINTS:
        assert f"{interleavings:,} interleavings, {states:,} states" in picture.alt
    words = words_of(picture)
    for each in ("305,540,235,000", "94,624", "63.0 million", "5,016", "interleavings", "states"):
        assert each in words


def test_growth_has_a_logarithmic_axis() -> None:
    """Equal factors are equal distances; the lines are named."""
    words = words_of(growth(POINTS))
    assert [each for each in ("1", "1,000", "1 million", "1 billion") if each in words] == [
        "1", "1,000", "1 million", "1 billion",
    ]  # fmt: skip
    circles = [
        float(each.attrib["cy"])
        for each in by_id(growth([(1, 1, 10), (2, 1, 100), (3, 1, 1000)]))["interleavings"].iter()
        if each.tag == f"{SVG}circle"
    ]
    assert circles[0] - circles[1] == pytest.approx(circles[1] - circles[2], abs=0.02)


@pytest.mark.parametrize(
    "points", [[], [(0, 1, 1)], [(1, 0, 1)], [(1, 1, -1)], [(1, 1, 1), (1, 2, 2)]]
)
def test_points_that_have_no_place_are_refused(points: list[tuple[int, int, int]]) -> None:
    """None, not positive, or two at one place."""
    with pytest.raises(RenderError, match="growth has"):
        growth(points)


def test_one_point_is_drawn() -> None:
    """And saved in the format of the suffix."""
    assert growth([(1, 1, 1)], theme="dark").png.startswith(b"\x89PNG")


def test_scale_is_said_and_no_line_of_it_runs_through_a_name() -> None:
    """The lines end at the last points, and the names stand right of them."""
    picture = growth(POINTS)
    assert "how many, on a logarithmic scale" in words_of(picture)
    assert "on a logarithmic scale" in picture.alt
    root = ET.fromstring(picture.svg)
    [axis] = [each for each in root.iter() if each.get("class") == "axis"]
    ends = {float(each.attrib["d"].rpartition("H")[2]) for each in axis.iter(f"{SVG}path")}
    [end] = ends
    for name in ("states", "interleavings"):
        [word] = [each for each in by_id(picture)[name].iter(f"{SVG}text") if each.text == name]
        assert float(word.attrib["x"]) > end
