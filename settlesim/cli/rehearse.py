"""``settlesim rehearse``: replay a store's remembered settlements on a newer chart."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument, find_chart
from settlesim.cli.command_group import Command
from settlesim.cli.output import unfiltered
from settlesim.cli.stand_ins import bind_stubs, function_options
from settlesim.cli.store_options import JSON_HELP, check_is_stored, store_option

if TYPE_CHECKING:
    from settlesim.versions.rehearsal import Rehearsal

__all__ = ["rehearse_command"]


@click.command(
    "rehearse",
    cls=Command,
    short_help="Run a store's remembered settlements again on a newer chart, and compare.",
    help=f"""Replay the settlements that a store remembers on CHART, with the recorded answers
    of their services, and list the differences by kind, each with three keys. No service runs,
    and nothing is written to the store.

    Guards and assigns have to be bound; options can stand in for them.

    {CHART_HELP}

    \b
    Exit status: 0 where every settlement has the same result; 1 where some differ, or the store
    is damaged; 2 where there is no chart
    or no store, or no instance of the chart in it.

    \b
    Examples:
      settlesim rehearse shop:order --store orders.db
      settlesim rehearse shop:order --store orders.db --pictures rehearsal""",
)
@chart_argument
@store_option(exists=True)
@function_options
@click.option(
    "--old",
    metavar="OLD",
    help="The chart that settled them, for the pictures; by default where CHART's steps begin.",
)
@click.option(
    "--pictures",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw one settlement of each kind into this folder, before and after.",
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def rehearse_command(
    *,
    source: Source,
    path: str,
    stub: bool,
    old: str | None,
    folder: Path | None,
    as_json: bool,
    **stubs: Mapping[str, Any],
) -> None:
    """Rehearse a deployment."""
    import settlesim.view  # noqa: F401  # registers how settlements are drawn
    from settlesim.cli.text import json_page
    from settlesim.progress import show_progress
    from settlesim.store import open_store
    from settlesim.versions import rehearse

    chart = bind_stubs(source.chart, stubs, rest=stub, services=False)
    before = None if old is None else find_chart(old).chart
    with (
        open_store(path) as store,
        show_progress(stream=unfiltered(sys.stderr)) as progress,
    ):
        check_is_stored(store, chart.name, chart.name)
        found = rehearse(chart, store, old=before, progress=progress)
    click.echo(json_page(found.to_dict()) if as_json else str(found))
    if folder is not None:
        _draw(found, folder)
    if found.differences:
        click.get_current_context().exit(1)


def _draw(found: Rehearsal, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, difference in enumerate(found.differences, 1):
        title = f"{difference.example.key}: {difference.sentence}"
        written = [folder / f"{number}-after.svg"]
        difference.draw(written[0])
        if difference.example.old_chart is not None:
            written.insert(0, folder / f"{number}-before.svg")
            difference.example.draw_before(written[0], title=f"{title} (before)")
        click.echo(f"Wrote {' and '.join(map(str, written))}.", err=True)
