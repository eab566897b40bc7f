"""Fifty scenarios that are explored, and run on real engines under kills."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any, NamedTuple

from settlesim import Chart
from settlesim.chart.strict_json import encode
from settlesim.gallery import append_log, order, signup
from settlesim.gallery.counter import counter
from settlesim.sim import Ending, Scenario, explore
from tests.sim.charts import starting

__all__ = ["CHARTS", "SCENARIOS", "End", "Planned", "explored_ends", "with_ledger"]

PAUSE = 0.15
"""Seconds that a service takes at most, before its effect and after it."""


async def _work(call: Any) -> None:
    """Do nothing, at once."""


def _region(name: str) -> dict[str, Any]:
    invoke = {"src": name, "on_done": "idle", "on_error": "idle"}
    idle = {"name": "idle", "tags": ["settled"]}
    return {"name": name, "initial": "idle", "children": [idle, {"name": "busy", "invoke": invoke}]}


regions = Chart(
    [
        {"name": "both", "parallel": [_region("left"), _region("right")]},  # type: ignore[list-item]
        {"name": "closed", "tags": ["settled"]},
    ],
    [
        ["GO", "both.left.idle", "both.left.busy"],
        ["GO", "both.right.idle", "both.right.busy"],
        ["LEFT", "both.left.idle", "both.left.busy"],
        ["CLOSE", "both", "closed"],
    ],
    "both",
    name="regions",
).bind({"left": _work, "right": _work})
"""GO lets two services run concurrently, and nobody knows which ends first."""

CHARTS = {
    each.name: each
    for each in (
        order,
        signup,
        append_log(3, services=2, effect=True),
        counter(services=2, effect=True),
        starting,
        regions,
    )
}


class Planned(NamedTuple):
    """Events for instances of a chart of `CHARTS`, in the order in which they are sent."""

    name: str
    """Unlike any other scenario's; the keys of a real run begin with it."""
    chart: str
    events: tuple[tuple[str, str, Any], ...]
    """Key, event and data."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its instances."""
        return tuple(sorted({key for key, _, _ in self.events}))


def _planned() -> Iterable[tuple[str, Sequence[Any]]]:
    """Return charts and events; one without a key is for ``k``."""
    bad, good = {"card": "declined"}, {"card": "4242"}
    for pair in product(("PAY", "SHIP", "CANCEL"), repeat=2):
        yield "order", pair
        yield "order", ("PAY", *pair)
    yield "order", [("k", "PAY", bad), ("k", "PAY", good), "SHIP"]
    yield "order", [("k", "PAY", bad), "CANCEL"]
    yield "order", [("a", "PAY"), ("b", "PAY"), ("a", "SHIP")]
    yield "order", [("a", "PAY"), ("b", "CANCEL"), ("b", "PAY"), ("a", "CANCEL")]
    mail = ("k", "SIGN_UP", {"email": "someone@example.org"})
    first, second = (("k", "VERIFY", {"code": f"code-{number}"}) for number in (1, 2))
    yield "signup", [mail, first]
    yield "signup", [mail, "RESEND", first, second]
    yield "signup", [mail, "RESEND", "RESEND", "RESEND"]
    yield "signup", [mail, "EXPIRE", "RESEND"]
    yield "signup", ["RESEND", mail, second, first]
    for log in permutations(("E1", "E2", "E3")):
        yield "append_log", log
    yield "append_log", ["E1", "E1", "E2"]
    yield "append_log", [("a", "E1"), ("b", "E2"), ("a", "E3")]
    for number in (1, 2, 3):
        yield "counter", ["INC"] * number
    yield "counter", [("a", "INC"), ("b", "INC")]
    yield "starting", ["GO"]
    yield "starting", ["LATER", "GO"]
    yield "starting", ["GO", "END", "LATER"]
    yield "starting", [("k", "GO", "no"), ("k", "GO", "yes")]
    yield "starting", ["END", "GO", "LATER", "GO"]
    yield "regions", ["GO"]
    yield "regions", ["GO", "CLOSE"]
    yield "regions", ["LEFT", "GO"]
    yield "regions", ["GO", "LEFT"]
    yield "regions", ["CLOSE", "GO"]
    yield "regions", ["GO", "GO"]


def _arrival(event: Any) -> tuple[str, str, Any]:
    key, name, *data = ("k", event) if isinstance(event, str) else event
    return key, name, data[0] if data else None


SCENARIOS = [
    Planned(f"s{number:02}", chart, tuple(map(_arrival, events)))
    for number, (chart, events) in enumerate(_planned(), start=1)
]


class End(NamedTuple):
    """An ending, of the simulator or of a real engine."""

    instances: tuple[tuple[str, tuple[str, ...], str], ...]
    """Key, configuration and context."""
    effects: tuple[tuple[str, str, int], ...]
    """Key, service and number of the event, from 1; by key, those of a key in their order."""
    dead: tuple[int, ...] = ()
    """Numbers of events."""

    def has_kept_calls_of(self, other: End) -> bool:
        """Whether this is `other` but for calls that an engine did not repeat.

        An engine that keeps what services have answered calls after a crash only those that had
        not answered; the model calls all of the event again.
        """
        rest = iter(other.effects)
        return (
            (self.instances, self.dead) == (other.instances, other.dead)
            and all(each in rest for each in self.effects)
            and list(dict.fromkeys(self.effects)) == list(dict.fromkeys(other.effects))
        )


def canonical(
    instances: Iterable[tuple[str, tuple[str, ...], Any]],
    effects: Iterable[tuple[str, str, int]],
    dead: Iterable[int],
) -> End:
    """Return an ending in the one form that can be compared."""
    found = ((key, leaves, encode(dict(sorted(all_.items())))) for key, leaves, all_ in instances)
    return End(
        tuple(sorted(found)),
        tuple(sorted(effects, key=lambda effect: effect[0])),
        tuple(sorted(dead)),
    )


def explored_ends(planned: Planned, protections: Sequence[str], crashes: int) -> set[End]:
    """Return every ending of a scenario that the simulator finds."""
    scenario = Scenario(
        CHARTS[planned.chart],
        planned.events,
        queue="fifo_group",
        protections=protections,
        faults={"crashes": crashes},
    )
    found = explore(scenario, progress=False)
    assert found.complete, planned
    assert not found.gaps, planned
    return {_end_of(each) for each in found.endings}


def _end_of(ending: Ending) -> End:
    return canonical(ending.store, ending.effects, ending.dead)


class _Hurried:
    """A call whose pauses are short, and of another length each time."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    async def sleep(self, seconds: float) -> None:
        await self._call.sleep(random.uniform(0, PAUSE))


def with_ledger(chart: Chart, ledger: Path) -> Chart:
    """Bind services that do what those of the chart do, and note each effect in a ledger."""

    def noted(name: str, function: Any) -> Any:
        async def run(call: Any) -> Any:
            hurried = _Hurried(call)
            await hurried.sleep(0)
            result = await function(hurried)
            _, key, event_id, *_ = call.idempotency_key.split(":")
            line = {"key": key, "service": name, "number": int(event_id.removeprefix("e"))}
            file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(file, (json.dumps(line) + "\n").encode())
            os.close(file)
            await hurried.sleep(0)
            return result

        return run

    services = [name for name, role in chart.roles.items() if role == "service"]
    return chart.bind({name: noted(name, chart.functions[name]) for name in services})
