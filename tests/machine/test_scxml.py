"""Charts with ``semantics="scxml"``: which transitions fire, and what they do in which order.

The cases are ours; each group of the SCION test framework (Apache License 2.0) has at least one
of its kind, and `benchmarks.scxml` runs that suite itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from settlesim.chart import Chart, Snapshot
from settlesim.errors import DefinitionError, FunctionFailedError
from settlesim.settling import Settling
from tests.settling.driving import LOG, add, reload


def scxml(
    states: list[Any], transitions: Iterable[Any] = (), initial: str | None = None, **more: Any
) -> Chart:
    """A chart by the rules of SCXML, in which every state is a place to rest."""
    return Chart(
        [_tagged(state) for state in states],  # type: ignore[misc]
        list(transitions),
        initial,
        semantics="scxml",
        **more,
    )


def _tagged(state: Any) -> dict[str, Any]:
    spec = dict(state) if isinstance(state, dict) else {"name": state}
    if "history" in spec or "final" in spec:
        return spec
    for key in ("children", "parallel"):
        if key in spec:
            spec[key] = [_tagged(each) for each in spec[key]]
    return {"tags": ["settled"], **spec}


def told(chart: Chart, *events: str) -> list[str]:
    """The configuration of a new instance, and after each event; saved and loaded in between."""
    settlement = Settling(chart, None, None).settlement
    assert settlement is not None
    found = [settlement.after]
    for event in events:
        settlement = Settling(chart, reload(found[-1]), event).settlement
        assert settlement is not None
        found.append(settlement.after)
    return [_short(each) for each in found]


def _short(snapshot: Snapshot) -> str:
    return " ".join(leaf.rpartition(".")[2] for leaf in snapshot.configuration)


def two_regions(*transitions: Any, **more: Any) -> Chart:
    """A parallel state with two regions of three states each, and a state beside it."""
    regions = [
        {"name": "l", "children": ["l1", "l2", "l3"]},
        {"name": "r", "children": ["r1", "r2", "r3"]},
    ]
    return scxml([{"name": "p", "parallel": regions}, "out"], transitions, **more)


# --- one region ---------------------------------------------------------------------------


def test_a_compound_state_is_entered_by_its_first_child() -> None:
    """Where no initial child is named; history states are passed over (section 3.3)."""
    inside = [{"name": "h", "history": "deep"}, {"name": "a", "children": ["b", "c"]}, "d"]
    assert told(scxml([{"name": "top", "children": inside}])) == ["b"]


def test_states_may_be_entered_deep_inside() -> None:
    """``initial`` is a path, or a list of states in different regions."""
    chart = scxml(
        [
            {
                "name": "deep",
                "initial": "b.d",
                "children": ["a", {"name": "b", "children": ["c", "d"]}],
            },
            {
                "name": "wide",
                "initial": ["p.l.y", "p.r.y"],
                "children": [
                    {
                        "name": "p",
                        "parallel": [
                            {"name": "l", "children": ["x", "y"]},
                            {"name": "m", "children": ["x", "y"]},
                            {"name": "r", "children": ["x", "y"]},
                        ],
                    }
                ],
            },
        ],
        [["GO", "deep", "wide"]],
    )
    assert told(chart, "GO") == ["d", "y x y"]
    assert Chart.from_dict(chart.to_dict()) == chart


def test_the_inner_state_is_asked_first_and_then_the_document_order() -> None:
    """A guard that says no leaves it to the next transition, and then to the state around."""
    states: list[Any] = [{"name": "top", "children": ["a"]}, "inner", "second", "outer"]
    transitions = [
        ["T", "top", "outer"],
        ["T", "top.a", "inner", "is_open"],
        ["T", "top.a", "second", "is_wide"],
    ]
    for guards, leads_to in (
        ((True, True), "inner"),
        ((False, True), "second"),
        ((False, False), "outer"),
    ):
        chart = scxml(states, transitions).bind(
            {"is_open": lambda c, e, g=guards: g[0], "is_wide": lambda c, e, g=guards: g[1]}
        )
        assert told(chart, "T") == ["a", leads_to]


def test_a_guard_that_fails_changes_nothing() -> None:
    """It is an error of the function, as everywhere."""
    chart = scxml(["a", "b"], [["T", "a", "b", "bad"]]).bind({"bad": lambda c, e: 1})
    with pytest.raises(FunctionFailedError, match="guard 'bad' returned 1, not True or False"):
        told(chart, "T")


@pytest.mark.parametrize(
    ("more", "log"),
    [
        ({"dest": "top.b"}, "-a -top +top +b"),
        ({"dest": "top.b", "internal": True}, "-a +b"),
        ({"dest": "top"}, "-a -top +top +a"),
        ({"dest": "top", "internal": True}, "-a +a"),
        ({"dest": None}, ""),
        ({"dest": "out", "internal": True}, "-a -top"),
    ],
)
def test_an_internal_transition_does_not_leave_its_source(more: dict[str, Any], log: str) -> None:
    """Where the destination is the source or inside it; every other one leaves it (3.5)."""
    names = ["top", "a", "b"]
    chart = scxml(
        [
            {
                "name": "top",
                "children": [
                    {"name": each, "on_enter": f"+{each}", "on_exit": f"-{each}"} for each in "ab"
                ],
                "on_enter": "+top",
                "on_exit": "-top",
            },
            "out",
        ],
        [{"trigger": "T", "source": "top", **more}],
        context=LOG,
    ).bind({f"{sign}{name}": add(f"{sign}{name}") for sign in "+-" for name in names})
    settlement = Settling(chart, Settling(chart, None, None).settlement.after, "T").settlement  # type: ignore[union-attr]
    assert settlement is not None
    told_log = [each.partition(":")[0] for each in settlement.after.context["log"]]
    assert told_log[2:] == log.split()


# --- parallel regions -----------------------------------------------------------------------


def test_regions_move_together() -> None:
    """One event, one microstep, a transition in each region (section 3.13)."""
    chart = two_regions(["T", "p.l.l1", "p.l.l2"], ["T", "p.r.r1", "p.r.r2"])
    assert told(chart, "T") == ["l1 r1", "l2 r2"]
    settlement = Settling(chart, None, "T").settlement
    assert settlement is not None
    assert [step.edges for step in settlement.microsteps] == [(0, 1)]


def test_of_two_that_leave_the_same_state_the_first_region_wins() -> None:
    """The pre-empted one does not fire at all, whichever it would leave the more of."""
    leave, move = ["T", "p.l.l1", "out"], ["T", "p.r.r1", "p.r.r2"]
    assert told(two_regions(leave, move), "T") == ["l1 r1", "out"]
    leave, move = ["T", "p.r.r1", "out"], ["T", "p.l.l1", "p.l.l2"]
    assert told(two_regions(leave, move), "T") == ["l1 r1", "l2 r1"]


def test_of_two_that_leave_the_same_state_the_inner_source_wins() -> None:
    """The parallel state's own transition is pre-empted by that of a region."""
    chart = two_regions(["T", "p", "out"], ["T", "p.r.r1", "p.r.r2"])
    assert told(chart, "T", "T") == ["l1 r1", "l1 r2", "out"]


