"""The one palette, for light and dark paper.

Text has a contrast of at least 4.5:1 with its background, and every line that carries meaning
at least 3:1 (WCAG 2.1, 1.4.3 and 1.4.11). Colour is never the only sign: corners, borders,
badges and words say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from settlesim.display import Paper, Theme
from settlesim.errors import RenderError, shorten
from settlesim.machine.labels import Colours
from settlesim.view.svg.session import session_theme

__all__ = ["PALETTES", "Palette", "contrast", "follows_page", "palette_of"]


@dataclass(frozen=True, slots=True)
class Palette(Colours):
    """The colours of a picture, as hexadecimal RGB."""

    frame: str = "#d5dce3"
    """The border of the card."""
    group_line: str = "#8593a1"
    resolved_ink: str = "#0a3f3a"
    rejected_ink: str = "#5c140d"
    final_ink: str = "#1f2933"
    active_fill: str = "#ffe6d3"
    active_text: str = "#9a3412"
    """Text about what is active, on any fill."""
    active_ink: str = "#ffffff"
    """Text on `active`."""
    badge_ink: str = "#ffffff"
    """Signs on a badge."""
    added: str = "#1d5fad"
    """What only the newer of two charts has."""
    removed: str = "#b3470b"
    """What only the older of two charts has, and instances that are stranded."""
    changed: str = "#7a3db8"
    series: tuple[str, ...] = ("#1d5fad", "#7a3db8", "#5c6500", "#9c2670", "#0b6a88", "#6b5330")
    """The colours of a schedule's messages, in turn; each message also carries its number."""


_DARK: Final = Palette(
    paper="#171c23",
    ink="#e8edf2",
    quiet="#aab7c4",
    line="#93a1b0",
    group="#1e252e",
    resolved="#3fc9b4",
    resolved_fill="#123f3b",
    rejected="#ff8478",
    rejected_fill="#4a1b1a",
    final="#b4c0cc",
    final_fill="#2c353f",
    active="#ffa657",
    frame="#343d48",
    group_line="#5f6d7b",
    resolved_ink="#d9fbf4",
    rejected_ink="#ffe4e0",
    final_ink="#e8edf2",
    active_fill="#4b2f14",
    active_text="#ffc58f",
    active_ink="#22140a",
    badge_ink="#10151b",
    added="#79b8ff",
    removed="#ff9e5e",
    changed="#c8a3ff",
    series=("#79b8ff", "#c8a3ff", "#c3cc52", "#ff9bd0", "#5fcbe8", "#d9b98a"),
)

PALETTES: Final[Mapping[Paper, Palette]] = MappingProxyType({"light": Palette(), "dark": _DARK})


def palette_of(theme: Theme | None) -> Palette:
    """Return the palette of a theme; for ``"page"`` the light one, which the page may replace.

    Parameters
    ----------
    theme : None for that of the session

    Raises
    ------
    RenderError
        There is no such theme.
    """
    paper: Theme = session_theme() if theme is None else theme
    if paper == "page":
        paper = "light"
    for name, palette in PALETTES.items():
        if name == paper:
            return palette
    raise RenderError(f"theme is {shorten(theme)}; 'page', 'light' or 'dark' is needed")


def follows_page(theme: Theme | None) -> bool:
    """Whether a picture of this theme takes the colours of the page that shows it."""
    return (session_theme() if theme is None else theme) == "page"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.1, "contrast ratio")."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
