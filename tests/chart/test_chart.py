"""A chart as a value: written, read, bound, compared, pickled, asked."""

from __future__ import annotations

import copy
import functools
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings

from settlesim import Chart, Event, SettlingTags, chart_to_json, display, read_chart
from settlesim.chart.strict_json import FrozenDict, decode, encode
from settlesim.errors import DefinitionError, UnboundFunctionError
from tests.strategies_charts import FUNCTIONS, charts


def is_ready(context: FrozenDict, event: Event) -> bool:
    """Guard."""
    return True


def count(context: FrozenDict, event: Event) -> Mapping[str, Any]:
    """Assign."""
    return {"n": 1}


async def work(call: Any) -> None:
    """Service."""


def lamp(**keys: Any) -> Chart:
    """Return a small chart that uses a guard, an assign and a service."""
    return Chart(
        [
            {"name": "off", "tags": ["settled"]},
            {"name": "busy", "invoke": {"src": "work", "on_done": "off", "on_error": "broken"}},
            {"name": "broken", "tags": ["reject"]},
            {"name": "gone", "final": True},
        ],
        [
            ["PUSH", "off", "busy", "is_ready"],
            {"trigger": "X", "source": "off", "dest": "gone", "assign": "count"},
        ],
        "off",
        **{"name": "lamp", "context": {"n": 0}, **keys},
    )


_FEW = settings(max_examples=30)  # to draw a chart takes longer than to look at it


# --- laws ---------------------------------------------------------------------------------


@_FEW
@given(charts())
def test_reading_what_was_written_is_identity(chart: Chart) -> None:
    """``from_dict`` undoes ``to_dict``, and writing again gives the same bytes."""
    again = Chart.from_dict(chart.to_dict())
    assert again == chart
    assert again.edges == chart.edges
    assert again.states == chart.states
    assert chart_to_json(again) == chart_to_json(chart)


@_FEW
@given(charts())
def test_reading_the_json_text_is_identity(chart: Chart) -> None:
    """A chart is strict JSON."""
    text = chart_to_json(chart)
    assert read_chart(text) == chart
    assert encode(decode(text)) == text


@_FEW
@given(charts(bound=True))
def test_a_chart_pickles_with_its_functions(chart: Chart) -> None:
    """It comes back equal, with an equal hash."""
    again = pickle.loads(pickle.dumps(chart))
    assert again == chart
    assert hash(again) == hash(chart)
    assert dict(again.functions) == dict(chart.functions)


@_FEW
@given(charts())
def test_equal_charts_have_equal_hashes(chart: Chart) -> None:
    """As Python wants it; a chart without its last transition is another one."""
    record = chart.to_dict()
    assert hash(Chart.from_dict(record)) == hash(chart)
    if record["transitions"]:
        record["transitions"].pop()
        assert Chart.from_dict(record) != chart


@_FEW
@given(charts())
def test_the_initial_configuration_is_leaves_in_document_order(chart: Chart) -> None:
    """Each with the initial state above or at it, and by SCXML those of other regions with it."""
    order = [node.name for node in chart.states]
    leaves = chart.initial_configuration
    assert list(leaves) == sorted(leaves, key=order.index)
    inside = [leaf for leaf in leaves if f"{leaf}.".startswith(f"{chart.initial}.")]
    assert inside
    assert list(leaves) == inside or chart.semantics == "scxml"
    assert chart.is_initial(leaves)


# --- a value ------------------------------------------------------------------------------


def test_functions_are_part_of_equality() -> None:
    """A bound chart is not the unbound one."""
    chart = lamp()
    bound = chart.bind({"count": count})
    assert chart != bound
    assert bound == lamp().bind({"count": count})
    assert bound != chart.bind({"count": is_ready})
    assert bound.to_dict() == chart.to_dict()
    assert chart == lamp()
    assert chart != "lamp"


@pytest.mark.parametrize(
    "keys",
    [{"name": "other"}, {"version": 2}, {"context": {}}, {"on_reject": "persist"}],
)
def test_every_value_is_part_of_equality(keys: dict[str, Any]) -> None:
    """Charts that differ in one value differ."""
    assert lamp(**keys) != lamp()


