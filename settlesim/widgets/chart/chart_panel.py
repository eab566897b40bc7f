"""`ChartPanel`: one instance of a chart, live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from settlesim.chart import Chart, Event, TransitionKind
from settlesim.chart.event import EventName, event_name
from settlesim.chart.snapshot import Snapshot, check_key
from settlesim.chart.strict_json import JSONValue, decode
from settlesim.display import DiagramOptions, Direction
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Clock, Store
from settlesim.runtime import SimulatedClock
from settlesim.settling import Settlement
from settlesim.store import MemoryStore
from settlesim.view.chart.diagram import draw
from settlesim.view.chart.drawing import CELL
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.paced_clock import PacedClock
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.chart.instance import PastEvent, Stage, stage_of
from settlesim.widgets.chart.page_state import accepted, entry_of, in_words, pairs, texts_of
from settlesim.widgets.chart.parts import context_part, now_part, picture_part, record_part
from settlesim.widgets.chart.records import fork, free_key, keys_of
from settlesim.widgets.chart.running_event import ClockedFlight

__all__ = ["SPEEDS", "ChartPanel"]

SPEEDS: Final = (0.25, 1.0, 3.0, 10.0)
"""The speeds that a panel offers: how many seconds of the services pass in one real second."""
AT_ONCE: Final = "at once"


class ChartPanel(Panel):
    """One instance of a chart, live: fire its events, answer for its services, look back.

    Click an event's button or its arrow. The run to the next settled state is shown on the
    chart while it happens. A click on a settlement shows the chart and the context at that time,
    and a new instance can be forked from there.

    Parameters
    ----------
    chart
        With its guards and assigns bound. You answer for services that are not bound.
    store
        Where the instance is kept; in memory by default.
    key : names the instance; by default the chart's name and ``-1``
    data : the initial data in the form of each event, by event name
    answers : your initial answer for each service, by service name
    speed
        How many seconds of the services pass in one real second; ``"at once"`` for runs that
        take no time.
    manual : whether services wait for your answers
    clock
        The clock on which services take time; then `speed` is not used. A service that does
        real work takes its real time at any speed; its time-outs follow the speed.
    direction
        The layout of the chart, ``"LR"`` or ``"TB"``; None for left to right if that fits
        `width`, otherwise top to bottom if that fits.
    width : the width of the cell in pixels, > 0

    Raises
    ------
    MissingExtraError
        The ``lab`` extra is not installed.
    UnboundFunctionError
        A guard or an assign is not bound.
    ChartMismatchError, StoreError
        The store's instance is of another chart, or cannot be read.

    Examples
    --------
    >>> from settlesim.gallery import count
    >>> panel = count.panel()
    >>> panel.fire("COUNT")
    >>> panel
    <ChartPanel count: 'count-1' in even at revision 1, takes COUNT>
    """

    kind = "chart-panel"
    scripts = (
        "chart.js",
        "context.js",
        "json_text.js",
        "data_form.js",
        "service_cards.js",
        "chart_panel.js",
    )
    styles = ("chart.css", "chart_panel.css")
    part_names = ("picture", "options", "now", "context", "entries", "record")

    def __init__(
        self,
        chart: Chart,
        store: Store | None = None,
        *,
        key: str | None = None,
        data: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        speed: float | str = 1.0,
        manual: bool = False,
        clock: Clock | None = None,
        direction: Direction | None = None,
        width: float = CELL,
    ) -> None:
        if not isinstance(chart, Chart):
            raise TypeError(f"ChartPanel({shorten(chart, 40)}): a Chart is needed")
        chart.require("guard", "assign")
        super().__init__()
        self.chart = chart
        self.store: Store = MemoryStore() if store is None else store
        self.clock = clock
        self._unbound = [
            name
            for name, role in chart.roles.items()
            if role == "service" and name not in chart.functions
        ]
        self._manual = manual or bool(self._unbound)
        self._speed = _checked_speed(speed)
        self._data = texts_of(data, "data of")
        self._answers = texts_of(answers, "answer of")
        self._events = list(
            dict.fromkeys(
                edge.trigger for edge in chart.edges if edge.kind is TransitionKind.EXTERNAL
            )
        )
        self._past: int | None = None
        self._visited: dict[str, Stage] = {}  # keeps them, and so their history, alive
        self._stage: Stage = self._enter(f"{chart.name}-1" if key is None else key)
        self._fit: DiagramOptions = {"direction": direction, "width": width}
        self.show(picture=picture_part(chart, direction, width))
        self.stage_changed()

    # --- what a program can do ------------------------------------------------------------

    @property
    def key(self) -> str:
        """The key of the instance that is shown."""
        return self._stage.key

    @property
    def settlements(self) -> tuple[Settlement, ...]:
        """The settlements that the panel has seen, oldest first."""
        return tuple(each.settlement for each in self._stage.entries if each.settlement)

    @observable
    def snapshot(self) -> Snapshot:
        """Return the last settled snapshot of the instance."""
        return self._stage.snapshot

    @observable
    def configuration(self) -> tuple[str, ...]:
        """Return the active leaves: of the event on its way, or of the last snapshot."""
        flight = self._stage.flight
        here = self._stage.snapshot if flight is None else flight.settling
        return here.configuration

    @observable
    def context(self) -> Mapping[str, JSONValue]:
        """Return the context of the last settled snapshot."""
        return self._stage.snapshot.context

    @observable
    def value(self) -> Snapshot:
        """Return the snapshot, under the name that `ipywidgets.interactive_output` expects."""
        return self._stage.snapshot

    def fire(self, event: EventName, data: JSONValue = None) -> None:
        """Send an event, accepted or not, as its button does; it may still be on its way after.

        Raises
        ------
        InvalidEventError
            The name is reserved, or the data is no strict JSON.
        InvalidValueError
            Another event is on its way.
        """
        self._past = None
        self._stage.send(Event(event_name(event), data), self._new_clock())

    def start(self) -> None:
        """Start the instance without an event, as the button does; one that exists ignores it.

        Raises
        ------
        InvalidValueError
            An event is on its way.
        """
        self._past = None
        self._stage.send(None, self._new_clock())

    async def settled(self) -> Settlement | None:
        """Wait until no event is on its way; return the last settlement, None without one."""
        await self._stage.settled()
        return self._stage.entries[-1].settlement

    def done(self, service: str, value: JSONValue = None) -> None:
        """Answer for a service that it came back; `service` is a name or an invocation's id."""
        self._stage.answer(lambda flight: flight.done(self._id_of(service), value))

    def failed(self, service: str, message: str = "failed") -> None:
        """Answer for a service that it failed."""
        self._stage.answer(lambda flight: flight.failed(self._id_of(service), message))

    def wait(self, seconds: float | None = None) -> None:
        """Let simulated time pass: `seconds`, or until something is due."""
        self._stage.answer(lambda flight: flight.wait(seconds))

    def _id_of(self, service: str) -> str:
        flight = self._stage.flight
        pending = flight.settling.pending if flight is not None else ()
        for each in pending:
            if service in {each.id, each.service}:
                return each.id
        return service

    # --- messages -------------------------------------------------------------------------

    def on_send(self, event: str, data: str = "", forced: bool = False) -> None:
        """Send an event from the page; the data is JSON text."""
        value = decode(data, source=f"data of {event}") if data.strip() else None
        self.show(error=None)
        if not forced and event not in accepted(self.chart, self._stage.snapshot.configuration):
            raise InvalidValueError(
                where=f"event {event!r}",
                reason="is not accepted now; send it deliberately, with the box ticked",
            )
        if data.strip():
            self._data[event] = data.strip()
        self.fire(event, value)

    def on_start(self) -> None:
        """Start the instance from the page."""
        self.show(error=None)
        self.start()

    def on_done(self, id: str, value: str = "") -> None:  # noqa: A002
        """Answer for a service: it came back, with a value as JSON text."""
        result = decode(value, source="the value") if value.strip() else None
        self.show(error=None)
        self.done(id, result)

    def on_error(self, id: str, message: str = "") -> None:  # noqa: A002
        """Answer for a service: it failed."""
        self.show(error=None)
        self.failed(id, message or "failed")

    def on_wait(self, seconds: float | None = None) -> None:
        """Let time pass."""
        self.show(error=None)
        self.wait(seconds)

    def on_out(self, id: str) -> None:  # noqa: A002
        """Let a service run out of time, or a delay pass."""
        flight = self._stage.flight
        for each in flight.activities() if flight is not None else ():
            if each.id == id:
                self.on_wait(each.limit - each.elapsed)
                return
        raise InvalidValueError(where=f"{id!r}", reason="does not run (any more)")

    def on_hello(self) -> None:
        """Send the current times again, because the page was reloaded."""
        self.stage_changed()

    def on_stop(self) -> None:
        """Give up the event that is on its way."""
        self._stage.stop()

    def on_speed(self, speed: float | str) -> None:
        """Change the speed, also of an event that is on its way."""
        self._speed = _checked_speed(speed)
        flight = self._stage.flight
        if isinstance(flight, ClockedFlight) and isinstance(flight.clock, PacedClock):
            flight.clock.pace(self._speed or 100.0)
        self._stage.changed()

    def on_manual(self, manual: bool) -> None:
        """Choose whether services wait for answers, from the next event on."""
        self._manual = bool(manual) or bool(self._unbound)
        self.stage_changed()

    def on_look(self, number: int | None = None) -> None:
        """Travel in time: show the chart and the context after a settlement; None for now."""
        known = {entry.number for entry in self._stage.entries}
        last = self._stage.entries[-1].number
        self._past = number if number in known and number != last else None
        self.stage_changed()

    def on_fork(self) -> None:
        """Show a new instance, forked from what is shown."""
        entry = self._shown()
        made = fork(self.store, self.key, entry.snapshot)
        origin = f"forked from {self.key} at revision {entry.snapshot.revision}"
        self._stage = self._enter(made)
        self._stage.forked(origin)
        self._stage.changed()

    def on_new(self) -> None:
        """Show a new instance of the chart."""
        self.on_instance(free_key(self.store, self.chart.name))

    def on_instance(self, key: str) -> None:
        """Show another instance; one that is not in the store is a new one."""
        self.show(error=None)
        self._stage = self._enter(key)
        self.stage_changed()

    # --- the stage ------------------------------------------------------------------------

    def _enter(self, key: str) -> Stage:
        check_key(key)
        stage = stage_of(self.chart, self.store, key)
        if getattr(self, "_stage", None) is not None:
            self._stage.watchers.discard(self)
        stage.watchers.add(self)
        self._visited[key] = stage
        self._past = None
        return stage

    def _new_clock(self) -> Clock | None:
        if self._manual:
            return None
        if self.clock is not None:
            return self.clock
        return PacedClock(self._speed) if self._speed else SimulatedClock()

    def _shown(self) -> PastEvent:
        """Return the entry that is shown: the last one, or the one chosen by `on_look`."""
        entries = self._stage.entries
        return next((each for each in entries if each.number == self._past), entries[-1])

    def stage_failed(self, error: BaseException, doing: str) -> None:
        """Show an error of the event that was on its way."""
        self.fail(error, doing)

    def stage_changed(self) -> None:
        """Show the stage as it is now."""
        entry = self._shown()
        past = self._past is not None
        with self.together():
            self.show(
                now=now_part(self._stage, entry, past=past),
                context=context_part(self._stage, entry, past=past),
                options=self._options(),
                entries=[entry_of(self.chart, each) for each in self._stage.entries],
                record=record_part(self._stage, entry),
            )
            self.say(self.parts["now"]["headline"])

    def cell_ended(self) -> None:
        """Load the instance again, because the cell may have saved it."""
        if not self.closed and self._widget is not None:
            self.home.run(self._look)

    def _look(self) -> None:
        try:
            if self._stage.look():
                self._stage.changed()
        except Exception as error:
            if not self.errors or str(self.errors[-1]) != str(error):  # once, not for every cell
                self.fail(error)

    def stop(self) -> None:
        """End the event that is on its way, unless another panel shows it."""
        self._stage.watchers.discard(self)
        if not self._stage.watchers:
            self._stage.stop()

    def _options(self) -> dict[str, Any]:
        keys = keys_of(self.store, self.chart)
        speeds = sorted({*SPEEDS, self._speed} - {0.0})
        return {
            "events": self._events,
            "data": pairs(self._data),
            "answers": pairs(self._answers),
            "key": self.key,
            "keys": keys if self.key in keys else [*keys, self.key],
            "speeds": [] if self.clock is not None else [*speeds, AT_ONCE],
            "speed": self._speed or AT_ONCE,
            "manual": self._manual,
            "unbound": self._unbound,
        }

    # --- the static twin ------------------------------------------------------------------

    def twin(self) -> str:
        """Return the chart as it is now, with the path of the last event."""
        entry = self._shown()
        flight = self._stage.flight
        if flight is not None and self._past is None:
            settling = flight.settling
            path = [edge for step in settling.microsteps for edge in step.edges]
            picture = draw(self.chart, configuration=settling.configuration, path=path, **self._fit)
        else:
            taken = entry.settlement.edges if entry.settlement else ()
            picture = draw(self.chart, configuration=entry.snapshot, path=taken, **self._fit)
        return picture.svg

    def __repr__(self) -> str:
        name = f"ChartPanel {self.chart.name}: {self.key!r}"
        flight = self._stage.flight
        if self.closed:
            return f"<{name}, closed>"
        if flight is not None:
            waits = ", ".join(each.service for each in flight.settling.pending) or "time"
            event = flight.settling.event.name
            where = in_words(flight.settling.configuration)
            return f"<{name} handles {event} in {where}, waits for {waits}>"
        snapshot = self._stage.snapshot
        takes = ", ".join(accepted(self.chart, snapshot.configuration)) or "no event"
        where = f"{in_words(snapshot.configuration)} at revision {snapshot.revision}"
        return f"<{name} in {where}, takes {takes}>"


def _checked_speed(speed: object) -> float:
    """Return the speed; 0 stands for runs that take no time."""
    if speed == AT_ONCE:
        return 0.0
    if isinstance(speed, (int, float)) and 0.01 <= speed <= 1000:
        return float(speed)
    raise InvalidValueError(
        where="speed", reason=f"is {shorten(speed, 40)}; a number from 0.01 on or {AT_ONCE!r}"
    )
