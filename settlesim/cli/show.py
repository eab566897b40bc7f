"""``settlesim show``: what a store holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from settlesim.cli.command_group import Command
from settlesim.cli.secrets import StoreSecrets
from settlesim.cli.store_options import JSON_HELP, ago, duration, store_option
from settlesim.ports import QueueStore

if TYPE_CHECKING:
    from settlesim.chart import Snapshot
    from settlesim.store import (
        DurableTimer,
        PastSettlement,
        SqliteStore,
        StoredInstance,
        TinyStore,
    )

__all__ = ["show"]

_PAGE: Final = 1000


@click.command(
    cls=Command,
    short_help="Show what a store holds.",
    help="""Show the instance KEY of a store, with the delays that run, or all instances in a
    table.

    \b
    Exit status: 0; 1 where there is no such instance or the store is
    damaged; 2 where there is no such file.""",
)
@click.argument("key", required=False)
@store_option(exists=True)
@click.option("--history", is_flag=True, help="Also the last settlements of KEY.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def show(key: str | None, path: str, history: bool, as_json: bool) -> None:
    """Show one instance or all."""
    from settlesim.store import open_store

    if history and key is None:
        raise click.UsageError("--history is of one instance: name its KEY")
    with open_store(path) as store:
        if key is None:
            _show_all(store, path, as_json=as_json)
        else:
            _show_one(store, key, path, history=history, as_json=as_json)


def _show_all(store: SqliteStore | TinyStore, path: str, *, as_json: bool) -> None:
    from settlesim.cli.text import instance_table, json_page, plain

    secrets = StoreSecrets(store)
    found = [(each.key, secrets.snapshot(each.snapshot)) for each in _instances(store)]
    if as_json:
        click.echo(json_page([_record(store, key, snapshot) for key, snapshot in found]))
    elif found:
        click.echo("\n".join(instance_table(found)))
    else:
        click.echo(f"{plain(path)} holds no instances.")


def _instances(store: SqliteStore | TinyStore) -> Iterator[StoredInstance]:
    after = None
    while found := store.find(after=after, limit=_PAGE):
        yield from found
        after = found[-1].key


def _timers(store: SqliteStore | TinyStore, key: str) -> Sequence[DurableTimer]:
    return store.timers(key) if isinstance(store, QueueStore) else ()


def _record(store: SqliteStore | TinyStore, key: str, snapshot: Snapshot | None) -> dict[str, Any]:
    timers = [
        {"delay": each.delay, "due": each.due, "sent": each.sent} for each in _timers(store, key)
    ]
    state = {} if snapshot is None else snapshot.to_dict()
    return {"key": key, **state, "timers": timers}


def _show_one(
    store: SqliteStore | TinyStore, key: str, path: str, *, history: bool, as_json: bool
) -> None:
    from settlesim.cli.text import json_page, plain, snapshot_text
    from settlesim.errors import shorten

    secrets = StoreSecrets(store)
    stored = store.load(key) if key else None
    snapshot = None if stored is None else secrets.snapshot(stored)
    settlements = store.settlements(key) if history and key else ()
    if snapshot is None and not settlements:
        hint = _hint(key, store.keys())
        raise click.ClickException(f"{path} holds no instance {shorten(key)}; {hint}")
    if as_json:
        record = _record(store, key, snapshot)
        if history:
            record["settlements"] = [secrets.settlement(each) for each in settlements]
        click.echo(json_page(record))
        return
    never = f"{plain(key)} was never saved: none of its events reached a settled state."
    click.echo(never if snapshot is None else snapshot_text(key, snapshot))
    now = store.now()
    for line in (*_running(_timers(store, key), now), *_history(settlements, now)):
        click.echo(line)


def _running(timers: Sequence[DurableTimer], now: float) -> list[str]:
    from settlesim.cli.text import plain, table

    rows = [
        (plain(each.delay), "due" if each.due <= now else f"due in {duration(each.due - now)}")
        for each in timers
    ]
    return ["delays", *table(rows, indent="  ")] if rows else []


def _history(settlements: Sequence[PastSettlement], now: float) -> list[str]:
    from settlesim.cli.text import configuration_text, plain, table

    rows = []
    for each in settlements:
        event = each.event
        name = event.get("name") if isinstance(event, dict) else None
        where = "-" if each.snapshot is None else configuration_text(each.snapshot.configuration)
        rows.append(
            (
                f"{each.revision:>4}",
                plain(str(name or "?")),
                plain(str(each.outcome or "?")),
                where,
                ago(now - each.at),
            )
        )
    return ["settlements", *table(rows, indent="  ")] if rows else []


def _hint(key: str, keys: list[str]) -> str:
    from settlesim.argument_checks import nearest
    from settlesim.errors import shorten

    close = nearest(key, keys)
    if close is not None:
        return f"did you mean {shorten(close)}?"
    if not keys:
        return "it is empty."
    if len(keys) <= 8:
        return f"it holds {', '.join(map(shorten, keys))}."
    return f"it holds {len(keys)} others."
