"""What one settlement costs, as ratios measured in one run.

Run ``python -m benchmarks.settle`` in the repository. Every figure is the least CPU time of
many short, interleaved rounds, so that other work on the machine matters little. The exit status
is 1 if a limit is missed.

If Node is installed, and SETTLESIM_XSTATE names a folder with ``xstate`` in its node_modules, the
same settlement in XState v5 is measured too: an actor from the persisted snapshot, the event, the
wait, and the snapshot that is persisted next. There is no limit for that.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from transitions import Machine
from transitions.extensions import AsyncMachine, GraphMachine

from settlesim import Chart, Event, Interpreter, MemoryStore, Settling, Snapshot
from settlesim.errors import VersionConflictError
from settlesim.gallery import count
from settlesim.machine.builder import machine_of
from settlesim.machine.machine import Instance
from settlesim.machine.program import program_of
from settlesim.ports import Store, Transaction

ROUNDS = 60
REPEATS = 100

Task = Callable[[], Awaitable[object]]


async def nothing(call: Any) -> None:
    """Stand in for a service without input and output."""


CHART = count.bind({"wait": nothing})
TRIGGERS = ("COUNT", "done.invoke.counting_even.0", "done.invoke.odd.0")


class DictStore:
    """A store that does only what it has to, so that the settlement itself is measured."""

    def __init__(self) -> None:
        self.instances: dict[str, Snapshot] = {}

    def load(self, key: str) -> Snapshot | None:
        """Return the instance."""
        return self.instances.get(key)

    def keys(self) -> list[str]:
        """Return the keys."""
        return sorted(self.instances)

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance."""
        self._check(key, expected)
        del self.instances[key]

    def commit(self, transaction: Transaction) -> None:
        """Keep the state, and ignore the record that the interpreter has made."""
        self._check(transaction.key, transaction.expected)
        if transaction.snapshot is not None:
            self.instances[transaction.key] = transaction.snapshot

    def _check(self, key: str, expected: int) -> None:
        found = self.instances.get(key)
        actual = 0 if found is None else found.revision
        if actual != expected:
            raise VersionConflictError(key=key, expected=expected, actual=actual)


def settlement(store: Store) -> Task:
    """Settle `count` once: load, three microsteps, two services, record, commit."""
    interpreter = Interpreter(CHART, store)
    interpreter.settle_sync("c", "COUNT")
    return lambda: interpreter.settle("c", "COUNT")


def bare_triggers() -> Task:
    """Fire the triggers of `transitions` that the settlement makes, on the same machine."""
    events = machine_of(CHART).events
    context, event = CHART.context, Event("COUNT")

    async def run() -> None:
        instance = Instance("even", context, event)
        for trigger in TRIGGERS:
            events[trigger].trigger(instance)

    return run


class Model:
    """What `transitions` calls a model."""

    state: str

    def __init__(self) -> None:
        self.count = 0

    def add_one(self, *args: object) -> None:
        """Add one to the count."""
        self.count += 1


STATES = ["idle", "even", "counting_even", "odd"]
PLAIN: list[dict[str, Any]] = [
    {"trigger": "COUNT", "source": "even", "dest": "counting_even"},
    {"trigger": "half", "source": "counting_even", "dest": "odd", "before": "add_one"},
    {"trigger": "whole", "source": "odd", "dest": "even", "before": "add_one"},
]


def graph_machine(engine: Literal["graphviz"] | None) -> Task:
    """Fire the same three triggers on a ``GraphMachine`` with a registered model."""
    options: dict[str, Any] = {} if engine is None else {"graph_engine": engine}
    model = Model()
    GraphMachine(
        model,
        states=list(STATES),
        transitions=[dict(each) for each in PLAIN],
        initial="even",
        auto_transitions=False,
        **options,
    )

    async def run() -> None:
        for trigger in ("COUNT", "half", "whole"):
            model.trigger(trigger)  # type: ignore[attr-defined]

    return run


def plain_machine() -> Task:
    """Fire the same three triggers on a plain ``Machine`` with a registered model."""
    model = Model()
    Machine(
        model,
        states=list(STATES),
        transitions=[dict(each) for each in PLAIN],
        initial="even",
        auto_transitions=False,
    )

    async def run() -> None:
        for trigger in ("COUNT", "half", "whole"):
            model.trigger(trigger)  # type: ignore[attr-defined]

    return run


