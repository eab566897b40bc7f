"""Explorations in a thread of their own, which can be stopped, and never hold up the kernel.

Theory of operation
-------------------
An exploration may take seconds; a kernel that computes answers nobody. So it runs in a
thread, on a chart of its own (a chart keeps what was made of it), and its end is told at
home, as every message of the page is. The search reports at intervals how many states it has
found; there it sees its flag, if it is to stop: it ends as by Ctrl-C, and returns what is known.

What belongs to an exploration that nobody wants any more is not told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from settlesim.progress import Progress
from settlesim.sim import Exploration, Scenario, Schedule, explore
from settlesim.widgets.base.thread import Home

__all__ = ["LIMIT", "Search", "State"]

LIMIT: Final = 300_000
"""How many states are looked at unless something else is said: seconds."""

_QUICK: Final = 20_000  # states through which the shortest way is found at once


@dataclass(frozen=True, slots=True)
class State:
    """How far a search is."""

    status: Literal["none", "running", "stopping", "done", "failed"] = "none"
    found: int = 0
    """How many states were found so far."""
    exploration: Exploration | None = None
    error: BaseException | None = None
    """Why the scenario cannot be explored."""


class Search:
    """One exploration at a time.

    Parameters
    ----------
    home : where `told` is called
    told : is called whenever `state` has changed
    failed : is given what goes wrong with a way
    limit : how many states are looked at
    """

    def __init__(
        self,
        home: Home,
        told: Callable[[], None],
        failed: Callable[[BaseException], None],
        limit: int = LIMIT,
    ) -> None:
        self.state = State()
        self.limit = limit
        self._home = home
        self._told = told
        self._failed = failed
        self._run: _Run | None = None

    def start(self, scenario: Scenario) -> None:
        """Explore a scenario; whatever runs is given up."""
        self.abandon()
        self.state = State("running")
        self._run = _Run(self, scenario)
        self._told()
        self._run.thread.start()

    def stop(self) -> None:
        """End the search that runs, and keep what it has found."""
        if self._run is not None and self.state.status == "running":
            self._run.stopped.set()
            self.state = replace(self.state, status="stopping")
            self._told()

    def abandon(self) -> None:
        """End what runs; nothing of it is told any more."""
        if self._run is not None:
            self._run.stopped.set()
            self._run = None
        self.state = State()

    def jump(
        self,
        work: Callable[[Exploration], Schedule | None],
        then: Callable[[Schedule | None], None],
    ) -> bool:
        """Work out a way through what was found; in a thread of its own where that is much.

        Parameters
        ----------
        work : is given the exploration
        then : is given the way, at home; nothing is told if another search has begun meanwhile

        Returns
        -------
        waits : whether it is still being worked out
        """
        state = self.state
        found = state.exploration
        if found is None:
            return False
        if found.states <= _QUICK:
            then(work(found))
            return False

        def tell(way: Schedule | None) -> None:
            if self.state is state:
                then(way)

        def run() -> None:
            try:
                way = work(found)
            except Exception as error:
                self._home.run(self._failed, error)
            else:
                self._home.run(tell, way)

        threading.Thread(target=run, name="settlesim-way", daemon=True).start()
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the search has ended, and take over its result.

        Parameters
        ----------
        seconds : how long at most; None for as long as it takes

        Returns
        -------
        ended : whether it has
        """
        run = self._run
        if run is None:
            return True
        run.ended.wait(seconds)
        self._home.run(self._take, run)
        return self._run is None

    # --- from the thread ------------------------------------------------------------------

    def report(self, run: _Run, found: int) -> None:
        """Tell at home how many states were found."""
        self._home.run(self._report, run, found)

    def _report(self, run: _Run, found: int) -> None:
        if run is self._run and self.state.status == "running":
            self.state = replace(self.state, found=found)
            self._told()

    def end(self, run: _Run) -> None:
        """Tell at home that a search has ended."""
        self._home.run(self._take, run)

    def _take(self, run: _Run) -> None:
        if run is self._run and run.result is not None:
            self.state = run.result
            self._told()
            self._run = None  # the last: who waits for it finds everything done


class _Run:
    """One exploration, in its thread."""

    def __init__(self, search: Search, scenario: Scenario) -> None:
        self._search = search
        # what is kept with the chart is not shared between threads
        self._scenario = scenario.replace(chart=scenario.chart.bind({}))
        self.stopped = threading.Event()
        self.ended = threading.Event()
        self.result: State | None = None
        self.thread = threading.Thread(target=self._explore, name="settlesim-search", daemon=True)

    def _explore(self) -> None:
        try:
            found = explore(self._scenario, self._search.limit, self._progress, stop=self.stopped)
            if not self.stopped.is_set():
                _ = found.counterexample  # worked out here, and kept
            self.result = State("done", found.states, found)
        except BaseException as error:  # told at home, or nobody would ever know
            self.result = State("failed", error=error)
        finally:
            self.ended.set()
            self._search.end(self)

    def _progress(self, progress: Progress) -> None:
        self._search.report(self, progress.done)
