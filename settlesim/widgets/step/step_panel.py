"""`StepPanel`: one event, microstep by microstep, forward and back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from settlesim.chart import Chart
from settlesim.chart.strict_json import decode
from settlesim.errors import InvalidValueError, SettlesimError, shorten
from settlesim.runtime.interpreter import SERVICE_TIMEOUT
from settlesim.settling import Settlement
from settlesim.settling.settling import Settling
from settlesim.view.chart.diagram import draw
from settlesim.widgets.base.live_svg import fitting_picture
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.chart.frames import frames_of
from settlesim.widgets.chart.page_state import pairs, texts_of
from settlesim.widgets.chart.trace import again, chart_of_event, trace

__all__ = ["StepPanel"]


class StepPanel(Panel):
    """One event, microstep by microstep: what was enabled, what each guard answered, what ran.

    Parameters
    ----------
    value
        A `Settling`, finished or not, or a `Settlement`. You answer for the services of one
        that is not finished.
    chart
        The chart, if a settlement was read without it.
    answers : your initial answer for each service, by service name

    Raises
    ------
    TypeError
        The value is neither.
    InvalidValueError
        The settlement does not know its chart.
    MissingExtraError
        The ``lab`` extra is not installed.

    Examples
    --------
    >>> from settlesim import Settling
    >>> from settlesim.gallery import count
    >>> panel = StepPanel(Settling(count, None, "COUNT"))
    >>> panel
    <StepPanel COUNT of count, 0 of 2: before COUNT>
    >>> panel.step()
    >>> panel
    <StepPanel COUNT of count, 1 of 2: COUNT>
    """

    kind = "step-panel"
    scripts = ("chart.js", "context.js", "json_text.js", "service_cards.js", "step_panel.js")
    styles = ("chart.css", "chart_panel.css", "step_panel.css")
    part_names = ("picture", "frames", "at", "now", "answers")

    def __init__(
        self,
        value: Settling | Settlement,
        *,
        chart: Chart | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(value, (Settling, Settlement)):
            raise TypeError(
                f"StepPanel({shorten(value, 40)}): a Settling or a Settlement is needed"
            )
        found = chart or chart_of_event(value)
        if found is None:
            raise InvalidValueError(where="settlement", reason="was read without its chart")
        super().__init__()
        self.chart = found
        self.value = value
        self._again: Settling | None = None  # after an error: the event before the last answer
        self._at = 0
        self._frames: list[dict[str, Any]] = []
        self.show(answers=pairs(texts_of(answers, "answer of")))
        self._tell()
        self.show(picture={"name": found.name, "edges": {}, "why": "", **_picture(found)})
        self.on_go(len(self._frames) - 1 if self.parts["now"]["running"] else 0)

    # --- what a program can do ------------------------------------------------------------

    @property
    def frames(self) -> tuple[dict[str, Any], ...]:
        """What is shown: the beginning, every microstep, the end; plain JSON."""
        return tuple(self._frames)

    @observable
    def at(self) -> int:
        """Return the step that is shown, from 0; set it to show another one."""
        return self._at

    @at.setter
    def _go(self, number: int) -> None:
        self.on_go(number)

    @observable
    def configuration(self) -> tuple[str, ...]:
        """Return the active leaves after the step that is shown."""
        active = self._frames[self._at]["active"]
        return tuple(name for name in active if self.chart.node(name).is_leaf)

    @observable
    def settlement(self) -> Settlement | None:
        """Return the settlement; None while a service waits for an answer, and after an error."""
        return self.value if isinstance(self.value, Settlement) else self.value.settlement

    def step(self, by: int = 1) -> None:
        """Go forward, or back if `by` is negative, at most to the last or the first step."""
        self.on_go(self._at + by)

    # --- messages -------------------------------------------------------------------------

    def on_go(self, to: int) -> None:
        """Show one frame."""
        self._at = max(0, min(len(self._frames) - 1, int(to)))
        self.show(at=self._at)

    def on_done(self, id: str, value: str = "") -> None:  # noqa: A002
        """Answer for a service: it came back, with a value as JSON text."""
        result = decode(value, source="the value") if value.strip() else None
        self._answer(lambda settling: settling.done(id, result))

    def on_error(self, id: str, message: str = "") -> None:  # noqa: A002
        """Answer for a service: it failed."""
        self._answer(lambda settling: settling.failed(id, message or "failed"))

    def on_out(self, id: str) -> None:  # noqa: A002
        """Let a service run out of time, or a delay pass."""

        def act(settling: Settling) -> None:
            if any(each.id == id for each in settling.delays):
                settling.elapsed(id)
                return
            pending = next((each for each in settling.pending if each.id == id), None)
            limit = SERVICE_TIMEOUT if pending is None else pending.timeout or SERVICE_TIMEOUT
            reason = f"did not end within {limit:g} seconds"
            settling.failed(id, reason, seconds=limit, timeout=True)

        self._answer(act)

    def _answer(self, act: Callable[[Settling], None]) -> None:
        waits = self._waits()
        if waits is None:
            raise InvalidValueError(where="answer", reason="comes when nothing waits for one")
        self.show(error=None)
        if self._again is not None:
            self.value, self._again = waits, None
            self._tell()
        seen = len(self._frames) - 1  # the frame in which it waited
        microsteps, calls = waits.microsteps, waits.calls
        try:
            act(waits)
        except Exception:
            if not (waits.pending or waits.delays):  # it has ended, and takes no other answer
                with contextlib.suppress(SettlesimError):
                    self._again = again(waits, microsteps, calls)
            raise
        finally:
            self._tell()
            self.on_go(min(seen, len(self._frames) - 1))

    def _waits(self) -> Settling | None:
        """Return the event if it waits for an answer; after an error, its state before that."""
        found = self.value if self._again is None else self._again
        return found if isinstance(found, Settling) and found.settlement is None else None

    # --- parts ----------------------------------------------------------------------------

    def _tell(self) -> None:
        self._frames = frames_of(self.chart, self.value, trace(self.value, self.chart))
        if self._again is not None:
            self._frames[-1]["note"] += " Another answer can be given."
        settling = self._waits()
        running: list[dict[str, Any]] = []
        if settling is not None:
            running = [
                {"id": each.id, "name": each.service, "service": True,
                 "limit": each.timeout or SERVICE_TIMEOUT, "node": each.id.rpartition(".")[0]}
                for each in settling.pending
            ] + [
                {"id": each.id, "name": f"delay of {each.seconds:g} s", "service": False,
                 "limit": each.seconds, "node": each.id.rpartition(".")[0]}
                for each in settling.delays
            ]  # fmt: skip
        now = {
            "flight": 0,
            "status": "manual" if running else "rest",
            "rate": 0,
            "time": None,
            "running": [{**each, "elapsed": 0.0, "input": None} for each in running],
        }
        self.show(frames=self._frames, now=now)

    # --- the static twin ------------------------------------------------------------------

    def twin(self) -> str:
        """Return all steps as a table, and the chart with the path that was taken."""
        leaves = [name for name in self._frames[-1]["active"] if self.chart.node(name).is_leaf]
        taken = [edge for step in self.value.microsteps for edge in step.edges]
        svg = draw(self.chart, configuration=leaves, path=taken).svg
        rows = "".join(map(_row, self._frames))
        head = "".join(f"<th {_CELL}>{each}</th>" for each in ("", "what", "then in", "told"))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return table + svg

    def __repr__(self) -> str:
        frame = self._frames[self._at]
        where = f"{self._at} of {len(self._frames) - 1}: {frame['title']}"
        return f"<StepPanel {self.value.event.name} of {self.chart.name}, {where}>"


_CELL = 'style="text-align:left;vertical-align:top;padding:2px 12px 2px 0"'


def _row(frame: dict[str, Any]) -> str:
    told = [f"{each['text']}: {each['verdict']}{_guards(each)}" for each in frame["candidates"]]
    told += [f"{each['name']} {each['place']}: {each['result']}" for each in frame["ran"]]
    told += [f"starts {each}" for each in frame["starts"]]
    if frame["note"]:
        told.append(frame["note"])
    cells = (str(frame["number"]), frame["title"], frame["where"])
    row = "".join(f"<td {_CELL}>{escape(each)}</td>" for each in cells)
    return f"<tr>{row}<td {_CELL}>{'<br>'.join(map(escape, told))}</td></tr>"


def _guards(candidate: dict[str, Any]) -> str:
    said = [
        f"{'' if each['wanted'] else 'not '}{each['name']} is {each['answer']}"
        for each in candidate["guards"]
    ]
    return f" ({', '.join(said)})" if said else ""


def _picture(chart: Chart) -> dict[str, Any]:
    return fitting_picture(chart).to_dict()
