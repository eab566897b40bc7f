"""Random schedules, for scenarios that are too large to explore every interleaving.

By default each enabled step is equally likely, so the shares of a sample converge to the
probabilities of `explore`. If durations are given, the step whose time comes first is next; then
the sample measures the model with these durations, and nothing else. A sample can refute, but never
prove. The caller chooses the seed, and the same seed gives the same walks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from settlesim.chart.report import Verdict
from settlesim.errors import SimulationError, shorten
from settlesim.progress import ProgressCallback, Reporter, StopFlag, show_progress
from settlesim.sim.distributions import Distribution, Seconds
from settlesim.sim.drawing import DrawsEndings
from settlesim.sim.explore import check_progress, ending_of, told_apart
from settlesim.sim.model import EndingIdentity, Model
from settlesim.sim.models import model_of
from settlesim.sim.proportions import Interval, clopper_pearson
from settlesim.sim.replays import Replay, replay
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.serial import FEW, Serial
from settlesim.sim.terms import Criterion, Ending
from settlesim.sim.timed_walk import TimedWalks, read_times
from settlesim.sim.walks import Walk, walk

__all__ = ["Sample", "random_walk", "sample"]


@dataclass(frozen=True, eq=False, repr=False)
class Sample(DrawsEndings):
    """The endings of a number of random schedules."""

    scenario: Scenario
    runs: int
    endings: tuple[Ending, ...]
    """The most frequent first. `interleavings` is the number of walks with this ending,
    `probability` their share."""
    note: str = ""
    """What could not be worked out about the endings, and why; empty if everything was."""
    times: Mapping[str, Distribution] = field(default_factory=dict)
    """How long things took, by service and by the names of `TIMES`; empty if each enabled step was
    equally likely."""

    @property
    def verdict(self) -> Verdict:
        """REFUTED if a wrong ending was met; else UNDETERMINED, since a sample proves nothing."""
        return Verdict.REFUTED if self.wrong else Verdict.UNDETERMINED

    @property
    def wrong(self) -> int:
        """How many walks had an ending that the scenario's criterion does not allow.

        One is enough to refute. If there is none, `interval` says how frequent wrong endings can
        still be.
        """
        fifo = self.scenario.criterion is Criterion.FIFO
        return sum(
            each.interleavings
            for each in self.endings
            if (each.fifo if fifo else each.serializable) is False
        )

    def interval(self, ending: Ending | None = None, confidence: float = 0.95) -> Interval:
        """Return the confidence interval of an ending's probability, by Clopper and Pearson.

        The probability is that of this kind of sample: with each enabled step equally likely, or
        with the `times` that were given.

        Parameters
        ----------
        ending : one of `endings`; None for all wrong ones together
        confidence : in (0, 1)

        Raises
        ------
        SimulationError
            The confidence is not a number in (0, 1).

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
        several = "s" if self.runs != 1 else ""
        runs = (
            f"run{several} of the model with these durations"
            if self.times
            else f"random walk{several}"
        )
        least, most = (100 * each for each in self.interval())
        return (
            f"{self.verdict.value}: {self.runs:,} {runs}, {met} met, {right:,} with the right one, "
            f"{self.wrong:,} with a wrong one: {least:.3g} to {most:.3g} % are wrong "
            "(95 % confidence)"
        )

    def __repr__(self) -> str:
        return f"<Sample of {self.scenario!r}: {self}>"


def random_walk(scenario: Scenario, seed: int) -> Replay:
    """Return the replay of one random walk.

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
    *,
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
) -> Sample:
    """Run random schedules and count their endings.

    Parameters
    ----------
    runs : how many schedules; 1 or more
    seed : the seed of the random numbers
    durations
        How long things take, by service, and by the names of `TIMES`: a `Distribution`, seconds, or
        ``(least, most)``. Then the sample measures the model with these durations: the step whose
        time comes first is next. None to make each enabled step equally likely.
    progress, stop
        As `explore`. If it is stopped, or interrupted by Ctrl-C, the sample has the runs that were
        finished by then; if there is none, the interrupt is raised.

    Raises
    ------
    SimulationError
        `runs` is not a whole number from 1 on, or `seed` is not a whole number; a duration is
        wrong, or that of a service is missing; or a run reaches a state beyond which the model
        cannot continue.
    """
    check_progress(progress)
    if type(runs) is not int or runs < 1:
        raise SimulationError(where="runs", reason=f"is {shorten(runs)}; 1 or more is needed")
    model = model_of(scenario)
    dice = _dice(seed)
    times = {} if durations is None else read_times(scenario, durations)
    clocked = TimedWalks(model, times) if times or durations is not None else None

    def one() -> Walk:
        return walk(model, dice.randrange) if clocked is None else clocked.walk(dice.random)

    with show_progress(progress) as callback, model.services_together():
        counts = _counts(model, one, runs, Reporter(callback, stop))
    done = sum(counts.values())
    serial = Serial(model, FEW)
    endings = [
        ending_of(model, serial, outcome, number, Fraction(number, done))
        for outcome, number in counts.items()
    ]
    endings.sort(key=lambda ending: -ending.interleavings)  # ties stay in the order of discovery
    shown = MappingProxyType(times)
    return Sample(scenario, done, tuple(told_apart(endings, serial)), serial.reason, shown)


def _counts(
    model: Model, one: Callable[[], Walk], runs: int, reporter: Reporter
) -> dict[EndingIdentity, int]:
    """Count the endings of random walks, of as many as are finished before an interrupt."""
    counts: dict[EndingIdentity, int] = {}
    try:
        for number in range(runs):
            reporter.report(number, runs, "runs")
            found = one()
            if not model.may_end(found.state):
                reason = "; ".join(model.moves.gaps) or "a run comes to no end"
                raise SimulationError(where="sample", reason=reason)
            outcome = model.outcome(found.state)
            counts[outcome] = counts.get(outcome, 0) + 1
    except KeyboardInterrupt:
        if not counts:
            raise
    return counts


def _dice(seed: object) -> random.Random:
    if type(seed) is not int:
        raise SimulationError(where="seed", reason=f"is {shorten(seed)}; a whole number is needed")
    return random.Random(seed)
