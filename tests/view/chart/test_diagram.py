"""What the picture of a chart says, and that it says it the same every time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from settlesim import Snapshot
from settlesim.chart import Chart
from settlesim.chart.strict_json import freeze_object
from settlesim.display import Direction, Theme
from settlesim.errors import RenderError
from settlesim.gallery import CHARTS, count, donut, order
from settlesim.view import Picture
from settlesim.view.svg.palette import PALETTES, contrast

SVG = "{http://www.w3.org/2000/svg}"


def by_id(svg: str) -> dict[str, ET.Element]:
    return {each.attrib["id"]: each for each in ET.fromstring(svg).iter() if "id" in each.attrib}


def with_class(svg: str, word: str) -> list[str]:
    return [name for name, each in by_id(svg).items() if word in each.get("class", "").split()]


def ids_of(chart: Chart, *names: str) -> list[str]:
    places = [node.name for node in chart.states]
    return [f"n{places.index(name)}" for name in names]


@pytest.mark.parametrize("chart", CHARTS.values(), ids=str)
@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_every_node_and_transition_has_its_id(chart: Chart, direction: Direction) -> None:
    """Nodes are n0, n1 in document order; transitions e0, e1 as in chart.edges."""
    found = by_id(chart.draw(direction=direction).svg)
    expected = {f"n{index}" for index in range(len(chart.states))}
    expected |= {f"e{index}" for index in range(len(chart.edges))}
    assert expected <= set(found)


def test_classes_say_what_a_node_is(everything: Chart) -> None:
    """A node is settled, rejected, done or passing, and says whether a service runs."""
    svg = everything.draw().svg
    leaves = with_class(svg, "node")
    for word, names in {
        "settled": ["idle"],
        "rejected": ["refused"],
        "done": ["both.left.two", "both.right.two", "over"],
        "passing": ["asking", "working", "both.left.one", "both.right.one"],
        "service": ["working"],
    }.items():
        assert sorted(set(with_class(svg, word)) & set(leaves)) == sorted(
            ids_of(everything, *names)
        )


def test_classes_say_what_a_transition_is(everything: Chart) -> None:
    """Every kind of transition is a class of its own."""
    found = by_id(everything.draw().svg)
    for index, edge in enumerate(everything.edges):
        assert edge.kind.value in found[f"e{index}"].attrib["class"].split()


def test_active_nodes_are_marked(everything: Chart) -> None:
    """The leaves and all nodes around them are active; the leaves say so in a word."""
    svg = everything.draw(configuration=["both.left.two", "both.right.one"]).svg
    names = ("both", "both.left", "both.left.two", "both.right", "both.right.one")
    assert sorted(with_class(svg, "active")) == sorted(ids_of(everything, *names))
    for id_ in ids_of(everything, "both.left.two", "both.right.one"):
        assert "now" in [each.text for each in by_id(svg)[id_].iter(f"{SVG}text")]


def test_node_with_children_stands_for_what_is_entered_with_it() -> None:
    """A compound name is expanded as entering it would."""
    leaves = ["making.mixing.dry.sifting", "making.mixing.wet.whisking"]
    assert donut.draw(configuration="making").svg == donut.draw(configuration=leaves).svg


def test_snapshot_is_a_configuration() -> None:
    """What an interpreter returns can be drawn as it is."""
    snapshot = Snapshot("count", 1, ("even",), freeze_object({"count": 2}, where="context"), 1)
    assert count.draw(configuration=snapshot).svg == count.draw(configuration="even").svg


def test_path_is_marked_and_numbered() -> None:
    """Transitions just taken are marked, in their order; a step has a number."""
    svg = order.draw(path=[0, 5]).svg
    found = by_id(svg)
    assert sorted(with_class(svg, "taken")) == ["e0", "e0_label", "e5", "e5_label"]
    for id_, step in (("e0_label", "1"), ("e5_label", "2")):
        assert step in [each.text for each in found[id_].iter(f"{SVG}text")]


def test_internal_transition_is_a_line_in_its_node(everything: Chart) -> None:
    """It has an id there, and is marked when it was taken."""
    svg = everything.draw(path=[3]).svg
    assert "PING" in [each.text for each in by_id(svg)["e3"].iter(f"{SVG}text")]
    assert by_id(svg)["n0"].find(f".//{SVG}g[@id='e3']") is not None
    assert "taken" in by_id(svg)["e3"].attrib["class"]


def places(svg: str) -> dict[str, str]:
    """Return the path of every arrow, and the size of the whole."""
    root = ET.fromstring(svg)
    found = {"view": root.attrib["viewBox"]}
    for id_, each in by_id(svg).items():
        path = each.find(f"{SVG}path")
        if "edge" in each.get("class", "").split() and path is not None:
            found[id_] = path.attrib["d"]
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_places_stay_the_same_between_configurations(everything: Chart, theme: Theme) -> None:
    """What is active changes no size: pictures of one chart lie upon each other."""
    plain = places(everything.draw().svg)
    for name in ("idle", "both", "refused", "over"):
        assert places(everything.draw(configuration=name, path=[0, 1], theme=theme).svg) == plain


def test_same_bytes_twice(everything: Chart) -> None:
    """An equal chart that was built anew gives the same text in every format."""
    again = Chart.from_dict(everything.to_dict())
    first, second = (
        each.draw(configuration="both", path=[0], legend=True) for each in (everything, again)
    )
    assert first.svg == second.svg
    assert first.dot == second.dot
    assert first.mermaid == second.mermaid
    assert first.png == second.png


def test_signs_do_not_need_colour(everything: Chart) -> None:
    """Outline, dashes and badges differ where colours may not."""
    found = by_id(everything.draw().svg)
    settled, rejected, passing = (
        found[id_] for id_ in ids_of(everything, "idle", "refused", "working")
    )
    assert rejected.find(f"{SVG}polygon") is not None
    assert settled.find(f"{SVG}polygon") is None
    rect = passing.find(f"{SVG}rect")
    assert rect is not None
    assert "stroke-dasharray" in rect.attrib
    assert settled.find(f"{SVG}circle") is not None
    assert passing.find(f"{SVG}circle") is None


def test_legend_lists_only_what_occurs(everything: Chart) -> None:
    """Each entry has a counterpart in the chart."""

    def listed(chart: Chart, **options: Any) -> set[str]:
        root = ET.fromstring(chart.draw(legend=True, **options).svg)
        classes = [each.get("class", "").split() for each in root.iter(f"{SVG}g")]
        return {words[1] for words in classes if words[:1] == ["entry"]}

    two = Chart(["a", "b"], [["GO", "a", "b"]], "a")
    assert listed(two) == {"start", "passing", "external"}
    assert listed(two, configuration="a", path=[0]) == {
        "start", "passing", "external", "active", "taken",
    }  # fmt: skip
    assert listed(everything) == {
        "start", "settled", "rejected", "final", "passing", "refuted", "service", "region",
        "external", "eventless", "done", "error", "after", "finished", "internal",
    }  # fmt: skip


def test_no_legend_without_being_asked(everything: Chart) -> None:
    """A picture is the chart alone by default."""
    assert "legend" not in everything.draw().svg


def test_dark_theme_has_dark_paper() -> None:
    """A theme changes colours, and only colours."""
    light, dark = count.draw().svg, count.draw(theme="dark").svg
    assert light != dark
    assert places(light) == places(dark)
    card = next(each for each in ET.fromstring(dark).iter() if each.get("class") == "card")
    assert card.attrib["fill"] == PALETTES["dark"].paper


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_have_contrast(theme: str) -> None:
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for lines that mean something."""
    palette = PALETTES[theme]  # type: ignore[index]
    for paper in (palette.paper, palette.group):
        assert contrast(palette.ink, paper) >= 7
        for text in (palette.quiet, palette.active_text):
            assert contrast(text, paper) >= 4.5
        for line in (
            palette.line,
            palette.resolved,
            palette.rejected,
            palette.final,
            palette.active,
        ):
            assert contrast(line, paper) >= 3
    for rest in ("resolved", "rejected", "final"):
        fill = getattr(palette, f"{rest}_fill")
        assert contrast(getattr(palette, f"{rest}_ink"), fill) >= 4.5
        assert contrast(palette.active_text, fill) >= 4.5
    assert contrast(palette.active_ink, palette.active) >= 4.5


