"""``Error(type)``: a guard that holds for the failure of a service with that type."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim import (
    Chart,
    Scenario,
    Settling,
    Verdict,
    explore,
    export_chart,
    import_chart,
)
from settlesim.errors import DefinitionError, ServiceFailedError
from settlesim.formats.exporting import ExportFormat


class DeclinedError(Exception):
    """An error of a user's own."""


def shop(*on_error: dict[str, Any], semantics: str = "scxml") -> Chart:
    """Charge, and go where the error says."""
    record = {
        "name": "shop",
        "initial": "open",
        "semantics": semantics,
        "states": [
            {"name": "open", "tags": ["settled"]},
            {
                "name": "paying",
                "invoke": {"src": "charge", "on_done": "paid", "on_error": list(on_error)},
            },
            *({"name": name, "tags": ["settled"]} for name in ("paid", "refused", "late", "lost")),
        ],
        "transitions": [{"trigger": "PAY", "source": "open", "dest": "paying"}],
    }
    return Chart.from_dict(record)


BY_TYPE = (
    {"dest": "refused", "conditions": "Error(DeclinedError)"},
    {"dest": "late", "conditions": "Error(TimeoutError)"},
)


def ends(chart: Chart, error: Exception, *, timeout: bool = False) -> tuple[str, ...]:
    """Where it is after the failure."""
    settling = Settling(chart, None, "PAY")
    settling.failed(settling.pending[0].id, error, timeout=timeout)
    assert settling.settlement is not None
    return settling.settlement.after.configuration


@pytest.mark.parametrize("semantics", ["scxml", "transitions"])
def test_the_type_of_a_failure_says_where_it_leads(semantics: str) -> None:
    """No function is bound; a subclass has another name, and another type."""
    chart = shop(*BY_TYPE, {"dest": "lost"}, semantics=semantics)
    assert chart.roles == {"charge": "service"}
    chart.require("guard")
    assert ends(chart, DeclinedError("no")) == ("refused",)
    assert ends(chart, RuntimeError("x"), timeout=True) == ("late",)
    assert ends(chart, type("Other", (DeclinedError,), {})()) == ("lost",)
    with pytest.raises(ServiceFailedError):
        ends(shop(*BY_TYPE, semantics=semantics), ValueError("x"))


@pytest.mark.parametrize("semantics", ["scxml", "transitions"])
def test_a_guard_may_ask_for_all_other_errors(semantics: str) -> None:
    """By `unless`."""
    chart = shop({"dest": "lost", "unless": "Error(TimeoutError)"}, BY_TYPE[1], semantics=semantics)
    assert ends(chart, DeclinedError()) == ("lost",)
    assert ends(chart, TimeoutError()) == ("late",)


def test_an_event_that_is_no_failure_has_no_error() -> None:
    """Whatever its data says."""
    chart = Chart(
        ["a", "b"],
        [{"trigger": "GO", "source": "a", "dest": "b", "conditions": "Error(DeclinedError)"}],
        "a",
    )
    settlement = Settling(chart, None, "GO").settlement
    assert settlement is not None
    assert settlement.after.configuration == ("a",)


def test_check_wants_a_transition_for_all_other_errors() -> None:
    """Since there may be errors that nobody names."""
    assert shop(*BY_TYPE).check().verdict is Verdict.REFUTED
    assert shop(*BY_TYPE, {"dest": "lost"}).check().verdict is Verdict.PROVED


def test_the_simulator_fails_with_the_errors_of_a_scenario() -> None:
    """Each is caught by its own transition."""

    async def charge(call: Any) -> None:
        return None

    chart = shop(*BY_TYPE, {"dest": "lost"}).bind({"charge": charge})
    found = explore(
        Scenario(
            chart,
            ["PAY"],
            errors={"charge": [DeclinedError("no"), ValueError("x")]},
            faults={"service_failures": 1},
        )
    )
    ended = {leaves[0] for ending in found.endings for _, leaves, _ in ending.store}
    assert {"paid", "refused", "lost"} <= ended


def test_error_is_only_a_guard_with_a_type() -> None:
    """It changes nothing, and cannot be bound."""
    with pytest.raises(DefinitionError, match=r"is used as assign: Error\(\) is a guard"):
        shop({"dest": "lost", "assign": "Error(DeclinedError)"})
    with pytest.raises(DefinitionError, match=r"names no type of error"):
        shop({"dest": "lost", "conditions": "Error( )"})
    with pytest.raises(DefinitionError, match=r"unknown function 'Error\(DeclinedError\)'"):
        shop(*BY_TYPE).bind({"Error(DeclinedError)": lambda context, event: True})


@pytest.mark.parametrize("format_", ["settlesim", "xstate", "scxml"])
def test_error_is_kept_in_files(format_: ExportFormat) -> None:
    """By its name, in formats that have no such thing."""
    chart = shop(*BY_TYPE, {"dest": "lost"})
    made = export_chart(chart, format_)
    again = import_chart(made.text).chart
    assert [each.conditions for each in again.edges] == [each.conditions for each in chart.edges]
