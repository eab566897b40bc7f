"""``settlesim status``: what waits in a store's queues."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import click

from settlesim.cli.durable import (
    JSON_HELP,
    duration,
    open_queue,
    queue_names,
    queue_option,
    store_option,
)
from settlesim.cli.output import clear
from settlesim.cli.running import Command

if TYPE_CHECKING:
    from settlesim.store import TinyStore

__all__ = ["status"]


@click.command(
    cls=Command,
    short_help="Show what waits in a store's queues.",
    help="""Show how many events wait in each queue of a store, how long the oldest has been
    there, how many are in flight, are dead letters, or are timers that still run, and which
    keys are parked.

    \b
    Exit status: 0; 1 where there is no such queue or the store is
    damaged; 2 where there is no such file.""",
)
@store_option(exists=True)
@queue_option
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long --watch waits between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help=f"{JSON_HELP} With --watch, a line a look.")
def status(path: str, queue: str | None, watch: bool, interval: float, as_json: bool) -> None:
    """Show the queues once, or again and again."""
    from settlesim.store import TinyStore

    with TinyStore(path) as store:
        if not watch:
            _tell(_look(store, queue), as_json=as_json, watch=False)
            return
        never = threading.Event()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                _tell(_look(store, queue), as_json=as_json, watch=True)
                never.wait(interval)


def _look(store: TinyStore, wanted: str | None) -> dict[str, Any]:
    queues = {}
    for name in queue_names(store, wanted):
        found = open_queue(store, name)
        parked = [each.to_dict() for each in found.parked()]
        queues[name] = {**found.status().to_dict(), "parked": parked}
    return {"instances": len(store.keys()), "queues": queues}


def _tell(found: dict[str, Any], *, as_json: bool, watch: bool) -> None:
    from settlesim.cli.words import json_page, plain, table

    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False) if watch else json_page(found))
        return
    if watch:
        clear()
    count = found["instances"]
    click.echo(f"{count} instance{'' if count == 1 else 's'}")
    if not found["queues"]:
        click.echo("No queue holds anything.")
        return
    rows = [("QUEUE", "WAITING", "IN FLIGHT", "OLDEST", "DEAD LETTERS", "TIMERS", "PARKED KEYS")]
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
                parked or "-",
            )
        )
    click.echo("\n".join(table(rows)))
