"""A new instance whose first state works: what it did is kept, whatever its event comes to."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import decode, encode
from settlesim.errors import ChartMismatchError, ServiceFailedError, StalledError
from settlesim.settling import CallStatus, InstanceStart, Settlement, Settling
from settlesim.settling.settlement import START_EVENT
from tests.settling.driving import LOG, add, chart_of, finish, finished, settled, work

BOOT: dict[str, Any] = {"name": "boot", "invoke": {"src": work, "on_done": "ready"}}


def booting(ready: dict[str, Any] | None = None, **more: Any) -> Chart:
    """A chart that starts with a service, and then takes GO and BAD."""
    return chart_of(
        [BOOT, {**settled("ready"), **(ready or {})}, settled("end"),
         {"name": "bad", "tags": ["reject"]}],
        [["GO", "ready", "end"], ["BAD", "ready", "bad"]],
        **more,
    )  # fmt: skip


def started(settlement: Settlement) -> InstanceStart:
    """The start of a settlement that has one."""
    assert settlement.start is not None
    return settlement.start


# --- what is kept -------------------------------------------------------------------------


def test_start_and_event_are_one_write_and_one_revision() -> None:
    """The outcome is the event's; the start has its own part."""
    settlement = finished(booting(), "GO", None)
    start = started(settlement)
    assert settlement.outcome is Outcome.RESOLVED
    assert (settlement.before.revision, settlement.after.revision) == (0, 1)
    assert settlement.after.configuration == ("end",)
    assert settlement.path == (("boot",), ("ready",), ("end",))
    assert (start.outcome, start.worked) == (Outcome.RESOLVED, True)
    assert (start.configuration, start.snapshot.revision) == (("ready",), 1)
    assert start.microsteps == settlement.microsteps[:1]
    assert start.calls == settlement.calls
    assert not settlement.only_start_saved


@pytest.mark.parametrize(("event", "outcome"), [("NO", Outcome.IGNORED), ("BAD", Outcome.REJECTED)])
def test_work_of_the_start_is_kept_where_the_event_is_not(event: str, outcome: Outcome) -> None:
    """The snapshot is where the start came to rest; the path tells the whole run."""
    settlement = finished(booting(), event, None)
    assert settlement.outcome is outcome
    assert (settlement.saved, settlement.only_start_saved) == (True, True)
    assert settlement.after is started(settlement).snapshot
    assert (settlement.after.configuration, settlement.after.revision) == (("ready",), 1)
    assert settlement.path[:2] == (("boot",), ("ready",))
    assert [call.status for call in settlement.calls] == [CallStatus.DONE]
    assert "saves the start as revision 1" in str(settlement)
    again = finished(booting(), "GO", snapshot=settlement.after)
    assert (again.start, again.calls, again.after.revision) == (None, (), 2)


def test_every_kind_of_work_counts() -> None:
    """A transition, a service, and a callback that changes the context."""
    for chart, answers in (
        (chart_of([{"name": "a", "always": "rest"}, settled()]), []),
        (chart_of([{**BOOT, "invoke": {"src": work, "on_done": "rest"}}, settled()]), [None]),
        (chart_of([settled("rest", on_enter=add("first"))], context=LOG), []),
    ):
        settlement = finished(chart, "NO", *answers)
        assert started(settlement).worked
        assert (settlement.outcome, settlement.after.revision) == (Outcome.IGNORED, 1)


def test_a_start_that_does_nothing_is_not_kept() -> None:
    """As before: an ignored or rejected event of a new key saves nothing."""

    def nothing(context: Any, event: Any) -> None:
        return None

    chart = chart_of(
        [settled("a", on_enter=nothing, after={"5": "bad"}), {"name": "bad", "tags": ["reject"]}],
        [["BAD", "a", "bad"]],
    )
    for event in ("NO", "BAD"):
        settlement = finished(chart, event)
        start = started(settlement)
        assert (settlement.saved, start.worked, start.kept) == (False, False, False)
        assert settlement.timers == ()


def test_the_timers_of_the_resting_start_are_kept_with_it() -> None:
    """Also where the rejected event had left the state."""
    chart = booting({"after": {"7": "end"}})
    for event in ("NO", "BAD"):
        settlement = finished(chart, event, None)
        assert [(each.id, each.seconds) for each in settlement.timers] == [("ready.0", 7.0)]
    assert finished(chart, "GO", None).timers == ()


# --- how a start may end ------------------------------------------------------------------


def test_a_start_that_worked_and_rests_untagged_is_stalled() -> None:
    """Wherever that is: further on, back in the first state, or there by a callback."""
    once = {"src": work, "on_done": {"dest": None}}
    for chart, answers in (
        (chart_of([{"name": "a", "always": "b"}, "b"]), []),
        (chart_of([{"name": "a", "invoke": once}]), [None]),
        (chart_of([{"name": "a", "on_enter": add("a")}], context=LOG), []),
    ):
        with pytest.raises(StalledError):
            finished(chart, "GO", *answers)


