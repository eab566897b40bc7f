"""All runs of a chart: what the exploration has to see, and where it stops."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Chart, Event
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import Verdict
from settlesim.check.contract import check_chart
from settlesim.check.loops import find_loops
from settlesim.check.runs import all_runs
from settlesim.errors import MicrostepLimitError, StalledError
from settlesim.settling import Settling
from tests.settling.driving import chart_of, finished, settled

GO = ["GO", "a", "b"]


def codes(chart: Chart, **options: Any) -> list[str]:
    """The codes that the check finds."""
    return [each.code for each in check_chart(chart, **options).findings]


# --- runs that are easily missed ----------------------------------------------------------


def test_the_start_and_the_first_event_share_one_limit() -> None:
    """A long start and a long first event together are too long."""
    ways = [{"name": f"{p}{i}", "always": f"{p}{i + 1}"} for p in "st" for i in range(600)]
    chart = chart_of([*ways, settled("s600"), settled("t600")], [["GO", "s600", "t0"]])
    report = check_chart(chart)
    assert report.longest == 1_201
    assert codes(chart) == ["SET104"]
    with pytest.raises(MicrostepLimitError):
        Settling(chart, None, "GO")


def test_a_new_instance_goes_on_from_a_rejected_first_state() -> None:
    """Its event is applied there, for nothing is saved yet; a saved one never gets there."""
    states: list[Any] = [{"name": "bad", "tags": ["reject"]}, "limbo"]
    chart = chart_of(states, [["GO", "bad", "limbo"]])
    report = check_chart(chart)
    assert report.verdict is Verdict.REFUTED
    assert report.errors[0].path == ("new instance in bad", "GO -> limbo")
    assert (report.settled, report.rejected) == ((), (("bad",),))
    with pytest.raises(StalledError):
        Settling(chart, None, "GO")


def test_a_rejected_rest_that_is_reached_twice_is_one_node() -> None:
    """At the start it goes on, after an event it does not; the graph shows it once."""
    chart = chart_of(
        [{"name": "bad", "tags": ["reject"]}, settled("c")],
        [["GO", "bad", "c"], ["BACK", "c", "bad"]],
    )
    graph = chart.settling_graph()
    assert graph.nodes == (("bad",), ("c",))
    assert [(each.source, each.event, each.target) for each in graph.edges] == [
        (("bad",), "GO", ("c",)),
        (("c",), "BACK", ("bad",)),
    ]
    assert check_chart(chart).settled == (("c",),)
    assert check_chart(chart).rejected == (("bad",),)
    assert check_chart(chart).verdict is Verdict.PROVED


def test_a_rejected_start_takes_no_event() -> None:
    """It worked and is not saved; where rejections are saved, it takes the event."""
    states: list[Any] = [
        {"name": "a", "always": "bad"},
        {"name": "bad", "tags": ["reject"]},
        settled("c"),
    ]
    chart = chart_of(states, [["GO", "bad", "c"]])
    assert chart.settling_graph().edges == ()
    assert (check_chart(chart).settled, check_chart(chart).rejected) == ((), (("bad",),))
    chart = chart_of(states, [["GO", "bad", "c"]], on_reject="persist")
    assert [each.event for each in chart.settling_graph().edges] == ["GO"]
    assert check_chart(chart).settled == (("bad",), ("c",))


def test_a_guard_may_say_something_else_after_prepare() -> None:
    """What ``prepare`` changes is seen by the next transition's guard."""

    def prepare(context: Any, event: Event) -> dict[str, Any]:
        return {"n": context["n"] + 1}

    def two(context: Any, event: Event) -> bool:
        return bool(context["n"] == 2)

    way = {"trigger": "GO", "source": "a", "prepare": prepare, "conditions": two}
    chart = chart_of(
        [settled("a"), settled("b"), "limbo"],
        [{**way, "dest": "b"}, {**way, "dest": "limbo"}],
        context={"n": 0},
    )
    assert codes(chart) == ["SET101"]
    with pytest.raises(StalledError):
        Settling(chart, None, "GO")


def test_a_guard_may_say_something_else_of_another_event() -> None:
    """No to the event of an eventless transition, yes to the internal one."""

    def internal(context: Any, event: Event) -> bool:
        return event.name.startswith("done.")

    box = {
        "name": "box",
        "initial": "x",
        "children": [{"name": "x", "final": True}],
        "always": {"dest": "a", "conditions": internal},
        "on_done": [{"dest": "limbo", "conditions": internal}, "a"],
    }
    chart = chart_of([settled("a"), box, "limbo"], [["GO", "a", "box"]])
    assert codes(chart) == ["SET101"]
    with pytest.raises(StalledError):
        Settling(chart, None, "GO")


