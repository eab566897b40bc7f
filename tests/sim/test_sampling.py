"""Samples: what they refute, how sure they are, and what they measure on a clock."""

from __future__ import annotations

import math
import random
import threading
from typing import Any

import pytest

from settlesim import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import counter, order
from settlesim.progress import Progress
from settlesim.sim import Distribution, Scenario, Verdict, explore, replay, sample
from settlesim.sim.model import Model
from settlesim.sim.schedule import Schedule
from settlesim.sim.timed_walk import TimedWalks

TWICE = Scenario(counter(), ["INC", "INC"], queue="direct")
QUICK: dict[str, Any] = {"step": 1e-6}


def test_a_sample_without_a_wrong_ending_proves_nothing() -> None:
    """Three walks may miss anything; the text says between what the share of wrong ones lies."""
    seen = sample(Scenario(order, ["PAY", "SHIP"], queue="fifo_group"), runs=3, seed=1)
    assert seen.verdict is Verdict.UNDETERMINED
    assert str(seen) == (
        "undetermined: 3 random walks, 1 ending met, 3 with the right one, 0 with a wrong one: "
        "0 to 70.8 % are wrong (95 % confidence)"
    )
    assert len(repr(seen)) < 250
    once = sample(Scenario(order, ["PAY"], queue="fifo_group"), runs=1, seed=1)
    assert str(once).startswith("undetermined: 1 random walk, 1 ending met")


def test_a_sample_that_met_a_wrong_ending_refutes() -> None:
    """One is enough; which endings are wrong is said by the criterion."""
    seen = sample(TWICE, 50, seed=1)
    right = sum(each.interleavings for each in seen.endings if each.fifo)
    assert seen.verdict is Verdict.REFUTED
    assert 0 < seen.wrong == 50 - right
    mutex = Scenario(order, ["PAY", "CANCEL"], queue="mutex")
    assert sample(mutex, 50, seed=1).verdict is Verdict.REFUTED
    weaker = sample(mutex.replace(criterion="serializable"), 50, seed=1)
    assert weaker.verdict is Verdict.UNDETERMINED


def test_an_interval_holds_the_exact_probability_that_exploring_finds() -> None:
    """For nearly every seed, at 99.9 %."""
    exact = sum(each.probability for each in explore(TWICE).endings if not each.fifo)
    for seed in range(5):
        least, most = sample(TWICE, 200, seed=seed).interval(confidence=0.999)
        assert least <= exact <= most
    found = sample(TWICE, 200, seed=1)
    shares = [found.interval(each) for each in found.endings]
    for ending, (least, most) in zip(found.endings, shares, strict=True):
        assert least < ending.probability < most
    with pytest.raises(SimulationError, match="between 0 and 1"):
        found.interval(confidence=95)


@pytest.mark.parametrize(("apart", "wrong"), [(0.5, 40), (2.0, 0)])
def test_with_known_durations_handlers_overlap_or_do_not(apart: float, wrong: int) -> None:
    """A service of one second, and events that come sooner or later than that."""
    seen = sample(TWICE, 40, seed=1, durations={"work": 1.0, "arrival": apart, **QUICK})
    assert seen.wrong == wrong


def test_a_measurement_tends_to_what_can_be_calculated() -> None:
    """Events an exponential time apart overlap with a service of s: 1 - exp(-s / mean)."""
    times = {**QUICK, "work": 0.1, "arrival": Distribution.exponential(2.0)}
    seen = sample(TWICE, 2_000, seed=3, durations=times)
    least, most = seen.interval(confidence=0.999)
    assert least <= 1 - math.exp(-0.1 / 2.0) <= most
    assert "runs of the model with these durations" in str(seen)
    assert seen.times["arrival"] == Distribution.exponential(2.0)


def test_the_same_seed_measures_the_same() -> None:
    """And another one something else."""
    times: dict[str, Any] = {"work": (0.1, 1.0), "arrival": 0.3}
    one, two, other = (sample(TWICE, 100, seed=s, durations=times) for s in (1, 1, 2))
    assert one.endings == two.endings
    assert one.wrong != other.wrong


