"""The options of commands that run a worker."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from settlesim.chart import Chart
from settlesim.cli.store_options import edited_option

if TYPE_CHECKING:
    from settlesim.runtime import Worker
    from settlesim.store import SqliteStore

__all__ = ["WorkerSettings", "worker_options"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a worker and its queue."""

    concurrency: int
    policy: Literal["skip", "halt"]
    visibility: float
    max_failures: int
    max_receives: int
    deadline: float
    grace: float
    on_edited: Literal["refuse", "warn"]

    def worker(self, chart: Chart, store: SqliteStore, logger: logging.Logger) -> Worker:
        """Return the worker of a chart, on the queue that is named after the chart."""
        from settlesim.runtime import Worker
        from settlesim.store import FifoQueue

        queue = FifoQueue(
            store,
            chart.name,
            policy=self.policy,
            max_failures=self.max_failures,
            max_receives=self.max_receives,
        )
        return Worker(
            chart,
            store,
            queue,
            concurrency=self.concurrency,
            visibility_timeout=self.visibility,
            deadline=self.deadline,
            grace=self.grace,
            on_edited=self.on_edited,
            logger=logger,
        )


_OPTIONS = (
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        default=10,
        show_default=True,
        help="How many keys are worked on at the same time.",
    ),
    click.option(
        "--policy",
        type=click.Choice(["skip", "halt"]),
        default="skip",
        show_default=True,
        help="What happens to a key after a dead letter: skip it and go on, or halt until resume.",
    ),
    click.option(
        "--visibility",
        type=click.FloatRange(0, 43_200, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="After how many seconds an event of a crashed worker becomes visible again.",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="After how many failures an event is a dead letter.",
    ),
    click.option(
        "--max-receives",
        type=click.IntRange(1),
        default=10,
        show_default=True,
        help="After how many receptions without a result an event is a dead letter.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(0, min_open=True),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="How long one event may take altogether.",
    ),
    click.option(
        "--grace",
        type=click.FloatRange(0),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long services may run on after the worker was stopped.",
    ),
    edited_option,
)


def worker_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a worker to a command, which gets them as `settings`."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        names = WorkerSettings.__dataclass_fields__
        settings = WorkerSettings(**{name: values.pop(name) for name in names})
        return function(settings=settings, **values)

    decorated: Callable[..., Any] = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
