"""Charts that change while processes are killed: nothing is lost, doubled or half migrated."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart import Snapshot
from settlesim.ports import Timer, Timers, Transaction
from settlesim.store import FifoQueue, SqliteStore, verify_store
from settlesim.versions import apply_migration, definition_of, retire
from tests.chaos.ledger import read
from tests.chaos.nursery import PATIENCE, Nursery, log_of
from tests.chaos.version_charts import new, old
from tests.chaos.version_roles import VERSIONED


@pytest.fixture
def seed() -> int:
    """Another one each time, so that many runs see more than one does."""
    given = os.environ.get("CHAOS_SEED")
    return random.SystemRandom().randrange(1_000_000) if given is None else int(given)


def fill(folder: Path, keys: list[str]) -> None:
    """Let the old version save instances."""
    with SqliteStore(folder / VERSIONED) as store:
        for key in keys:
            first = Snapshot(old.name, 1, ("resting",), old.context, 1, fingerprint=old.fingerprint)
            timers = Timers((Timer("resting.0", 100_000.0),))
            store.commit(Transaction(key, first, 0, timers=timers, definition=definition_of(old)))


@dataclass
class Seen:
    """What was counted."""

    kills: int = 0
    looks: int = 0
    between: int = 0
    """How many looks found some instances migrated and others not."""
    half: list[str] = field(default_factory=list)

    def look(self, folder: Path) -> Counter[int]:
        """Look at every instance and its timers, all of one moment; count the versions."""
        with closing(sqlite3.connect(folder / VERSIONED)) as connection:
            connection.execute("BEGIN")
            rows = connection.execute(
                "SELECT key, version, configuration, context, fingerprint FROM instances"
            ).fetchall()
            timers: dict[str, list[str]] = {}
            for key, delay in connection.execute("SELECT key, delay FROM timers"):
                timers.setdefault(key, []).append(delay)
        versions = Counter(version for _, version, *_ in rows)
        self.looks += 1
        self.between += len(versions) > 1
        for key, version, configuration, context, fingerprint in rows:
            found = json.loads(context)
            state = (version, json.loads(configuration), fingerprint, timers.get(key))
            whole = (
                (1, ["resting"], old.fingerprint, ["resting.0"], None),
                (2, ["ready"], new.fingerprint, ["ready.0"], 1),
            )
            if (*state, found.get("steps")) not in whole:
                self.half.append(f"{key}: {state} {found}")
        return versions


def settled(folder: Path, keys: list[str]) -> list[str]:
    """Compare what was sent with the logs; return what differs."""
    sent: dict[str, list[int]] = {key: [] for key in keys}
    for line in read(folder / "sent"):
        sent[line["key"]].append(line["number"])
    with SqliteStore(folder / VERSIONED) as store:
        wrong = []
        for key, numbers in sent.items():
            found = store.load(key)
            log = [] if found is None else list(found.context["log"])
            # A sender that was stopped may have sent one that it did not write down.
            if log not in (numbers, [*numbers, len(numbers) + 1]):
                wrong.append(f"{key}: sent {numbers}, settled {log}")
    return wrong


def drain(folder: Path) -> None:
    """Wait until nothing waits."""
    end = time.monotonic() + PATIENCE
    with SqliteStore(folder / VERSIONED) as store:
        queue = FifoQueue(store, old.name)
        while queue.status().depth:
            assert time.monotonic() < end, f"{queue.status()} stays\n{log_of(folder)}"
            time.sleep(0.02)


def campaign(folder: Path, seed: int, *, kills: int, instances: int, seen: Seen) -> None:
    """Kill one ``--apply`` after another beside two workers and a sender, until all is done."""
    dice = random.Random(seed)
    keys = [f"key-{number:04d}" for number in range(instances)]
    fill(folder, keys)
    with Nursery(folder) as nursery:
        workers = [
            nursery.start("work_in_version", version=version, concurrency=2) for version in (1, 2)
        ]
        sender = nursery.start("send_all", seed=seed, keys=keys[::7], rounds=1000, pause=0.02)
        killed = 0
        while killed < kills and seen.look(folder)[1]:
            process = nursery.start("migrate", batch=dice.choice((1, 3, 10)))
            time.sleep(dice.uniform(0.0, 0.12))
            ended = nursery.kill(process)
            assert ended in (0, -signal.SIGKILL), f"seed {seed}: {ended}\n{log_of(folder)}"
            killed += ended == -signal.SIGKILL
        seen.kills += killed
        (folder / "stop").touch()
        assert nursery.wait(sender, PATIENCE) == 0, log_of(folder)
        last = nursery.start("migrate", batch=100)
        assert nursery.wait(last, PATIENCE) == 0, log_of(folder)
        drain(folder)
        for process in workers:
            os.kill(process, signal.SIGTERM)
            assert nursery.wait(process, PATIENCE) == 0, log_of(folder)
    told = f"seed {seed}, {folder}\n{log_of(folder)}"
    assert seen.look(folder) == Counter({2: instances}), told
    assert not seen.half, f"{seen.half[:3]}\n{told}"
    assert settled(folder, keys) == [], told
    assert verify_store(folder / VERSIONED).is_whole, told
    with SqliteStore(folder / VERSIONED) as store:
        assert retire(new, store, FifoQueue(store, new.name), version=1).ok, told


def test_apply_that_is_killed_leaves_each_instance_old_or_new(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """Beside a worker of each version and a sender; in another store where all was done at once."""
    seen = Seen()
    number = 0
    while seen.kills < 4:
        folder = tmp_path / str(number)
        folder.mkdir()
        campaign(folder, seed + number, kills=8, instances=150, seen=seen)
        number += 1
    finding(f"migrate --apply, seed {seed}: {seen.kills} kills, {seen.between} looks in between")


@pytest.mark.nightly
def test_apply_that_is_killed_two_hundred_times(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """In one store after another."""
    seen = Seen()
    number = 0
    while seen.kills < 200:
        folder = tmp_path / str(number)
        folder.mkdir()
        campaign(folder, seed + number, kills=200 - seen.kills, instances=400, seen=seen)
        number += 1
    finding(
        f"migrate --apply, seed {seed}: {seen.kills} kills in {number} stores, {seen.between} of "
        f"{seen.looks} looks found both versions"
    )
    assert seen.kills == 200
    assert seen.between > 50


# --- rolling deployment ---------------------------------------------------------------------------


def rollout(folder: Path, seed: int, *, kills: int, orders: int) -> dict[str, Any]:
    """Replace two workers of the old version by two of the new one, and kill some of each."""
    dice = random.Random(seed)
    keys = [f"order-{number:03d}" for number in range(orders)]
    fill(folder, keys[::2])  # the others start while the versions change
    with Nursery(folder) as nursery:

        def start(version: int) -> tuple[int, int]:
            return version, nursery.start("work_in_version", version=version, concurrency=2)

        def send(number: int) -> int:
            """One event for each order: with both workers old, with one, and with none."""
            return nursery.start(
                "send_all", seed=seed + number, keys=keys, first=number, rounds=1, pause=0.0
            )

        workers = [start(1), start(1)]
        senders = [send(1)]
        turns = ["kill"] * kills
        for place in sorted(dice.sample(range(kills + 1), 2), reverse=True):
            turns.insert(place, "deploy")
        done = 0
        for turn in turns:
            time.sleep(dice.uniform(0.05, 0.4))
            index = 0 if turn == "deploy" and workers[0][0] == 1 else dice.randrange(2)
            if turn == "deploy" and workers[index][0] == 2:
                index = 1 - index
            version, process = workers[index]
            ended = nursery.kill(process)
            assert ended == -signal.SIGKILL, log_of(folder)
            done += 1
            workers[index] = start(2 if turn == "deploy" else version)
            if turn == "deploy":  # an order's events are sent in their order
                assert nursery.wait(senders[-1], PATIENCE) == 0, log_of(folder)
                senders.append(send(len(senders) + 1))
        assert [version for version, _ in workers] == [2, 2]
        assert nursery.wait(senders[-1], PATIENCE) == 0, log_of(folder)
        drain(folder)
        for _, process in workers:
            os.kill(process, signal.SIGTERM)
            assert nursery.wait(process, PATIENCE) == 0, log_of(folder)
    received = read(folder / "received")
    told = f"seed {seed}, {folder}\n{log_of(folder)}"
    unable = [
        line for line in received if (line["instance"] or line["newest"] or 0) > line["worker"]
    ]
    assert unable == [], told
    assert settled(folder, keys) == [], told
    with SqliteStore(folder / VERSIONED) as store:
        logs = [list(found.context["log"]) for key in keys if (found := store.load(key))]
        applied = apply_migration(new, store)
    assert logs == [[1, 2, 3]] * orders, told
    assert applied.ok, told
    by_version = Counter(line["worker"] for line in received)
    return {"kills": done, "received": dict(by_version), "settled": len(logs)}


def test_workers_are_replaced_by_those_of_a_new_version_and_every_order_is_settled(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """No message is received by a worker that cannot handle it, says the ledger of receptions."""
    found = rollout(tmp_path, seed, kills=4, orders=60)
    finding(f"rolling deployment, seed {seed}: {found}")
    assert found["settled"] == 60
    assert found["received"].get(2, 0) > 0


@pytest.mark.nightly
def test_two_hundred_orders_outlive_a_rolling_deployment_with_kills(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """Many kills on both sides of it."""
    found = rollout(tmp_path, seed, kills=30, orders=200)
    finding(f"rolling deployment, seed {seed}: {found}")
    assert found["settled"] == 200
