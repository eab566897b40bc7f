"""One event to its settled state: where a run begins, where it may rest, how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Event, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import decode, encode
from settlesim.gallery import count, donut
from settlesim.settling import CallStatus, Settling
from tests.settling.driving import LOG, add, after, chart_of, finish, finished, no, settled, work

# --- the beginning ------------------------------------------------------------------------


def test_a_new_instance_enters_its_first_nodes_before_the_event() -> None:
    """on_enter runs outermost first, and sees the event that began it all."""
    chart = chart_of(
        [{"name": "box", "initial": "in", "on_enter": add("box"), "children": [
            settled("in", on_enter=add("inner"))]}, settled("end")],
        [["GO", "box", "end"]],
        context=LOG,
    )  # fmt: skip
    settlement = finished(chart, "GO")
    assert settlement.after.context["log"] == ["box:GO", "inner:GO"]
    assert settlement.path == (("box.in",), ("end",))
    assert settlement.before.context == {"log": []}


def test_the_start_runs_eventless_transitions_and_services_before_the_event() -> None:
    """The event waits until the new instance has come to rest."""
    chart = chart_of(
        [
            {"name": "boot", "always": "load"},
            {"name": "load", "invoke": {"src": work, "on_done": "ready", "on_error": "ready"}},
            settled("ready"),
            settled("end"),
        ],
        [["GO", "ready", "end"]],
    )
    settling = Settling(chart, None, "GO")
    assert settling.configuration == ("load",)
    settlement = finish(settling, None)
    assert [step.trigger for step in settlement.microsteps] == ["", "done.invoke.load.0", "GO"]
    assert settlement.path == (("boot",), ("load",), ("ready",), ("end",))


def test_the_start_waits_for_a_delay() -> None:
    """A delay of an untagged first state passes before the event is applied."""
    chart = chart_of(
        [{"name": "boot", "after": {"2": "ready"}}, settled("ready"), settled("end")],
        [["GO", "ready", "end"]],
    )
    assert finished(chart, "GO", None).path == (("boot",), ("ready",), ("end",))


def test_delays_of_a_settled_first_node_do_not_run_at_the_start() -> None:
    """The event comes at once; the delay is forgotten."""
    chart = chart_of([settled("a", after={"2": "b"}), settled("b")], [["GO", "a", None]])
    settling = Settling(chart, None, "GO")
    assert settling.settlement is not None
    assert settling.delays == ()


def test_an_untagged_first_node_is_a_legal_start() -> None:
    """Nothing is pending there, so the event is applied there; it is no place to rest."""
    chart = chart_of(["idle", settled()], [["GO", "idle", "rest"], ["BACK", "rest", "idle"]])
    assert finished(chart, "GO").after.configuration == ("rest",)
    assert finished(chart, "OTHER").outcome is Outcome.IGNORED


def test_a_rejected_first_state_still_takes_the_event() -> None:
    """A start that does nothing decides nothing."""
    chart = chart_of([{"name": "bad", "tags": ["reject"]}, settled("end")], [["GO", "bad", "end"]])
    assert finished(chart, "GO").after.configuration == ("end",)


# --- the end ------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["NEVER", "GUARDED", "UNLESS"])
def test_what_no_transition_takes_is_ignored(event: str) -> None:
    """Unknown events and false guards leave the snapshot itself, without a microstep."""

    def yes(context: Any, event: Event) -> bool:
        return True

    chart = chart_of(
        [settled("a"), settled("b")],
        [
            ["GO", "a", None],
            {"trigger": "GUARDED", "source": "a", "dest": "b", "conditions": [yes, no]},
            {"trigger": "UNLESS", "source": "a", "dest": "b", "unless": [no, yes]},
        ],
    )
    for snapshot in (None, after(chart, "GO")):
        settlement = finished(chart, event, snapshot=snapshot)
        assert settlement.outcome is Outcome.IGNORED
        assert settlement.after is settlement.before
        assert snapshot is None or settlement.before is snapshot
        assert (settlement.microsteps, settlement.calls, settlement.saved) == ((), (), False)
        assert settlement.path == (("a",),)


def test_an_event_after_the_end_is_ignored() -> None:
    """A final instance takes no event."""
    chart = chart_of([settled("a"), {"name": "end", "final": True}], [["GO", "a", "end"]])
    done = finished(chart, "GO")
    assert (done.outcome, done.saved) == (Outcome.DONE, True)
    assert finished(chart, "GO", snapshot=done.after).outcome is Outcome.IGNORED


def test_a_final_leaf_rests_untagged_and_a_tag_does_not_unmake_it() -> None:
    """Final is final, tagged as settled or not; tagged as rejected it is rejected."""
    for tags, outcome in [
        ([], Outcome.DONE),
        (["settled"], Outcome.DONE),
        (["reject"], Outcome.REJECTED),
    ]:
        chart = chart_of(
            [settled("a"), {"name": "end", "final": True, "tags": tags}], [["GO", "a", "end"]]
        )
        assert finished(chart, "GO").outcome is outcome


def test_a_rejected_event_is_saved_only_where_the_chart_says_so() -> None:
    """``on_reject="persist"`` counts the revision up; else it stays."""
    states = [settled("a"), {"name": "bad", "tags": ["reject"]}]
    discard = finished(chart_of(states, [["GO", "a", "bad"]]), "GO")
    persist = finished(chart_of(states, [["GO", "a", "bad"]], on_reject="persist"), "GO")
    assert [each.outcome for each in (discard, persist)] == [Outcome.REJECTED] * 2
    assert [each.after.configuration for each in (discard, persist)] == [("bad",)] * 2
    assert [each.saved for each in (discard, persist)] == [False, True]
    assert [each.after.revision for each in (discard, persist)] == [0, 1]


def _region(name: str, tags: list[str], *, final: bool = False) -> dict[str, Any]:
    leaf = {"name": "x", "tags": tags, "final": final}
    return {"name": name, "initial": "x", "children": [leaf]}


@pytest.mark.parametrize(
    ("left", "right", "outcome"),
    [
        (_region("l", ["reject"]), _region("r", ["settled"]), Outcome.REJECTED),
        (_region("l", [], final=True), _region("r", ["reject"]), Outcome.REJECTED),
        (_region("l", [], final=True), _region("r", [], final=True), Outcome.DONE),
        (_region("l", [], final=True), _region("r", ["settled"]), Outcome.RESOLVED),
        (_region("l", ["settled"]), _region("r", ["resolve"]), Outcome.RESOLVED),
    ],
)
def test_outcomes_of_regions_are_mixed_by_one_rule(
    left: dict[str, Any], right: dict[str, Any], outcome: Outcome
) -> None:
    """Any rejected leaf rejects; else all final is done; else resolved."""
    chart = chart_of([settled("a"), {"name": "p", "parallel": [left, right]}], [["GO", "a", "p"]])
    assert finished(chart, "GO").outcome is outcome


def test_the_nearest_tag_counts() -> None:
    """A leaf's own tag goes before that of a node around it."""
    box = {"name": "box", "tags": ["reject"], "children": ["plain", settled("good")]}
    chart = chart_of([settled("a"), box], [["PLAIN", "a", "box.plain"], ["GOOD", "a", "box.good"]])
    assert finished(chart, "PLAIN").outcome is Outcome.REJECTED
    assert finished(chart, "GOOD").outcome is Outcome.RESOLVED


