"""Steps in words, why a step is not there, and what an ending is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from settlesim.errors import ReplayDivergedError
from settlesim.gallery import counter, order
from settlesim.sim import DISCIPLINES, Kind, Scenario, Schedule
from settlesim.sim.step_words import message_names
from settlesim.widgets.race.walk import ScheduleWalk
from settlesim.widgets.race.words import absent, blocked, budgets, judged, step_words
from tests.widgets.race.races import clicks, ended_walk, random_walk, scenarios


def at(scenario: Scenario, path: str) -> ScheduleWalk:
    walk = ScheduleWalk(scenario)
    assert walk.follow(Schedule.parse(path).steps) is None
    return walk


def words(walk: ScheduleWalk) -> list[str]:
    return [f"{step.name} {step_words(walk.frame, step)}" for step in walk.frame.enabled]


def why(walk: ScheduleWalk, message: int) -> str:
    return blocked(walk.scenario, walk.frame, message, message_names(walk.scenario))


# --- steps --------------------------------------------------------------------------------


def test_steps_are_named_as_things_to_do() -> None:
    """Service, worker and what would be saved are in the words."""
    scenario = clicks("standard", faults={"crashes": 1, "service_failures": 1})
    assert words(at(scenario, "")) == ["r1 receive", "r2 receive"]
    assert words(at(scenario, "r1 l1 r2 l2 c1")) == [
        "s1 save paid",
        "k1 worker 1 crashes",
        "s2 save cancelled",
        "k2 worker 2 crashes",
    ]
    assert words(at(scenario, "r1 l1"))[1:3] == [
        "c1 charge_card comes back",
        "f1 charge_card fails",
    ]


def test_a_message_that_comes_back_is_received_again() -> None:
    """The words say so, and the step has the number of the delivery."""
    scenario = clicks("standard", faults={"crashes": 1})
    assert "r1.2 receive again" in words(at(scenario, "r1 k1"))


def test_every_step_of_every_walk_has_words_without_placeholders() -> None:
    """Whatever a scenario can do has a name."""
    for scenario in scenarios():
        for walk in random_walk(scenario, 3):
            for each in words(walk):
                assert "{" not in each
                assert len(each.split(" ", 1)[1]) > 3


def test_a_service_with_braces_in_its_name_stays_what_it_is() -> None:
    """No name is read as a placeholder."""

    async def service(call: object) -> None:
        """Do nothing."""

    from settlesim import Chart

    states: list[Any] = [
        {"name": "a", "tags": ["settled"]},
        {"name": "b", "invoke": {"src": "{lane}{inside}", "on_done": "a"}},
    ]
    chart = Chart(states, [["GO", "a", "b"]], "a", name="braces").bind({"{lane}{inside}": service})
    assert words(at(Scenario(chart, ["GO"]), "r1 l1")) == ["c1 {lane}{inside} comes back"]


# --- why not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "path", "reason"),
    [
        ("fifo_group", "", "blocked: 1 PAY is older, and the group order-1 hands out in order"),
        ("fifo_group", "r1", "blocked: the group order-1 has a message in flight, 1 PAY"),
        ("fifo_global", "r1", "blocked: the queue has a message in flight, 1 PAY"),
        ("fifo_dispatch", "", "blocked: 1 PAY is older, and the queue hands out in order"),
        ("fifo_dispatch", "r1", ""),
        ("mutex", "r1", "blocked: 1 PAY holds the lock of order-1"),
        ("mutex", "", ""),
        ("standard", "r1", ""),
        ("direct", "l1", ""),
    ],
)
def test_a_message_that_waits_says_for_what(queue: str, path: str, reason: str) -> None:
    """The rule of the discipline, with the message that is in the walk."""
    assert why(at(clicks(queue), path), 2) == reason


def test_no_free_worker_is_a_reason_as_well() -> None:
    """A standard queue waits for hands only."""
    assert why(at(clicks("standard", workers=1), "r1"), 2) == "no free hands: the worker is busy"
    three = Scenario(counter(), ["INC", "INC", "INC"])
    assert why(at(three, "r1 r2"), 3) == "no free hands: all 2 workers are busy"


def test_a_reason_is_there_exactly_where_the_step_is_not() -> None:
    """In every discipline, at every place of many walks: a button or a reason, never both."""
    seen = set()
    for scenario in scenarios():
        for seed in range(2):
            for walk in random_walk(scenario, seed):
                for each in walk.frame.messages:
                    begins = {Kind.LOAD if scenario.queue == "direct" else Kind.RECEIVE}
                    enabled = any(
                        step.message == each.message
                        and step.kind in begins
                        and step.delivery == each.receives + 1
                        for step in walk.frame.enabled
                    )
                    reason = why(walk, each.message)
                    waits = each.status == "visible"
                    assert bool(reason) == (waits and not enabled)
                    assert reason != "blocked"
                    seen.add(reason.split(",")[0])
    assert len(seen) > 6


def test_a_step_that_is_not_there_says_why() -> None:
    """The reason of the queue, or what is possible, or that all is over."""
    walk = at(clicks("fifo_group"), "r1")
    names = message_names(walk.scenario)
    error = ReplayDivergedError(position=2, step="r2", enabled=["l1"])
    assert absent(walk, error, names).startswith("r2 is not there: blocked: the group order-1")
    error = ReplayDivergedError(position=2, step="s1", enabled=["l1"])
    assert absent(walk, error, names) == "s1 is not there; possible: l1"
    error = ReplayDivergedError(position=2, step="s9", enabled=[])
    assert absent(walk, error, names) == "s9 is not there: nothing more can happen"


# --- faults -------------------------------------------------------------------------------


def test_a_budget_says_what_is_left_and_why_not_now() -> None:
    """Before anybody works, nobody can crash; after the last crash, none is left."""
    scenario = clicks("standard", faults={"crashes": 1, "service_failures": 2})
    crashes, failures = budgets(at(scenario, ""))
    assert crashes == {
        "name": "crash", "left": 1, "whole": 1, "why": "nobody is at work who could crash",
    }  # fmt: skip
    assert failures["why"] == "no service runs that could fail"
    crashes, failures = budgets(at(scenario, "r1 l1"))
    assert crashes["why"] == failures["why"] == ""
    crashes, failures = budgets(at(scenario, "r1 l1 f1 k1"))
    assert (crashes["left"], crashes["why"]) == (0, "used up")
    assert (failures["left"], failures["whole"]) == (1, 2)


def test_a_fault_has_a_button_or_a_reason() -> None:
    """At every place of many walks."""
    letters = {"crash": "k", "time-out of a receipt": "e", "duplicate": "u"}
    for scenario in scenarios():
        for walk in random_walk(scenario, 5):
            for each in budgets(walk):
                wanted = letters.get(each["name"], "ft")
                there = any(step.kind.value in wanted for step in walk.frame.enabled)
                assert there == (each["why"] == "")


# --- verdicts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sort", "word"),
    [
        ("", "open", "it goes on"),
        ("l1 c1 s1 l2 c2 s2", "right", "as FIFO"),
        ("l2 s2 l1 i1", "serial", "not in arrival order"),
        ("l1 l2 c1 s1 s2", "wrong", "forbidden: lost update"),
    ],
)
def test_the_end_is_judged(path: str, sort: str, word: str) -> None:
    """As FIFO, not in arrival order, or forbidden with the names of what went wrong."""
    found = judged(at(clicks(), path))
    assert (found["sort"], found["word"]) == (sort, word)


def test_anomalies_show_before_the_end() -> None:
    """While it goes on, the line says what has gone wrong so far."""
    assert judged(at(clicks(), "l1 l2 s2 c1"))["text"] == "so far: stale read"


def test_orders_that_are_too_many_are_not_claimed() -> None:
    """Where serializability was not worked out, the line says that it is not known."""
    walk = at(clicks(), "l1 l2 c1 s1 s2")
    assert walk.replay.ending is not None
    ending = replace(walk.replay.ending, serializable=None)
    walk.replay = replace(walk.replay, ending=ending)
    assert judged(walk)["sort"] == "unknown"


def test_every_walk_ends_with_a_verdict() -> None:
    """Whatever one presses, the end is judged; FIFO per key without faults is always right."""
    for scenario in scenarios():
        for seed in range(2):
            found = judged(ended_walk(scenario, seed))
            assert found["sort"] != "open"
            if scenario.queue in {"fifo_group", "fifo_global"} and not any(scenario.faults):
                assert found["word"] == "as FIFO"


def test_disciplines_all_have_a_walk() -> None:
    """The walks above leave no discipline out."""
    assert {each.queue for each in scenarios()} == set(DISCIPLINES)
    assert any(each.chart is order for each in scenarios())
