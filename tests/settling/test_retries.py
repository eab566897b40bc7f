"""`retry` of an invocation: which failures are retried, when, and with what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim import Interpreter, MemoryStore, SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.definition import Retry
from settlesim.chart.report import Verdict
from settlesim.chart.retry import MAX_ATTEMPTS, longest_waits, wait_before
from settlesim.errors import DefinitionError, ServiceFailedError
from settlesim.settling import Settling
from settlesim.settling.settlement import CallStatus


def shop(retry: Any, **invoke: Any) -> Chart:
    """A chart whose service may be retried; GO out of it while it works."""
    return Chart(
        [
            {"name": "open", "tags": ["settled"]},
            {  # type: ignore[list-item]
                "name": "paying",
                "invoke": {
                    "src": "charge",
                    "retry": retry,
                    "on_done": "paid",
                    "on_error": "refused",
                    **invoke,
                },
            },
            {"name": "paid", "tags": ["settled"]},
            {"name": "refused", "tags": ["reject"]},
        ],
        [["PAY", "open", "paying"]],
        "open",
    )


def session(retry: Any, **more: Any) -> Settling:
    """An event on its way whose service is pending."""
    return Settling(shop(retry, **more), None, "PAY", key="k")


def test_a_failure_is_retried_at_once_where_there_is_no_wait() -> None:
    """With the same start of the same invocation, and the attempt counted."""
    settling = session({"attempts": 3, "seconds": 0})
    for attempt in (1, 2):
        (pending,) = settling.pending
        assert (pending.id, pending.number, pending.attempt) == ("paying.0", 1, attempt)
        settling.failed(pending.id, OSError("no"))
    assert settling.pending[0].attempt == 3
    settling.done("paying.0", 1)
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("paid",)
    assert [call.status for call in settling.settlement.calls] == [
        CallStatus.ERROR,
        CallStatus.ERROR,
        CallStatus.DONE,
    ]


def test_the_last_failure_leads_to_on_error() -> None:
    """Attempts count the first call."""
    settling = session({"attempts": 2, "seconds": 0})
    settling.failed("paying.0", "one")
    settling.failed("paying.0", "two")
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("refused",)
    assert settling.settlement.reason == "charge: Error: two"


def test_without_on_error_the_last_failure_is_an_error() -> None:
    """As without retries."""
    settling = session(2, on_error=None)
    settling.failed("paying.0", "one")
    settling.elapsed(settling.delays[0].id)
    with pytest.raises(ServiceFailedError, match="charge"):
        settling.failed("paying.0", "two")


def test_waits_grow_and_nothing_is_pending_meanwhile() -> None:
    """A wait is a delay of the session, which names the invocation."""
    settling = session({"attempts": 5, "seconds": 1, "factor": 3, "max_seconds": 10})
    waits = []
    for _ in range(4):
        settling.failed("paying.0", "no")
        assert settling.pending == ()
        (delay,) = settling.delays
        assert delay.retries == "paying.0"
        waits.append(delay.seconds)
        settling.elapsed(delay.id)
    assert waits == [1, 3, 9, 10]
    settling.failed("paying.0", "no")
    assert settling.settlement is not None


def test_the_first_entry_that_names_the_error_decides_and_counts_its_own() -> None:
    """As a list of retriers in the Amazon States Language."""
    settling = session(
        [
            {"errors": ["TimeoutError"], "attempts": 3, "seconds": 0},
            {"errors": ["Busy"], "attempts": 1},
            {"attempts": 2, "seconds": 5},
        ]
    )
    settling.failed("paying.0", "late", timeout=True)
    settling.failed("paying.0", OSError())
    assert settling.delays[0].seconds == 5
    settling.elapsed(settling.delays[0].id)
    settling.failed("paying.0", "late", timeout=True)
    assert settling.pending[0].attempt == 4
    settling.failed("paying.0", type("Busy", (Exception,), {})())
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("refused",)


def test_an_error_that_no_entry_names_is_not_retried() -> None:
    """The name of its type counts, as on_error sees it; a text is an Error."""
    settling = session({"errors": ["OSError"]})
    settling.failed("paying.0", "text")
    assert settling.settlement is not None


def test_a_new_start_counts_anew() -> None:
    """The retries of the start before are forgotten."""
    chart = shop({"attempts": 2, "seconds": 0}, on_error="paying")
    settling = Settling(chart, None, "PAY")
    for number, attempt in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1)):
        (pending,) = settling.pending
        assert (pending.number, pending.attempt) == (number, attempt)
        settling.failed("paying.0", "no")


def test_leaving_the_state_ends_the_wait() -> None:
    """A wait is nobody's call: none is recorded as cancelled."""
    chart = Chart(
        [
            {"name": "open", "tags": ["settled"]},
            {
                "name": "paying",
                "invoke": {"src": "charge", "retry": 3, "on_done": "open", "on_error": "open"},
                "after": {0.5: "late"},
            },
            {"name": "late", "tags": ["settled"]},
        ],
        [["PAY", "open", "paying"]],
        "open",
    )
    settling = Settling(chart, None, "PAY")
    settling.failed("paying.0", "no")
    assert [delay.id for delay in settling.delays] == ["paying.0", "paying.0.retry"]
    settling.elapsed("paying.0")
    assert settling.settlement is not None
    assert settling.settlement.after.configuration == ("late",)
    assert [call.status for call in settling.settlement.calls] == [CallStatus.ERROR]


