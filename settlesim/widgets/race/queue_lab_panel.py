"""`queue_lab`: choose how events are handled, and see all possible endings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Unpack

from settlesim.argument_checks import takes_options
from settlesim.chart import Chart
from settlesim.chart.report import Verdict
from settlesim.chart.strict_json import JSONValue, freeze_object, thaw
from settlesim.errors import RenderError, SettlesimError, SimulationError, shorten
from settlesim.sim import PROTECTIONS, Exploration, Faults, Property, Scenario, Schedule
from settlesim.view.endings.bars import outcomes
from settlesim.view.schedule.space_time import lanes
from settlesim.view.svg.page import with_variables
from settlesim.widgets.base.hosting import is_live
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.race.bars import bars_part, picked, search_part
from settlesim.widgets.race.property_list import picked_property, property_list
from settlesim.widgets.race.queue_lab_choices import (
    MOST_EVENTS,
    Choices,
    LabChanges,
    LabChoices,
    QueueLabOptions,
    changed,
    code_of,
    events_of,
    options_of,
    problems_of,
)
from settlesim.widgets.race.race_panel import RacePanel
from settlesim.widgets.race.search import LIMIT, Search
from settlesim.widgets.race.walk import ScheduleWalk

__all__ = ["QueueLab", "queue_lab"]

_PLAIN: Final = frozenset(
    {"keys", "workers", "queue", "max_receives", "criterion", "start"}
    | {"batch", "batch_failures", "while_running"}
)
_PATIENCE: Final = 0.2  # seconds that a cell with a live panel waits for the static twin


class QueueLab(Panel):
    """Choose events, workers, discipline, protections and faults; see where it can end.

    The bars and the verdict follow every choice. A long search can be stopped; then a partial
    result is shown, which proves nothing. Choices that contradict each other say so.

    Parameters
    ----------
    chart
        With its guards and assigns bound; services too, unless `results` names them.
    events : the initial events, in arrival order; None for the chart's first two
    data : the data of the events, by name
    results : what services return, by name; these services are not run
    properties : your own properties, which are checked for every choice
    limit : how many states are explored at most
    workers, queue, protections, faults, keys, start, max_receives, criterion
    batch, batch_failures, while_running
        The initial choices, as `Scenario` takes them.

    Raises
    ------
    MissingExtraError
        The ``lab`` extra is not installed.
    UnboundFunctionError
        A guard or an assign is not bound.
    SimulationError
        There is no such choice.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> lab = queue_lab(order, ["PAY", "CANCEL"])
    >>> lab
    <QueueLab order: PAY, CANCEL; direct: refuted: 4 endings, 10 interleavings, 18 states>
    >>> lab.choose(queue="fifo_group")
    >>> lab
    <QueueLab order: PAY, CANCEL; fifo_group: proved: 1 ending, 1 interleaving, 11 states>
    """

    kind = "queue-lab"
    scripts = ("race_bars.js", "race_properties.js", "queue_lab.js")
    styles = ("race.css", "race_properties.css", "queue_lab.css")
    part_names = (
        "options", "choices", "problems", "search", "bars", "properties", "code", "way",
    )  # fmt: skip

    @takes_options(LabChoices)
    def __init__(
        self,
        chart: Chart,
        events: Sequence[str] | None = None,
        *,
        data: Mapping[str, JSONValue] | None = None,
        results: Mapping[str, JSONValue] | None = None,
        properties: Iterable[Property] = (),
        limit: int = LIMIT,
        **choices: Unpack[LabChoices],
    ) -> None:
        if not isinstance(chart, Chart):
            raise TypeError(f"queue_lab({shorten(chart, 40)}): a Chart is needed")
        chart.require("guard", "assign")
        super().__init__()
        self.chart = chart
        self._current: Scenario | None = None
        self.problems: dict[str, str] = {}
        """Why a choice makes no sense, by its name."""
        self.search = Search(self.home, self._search_changed, self.fail, limit)
        self._data = dict(freeze_object(dict(data or {}), where="data"))
        self._results = results
        self._properties = tuple(properties)
        self._begun = False
        first = events_of(chart)[:2] if events is None else events
        self.choices = changed(Choices(), events=first, **choices)
        self.show(options=options_of(chart))
        self._chosen()

    # --- choosing -------------------------------------------------------------------------

    @takes_options(LabChanges)
    def choose(self, **choices: Unpack[LabChanges]) -> None:
        """Change some of the choices; a choice that makes no sense is shown as such, not raised.

        Parameters
        ----------
        events : in arrival order
        faults : budgets by name; faults that are not named stay as they are
        workers, queue, protections, keys, start, max_receives, criterion
        batch, batch_failures, while_running
            As `Scenario` takes them.
        """
        self.choices = changed(self.choices, **choices)
        self._chosen()

    def _chosen(self) -> None:
        """Show the choices and, once the lab is shown, explore them."""
        given = (self.chart, self._data, self._results)
        self.problems = problems_of(self.choices, *given)
        self._current = None if self.problems else self._scenario()
        self.search.abandon()
        with self.together():
            self.show(
                choices=thaw_choices(self.choices),
                problems=self.problems,
                code=None if self.scenario is None else code_of(self.scenario, self.choices.start),
                way=None,
            )
            if self.scenario is not None and self._begun:
                self.search.start(self.scenario)
            else:
                self._search_changed()

    def _scenario(self) -> Scenario | None:
        """Return the scenario with the properties; None if these make no sense with the choices."""
        scenario = self.choices.scenario(self.chart, self._data, self._results)
        if not self._properties:
            return scenario
        try:
            return scenario.replace(properties=self._properties)
        except SimulationError as error:
            self.problems = {"all": str(error)}
            return None

    def _begin(self) -> None:
        """Explore what is chosen, unless that has been done."""
        self._begun = True
        if self.scenario is not None and self.search.state.status == "none" and not self.closed:
            self.search.start(self.scenario)

    def _search_changed(self) -> None:
        """Show how far the search is; no message handler would show an error here, so this does."""
        try:
            state = self.search.state
            self.show(
                search=search_part(state, self.search.limit),
                bars=bars_part(state),
                properties=property_list(state),
            )
        except Exception as error:
            self.fail(error)

    # --- looking --------------------------------------------------------------------------

    @observable
    def scenario(self) -> Scenario | None:
        """Return the scenario that is chosen; None where the choices contradict each other."""
        return self._current

    @observable
    def verdict(self) -> Verdict | None:
        """Return the verdict of the last search; None until it has ended."""
        found = self.search.state.exploration
        return None if found is None else found.verdict

    @property
    def exploration(self) -> Exploration | None:
        """The result of the search, after waiting for its end; None if nothing can be explored."""
        self._begin()
        self.search.wait()
        return self.search.state.exploration

    def race(
        self,
        path: Schedule | str = "",
        *,
        at: int | None = None,
        charts: bool = True,
        limit: int = LIMIT,
        seed: int = 1,
    ) -> RacePanel:
        """Return a panel to play with what is chosen.

        Parameters
        ----------
        path : steps to begin with, as `replay` takes them
        at : how many of them are shown; None for all
        charts : whether the chart is shown
        limit : how many states are explored at most to find the endings
        seed : the seed of random steps

        Raises
        ------
        SimulationError
            The choices or the path make no sense.
        """
        found = self.exploration
        if found is None:
            raise SimulationError(
                where="choices", reason=self._senseless() or str(self.search.state.error or "")
            )
        return RacePanel(found, path=path, at=at, charts=charts, limit=limit, seed=seed)

    @property
    def widget(self) -> Any:
        """The anywidget that shows this lab; the search begins once it is shown."""
        found = super().widget
        self._begin()
        return found

    def twin(self) -> str:
        """Return the bars as SVG."""
        found = self._known()
        if found is None:
            raise RenderError("there are no endings to be drawn")
        return outcomes(found).svg

    def _known(self) -> Exploration | None:
        """Return the result of the search; if the panel is live, wait for it only briefly."""
        self._begin()
        self.search.wait(_PATIENCE if is_live() else None)
        return self.search.state.exploration

    def __repr__(self) -> str:
        events = ", ".join(self.choices.events) or "no events"
        head = f"<QueueLab {self.chart.name}: {events}; {self.choices.queue}"
        if self.problems:
            return f"{head}: makes no sense: {self._senseless()}>"
        found, state = self._known(), self.search.state
        if found is not None:
            return f"{head}: {found}>"
        return f"{head}: {state.status if state.error is None else state.error}>"

    def _senseless(self) -> str:
        return "; ".join(
            why if why.startswith(f"{name} ") else f"{name}: {why}"
            for name, why in self.problems.items()
        )

    # --- messages -------------------------------------------------------------------------

    def on_choose(self, name: Any, value: Any) -> None:
        """Change one choice."""
        if name not in _PLAIN:
            raise SimulationError(where="choice", reason=f"{shorten(name)} is none")
        self.choose(**{name: value})

    def on_protect(self, name: Any, on: Any) -> None:
        """Add or remove a protection."""
        if name not in PROTECTIONS:
            raise SimulationError(where="protection", reason=f"{shorten(name)} is none")
        kept = [each for each in self.choices.protections if each != name]
        wanted = [*kept, name] if on else kept
        self.choose(protections=[each for each in PROTECTIONS if each in wanted])

    def on_fault(self, name: Any, value: Any) -> None:
        """Say how often a fault may happen."""
        if name not in Faults._fields:
            raise SimulationError(where="fault", reason=f"{shorten(name)} is none")
        self.choose(faults={name: value})

    def on_add(self, event: Any) -> None:
        """Add an event, which arrives last."""
        if event not in events_of(self.chart):
            raise SimulationError(where="event", reason=f"{shorten(event)} is none of the chart")
        if len(self.choices.events) < MOST_EVENTS:
            self.choose(events=[*self.choices.events, event])

    def on_drop(self, index: Any) -> None:
        """Remove an event."""
        at = self._position(index)
        events = self.choices.events
        self.choose(events=[*events[:at], *events[at + 1 :]])

    def on_earlier(self, index: Any) -> None:
        """Let an event arrive one position earlier."""
        at = self._position(index)
        events = list(self.choices.events)
        if at:
            events[at - 1 : at + 1] = events[at], events[at - 1]
        self.choose(events=events)

    def _position(self, index: Any) -> int:
        if type(index) is not int or not 0 <= index < len(self.choices.events):
            raise SimulationError(
                where="event", reason=f"{shorten(index)} is no position of an event"
            )
        return index

    def on_stop(self) -> None:
        """End the search, and show what is known."""
        self.search.stop()

    def on_explore(self) -> None:
        """Search again."""
        if self.scenario is not None:
            self.search.start(self.scenario)

    def on_shortest(self) -> None:
        """Show the shortest schedule with an ending that is not allowed."""
        self.search.jump(lambda found: found.counterexample, self._show_schedule)

    def on_ending(self, index: Any) -> None:
        """Show the shortest schedule with the ending of a bar."""
        ending = picked(self.search.state, index)
        self.search.jump(lambda found: found.way_to(ending), self._show_schedule)

    def on_property(self, index: Any) -> None:
        """Show the shortest counterexample of a property, or its witness."""
        result = picked_property(self.search.state, index)
        self.search.jump(lambda found: result.schedule, self._show_schedule)

    def _show_schedule(self, schedule: Schedule | None) -> None:
        if schedule is None or self.scenario is None or self.closed:
            return
        walk = ScheduleWalk(self.scenario)
        walk.follow(schedule.steps)
        self.show(
            way={
                "path": str(schedule),
                "svg": with_variables(lanes(walk.replay, title="", theme="light").svg),
            }
        )
        self.say(walk.replay.sentence)

    def stop(self) -> None:
        """End the search, and drop its result."""
        self.search.abandon()


def thaw_choices(choices: Choices) -> dict[str, Any]:
    """Return choices as plain JSON; a value that is not JSON is shown as text."""
    try:
        found: dict[str, Any] = thaw(freeze_object(choices.to_dict(), where="choices"))
    except SettlesimError:
        found = {
            name: value if isinstance(value, (list, dict, int, str, type(None))) else repr(value)
            for name, value in choices.to_dict().items()
        }
    return found


@takes_options(QueueLabOptions)
def queue_lab(
    chart: Chart, events: Sequence[str] | None = None, **options: Unpack[QueueLabOptions]
) -> QueueLab:
    """Return a lab to try a chart with different queues, protections and faults.

    Parameters
    ----------
    chart, events, data, results, properties, limit
        As `QueueLab`.
    workers, queue, protections, faults, keys, start, max_receives, criterion
    batch, batch_failures, while_running
        The initial choices, as `Scenario` takes them.
    """
    return QueueLab(chart, events, **options)
