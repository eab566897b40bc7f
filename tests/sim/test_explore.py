"""Verdicts, counterexamples, certificates, and what a search does that cannot end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import append_log, counter, donut, order, signup
from settlesim.progress import Progress
from settlesim.sim import Criterion, Scenario, Step, Verdict, explore, replay
from settlesim.sim.explore import LIMIT
from settlesim.sim.model import Model, State
from settlesim.sim.serial import FEW, MOST, Serial
from settlesim.sim.shortest import shortest
from tests.sim.interrupts import interrupt_at

ROOT = Path(__file__).parents[2]


def test_fifo_proves_and_no_order_refutes() -> None:
    """PAY and SHIP at once may leave an order that was paid and never shipped."""
    good = explore(Scenario(order, ["PAY", "SHIP"], queue="fifo_group"))
    assert (good.verdict, good.holds) == (Verdict.PROVED, Criterion.FIFO)
    assert good.counterexample is None
    bad = explore(Scenario(order, ["PAY", "SHIP"]))
    assert (bad.verdict, bad.holds) == (Verdict.REFUTED, Criterion.SERIALIZABLE)
    assert str(bad.counterexample) == "r2 l2 i2 d2 r1 l1 c1 s1 d1"
    assert bad.outcomes == bad.endings


def test_a_mutex_is_serializable_and_not_fifo() -> None:
    """What is proved depends on the criterion that was chosen."""
    scenario = Scenario(append_log(3), ["E1", "E2", "E3"], queue="mutex")
    assert explore(scenario).verdict is Verdict.REFUTED
    assert explore(scenario).holds is Criterion.SERIALIZABLE
    assert explore(scenario.replace(criterion="serializable")).verdict is Verdict.PROVED


def test_a_lost_update_is_not_even_serializable() -> None:
    """Both criteria refute, and nothing holds."""
    scenario = Scenario(counter(), ["INC", "INC"], criterion="serializable")
    found = explore(scenario)
    assert (found.verdict, found.holds) == (Verdict.REFUTED, None)
    assert [(each.store[0][2]["count"], each.serializable) for each in found.endings] == [
        (1, False),
        (2, True),
    ]
    assert found.counterexample is not None
    assert found.counterexample.switches == 2


@pytest.mark.parametrize(
    ("events", "faults", "protections", "cost"),
    [
        (["PAY", "SHIP"], {}, (), (0, 1, 9)),
        (["PAY", "CANCEL"], {}, ("idempotent",), (0, 1, 8)),
    ],
)
def test_counterexamples_are_shortest(
    events: list[str], faults: dict[str, int], protections: tuple[str, ...], cost: tuple[int, ...]
) -> None:
    """By faults, then switches, then steps."""
    found = explore(Scenario(order, events, faults=faults, protections=protections))
    example = found.counterexample
    assert example is not None
    assert (example.faults, example.switches, len(example)) == cost


def test_every_ending_has_a_way_and_its_replay_ends_there() -> None:
    """The shortest way to an ending ends in it."""
    found = explore(Scenario(order, ["PAY", "CANCEL"], faults={"crashes": 1}))
    for ending in found.endings:
        ended = replay(found.scenario, found.way_to(ending)).ending
        assert ended is not None
        assert (ended.store, ended.effects, ended.dead, ended.fifo) == (
            ending.store,
            ending.effects,
            ending.dead,
            ending.fifo,
        )
    with pytest.raises(KeyError):
        explore(Scenario(order, ["PAY"])).way_to(found.endings[-1])


def test_probabilities_are_exact_and_add_up_to_one() -> None:
    """Also where runs differ in length, and the order of discovery is no topological one."""
    found = explore(Scenario(order, ["PAY", "CANCEL"], protections=["cas"], faults={"crashes": 2}))
    assert sum((each.probability for each in found.endings), Fraction(0)) == 1
    small = explore(Scenario(order, ["PAY", "CANCEL"]))
    assert [each.probability for each in small.endings] == [
        Fraction(11, 32),
        Fraction(5, 32),
        Fraction(3, 16),
        Fraction(5, 16),
    ]


# --- searches that stop -------------------------------------------------------------------


def test_a_search_that_stopped_early_is_never_a_proof() -> None:
    """Nothing wrong among what was found proves nothing."""
    scenario = Scenario(append_log(3), ["E1", "E2", "E3"], queue="fifo_group")
    found = explore(scenario, limit=10)
    assert (found.verdict, found.complete, found.holds) == (Verdict.UNDETERMINED, False, None)
    assert "more than 10 states" in found.reason
    assert "lower bounds" in str(found)
    assert found.counterexample is None


def test_a_wrong_ending_refutes_even_a_search_that_stopped_early() -> None:
    """One counterexample is enough."""
    scenario = Scenario(order, ["PAY", "SHIP"], faults={"crashes": 2})
    whole = explore(scenario)
    found = explore(scenario, limit=whole.states - 1)
    assert not found.complete
    assert found.verdict is Verdict.REFUTED
    assert found.interleavings <= whole.interleavings
    assert found.counterexample == whole.counterexample


def test_an_interrupt_returns_what_is_known() -> None:
    """Ctrl-C ends the search; the garbage collector works again."""

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    scenario = Scenario(append_log(5), [f"E{i}" for i in range(1, 6)], workers=2)
    found = explore(scenario, progress=stop)
    assert (found.complete, found.reason) == (False, "it was interrupted")
    assert found.verdict is not Verdict.PROVED
    assert gc.isenabled()


@pytest.mark.parametrize("place", ["_forward", "topological", "Model.outcome"])
def test_an_interrupt_while_counting_keeps_what_was_found(place: str) -> None:
    """Every ending is known by then, only not how many ways lead to it."""
    scenario = Scenario(order, ["PAY", "CANCEL"], protections=["cas"], faults={"crashes": 1})
    whole = explore(scenario)
    with interrupt_at(place):
        found = explore(scenario)
    assert (found.complete, found.reason) == (False, "it was interrupted")
    assert (found.states, found.transitions) == (whole.states, whole.transitions)
    assert {each.label for each in found.endings} == {each.label for each in whole.endings}
    assert 0 < found.interleavings < whole.interleavings
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample == whole.counterexample
    assert found.certificate["sha256"] == whole.certificate["sha256"]


def test_an_interrupt_while_endings_are_made_leaves_the_verdict_open() -> None:
    """What arrival order comes to was not worked out, so nothing is proved."""
    scenario = Scenario(order, ["PAY", "SHIP"], queue="fifo_group")
    with interrupt_at("_of_instance"):
        found = explore(scenario)
    assert (found.complete, found.note) == (False, "it was interrupted")
    assert [(each.fifo, each.serializable) for each in found.endings] == [(None, None)]
    assert (found.verdict, found.holds) == (Verdict.UNDETERMINED, None)
    assert found.interleavings == explore(scenario).interleavings


def test_progress_is_told() -> None:
    """The last number is that of all states."""
    told: list[Progress] = []
    found = explore(Scenario(append_log(5), [f"E{i}" for i in range(1, 6)]), progress=told.append)
    counts = [each.done for each in told if each.text == "states found"]
    assert counts == sorted(counts)
    assert counts[-1] == found.states
    assert {each.expected for each in told if each.text == "states found"} == {LIMIT}
    assert told[-1].text == "states, counting interleavings"


@pytest.mark.parametrize("report", [1, 2])
def test_a_search_is_stopped_by_a_flag_as_by_an_interrupt(report: int) -> None:
    """While states are found, and also while what leads to them is counted."""
    stop = threading.Event()
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if len(told) == report:
            stop.set()

    scenario = Scenario(append_log(5), [f"E{i}" for i in range(1, 6)])
    found = explore(scenario, progress=tell, stop=stop)
    assert len(told) == report
    assert (found.complete, found.reason) == (False, "it was interrupted")
    assert found.verdict is not Verdict.PROVED
    assert gc.isenabled()


def test_a_flag_that_was_set_before_stops_at_the_first_report() -> None:
    """No more is found than between two reports."""
    stop = threading.Event()
    stop.set()
    found = explore(Scenario(append_log(5), [f"E{i}" for i in range(1, 6)]), stop=stop)
    assert (found.complete, found.reason) == (False, "it was interrupted")
    assert 0 < found.states < 100_000


def test_too_many_serial_orders_are_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many events in any order: whether an ending is serializable is not known, and said."""
    assert MOST < 109_601  # of eight events
    monkeypatch.setattr(
        sys.modules["settlesim.sim.explore"], "MOST", 1_000
    )  # less than 1,957, of six
    events = [f"E{i}" for i in range(1, 7)]
    scenario = Scenario(
        append_log(6, 0),
        events,
        queue="fifo_group",
        faults={"crashes": 1},
        criterion="serializable",
    )
    found = explore(scenario)
    assert {each.serializable for each in found.endings} == {None, True}
    assert found.complete
    assert found.verdict is Verdict.UNDETERMINED
    assert "more than 1000 serial situations" in found.note


