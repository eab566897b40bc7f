"""`RacePanel`: a scenario to play with. The person is the scheduler."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from settlesim.errors import (
    ReplayDivergedError,
    SettlesimError,
    SimulationError,
    shorten,
)
from settlesim.sim import Ending, Exploration, Scenario, Schedule
from settlesim.sim.step_words import message_names
from settlesim.view.schedule.space_time import lanes
from settlesim.view.simulation.words import events_words, scenario_words
from settlesim.view.svg.page import with_variables
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.race.bars import bar_of, endings_part, in_order, picked, search_part
from settlesim.widgets.race.parts import (
    about_of,
    charts_of,
    effects_of,
    rows_of,
    store_of,
    worker_pictures,
    workers_of,
)
from settlesim.widgets.race.property_list import picked_property, property_list
from settlesim.widgets.race.search import LIMIT, Search, State
from settlesim.widgets.race.walk import ScheduleWalk
from settlesim.widgets.race.words import LETTERS, absent, budgets, judged

__all__ = ["RacePanel"]

_LONGEST: Final = 20_000  # letters of a path


class RacePanel(Panel):
    """A scenario to play with: you are the scheduler.

    Every step that may happen next has a button, also faults while their budget lasts; press it,
    and the step happens. A step that cannot happen says why. The bars show all endings: press
    one, and the panel shows the shortest schedule with that ending.

    Parameters
    ----------
    source
        A scenario, or what `explore` has found. The endings of a scenario are explored in the
        background, as soon as the panel is shown.
    path : steps to begin with, as `replay` takes them
    at : how many of them are shown; None for all
    charts : whether the chart is shown, once for the store and once for each worker
    limit : how many states are explored at most to find the endings
    seed : the seed of random steps

    Raises
    ------
    MissingExtraError
        The ``lab`` extra is not installed.
    ReplayDivergedError
        The path names a step that is not enabled there.
    SimulationError
        The path is no schedule, or the chart cannot continue from the scenario's start.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> panel = RacePanel(Scenario(order, ["PAY", "CANCEL"], queue="direct"))
    >>> for step in "l1 l2 c1 s1 s2".split():
    ...     panel.take(step)
    >>> panel.verdict
    'forbidden: lost update'
    """

    kind = "race"
    scripts = ("race_bars.js", "race_properties.js", "race.js")
    styles = ("race.css", "race_properties.css")
    part_names = (
        "about", "place", "rows", "budgets", "store", "effects", "workers", "verdict", "path",
        "lanes", "chart", "charts", "bars", "search", "properties", "note",
    )  # fmt: skip

    def __init__(
        self,
        source: Scenario | Exploration,
        *,
        path: Schedule | str = "",
        at: int | None = None,
        charts: bool = True,
        limit: int = LIMIT,
        seed: int = 1,
    ) -> None:
        if not isinstance(source, (Scenario, Exploration)):
            raise TypeError(
                f"RacePanel({shorten(source, 40)}): a Scenario or an Exploration is needed"
            )
        super().__init__()
        given = source if isinstance(source, Exploration) else None
        self.walk = ScheduleWalk(source if isinstance(source, Scenario) else source.scenario)
        self.search = Search(self.home, self._search_changed, self.fail, limit)
        self._dice = random.Random(seed)
        self._charts = charts
        steps = Schedule.parse(path).steps if isinstance(path, str) else path.steps
        diverged = self.walk.follow(steps)
        if diverged is not None:
            raise diverged
        self.walk.go(self.walk.last if at is None else at)
        if given is not None:
            self.search.state = State("done", given.states, given)
        self._enter()

    # --- looking --------------------------------------------------------------------------

    @property
    def scenario(self) -> Scenario:
        """The scenario that is played; a change of the discipline replaces it."""
        return self.walk.scenario

    @observable
    def at(self) -> int:
        """How many steps of the path are shown; set it to go there."""
        return self.walk.at

    @at.setter
    def _go(self, position: int) -> None:
        self.go(position)

    @observable
    def path(self) -> str:
        """Return the steps up to here, as `replay` takes them."""
        return str(self.walk.shown)

    @observable
    def enabled(self) -> tuple[str, ...]:
        """Return the names of the steps that may come next."""
        return tuple(step.name for step in self.walk.frame.enabled)

    @observable
    def ending(self) -> Ending | None:
        """Return the ending; None while steps have to come."""
        return self.walk.ending

    @observable
    def verdict(self) -> str:
        """Return how the ending is judged: ``as FIFO``, ``forbidden: lost update``, ..."""
        return self._judged()["word"]

    @observable
    def note(self) -> str:
        """Return why the last request could not be carried out completely; empty if it could."""
        return self.parts["note"] or ""

    # --- showing --------------------------------------------------------------------------

    def _enter(self) -> None:
        """Show another scenario."""
        scenario = self.scenario
        self.names = message_names(scenario)
        with self.together():
            self.show(
                about=about_of(scenario),
                chart=worker_pictures(scenario.chart) if self._charts else None,
            )
            self._searched()
            self._refresh()

    def _refresh(self, note: str | None = None) -> None:
        """Show the walk at its current position."""
        walk, names = self.walk, self.names
        with self.together():
            self.show(
                place={
                    "at": walk.at,
                    "last": walk.last,
                    "text": walk.frame.text,
                    "step": "" if walk.frame.step is None else walk.frame.step.name,
                    "anomalies": list(walk.frame.anomalies),
                    "ended": walk.ending is not None,
                },
                rows=rows_of(walk, names),
                budgets=budgets(walk),
                store=store_of(walk),
                effects=effects_of(walk, names),
                workers=workers_of(walk, names),
                verdict=self._verdict(),
                path={"shown": str(walk.shown), "whole": str(walk.replay.schedule)},
                charts=charts_of(walk, names) if self._charts else [],
                lanes=with_variables(
                    lanes(walk.replay, at=walk.at, notes=False, title="", theme="light").svg
                ),
                note=note,
            )

    def _search_changed(self) -> None:
        """Show how far the search is; no message handler would show an error here, so this does."""
        try:
            with self.together():
                self._searched()
                self.show(verdict=self._verdict())
        except Exception as error:
            self.fail(error)

    def _verdict(self) -> dict[str, Any]:
        """Return how the ending is judged, and the position of its bar."""
        bar = bar_of(self.search.state.exploration, self.ending)
        story = "" if self.ending is None else self.walk.replay.sentence
        return {**self._judged(), "bar": bar, "story": story}

    def _judged(self) -> dict[str, str]:
        found = self.search.state.exploration
        bar = bar_of(found, self.ending)
        return judged(self.walk, None if found is None or bar is None else in_order(found)[bar])

    def _searched(self) -> None:
        """Show what the search has found."""
        state = self.search.state
        self.show(
            search=search_part(state, self.search.limit),
            bars=endings_part(state),
            properties=property_list(state),
        )

    @property
    def widget(self) -> Any:
        """The anywidget that shows this panel; the search for endings begins once it is shown."""
        found = super().widget
        if self.search.state.status == "none" and not self.closed:
            self.search.start(self.scenario)
        return found

    def twin(self) -> str:
        """Return the schedule so far as SVG."""
        return lanes(self.walk.replay, at=self.walk.at).svg

    def __repr__(self) -> str:
        scenario = self.scenario
        steps = (
            f"step {self.walk.at} of {self.walk.replay.schedule}" if self.walk.last else "step 0"
        )
        return (
            f"<RacePanel {events_words(scenario)}: {scenario_words(scenario)}: "
            f"{steps}, {self.verdict}>"
        )

    # --- the scheduler --------------------------------------------------------------------

    def take(self, step: str) -> None:
        """Take a step.

        Parameters
        ----------
        step : its name, such as ``r1``

        Raises
        ------
        ReplayDivergedError
            It is not enabled.
        SimulationError
            It is not the name of a step.
        """
        wanted = Schedule.parse(step).steps
        if len(wanted) != 1:
            raise SimulationError(where="step", reason=f"is {shorten(step)}; one name is needed")
        self.walk.take(wanted[0])
        self._refresh()
        self._tell()

    def _tell(self) -> None:
        """Have a screen reader say what the step did, and at an ending the verdict."""
        frame = self.walk.frame
        parts = [frame.text, *frame.anomalies]
        if self.ending is not None:
            parts.append(self.verdict)
        self.say(". ".join(parts))

    def on_take(self, step: str) -> None:
        """Take a step; if it is not enabled, say why."""
        try:
            self.take(step)
        except ReplayDivergedError as error:
            self._refresh(self._absent(error))
            self.say(self._absent(error))

    def _absent(self, error: ReplayDivergedError) -> str:
        return absent(self.walk, error, self.names)

    def chance(self) -> None:
        """Take a random step, each enabled one equally likely; do nothing if none is enabled."""
        enabled = self.walk.frame.enabled
        if enabled:
            self.take(enabled[self._dice.randrange(len(enabled))].name)

    def on_chance(self) -> None:
        """Take a random step."""
        self.chance()

    # --- back and forth -------------------------------------------------------------------

    def go(self, position: int) -> None:
        """Show the first `position` steps of the path, at least none and at most all of them."""
        self.walk.go(position)
        self._refresh()
        self._tell()

    def on_go(self, position: Any) -> None:
        """Show the first steps of the path."""
        if type(position) is not int:
            raise SimulationError(where="position", reason=f"is {shorten(position)}")
        self.go(position)

    def on_step(self) -> None:
        """Go one step forward or, at the end of the path, take the only step that is no fault."""
        enabled = self.walk.frame.enabled
        if self.walk.at < self.walk.last:
            self.go(self.walk.at + 1)
        elif len(enabled) == 1 and not enabled[0].kind.is_fault:
            self.take(enabled[0].name)

    def on_back(self) -> None:
        """Go one step back."""
        self.go(self.walk.at - 1)

    # --- jumps ----------------------------------------------------------------------------

    def follow(self, path: Schedule | str) -> None:
        """Follow a path from the beginning, as far as it is possible; a note says where it stops.

        Raises
        ------
        SimulationError
            The path is no schedule.
        """
        steps = Schedule.parse(path).steps if isinstance(path, str) else path.steps
        error = self.walk.follow(steps)
        self._refresh(
            None
            if error is None
            else f"step {error.position}, {absent(self.walk, error, self.names)}"
        )
        self._tell()

    def on_paste(self, text: Any) -> None:
        """Follow the path that was pasted; a call of `replay` around it is removed."""
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise SimulationError(where="path", reason=f"is {shorten(text)}; text is needed")
        try:
            self.follow(_bare(text))
        except SimulationError as error:
            told = f"{error}. The letters: {LETTERS}."
            self._refresh(told)
            self.say(told)

    def on_shortest(self) -> None:
        """Jump to the shortest schedule with an ending that the criterion does not allow."""
        self._jump(lambda found: found.counterexample)

    def on_ending(self, index: Any) -> None:
        """Jump to the shortest schedule with the ending of a bar."""
        ending = picked(self.search.state, index)
        self._jump(lambda found: found.way_to(ending))

    def on_property(self, index: Any) -> None:
        """Jump to the shortest counterexample of a property, or to its witness."""
        result = picked_property(self.search.state, index)
        self._jump(lambda found: result.schedule)

    def _jump(self, work: Callable[[Exploration], Schedule | None]) -> None:
        if self.search.jump(work, self._jumped):
            self._refresh("The shortest schedule is being worked out.")

    def _jumped(self, schedule: Schedule | None) -> None:
        if schedule is not None and not self.closed:
            self.follow(schedule)

    def under(self, queue: str) -> None:
        """Play the same steps under another queue discipline, as far as they are possible.

        Raises
        ------
        SimulationError
            There is no such discipline, or the scenario makes no sense under it.
        """
        scenario = self.scenario.replace(queue=queue)
        wanted = len(self.walk.shown)
        self.walk, error = self.walk.under(scenario)
        self.search.abandon()
        self._enter()
        if error is not None:
            self._refresh(f"Under {queue} the path ends here: {self._absent(error)}")
        elif wanted:
            self._refresh(f"Under {queue} the same steps are possible.")
        self._tell()
        if self._widget is not None and not self.closed:
            self.search.start(scenario)

    def on_queue(self, name: Any) -> None:
        """Change the discipline; if that makes no sense, say why."""
        try:
            self.under(name)
        except SettlesimError as error:
            self._refresh(str(error))
            self.say(str(error))

    def on_stop(self) -> None:
        """End the search for the endings."""
        self.search.stop()

    def on_explore(self) -> None:
        """Search for the endings again."""
        self.search.start(self.scenario)

    def stop(self) -> None:
        """End the search for the endings, and drop its result."""
        self.search.abandon()


def _bare(text: str) -> str:
    """Return the text between quotes, if there are any, because a whole call may be pasted."""
    for quote in ('"', "'"):
        if text.count(quote) >= 2:
            return text.split(quote)[1]
    return text
