"""``settlesim convert``: convert a chart from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from settlesim.cli.command_group import Command
from settlesim.cli.store_options import counted
from settlesim.errors import shorten

__all__ = ["convert"]

_READS: Final = ("settlesim", "xstate4", "xstate5", "transitions", "asl", "scxml", "mermaid",
                 "sismic")  # fmt: skip
_WRITES: Final = ("settlesim", "xstate", "scxml", "mermaid")
_SUFFIXES: Final = {
    ".json": "settlesim",
    ".scxml": "scxml",
    ".xml": "scxml",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
}


@click.command(
    cls=Command,
    short_help="Read a chart of one format, write it in another.",
    help="""Read the chart in the file IN, and write it to OUT.

    IN is recognised by its content: settlesim JSON, XState JSON of v4 or v5, markup of
    transitions, Step Functions (Amazon States Language), SCXML, Mermaid stateDiagram-v2 or sismic
    YAML. The suffix of OUT chooses the format: .json is settlesim, .scxml, .mmd; --to xstate writes
    XState v5 JSON. What cannot be converted is reported on standard error.

    \b
    A file NAME.settlesim.json beside NAME.json has the same meaning as the
    options, for every command: {"settled": ["paid"], "rejected": [],
    "delays": {"RETRY": 2.5}, "inputs": {"ask": {}}}.

    \b
    Exit status: 0; 1 where OUT cannot be written; 2 where IN is no
    chart, or with --strict where something would be left out.

    \b
    Example:
      settlesim convert machine.json -o order.json --settled paid,shipped""",
)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; without it the text is printed.",
)
@click.option("--from", "read_as", type=click.Choice(_READS), help="The format of IN.")
@click.option("--to", "wanted", type=click.Choice(_WRITES), help="The format of OUT.")
@click.option("--settled", metavar="NAMES", help="States to tag as settled, joined by commas.")
@click.option("--rejected", metavar="NAMES", help="States to tag as rejected.")
@click.option("--name", help="The name of the chart.")
@click.option("--strict", is_flag=True, help="Fail where something would be left out.")
def convert(
    *,
    source: Path,
    output: Path | None,
    read_as: str | None,
    wanted: str | None,
    settled: str | None,
    rejected: str | None,
    name: str | None,
    strict: bool,
) -> None:
    """Convert a chart."""
    from settlesim.cli.charts import echo_import
    from settlesim.formats import export_chart, import_chart

    kind = _format(output, wanted)
    if output is not None and output.exists() and output.samefile(source):
        raise click.UsageError(f"{output} is the file that is read: give another name")
    found = import_chart(
        source,
        format=read_as,  # type: ignore[arg-type]  # click has checked it
        settled=_names(settled),
        rejected=_names(rejected),
        name=name,
        strict=strict,
    )
    echo_import(source, found)
    made = export_chart(found.chart, kind, strict=strict)  # type: ignore[arg-type]
    for loss in made.losses:
        click.echo(f"Note: not in {kind}: {loss}", err=True)
    if output is None:
        click.echo(made.text, nl=False)
        return
    try:
        output.write_text(made.text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}: {kind}, {counted(len(found.chart.states), 'state')}.")


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]


def _format(output: Path | None, wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    if output is None:
        return "settlesim"
    meant = _SUFFIXES.get(output.suffix.lower())
    if meant is None:
        known = ", ".join(_SUFFIXES)
        raise click.BadParameter(
            f"{shorten(str(output))}: the suffix {output.suffix!r} is of no format; known are "
            f"{known}, or give --to",
            param_hint="'-o'",
        )
    return meant
