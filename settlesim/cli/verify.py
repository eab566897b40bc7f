"""``settlesim verify`` and ``settlesim compact``: a store's files, looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from settlesim.cli.durable import store_option
from settlesim.cli.running import Command

if TYPE_CHECKING:
    from settlesim.store.repair.verify import StoreReport

__all__ = ["compact", "verify"]


@click.command(
    cls=Command,
    short_help="Check every byte of a store.",
    help="""Check every byte of a store's files, and name the file and the place of each damage.
    Nothing is changed, unless one of the options says so.

    \b
    --accept        takes the file as somebody edited it by hand, if it is
                    still a store; what the journal changed later is laid
                    over the edit
    --salvage NEW   writes all that is whole into a new store, and says
                    what is missing

    \b
    Exit status: 0 where the store is whole; 1 where it is damaged, or
    something is missing from NEW; 2 where there is no such file.""",
)
@click.option(
    "--store",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The store, a TinyDB file.",
)
@click.option("--accept", is_flag=True, help="Take edits that were made by hand.")
@click.option("--salvage", "new", metavar="NEW", help="Write what is whole into a new store.")
def verify(path: str, accept: bool, new: str | None) -> None:
    """Check a store."""
    if accept and new is not None:
        raise click.UsageError("--accept and --salvage are for different troubles: choose one")
    _check_there(path)
    if new is not None:
        _salvage(path, new)
    elif accept:
        _accept(path)
    else:
        _verify(path)


def _check_there(path: str) -> None:
    import os

    if not (os.path.lexists(path) or os.path.lexists(f"{path}.journal")):
        raise click.BadParameter(f"File {path!r} does not exist.", param_hint="'--store'")


def _verify(path: str) -> None:
    from settlesim.cli.words import plain
    from settlesim.store.repair.verify import verify_store

    report = verify_store(path)
    for damage in report.damage:
        click.echo(f"DAMAGED  {plain(str(damage))}")
    click.echo(f"{plain(path)} is {'whole' if report.is_whole else 'damaged'}: {_content(report)}")
    if report.in_journal:
        verb = "is" if report.in_journal == 1 else "are"
        count = _count(report.in_journal, "transaction")
        click.echo(f"{count} {verb} in its journal, not yet in the file")
    if report.unfinished is not None:
        size = report.unfinished.end - report.unfinished.start
        click.echo(
            f"its journal ends in {_count(size, 'byte')} that are no record (from byte "
            f"{report.unfinished.start} on): a write that was cut short, of which nobody was told "
            f"that it had been kept. The next write sets them aside, in {plain(path)}.torn"
        )
    pieces, size = report.set_aside
    if pieces:
        click.echo(
            f"{plain(path)}.torn keeps what was set aside: {_count(pieces, 'piece')}, "
            f"{_count(size, 'byte')}"
        )
    if not report.is_whole:
        raise click.exceptions.Exit(1)


def _content(report: StoreReport) -> str:
    tables = [f"{count} {name}" for name, count in report.documents.items()]
    head = [f"format {report.format}", _count(report.transactions, "transaction")]
    return ", ".join([*head, *tables])


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _accept(path: str) -> None:
    from settlesim.cli.words import plain
    from settlesim.store.repair.mend import accept_edits

    if accept_edits(path):
        click.echo(f"{plain(path)} was taken as it is, and has new checksums.")
    else:
        click.echo(f"{plain(path)} was not edited: nothing to accept.")


def _salvage(path: str, new: str) -> None:
    from settlesim.cli.words import plain
    from settlesim.store.repair.mend import salvage_store

    saved = salvage_store(path, new)
    for missing in saved.missing:
        click.echo(f"MISSING  {plain(missing)}")
    what = ", ".join(f"{count} {name}" for name, count in saved.documents.items()) or "no documents"
    click.echo(f"{plain(new)} has what is whole in {plain(path)}: {what}")
    if saved.missing:
        raise click.exceptions.Exit(1)


@click.command(
    cls=Command,
    short_help="Fold the journal of a store into its file.",
    help="""Fold the journal of a store into its file, so that the file alone is the whole store,
    for a copy or to be looked at. Others may use the store meanwhile.

    \b
    Exit status: 0; 1 where the store is damaged or can not be written; 2
    where there is no such file.""",
)
@store_option(exists=True)
def compact(path: str) -> None:
    """Compact a store."""
    import os

    from settlesim.cli.words import plain
    from settlesim.store import TinyStore

    with TinyStore(path) as store:
        store.compact()
    click.echo(f"{plain(path)} has {_count(os.path.getsize(path), 'byte')} and is the whole store.")
