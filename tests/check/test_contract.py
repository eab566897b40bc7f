"""Every code of the check: a smallest chart that shows it, and one that nearly does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from settlesim.chart import Chart
from settlesim.chart.report import CODES, Severity, Verdict
from settlesim.check.contract import check_chart
from tests.settling.driving import chart_of, settled

GO = ["GO", "a", "b"]
FAILS = {"src": "work", "on_done": "a", "on_error": "a"}


def chain(length: int, prefix: str, last: dict[str, Any]) -> list[dict[str, Any]]:
    """States that lead without an event from the first to `last`."""
    names = [*(f"{prefix}{index}" for index in range(length)), last["name"]]
    return [
        *({"name": name, "always": to} for name, to in itertools.pairwise(names)),
        last,
    ]


def box(**more: Any) -> dict[str, Any]:
    """A compound state with one child."""
    return {"name": "box", "initial": "in", "children": [settled("in")], **more}


REGION = {"name": "r", "initial": "x", "children": [{"name": "x", "final": True}]}

CASES: dict[str, tuple[Chart, str, str, tuple[str, ...], Chart]] = {
    "SET101": (
        chart_of([settled("a"), "b"], [GO]),
        "state 'b'",
        "nothing is pending here and no settling tag is on it",
        ("new instance in a", "GO -> b"),
        chart_of([settled("a"), {"name": "b", "after": {"1": "a"}}], [GO]),
    ),
    "SET102": (
        chart_of([settled("a"), {"name": "b", "always": "c"}, {"name": "c", "always": "b"}], [GO]),
        "states b -> c",
        "nothing ends this cycle",
        ("new instance in a", "GO -> b"),
        chart_of([settled("a"), {"name": "b", "always": "c"}, {"name": "c", "always": "a"}], [GO]),
    ),
    "SET103": (
        chart_of([settled("a"), {"name": "b", "invoke": {"src": "work", "on_done": "a"}}], [GO]),
        "state 'b'",
        "service 'work' may fail, and it has no on_error",
        ("new instance in a", "GO -> b", "work failed or out of time -> b"),
        chart_of([settled("a"), {"name": "b", "invoke": FAILS}], [GO]),
    ),
    "SET104": (
        chart_of([*chain(500, "s", settled("a")), *chain(500, "t", settled("b"))],
                 [["GO", "a", "t0"]]),
        "chart 'chart'",
        "one event may take 1001 microsteps; 1000 are allowed",
        (),
        chart_of([*chain(500, "s", settled("a")), *chain(499, "t", settled("b"))],
                 [["GO", "a", "t0"]]),
    ),
    "SET105": (
        chart_of([{"name": "a", "always": "b"}, "b", settled("c")], [["GO", "b", "c"]]),
        "state 'b'",
        "the start of a new instance stops here, and no settling tag is on the state",
        ("new instance in a", "eventless -> b"),
        chart_of([{"name": "a", "always": "b"}, settled("b"), settled("c")], [["GO", "b", "c"]]),
    ),
    "SET201": (
        chart_of([settled("a"), settled("b")]),
        "state 'b'",
        "no run ever enters it",
        (),
        chart_of([settled("a"), settled("b")], [GO]),
    ),
    "SET202": (
        chart_of([settled("a"), {"name": "b", "invoke": {**FAILS, "on_error": "="}}], [GO]),
        "states b -> b",
        "this loop ends only by what a guard or a service answers",
        ("new instance in a", "GO -> b"),
        chart_of([settled("a"), {"name": "b", "invoke": FAILS}], [GO]),
    ),
    "SET203": (
        chart_of([settled("a"), settled("b")], [GO, ["GO", "a", "a"]]),
        "transition 'GO' from 'a' to 'a'",
        "the earlier transition 'GO' from 'a' to 'b' has no guard and wins",
        (),
        chart_of([settled("a"), settled("b")], [[*GO, "guard"], ["GO", "a", "a"]]),
    ),
    "SET204": (
        chart_of([settled("a"), {"name": "b", "tags": ["Setled", "settled"]}], [GO]),
        "state 'b'",
        "the tag 'Setled' is no settling tag; did you mean 'settled'?",
        (),
        chart_of([settled("a"), {"name": "b", "tags": ["info", "settled"]}], [GO]),
    ),
    "SET205": (
        chart_of(["a", settled("b")], [GO]),
        "state 'a'",
        "a new instance starts in a state without a settling tag",
        (),
        chart_of([{"name": "a", "always": "b"}, settled("b")]),
    ),
    "SET206": (
        chart_of([settled("a"), {"name": "b", "invoke": FAILS}], [GO, ["STOP", "b", "a"]]),
        "transition 'STOP' from 'b' to 'a'",
        "an event arrives only when the chart is settled, and in this state it never is",
        (),
        chart_of([settled("a"), settled("b")], [GO, ["STOP", "b", "a"]]),
    ),
    "SET207": (
        chart_of([settled("a", after={"5": "b"}), settled("b")], [GO, ["BACK", "b", "a"]]),
        "state 'a'",
        "after 5 s passes while the instance is stored: a worker lets it pass",
        (),
        chart_of([settled("a"), {"name": "b", "after": {"5": "a"}}], [GO]),
    ),
    "SET208": (
        chart_of([settled("a"), {"name": "b", "after": {"301": "a"}}], [GO]),
        "state 'b'",
        "after 301 s is beyond the deadline of one event, 300 s",
        (),
        chart_of([settled("a"), {"name": "b", "after": {"300": "a"}}], [GO]),
    ),
    "SET209": (
        chart_of([settled("a"), {"name": "b", "tags": ["reject"]}], [GO, ["RETRY", "b", "a"]]),
        "transition 'RETRY' from 'b' to 'a'",
        "no run makes it fire",
        (),
        chart_of([settled("a"), {"name": "b", "tags": ["reject"]}], [GO, ["RETRY", "b", "a"]],
                 on_reject="persist"),
    ),
    "SET301": (
        chart_of([box()], [["GO", "box", "box.in"]]),
        "transition 'GO' from 'box' to 'box.in'",
        "the source stays active while its child is entered",
        (),
        chart_of([box()], [["GO", "box.in", "box"]]),
    ),
    "SET302": (
        chart_of([settled("box", children=["in"])], [["GO", "box", "box.in"]]),
        "state 'box'",
        "has no initial child",
        (),
        chart_of([box()], [["GO", "box", "box.in"]]),
    ),
    "SET303": (
        chart_of([settled("a"), settled("b")], [["pay", "a", "b"], ["pay.late", "a", "b"]]),
        "event 'pay.late'",
        "does not trigger the transitions of 'pay': only equal names match",
        (),
        chart_of([settled("a"), settled("b")], [["pay", "a", "b"], ["payment", "a", "b"]]),
    ),
    "SET304": (
        chart_of([settled("a"), {"name": "o", "initial": "r", "children": [REGION],
                                 "on_done": "a"}], [["GO", "a", "o"]]),
        "state 'o'",
        "on_done fires when every active leaf inside is final, however deep",
        (),
        chart_of([settled("a"), {**REGION, "on_done": "a"}], [["GO", "a", "r"]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", CASES)
def test_each_code_has_a_chart_that_shows_it_and_one_that_nearly_does(code: str) -> None:
    """Place, message and path are pinned; the near-miss has no such finding."""
    shows, where, message, path, nearly = CASES[code]
    (finding,) = [each for each in check_chart(shows).findings if each.code == code]
    assert finding.where == where
    assert message in finding.message
    assert finding.path == path
    assert finding.severity is CODES[code][0]
    assert code not in [each.code for each in check_chart(nearly).findings]


def test_every_code_is_shown() -> None:
    """Those for charts that are too large, and for steps between versions, stand elsewhere."""
    elsewhere = {code for code in CODES if code == "SET901" or code.startswith("SET4")}
    assert set(CASES) == set(CODES) - elsewhere


@pytest.mark.parametrize("code", ["SET101", "SET102", "SET103", "SET104"])
def test_an_error_refutes(code: str) -> None:
    """The four errors refute, and their near-misses are proved."""
    shows, *_, nearly = CASES[code]
    assert check_chart(shows).verdict is Verdict.REFUTED
    assert check_chart(nearly).verdict is Verdict.PROVED


def test_a_loop_leaves_the_verdict_open_and_other_warnings_do_not() -> None:
    """UNDETERMINED comes of loops and of delays beyond the deadline; others are PROVED."""
    for code, (shows, *_) in CASES.items():
        if CODES[code][0] is not Severity.ERROR:
            expected = Verdict.UNDETERMINED if code in {"SET202", "SET208"} else Verdict.PROVED
            assert check_chart(shows).verdict is expected, code


def test_a_search_that_was_cut_is_no_proof() -> None:
    """SET901 says which limit it was; what needs the whole graph is not said."""
    shows = CASES["SET201"][0]
    chart = chart_of([settled("a"), *map(settled, "bcdefg")], [["GO", "a", x] for x in "bcdefg"])
    whole, cut = check_chart(chart), check_chart(chart, limit=2)
    assert "SET203" in [each.code for each in whole.findings]
    assert (cut.verdict, cut.longest) == (Verdict.UNDETERMINED, None)
    assert [(each.code, each.message) for each in cut.findings] == [
        ("SET901", "more than 2 run states")
    ]
    assert check_chart(chart, limit=1).findings[-1].message == "more than 1 run state"
    assert check_chart(shows, limit=2).verdict is Verdict.PROVED
    limbo = chart_of([settled("a"), "b", settled("c")], [GO, ["C", "a", "c"]])
    report = check_chart(limbo, limit=5)
    assert report.verdict is Verdict.REFUTED
    assert {"SET101", "SET901"} == {each.code for each in report.findings}


def test_findings_are_sorted_by_code_and_each_limbo_is_told_once() -> None:
    """Errors first; a place that two ways lead to is one finding."""
    chart = chart_of(["a", "b", settled("c")], [["X", "a", "b"], ["Y", "a", "b"], ["Z", "a", "a"]])
    report = check_chart(chart)
    assert [each.code for each in report.findings] == ["SET101", "SET101", "SET201", "SET205"]
    assert [each.where for each in report.findings[:2]] == ["state 'b'", "state 'a'"]


def test_a_failure_behind_guards_says_so_and_each_invocation_is_told_once() -> None:
    """All guards of ``on_error`` may be false."""
    busy = {
        "name": "b",
        "invoke": [
            {"src": "work", "on_done": "a", "on_error": {"dest": "a", "conditions": "guard"}},
            {"src": "other", "on_done": "a"},
        ],
    }
    report = check_chart(chart_of([settled("a"), busy], [GO]))
    assert [each.message for each in report.errors] == [
        "service 'work' may fail, and all guards of its on_error may be false",
        "service 'other' may fail, and it has no on_error",
    ]
    assert report.errors[0].path[-1] == "work failed or out of time -> b"
    later = {**busy, "invoke": [{"src": "work", "on_error": "a"}, {"src": "other", "on_done": "a"}]}
    report = check_chart(chart_of([settled("a"), later], [GO]))
    assert [each.path for each in report.errors] == [
        ("new instance in a", "GO -> b", "other failed or out of time -> b")
    ]


def test_an_unreachable_node_hides_what_is_inside() -> None:
    """One finding for the outermost node is enough."""
    chart = chart_of([settled("a"), box()])
    assert [each.where for each in check_chart(chart).findings] == ["state 'box'"]


def test_a_delay_that_never_passes_is_told() -> None:
    """It is longer than one that leaves the node."""
    codes = [each.code for each in check_chart(CASES["SET207"][0]).findings]
    assert codes == ["SET207"]
    for states, transitions in (
        ([settled("a"), {"name": "b", "after": {"1": "a", "2": {"dest": "a"}}}], [GO]),
        ([settled("a"), settled("b", after={"1": "a", "2": {"dest": "a"}})], [GO]),
    ):
        report = check_chart(chart_of(states, transitions))
        assert [each.code for each in report.findings if each.code != "SET207"] == ["SET209"]


def test_a_longer_delay_passes_after_one_that_stays_in_the_node() -> None:
    """An internal transition leaves the others running, and a guard may say no."""
    for first in ({"dest": None}, {"dest": "a", "conditions": "maybe"}):
        later = settled("b", after={"1": first, "2": {"dest": "a"}})
        report = check_chart(chart_of([settled("a"), later], [GO]))
        assert [each.code for each in report.findings] == ["SET207", "SET207"]


def test_a_delay_of_a_settled_first_state_passes_after_a_start_without_an_event() -> None:
    """An instance that was started rests there, and its timer runs."""
    report = check_chart(chart_of([settled("a", after={"5": "b"}), settled("b")], [GO]))
    assert [each.code for each in report.findings] == ["SET207"]


@pytest.mark.parametrize("hook", ["always", "invoke", "after", "on_enter"])
def test_a_start_that_works_and_comes_back_to_an_untagged_state_is_refuted(hook: str) -> None:
    """Whether its work is a transition, a service, or what a callback may change."""
    maybe = {"dest": None, "conditions": "maybe"}
    more = {
        "always": {"dest": "b", "conditions": "maybe"},
        "invoke": {"src": "work", "on_done": maybe, "on_error": maybe},
        "after": {"1": {"dest": None}},
        "on_enter": "change",
    }[hook]
    back = {"name": "b", "always": {"dest": "a", "conditions": "no"}, "tags": ["settled"]}
    chart = chart_of([{"name": "a", hook: more}, back], [GO])
    limbo = [each for each in check_chart(chart).findings if each.code == "SET105"]
    assert [each.where for each in limbo] == ["state 'a'"]


def test_a_delay_that_passes_and_does_nothing_is_no_work() -> None:
    """The event is applied in the first state, which is not saved."""
    later = {"1": {"dest": "b", "conditions": "maybe"}}
    report = check_chart(chart_of([{"name": "a", "after": later}, settled("b")], [GO]))
    assert report.ok


def test_a_delay_of_a_settled_node_is_followed_like_an_event() -> None:
    """What it leads to belongs to the contract."""
    chart = chart_of([settled("a"), settled("b", after={"5": "limbo"}), "limbo"], [GO])
    report = check_chart(chart)
    assert report.verdict is Verdict.REFUTED
    assert report.errors[0].path == ("new instance in a", "GO -> b", "after 5 s -> limbo")
    (edge,) = [each for each in chart.settling_graph().edges if each.event == "GO"]
    assert edge.target == ("b",)


def test_a_child_that_is_tagged_by_its_parent_is_settled_too() -> None:
    """A delay below a settled state passes at rest."""
    box = settled("box", initial="in", children=[{"name": "in", "after": {"400": "="}}])
    chart = chart_of([box], [["GO", "box", "="]])
    assert [each.code for each in check_chart(chart).findings] == ["SET207"]


def test_an_initial_node_with_something_pending_is_no_warning() -> None:
    """Services, delays and eventless transitions lead on from it."""
    boots: list[dict[str, Any]] = [{"invoke": {**FAILS, "on_done": "b", "on_error": "b"}},
                                   {"after": {"1": "b"}}, {"always": "b"}]  # fmt: skip
    for boot in boots:
        report = check_chart(chart_of([{"name": "a", **boot}, settled("b")]))
        assert (report.verdict, report.findings) == (Verdict.PROVED, ())


def test_an_asterisk_in_an_event_is_named_where_it_is_a_letter() -> None:
    """The library `transitions` knows no event descriptors; with the rules of SCXML it is one."""
    transitions = [["x.*", "a", "b"], ["*", "a", "b"]]
    states: list[Any] = [{"name": name, "tags": ["settled"]} for name in "ab"]
    found = Chart(states, transitions, "a").check().findings
    assert [(each.code, each.where) for each in found] == [
        ("SET303", "event '*'"),
        ("SET303", "event 'x.*'"),
    ]
    assert Chart(states, transitions, "a", semantics="scxml").check().findings == ()
