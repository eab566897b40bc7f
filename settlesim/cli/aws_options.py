"""The options of commands that reach the queue and the table of a chart on AWS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from settlesim.chart import Chart
from settlesim.cli.worker_options import WorkerSettings

if TYPE_CHECKING:
    from settlesim.engines.aws import AwsEngine

__all__ = ["AwsSettings", "aws_options"]


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Arguments of `AwsResources.from_environment`; None takes the value of the environment."""

    table: str | None
    queue_url: str | None
    dead_letter_queue_url: str | None
    scheduler_role_arn: str | None

    def engine(self, chart: Chart, settings: WorkerSettings, *, works: bool) -> AwsEngine:
        """Return the engine, which is not entered yet."""
        from settlesim.engines.aws import AwsEngine, AwsResources
        from settlesim.engines.aws.queue_handler import DEFAULTS

        return AwsEngine(
            chart,
            AwsResources.from_environment(**asdict(self)),
            options=replace(
                DEFAULTS,
                policy=settings.policy,
                max_failures=settings.max_failures,
                deadline=settings.deadline,
            ),
            works=works,
            concurrency=settings.concurrency,
        )


_OPTIONS = (
    click.option("--table", metavar="NAME", help="A DynamoDB table; else SETTLESIM_TABLE."),
    click.option("--queue-url", metavar="URL", help="A FIFO queue; else SETTLESIM_QUEUE_URL."),
    click.option(
        "--dead-letter-queue-url",
        metavar="URL",
        help="Its queue for dead letters; else SETTLESIM_DEAD_LETTER_QUEUE_URL.",
    ),
    click.option(
        "--scheduler-role-arn",
        metavar="ARN",
        help="For charts with delays; else SETTLESIM_SCHEDULER_ROLE_ARN.",
    ),
)


def aws_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a chart on AWS to a command, which gets them as `aws`."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        names = AwsSettings.__dataclass_fields__
        aws = AwsSettings(**{name: values.pop(name) for name in names})
        return function(aws=aws, **values)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
