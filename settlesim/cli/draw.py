"""``settlesim draw``: the picture of a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from settlesim.argument_checks import nearest
from settlesim.chart import Chart
from settlesim.cli.charts import CHART_HELP, Source, chart_argument
from settlesim.cli.command_group import Command
from settlesim.cli.output import escaped
from settlesim.errors import shorten

__all__ = ["draw_command"]

_FORMATS: Final = ("svg", "png", "pdf", "dot", "mermaid")
_BINARY: Final = ("png", "pdf")


@click.command(
    cls=Command,
    short_help="Draw a chart to a file, or print the picture.",
    help=f"""Draw CHART to a file, or print the picture.

    {CHART_HELP}

    The suffix of the file chooses the format: .svg, .png, .pdf, .dot or .gv, .mmd. Without -o the
    picture is printed, as SVG unless --format says otherwise. An existing file is overwritten.

    \b
    Examples:
      settlesim draw order -o order.svg
      settlesim draw donut -o donut.png --state ready --legend
      settlesim draw donut -o donut.svg --collapse making
      settlesim draw donut --state sifting --state whisking --format mermaid
      settlesim draw signup -o signup.pdf --settling-graph""",
)
@chart_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="The file to write; - prints.",
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(_FORMATS),
    help="The format, if the file has no suffix.",
)
@click.option(
    "--state",
    "states",
    metavar="NAME",
    multiple=True,
    help="Show this state as active; give it again for parallel ones.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    help="Colours for a light or a dark background.",
)
@click.option("--legend", is_flag=True, help="Add a legend.")
@click.option(
    "--scale",
    type=click.FloatRange(0, 20, min_open=True),
    help="Pixels of a PNG per unit of the SVG; 2, or less for a large picture.",
)
@click.option(
    "--direction",
    type=click.Choice(["LR", "TB"]),
    help="Left to right, or top to bottom; else what fits --width.",
)
@click.option(
    "--width",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=900.0,
    show_default=True,
    metavar="PIXELS",
    help="Room that the picture has; text can be read there.",
)
@click.option(
    "--collapse",
    metavar="NAME",
    multiple=True,
    help="Show nothing inside this state; give it again for others.",
)
@click.option(
    "--settling-graph",
    "settling",
    is_flag=True,
    help="Draw only the settled configurations, and the events between them.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop a layout that takes longer.",
)
def draw_command(
    *,
    source: Source,
    output: Path | None,
    wanted: str | None,
    states: tuple[str, ...],
    settling: bool,
    collapse: tuple[str, ...],
    timeout: float | None,
    **options: Any,
) -> None:
    """Draw a chart."""
    import settlesim.view  # registers how values are drawn

    if output == Path("-"):
        output = None
    picture_format = _format(output, wanted)
    if states:
        options["configuration"] = _leaves(source.chart, states)
    if collapse:
        if settling:
            raise click.UsageError("--collapse folds states of the chart, not of --settling-graph")
        options["collapse"] = [_full_name(source.chart, name, "--collapse") for name in collapse]
    if timeout is not None:
        options["timeout"] = timeout
    subject = source.chart.settling_graph() if settling else source.chart
    picture: settlesim.view.Picture = subject.draw(format=picture_format, **options)
    if output is None:
        _print(picture.render(picture_format))
    else:
        picture.save(output, picture_format)
        click.echo(f"Wrote {output}. {picture.alt}")


def _format(output: Path | None, wanted: str | None) -> str:
    """Return the format; refuse one that contradicts the suffix, or that a terminal cannot show."""
    if output is None:
        if wanted in _BINARY and sys.stdout.isatty():
            raise click.UsageError(f"{wanted} is no text for a terminal: give -o FILE")
        return wanted or "svg"
    from settlesim.view.svg.picture import FORMATS

    suffix = output.suffix.lower()
    meant = FORMATS.get(suffix.removeprefix("."))
    if wanted is None and meant is None:
        said = f"the suffix {suffix!r} is of no format" if suffix else "it has no suffix"
        known = ", ".join(f".{each}" for each in FORMATS)
        raise click.BadParameter(
            f"{shorten(str(output))}: {said}; known are {known}, or give --format",
            param_hint="'-o'",
        )
    if wanted is not None and meant is not None and wanted != meant:
        raise click.UsageError(f"{output} is named as {meant}, and --format says {wanted}")
    return wanted or meant or "svg"


def _leaves(chart: Chart, states: tuple[str, ...]) -> list[str]:
    """Return the leaves that are active when these states are, in document order."""
    found = {leaf for name in states for leaf in chart.enter(_full_name(chart, name))}
    return [node.name for node in chart.states if node.name in found]


def _full_name(chart: Chart, name: str, option: str = "--state") -> str:
    """Return the full name of a state; its last part is enough where only one has it."""
    if name in chart:
        return name
    known = [node.name for node in chart.states]
    ends = [each for each in known if each.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    message = f"chart {shorten(chart.name)} has no state {shorten(name)}"
    close = nearest(name, known)
    if ends:
        message = f"{shorten(name)} is ambiguous: {', '.join(ends)}"
    elif close is not None:
        message += f"; did you mean {close!r}?"
    else:
        message += f"; it has {', '.join(known[:20])}{' and others' if len(known) > 20 else ''}."
    raise click.BadParameter(message, param_hint=f"'{option}'")


def _print(body: str | bytes) -> None:
    """Print a picture; control characters in its text become character references."""
    if isinstance(body, bytes):
        click.echo(body, nl=False)
    else:  # SVG and DOT resolve them; Mermaid text is escaped already
        click.echo(escaped(body.rstrip(), code=lambda each: f"&#{ord(each)};"))
