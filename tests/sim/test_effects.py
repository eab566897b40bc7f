"""Services that run concurrently: their effects, their ends, and their failures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

from settlesim import Chart, Interpreter, MemoryStore, SimulatedClock
from settlesim.sim import Exploration, Scenario, Verdict, explore, replay

# --- charts -------------------------------------------------------------------------------


def noted(word: str) -> Any:
    return lambda context, event: {"log": [*context["log"], word]}


class Call(NamedTuple):
    """A service of a region, and what it does to the state around it."""

    name: str
    leaves: bool = False
    """Whether its end leaves the state, and whatever else runs there."""
    fails_over: bool = False
    """The same when it fails."""


def concurrent(calls: list[Call], timeout: float = 60.0, delay: float | None = None) -> Chart:
    """One region for each call; each notes how it ended."""

    def region(call: Call) -> dict[str, Any]:
        name = call.name
        end = f"{name}_end"

        def to(leaves: bool, word: str) -> dict[str, Any]:
            return {"dest": "left" if leaves else end, "assign": f"{name}_{word}"}

        invoke = {
            "src": name,
            "on_done": to(call.leaves, "done"),
            "on_error": to(call.fails_over, "failed"),
            "timeout": timeout,
        }
        children = [{"name": f"{name}_runs", "invoke": invoke}, {"name": end, "final": True}]
        return {"name": name, "initial": f"{name}_runs", "children": children}

    busy: dict[str, Any] = {
        "name": "busy",
        "parallel": [region(each) for each in calls],
        "on_done": "joined",
    }
    if delay is not None:
        busy["after"] = {f"{delay:g}": "left"}
    states: list[Any] = [
        {"name": "new", "tags": ["settled"]},
        busy,
        {"name": "joined", "tags": ["settled"]},
        {"name": "left", "tags": ["settled"]},
    ]
    transitions = [["GO", source, "busy"] for source in ("new", "joined", "left")]
    words = [f"{call.name}_{how}" for call in calls for how in ("done", "failed")]
    chart = Chart(states, transitions, "new", name="concurrent", context={"log": []})
    return chart.bind({word: noted(word) for word in words})


Told = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Where it ends, the log of the answers, and the effects."""


def told(found: Exploration) -> set[Told]:
    """The endings of an exploration."""
    return {
        (
            each.store[0][1][0],
            tuple(each.store[0][2]["log"]),
            tuple(service for _, service, _ in each.effects),
        )
        for each in found.endings
    }


# --- an enumerator that knows nothing of zones ---------------------------------------------


class Running(NamedTuple):
    """One call that runs."""

    call: Call
    ends: int
    """The second at which it ends."""
    works: bool
    had: bool = False
    """Whether it had its effect."""


class Naive(NamedTuple):
    """Tries every whole number of seconds, and every order of what happens in one second."""

    calls: list[Call]
    windows: dict[str, tuple[int, int]]
    events: int = 1
    failures: int = 0
    timeout: int = 6
    delay: int | None = None

    def endings(self) -> set[Told]:
        """Return all that one event after another may come to."""
        found: set[Told] = set()
        before: set[tuple[Told, int]] = {(("new", (), ()), 0)}
        for _ in range(self.events):
            before = {
                ((where, (*log, *more), (*effects, *new)), spent + cost)
                for (_, log, effects), spent in before
                for (where, more, new), cost in self._event(self.failures - spent)
            }
        found.update(told for told, _ in before)
        return found

    def _event(self, budget: int) -> set[tuple[Told, int]]:
        """Return what one event may come to, with the failures that were used."""
        found: set[tuple[Told, int]] = set()
        for fates in product(*(self._fates(each) for each in self.calls)):
            cost = sum(not works for _, works in fates)
            if cost <= budget:
                running = [
                    Running(call, ends, works)
                    for call, (ends, works) in zip(self.calls, fates, strict=True)
                ]
                found |= {(each, cost) for each in self._run(running, (), ())}
        return found

    def _fates(self, call: Call) -> Iterator[tuple[int, bool]]:
        least, most = self.windows[call.name]
        yield from ((each, True) for each in range(least, most + 1))
        if self.failures:
            yield from ((each, False) for each in range(self.timeout + 1))

    def _run(
        self, running: list[Running], log: tuple[str, ...], effects: tuple[str, ...]
    ) -> Iterator[Told]:
        if not running:
            yield "joined", log, effects
            return
        now = min(each.ends for each in running)
        if self.delay is not None and self.delay <= now:
            now = self.delay
            yield "left", log, effects
        for place, each in enumerate(running):
            if each.ends != now:
                continue
            others = [*running[:place], *running[place + 1 :]]
            name = each.call.name
            if each.works and not each.had:
                early = [*others[:place], each._replace(had=True), *others[place:]]
                yield from self._run(early, log, (*effects, name))
            new = (*effects, name) if each.works and not each.had else effects
            words = (*log, f"{name}_done" if each.works else f"{name}_failed")
            if each.call.leaves if each.works else each.call.fails_over:
                yield "left", words, new
            else:
                yield from self._run(others, words, new)


def checked(naive: Naive) -> Exploration:
    """Explore the same, and compare."""
    chart = concurrent(naive.calls, naive.timeout, naive.delay)
    names = [each.name for each in naive.calls]
    options: dict[str, Any] = {}
    if naive.failures:
        options["faults"] = {"service_failures": naive.failures}
        options["errors"] = {name: [ValueError("no")] for name in names}
    found = explore(
        Scenario(
            chart,
            ["GO"] * naive.events,
            queue="fifo_group",
            results=dict.fromkeys(names),
            durations=naive.windows,
            **options,
        ),
        progress=False,
    )
    assert told(found) == naive.endings(), naive
    assert found.verdict is Verdict.PROVED
    return found


