"""``settlesim deploy``: the files that deploy a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command, Refusal

__all__ = ["deploy"]


@click.group(short_help="Write what puts a chart on AWS.")
def deploy() -> None:
    """Write the files that deploy a chart."""


@deploy.command(
    "aws",
    cls=Command,
    short_help="A template for SQS, Lambda and DynamoDB.",
    help=f"""Write a SAM template, the function's code and a README into a folder, for CHART on
    SQS, Lambda and DynamoDB. Nothing is sent to AWS.

    {CHART_HELP}

    A chart with functions has to be module:attribute: the function imports it.

    \b
    Exit status: 0 when the files are written; 2 for wrong arguments and
    charts, and where a file is there already.

    \b
    Examples:
      settlesim deploy aws shop:order -o order-on-aws
      settlesim deploy aws count.json -o aws --policy halt --deadline 20""",
)
@chart_argument
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder, which is made.",
)
@click.option(
    "--policy",
    type=click.Choice(["skip", "halt"]),
    default="skip",
    show_default=True,
    help="What happens to a key after a dead letter: skip it and go on, or halt until resume.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="After how many failures an event is a dead letter.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one attempt may take; the times of function and queue follow from it.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
def deploy_aws(
    *,
    source: Source,
    folder: Path,
    policy: Literal["skip", "halt"],
    max_failures: int,
    deadline: float,
    force: bool,
) -> None:
    """Write the files for AWS."""
    from dataclasses import replace

    from settlesim.engines.aws.queue_handler import DEFAULTS
    from settlesim.engines.aws.template import deployment

    options = replace(DEFAULTS, policy=policy, max_failures=max_failures, deadline=deadline)
    found = deployment(source.chart, source.reference, options)
    there = [name for name in found.files if (folder / name).exists()]
    if there and not force:
        raise Refusal(f"{folder / there[0]} is there already; --force writes over it")
    for name, text in found.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    click.echo(
        f"A function may run {found.timeout} s, a message is hidden for {found.visibility} s. "
        f"{folder / 'README.md'} says what comes next.",
        err=True,
    )
