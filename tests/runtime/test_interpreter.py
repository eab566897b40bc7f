"""Load, settle, commit: what one event does to a store."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from settlesim import Interpreter, SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    UnboundFunctionError,
    VersionConflictError,
)
from settlesim.gallery import CHARTS, count, donut, order, signup
from settlesim.runtime.clock import RealClock
from settlesim.store import MemoryStore
from tests.runtime.driving import interpreter
from tests.settling.driving import chart_of, settled


def test_each_settlement_is_saved_under_the_next_revision() -> None:
    """What `load` returns is the settlement's snapshot."""
    run = interpreter(count)
    for revision in (1, 2, 3):
        settlement = run.settle_sync("c", "COUNT")
        assert settlement.after.revision == revision
        assert run.load("c") == settlement.after
    assert settlement.after.context == {"count": 4}
    assert settlement.key == "c"
    assert run.load("other") is None


def test_keys_and_delete() -> None:
    """Keys are sorted; a deleted instance begins anew, and deleting nothing is no error."""
    run = interpreter(count)
    for key in ("b", "a"):
        run.settle_sync(key, "COUNT")
    assert list(run.keys()) == ["a", "b"]
    run.delete("a")
    run.delete("never")
    assert list(run.keys()) == ["b"]
    assert run.settle_sync("a", "COUNT").after.revision == 1


