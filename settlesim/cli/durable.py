"""What the commands of the durable side have in common: the store, its queues, and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import click

from settlesim.chart import Chart, TransitionKind
from settlesim.chart.problems import nearest
from settlesim.errors import shorten

if TYPE_CHECKING:
    from settlesim.store import FifoQueue, TinyStore

__all__ = [
    "JSON_HELP",
    "ago",
    "check_event",
    "duration",
    "external_events",
    "open_queue",
    "queue_names",
    "queue_option",
    "store_option",
]

Function = Callable[..., Any]

JSON_HELP = "Print JSON."


def store_option(*, exists: bool) -> Callable[[Function], Function]:
    """Give a command the option ``--store``, as `path`.

    Parameters
    ----------
    exists : whether the command only looks at a store, and does not make one
    """
    return click.option(
        "--store",
        "path",
        required=True,
        metavar="FILE",
        type=click.Path(exists=exists, dir_okay=False),
        help="The store, a TinyDB file." + ("" if exists else " It is made where there is none."),
    )


def queue_option(function: Function) -> Function:
    """Give a command the option ``--queue``, as `queue`."""
    return click.option(
        "--queue", metavar="NAME", help="Only this queue; a queue has the name of its chart."
    )(function)


def open_queue(
    store: TinyStore, name: str, *, policy: Literal["skip", "halt"] = "skip", **settings: Any
) -> FifoQueue:
    """Return a queue of a store."""
    from settlesim.store import FifoQueue

    return FifoQueue(store, name, policy=policy, **settings)


def queue_names(store: TinyStore, wanted: str | None) -> list[str]:
    """Return the names of the store's queues, or only the one that is wanted.

    A queue that waits for nothing but timers is among them.

    Raises
    ------
    click.ClickException
        The store has none of that name.
    """
    with store.database.reading():
        names = sorted({*store.indexes.queues.names(), *store.indexes.timers.charts()})
    if wanted is None:
        return names
    if wanted not in names:
        close = nearest(wanted, names)
        hint = f"; did you mean {close!r}?" if close else "."
        raise click.ClickException(f"no queue {shorten(wanted)} holds anything{hint}")
    return [wanted]


# --- events ---------------------------------------------------------------------------------


def external_events(chart: Chart) -> tuple[str, ...]:
    """Return the events that a transition of the chart names, in document order."""
    return tuple(
        dict.fromkeys(edge.trigger for edge in chart.edges if edge.kind is TransitionKind.EXTERNAL)
    )


def check_event(chart: Chart, name: str, known: Iterable[str]) -> str | None:
    """Say why an event is hardly meant for this chart; None where it may be."""
    events = tuple(known)
    if name in events:
        return None
    close = nearest(name, events)
    hint = f"did you mean {close!r}?" if close else f"it has {', '.join(map(shorten, events))}."
    return (
        f"chart {shorten(chart.name)} has no transition for {shorten(name)}; {hint} "
        "--force sends it anyway."
    )


# --- times ----------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Return a length of time in few characters."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return f"{duration(max(seconds, 0.0))} ago"
