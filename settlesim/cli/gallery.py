"""``settlesim gallery``: the charts to learn from."""

from __future__ import annotations

import importlib

import click

from settlesim.cli.charts import complete_chart
from settlesim.cli.command_group import Command

__all__ = ["gallery"]


@click.command(
    cls=Command,
    short_help="List the charts that come with settlesim, or print one as JSON.",
    help="""List the charts that come with settlesim, or print the one called NAME as JSON.

    \b
    Use the JSON as the start of a chart of your own:
      settlesim gallery order > my_order.json
      settlesim check my_order.json""",
)
@click.argument("name", required=False, shell_complete=complete_chart)
def gallery(name: str | None) -> None:
    """List the gallery, or print one chart."""
    from settlesim.argument_checks import nearest
    from settlesim.cli.text import json_page, table
    from settlesim.gallery import CHARTS

    if name is None:
        click.echo("\n".join(table([(each, _summary(each)) for each in CHARTS])))
    elif name in CHARTS:
        click.echo(json_page(CHARTS[name].to_dict()))
    else:
        close = nearest(name, CHARTS)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(CHARTS)}."
        raise click.BadParameter(f"no chart {name!r}; {hint}", param_hint="'NAME'")


def _summary(name: str) -> str:
    """Return the first paragraph of the module that makes the chart, without the name."""
    text = importlib.import_module(f"settlesim.gallery.{name}").__doc__ or ""
    first = " ".join(text.split("\n\n")[0].split())
    words = first.removeprefix(f"``{name}``: ").replace("``", "").replace("**", "")
    return words[:1].upper() + words[1:]