def test_alternative_says_what_the_picture_shows() -> None:
    """One sentence names the chart, where it may rest, where it is, and the way there."""
    alt = order.draw(configuration="declined", path=[0, 5]).alt
    assert alt == (
        "Chart 'order': 9 states, 10 transitions; settled in new, paid; rejected in declined; "
        "final in shipped, refunded, cancelled; now in declined; "
        "path PAY: new to charging, error: charging to declined."
    )


def test_alternative_is_in_the_svg() -> None:
    """Screen readers find it as the image's label."""
    picture = count.draw(configuration="even")
    root = ET.fromstring(picture.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == picture.alt
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == picture.alt


def test_title_is_written_above() -> None:
    """A title is text of the picture."""
    texts = [
        each.text
        for each in ET.fromstring(count.draw(title="<The> & count").svg).iter(f"{SVG}text")
    ]
    assert "<The> & count" in texts


def test_notebook_shows_html_and_text() -> None:
    """A picture and a chart show themselves, with a text that no run changes."""
    picture = count.draw()
    assert picture._repr_mimebundle_() == {"text/html": picture.html, "text/plain": picture.alt}
    assert count._repr_mimebundle_() == picture._repr_mimebundle_()
    assert repr(picture) == f"<Picture: {picture.alt}>"


def test_chart_that_cannot_be_laid_out_shows_itself_as_mermaid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook draws Mermaid by itself, and the text says what is missing."""
    monkeypatch.setenv("SETTLESIM_DOT", "no-such-dot")
    bundle = count._repr_mimebundle_()
    assert bundle["text/vnd.mermaid"].startswith("stateDiagram-v2")
    assert "no-such-dot" in bundle["text/plain"]


SIGNATURES = {
    "svg": b"<svg ", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "dot": b"digraph {",
    "gv": b"digraph {", "mmd": b"stateDiagram-v2", "mermaid": b"stateDiagram-v2",
}  # fmt: skip


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_suffix_of_the_file_is_its_format(suffix: str, tmp_path: Path) -> None:
    """Every format is written whole, by draw and by save."""
    by_draw, by_save = tmp_path / f"draw.{suffix}", tmp_path / f"save.{suffix.upper()}"
    picture = count.draw(by_draw, configuration="even")
    assert picture.save(by_save) == by_save
    assert by_draw.read_bytes().startswith(SIGNATURES[suffix])
    assert by_draw.read_bytes() == by_save.read_bytes()


def test_format_can_be_said(tmp_path: Path) -> None:
    """An option is stronger than a suffix."""
    count.draw(tmp_path / "count.txt", format="mermaid")
    assert (tmp_path / "count.txt").read_bytes().startswith(b"stateDiagram-v2")


@pytest.mark.parametrize("name", ["count.jpeg", "count", "count.svg.gz"])
def test_unknown_format_lists_the_possible_ones(name: str, tmp_path: Path) -> None:
    """No file is written then."""
    with pytest.raises(RenderError, match=r"possible are svg, png, pdf, dot"):
        count.draw(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """The error names the path and the reason."""
    with pytest.raises(RenderError, match=r"cannot be written to .*nowhere"):
        count.draw(tmp_path / "nowhere" / "count.svg")


def test_scale_is_pixels_per_unit() -> None:
    """Twice the scale is twice as wide."""
    width = [int.from_bytes(count.draw(scale=scale).png[16:20], "big") for scale in (1.0, 2.0)]
    assert abs(width[1] - 2 * width[0]) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configuration": "evn"}, "'evn', which is no state; did you mean 'even'"),
        ({"configuration": ["even", 3]}, "names 3, which is no state"),
        ({"path": [6]}, "path holds 6; a position in the chart's 6 transitions"),
        ({"path": [-1]}, "path holds -1"),
        ({"path": [True]}, "path holds True"),
        ({"theme": "blue"}, "theme is 'blue'; 'page', 'light' or 'dark' is needed"),
        ({"direction": "up"}, "direction is 'up'; 'LR' or 'TB' is needed"),
        ({"scale": 0}, "scale is 0"),
        ({"format": "jpeg"}, "unknown format 'jpeg'"),
    ],
)
def test_wrong_option_says_what_is_possible(options: dict[str, Any], message: str) -> None:
    """Every option is checked before anything is drawn."""
    with pytest.raises(RenderError) as caught:
        count.draw(**options)
    assert message in str(caught.value)


def test_picture_cannot_be_changed() -> None:
    """A picture is a value."""
    picture = count.draw()
    with pytest.raises(AttributeError, match="immutable"):
        picture.alt = "other"
    with pytest.raises(AttributeError, match="immutable"):
        del picture.alt


def test_format_that_a_picture_has_not_is_named() -> None:
    """A picture of something else may have fewer formats."""
    picture = Picture("a dot", {"svg": lambda: "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    with pytest.raises(RenderError, match=r"no 'pdf'; it has png, svg"):
        _ = picture.pdf


def test_text_formats_need_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """DOT and Mermaid come from the chart alone."""
    monkeypatch.setenv("SETTLESIM_DOT", "no-such-dot")
    picture = count.draw(format="dot", configuration="even", path=[0])
    assert "active" in picture.dot
    assert "taken" in picture.dot
    assert "(step" not in picture.mermaid
    assert "step 1" in picture.mermaid


def test_fonts_come_with_their_licence() -> None:
    """The three faces are there, unchanged, and nothing else is in their folder."""
    from settlesim.view.fonts import FOLDER

    assert sorted(os.listdir(FOLDER)) == [
        *(f"LiberationSans-{face}.ttf" for face in ("Bold", "Italic", "Regular")),
        "OFL.txt",
    ]
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FOLDER / "OFL.txt").read_text(encoding="utf-8")
