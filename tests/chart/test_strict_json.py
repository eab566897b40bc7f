"""Strict JSON values: frozen, merged, encoded, decoded."""

from __future__ import annotations

import copy
import enum
import json
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart.strict_json import (
    MAX_BYTES,
    MAX_DEPTH,
    FrozenDict,
    FrozenList,
    decode,
    encode,
    freeze,
    freeze_object,
    merge,
    thaw,
)
from settlesim.errors import InvalidValueError, ReadError
from tests.strategies import contexts, json_values


def _nest(levels: int, value: Any = None) -> Any:
    for _ in range(levels):
        value = [value]
    return value


class _Text(str):
    __slots__ = ()


class _Color(enum.IntEnum):
    RED = 1


# --- freeze -------------------------------------------------------------------------------


def kinds(value: Any) -> set[type]:
    """Return the types of a value and of all that is in it."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(kinds, parts))


@given(json_values())
def test_freezing_changes_nothing_but_the_containers(value: Any) -> None:
    """A frozen value is equal to the value, also as JSON, and thaws to plain containers.

    The value itself is as it was.
    """
    before, types = copy.deepcopy(value), kinds(value)
    frozen = freeze(value)
    assert frozen == value == before
    assert kinds(value) == types
    assert not kinds(frozen) & {dict, list}
    assert encode(frozen) == encode(value)
    thawed = thaw(frozen)
    assert thawed == value
    assert type(thawed) is type(value)


@given(json_values())
def test_freezing_twice_gives_the_same_object(value: Any) -> None:
    """What is frozen needs no copy."""
    frozen = freeze(value)
    assert freeze(frozen) is frozen
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen


@given(json_values())
def test_frozen_values_pickle(value: Any) -> None:
    """A frozen value comes back frozen and equal."""
    frozen = freeze(value)
    again = pickle.loads(pickle.dumps(frozen))
    assert again == frozen
    assert type(again) is type(frozen)


@given(json_values())
def test_decoding_what_was_encoded_is_identity(value: Any) -> None:
    """Encode and decode are each other's inverse on strict JSON."""
    assert decode(encode(value)) == value
    assert encode(decode(encode(value))) == encode(value)


@pytest.mark.parametrize(
    ("value", "fact"),
    [
        (math.nan, "has nan, which JSON has no number for"),
        (math.inf, "has inf, which JSON has no number for"),
        ((1, 2), "of type tuple"),
        ({1}, "of type set"),
        (b"x", "of type bytes"),
        (_Text("x"), "of type _Text"),
        (_Color.RED, "of type _Color"),
        (OrderedDict(a=1), "of type OrderedDict"),
        (object, "of type type"),
        ({1: 2}, "has the key 1, and JSON keys are strings"),
        ({_Text("k"): 2}, "has the key 'k', and JSON keys are strings"),
        ("a\ud800", "has a lone surrogate in 'a\\ud800'"),
        ({"\udfff": 1}, "has a lone surrogate in '\\udfff'"),
        (1 << 13_001, "has an integer of 13002 bits; 13000 is the limit"),
        (_nest(MAX_DEPTH + 1), f"is nested deeper than {MAX_DEPTH} levels"),
        (_nest(100_000), f"is nested deeper than {MAX_DEPTH} levels"),
        ("x" * MAX_BYTES, f"takes {MAX_BYTES + 2} bytes as JSON; {MAX_BYTES} is the limit"),
    ],
    ids=lambda value: None if not isinstance(value, str) or len(value) > 60 else repr(value),
)
def test_what_strict_json_can_not_carry_is_refused(value: object, fact: str) -> None:
    """The error says what it is."""
    with pytest.raises(InvalidValueError) as caught:
        freeze(value)
    assert fact in str(caught.value)
    assert caught.value.where.startswith("value")


def test_an_error_names_the_place_in_the_value() -> None:
    """Keys and positions lead to what is wrong."""
    with pytest.raises(InvalidValueError) as caught:
        freeze({"a": [1, {"b c": {2, 3}}]}, where="context")
    assert caught.value.where == "context['a'][1]['b c']"


