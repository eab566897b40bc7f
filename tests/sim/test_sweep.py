"""The sweep finds what the search in plain Python finds, and is chosen where it should be."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from settlesim import Chart
from settlesim.gallery import append_log, count, counter, order
from settlesim.progress import Reporter
from settlesim.sim import DISCIPLINES, MONITORS, PROTECTIONS, Scenario, explore
from settlesim.sim.model import Model
from settlesim.sim.moves import PoisonError
from settlesim.sim.ranks import NoRankError, Ranks
from settlesim.sim.residues import from_remainders, primes_for
from settlesim.sim.search_choice import search_endings, why_not_swept
from settlesim.sim.search_result import SearchResult
from tests.sim.charts import patient, starting

NO_NUMBA = why_not_swept()
compiled = pytest.mark.skipif(bool(NO_NUMBA), reason=NO_NUMBA or "numba is there")

CHARTS: list[tuple[Chart, list[str]]] = [
    (append_log(4, 2), ["E1", "E2", "E3", "E4"]),
    (append_log(3, 1, effect=True), ["E1", "E2", "E3"]),
    (counter(2, effect=True), ["INC"]),
    (order, ["PAY", "SHIP", "CANCEL", "REFUND", "NONSENSE"]),
    (patient, ["GO"]),
    (starting, ["GO", "END", "LATER"]),
    (count.bind({"wait": patient.functions["work"]}), ["COUNT"]),
]


def scenarios(number: int, seed: int) -> Iterator[Scenario]:
    """Return scenarios of every kind, always the same ones."""
    dice = random.Random(seed)
    while number:
        chart, names = dice.choice(CHARTS)
        events: list[Any] = [dice.choice(names) for _ in range(dice.randint(1, 3))]
        if dice.random() < 0.3:
            events = [(dice.choice("ab"), name) for name in events]
        queue = dice.choice(list(DISCIPLINES))
        faults = {"crashes": dice.randint(0, 1)}
        options: dict[str, Any] = {"max_receives": None}
        if queue != "direct":
            faults["expiries"] = dice.randint(0, 1)
            options["max_receives"] = dice.choice([None, 2, 3])
            if not queue.startswith("fifo_"):
                faults["duplicates"] = dice.randint(0, 1)
        if any(role == "service" for role in chart.roles.values()):
            faults["service_failures"] = dice.randint(0, 1)
        known = ["cas", "idempotent"] if queue == "direct" else list(PROTECTIONS)
        yield Scenario(
            chart,
            events,
            workers=dice.randint(1, 3),
            queue=queue,
            protections=[name for name in known if dice.random() < 0.3],
            monitors=[name for name in MONITORS if dice.random() < 0.15],
            faults=faults,
            **options,
        )
        number -= 1


def both(scenario: Scenario, limit: int = 20_000) -> tuple[SearchResult, SearchResult] | None:
    """Search a scenario in both ways; None where an event never settles, or it is too large."""
    try:
        plain = search_endings(Model(scenario), limit, Reporter(), few=limit)
    except PoisonError:
        return None
    if plain.reason:
        return None
    from settlesim.sim.sweep import sweep

    return plain, sweep(Model(scenario), limit)


@compiled
@pytest.mark.parametrize(
    ("seed", "limit"),
    [
        (2, 800),
        (3, 800),
        *(
            pytest.param(seed, limit, marks=pytest.mark.nightly)
            for limit in (3_000, 20_000)
            for seed in range(4)
        ),
    ],
)
def test_a_sweep_finds_the_states_endings_counts_and_probabilities_of_the_search(
    seed: int, limit: int
) -> None:
    """Under every discipline, with faults, protections, monitors and several instances."""
    compared = 0
    for scenario in scenarios(60, seed):
        found = both(scenario, limit)
        if found is None:
            continue
        plain, swept = found
        assert (swept.states, swept.transitions) == (plain.states, plain.transitions), scenario
        assert sorted(swept.totals.values()) == sorted(plain.totals.values()), scenario
        assert sum(chance for _, chance in swept.totals.values()) == 1
        compared += 1
    assert compared > 40


@compiled
def test_explorations_are_equal_with_and_without_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdict, endings, their counts, and the certificate."""
    swept = 0
    for scenario in scenarios(12, seed=77):
        try:
            plain = explore(scenario, limit=1_000)
        except PoisonError:
            continue
        with monkeypatch.context() as patch:
            patch.setattr("settlesim.sim.search_choice.FEW_STATES", 1)
            other = explore(scenario, limit=1_000)
        if not plain.complete or plain.states == 1:
            continue
        assert other.search.startswith("swept"), other.search
        assert other.endings == plain.endings
        assert (other.verdict, other.holds) == (plain.verdict, plain.holds)
        assert other.certificate == plain.certificate
        swept += 1
    assert swept > 4


