"""``settlesim find``: instances by their chart, version and state."""

from __future__ import annotations

import click

from settlesim.cli.command_group import Command
from settlesim.cli.output import command_line
from settlesim.cli.secrets import StoreSecrets
from settlesim.cli.store_options import JSON_HELP, store_option

__all__ = ["find_command"]


@click.command(
    "find",
    cls=Command,
    short_help="Find instances by chart, version and state.",
    help="""Find the instances of a store that match all options, one page at a time, sorted by
    key.

    \b
    Exit status: 0, also where none matches; 1 where the store is damaged; 2
    where there is no such file.

    \b
    Examples:
      settlesim find --store orders.db --chart order --state paid
      settlesim find --store orders.db --version 1 --limit 1000 --json""",
)
@store_option(exists=True)
@click.option("--chart", metavar="NAME", help="Instances of this chart.")
@click.option("--version", type=int, metavar="N", help="Saved by this version of it.")
@click.option("--state", metavar="NAME", help="In this state, or in one that lies within it.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="The most instances that are shown.",
)
@click.option(
    "--after", metavar="KEY", help="Continue after this key, the last one of the previous page."
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def find_command(
    *,
    path: str,
    chart: str | None,
    version: int | None,
    state: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Find instances."""
    from settlesim.cli.text import instance_table, json_page
    from settlesim.store import open_store

    with open_store(path) as store:
        secrets = StoreSecrets(store)
        more = store.find(chart=chart, state=state, version=version, after=after, limit=limit + 1)
    found = [secrets.instance(each) for each in more[:limit]]
    last = found[-1].key if len(more) > limit else None
    if as_json:
        click.echo(json_page({"instances": [each.to_dict() for each in found], "after": last}))
        return
    if not found:
        click.echo("No instance fits.")
        return
    click.echo("\n".join(instance_table([(each.key, each.snapshot) for each in found])))
    if last is not None:
        wanted = {"chart": chart, "version": version, "state": state}
        given = [f"--{name}={value}" for name, value in wanted.items() if value is not None]
        words = [f"--store={path}", *given, f"--limit={limit}", f"--after={last}"]
        click.echo(f"There are more: {command_line('find', *words)}", err=True)