def test_an_unknown_order_of_arrival_is_said_and_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of many services may fail or not: too many endings to know them all."""
    assert FEW < 2**12  # of twelve services
    for name in ("explore", "replays"):
        monkeypatch.setattr(sys.modules[f"settlesim.sim.{name}"], "FEW", 100)  # less than 2**7
    scenario = Scenario(
        append_log(7),
        [f"E{i}" for i in range(1, 8)],
        queue="fifo_group",
        faults={"service_failures": 7},
    )
    found = explore(scenario, limit=100)
    assert {each.fifo for each in found.endings} == {None}
    assert (found.verdict, found.holds) == (Verdict.UNDETERMINED, None)
    assert found.note.endswith("more than 100 serial situations; nothing was compared")
    sentence = replay(scenario, found.way_to(found.endings[0])).sentence
    assert sentence.endswith("where arrival order leads is not known.")


def test_a_bound_on_serial_situations_is_met_without_an_error() -> None:
    """By arrival order too; within it everything is known."""
    events = [f"E{i}" for i in range(1, 7)]
    scenario = Scenario(append_log(6), events, faults={"service_failures": 6}, queue="fifo_group")
    model = Model(scenario)
    outcome = model.outcome(model.start)
    tight = Serial(model, most=50)
    assert (tight.is_fifo(outcome), tight.is_serializable(outcome)) == (None, None)
    assert tight.fifo_part(0) is None
    assert "more than 50 serial situations" in tight.reason
    wide = Serial(model, most=20_000)
    assert (wide.is_fifo(outcome), wide.reason) == (True, "")


# --- searches that are cut, and walks ---------------------------------------------------------


LARGE = [
    Scenario(append_log(5), [f"E{i}" for i in range(1, 6)], workers=3),
    Scenario(counter(), ["INC"] * 8, workers=8, criterion="serializable"),
    Scenario(
        append_log(5, effect=True),
        [f"E{i}" for i in range(1, 6)],
        queue="fifo_group",
        faults={"crashes": 2, "expiries": 2},
    ),
]


@pytest.mark.parametrize("scenario", LARGE, ids=repr)
def test_a_search_that_stopped_early_refutes_where_a_walk_meets_a_wrong_ending(
    scenario: Scenario,
) -> None:
    """The counterexample replays, to an ending that is not allowed."""
    found = explore(scenario, limit=1_000)
    assert not found.complete
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    ending = replay(scenario, found.counterexample).ending
    assert ending is not None
    assert found.allowed(ending) is False
    assert "may not be the shortest" in found.note
    assert sum(each.probability for each in found.endings) <= 1


def test_walks_are_the_same_each_time() -> None:
    """They go by a fixed sequence of numbers."""
    found = explore(LARGE[1], limit=1_000)
    assert explore(LARGE[1], limit=1_000).endings == found.endings


def test_walks_meet_only_what_exists() -> None:
    """Their endings are among those of the whole search, with fewer ways to them."""
    scenario = Scenario(order, ["PAY", "CANCEL"], faults={"crashes": 1, "duplicates": 1})
    whole = {each.label + str(each.effects): each for each in explore(scenario).endings}
    for each in explore(scenario, limit=50).endings:
        same = whole[each.label + str(each.effects)]
        assert each.interleavings <= same.interleavings
        assert each.probability <= same.probability
        assert (each.fifo, each.serializable) == (same.fifo, same.serializable)


def test_a_search_that_stopped_early_is_no_proof_however_much_was_walked() -> None:
    """Every walk ends right, and the verdict stays open."""
    scenario = Scenario(append_log(6), [f"E{i}" for i in range(1, 7)], queue="fifo_group")
    found = explore(scenario, limit=20)
    assert [each.fifo for each in found.endings] == [True]
    assert found.verdict is Verdict.UNDETERMINED
    assert (found.holds, found.counterexample) == (None, None)


def test_the_way_to_an_ending_is_looked_for_among_as_many_states_as_were_searched() -> None:
    """A shortest way is taken where it is near; else one that was walked."""
    scenario = Scenario(append_log(5), [f"E{i}" for i in range(1, 6)], workers=5)
    found = explore(scenario, limit=60)
    for ending in found.endings[:3]:
        ended = replay(scenario, found.way_to(ending)).ending
        assert ended is not None
        assert ended.store == ending.store


@pytest.mark.parametrize(
    ("number", "states", "cost"),
    [
        (5, 157_596, (0, 4, 25)),
        pytest.param(6, 2_200_000, (0, 5, 30), marks=pytest.mark.nightly),
    ],
)
def test_the_counterexample_of_a_large_search_takes_no_search_of_its_own(
    number: int, states: int, cost: tuple[int, int, int]
) -> None:
    """Of all states, the guided search looks at the serial ways alone."""
    events = [f"E{i}" for i in range(1, number + 1)]
    scenario = Scenario(append_log(number), events, workers=3)
    seen: dict[State, None] = {}
    model = _Watched(scenario, seen)
    serial = Serial(model)
    found = shortest(model, lambda each: not serial.is_fifo(each), most=2_000_000)
    assert found is not None
    assert (found.faults, found.switches, len(found)) == cost
    assert len(seen) < states / 50


class _Watched(Model):
    """Notes the states whose successors are asked for."""

    def __init__(self, scenario: Scenario, seen: dict[State, None]) -> None:
        super().__init__(scenario)
        self.seen = seen

    def successors(self, state: State) -> list[tuple[Step, State]]:
        self.seen[state] = None
        return super().successors(state)


@pytest.mark.parametrize("limit", ["x", 0, -1, True, 1.5, None])
def test_a_limit_is_a_whole_number(limit: Any) -> None:
    """Of one state or more."""
    with pytest.raises(SimulationError, match=r"limit: is .* a whole number, 1 or more"):
        explore(Scenario(order, ["PAY"]), limit=limit)


def test_progress_is_a_function() -> None:
    """Anything else is refused before the search."""
    with pytest.raises(SimulationError, match="progress: is 3; a function, True or False"):
        explore(Scenario(order, ["PAY"]), progress=3)  # type: ignore[arg-type]


# --- the certificate ----------------------------------------------------------------------

_SCRIPT = """
import json
from settlesim.gallery import order
from settlesim.sim import Scenario, explore
faults = {"crashes": 1, "expiries": 1}
scenario = Scenario(order, ["PAY", "SHIP"], faults=faults, monitors="all", protections=["inbox"])
found = explore(scenario)
cut = explore(scenario, limit=50)
told = [
    [each.certificate, [e.label for e in each.endings], str(each.counterexample), each.note]
    for each in (found, cut)
]
print(json.dumps(told))
"""


def test_two_processes_agree_on_the_certificate() -> None:
    """Whatever the seed of the hashes: the states are encoded by what they mean."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    (certificate, *_), (cut, *_) = json.loads(outputs.pop())
    assert (cut["complete"], cut["verdict"]) == (False, "refuted")
    assert certificate["complete"] is True
    assert len(certificate["sha256"]) == 64


