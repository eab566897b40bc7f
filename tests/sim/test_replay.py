"""Schedules as text, replays, sentences, tests that are written, and random walks."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim import Chart
from settlesim.errors import ReplayDivergedError, SimulationError
from settlesim.gallery import append_log, counter, order
from settlesim.sim import (
    MONITORS,
    Kind,
    Scenario,
    Schedule,
    Step,
    effect,
    explore,
    in_state,
    never,
    random_walk,
    replay,
    sample,
)
from settlesim.sim.model import table_for
from settlesim.sim.pytest_text import to_pytest

PAIR = Scenario(order, ["PAY", "CANCEL"])
LOST = "r1 l1 c1 r2 l2 s2 d2 s1 d1"

numbers = st.integers(1, 9_999)
steps = st.builds(Step, st.sampled_from(Kind), numbers, numbers, numbers)


@given(st.lists(steps, max_size=20).map(tuple))
def test_a_schedule_reads_as_it_is_written(steps: tuple[Step, ...]) -> None:
    """`parse` and `str` are each other's inverse."""
    schedule = Schedule(steps)
    assert Schedule.parse(str(schedule)) == schedule
    assert len(schedule) == len(list(schedule)) == len(steps)


@pytest.mark.parametrize("text", ["z1", "r0", "r", "1r", "r1.0", "r1:0", "R1", "r1,l1", "r\u0661"])
def test_what_is_no_step_is_refused(text: str) -> None:
    """With its place."""
    with pytest.raises(SimulationError, match="step 2 of the schedule"):
        Schedule.parse(f"r1 {text}")


def test_a_schedule_is_text() -> None:
    """Anything else is refused."""
    with pytest.raises(SimulationError):
        Schedule.parse(3)  # type: ignore[arg-type]
    for steps in (["r1"], 3, None):
        with pytest.raises(SimulationError, match="schedule: is"):
            replay(PAIR, steps)  # type: ignore[arg-type]


def test_a_replay_shows_what_is_there_after_each_step() -> None:
    """Lanes, receipts, revisions, effects, and what may come next."""
    played = replay(PAIR, LOST)
    assert len(played.frames) == len(played.schedule) + 1
    first, loaded = played.frames[0], played.frames[5]
    assert first.step is None
    assert [step.name for step in first.enabled] == ["r1", "r2"]
    assert [(each.message, each.lane, each.loaded, each.owner) for each in loaded.deliveries] == [
        (1, 1, 0, True),
        (2, 2, 0, True),
    ]
    assert [each.status for each in loaded.messages] == ["in flight", "in flight"]
    assert loaded.effects == (("order-1", "charge_card", 1),)
    last = played.frames[-1]
    assert last.enabled == ()
    assert (last.store[0].configuration, last.store[0].revision) == (("paid",), 2)
    assert played.frames[3].deliveries[0].service is None
    assert played.frames[2].deliveries[0].service == "charge_card"


def test_a_replay_names_the_anomalies_and_tells_what_happened() -> None:
    """In the frame of the step that brings them, and in a sentence."""
    played = replay(PAIR, LOST)
    assert played.frames[8].anomalies == ("lost update", "reordering")
    assert "PAY and CANCEL were handled concurrently" in played.sentence
    assert (
        "PAY, which had loaded new, overwrote cancelled (revision 1) with paid" in played.sentence
    )
    assert played.ending is not None
    assert played.ending.label == "paid"


@pytest.mark.parametrize("queue", ["direct", "standard", "mutex", "fifo_dispatch"])
def test_counterexamples_replay(queue: str) -> None:
    """A counterexample ends wrong, for every discipline without order."""
    found = explore(Scenario(order, ["PAY", "SHIP"], queue=queue))
    assert found.counterexample is not None
    ending = replay(found.scenario, found.counterexample).ending
    assert ending is not None
    assert not ending.fifo


def test_a_schedule_that_does_not_fit_is_told_where_and_what_was_possible() -> None:
    """The error carries the place, the step and the steps that were enabled."""
    with pytest.raises(ReplayDivergedError) as caught:
        replay(PAIR, "r1 l1 s1")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.position, error.step, error.enabled) == (3, "s1", ("r2", "c1"))
    with pytest.raises(ReplayDivergedError, match="nothing more can happen"):
        replay(PAIR, f"{LOST} r1")


def test_a_replay_may_stop_on_the_way() -> None:
    """Then there is no ending yet."""
    played = replay(PAIR, "r1 l1")
    assert played.ending is None
    assert played.sentence == "It goes on."


