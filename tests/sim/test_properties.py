"""Properties of the user: verdicts, counts and shortest schedules, against every run."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import append_log, counter, order
from settlesim.sim import (
    Observation,
    Predicate,
    Property,
    PropertyResult,
    Scenario,
    Verdict,
    always,
    context_is,
    dead_letter,
    effect,
    ended,
    eventually,
    explore,
    find,
    in_state,
    never,
    replay,
    sometimes,
    waiting,
)
from tests.sim.naive import Chart as NaiveChart
from tests.sim.naive_runs import Answer, NaiveRuns, Run, Seen, answer

STATES = ("a", "b", "c")
EVENTS = ("E", "F")
SERVICES = ("work", "mail")
ANY: Any = 3
MOST_RUNS = 300
KINDS: dict[str, Callable[..., Property]] = {
    "always": always,
    "never": never,
    "eventually": eventually,
    "sometimes": sometimes,
}
Table = dict[tuple[str, str], tuple[tuple[str, ...], str]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A random chart as a table: from state and event to services and the next state."""
    entry = st.tuples(
        st.lists(st.sampled_from(SERVICES), max_size=1).map(tuple), st.sampled_from(STATES)
    )
    pairs = list(itertools.product(STATES, EVENTS))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=2, unique=True))
    return {pair: draw(entry) for pair in chosen}


def naive_chart(table: Table) -> NaiveChart:
    def react(state: Any, event: str) -> tuple[list[str], Any]:
        services, target = table.get((state, event), ((), None))
        return list(services), target

    return react


def real_chart(table: Table) -> Chart:
    """The same chart for the library: each service is invoked by a state on the way."""
    states: list[Any] = [{"name": name, "tags": ["settled"]} for name in STATES]
    transitions = []
    for (state, event), (services, target) in table.items():
        way = [f"{state}{event}{number}" for number in range(len(services))]
        for name, service, after in zip(way, services, [*way, target][1:], strict=True):
            states.append({"name": name, "invoke": {"src": service, "on_done": after}})
        transitions.append([event, state, (*way, target)[0]])
    return Chart(name="random", initial="a", states=states, transitions=transitions)


NAIVE: dict[Predicate, Callable[[Seen], bool]] = {
    in_state("a"): lambda seen: seen.state == "a",
    in_state("b"): lambda seen: seen.state == "b",
    in_state("c"): lambda seen: seen.state == "c",
    effect("work"): lambda seen: "work" in seen.effects,
    effect("mail", 2): lambda seen: seen.effects.count("mail") >= 2,
    dead_letter(): lambda seen: "dead" in seen.status,
    waiting(): lambda seen: "visible" in seen.status,
    ended(): lambda seen: seen.ended,
}


@st.composite
def asked(draw: st.DrawFn) -> tuple[Predicate, Callable[[Seen], bool]]:
    """A predicate, with what it means."""
    atoms = st.sampled_from(list(NAIVE.items()))
    one, mine = draw(atoms)
    other, yours = draw(atoms)
    found: tuple[Predicate, Callable[[Seen], bool]] = draw(
        st.sampled_from(
            [
                (one, mine),
                (~one, lambda seen: not mine(seen)),
                (one & other, lambda seen: mine(seen) and yours(seen)),
                (one | ~other, lambda seen: mine(seen) or not yours(seen)),
            ]
        )
    )
    return found


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """Anything that can be walked: two events and one fault."""
    queue = draw(st.sampled_from(["direct", "standard", "mutex", "fifo_group", "fifo_dispatch"]))
    known = ["cas", "idempotent"] if queue == "direct" else ["cas", "inbox", "idempotent", "atomic"]
    faults = ["crashes"] if queue == "direct" else ["crashes", "expiries"]
    if queue in {"standard", "mutex"}:
        faults.append("duplicates")
    chosen = draw(st.sets(st.sampled_from(known)))
    serial = queue in {"mutex", "fifo_group"}
    return {
        "queue": queue,
        "protections": tuple(name for name in known if name in chosen),
        "faults": {draw(st.sampled_from(faults)): draw(st.integers(0, 1 if serial else 0))},
        "max_receives": None if queue == "direct" else draw(st.sampled_from([None, 1])),
    }


def result_of(scenario: Scenario, *properties: Property) -> PropertyResult:
    return explore(scenario.replace(properties=properties)).properties[0]


