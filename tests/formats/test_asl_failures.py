"""Failures in the branches of a Parallel state: caught, retried, or the end of the machine."""

from __future__ import annotations

import random
from typing import Any

import pytest

from settlesim import Chart, Outcome, Settling, Verdict, import_chart
from settlesim.errors import ServiceFailedError
from tests.formats.asl_oracle import ERRORS, Execution, random_machine
from tests.formats.lines import edge_lines

Record = dict[str, Any]
DONE = {"Done": {"Type": "Succeed"}}


def _machine(**states: Any) -> Record:
    return {"StartAt": next(iter(states)), "States": states}


def _both(**more: Any) -> Record:
    """Return a machine of two tasks in branches."""
    branches = [
        _machine(**{name: {"Type": "Task", "Resource": name, "End": True}}) for name in ("L", "R")
    ]
    return _machine(
        Both={"Type": "Parallel", "Branches": branches, "Next": "Done", **more},
        Done={"Type": "Succeed"},
        Late={"Type": "Succeed"},
        Bad={"Type": "Fail"},
    )


def _fail(settling: Settling, name: str, error: str = "Busy") -> None:
    """Let a service fail that has this name or id."""
    (id_,) = (each.id for each in settling.pending if name in (each.service, each.id))
    settling.failed(id_, type(error, (Exception,), {})(), timeout=error == "States.Timeout")


def test_a_failure_in_a_branch_is_caught_by_the_parallel() -> None:
    """All branches end; the first catcher that names the error says where it goes on."""
    catch = [
        {"ErrorEquals": ["States.Timeout"], "Next": "Late"},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "Bad"},
    ]
    found = import_chart(_both(Catch=catch))
    assert found.left_out == ()
    for name, error, state in [
        ("L", "Busy", "Bad"),
        ("R", "Busy", "Bad"),
        ("R", "States.Timeout", "Late"),
    ]:
        settling = Settling(found.chart, None, None)
        _fail(settling, name, error)
        assert settling.configuration == (state,)
        assert settling.pending == ()


def test_an_error_that_nothing_names_fails_the_event() -> None:
    """As that of a task outside of branches does."""
    found = import_chart(_both(Catch=[{"ErrorEquals": ["Declined"], "Next": "Bad"}]))
    settling = Settling(found.chart, None, None)
    with pytest.raises(ServiceFailedError):
        _fail(settling, "L")


