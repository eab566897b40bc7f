"""Delays of nodes in which an instance rests: started, kept, ended, and passed outside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.errors import ChartMismatchError, InvalidEventError, SettleError
from settlesim.machine.program import program_of
from settlesim.settling import Settlement, Settling
from settlesim.settling.settlement import Elapsed, PendingDelay
from tests.settling.driving import LOG, add, chart_of, finish, finished, no, reload, settled, work
from tests.strategies_charts import TRIGGERS, charts

TIMED = chart_of(
    [
        settled("a"),
        settled("held", after={"10": "late", "5": {"dest": "late", "conditions": no}}),
        settled("late", on_enter=add("late")),
    ],
    [["HOLD", "a", "held"], ["AGAIN", "held", "="], ["STAY", "held", None], ["GO", "held", "a"]],
    context=LOG,
)

REGIONS = chart_of(
    [
        {
            "name": "both",
            "parallel": [
                {
                    "name": "left",
                    "initial": "rest",
                    "children": [
                        settled("rest", after={"60": "over"}),
                        settled("over"),
                    ],
                },
                {
                    "name": "right",
                    "initial": "free",
                    "children": [
                        settled("free"),
                        {"name": "busy", "invoke": {"src": work, "on_done": "both.right.free"}},
                        settled("timed", after={"7": "both.right.free"}),
                    ],
                },
            ],
        }
    ],
    [
        ["WORK", "both.right.free", "both.right.busy"],
        ["TIME", "both.right.free", "both.right.timed"],
        ["BACK", "both.left.over", "both.left.rest"],
    ],
)


def elapsed(chart: Chart, snapshot: Snapshot | None, id_: str, *answers: object) -> Settlement:
    """Settle that a delay has passed."""
    return finish(Settling(chart, snapshot, Elapsed(id_), key="k"), *answers)


def timers(settlement: Settlement) -> dict[str, float]:
    """What a settlement starts."""
    return {each.id: each.seconds for each in settlement.timers}


def test_a_settlement_names_the_delays_that_it_started() -> None:
    """In the nodes where the instance rests now, in document order."""
    held = finished(TIMED, "HOLD")
    assert timers(held) == {"held.0": 10.0, "held.1": 5.0}
    assert held.kept == ()
    assert held.to_dict()["timers"] == [
        {"id": "held.0", "seconds": 10.0},
        {"id": "held.1", "seconds": 5.0},
    ]


def test_a_delay_that_has_passed_leads_on() -> None:
    """Its event is the reserved trigger, and the settlement is one like any other."""
    held = finished(TIMED, "HOLD").after
    late = elapsed(TIMED, held, "held.0")
    assert (late.outcome, late.after.configuration) == (Outcome.RESOLVED, ("late",))
    assert late.after.context == {"log": ["late:after.held.0"]}
    assert late.after.revision == held.revision + 1
    assert (late.timers, late.kept) == ((), ())


def test_a_delay_whose_guards_say_no_is_ignored() -> None:
    """The instance is as it was, and the other delays go on."""
    held = finished(TIMED, "HOLD").after
    settlement = elapsed(TIMED, held, "held.1")
    assert (settlement.outcome, settlement.after) == (Outcome.IGNORED, held)
    assert (settlement.timers, settlement.kept) == ((), ())


def test_a_delay_that_stays_in_its_node_is_over_and_the_others_go_on() -> None:
    """It passes once for each time that the node is entered."""
    ticks = {"5": {"dest": None, "assign": add("tick")}, "10": "a"}
    chart = chart_of(
        [settled("a"), settled("held", after=ticks)], [["HOLD", "a", "held"]], context=LOG
    )
    tick = elapsed(chart, finished(chart, "HOLD").after, "held.0")
    assert tick.after.context == {"log": ["tick:after.held.0"]}
    assert (tick.timers, tick.kept) == ((), ("held.1",))


@pytest.mark.parametrize("snapshot", ["gone", "elsewhere"])
def test_a_delay_of_a_node_that_is_not_active_is_ignored(snapshot: str) -> None:
    """It came too late; nothing of a new instance begins for it."""
    before = None if snapshot == "gone" else finished(TIMED, "HOLD").after
    if before is not None:
        before = finished(TIMED, "GO", snapshot=before).after
    settlement = elapsed(TIMED, before, "held.0")
    assert settlement.outcome is Outcome.IGNORED
    assert settlement.after is settlement.before
    assert (settlement.microsteps, settlement.after.context) == ((), {"log": []})


def test_a_delay_that_the_chart_does_not_have_is_ignored() -> None:
    """An id of an earlier form of the chart."""
    held = finished(TIMED, "HOLD").after
    assert elapsed(TIMED, held, "held.7").outcome is Outcome.IGNORED


def test_a_delay_of_another_charts_instance_is_refused() -> None:
    """As an event would be."""
    held = finished(TIMED, "HOLD").after
    with pytest.raises(ChartMismatchError):
        Settling(REGIONS, held, Elapsed("held.0"))


def test_no_sender_can_say_that_a_delay_has_passed() -> None:
    """The names are reserved."""
    with pytest.raises(InvalidEventError, match="reserved"):
        Settling(TIMED, None, "after.held.0")


@pytest.mark.parametrize(
    ("event", "started", "kept"),
    [
        ("STAY", {}, ("held.0", "held.1")),
        ("AGAIN", {"held.0": 10.0, "held.1": 5.0}, ()),
        ("GO", {}, ()),
        ("NEVER", {}, ()),
    ],
)
def test_an_event_ends_keeps_or_starts_a_delay_anew(
    event: str, started: dict[str, float], kept: tuple[str, ...]
) -> None:
    """Leaving the node ends it, entering it again starts it anew, staying keeps it."""
    held = finished(TIMED, "HOLD").after
    settlement = finished(TIMED, event, snapshot=held)
    assert (timers(settlement), settlement.kept) == (started, kept)


def test_delays_of_the_other_region_are_kept() -> None:
    """An event of one region does not touch what waits in the other."""
    busy = finished(REGIONS, "WORK", None)
    assert (timers(busy), busy.kept) == ({"both.left.rest.0": 60.0}, ())
    timed = finished(REGIONS, "TIME", snapshot=busy.after)
    assert timers(timed) == {"both.right.timed.0": 7.0}
    assert timed.kept == ("both.left.rest.0",)
    free = elapsed(REGIONS, timed.after, "both.right.timed.0")
    assert (timers(free), free.kept) == ({}, ("both.left.rest.0",))
    over = elapsed(REGIONS, free.after, "both.left.rest.0")
    assert over.after.configuration == ("both.left.over", "both.right.free")
    back = finished(REGIONS, "BACK", snapshot=over.after)
    assert (timers(back), back.kept) == ({"both.left.rest.0": 60.0}, ())


def test_the_delays_of_a_new_instance_begin_with_its_first_event() -> None:
    """Those of first states that the event leaves do not begin at all."""
    stays = chart_of([settled("a", after={"3": "b"}), settled("b")], [["STAY", "a", None]])
    assert timers(finished(stays, "STAY")) == {"a.0": 3.0}
    leaves = chart_of([settled("a", after={"3": "b"}), settled("b")], [["GO", "a", "b"]])
    assert timers(finished(leaves, "GO")) == {}
    ignored = finished(stays, "NEVER")
    assert (ignored.outcome, ignored.timers, ignored.kept) == (Outcome.IGNORED, (), ())


def test_a_rejected_event_starts_and_ends_no_delay_unless_it_is_saved() -> None:
    """The instance is still where it was, and so are its delays."""
    states: list[dict[str, Any]] = [
        settled("a"),
        {"name": "no", "tags": ["reject"], "after": {"9": "a"}},
    ]
    dropped = finished(chart_of(states, [["GO", "a", "no"]]), "GO")
    assert (dropped.outcome, dropped.timers) == (Outcome.REJECTED, ())
    saved = finished(chart_of(states, [["GO", "a", "no"]], on_reject="persist"), "GO")
    assert timers(saved) == {"no.0": 9.0}


def test_a_delay_passes_in_the_session_while_a_service_runs() -> None:
    """Only what is left when the instance rests goes on outside."""
    states = [
        {
            "name": "both",
            "parallel": [
                {
                    "name": "left",
                    "initial": "rest",
                    "children": [
                        settled("rest", after={"1": "over", "9": "over"}),
                        settled("over"),
                    ],
                },
                {
                    "name": "right",
                    "initial": "busy",
                    "children": [
                        {"name": "busy", "invoke": {"src": work, "on_done": "both.right.free"}},
                        settled("free"),
                    ],
                },
            ],
        },
    ]
    chart = chart_of([settled("a"), *states], [["GO", "a", "both"]])
    settling = Settling(chart, None, "GO")
    settling.elapsed("both.left.rest.0")
    assert [each.id for each in settling.delays] == []
    settling.done(settling.pending[0].id)
    assert settling.settlement is not None
    assert settling.settlement.timers == ()
    later = finished(chart, "GO", None)
    assert timers(later) == {"both.left.rest.0": 1.0, "both.left.rest.1": 9.0}


# --- laws ---------------------------------------------------------------------------------

ANSWERS = st.lists(st.booleans(), max_size=12)


def run(settling: Settling, answers: list[bool]) -> Settlement | None:
    """Let services be done or fail, oldest first, and delays pass where no service runs."""
    turns = iter(answers)
    while settling.settlement is None:
        good = next(turns, None)
        if good is None:
            return None
        if not settling.pending:
            settling.elapsed(settling.delays[0].id)
        elif good:
            settling.done(settling.pending[0].id)
        else:
            settling.failed(settling.pending[0].id, "no")
    return settling.settlement


def attempt(
    chart: Chart, snapshot: Snapshot | None, event: str | Elapsed, answers: list[bool]
) -> Settlement | None:
    """Settle; None where it fails, or where the answers do not suffice."""
    try:
        return run(Settling(chart, snapshot, event, max_microsteps=60), answers)
    except SettleError:
        return None


@given(charts(bound=True, resting=True), st.lists(st.sampled_from(TRIGGERS), max_size=4), ANSWERS)
def test_timers_belong_to_active_nodes_and_what_is_kept_ran_before(
    chart: Chart, events: list[str], answers: list[bool]
) -> None:
    """Nothing is both started and kept, and the delays of the active nodes are all told."""
    program = program_of(chart)
    snapshot: Snapshot | None = None
    running: set[str] = set()
    for event in events:
        settlement = attempt(chart, snapshot, event, answers)
        if settlement is None:
            continue
        started, kept = {each.id for each in settlement.timers}, set(settlement.kept)
        if not settlement.saved:
            assert (started, kept) == (set(), set())
            continue
        active = program.active(settlement.after.configuration)
        of_active = {d.id for node in chart.states if node.name in active for d in node.after}
        assert started | kept <= of_active
        assert not started & kept
        passed = {step.trigger for step in settlement.microsteps}
        missed = of_active - started - kept
        assert all(f"after.{each}" in passed for each in missed) or settlement.calls
        running = (running & kept) | started
        snapshot = settlement.after
        for id_ in sorted(running):
            same = attempt(chart, snapshot, Elapsed(id_), answers)
            again = attempt(chart, reload(snapshot), Elapsed(id_), answers)
            assert same == again


@given(charts(bound=True, resting=True), st.lists(st.sampled_from(TRIGGERS), max_size=4), ANSWERS)
def test_a_delay_outside_leads_where_it_leads_inside(
    chart: Chart, events: list[str], answers: list[bool]
) -> None:
    """Beside a service that keeps the session going, the same delay takes the same way."""
    snapshot: Snapshot | None = None
    for event in events:
        settlement = attempt(chart, snapshot, event, answers)
        if settlement is None or not settlement.saved:
            continue
        snapshot = settlement.after
        for timer in settlement.timers:
            inside = _inside(chart, snapshot, timer, answers)
            outside = attempt(chart, snapshot, Elapsed(timer.id), answers)
            if inside is None or outside is None:
                assert inside is outside
            elif outside.outcome is not Outcome.IGNORED:
                assert inside.microsteps == outside.microsteps
                assert inside.after == outside.after
                assert inside.outcome is outside.outcome


def _inside(
    chart: Chart, snapshot: Snapshot, timer: PendingDelay, answers: list[bool]
) -> Settlement | None:
    """Let a delay pass by `Settling.elapsed`, as if the session had not ended yet."""
    session = Settling(chart, snapshot, Elapsed("nobody has this delay"))
    session.settlement = None  # it goes on from its rest, with the delay running
    session._running.delays = {timer.id: timer}
    session._position = session._position._replace(delays=(timer.id,))
    try:
        session.elapsed(timer.id)
        return run(session, answers)
    except SettleError:
        return None
