"""Guards that are asked transition by transition: the same runs, and no bombs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart import Chart
from settlesim.chart.report import Verdict
from settlesim.check import guard_answers, loops
from settlesim.check import runs as exploring
from settlesim.check.contract import check_chart
from settlesim.check.guard_answers import Answer, OutOfWorkError, Refused, WorkCount, agree
from settlesim.check.loops import find_loops
from settlesim.check.runs import ChartRuns, all_runs
from tests.settling.driving import chart_of, settled
from tests.strategies_charts import charts

GO = ["GO", "a", "hub"]


# --- together and one by one ----------------------------------------------------------------

QUESTIONS = [("a", "E"), ("b", "E"), ("c", "E"), ("d", "F")]
ANSWERS: st.SearchStrategy[Answer] = st.tuples(st.sampled_from(QUESTIONS), st.booleans())


@given(
    st.dictionaries(st.sampled_from(QUESTIONS), st.booleans(), max_size=2),
    st.lists(st.lists(ANSWERS, min_size=1, max_size=3).map(tuple), max_size=9),
)
def test_answers_agree_where_some_valuation_gives_them(
    known: dict[tuple[str, str], bool], refused: list[Refused]
) -> None:
    """As all valuations, tried one after another, say."""
    every = (
        dict(zip(QUESTIONS, values, strict=True)) for values in product([True, False], repeat=4)
    )
    expected = any(
        known.items() <= each.items()
        and not any(all(each[question] is value for question, value in one) for one in refused)
        for each in every
    )
    assert agree(known, refused, WorkCount(10_000)) is expected


def outcomes(found: ChartRuns) -> dict[Any, set[Any]]:
    """What can happen at each place."""
    return {
        place: {
            (hop.to, hop.edges, hop.event, hop.service, hop.failed, hop.changes) for hop in hops
        }
        for place, hops in found.hops.items()
    }


def by_transition(do: Callable[[], Any]) -> Any:
    """Do it with no guard asked alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard_answers, "MOST_ANSWERS", 0)
        return do()


@given(charts())
def test_asked_together_guards_allow_the_same_runs(chart: Chart) -> None:
    """The same places, transitions and loops, in flat and in nested charts."""
    alone, together = (
        all_runs(chart, limit=1_000),
        by_transition(lambda: all_runs(chart, limit=1_000)),
    )
    if not (alone.complete and together.complete):
        return
    assert outcomes(together) == outcomes(alone)
    endless = [any(loop.endless for loop in find_loops(each)) for each in (alone, together)]
    assert endless[0] == endless[1]
    reports = (
        check_chart(chart, limit=1_000),
        by_transition(lambda: check_chart(chart, limit=1_000)),
    )
    assert reports[0].verdict is reports[1].verdict
    assert {each.code for each in reports[0].findings} == {
        each.code for each in reports[1].findings
    }


NEVER = [
    # all four rows of a table, so the last way is never taken
    [
        {"dest": "a", "conditions": ["g", "h"]},
        {"dest": "a", "conditions": "g", "unless": "h"},
        {"dest": "a", "conditions": "h", "unless": "g"},
        {"dest": "a", "unless": ["g", "h"]},
        "limbo",
    ],
    # what is wider than an earlier one
    ["a", {"dest": "limbo", "conditions": ["g", "h"]}],
    [{"dest": "a", "conditions": "g"}, {"dest": "limbo", "conditions": ["g", "h"]}, "a"],
    # a guard that has to hold and not to hold
    [{"dest": "limbo", "conditions": "g", "unless": "g"}, "a"],
]


@pytest.mark.parametrize("ways", NEVER)
def test_a_way_that_no_valuation_allows_is_never_taken(ways: list[Any]) -> None:
    """Whatever is asked together: no false alarm."""
    chart = chart_of([settled("a"), {"name": "hub", "always": ways}, "limbo"], [GO])
    for report in (check_chart(chart), by_transition(lambda: check_chart(chart))):
        assert report.verdict is Verdict.PROVED
        assert "SET201" in {each.code for each in report.findings}


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1 other transition"), (2, "2 other transitions")]
)
def test_a_path_says_how_many_transitions_their_guards_refuse(number: int, words: str) -> None:
    """One of them, or several."""
    refused = [{"dest": "a", "conditions": [f"g{index}", "h"]} for index in range(number)]
    chart = chart_of([settled("a"), {"name": "hub", "always": [*refused, "limbo"]}, "limbo"], [GO])
    (finding,) = by_transition(lambda: check_chart(chart)).errors
    assert f", and the guards of {words} do not hold" in finding.path[-1]


