"""Dataclasses whose constructor is written by hand, for speed: it does what was generated."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.ports import Transaction

SNAPSHOT = Snapshot("chart", 1, ("leaf",), freeze_object({"n": [1]}, where="context"), 2)
OBJECTS = [SNAPSHOT, Transaction("key", SNAPSHOT, 1, mark="e")]

pytestmark = pytest.mark.parametrize("one", OBJECTS, ids=lambda one: type(one).__name__)


def test_constructor_takes_every_field_in_order_with_its_default(one: Any) -> None:
    parameters = list(inspect.signature(type(one)).parameters.values())
    fields = dataclasses.fields(one)
    assert [each.name for each in parameters] == [field.name for field in fields]
    for parameter, field in zip(parameters, fields, strict=True):
        assert parameter.annotation == field.type
        assert (parameter.kind is inspect.Parameter.KEYWORD_ONLY) == field.kw_only
        missing = field.default is dataclasses.MISSING
        assert parameter.default == (inspect.Parameter.empty if missing else field.default)


def test_constructor_sets_every_field(one: Any) -> None:
    """To what was given for it."""
    given: dict[str, Any] = {field.name: object() for field in dataclasses.fields(one)}
    made = type(one)(**given)
    assert {name: getattr(made, name) for name in given} == given


def test_object_is_a_value(one: Any) -> None:
    """It can not be changed, and its copies are equal."""
    for field in dataclasses.fields(one):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, field.name, None)
    for again in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert type(again) is type(one)
        assert again == one
    name = dataclasses.fields(one)[0].name
    other = dataclasses.replace(one, **{name: "other"})
    assert getattr(other, name) == "other"
    assert other != one
    assert dataclasses.replace(other, **{name: getattr(one, name)}) == one
