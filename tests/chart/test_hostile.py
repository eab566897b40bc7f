"""Charts from people who mean ill: a clear error or a chart, and never anything else."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from settlesim import Chart, chart_to_json, read_chart
from settlesim.chart.parser import MAX_ITEMS, MAX_NODES, MAX_TRANSITIONS
from settlesim.errors import DefinitionError, InvalidValueError, ReadError, SettlesimError
from tests.strategies import json_values
from tests.strategies_charts import chart_records

_TOP = (
    *("name", "version", "initial", "context"),
    *("on_reject", "settling_tags", "semantics", "secret", "states", "transitions"),
)
_INSIDE = (
    "children parallel tags invoke after always on_done on_error src trigger source dest "
    "conditions unless label final on_enter input timeout assign resolved rejected prepare before "
    "on_exit on_final"
)
_KEYS = (*_TOP, *_INSIDE.split())
_NAMES = ("a", "b", "a.b", "*", "=", "", "done.x", "settled", "reject", "x" * 201, "\ud800", "1")

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([10**4_200, 1e999, float("nan"), 0.5])
    | st.sampled_from(_NAMES)
)
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
        | st.tuples(inner, inner, inner)
    ),
    max_leaves=25,
)


def _read(record: Any) -> Chart | SettlesimError:
    """Read a chart; what is no error of ours goes through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it may be taken for XState JSON
            known = isinstance(record, (dict, str))
            found = read_chart(record) if known else Chart.from_dict(record)
    except (DefinitionError, ReadError, InvalidValueError) as error:
        text = str(error).encode()  # a message can be printed: it has no lone surrogates
        if len(text) > 20_000:
            raise
        return error
    assert Chart.from_dict(found.to_dict()) == found
    chart_to_json(found).encode()
    return found


@given(_anything | json_values())
def test_any_value_is_a_chart_or_a_clear_error(record: Any) -> None:
    """Values of any type at any place."""
    _read(record)


@given(
    st.fixed_dictionaries(
        {"states": _anything, "initial": st.sampled_from(["a", "b"])},
        optional={key: _anything for key in _TOP if key not in {"states", "initial"}},
    )
)
def test_any_mapping_is_a_chart_or_a_clear_error(record: dict[str, Any]) -> None:
    """The keys are right, the values are anything."""
    _read(record)


@given(chart_records(), st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_chart_with_one_part_exchanged_is_a_chart_or_a_clear_error(
    record: dict[str, Any], data: st.DataObject
) -> None:
    """Deep inside a chart that is right otherwise."""
    record = copy.deepcopy(record)  # the strategy draws parts that other examples share
    place: Any = record
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(place[key], (dict, list)) and place[key]) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_anything)
    _read(record)


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_chart_or_a_clear_error(text: str) -> None:
    """Whether it looks like JSON, like a path, or like a module."""
    _read("{" + text)
    _read("[" + text)
    _read("/nowhere/" + text)


def _chart(states: list[Any], transitions: list[Any] | None = None, **keys: Any) -> str:
    first = states[0] if isinstance(states[0], str) else states[0]["name"]
    record = {"states": states, "transitions": transitions or [], "initial": first, **keys}
    return json.dumps(record)