def test_a_rejected_start_saves_nothing_and_takes_no_event() -> None:
    """Unless the chart persists rejections: then it is a start like any other."""
    states = [{"name": "a", "always": "bad"}, {"name": "bad", "tags": ["reject"]}, settled("end")]
    settlement = finished(chart_of(states, [["GO", "bad", "end"]]), "GO")
    assert (settlement.outcome, settlement.saved) == (Outcome.REJECTED, False)
    assert (settlement.after.configuration, len(settlement.microsteps)) == (("bad",), 1)
    assert started(settlement).outcome is Outcome.REJECTED
    persisting = chart_of(states, [["GO", "bad", "end"]], on_reject="persist")
    assert finished(persisting, "GO").after.configuration == ("end",)
    ignored = finished(persisting, "NO")
    assert (ignored.outcome, ignored.after.configuration) == (Outcome.IGNORED, ("bad",))
    assert ignored.after.revision == 1


def test_a_start_that_comes_to_the_end_is_saved_there() -> None:
    """The event that began it is ignored, and so is the next one; the service ran once."""
    chart = chart_of([{**BOOT, "invoke": {"src": work, "on_done": "ready"}},
                      {"name": "ready", "final": True}])  # fmt: skip
    settlement = finished(chart, "GO", None)
    assert (settlement.outcome, settlement.saved) == (Outcome.IGNORED, True)
    assert started(settlement).outcome is Outcome.DONE
    assert finished(chart, "GO", snapshot=settlement.after).outcome is Outcome.IGNORED


def test_an_event_that_fails_takes_its_start_with_it() -> None:
    """An error is no outcome: nothing is to be saved."""
    chart = chart_of(
        [BOOT, settled("ready"), {"name": "busy", "invoke": {"src": work, "on_done": "ready"}}],
        [["GO", "ready", "busy"]],
    )
    settling = Settling(chart, None, "GO")
    settling.done("boot.0")
    with pytest.raises(ServiceFailedError):
        settling.failed("busy.0", "no")
    assert settling.settlement is None


# --- a start without an event -------------------------------------------------------------


def test_a_start_without_an_event_saves_where_it_rests() -> None:
    """Callbacks and services see the event of the start; its timers run."""
    chart = booting({"after": {"7": "end"}})
    settling = Settling(chart, None, None)
    assert settling.pending[0].event == START_EVENT
    settlement = finish(settling, None)
    assert (settlement.event, settlement.outcome) == (START_EVENT, Outcome.RESOLVED)
    assert settlement.after == started(settlement).snapshot
    assert (settlement.after.configuration, settlement.after.revision) == (("ready",), 1)
    assert [each.id for each in settlement.timers] == ["ready.0"]


def test_a_chart_that_does_nothing_is_started_where_it_is_settled() -> None:
    """A settled first state is saved with its timers; one without a tag never is."""
    chart = chart_of([settled("a", after={"5": "b"}), settled("b")])
    settlement = finished(chart, None)
    assert (settlement.outcome, settlement.after.revision) == (Outcome.RESOLVED, 1)
    assert (len(settlement.timers), started(settlement).worked) == (1, False)
    idle = finished(chart_of(["idle", settled()], [["GO", "idle", "rest"]]), None)
    assert (idle.outcome, idle.saved, started(idle).kept) == (Outcome.IGNORED, False, False)
    end = finished(chart_of([{"name": "end", "final": True}]), None)
    assert (end.outcome, end.saved) == (Outcome.DONE, True)


@pytest.mark.parametrize("on_reject", ["discard", "persist"])
def test_a_rejected_start_without_an_event_is_saved_where_the_chart_says_so(on_reject: str) -> None:
    """As a rejected event."""
    states = [{"name": "a", "always": "bad"}, {"name": "bad", "tags": ["reject"]}]
    settlement = finished(chart_of(states, on_reject=on_reject), None)
    assert settlement.outcome is Outcome.REJECTED
    assert settlement.saved is (on_reject == "persist")


def test_an_instance_that_exists_is_not_started_again() -> None:
    """That is told by the outcome, and by a settlement without a start."""
    chart = booting()
    first = finished(chart, None, None).after
    settlement = finished(chart, None, snapshot=first)
    assert (settlement.outcome, settlement.start) == (Outcome.IGNORED, None)
    assert settlement.after is settlement.before is first
    with pytest.raises(ChartMismatchError):
        Settling(chart, Snapshot("other", 1, ("ready",), first.context, 1), None)


def test_the_start_is_told_as_json() -> None:
    """Its microsteps and calls are the first ones of the settlement, so they are counted."""
    told = finished(booting(), "BAD", None).to_dict()
    assert decode(encode(told)) == told
    assert told["start"] == {
        "outcome": "resolved",
        "snapshot": told["after"],
        "microsteps": 1,
        "calls": 1,
        "worked": True,
    }
    first = finished(booting(), None, None).after
    assert finished(booting(), "GO", snapshot=first).to_dict()["start"] is None