def test_another_scenario_has_another_certificate() -> None:
    """The digest is over the states themselves."""
    one = explore(Scenario(order, ["PAY", "SHIP"])).certificate
    two = explore(Scenario(order, ["PAY", "CANCEL"])).certificate
    again = explore(Scenario(order, ["PAY", "SHIP"])).certificate
    assert one["sha256"] != two["sha256"]
    assert one == again


def test_a_truncated_search_has_a_certificate_that_says_so() -> None:
    """And it is the same when it is made again."""
    scenario = Scenario(append_log(3), ["E1", "E2", "E3"])
    one, two = (explore(scenario, limit=100).certificate for _ in range(2))
    assert one == two
    assert one["complete"] is False
    assert one["verdict"] == "refuted"  # by a walk


# --- events that reach no settled state ----------------------------------------------------


def trap() -> Chart:
    """STUCK stalls; GO works."""
    return Chart(
        [{"name": "a", "tags": ["settled"]}, "nowhere", {"name": "b", "tags": ["settled"]}],
        [["STUCK", "a", "nowhere"], ["GO", "a", "b"], ["GO", "b", "a"]],
        "a",
        name="trap",
    )


def test_poison_needs_a_limit_of_receives() -> None:
    """Without one the message would come back for ever, and the search would not end."""
    with pytest.raises(SimulationError, match="Give max_receives"):
        explore(Scenario(trap(), ["STUCK", "GO"]))


