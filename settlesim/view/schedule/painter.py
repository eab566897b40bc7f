"""Painting of a schedule: queue, workers, services and store, step by step to the right.

Order of painting: lines between rows, then what lies on the rows, then signs and words. So
an arrow to a far row runs behind the rows that it passes.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

from settlesim.sim.terms import Kind, Step
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Box, Point
from settlesim.view.schedule.rows_and_columns import BAR, Grid, Strip
from settlesim.view.schedule.spans import HandlerSpan
from settlesim.view.svg.card import badge
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.shapes import SIGNS, add, circle, group, number, polygon, rectangle, stroke
from settlesim.view.svg.shapes import text as write
from settlesim.view.svg.text_fitting import cut

__all__ = ["paint_strip"]

_SIZE: Final = 11.0
_WORDS: Final = {
    Kind.EFFECT: "effect",
    Kind.DELAY: "delay passed",
    Kind.CRASH: "crash",
    Kind.CONFLICT: "save refused",
    Kind.SKIP: "nothing to save",
    Kind.FAIL: "failed",
    Kind.RELEASE: "released",
    Kind.TIMEOUT: "out of time",
}
_HARMLESS: Final = frozenset({Kind.SKIP, Kind.DELAY, Kind.EFFECT})


class _Painter:
    def __init__(self, parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
        self.strip = strip
        self.grid = grid
        self.palette = palette
        self.back = add(parent, "g", class_="back")
        self.rows = add(parent, "g", class_="rows")
        self.front = add(parent, "g", class_="front")
        self.works = {index: work for work in grid.tracks.works for index, _ in work.steps}

    def colour(self, message: int | None) -> str:
        if message is None:
            return self.palette.line
        return self.palette.series[(message - 1) % len(self.palette.series)]

    def name_of(self, message: int) -> str:
        return f"{message} {self.strip.messages.get(message, ('', ''))[1]}"

    def word(
        self, parent: ET.Element, x: float, y: float, words: str, colour: str, *, room: float,
        anchor: str = "start", bold: bool = False,
    ) -> None:  # fmt: skip
        """Write a few words on a patch of paper, within the picture."""
        shown = cut(words, _SIZE, room, bold=bold)
        width = text_width(shown, _SIZE, bold=bold)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        left = max(min(left, self.grid.right - width), self.grid.gutter - 8)
        patch = Box(left - 2, y - 10, width + 4, 13)
        rectangle(parent, patch, 2, fill=self.palette.paper)
        face = {"font_weight": "bold"} if bold else {}
        write(parent, (left, y), shown, _SIZE, colour, **face)

    # --- rows -----------------------------------------------------------------------------

    def names(self) -> None:
        """Write the names of the rows."""
        grid, quiet = self.grid, self.palette.quiet
        made = add(self.rows, "g", class_="names")
        for rule in grid.rules[:-1]:
            stroke(made, f"M0,{number(rule)}H{number(grid.right)}", self.palette.frame, 1)
        keys = self.strip.messages
        seen: set[str] = set()
        for message, y in grid.messages.items():
            key = keys[message][0]
            if key not in seen:
                what = "queue" if self.strip.queued else "events"
                self.heading(made, y, "" if seen else what, key)
                seen.add(key)
        who = "worker" if self.strip.queued else "handler"
        for lane, y in grid.bars.items():
            write(made, (0, y + BAR / 2 + 4), f"{who} {lane}", _SIZE, quiet)
        if grid.idle is not None:
            write(made, (0, grid.idle[1]), grid.idle[0], _SIZE, quiet)
        for place, y in enumerate(grid.calls.values()):
            if place == 0:
                SIGNS["gear"](made, 5, y + 10, quiet)
                write(made, (15, y + 14), "services", _SIZE, quiet)
        for place, (key, y) in enumerate(grid.values.items()):
            self.heading(made, y + grid.value_height / 2, "store" if place == 0 else "", key)

    def heading(self, parent: ET.Element, y: float, what: str, key: str) -> None:
        quiet = self.palette.quiet
        shown = cut(key, _SIZE, 84)
        if what:
            write(parent, (0, y + 4 - (6 if shown else 0)), what, _SIZE, quiet)
        write(parent, (0, y + 4 + (7 if what else 0)), shown, _SIZE, self.palette.ink)

    def pill(self, parent: ET.Element, right: float, y: float, message: int, room: float) -> None:
        shown = cut(self.name_of(message), _SIZE, room - 14, bold=True)
        width = text_width(shown, _SIZE, bold=True) + 14
        box = Box(right - width, y - 9, width, 18)
        colour = self.colour(message)
        rectangle(parent, box, 9, fill=colour, fill_opacity=0.12, stroke=colour, stroke_width=1.3)
        write(parent, (box.x + 7, y + 4), shown, _SIZE, colour, font_weight="bold")

    def queue(self) -> None:
        """Paint every message, with its statuses over time."""
        grid, palette = self.grid, self.palette
        for message, y in grid.messages.items():
            key, event = self.strip.messages[message]
            title = f"message {message}: {event} for {key}"
            made = group(self.rows, f"{self.strip.prefix}message-{message}", "message", title)
            self.pill(made, grid.gutter - 10, y, message, 96)
            for wait in grid.tracks.waits:
                if wait.message != message:
                    continue
                end = grid.x(wait.end) if wait.over else grid.now
                line = f"M{number(self.edge(wait.begin))},{number(y)}H{number(end)}"
                if wait.status == "visible":
                    stroke(made, line, palette.line, 1, class_="visible", stroke_dasharray="1.5 3")
                elif wait.status == "in flight":
                    stroke(made, line, self.colour(message), 3, class_="in-flight")
            for owner, begin, end in grid.tracks.expired:
                if owner == message:
                    line = f"M{number(grid.x(begin))},{number(y + 7)}H{number(grid.x(end))}"
                    stroke(
                        made, line, palette.rejected, 1.6, class_="expired", stroke_dasharray="5 4"
                    )

    def edge(self, index: int) -> float:
        """Return where something begins: at its step, or left of all steps."""
        return self.grid.x(index) if index else self.grid.gutter - 8

    def work(self, work: HandlerSpan) -> None:
        """Paint one delivery: a bar, darker between its load and its save."""
        grid, colour = self.grid, self.colour(work.message)
        y = grid.bars[work.lane]
        end = grid.x(work.end) + 8 if work.over else grid.now
        box = Box(grid.x(work.begin) - 8, y, end - grid.x(work.begin) + 8, BAR)
        title = f"{self.name_of(work.message)}, delivery {work.delivery}, worker {work.lane}"
        made = self.delivery(self.rows, work, "delivery", title)
        rectangle(made, box, 6, fill=self.palette.paper)
        rectangle(made, box, 6, fill=colour, fill_opacity=0.12)
        self.outline(made, box, None if work.expired is None else grid.x(work.expired), colour)
        for begin, stop in work.windows:
            until = grid.now - 4 if stop is None else grid.x(stop)
            window = Box(grid.x(begin), y + 4, max(until - grid.x(begin), 3), BAR - 8)
            rectangle(made, window, 2, fill=colour, fill_opacity=0.45, class_="window")
        again = " again" if work.delivery > 1 else ""
        room = max(box.width - 10, grid.dx - 6)
        self.word(
            self.front, box.x + 15, y - 5, self.name_of(work.message) + again, colour,
            room=room, bold=True,
        )  # fmt: skip
        if work.zombie is not None:
            self.zombie(work, y)

    def outline(self, parent: ET.Element, box: Box, until: float | None, colour: str) -> None:
        """Paint the outline of a delivery, dashed from `until`, where its receipt expired."""
        if until is None:
            rectangle(parent, box, 6, fill="none", stroke=colour, stroke_width=1.3)
            return
        top, low = number(box.y), number(box.y + box.height)
        for end, turn, dash in (
            (box.x, 6, {}),
            (box.x + box.width, -6, {"stroke_dasharray": "4 3"}),
        ):
            corner, edge = number(end + turn), number(end)
            path = (
                f"M{number(until)},{top}H{corner}Q{edge},{top} {edge},{number(box.y + 6)}"
                f"V{number(box.y + box.height - 6)}Q{edge},{low} {corner},{low}H{number(until)}"
            )
            stroke(parent, path, colour, 1.3, **dash)

    def delivery(self, parent: ET.Element, work: HandlerSpan, what: str, title: str) -> ET.Element:
        id_ = f"{self.strip.prefix}{what}-{work.message}-{work.delivery}"
        return group(parent, id_, what, title)

    def zombie(self, work: HandlerSpan, y: float) -> None:
        assert work.zombie is not None
        end = self.grid.x(work.end) + 8 if work.over else self.grid.now
        left = max(min(self.grid.x(work.zombie) + 6, end - 52), self.grid.x(work.begin))
        made = self.delivery(
            self.front, work, "zombie", "its receipt is superseded by a newer one, and it goes on"
        )
        box = Box(left, y + BAR / 2 - 8, 48, 16)  # on its own bar, not between two
        rectangle(made, box, 8, fill=self.palette.rejected)
        write(
            made, (left + 24, box.y + 11.7), "zombie", _SIZE, self.palette.badge_ink,
            font_weight="bold", text_anchor="middle",
        )  # fmt: skip

    def services(self) -> None:
        """Paint services as lines down from their delivery, along, and back."""
        grid = self.grid
        calls = [call for work in grid.tracks.works for call in work.calls]
        for call in calls:
            y, top = grid.calls[call.lane], grid.bars[call.lane] + BAR
            begin, end = grid.x(call.begin) + 9, grid.x(call.end)
            colour = self.colour(call.message)
            made = group(self.back, None, f"call {call.how}", f"{call.service}: {call.how}")
            back = f"V{number(top)}" if call.how in {"done", "failed"} else ""
            path = f"M{number(begin)},{number(top)}V{number(y)}H{number(end)}{back}"
            dash = {} if call.how in {"done", "running"} else {"stroke_dasharray": "4 3"}
            stroke(made, path, colour, 1.3, stroke_linejoin="round", **dash)
            if back:
                self.head(made, end, top, colour, up=True)
            # below the line, up to the arrow of the next step
            room = end - begin + grid.dx - 6
            patch = add(self.rows, "g", class_="service")
            self.word(patch, begin - 1, y + 14, call.service, self.palette.ink, room=room)

    def store(self) -> None:
        """Paint what lies in the store under every key."""
        grid, palette = self.grid, self.palette
        for value in grid.tracks.values:
            y = grid.values[value.key]
            left = self.edge(value.begin)
            width = (grid.now if value.end is None else grid.x(value.end)) - left
            if value.end is None:  # the last one always has room for its name
                wide = text_width(cut(value.words, 12, 300, bold=True), 12, bold=True) + 16
                width = min(max(width, wide), grid.right - left)
            lost = value.overwritten
            title = f"{value.key}: {value.words}"
            if lost:
                title += f", overwritten unseen at step {value.end}"
            made = group(self.rows, None, "value overwritten" if lost else "value", title)
            box = Box(left, y, width, grid.value_height)
            rectangle(made, box, 3, fill=palette.group, stroke=palette.group_line, stroke_width=1)
            colour = self.colour(value.message)
            if value.message is not None:
                rectangle(made, Box(left, y, 4, grid.value_height), 1, fill=colour)
            shown = cut(value.words, 12, width - 13, bold=True)
            fill = palette.quiet if lost else palette.ink
            write(made, (left + 9, y + 17), shown, 12, fill, font_weight="bold")
            if lost:
                long = text_width(shown, 12, bold=True)
                line = f"M{number(left + 6)},{number(y + 13)}h{number(long + 6)}"
                stroke(made, line, palette.rejected, 2)

    # --- steps ----------------------------------------------------------------------------

    def head(self, parent: ET.Element, x: float, y: float, colour: str, *, up: bool) -> None:
        far = 6.5 if up else -6.5
        polygon(parent, [(x - 3.8, y + far), (x, y), (x + 3.8, y + far)], fill=colour)

    def step(self, index: int) -> None:
        """Paint the arrow and the sign of one step."""
        frame = self.strip.frames[index]
        step = frame.step
        if step is None:
            return
        kind, grid = step.kind, self.grid
        classes = f"step {kind.name.lower()}{' anomaly' if frame.anomalies else ''}"
        id_ = f"{self.strip.prefix}step-{index}"
        made = group(self.back, id_, classes, f"{index}. {frame.text}")
        x, colour = grid.x(index), self.colour(step.message)
        queue = grid.messages.get(step.message)
        work = self.works.get(index)
        bar = None if work is None else grid.bars[work.lane]
        key = self.strip.messages.get(step.message, ("", ""))[0]
        store = grid.values.get(key)
        taken = self.status(index - 1, step.message) == "in flight"  # received with its batch
        begins = work is not None and work.begin == index and not taken
        if queue is not None and bar is not None and (begins or kind is Kind.DELETE):
            up = kind is Kind.DELETE
            stroke(made, f"M{number(x)},{number(queue)}V{number(bar)}", colour, 1.3)
            self.head(made, x, queue + 9 if up else bar, colour, up=up)
        if store is not None and bar is not None:
            low = bar + BAR
            if kind is Kind.LOAD:
                stroke(made, f"M{number(x)},{number(store)}V{number(low)}", colour, 1.3)
                self.head(made, x, low, colour, up=True)
            elif kind is Kind.SAVE:
                stroke(made, f"M{number(x)},{number(low)}V{number(store - 4)}", colour, 2.6)
                self.head(made, x, store, colour, up=False)
            elif kind is Kind.CONFLICT:
                stroke(made, f"M{number(x)},{number(low)}V{number(store - 14)}", colour, 1.6)
        sign = add(self.front, "g", id=f"{id_}-sign", class_="sign")
        if queue is not None:
            self.queue_sign(sign, index, step, (x, queue))
            if begins:
                circle(sign, x, queue, 4, fill=colour)
        self.other_signs(sign, index, step)
        if bar is not None:
            self.bar_sign(sign, kind, x, bar, store)

    def other_signs(self, parent: ET.Element, index: int, step: Step) -> None:
        """Paint what a step does to other messages: the rest of its batch, or those it cancels."""
        x, palette = self.grid.x(index), self.palette
        for message, y in self.grid.messages.items():
            was, now = self.status(index - 1, message), self.status(index, message)
            if message == step.message or was == now:
                continue
            if now == "in flight":
                circle(parent, x, y, 4, fill=self.colour(message))
            elif now == "deleted":
                badge(parent, (x, y), "check", palette.quiet, palette)
            elif now != "visible":
                self.out(parent, (x, y), "dead letter" if now == "dead" else now)

    def out(self, parent: ET.Element, at: Point, what: str) -> None:
        """Paint the end of a message that was not handled."""
        badge(parent, at, "cross", self.palette.rejected, self.palette)
        left = self.beside(what, at[0], 11)
        self.word(parent, left, at[1] + 4, what, self.palette.rejected, room=90)

    def queue_sign(self, parent: ET.Element, index: int, step: Step, at: Point) -> None:
        """Paint what happens to the message in the queue."""
        palette, (x, y) = self.palette, at
        was, now = self.status(index - 1, step.message), self.status(index, step.message)
        if was != now == "deleted":
            badge(parent, at, "check", palette.quiet, palette)  # quiet: it is no verdict
        elif was != now == "dead":
            stranded = "is stranded: " in self.strip.frames[index].text
            self.out(parent, at, "stranded" if stranded else "dead letter")
        elif step.kind is Kind.DELETE:  # with an old receipt, without effect
            badge(parent, at, "cross", palette.line, palette)
        elif step.kind is Kind.EXPIRE:
            circle(parent, x, y, 8, fill=palette.paper)
            SIGNS["clock"](parent, x, y, palette.rejected)
            self.word(parent, x - 8, y - 11, "time-out", palette.rejected, room=70)
        elif step.kind is Kind.DUE:
            circle(parent, x, y, 8, fill=palette.paper)
            SIGNS["clock"](parent, x, y, palette.quiet)
        elif step.kind is Kind.ARRIVE and now != "visible":
            self.out(parent, at, now)
        elif step.kind is Kind.ARRIVE:
            circle(parent, x, y, 3, fill=palette.paper, stroke=palette.line, stroke_width=1.3)
        elif step.kind is Kind.DEPLOY:
            badge(parent, (x, y), "plus", palette.added, palette)
        elif step.kind is Kind.DUPLICATE:
            self.twice(parent, x, y, step.message)

    def bar_sign(
        self, parent: ET.Element, kind: Kind, x: float, bar: float, store: float | None
    ) -> None:
        """Paint what happens to the delivery."""
        palette = self.palette
        if kind is Kind.CRASH:
            badge(parent, (x, bar + BAR / 2), "cross", palette.rejected, palette)
        elif kind is Kind.CONFLICT and store is not None:
            badge(parent, (x, store - 10), "cross", palette.rejected, palette)
        if kind in _WORDS:
            colour = palette.quiet if kind in _HARMLESS else palette.rejected
            words, left = _WORDS[kind], x - 6
            if kind is Kind.CONFLICT:  # beside its arrow
                left = self.beside(words, x, 6)
            self.word(parent, left, bar + BAR + 12, words, colour, room=100)

    def beside(self, words: str, x: float, gap: float) -> float:
        """Return where words begin: to the right of `x` or, without room there, to the left."""
        wide = text_width(words, _SIZE)
        return x + gap if x + gap + wide <= self.grid.right else x - gap - wide

    def status(self, index: int, message: int) -> str:
        found = self.strip.frames[index].messages
        return next((each.status for each in found if each.message == message), "")

    def twice(self, parent: ET.Element, x: float, y: float, message: int) -> None:
        """Paint one pill behind another: the queue delivers the message again."""
        colour = self.colour(message)
        for shift in (4.0, 0.0):
            box = Box(x - 13 + shift, y - 9 - shift, 24, 16)
            rectangle(parent, box, 8, fill=self.palette.paper, stroke=colour, stroke_width=1.3)
        write(
            parent, (x - 1, y + 3), f"{message}", _SIZE, colour, font_weight="bold",
            text_anchor="middle",
        )  # fmt: skip


def paint_strip(parent: ET.Element, strip: Strip, grid: Grid, palette: Palette) -> None:
    """Paint the rows and steps of a strip into `parent`."""
    painter = _Painter(parent, strip, grid, palette)
    painter.names()
    painter.queue()
    for index in range(1, grid.shown + 1):
        painter.step(index)
    painter.services()
    for work in grid.tracks.works:
        painter.work(work)
    painter.store()
