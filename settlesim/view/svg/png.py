"""From SVG to PNG, with a warning about text that no font here can show."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable
from functools import lru_cache
from html import unescape
from typing import Final
from xml.sax.saxutils import escape

from settlesim.errors import RenderError
from settlesim.view.fonts import FAMILY, FILES, covers, uncovered

__all__ = ["MissingGlyphsWarning", "check_scale", "svg_to_png", "warn_of_glyphs"]

_SCALE: Final = 2.0
_USUAL_SIDE: Final = 4096
"""The most pixels of a PNG's longer side, unless a scale is asked for."""
_MOST_PIXELS: Final = 100_000_000
"""The most pixels of a PNG at any scale; painting them takes 400 MB."""
_SIZE: Final = re.compile(r'<svg [^>]*?width="([0-9.]+)" height="([0-9.]+)"')
_TEXT: Final = re.compile(r"<text\b[^>]*>([^<]*)</text>")
_NAMED: Final = 12
"""How many glyphs a warning names."""


class MissingGlyphsWarning(UserWarning):
    """A PNG or a PDF shows empty boxes, since no font has these characters."""


def check_scale(scale: float | None) -> None:
    """Check the scale of a PNG.

    Raises
    ------
    RenderError
        The scale is not in (0, 20].
    """
    if scale is not None and not 0 < scale <= 20:
        raise RenderError(f"scale is {scale!r}; a number in (0, 20] is needed")


def svg_to_png(svg: str, *, scale: float | None = None) -> bytes:
    """Paint an SVG as PNG; where there is no background it stays transparent.

    Parameters
    ----------
    scale
        Pixels per unit of the SVG, in (0, 20]; None for 2, or less if the longer side would
        have more than 4,096 pixels.

    Raises
    ------
    RenderError
        The scale is not in (0, 20], or the picture would be too large.

    Warns
    -----
    MissingGlyphsWarning
        Neither our font nor one of the system has some of its characters.
    """
    check_scale(scale)
    size = _SIZE.match(svg)
    if size is not None:
        width, height = float(size[1]), float(size[2])
        if scale is None:
            scale = min(_SCALE, _USUAL_SIDE / max(width, height))
        elif width * height * scale**2 > _MOST_PIXELS:
            possible = (_MOST_PIXELS / (width * height)) ** 0.5
            raise RenderError(
                f"a PNG of {width * scale:,.0f} x {height * scale:,.0f} pixels is too large; "
                f"a scale of {possible:.2g} is possible"
            )
    _warn_of_missing_glyphs(svg)
    return _paint(svg, _SCALE if scale is None else scale)


def _paint(svg: str, scale: float) -> bytes:
    import resvg_py

    try:
        return resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=scale,
            dpi=96,
            font_files=[str(file) for file in FILES],
            skip_system_fonts=covers(svg),
            font_family=FAMILY.partition(",")[0],
            sans_serif_family=FAMILY.partition(",")[0],
        )
    except ValueError as error:
        raise RenderError(f"the picture could not be painted as PNG: {error}") from None


# --- glyphs that no font has --------------------------------------------------------------


def _warn_of_missing_glyphs(svg: str) -> None:
    texts = (unescape(each) for each in _TEXT.findall(svg))
    wanted = sorted({character for text in texts for character in uncovered(text)})
    missing = [each for each in wanted if _is_missing(each)]
    if missing:
        warn_of_glyphs(missing, "PNG", "neither our font nor one of this system has them")


def warn_of_glyphs(missing: Iterable[str], kind: str, why: str) -> None:
    """Warn that a file shows empty boxes instead of these characters."""
    found = list(missing)
    named = ", ".join(f"{each} (U+{ord(each):04X})" for each in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    warnings.warn(
        f"this {kind} shows empty boxes for {named}{more}: {why}. An SVG is right "
        "wherever a font with them is installed; the fonts of Noto have most scripts.",
        MissingGlyphsWarning,
        stacklevel=2,
    )


_NOBODYS: Final = "\U0010fffd"
"""A private-use character that fonts do not have; it is painted as an empty box."""
_SHAPELESS: Final = {"Mn", "Me", "Mc", "Cf"}
"""Categories of characters that have no shape of their own."""


def _is_missing(character: str) -> bool:
    """Whether a character is painted as the empty box.

    The painter chooses among the system's fonts and does not say whether one has the character.
    So the character is painted alone, and compared with one that no font has.
    """
    if unicodedata.category(character) in _SHAPELESS:
        return False
    return _painted_alone(character) == _painted_alone(_NOBODYS)


@lru_cache(maxsize=1024)
def _painted_alone(character: str) -> bytes:
    text = f'<text x="2" y="18" font-size="16">{escape(character)}</text>'
    root = '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"'
    return _paint(f'{root} font-family="{FAMILY}">{text}</svg>', 1.0)
