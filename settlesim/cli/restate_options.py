"""The options of commands that serve a chart to a Restate server."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from settlesim.chart import Chart
from settlesim.cli.command_group import Failure
from settlesim.cli.worker_options import WorkerSettings
from settlesim.errors import StoreUnavailableError

if TYPE_CHECKING:
    from settlesim.cli.work import Counted

__all__ = ["RestateSettings", "restate_options"]

_START: Final = """\
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

    def serve(self, chart: Chart, settings: WorkerSettings, counted: Counted) -> None:
        """Serve a chart until a signal comes.

        Raises
        ------
        click.ClickException
            No server answers, or it cannot reach this process.
        """
        from settlesim.engines.restate import HandlerOptions, RestateClient, RestateEngine

        engine = RestateEngine(
            chart,
            RestateClient(self.ingress, self.admin),
            options=HandlerOptions(
                policy=settings.policy,
                max_failures=settings.max_failures,
                deadline=settings.deadline,
            ),
            bind=self.bind,
            uri=self.uri,
        )
        try:
            asyncio.run(self._run(engine))
        except StoreUnavailableError as error:
            raise Failure(f"{error}.\n\n{_START}") from error
        finally:
            click.echo(counted.told(), err=True)

    async def _run(self, engine: Any) -> None:
        from restate.server import install_shutdown_hook

        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        seen: list[int] = []

        def stop(number: int) -> None:
            if seen:
                os._exit(128 + number)  # immediately: Restate calls the handlers again elsewhere
            seen.append(number)
            os.write(sys.stderr.fileno(), b"Stopping. Once more ends it immediately.\n")
            stopped.set()

        # The SDK listens to SIGTERM too, and a loop has one handler for each signal.
        for number in (signal.SIGINT, signal.SIGTERM):
            install_shutdown_hook(loop, functools.partial(stop, number), number)
        async with engine:
            click.echo(
                f"Serving {engine.service} at {engine.uri} to {self.admin}; events come in at "
                f"{self.ingress}/{engine.service}/KEY/send. Ctrl-C stops.",
                err=True,
            )
            ends = [asyncio.create_task(each) for each in (engine.ended(), stopped.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
            await asyncio.wait(ends)


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
    """Give a command the options of a Restate server, as `restate`."""

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        names = RestateSettings.__dataclass_fields__
        restate = RestateSettings(**{name: values.pop(name) for name in names})
        return function(restate=restate, **values)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