@pytest.mark.parametrize(
    "queue", ["standard", "mutex", "fifo_dispatch", "fifo_group", "fifo_global"]
)
def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(queue: str) -> None:
    """After its last receive; handling them one after another in order does the same."""
    found = explore(Scenario(trap(), ["STUCK", "GO"], queue=queue, max_receives=2))
    best = [each for each in found.endings if each.fifo]
    assert [(each.dead, each.label) for each in best] == [((1,), "b")]
    if queue.startswith("fifo_g"):
        assert found.verdict is Verdict.PROVED


def test_under_direct_the_caller_gets_the_error() -> None:
    """There is nothing to come back from, and no dead letter."""
    found = explore(Scenario(trap(), ["STUCK", "GO"], queue="direct"))
    assert [(each.dead, each.label) for each in found.endings] == [((), "b")]


async def unreliable(call: Any) -> None:
    """Work, as long as nobody says otherwise."""


def fragile() -> Chart:
    """A service without on_error."""
    return Chart(
        [
            {"name": "a", "tags": ["settled"]},
            {"name": "busy", "invoke": {"src": "unreliable", "on_done": "b"}},
            {"name": "b", "final": True},
        ],
        [["GO", "a", "busy"]],
        "a",
        name="fragile",
    ).bind({"unreliable": unreliable})