def test_a_transition_that_leaves_nothing_goes_with_every_other() -> None:
    """The parallel state's targetless one, too: nothing is in conflict with it."""
    chart = two_regions(
        {"trigger": "T", "source": "p", "dest": None, "assign": "note"},
        ["T", "p.r.r1", "p.r.r2"],
        context=LOG,
    ).bind({"note": add("note")})
    settlement = Settling(chart, None, "T").settlement
    assert settlement is not None
    assert settlement.after.context["log"] == ["note:T"]
    assert _short(settlement.after) == "l1 r2"


def test_a_transition_between_regions_enters_the_parallel_state_again() -> None:
    """It leaves the parallel state with all its regions; the others start anew (3.4)."""
    chart = two_regions(
        ["T", "p.l.l1", "p.l.l2"], ["X", "p.l.l2", "p.r.r3"], ["IN", "out", "p.r.r2"]
    )
    assert told(chart, "T", "X") == ["l1 r1", "l2 r1", "l1 r3"]
    assert told(two_regions(["A", "p", "out"], ["IN", "out", "p.r.r2"]), "A", "IN") == [
        "l1 r1",
        "out",
        "l1 r2",
    ]


def test_an_internal_transition_to_its_own_leaf_goes_with_one_that_leaves_it() -> None:
    """The leaf is entered once, by the other; a history state that stands for it enters nothing."""
    both = ["T", "p.l.l1", ["p.l.l1", "p.r.r1"]]
    stay = {"trigger": "T", "source": "p.r.r1", "dest": "p.r.r1", "internal": True}
    assert told(two_regions(both, stay), "T") == ["l1 r1", "l1 r1"]
    regions = [
        {"name": "l", "children": [{"name": "back", "history": "deep"}, "l1", "l2"]},
        {"name": "r", "children": ["r1"]},
    ]
    chart = scxml(
        [{"name": "p", "parallel": regions}, "out"],
        [
            {"trigger": "T", "source": "p.l.l1", "dest": "p.l.back", "internal": True},
            ["T", "p.r.r1", "out"],
            ["OUT", "p", "out"],
            ["IN", "out", "p"],
        ],
    )
    assert told(chart, "OUT", "IN", "T") == ["l1 r1", "out", "l1 r1", "out"]