def test_a_region_may_change_what_the_next_region_asks() -> None:
    """One microstep goes through the regions in order."""

    def count(context: Any, event: Event) -> dict[str, Any]:
        return {"n": 1}

    def zero(context: Any, event: Event) -> bool:
        return bool(context["n"] == 0)

    regions = [
        {"name": name, "initial": "x", "children": [settled("x"), settled("y")]} for name in "lr"
    ]
    chart = chart_of(
        [{"name": "p", "parallel": regions}],
        [
            {
                "trigger": "GO",
                "source": "p.l.x",
                "dest": "p.l.y",
                "conditions": zero,
                "assign": count,
            },
            {"trigger": "GO", "source": "p.r.x", "dest": "p.r.y", "conditions": zero},
        ],
        context={"n": 0},
    )
    real = finished(chart, "GO").after.configuration
    assert real == ("p.l.y", "p.r.x")
    assert real in check_chart(chart).settled


def test_a_service_that_ends_without_a_way_on_leaves_the_others_running() -> None:
    """on_done without an enabled transition is no failure; the next service goes on."""
    busy = {
        "name": "b",
        "invoke": [
            {"src": "one", "on_error": "a"},
            {"src": "two", "on_done": "a", "on_error": "a"},
        ],
    }
    chart = chart_of([settled("a"), busy], [GO])
    assert check_chart(chart).verdict is Verdict.PROVED
    waits = {place.position.invocations for place in all_runs(chart).hops}
    assert {("b.0", "b.1"), ("b.1",)} < waits


def test_of_one_node_the_shorter_delay_passes_first() -> None:
    """Delays of one node began together; a later one never overtakes."""
    late = {"name": "b", "after": {"2": "c", "1": "a"}}
    chart = chart_of([settled("a"), late, "c"], [GO])
    assert codes(chart) == ["SET201", "SET209"]
    guarded = {"name": "b", "after": {"2": "c", "1": {"dest": "a", "conditions": "g"}}}
    assert codes(chart_of([settled("a"), guarded, "c"], [GO])) == ["SET101"]


def test_delays_of_two_nodes_may_pass_in_any_order() -> None:
    """The other region may have begun earlier."""
    regions = [
        {
            "name": name,
            "initial": "x",
            "children": [{"name": "x", "after": {str(n): "y"}}, settled("y")],
        }
        for n, name in enumerate("lr", 1)
    ]
    found = all_runs(
        chart_of([settled("a"), {"name": "p", "parallel": regions}], [["GO", "a", "p"]])
    )
    configurations = {place.position.configuration for place in found.hops}
    assert {("p.l.x", "p.r.y"), ("p.l.y", "p.r.x")} < configurations


# --- limits -------------------------------------------------------------------------------


def test_internal_events_that_pile_up_end_the_search() -> None:
    """An eventless cycle that finishes a node each time round never handles an internal event."""
    box = {
        "name": "box",
        "initial": "x",
        "children": [{"name": "x", "final": True}],
        "on_done": "a",
        "always": {"dest": "=", "conditions": "g"},
    }
    report = check_chart(chart_of([settled("a"), box], [["GO", "a", "box"]]))
    assert report.verdict is Verdict.UNDETERMINED
    assert report.findings[-1].message == "more than 100 internal events wait at the same time"
    assert report.run_states < 300


def test_valuations_that_are_too_many_end_the_search() -> None:
    """Five regions with three guards each have 4**5 outcomes of one event."""
    ways = [
        {"trigger": "GO", "source": f"p.{r}.x", "dest": None, "conditions": f"{r}{n}"}
        for r in "uvwxy"
        for n in range(3)
    ]
    regions = [{"name": r, "initial": "x", "children": [settled("x")]} for r in "uvwxy"]
    chart = chart_of([{"name": "p", "parallel": regions}], ways)
    cut = check_chart(chart, limit=50)
    assert cut.verdict is Verdict.UNDETERMINED
    assert cut.findings[-1].message == "more than 500 steps between run states"
    assert cut.steps <= 502
    whole = check_chart(chart)
    assert whole.verdict is Verdict.PROVED
    assert whole.steps > 1_000


# --- loops --------------------------------------------------------------------------------


def ring(*ways: Any) -> Chart:
    """States ``b``, ``c``, ... with these eventless ways; ``a`` leads in."""
    states = [{"name": name, "always": way} for name, way in zip("bcde", ways, strict=False)]
    return chart_of([settled("a"), *states], [GO])


