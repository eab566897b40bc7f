"""Whatever real engines do under kills, the simulator has explored."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from settlesim.engines import EventStage
from settlesim.errors import StoreError
from tests.engines.chaos import Worker
from tests.engines.restate_server import RestateServer, free_port
from tests.engines.scenario_worker import make_engine
from tests.engines.scenarios import CHARTS, SCENARIOS, End, Planned, canonical, explored_ends

PROTECTIONS = {
    "embedded": ("cas", "atomic"),
    "restate": ("fence", "inbox"),
    "aws": ("cas", "inbox"),
}
"""As the engines have them: one write for state and message; one writer for each instance, which
knows its events; a table with marks of the events."""
KILLS = 3
FEW = SCENARIOS[::5]
_PATIENCE = 300.0
_VISIBILITY = 30
"""Far longer than an event takes, so that only kills let a message come again."""

Settings = dict[str, Any]


@contextmanager
def services_of(
    engine: str, folder: Path, request: pytest.FixtureRequest
) -> Iterator[dict[str, Any]]:
    """Start what an engine runs on, and give its place for each chart."""
    if engine == "embedded":
        yield {name: {"store": str(folder / "store.db")} for name in CHARTS}
    elif engine == "restate":
        server = RestateServer(request.getfixturevalue("restate_binary"), folder / "server")
        try:
            server.start()
            server.wait_until_ready()
            yield {
                name: {
                    "ingress": server.ingress,
                    "admin": server.admin,
                    "bind": f"127.0.0.1:{free_port()}",
                }
                for name in CHARTS
            }
        finally:
            server.kill()
    else:
        ministack = request.getfixturevalue("ministack")
        yield {
            name: _fields(
                ministack.resources(
                    f"{folder.name}-{name}".replace("_", "-"),
                    visibility=_VISIBILITY,
                    max_receives=1000,
                )
            )
            for name in CHARTS
        }


def _fields(resources: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(resources).items() if not name.startswith("_")}


async def send_all(engine: Any, planned: Planned) -> None:
    """Send the events of a scenario, one after another."""
    for number, (key, event, data) in enumerate(planned.events, start=1):
        while True:
            try:
                await engine.send(_real(planned, key), event, data, event_id=f"e{number}")
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                break


async def end_of(engine: Any, planned: Planned, ledger: Path) -> End:
    """Wait until all events of a scenario are settled or dead, and return what is there then."""
    dead = []
    for number, (key, _, _) in enumerate(planned.events, start=1):
        stage = await _stage_of(engine, _real(planned, key), f"e{number}")
        assert stage is not EventStage.WAITING, (planned, number)
        if stage is EventStage.DEAD:
            dead.append(number)
    instances = []
    for key in planned.keys:
        found = await engine.load(_real(planned, key))
        if found is None:
            chart = CHARTS[planned.chart]
            instances.append((key, chart.initial_configuration, chart.context))
        else:
            instances.append((key, found.snapshot.configuration, found.snapshot.context))
    names = {_real(planned, key): key for key in planned.keys}
    effects = [
        (names[line["key"]], line["service"], line["number"])
        for line in map(json.loads, ledger.read_text().splitlines())
        if line["key"] in names
    ]
    return canonical(instances, effects, dead)


def _real(planned: Planned, key: str) -> str:
    return f"{planned.name}.{key}"


async def _stage_of(engine: Any, key: str, event_id: str) -> EventStage:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            found = await engine.outcome(key, event_id, wait=1)
        except StoreError:
            found = None
        if found is not None and found.stage is not EventStage.WAITING:
            return EventStage(found.stage)
    return EventStage.WAITING


async def kill_often(worker: Worker, ledger: Path, lines: Sequence[int]) -> None:
    """Kill the worker as soon as the ledger has so many lines, each time."""
    end = time.monotonic() + _PATIENCE
    for number in lines:
        while _length(ledger) < number:
            assert time.monotonic() < end, f"{_length(ledger)} effects, not {number}"
            await asyncio.sleep(0.01)
        worker.kill()
        worker.start()


def _length(ledger: Path) -> int:
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


async def run(
    settings: Settings, scenarios: Sequence[Planned], lines: Sequence[int], folder: Path
) -> list[End]:
    """Run all scenarios at the same time under kills, and return how each of them ended."""
    ledger = Path(settings["ledger"])
    worker = Worker(settings, folder / "worker.log", "scenario_worker")
    worker.start()
    killing: asyncio.Task[None] | None = None
    try:
        async with AsyncExitStack() as stack:
            engines = {
                name: await stack.enter_async_context(
                    make_engine(CHARTS[name], settings, works=False)
                )
                for name in settings["places"]
            }
            killing = asyncio.create_task(kill_often(worker, ledger, lines))
            await asyncio.gather(*(send_all(engines[each.chart], each) for each in scenarios))
            await killing
            return [await end_of(engines[each.chart], each, ledger) for each in scenarios]
    finally:
        if killing is not None:
            killing.cancel()
        worker.kill()


def calm_effects(scenarios: Sequence[Planned]) -> int:
    """Return how many effects the scenarios have where nothing is killed, at least."""
    ends = (explored_ends(each, ("cas", "atomic"), 0) for each in scenarios)
    return sum(min(len(end.effects) for end in found) for found in ends)


def campaign(
    engine: str,
    folder: Path,
    request: pytest.FixtureRequest,
    *,
    scenarios: Sequence[Planned],
    rounds: int,
) -> Counter[str]:
    """Run the scenarios so many times, and hold each end against those that were explored."""
    protections = PROTECTIONS[engine]
    model = {
        each.name: explored_ends(each, protections, KILLS * len(each.keys)) for each in scenarios
    }
    calm = {each.name: explored_ends(each, protections, 0) for each in scenarios}
    most = calm_effects(scenarios)
    counts: Counter[str] = Counter(explored=sum(map(len, model.values())))
    seen: set[tuple[str, End]] = set()
    for number in range(rounds):
        place = folder / f"{engine}-{number}"
        place.mkdir()
        lines = sorted(random.Random(number).sample(range(1, most), KILLS))
        with services_of(engine, place, request) as places:
            settings = {"engine": engine, "ledger": str(place / "ledger"), "places": places}
            ends = asyncio.run(run(settings, scenarios, lines, place))
        for planned, end in zip(scenarios, ends, strict=True):
            found = model[planned.name]
            exact = end in found
            kept = engine == "restate" and any(end.has_kept_calls_of(each) for each in found)
            assert exact or kept, (planned, end)
            counts["runs"] += 1
            counts["exactly explored" if exact else "with kept calls"] += 1
            counts["only with crashes"] += end not in calm[planned.name]
            seen.add((planned.name, end))
    counts["different endings"] = len(seen)
    return counts


def test_an_engine_under_kills_ends_as_explored(
    tmp_path: Path, request: pytest.FixtureRequest, finding: Callable[[object], None]
) -> None:
    """Ten scenarios, three kills; some of the endings are there only because of the kills."""
    counts = campaign("embedded", tmp_path, request, scenarios=FEW, rounds=1)
    finding(f"embedded: {dict(counts)}")
    assert counts["runs"] == len(FEW)
    assert counts["only with crashes"] > 0


@pytest.mark.nightly
@pytest.mark.parametrize("engine", list(PROTECTIONS))
def test_an_engine_under_many_kills_ends_as_explored(
    engine: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    finding: Callable[[object], None],
) -> None:
    """Fifty scenarios, three times, on each engine."""
    counts = campaign(engine, tmp_path, request, scenarios=SCENARIOS, rounds=3)
    finding(f"{engine}: {dict(counts)}")
    assert counts["runs"] == 3 * 50
    assert counts["only with crashes"] > 0


def test_there_are_fifty_scenarios_of_every_chart() -> None:
    """No two of them alike; the few have every chart, too."""
    assert len({(each.chart, repr(each.events)) for each in SCENARIOS}) == 50
    assert {each.chart for each in SCENARIOS} == {each.chart for each in FEW} == set(CHARTS)


@pytest.mark.parametrize("engine", list(PROTECTIONS))
def test_a_wrong_ending_is_found_out(engine: str) -> None:
    """The comparison can fail: an event is lost, applied twice, or its effect is missing."""
    pay, ship = (("k", "PAY", None), ("k", "SHIP", None))
    planned = Planned("x", "order", (pay, ship))
    model = explored_ends(planned, PROTECTIONS[engine], KILLS)
    (right,) = explored_ends(planned, PROTECTIONS[engine], 0)
    (lost,) = explored_ends(Planned("x", "order", (pay,)), PROTECTIONS[engine], 0)
    wrong = [
        lost,
        End(lost.instances, right.effects),
        End(right.instances, lost.effects),
        End(right.instances, right.effects[::-1]),
        End(right.instances, right.effects, (2,)),
    ]
    assert right in model
    for each in wrong:
        assert each not in model
        assert not any(each.has_kept_calls_of(other) for other in model)


def test_a_kept_call_is_not_taken_for_a_lost_one() -> None:
    """An engine that keeps calls may leave out repetitions, and nothing else."""
    state = (("k", ("log",), "{}"),)
    model = End(state, (("k", "a", 1), ("k", "b", 1), ("k", "a", 1), ("k", "b", 1)))
    assert End(state, (("k", "a", 1), ("k", "b", 1), ("k", "b", 1))).has_kept_calls_of(model)
    assert not End(state, (("k", "b", 1), ("k", "a", 1))).has_kept_calls_of(model)
    assert not End(state, (("k", "a", 1),)).has_kept_calls_of(model)
