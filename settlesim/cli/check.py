"""``settlesim check``: the settling contract of a chart."""

from __future__ import annotations

from typing import Final

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command

__all__ = ["check"]

_NO_TAGS: Final = """\
Note: no state has a tag, so no instance can be saved: {"name": "open", "tags": ["settled"]}
tags one. For a machine of transitions, @add_state_features(Tags) on its class allows the same."""


@click.command(
    cls=Command,
    short_help="Prove or refute that every event ends in a settled configuration.",
    help=f"""Prove or refute that every event of CHART ends in a settled configuration.

    Where CHART has migrations, also that every settled configuration, event and delay of earlier
    versions can be migrated to it. No function of the chart runs, and none needs to be bound.

    {CHART_HELP}

    \b
    Exit status: 0 without errors; 1 with errors, and with --strict
    also with warnings; 2 where there is no chart to check.""",
)
@chart_argument
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--frozen",
    default="charts",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="The folder of `settlesim freeze`: migration steps are needed from the versions in it.",
)
@click.option("--strict", is_flag=True, help="Fail on warnings as well.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Explore at most this many run states; beyond it nothing is proved.",
)
def check(source: Source, as_json: bool, frozen: str, strict: bool, limit: int | None) -> None:
    """Check a chart."""
    from settlesim.chart.report import Severity
    from settlesim.check import check_chart
    from settlesim.cli.text import json_page
    from settlesim.versions.frozen import frozen_charts

    known = frozen_charts(source.chart.name, frozen)
    report = check_chart(source.chart, limit=limit, known=known)
    click.echo(json_page(report.to_dict()) if as_json else str(report))
    if report.errors and not any(node.tags for node in source.chart.states):
        click.echo(_NO_TAGS, err=True)
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(finding.severity in bad for finding in report.findings):
        click.get_current_context().exit(1)