def test_several_destinations_are_entered_together() -> None:
    """One in each of two regions; a third region is entered by its first state."""
    chart = two_regions(
        {"trigger": "T", "source": "p", "dest": ["p.l.l2", "p.r.r3"]},
        {"trigger": "U", "source": "p.l.l2", "dest": ["p.r.r2", "p.l.l3"]},
    )
    assert told(chart, "T", "U") == ["l1 r1", "l2 r3", "l3 r2"]
    assert Chart.from_dict(chart.to_dict()) == chart


def test_states_are_left_backwards_and_entered_forwards_with_the_assigns_between() -> None:
    """Exit, transition, entry, and last what is to run after it (appendix D, microstep)."""
    names = ["p", "l", "r", "l1", "r1", "out"]
    hooks = {name: {"on_enter": f"+{name}", "on_exit": f"-{name}"} for name in names}
    chart = scxml(
        [
            {
                "name": "p",
                **hooks["p"],
                "parallel": [
                    {"name": side, **hooks[side], "children": [{"name": one, **hooks[one]}]}
                    for side, one in (("l", "l1"), ("r", "r1"))
                ],
            },
            {"name": "out", **hooks["out"]},
        ],
        [
            {
                "trigger": "T",
                "source": "p",
                "dest": "out",
                "before": "one",
                "assign": "two",
                "after": "last",
            }
        ],
        context=LOG,
    )
    chart = chart.bind({name: add(name) for name in chart.roles})
    settlement = Settling(chart, None, "T").settlement
    assert settlement is not None
    log = " ".join(each.partition(":")[0] for each in settlement.after.context["log"])
    assert log == "+p +l +l1 +r +r1 -r1 -r -l1 -l -p one two +out last"


def test_guards_of_all_regions_see_the_context_before_any_assign() -> None:
    """Transitions are chosen before one is executed."""
    chart = two_regions(
        {"trigger": "T", "source": "p.l.l1", "dest": "p.l.l2", "assign": "mark"},
        {"trigger": "T", "source": "p.r.r1", "dest": "p.r.r2", "conditions": "is_marked"},
        context={"marked": False},
    ).bind({"mark": lambda c, e: {"marked": True}, "is_marked": lambda c, e: c["marked"]})
    assert told(chart, "T", "T") == ["l1 r1", "l2 r1", "l2 r2"]


# --- final states ---------------------------------------------------------------------------


