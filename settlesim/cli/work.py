"""``settlesim work``: settle the events that wait in a chart's queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import click

from settlesim.chart import Chart
from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command
from settlesim.cli.engine_options import EngineSettings, engine_options
from settlesim.cli.output import escaped
from settlesim.cli.stand_ins import bind_stubs, stub_options
from settlesim.cli.store_options import queue_store, store_option
from settlesim.cli.worker_options import WorkerSettings, worker_options
from settlesim.runtime import Worker
from settlesim.runtime.logs import JSONLines

__all__ = [
    "Counted",
    "run_worker",
    "work_command",
]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Counted(logging.Handler):
    """A log handler that counts the outcomes of messages, and prints the records.

    Parameters
    ----------
    form : how records are printed, if at all
    """

    def __init__(self, form: Literal["text", "json", "off"]) -> None:
        super().__init__()
        self.logger = logging.getLogger("settlesim.worker")
        self.logger.setLevel(logging.INFO)
        self.logger.propagate = False
        self.logger.handlers = [self]
        self._form = form
        self.setFormatter(JSONLines() if form == "json" else logging.Formatter("%(message)s"))
        self._outcomes: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record and print it; warnings of the store are printed in any case."""
        outcome = getattr(record, "outcome", None)
        if outcome is not None:
            self._outcomes[outcome] += 1
        if self._form == "off" and outcome is not None:
            return
        with contextlib.suppress(OSError):  # such as a closed pipe: the worker continues
            click.echo(escaped(self.format(record), layout=False), err=outcome is None)

    def told(self) -> str:
        """Return how many messages had each outcome."""
        if not self._outcomes:
            return "Nothing was handled."
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._outcomes.items()))


def run_worker(worker: Worker, *, until_empty: bool) -> None:
    """Run a worker; the first signal stops it in an orderly way, the second one immediately."""

    async def main() -> None:
        with _signals(worker.stop, worker.grace):
            await worker.run(until_empty)

    asyncio.run(main())


@contextlib.contextmanager
def _signals(stop: Callable[[], object], grace: float) -> Iterator[None]:
    seen: list[int] = []

    def handle(number: int, frame: Any = None) -> None:
        if seen:
            # The store survives a kill, so nothing has to be waited for.
            os._exit(128 + number)
        seen.append(number)
        stop()
        text = f"Stopping: what is in flight has {grace:g} s. Once more ends it immediately.\n"
        os.write(sys.stderr.fileno(), text.encode())

    before = {each: signal.signal(each, handle) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


async def _run_engine(engines: EngineSettings, chart: Chart, settings: WorkerSettings) -> None:
    """Run an engine other than the store; signals are handled as in `run_worker`."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    engines.prepare_signals()
    with _signals(lambda: loop.call_soon_threadsafe(stopped.set), settings.grace):
        async with engines.engine(chart, settings, works=True) as engine:
            await engine.check()
            click.echo(f"Serving {chart.name} {engine.place}. Ctrl-C stops.", err=True)
            ends = [asyncio.create_task(each) for each in (engine.ended(), stopped.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
            await asyncio.wait(ends)


@click.command(
    cls=Command,
    short_help="Settle the events that wait in a chart's queue.",
    help=f"""Settle the events that wait in the queue of CHART: those of one key in order, those
    of different keys concurrently. Any number of workers may share a store; if one is killed,
    no event is lost or applied twice.

    {CHART_HELP}

    Services and delays take real time. A chart from a JSON file has no functions: --service,
    --guard, --assign and --stub stand in for them, and the first three also replace those
    that a chart has, as in --service wait=done.

    An event that cannot be settled is retried, and goes to the dead letters after
    --max-failures failures, or after it was received --max-receives times without a result, for
    example because workers crashed. Then later events of its key are handled (skip), or wait in
    order until `settlesim resume` (halt).

    With --engine restate this process serves the chart's handlers to a Restate server, where the
    events come in; with --engine aws it handles the messages of an SQS queue, as a Lambda function
    does. Of the options below, --visibility, --max-receives and --grace are for a store only,
    and --concurrency is not for Restate, since Restate and SQS have their own settings.

    Ctrl-C or SIGTERM stops the process after the messages in flight; those that take longer
    than --grace become visible again. A second signal ends it immediately.

    \b
    Exit status: 0 after an orderly end; 1 where the store failed or is
    damaged, or where instances of another version of the chart are left;
    2 for wrong arguments and charts; 130 or 143 where a second signal
    ended it.

    \b
    Examples:
      settlesim work count --store counts.db
      settlesim work count --store counts.db --until-empty --service wait=done
      settlesim work shop:order --store s.db --concurrency 20 --log json
      settlesim work shop:order --engine restate""",
)
@chart_argument
@store_option(exists=False, queues=True, required=False)
@click.option("--until-empty", is_flag=True, help="End when no event is left.")
@engine_options
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
def work_command(
    *,
    source: Source,
    path: str | None,
    until_empty: bool,
    engines: EngineSettings,
    settings: WorkerSettings,
    log: Literal["text", "json", "off"],
    stub: bool,
    **stubs: Mapping[str, Callable[..., Any]],
) -> None:
    """Work until stopped, or until nothing waits."""
    chart = bind_stubs(source.chart, stubs, rest=stub)
    counted = Counted(log)
    path = engines.store(path)
    if path is None:
        if until_empty:
            raise click.UsageError(f"--until-empty is not for --engine {engines.kind}")
        try:
            with engines.told_what_to_start():
                asyncio.run(_run_engine(engines, chart, settings))
        finally:
            click.echo(counted.told(), err=True)
        return
    with queue_store(path) as store:
        worker = settings.worker(chart, store, counted.logger)
        if not until_empty and log == "text":  # else it would seem to hang
            click.echo(f"Waiting for events of {chart.name} in {path}; Ctrl-C stops.", err=True)
        try:
            run_worker(worker, until_empty=until_empty)
        finally:
            click.echo(counted.told(), err=True)
