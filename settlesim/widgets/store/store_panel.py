"""`StorePanel`: the instances of a store, what waits in its queues, and one instance as a chart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from settlesim.argument_checks import check_seconds
from settlesim.chart import Chart, Snapshot
from settlesim.chart.secrets import hide, hide_in_snapshot
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import StoreError, shorten
from settlesim.store import FifoQueue, PastSettlement
from settlesim.store.sql import SqlStore
from settlesim.view.chart.diagram import draw
from settlesim.view.simulation.words import plural
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.panel import Panel
from settlesim.widgets.chart.page_state import changes, in_words, recorded_steps, text_of
from settlesim.widgets.chart.parts import picture_part

__all__ = ["StorePanel"]

_LISTED: Final = 100
_LETTERS: Final = 20
_NO_CHART: Final = {"name": "", "edges": {}, "why": "", "svg": "", "nodes": [], "boxes": {}}


class StorePanel(Panel):
    """A store while workers run: instances, queues, dead letters, one instance as a chart.

    It only reads the store, except that buttons redrive a dead letter or resume a parked instance.

    Parameters
    ----------
    store : a SqliteStore or a MemoryStore; other processes may work on it
    charts : those whose instances are drawn; instances of others are listed as text
    poll
        Seconds between two checks for changes; without a running event loop, the panel checks
        after every cell.

    Raises
    ------
    TypeError
        `store` is neither, or one of `charts` is not a `Chart`.
    MissingExtraError
        The ``lab`` extra is not installed.

    Examples
    --------
    >>> from settlesim import Interpreter, MemoryStore, SimulatedClock
    >>> from settlesim.gallery import order
    >>> store = MemoryStore()
    >>> _ = Interpreter(order, store, clock=SimulatedClock()).settle_sync("o1", "PAY")
    >>> StorePanel(store, order)
    <StorePanel of MemoryStore(1 instance): 1 instance, o1 in paid>
    """

    kind = "store-panel"
    scripts = ("chart.js", "context.js", "store_panel.js")
    styles = ("chart.css", "chart_panel.css", "store_panel.css")
    part_names = ("instances", "queues", "picture", "chosen")

    def __init__(self, store: SqlStore, *charts: Chart, poll: float = 0.5) -> None:
        good: object = store  # callers may not check types
        if not isinstance(good, SqlStore) or not all(isinstance(each, Chart) for each in charts):
            raise TypeError(
                f"StorePanel({shorten(store, 40)}, ...): a SqliteStore or a MemoryStore is needed, "
                "and then charts"
            )
        check_seconds(poll, where="poll")
        super().__init__()
        self.store = store
        self.charts = {(each.name, each.version): each for each in charts}
        self.poll = poll
        self._key: str | None = None
        self._snapshot: Snapshot | None = None
        self._state: str | None = None
        self._seen: object = None
        self._task: asyncio.Task[None] | None = None
        self.look()
        if self.home.loop is not None:
            self._task = self.home.loop.create_task(self._watch())

    # --- the chosen instance --------------------------------------------------------------------

    @observable
    def key(self) -> str | None:
        """Return the key of the instance that is shown; set it to show another one."""
        return self._key

    @key.setter
    def _choose(self, key: str | None) -> None:
        with self.together():
            self._key = key
            self._show_chosen()

    @observable
    def snapshot(self) -> Snapshot | None:
        """Return the snapshot of that instance; None where the store does not have it."""
        return self._snapshot

    @observable
    def configuration(self) -> tuple[str, ...]:
        """Return the active leaves of that instance."""
        return () if self._snapshot is None else self._snapshot.configuration

    @observable
    def context(self) -> Mapping[str, JSONValue]:
        """Return the context of that instance."""
        return {} if self._snapshot is None else self._snapshot.context

    # --- looking --------------------------------------------------------------------------------

    def look(self) -> None:
        """Show the store as it is now."""
        found = self.store.find(limit=_LISTED + 1, state=self._state)
        names = [each.key for each in found[:_LISTED]]
        if self._key is None and names:
            self._key = names[0]
        rows = [
            {
                "key": each.key,
                "chart": f"{each.snapshot.chart} v{each.snapshot.version}",
                "where": in_words(each.snapshot.configuration),
                "revision": each.snapshot.revision,
                "final": each.final,
            }
            for each in found[:_LISTED]
        ]
        more = len(found) > _LISTED
        with self.together():
            self.show(
                instances={"rows": rows, "more": more, "state": self._state},
                queues=[self._queue(name) for name in self.store.queue_names()],
            )
            self._show_chosen()

    def _queue(self, name: str) -> dict[str, Any]:
        queue = FifoQueue(self.store, name)
        status = queue.status()
        secret = {field for chart in self.charts.values() for field in chart.secret}
        return {
            "name": name,
            "waiting": status.depth - status.in_flight,
            "in_flight": status.in_flight,
            "timers": status.timers,
            "dead_letters": status.dead_letters,
            "letters": [
                {
                    "id": letter.id,
                    "key": letter.group_id,
                    "body": text_of(hide(letter.body, secret))[:200],
                    "error": _first_words((letter.errors or (letter.reason,))[-1], bool(secret)),
                }
                for letter in queue.dead_letters(limit=_LETTERS)
            ],
            "parked": [each.to_dict() for each in queue.parked()[:_LETTERS]],
        }

    def _show_chosen(self) -> None:
        key = self._key
        found = self.store.find(key=key, limit=1) if key is not None else ()
        if key is None or not found:
            self._snapshot = None
            self.show(picture=_NO_CHART, chosen=None)
            return
        self._snapshot = snapshot = found[0].snapshot
        chart = self.charts.get((snapshot.chart, snapshot.version))
        past = self.store.settlements(key)
        picture = self.parts["picture"]
        if chart is None:
            why = f"{snapshot.chart} version {snapshot.version} is none of the panel's charts"
            picture = {**_NO_CHART, "why": why}
        elif picture is None or picture["name"] != chart.name or not picture["svg"]:
            picture = picture_part(chart)
        if picture != self.parts["picture"]:
            self.show(picture=picture)
        self.show(chosen=_chosen(key, snapshot, chart, past))

    async def _watch(self) -> None:
        while not self.closed:
            await asyncio.sleep(self.poll)
            self._look_for_changes()

    def _look_for_changes(self) -> None:
        try:
            seen = self.store.database.changes()
            if seen != self._seen:
                self._seen = seen
                self.look()
        except StoreError as error:
            if not self.errors or str(self.errors[-1]) != str(error):  # once, not at every look
                self.fail(error, "looking into the store")

    def cell_ended(self) -> None:
        """Update what is shown, if the store has changed."""
        if not self.closed:
            self._look_for_changes()

    def stop(self) -> None:
        """End the checks for changes."""
        if self._task is not None:
            self._task.cancel()

    # --- messages -------------------------------------------------------------------------------

    def on_choose(self, key: str) -> None:
        """Show another instance."""
        self.key = key

    def on_only(self, state: str | None = None) -> None:
        """List only instances in a state."""
        self._state = state or None
        self.look()

    def on_retry(self, queue: str, letter: int) -> None:
        """Put a dead letter back into its queue."""
        FifoQueue(self.store, queue).redrive([letter])
        self.look()

    def on_resume(self, queue: str, key: str) -> None:
        """Resume a parked instance."""
        FifoQueue(self.store, queue).resume(key)
        self.look()

    # --- the static twin ------------------------------------------------------------------------

    def twin(self) -> str:
        """Return the tables, and the chosen instance as a chart."""
        head = "".join(
            f"<th {_CELL}>{each}</th>" for each in ("instance", "chart", "state", "revision")
        )
        rows = "".join(map(_row, self.parts["instances"]["rows"]))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        told = "".join(f"<p>{escape(_queue_words(each))}</p>" for each in self.parts["queues"])
        svg = ""
        if self._key is not None and (found := self.store.find(key=self._key, limit=1)):
            snapshot = found[0].snapshot
            chart = self.charts.get((snapshot.chart, snapshot.version))
            if chart is not None:
                svg = f"<p>{escape(self._key)}</p>{draw(chart, configuration=snapshot).svg}"
        return table + told + svg

    def __repr__(self) -> str:
        rows = self.parts["instances"]["rows"]
        count = f"{len(rows)}{'+' if self.parts['instances']['more'] else ''}"
        chosen = [row for row in rows if row["key"] == self._key]
        where = f", {self._key} in {chosen[0]['where']}" if chosen else ""
        words = "instance" if count == "1" else "instances"
        return f"<StorePanel of {self.store!r}: {count} {words}{where}>"


_CELL: Final = 'style="text-align:left;vertical-align:top;padding:2px 12px 2px 0"'


def _row(row: dict[str, Any]) -> str:
    texts = (row["key"], row["chart"], row["where"], str(row["revision"]))
    return f"<tr>{''.join(f'<td {_CELL}>{escape(each)}</td>' for each in texts)}</tr>"


def _queue_words(queue: dict[str, Any]) -> str:
    return (
        f"queue {queue['name']}: {queue['waiting']} waiting, {queue['in_flight']} in flight, "
        f"{plural(queue['timers'], 'timer')}, {plural(queue['dead_letters'], 'dead letter')}, "
        f"{len(queue['parked'])} parked"
    )


def _first_words(error: str, secret: bool) -> str:
    """Return an error; only its kind if its message may contain a secret."""
    return error.partition(":")[0] if secret else error[:1000]


def _chosen(
    key: str, snapshot: Snapshot, chart: Chart | None, past: tuple[PastSettlement, ...]
) -> dict[str, Any]:
    """Return one instance: its states, the path of its last event, its context, its history."""
    secret = () if chart is None else chart.secret
    shown = hide_in_snapshot(snapshot, secret)
    before = past[-2].snapshot if len(past) > 1 else None
    last = past[-1] if past else None
    return {
        "key": key,
        "flight": last.number if last is not None else 0,
        "where": in_words(snapshot.configuration),
        "revision": snapshot.revision,
        "active": [] if chart is None else list(chart.active(snapshot.configuration)),
        "steps": [] if chart is None or last is None else recorded_steps(chart, last.record),
        "context": changes(shown.context if before is None else before.context, shown.context),
        "happened": [
            {
                "number": each.number,
                "event": _event_words(each),
                "outcome": each.outcome or "",
                "where": "" if each.snapshot is None else in_words(each.snapshot.configuration),
                "revision": each.revision,
            }
            for each in reversed(past)
        ],
    }


def _event_words(past: PastSettlement) -> str:
    event = past.event
    if not isinstance(event, dict):
        return "an event"
    data = event.get("data")
    return str(event.get("name")) + ("" if data is None else f" {json.dumps(data)[:60]}")
