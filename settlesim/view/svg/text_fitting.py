"""Text that fits: cut at its end, or broken into lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from settlesim.machine.sketch import xml_text
from settlesim.view.fonts import text_width

__all__ = ["cut", "in_lines", "widest", "wrapped"]

_MORE: Final = "\N{HORIZONTAL ELLIPSIS}"
_LONG: Final = 400
"""The most characters of a line; longer text is cut before it is measured."""


class _Wide(Protocol):
    @property
    def width(self) -> float: ...


_T = TypeVar("_T", bound=_Wide)


def in_lines(items: Iterable[_T], width: float, gap: float) -> list[list[_T]]:
    """Break items into lines no wider than `width`, with `gap` between items."""
    lines: list[list[_T]] = []
    left = 0.0
    for item in items:
        if not lines or left + item.width > width:
            lines.append([])
            left = 0.0
        lines[-1].append(item)
        left += item.width + gap
    return lines


def cut(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return `text`, cut with an ellipsis if it is wider than `width`.

    Parameters
    ----------
    size : the font's size, in the unit of `width`
    """
    shown = xml_text(text[: _LONG + 1])
    if len(shown) <= _LONG and text_width(shown, size, bold=bold) <= width:
        return shown
    shown = shown[:_LONG]
    while shown and text_width(shown + _MORE, size, bold=bold) > width:
        shown = shown[:-1]
    return shown.rstrip() + _MORE


def wrapped(
    text: str, size: float, width: float, *, lines: int = 6, bold: bool = False
) -> list[str]:
    """Break `text` between words into at most `lines` lines; the last one may be cut."""
    found: list[str] = []
    left = xml_text(text).split()
    while left and len(found) < lines - 1:
        taken = 1
        while taken < len(left) and (
            text_width(" ".join(left[: taken + 1]), size, bold=bold) <= width
        ):
            taken += 1
        found.append(cut(" ".join(left[:taken]), size, width, bold=bold))
        left = left[taken:]
    if left:
        found.append(cut(" ".join(left), size, width, bold=bold))
    return found


def widest(texts: Iterable[str], size: float, *, bold: bool = False) -> float:
    """Return the width of the widest text; 0 where there is none."""
    return max((text_width(each[:_LONG], size, bold=bold) for each in texts), default=0.0)
