"""A schedule that somebody walks: forth, back, another walk, another discipline."""

from __future__ import annotations

import random

import pytest

from settlesim.errors import ReplayDivergedError
from settlesim.sim import DISCIPLINES, Schedule, replay
from settlesim.widgets.race.walk import ScheduleWalk, translated
from tests.widgets.race.races import clicks


def walked(path: str, queue: str = "direct") -> ScheduleWalk:
    walk = ScheduleWalk(clicks(queue))
    assert walk.follow(Schedule.parse(path).steps) is None
    return walk


def test_a_way_is_the_replay_of_its_steps() -> None:
    """Frames, ending and anomalies are those that `replay` gives."""
    walk = walked("l1 l2 c1 s1 s2")
    played = replay(clicks(), "l1 l2 c1 s1 s2")
    assert walk.replay.frames == played.frames
    assert walk.ending == played.ending
    assert walk.anomalies == played.anomalies == ("lost update",)


def test_what_lies_beyond_is_kept_until_another_step_is_taken() -> None:
    """Back and forth lose nothing; the same step goes on along the path."""
    walk = walked("l1 l2 c1 s1 s2")
    walk.go(2)
    assert (walk.at, walk.last, walk.ending) == (2, 5, None)
    walk.take(Schedule.parse("c1").steps[0])
    assert (walk.at, walk.last) == (3, 5)
    walk.take(Schedule.parse("s2").steps[0])
    assert str(walk.replay.schedule) == "l1 l2 c1 s2"
    assert walk.at == walk.last == 4


@pytest.mark.parametrize(("wanted", "at"), [(-3, 0), (0, 0), (2, 2), (99, 5)])
def test_a_place_is_between_beginning_and_end(wanted: int, at: int) -> None:
    """What is too little or too much is one of them."""
    walk = walked("l1 l2 c1 s1 s2")
    walk.go(wanted)
    assert walk.at == at


def test_a_step_that_is_not_enabled_changes_nothing() -> None:
    """The error says what was possible; the walk is where it was."""
    walk = walked("r1 l1", "fifo_group")
    with pytest.raises(ReplayDivergedError, match="r2 cannot happen here; possible: c1"):
        walk.take(Schedule.parse("r2").steps[0])
    assert str(walk.shown) == "r1 l1"


def test_a_path_is_followed_as_far_as_it_goes() -> None:
    """The error names the first step that is not possible; what is before it is walked."""
    walk = ScheduleWalk(clicks())
    error = walk.follow(Schedule.parse("l1 c1 c1 s1").steps)
    assert error is not None
    assert (error.position, error.step) == (3, "c1")
    assert str(walk.shown) == "l1 c1"


@pytest.mark.parametrize("queue", [name for name in DISCIPLINES if name != "direct"])
def test_steps_of_a_serial_run_are_possible_under_every_discipline(queue: str) -> None:
    """Without a queue nothing is received or deleted; with one, everything is."""
    walk, error = walked("l1 c1 s1 l2 c2 s2").under(clicks(queue))
    assert error is None
    assert str(walk.shown) == "r1 l1 c1 s1 d1 r2 l2 c2 s2 d2"
    back, error = walk.under(clicks())
    assert error is None
    assert str(back.shown) == "l1 c1 s1 l2 c2 s2"


def test_a_race_can_not_be_had_under_fifo_group() -> None:
    """The prefix ends where the second message would be received."""
    walk, error = walked("l1 l2 c1 s1 s2").under(clicks("fifo_group"))
    assert error is not None
    assert error.step == "r2"
    assert str(walk.shown) == "r1 l1"


def test_between_two_queues_steps_stay_as_they_are() -> None:
    """Only the queue's absence changes a path."""
    steps = Schedule.parse("r1 l1 r2").steps
    assert translated(steps, "standard", "mutex") is steps
    assert translated(steps, "direct", "direct") is steps


def test_programs_are_shared_where_the_failures_are_the_same() -> None:
    """Services do not run again under another discipline."""
    walk = walked("l1")
    other, _ = walk.under(clicks("standard"))
    assert other.table is walk.table
    faults, _ = walk.under(clicks("standard", faults={"service_failures": 1}))
    assert faults.table is not walk.table


def test_every_frame_of_a_random_walk_is_that_of_the_whole_replay() -> None:
    """Stepping and replaying at once come to the same."""
    walk, dice = ScheduleWalk(clicks("standard", faults={"crashes": 1})), random.Random(7)
    while walk.frame.enabled:
        walk.take(dice.choice(walk.frame.enabled))
    assert walk.replay.frames == replay(walk.scenario, str(walk.shown)).frames
    assert walk.ending is not None
