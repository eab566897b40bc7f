"""``settlesim verify``: whether a store is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from settlesim.cli.command_group import Command
from settlesim.cli.store_options import JSON_HELP, counted, store_option

if TYPE_CHECKING:
    from settlesim.store import StoreReport

__all__ = ["verify"]

_ONE: Final = {
    "charts": "chart",
    "dead_letters": "dead letter",
    "deduplication": "deduplication id",
    "instances": "instance",
    "least_versions": "least version",
    "marks": "mark",
    "messages": "message",
    "parked": "parked group",
    "settlements": "settlement",
    "timers": "timer",
}
"""What one row of a table is called."""
_DERIVED: Final = {"heads"}
"""Tables that are derived from others."""


@click.command(
    cls=Command,
    short_help="Check that a store is whole.",
    help="""Check the whole store, and list each damage with its table and row. Nothing is
    changed, and the store may be in use.

    A SQLite file goes through SQLite's integrity check; then every row has to be readable and
    to agree with the rows that it belongs to. A TinyDB file is read, and each document that
    is damaged is named.

    \b
    Exit status: 0 where the store is whole; 1 where it is damaged; 2 where
    there is no such file.""",
)
@store_option(exists=True)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def verify(path: str, as_json: bool) -> None:
    """Check a store."""
    from settlesim.cli.text import json_page, plain
    from settlesim.store import verify_store

    report = verify_store(path)
    if as_json:
        click.echo(json_page(report.to_dict()))
    else:
        for damage in report.damages:
            click.echo(f"DAMAGED  {plain(str(damage))}")
        state = "whole" if report.is_whole else "damaged"
        click.echo(f"{plain(path)} is {state}: {_content(report)}")
    if not report.is_whole:
        click.get_current_context().exit(1)


def _content(report: StoreReport) -> str:
    """Say how many rows each table has; those that are not of settlesim come last."""
    counts = {name: count for name, count in sorted(report.counts.items()) if count}
    ours = [counted(count, _ONE[name]) for name, count in counts.items() if name in _ONE]
    others = [
        f"{counted(count, 'document')} of {name!r}"
        for name, count in counts.items()
        if name not in _ONE and name not in _DERIVED
    ]
    empty = "nothing is in it" if report.is_whole else "its content could not be counted"
    return ", ".join(ours + others) or empty