def test_a_final_child_finishes_its_parent_and_all_regions_a_parallel_state() -> None:
    """A compound state inside that is not final does not count (section 3.7)."""
    regions = [
        {
            "name": side,
            "children": ["go", {"name": "end", "final": True}],
            "on_final": f"{side}_final",
        }
        for side in "lr"
    ]
    chart = scxml(
        [
            {"name": "p", "parallel": regions, "on_done": "after_p", "on_final": "p_final"},
            "after_p",
        ],
        [["L", "p.l.go", "p.l.end"], ["R", "p.r.go", "p.r.end"]],
        context=LOG,
    ).bind({name: add(name) for name in ("l_final", "r_final", "p_final")})
    assert told(chart, "L", "R") == ["go go", "end go", "after_p"]
    after = Settling(chart, Settling(chart, None, "L").settlement.after, "R").settlement  # type: ignore[union-attr]
    assert after is not None
    assert after.after.context["log"] == ["l_final:L", "r_final:R", "p_final:R"]


# --- history ----------------------------------------------------------------------------------


def nested_history(kind: str, **more: Any) -> Chart:
    """A state with two levels inside and a history state, and a state beside it."""
    inside = [
        {"name": "back", "history": kind, **more},
        {"name": "one", "children": ["a", "b"]},
        {"name": "two", "children": ["a", "b"]},
    ]
    return scxml(
        [{"name": "top", "children": inside}, "out"],
        [
            ["LEAVE", "top", "out"],
            ["BACK", "out", "top.back"],
            ["B", "top.one.a", "top.one.b"],
            ["TWO", "top", "top.two.b"],
        ],
        "out",
    )


def test_deep_history_brings_back_the_leaves() -> None:
    """And the default stands where the parent was never left (section 3.10)."""
    chart = nested_history("deep")
    assert told(chart, "BACK", "B", "LEAVE", "BACK") == ["out", "a", "b", "out", "b"]
    assert told(nested_history("deep", default="two.b"), "BACK") == ["out", "b"]


def test_shallow_history_brings_back_the_child_only() -> None:
    """What is inside the child is entered as always."""
    chart = nested_history("shallow")
    events = ("BACK", "TWO", "LEAVE", "BACK")
    one, two = (Settling(chart, None, None).settlement, None)
    assert one is not None
    snapshot = one.after
    for event in events:
        two = Settling(chart, reload(snapshot), event).settlement
        assert two is not None
        snapshot = two.after
    assert snapshot.configuration == ("top.two.a",)
    assert snapshot.to_dict()["history_states"] == {"top.back": ["top.two"]}


def test_history_of_a_parallel_state_brings_back_every_region() -> None:
    """Deep: the leaves of all regions, in one go."""
    regions = [{"name": side, "children": ["x", "y"]} for side in "lr"]
    chart = scxml(
        [{"name": "p", "parallel": [{"name": "back", "history": "deep"}, *regions]}, "out"],
        [
            ["L", "p.l.x", "p.l.y"],
            ["LEAVE", "p.r.x", "out"],
            ["BACK", "out", "p.back"],
            ["LOOP", "p", "p.back"],
        ],
    )
    assert told(chart, "L", "LEAVE", "BACK") == ["x x", "y x", "out", "y x"]
    assert told(chart, "L", "LOOP") == ["x x", "y x", "y x"]


def test_a_rejected_event_remembers_nothing() -> None:
    """The instance stays as it was, with what its history states stand for."""
    chart = scxml(
        [
            {"name": "top", "children": [{"name": "back", "history": "deep"}, "a", "b"]},
            {"name": "no", "tags": ["reject"]},
            "out",
        ],
        [
            ["B", "top.a", "top.b"],
            ["NO", "top", "no"],
            ["LEAVE", "top", "out"],
            ["BACK", "out", "top.back"],
        ],
    )
    first = Settling(chart, None, "NO").settlement
    assert first is not None
    assert not first.saved
    assert "history_states" not in first.before.to_dict()
    assert told(chart, "LEAVE", "BACK") == ["a", "out", "a"]


