"""What a store refuses is told with its place and its reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError, VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import MemoryStore, TinyStore, check_key, check_transaction
from settlesim.testing.openers import save, snapshot

FROZEN = freeze_object({}, where="context")
EMPTY_MEMORY = freeze_object({"h": []}, where="history_states")


@pytest.mark.parametrize(
    ("where", "reason", "fields"),
    [
        ("chart", "a text is needed", {"chart": b"count"}),
        ("chart", "a text is needed", {"chart": None}),
        ("version", "a whole number is needed", {"version": True}),
        ("version", "a whole number is needed", {"version": 1.0}),
        ("version", "a whole number is needed", {"version": Decimal(1)}),
        ("transaction", "a save goes to 1", {"revision": 1.0}),
        ("transaction", "a save goes to 1", {"revision": True}),
        ("transaction", "a save goes to 1", {"revision": 2}),
        ("configuration", "no active state", {"configuration": ()}),
        ("configuration", "names of states are needed", {"configuration": ("odd", 1)}),
        ("configuration", "names of states are needed", {"configuration": (b"odd",)}),
        ("context", "can still be changed", {"context": {"count": 1}}),
        ("context", "frozen by hand", {"context": FrozenDict({"set": {1, 2}})}),
        ("context", "frozen by hand", {"context": FrozenDict({"bytes": b"1"})}),
        ("fingerprint", "a text that is not empty is needed", {"fingerprint": ""}),
        ("history_states", "can still be changed", {"history_states": {"h": ["odd"]}}),
        ("history_states", "a list of names is needed", {"history_states": EMPTY_MEMORY}),
    ],
)
def test_a_snapshot_that_could_not_be_read_back_is_told(
    where: str, reason: str, fields: dict[str, Any]
) -> None:
    """With the field, and what is needed instead."""
    good = {"chart": "count", "version": 1, "configuration": ("odd",), "context": FROZEN}
    bad = Snapshot(**{**good, "revision": 1, **fields})
    with pytest.raises(InvalidValueError, match=reason) as caught:
        check_transaction(Transaction("a", bad, 0))
    assert caught.value.where == where


@pytest.mark.parametrize("key", ["", "a\ud800", None, 1, b"a", ["a"]], ids=ascii)
def test_a_key_that_is_none_is_told(key: Any) -> None:
    """Wherever it stands."""
    with pytest.raises(InvalidValueError, match="a key is text"):
        check_key(key)
    with pytest.raises(InvalidValueError, match="a key is text"):
        check_transaction(Transaction(key, snapshot(), 0))


@pytest.mark.parametrize("kind", ["memory", "tiny"])
def test_a_state_that_was_created_anew_is_told(kind: str, tmp_path: Any) -> None:
    """Both are at one revision, so the error says that it is another one."""
    store = MemoryStore() if kind == "memory" else TinyStore(tmp_path / "store.json")
    with store:
        save(store, "a", snapshot(1))
        store.delete("a", 1)
        save(store, "a", snapshot(2))
        with pytest.raises(VersionConflictError, match="at revision 1 again"):
            store.commit(Transaction("a", snapshot(2, revision=2), 1, before=snapshot(1)))