def test_a_parallel_is_run_again() -> None:
    """All of its branches, after waits that grow, as often as its Retry says; then it is caught."""
    retry = [{"ErrorEquals": ["Busy"], "MaxAttempts": 2, "IntervalSeconds": 3}]
    found = import_chart(_both(Retry=retry, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Bad"}]))
    assert found.left_out == ()
    settling = Settling(found.chart, None, None)
    waits = []
    for name in "LR":
        assert [each.service for each in settling.pending] == ["L", "R"]
        _fail(settling, name)
        assert settling.pending == ()
        (delay,) = settling.delays
        waits.append(delay.seconds)
        settling.elapsed(delay.id)
    assert waits == [3, 6]
    _fail(settling, "L")
    assert settling.configuration == ("Bad",)
    assert found.chart.check().verdict is Verdict.PROVED


def test_a_parallel_that_ends_well_was_retried_in_vain_for_nothing() -> None:
    """After a second run without a failure its Next is taken."""
    found = import_chart(_both(Retry=[{"ErrorEquals": ["States.ALL"]}]))
    settling = Settling(found.chart, None, None)
    _fail(settling, "R")
    settling.elapsed(settling.delays[0].id)
    for each in settling.pending:
        settling.done(each.id)
    assert settling.configuration == ("Done",)


def test_a_fail_in_a_branch_is_the_failure_of_the_parallel() -> None:
    """Which error it has is known; where nothing catches it the machine has failed."""
    stop = _machine(Stop={"Type": "Fail", "Error": "Busy"})
    parallel = {"Type": "Parallel", "Branches": [stop], "Next": "Done"}
    catch = [{"ErrorEquals": ["Declined"], "Next": "Done"}, {"ErrorEquals": ["Busy"], "Next": "B"}]
    caught = import_chart(_machine(P={**parallel, "Catch": catch}, B=DONE["Done"], **DONE))
    assert "P.Branch 1.Stop --> B" in edge_lines(caught.chart)
    assert Settling(caught.chart, None, None).configuration == ("B",)
    settling = Settling(import_chart(_machine(P=parallel, **DONE)).chart, None, None)
    assert settling.configuration == ("Failed",)
    assert settling.settlement is not None
    assert settling.settlement.outcome is Outcome.REJECTED


def test_a_fail_whose_error_is_in_the_data_asks_for_it() -> None:
    """By guards that are called as they read, as those of a Choice are."""
    stop = _machine(Stop={"Type": "Fail", "ErrorPath": "$.code"})
    catch = [
        {"ErrorEquals": ["Busy"], "Next": "Done"},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "B"},
    ]
    parallel = {"Type": "Parallel", "Branches": [stop], "Next": "Done", "Catch": catch}
    chart = import_chart(_machine(P=parallel, B=DONE["Done"], **DONE)).chart
    assert [line for line in edge_lines(chart) if "Stop" in line] == [
        'P.Branch 1.Stop -[$.code == "Busy"]-> Done',
        'P.Branch 1.Stop -[not $.code == "States.Timeout"]-> B',
        "P.Branch 1.Stop --> Failed",
    ]


def test_a_choice_in_a_branch_that_matches_nothing_is_caught() -> None:
    """It is an error of that state."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsNull": True, "Next": "E"}]}
    branch = _machine(C=choice, E={"Type": "Succeed"})
    catch = [{"ErrorEquals": ["States.NoChoiceMatched"], "Next": "Done"}]
    parallel = {"Type": "Parallel", "Branches": [branch], "Next": "Done", "Catch": catch}
    chart = import_chart(_machine(P=parallel, **DONE)).chart
    assert "P.Branch 1.C --> Done" in edge_lines(chart)


def test_what_cannot_be_said_of_a_retry_is_named() -> None:
    """Chance in a wait, more runs than states, and an error that no state has."""
    retry = [{"ErrorEquals": ["States.BranchFailed"], "MaxAttempts": 50, "JitterStrategy": "FULL"}]
    found = import_chart(_both(Retry=retry))
    assert [loss.kind for loss in found.losses] == ["jitter", "many retries", "branch error"]


@pytest.mark.parametrize("seed", range(30))
def test_random_machines_do_what_step_functions_does(seed: int) -> None:
    """Which services are called, how long it waits, and how it ends."""
    rng = random.Random(seed)
    for _ in range(5):
        record = random_machine(rng)
        found = import_chart(record)
        assert {loss.kind for loss in found.losses} <= {"data path"}  # the Error of the whole
        for _ in range(4):
            number = rng.random()
            assert _run_chart(found.chart, number) == _run_oracle(record, number), record


def _answers(number: float) -> Any:
    """Return what says how the next task ends: the same for the same number."""
    rng = random.Random(number)
    return lambda name: rng.choice([None, None, *ERRORS])


def _run_oracle(record: Record, number: float) -> list[str]:
    answer = _answers(number)
    execution = Execution(record)
    execution.enter(record["StartAt"])
    lines = []
    while execution.result is None:
        lines.append(execution.step(answer))
    return [*lines, execution.result]


def _run_chart(chart: Chart, number: float) -> list[str]:
    answer = _answers(number)
    order = {node.name: index for index, node in enumerate(chart.states)}
    settling = Settling(chart, None, None)
    lines: list[str] = []
    while settling.settlement is None:
        waiting = settling.pending or settling.delays
        first = min((each.id for each in waiting), key=lambda id_: order[_state_of(id_)])
        state = _state_of(first)
        if not settling.pending:
            seconds = next(each.seconds for each in settling.delays if each.id == first)
            lines.append(f"{seconds:g} s")
            settling.elapsed(first)
            continue
        name = state.rpartition(".")[2]
        error = answer(name)
        lines.append(f"{name}: {error}")
        if error is None:
            settling.done(first)
            continue
        try:
            _fail(settling, first, error)
        except ServiceFailedError:
            return [*lines, f"failed in {state.partition('.')[0]}"]
    return [*lines, _end(settling)]


def _state_of(activity: str) -> str:
    return activity.removesuffix(".retry").rpartition(".")[0]


def _end(settling: Settling) -> str:
    (leaf,) = settling.configuration
    if leaf == "Failed":  # from inside the state that the machine failed in
        return f"failed in {settling.microsteps[-1].before[0].partition('.')[0]}"
    assert settling.settlement is not None
    failed = settling.settlement.outcome is Outcome.REJECTED
    return f"{'failed' if failed else 'done'} in {leaf}"
