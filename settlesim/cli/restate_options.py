"""The options of commands that serve a chart to a Restate server."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from settlesim.chart import Chart
from settlesim.cli.worker_options import WorkerSettings

if TYPE_CHECKING:
    from settlesim.engines.restate import RestateEngine

__all__ = ["RESTATE_START", "RestateSettings", "install_sdk_signal_handlers", "restate_options"]

RESTATE_START: Final = """\
Start one, for example
  npx @restatedev/restate-server
or in a container, which reaches this process by another name (--bind 0.0.0.0:9080 --uri
http://host.docker.internal:9080):
  docker run --rm -p 8080:8080 -p 9070:9070 --add-host host.docker.internal:host-gateway \\
    docker.io/restatedev/restate"""


@dataclass(frozen=True, slots=True)
class RestateSettings:
    """Where a Restate server is, and where it finds this process."""

    ingress: str
    admin: str
    bind: str
    uri: str | None

    def engine(self, chart: Chart, settings: WorkerSettings, *, works: bool) -> RestateEngine:
        """Return the engine, which is not entered yet."""
        from settlesim.engines.restate import HandlerOptions, RestateClient, RestateEngine

        return RestateEngine(
            chart,
            RestateClient(self.ingress, self.admin),
            options=HandlerOptions(
                policy=settings.policy,
                max_failures=settings.max_failures,
                deadline=settings.deadline,
            ),
            works=works,
            bind=self.bind,
            uri=self.uri,
        )


def install_sdk_signal_handlers() -> None:
    """Let the SDK install its SIGTERM handler in the running event loop now.

    It would do so at its first request, and replace a handler that the process has installed
    before.
    """
    from restate.server import install_shutdown_hook

    install_shutdown_hook(asyncio.get_running_loop(), lambda: None)


_OPTIONS = (
    click.option(
        "--ingress",
        default="http://127.0.0.1:8080",
        show_default=True,
        metavar="URL",
        help="Where a Restate server takes events.",
    ),
    click.option(
        "--admin",
        default="http://127.0.0.1:9070",
        show_default=True,
        metavar="URL",
        help="Where a Restate server registers services.",
    ),
    click.option(
        "--bind",
        default="127.0.0.1:9080",
        show_default=True,
        metavar="ADDRESS:PORT",
        help="Where the handlers are served to Restate.",
    ),
    click.option(
        "--uri",
        metavar="URL",
        help="How Restate reaches them; --bind if it is not given.",
    ),
)


def restate_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a Restate server to a command, which gets them as `restate`."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        names = RestateSettings.__dataclass_fields__
        restate = RestateSettings(**{name: values.pop(name) for name in names})
        return function(restate=restate, **values)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
