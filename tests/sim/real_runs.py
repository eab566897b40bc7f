"""Runs charts on the real interpreter and the real worker, whatever time does."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from settlesim import FifoQueue, Interpreter, MemoryStore, SimulatedClock, Worker
from settlesim.chart import Chart
from settlesim.chart.strict_json import encode
from settlesim.errors import DeadlineExceededError, SettleError
from settlesim.sim import Ending, Exploration, Kind, Scenario

Result = tuple[tuple[str, ...], str, tuple[str, ...], tuple[str, ...]]
"""Configuration, context, effects and dead letters of the only instance."""

KEY = "k"
LATE = "late"
LATE_AFTER_EFFECT = "late after its effect"
_quiet = logging.getLogger("tests.sim.real_runs")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class DeclinedError(Exception):
    """The error that some charts ask for."""


class RealWorld:
    """Services that take some time, fail sometimes, and note what they have done."""

    def __init__(
        self, chart: Chart, take: Callable[[str], float], fail: Callable[[], Any] = lambda: None
    ) -> None:
        self.clock = SimulatedClock(1_000.0)
        self.effects: list[str] = []
        self.dead: list[str] = []
        self.deadlines = 0
        """How often the deadline of an event has passed."""
        self.store = MemoryStore(now=self.clock.now)
        names = [name for name, role in chart.roles.items() if role == "service"]
        self.chart = chart.bind({name: self._service(name, take, fail) for name in names})

    def _service(self, name: str, take: Callable[[str], float], fail: Callable[[], Any]) -> Any:
        async def run(call: Any) -> Any:
            fate = fail()
            if fate == LATE_AFTER_EFFECT:
                self.effects.append(name)
            if fate in {LATE, LATE_AFTER_EFFECT}:
                await call.sleep(1e9)
            await call.sleep(take(name))
            if fate is not None:
                raise fate
            self.effects.append(name)
            return call.input

        return run

    def result(self) -> Result:
        """Where everything is."""
        snapshot = self.store.load(KEY)
        if snapshot is None:
            leaves, context = self.chart.initial_configuration, self.chart.context
        else:
            leaves, context = snapshot.configuration, snapshot.context
        return leaves, _text(context), tuple(self.effects), tuple(sorted(self.dead))

    # --- the interpreter ------------------------------------------------------------------

    def interpret(self, events: Sequence[str], delay: str | None = None) -> None:
        """Settle events one after another; one that fails is a dead letter."""
        interpreter = Interpreter(self.chart, self.store, clock=self.clock)
        for event in events:
            try:
                interpreter.settle_sync(KEY, event)
            except SettleError as error:
                self.deadlines += isinstance(error, DeadlineExceededError)
                self.dead.append(event)

    def elapse(self, delay: str) -> None:
        """Settle that a delay of the settled state has passed."""
        interpreter = Interpreter(self.chart, self.store, clock=self.clock)
        try:
            asyncio.run(interpreter.elapsed(KEY, delay))
        except SettleError:
            self.dead.append(f"after.{delay}")

    # --- the worker -----------------------------------------------------------------------

    def work(self, events: Sequence[str], choose: random.Random) -> None:
        """Send events and let a worker run, both at any time."""
        queue = FifoQueue(self.store, self.chart.name, max_failures=1)
        for event in events:
            self._pass(choose)
            queue.send({"event": event}, KEY)
            if choose.random() < 0.5:
                self._run(queue)
        for _ in range(choose.randrange(3)):
            self._pass(choose)
            self._run(queue)
        self._run(queue)
        for each in queue.dead_letters():
            body: Any = each.body
            self.deadlines += "DeadlineExceededError" in str(each.errors)
            self.dead.append(body.get("event") or f"after.{body['timer']}")

    def _pass(self, choose: random.Random) -> None:
        seconds = choose.choice([0.0, 0.0, 1.0, 65.0, 100.0])
        if seconds:
            asyncio.run(self.clock.sleep(seconds))

    def _run(self, queue: FifoQueue) -> None:
        Worker(
            self.chart, self.store, queue, clock=self.clock, logger=_quiet, record_answers=False
        ).run_sync(until_empty=True)


def _text(context: Mapping[str, Any]) -> str:
    """A context as text; the order of its fields says nothing."""
    return encode(dict(sorted(context.items())))


def result_of(scenario: Scenario, ending: Ending) -> Result:
    """An ending as a real run tells it."""
    ((_, leaves, context),) = ending.store
    names = [each.event for each in scenario.messages]
    return (
        leaves,
        _text(context),
        tuple(service for _, service, _ in ending.effects),
        tuple(sorted(names[number - 1] for number in ending.dead)),
    )


def replayed(found: Exploration, ending: Ending, take: Callable[[str], float]) -> Result:
    """Let the real interpreter do what the shortest schedule to an ending does."""
    world = RealWorld(found.scenario.chart, take)
    stale = {
        (step.message, step.delivery)
        for step, following in _pairs(found, ending)
        if step.kind is Kind.LOAD and following is not None and following.kind is Kind.DELETE
    }
    for step in found.way_to(ending):
        if step.kind is not Kind.LOAD or step.handler in stale:
            continue
        name = found.scenario.messages[step.message - 1].event
        if step.message <= len(found.scenario.events):
            world.interpret([name])
        else:
            world.elapse(name.removeprefix("after."))
    return world.result()


def _pairs(found: Exploration, ending: Ending) -> list[tuple[Any, Any]]:
    """Each step with the next one of its handler."""
    steps = list(found.way_to(ending))
    return [
        (step, next((each for each in steps[at + 1 :] if each.handler == step.handler), None))
        for at, step in enumerate(steps)
    ]
