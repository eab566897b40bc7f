"""Hypothesis strategies for values that are saved: JSON, contexts, keys, snapshots."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, freeze_object

__all__ = ["contexts", "history_states", "json_values", "keys", "snapshots", "texts"]

_AWKWARD = [
    "__proto__",
    "constructor",
    "key",
    "_default",
    "1",
    " ",
    "\x00",
    "a\nb",
    '"',
    "\\",
    "\u2028",
    "\ufeff",
    "é",
    "e\u0301",
    "日本",
    "🙂",
    "\U0010ffff",
]


def texts(*, min_size: int = 0) -> st.SearchStrategy[str]:
    """Text that UTF-8 can carry, often with characters that can break JSON or JavaScript."""
    plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=12)
    return st.sampled_from(_AWKWARD) | plain


def keys() -> st.SearchStrategy[str]:
    """Keys of instances."""
    return texts(min_size=1)


def json_values() -> st.SearchStrategy[Any]:
    """Values of strict JSON."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from([2**53 + 1, -(2**64), 10**400, -0.0, 5e-324, 1.7976931348623157e308])
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts()
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
        max_leaves=12,
    )


def _nest(value: Any, levels: int) -> dict[str, Any]:
    for _ in range(levels):
        value = {"deep": value}
    return {"deep": value}


def contexts() -> st.SearchStrategy[FrozenDict]:
    """Contexts of instances: flat, empty, and as deep as is allowed."""
    flat = st.dictionaries(texts(), json_values(), max_size=5)
    deep = st.builds(_nest, st.integers(), st.integers(0, 63))
    return (st.just({}) | flat | deep).map(lambda value: freeze_object(value, where="context"))


def snapshots(*, revision: int | None = None) -> st.SearchStrategy[Snapshot]:
    """Settled instances, at the given revision or at any."""
    return st.builds(
        Snapshot,
        chart=texts(min_size=1),
        version=st.integers(0, 2**40),
        configuration=st.lists(texts(min_size=1), min_size=1, max_size=3).map(tuple),
        context=contexts(),
        revision=st.integers(1, 2**40) if revision is None else st.just(revision),
        fingerprint=st.none() | texts(min_size=1),
        history_states=history_states(),
    )


def history_states() -> st.SearchStrategy[FrozenDict]:
    """Memories of history states, often empty."""
    remembered = st.lists(texts(min_size=1), min_size=1, max_size=3)
    states = st.dictionaries(texts(min_size=1), remembered, max_size=2)
    return states.map(lambda value: freeze_object(value, where="history_states"))