def test_an_event_that_the_chart_never_uses_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the nearest name; one that is only ignored here and now is none."""
    run = interpreter(order)
    with caplog.at_level(logging.WARNING, "settlesim.events"):
        assert run.settle_sync("o", "SHIP").outcome is Outcome.IGNORED
        for key in ("o", "p"):
            assert run.settle_sync(key, "CANCLE").outcome is Outcome.IGNORED
        run.settle_sync("o", "PYA")
    assert [each.getMessage() for each in caplog.records] == [
        "event ignored: chart 'order' has no transition for 'CANCLE'; did you mean 'CANCEL'?",
        "event ignored: chart 'order' has no transition for 'PYA'; did you mean 'PAY'?",
    ]


def test_warnings_of_unknown_events_end_at_a_hundred(caplog: pytest.LogCaptureFixture) -> None:
    """Who sends any names at all fills neither the log nor the memory."""
    run = interpreter(order)
    with caplog.at_level(logging.WARNING, "settlesim.events"):
        for number in range(120):
            run.settle_sync("o", f"EVENT_{number}")
    assert len(caplog.records) == 100


def test_accepts_tells_events_without_asking_guards() -> None:
    """Of a new instance those of the first states, else those of where it rests."""
    run = interpreter(signup)
    assert list(run.accepts("s")) == ["SIGN_UP"]
    run.settle_sync("s", "SIGN_UP")
    found = run.accepts("s")
    assert list(found) == ["RESEND", "VERIFY", "EXPIRE"]
    assert [edge.dest for edge in found["VERIFY"]] == ["verified"]


def test_accepts_tells_the_innermost_way_first() -> None:
    """As it is tried."""
    box = settled("box", initial="x", children=["x"])
    run = interpreter(
        chart_of([box, settled("out")], [["GO", "box", "out"], ["GO", "box.x", "box"]])
    )
    assert [edge.source for edge in run.accepts("k")["GO"]] == ["box.x", "box"]


def test_an_instance_of_another_chart_or_version_is_refused() -> None:
    """By `settle` and by `accepts`; the store keeps what it had."""
    store = MemoryStore()
    interpreter(count, store=store).settle_sync("k", "COUNT")
    other = interpreter(order, store=store)
    before = store.load("k")
    with pytest.raises(ChartMismatchError, match="saved by count version 1, this is order"):
        other.settle_sync("k", "PAY")
    with pytest.raises(ChartMismatchError):
        other.accepts("k")
    assert store.load("k") == before


def test_rejected_and_ignored_leave_the_store_alone() -> None:
    """A declined card leaves the order new, and it may be paid with another."""
    run = interpreter(order)
    rejected = run.settle_sync("o", "PAY", {"card": "declined"})
    assert rejected.outcome is Outcome.REJECTED
    assert rejected.calls[0].error == "CardDeclinedError: the bank declined the card"
    assert run.load("o") is None
    assert run.settle_sync("o", "NEVER").outcome is Outcome.IGNORED
    assert run.load("o") is None
    assert run.settle_sync("o", "PAY").after.revision == 1
    assert run.settle_sync("o", "SHIP").outcome is Outcome.DONE


def test_a_rejected_settlement_is_saved_where_the_chart_says_so() -> None:
    """``on_reject="persist"``."""
    chart = chart_of(
        [settled("a"), {"name": "no", "tags": ["reject"]}], [["GO", "a", "no"]], on_reject="persist"
    )
    run = interpreter(chart)
    run.settle_sync("k", "GO")
    saved = run.load("k")
    assert saved is not None
    assert (saved.configuration, saved.revision) == (("no",), 1)


@pytest.mark.parametrize("key", ["", None, 7, b"k", "\ud800"])
def test_a_key_that_names_nothing_is_refused(key: Any) -> None:
    """Every method says so before anything happens."""
    run = interpreter(count)
    for method in (run.load, run.accepts, run.delete):
        with pytest.raises(InvalidValueError, match="key"):
            method(key)
    with pytest.raises(InvalidValueError, match="key"):
        run.settle_sync(key, "COUNT")


def test_a_reserved_event_is_refused() -> None:
    """A client cannot play the service."""
    with pytest.raises(InvalidEventError):
        interpreter(count).settle_sync("c", "done.invoke.counting_even.0")


def test_functions_that_are_not_bound_are_named_at_construction() -> None:
    """All of them, services too."""
    chart = Chart.from_dict(signup.to_dict())
    with pytest.raises(UnboundFunctionError) as info:
        interpreter(chart)
    assert set(info.value.names) == set(signup.roles)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("service_timeout", 0),
        ("service_timeout", float("inf")),
        ("deadline", -1.0),
        ("deadline", float("nan")),
        ("deadline", "1"),
        ("max_microsteps", 0),
        ("max_microsteps", 1.5),
    ],
)
def test_limits_that_are_none_are_refused(option: str, value: Any) -> None:
    """Every event has to end."""
    with pytest.raises(InvalidValueError, match=option):
        interpreter(count, **{option: value})


def test_it_says_what_it_is() -> None:
    """Chart and store; the clock is real unless another is given."""
    run = Interpreter(count, MemoryStore())
    assert repr(run) == "Interpreter('count', MemoryStore(0 instances))"
    assert isinstance(run.clock, RealClock)


def test_settle_sync_works_inside_a_running_loop() -> None:
    """As in Jupyter: in a thread of its own, errors included."""

    async def main() -> None:
        run = interpreter(count)
        run.settle_sync("c", "COUNT")
        assert run.settle_sync("c", "COUNT").after.context == {"count": 2}
        with pytest.raises(InvalidEventError):
            run.settle_sync("c", "after.x")

    asyncio.run(main())


def test_an_error_of_settle_sync_has_no_foreign_context() -> None:
    """The search for a running loop leaves no trace in it."""
    with pytest.raises(InvalidEventError) as info:
        interpreter(count).settle_sync("c", "done.")
    assert info.value.__context__ is None


def test_two_settles_at_once_on_one_key_give_one_conflict_and_lose_nothing() -> None:
    """The second commit is refused; a repetition then counts on."""
    run = interpreter(count)
    run.settle_sync("c", "COUNT")

    async def main() -> Any:
        return await asyncio.gather(
            run.settle("c", "COUNT"), run.settle("c", "COUNT"), return_exceptions=True
        )

    first, second = asyncio.run(main())
    assert first.after.context == {"count": 2}
    assert isinstance(second, VersionConflictError)
    assert (second.expected, second.actual) == (1, 2)
    assert run.load("c") == first.after
    assert run.settle_sync("c", "COUNT").after.context == {"count": 4}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_every_gallery_chart_runs(chart: Chart) -> None:
    """Its first event settles on a simulated clock."""
    run = interpreter(chart)
    event = next(iter(run.accepts("k")))
    assert run.settle_sync("k", event).outcome in {Outcome.RESOLVED, Outcome.DONE}


def test_regions_run_side_by_side() -> None:
    """Mixing takes 3 seconds, not 2 + 3; then 4 of frying and 5 of cooling."""
    clock = SimulatedClock()
    settlement = interpreter(donut, clock=clock).settle_sync("d", "BAKE")
    assert clock.now() == 12.0
    assert [(call.service, call.seconds) for call in settlement.calls] == [
        ("sift", 2.0),
        ("whisk", 3.0),
        ("fry", 4.0),
    ]
