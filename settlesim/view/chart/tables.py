"""Settlements and reports as HTML for a notebook: tables that are legible in light and dark.

Text takes the page's own colour, so that it follows the theme; every name that a user
wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from settlesim import display
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import Report, Severity
from settlesim.chart.strict_json import FrozenDict, encode
from settlesim.chart.trigger_words import trigger_words
from settlesim.errors import RenderError
from settlesim.machine.program import program_of
from settlesim.settling import Call, Microstep, Settlement
from settlesim.settling.settlement import event_words

__all__ = ["report_html", "settlement_html"]

_CELL = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"
_SIGNS = {
    Outcome.RESOLVED: "\N{CHECK MARK}",
    Outcome.DONE: "\N{BLACK SQUARE}",
    Outcome.REJECTED: "\N{MULTIPLICATION X}",
    Outcome.IGNORED: "\N{EN DASH}",
}
_LONGEST = 80


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; a column of empty cells is left out."""
    cells = list(rows)
    kept = [index for index in range(len(head)) if any(row[index] for row in cells)]
    head = [head[index] for index in kept]
    rows = [[row[index] for index in kept] for row in cells]
    top = "".join(f'<th scope="col" style="{_CELL}">{escape(each)}</th>' for each in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f'<table style="margin:4px 0"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def _text(value: object) -> str:
    """Return JSON as escaped text, cut where it is long."""
    text = value if isinstance(value, str) else encode(value)
    return escape(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _leaves(configuration: Iterable[str]) -> str:
    return " + ".join(map(_code, configuration))


def _changes(before: FrozenDict, after: FrozenDict) -> str:
    """Name the keys of the context that are new or have another value."""
    parts = []
    for key, value in after.items():
        if key not in before:
            parts.append(f"{_code(key)}: {_text(encode(value))}")
        elif before[key] != value:
            parts.append(
                f"{_code(key)}: {_text(encode(before[key]))} &rarr; {_text(encode(value))}"
            )
    return "<br>".join(parts)


def settlement_html(settlement: Settlement) -> str:
    """Return the outcome, the microsteps and the service calls as HTML."""
    sign = _SIGNS[settlement.outcome]
    parts = [
        f"<p style='margin:4px 0'><strong>{sign} {settlement.outcome.name}</strong>&ensp;"
        f"{_code(event_words(settlement.event))} of {_code(settlement.key)}: "
        f"{_leaves(settlement.before.configuration)} &rarr; "
        f"{_leaves(settlement.path[-1])}, {_kept(settlement)}</p>"
    ]
    if settlement.microsteps:
        parts.append(_table(("", "what happened", "then active", "context"), _steps(settlement)))
    if settlement.calls:
        rows = [_call(call) for call in settlement.calls]
        parts.append(_table(("service", "input", "ended", "with", "took"), rows))
    return "".join(parts)


def _call(call: Call) -> tuple[str, ...]:
    result = "" if call.result is None else _text(call.result)
    return (
        _code(call.service),
        "" if call.input is None else _text(call.input),
        call.status.value,
        result if call.error is None else _text(call.error),
        f"{call.seconds:.3g} s",
    )


def _kept(settlement: Settlement) -> str:
    kept = "saves nothing"
    if settlement.only_start_saved:
        start = _leaves(settlement.after.configuration)
        kept = f"saves the start in {start} as revision {settlement.after.revision}"
    elif settlement.saved:
        kept = f"saves revision {settlement.after.revision}"
    if settlement.outcome is not Outcome.IGNORED or settlement.chart is None:
        return kept
    configuration = settlement.path[-1]  # not `before`: a new instance first runs on from its start
    accepted = program_of(settlement.chart).accepts(configuration)
    listed = ", ".join(map(_code, accepted)) or "no event"
    return f"{kept}; accepted in {_leaves(configuration)}: {listed}"


def _steps(settlement: Settlement) -> Iterable[Sequence[str]]:
    context = settlement.before.context
    for number, step in enumerate(settlement.microsteps, 1):
        yield (
            str(number),
            _what(settlement, step),
            _leaves(step.after),
            _changes(context, step.context),
        )
        context = step.context


def _what(settlement: Settlement, step: Microstep) -> str:
    if settlement.chart is None:
        return escape(step.trigger)
    return escape(trigger_words(settlement.chart, step.trigger))


def report_html(report: Report) -> str:
    """Return the verdict and the findings as HTML."""
    head = (
        f"<p style='margin:4px 0'><strong>{report.verdict.name}</strong>&ensp;"
        f"{_code(report.chart)} version {report.version}: {escape(report.summary)}</p>"
    )
    if not report.findings:
        return head
    rows = (
        (
            escape(each.code),
            f"<strong>{each.severity.value}</strong>"
            if each.severity is Severity.ERROR
            else each.severity.value,
            escape(each.where),
            escape(each.message) + _path(each.path),
        )
        for each in report.findings
    )
    return head + _table(("code", "weight", "where", "what"), rows)


def _path(path: Sequence[str]) -> str:
    if not path:
        return ""
    steps = "".join(f"<li>{escape(step)}</li>" for step in path)
    return f'<ol style="margin:2px 0">{steps}</ol>'


@display.mimebundle.register
def _(value: Settlement) -> dict[str, Any]:
    html = settlement_html(value)
    if value.chart is not None and value.microsteps:
        try:
            html += value.draw().html
        except RenderError as error:
            html += f"<p>not drawn: {escape(str(error))}</p>"
    return {"text/html": html, "text/plain": str(value)}


@display.mimebundle.register
def _(value: Report) -> dict[str, Any]:
    return {"text/html": report_html(value), "text/plain": str(value)}