def test_the_deepest_and_the_largest_value_pass() -> None:
    """The limits themselves are allowed."""
    assert freeze(_nest(MAX_DEPTH)) == _nest(MAX_DEPTH)
    largest = "x" * (MAX_BYTES - 2)
    assert freeze(largest) is largest
    assert freeze(2**12_999) == 2**12_999


def test_a_frozen_part_counts_with_its_depth() -> None:
    """A value that was frozen before cannot be used to nest deeper than allowed."""
    frozen = freeze(_nest(MAX_DEPTH))
    with pytest.raises(InvalidValueError, match="nested deeper"):
        freeze([frozen])


def test_many_small_numbers_are_as_welcome_as_one_long_text() -> None:
    """The bound that each of them has is ten times what it takes."""
    numbers = [0] * (MAX_BYTES // 2 - 1)
    assert len(encode(numbers)) == MAX_BYTES - 1
    assert freeze(numbers) == numbers
    with pytest.raises(InvalidValueError, match="is the limit"):
        freeze([*numbers, 0])


def test_a_frozen_part_counts_with_its_size() -> None:
    """A value that was frozen before cannot be used to grow larger than allowed."""
    half = freeze(["x" * (MAX_BYTES // 2)])
    with pytest.raises(InvalidValueError, match="bytes as JSON"):
        freeze([half, half])


_DICT_CHANGES: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__("a", 1),
    lambda value: value.__delitem__("a"),
    lambda value: value.__ior__({"b": 1}),
    lambda value: value.clear(),
    lambda value: value.pop("a"),
    lambda value: value.popitem(),
    lambda value: value.setdefault("b", 1),
    lambda value: value.update(b=1),
]
_LIST_CHANGES: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__(0, 1),
    lambda value: value.__delitem__(0),
    lambda value: value.__iadd__([1]),
    lambda value: value.__imul__(2),
    lambda value: value.append(1),
    lambda value: value.clear(),
    lambda value: value.extend([1]),
    lambda value: value.insert(0, 1),
    lambda value: value.pop(),
    lambda value: value.remove(1),
    lambda value: value.reverse(),
    lambda value: value.sort(),
]


@pytest.mark.parametrize("change", _DICT_CHANGES)
def test_a_frozen_dict_can_not_be_changed(change: Callable[[Any], object]) -> None:
    """Every method that changes a dict says what to do instead."""
    value = freeze({"a": 1})
    with pytest.raises(TypeError, match="return the changes"):
        change(value)
    assert value == {"a": 1}


@pytest.mark.parametrize("change", _LIST_CHANGES)
def test_a_frozen_list_can_not_be_changed(change: Callable[[Any], object]) -> None:
    """Every method that changes a list says what to do instead."""
    value = freeze([1])
    with pytest.raises(TypeError, match="return the changes"):
        change(value)
    assert value == [1]


@pytest.mark.parametrize("value", [None, 5, "x", [1], (("a", 1),), OrderedDict()])
def test_only_a_dict_is_an_object(value: object) -> None:
    """A context is a JSON object."""
    with pytest.raises(InvalidValueError) as caught:
        freeze_object(value, where="context")
    assert "a dict with string keys is needed" in str(caught.value)


# --- merge --------------------------------------------------------------------------------


@given(contexts(), contexts())
def test_merging_is_what_two_dicts_in_one_display_are(old: FrozenDict, new: FrozenDict) -> None:
    """Changes replace key by key, and the rest stays."""
    merged = merge(old, new, where="the result")
    assert merged == {**old, **new}
    assert list(merged) == list({**old, **new})
    assert type(merged) is FrozenDict


@given(st.lists(contexts(), max_size=6))
def test_the_bounds_of_a_merged_value_stay_bounds(changes: list[FrozenDict]) -> None:
    """After any number of merges, depth and size are not below the true ones."""
    context = freeze_object({}, where="context")
    for change in changes:
        context = merge(context, change, where="the result")
    true = freeze(thaw(context))
    assert context.depth >= true.depth
    assert context.size >= len(encode(context).encode())


def test_merging_nothing_gives_the_same_object() -> None:
    """No changes, no copy."""
    context = freeze_object({"a": 1}, where="context")
    assert merge(context, {}, where="the result") is context


def test_many_merges_of_one_key_do_not_wear_out_the_size() -> None:
    """The bound counts replaced values, and is counted anew before it refuses."""
    context = freeze_object({}, where="context")
    for number in range(200):
        context = merge(context, {"text": "x" * 20_000, "n": number}, where="the result")
    assert context["n"] == 199
    assert context.size <= MAX_BYTES


def test_merges_that_grow_too_large_are_refused() -> None:
    """The size bound holds for what many small changes add up to."""
    context = freeze_object({}, where="context")
    for number in range(13):
        context = merge(context, {str(number): "x" * 20_000}, where="the result")
    with pytest.raises(InvalidValueError, match=r"the result takes \d+ bytes"):
        merge(context, {"13": "x" * 20_000}, where="the result")


def test_a_value_that_became_shallow_by_merging_may_be_nested() -> None:
    """Depth is measured before it is refused: the deep part was replaced."""
    deep = freeze_object({"a": _nest(MAX_DEPTH - 1)}, where="context")
    shallow = merge(deep, {"a": [[1]], "b": 2}, where="the result")
    assert freeze({"backup": shallow, "list": [shallow]})["backup"] == {"a": [[1]], "b": 2}


def test_changes_that_are_no_dict_are_refused() -> None:
    """An assign that returns a list does not change the context."""
    context = freeze_object({}, where="context")
    with pytest.raises(InvalidValueError, match="the result is"):
        merge(context, [1], where="the result")


# --- decode -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "not strict JSON"),
        ("{", "not strict JSON"),
        ("[1,]", "not strict JSON"),
        ("{'a': 1}", "not strict JSON"),
        ("[NaN]", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("1e999", "'1e999' is larger than any number here"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' appears twice in one object"),
        ("9" * 5_000, "4300 digits"),
        ("[" * 100_000, "the JSON is nested too deeply"),
        (b"\xff", "not strict JSON"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_text_that_is_no_strict_json_is_refused(text: str | bytes, fact: str) -> None:
    """The error names the source and says why."""
    with pytest.raises(ReadError) as caught:
        decode(text, source="chart.json")
    assert str(caught.value).startswith("chart.json: ")
    assert fact in str(caught.value)


def test_numbers_are_read_as_they_were_written() -> None:
    """Whole numbers stay whole and exact, floats stay floats."""
    found = decode(b"[1, 1.0, 1e2, 9007199254740993, -0.0]")
    assert json.dumps(found) == "[1, 1.0, 100.0, 9007199254740993, -0.0]"


def test_encoded_text_is_compact_and_keeps_the_order() -> None:
    """One line, no spaces, keys as they stand, text as it is."""
    assert encode({"b": [1, None, True], "a": "é"}) == '{"b":[1,null,true],"a":"é"}'


def test_frozen_containers_are_dicts_and_lists() -> None:
    """Code that reads a dict or a list reads these."""
    frozen = freeze({"a": [1]})
    assert isinstance(frozen, dict)
    assert isinstance(frozen["a"], list)
    assert type(frozen["a"]) is FrozenList
    assert frozen | {"b": 1} == {"a": [1], "b": 1}


def test_a_large_dict_that_holds_itself_is_refused_soon() -> None:
    """It is not copied for each level."""
    value: dict[str, Any] = {}
    value["self"] = value
    value.update((str(number), number) for number in range(100_000))
    with pytest.raises(InvalidValueError, match="takes more than 262144 bytes"):
        freeze(value)


def test_a_value_that_holds_itself_often_is_refused_soon() -> None:
    """Twenty-six levels of two references to the same list are 67 million values as JSON."""
    value: Any = [1]
    for _ in range(26):
        value = [value, value]
    with pytest.raises(InvalidValueError, match="more than"):
        freeze(value)
    record: Any = {"x": 1}
    for _ in range(26):
        record = {"a": record, "b": record}
    with pytest.raises(InvalidValueError, match="more than"):
        freeze(record)