def test_guards_that_exclude_each_other_make_no_loop() -> None:
    """``g`` and not ``g`` cannot hold on one way round; a bound is still known."""
    chart = chart_of(
        [settled("a"), settled("b", always={"dest": "c", "conditions": "g"}),
         settled("c", always={"dest": "b", "unless": "g"})],
        [GO],
    )  # fmt: skip
    report = check_chart(chart)
    assert (report.verdict, report.longest) == (Verdict.PROVED, 2)


def test_guards_that_agree_make_an_endless_cycle() -> None:
    """Nothing on it changes the context, so they say the same each time round."""
    agree = {"conditions": ["g", "h"]}
    report = check_chart(
        ring([{"dest": "c", **agree}, "a"], [{"dest": "b", "conditions": "g"}, "a"])
    )
    assert report.verdict is Verdict.REFUTED
    assert [each.where for each in report.errors] == ["states b -> c"]
    assert report.longest is None


def test_an_assign_on_the_way_round_makes_a_loop_that_data_may_end() -> None:
    """The guard may say something else the next time."""
    chart = ring([{"dest": "c", "conditions": "g", "assign": "count"}, "a"], "b")
    assert codes(chart) == ["SET202"]
    prepared = ring([{"dest": "c", "conditions": "g", "prepare": "count"}, "a"], "b")
    assert codes(prepared) == ["SET202"]
    unguarded = ring({"dest": "c", "assign": "count"}, "b")
    assert "SET102" in codes(unguarded)


def test_an_impossible_cycle_does_not_hide_a_possible_one() -> None:
    """Two cycles over one way back: the first has guards that exclude each other."""
    chart = ring(
        [{"dest": "c", "conditions": "g"}, {"dest": "d", "unless": "g"}],
        "e",
        {"dest": "e", "assign": "count"},
        [{"dest": "b", "unless": "g"}, "a"],
    )
    assert check_chart(chart).verdict is Verdict.UNDETERMINED
    assert "SET202" in codes(chart)


def test_two_loops_are_told_apart_and_a_loop_is_told_once() -> None:
    """One for every way back; the same configurations are the same loop."""
    retry = {"src": "s", "on_done": "a", "on_error": "c"}
    states = [
        settled("a"),
        {"name": "b", "invoke": retry},
        {"name": "c", "after": {"1": [{"dest": "b", "conditions": "g"}, "d"]}},
        {"name": "d", "after": {"9": "b"}},
    ]
    loops = find_loops(all_runs(chart_of(states, [GO])))
    ways = [
        tuple(dict.fromkeys(p.position.configuration[0] for p in loop.places)) for loop in loops
    ]
    assert ways == [("b", "c"), ("b", "c", "d")]
    assert not any(loop.endless for loop in loops)


def test_no_more_than_twenty_loops_are_told() -> None:
    """A chart of nothing but loops is not told for ever."""
    spins = [{"name": f"s{i}", "after": {"1": "="}} for i in range(30)]
    chart = chart_of([settled("a"), *spins], [[f"E{i}", "a", f"s{i}"] for i in range(30)])
    assert codes(chart) == ["SET202"] * 20


@pytest.mark.parametrize("step", [1, -1])
def test_a_chart_too_tangled_to_search_is_not_proved(step: int) -> None:
    """Where the search for endless cycles runs out of steps, a loop is assumed."""
    last = 17
    ways: dict[int, list[dict[str, Any]]] = {0: [{"dest": f"n{last}", "unless": "z"}]}
    for i in range(1, last + 1):
        more = ["z"] if i == last else []
        ways[i] = [{"dest": f"n{j}", "conditions": [*more, f"g{i}_{j}"]} for j in range(i)][::step]
    states = [settled(f"n{i}", always=way) for i, way in ways.items()]
    chart = chart_of([settled("a"), *states], [["GO", "a", f"n{last}"]])
    assert (check_chart(chart).verdict, codes(chart)) == (Verdict.UNDETERMINED, ["SET202"])


def test_a_hub_of_many_loops_is_looked_at_for_a_while() -> None:
    """Of 230 ways round twenty are told."""
    spokes = [{"name": f"s{i}", "after": {"1": "hub"}} for i in range(230)]
    ways = [{"dest": f"s{i}", "conditions": f"g{i}"} for i in range(230)]
    hub = {"name": "hub", "after": {"1": [*ways, "a"]}}
    chart = chart_of([settled("a"), hub, *spokes], [["GO", "a", "hub"]])
    assert codes(chart) == ["SET202"] * 20


def test_a_settled_chart_without_transitions_is_proved() -> None:
    """Nothing can go wrong, and an event is ignored."""
    chart = chart_of([settled("a")])
    report = check_chart(chart)
    assert (report.verdict, report.longest, report.findings) == (Verdict.PROVED, 0, ())
    assert finished(chart, "GO").outcome is Outcome.IGNORED
