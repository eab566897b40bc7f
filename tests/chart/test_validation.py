"""What has to hold between the parts of a chart."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim import Chart, SettlingTags
from settlesim.argument_checks import nearest
from settlesim.errors import DefinitionError


def problems_of(states: Any, transitions: Any = (), **keys: Any) -> list[str]:
    """Return what is wrong, one text for each problem."""
    with pytest.raises(DefinitionError) as caught:
        Chart(states, transitions, **{"initial": "a", **keys})
    return [str(problem) for problem in caught.value.problems]


# --- names that stand for nothing ---------------------------------------------------------


def test_all_problems_are_found_at_once() -> None:
    """An author corrects a chart in one go."""
    with pytest.raises(DefinitionError) as caught:
        Chart(
            ["idle", {"name": "busy", "tags": 5}],  # type: ignore[list-item]
            [["GO", "idel", "busy"], ["GO", "busy", "Idle"]],
            "bussy",
            name="lamp",
            version=0,
        )
    assert str(caught.value) == (
        "chart 'lamp' has 5 problems:\n"
        "  - state 'busy': tags are 5; a list of names is needed, such as ['settled']\n"
        "  - version: is 0; a whole number from 1 to 9007199254740991 is needed\n"
        "  - transition 'GO' from 'idel' to 'busy': unknown source 'idel'; did you mean 'idle'?\n"
        "  - transition 'GO' from 'busy' to 'Idle': unknown destination 'Idle'; did you mean "
        "'idle'?\n"
        "  - initial: unknown state 'bussy'; did you mean 'busy'?"
    )
    assert caught.value.chart == "lamp"
    assert caught.value.more == 0


def test_unknown_names_show_the_known_ones_where_they_are_few() -> None:
    """With no near name, up to eight are listed."""
    assert problems_of(["a", "b"], [["GO", "a", "xyz"]]) == [
        "transition 'GO' from 'a' to 'xyz': unknown destination 'xyz'; known are 'a', 'b'"
    ]
    many = [f"state{index}" for index in range(9)]
    assert problems_of(many, initial="q") == ["initial: unknown state 'q'"]


def test_a_destination_inside_a_state_is_looked_up_there() -> None:
    """A local name does not reach outside."""
    inside = {"name": "p", "children": ["x"], "transitions": [["GO", "x", "a"]]}
    assert problems_of(["a", inside]) == [
        "transition 'GO' from 'p.x' to 'p.a': unknown destination 'p.a'; did you mean 'p.x'?"
    ]


def test_an_unknown_destination_of_a_service_names_its_trigger() -> None:
    """The reserved trigger says which service it was."""
    found = problems_of([{"name": "a", "invoke": {"src": "w", "on_done": "nowhere"}}])
    assert found == [
        "transition 'done.invoke.a.0' from 'a' to 'nowhere': unknown destination 'nowhere'; "
        "known are 'a'"
    ]


def test_a_name_that_differs_in_case_is_nearest() -> None:
    """Also where another name shares more letters in place."""
    assert nearest("PAID", ["said", "paid"]) == "paid"
    assert nearest("piad", ["said", "paid"]) in {"paid", "said"}
    assert nearest("xyz", ["said", "paid"]) is None
    assert nearest(5, ["5"]) is None


def test_many_long_names_are_not_compared() -> None:
    """A hostile chart cannot make the search for near names slow; case is still seen."""
    known = ["x" * 100 + str(index) for index in range(2_000)]
    assert nearest("x" * 100 + "y", known) is None
    assert nearest("X" * 100 + "7", known) == "x" * 100 + "7"


@pytest.mark.parametrize(
    ("initial", "problem"),
    [
        (None, "initial: is missing; the state in which a new instance starts is needed"),
        (["a"], "initial: is ['a']; the name of one state is needed"),
        (5, "initial: is 5; the name of one state is needed"),
        ("b", "initial: unknown state 'b'; known are 'a'"),
    ],
)
def test_initial_is_one_known_state(initial: object, problem: str) -> None:
    """The start is never made up."""
    assert problems_of(["a"], initial=initial) == [problem]


# --- tags, services, final states ----------------------------------------------------------


def test_a_node_is_resolved_or_rejected_not_both() -> None:
    """An outcome has to be one."""
    assert problems_of([{"name": "a", "tags": ["settled", "reject"]}]) == [
        "state 'a': is tagged both as resolved and as rejected; one is possible"
    ]


def test_a_settled_node_runs_no_service() -> None:
    """Its own tag counts."""
    assert problems_of([{"name": "a", "tags": ["settled"], "invoke": "w"}]) == [
        "state 'a': runs a service, and 'a' is tagged as settled: a chart does not rest while a "
        "service runs. Move the service to a state of its own."
    ]


def test_a_node_inside_a_settled_one_runs_no_service() -> None:
    """A tag is inherited."""
    inner = {"name": "a", "tags": ["done!"], "children": [{"name": "x", "invoke": "w"}]}
    found = problems_of([inner], settling_tags={"resolved": ["done!"]})
    assert len(found) == 1
    assert found[0].startswith("state 'a.x': runs a service, and 'a' is tagged as settled")


def test_a_final_node_is_the_end() -> None:
    """No services, no delays, no transitions."""
    final = {"name": "a", "final": True, "invoke": "w", "after": {"1": "a"}}
    assert problems_of([final], [["GO", "a", "a"]]) == [
        "state 'a': is final, and a final state runs no services or delays",
        "transition 'GO' from 'a' to 'a': starts in a final state, which is the end",
        "transition 'after.a.0' from 'a' to 'a': starts in a final state, which is the end",
    ]


def test_an_eventless_or_internal_way_out_of_a_final_node_is_refused() -> None:
    """The message names the kind."""
    assert problems_of(
        [{"name": "a", "final": True, "always": None}, "b"], [[None, "a", None]]
    ) == [
        "transition eventless from 'a' to itself, internally: starts in a final state, which is "
        "the end"
    ]


def test_on_done_of_a_leaf_is_refused() -> None:
    """It is probably meant for a service."""
    assert problems_of([{"name": "a", "on_done": "a"}]) == [
        "state 'a': has on_done but no children; a service's on_done stands inside invoke"
    ]


# --- parallel states -----------------------------------------------------------------------

PARALLEL: list[Any] = [
    "a",
    {
        "name": "p",
        "parallel": [
            {"name": "l", "children": ["1", "2"], "initial": "1"},
            {"name": "r", "children": ["1", "2"], "initial": "1"},
        ],
    },
]


def test_a_transition_into_one_region_alone_is_refused() -> None:
    """The other region would not be entered."""
    assert problems_of(PARALLEL, [["GO", "a", "p.l.2"]]) == [
        "transition 'GO' from 'a' to 'p.l.2': enters only the region 'p.l' of the parallel state "
        "'p': go to 'p'"
    ]


def test_a_transition_between_regions_is_refused() -> None:
    """Regions do not reach into each other."""
    assert problems_of(PARALLEL, [["GO", "p.l.1", "p.r.2"]]) == [
        "transition 'GO' from 'p.l.1' to 'p.r.2': goes from region 'p.l' to region 'p.r' of the "
        "parallel state 'p': regions do not reach into each other"
    ]


def test_leaving_under_a_trigger_that_another_region_takes_is_refused() -> None:
    """Which of them fires would depend on the order of regions."""
    transitions = [["GO", "p.l.1", "a"], ["GO", "p.r.1", "p.r.2"]]
    assert problems_of(PARALLEL, transitions) == [
        "transition 'GO' from 'p.l.1' to 'a': leaves the parallel state 'p' while region 'p.r' "
        "takes the same trigger: give one of them another trigger"
    ]


def test_an_unknown_source_beside_a_parallel_node_is_one_problem() -> None:
    """The rules of regions say nothing about what is no state."""
    found = problems_of(PARALLEL, [["GO", "pl1", "a"], ["GO", "p.l.1", "b"]])
    assert [each.partition(": ")[2] for each in found] == [
        "unknown source 'pl1'; did you mean 'p.l.1'?",
        "unknown destination 'b'; known are 'a', 'p', 'p.l', 'p.l.1', 'p.l.2', 'p.r', 'p.r.1', "
        "'p.r.2'",
    ]


def test_what_regions_may_do() -> None:
    """Move inside, both under one trigger, leave under an own one, be left from outside."""
    chart = Chart(
        PARALLEL,
        [
            ["GO", "p.l.1", "p.l.2"],
            ["GO", "p.r.1", "p.r.2"],
            ["OUT", "p.l.2", "a"],
            ["OUT", "p.l.1", "a"],
            ["RESET", "p", "a"],
            ["IN", "a", "p"],
            ["NOTE", "p.l.1", None],
        ],
        "a",
    )
    assert len(chart.transitions) == 7


# --- functions ----------------------------------------------------------------------------


def test_one_name_is_one_kind_of_function() -> None:
    """A guard is not called as an assign, nor as a service."""
    states = [{"name": "a", "on_enter": "f", "invoke": {"src": "g", "on_done": "a"}}]
    assert problems_of(states, [["GO", "a", "a", ["f", "g"]]]) == [
        "function 'f': is used as assign and as guard; give them two names",
        "function 'g': is used as service and as guard; give them two names",
    ]


# --- the chart's own values ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"name": 5}, "name: the chart's name is of type int; a name is text"),
        ({"name": ""}, "name: the chart's name is empty"),
        ({"version": "1"}, "version: is '1'; a whole number from 1 to 9007199254740991 is needed"),
        (
            {"version": True},
            "version: is True; a whole number from 1 to 9007199254740991 is needed",
        ),
        (
            {"version": 10**5_000},
            "version: is <int>; a whole number from 1 to 9007199254740991 is needed",
        ),
        ({"on_reject": "keep"}, "on_reject: is 'keep'; 'discard' or 'persist' is needed"),
        ({"secret": "pin"}, "secret: is 'pin'; a list of the names of context fields is needed"),
        ({"secret": [1]}, "secret: is [1]; a list of the names of context fields is needed"),
        ({"on_reject": []}, "on_reject: is []; 'discard' or 'persist' is needed"),
        ({"semantics": "xstate"}, "semantics: is 'xstate'; 'transitions' or 'scxml' is needed"),
        ({"semantics": None}, "semantics: is None; 'transitions' or 'scxml' is needed"),
        ({"context": [1]}, "context: is [1]; a dict with string keys is needed"),
        (
            {"context": {"a": float("nan")}},
            "context['a']: has nan, which JSON has no number for",
        ),
    ],
)
def test_the_charts_own_values_are_checked(keys: dict[str, Any], problem: str) -> None:
    """A wrong type is a problem of the definition, not a TypeError."""
    assert problems_of(["a"], **keys) == [problem]


@pytest.mark.parametrize(
    "tags",
    [
        "settled",
        {"resolved": "settled"},
        {"resolved": [5]},
        {"accepted": ["settled"]},
        {"resolved": ["x"], "rejected": ["x"]},
        SettlingTags("settled"),  # type: ignore[arg-type]
        SettlingTags(("x",), ("x",)),
    ],
)
def test_settling_tags_are_two_lists_without_a_common_name(tags: Any) -> None:
    """A text is no list of names, wherever it stands."""
    found = problems_of(["a"], settling_tags=tags)
    assert len(found) == 1
    assert found[0].startswith("settling_tags: is ")
    assert found[0].endswith("without a common name is needed")


def test_a_chart_may_name_its_own_settling_tags() -> None:
    """As a mapping or as a value; what is not given is empty."""
    for tags in ({"resolved": ["ok"]}, SettlingTags(("ok",), ())):
        chart = Chart([{"name": "a", "tags": ["ok"]}], initial="a", settling_tags=tags)
        assert chart.settling_tags == SettlingTags(("ok",), ())
        assert chart.rest_of("a") == "resolved"


def test_twenty_problems_are_told_and_the_rest_is_counted() -> None:
    """A message stays readable."""
    with pytest.raises(DefinitionError) as caught:
        Chart(list(range(50)), initial="a")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 20
    assert "has 50 problems:" in str(caught.value)
    assert str(caught.value).endswith("... and 30 more")


def test_nobody_reads_more_than_a_thousand_problems() -> None:
    """Reading stops; the count is what was found until then."""
    with pytest.raises(DefinitionError) as caught:
        Chart([1] * 100_000, initial="a")  # type: ignore[list-item]
    assert caught.value.more == 1_000


def test_a_start_in_one_region_is_refused() -> None:
    """`transitions` would leave the other regions out, and the configuration is none."""
    regions = ["l", {"name": "r", "children": ["1", "2"]}]
    assert problems_of([{"name": "p", "parallel": regions}], [], initial="p.r.2") == [
        "initial: 'p.r.2' is in one region of the parallel state 'p', and all are entered: start "
        "in 'p'"
    ]