# --- event descriptors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptor", "taken", "ignored"),
    [
        ("*", ["a", "a.b", "ab"], []),
        ("a.*", ["a", "a.b", "a.b.c"], ["ab", "b"]),
        ("a", ["a"], ["a.b", "ab"]),
        ("a.b.*", ["a.b", "a.b.c"], ["a", "a.c"]),
    ],
)
def test_event_descriptors_match_by_whole_parts(
    descriptor: str, taken: list[str], ignored: list[str]
) -> None:
    """``*`` is every event, ``a.*`` is a and all that begins with ``a.`` (section 3.12.1)."""
    chart = scxml(["s", "t"], [[descriptor, "s", "t"]])
    assert all(told(chart, event)[-1] == "t" for event in taken)
    assert all(told(chart, event)[-1] == "s" for event in ignored)


def test_descriptors_are_tried_in_document_order() -> None:
    """A wildcard that stands first wins."""
    assert told(scxml(["s", "t", "u"], [["*", "s", "t"], ["a", "s", "u"]]), "a")[-1] == "t"
    assert told(scxml(["s", "t", "u"], [["a", "s", "u"], ["*", "s", "t"]]), "a")[-1] == "u"


def test_a_descriptor_of_all_events_takes_internal_ones_too() -> None:
    """That a state has finished is an event; an eventless transition needs none."""
    chart = scxml(
        [{"name": "top", "children": ["go", {"name": "end", "final": True}]}, "out"],
        [["E", "top.go", "top.end"], ["*", "top", "out"]],
    )
    assert told(chart, "E") == ["go", "out"]


def test_with_the_semantics_of_transitions_a_star_is_an_event_of_that_name() -> None:
    """As the library has it."""
    chart = Chart(
        [{"name": "s", "tags": ["settled"]}, {"name": "t", "tags": ["settled"]}],
        [["*", "s", "t"]],
        "s",
    )
    assert told(chart, "a", "*") == ["s", "s", "t"]


# --- what is refused --------------------------------------------------------------------------


def problems(*args: Any, semantics: str = "scxml", **more: Any) -> list[str]:
    """What is wrong with a chart."""
    with pytest.raises(DefinitionError) as caught:
        Chart(*args, semantics=semantics, **more)  # type: ignore[arg-type]
    return [f"{each.where}: {each.message}" for each in caught.value.problems]


_PARALLEL = {"name": "p", "parallel": [{"name": x, "children": ["x", "y"]} for x in "lr"]}


@pytest.mark.parametrize(
    ("states", "transitions", "problem"),
    [
        (
            [{"name": "a", "children": ["b", {"name": "h", "history": "deep"}]}, "c"],
            [],
            "state 'a.h': is a history state, which needs semantics='scxml': the rules of the "
            "library transitions do not know it",
        ),
        (
            [_PARALLEL, "c"],
            [{"trigger": "T", "source": "p", "dest": ["p.l.x", "p.r.x"]}],
            "transition 'T' from 'p' to 'p.l.x' and 'p.r.x': has several destinations, which "
            "needs semantics='scxml': the rules of the library transitions do not know it",
        ),
        (
            ["a"],
            [{"trigger": "T", "source": "a", "dest": "a", "internal": True}],
            "transition 'T' from 'a' to 'a': is marked internal, which needs semantics='scxml': "
            "the rules of the library transitions do not know it",
        ),
    ],
)
def test_what_only_scxml_has_is_refused_elsewhere(
    states: list[Any], transitions: list[Any], problem: str
) -> None:
    """In the words of the chart, with what to do."""
    initial = states[0] if isinstance(states[0], str) else states[0]["name"]
    assert problem in problems(states, transitions, initial, semantics="transitions")


