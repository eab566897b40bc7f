"""Services that are retried: each attempt may have its effect."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim import Interpreter, MemoryStore, Scenario, SimulatedClock, explore
from settlesim.chart import Chart
from settlesim.sim import Faults


class BusyError(Exception):
    """The bank is busy."""


def shop(retry: Any = 3, **invoke: Any) -> Chart:
    """A chart whose service may be retried."""

    async def charge(call: Any) -> None:
        pass

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
            {"name": "refused", "tags": ["settled"]},
        ],
        [["PAY", "open", "paying"]],
        "open",
    ).bind({"charge": charge})


def endings(chart: Chart, failures: int, **more: Any) -> set[tuple[str, int]]:
    """The endings of one event: where the instance is, and how often the card was charged."""
    found = explore(
        Scenario(chart, ["PAY"], faults=Faults(service_failures=failures), **more)
    ).endings
    return {(each.label, len(each.effects)) for each in found}


@pytest.mark.parametrize("seconds", [0, 5])
def test_a_service_is_refused_only_where_every_attempt_fails(seconds: float) -> None:
    """A failure has had no effect, so a retry has the only one."""
    chart = shop({"attempts": 3, "seconds": seconds})
    assert endings(chart, 2) == {("paid", 1)}
    assert endings(chart, 3) == {("paid", 1), ("refused", 0)}
    assert endings(shop(1), 1) == {("paid", 1), ("refused", 0)}


def test_each_attempt_may_have_its_effect() -> None:
    """An attempt that was only late charges the card, and so does the next one."""
    late = {"errors": {"charge": [TimeoutError()]}}
    assert endings(shop(3), 2, **late) == {("paid", 1), ("paid", 2), ("paid", 3)}
    assert endings(shop(3), 3, **late) == {
        *((("paid", times)) for times in (1, 2, 3)),
        *((("refused", times)) for times in (0, 1, 2, 3)),
    }


def test_the_idempotency_key_is_that_of_the_first_attempt() -> None:
    """So whoever deduplicates by it charges the card once."""
    late = {"errors": {"charge": [TimeoutError()]}, "protections": {"idempotent"}}
    assert endings(shop(3), 2, **late) == {("paid", 1)}


def test_only_the_errors_that_a_retry_names_are_retried() -> None:
    """With errors said, nothing is left open."""
    chart = shop({"attempts": 2, "errors": ["BusyError"]})
    busy: dict[str, Any] = {"errors": {"charge": [BusyError()]}}
    assert ("refused", 0) in endings(chart, 1, **busy)  # it may run out of time, too
    chart = shop({"attempts": 2, "errors": ["BusyError", "TimeoutError"]})
    assert endings(chart, 1, **busy) == {("paid", 1)}


def test_which_errors_there_are_has_to_be_said_where_a_retry_asks() -> None:
    """Else nothing is proved."""
    chart = shop({"attempts": 2, "errors": ["BusyError"]})
    found = explore(Scenario(chart, ["PAY"], faults=Faults(service_failures=1)))
    assert found.verdict.name == "UNDETERMINED"
    assert "a retry of charge asks for the error" in found.gaps


@pytest.mark.parametrize("failures", range(4))
@pytest.mark.parametrize("error", [OSError("no"), TimeoutError("late")])
def test_what_the_interpreter_does_is_among_the_endings(failures: int, error: Exception) -> None:
    """With every number of attempts that fail, with or without their effect."""
    for late in (False, True):
        effects: list[str] = []

        async def charge(call: Any, *, late: bool = late, effects: list[str] = effects) -> None:
            if late or call.attempt > failures:
                effects.append("charge")
            if call.attempt <= failures:
                raise error

        chart = shop({"attempts": 3, "seconds": 2, "jitter": 1})
        interpreter = Interpreter(
            chart.bind({"charge": charge}), MemoryStore(), clock=SimulatedClock()
        )
        settlement = interpreter.settle_sync("k", "PAY", event_id="one")
        errors: dict[str, Any] = {"charge": [type(error)(), TimeoutError()]}
        expected = endings(chart, max(failures, 1), errors=errors)
        assert (settlement.after.configuration[0], len(effects)) in expected
