"""`RacePanel`: a scenario to play with. The person is the scheduler."""

from __future__ import annotations

import random
from typing import Any, Final

from settlesim.errors import (
    RenderError,
    ReplayDivergedError,
    SettlesimError,
    SimulationError,
    shorten,
)
from settlesim.sim import DISCIPLINES, Ending, Exploration, Scenario, Schedule
from settlesim.sim.wording import names_of
from settlesim.view.lanes import lanes
from settlesim.view.sim_words import events_words, scenario_words
from settlesim.widgets.live_svg import live_picture
from settlesim.widgets.panel import Panel
from settlesim.widgets.race_bars import bars_of, in_order, search_part, themed, verdict_part
from settlesim.widgets.race_parts import charts_of, rows_of, store_of, workers_of
from settlesim.widgets.race_search import LIMIT, Search, State
from settlesim.widgets.race_way import Way
from settlesim.widgets.race_words import blocked, budgets, judged

__all__ = ["RacePanel"]

_LARGEST: Final = 60
"""Nodes of a chart that is still drawn once for every worker."""
_LONGEST: Final = 20_000  # letters of a path


class RacePanel(Panel):
    """A scenario to play with: you are the scheduler.

    What may happen next stands on buttons, faults among it while the budget lasts; pressing
    one lets it happen. What can not happen says why. The bars show where everything can end:
    press one, and the panel shows the shortest way there.

    Parameters
    ----------
    source
        A scenario, or what `explore` has found of one. The endings of a scenario are worked
        out beside, as soon as the panel is shown.
    path : steps to begin with, as `replay` takes them
    at : how many of them are shown; None for all
    limit : how many states are looked at to find the endings
    seed : of the steps that chance takes

    Raises
    ------
    MissingExtraError
        The ``lab`` extra is not installed.
    ReplayDivergedError
        The path names a step that is not enabled there.
    SimulationError
        The path is no schedule, or the chart can not go on from the scenario's start.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> panel = RacePanel(Scenario(order, ["PAY", "CANCEL"], queue="direct"))
    >>> panel.take("l1")
    >>> panel
    <RacePanel PAY, CANCEL: no queue, 2 workers: step 1 of l1, it goes on>
    """

    scripts = ("race_bars.js", "race.js")
    styles = ("race.css",)
    part_names = (
        "about", "place", "rows", "budgets", "store", "workers", "verdict", "path", "lanes",
        "chart", "charts", "bars", "search", "note",
    )  # fmt: skip

    def __init__(
        self,
        source: Scenario | Exploration,
        *,
        path: Schedule | str = "",
        at: int | None = None,
        limit: int = LIMIT,
        seed: int = 1,
    ) -> None:
        if not isinstance(source, (Scenario, Exploration)):
            raise TypeError(
                f"RacePanel({shorten(source, 40)}): a Scenario or an Exploration is needed"
            )
        super().__init__()
        given = source if isinstance(source, Exploration) else None
        self.way = Way(source if isinstance(source, Scenario) else source.scenario)
        self.search = Search(self.home, self._search_changed, limit)
        self._dice = random.Random(seed)
        steps = Schedule.parse(path).steps if isinstance(path, str) else path.steps
        diverged = self.way.follow(steps)
        if diverged is not None:
            raise diverged
        self.way.go(self.way.last if at is None else at)
        if given is not None:
            self.search.state = State("done", given.states, given, given.counterexample)
        self._enter()

    # --- looking --------------------------------------------------------------------------

    @property
    def scenario(self) -> Scenario:
        """What is played; another one after a change of the discipline."""
        return self.way.scenario

    @property
    def path(self) -> str:
        """The steps up to here, as `replay` takes them."""
        return str(self.way.shown)

    @property
    def enabled(self) -> tuple[str, ...]:
        """The names of the steps that may come next."""
        return tuple(step.name for step in self.way.frame.enabled)

    @property
    def ending(self) -> Ending | None:
        """How it ends here; None where something has to come yet."""
        return self.way.ending

    @property
    def verdict(self) -> str:
        """What the present end is worth: ``as FIFO``, ``serializable``, ``forbidden: ...``."""
        return judged(self.way)["word"]

    # --- showing --------------------------------------------------------------------------

    def _enter(self) -> None:
        """Show another scenario."""
        scenario = self.scenario
        self.names = names_of(scenario)
        disciplines = []
        for name, discipline in DISCIPLINES.items():
            problem = _problem(scenario, name)
            disciplines.append({"name": name, "meaning": discipline.meaning, "problem": problem})
        with self.together():
            self.show(
                about={
                    "events": events_words(scenario),
                    "conditions": scenario_words(scenario),
                    "queue": scenario.queue,
                    "disciplines": disciplines,
                    "chart": scenario.chart.name,
                },
                chart=self._picture(),
            )
            self._searched()
            self._refresh()

    def _picture(self) -> dict[str, Any] | None:
        if len(self.scenario.chart.states) > _LARGEST:
            return None
        try:
            found = [live_picture(self.scenario.chart, way) for way in ("TB", "LR")]
        except RenderError:
            return None  # the words say it too
        narrow = min(found, key=lambda each: each.width)  # several stand side by side
        return {"svg": narrow.svg, "nodes": narrow.nodes}

    def _refresh(self, note: str | None = None) -> None:
        """Show where the way is now."""
        way, names = self.way, self.names
        with self.together():
            self.show(
                place={
                    "at": way.at,
                    "last": way.last,
                    "text": way.frame.text,
                    "step": "" if way.frame.step is None else way.frame.step.name,
                    "anomalies": list(way.frame.anomalies),
                    "ended": way.ending is not None,
                },
                rows=rows_of(way, names),
                budgets=budgets(way),
                store=store_of(way),
                workers=workers_of(way, names),
                verdict=self._verdict(),
                path={"shown": str(way.shown), "whole": str(way.replay.schedule)},
                charts=charts_of(way, names),
                lanes=themed(lanes(way.replay, at=way.at, title="")),
                note=note,
            )

    def _search_changed(self) -> None:
        """Show how far the search is; nobody else would see what goes wrong with that."""
        try:
            with self.together():
                self._searched()
                self.show(verdict=self._verdict())
        except Exception as error:
            self.fail(error)

    def _verdict(self) -> dict[str, Any]:
        """Return what the present end is worth, and which bar it is."""
        found, here = self.search.state.exploration, self.ending
        bar = None
        if found is not None and here is not None:
            wanted = (here.store, here.effects, here.dead)
            bars = [(each.store, each.effects, each.dead) for each in in_order(found)]
            bar = bars.index(wanted) if wanted in bars else None
        return {**judged(self.way), "bar": bar}

    def _searched(self) -> None:
        """Show what the search has found."""
        state, found = self.search.state, self.search.state.exploration
        self.show(
            search=search_part(state, self.search.limit),
            bars=None
            if found is None
            else {
                **bars_of(found),
                "verdict": verdict_part(found),
                "shortest": None if state.counterexample is None else str(state.counterexample),
            },
        )

    @property
    def widget(self) -> Any:
        """The anywidget that shows this panel; the endings are looked for once it is shown."""
        found = super().widget
        if self.search.state.status == "none" and not self.closed:
            self.search.start(self.scenario)
        return found

    def twin(self) -> str:
        """Return the lanes of the way so far as SVG."""
        return lanes(self.way.replay, at=self.way.at).svg

    def __repr__(self) -> str:
        scenario = self.scenario
        steps = f"step {self.way.at} of {self.way.replay.schedule}" if self.way.last else "step 0"
        return (
            f"<RacePanel {events_words(scenario)}: {scenario_words(scenario)}: "
            f"{steps}, {self.verdict}>"
        )

    # --- the scheduler --------------------------------------------------------------------

    def take(self, step: str) -> None:
        """Let a step happen.

        Parameters
        ----------
        step : its name, such as ``r1``

        Raises
        ------
        ReplayDivergedError
            It is not enabled.
        SimulationError
            It is no step.
        """
        [wanted] = Schedule.parse(step).steps
        self.way.take(wanted)
        self._refresh()
        self._tell()

    def _tell(self) -> None:
        """Have a screen reader say what the step did, and what it came to."""
        frame = self.way.frame
        parts = [frame.text, *frame.anomalies]
        if self.ending is not None:
            parts.append(self.verdict)
        self.say(". ".join(parts))

    def on_take(self, step: str) -> None:
        """Let a step happen; where it is not there, say why."""
        try:
            self.take(step)
        except ReplayDivergedError as error:
            self._refresh(self._why(error))
            self.say(self._why(error))

    def _why(self, error: ReplayDivergedError) -> str:
        """Say which step is not there, and why."""
        [step] = Schedule.parse(error.step).steps
        text = f"{error.step} is not there"
        if step.message <= len(self.names):
            why = blocked(self.scenario, self.way.frame, step.message, self.names)
            if why:
                return f"{text}: {why}"
        possible = ", ".join(error.enabled)
        return f"{text}; possible: {possible}" if possible else f"{text}: nothing more can happen"

    def on_chance(self) -> None:
        """Let chance take a step; each that is enabled is equally likely."""
        enabled = self.way.frame.enabled
        if enabled:
            self.take(enabled[self._dice.randrange(len(enabled))].name)

    # --- forth and back -------------------------------------------------------------------

    def go(self, position: int) -> None:
        """Show so many steps of the path; what is too little or too much is its begin or end."""
        self.way.go(position)
        self._refresh()
        self._tell()

    def on_go(self, position: Any) -> None:
        """Show so many steps."""
        if type(position) is not int:
            raise SimulationError(where="position", reason=f"is {shorten(position)}")
        self.go(position)

    def on_step(self) -> None:
        """Go one step on: along the path, or, where only one thing can happen, let it happen."""
        enabled = self.way.frame.enabled
        if self.way.at < self.way.last:
            self.go(self.way.at + 1)
        elif len(enabled) == 1:
            self.take(enabled[0].name)

    def on_back(self) -> None:
        """Go one step back."""
        self.go(self.way.at - 1)

    # --- jumps ----------------------------------------------------------------------------

    def follow(self, path: Schedule | str) -> None:
        """Walk a path from the beginning, as far as it is possible; a note says where it ends.

        Raises
        ------
        SimulationError
            It is no schedule.
        """
        steps = Schedule.parse(path).steps if isinstance(path, str) else path.steps
        error = self.way.follow(steps)
        self._refresh(None if error is None else f"step {error.position}, {self._why(error)}")
        self._tell()

    def on_paste(self, text: Any) -> None:
        """Walk the path that was pasted; a call of `replay` around it is taken off."""
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise SimulationError(where="path", reason=f"is {shorten(text)}; text is needed")
        try:
            self.follow(_bare(text))
        except SimulationError as error:
            self._refresh(str(error))
            self.say(str(error))

    def on_shortest(self) -> None:
        """Jump to the shortest way to an ending that the criterion does not allow."""
        shortest = self.search.state.counterexample
        if shortest is not None:
            self.follow(shortest)

    def on_ending(self, index: Any) -> None:
        """Jump to the shortest way to the ending of a bar."""
        found = self.search.state.exploration
        endings = [] if found is None else in_order(found)
        if found is None or type(index) is not int or not 0 <= index < len(endings):
            raise SimulationError(where="ending", reason=f"{shorten(index)} is none of the bars")
        self.follow(found.way_to(endings[index]))

    def under(self, queue: str) -> None:
        """Play the same steps under another queue discipline, as far as they are possible.

        Raises
        ------
        SimulationError
            There is no such discipline, or the scenario makes no sense under it.
        """
        scenario = self.scenario.replace(queue=queue)
        wanted = len(self.way.shown)
        self.way, error = self.way.under(scenario)
        self.search.abandon()
        self._enter()
        if error is not None:
            self._refresh(
                f"Under {queue} the path ends after {self.way.at} steps: {self._why(error)}"
            )
        elif wanted:
            self._refresh(f"Under {queue} the same steps are possible.")
        self._tell()
        if self._widget is not None and not self.closed:
            self.search.start(scenario)

    def on_queue(self, name: Any) -> None:
        """Change the discipline; where that makes no sense, say so."""
        try:
            self.under(name)
        except SettlesimError as error:
            self._refresh(str(error))
            self.say(str(error))

    def on_stop(self) -> None:
        """End the search for the endings."""
        self.search.stop()

    def on_explore(self) -> None:
        """Look for the endings again."""
        self.search.start(self.scenario)

    def stop(self) -> None:
        """End the search for the endings; nothing of it is told any more."""
        self.search.abandon()


def _problem(scenario: Scenario, queue: str) -> str:
    """Say why a scenario makes no sense under a discipline; empty where it does."""
    try:
        scenario.replace(queue=queue)
    except SettlesimError as error:
        return str(error)
    return ""


def _bare(text: str) -> str:
    """Return what stands between quotes, where there are any: a call may be pasted whole."""
    for quote in ('"', "'"):
        if text.count(quote) >= 2:
            return text.split(quote)[1]
    return text
