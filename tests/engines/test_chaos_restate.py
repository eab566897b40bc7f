"""Events on Restate while workers and the server are killed, with exact counts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines.chaos import Counts, Worker, chaos_chart, count, drain, send_all
from tests.engines.restate_server import RestateServer, free_port


async def run(
    server: RestateServer, folder: Path, *, keys: int, events: int, kills: int, seed: int
) -> tuple[Counts, Counter[str]]:
    """Send events, and kill worker or server so many times meanwhile."""
    from settlesim.engines.restate import RestateClient, RestateEngine

    dice = random.Random(seed)
    ledger = folder / "ledger"
    settings: dict[str, Any] = {
        "engine": "restate",
        "ledger": str(ledger),
        "seconds": 0.02,
        "ingress": server.ingress,
        "admin": server.admin,
        "bind": f"127.0.0.1:{free_port()}",
    }
    worker = Worker(settings, folder / "worker.log")
    faults: Counter[str] = Counter()
    client = RestateClient(server.ingress, server.admin)
    sending: asyncio.Task[Counter[str]] | None = None
    try:
        worker.start()
        async with RestateEngine(chaos_chart(ledger, 0.0), client, works=False) as engine:
            sending = asyncio.create_task(send_all(engine, keys=keys, events=events, seed=seed))
            for _ in range(kills):
                await asyncio.sleep(dice.uniform(0.1, 0.7))
                if dice.random() < 0.3:
                    server.kill()
                    faults["server"] += 1
                    await asyncio.sleep(0.1)
                    server.start()
                    await asyncio.to_thread(server.wait_until_ready)
                else:
                    worker.kill()
                    faults["worker"] += 1
                    worker.start()
            async with asyncio.timeout(300):
                faults += await sending
            await drain(engine, keys=keys, events=events)
            return await count(engine, ledger, keys=keys, events=events), faults
    finally:
        if sending is not None:
            sending.cancel()
        worker.kill()


def campaign(
    binary: str, folder: Path, *, keys: int, events: int, kills: int, seed: int
) -> tuple[Counts, Counter[str]]:
    """Do a run on a server of its own."""
    server = RestateServer(binary, folder / "server")
    try:
        server.start()
        server.wait_until_ready()
        return asyncio.run(run(server, folder, keys=keys, events=events, kills=kills, seed=seed))
    finally:
        server.kill()


def test_kills_of_worker_and_server_change_nothing(
    restate_binary: str, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """The short form."""
    counts, faults = campaign(restate_binary, tmp_path, keys=5, events=12, kills=4, seed=1)
    finding(f"Restate, one node: {counts}, {dict(faults)}")
    assert counts.wrong == 0, counts
    assert faults["worker"] > 0
    assert faults["server"] > 0
    assert faults["worker"] + faults["server"] == 4
    assert faults["repeated"] > 0


@pytest.mark.nightly
def test_a_minute_of_kills_changes_nothing(
    restate_binary: str, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """1,000 events on 20 keys, a fifth of them sent twice."""
    counts, faults = campaign(restate_binary, tmp_path, keys=20, events=50, kills=36, seed=2)
    finding(f"Restate, one node: {counts}, {dict(faults)}")
    assert counts.wrong == 0, counts
    assert faults["server"] >= 3