@pytest.mark.parametrize(
    ("states", "transitions", "problem"),
    [
        (
            [{"name": "h", "history": "deep"}, "a"],
            [],
            "state 'h': is a history state outside of all others, and would never remember "
            "anything: put it into the state that is left and entered again",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "last"}, "b"]}],
            [],
            "state 'a.h': history is 'last'; 'shallow' or 'deep' is needed",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "deep", "tags": ["x"]}, "b"]}],
            [],
            "history state 'a.h': unknown key 'tags'; known are name, history, default, label",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "deep", "default": "c"}, "b"]}],
            [],
            "state 'a.h' default: unknown state inside 'a' 'c'; known are 'h', 'b'",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "deep", "default": "h"}, "b"]}],
            [],
            "state 'a.h' default: 'a.h' is a history state itself",
        ),
        (
            [{"name": "a", "initial": "h", "children": [{"name": "h", "history": "deep"}, "b"]}],
            [],
            "state 'a.h': is entered first and remembers nothing then: give it a default",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "deep"}]}],
            [],
            "state 'a': has nothing inside but history states",
        ),
        (
            [{"name": "a", "children": [{"name": "h", "history": "deep"}, "b"]}],
            [["T", "a.h", "a"]],
            "transition 'T' from 'a.h' to 'a': starts in a history state, which is never active; "
            "its default says what is entered first",
        ),
        (
            [{"name": "a", "default": "b", "children": ["b"]}],
            [],
            "state 'a': has a default, which only a history state has",
        ),
        (
            ["a", "b", "c"],
            [{"trigger": "T", "source": "a", "dest": ["b", "c"]}],
            "transition 'T' from 'a' to 'b' and 'c': 'b' and 'c' cannot be entered together: only "
            "states in different regions of a parallel state can",
        ),
        (
            [_PARALLEL, "a"],
            [{"trigger": "T", "source": "a", "dest": ["p", "p.l.x"]}],
            "transition 'T' from 'a' to 'p' and 'p.l.x': 'p' and 'p.l.x' cannot be entered "
            "together: only states in different regions of a parallel state can",
        ),
        (
            ["a"],
            [{"trigger": "T", "source": "a", "dest": "a", "prepare": "f"}],
            "transition 'T' from 'a' to 'a': has 'prepare', which semantics='scxml' does not: "
            "guards are asked before anything runs. Use 'assign'",
        ),
        (
            ["a"],
            [{"trigger": "T", "source": "a", "dest": None, "internal": True}],
            "transition 'T' from 'a' to itself, internally: is marked internal and has no "
            "destination; leave one out",
        ),
        (
            ["a"],
            [{"trigger": "T", "source": "a", "dest": []}],
            "transitions[0]: dest is an empty list; name a state, or None",
        ),
    ],
)
def test_what_no_chart_of_scxml_may_say_is_named(
    states: list[Any], transitions: list[Any], problem: str
) -> None:
    """The place, the fact, and what to do."""
    assert problem in problems(states, transitions)


def test_a_chart_does_not_start_in_a_history_state() -> None:
    """It is never active."""
    inside = [{"name": "h", "history": "deep"}, "b"]
    found = problems([{"name": "a", "children": inside}], [], "a.h")
    assert found == ["initial: 'a.h' is a history state, which is never active"]


# --- how it grows -----------------------------------------------------------------------------


def test_many_regions_that_move_or_conflict_take_time_in_proportion() -> None:
    """The whole of a chart with thousands of states fires in one microstep."""
    many = range(600)
    regions = [
        {"name": f"r{index}", "children": ["a", {"name": "b", "final": True}]} for index in many
    ]
    moves = [["T", f"p.r{index}.a", f"p.r{index}.b"] for index in many]
    leaves = [["L", f"p.r{index}.a", "out"] for index in many]
    chart = scxml([{"name": "p", "parallel": regions, "on_done": "out"}, "out"], [*moves, *leaves])
    settlement = Settling(chart, None, "T").settlement
    assert settlement is not None
    assert [len(step.edges) for step in settlement.microsteps] == [600, 1]
    settlement = Settling(chart, None, "L").settlement
    assert settlement is not None
    assert settlement.edges == (600,)
