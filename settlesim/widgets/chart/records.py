"""What a panel needs from a store: the record, the keys, a save, a fork."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from settlesim.chart import Chart, Snapshot
from settlesim.ports import QueueStore, Store, Transaction
from settlesim.runtime.transactions import Keeping, transaction_of
from settlesim.settling import Settlement
from settlesim.store import PastSettlement
from settlesim.versions import chain_of, definition_of

__all__ = ["commit", "fork", "free_key", "keys_of", "past_of", "record_text", "stored_record"]


def commit(store: Store, settlement: Settlement) -> None:
    """Save a settlement, unless its outcome is one that is not saved.

    Raises
    ------
    VersionConflictError
        Another worker saved the instance meanwhile; nothing was written.
    StoreError
        The store could not write.
    """
    if settlement.saved:
        store.commit(transaction_of(settlement, _keeping(store, settlement)))


def _keeping(store: Store, settlement: Settlement) -> Keeping:
    """Return what is saved besides the state; the stored one may be of another chart version."""
    chart = settlement.chart
    assert chart is not None  # the engine's own settlements have it
    keeping = Keeping(timers=isinstance(store, QueueStore), definition=definition_of(chart))
    stored = store.load(settlement.key)
    if stored is None or stored == settlement.before:
        return keeping
    running = store.timers(settlement.key) if isinstance(store, QueueStore) else ()
    timers = [each.delay for each in running]
    carried = chain_of(chart).carry(stored, key=settlement.key, timers=timers, edited=True)
    if carried.snapshot != settlement.before:
        return keeping  # somebody else has saved it meanwhile; the store will refuse this save
    return keeping._replace(
        stored=stored, carried=carried if carried.version != chart.version else None
    )


def past_of(store: Store, key: str, now: Snapshot) -> list[tuple[Snapshot, str]]:
    """Return the past states of an instance, each with what led to it, oldest first.

    The last one is the present state. States that the store has not kept are left out. The list
    is empty if the store keeps no history, or if that history does not end with `now`, as after
    the key of a deleted instance was used again.
    """
    if not hasattr(store, "settlements"):
        return []
    found = [(each.snapshot, _story(each)) for each in store.settlements(key) if each.snapshot]
    return found if found and found[-1][0] == now else []


def _story(past: PastSettlement) -> str:
    """Say in one line what a remembered settlement did."""
    event = past.event
    name = event.get("name", "an event") if isinstance(event, dict) else "an event"
    path = " \N{RIGHTWARDS ARROW} ".join(
        " + ".join(leaves) for leaves in past.record.get("path", ())
    )
    text = f"{name} {(past.outcome or 'settled').upper()}"
    kept = f"saved as revision {past.revision}"
    return f"{text}: {path}; {kept}" if path else f"{text}; {kept}"


def fork(store: Store, key: str, snapshot: Snapshot) -> str:
    """Save a snapshot as a new instance, and return its key: `key`, a dash and a number."""
    made = free_key(store, key)
    if snapshot.revision:
        store.commit(Transaction(made, replace(snapshot, revision=1), 0))
    return made


def free_key(store: Store, name: str) -> str:
    """Return a key that no instance in the store has: `name`, a dash and a number."""
    known = set(store.keys())
    return next(key for each in range(1, len(known) + 2) if (key := f"{name}-{each}") not in known)


def keys_of(store: Store, chart: Chart) -> list[str]:
    """Return the keys of this chart's instances, sorted."""
    found = []
    for key in store.keys():  # noqa: SIM118  # a store is no mapping
        snapshot = store.load(key)
        if snapshot is not None and snapshot.chart == chart.name:
            found.append(key)
    return found


def stored_record(key: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return an instance as its store keeps it."""
    return {"key": key, **snapshot.to_dict()}


def record_text(key: str, snapshot: Snapshot) -> str:
    """Return the record as JSON, one field per line."""
    return json.dumps(stored_record(key, snapshot), indent=2, ensure_ascii=False)