@compiled
@pytest.mark.parametrize(
    ("size", "states"),
    [((3, 1, 3), 784), ((4, 1, 4), 14_720), ((4, 3, 4), 39_312)],
)
def test_a_sweep_finds_as_many_states_as_spin_and_tlc(
    size: tuple[int, int, int], states: int
) -> None:
    """The counts of other model checkers."""
    from settlesim.sim.sweep import sweep

    number, services, workers = size
    events = [f"E{index}" for index in range(1, number + 1)]
    found = sweep(Model(Scenario(append_log(number, services), events, workers=workers)), 1_000_000)
    assert found.states == states


@compiled
def test_a_large_search_is_swept_and_says_so() -> None:
    """Beyond a number of states; a small one is not, and says why."""
    events = ["E1", "E2", "E3", "E4", "E5"]
    large = explore(Scenario(append_log(5, 1), events, workers=2), limit=60_000)
    assert large.search.startswith("breadth first, in Python: at most 50,000 states")
    large = explore(Scenario(append_log(5, 1), events, workers=3))
    assert large.search == "swept by rank, compiled by numba"
    assert large.complete
    assert large.states == 157_596
    assert large.interleavings == 434_713_245_120


@compiled
def test_a_sweep_that_was_stopped_has_a_certificate_over_what_it_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same states again, however often it is asked for."""
    monkeypatch.setattr("settlesim.sim.search_choice.FEW_STATES", 1_000)
    limit = 6_000
    scenario = Scenario(append_log(4, 1), ["E1", "E2", "E3", "E4"], workers=4)
    found = explore(scenario, limit=limit)
    assert not found.complete
    assert limit < found.states < limit + 100
    again = explore(scenario, limit=limit)
    assert found.certificate == again.certificate
    assert found.certificate["states"] == found.states


@compiled
def test_an_interrupt_ends_a_sweep_and_keeps_what_was_found() -> None:
    """The reporter is asked between two parts of the work."""
    from settlesim.sim.sweep import sweep

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    events = ["E1", "E2", "E3", "E4", "E5"]
    model = Model(Scenario(append_log(5, 1), events, workers=3))
    found = sweep(model, 1_000_000, Reporter(stop))
    assert found.reason == "it was interrupted"
    assert 100_000 < found.states < 157_596


@compiled
def test_primes_that_are_too_few_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep is made again with as many as its own bounds ask for."""
    from settlesim.sim import sweep as module

    monkeypatch.setattr(module, "_BITS", (8, 8))
    scenario = Scenario(append_log(4, 1), ["E1", "E2", "E3", "E4"], workers=4)
    found = both(scenario)
    assert found is not None
    plain, swept = found
    assert sorted(swept.totals.values()) == sorted(plain.totals.values())


@compiled
def test_a_longer_program_than_was_assumed_begins_the_sweep_anew() -> None:
    """The second event runs more services than the first."""
    found = both(Scenario(order, ["PAY", "REFUND", "SHIP"], faults={"service_failures": 1}))
    assert found is not None
    plain, swept = found
    assert swept.longest_program > 2
    assert swept.states == plain.states


def test_without_numba_the_search_in_python_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where it was left, to the same end; and it says why."""
    scenario = Scenario(append_log(4, 1), ["E1", "E2", "E3", "E4"], workers=4)
    whole = search_endings(Model(scenario), 100_000, Reporter())
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "settlesim[fast]" in why_not_swept()
    parted = search_endings(Model(scenario), 100_000, Reporter(), few=1_000)
    assert parted.search.startswith("breadth first, in Python: the sweep needs numba")
    assert parted.states == whole.states == 14_720
    assert parted.transitions == whole.transitions
    assert list(parted.totals.values()) == list(whole.totals.values())


def test_a_step_that_uses_nothing_up_has_no_rank() -> None:
    """Where a step leads back, only the search that keeps the states is sound."""
    model = Model(Scenario(counter(), ["INC"]))
    (step, _), *_ = model.successors(model.start)
    before = model.phases[0], model.shared[0]
    with pytest.raises(NoRankError):
        Ranks(model).of_move(step, before, before)


def test_remainders_give_the_number_back() -> None:
    """For numbers up to the bits that were asked for."""
    for bits in (1, 31, 62, 200):
        number = (1 << bits) - 1
        primes = primes_for(bits)
        assert from_remainders([number % prime for prime in primes], primes) == number


def test_primes_are_prime() -> None:
    """By trial division, the first hundred of them."""
    for prime in primes_for(3_000)[:20]:
        assert all(prime % other for other in range(3, 46_341, 2))
