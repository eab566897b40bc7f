r"""Rows of text as HTML-like labels of Graphviz, and the colours of a graph.

References
----------
Graphviz: "HTML-like labels", and "escString": a backslash in an HTML-like label has to be
doubled, or ``\N`` becomes the node's identifier.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from unicodedata import east_asian_width

from settlesim.machine.sketch import LabelRow, Role, xml_text

__all__ = ["FONT", "SIZES", "Colours", "label_of", "plain_label"]

FONT: Final = "Liberation Sans"
"""What text is measured with; it has the widths of Arial and Helvetica."""

SIZES: Final[Mapping[Role, int]] = {
    "name": 14,
    "service": 12,
    "limit": 11,
    "event": 13,
    "guard": 12,
    "assign": 11,
    "word": 12,
    "was": 11,
    "added": 11,
    "removed": 11,
    "changed": 11,
    "stored": 11,
    "stranded": 11,
    "refuted": 11,
}
"""Font sizes, in points."""
_FACES: Final[Mapping[Role, str]] = {
    "name": "B",
    "event": "B",
    "service": "I",
    "assign": "I",
    "was": "S",
}

_ON_A_FILL: Final[frozenset[Role]] = frozenset(
    {"added", "removed", "changed", "stored", "stranded", "refuted"}
)
"""These texts have a fill of their own, which is wider than they are."""

_GAP: Final = '<TD FIXEDSIZE="TRUE" WIDTH="4" HEIGHT="4"></TD>'


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of the DOT text, as hexadecimal RGB."""

    paper: str = "#ffffff"
    ink: str = "#1f2933"
    quiet: str = "#52606d"
    line: str = "#5b6470"
    group: str = "#f5f7fa"
    resolved: str = "#0f766e"
    resolved_fill: str = "#d3f0ea"
    rejected: str = "#b42318"
    rejected_fill: str = "#fde3df"
    final: str = "#3e4c59"
    final_fill: str = "#e9edf1"
    active: str = "#c2410c"


def label_of(
    rows: Iterable[LabelRow], colours: Colours, *, signs: bool = False, padding: int = 1
) -> str:
    """Return rows as an HTML-like label.

    Parameters
    ----------
    signs
        Whether room is left for the shapes of signs; then the label is measured and not shown.
    padding : around every row, in points
    """
    cells = "".join(f"<TR><TD>{_row(row, colours, signs)}</TD></TR>" for row in rows)
    frame = f'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}"'
    return f"<<TABLE {frame}>{cells}</TABLE>>"


def _row(row: LabelRow, colours: Colours, signs: bool) -> str:
    cells: list[str] = []
    for run in row.runs:
        face = _FACES.get(run.role)
        text = _text(_as_wide(run.text) if signs else run.text)
        text = f"<{face}>{text}</{face}>" if face else text
        colour = colours.ink if run.role in {"name", "event"} else colours.quiet
        cells.append(
            f'<TD><FONT POINT-SIZE="{SIZES[run.role]}" COLOR="{colour}">{text}</FONT></TD>'
        )
        cells.append(_GAP)
    cells.pop()
    if row.runs[0].role in _ON_A_FILL:
        cells = [_GAP, *cells, _GAP]
    if row.icon is not None and signs:
        cells.insert(0, '<TD FIXEDSIZE="TRUE" WIDTH="14" HEIGHT="12"></TD>')
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0"><TR>'
        f"{''.join(cells)}</TR></TABLE>"
    )


def _as_wide(text: str) -> str:
    """Return a text of the same width, to be measured in place of this one.

    Graphviz's JSON loses what follows two backslashes, and a slash is as wide as one. The font
    lacks the wide characters of East Asia, which are as wide as an em dash.
    """
    return "".join(
        "\N{EM DASH}" if east_asian_width(each) in "WF" else "/" if each == "\\" else each
        for each in text
    )


def _text(text: str) -> str:
    return html.escape(text).replace("\\", "\\\\")


def plain_label(text: str) -> str:
    """Return a line of text as an HTML-like label."""
    return f"<{_text(xml_text(text))}>"
