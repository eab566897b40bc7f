"""``settlesim freeze``: a version of a chart is kept as a file."""

from __future__ import annotations

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command, Failure

__all__ = ["freeze_command"]


@click.command(
    "freeze",
    cls=Command,
    short_help="Keep a version of a chart as a file.",
    help=f"""Write CHART to a file named after it and its version, such as charts/order.v1.json.
    Do this when a version is deployed: `settlesim check` then requires a migration step from
    each frozen version, and refuses a version that was edited.

    {CHART_HELP}

    \b
    Exit status: 0, also where the file exists with the same meaning; 1
    where this version was frozen with another definition; 2 where there
    is no chart.""",
)
@chart_argument
@click.option(
    "--folder",
    default="charts",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Where frozen versions are kept.",
)
@click.option("--replace", is_flag=True, help="Replace another definition of the same version.")
def freeze_command(source: Source, folder: str, replace: bool) -> None:
    """Freeze a chart."""
    from settlesim.cli.text import plain
    from settlesim.errors import ChartEditedError
    from settlesim.versions.frozen import freeze_chart, frozen_path

    chart = source.chart
    before = frozen_path(chart, folder)
    there = before.exists() and not replace
    try:
        path = freeze_chart(chart, folder, replace=replace)
    except ChartEditedError as error:
        raise Failure(
            f"{plain(str(before))} has another definition of version {chart.version}: "
            f"{error.reason}; --replace writes it anew."
        ) from error
    click.echo(f"{plain(str(path))} {'is there already' if there else 'was written'}")