def _first(source: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        read_chart(source)
    return str(caught.value.problems[0])


_S = [f"s{index}" for index in range(MAX_NODES)]


def test_a_chart_of_many_nodes_is_read() -> None:
    """The limit itself is allowed."""
    assert len(read_chart(_chart(_S)).states) == MAX_NODES


def test_too_many_nodes_are_one_problem() -> None:
    """What follows from it is not told: the nodes that were not read are not unknown."""
    source = _chart([f"s{index}" for index in range(10_000)], [["GO", "s9999", "s9998"]])
    with pytest.raises(DefinitionError) as caught:
        read_chart(source)
    assert [str(each) for each in caught.value.problems] == [f"chart: more than {MAX_NODES} states"]


def test_a_megabyte_of_stars_ends_at_the_limit_of_transitions() -> None:
    """Each of them would be five thousand transitions."""
    source = _chart(_S, [["e", "*", "s1"]] * 70_000)
    assert len(source) > 1_000_000
    assert _first(source) == f"chart: more than {MAX_TRANSITIONS} transitions"


def test_a_megabyte_of_stars_that_stand_for_nothing_is_read() -> None:
    """What a star stands for is looked up once."""
    final = [{"name": name, "final": True} for name in _S]
    chart = read_chart(_chart(final, [["e", "*", "s1"]] * 50_000))
    assert chart.transitions == ()


def test_many_sources_end_at_the_limit_of_transitions() -> None:
    """A list of sources is as many transitions."""
    assert "transitions" in _first(_chart(["a"], [["e", ["a"] * 200_000, "a"]]))
    assert "transitions" in _first(_chart([{"name": "a", "always": [None] * 30_000}]))


@pytest.mark.parametrize(
    "spec",
    [
        {"tags": ["t"] * (MAX_ITEMS + 1)},
        {"on_enter": ["f"] * (MAX_ITEMS + 1)},
        {"invoke": ["f"] * (MAX_ITEMS + 1)},
        {"after": {str(index): "a" for index in range(1, MAX_ITEMS + 2)}},
    ],
    ids=["tags", "on_enter", "invoke", "after"],
)
def test_lists_without_end_are_refused(spec: dict[str, Any]) -> None:
    """Tags, functions, services and delays are counted together."""
    assert _first(_chart([{"name": "a", **spec}])) == (
        f"chart: more than {MAX_ITEMS} tags, functions, services and delays"
    )


def test_many_unknown_keys_are_counted_only() -> None:
    """The nearest known name is looked for twenty times, not fifty thousand."""
    with pytest.raises(DefinitionError) as caught:
        read_chart(_chart([{"name": "a", **{f"k{index}": 0 for index in range(50_000)}}]))
    assert "... and 1000 more" in str(caught.value)
    with pytest.raises(DefinitionError, match=r"\.\.\. and 1000 more"):
        read_chart(_chart(["a"], [], **{f"k{index}": 0 for index in range(50_000)}))


def test_many_long_names_that_are_nearly_right_end_soon() -> None:
    """The search for the nearest name has a budget."""
    known = ["x" * 95 + str(index) for index in range(1_900)]
    found = _first(_chart(known, [["e", f"{name}y", name] for name in known]))
    assert "unknown source 'xxx" in found
    assert "did you mean" not in found


def test_names_of_a_thousand_characters_are_refused_and_shortened() -> None:
    """A message stays readable."""
    long = "x" * 1_000
    with pytest.raises(DefinitionError) as caught:
        read_chart(_chart([long, "a"], [[long, "a", long]], name=long))
    assert "has 1000 characters; 200 is the limit" in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_wide_parallel_node_is_checked() -> None:
    """Thousands of regions that leave under one trigger."""
    regions = [f"r{index}" for index in range(4_000)]
    source = _chart(
        [{"name": "p", "parallel": regions}, "q"], [["e", f"p.{name}", "q"] for name in regions]
    )
    assert "leaves the parallel state 'p' while region 'p.r1' takes the same" in _first(source)


def test_depth_ends_in_a_clear_error() -> None:
    """As JSON text, as lists, as states, at any key."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for key in _TOP:
        record = {"states": ["a"], "initial": "a", key: deep}
        assert isinstance(_read(record), DefinitionError)
    for text in ("[" * 64, "[" * 100_000, '{"states":' * 100_000, '{"a":[' * 500_000):
        assert isinstance(_read("{" + text if text[0] == "[" else text), ReadError)


def test_a_huge_context_is_refused() -> None:
    """By its size as JSON."""
    assert "262144 is the limit" in _first(_chart(["a"], context={"a": ["x"] * 200_000}))
