"""What the processes do while a chart changes: send, work in one version, migrate."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from settlesim.ports import ChartVersion, Message
from settlesim.runtime import Worker
from settlesim.store import FifoQueue, SqliteStore
from settlesim.store.database import Execute
from settlesim.versions import apply_migration
from tests.chaos.ledger import Ledger
from tests.chaos.version_charts import new, old

__all__ = ["VERSIONED", "migrate", "send_all", "work_in_version"]

VERSIONED = "versions.db"
VISIBILITY = 1.0


def send_all(
    folder: Path, *, seed: int, keys: list[str], first: int = 1, rounds: int, pause: float
) -> None:
    """Send events under their old name, each key's in order, until all or a stop is there."""
    dice, ledger = random.Random(seed), Ledger(folder / "sent")
    with SqliteStore(folder / VERSIONED) as store:
        queue = FifoQueue(store, old.name)
        for number in range(first, first + rounds):
            for key in dice.sample(keys, len(keys)):
                if (folder / "stop").exists():
                    return
                data = {"number": number, "seconds": round(dice.uniform(0.0, 0.02), 4)}
                queue.send({"event": "ADD", "data": data}, key, f"{key}-{number}")
                ledger.add(key=key, number=number)
                time.sleep(pause)


class LedgerQueue(FifoQueue):
    """A queue that writes down, for each reception, which version the instance was of then."""

    received: Ledger

    def _take(
        self,
        execute: Execute,
        most: int,
        seconds: float,
        chart_version: ChartVersion | None,
    ) -> tuple[tuple[Message, ...], bool]:
        found = super()._take(execute, most, seconds, chart_version)
        for message in found[0]:  # in the transaction of the reception
            row = execute(
                "SELECT version FROM instances WHERE key = ?", (message.group_id,)
            ).fetchone()
            (newest,) = execute("SELECT max(version) FROM charts").fetchone()
            assert chart_version is not None
            self.received.add(
                worker=chart_version.version,
                instance=None if row is None else row[0],
                newest=newest,
                process=os.getpid(),
            )
        return found


def work_in_version(folder: Path, *, version: int, concurrency: int) -> None:
    """Handle events until a signal says to stop."""
    chart = {1: old, 2: new}[version]
    with SqliteStore(folder / VERSIONED) as store:
        queue = LedgerQueue(store, chart.name, visibility_timeout=VISIBILITY, max_receives=1000)
        queue.received = Ledger(folder / "received")
        worker = Worker(chart, store, queue, concurrency=concurrency, backoff=0.01, poll=0.01)
        signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
        worker.run_sync()


def migrate(folder: Path, *, batch: int) -> None:
    """Put every instance into the words of the new version."""
    options: dict[str, Any] = {"batch": batch}
    with SqliteStore(folder / VERSIONED) as store:
        applied = apply_migration(new, store, **options)
        assert applied.ok, str(applied)
