"""``settlesim show``: what a store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from settlesim.cli.running import Command

if TYPE_CHECKING:
    from settlesim.chart import Snapshot

__all__ = ["show"]


@click.command(
    cls=Command,
    short_help="Show what a store holds.",
    help="""Show the instance KEY of a store, or all of them.

    \b
    Exit status: 0; 1 where there is no such instance or the store is
    damaged; 2 where there is no such file.""",
)
@click.argument("key", required=False)
@click.option(
    "--store",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="The store, a TinyDB file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(key: str | None, path: str, as_json: bool) -> None:
    """Show one instance or all."""
    from settlesim.cli.words import json_page, plain, snapshot_text

    found = _load(path, key)
    if as_json:
        records = [{"key": name, **each.to_dict()} for name, each in found]
        click.echo(json_page(records if key is None else records[0]))
    elif key is not None:
        click.echo(snapshot_text(*found[0]))
    elif found:
        click.echo("\n".join(_overview(found)))
    else:
        click.echo(f"{plain(path)} holds no instances.")


def _load(path: str, key: str | None) -> list[tuple[str, Snapshot]]:
    from settlesim.errors import shorten
    from settlesim.store import TinyStore

    with TinyStore(path) as store:
        keys = store.keys()
        if key is not None and key not in keys:
            hint = _hint(key, keys)
            raise click.ClickException(f"{path} holds no instance {shorten(key)}; {hint}")
        wanted = keys if key is None else [key]
        loaded = [(name, store.load(name)) for name in wanted]
    # Another process may delete an instance between the two calls.
    return [(name, snapshot) for name, snapshot in loaded if snapshot is not None]


def _hint(key: str, keys: list[str]) -> str:
    from settlesim.chart.problems import nearest
    from settlesim.errors import shorten

    close = nearest(key, keys)
    if close is not None:
        return f"did you mean {shorten(close)}?"
    if not keys:
        return "it is empty."
    if len(keys) <= 8:
        return f"it holds {', '.join(map(shorten, keys))}."
    return f"it holds {len(keys)} others."


def _overview(found: list[tuple[str, Snapshot]]) -> list[str]:
    from settlesim.cli.words import configuration_text, json_line, plain, table

    rows = [("KEY", "CHART", "REVISION", "RESTS IN", "CONTEXT")]
    rows.extend(
        (
            plain(key),
            f"{plain(snapshot.chart)} v{snapshot.version}",
            f"{snapshot.revision:>8}",
            configuration_text(snapshot.configuration),
            json_line(snapshot.context, 60),
        )
        for key, snapshot in found
    )
    return table(rows)
