"""State machines of Step Functions become charts."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim import (
    Interpreter,
    MemoryStore,
    Settling,
    SimulatedClock,
    import_chart,
    read_chart,
)
from settlesim.errors import DefinitionError, ServiceFailedError
from tests.formats.lines import edge_lines, state_lines

CHARGE = "arn:aws:lambda:eu-west-1:123456789012:function:charge"


def machine(**states: Any) -> dict[str, Any]:
    """Return a state machine that starts at the first state."""
    return {"StartAt": next(iter(states)), "States": states}


def _edges(**states: Any) -> list[str]:
    return edge_lines(import_chart(machine(**states)).chart)


def test_a_task_runs_a_service_and_goes_on() -> None:
    """Its function is the service, its Catch what follows a failure."""
    found = import_chart(
        machine(
            Pay={
                "Type": "Task",
                "Resource": CHARGE,
                "TimeoutSeconds": 5,
                "Parameters": {"currency": "EUR"},
                "Next": "Done",
                "Catch": [
                    {"ErrorEquals": ["Declined", "States.Timeout"], "Next": "Failed"},
                    {"ErrorEquals": ["States.ALL"], "Next": "Done"},
                ],
            },
            Done={"Type": "Succeed"},
            Failed={"Type": "Fail", "Error": "no", "Cause": "money"},
        )
    )
    assert edge_lines(found.chart) == [
        "Pay -done.invoke.Pay.0-> Done",
        "Pay -error.invoke.Pay.0[Error(Declined)]-> Failed",
        "Pay -error.invoke.Pay.0[Error(TimeoutError)]-> Failed",
        "Pay -error.invoke.Pay.0-> Done",
    ]
    (service,) = found.chart.node("Pay").invoke
    assert (service.src, service.timeout, service.input) == ("charge", 5.0, {"currency": "EUR"})
    assert found.chart.node("Failed").tags == ("reject",)
    assert found.chart.on_reject == "persist"
    assert {loss.kind: len(loss.places) for loss in found.losses} == {"data path": 2}


@pytest.mark.parametrize(
    ("resource", "parameters", "name"),
    [
        (CHARGE, None, "charge"),
        ("arn:aws:states:::sqs:sendMessage", None, "sqs:sendMessage"),
        ("arn:aws:states:::aws-sdk:s3:getObject", None, "s3:getObject"),
        ("arn:aws:states:::lambda:invoke", {"FunctionName": CHARGE}, "charge"),
        ("arn:aws:states:::lambda:invoke.waitForTaskToken", {"FunctionName": "f"}, "f"),
        ("arn:aws:states:eu-west-1:1:activity:hand", None, "activity:hand"),
        ("whatever", None, "whatever"),
    ],
)
def test_a_service_is_called_as_its_resource(resource: str, parameters: Any, name: str) -> None:
    """Without what only says where it runs."""
    state = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    chart = import_chart(machine(A=state)).chart
    assert chart.node("A").invoke[0].src == name


def test_retries_are_carried_over() -> None:
    """A chart counts the first call too, and calls a time-out by its type in Python."""
    state = {
        "Type": "Task",
        "Resource": CHARGE,
        "End": True,
        "Retry": [
            {"ErrorEquals": ["Busy", "States.Timeout"], "IntervalSeconds": 3, "MaxAttempts": 2},
            {"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL", "MaxDelaySeconds": 60},
        ],
    }
    found = import_chart(machine(A=state))
    first, other = found.chart.node("A").invoke[0].retry
    assert (first.attempts, first.seconds, first.factor) == (3, 3, 2)
    assert (other.attempts, other.seconds, other.factor) == (4, 1, 2)
    assert first.errors == ("Busy", "TimeoutError")
    assert (other.jitter, other.max_seconds, other.errors) == (1, 60, ())
    assert found.left_out == ()
    state["Retry"] = [{"ErrorEquals": ["Busy"], "BackoffRate": 0}]
    with pytest.raises(DefinitionError, match="A Retry BackoffRate: is 0; a number in"):
        import_chart(machine(A=state))


BUSY = {"ErrorEquals": ["Busy"], "MaxAttempts": 1}
FAILED = {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2}
LATE = {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 4}
ANY = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 5}


@pytest.mark.parametrize(
    ("retriers", "calls"),
    [
        ([FAILED], {"Busy": 3, "Other": 3, "Late": 1}),
        ([BUSY, FAILED], {"Busy": 2, "Other": 3, "Late": 1}),
        ([FAILED, BUSY], {"Busy": 3, "Other": 3, "Late": 1}),
        ([FAILED, LATE], {"Busy": 3, "Other": 3, "Late": 5}),
        ([LATE, FAILED], {"Busy": 3, "Other": 3, "Late": 5}),
        ([FAILED, BUSY, ANY], {"Busy": 3, "Other": 3, "Late": 6}),
        ([{**FAILED, "ErrorEquals": ["States.TaskFailed", "States.Timeout"]}, ANY],
         {"Busy": 3, "Other": 3, "Late": 3}),
        ([{**FAILED, "ErrorEquals": ["Busy", "States.TaskFailed"]}, ANY],
         {"Busy": 3, "Other": 3, "Late": 6}),
        ([{**BUSY, "MaxAttempts": 0}, ANY], {"Busy": 1, "Other": 6, "Late": 6}),
    ],
)  # fmt: skip
def test_the_first_retrier_that_names_an_error_decides(
    retriers: list[dict[str, Any]], calls: dict[str, int]
) -> None:
    """States.TaskFailed names every error but a time-out."""
    pay = {"Type": "Task", "Resource": "pay", "End": True, "Retry": retriers}
    found = import_chart(machine(Pay=pay))
    assert found.left_out == ()
    for name, number in calls.items():
        settling = Settling(found.chart, None, None)
        error = type(name, (Exception,), {})()
        for _ in range(number - 1):
            settling.failed("Pay.0", error, timeout=name == "Late")
            settling.elapsed("Pay.0.retry")
        with pytest.raises(ServiceFailedError):
            settling.failed("Pay.0", error, timeout=name == "Late")


def test_a_catch_by_type_needs_no_function() -> None:
    """A time-out is called by its type in Python, and no failure of a task."""
    catch = [
        {"ErrorEquals": ["Declined"], "Next": "Refused"},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "Failed"},
        {"ErrorEquals": ["States.ALL"], "Next": "Late"},
    ]
    ends = {name: {"Type": "Succeed"} for name in ("Refused", "Failed", "Late")}
    pay = {"Type": "Task", "Resource": CHARGE, "End": True, "Catch": catch}
    chart = import_chart(machine(Pay=pay, **ends)).chart
    assert edge_lines(chart)[1:] == [
        "Pay -error.invoke.Pay.0[Error(Declined)]-> Refused",
        "Pay -error.invoke.Pay.0[not Error(TimeoutError)]-> Failed",
        "Pay -error.invoke.Pay.0-> Late",
    ]
    assert set(chart.roles) == {"charge"}
    declined = type("Declined", (Exception,), {})
    for error, end in [(declined(), "Refused"), (OSError(), "Failed"), (TimeoutError(), "Late")]:
        settling = Settling(chart, None, None)
        settling.failed("Pay.0", error)
        assert settling.configuration == (end,)


def test_end_leads_to_a_final_state() -> None:
    """Which Step Functions has no name for; one that is called so keeps its name."""
    found = import_chart(
        machine(End={"Type": "Pass", "End": True}, B={"Type": "Task", "Resource": "r", "End": True})
    )
    assert edge_lines(found.chart) == ["End --> End_", "B -done.invoke.B.0-> End_"]
    assert state_lines(found.chart) == ["End", "B", "End_ final"]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ({"Variable": "$.n", "NumericGreaterThan": 5}, ["A -[$.n > 5]-> B"]),
        ({"Variable": "$.s", "StringEquals": "x"}, ['A -[$.s == "x"]-> B']),
        ({"Variable": "$.s", "StringMatches": "x*"}, ['A -[$.s matches "x*"]-> B']),
        ({"Variable": "$.a", "NumericLessThanEqualsPath": "$.b"}, ["A -[$.a <= $.b]-> B"]),
        ({"Variable": "$.b", "BooleanEquals": True}, ["A -[$.b == true]-> B"]),
        ({"Variable": "$.b", "IsPresent": False}, ["A -[not $.b is present]-> B"]),
        ({"Condition": "{% $n > 5 %}"}, ["A -[$n > 5]-> B"]),
        (
            {"Not": {"Variable": "$.n", "NumericLessThan": 1}},
            ["A -[not $.n < 1]-> B"],
        ),
        (
            {"Or": [{"Variable": "$.a", "IsNull": True}, {"Variable": "$.b", "IsNull": True}]},
            ["A -[$.a is null]-> B", "A -[$.b is null]-> B"],
        ),
        (
            {"And": [{"Variable": "$.a", "IsNull": True}, {"Variable": "$.b", "IsNull": True}]},
            ["A -[$.a is null and $.b is null]-> B"],
        ),
    ],
)
def test_a_choice_asks_guards_that_are_called_as_they_read(
    rule: dict[str, Any], lines: list[str]
) -> None:
    """Joined ones are spelled out; Default comes last."""
    choice = {"Type": "Choice", "Choices": [{**rule, "Next": "B"}], "Default": "C"}
    ends = {"B": {"Type": "Succeed"}, "C": {"Type": "Succeed"}}
    assert _edges(A=choice, **ends) == [*lines, "A --> C"]


def test_a_wait_is_a_delay() -> None:
    """Of seconds; one that is computed is named, and can be given."""
    record = machine(
        A={"Type": "Wait", "Seconds": 10, "Next": "B"},
        B={"Type": "Wait", "TimestampPath": "$.t", "End": True},
    )
    found = import_chart(record)
    assert [node.after[0].seconds for node in found.chart.states if node.after] == [10, 1]
    assert [loss.kind for loss in found.losses] == ["named delay"]
    given = import_chart(record, delays={"B": 60})
    assert (given.chart.node("B").after[0].seconds, given.losses) == (60, ())


def test_branches_are_regions() -> None:
    """The next state follows when all have ended."""
    found = import_chart(
        machine(
            Both={
                "Type": "Parallel",
                "Branches": [
                    machine(L={"Type": "Task", "Resource": "l", "End": True}),
                    machine(R={"Type": "Wait", "Seconds": 1, "End": True}),
                ],
                "Next": "Done",
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
            },
            Done={"Type": "Succeed"},
        )
    )
    assert state_lines(found.chart) == [
        "Both parallel",
        "Both.Branch 1 compound -> Both.Branch 1.L",
        "Both.Branch 1.L",
        "Both.Branch 1.End final",
        "Both.Branch 2 compound -> Both.Branch 2.R",
        "Both.Branch 2.R",
        "Both.Branch 2.End final",
        "Done final",
    ]
    assert "Both -done.state.Both-> Done" in edge_lines(found.chart)
    assert "Both.Branch 1.L -error.invoke.Both.Branch 1.L.0-> Done" in edge_lines(found.chart)
    assert found.losses == ()


def test_what_step_functions_does_with_data_is_named() -> None:
    """And a Map is one service."""
    found = import_chart(
        machine(
            A={
                "Type": "Task",
                "Resource": "r",
                "Parameters": {"x.$": "$.x"},
                "ResultPath": "$.y",
                "HeartbeatSeconds": 5,
                "Next": "B",
            },
            B={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {}, "Next": "C"},
            C={"Type": "Pass", "Result": {"n": 1}, "End": True, "Comment": "c"},
        )
    )
    assert {loss.kind: len(loss.places) for loss in found.losses} == {
        "data path": 3,
        "input": 1,
        "service detail": 1,
        "map": 1,
        "description": 1,
    }
    assert found.chart.node("B").invoke[0].src == "B"


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({"A": {"Type": "Pass", "Next": "X"}}, "A Next: unknown state 'X'"),
        ({"A": {"Type": "Pass"}}, 'A: has neither Next nor "End": true'),
        ({"A": {"Type": "Choice"}}, "A: has no Choices; a list of conditions is needed"),
        ({"A": {"Type": "Taks"}}, "A Type: unknown type 'Taks'; did you mean 'Task'?"),
        ({"A": {"Type": "Task", "End": True}}, "A Resource: is None; a text is needed"),
        ({"A": {"Type": "Choice", "Choices": [{"Next": "A"}]}}, "is no condition"),
        ({"A": {"Type": "Wait", "Seconds": -1, "End": True}}, "A Seconds: is -1"),
        ({"A": {"Type": "Parallel", "Branches": [], "End": True}}, "A Branches: is []; a list"),
        ({"A": 7}, "A: is 7; an object is needed"),
    ],
)
def test_a_state_machine_that_is_wrong_is_refused_with_the_place(
    states: dict[str, Any], words: str
) -> None:
    """As any other chart is."""
    with pytest.raises(DefinitionError) as caught:
        import_chart({"StartAt": "A", "States": states})
    assert words in str(caught.value)


def test_a_start_that_is_no_name_is_refused() -> None:
    """Such as a list of names."""
    with pytest.raises(DefinitionError, match=r"StartAt: unknown state \['A'\]; known are 'A'"):
        import_chart({"StartAt": ["A"], "States": {"A": {"Type": "Succeed"}}})


def test_a_state_machine_runs() -> None:
    """It starts by itself, and ends in its final state."""

    async def charge(call: Any) -> dict[str, int]:
        return {"receipt": 7}

    chart = read_chart(
        machine(
            Pay={"Type": "Task", "Resource": CHARGE, "Next": "Rest"},
            Rest={"Type": "Wait", "Seconds": 30, "Next": "Done"},
            Done={"Type": "Succeed"},
        )
    ).bind({"charge": charge})
    interpreter = Interpreter(chart, MemoryStore(), clock=SimulatedClock())
    assert interpreter.settle_sync("k", "GO").after.configuration == ("Done",)