def test_a_walk_on_a_clock_is_a_schedule_that_replays() -> None:
    """Faults come when they are due, within their budgets."""
    scenario = Scenario(
        order,
        ["PAY", "SHIP"],
        queue="fifo_group",
        faults={"crashes": 1, "expiries": 1, "service_failures": 1},
    )
    names = ["charge_card", "refund_card", "print_label"]
    given: dict[str, Any] = dict.fromkeys(names, (0.0, 2.0))
    given |= {"crashes": Distribution.exponential(3.0), "expiries": 1.0}
    times = sample(scenario, 1, 1, durations=given).times
    clocked = TimedWalks(Model(scenario), times)
    ends = set()
    for seed in range(60):
        way = Schedule(clocked.walk(random.Random(seed).random).steps)
        played = replay(scenario, way)
        assert played.ending is not None
        ends.add(str((played.ending.store, played.ending.effects)))
    assert ends <= {str((each.store, each.effects)) for each in explore(scenario).endings}
    assert len(ends) > 1


def test_delays_take_what_the_chart_says() -> None:
    """In a handler, and in a settled state where a save starts them anew."""
    chart = Chart(
        [
            {"name": "free", "tags": ["settled"]},
            {"name": "held", "tags": ["settled"], "after": {"10": "expired"}},
            {"name": "expired", "tags": ["settled"]},
        ],
        [["HOLD", "free", "held"], ["HOLD", "held", "="], ["HOLD", "expired", "free"]],
        "free",
    )
    scenario = Scenario(chart, ["HOLD", "HOLD"], queue="fifo_group")
    early = sample(scenario, 5, 1, durations={"arrival": 9.0})
    assert [each.label for each in early.endings] == ["expired"]
    late = sample(scenario, 5, 1, durations={"arrival": 11.0})
    assert [each.label for each in late.endings] == ["free"]


@pytest.mark.parametrize(
    ("durations", "words"),
    [
        ({}, "how long work takes"),
        ({"work": 1, "crash": 1}, "unknown name"),
        ({"work": "long"}, "a Distribution, seconds or"),
        ({"work": -1}, "0 or more"),
        ({"work": (3, 1)}, "least <= most"),
    ],
)
def test_durations_that_make_no_sense_are_refused(durations: Any, words: str) -> None:
    """With the name and the reason."""
    with pytest.raises(SimulationError, match=words):
        sample(TWICE, 1, 1, durations=durations)


def test_distributions_have_the_means_that_they_say() -> None:
    """Each by the mean or median of many draws."""

    def draws(each: Distribution) -> list[float]:
        dice = random.Random(7)
        return sorted(each.draw(dice.random()) for _ in range(4_000))

    assert set(draws(Distribution.constant(2))) == {2.0}
    assert math.isclose(sum(draws(Distribution.uniform(1, 3))) / 4_000, 2.0, rel_tol=0.03)
    assert math.isclose(sum(draws(Distribution.exponential(3))) / 4_000, 3.0, rel_tol=0.05)
    assert math.isclose(draws(Distribution.lognormal(5, 1))[2_000], 5.0, rel_tol=0.07)
    assert set(draws(Distribution.observed([1, 4]))) == {1.0, 4.0}


# --- progress ------------------------------------------------------------------------------


def test_a_sample_tells_how_far_it_is() -> None:
    """Once before each run, with the number that is wanted."""
    seen: list[Progress] = []
    sample(Scenario(order, ["PAY", "CANCEL"]), 3, 1, progress=seen.append)
    assert seen == [Progress(done, 3, "runs") for done in range(3)]


@pytest.mark.parametrize("how", ["stop", "interrupt"])
def test_a_sample_that_is_stopped_has_the_runs_that_were_finished(how: str) -> None:
    """They are those of a smaller sample; the interval follows."""
    stop = threading.Event()

    def at_ten(progress: Progress) -> None:
        if progress.done == 10:
            stop.set()
            if how == "interrupt":
                raise KeyboardInterrupt

    clicks = Scenario(order, ["PAY", "CANCEL"])
    found = sample(clicks, 1000, 1, progress=at_ten, stop=stop if how == "stop" else None)
    smaller = sample(clicks, 10, 1)
    assert (found.runs, str(found), found.endings) == (10, str(smaller), smaller.endings)


def test_a_sample_that_is_stopped_before_its_first_run_is_none() -> None:
    """There is nothing to say then."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        sample(Scenario(order, ["PAY"]), 5, 1, stop=stop)


def test_a_progress_that_cannot_be_called_is_refused() -> None:
    """As by `explore`."""
    with pytest.raises(SimulationError, match="progress"):
        sample(Scenario(order, ["PAY"]), 5, 1, progress="bar")  # type: ignore[arg-type]