def test_a_service_is_retried_with_the_same_key_and_counts_its_attempts() -> None:
    """On the interpreter's clock the waits pass; whoever deduplicates by the key does it once."""
    seen: list[tuple[str | None, int, float]] = []

    async def charge(call: Any) -> int:
        seen.append((call.idempotency_key, call.attempt, call.clock.now()))
        if call.attempt < 3:
            raise ConnectionError("down")
        return 5

    interpreter = Interpreter(
        shop({"seconds": 2}).bind({"charge": charge}), MemoryStore(), clock=SimulatedClock()
    )
    settlement = interpreter.settle_sync("k", "PAY", event_id="one")
    assert settlement.after.configuration == ("paid",)
    assert seen == [("chart:k:one:paying.0:1", n, at) for n, at in ((1, 0), (2, 2), (3, 6))]


# --- waits ----------------------------------------------------------------------------------


@given(
    st.floats(0, 1e6),
    st.floats(1, 1000),
    st.integers(1, MAX_ATTEMPTS),
    st.floats(0, 1),
    st.integers(0, 99),
    st.text(max_size=9),
)
def test_a_wait_is_the_same_every_time_and_within_its_bounds(
    seconds: float, factor: float, number: int, jitter: float, seed: int, call: str
) -> None:
    """Jitter takes away at most its share; no wait is beyond 31 years."""
    retry = Retry(number + 1, seconds, factor, jitter=jitter, seed=seed)
    *_, most = longest_waits(retry)
    wait = wait_before(retry, number, call)
    assert wait == wait_before(retry, number, call)
    assert most * (1 - jitter) - 1e-6 <= wait <= most + 1e-6 <= 1e9 + 1e-6


def test_chance_differs_by_seed_and_call() -> None:
    """Many instances do not call a service that was down all at once."""
    retry = Retry(seconds=10, jitter=1)
    waits = {wait_before(retry, 1, f"call {number}") for number in range(100)}
    assert len(waits) == 100
    assert min(waits) < 1 < 9 < max(waits)
    assert wait_before(retry, 1, "a") != wait_before(Retry(seconds=10, jitter=1, seed=1), 1, "a")


# --- the chart ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "retry",
    [
        4,
        {"attempts": 2, "errors": ["Busy", "OSError"], "jitter": 0.5, "seed": 3},
        [{"seconds": 0}, {"max_seconds": 9, "factor": 1}],
    ],
)
def test_a_retry_is_written_as_it_is_read(retry: Any) -> None:
    """Whatever short form it had."""
    chart = shop(retry)
    assert Chart.from_dict(chart.to_dict()) == chart


@pytest.mark.parametrize(
    ("retry", "problem"),
    [
        (0, "attempts is 0; a whole number from 1 to 1000 is needed"),
        (True, "is True; a number of attempts or a mapping is needed"),
        ("3", "is '3'; a number of attempts or a mapping is needed"),
        ({"attempts": 1.5}, "attempts is 1.5; a whole number from 1 to 1000 is needed"),
        ({"seconds": -1}, "seconds is -1; a number from 0 to 1e+09 is needed"),
        ({"factor": 0.5}, "factor is 0.5; a number from 1 to 1000 is needed"),
        ({"jitter": float("nan")}, "jitter is nan; a number from 0 to 1 is needed"),
        ({"seed": "x"}, "seed is 'x'; a whole number from 0 to 9007199254740991 is needed"),
        ({"errors": [5]}, "the error 5 is of type int; a name is text"),
        ({"attemps": 3}, "unknown key 'attemps'; did you mean 'attempts'?"),
    ],
)
def test_what_no_retry_may_say_is_named(retry: Any, problem: str) -> None:
    """The place, the fact, and what is possible."""
    with pytest.raises(DefinitionError) as caught:
        shop(retry)
    (found,) = caught.value.problems
    assert str(found) == f"state 'paying' invoke[0] retry: {problem}"


def test_retries_that_wait_beyond_the_deadline_are_named_by_the_check() -> None:
    """One event has to come to rest within it."""
    report = shop({"attempts": 9, "seconds": 5}).check()
    (finding,) = report.findings
    assert (finding.code, report.verdict) == ("SET208", Verdict.UNDETERMINED)
    assert "wait for 1275 s" in finding.message
    assert shop(3).check().verdict is Verdict.PROVED