def async_machine() -> Task:
    """Run an ``AsyncMachine`` with the services in ``on_enter``, as its README shows."""
    model = Model()

    async def half(*args: object) -> None:
        await nothing(None)
        await model.trigger("half")  # type: ignore[attr-defined]

    async def whole(*args: object) -> None:
        await nothing(None)
        await model.trigger("whole")  # type: ignore[attr-defined]

    AsyncMachine(
        model,
        states=[
            "idle",
            "even",
            {"name": "counting_even", "on_enter": half},
            {"name": "odd", "on_enter": whole},
        ],
        transitions=[dict(each) for each in PLAIN],
        initial="even",
        auto_transitions=False,
    )

    async def run() -> None:
        await model.trigger("COUNT")  # type: ignore[attr-defined]

    return run


def ring(nodes: int) -> Task:
    """One event through a ring of `nodes` states, ten eventless microsteps at a time."""
    names = [f"s{index}" for index in range(nodes)]
    chart = Chart(
        states=[
            {"name": name, "tags": ["settled"]} if index % 10 == 0 else name
            for index, name in enumerate(names)
        ],
        transitions=[
            {
                "trigger": "GO" if index % 10 == 0 else "",
                "source": name,
                "dest": names[(index + 1) % nodes],
            }
            for index, name in enumerate(names)
        ],
        initial="s0",
    )
    program = program_of(chart)
    settled = Settling(program, None, "GO").settlement
    assert settled is not None
    snapshot, event = settled.before, Event("GO")

    async def run() -> None:
        Settling(program, snapshot, event)

    return run


async def measure(tasks: dict[str, Task]) -> dict[str, float]:
    """Return the least CPU time of one run of each task, in seconds."""
    best = dict.fromkeys(tasks, float("inf"))
    for task in tasks.values():
        await task()
    gc.collect()
    gc.disable()
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            began = time.process_time()
            for _ in range(REPEATS):
                await task()
            best[name] = min(best[name], (time.process_time() - began) / REPEATS)
            await asyncio.sleep(0)  # lets the loop drop cancelled timers, as it does in real use
        gc.collect()
    gc.enable()
    return best


def in_xstate() -> float | None:
    """Return the CPU seconds of one settlement in XState; None if it is not installed."""
    node, folder = shutil.which("node"), os.environ.get("SETTLESIM_XSTATE", "")
    modules = Path(folder, "node_modules").resolve()
    if not node or not folder or not (modules / "xstate").exists():
        return None
    with tempfile.TemporaryDirectory() as name:
        script = Path(name, "settle_xstate.mjs")
        script.write_bytes(Path(__file__).with_name("settle_xstate.mjs").read_bytes())
        Path(name, "node_modules").symlink_to(modules, target_is_directory=True)
        done = subprocess.run(
            [node, str(script)], check=True, capture_output=True, text=True, timeout=300
        )
    return float(done.stdout) * 1e-6


def main() -> int:
    """Measure and print; return the exit status."""
    tasks = {
        "settlement of count": settlement(DictStore()),
        "settlement of count, MemoryStore": settlement(MemoryStore()),
        "its bare triggers": bare_triggers(),
        "plain Machine": plain_machine(),
        "AsyncMachine, services in on_enter": async_machine(),
        "GraphMachine, graphviz engine": graph_machine("graphviz"),
        "GraphMachine, default engine": graph_machine(None),
        "ten microsteps of 10 states": ring(10),
        "ten microsteps of 1,000 states": ring(1000),
    }
    best = asyncio.run(measure(tasks))
    for name, seconds in best.items():
        print(f"{name:38s} {seconds * 1e6:9.1f} us")
    ours = best["settlement of count"]
    limits = [
        ("settlement / its bare triggers", ours / best["its bare triggers"], 4.0),
        (
            "1,000 states / 10 states, per microstep",
            best["ten microsteps of 1,000 states"] / best["ten microsteps of 10 states"],
            1.3,
        ),
    ]
    print()
    for name, ratio, limit in limits:
        print(f"{name:46s} {ratio:7.2f}x   at most {limit}x")
    in_memory = best["settlement of count, MemoryStore"]
    print(f"{'settlement, MemoryStore / a dict':46s} {in_memory / ours:7.2f}x")
    for name in (
        "plain Machine",
        "AsyncMachine, services in on_enter",
        "GraphMachine, graphviz engine",
        "GraphMachine, default engine",
    ):
        print(f"settlement / {name:33s} {ours / best[name]:7.2f}x")
    other = in_xstate()
    if other is None:
        print("XState is not installed (node, SETTLESIM_XSTATE), so it is not compared.")
    else:
        print(f"{'the same in XState v5':38s} {other * 1e6:9.1f} us")
        print(f"{'settlement / the same in XState v5':46s} {ours / other:7.2f}x")
    return 0 if all(ratio <= limit for _, ratio, limit in limits) else 1


if __name__ == "__main__":
    sys.exit(main())