def walked(table: Table, events: list[str], what: dict[str, Any]) -> list[Run] | None:
    """Every run; None where there are too many to be walked."""
    every = NaiveRuns(naive_chart(table), "a", events, **what).runs()
    runs = list(itertools.islice(every, MOST_RUNS + 1))
    return runs if len(runs) <= MOST_RUNS else None


def check(result: PropertyResult, expected: Answer) -> None:
    """Verdict, count of runs, vacuity and the cost of the shortest schedule."""
    assert result.verdict is (Verdict.PROVED if expected.holds else Verdict.REFUTED)
    assert result.interleavings == expected.decided
    assert result.vacuous is (not expected.tested and result.about.kind.value != "sometimes")
    way = result.schedule
    assert (way is None) is (expected.cost is None)
    if way is not None:
        assert (way.faults, way.switches, len(way)) == expected.cost
        replay(result.scenario, way)


@given(
    table=tables(),
    events=st.lists(st.sampled_from(EVENTS), min_size=2, max_size=2),
    what=conditions(),
    questions=st.lists(
        st.tuples(st.sampled_from(list(KINDS)), asked(), st.none() | asked(), st.booleans()),
        min_size=4,
        max_size=4,
    ),
)
@settings(max_examples=40)
def test_properties_are_judged_as_by_their_definitions_on_every_run(
    table: Table, events: list[str], what: dict[str, Any], questions: list[Any]
) -> None:
    """Random charts, conditions and properties, against runs that are walked one after another."""
    services = {name for names, _ in table.values() for name in names}
    runs = walked(table, events, what)
    if runs is None:
        return
    scenario = Scenario(
        real_chart(table), events, start="a", results=dict.fromkeys(sorted(services)), **what
    )
    properties, expected = [], []
    for number, (kind, predicate, premise, at_end) in enumerate(questions):
        parts = [predicate[0], *([] if premise is None else [premise[0]])]
        known = scenario.vocabulary
        if any(problem for part in parts for problem in part.problems(known)):
            continue  # a service that this chart does not have
        options: dict[str, Any] = {} if premise is None else {"when": premise[0]}
        if kind != "eventually":
            options["at_end"] = at_end
        properties.append(KINDS[kind](str(number), predicate[0], **options))
        when = None if premise is None else premise[1]
        at = at_end and kind != "eventually"
        expected.append(answer(runs, kind, predicate[1], when, at))
    found = explore(scenario.replace(properties=properties))
    assert found.interleavings == len(runs)
    for result, wanted in zip(found.properties, expected, strict=True):
        check(result, wanted)
        assert result.of in {0, len(runs)}


@given(
    table=tables(),
    events=st.lists(st.sampled_from(EVENTS), min_size=2, max_size=2),
    what=conditions(),
    question=asked(),
)
@settings(max_examples=30)
def test_what_is_found_is_the_shortest_of_every_run(
    table: Table, events: list[str], what: dict[str, Any], question: Any
) -> None:
    """`find` against the least cost at which the predicate holds in any run."""
    predicate, meaning = question
    services = {name for names, _ in table.values() for name in names}
    scenario = Scenario(
        real_chart(table), events, start="a", results=dict.fromkeys(sorted(services)), **what
    )
    if predicate.problems(scenario.vocabulary):
        return
    runs = walked(table, events, what)
    if runs is None:
        return
    wanted = answer(runs, "sometimes", meaning, None, False)
    found = find(scenario, predicate)
    check_found(found.schedule, wanted.cost)
    assert found.verdict is (Verdict.PROVED if wanted.holds else Verdict.REFUTED)
    if found.observation is not None:
        assert predicate(found.observation)
    right = allowed_runs(table, events, what, runs)
    costs = [run.costs[-1] for run in right if any(map(meaning, run.seen))]
    passing = find(scenario, predicate, passing=True)
    check_found(passing.schedule, min(costs, default=None))
    if passing.schedule is not None:
        ending = replay(scenario, passing.schedule).ending
        assert ending is not None
        assert ending.fifo


def check_found(way: Any, cost: Any) -> None:
    assert (None if way is None else (way.faults, way.switches, len(way))) == cost


def allowed_runs(
    table: Table, events: list[str], what: dict[str, Any], runs: list[Run]
) -> list[Run]:
    """The runs that end as handling the events one after another."""
    state: Any = "a"
    effects: list[str] = []
    for event in events:
        services, target = naive_chart(table)(state, event)
        state = state if target is None else target
        effects += services
    return [
        run
        for run in runs
        if (run.seen[-1].state, run.seen[-1].effects) == (state, tuple(effects))
        and "dead" not in run.seen[-1].status
    ]


