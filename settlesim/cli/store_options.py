"""What the commands of the durable side have in common: the store, its queues, and times."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from settlesim.argument_checks import nearest
from settlesim.chart import Chart
from settlesim.chart.event import unknown_event
from settlesim.cli.output import quoted
from settlesim.errors import InvalidValueError, shorten

if TYPE_CHECKING:
    from settlesim.store import SqliteStore, TinyStore

__all__ = [
    "JSON_HELP",
    "StorePath",
    "ago",
    "check_event",
    "check_is_stored",
    "counted",
    "deduplication_option",
    "duration",
    "edited_option",
    "parse_duration",
    "queue_names",
    "queue_option",
    "queue_store",
    "store_option",
]

Function = Callable[..., Any]

JSON_HELP = "Print JSON."
_UNITS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def store_option(
    *, exists: bool, queues: bool = False, required: bool = True
) -> Callable[[Function], Function]:
    """Add the option ``--store`` to a command, which gets it as `path`.

    Parameters
    ----------
    exists : whether the store has to exist; else the command may create it
    queues : whether the command needs a store that has queues
    required : whether the option has to be given; else `path` may be None
    """
    kinds = "a SQLite file (.db)" if queues else "a TinyDB file (.json) or a SQLite file (.db)"
    made = "" if exists else " It is created if it does not exist."
    return click.option(
        "--store",
        "path",
        required=required,
        metavar="FILE",
        type=StorePath(exists=exists, queues=queues),
        help=f"The store, {kinds}.{made}",
    )


class StorePath(click.Path):
    """The path of a file whose suffix says which store it is."""

    def __init__(self, *, exists: bool, queues: bool = False) -> None:
        super().__init__(exists=exists, dir_okay=False)
        self.queues = queues

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the suffix first: if it is wrong, it does not matter whether the file exists."""
        from settlesim.store.suffixes import store_kind

        try:
            kind = store_kind(value)
        except InvalidValueError as error:
            self.fail(f"{error.reason}.", param, ctx)
        if self.queues and kind == "tinydb":
            other = quoted(f"{os.path.splitext(value)[0]}.db")
            self.fail(
                f"{shorten(value, 200)} is a TinyDB file, which has no queues, since a queue has "
                f"to write messages and instances together: use a SQLite file, --store {other}",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


def queue_option(function: Function) -> Function:
    """Add the option ``--queue`` to a command."""
    return click.option(
        "--queue", metavar="NAME", help="Only this queue; a queue has the name of its chart."
    )(function)


def edited_option(function: Function) -> Function:
    """Add the option ``--on-edited`` to a command."""
    return click.option(
        "--on-edited",
        type=click.Choice(["refuse", "warn"]),
        default="refuse",
        show_default=True,
        help="What happens to an instance that this version of the chart saved before it was "
        "edited: refuse it, or, while you develop, continue from it.",
    )(function)


def deduplication_option(function: Function) -> Function:
    """Add the option ``--deduplication-scope`` to a command."""
    return click.option(
        "--deduplication-scope",
        type=click.Choice(["message_group", "queue"]),
        default="message_group",
        show_default=True,
        help="Whether an --id counts for its key, or for all keys of the queue.",
    )(function)


@contextmanager
def queue_store(path: str) -> Iterator[SqliteStore]:
    """Open a store that has queues, whose path `store_option` has checked."""
    from settlesim.store import SqliteStore

    with SqliteStore(path) as store:
        yield store


def queue_names(store: SqliteStore, wanted: str | None) -> list[str]:
    """Return the names of the store's queues, or only the one that is wanted.

    Queues that have only timers are among them.

    Raises
    ------
    click.ClickException
        The store has no queue of that name.
    """
    names = store.queue_names()
    if wanted is None:
        return names
    if wanted not in names:
        close = nearest(wanted, names)
        hint = f"; did you mean {close!r}?" if close else "."
        raise click.ClickException(f"no queue {shorten(wanted)} holds anything{hint}")
    return [wanted]


# --- charts ---------------------------------------------------------------------------------


def check_is_stored(store: SqliteStore | TinyStore, chart: str, queue: str) -> None:
    """Refuse a chart of which a store has neither an instance nor a message.

    Parameters
    ----------
    chart, queue : the names of the chart and of its queue

    Raises
    ------
    click.BadParameter
        The store has never seen it.
    """
    from settlesim.store import SqliteStore

    known = sorted({each.definition.chart for each in store.charts()})
    queues = store.queue_names() if isinstance(store, SqliteStore) else []
    if chart in known or queue in queues or store.instance_versions(chart):
        return
    close = nearest(chart, known)
    charts = ", ".join(map(shorten, known))
    hint = f"did you mean {close!r}?" if close else f"it has {charts or 'no charts'}."
    reason = f"the store has no instance of chart {shorten(chart)}; {hint}"
    raise click.BadParameter(reason, param_hint="'CHART'")


# --- events ---------------------------------------------------------------------------------


def check_event(chart: Chart, name: str) -> str | None:
    """Return why an event is probably not meant for this chart; None if it may be."""
    flaw = unknown_event(chart, name)
    return None if flaw is None else f"{flaw} --force sends it anyway."


# --- times ----------------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Return a duration as a short text, such as ``5 min``."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return f"{duration(max(seconds, 0.0))} ago"


def parse_duration(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return the seconds of a duration with its unit, such as ``90s``, ``12h`` or ``30d``.

    Raises
    ------
    click.BadParameter
        The text is not such a duration.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?) *([a-z]+)", value)
    if found is None or found[2] not in _UNITS:
        reason = f"{shorten(value, 40)} is no number with one of the units s, min, h, d and w, as "
        raise click.BadParameter(f"{reason}in 90s, 12h or 30d.", ctx, param)
    return float(found[1]) * _UNITS[found[2]]


def counted(count: int, what: str) -> str:
    """Return a count with its noun, in the plural unless it is 1."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