ANOMALIES: list[tuple[str, dict[str, Any], str]] = [
    ("lost update", {}, LOST),
    ("stale read", {"events": ["SHIP", "PAY"]}, "r1 l1 r2 l2 c2 s2 d2 i1 d1"),
    ("reordering", {"events": ["PAY", "SHIP"]}, "r2 l2 i2 d2 r1 l1 c1 s1 d1"),
    ("ignored out of order", {"events": ["PAY", "SHIP"]}, "r2 l2 i2 d2"),
    (
        "duplicate effect",
        {"events": ["PAY"], "faults": {"crashes": 1}},
        "r1 l1 c1 k1 r1.2 l1.2 c1.2",
    ),
    (
        "duplicate apply",
        {"chart": counter(), "events": ["INC"], "faults": {"crashes": 1}},
        "r1 l1 c1 s1 k1 r1.2 l1.2 c1.2 s1.2",
    ),
    (
        "zombie write",
        {"events": ["PAY"], "faults": {"expiries": 1}},
        "r1 l1 c1 e1 r1.2 s1",
    ),
    (
        "gap after dead letter",
        {"events": ["PAY", "SHIP"], "faults": {"crashes": 1}, "max_receives": 1},
        "r1 k1 r2 l2 i2",
    ),
    (
        "head-of-line blocking",
        {"queue": "fifo_group", "faults": {"crashes": 1}},
        "r1 k1 r1.2",
    ),
]


@pytest.mark.parametrize(("name", "parts", "schedule"), ANOMALIES, ids=lambda each: str(each)[:25])
def test_each_anomaly_is_named_by_the_step_that_brings_it(
    name: str, parts: dict[str, Any], schedule: str
) -> None:
    """The last step of each schedule, or one before it."""
    scenario = Scenario(**{"chart": order, "events": ["PAY", "CANCEL"], **parts})
    assert name in replay(scenario, schedule).anomalies
    assert MONITORS[name].source


def test_good_schedules_have_no_anomalies() -> None:
    """One after another, in arrival order."""
    scenario = Scenario(order, ["PAY", "SHIP"], queue="fifo_group")
    played = replay(scenario, "r1 l1 c1 s1 d1 r2 l2 c2 s2 d2")
    assert played.anomalies == ()
    assert played.ending is not None
    assert played.ending.fifo


def test_only_settled_states_are_ever_loaded() -> None:
    """The monitor for dirty reads never sees one: nothing else is saved."""
    scenario = Scenario(
        order, ["PAY", "SHIP"], monitors=["dirty read"], faults={"crashes": 1, "expiries": 1}
    )
    bare = scenario.replace(monitors=())
    assert explore(scenario).states == explore(bare).states


@pytest.mark.parametrize("name", MONITORS)
def test_a_monitor_changes_no_ending_and_no_count(name: str) -> None:
    """It watches, and may make states more."""
    scenario = Scenario(order, ["PAY", "SHIP"], faults={"crashes": 1}, max_receives=2)
    bare, watched = explore(scenario), explore(scenario.replace(monitors=[name]))
    assert watched.endings == bare.endings
    assert watched.states >= bare.states


# --- tests that are written ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "chart"),
    [
        (PAIR, "settlesim.gallery:order"),
        (
            Scenario(
                order,
                [("a", "PAY", {"card": "gold"}), ("a", "SHIP")],
                faults={"crashes": 1},
                protections=["cas"],
                max_receives=2,
                start="new",
            ),
            "settlesim.gallery:order",
        ),
        (Scenario(append_log(2), ["E1", "E2"]), "settlesim.gallery:append_log(2)"),
    ],
)
def test_the_written_test_runs(scenario: Scenario, chart: str, tmp_path: Path) -> None:
    """It replays the schedule and asserts the ending, and it fails where that changes."""
    found = explore(scenario)
    assert found.counterexample is not None
    source = to_pytest(scenario, found.counterexample, chart)
    _run(source)
    with pytest.raises(AssertionError):
        _run(source.replace("ending.fifo is False", "ending.fifo is True"))


