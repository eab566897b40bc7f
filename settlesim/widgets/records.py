"""What a panel wants of a store, in one place: the record, the keys, a save, a fork."""

from __future__ import annotations

import json
from typing import Any

from settlesim.chart import Chart, Snapshot
from settlesim.engine import Settlement
from settlesim.ports import Store, Transaction

__all__ = ["commit", "fork", "keys_of", "record_of", "record_text"]


def commit(store: Store, settlement: Settlement) -> None:
    """Save a settlement where its outcome is one that is saved.

    Raises
    ------
    VersionConflictError
        Another worker saved the instance meanwhile; nothing was written.
    StoreError
        The store could not write.
    """
    if settlement.saved:
        store.commit(Transaction(settlement.key, settlement.after, settlement.before.revision))


def fork(store: Store, key: str, snapshot: Snapshot) -> str:
    """Save a snapshot as a new instance, and return its key: `key`, a dash and a number."""
    known = set(store.keys())
    number = next(each for each in range(1, len(known) + 2) if f"{key}-{each}" not in known)
    made = f"{key}-{number}"
    if snapshot.revision:
        first = Snapshot(
            snapshot.chart, snapshot.version, snapshot.configuration, snapshot.context, 1
        )
        store.commit(Transaction(made, first, 0))
    return made


def keys_of(store: Store, chart: Chart) -> list[str]:
    """Return the keys of this chart's instances, sorted."""
    found = []
    for key in store.keys():  # noqa: SIM118  # a store is no mapping
        snapshot = store.load(key)
        if snapshot is not None and snapshot.chart == chart.name:
            found.append(key)
    return found


def record_of(key: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return an instance as its store keeps it."""
    return {"key": key, **snapshot.to_dict()}


def record_text(key: str, snapshot: Snapshot) -> str:
    """Return the record as JSON, one field a line."""
    return json.dumps(record_of(key, snapshot), indent=2, ensure_ascii=False)
