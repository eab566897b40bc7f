"""``settlesim work``: settle the events that wait in a chart's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.durable import queue_store, store_option
from settlesim.cli.running import Command
from settlesim.cli.stubs import bind_stubs, stub_options

__all__ = ["work"]


@click.command(
    cls=Command,
    short_help="Settle the events that wait in a chart's queue.",
    help=f"""Settle the events that wait in the queue of CHART: those of one key in order, those
    of different keys concurrently. Any number of workers may share a store; one that is
    killed loses nothing and doubles nothing.

    {CHART_HELP}

    Services and delays take real time. A chart from a JSON file has no functions: --service,
    --guard, --assign and --stub stand in for them, and the first three also replace those
    that a chart has, as in --service wait=done.

    An event that cannot be settled is retried, and goes to the dead letters after
    --max-failures failures, or after it was received --max-receives times without a result,
    as where workers die of it. Then its key goes on (skip), or waits in order until
    `settlesim resume` (halt).

    Ctrl-C or SIGTERM lets what is in flight end, makes visible again what does not end within
    --grace, and ends; a second one ends immediately.

    \b
    Exit status: 0 after an orderly end; 1 where the store failed or is
    damaged, or where instances of another version of the chart are left;
    2 for wrong arguments and charts; 130 or 143 where a second signal
    ended it.

    \b
    Examples:
      settlesim work count --store counts.db
      settlesim work count --store counts.db --until-empty --service wait=done
      settlesim work shop:order --store s.db --concurrency 20 --log json""",
)
@chart_argument
@store_option(exists=False, queues=True)
@click.option("--until-empty", is_flag=True, help="End as soon as nothing waits.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many keys are worked on at the same time.",
)
@click.option(
    "--policy",
    type=click.Choice(["skip", "halt"]),
    default="skip",
    show_default=True,
    help="What a key does after a dead letter: go on, or wait.",
)
@click.option(
    "--visibility",
    type=click.FloatRange(0, 43_200, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="When an event of a worker that is gone becomes visible again.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="After how many failures an event is a dead letter.",
)
@click.option(
    "--max-receives",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="After how many receptions without a result an event is a dead letter.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one event may take altogether.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long services have to end when the worker is stopped.",
)
@click.option(
    "--log",
    "log",
    type=click.Choice(["text", "json", "off"]),
    default="text",
    show_default=True,
    help="What is printed of each event.",
)
@stub_options
def work(
    *,
    source: Source,
    path: str,
    until_empty: bool,
    concurrency: int,
    policy: Literal["skip", "halt"],
    visibility: float,
    max_failures: int,
    max_receives: int,
    deadline: float,
    grace: float,
    log: Literal["text", "json", "off"],
    stub: bool,
    **stubs: Mapping[str, Callable[..., Any]],
) -> None:
    """Work until stopped, or until nothing waits."""
    from settlesim.cli.working import Counted, run_worker
    from settlesim.runtime import Worker
    from settlesim.store import FifoQueue

    chart = bind_stubs(source.chart, stubs, rest=stub)
    counted = Counted(log)
    with queue_store(path) as store:
        worker = Worker(
            chart,
            store,
            FifoQueue(
                store,
                chart.name,
                policy=policy,
                max_failures=max_failures,
                max_receives=max_receives,
            ),
            concurrency=concurrency,
            visibility_timeout=visibility,
            deadline=deadline,
            grace=grace,
            logger=counted.logger,
        )
        if not until_empty and log == "text":  # else nobody could tell it from one that hangs
            click.echo(f"Waiting for events of {chart.name} in {path}; Ctrl-C stops.", err=True)
        try:
            run_worker(worker, until_empty=until_empty)
        finally:
            click.echo(counted.told(), err=True)
