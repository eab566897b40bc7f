"""The picture of a diff: both charts, what became of each part, and who is stranded."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings

from settlesim import Chart, ChartDiff, gallery
from settlesim.chart.diff import InstanceCounts, InstanceFate
from settlesim.errors import RenderError
from settlesim.view.svg.palette import PALETTES, contrast
from tests.strategies_charts import charts
from tests.view.test_escaping import MOSTLY_AT_NIGHT, chart_of

ORDER: dict[str, Any] = {
    "name": "order",
    "initial": "open",
    "states": [
        {"name": "open", "tags": ["settled"], "after": {"86400": "expired"}},
        {
            "name": "charging",
            "invoke": {"src": "charge_card", "on_done": "paid", "on_error": "open"},
        },
        {"name": "paid", "tags": ["settled"]},
        {"name": "on_hold", "tags": ["settled"]},
        {"name": "shipped", "final": True},
        {"name": "expired", "final": True},
    ],
    "transitions": [
        ["PAY", "open", "charging"],
        ["HOLD", "paid", "on_hold"],
        ["RELEASE", "on_hold", "paid"],
        {"trigger": "SHIP", "source": "paid", "dest": "shipped"},
        {"trigger": "NOTE", "source": "paid", "dest": None},
    ],
}


def order_diff() -> ChartDiff:
    """A state is gone, one is new, one is changed; transitions of every kind too."""
    new = copy.deepcopy(ORDER)
    new |= {"version": 2, "context": {"risk": 0}}
    new["states"][3] = {"name": "review", "tags": ["settled"]}
    new["states"][2]["on_enter"] = ["send_receipt"]
    new["states"][0]["after"] = {"3600": "expired"}
    new["transitions"] = [
        ["PAY", "open", "charging"],
        ["CHECK", "paid", "review"],
        {"trigger": "SHIP", "source": "paid", "dest": "shipped", "conditions": ["in_stock"]},
    ]
    return Chart.from_dict(ORDER).diff(Chart.from_dict(new))


def parts(svg: str) -> dict[str, set[str]]:
    """Return the titles of nodes and arrows by what became of them, without what they are."""
    found: dict[str, set[str]] = {"added": set(), "removed": set(), "changed": set(), "": set()}
    for each in ET.fromstring(svg).iter():
        words = each.get("class", "").split()
        if words and words[0] in {"node", "group", "edge"} and "start" not in words:
            (mark,) = [word for word in words if word in found] or [""]
            title = next(child.text or "" for child in each if child.tag.endswith("title"))
            found[mark].add(title.split(":")[0] if words[0] != "edge" else title)
    return found


def texts(svg: str, *, struck: bool | None = None) -> list[str]:
    """Return the texts in a picture; only those with or without a line through them."""
    return [
        each.text or ""
        for each in ET.fromstring(svg).iter()
        if each.tag.endswith("}text")
        and (struck is None or (each.get("text-decoration") == "line-through") is struck)
    ]


def test_every_part_is_told_as_what_became_of_it() -> None:
    """States and transitions of both charts, each once, with its class."""
    assert parts(order_diff().draw().svg) == {
        "added": {"review", "CHECK: paid to review"},
        "removed": {
            "on_hold",
            "HOLD: paid to on_hold",
            "RELEASE: on_hold to paid",
            "gone NOTE stays: paid is neither left nor entered",
        },
        "changed": {
            "paid",
            "after 3600 s after 86400 s: open to expired",
            "SHIP [in_stock] SHIP: paid to shipped",
        },
        "": {
            "open",
            "charging",
            "shipped",
            "expired",
            "PAY: open to charging",
            "done: charging to paid",
            "error: charging to open",
        },
    }


def test_marks_do_not_need_colour() -> None:
    """What is gone is struck through and says so; what is new or changed says so in words."""
    svg = order_diff().draw(legend=False).svg
    struck = texts(svg, struck=True)
    assert sorted(struck) == [
        "HOLD",
        "NOTE",
        "RELEASE",
        "SHIP",
        "after 86400 s",
        "on_hold",
        "stays",
    ]
    plain = texts(svg, struck=False)
    assert [plain.count(word) for word in ("new", "gone", "changed")] == [1, 2, 1]
    assert "now runs send_receipt on entry" in plain
    by_id = {each.get("id"): each for each in ET.fromstring(svg).iter()}
    marked = [
        id_.removesuffix("_label")
        for id_, each in by_id.items()
        if id_
        and id_.endswith("_label")
        and any("mark " in child.get("class", "") for child in each)
    ]
    assert sorted(marked) == sorted(
        id_
        for id_, each in by_id.items()
        if id_
        and {"edge"} < set(each.get("class", "").split())
        and {"added", "removed", "changed"} & set(each.get("class", "").split())
        and "internal" not in each.get("class", "")
    )


def test_what_no_state_shows_stands_below_the_title() -> None:
    """The context; of many such changes the first ones."""
    said = texts(order_diff().draw().svg)
    assert said[:2] == [
        "order, version 1 to version 2: 9 changes",
        "the initial context has a new risk: 0",
    ]
    many = gallery.donut.diff(gallery.order).draw().svg
    assert "and 4 more changes" in texts(many)


def test_stored_instances_stand_in_their_states() -> None:
    """Their number, and in words how many are stranded."""
    counts = InstanceCounts.of(
        [InstanceFate(("open",))] * 1200
        + [InstanceFate(("on_hold",), ("on_hold",))] * 30
        + [InstanceFate(("paid",), after=("review",))] * 3
        + [InstanceFate(("paid",), ("paid",))] * 2
        + [InstanceFate(("elsewhere",), ("elsewhere",))]
    )
    diff = order_diff().with_instances(counts)
    said = texts(diff.draw().svg)
    for words in ("1,200 stored", "30 stranded", "3 stored", "2 stranded", "3 go on in review"):
        assert said.count(words) == 1
    assert "1 stored in states of neither chart: elsewhere" in said
    assert said[0] == "order, version 1 to version 2: 9 changes, 33 of 1236 instances stranded"
    assert "stranded in on_hold: 30" in str(diff)
    assert "moved from paid to review: 3" in str(diff)
    record = diff.to_dict()["instances"]["states"]["paid"]
    assert record == {"stored": 5, "stranded": 2, "moved": {"review": 3}}


def test_an_instance_in_two_regions_is_counted_once() -> None:
    """And stands in each of its leaves."""
    counts = InstanceCounts.of([InstanceFate(("both.a", "both.b"), ("both.b",))])
    assert (counts.total, counts.stranded) == (1, 1)
    assert [counts.by_state[name].stranded for name in ("both.a", "both.b")] == [0, 1]
    assert str(counts) == "1 of 1 instance stranded"


def test_the_legend_has_what_occurs() -> None:
    """Marks and instances only where they are."""
    said = texts(order_diff().draw().svg)
    assert {"new", "gone", "changed"} <= set(said[-20:])
    assert "stored instances" not in said
    alone = gallery.count.diff(gallery.count).draw().svg
    assert not {"new", "gone", "changed"} & set(texts(alone))
    stored = order_diff().with_instances(InstanceCounts.of([InstanceFate(("open",))])).draw().svg
    assert "stored instances" in texts(stored)


def test_a_picture_that_would_be_too_wide_for_a_notebook_runs_from_top_to_bottom() -> None:
    """Unless the caller says a direction."""

    def width(svg: str) -> float:
        return float(ET.fromstring(svg).attrib["width"])

    wide = gallery.donut.diff(gallery.order)
    assert width(wide.draw(direction="LR").svg) > 1_200 > 1_000 > width(wide.draw().svg)
    narrow = gallery.count.diff(gallery.count)
    assert narrow.draw().svg == narrow.draw(direction="LR").svg


def test_a_diff_shows_itself_with_its_words() -> None:
    """In a notebook: the picture, and all sentences as text."""
    diff = order_diff()
    shown = diff._repr_mimebundle_()
    assert shown["text/plain"] == str(diff)
    assert "<svg " in shown["text/html"]
    assert diff.draw().alt == (
        "Diff of order, version 1 to version 2: 9 changes; new: review; gone: on_hold; "
        "changed: paid."
    )


def test_a_diff_is_written_as_svg_or_png(tmp_path: Path) -> None:
    """Another format is refused, since it could not show what is gone."""
    diff = order_diff()
    diff.draw(tmp_path / "a.png")
    diff.draw(tmp_path / "a.svg", theme="dark", title="mine")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "mine" in texts((tmp_path / "a.svg").read_text(encoding="utf-8"))
    with pytest.raises(RenderError, match="it has png, svg"):
        diff.draw(tmp_path / "a.pdf")


def test_the_same_bytes_twice() -> None:
    """The picture depends on the charts alone."""
    assert order_diff().draw().svg == order_diff().draw().svg


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_have_contrast(theme: str) -> None:
    """WCAG AA: 4.5 to 1 for the words on them, 3 to 1 for the lines."""
    palette = PALETTES[theme]  # type: ignore[index]
    for name in ("added", "removed", "changed"):
        colour = getattr(palette, name)
        assert contrast(palette.badge_ink, colour) >= 4.5
        for paper in (palette.paper, palette.group):
            assert contrast(colour, paper) >= 3


@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_no_name_becomes_markup(name: str) -> None:
    """In a state, an event, a note or a title."""
    hostile = chart_of(name)
    for diff in (hostile.diff(gallery.count), gallery.count.diff(hostile)):
        root = ET.fromstring(diff.draw().svg)
        tags = {each.tag.rpartition("}")[2] for each in root.iter()}
        assert tags <= {"svg", "g", "rect", "path", "circle", "polygon", "text", "title"}


@settings(max_examples=15)
@given(charts(), charts())
def test_any_two_charts_can_be_drawn(old: Chart, new: Chart) -> None:
    """Whatever is nested in one and flat in the other; every state stands in it once."""
    svg = old.diff(new).draw().svg
    names = {each.name for chart in (old, new) for each in chart.states}
    found = [
        each
        for each in ET.fromstring(svg).iter()
        if each.get("class", "").split()[:1] in (["node"], ["group"])
    ]
    assert len(found) == len(names)
