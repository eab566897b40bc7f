"""``settlesim diff``: what changes from one chart to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from settlesim.cli.charts import Source, named_chart_argument
from settlesim.cli.command_group import Command
from settlesim.cli.store_options import JSON_HELP, StorePath

if TYPE_CHECKING:
    from settlesim.display import DiagramOptions, Direction, Theme

__all__ = ["diff"]


@click.command(
    cls=Command,
    short_help="Say what changes from one chart to another, and who would be stranded.",
    help="""List what changes from the chart OLD to the chart NEW, and draw both in one picture.

    With --store the stored instances are counted by state, and so are those that NEW would
    strand. If NEW has migration steps from their version, these are followed. Nothing is
    written to the store.

    \b
    OLD and NEW are names of gallery charts, paths of JSON files, or
    module:attribute; modules of the current folder can be imported.

    \b
    Exit status: 0, also where the charts differ; 1 where the store is
    damaged or the picture cannot be made; 2 where there is no chart.

    \b
    Examples:
      settlesim diff charts/order.v1.json shop:order
      settlesim diff charts/order.v1.json shop:order --store orders.db -o diff.png""",
)
@named_chart_argument("old", "OLD")
@named_chart_argument("new", "NEW")
@click.option(
    "--store",
    "path",
    metavar="FILE",
    type=StorePath(exists=True),
    help="The store whose instances are counted, a TinyDB file (.json) or a SQLite file (.db).",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the picture to this file, .svg or .png.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    help="Colours for a light or a dark background.",
)
@click.option(
    "--direction",
    type=click.Choice(["LR", "TB"]),
    help="Left to right, or top to bottom; by default what fits a page.",
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def diff(
    *,
    old: Source,
    new: Source,
    path: str | None,
    output: Path | None,
    theme: Theme,
    direction: Direction | None,
    as_json: bool,
) -> None:
    """Compare two charts."""
    import settlesim.versions
    import settlesim.view  # noqa: F401  # registers how a diff is drawn
    from settlesim.cli.text import json_page
    from settlesim.store import open_store

    if output is not None and output.suffix.lower() not in {".svg", ".png"}:
        raise click.BadParameter(
            f"{output} is named as neither .svg nor .png", param_hint="'--output'"
        )
    if path is None:
        found = old.chart.diff(new.chart)
    else:
        with open_store(path) as store:
            found = old.chart.diff(new.chart, store=store)
    click.echo(json_page(found.to_dict()) if as_json else str(found))
    if output is not None:
        options: DiagramOptions = {"theme": theme}
        if direction is not None:
            options["direction"] = direction
        found.draw(output, **options)
        click.echo(f"Wrote {output}.", err=True)