# --- effects ------------------------------------------------------------------------------


def at_once(effects: list[str], name: str) -> Any:
    """A service that never waits, and notes its effect."""

    async def service(call: Any) -> None:
        effects.append(name)

    return service


TWO = [Call("first", leaves=True), Call("second")]


def test_a_service_that_ends_with_the_one_that_leaves_its_state_had_its_effect() -> None:
    """As of the real interpreter: both end in one moment, the first one leaves the state."""
    effects: list[str] = []
    services = {name: at_once(effects, name) for name in ("first", "second")}
    chart = concurrent(TWO).bind(services)
    settlement = Interpreter(chart, MemoryStore(), clock=SimulatedClock()).settle_sync("k", "GO")
    real = (settlement.after.configuration[0], tuple(settlement.after.context["log"]))
    assert (*real, tuple(effects)) == ("left", ("first_done",), ("first", "second"))
    for timing in ("any", "simulated"):
        found = explore(Scenario(chart, ["GO"], queue="fifo_group", timing=timing))
        assert found.verdict is Verdict.PROVED
        assert (*real, tuple(effects[:2])) in told(found)
        assert {("left", ("first_done",), ("first",))} < told(found)


def test_an_effect_may_come_before_what_is_answered_before() -> None:
    """The effects are in one order, the answers in the other, and a handler may crash between."""
    chart = concurrent([Call("first"), Call("second")])
    scenario = Scenario(chart, ["GO"], queue="fifo_group", results={"first": 1, "second": 2})
    found = explore(scenario)
    assert ("joined", ("first_done", "second_done"), ("second", "first")) in told(found)
    played = replay(scenario, "r1 l1 w1:2 c1 c1 s1 d1")
    assert [frame.text for frame in played.frames[3:6]] == [
        "GO: second has its effect, and has not come back",
        "GO: first is done",
        "GO: second is done",
    ]
    crashed = explore(scenario.replace(faults={"crashes": 1}))
    twice = ("joined", ("first_done", "second_done"), ("second", "first", "second"))
    assert twice in told(crashed)
    assert crashed.verdict is Verdict.REFUTED


def test_what_is_known_of_time_says_whether_a_service_that_is_left_had_its_effect() -> None:
    """Only where both may end at one moment; by default both are possible."""

    def explored(**options: Any) -> set[tuple[str, ...]]:
        found = explore(
            Scenario(
                concurrent(TWO),
                ["GO"],
                queue="fifo_group",
                results=dict.fromkeys(["first", "second"]),
                **options,
            )
        )
        return {effects for where, log, effects in told(found) if log == ("first_done",)}

    both = {("first",), ("first", "second"), ("second", "first")}
    assert explored() == both
    assert explored(durations={"first": 1, "second": 2}) == {("first",)}
    assert explored(durations={"first": 1, "second": 1}) == both
    assert explored(durations={"first": (1, 3), "second": (2, 4)}) == both
    assert explored(durations={"first": (1, 2), "second": (3, 4)}) == {("first",)}


def test_a_time_out_after_the_effect_lets_it_be_had_at_any_age() -> None:
    """Its effect is no longer bound to the moment in which it comes back."""
    found = explore(
        Scenario(
            concurrent(TWO),
            ["GO"],
            queue="fifo_group",
            results=dict.fromkeys(["first", "second"]),
            durations={"first": 1, "second": 5},
            faults={"service_failures": 1},
            errors={"second": [TimeoutError()], "first": []},
        )
    )
    assert {effects for _, log, effects in told(found) if log == ("first_done",)} == {
        ("first",),
        ("first", "second"),
        ("second", "first"),
    }


def test_services_that_run_alone_have_no_step_more() -> None:
    """So that what is counted for charts without concurrency stays."""
    chart = concurrent([Call("first")])
    scenario = Scenario(chart, ["GO"], queue="fifo_group", results={"first": None})
    assert explore(scenario).interleavings == 1


# --- against the enumerator ----------------------------------------------------------------


@pytest.mark.parametrize(
    "seed",
    [*range(12), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(12, 30))],
)
def test_explored_endings_are_those_of_an_enumerator_of_whole_seconds(seed: int) -> None:
    """Two or three services, known times, failures within a budget over several events.

    A service that is late since it is going to fail counts as a failure also where its state is
    left before it does: no ending needs more failures than there are.
    """
    choose = random.Random(seed)
    size = choose.choice([2, 2, 3])
    calls = [
        Call(name, choose.random() < 0.4, choose.random() < 0.4) for name in ("a", "b", "c")[:size]
    ]
    windows = {}
    for each in calls:
        least = choose.randrange(4)
        windows[each.name] = (least, least + choose.randrange(3 if size == 2 else 2))
    checked(
        Naive(
            calls,
            windows,
            events=2 if size == 2 else 1,
            failures=choose.randrange(3),
            delay=choose.choice([None, choose.randrange(1, 6)]),
        )
    )


def test_two_services_that_are_left_late_need_two_failures() -> None:
    """With one failure for two events only one of them can be late without ever failing."""
    calls = [Call("slow", leaves=True), Call("quick", leaves=True)]
    naive = Naive(calls, {"slow": (5, 5), "quick": (1, 1)}, events=2, failures=1)
    slow_twice = ("left", ("slow_done", "slow_done"), ("slow", "slow"))
    assert slow_twice not in told(checked(naive))
    assert slow_twice in told(checked(naive._replace(failures=2)))
