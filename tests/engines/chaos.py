"""What the runs under kills have in common: a chart with a ledger, workers, and the verdict."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from settlesim.chart import Chart, Event
from settlesim.engines import Engine
from settlesim.errors import StoreError
from tests.chaos.nursery import Nursery

__all__ = ["Counts", "Worker", "chaos_chart", "count", "drain", "kinds", "send_all"]

_DRAIN = 150.0


def _note(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], event.data]}


def chaos_chart(ledger: Path, seconds: float) -> Chart:
    """Return a chart whose event calls two services, which write into a ledger.

    Parameters
    ----------
    seconds : that a service takes at most
    """

    async def service(call: Any) -> Any:
        line = {"service": call.service, "n": call.event.data, "idem": call.idempotency_key}
        file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, (json.dumps(line) + "\n").encode())
        os.close(file)
        await call.sleep(random.uniform(0, seconds))
        return call.event.data

    return Chart(
        name="chaos",
        context={"applied": []},
        initial="idle",
        states=[
            {"name": "idle", "tags": ["settled"]},
            {"name": "charging", "invoke": {"src": "charge", "on_done": "telling"}},
            {
                "name": "telling",
                "invoke": {"src": "tell", "on_done": {"dest": "idle", "assign": "note"}},
            },
        ],
        transitions=[["COUNT", "idle", "charging"]],
    ).bind({"charge": service, "tell": service, "note": _note})


class Worker:
    """A process that handles events.

    Parameters
    ----------
    settings : its argument
    module : of this folder, with what it does
    """

    def __init__(self, settings: dict[str, Any], log: Path, module: str = "chaos_worker") -> None:
        self.settings = settings
        self.log = log
        self.module = module
        self.process: int | None = None
        self._nursery = Nursery(log.parent)

    def start(self) -> None:
        """Start it."""
        self.process = self._nursery.start(
            "work",
            module=f"tests.engines.{self.module}",
            log=self.log.name,
            settings=self.settings,
        )

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        os.kill(self.process, number)  # not reaped yet, so the id is still its own

    def kill(self) -> None:
        """End it, at whatever instruction it is."""
        if self.process is not None:
            self._nursery.kill(self.process)
            self.process = None


@dataclass
class Counts:
    """What a run came to."""

    keys: int
    events: int
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    stuck: int = 0
    dead: int = 0
    effects: int = 0
    """How many calls of services there should be, and were."""
    repeated: int = 0
    """How many of them were made more than once."""
    strange: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How many keys or events are not what they should be."""
        return (
            self.lost + self.doubled + self.reordered + self.stuck + self.dead + len(self.strange)
        )


def kinds(applied: Sequence[int], events: int) -> tuple[int, int, int]:
    """Say of one instance how many events were lost and doubled, and whether order was."""
    counted = Counter(applied)
    lost = sum(1 for each in range(1, events + 1) if not counted[each])
    doubled = sum(count - 1 for count in counted.values())
    return lost, doubled, int(list(dict.fromkeys(applied)) != sorted(counted))


async def send_all(
    engine: Engine, *, keys: int, events: int, seed: int, repeats: float = 0.2
) -> Counter[str]:
    """Send the events of all keys, those of a key one after another, some of them twice."""
    sent: Counter[str] = Counter()

    async def sender(key: int) -> None:
        dice = random.Random(f"{seed}/{key}")
        for number in range(1, events + 1):
            for _ in range(2 if dice.random() < repeats else 1):
                while True:
                    try:
                        found = await engine.send(f"k{key}", "COUNT", number, event_id=f"e{number}")
                    except StoreError as error:
                        sent[type(error).__name__] += 1
                        await asyncio.sleep(0.1)
                    else:
                        sent["new" if found.new else "repeated"] += 1
                        break

    await asyncio.gather(*(sender(key) for key in range(keys)))
    return sent


async def drain(engine: Engine, *, keys: int, events: int, seconds: float = _DRAIN) -> None:
    """Return when all events are settled, or when that is not to be expected any more."""
    end = time.monotonic() + seconds
    for key in range(keys):
        while time.monotonic() < end:
            try:
                found = await engine.load(f"k{key}")
            except StoreError:
                found = None
            if found is not None and len(found.snapshot.context["applied"]) >= events:
                break
            await asyncio.sleep(0.2)


async def count(engine: Engine, ledger: Path, *, keys: int, events: int) -> Counts:
    """Compare what instances and ledger say with what was sent."""
    counts = Counts(keys, events)
    for key in range(keys):
        found = await engine.load(f"k{key}")
        applied = [] if found is None else list(found.snapshot.context["applied"])
        lost, doubled, reordered = kinds(applied, events)
        counts.lost += lost
        counts.doubled += doubled
        counts.reordered += reordered
        counts.stuck += len(set(applied)) < events
        if found is not None and found.snapshot.revision != len(applied):
            counts.strange.append(f"k{key} is at revision {found.snapshot.revision}")
    counts.dead = len(await engine.dead_letters())
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    effects = Counter(line["idem"] for line in lines)
    counts.effects = len(effects)
    counts.repeated = sum(1 for each in effects.values() if each > 1)
    if counts.effects != 2 * keys * events:
        counts.strange.append(f"{counts.effects} different calls, not {2 * keys * events}")
    return counts
