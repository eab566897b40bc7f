"""From which snapshots a session begins, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Chart, Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import ChartMismatchError
from settlesim.settling import Settling
from tests.settling.driving import chart_of, finished, settled, work


def _region(name: str, tags: list[str], *, final: bool = False) -> dict[str, Any]:
    leaf = {"name": "x", "tags": tags, "final": final}
    return {"name": name, "initial": "x", "children": [leaf]}


def _snapshot(*leaves: str, chart: str = "chart", version: int = 1) -> Snapshot:
    return Snapshot(chart, version, leaves, freeze_object({}, where="context"), 3)


def _mixed_chart() -> Chart:
    done = {"src": work, "on_done": "rest", "on_error": "rest"}
    regions = [_region("l", ["settled"]), _region("r", ["settled"])]
    return chart_of(
        [
            "idle",
            settled(),
            {"name": "busy", "invoke": done},
            {"name": "p", "parallel": regions},
            {"name": "box", "tags": ["settled"], "children": ["one"]},
            {"name": "in", "tags": ["settled"], "initial": "x", "children": ["x", "y"]},
        ]
    )


@pytest.mark.parametrize(
    ("leaves", "reason"),
    [
        (("busy",), "which is not settled here"),
        (("gone",), "this chart cannot be in gone"),
        ((), "cannot be in no state"),
        (("rest", "rest"), "cannot be in"),
        (("rest", "busy"), r"cannot be in rest \+ busy"),
        (("p",), "cannot be in"),
        (("p.l.x",), "cannot be in"),
        (("p.r.x", "p.l.x"), "cannot be in"),
        (("in",), "cannot be in"),
        (("in.x", "in.y"), "cannot be in"),
        (("box", "box.one"), "cannot be in"),
        (("rest.x",), "cannot be in"),
    ],
)
def test_a_snapshot_of_other_nodes_is_refused(leaves: tuple[str, ...], reason: str) -> None:
    """An illegal or unsettled configuration is no place to go on from."""
    with pytest.raises(ChartMismatchError, match=reason):
        Settling(_mixed_chart(), _snapshot(*leaves), "GO", key="k")


@pytest.mark.parametrize(
    "leaves", [("idle",), ("rest",), ("p.l.x", "p.r.x"), ("box",), ("box.one",), ("in.y",)]
)
def test_a_snapshot_of_settled_nodes_is_taken(leaves: tuple[str, ...]) -> None:
    """Every legal configuration of settled leaves is, and the untagged start."""
    snapshot = _snapshot(*leaves)
    assert finished(_mixed_chart(), "GO", snapshot=snapshot).before is snapshot


@pytest.mark.parametrize("more", [{"chart": "other"}, {"version": 2}])
def test_a_snapshot_of_another_chart_or_version_is_refused(more: dict[str, Any]) -> None:
    """The error names both."""
    with pytest.raises(ChartMismatchError, match="stays with the chart and version") as info:
        Settling(_mixed_chart(), _snapshot("rest", **more), "GO", key="k")
    assert info.value.current == "chart version 1"
    assert info.value.key == "k"


def test_a_start_that_has_something_to_do_is_no_place_to_go_on_from() -> None:
    """A service of the first state would never run if an event found the instance there."""
    boot: dict[str, Any]
    for boot in (
        {"invoke": {"src": work, "on_done": "rest", "on_error": "rest"}},
        {"after": {"1": "rest"}},
        {"always": "rest"},
    ):
        chart = chart_of([{"name": "boot", **boot}, settled()])
        with pytest.raises(ChartMismatchError, match="not settled here"):
            Settling(chart, _snapshot("boot"), "GO")
