"""``settlesim dead-letters``, ``redrive`` and ``resume``: events that could not be settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from settlesim.cli.charts import CHART_HELP, complete_chart, find_chart
from settlesim.cli.command_group import Command
from settlesim.cli.output import command_line
from settlesim.cli.secrets import StoreSecrets
from settlesim.cli.store_options import (
    JSON_HELP,
    ago,
    counted,
    deduplication_option,
    queue_names,
    queue_option,
    queue_store,
    store_option,
)
from settlesim.errors import shorten

if TYPE_CHECKING:
    from settlesim.store import DeadLetter, SqliteStore

__all__ = ["dead_letters", "redrive", "resume_command"]


@click.command(
    "dead-letters",
    cls=Command,
    short_help="Show the events that could not be settled.",
    help="""Show the events that could not be settled, with the last error and how often each was
    tried.

    The data of events is in the JSON only, without the fields that the chart names as secret.
    If the chart has not saved an instance yet, the store does not know it: then give --chart,
    or no data is shown.

    \b
    Exit status: 0; 1 where there is no such queue or the store is
    damaged; 2 where there is no such file.""",
)
@store_option(exists=True, queues=True)
@queue_option
@click.option("--chart", metavar="CHART", help="The chart, which says what is secret.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def dead_letters(path: str, queue: str | None, chart: str | None, as_json: bool) -> None:
    """Show the dead letters."""
    from settlesim.cli.text import json_page, plain, table

    with queue_store(path) as store:
        found = _letters(store, queue)
        now = store.now()
        secrets = StoreSecrets(store, None if chart is None else find_chart(chart).chart)
    if as_json:
        click.echo(json_page([secrets.letter(each) for each in found]))
        for name in sorted({each.queue for each in found if not secrets.knows(each.queue)}):
            text = f"No chart {plain(name)} has saved an instance: the data of its events is hidden"
            click.echo(f"{text}; --chart names the chart.", err=True)
        return
    if not found:
        click.echo("There are no dead letters.")
        return
    rows = [("QUEUE", "MESSAGE", "KEY", "EVENT", "FAILED", "PUT ASIDE", "LAST ERROR")]
    rows.extend(
        (
            plain(each.queue),
            f"{each.id:>7}",
            plain(each.group_id),
            plain(_event(each)),
            f"{each.failures:>6}",
            ago(now - each.at),
            plain(each.errors[-1]) if each.errors else plain(each.reason),
        )
        for each in found
    )
    click.echo("\n".join(table(rows)))
    which = [] if queue is None else [f"--queue={queue}"]
    again = command_line("redrive", f"--store={path}", *which)
    click.echo(f"To put them back: {again}", err=True)


def _letters(store: SqliteStore, queue: str | None) -> list[DeadLetter]:
    from settlesim.store import FifoQueue

    return [
        letter
        for name in queue_names(store, queue)
        for letter in FifoQueue(store, name).dead_letters()
    ]


def _event(letter: DeadLetter) -> str:
    body = letter.body
    if isinstance(body, dict) and isinstance(body.get("event"), str):
        return str(body["event"])
    if isinstance(body, dict) and isinstance(body.get("timer"), str):
        return f"after.{body['timer']}"
    return shorten(body, 30)


@click.command(
    cls=Command,
    short_help="Put events that could not be settled back into their queue.",
    help="""Put dead letters back into their queue, to be received again: those of a parked key
    before all that was sent after them, others at the end.

    A parked key stays parked until `settlesim resume`.

    \b
    Exit status: 0; 1 where there is no such queue or message, or the
    store failed; 2 where there is no such file.""",
)
@store_option(exists=True, queues=True)
@queue_option
@click.option("--key", metavar="KEY", help="Only the events of this instance.")
@click.option(
    "--message",
    "messages",
    metavar="NUMBER",
    type=click.IntRange(1),
    multiple=True,
    help="Only this message; may be given several times.",
)
@deduplication_option
def redrive(
    path: str,
    queue: str | None,
    key: str | None,
    messages: tuple[int, ...],
    deduplication_scope: Literal["message_group", "queue"],
) -> None:
    """Put dead letters back."""
    from settlesim.cli.text import plain
    from settlesim.store import FifoQueue
    from settlesim.store.sql_queue import Policy

    policies: tuple[Policy, Policy] = ("halt", "skip")
    with queue_store(path) as store:
        letters = [
            each
            for each in _letters(store, queue)
            if key in (None, each.group_id) and (not messages or each.id in messages)
        ]
        missing = sorted(set(messages) - {each.id for each in letters})
        if missing:
            raise click.ClickException(f"no dead letter is message {missing[0]}.")
        parked: set[tuple[str, str]] = set()
        for name in dict.fromkeys(each.queue for each in letters):
            held = {each.group_id for each in FifoQueue(store, name).parked()}
            parked |= {(name, group) for group in held}
            mine = [each for each in letters if each.queue == name]
            for policy in policies:
                ids = [each.id for each in mine if (each.group_id in held) == (policy == "halt")]
                if ids:
                    target = FifoQueue(
                        store, name, policy=policy, deduplication_scope=deduplication_scope
                    )
                    target.redrive(ids)
    if not letters:
        click.echo("There is nothing to put back.")
        return
    click.echo(f"Put {counted(len(letters), 'message')} back.")
    for name, group in sorted({(each.queue, each.group_id) for each in letters} & parked):
        # --queue and not CHART: the store does not say from which file or module the chart is.
        on = command_line("resume", f"--queue={name}", f"--store={path}", "--", group)
        click.echo(f"{plain(group)} is still parked. To resume it: {on}", err=True)


@click.command(
    cls=Command,
    short_help="Resume a key that was parked after a dead letter.",
    help=f"""Resume KEY, whose events wait since an earlier one could not be settled.
    They are those of CHART, or of the queue that --queue names.

    `settlesim redrive` puts that event back before the others; do that first, unless it should
    be skipped.

    {CHART_HELP}

    \b
    Exit status: 0, also where the key was not parked; 1 where the store
    failed; 2 where there is no such file or chart.""",
)
@click.argument("words", metavar="[CHART] KEY", nargs=-1, shell_complete=complete_chart)
@store_option(exists=True, queues=True)
@queue_option
def resume_command(words: tuple[str, ...], path: str, queue: str | None) -> None:
    """Resume a parked key."""
    from settlesim.cli.text import plain
    from settlesim.store import FifoQueue

    if len(words) != (2 if queue is None else 1):
        raise click.UsageError("give CHART and KEY, or --queue NAME and KEY")
    name = find_chart(words[0]).chart.name if queue is None else queue
    key = words[-1]
    with queue_store(path) as store:
        found = FifoQueue(store, name)
        was_parked = found.resume(key)
        left = [each.id for each in found.dead_letters() if each.group_id == key]
    if not was_parked:
        click.echo(f"{plain(key)} was not parked.")
        return
    click.echo(f"{plain(key)} is resumed.")
    if left:
        numbers = ", ".join(map(str, left))
        click.echo(f"Left out: message {numbers}, still among the dead letters.", err=True)