def test_semantics_is_written_only_where_it_is_not_the_default() -> None:
    """So what was written before reads as an equal chart, and has the same bytes."""
    chart = lamp(semantics="transitions")
    assert chart == lamp()
    assert chart.semantics == "transitions"
    assert "semantics" not in chart.to_dict()
    assert lamp(semantics="scxml").to_dict()["semantics"] == "scxml"
    assert Chart.from_dict({**chart.to_dict(), "semantics": "transitions"}) == chart
    other = chart.bind({})
    object.__setattr__(other, "semantics", "another")
    assert other != chart
    assert other.to_dict() == {**chart.to_dict(), "semantics": "another"}


def test_a_chart_is_immutable() -> None:
    """Nothing can be set, deleted or added; tables and context are read-only."""
    chart: Any = lamp()
    with pytest.raises(AttributeError, match="'name' cannot be set"):
        chart.name = "other"
    with pytest.raises(AttributeError, match="immutable"):
        chart.note = 1
    with pytest.raises(AttributeError, match="'name' cannot be deleted"):
        del chart.name
    with pytest.raises(TypeError):
        chart.functions["count"] = count
    with pytest.raises(TypeError):
        chart.roles["count"] = "guard"
    with pytest.raises(TypeError):
        chart.context["n"] = 1


def test_what_was_written_is_a_copy() -> None:
    """A caller may change the mapping; the chart stays as it is."""
    chart = lamp()
    record = chart.to_dict()
    record["context"]["n"] = 99
    record["states"][0]["tags"].append("reject")
    assert chart == lamp()


def test_copies_are_equal() -> None:
    """A chart can stand in what is copied deeply."""
    chart = lamp().bind({"count": count})
    assert copy.deepcopy({"chart": chart})["chart"] == chart
    assert copy.copy(chart) == chart


def test_the_same_chart_gives_the_same_bytes_under_any_hash_seed() -> None:
    """No loop runs over a set."""
    script = (
        "from settlesim import chart_to_json; from settlesim.gallery import CHARTS;"
        "print(*(chart_to_json(each) + repr(list(each.roles)) for each in CHARTS.values()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


# --- functions ----------------------------------------------------------------------------


def test_binding_gives_a_new_chart_and_keeps_the_old_one() -> None:
    """Later bindings go over earlier ones."""
    chart = lamp()
    first = chart.bind({"count": is_ready})
    second = first.bind({"count": count, "work": work})
    assert dict(chart.functions) == {}
    assert dict(first.functions) == {"count": is_ready}
    assert dict(second.functions) == {"count": count, "work": work}
    assert second.node("off") is chart.node("off")


def test_roles_name_every_function_in_document_order() -> None:
    """States first, then transitions."""
    assert dict(lamp().roles) == {"work": "service", "is_ready": "guard", "count": "assign"}


@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        ({"cuont": count}, "bind: unknown function 'cuont'; did you mean 'count'?"),
        ({"count": 5}, "bind 'count': is 5, not a function"),
        ([count], "bind: is given [<function count"),
        (None, "bind: is given None; a mapping by name is needed"),
    ],
)
def test_only_known_names_and_functions_can_be_bound(functions: Any, problem: str) -> None:
    """The nearest name is offered."""
    with pytest.raises(DefinitionError) as caught:
        lamp().bind(functions)
    assert str(caught.value.problems[0]).startswith(problem)
    assert caught.value.chart == "lamp"


class _Waits:
    async def __call__(self, context: Any, event: Any) -> bool:
        return True


async def _is_ready_later(context: Any, event: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("name", "function", "problem"),
    [
        ("work", lambda: None, "takes (); a service is called with (call)"),
        ("work", lambda a, b: None, "takes (a, b); a service is called with (call)"),
        ("is_ready", lambda event: 1, "takes (event); a guard is called with (context, event)"),
        ("count", lambda context: {}, "takes (context); an assign is called with (context, event)"),
        ("is_ready", _is_ready_later, "is asynchronous, and only a service may wait: make this"),
        ("count", _is_ready_later, "is asynchronous, and only a service may wait: make this"),
        ("is_ready", _Waits(), "is asynchronous, and only a service may wait: make this"),
    ],
)
def test_a_function_that_can_not_be_called_as_its_role_is_refused(
    name: str, function: Any, problem: str
) -> None:
    """When it is bound, not when it is needed."""
    with pytest.raises(DefinitionError) as caught:
        lamp().bind({name: function})
    (found,) = caught.value.problems
    assert str(found).startswith(f"bind {name!r}: {problem}")


