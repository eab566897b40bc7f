"""``settlesim log``: the settlements of a store, one after another."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from settlesim.cli.command_group import Command
from settlesim.cli.output import command_line
from settlesim.cli.secrets import StoreSecrets
from settlesim.cli.store_options import JSON_HELP, ago, store_option

if TYPE_CHECKING:
    from settlesim.store import PastSettlement, SqliteStore, TinyStore

__all__ = ["log"]


@click.command(
    cls=Command,
    short_help="Show the settlements of a store, in their order.",
    help="""Show the settlements of all instances of a store in their order, and the number with
    which to continue. A store keeps the last ten settlements of each instance.

    \b
    Exit status: 0, also after Ctrl-C ended --follow; 1 where the store is
    damaged; 2 where there is no such file.

    \b
    Examples:
      settlesim log --store orders.db
      settlesim log --store orders.db --since 120 --follow --json""",
)
@store_option(exists=True)
@click.option(
    "--since",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="NUMBER",
    help="The number of the last settlement that you have seen; 0 for the beginning.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many are shown at most; --follow shows all.",
)
@click.option("--follow", is_flag=True, help="Show new ones as they come, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="The polling interval of --follow.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help=f"{JSON_HELP} With --follow, one line for each settlement.",
)
def log(*, path: str, since: int, limit: int, follow: bool, interval: float, as_json: bool) -> None:
    """Show settlements once, or as they come."""
    from settlesim.cli.text import json_page
    from settlesim.store import open_store

    with open_store(path) as store:
        if follow:
            with contextlib.suppress(KeyboardInterrupt):
                for past in _coming(store, since, interval):
                    click.echo(_line(past, store, as_json=as_json))
            return
        secrets = StoreSecrets(store)
        found = store.settlements_since(since, limit=limit)
        now = store.now()
    cursor = found[-1].number if found else since
    if as_json:
        shown = [secrets.settlement(each) for each in found]
        click.echo(json_page({"settlements": shown, "cursor": cursor}))
        return
    click.echo("\n".join(_table(found, now)) if found else "There is no settlement.")
    again = command_line("log", f"--store={path}", f"--since={cursor}")
    click.echo(f"To continue: {again}", err=True)


def _coming(
    store: SqliteStore | TinyStore, cursor: int, interval: float
) -> Iterator[PastSettlement]:
    never = threading.Event()
    while True:
        found = store.settlements_since(cursor)
        for past in found:
            yield past
            cursor = past.number
        if not found:
            never.wait(interval)


def _row(past: PastSettlement, now: float) -> tuple[str, ...]:
    from settlesim.chart import Event
    from settlesim.cli.text import configuration_text, plain
    from settlesim.settling.settlement import event_words

    event = past.event
    name = event.get("name") if isinstance(event, dict) else None
    name = event_words(Event(name)) if isinstance(name, str) else None
    where = "-" if past.snapshot is None else configuration_text(past.snapshot.configuration)
    return (
        f"{past.number:>6}",
        plain(past.key),
        f"{past.revision:>8}",
        plain(str(name or "?")),
        plain(str(past.outcome or "?")),
        where,
        ago(now - past.at),
    )


def _line(past: PastSettlement, store: SqliteStore | TinyStore, *, as_json: bool) -> str:
    if as_json:  # the charts are read each time: there may be a new one
        return json.dumps(StoreSecrets(store).settlement(past), ensure_ascii=False)
    return "  ".join(_row(past, store.now())[:-1])


def _table(found: Sequence[PastSettlement], now: float) -> list[str]:
    from settlesim.cli.text import table

    titles = ("NUMBER", "KEY", "REVISION", "EVENT", "OUTCOME", "STATE", "SAVED")
    return table([titles, *(_row(each, now) for each in found)])