def test_own_settling_tags_replace_the_usual_ones() -> None:
    """A chart may name its own tags."""
    chart = chart_of(
        ["a", {"name": "b", "tags": ["parked"]}],
        [["GO", "a", "b"]],
        settling_tags={"resolved": ["parked"]},
    )
    assert finished(chart, "GO").outcome is Outcome.RESOLVED


def test_a_parallel_node_is_settled_only_when_every_region_is() -> None:
    """One settled region does not end the work of the other."""
    busy = {"name": "x", "invoke": {"src": work, "on_done": "y", "on_error": "y"}}
    region = {"name": "r", "initial": "x", "children": [busy, settled("y")]}
    chart = chart_of(
        [settled("a"), {"name": "p", "parallel": [_region("l", ["settled"]), region]}],
        [["GO", "a", "p"]],
    )
    settling = Settling(chart, None, "GO")
    assert settling.settlement is None
    assert settling.configuration == ("p.l.x", "p.r.x")
    settling.done("p.r.x.0")
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("p.l.x", "p.r.y")


def test_delays_end_where_the_chart_settles() -> None:
    """A settled configuration waits for events only."""
    chart = chart_of([settled("a"), settled("b", after={"9": "a"})], [["GO", "a", "b"]])
    settling = Settling(chart, None, "GO")
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("b",)
    assert settling.delays == ()


def test_a_settlement_says_what_happened_in_one_line_and_draws_itself() -> None:
    """Outcome, event, key, path, and whether it is saved; its picture shows the path."""
    chart = chart_of([settled("a"), settled("b"), {"name": "no", "tags": ["reject"]}],
                     [["GO", "a", "b"], ["BAD", "a", "no"]])  # fmt: skip
    settlement = finished(chart, "GO")
    assert str(settlement) == "RESOLVED  GO: a -> b; saves revision 1"
    assert repr(settlement) == f"<Settlement {settlement}>"
    assert str(finished(chart, "BAD")) == "REJECTED  BAD: a -> no; saves nothing"
    assert settlement.draw() is not None
    assert "text/plain" in settlement._repr_mimebundle_()


# --- services that are left ---------------------------------------------------------------


def test_leaving_a_node_cancels_its_service_and_records_it() -> None:
    """A delay that passes first ends the service; its late answer is refused."""
    chart = chart_of(
        [
            settled("a"),
            {
                "name": "busy",
                "invoke": {"src": work, "input": {"n": 1}, "on_done": "a", "on_error": "a"},
                "after": {"3": "late"},
            },
            settled("late"),
        ],
        [["GO", "a", "busy"]],
    )
    settling = Settling(chart, None, "GO")
    settling.elapsed("busy.0")
    settlement = settling.settlement
    assert settlement is not None
    assert settlement.after.configuration == ("late",)
    (call,) = settlement.calls
    assert (call.status, call.result, call.error) == (CallStatus.CANCELLED, None, None)
    assert (call.input, call.invocation) == ({"n": 1}, "busy.0")
    with pytest.raises(KeyError, match=r"no service of invocation 'busy\.0' runs"):
        settling.done("busy.0")
    with pytest.raises(KeyError, match=r"no delay 'busy\.0' runs"):
        settling.elapsed("busy.0")