def test_a_failure_without_on_error_brings_the_message_back() -> None:
    """A budget of failures runs out, so no limit of receives is needed."""
    found = explore(Scenario(fragile(), ["GO"], queue="fifo_group", faults={"service_failures": 2}))
    assert [each.label for each in found.endings] == ["b"]
    assert found.interleavings == 3


def test_a_failure_is_the_world_s_choice_and_refutes_nothing() -> None:
    """A declined payment under FIFO is as in arrival order."""
    found = explore(
        Scenario(order, ["PAY", "SHIP"], queue="fifo_group", faults={"service_failures": 1})
    )
    assert {each.label for each in found.endings} == {"new", "paid", "shipped"}
    assert found.verdict is Verdict.PROVED


def test_dead_letters_break_the_order() -> None:
    """One crash and one receive: a gap, where everything else is on."""
    found = explore(
        Scenario(
            order,
            ["PAY", "SHIP"],
            queue="fifo_group",
            protections=["cas", "inbox", "idempotent"],
            faults={"crashes": 1},
            max_receives=1,
        )
    )
    assert found.verdict is Verdict.REFUTED
    assert any(each.dead and each.label == "new" for each in found.endings)
    assert any(each.dead == (1,) and each.label == "shipped" for each in found.endings)


@pytest.mark.parametrize(
    ("chart", "events", "endings"),
    [(donut, ["BAKE", "GLAZE"], 2), (signup, ["SIGN_UP", "RESEND"], 1)],
)
def test_charts_with_regions_delays_and_guards_are_explored_too(
    chart: Chart, events: list[str], endings: int
) -> None:
    """Services and delays take no real time, and complete in any order unless time is known."""
    found = explore(Scenario(chart, events, queue="fifo_group"))
    assert found.verdict is Verdict.PROVED
    assert len(found.endings) == endings
    simulated = explore(found.scenario.replace(timing="simulated"))
    assert simulated.verdict is Verdict.PROVED
    assert len(simulated.endings) == 1


