"""``settlesim migrate``: stored instances and the steps between the versions of their chart."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command
from settlesim.cli.output import unfiltered
from settlesim.cli.store_options import JSON_HELP, check_is_stored, store_option

if TYPE_CHECKING:
    from settlesim.ports import ChartQueue

__all__ = ["migrate_command"]


@click.command(
    "migrate",
    cls=Command,
    short_help="Try, apply or finish the migration of stored instances.",
    help=f"""Show what the migrations of CHART would do to the instances of a store, or apply them.

    {CHART_HELP}

    Without --apply and --retire nothing is written: the functions of the steps run on every
    instance, and the output says how many move where, which fail and why, which would be
    stranded in a state that is not settled in CHART, and which waiting messages and timers
    would be lost.

    --apply migrates every instance. Workers of all versions may run meanwhile, and it may be
    killed and started again. Without it, each instance is migrated when
    its next event is settled.

    --retire N proves that nothing of version N or an earlier one is left, in instances, timers,
    messages and dead letters; then the store refuses these versions, and their
    steps can be removed.

    \b
    Exit status: 0; 1 where something fails, would be lost or is left; 2
    where there is no such file or chart, or nothing of the chart in the
    store.

    \b
    Examples:
      settlesim migrate shop:order --store orders.db --dry-run
      settlesim migrate shop:order --store orders.db --apply
      settlesim migrate shop:order --store orders.db --retire 1""",
)
@chart_argument
@store_option(exists=True)
@click.option("--dry-run", is_flag=True, help="Write nothing; the default.")
@click.option("--apply", "applies", is_flag=True, help="Migrate the instances.")
@click.option(
    "--retire",
    type=click.IntRange(1),
    metavar="N",
    help="Prove that nothing up to version N is left, and refuse it from now on.",
)
@click.option(
    "--queue", metavar="NAME", help="The queue of the chart, if it has another name than the chart."
)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def migrate_command(
    *,
    source: Source,
    path: str,
    dry_run: bool,
    applies: bool,
    retire: int | None,
    queue: str | None,
    as_json: bool,
) -> None:
    """Look at the store, or change it."""
    from settlesim.cli.text import json_page
    from settlesim.progress import show_progress
    from settlesim.store import open_store
    from settlesim.versions import apply_migration, plan_migration
    from settlesim.versions import retire as retire_versions

    chart = source.chart
    chosen = [dry_run, applies, retire is not None]
    if sum(chosen) > 1:
        raise click.UsageError("only one of --dry-run, --apply and --retire is possible.")
    if retire is not None and retire >= chart.version:
        raise click.BadParameter(
            f"{retire} is not below {chart.version}, the version of this chart.",
            param_hint="--retire",
        )
    found: Any
    with open_store(path) as store, show_progress(stream=unfiltered(sys.stderr)) as progress:
        check_is_stored(store, chart.name, queue or chart.name)
        its_queue = _queue(store, queue or chart.name, chart.name)
        if retire is not None:
            found = retire_versions(chart, store, its_queue, version=retire)
        elif applies:
            found = apply_migration(chart, store, progress=progress)
        else:
            found = plan_migration(chart, store, its_queue, progress=progress)
    click.echo(json_page(found.to_dict()) if as_json else str(found))
    if not found.ok:
        click.get_current_context().exit(1)


def _queue(store: object, name: str, chart: str) -> ChartQueue | None:
    """Return the chart's queue, where the store has queues."""
    from settlesim.store import FifoQueue, SqliteStore

    return FifoQueue(store, name, chart=chart) if isinstance(store, SqliteStore) else None
