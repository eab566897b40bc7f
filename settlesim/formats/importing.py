"""`import_chart`: reads a chart of another format, and reports what was left out or assumed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from settlesim.chart import Chart
from settlesim.chart.event import name_flaw
from settlesim.chart.reader import MAX_FILE_BYTES, other_formats
from settlesim.chart.report import counted_noun
from settlesim.errors import DefinitionError, Problem, ReadError, shorten
from settlesim.formats.asl import read_asl
from settlesim.formats.assembly import assembled_record, name_drafts
from settlesim.formats.draft import Document
from settlesim.formats.losses import Loss, Losses
from settlesim.formats.mermaid import read_mermaid
from settlesim.formats.reader_options import ReaderOptions, read_overlay
from settlesim.formats.reading_text import MAX_FOREIGN_BYTES, read_json, read_yaml, refuse_deep
from settlesim.formats.recognition import (
    FORMATS,
    FormatName,
    format_of_record,
    format_of_text,
)
from settlesim.formats.scxml import read_scxml
from settlesim.formats.settling_rule import (
    REJECTED,
    SETTLED,
    has_settling_tags,
    named_states,
    resting_leaves,
    tagged,
)
from settlesim.formats.sismic import read_sismic
from settlesim.formats.xstate import read_xstate
from settlesim.machine.from_markup import chart_from_markup
from settlesim.machine.from_transitions import (
    Imported,
    LeftOutWarning,
    import_machine,
    is_machine,
)
from settlesim.progress import Reporter, show_progress

__all__ = ["OVERLAY_SUFFIX", "ImportedChart", "import_chart"]

OVERLAY_SUFFIX: Final = ".settlesim.json"
"""The suffix of the file with options for another: ``NAME.settlesim.json`` for ``NAME.json``."""

_MAX_SHOWN: Final = 12
_STAGES: Final = 4  # of an import, as its progress counts them

Source = str | os.PathLike[str] | Mapping[str, Any] | object


@dataclass(frozen=True, slots=True)
class ImportedChart:
    """A chart that was read, and how it differs from its document."""

    chart: Chart
    format: str
    """The format of the document, for people to read."""
    losses: tuple[Loss, ...]
    """What was left out or changed, by kind; kinds that matter come first."""
    assumed: tuple[str, ...]
    """A sentence for each thing that the document does not say and that was assumed."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each kind of loss that matters."""
        return tuple(str(loss) for loss in self.losses if loss.matters)

    @property
    def is_foreign(self) -> bool:
        """Whether the document is of another format than settlesim's own."""
        return self.format != FORMATS["settlesim"]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Everything that was left out and assumed, in words."""
        return (
            *(f"left out: {loss}" for loss in self.losses),
            *(f"assumed: {sentence}" for sentence in self.assumed),
        )

    def __str__(self) -> str:
        number = len(self.chart.states)
        head = f"{self.chart.name} is {self.format}: {counted_noun(number, 'state')}"
        return "\n".join([head, *(f"  {sentence}" for sentence in self.sentences)])


def import_chart(
    source: Source,
    *,
    format: FormatName | None = None,  # noqa: A002
    name: str | None = None,
    settled: Iterable[str] | None = None,
    rejected: Iterable[str] | None = None,
    delays: Mapping[str, float] | None = None,
    inputs: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> ImportedChart:
    """Read a chart of another format; nothing in it is run.

    Parameters
    ----------
    source
        A file's path, a text, or a mapping: XState or Stately JSON, SCXML, Amazon States
        Language, Mermaid ``stateDiagram-v2``, sismic YAML, markup of `transitions`, or a chart
        of ours; or a machine of `transitions`.
    format : the format of the source; by default it is detected from the content
    name : the chart's name; the document's by default
    settled
        States that are tagged ``settled``. Without them, and without settling tags in the document,
        every leaf without a service, an eventless transition or a delay is taken as settled.
    rejected : states that are tagged ``reject``
    delays : seconds by the name of a delay
    inputs : JSON by the name or id of a service
    strict : whether everything that would be left out is an error

    Raises
    ------
    ReadError
        The document cannot be read, or is too large.
    DefinitionError
        The chart in it is wrong, or `strict` and something would be left out.
    MissingExtraError
        SCXML or YAML, and the ``formats`` extra is not installed.

    Examples
    --------
    >>> found = import_chart({"id": "lamp", "initial": "off", "states": {
    ...     "off": {"on": {"PUSH": "on"}}, "on": {"on": {"PUSH": "off"}}}})
    >>> print(found)
    lamp is XState v5 JSON: 2 states
      assumed: these 2 states have neither service, eventless transition nor delay, so they are \
