"""In which order things happen within one event."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Event
from settlesim.settling import Settling
from tests.settling.driving import LOG, add, chart_of, finished, no, settled, work


@pytest.mark.parametrize("nested", [False, True])
def test_callbacks_run_in_the_order_of_transitions(nested: bool) -> None:
    """prepare, before, assign, on_exit, on_enter, after; the guards see what prepare changed."""

    def prepared(context: Any, event: Event) -> bool:
        return bool(context["log"] == ["prepare:GO"])

    transition = {
        "trigger": "GO",
        "source": "a",
        "dest": "b",
        "conditions": prepared,
        **{key: add(key) for key in ("prepare", "before", "assign", "after")},
    }
    more = [{"name": "box", "tags": ["settled"], "children": ["x"]}] if nested else []
    chart = chart_of(
        [settled("a", on_exit=add("exit")), settled("b", on_enter=add("enter")), *more],
        [transition],
        context=LOG,
    )
    assert finished(chart, "GO").after.context["log"] == [
        "prepare:GO",
        "before:GO",
        "assign:GO",
        "exit:GO",
        "enter:GO",
        "after:GO",
    ]


def test_a_guard_that_says_no_drops_what_prepare_changed() -> None:
    """An ignored event changes nothing, a prepared context included."""
    chart = chart_of(
        [settled("a")],
        [
            {
                "trigger": "GO",
                "source": "a",
                "dest": "=",
                "prepare": add("prepare"),
                "conditions": no,
            }
        ],
        context=LOG,
    )
    settlement = finished(chart, "GO")
    assert settlement.after is settlement.before


def test_the_first_transition_whose_guards_hold_fires() -> None:
    """Document order decides, of events as of services."""
    chart = chart_of(
        [
            settled("a"),
            {
                "name": "busy",
                "invoke": {
                    "src": work,
                    "on_done": [{"dest": "b", "conditions": no}, "c", "d"],
                    "on_error": "d",
                },
            },
            *map(settled, "bcd"),
        ],
        [
            {"trigger": "GO", "source": "a", "dest": "b", "conditions": no},
            ["GO", "a", "busy"],
            ["GO", "a", "d"],
        ],
    )
    settlement = finished(chart, "GO", None)
    assert settlement.path == (("a",), ("busy",), ("c",))
    assert settlement.edges == (1, 4)


def test_the_innermost_source_goes_first() -> None:
    """A child's transition hides that of the node around it, unless its guard says no."""
    box = {"name": "box", "initial": "x", "children": ["x"], "tags": ["settled"]}
    inner: dict[str, Any] = {"trigger": "GO", "source": "box.x", "dest": "in"}
    outer = ["GO", "box", "out"]
    states = [box, settled("in"), settled("out")]
    assert finished(chart_of(states, [outer, inner]), "GO").after.configuration == ("in",)
    chart = chart_of(states, [outer, {**inner, "conditions": no}])
    assert finished(chart, "GO").after.configuration == ("out",)


def test_an_eventless_transition_goes_before_an_internal_event() -> None:
    """The end of the inner node is looked at only when nothing eventless is enabled."""
    box = {
        "name": "box",
        "initial": "end",
        "children": [{"name": "end", "final": True}],
        "on_done": "done",
        "always": "always",
    }
    chart = chart_of([settled("a"), box, settled("done"), settled("always")], [["GO", "a", "box"]])
    settlement = finished(chart, "GO")
    assert settlement.after.configuration == ("always",)
    assert [step.trigger for step in settlement.microsteps] == ["GO", ""]


def test_internal_events_come_in_the_order_in_which_nodes_finished() -> None:
    """The inner node is finished first; its ``on_done`` leaves the outer one alone."""
    inner = {
        "name": "inner",
        "initial": "end",
        "children": [{"name": "end", "final": True}],
        "on_done": {"dest": None, "assign": add("inner")},
    }
    outer = {
        "name": "outer",
        "initial": "inner",
        "children": [inner],
        "on_done": {"dest": "rest", "assign": add("outer")},
    }
    chart = chart_of([settled("a"), outer, settled()], [["GO", "a", "outer"]], context=LOG)
    settlement = finished(chart, "GO")
    assert settlement.after.context["log"] == [
        "inner:done.state.outer.inner",
        "outer:done.state.outer",
    ]


