"""Snapshots as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim import Snapshot
from settlesim.chart.strict_json import decode, encode
from settlesim.errors import InvalidValueError, StoreDamagedError
from tests.strategies import json_values, snapshots

RECORD: dict[str, Any] = {
    "chart": "order",
    "version": 1,
    "revision": 3,
    "configuration": ["paid"],
    "context": {"n": 1},
}
FIELDS = [*RECORD, "fingerprint", "history_states"]


@given(snapshots())
def test_reading_what_was_written_is_identity(snapshot: Snapshot) -> None:
    """A snapshot comes back from JSON as it was."""
    assert Snapshot.from_dict(decode(encode(snapshot.to_dict()))) == snapshot


def test_fingerprint_and_history_states_may_be_missing() -> None:
    """A record of before has neither; one that has them gives them back."""
    found = Snapshot.from_dict(RECORD)
    assert (found.fingerprint, found.history_states) == (None, {})
    more = {"fingerprint": "f1", "history_states": {"on.h": ["on.left"]}}
    found = Snapshot.from_dict({**RECORD, **more})
    assert found.to_dict() == {**RECORD, **more}
    assert Snapshot.from_dict(found.to_dict()) == found
    assert (
        Snapshot.from_dict({**RECORD, "fingerprint": None, "history_states": None}).to_dict()
        == RECORD
    )


def test_further_keys_are_left_alone() -> None:
    """A newer version may have written more."""
    assert Snapshot.from_dict({**RECORD, "note": 1}).to_dict() == RECORD


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"chart": 5}, "'chart' is of type int, not str"),
        ({"version": "1"}, "'version' is of type str, not int"),
        ({"version": True}, "'version' is of type bool, not int"),
        ({"revision": -1}, "revision -1 is negative"),
        ({"configuration": "paid"}, "'configuration' is of type str, not list"),
        ({"configuration": []}, "'configuration' is no list of state names"),
        ({"configuration": [1]}, "'configuration' is no list of state names"),
        ({"context": []}, "'context' is of type list, not dict"),
        ({"fingerprint": 1}, "'fingerprint' is 1, no text"),
        ({"fingerprint": ""}, "'fingerprint' is '', no text"),
        ({"history_states": []}, "'history_states' is of type list, not dict"),
        (
            {"history_states": {"h": []}},
            "'history_states' has [] for 'h'; a list of names is needed",
        ),
    ],
)
def test_a_field_of_another_type_is_damage(change: dict[str, Any], fact: str) -> None:
    """The error names the field."""
    with pytest.raises(StoreDamagedError) as caught:
        Snapshot.from_dict({**RECORD, **change}, source="store.json")
    assert caught.value.reason == fact
    assert caught.value.path == "store.json"


@pytest.mark.parametrize("key", sorted(RECORD))
def test_a_missing_field_is_damage(key: str) -> None:
    """Nothing is made up."""
    with pytest.raises(StoreDamagedError, match=f"the record has no '{key}'"):
        Snapshot.from_dict({name: value for name, value in RECORD.items() if name != key})


def test_a_context_that_json_can_not_carry_is_refused() -> None:
    """The error names the source."""
    with pytest.raises(InvalidValueError, match="context of snapshot"):
        Snapshot.from_dict({**RECORD, "context": {"a": float("nan")}})


@given(json_values() | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values())))
def test_no_record_does_worse_than_a_clear_error(record: Any) -> None:
    """Any JSON is a snapshot or damage."""
    try:
        found = Snapshot.from_dict(record)
    except StoreDamagedError:
        return
    assert isinstance(found, Snapshot)
