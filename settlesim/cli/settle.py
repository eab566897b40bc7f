"""``settlesim settle``: bring one event of one instance to its settled state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command, Failure
from settlesim.cli.output import quoted
from settlesim.cli.stand_ins import bind_stubs, parse_json, stub_options
from settlesim.cli.store_options import StorePath, edited_option

if TYPE_CHECKING:
    from settlesim.chart import Chart
    from settlesim.ports import Store
    from settlesim.runtime import Interpreter
    from settlesim.settling import Settlement

__all__ = ["settle_command", "start_command"]


def _data(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    return None if value is None else parse_json(value)


@click.command(
    cls=Command,
    short_help="Run one event to a settled state, and save the instance there.",
    help=f"""Run EVENT on the instance KEY of CHART to a settled state, and save the instance there.

    A key that the store does not have starts a new instance; what its start did is saved even
    if EVENT is ignored or rejected. Without --store nothing is saved. Only a SQLite file keeps
    the delays of settled states.

    {CHART_HELP}

    A chart from a JSON file has no functions: --service, --guard, --assign and --stub
    stand in for them. The first three also replace functions that a chart has.

    The clock is simulated, so that delays and call.sleep() cost no time, unless the chart
    is a module:attribute, whose services may do real work.

    \b
    Exit status: 0 for RESOLVED, DONE and IGNORED; 1 for REJECTED, and
    where the event came to no settled state or the store failed; 2 for
    wrong arguments, charts and values.

    \b
    Examples:
      settlesim settle count c1 COUNT --store counts.json
      settlesim settle order o1 PAY --data '{{"card": "declined"}}'
      settlesim settle my_order.json o1 PAY --stub --service charge_card=error""",
)
@chart_argument
@click.argument("key")
@click.argument("event")
@click.option("--data", metavar="JSON", callback=_data, help="The event's data.")
@click.option(
    "--id",
    "event_id",
    metavar="TEXT",
    help="The id of the event, the same for each duplicate; idempotency keys are made of it.",
)
@click.option(
    "--store",
    "path",
    metavar="FILE",
    type=StorePath(exists=False),
    help="Keep instances here, in a TinyDB file (.json) or a SQLite file (.db).",
)
@stub_options
@click.option("--simulated/--real", default=None, help="Which clock services and delays use.")
@edited_option
@click.option("--json", "as_json", is_flag=True, help="Print the settlement as JSON.")
def settle_command(
    *,
    source: Source,
    key: str,
    event: str,
    data: Any,
    event_id: str | None,
    path: str | None,
    simulated: bool | None,
    on_edited: Literal["refuse", "warn"],
    as_json: bool,
    stub: bool,
    **stubs: Mapping[str, Callable[..., Any]],
) -> None:
    """Settle one event."""
    chart = bind_stubs(source.chart, stubs, rest=stub)
    if simulated is None:
        simulated = source.origin != "python"
    _run(
        chart,
        key,
        path,
        lambda interpreter: interpreter.settle_sync(key, event, data, event_id),
        simulated=simulated,
        on_edited=on_edited,
        as_json=as_json,
    )


@click.command(
    cls=Command,
    short_help="Start an instance without an event, and save it where it settles.",
    help=f"""Start the instance KEY of CHART without an event, and save it where it settles.

    Its initial state is entered, and its services and eventless transitions run. An instance
    that the store has is left alone.

    {CHART_HELP}

    Functions and the clock are as for `settlesim settle`.

    \b
    Exit status: 0, also where the instance exists; 1 where it was
    rejected, came to no settled state, or the store failed; 2 for wrong
    arguments, charts and values.

    \b
    Examples:
      settlesim start order o1 --store orders.db
      settlesim start my_job.json j1 --stub --store jobs.json""",
)
@chart_argument
@click.argument("key")
@click.option(
    "--id",
    "event_id",
    metavar="TEXT",
    help="The id of the start, the same for each duplicate; idempotency keys are made of it.",
)
@click.option(
    "--store",
    "path",
    metavar="FILE",
    type=StorePath(exists=False),
    help="Keep instances here, in a TinyDB file (.json) or a SQLite file (.db).",
)
@stub_options
@click.option("--simulated/--real", default=None, help="Which clock services and delays use.")
@edited_option
@click.option("--json", "as_json", is_flag=True, help="Print the settlement as JSON.")
def start_command(
    *,
    source: Source,
    key: str,
    event_id: str | None,
    path: str | None,
    simulated: bool | None,
    on_edited: Literal["refuse", "warn"],
    as_json: bool,
    stub: bool,
    **stubs: Mapping[str, Callable[..., Any]],
) -> None:
    """Start one instance."""
    chart = bind_stubs(source.chart, stubs, rest=stub)
    if simulated is None:
        simulated = source.origin != "python"
    _run(
        chart,
        key,
        path,
        lambda interpreter: interpreter.start_sync(key, event_id),
        simulated=simulated,
        on_edited=on_edited,
        as_json=as_json,
    )


def _run(
    chart: Chart,
    key: str,
    path: str | None,
    settle: Callable[[Interpreter], Settlement],
    *,
    simulated: bool,
    on_edited: Literal["refuse", "warn"],
    as_json: bool,
) -> None:
    """Settle an event or a start, tell what it did, and end with the exit status for it."""
    from settlesim.chart.outcome import Outcome
    from settlesim.ports import QueueStore
    from settlesim.runtime import Interpreter, RealClock, SimulatedClock

    with _store(path) as store:
        keeps_timers = isinstance(store, QueueStore)
        clock = SimulatedClock() if simulated else RealClock()
        interpreter = Interpreter(chart, store, clock=clock, on_edited=on_edited)
        settlement = _settled(interpreter, settle)
        ignored = settlement.outcome is Outcome.IGNORED
        events = list(interpreter.accepts(key)) if ignored else []
    _tell(settlement, events, path, as_json=as_json)
    if path is not None and settlement.saved and settlement.timers and not keeps_timers:
        other = quoted(f"{os.path.splitext(path)[0]}.db")
        click.echo(
            f"The delays do not run: {path} is a TinyDB file, and a worker needs a SQLite file, "
            f"--store {other}",
            err=True,
        )
    if settlement.outcome is Outcome.REJECTED:
        click.get_current_context().exit(1)


def _settled(interpreter: Interpreter, settle: Callable[[Interpreter], Settlement]) -> Settlement:
    """Settle; the message of a function's error is not shown where it may hold a secret value."""
    from settlesim.errors import FunctionFailedError, ServiceFailedError

    try:
        return settle(interpreter)
    except (FunctionFailedError, ServiceFailedError) as error:
        if not interpreter.chart.secret:
            raise
        name = error.function if isinstance(error, FunctionFailedError) else error.service
        reason = "its message may hold what the chart names as secret, and is not shown"
        raise Failure(f"{type(error).__name__}: {quoted(name)} failed; {reason}.") from None


@contextmanager
def _store(path: str | None) -> Iterator[Store]:
    from settlesim.store import MemoryStore, open_store

    if path is None:
        yield MemoryStore()
    else:
        with open_store(path) as store:
            yield store


def _tell(settlement: Settlement, events: list[str], path: str | None, *, as_json: bool) -> None:
    from settlesim.cli.text import (
        configuration_text,
        json_page,
        plain,
        settlement_record,
        settlement_text,
    )

    if as_json:
        saved = settlement.saved and path is not None
        click.echo(json_page({**settlement_record(settlement), "saved": saved, "store": path}))
        return
    click.echo(settlement_text(settlement, events))
    click.echo()
    started = "The start was saved" if settlement.only_start_saved else "Saved"
    if not settlement.saved:
        before = settlement.before
        was = f"revision {before.revision}" if before.revision else "never saved"
        click.echo(
            f"Nothing was saved: the instance is still in "
            f"{configuration_text(before.configuration)} ({was})."
        )
    elif path is None:
        click.echo("Nothing is kept without --store FILE.")
    else:
        click.echo(f"{started} as revision {settlement.after.revision} in {plain(path)}.")
