"""Schedules at random, where a scenario is too large to look at every interleaving.

Each enabled step is equally likely, so what a sample shows tends to the probabilities of
`explore`; or, where it is said how long things take, the step comes next whose time comes first.
Then a sample is a measurement of the model with these durations, and of nothing else. A sample
refutes, and never proves. The caller gives the seed, and the same seed gives the same walks.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from settlesim.chart.report import Verdict
from settlesim.errors import SimulationError, shorten
from settlesim.sim.distributions import Distribution, Seconds
from settlesim.sim.drawing import DrawsEndings
from settlesim.sim.explore import ending_of, told_apart
from settlesim.sim.model import EndingIdentity
from settlesim.sim.models import model_of
from settlesim.sim.proportions import Interval, clopper_pearson
from settlesim.sim.replays import Replay, replay
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.serial import FEW, Serial
from settlesim.sim.terms import Criterion, Ending
from settlesim.sim.timed_walk import TimedWalks, read_times
from settlesim.sim.walks import walk

__all__ = ["Sample", "random_walk", "sample"]


@dataclass(frozen=True, eq=False, repr=False)
class Sample(DrawsEndings):
    """What came of a number of schedules at random."""

    scenario: Scenario
    runs: int
    endings: tuple[Ending, ...]
    """The most frequent first. `interleavings` is how many walks ended so, `probability`
    their share."""
    note: str = ""
    """What could not be worked out of the endings, and why; empty where all was."""
    times: Mapping[str, Distribution] = field(default_factory=dict)
    """How long things took, by service and by the names of `TIMES`; empty where each step that is
    enabled was equally likely."""

    @property
    def verdict(self) -> Verdict:
        """REFUTED where a wrong ending was met; else UNDETERMINED: a sample proves nothing."""
        return Verdict.REFUTED if self.wrong else Verdict.UNDETERMINED

    @property
    def wrong(self) -> int:
        """How many walks came to an ending that the criterion of the scenario does not allow.

        One is enough to refute; none says how rare they are at most, see `interval`.
        """
        fifo = self.scenario.criterion is Criterion.FIFO
        return sum(
            each.interleavings
            for each in self.endings
            if (each.fifo if fifo else each.serializable) is False
        )

    def interval(self, ending: Ending | None = None, confidence: float = 0.95) -> Interval:
        """Return between what an ending's probability lies, at this confidence.

        It is the interval of Clopper and Pearson, and about this kind of sample: each enabled step
        equally likely, or the `times` that were given.

        Parameters
        ----------
        ending : one of `endings`; None for all wrong ones together
        confidence : in (0, 1)

        Raises
        ------
        SimulationError
            The confidence is no number in (0, 1).

        Examples
        --------
        >>> from settlesim.gallery import counter
        >>> found = sample(Scenario(counter(), ["INC", "INC"], queue="fifo_group"), 200, seed=1)
        >>> found.wrong, round(found.interval().most, 4)
        (0, 0.0183)
        """
        if type(confidence) is not float or not 0 < confidence < 1:
            reason = f"is {shorten(confidence)}; a number between 0 and 1 is needed"
            raise SimulationError(where="confidence", reason=reason)
        count = self.wrong if ending is None else ending.interleavings
        return clopper_pearson(count, self.runs, confidence)

    def __str__(self) -> str:
        right = sum(ending.interleavings for ending in self.endings if ending.fifo)
        met = f"{len(self.endings):,} ending{'s' if len(self.endings) != 1 else ''}"
        runs = "runs of the model with these durations" if self.times else "random walks"
        least, most = (100 * each for each in self.interval())
        return (
            f"{self.verdict.value}: {self.runs:,} {runs}, {met} met, {right:,} with the right one, "
            f"{self.wrong:,} with a wrong one: {least:.3g} to {most:.3g} % are wrong "
            "(95 % confidence)"
        )

    def __repr__(self) -> str:
        return f"<Sample of {self.scenario!r}: {self}>"


def random_walk(scenario: Scenario, seed: int) -> Replay:
    """Walk once at random, and show the way.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> random_walk(Scenario(counter(), ["INC"]), seed=1).schedule
    Schedule.parse('r1 l1 c1 s1 d1')
    """
    return replay(scenario, Schedule(walk(model_of(scenario), _dice(seed).randrange).steps))


def sample(
    scenario: Scenario,
    runs: int,
    seed: int,
    durations: Mapping[str, Seconds] | None = None,
) -> Sample:
    """Try schedules at random, many times.

    Parameters
    ----------
    runs : how many; 1 or more
    seed : of the dice
    durations
        How long things take, by service, and by the names of `TIMES`: a `Distribution`, seconds, or
        ``(least, most)``. Then the sample measures the model with these durations: the step comes
        next whose time comes first. None where each enabled step is equally likely.

    Raises
    ------
    SimulationError
        `runs` is no whole number from 1 on, or `seed` no whole number; the durations are none, or
        do not say how long a service takes; a run comes to what is not known.
    """
    if type(runs) is not int or runs < 1:
        raise SimulationError(where="runs", reason=f"is {shorten(runs)}; 1 or more is needed")
    model = model_of(scenario)
    dice = _dice(seed)
    times = {} if durations is None else read_times(scenario, durations)
    clocked = TimedWalks(model, times) if times or durations is not None else None
    counts: dict[EndingIdentity, int] = {}
    with model.services_together():
        for _ in range(runs):
            way = clocked.walk(dice.random) if clocked is not None else walk(model, dice.randrange)
            if not model.may_end(way.state):
                reason = "; ".join(model.moves.gaps) or "a run comes to no end"
                raise SimulationError(where="sample", reason=reason)
            outcome = model.outcome(way.state)
            counts[outcome] = counts.get(outcome, 0) + 1
    serial = Serial(model, FEW)
    endings = [
        ending_of(model, serial, outcome, number, Fraction(number, runs))
        for outcome, number in counts.items()
    ]
    endings.sort(key=lambda ending: -ending.interleavings)  # ties: the first that came
    shown = MappingProxyType(times)
    return Sample(scenario, runs, tuple(told_apart(endings, serial)), serial.reason, shown)


def _dice(seed: object) -> random.Random:
    if type(seed) is not int:
        raise SimulationError(where="seed", reason=f"is {shorten(seed)}; a whole number is needed")
    return random.Random(seed)
