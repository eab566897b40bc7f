"""Charts with one service, and interpreters that cost no time."""

from __future__ import annotations

from typing import Any

from settlesim import Interpreter, SimulatedClock
from settlesim.chart import Chart
from settlesim.store import MemoryStore
from tests.settling.driving import chart_of, settled

__all__ = ["busy_chart", "interpreter"]


def interpreter(chart: Chart, **options: Any) -> Interpreter:
    """An interpreter on a memory store and a simulated clock."""
    options.setdefault("clock", SimulatedClock())
    return Interpreter(chart, options.pop("store", None) or MemoryStore(), **options)


def busy_chart(service: Any, **more: Any) -> Chart:
    """A chart with one service between two rests; a failure is rejected."""
    invoke = {"src": service, "on_done": "done", "on_error": "failed", **more}

    def keep(context: Any, event: Any) -> Any:
        return {"data": event.data}

    return chart_of(
        [
            settled("a"),
            {"name": "busy", "invoke": invoke},
            settled("done", on_enter=keep),
            {"name": "failed", "tags": ["reject"], "on_enter": keep},
        ],
        [["GO", "a", "busy"]],
    )
