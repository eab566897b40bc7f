"""Walks at random, where a scenario is too large to look at every interleaving.

Each enabled step is equally likely, so what a sample shows tends to the probabilities of
`explore`. A sample proves nothing. The caller gives the seed, and the same seed gives the
same walk on every machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from settlesim import display
from settlesim.chart.report import Verdict
from settlesim.errors import SimulationError, shorten
from settlesim.sim.explore import ending_of, told_apart
from settlesim.sim.model import EndingIdentity
from settlesim.sim.models import model_of
from settlesim.sim.replays import Replay, replay
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.serial import FEW, Serial
from settlesim.sim.terms import Criterion, Ending
from settlesim.sim.walks import walk

__all__ = ["Sample", "random_walk", "sample"]


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """What came of a number of random walks."""

    scenario: Scenario
    runs: int
    endings: tuple[Ending, ...]
    """The most frequent first. `interleavings` is how many walks ended so, `probability`
    their share."""
    note: str = ""
    """What could not be worked out of the endings, and why; empty where all was."""

    @property
    def verdict(self) -> Verdict:
        """UNDETERMINED whatever was met: a sample is no search. See `wrong`."""
        return Verdict.UNDETERMINED

    @property
    def wrong(self) -> int:
        """How many walks came to an ending that the criterion of the scenario does not allow.

        One is enough to know that `explore` would refute; none says nothing.
        """
        fifo = self.scenario.criterion is Criterion.FIFO
        return sum(
            each.interleavings
            for each in self.endings
            if (each.fifo if fifo else each.serializable) is False
        )

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of the endings that were met, or write it to the file `target`."""
        return display.draw(self, target, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __str__(self) -> str:
        right = sum(ending.interleavings for ending in self.endings if ending.fifo)
        met = f"{len(self.endings):,} ending{'s' if len(self.endings) != 1 else ''}"
        words = (
            f"{self.verdict.value}: {self.runs:,} random walks, {met} met, "
            f"{right:,} walks with the right one"
        )
        if not self.wrong:
            return words
        came = f"{self.wrong:,} walk{'s' if self.wrong != 1 else ''} came to a wrong ending"
        return f"{words}; {came}, so it is not true that all are right"

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


def sample(scenario: Scenario, runs: int, seed: int) -> Sample:
    """Walk at random, many times.

    Raises
    ------
    SimulationError
        `runs` is no whole number from 1 on, or `seed` no whole number.
    """
    if type(runs) is not int or runs < 1:
        raise SimulationError(where="runs", reason=f"is {shorten(runs)}; 1 or more is needed")
    model = model_of(scenario)
    dice = _dice(seed)
    counts: dict[EndingIdentity, int] = {}
    for _ in range(runs):
        outcome = model.outcome(walk(model, dice.randrange).state)
        counts[outcome] = counts.get(outcome, 0) + 1
    serial = Serial(model, FEW)
    endings = [
        ending_of(model, serial, outcome, number, Fraction(number, runs))
        for outcome, number in counts.items()
    ]
    endings.sort(key=lambda ending: -ending.interleavings)  # ties: the first that came
    return Sample(scenario, runs, tuple(told_apart(endings, serial)), serial.reason)


def _dice(seed: object) -> random.Random:
    if type(seed) is not int:
        raise SimulationError(where="seed", reason=f"is {shorten(seed)}; a whole number is needed")
    return random.Random(seed)
