"""``settlesim serve``: a chart behind HTTP, with its worker and a live page."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from settlesim.chart import Chart
from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command
from settlesim.cli.engine_options import EngineSettings, engine_options
from settlesim.cli.stand_ins import bind_stubs, stub_options
from settlesim.cli.store_options import queue_store, store_option
from settlesim.cli.work import Counted
from settlesim.cli.worker_options import WorkerSettings, worker_options
from settlesim.errors import MissingExtraError

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette

    from settlesim.http.serving import ServedEngine

__all__ = ["serve_command"]


@click.command(
    "serve",
    cls=Command,
    short_help="Serve a chart over HTTP, with a live page.",
    help=f"""Serve CHART over HTTP, and settle its events. The page at / shows the instances,
    and one of them as a live chart; /openapi.json describes the routes.

    {CHART_HELP}

    Events come in by POST /machines/KEY/events, or as serverless-xstate takes them, by
    POST /?id=KEY. Any number of servers and workers may share a store; if one is killed, no
    event is lost or applied twice. With --engine restate or aws the events and instances are on
    a Restate server, or in a queue and a table on AWS, and the page and the routes are the same.

    There is no sign-in: whoever reaches the port may send events. It listens on this machine
    only, and refuses requests for other hosts and from pages of other origins, unless
    --allow-host and --allow-origin name them. It needs settlesim[http].

    Ctrl-C or SIGTERM stops the process after the messages in flight; those that take longer
    than --grace become visible again. A second signal ends it immediately.

    \b
    Exit status: 0 after an orderly end; 1 where the port is taken, or the
    store failed or is damaged; 2 for wrong arguments and charts; 130 or
    143 where a second signal ended it.

    \b
    Examples:
      settlesim serve count --store counts.db
      settlesim serve order --store orders.db --port 9000 --allow-host shop.example
      settlesim serve donut --store donuts.db --root entities
      settlesim serve count --engine restate""",
)
@chart_argument
@store_option(exists=False, queues=True, required=False)
@engine_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="The port; 0 for any free one.",
)
@click.option(
    "--root",
    type=click.Choice(["seed", "entities"]),
    default="seed",
    show_default=True,
    help="The interface of /?id=KEY: that of serverless-xstate, or of durable-entities-xstate.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Answer requests for this host too; repeatable.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Answer pages of this origin too; repeatable.",
)
@click.option("--no-work", is_flag=True, help="Only accept events; other processes settle them.")
@worker_options
@click.option(
    "--log",
    "log",
    type=click.Choice(["text", "json", "off"]),
    default="text",
    show_default=True,
    help="The format of the line that is printed for each event.",
)
@stub_options
def serve_command(
    *,
    source: Source,
    path: str | None,
    engines: EngineSettings,
    host: str,
    port: int,
    root: Literal["seed", "entities"],
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    no_work: bool,
    settings: WorkerSettings,
    log: Literal["text", "json", "off"],
    stub: bool,
    **stubs: Mapping[str, Callable[..., Any]],
) -> None:
    """Serve until stopped."""
    chart = bind_stubs(source.chart, stubs, rest=stub)
    path = engines.store(path)
    listener = _listen(host, port)
    from settlesim.http import create_app  # after `_listen`, which reports a missing extra

    counted = Counted(log)
    with listener, _opened(chart, path, engines, settings, counted, works=not no_work) as engine:
        names = (*hosts, *(() if host in ("0.0.0.0", "::") else (host,)))
        where = f"[{host}]" if ":" in host else host
        url = f"http://{where}:{listener.getsockname()[1]}/"
        try:
            app = create_app(engine, root=root, hosts=names, origins=origins)
            with engines.told_what_to_start():
                _run(app, engine, listener, url, engines=engines, settings=settings)
        finally:
            click.echo(counted.told(), err=True)


@contextmanager
def _opened(
    chart: Chart,
    path: str | None,
    engines: EngineSettings,
    settings: WorkerSettings,
    counted: Counted,
    *,
    works: bool,
) -> Iterator[ServedEngine]:
    """Yield the engine, which is not entered yet."""
    from settlesim.engines import EmbeddedEngine

    if path is None:
        yield engines.engine(chart, settings, works=works)
        return
    with queue_store(path) as store:
        yield EmbeddedEngine(settings.worker(chart, store, counted.logger), works=works)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; refuse if the ``http`` extra is not installed."""
    try:
        from settlesim.http.serving import listening_socket
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        raise MissingExtraError(extra="http", feature="settlesim serve", module="uvicorn") from None
    try:
        return listening_socket(host, port)
    except OSError as error:
        reason = f"it cannot listen on {host} port {port}: {error.strerror or error}; choose "
        raise click.ClickException(f"{reason}another --port, or 0 for any.") from error


def _run(
    app: Starlette,
    engine: ServedEngine,
    listener: socket.socket,
    url: str,
    *,
    engines: EngineSettings,
    settings: WorkerSettings,
) -> None:
    from settlesim.http.serving import serve_app

    def tell_started() -> None:
        click.echo(f"Serving {engine.chart.name} on {url} ; Ctrl-C stops.", err=True)

    def tell_stopping() -> None:
        text = f"Stopping: what is in flight has {settings.grace:g} s. "
        os.write(sys.stderr.fileno(), f"{text}Once more ends it immediately.\n".encode())

    async def serve() -> None:
        engines.prepare_signals()
        await serve_app(
            app,
            engine,
            listener,
            grace=settings.grace,
            started=tell_started,
            stopping=tell_stopping,
        )

    asyncio.run(serve())