settled: off, on
    >>> found.chart.check().verdict.name
    'PROVED'
    """
    given: dict[str, Any] = {
        "name": name,
        "settled": settled,
        "rejected": rejected,
        "delays": delays,
        "inputs": inputs,
    }
    options = read_overlay(
        {key: value for key, value in given.items() if value is not None}, source="import_chart"
    )
    if format is not None and format not in FORMATS:
        raise ReadError(
            source="import_chart",
            reason=f"format is {shorten(format)}; known are {', '.join(FORMATS)}",
        )
    options = replace(options, strict=strict, format=format)
    if isinstance(source, Mapping):
        if (format or format_of_record(source)) != "settlesim":
            refuse_deep(source, source="mapping")
        return _from_record(source, "mapping", options)
    if not isinstance(source, (str, os.PathLike)):
        return _from_machine(source, options)
    text, place, path = _text_of(source)
    if path is not None:
        options = _with_overlay(path, options)
        options = replace(options, file_name=path.name.split(".")[0])
    return _from_text(text, place, options)


# --- where a document comes from ----------------------------------------------------------


def _text_of(source: str | os.PathLike[str]) -> tuple[str, str, Path | None]:
    """Return a text, how an error names it, and its file if it has one."""
    if isinstance(source, str) and ("\n" in source or source.lstrip()[:1] in ("{", "[", "<")):
        place = "JSON text" if source.lstrip()[:1] in ("{", "[") else "text"
        if len(source) > MAX_FILE_BYTES:
            raise ReadError(source=place, reason=f"is larger than {MAX_FILE_BYTES} bytes")
        _refuse_surrogates(source, place)
        return source, place, None
    if isinstance(source, str) and not source.strip():
        raise ReadError(source="text", reason="is empty")
    path = Path(source)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadError(source=shorten(str(path)), reason=f"cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(source=str(path), reason=f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig"), str(path), path
    except UnicodeDecodeError as error:
        raise ReadError(source=str(path), reason=f"is no UTF-8 text: {error}") from None


def _refuse_surrogates(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        what = "not strict JSON" if place == "JSON text" else "no Unicode text"
        raise ReadError(source=place, reason=f"{what}: {error}") from None


def _with_overlay(path: Path, options: ReaderOptions) -> ReaderOptions:
    """Add the options in the file beside this one; those that were given take precedence."""
    beside = path.with_suffix(OVERLAY_SUFFIX)
    if not beside.is_file() or beside == path:
        return options
    try:
        with open(beside, "rb") as file:
            text = file.read(MAX_FOREIGN_BYTES + 1)
    except OSError as error:
        raise ReadError(source=str(beside), reason=f"cannot be read: {error.strerror}") from None
    if len(text) > MAX_FOREIGN_BYTES:
        raise ReadError(source=str(beside), reason=f"is larger than {MAX_FOREIGN_BYTES} bytes")
    record = read_json(text.decode("utf-8", "replace"), source=str(beside))
    if not isinstance(record, dict):
        raise ReadError(source=str(beside), reason="holds no JSON object")
    under = read_overlay(record, source=str(beside))
    return replace(
        options,
        settled=options.settled if options.settled is not None else under.settled,
        rejected=options.rejected or under.rejected,
        delays={**under.delays, **options.delays},
        inputs={**under.inputs, **options.inputs},
        name=options.name or under.name,
    )


def _from_text(text: str, place: str, options: ReaderOptions) -> ImportedChart:
    kind: str = format_of_text(text, place)
    if options.format is not None and options.format in _TEXT_READERS:
        kind = options.format
    if kind not in ("json", "yaml"):
        _refuse_large(text, place)
        losses = Losses()
        return _chart_of(_TEXT_READERS[kind](text, place, losses), place, options, losses)
    if kind == "yaml":
        _refuse_large(text, place)  # before it is parsed, which is slow
    record = (read_json if kind == "json" else read_yaml)(text, source=place)
    if not isinstance(record, dict):
        raise ReadError(source=place, reason="holds no JSON object; a chart is one")
    if (options.format or format_of_record(record)) != "settlesim":
        _refuse_large(text, place)
    return _from_record(record, place, options)


def _refuse_large(text: str, place: str) -> None:
    if len(text) > MAX_FOREIGN_BYTES:
        raise ReadError(
            source=place,
            reason=f"is larger than {MAX_FOREIGN_BYTES} bytes, which is the limit for a chart of "
            "another format",
        )


def _from_record(record: Mapping[str, Any], place: str, options: ReaderOptions) -> ImportedChart:
    kind = options.format or format_of_record(record)
    losses = Losses()
    if kind == "settlesim":
        return ImportedChart(Chart.from_dict(record), FORMATS[kind], (), ())
    if kind == "transitions":
        machine = chart_from_markup(record, name=options.name or _given_name(record, options))
        return _settled(_told(machine, FORMATS[kind]), place, options)
    if kind not in _RECORD_READERS:
        raise ReadError(source=place, reason=f"{FORMATS[kind]} cannot be read from JSON or YAML")
    document = _RECORD_READERS[kind](record, options, losses)
    return _chart_of(document, place, options, losses)


def _from_machine(source: object, options: ReaderOptions) -> ImportedChart:
    if not is_machine(source):
        raise ReadError(
            source=shorten(source, 60),
            reason="is no chart: a file's path, a text, a mapping or a transitions machine can "
            "be read",
        )
    machine = import_machine(source, name=options.name)
    return _settled(_told(machine, "a machine of transitions"), type(source).__name__, options)


def _told(machine: Imported, what: str) -> ImportedChart:
    losses = tuple(Loss("machine", (), sentence) for sentence in machine.left_out)
    return ImportedChart(machine.chart, what, losses, ())


def _given_name(record: Mapping[str, Any], options: ReaderOptions) -> str | None:
    """Return the name of the file for a machine that has none."""
    return None if record.get("name") else options.file_name


_RecordReader = Callable[[Mapping[str, Any], ReaderOptions, Losses], Document]
_TextReader = Callable[[str, str, Losses], Document]

_RECORD_READERS: Final[Mapping[FormatName, _RecordReader]] = {
    "asl": read_asl,
    "sismic": read_sismic,
    "xstate": read_xstate,
    "xstate4": lambda record, options, losses: read_xstate(record, options, losses, version=4),
    "xstate5": lambda record, options, losses: read_xstate(record, options, losses, version=5),
}
_TEXT_READERS: Final[Mapping[str, _TextReader]] = {
    "mermaid": read_mermaid,
    "scxml": read_scxml,
}


# --- from a document to a chart -----------------------------------------------------------


def _chart_of(
    document: Document, place: str, options: ReaderOptions, losses: Losses
) -> ImportedChart:
    with show_progress() as callback:
        reporter = Reporter(callback)
        name_drafts(document, losses)
        reporter.report(1, _STAGES, "assembling the chart")
        record = assembled_record(document, losses)
        record.update(document.settings)
        record["name"] = _chart_name(document, options)
        record["context"] = document.context or {}
        reporter.report(2, _STAGES, "building the chart")
        chart = Chart.from_dict(record)
        read = ImportedChart(chart, document.format, losses.listed(), tuple(document.notes))
        reporter.report(3, _STAGES, "tagging the settled states")
        return _settled(read, place, options)


def _settled(read: ImportedChart, place: str, options: ReaderOptions) -> ImportedChart:
    """Return a chart with its settling tags and provenance; `strict` refuses losses first."""
    chart = read.chart
    if options.strict and read.left_out:
        problems = tuple(
            Problem(read.format, f"would be left out: {each}") for each in read.left_out
        )
        raise DefinitionError(problems=problems, chart=chart.name)
    tags: dict[str, list[str]] = {}
    for names, tag in ((options.settled or (), SETTLED), (options.rejected, REJECTED)):
        for name in named_states(chart, names, place):
            tags.setdefault(name, []).append(tag)
    by_rule: list[str] = []
    if options.settled is None and not has_settling_tags(chart):
        by_rule = [name for name in resting_leaves(chart) if name not in tags]
        tags.update((name, [SETTLED]) for name in by_rule)
    assumed = (*read.assumed, *([_rule_in_words(by_rule)] if by_rule else []))
    record = tagged(chart.to_dict(), tags)
    record["provenance"] = {
        "format": read.format,
        "source": Path(place).name,
        "left_out": list(read.left_out),
        "assumed": list(assumed),
        "settled_by_rule": by_rule,
    }
    return replace(read, chart=Chart.from_dict(record), assumed=assumed)


def _rule_in_words(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_SHOWN])
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    one = len(names) == 1
    words = "this state has" if one else f"these {len(names)} states have"
    so = "it is" if one else "they are"
    return (
        f"{words} neither service, eventless transition nor delay, so {so} settled: {shown}{more}"
    )


def _chart_name(document: Document, options: ReaderOptions) -> str:
    for name in (options.name, document.name, options.file_name):
        if name is not None and name_flaw(name) is None:
            return name
    return "chart"


@other_formats.register
def _(source: Mapping) -> Chart | None:  # type: ignore[type-arg]
    if format_of_record(source) == "settlesim":
        return None
    return _with_warning(import_chart(source))


@other_formats.register(str)
@other_formats.register(os.PathLike)
def _(source: str | os.PathLike[str]) -> Chart | None:
    return _with_warning(import_chart(source))


def _with_warning(found: ImportedChart) -> Chart:
    """Warn where something that matters was left out; return the chart."""
    if found.left_out:
        lines = "\n".join(f"  - {each}" for each in found.left_out)
        # Up to the caller of `read_chart`, past two dispatchers and two functions.
        warnings.warn(f"left out of the chart:\n{lines}", LeftOutWarning, stacklevel=7)
    return found.chart
