"""Events on SQS and DynamoDB (an emulator) while workers are killed and frozen."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.engines.chaos import Counts, Worker, chaos_chart, count, drain, send_all
from tests.engines.ministack_server import Ministack

VISIBILITY = 1
SECONDS = 1.0
"""That a service takes at most; an event calls two of them, and is longer than the visibility."""


async def run(
    server: Ministack,
    folder: Path,
    *,
    keys: int,
    events: int,
    kills: int,
    seed: int,
    seconds: float = SECONDS,
    blind: bool = False,
    patience: float = 150.0,
) -> tuple[Counts, Counter[str]]:
    """Send events, kill workers so many times meanwhile, and freeze one of them."""
    from settlesim.engines.aws import AwsEngine

    dice = random.Random(seed)
    ledger = folder / "ledger"
    resources = server.resources(
        f"chaos-{seed}-{'blind' if blind else 'sound'}", visibility=VISIBILITY, max_receives=1000
    )
    given = {name: value for name, value in vars(resources).items() if not name.startswith("_")}
    settings: dict[str, Any] = {
        "engine": "aws",
        "ledger": str(ledger),
        "seconds": seconds,
        "resources": given,
        "blind": blind,
    }
    workers = [Worker(settings, folder / f"worker{number}.log") for number in range(3)]
    faults: Counter[str] = Counter()
    sending: asyncio.Task[Counter[str]] | None = None
    try:
        for worker in workers:
            worker.start()
        async with AwsEngine(chaos_chart(ledger, 0.0), resources) as engine:
            sending = asyncio.create_task(send_all(engine, keys=keys, events=events, seed=seed))
            for number in range(kills):
                await asyncio.sleep(dice.uniform(0.2, 0.9))
                victim = dice.choice(workers)
                if number == kills // 2:
                    victim.send(signal.SIGSTOP)
                    await asyncio.sleep(2.5 * VISIBILITY)
                    victim.send(signal.SIGCONT)
                    faults["frozen"] += 1
                victim.kill()
                victim.start()
                faults["worker"] += 1
            async with asyncio.timeout(300):
                faults += await sending
            await drain(engine, keys=keys, events=events, seconds=patience)
            return await count(engine, ledger, keys=keys, events=events), faults
    finally:
        if sending is not None:
            sending.cancel()
        for worker in workers:
            worker.kill()


def test_kills_of_workers_change_nothing(
    ministack: Ministack, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """The short form, with services longer than the visibility time-out and a frozen worker."""
    counts, faults = asyncio.run(run(ministack, tmp_path, keys=4, events=5, kills=4, seed=1))
    finding(f"ministack: {asdict(counts)}, {dict(faults)}")
    assert counts.wrong == 0, counts
    assert faults["frozen"] == 1
    assert faults["repeated"] > 0


def test_blind_get_and_put_is_found_out(
    ministack: Ministack, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """The seed's storage on the same harness: the verdict can be bad."""
    counts, faults = asyncio.run(
        run(ministack, tmp_path, keys=4, events=5, kills=2, seed=1, blind=True, patience=20.0)
    )
    finding(f"ministack, blind: {asdict(counts)}, {dict(faults)}")
    assert counts.wrong > 0, counts


@pytest.mark.nightly
def test_many_kills_of_workers_change_nothing(
    ministack: Ministack, tmp_path: Path, finding: Callable[[object], None]
) -> None:
    """At least fifty, a fifth of the events sent twice."""
    counts, faults = asyncio.run(
        run(ministack, tmp_path, keys=10, events=20, kills=55, seed=3, patience=900.0)
    )
    finding(f"ministack: {asdict(counts)}, {dict(faults)}")
    assert counts.wrong == 0, counts
    assert faults["worker"] >= 50