@pytest.mark.parametrize("nested", [False, True])
def test_entering_a_node_again_restarts_its_services_and_delays(nested: bool) -> None:
    """Number 2 runs, number 1 is cancelled."""
    busy = {
        "name": "busy",
        "invoke": [
            {"src": work, "on_done": "=", "on_error": "a"},
            {"src": work, "on_done": "a", "on_error": "a"},
        ],
        "after": {"3": "a", "5": "a"},
    }
    more = [{"name": "box", "tags": ["settled"], "children": ["x"]}] if nested else []
    chart = chart_of([settled("a"), busy, *more], [["GO", "a", "busy"]])
    settling = Settling(chart, None, "GO")
    assert [(each.id, each.number) for each in settling.pending] == [("busy.0", 1), ("busy.1", 1)]
    settling.done("busy.0", "again")
    assert [(each.id, each.number) for each in settling.pending] == [("busy.0", 2), ("busy.1", 2)]
    assert [(each.id, each.number) for each in settling.delays] == [("busy.0", 2), ("busy.1", 2)]
    assert [(call.invocation, call.status) for call in settling.calls] == [
        ("busy.0", CallStatus.DONE),
        ("busy.1", CallStatus.CANCELLED),
    ]


def test_an_internal_transition_leaves_services_running() -> None:
    """Nothing is left or entered, so number 1 goes on."""
    busy = {
        "name": "busy",
        "invoke": [
            {"src": work, "on_done": {"dest": None, "assign": add("one")}, "on_error": "a"},
            {"src": work, "on_done": "a", "on_error": "a"},
        ],
    }
    chart = chart_of([settled("a"), busy], [["GO", "a", "busy"]], context=LOG)
    settling = Settling(chart, None, "GO")
    settling.done("busy.0")
    assert [(each.id, each.number) for each in settling.pending] == [("busy.1", 1)]
    settlement = finish(settling, None)
    assert settlement.path == (("a",), ("busy",), ("a",))
    assert settlement.after.context["log"] == ["one:done.invoke.busy.0"]


def test_leaving_a_node_of_one_region_ends_its_delays_and_no_others() -> None:
    """The other region's service and delay go on."""

    def region(name: str) -> dict[str, Any]:
        busy = {
            "name": "x",
            "invoke": {"src": work, "on_done": "y", "on_error": "y"},
            "after": {"9": "y"},
        }
        return {"name": name, "initial": "x", "children": [busy, settled("y")]}

    chart = chart_of(
        [settled("a"), {"name": "p", "parallel": [region("l"), region("r")]}], [["GO", "a", "p"]]
    )
    settling = Settling(chart, None, "GO")
    settling.done("p.l.x.0")
    assert [each.id for each in settling.pending] == ["p.r.x.0"]
    assert [each.id for each in settling.delays] == ["p.r.x.0"]
    settling.elapsed("p.r.x.0")
    assert settling.settlement is not None
    assert [call.status for call in settling.calls] == [CallStatus.DONE, CallStatus.CANCELLED]


def test_a_settlement_is_plain_json_and_says_why() -> None:
    """Every microstep and call is in it, and the last service that failed gives the reason."""
    settling = Settling(count, count_settled(), "COUNT", key="c")
    assert repr(settling) == "<Settling COUNT in counting_even: ['counting_even.0'] pending>"
    settling.done("counting_even.0")
    settling.failed("odd.0", "no power")
    settlement = settling.settlement
    assert settlement is not None
    assert repr(settling) == f"<Settling {settlement}>"
    assert settlement.reason == "wait: Error: no power"
    record = settlement.to_dict()
    assert decode(encode(record)) == record
    assert record["microsteps"][0]["trigger"] == "COUNT"
    assert [call["status"] for call in record["calls"]] == ["done", "error"]
    assert Settling(count, None, "COUNT").settlement.reason is None  # type: ignore[union-attr]


def test_the_reason_is_the_last_failure_even_where_a_later_service_is_done() -> None:
    """A result says nothing about why an earlier service failed."""
    settling = Settling(donut, None, "BAKE")
    settling.failed("making.mixing.dry.sifting.0", "no sieve")
    settling.done("making.mixing.wet.whisking.0")
    settling.elapsed("making.mixing.dry.sifting_by_hand.0")
    settling.done("making.frying.0")
    settling.elapsed("making.cooling.0")
    assert settling.settlement is not None
    assert settling.settlement.reason == "sift: Error: no sieve"


def count_settled() -> Snapshot:
    """Return the count chart where it settled first."""
    settlement = Settling(count, None, "COUNT").settlement
    assert settlement is not None
    return settlement.after
