"""Runs charts on the real interpreter and worker, and on the real engine in any order at all."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from settlesim import FifoQueue, Interpreter, MemoryStore, SimulatedClock, Transaction, Worker
from settlesim.chart import Chart
from settlesim.chart.strict_json import encode
from settlesim.errors import DeadlineExceededError, SettleError
from settlesim.runtime.driver import Activity, drive
from settlesim.runtime.interpreter import DEADLINE
from settlesim.settling.settlement import Answer, Pending
from settlesim.settling.settling import Settling
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
        self,
        chart: Chart,
        take: Callable[[str], float],
        fail: Callable[[], Any] = lambda: None,
        early: Callable[[], bool] = lambda: False,
        deadline: float = DEADLINE,
    ) -> None:
        self.clock = SimulatedClock(1_000.0)
        self.effects: list[str] = []
        self.dead: list[str] = []
        self.deadlines = 0
        """How often the deadline of an event has passed."""
        self.store = MemoryStore(now=self.clock.now)
        names = [name for name, role in chart.roles.items() if role == "service"]
        self._take, self._fail, self._early = take, fail, early
        self._deadline = deadline
        self.chart = chart.bind({name: self._service(name) for name in names})

    def _service(self, name: str) -> Any:
        async def run(call: Any) -> Any:
            fate, early = self._fail(), self._early()
            if fate == LATE_AFTER_EFFECT:
                self.effects.append(name)
            if fate in {LATE, LATE_AFTER_EFFECT}:
                await call.sleep(1e9)
            if early and fate is None:
                self.effects.append(name)
            if seconds := self._take(name):
                await call.sleep(seconds)
            if fate is not None:
                raise fate
            if not early:
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
        interpreter = self._interpreter()
        for event in events:
            try:
                interpreter.settle_sync(KEY, event)
            except SettleError as error:
                self.deadlines += isinstance(error, DeadlineExceededError)
                self.dead.append(event)

    # --- any engine -------------------------------------------------------------------------

    def drive(self, events: Sequence[str], choose: random.Random) -> None:
        """Settle events where effects and answers come in any order, as an engine may have it."""
        for event in events:
            try:
                settling = Settling(self.chart, self.store.load(KEY), event, key=KEY)
                asyncio.run(drive(settling, _AnyOrder(self, choose)))
            except SettleError:
                self.dead.append(event)
                continue
            settlement = settling.settlement
            assert settlement is not None
            if settlement.saved:
                self.store.commit(Transaction(KEY, settlement.after, settlement.before.revision))

    def answer(self, service: Pending, choose: random.Random, *, had: bool) -> Answer:
        """Let a call end, with its effect unless it had that."""
        fate = None if had else self._fail()
        if fate in {LATE, LATE_AFTER_EFFECT}:
            if fate == LATE_AFTER_EFFECT:
                self.effects.append(service.service)
            return Answer.late(60.0 if service.timeout is None else service.timeout)
        if fate is not None:
            return Answer(error=fate)
        if not had:
            self.effects.append(service.service)
        return Answer(service.input)

    def _interpreter(self) -> Interpreter:
        return Interpreter(self.chart, self.store, clock=self.clock, deadline=self._deadline)

    def elapse(self, delay: str) -> None:
        """Settle that a delay of the settled state has passed."""
        interpreter = self._interpreter()
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


class _AnyOrder:
    """A driver in which every order happens."""

    deadline = 300.0

    def __init__(self, world: RealWorld, choose: random.Random) -> None:
        self._world = world
        self._choose = choose
        self._running: list[Activity] = []
        self._had: list[Activity] = []

    def now(self) -> float:
        """No time passes."""
        return 0.0

    def start(self, activity: Activity) -> None:
        """Let it run."""
        self._running.append(activity)

    def stop(self, activity: Activity) -> None:
        """Give it up, whether it had its effect or not."""
        self._running.remove(activity)

    async def next(self) -> tuple[Activity, Answer]:
        """Let effects happen, and then something end."""
        while self._choose.random() < 0.4:
            activity = self._choose.choice(self._running)
            if isinstance(activity, Pending) and activity not in self._had:
                self._world.effects.append(activity.service)
                self._had.append(activity)
        activity = self._choose.choice(self._running)
        self._running.remove(activity)
        if not isinstance(activity, Pending):
            return activity, Answer()
        had = activity in self._had
        return activity, self._world.answer(activity, self._choose, had=had)

    async def close(self) -> None:
        """Nothing runs outside."""


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
