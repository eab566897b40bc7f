"""A chart in a test: events are settled in memory, without waiting, and counted."""

from __future__ import annotations

from settlesim.chart import Chart, Snapshot
from settlesim.chart.event import EventName
from settlesim.chart.strict_json import JSONValue
from settlesim.runtime import Interpreter, SimulatedClock
from settlesim.runtime.coroutines import run_anywhere
from settlesim.settling import Settlement
from settlesim.store import MemoryStore
from settlesim.testing.chart_coverage import ChartCoverage

__all__ = ["ChartTester"]


class ChartTester:
    """Settles events of one chart, and remembers which states and transitions they reached.

    Services run on a simulated clock: one that sleeps for a minute with ``call.sleep`` costs a
    test no time.

    Parameters
    ----------
    chart : a chart with its functions bound
    coverage : where to count; by default one of this tester alone

    Attributes
    ----------
    interpreter : the `settlesim.Interpreter` that settles the events
    store : the `settlesim.MemoryStore` that has the instances
    clock : the `settlesim.SimulatedClock`

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> tester = ChartTester(order)
    >>> tester.settle("PAY", {"card": "declined"}).outcome.name
    'REJECTED'
    >>> tester.settle("PAY", {"card": "4242"}).outcome.name
    'RESOLVED'
    >>> tester.snapshot().configuration
    ('paid',)
    """

    def __init__(self, chart: Chart, coverage: ChartCoverage | None = None) -> None:
        self.chart = chart
        self.coverage = coverage or ChartCoverage(chart)
        self.clock = SimulatedClock()
        self.store = MemoryStore(now=self.clock.now)
        self.interpreter = Interpreter(chart, self.store, clock=self.clock)

    def settle(self, event: EventName, data: JSONValue = None, *, key: str = "test") -> Settlement:
        """Settle one event of the instance `key`, as `settlesim.Interpreter.settle` does."""
        return self._counted(self.interpreter.settle_sync(key, event, data))

    def start(self, *, key: str = "test") -> Settlement:
        """Start the instance `key` without an event, as `settlesim.Interpreter.start` does."""
        return self._counted(self.interpreter.start_sync(key))

    def elapsed(self, delay: str, *, key: str = "test") -> Settlement:
        """Settle the end of a settled state's delay for the instance `key`.

        Parameters
        ----------
        delay
            The id of the delay, such as ``"held.0"`` for the first one of the state ``held``. It
            is also in `settlesim.Settlement.timers` of the event that started the delay.

        Returns
        -------
        settlement : IGNORED if the delay's state is not active, or its guards are false
        """
        return self._counted(run_anywhere(self.interpreter.elapsed(key, delay)))

    def snapshot(self, key: str = "test") -> Snapshot | None:
        """Return where the instance `key` is, or None if nothing was saved."""
        return self.interpreter.load(key)

    def _counted(self, settlement: Settlement) -> Settlement:
        self.coverage.add(settlement)
        return settlement