@pytest.mark.parametrize(("second", "endless"), [("g1", True), ("h", False)])
def test_a_loop_over_guards_that_are_asked_together_is_judged_exactly(
    second: str, endless: bool
) -> None:
    """Endless where both ways may hold at once, and no loop where they exclude each other."""
    many = [f"g{number}" for number in range(10)]
    back = (
        {"dest": "hub", "conditions": second} if endless else {"dest": "hub", "unless": many[1:2]}
    )
    chart = chart_of(
        [
            settled("a"),
            {"name": "hub", "always": [{"dest": "b", "conditions": many}, "a"]},
            {"name": "b", "always": [back, "a"]},
        ],
        [GO],
    )
    for report in (check_chart(chart), by_transition(lambda: check_chart(chart))):
        assert ("SET102" in {each.code for each in report.findings}) is endless
        assert (report.verdict is Verdict.PROVED) is not endless


# --- bombs ----------------------------------------------------------------------------------


def guarded(dest: Callable[[int], str], count: int = 40, **more: Any) -> list[dict[str, Any]]:
    """Transitions with ten guards each, all of them different."""
    return [
        {"dest": dest(way), "conditions": [f"g{way}_{each}" for each in range(10)], **more}
        for way in range(count)
    ]


REST = [settled(f"t{number}") for number in range(40)]
WAYS = guarded("t{}".format)
HUBS: dict[str, dict[str, Any]] = {
    "eventless": {"always": [*WAYS, "a"]},
    "eventless, with assigns before": {"always": [*guarded("t{}".format, prepare="s"), "a"]},
    "service": {"invoke": {"src": "s", "on_done": [*WAYS, "a"], "on_error": [*WAYS, "a"]}},
    "delay": {"after": {"1": [*WAYS, "a"]}},
    "shared guards": {
        "always": [
            *(
                {"dest": f"t{way}", "conditions": [f"g{(7 * way + 3 * n) % 25}" for n in range(10)]}
                for way in range(40)
            ),
            "a",
        ]
    },
    "refusing guards": {
        "always": [
            *(
                {"dest": f"t{way}", "unless": [f"g{way}_{n}" for n in range(10)]}
                for way in range(40)
            ),
            "a",
        ]
    },
}


@pytest.mark.parametrize("hub", HUBS.values(), ids=HUBS)
def test_many_guards_are_decided_with_few_hops(hub: dict[str, Any]) -> None:
    """Forty ways with ten guards each are forty-one outcomes, and not 10**40."""
    report = check_chart(chart_of([settled("a"), {"name": "hub", **hub}, *REST], [GO]))
    assert report.verdict is Verdict.PROVED
    assert report.steps < 300


def test_many_guards_on_the_candidates_of_one_event_are_decided() -> None:
    """In a flat chart, and from nodes within each other."""
    ways = [{"trigger": "GO", "source": "a", **each} for each in WAYS]
    report = check_chart(chart_of([settled("a"), *REST], ways))
    assert (report.verdict, report.steps) == (Verdict.PROVED, 81)
    box = {"name": "o", "initial": "i", "children": [settled("i")]}
    ways = [
        {"trigger": "GO", "source": source, **each} for source in ("o.i", "o") for each in WAYS[:20]
    ]
    report = check_chart(chart_of([box, *REST], ways))
    assert report.verdict is Verdict.PROVED
    assert report.steps < 100


def regions(count: int, *, moves: bool = True, ways: int = 1) -> Chart:
    """Parallel regions, each of which may take any of its guarded transitions, or none."""
    names = [f"r{number}" for number in range(count)]
    return chart_of(
        [
            {
                "name": "p",
                "parallel": [
                    {"name": name, "initial": "x", "children": [settled("x"), settled("y")]}
                    for name in names
                ],
            }
        ],
        [
            {
                "trigger": "GO",
                "source": f"p.{name}.x",
                "dest": f"p.{name}.y" if moves else None,
                "conditions": [f"{name}_{way}_{each}" for each in range(3)],
            }
            for name in names
            for way in range(ways)
        ],
    )


def services(count: int) -> Chart:
    """Services side by side, which may end in any order."""
    invoke = [
        {"src": f"s{n}", "on_done": {"dest": "a", "conditions": f"g{n}"}, "on_error": "a"}
        for n in range(count)
    ]
    return chart_of([settled("a"), {"name": "hub", "invoke": invoke}], [GO])


def hard() -> Chart:
    """Guards of which it is hard to say whether all ways may be refused."""
    ways = []
    for number in range(640):
        three = [(number * number * step + step) % 149 for step in (1, 7, 31)]
        signs = [(number >> bit) & 1 for bit in range(3)]
        picked = list(zip(three, signs, strict=True))
        ways.append(
            {
                "dest": "a",
                "conditions": [f"g{each}" for each, sign in picked if sign],
                "unless": [f"g{each}" for each, sign in picked if not sign],
            }
        )
    return chart_of([settled("a"), {"name": "hub", "always": [*ways, "limbo"]}, "limbo"], [GO])


