"""``settlesim prune``: finished instances are removed."""

from __future__ import annotations

import click

from settlesim.cli.command_group import Command
from settlesim.cli.store_options import JSON_HELP, counted, parse_duration, store_option

__all__ = ["prune"]


@click.command(
    cls=Command,
    short_help="Remove finished instances.",
    help="""Remove finished instances that were last saved longer ago than --older-than, with
    their settlements and the marks of their events. An instance for which events still wait is
    kept.

    \b
    Exit status: 0; 1 where the store failed or is damaged; 2 where there
    is no such file.

    \b
    Examples:
      settlesim prune --store orders.db --older-than 30d --dry-run
      settlesim prune --store orders.db --older-than 12h""",
)
@store_option(exists=True)
@click.option(
    "--older-than",
    callback=parse_duration,
    required=True,
    metavar="DURATION",
    help="For example 90s, 15min, 12h, 30d or 2w.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing, only show what would be removed.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def prune(path: str, older_than: float, dry_run: bool, as_json: bool) -> None:
    """Remove finished instances."""
    from settlesim.cli.text import json_page, plain
    from settlesim.store import open_store

    with open_store(path) as store:
        keys = store.prune(final=True, older_than=older_than, dry_run=dry_run)
    if as_json:
        click.echo(json_page({"removed": not dry_run, "keys": list(keys)}))
        return
    for key in keys:
        click.echo(plain(key))
    what = counted(len(keys), "instance")
    click.echo(f"{what} would be removed." if dry_run else f"Removed {what}.")
