"""The law: whatever the real interpreter or worker does is explored, or nothing is proved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, seed, settings
from hypothesis import strategies as st

from settlesim.chart import Chart
from settlesim.errors import SimulationError
from settlesim.runtime.interpreter import DEADLINE
from settlesim.sim import Exploration, Scenario, Verdict, explore
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.services import Services
from tests.examples import scaled
from tests.sim.real_runs import (
    LATE,
    LATE_AFTER_EFFECT,
    DeclinedError,
    RealWorld,
    Result,
    replayed,
    result_of,
)
from tests.strategies_charts import TRIGGERS, timed_charts

ERRORS = [DeclinedError("no"), ValueError("odd"), TimeoutError()]
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
LIMIT = 3_000
RUNS = 4  # real ones of each kind, for each chart

EVENTS = st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=3)
TIMES = {
    "a": "nothing is known of time, and effects come early or late",
    "e": "the same, and much happens at one moment",
    "d": "services take some time within bounds",
    "n": "services take the time of their sleeps",
    "z": "the same, and many take no time or equally long",
    "t": "the same, and many of them end at the deadline of the event",
}
SHORT = 2.0  # seconds, the deadline
OPTIONS = st.fixed_dictionaries(
    {"failures": st.integers(0, 2), "time": st.sampled_from(sorted(TIMES))}
)


def seconds_of(name: str) -> float:
    """How long a service takes where that is known; no two sums of these are alike."""
    return 0.37 * sqrt(PRIMES[int(name.removeprefix("service")) % len(PRIMES)])


def equal_seconds_of(name: str) -> float:
    """How long a service takes where several end at one moment."""
    return float(int(name.removeprefix("service")) % 2)


def halves_of_seconds_of(name: str) -> float:
    """How long a service takes where several end at the deadline; none runs in circles till then.

    What takes no time does: a loop that computes long enough lets a clock go on all the same.
    """
    return 0.5 + equal_seconds_of(name) / 2


def with_services(chart: Chart, take: Callable[[str], float] = seconds_of) -> Chart:
    """Bind services that take their time and do nothing."""

    def service(name: str) -> Any:
        async def run(call: Any) -> Any:
            await call.sleep(take(name))
            return call.input

        return run

    names = [name for name, role in chart.roles.items() if role == "service"]
    return chart.bind({name: service(name) for name in names})


def services_of(chart: Chart) -> list[str]:
    return [name for name, role in chart.roles.items() if role == "service"]


def explored(
    chart: Chart,
    events: list[str],
    take: Callable[[str], float] = seconds_of,
    *,
    deadline: float = DEADLINE,
    **options: Any,
) -> Exploration | None:
    """What is explored of serial handlers; None where the scenario is refused."""
    try:
        scenario = Scenario(
            with_services(chart, take),
            [("k", each) for each in events if each in _known(chart)],
            workers=1,
            queue="fifo_group",
            max_receives=1,
            **options,
        )
    except SimulationError:
        return None
    table = CompiledChart(
        scenario.chart,
        perform=Services(scenario.chart),
        failures=scenario.faults.service_failures,
        deadline=deadline,
        assumptions=scenario.assumptions,
    )
    return explore(scenario, LIMIT, progress=False, table=table)


def _known(chart: Chart) -> set[str]:
    return {each.trigger for each in chart.edges}


def check(found: Exploration, real: Result) -> str:
    """Hold a real result against what was explored."""
    endings = {result_of(found.scenario, each) for each in found.endings}
    if found.verdict is Verdict.PROVED or (found.complete and not found.gaps):
        assert real in endings, (found.scenario, real, endings)
        return "explored"
    return "explored" if real in endings else "undetermined"


class Fates:
    """Gives every call its fate, failing at most so often."""

    def __init__(self, budget: int, choose: random.Random) -> None:
        self.left = budget
        self._choose = choose

    def __call__(self) -> Any:
        """Return an error, or how the call is late; None where it comes back."""
        if not self.left or self._choose.random() < 0.6:
            return None
        self.left -= 1
        return self._choose.choice([*ERRORS[:2], LATE, LATE_AFTER_EFFECT])


def law(chart: Chart, events: list[str], failures: int, time: str, seed: int) -> Counter[str]:
    """Run the real interpreter, the real worker and the real engine a few times, and compare."""
    options: dict[str, Any] = {}
    services = services_of(chart)
    if failures and services:
        options["faults"] = {"service_failures": failures}
        options["errors"] = dict.fromkeys(services, ERRORS)
    choose = random.Random(seed)
    sleeps = {"z": equal_seconds_of, "t": halves_of_seconds_of}.get(time, seconds_of)
    deadline = SHORT if time == "t" else DEADLINE
    take = _clock(time, services, sleeps, choose, options)
    found = explored(chart, events, sleeps, deadline=deadline, **options)
    counts: Counter[str] = Counter()
    if found is None:
        return counts
    known = [each.event for each in found.scenario.events]
    budget = failures if "errors" in options else 0
    unknown = time in "ae"

    def early() -> bool:
        return unknown and choose.random() < 0.3

    for turn in range(2 * RUNS + 2 * unknown):
        fates = Fates(budget, choose)
        world = RealWorld(chart, take, fates, early, deadline=deadline)
        if turn >= 2 * RUNS:
            world.drive(known, choose)
        elif turn % 2 and time != "t":  # a worker gives up a service by then, too
            world.work(known, choose)
        else:
            world.interpret(known)
        unpaid = world.deadlines > fates.left and time not in "nzt"
        if unpaid:  # a deadline beyond what is known is one of the failures
            counts["deadline"] += 1
        else:
            counts[check(found, world.result())] += 1
    return counts


def _clock(
    time: str,
    services: list[str],
    sleeps: Callable[[str], float],
    choose: random.Random,
    options: dict[str, Any],
) -> Callable[[str], float]:
    """Return how long services really take; note in `options` what is known of it."""
    if time in "nzt":
        options["timing"] = "simulated"
        return sleeps
    if time == "d":
        windows = {name: (seconds_of(name), 2 * seconds_of(name)) for name in services[::2]}
        options["durations"] = windows
        return lambda name: choose.uniform(*windows.get(name, (0.0, 9.0)))
    if time == "e":
        return lambda name: choose.choice([0.0, 1.0, 7.0])
    return lambda name: choose.uniform(0.0, 9.0)


def reverse_law(chart: Chart, events: list[str]) -> int:
    """Let the real interpreter reach every serial ending that is explored of simulated time."""
    found = explored(chart, events, timing="simulated")
    if found is None:
        return 0
    serial = [each for each in found.endings if each.fifo]
    for ending in serial:
        real = replayed(found, ending, seconds_of)
        assert real == result_of(found.scenario, ending), (found.scenario, found.way_to(ending))
    return len(serial)


@given(timed_charts(), EVENTS, OPTIONS, st.integers(0, 2**32))
@settings(max_examples=scaled(18, at_night=250), suppress_health_check=list(HealthCheck))
def test_what_the_real_code_does_is_explored_or_nothing_is_proved(
    chart: Chart, events: list[str], options: dict[str, Any], seed: int
) -> None:
    """Delays, regions, errors of several kinds, nested states, timers; real clocks at random.

    Services that are left behind have had their effect or not, and several things happen at one
    moment.
    """
    note(chart.to_dict())
    for what, number in law(chart, events, seed=seed, **options).items():
        event(f"{what}: {number}")


@given(timed_charts(), EVENTS)
@settings(max_examples=scaled(12, at_night=250), suppress_health_check=list(HealthCheck))
def test_serial_endings_of_simulated_time_are_reached_by_the_real_interpreter(
    chart: Chart, events: list[str]
) -> None:
    """Nothing is explored there that cannot be."""
    reverse_law(chart, events)


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(1, 17))
def test_the_law_holds_for_two_thousand_charts(
    number: int, finding: Callable[[object], None]
) -> None:
    """The same laws for 250 random charts each; about half of them can be explored."""
    totals: Counter[str] = Counter()

    @seed(number)
    @given(timed_charts(), EVENTS, OPTIONS, st.integers(0, 2**32))
    @settings(max_examples=250, suppress_health_check=list(HealthCheck), database=None)
    def campaign(chart: Chart, events: list[str], options: dict[str, Any], dice: int) -> None:
        counts = law(chart, events, seed=dice, **options)
        totals.update(counts)
        totals["charts"] += bool(counts)
        totals["serial endings reached"] += reverse_law(chart, events)

    campaign()
    counted = ", ".join(f"{name}: {count:,}" for name, count in sorted(totals.items()))
    finding(f"the law, part {number}: {counted}")
