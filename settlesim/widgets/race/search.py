"""Explorations in a background thread: they can be stopped, and do not block the kernel.

Theory of operation
-------------------
An exploration may take seconds, and a kernel that computes does not answer. So it runs in a
thread, on its own copy of the chart (a chart caches what is made of it). Its end is handled in
the thread of the panel (`Home`), as every message of the page is. The search reports at intervals
how many states it has found. Then it also looks at the flag that stops it: if that is set, it
ends as by Ctrl-C, and returns what is known.

Reports of an abandoned exploration are dropped.
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
"""How many states are explored by default, which takes seconds."""

_QUICK: Final = 20_000  # states; with no more, the shortest schedule is found without a thread


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
    home : the thread in which `told` and `failed` are called
    told : is called whenever `state` has changed
    failed : is called with the error, if a schedule cannot be worked out
    limit : how many states are explored at most
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
        """Explore a scenario; a search that runs is abandoned."""
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
        """End the search that runs, and drop its result."""
        if self._run is not None:
            self._run.stopped.set()
            self._run = None
        self.state = State()

    def jump(
        self,
        work: Callable[[Exploration], Schedule | None],
        then: Callable[[Schedule | None], None],
    ) -> bool:
        """Work out a schedule from what was found; in a thread, if that is a lot.

        Parameters
        ----------
        work : is called with the exploration
        then
            Is called with the schedule, in the thread of the panel, unless another search has
            begun meanwhile.

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

        def tell(schedule: Schedule | None) -> None:
            if self.state is state:
                then(schedule)

        def run() -> None:
            try:
                schedule = work(found)
            except Exception as error:
                self._home.run(self._failed, error)
            else:
                self._home.run(tell, schedule)

        threading.Thread(target=run, name="settlesim-schedule", daemon=True).start()
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
        """Report to the panel's thread how many states were found; a report may be left out."""
        self._home.run_if_free(self._report, run, found)

    def _report(self, run: _Run, found: int) -> None:
        if run is self._run and self.state.status == "running":
            self.state = replace(self.state, found=found)
            self._told()

    def end(self, run: _Run) -> None:
        """Report to the panel's thread that a search has ended."""
        self._home.run(self._take, run)

    def _take(self, run: _Run) -> None:
        if run is self._run and run.result is not None:
            self.state = run.result
            self._told()
            self._run = None  # last, so that everything is done for whoever waits for it


class _Run:
    """One exploration, in its thread."""

    def __init__(self, search: Search, scenario: Scenario) -> None:
        self._search = search
        # a copy, because the cache of a chart must not be shared between threads
        self._scenario = scenario.replace(chart=scenario.chart.bind({}))
        self.stopped = threading.Event()
        self.ended = threading.Event()
        self.result: State | None = None
        self.thread = threading.Thread(target=self._explore, name="settlesim-search", daemon=True)

    def _explore(self) -> None:
        try:
            found = explore(self._scenario, self._search.limit, self._progress, stop=self.stopped)
            if not self.stopped.is_set():
                _ = found.counterexample  # computed here, and cached
            self.result = State("done", found.states, found)
        except BaseException as error:  # reported to the panel; nobody else would see it
            self.result = State("failed", error=error)
        finally:
            self.ended.set()
            self._search.end(self)

    def _progress(self, progress: Progress) -> None:
        self._search.report(self, progress.done)