# --- functions of Python ------------------------------------------------------------------


def test_a_function_sees_what_a_predicate_sees() -> None:
    """The same verdicts, counts and schedules, whether a question is a value or a function."""
    scenario = Scenario(order, ["PAY", "SHIP", "CANCEL"])
    value = result_of(scenario, never("both", effect("print_label") & effect("refund_card")))
    function = result_of(
        scenario,
        never("both", lambda seen: seen.count("print_label") > 0 < seen.count("refund_card")),
    )
    assert value.schedule == function.schedule
    assert value.interleavings == function.interleavings
    assert str(value) == "refuted: never both; broken in 1,700 of 6,169 interleavings"


def test_an_observation_has_everything_that_a_reader_can_see() -> None:
    """Store, effects, messages, dead letters, what waits, and whether a run may end."""
    scenario = Scenario(
        order,
        [("o", "PAY"), ("o", "SHIP")],
        queue="fifo_group",
        faults={"crashes": 1},
        max_receives=1,
    )
    found = find(scenario, lambda seen: seen.in_state("paid") and bool(seen.dead_letters))
    seen = found.observation
    assert seen is not None
    assert seen.instance("o") is seen.instance()
    assert (seen.instance().configuration, seen.instance().revision) == (("paid",), 1)
    assert seen.instance().context["charge"] == "charge of 20"
    assert [(each.key, each.service, each.message) for each in seen.effects] == [
        ("o", "charge_card", 1)
    ]
    assert [(each.event, each.status, each.receives) for each in seen.messages] == [
        ("PAY", "dead", 1),
        ("SHIP", "visible", 0),
    ]
    assert [each.event for each in seen.waiting] == ["SHIP"]
    assert not seen.ended


def test_a_revision_is_seen_by_functions() -> None:
    """A function may look at it, so it is part of the states then."""
    scenario = Scenario(counter(), ["INC", "INC"])
    lost = never("lost", lambda seen: (seen.instance().revision, seen.instance().context["count"])
                 == (2, 1))  # fmt: skip
    result = result_of(scenario, lost)
    assert result.verdict is Verdict.REFUTED
    assert (result.interleavings, result.of) == (200, 252)