def test_exploring_works_where_an_event_loop_runs_already() -> None:
    """As in a notebook; services are run in a thread then, to the same end."""

    async def cell() -> tuple[int, Verdict]:
        found = explore(Scenario(order, ["PAY", "SHIP"], queue="fifo_group"))
        return found.states, found.verdict

    outside = explore(Scenario(order, ["PAY", "SHIP"], queue="fifo_group"))
    assert asyncio.run(cell()) == (outside.states, Verdict.PROVED)


def test_services_have_their_time_outs_in_the_simulation() -> None:
    """A service that is too slow on the simulated clock is followed into on_error."""

    async def slow(call: Any) -> dict[str, str]:
        await call.sleep(31.0)
        return {"charge": "late"}

    found = explore(Scenario(order.bind({"charge_card": slow}), ["PAY"]))
    assert [(each.label, each.effects) for each in found.endings] == [("new", ())]


def test_failures_are_possible_in_order_as_well() -> None:
    """SHIP that came too early ends as SHIP whose label failed: with failures that is allowed."""
    early = Scenario(order, ["PAY", "SHIP"])
    assert explore(early).verdict is Verdict.REFUTED
    assert explore(early.replace(faults={"service_failures": 1})).verdict is Verdict.PROVED


def test_endings_that_differ_by_what_is_remembered_have_labels_of_their_own() -> None:
    """Both rest in one state; an event would bring them back to different ones."""
    inside = [
        {"name": "back", "history": "deep"},
        {"name": "slow", "tags": ["settled"]},
        {"name": "fast", "tags": ["settled"]},
    ]
    chart = Chart(
        [{"name": "on", "children": inside}, {"name": "off", "tags": ["settled"]}],  # type: ignore[list-item]
        [["FASTER", "on", "on.fast"], ["OFF", "on", "off"], ["ON", "off", "on.back"]],
        "on.slow",
        semantics="scxml",
    )
    found = explore(Scenario(chart, ["FASTER", "OFF"], queue="mutex"))
    assert found.verdict is Verdict.REFUTED
    labels = ["off (history on.back=on.fast)", "off (history on.back=on.slow)"]
    assert sorted(each.label for each in found.endings) == labels
    ways = [found.way_to(each) for each in found.endings]
    assert ways[0] != ways[1]
    for ending, way in zip(found.endings, ways, strict=True):
        ended = replay(found.scenario, way).ending
        assert ended is not None
        assert ended.history == ending.history