def _run(source: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(source, "written", "exec"), names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test()


def test_a_test_is_written_only_of_a_whole_schedule() -> None:
    """And only for a chart that can be imported."""
    with pytest.raises(SimulationError, match="r2 may follow"):
        to_pytest(PAIR, "r1", "settlesim.gallery:order")
    with pytest.raises(SimulationError, match=r"package\.module:name"):
        to_pytest(PAIR, LOST, "import os; order")


@pytest.mark.parametrize("event", ["a\u00b2", "\u96fb\u8a71", "x-y z", "class", "\u0663", "__"])
def test_the_name_of_the_written_test_is_an_identifier(event: str) -> None:
    """Whatever the event is called."""
    chart = Chart([{"name": "a", "tags": ["settled"]}], [[event, "a", None]], "a")
    source = to_pytest(Scenario(chart, [event]), "r1 l1 s1 d1", "some.module:chart")
    (name,) = re.findall(r"^def (.*)\(\) -> None:$", source, flags=re.MULTILINE)
    assert name.isidentifier()
    assert name.isascii()
    compile(source, "written", "exec")


@pytest.mark.parametrize(
    "place",
    ["a..b:c", ".a:c", "a.:c", "1a:c", "a:2c", "class:c", "a.import:c", "a:def", "\u00b2:c"],
)
def test_a_place_that_can_not_be_imported_is_refused(place: str) -> None:
    """The written test has to be Python."""
    with pytest.raises(SimulationError, match=r"package\.module:name"):
        to_pytest(PAIR, LOST, place)


# --- random walks -------------------------------------------------------------------------


def test_the_same_seed_walks_the_same_way() -> None:
    """And another seed another."""
    assert random_walk(PAIR, seed=1).schedule == random_walk(PAIR, seed=1).schedule
    assert len({str(random_walk(PAIR, seed=seed).schedule) for seed in range(20)}) > 3
    one, two = sample(PAIR, 200, seed=5), sample(PAIR, 200, seed=5)
    assert one.endings == two.endings


def test_a_sample_finds_endings_that_exploring_finds() -> None:
    """Its shares add up to one."""
    found = {str((each.store, each.effects)) for each in explore(PAIR).endings}
    taken = sample(PAIR, 300, seed=0)
    assert {str((each.store, each.effects)) for each in taken.endings} == found
    assert sum(each.probability for each in taken.endings) == 1
    assert sum(each.interleavings for each in taken.endings) == taken.runs == 300


@pytest.mark.parametrize(("runs", "seed"), [(0, 1), (True, 1), (10, "x"), (10, None)])
def test_a_sample_needs_a_number_of_runs_and_a_seed(runs: Any, seed: Any) -> None:
    """Nothing here throws dice of its own."""
    with pytest.raises(SimulationError):
        sample(PAIR, runs, seed)


@pytest.mark.parametrize(
    ("number", "known"), [(3, True), pytest.param(7, False, marks=pytest.mark.nightly), (30, False)]
)
def test_a_sample_looks_at_few_serial_orders(number: int, known: bool) -> None:
    """Whether an ending is serializable is not known where there are too many; the note says so."""
    events = [f"E{index}" for index in range(1, number + 1)]
    taken = sample(Scenario(append_log(number), events), runs=5, seed=1)
    assert all((each.serializable is not None) is known for each in taken.endings)
    assert ("more than 2000 serial situations" in taken.note) is not known


def test_how_far_an_ending_is_judged_can_be_chosen() -> None:
    """Beyond it nothing is claimed; arrival order is compared all the same."""
    scenario = Scenario(append_log(3, 0), ["E1", "E2", "E3"], queue="mutex")
    path = "r2 l2 s2 d2 r1 l1 s1 d1 r3 l3 s3 d3"
    for judge, serializable in ((None, True), (16, True), (15, None)):
        ending = replay(scenario, path, judge=judge).ending
        assert ending is not None
        assert (ending.fifo, ending.serializable) == (False, serializable)


def test_replays_may_share_the_programs_of_their_chart() -> None:
    """What is worked out for one is there for the next."""
    scenario = Scenario(order, ["PAY", "CANCEL"])
    table = table_for(scenario)
    path = "r1 l1 r2 l2 c1 s1 d1 s2 d2"
    alone = replay(scenario, path)
    assert replay(scenario, path, table=table).frames == alone.frames
    assert replay(scenario, path, table=table).frames == alone.frames


def test_a_test_without_a_schedule_asserts_that_no_defect_is_there() -> None:
    """It fails as long as the criterion or a property is refuted, and passes after the repair."""
    asked = [never("both", effect("print_label") & effect("refund_card"))]
    scenario = Scenario(order, ["PAY", "CANCEL"], properties=asked)
    wrong = to_pytest(scenario, None, "settlesim.gallery:order")
    right = to_pytest(scenario.replace(queue="fifo_group"), None, "settlesim.gallery:order")
    with pytest.raises(AssertionError, match="refuted: 4 endings"):
        run_source(wrong)
    run_source(right)
    broken = scenario.replace(queue="fifo_group", properties=[never("paid", in_state("paid"))])
    with pytest.raises(AssertionError, match="no run keeps it: r1 l1 c1 s1"):
        run_source(to_pytest(broken, None, "settlesim.gallery:order"))
    with pytest.raises(SimulationError, match="a function of Python"):
        to_pytest(
            scenario.replace(properties=[never("x", lambda seen: False)]),
            None,
            "settlesim.gallery:order",
        )


def run_source(text: str) -> None:
    """Run the test that a text defines."""
    names: dict[str, Any] = {}
    exec(text, names)
    names["test_pay_and_cancel_end_right"]()