class Odd:
    """Answers each second time in another way."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, seen: Observation) -> bool:
        self.asked += 1
        return self.asked % 2 == 0


def _changes(seen: Observation) -> bool:
    seen.store[0].context["count"] = 7
    return True


def _raises_without_text(seen: Observation) -> bool:
    class WordlessError(Exception):
        def __str__(self) -> str:
            raise ValueError

    raise WordlessError


def _sets(seen: Observation) -> bool:
    seen.ended = True  # type: ignore[misc]
    return True


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda seen: 1 // 0 == 0, "raised ZeroDivisionError"),
        (lambda seen: seen.count("INC") or None, "raised KeyError: \"'INC' is no service"),
        (lambda seen: seen.in_state("restin"), "did you mean 'resting'"),
        (lambda seen: None, "returned None for resting after no effect; True or False"),
        (Odd(), "a pure function is needed"),
        (_changes, "frozen"),
        (_sets, "frozen"),
        (_raises_without_text, "raised WordlessError: (its text cannot be made: ValueError"),
    ],
)
def test_a_function_that_is_no_predicate_is_a_clear_error(function: Any, words: str) -> None:
    """It raises, changes what it sees, is not pure, or answers something else."""
    scenario = Scenario(counter(), ["INC"], properties=[always("it", function)])
    with pytest.raises(SimulationError) as error:
        explore(scenario)
    assert error.value.where == "property 'it'"
    assert words in error.value.reason
    with pytest.raises(SimulationError):
        find(Scenario(counter(), ["INC"]), function)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: always("", in_state("a")), "one line of text"),
        (lambda: always(ANY, in_state("a")), "one line of text"),
        (lambda: always("it", ANY), "a predicate, or a function"),
        (lambda: always("it", in_state("a"), when=ANY), "when is 3"),
        (lambda: never("it", in_state("a"), at_end=ANY), "at_end is 3"),
        (lambda: in_state(""), "a name that is not empty"),
        (lambda: effect("charge", 0), "times is 0"),
        (lambda: context_is("count", [1]), "the value is [1]"),
        (lambda: Scenario(order, ["PAY"], properties=ANY), "a list such as"),
        (lambda: Scenario(order, ["PAY"], properties=[ANY]), "is no property"),
        (
            lambda: Scenario(order, ["PAY"], properties=[never("x", in_state("payd"))]),
            "'payd' is no state; did you mean 'paid'?",
        ),
        (
            lambda: Scenario(order, ["PAY"], properties=[never("x", effect("charge_cart"))]),
            "did you mean 'charge_card'?",
        ),
        (
            lambda: Scenario(order, ["PAY"], properties=[never("x", dead_letter("SHIP"))]),
            "'SHIP' is no event of the scenario",
        ),
        (
            lambda: Scenario(order, ["PAY"], properties=[never("x", in_state("paid", "o"))]),
            "'o' is no instance of the scenario",
        ),
        (
            lambda: Scenario(
                order, ["PAY"], properties=[never("x", ended()), always("x", ended())]
            ),
            "two properties",
        ),
    ],
)
def test_what_is_no_property_is_refused_at_once(make: Callable[[], Any], words: str) -> None:
    """With what is wrong, and the nearest name that is known."""
    with pytest.raises(SimulationError) as error:
        make()
    assert words in str(error.value)


def test_a_coroutine_function_is_refused() -> None:
    """Nobody would wait for its answer."""

    async def later(seen: Observation) -> bool:
        return True

    with pytest.raises(SimulationError, match="coroutine"):
        never("later", later)  # type: ignore[arg-type]


def test_predicates_are_not_combined_by_words() -> None:
    """``and`` would silently lose one of two."""
    with pytest.raises(TypeError, match="combine predicates by"):
        _ = in_state("a") and in_state("b")
    with pytest.raises(TypeError, match="a function calls them"):
        _ = in_state("a") & (lambda seen: True)  # type: ignore[operator]


# --- what is told -------------------------------------------------------------------------


def test_a_property_whose_premise_never_holds_is_vacuous() -> None:
    """It is proved, and says that it was never tested."""
    scenario = Scenario(order, ["PAY"])
    asked = always("refunds are paid for", effect("charge_card"), when=in_state("refunded"))
    result = result_of(scenario, asked)
    assert (result.verdict, result.vacuous) == (Verdict.PROVED, True)
    assert "vacuous: its premise holds in no state" in result.note
    assert not result_of(scenario.replace(events=["PAY", "CANCEL"]), asked).vacuous


def test_a_part_that_holds_nowhere_is_told() -> None:
    """Two states of one instance never hold together; each alone may."""
    result = result_of(Scenario(order, ["PAY"]), never("x", in_state("paid") & in_state("shipped")))
    assert result.verdict is Verdict.PROVED
    assert result.note == "state:shipped holds in no state"


def test_a_property_that_no_run_keeps_is_told() -> None:
    """It is not only broken in some schedule."""
    result = result_of(Scenario(order, ["PAY"]), never("paid", in_state("paid")))
    assert (result.verdict, result.note) == (Verdict.REFUTED, "no run keeps it")
    assert result.interleavings == result.of == 1


def test_a_search_that_stopped_early_proves_nothing() -> None:
    """But a state that was met refutes, and is a witness."""
    scenario = Scenario(
        append_log(4),
        ["E1", "E2", "E3", "E4"],
        workers=4,
        properties=[
            never("all four", lambda seen: len(seen.instance().context["log"]) == 4),
            never("waits", waiting("E1")),
            sometimes("waits too", waiting("E2")),
            sometimes("two of them", lambda seen: len(seen.instance().context["log"]) == 2),
            eventually("over", ended()),
        ],
    )
    found = explore(scenario, limit=300)
    assert [each.verdict.value for each in found.properties] == [
        "undetermined",
        "refuted",
        "proved",
        "undetermined",
        "undetermined",
    ]
    assert "more than 300 states" in found.properties[0].note
    whole = explore(scenario)
    assert [each.verdict.value for each in whole.properties] == [
        "refuted",
        "refuted",
        "proved",
        "proved",
        "proved",
    ]


def test_an_interrupt_leaves_properties_undetermined() -> None:
    """And says so."""

    def interrupt(progress: Any) -> None:
        if "judging" in progress.text:
            raise KeyboardInterrupt

    scenario = Scenario(order, ["PAY"], properties=[never("paid", in_state("paid"))])
    found = explore(scenario, progress=interrupt)
    [result] = found.properties
    assert (result.verdict, result.note) == (Verdict.UNDETERMINED, "it was interrupted")
    assert result.interleavings is None
    assert result.schedule is None


def test_every_accepted_event_is_handled_in_every_run() -> None:
    """Refused saves that retry come to an end: no event starves, by whatever queue."""
    for queue in ("direct", "standard"):
        scenario = Scenario(counter(), ["INC"] * 3, workers=3, queue=queue, protections=["cas"])
        result = result_of(scenario, eventually("three", context_is("count", 3)))
        assert result.verdict is Verdict.PROVED
    lost = result_of(scenario.replace(protections=[]), eventually("three", context_is("count", 3)))
    assert lost.verdict is Verdict.REFUTED
    assert lost.schedule is not None
    assert replay(scenario.replace(protections=[]), lost.schedule).ending is not None


def test_true_is_not_one() -> None:
    """A field that is True is not 1, as in JSON."""
    chart = Chart(initial="a", states=[{"name": "a", "tags": ["settled"]}], context={"on": True})
    scenario = Scenario(chart.__class__.from_dict(chart.to_dict()), ["E"])
    assert not find(scenario, context_is("on", 1))
    assert find(scenario, context_is("on", True))


# --- values -------------------------------------------------------------------------------


def test_properties_travel_with_the_scenario() -> None:
    """As JSON, where they are predicates; a function has to be given again."""
    asked = always("x", effect("charge_card", 2), when=in_state("paid") | ~ended(), at_end=True)
    scenario = Scenario(order, ["PAY"], properties=[asked])
    again = Scenario.from_dict(scenario.to_dict(), order.functions)
    assert again == scenario
    assert again.properties == (asked,)
    assert eval(repr(asked)) == asked
    assert pickle.loads(pickle.dumps(asked)) == asked
    assert scenario != scenario.replace(properties=[])
    with_function = scenario.replace(properties=[never("x", lambda seen: False)])
    with pytest.raises(SimulationError, match="a function of Python"):
        Scenario.from_dict(with_function.to_dict(), order.functions)


def test_the_certificate_has_the_verdicts_of_the_properties() -> None:
    """So that two people can compare them."""
    scenario = Scenario(order, ["PAY"], properties=[never("paid", in_state("paid"))])
    assert explore(scenario).certificate["properties"] == {"paid": "refuted"}


def test_results_and_findings_draw_their_schedule() -> None:
    """As a space-time diagram that names the claim; without one there is a text."""
    scenario = Scenario(order, ["PAY", "CANCEL"], queue="direct")
    result = result_of(scenario, never("charged", effect("charge_card")))
    picture = result.draw()
    assert "REFUTED never charged" in picture.svg
    assert picture.html in result._repr_mimebundle_().values()
    found = find(scenario, effect("charge_card"))
    assert "The shortest schedule to it" in found.draw().svg
    kept = result_of(scenario, never("both", in_state("paid") & in_state("new")))
    assert kept._repr_mimebundle_() == {"text/plain": "proved: never both"}


def test_a_result_is_found_by_its_name() -> None:
    """And an unknown name says which there are."""
    scenario = Scenario(order, ["PAY"], properties=[never("paid", in_state("paid"))])
    found = explore(scenario)
    assert found.result_of("paid") is found.properties[0]
    assert (
        str(found.properties[0])
        == "refuted: never paid; broken in 1 of 1 interleaving; no run keeps it"
    )
    with pytest.raises(KeyError, match="known are 'paid'"):
        found.result_of("payd")


def test_two_instances_are_told_apart_by_their_keys() -> None:
    """A key names one, without it any of them."""
    scenario = Scenario(order, [("a", "PAY"), ("b", "CANCEL")])
    assert find(scenario, in_state("paid", "a"))
    assert not find(scenario, in_state("paid", "b"))
    assert find(scenario, in_state("paid", "a") & in_state("cancelled", "b"))
    with pytest.raises(SimulationError, match="there are 2 instances"):
        find(scenario, lambda seen: seen.instance().revision > 1)


def test_finding_stops_at_its_limit() -> None:
    """And says that nothing is known then."""
    found = find(Scenario(append_log(4), ["E1", "E2", "E3", "E4"]), ended(), limit=20)
    assert (found.verdict, bool(found)) == (Verdict.UNDETERMINED, False)
    assert "more than 20 states" in str(found)
    assert "more than 1 state was" in str(find(Scenario(order, ["PAY"]), in_state("paid"), limit=1))
    for limit in (0, 1.5, True):
        with pytest.raises(SimulationError, match="limit"):
            find(Scenario(order, ["PAY"]), ended(), limit=limit)  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match="a Scenario is needed"):
        find(order, ended())  # type: ignore[arg-type]