def test_an_internal_event_that_nothing_takes_is_dropped() -> None:
    """A guard of ``on_done`` says no, the next internal event is looked at."""
    inner = {
        "name": "inner",
        "initial": "end",
        "children": [{"name": "end", "final": True}],
        "on_done": {"dest": None, "conditions": no},
    }
    outer = {"name": "outer", "initial": "inner", "children": [inner], "on_done": "rest"}
    chart = chart_of([settled("a"), outer, settled()], [["GO", "a", "outer"]])
    assert finished(chart, "GO").after.configuration == ("rest",)
    alone = chart_of([settled("a"), {**inner, "tags": ["settled"]}], [["GO", "a", "inner"]])
    assert finished(alone, "GO").after.configuration == ("inner.end",)


def test_a_compound_is_finished_when_all_its_leaves_are() -> None:
    """One region that goes on keeps ``on_done`` from coming."""
    end = {"name": "x", "final": True}
    left = {"name": "l", "initial": "x", "children": [end]}
    right = {
        "name": "r",
        "initial": "w",
        "children": [{"name": "w", "after": {"1": "x"}}, end],
    }
    both = {"name": "p", "parallel": [left, right], "on_done": "rest"}
    chart = chart_of([settled("a"), both, settled()], [["GO", "a", "p"]])
    settling = Settling(chart, None, "GO")
    assert settling.settlement is None
    settling.elapsed("p.r.w.0")
    assert settling.settlement is not None
    assert [step.trigger for step in settling.microsteps][-1] == "done.state.p"


def test_a_later_delay_opens_when_the_guard_of_the_first_said_no() -> None:
    """Delays of one node run concurrently; one that fires nothing is over."""
    busy = {"name": "busy", "after": {"1": {"dest": "b", "conditions": no}, "2": "c"}}
    chart = chart_of([settled("a"), busy, settled("b"), settled("c")], [["GO", "a", "busy"]])
    settling = Settling(chart, None, "GO")
    assert [(each.id, each.seconds) for each in settling.delays] == [("busy.0", 1), ("busy.1", 2)]
    settling.elapsed("busy.0")
    assert [each.id for each in settling.delays] == ["busy.1"]
    settling.elapsed("busy.1")
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("c",)


def test_a_guard_opens_an_eventless_way_after_an_internal_change() -> None:
    """Eventless transitions are asked again after every microstep."""

    def two(context: Any, event: Event) -> bool:
        return len(context["log"]) == 2

    spin = {"name": "spin", "always": [{"dest": "rest", "conditions": two},
                                       {"dest": None, "assign": add("tick")}]}  # fmt: skip
    chart = chart_of([settled("a"), spin, settled()], [["GO", "a", "spin"]], context=LOG)
    settlement = finished(chart, "GO")
    assert settlement.after.context["log"] == ["tick:GO", "tick:GO"]
    assert settlement.path == (("a",), ("spin",), ("rest",))
    assert len(settlement.microsteps) == 4


@pytest.mark.parametrize("semantics", ["scxml", "transitions"])
def test_an_eventless_transition_sees_the_end_of_a_state_that_came_before(semantics: str) -> None:
    """The event that was handled last (SCXML 1.0, section 5.10.1), and not an older one."""
    inner = [{"name": "x"}, {"name": "end", "final": True}]
    outer = {"name": "outer", "initial": "x", "children": inner, "on_done": "on"}
    on = {"name": "on", "always": {"dest": "rest", "assign": add("always")}}
    chart = chart_of(
        [settled("a"), outer, on, settled()],
        [["GO", "a", "outer"], ["", "outer.x", "outer.end"]],
        context=LOG,
        semantics=semantics,
    )
    assert finished(chart, "GO").after.context["log"] == ["always:done.state.outer"]


def test_the_reply_of_a_service_is_what_later_functions_see() -> None:
    """on_done sees the result, on_error type and message, both under their reserved names."""

    def keep(context: Any, event: Event) -> dict[str, Any]:
        return {"name": event.name, "data": event.data}

    busy = {
        "name": "busy",
        "invoke": {
            "src": work,
            "on_done": {"dest": "a", "assign": keep},
            "on_error": {"dest": "a", "assign": keep},
        },
    }
    chart = chart_of([settled("a"), busy], [["GO", "a", "busy"]])
    assert finished(chart, "GO", [1, {"x": None}]).after.context == {
        "name": "done.invoke.busy.0",
        "data": [1, {"x": None}],
    }
    assert finished(chart, "GO", ValueError("no luck")).after.context == {
        "name": "error.invoke.busy.0",
        "data": {"type": "ValueError", "message": "no luck"},
    }
