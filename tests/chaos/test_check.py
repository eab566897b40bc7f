"""The check of a kill campaign bites: each fault that is planted is among what it counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.ports import Transaction
from settlesim.store import FifoQueue, SqliteStore
from tests.chaos.campaign import Outcome, Plan, check
from tests.chaos.charts import patient
from tests.chaos.ledger import Ledger
from tests.chaos.roles import STORE, is_poison

SEED = 3
KEY = "key-0"
GOOD = [number for number in range(1, 20) if not is_poison(SEED, KEY, number)][:5]
POISON = next(number for number in range(1, 200) if is_poison(SEED, KEY, number))


def write(folder: Path, *, log: list[int], sent: list[int], dead: tuple[int, ...] = ()) -> None:
    """Write what a campaign leaves: the log of one instance, dead letters, and ledgers."""
    for number in sent:
        Ledger(folder / "sent").add(key=KEY, number=number)
    for number in log:
        effect(folder, number, f"key of {number}")
    with SqliteStore(folder / STORE) as store:
        context = freeze_object({"log": log, "now": None}, where="context")
        store.commit(Transaction(KEY, Snapshot(patient.name, 1, ("resting",), context, 1), 0))
        queue = FifoQueue(store, patient.name)
        for number in dead:
            queue.send({"event": "ADD", "data": {"number": number}}, KEY)
            (message,) = queue.receive()
            queue.fail(message.receipt, "no", final=True)


def effect(folder: Path, number: int, idempotency_key: str) -> None:
    """Note an effect."""
    fields: dict[str, Any] = {"number": number, "idempotency_key": idempotency_key}
    Ledger(folder / "effects").add(key=KEY, service="charge", seconds=0.1, **fields)


def counted(folder: Path) -> dict[str, int]:
    """Return how many faults of each kind are found."""
    outcome = Outcome(SEED)
    check(Plan(seed=SEED, kills=0, freezes=0, keys=1), folder, outcome)
    kinds = ("lost", "doubled", "reordered", "unreadable")
    found = {kind: len(getattr(outcome, kind)) for kind in kinds}
    assert len(outcome.faults) == sum(found.values())
    return {kind: number for kind, number in found.items() if number}


def test_what_is_right_has_no_fault(tmp_path: Path) -> None:
    """All that was sent is settled or a dead letter, once and in order."""
    sent = sorted([*GOOD, POISON])
    write(tmp_path, log=GOOD, sent=sent, dead=(POISON,))
    assert counted(tmp_path) == {}


PLANTED: dict[str, tuple[list[int], list[int], tuple[int, ...], str]] = {
    "an event that is gone": (GOOD[:-1], GOOD, (), "lost"),
    "an event that counts twice": ([*GOOD, GOOD[-1]], GOOD, (), "doubled"),
    "an event that nobody sent": ([*GOOD, GOOD[-1] + 500], GOOD, (), "doubled"),
    "two events in the wrong order": ([GOOD[1], GOOD[0], *GOOD[2:]], GOOD, (), "reordered"),
    "an event that is dead and should not be": (GOOD[:-1], GOOD, (GOOD[-1],), "lost"),
    "an event that is settled and dead": (GOOD, GOOD, (GOOD[0],), "doubled"),
    "poison that was settled": ([*GOOD, POISON], [*GOOD, POISON], (), "lost"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(tmp_path: Path, name: str) -> None:
    """Each by the kind that it is."""
    log, sent, dead, kind = PLANTED[name]
    write(tmp_path, log=log, sent=sent, dead=dead)
    assert kind in counted(tmp_path)


EFFECTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "another idempotency key at the second time": (
        lambda folder: effect(folder, GOOD[0], "another"),
        "doubled",
    ),
    "one idempotency key for two events": (
        lambda folder: effect(folder, 999, f"key of {GOOD[0]}"),
        "doubled",
    ),
    "a first effect that comes late": (lambda folder: effect(folder, 0, "key of 0"), "reordered"),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_a_planted_effect_is_found(tmp_path: Path, name: str) -> None:
    """Effects may come again, but each with its own key, and for the first time in order."""
    plant, kind = EFFECTS[name]
    write(tmp_path, log=GOOD, sent=GOOD)
    effect(tmp_path, GOOD[-1], f"key of {GOOD[-1]}")
    assert counted(tmp_path) == {}
    plant(tmp_path)
    assert counted(tmp_path) == {kind: 1}


def test_a_store_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    """It is no store without instances."""
    write(tmp_path, log=GOOD, sent=GOOD)
    (tmp_path / STORE).write_bytes(b"x" * 4096)
    assert counted(tmp_path) == {"unreadable": 1}
