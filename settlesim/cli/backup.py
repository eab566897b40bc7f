"""``settlesim backup``: a copy of a store in a new file."""

from __future__ import annotations

import click

from settlesim.cli.command_group import Command
from settlesim.cli.store_options import StorePath, store_option

__all__ = ["backup"]


@click.command(
    cls=Command,
    short_help="Copy a store into a new file.",
    help="""Copy a snapshot of a store to FILE; the store may be in use. FILE is written
    completely or not at all, and an existing one is never overwritten.

    \b
    Exit status: 0; 1 where FILE exists or cannot be written, or the
    store is damaged; 2 where there is no such store, or FILE has the
    suffix of another kind of store.

    \b
    Example:
      settlesim backup monday.db --store orders.db""",
)
@click.argument("file", type=StorePath(exists=False))
@store_option(exists=True)
def backup(file: str, path: str) -> None:
    """Copy a store."""
    from settlesim.cli.text import plain
    from settlesim.store import open_store
    from settlesim.store.suffixes import store_kind

    if store_kind(file) != store_kind(path):
        raise click.UsageError(
            f"{file!r} would be another kind of store than {path!r}: give it the same suffix"
        )
    with open_store(path) as store:
        store.backup(file)
    click.echo(f"{plain(file)} has a copy of {plain(path)}.")
