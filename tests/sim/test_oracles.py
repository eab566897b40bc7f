"""The explorer against a second simulator, against formulas, and against Spin."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim.gallery import append_log, counter, order
from settlesim.sim import DISCIPLINES, Exploration, Faults, Kind, Scenario, explore, replay, sample
from settlesim.sim.promela import to_promela
from tests.sim.charts import patient
from tests.sim.naive import Chart as NaiveChart
from tests.sim.naive import (
    Endings,
    Failures,
    Naive,
    log_chart,
    log_failures,
    order_chart,
    order_failures,
    patient_chart,
    patient_failures,
)

LOG_DISCIPLINES = list(DISCIPLINES)


def events(number: int) -> list[str]:
    return [f"E{index}" for index in range(1, number + 1)]


def of_log(exploration: Exploration) -> Endings:
    """Endings as the naive simulator names them."""
    return {
        (
            tuple(each.store[0][2]["log"]),
            tuple((service, message - 1) for _, service, message in each.effects),
            tuple(message - 1 for message in each.dead),
        ): [each.interleavings, each.probability]
        for each in exploration.endings
    }


def of_order(exploration: Exploration) -> Endings:
    return {
        (
            each.store[0][1][0],
            tuple((service, message - 1) for _, service, message in each.effects),
            tuple(message - 1 for message in each.dead),
        ): [each.interleavings, each.probability]
        for each in exploration.endings
    }


@pytest.mark.parametrize(
    ("number", "services", "workers", "states"),
    [
        (3, 1, 3, 784),
        (4, 1, 4, 14_720),
        (4, 3, 4, 39_312),
        pytest.param(5, 3, 2, 77_136, marks=pytest.mark.nightly),
        (5, 1, 3, 157_596),
        pytest.param(5, 1, 5, 349_184, marks=pytest.mark.nightly),
        pytest.param(6, 1, 2, 361_978, marks=pytest.mark.nightly),
    ],
)
def test_there_are_as_many_states_as_spin_and_tlc_find(
    number: int, services: int, workers: int, states: int
) -> None:
    """The counts of two other model checkers, on the same model."""
    scenario = Scenario(append_log(number, services), events(number), workers=workers)
    assert explore(scenario).states == states


@pytest.mark.parametrize(
    ("number", "endings"),
    [(2, 4), (3, 15), (4, 64), (5, 325), pytest.param(6, 1_956, marks=pytest.mark.nightly)],
)
def test_every_sequence_of_different_events_can_be_all_that_survives(
    number: int, endings: int
) -> None:
    """Non-empty ordered subsets: OEIS A007526."""
    scenario = Scenario(append_log(number, 0), events(number), workers=number, queue="direct")
    found = explore(scenario)
    assert len(found.endings) == endings
    assert endings == sum(
        math.factorial(number) // math.factorial(number - k) for k in range(1, number + 1)
    )


@pytest.mark.parametrize(("number", "endings"), [(2, 4), (3, 15), (4, 64)])
def test_a_queue_and_a_service_between_change_nothing_of_that(number: int, endings: int) -> None:
    """With as many workers as events; the same sequences survive."""
    scenario = Scenario(append_log(number, 1), events(number), workers=number)
    assert len(explore(scenario).endings) == endings


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("services", [0, 1, 2])
def test_interleavings_of_free_handlers_are_a_multinomial(number: int, services: int) -> None:
    """Under direct a handler has services + 2 steps, its load is its start: (Ms)!/(s!)^M."""
    scenario = Scenario(append_log(number, services), events(number), queue="direct")
    steps = services + 2
    raw = math.factorial(number * steps) // math.factorial(steps) ** number
    assert explore(scenario).interleavings == raw


def test_interleavings_with_a_queue_are_a_multinomial_of_longer_handlers() -> None:
    """With as many workers as events, receive and delete are two steps more."""
    scenario = Scenario(append_log(3), events(3), workers=3)
    raw = math.factorial(15) // math.factorial(5) ** 3
    assert explore(scenario).interleavings == raw


@pytest.mark.parametrize(
    ("queue", "protections", "states", "endings"),
    [
        ("mutex", (), 76, 6),
        ("fifo_dispatch", (), 684, 15),
        ("fifo_dispatch", ("cas",), 1_684, 6),
        ("standard", ("cas",), 1_816, 6),
        ("fifo_global", (), 16, 1),
        ("fifo_group", (), 16, 1),
    ],
)
def test_disciplines_have_the_states_and_endings_of_the_first_model(
    queue: str, protections: tuple[str, ...], states: int, endings: int
) -> None:
    """Counts of an earlier program that shares no code with this one."""
    found = explore(
        Scenario(append_log(3), events(3), workers=3, queue=queue, protections=protections)
    )
    assert (found.states, len(found.endings)) == (states, endings)


@pytest.mark.parametrize(
    ("faults", "protections", "endings"),
    [
        ({"crashes": 1}, (), 4),
        ({"crashes": 1}, ("inbox",), 1),
        ({"expiries": 1}, (), 14),
        ({"expiries": 1}, ("inbox",), 4),
        ({"expiries": 1}, ("cas",), 7),
        ({"expiries": 1}, ("cas", "inbox"), 1),
        ({"crashes": 1, "expiries": 1}, ("cas", "inbox"), 1),
        ({"crashes": 1, "expiries": 1}, ("fence", "inbox"), 1),
    ],
)
def test_faults_under_fifo_have_the_endings_of_the_first_model(
    faults: dict[str, int], protections: tuple[str, ...], endings: int
) -> None:
    """FIFO alone is not enough where handlers crash and receipts run out."""
    scenario = Scenario(
        append_log(3), events(3), queue="fifo_group", faults=faults, protections=protections
    )
    assert len(explore(scenario).endings) == endings


@pytest.mark.parametrize(
    ("protections", "endings"), [((), 12), (("cas",), 6 + 2), (("cas", "inbox"), 2)]
)
def test_a_duplicate_delivery_has_the_endings_of_the_first_model(
    protections: tuple[str, ...], endings: int
) -> None:
    """Two events on a standard queue that repeats one message.

    In that model the repetition always came. Here it may stay away, which with
    compare-and-set alone adds the two logs without a repetition.
    """
    scenario = Scenario(append_log(2), events(2), faults={"duplicates": 1}, protections=protections)
    assert len(explore(scenario).endings) == endings


def test_a_budget_of_faults_means_at_most() -> None:
    """One event that may come twice: once or twice, and ending is a choice like any other."""
    found = explore(
        Scenario(append_log(1, 0), ["E1"], workers=1, faults={"duplicates": 1}, queue="standard")
    )
    assert of_log(found) == {
        (("E1",), (), ()): [1, Fraction(1, 2)],
        (("E1", "E1"), (), ()): [1, Fraction(1, 2)],
    }
    # r l s d, and again after u: the state after the first delete is an end, and goes on
    assert (found.states, found.transitions) == (10, 9)


def test_a_way_may_end_where_only_a_duplicate_could_come() -> None:
    """The shortest way to an ending takes no fault that it does not need."""
    scenario = Scenario(order, ["PAY", "SHIP"], faults={"duplicates": 2})
    found = explore(scenario)
    assert found.counterexample == explore(scenario.replace(faults={})).counterexample
    assert found.counterexample is not None
    played = replay(scenario, found.counterexample)
    assert played.ending is not None
    assert [step.kind for step in played.frames[-1].enabled] == [Kind.DUPLICATE] * 2
    assert replay(scenario, f"{found.counterexample} u1").ending is None


def test_walks_that_are_whole_add_up_to_the_probability() -> None:
    """A schedule that ends early has the chance of ending there, in replay and in samples."""
    scenario = Scenario(append_log(1, 0), ["E1"], workers=1, faults={"duplicates": 1})
    once, twice = (replay(scenario, way).ending for way in ("r1 l1 s1 d1", _TWICE))
    assert once is not None
    assert twice is not None
    assert once.probability == twice.probability == Fraction(1, 2)
    taken = sample(scenario, 400, seed=1)
    shares = {len(each.store[0][2]["log"]): each.probability for each in taken.endings}
    assert all(Fraction(2, 5) < share < Fraction(3, 5) for share in shares.values())
    assert set(shares) == {1, 2}


_TWICE = "r1 l1 s1 d1 u1 r1.2 l1.2 s1.2 d1.2"


# --- the second simulator -----------------------------------------------------------------


@pytest.mark.parametrize("queue", LOG_DISCIPLINES)
@pytest.mark.parametrize("protections", [(), ("cas",)])
@pytest.mark.parametrize(("number", "services", "workers"), [(2, 1, 2), (2, 2, 2), (3, 0, 2)])
def test_counts_and_probabilities_are_those_of_walking_every_interleaving(
    queue: str, protections: tuple[str, ...], number: int, services: int, workers: int
) -> None:
    """Endings, exact counts and exact probabilities, for every discipline."""
    if number == 3 and (protections or queue == "standard"):
        number = 2
    naive = Naive(log_chart(services), (), events(number), workers, queue, protections).endings()
    scenario = Scenario(
        append_log(number, services),
        events(number),
        workers=workers,
        queue=queue,
        protections=protections,
    )
    found = explore(scenario)
    assert of_log(found) == naive
    assert sum((each.probability for each in found.endings), Fraction(0)) == 1


@given(data=st.data())
@settings(max_examples=40)
def test_faults_and_protections_are_those_of_walking_every_interleaving(
    data: st.DataObject,
) -> None:
    """Any combination that can be walked: two events, one fault of each of two kinds at most."""
    queue = data.draw(st.sampled_from(list(DISCIPLINES)))
    names = ["cas", "fence", "inbox", "idempotent", "atomic"]
    kinds = ["crashes", "expiries", "duplicates"]
    if queue == "direct":
        names = ["cas", "idempotent"]
        kinds = ["crashes"]
    elif queue.startswith("fifo_"):
        kinds.remove("duplicates")
    chosen = data.draw(st.sets(st.sampled_from(names)))
    protections = tuple(name for name in names if name in chosen)
    fault = data.draw(st.sampled_from(kinds))
    most = 2 if queue in {"mutex", "fifo_group", "fifo_global"} else 1
    faults = {fault: data.draw(st.integers(0, most))}
    limits = [None] if queue == "direct" else [None, 1, 2]
    limit = data.draw(st.sampled_from(limits))
    what: dict[str, Any] = {
        "workers": data.draw(st.integers(1, 2)),
        "queue": queue,
        "protections": protections,
        "max_receives": limit,
    }
    if data.draw(st.booleans()):
        pair = data.draw(
            st.lists(st.sampled_from(["PAY", "SHIP", "CANCEL"]), min_size=1, max_size=2)
        )
        naive = Naive(order_chart, "new", pair, faults=faults, **what).endings()
        assert of_order(explore(Scenario(order, pair, faults=faults, **what))) == naive
    else:
        naive = Naive(log_chart(0), (), events(2), faults=faults, **what).endings()
        assert (
            of_log(explore(Scenario(append_log(2, 0), events(2), faults=faults, **what))) == naive
        )


@pytest.mark.parametrize("queue", ["mutex", "fifo_group", "fifo_global"])
def test_a_save_that_deletes_is_refused_where_the_message_is_gone(queue: str) -> None:
    """By a handler whose message another one has handled and deleted since."""
    pair, faults, protections = ["PAY", "CANCEL"], {"expiries": 1}, ("idempotent", "atomic")
    naive = Naive(order_chart, "new", pair, 2, queue, protections, faults).endings()
    scenario = Scenario(order, pair, queue=queue, protections=protections, faults=faults)
    assert of_order(explore(scenario)) == naive


FAILING: list[tuple[NaiveChart, Failures, str, list[str]]] = [
    (order_chart, order_failures, "new", ["PAY", "SHIP"]),
    (order_chart, order_failures, "new", ["PAY", "PAY"]),
    (patient_chart, patient_failures, "open", ["GO", "GO"]),
]


@pytest.mark.parametrize("queue", LOG_DISCIPLINES)
@pytest.mark.parametrize(("chart", "failures", "start", "names"), FAILING)
@pytest.mark.parametrize(
    ("number", "protections"),
    [
        (1, ()),
        (2, ("cas",)),
        pytest.param(1, ("cas",), marks=pytest.mark.nightly),
        pytest.param(2, (), marks=pytest.mark.nightly),
    ],
)
def test_services_that_fail_are_those_of_walking_every_interleaving(
    chart: NaiveChart,
    failures: Failures,
    start: str,
    names: list[str],
    queue: str,
    number: int,
    protections: tuple[str, ...],
) -> None:
    """An error and a time-out from one budget; two ways only where the chart tells them apart."""
    if number == 2 and queue not in {"mutex", "fifo_group", "fifo_global"}:
        names = names[:1]
    faults = {"service_failures": number}
    naive = Naive(chart, start, names, 2, queue, protections, faults, failures=failures).endings()
    real = patient if chart is patient_chart else order
    found = explore(Scenario(real, names, queue=queue, protections=protections, faults=faults))
    assert of_order(found) == naive


def test_failures_of_a_log_are_those_of_walking_every_interleaving() -> None:
    """Of several services on the way, each may fail."""
    faults = {"service_failures": 2}
    naive = Naive(
        log_chart(2), (), events(2), 2, "mutex", faults=faults, failures=log_failures
    ).endings()
    assert of_log(explore(Scenario(append_log(2, 2), events(2), queue="mutex", faults=faults))) == (
        naive
    )


# --- laws ---------------------------------------------------------------------------------


def plain(exploration: Exploration) -> set[str]:
    return {str((e.store, e.effects, e.dead)) for e in exploration.endings}


@pytest.mark.parametrize("queue", DISCIPLINES)
def test_two_instances_end_in_the_product_of_their_endings(queue: str) -> None:
    """Instances do not know each other."""
    one = explore(Scenario(counter(), ["INC", "INC"], workers=3, queue=queue))
    two = explore(Scenario(counter(), ["INC", "INC"], keys=2, workers=3, queue=queue))
    single = {each.store[0][2]["count"] for each in one.endings}
    pairs = {tuple(part[2]["count"] for part in each.store) for each in two.endings}
    if queue == "fifo_dispatch":
        assert pairs <= {(a, b) for a in (1, 2) for b in (1, 2)}
    else:
        assert pairs == {(a, b) for a in single for b in single}


def test_two_instances_on_fifo_groups_are_handled_side_by_side() -> None:
    """C(20, 10) interleavings under fifo_group, one under fifo_global."""
    group = explore(Scenario(append_log(2), events(2), keys=2, queue="fifo_group"))
    single = explore(Scenario(append_log(2), events(2), keys=2, queue="fifo_global"))
    assert (group.interleavings, group.states, len(group.endings)) == (184_756, 121, 1)
    assert (single.interleavings, single.states, len(single.endings)) == (1, 21, 1)


@given(st.permutations([1, 2, 3]))
@settings(max_examples=6)
def test_relabelling_the_events_of_a_standard_queue_relabels_the_endings(
    permutation: list[int],
) -> None:
    """A standard queue knows no order, so no event is special."""
    names = [f"E{number}" for number in permutation]
    found = of_log(explore(Scenario(append_log(3), names)))
    usual = of_log(explore(Scenario(append_log(3), events(3))))
    rename = dict(zip(events(3), names, strict=True))
    assert found == {
        (tuple(rename[name] for name in log), effects, dead): value
        for (log, effects, dead), value in usual.items()
    }


FAULTS = [
    (queue, fault)
    for queue in DISCIPLINES
    for fault in Faults._fields
    if not (fault == "duplicates" and queue.startswith("fifo_"))
    and not (fault in {"expiries", "duplicates"} and queue == "direct")
]


@pytest.mark.parametrize(("queue", "fault"), FAULTS)
def test_one_more_fault_takes_no_ending_away(queue: str, fault: str) -> None:
    """A fault may happen, and need not."""
    found = [
        plain(explore(Scenario(order, ["PAY", "SHIP"], queue=queue, faults={fault: number})))
        for number in (0, 1, 2)
    ]
    assert found[0] <= found[1] <= found[2]


# --- Spin ---------------------------------------------------------------------------------

SPIN = [
    pytest.param(Scenario(append_log(2), events(2)), marks=pytest.mark.nightly),
    Scenario(append_log(3), events(3), workers=3),
    Scenario(append_log(4), events(4), workers=4),
    Scenario(append_log(3, 2), events(3), queue="fifo_group"),
    Scenario(append_log(2), events(2), keys=2, queue="fifo_group"),
    Scenario(counter(), ["INC"] * 4, workers=3),
    Scenario(append_log(3), ["E1", "E1", "E2"]),
    pytest.param(Scenario(append_log(5, 3), events(5)), marks=pytest.mark.nightly),
]


@pytest.mark.skipif(
    not os.environ.get("CI") and not (shutil.which("spin") and shutil.which("gcc")),
    reason="needs spin and gcc; CI installs them",
)
@pytest.mark.parametrize("scenario", SPIN, ids=repr)
def test_spin_stores_as_many_states(scenario: Scenario, tmp_path: Path) -> None:
    """The states that Spin stores without reduction are ours; it counts one step more."""
    (tmp_path / "model.pml").write_text(to_promela(scenario), encoding="utf-8")
    for command in (
        ["spin", "-a", "model.pml"],
        ["gcc", "-O0", "-w", "-DNOREDUCE", "-DSAFETY", "-o", "pan", "pan.c"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        [str(tmp_path / "pan"), "-m20000", "-w18", "-c0"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    stored = re.search(r"(\d+) states, stored", done.stdout)
    steps = re.search(r"(\d+) transitions", done.stdout)
    assert stored is not None
    assert steps is not None
    found = explore(scenario)
    assert (int(stored[1]), int(steps[1])) == (found.states, found.transitions + 1)