@pytest.mark.parametrize(
    "chart",
    [
        regions(20),
        regions(20, moves=False, ways=3),
        regions(600),
        services(14),
        hard(),
    ],
    ids=["regions", "regions that stay", "one wide step", "services", "hard guards"],
)
def test_what_is_really_too_much_ends_undetermined(
    chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a number of steps that depends on nothing but the chart, and it is said why."""
    monkeypatch.setattr(exploring, "MAX_WORK", 20_000)
    report = check_chart(chart)
    assert report.verdict is Verdict.UNDETERMINED
    assert report.findings[-1].message == "more than 20000 steps of the search"
    assert report.steps < 20_000
    assert check_chart(chart).to_dict() == report.to_dict()


def test_a_higher_limit_of_places_allows_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """In proportion."""
    monkeypatch.setattr(exploring, "MAX_WORK", 1_000)
    assert check_chart(services(6)).findings[-1].code == "SET901"
    whole = check_chart(services(6), limit=50 * exploring.LIMIT)
    assert "SET901" not in {each.code for each in whole.findings}


def test_paths_of_many_findings_are_told_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """All findings are told; those after it have no path."""
    monkeypatch.setattr(exploring, "MAX_PATHS", 50)
    chain: list[Any] = [
        {"name": f"n{n}", "always": [{"dest": f"n{n + 1}", "conditions": f"g{n}"}, f"l{n}"]}
        for n in range(30)
    ]
    limbo = [f"l{n}" for n in range(30)]
    chart = chart_of([settled("a"), *chain, settled("n30"), *limbo], [["GO", "a", "n0"]])
    report = check_chart(chart)
    assert len(report.errors) == 30
    paths = [len(each.path) for each in report.errors]
    assert 50 <= sum(paths) < 100
    assert paths[-1] == 0


def test_the_search_of_loops_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all components together; what was not searched is a loop that may have no end."""
    monkeypatch.setattr(loops, "_MAX_WORK", 50_000)
    states, ways = [settled("a")], []
    for part in range(10):
        for n in range(18):
            near = [other for other in (n + 1, n + 2, n + 3, n - 1) if 0 <= other < 18]
            tangled = [
                {"dest": f"c{part}n{to}", "conditions": f"g{n}_{to}", "unless": f"g{to}_{n}"}
                for to in near
            ]
            states.append({"name": f"c{part}n{n}", "always": [*tangled, "a"]})
        ways.append([f"E{part}", "a", f"c{part}n0"])
    assert check_chart(chart_of(states, ways)).verdict is Verdict.UNDETERMINED


BOUNDED = """
import json, resource, sys
from settlesim import Chart
from settlesim.check import check_chart
chart = Chart.from_dict(json.load(sys.stdin))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = check_chart(chart)
more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([report.verdict.value, more / 1024 / (1024 if sys.platform == "darwin" else 1)]))
"""


@pytest.mark.parametrize("name", ["eventless", "service"])
def test_a_small_chart_takes_little_memory(name: str) -> None:
    """Once 8.9 GB for five kilobytes of JSON; measured in a process of its own, in MB."""
    pytest.importorskip("resource")
    hub = HUBS[name]
    chart = chart_of([settled("a"), {"name": "hub", **hub}, *REST], [GO], name="bomb")
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED],
        input=json.dumps(chart.to_dict()),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    verdict, megabytes = json.loads(done.stdout)
    assert verdict == Verdict.PROVED.value
    assert megabytes < 100


def test_work_that_is_spent_is_refused() -> None:
    """One step more than there are."""
    work = WorkCount(2)
    work.spend(2)
    with pytest.raises(OutOfWorkError):
        work.spend(1)


# --- guards that look at the active states --------------------------------------------------


def _two_steps(**first: object) -> Chart:
    """From a through b, where only the guard decides, to c; b is no place to rest."""
    return Chart(
        [{"name": "a", "tags": ["settled"]}, "b", {"name": "c", "tags": ["settled"]}],
        [
            {"trigger": "GO", "source": "a", "dest": "b", **first},  # type: ignore[list-item]
            {"source": "b", "dest": "c", **first},  # type: ignore[list-item]
        ],
        "a",
    )


def test_in_is_answered_and_not_left_open() -> None:
    """What holds by the shape of the chart needs no assumption."""
    assert _two_steps(conditions="In(a)").check().verdict is Verdict.REFUTED
    assert _two_steps(unless="In(c)").check().verdict is Verdict.PROVED
    assert _two_steps(conditions="In(b)").check().verdict is Verdict.PROVED  # GO is never taken


def test_a_guard_that_looks_at_the_active_states_may_change_its_mind() -> None:
    """In another state it is another question; of the context alone it is the same one."""
    chart = Chart(
        [
            {"name": "a", "tags": ["settled"]},
            {"name": "x", "always": [{"dest": "y", "conditions": "look"}, "a"]},
            {"name": "y", "always": [{"dest": "x", "unless": "look"}, "a"]},
        ],
        [["GO", "a", "x"]],
        "a",
    )
    assert chart.check().verdict is Verdict.PROVED

    def look(context: object, event: object, active: tuple[str, ...]) -> bool:
        return "x" in active

    report = chart.bind({"look": look}).check()
    assert report.verdict is Verdict.REFUTED
    assert "states x -> y: nothing ends this cycle" in str(report)