def _decorated(function: Any) -> Any:
    @functools.wraps(function)
    def with_a_desk(*given: Any) -> Any:
        return function(*given, "desk")

    return with_a_desk


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("work", lambda call: None),
        ("work", functools.partial(lambda desk, call: None, "desk")),
        ("work", _decorated(lambda call, desk: None)),
        ("count", dict),
        ("is_ready", max),
        ("is_ready", lambda *given, **named: True),
    ],
    ids=["plain", "partial", "decorated", "class", "builtin", "anything"],
)
def test_a_function_that_can_be_called_as_its_role_is_bound(name: str, function: Any) -> None:
    """A service may be a plain function, and some functions do not say what they take."""
    assert lamp().bind({name: function}).functions[name] is function


def test_a_function_inside_a_definition_is_looked_at_as_well() -> None:
    """So a chart that was built can be pickled and read again."""
    with pytest.raises(DefinitionError, match="function '_is_ready_later': is asynchronous"):
        Chart(["a"], [["GO", "a", "a", _is_ready_later]], initial="a")


def test_what_is_not_bound_is_named_before_a_run() -> None:
    """Only the wanted roles count."""
    chart = lamp().bind({"count": count})
    chart.require("assign")
    with pytest.raises(UnboundFunctionError) as caught:
        chart.require("guard", "assign", "service")
    assert caught.value.names == ("work", "is_ready")
    assert "'lamp' has 2 problems" in str(caught.value)
    chart.bind({"work": work, "is_ready": is_ready}).require("guard", "assign", "service")


@_FEW
@given(charts())
def test_every_function_of_a_chart_has_a_role_and_can_be_bound(chart: Chart) -> None:
    """Nothing that a chart names is forgotten."""
    bound = chart.bind({name: FUNCTIONS[name] for name in chart.roles})
    bound.require("guard", "assign", "service")


# --- nodes --------------------------------------------------------------------------------


def test_nodes_are_found_by_their_full_name() -> None:
    """An unknown one is a KeyError, as in a mapping."""
    chart = lamp()
    assert chart.node("off").tags == ("settled",)
    assert "off" in chart
    assert "Off" not in chart
    with pytest.raises(KeyError):
        chart.node("Off")


def test_the_nearest_tagged_node_says_how_a_leaf_rests() -> None:
    """The leaf itself first, then what is around it; a final leaf rests untagged."""
    chart = Chart(
        [
            {
                "name": "p",
                "tags": ["reject"],
                "children": [
                    "x",
                    {"name": "y", "tags": ["settled"]},
                    {"name": "f", "final": True, "tags": ["resolve"]},
                    {"name": "g", "final": True},
                ],
            },
            "bare",
            {"name": "end", "final": True},
        ],
        initial="bare",
    )
    found = {node.name: chart.rest_of(node.name) for node in chart.states}
    assert found == {
        "p": "rejected",
        "p.x": "rejected",
        "p.y": "resolved",
        "p.f": "final",
        "p.g": "rejected",
        "bare": None,
        "end": "final",
    }


def test_own_settling_tags_replace_the_default_ones() -> None:
    """``settled`` is then a word like any other."""
    chart = lamp(settling_tags=SettlingTags(("reject",), ("settled",)))
    assert (chart.rest_of("off"), chart.rest_of("broken")) == ("rejected", "resolved")


def test_a_chart_says_what_it_is() -> None:
    """The representation is one line."""
    assert repr(lamp(version=3)) == "Chart('lamp', version=3, 4 states, 4 transitions)"
    assert repr(Chart(["a"], [["E", "a", "a"]], "a")) == (
        "Chart('chart', version=1, 1 state, 1 transition)"
    )


# --- showing ------------------------------------------------------------------------------


class _Shown(Chart):
    __slots__ = ()


def test_a_chart_shows_itself_through_the_hooks() -> None:
    """What is registered for a type is called with the chart, the target and the options."""
    calls: list[tuple[Any, ...]] = []

    def note(*args: Any, **options: Any) -> Any:
        calls.append((*args[1:], options))
        return {"text/plain": "shown"}

    for hook in (display.draw, display.check, display.settling_graph, display.mimebundle):
        hook.register(_Shown, note)
    chart = _Shown(["a"], initial="a")
    chart.draw("a.svg", scale=2)
    chart.check(limit=5)
    chart.settling_graph()
    assert chart._repr_mimebundle_() == {"text/plain": "shown"}
    options = {"limit": 5, "known": (), "progress": True, "stop": None}
    assert calls == [("a.svg", {"scale": 2}), (options,), ({},), ({},)]


