"""A store that is stopped at any system call, in any way, is found whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.crash.durable import STEPS, DurableProgram, Oracle
from tests.crash.enumerator import Report, enumerate_points
from tests.crash.model_files import CHANGING


def brief(state: str) -> dict[str, Any]:
    """Return what a person would say of a state."""
    tables = {name: list(table.values()) for name, table in json.loads(state).items()}
    waiting: dict[str, list[object]] = {}
    for each in tables["messages"]:
        waiting.setdefault(each["group"], []).append(
            each["body"].get("event", each["body"].get("timer"))
        )
    return {
        "instances": {each["key"]: each["revision"] for each in tables["instances"]},
        "waiting": waiting,
        "in flight": sorted(each["group"] for each in tables["messages"] if each["in_flight"]),
        "dead": [each["group"] for each in tables["dead_letters"]],
        "parked": [each["group"] for each in tables["parked"]],
        "marks": Counter(each["key"] for each in tables["marks"]),
        "timers": {each["delay"]: each["state"] for each in tables["timers"]},
        "history": [(each["key"], each["revision"]) for each in tables["settlements"]],
    }


def test_steps_do_what_they_say() -> None:
    """What the memory store holds is what is meant, written down by hand."""
    oracle = Oracle()
    after = {step.name: brief(oracle.states[number + 1]) for number, step in enumerate(STEPS)}
    assert after["settle a with all that a settlement can have"] == {
        "instances": {"a": 1},
        "waiting": {"a": ["E2"], "b": ["E1"], "poison": ["E1"], "c": ["E3"]},
        "in flight": ["b", "poison"],
        "dead": [],
        "parked": [],
        "marks": {"a": 1},
        "timers": {"after.even.0": "running", "after.even.1": "running"},
        "history": [("a", 1)],
    }
    assert after["move due timers"] == {
        "instances": {"a": 2, "b": 1},
        "waiting": {"poison": ["E2"], "a": ["after.even.0"]},
        "in flight": [],
        "dead": ["poison"],
        "parked": ["poison"],
        "marks": {"a": 2, "b": 1},
        "timers": {"after.even.0": "sent"},
        "history": [("a", 1), ("b", 1), ("a", 2)],
    }
    assert after["put the dead letter back"]["waiting"] == {"poison": ["E1", "E2"]}
    assert brief(oracle.states[-1]) == {
        "instances": {"a": 3, "d": 1},
        "waiting": {"poison": ["E2"]},
        "in flight": [],
        "dead": [],
        "parked": [],
        "marks": {"a": 3, "b": 1, "poison": 1},
        "timers": {},
        "history": [("a", 2), ("a", 3), ("poison", 0), ("d", 1)],
    }
    assert len(oracle.received[-1]) == 10


def check(report: Report, steps: int) -> None:
    """See that everything was tried, and that nothing was wrong."""
    assert not report.violations, "\n".join(map(str, report.violations[:20]))
    assert report.points["killed"] == report.points["power cut"] == report.calls + 1
    assert report.points["EIO"] >= report.points["ENOSPC"] > steps
    for kind in (
        "torn",
        "short write",
        "short write, then full",
        "no sync for a while",
        "failed sync, then killed",
    ):
        assert report.points[kind] > 0, kind
    assert report.images > report.distinct > report.calls


def test_every_crash_point_leaves_what_was_acknowledged_or_that_and_one_step(
    finding: Callable[[object], None],
) -> None:
    """Killed before or in each call, power cut with every image, each error at each call."""
    report = enumerate_points(DurableProgram(), patience=20)
    finding(report)
    check(report, len(STEPS))


def test_so_does_every_crash_point_of_the_first_steps(finding: Callable[[object], None]) -> None:
    """A part that is quickly done, for the mutants: sends, settlements and a compaction."""
    report = enumerate_points(DurableProgram("TinyStore, first steps", steps=9), patience=20)
    finding(report)
    check(report, 9)
    assert not report.refusals, "an object that nobody closed did not go on after an error"


def test_so_does_every_crash_point_of_a_store_that_compacts_all_the_time(
    finding: Callable[[object], None],
) -> None:
    """With a limit of one byte every second transaction writes a snapshot and a new journal."""
    program = DurableProgram("TinyStore that compacts all the time", steps=24, compact_bytes=1)
    report = enumerate_points(program, patience=20)
    finding(report)
    check(report, 24)


def test_the_program_makes_every_kind_of_call() -> None:
    """No call that changes a disk is left out of the program."""
    from tests.crash.enumerator import record

    moments, _ = record(DurableProgram())
    # A journal is only cut where one was torn: that the disturbed runs do.
    assert {moment.call.name for moment in moments} >= CHANGING - {"truncate"}
