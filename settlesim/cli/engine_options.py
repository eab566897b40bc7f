"""The options of commands that run a chart on an engine other than a store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from settlesim.chart import Chart
from settlesim.cli.aws_options import AwsSettings, aws_options
from settlesim.cli.command_group import Failure
from settlesim.cli.restate_options import (
    RESTATE_START,
    RestateSettings,
    install_sdk_signal_handlers,
    restate_options,
)
from settlesim.cli.worker_options import WorkerSettings
from settlesim.errors import StoreUnavailableError

if TYPE_CHECKING:
    from settlesim.engines.aws import AwsEngine
    from settlesim.engines.restate import RestateEngine

__all__ = ["EngineSettings", "engine_options"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which engine has the events of a chart, and how it is reached."""

    kind: Literal["store", "restate", "aws"]
    restate: RestateSettings
    aws: AwsSettings

    def store(self, path: str | None) -> str | None:
        """Return the path of the store; None for another engine.

        Raises
        ------
        click.UsageError
            A store is needed and not given, or given and not needed.
        """
        if self.kind == "store":
            if path is None:
                raise click.UsageError("Missing option '--store'.")
        elif path is not None:
            raise click.UsageError(f"--store is not for --engine {self.kind}")
        return path

    def engine(
        self, chart: Chart, settings: WorkerSettings, *, works: bool
    ) -> RestateEngine | AwsEngine:
        """Return the engine, which is not entered yet."""
        if self.kind == "restate":
            return self.restate.engine(chart, settings, works=works)
        return self.aws.engine(chart, settings, works=works)

    def prepare_signals(self) -> None:
        """Keep the SDK of Restate from replacing signal handlers that are installed later."""
        if self.kind == "restate":
            install_sdk_signal_handlers()

    @contextmanager
    def told_what_to_start(self) -> Iterator[None]:
        """If a Restate server cannot be reached, say in the error how to start one."""
        try:
            yield
        except StoreUnavailableError as error:
            if self.kind == "restate":
                raise Failure(f"{error}.\n\n{RESTATE_START}") from error
            raise


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of engines to a command, which gets them as `engines`."""

    @functools.wraps(function)
    def command(engine: Any, restate: RestateSettings, aws: AwsSettings, **values: Any) -> Any:
        return function(engines=EngineSettings(engine, restate, aws), **values)

    chosen = click.option(
        "--engine",
        type=click.Choice(["store", "restate", "aws"]),
        default="store",
        show_default=True,
        help="Where the events are: in the --store, on a Restate server, or on AWS.",
    )
    return chosen(restate_options(aws_options(command)))