def test_what_nobody_can_show_is_refused() -> None:
    """A value without a registered function says so."""
    for hook, what in (
        (display.draw, "be drawn"),
        (display.check, "be checked"),
        (display.settling_graph, "show a settling graph"),
    ):
        with pytest.raises(TypeError, match=f"a object cannot {what}"):
            hook(object())
    assert display.mimebundle(5) == {"text/plain": "5"}


# --- from_dict ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({}, "chart: has no 'states'"),
        (
            {"states": ["a"], "initail": "a"},
            "chart: unknown key 'initail'; did you mean 'initial'?",
        ),
        ({"states": ["a"], 5: "a"}, "chart: unknown key 5; known are name, version, initial,"),
        (5, "chart: is 5; a mapping with 'states' is needed"),
        (None, "chart: is None; a mapping with 'states' is needed"),
        ([["states", []]], "chart: is [['states', []]]; a mapping with 'states' is needed"),
    ],
)
def test_a_mapping_that_is_no_chart_is_refused(record: Any, problem: str) -> None:
    """A misspelt key is not silently left out."""
    with pytest.raises(DefinitionError) as caught:
        Chart.from_dict(record)
    assert str(caught.value.problems[0]).startswith(problem)


def test_an_unknown_key_is_told_with_everything_else() -> None:
    """One reading finds all that is wrong."""
    with pytest.raises(DefinitionError) as caught:
        Chart.from_dict(
            {"states": ["a"], "initial": "b", "contxt": {}, "version": 0, "transitions": [5]}
        )
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "chart: unknown key 'contxt'",
        "transitions[0]: is 5",
        "version: is 0",
        "initial: unknown state 'b'",
    ]
    assert "did you mean 'context'?" in str(caught.value)


def test_an_error_of_a_mapping_names_the_chart() -> None:
    """Where it has a name that is one."""
    for name, shown in (("lamp", "lamp"), (5, "chart")):
        with pytest.raises(DefinitionError) as caught:
            Chart.from_dict({"name": name})
        assert caught.value.chart == shown


# --- charts made of a chart --------------------------------------------------------------------


def _stay(context: FrozenDict, event: Event) -> bool:
    return True


def _lamp() -> Chart:
    record = {"trigger": "PUSH", "source": "off", "dest": "on", "conditions": "stay"}
    return Chart(["off", {"name": "on", "children": ["dim"]}], [record], "off").bind(  # type: ignore[list-item]
        {"stay": _stay}
    )


def test_replace_changes_the_given_parts_and_keeps_the_functions() -> None:
    """The chart itself stays as it is."""
    lamp = _lamp()
    other = lamp.replace(version=2, name="torch", context={"n": 1}, on_reject="persist")
    assert (other.version, other.name, other.on_reject) == (2, "torch", "persist")
    assert other.context == {"n": 1}
    assert dict(other.functions) == {"stay": _stay}
    assert lamp == _lamp()
    assert other.replace(version=1, name="chart", context={}, on_reject="discard") == lamp


def test_replaced_transitions_may_bring_functions_and_drop_others() -> None:
    """A function that the new chart does not name is not kept."""
    other = _lamp().replace(transitions=[["PUSH", "off", "on", [_stay]]])
    assert dict(other.functions) == {"_stay": _stay}
    with pytest.raises(DefinitionError, match="unknown destination 'of'"):
        _lamp().replace(transitions=[["PUSH", "on", "of"]])


def test_tagged_makes_states_settled() -> None:
    """By full name, inside others too, once; with the chart's own tag or another."""
    lamp = _lamp().tagged("off", "on.dim").tagged("off")
    assert [(node.name, node.tags) for node in lamp.states] == [
        ("off", ("settled",)),
        ("on", ()),
        ("on.dim", ("settled",)),
    ]
    assert dict(lamp.functions) == {"stay": _stay}
    own = _lamp().replace(settling_tags={"resolved": ["rest"]}).tagged("off")
    assert own.node("off").tags == ("rest",)
    assert _lamp().tagged("off", tag="reject").rest_of("off") == "rejected"


def test_tagging_what_is_no_state_is_refused() -> None:
    """With the nearest name."""
    with pytest.raises(DefinitionError, match="unknown state 'onn'; did you mean 'on'"):
        _lamp().tagged("onn")
