"""Which chart a command is about: one of the gallery, a file, or a Python attribute."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click
from click.shell_completion import CompletionItem

from settlesim.argument_checks import nearest
from settlesim.chart import Chart
from settlesim.chart.reader import chart_from_attribute
from settlesim.errors import ReadError, shorten

if TYPE_CHECKING:
    from settlesim.formats import ImportedChart

__all__ = [
    "CHART_HELP",
    "Source",
    "chart_argument",
    "echo_import",
    "find_chart",
    "named_chart_argument",
]

F = TypeVar("F", bound=Callable[..., Any])

_SUFFIXES: Final = frozenset((".json", ".scxml", ".xml", ".mmd", ".mermaid", ".yaml", ".yml"))

CHART_HELP: Final = """\b
    CHART is the name of a gallery chart (see `settlesim gallery`), the
    path of a file (settlesim, XState or Step Functions JSON, SCXML,
    Mermaid, sismic YAML), or module:attribute; modules of the current
    folder can be imported."""


@dataclass(frozen=True, slots=True)
class Source:
    """A chart and where it is from."""

    chart: Chart
    origin: Literal["gallery", "file", "python"]
    reference: str | None = None
    """``module:attribute`` of a chart that can be imported."""


def find_chart(text: str) -> Source:
    """Find the chart that a person means.

    Parameters
    ----------
    text : a gallery name; else a file's path; else ``module:attribute``

    Raises
    ------
    click.BadParameter
        It is none of these; the message lists the gallery and the nearest name.
    ReadError, DefinitionError
        The file or module cannot be read, or the chart in it is wrong.
    """
    from settlesim.gallery import CHARTS

    if text in CHARTS:
        return Source(CHARTS[text], "gallery", f"settlesim.gallery:CHARTS[{text!r}]")
    path = Path(text)
    if path.suffix == ".py" or text.partition(":")[0].endswith(".py"):
        module = text.partition(":")[0].removesuffix(".py").replace(os.sep, ".").lstrip(".")
        attribute = text.partition(":")[2] or "NAME"
        raise click.BadParameter(f"a Python file is named as a module: try {module}:{attribute}")
    if path.is_file() or path.suffix in _SUFFIXES:
        return Source(_from_file(path), "file")
    if ":" not in text and Path(f"{text.replace('.', os.sep)}.py").is_file():
        raise click.BadParameter(f"for the module {text}, name the chart in it: {text}:NAME")
    if path.is_dir():
        raise click.BadParameter(f"{shorten(text)} is a folder; give a chart's file")
    if ":" in text:
        return Source(_from_python(text), "python", text)
    known = ", ".join(CHARTS)
    message = (
        f"{shorten(text)} is no chart of the gallery ({known}), no file and no module:attribute"
    )
    close = nearest(text, CHARTS)
    raise click.BadParameter(f"{message}; did you mean {close!r}?" if close else f"{message}.")


def _from_file(path: Path) -> Chart:
    from settlesim.formats import import_chart

    found = import_chart(path)
    echo_import(path, found)
    return found.chart


def echo_import(path: Path, found: ImportedChart) -> None:
    """Print the format of a foreign file, and what its import changed or left out."""
    if found.is_foreign:
        click.echo(f"Note: {path} is {found.format}.", err=True)
        for sentence in found.sentences:
            click.echo(f"  {sentence}", err=True)


def _from_python(text: str) -> Chart:
    # For an installed command, sys.path begins with the script's folder, not the current one.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        with _plain_notes():
            return chart_from_attribute(text)
    except SystemExit as error:
        # Else a module that calls sys.exit() would end the command with status 0.
        raise ReadError(
            source=shorten(text), reason=f"ended with SystemExit({error.code}) when it was imported"
        ) from error


@contextmanager
def _plain_notes() -> Iterator[None]:
    """Print each `LeftOutWarning` as a plain note; show other warnings as usual."""
    from settlesim.machine.from_transitions import LeftOutWarning

    with warnings.catch_warnings():  # restores the filters and `showwarning`
        warnings.simplefilter("always", LeftOutWarning)
        show = warnings.showwarning

        def show_plainly(
            message: Warning | str, category: type[Warning], *location: Any, **options: Any
        ) -> None:
            if issubclass(category, LeftOutWarning):
                click.echo(f"Note: {message}", err=True)
            else:
                show(message, category, *location, **options)

        warnings.showwarning = show_plainly
        yield


def chart_argument(function: F) -> F:
    """Add the argument CHART, with shell completion, to a command, which gets a `Source`."""
    return named_chart_argument("source", "CHART")(function)


def named_chart_argument(name: str, metavar: str) -> Callable[[F], F]:
    """Add an argument for one of several charts to a command, which gets a `Source`."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> Source:
        return find_chart(value)

    return click.argument(name, metavar=metavar, callback=convert, shell_complete=complete_chart)


def complete_chart(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of the gallery; if none matches, names of files."""
    from settlesim.gallery import CHARTS

    found = [CompletionItem(name) for name in CHARTS if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]
