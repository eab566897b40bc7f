"""Events on three nodes of Restate while nodes are killed and frozen, with exact counts."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from settlesim.errors import StoreError, StoreUnavailableError
from tests.engines.chaos import Counts, Worker, chaos_chart, count, drain, send_all
from tests.engines.restate_server import RestateServer, free_port


def cluster(binary: str, folder: Path) -> list[RestateServer]:
    """Return three nodes, each of which writes to two; the first provisions the cluster."""
    nodes = [RestateServer(binary, folder / f"n{number}") for number in (1, 2, 3)]
    addresses = json.dumps([f"http://127.0.0.1:{node.ports['node']}" for node in nodes])
    for number, node in enumerate(nodes, start=1):
        node.options = {
            "RESTATE_NODE_NAME": f"n{number}",
            "RESTATE_FORCE_NODE_ID": str(number),
            "RESTATE_CLUSTER_NAME": "chaos",
            "RESTATE_AUTO_PROVISION": "true" if number == 1 else "false",
            "RESTATE_DEFAULT_REPLICATION": "2",
            "RESTATE_METADATA_CLIENT__ADDRESSES": addresses,
        }
    return nodes


class AnyNode:
    """Asks the engines of all nodes, one after another, until one answers."""

    def __init__(self, engines: list[Any]) -> None:
        self.engines = engines

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            error: StoreError = StoreUnavailableError(path="cluster", reason="no node was asked")
            for engine in random.sample(self.engines, len(self.engines)):
                try:
                    return await asyncio.wait_for(getattr(engine, name)(*arguments, **options), 5)
                except StoreError as failure:
                    error = failure
                except TimeoutError:
                    continue
            raise error

        return call


async def run(
    nodes: list[RestateServer], folder: Path, *, keys: int, events: int, kills: int, seed: int
) -> tuple[Counts, Counter[str]]:
    """Send events; kill so many nodes meanwhile, and freeze one."""
    from settlesim.engines.restate import RestateClient, RestateEngine

    dice = random.Random(seed)
    ledger = folder / "ledger"
    settings: dict[str, Any] = {
        "engine": "restate",
        "ledger": str(ledger),
        "seconds": 0.02,
        "ingress": nodes[0].ingress,
        "admin": nodes[0].admin,
        "bind": f"127.0.0.1:{free_port()}",
    }
    worker = Worker(settings, folder / "worker.log")
    faults: Counter[str] = Counter()
    sending: asyncio.Task[Counter[str]] | None = None
    try:
        worker.start()
        async with AsyncExitStack() as stack:
            engines = [
                await stack.enter_async_context(
                    RestateEngine(
                        chaos_chart(ledger, 0.0),
                        RestateClient(node.ingress, node.admin),
                        works=False,
                    )
                )
                for node in nodes
            ]
            engine: Any = AnyNode(engines)
            sending = asyncio.create_task(send_all(engine, keys=keys, events=events, seed=seed))
            for number in range(kills + 1):
                await asyncio.sleep(dice.uniform(1.0, 3.0))
                node = dice.choice(nodes)
                assert node.process is not None
                if number == kills // 2:
                    node.process.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(4.0)
                    node.process.send_signal(signal.SIGCONT)
                    faults["frozen"] += 1
                else:
                    node.kill()
                    faults["node"] += 1
                    await asyncio.sleep(dice.uniform(0.5, 3.0))
                    node.start()
                    await asyncio.to_thread(node.wait_until_ready)
                if dice.random() < 0.5:
                    worker.kill()
                    worker.start()
                    faults["worker"] += 1
                await asyncio.sleep(3.0)
            async with asyncio.timeout(300):
                faults += await sending
            await drain(engine, keys=keys, events=events)
            return await count(engine, ledger, keys=keys, events=events), faults
    finally:
        if sending is not None:
            sending.cancel()
        worker.kill()


@pytest.mark.nightly
def test_kills_of_nodes_change_nothing(
    restate_binary: str, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """Seven of them, and one freeze."""
    nodes = cluster(restate_binary, tmp_path)
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_until_ready()
        counts, faults = asyncio.run(run(nodes, tmp_path, keys=10, events=40, kills=7, seed=1))
    finally:
        for node in nodes:
            if node.process is not None:
                node.process.send_signal(signal.SIGCONT)
            node.kill()
    finding(f"Restate, three nodes: {counts}, {dict(faults)}")
    assert counts.wrong == 0, counts
    assert (faults["node"], faults["frozen"]) == (7, 1)
