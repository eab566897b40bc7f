"""``settlesim status``: what waits in a store's queues."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import click

from settlesim.cli.command_group import Command
from settlesim.cli.output import clear
from settlesim.cli.store_options import (
    JSON_HELP,
    counted,
    duration,
    queue_names,
    queue_option,
    queue_store,
    store_option,
)

if TYPE_CHECKING:
    from settlesim.store import SqliteStore

__all__ = ["status"]

_COLUMNS = (
    "QUEUE",
    "WAITING",
    "IN FLIGHT",
    "OLDEST",
    "DEAD LETTERS",
    "TIMERS",
    "OVERDUE",
    "VERSIONS",
    "PARKED KEYS",
)


@click.command(
    cls=Command,
    short_help="Show what waits in a store's queues.",
    help="""Show how many events wait in each queue of a store, how long the oldest has
    waited, how many are in flight or dead letters, how many timers run, and which keys are
    parked.

    OVERDUE timers are due, and wait for a worker whose chart has their delays. VERSIONS counts
    the events by the chart version of their instances: a worker receives those of its own
    version.

    \b
    Exit status: 0; 1 where there is no such queue or the store is
    damaged; 2 where there is no such file.""",
)
@store_option(exists=True, queues=True)
@queue_option
@click.option("--watch", is_flag=True, help="Update the table until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="The interval of --watch.",
)
@click.option(
    "--json", "as_json", is_flag=True, help=f"{JSON_HELP} With --watch, one line for each update."
)
def status(path: str, queue: str | None, watch: bool, interval: float, as_json: bool) -> None:
    """Show the queues once, or continuously."""
    with queue_store(path) as store:
        if not watch:
            _tell(_look(store, queue), as_json=as_json, watch=False)
            return
        never = threading.Event()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                _tell(_look(store, queue), as_json=as_json, watch=True)
                never.wait(interval)


def _look(store: SqliteStore, wanted: str | None) -> dict[str, Any]:
    from settlesim.store import FifoQueue

    queues = {}
    for name in queue_names(store, wanted):
        found = FifoQueue(store, name)
        parked = [each.to_dict() for each in found.parked()]
        queues[name] = {**found.status().to_dict(), "parked": parked}
    return {"instances": len(store.keys()), "queues": queues}


def _tell(found: dict[str, Any], *, as_json: bool, watch: bool) -> None:
    from settlesim.cli.text import json_page, plain, table

    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False) if watch else json_page(found))
        return
    if watch:
        clear()
    click.echo(counted(found["instances"], "instance"))
    if not found["queues"]:
        click.echo("No queue holds anything.")
        return
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for name, each in found["queues"].items():
        waiting = each["depth"] - each["in_flight"]
        parked = ", ".join(f"{plain(key['group_id'])} ({key['waiting']})" for key in each["parked"])
        rows.append(
            (
                plain(name),
                f"{waiting:>7}",
                f"{each['in_flight']:>9}",
                f"{'-' if each['oldest'] is None else duration(each['oldest']):>6}",
                f"{each['dead_letters']:>12}",
                f"{each['timers']:>6}",
                f"{each['overdue']:>7}",
                _versions(name, each["versions"]),
                parked or "-",
            )
        )
    click.echo("\n".join(table(rows)))


def _versions(queue: str, versions: dict[str, int]) -> str:
    """Return message counts by chart version; a chart with the queue's name is not named."""
    from settlesim.cli.text import plain

    found = []
    for name, count in versions.items():
        chart, _, version = name.rpartition(" ")
        found.append(f"v{version} ({count})" if chart == queue else f"{plain(name)} ({count})")
    return ", ".join(found) or "-"
