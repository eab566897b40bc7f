"""The output of a cell that shows a live panel: its static twin, in whose place the panel is put.

Theory of operation
-------------------
A widget's view is worth nothing once its kernel has ended: a reopened notebook shows "model
not found", and not the picture beside it. So the only output is a picture, and the script of
the widget finds it on the page by its class and puts the live panel there (``seat.js``).

A notebook that is not trusted keeps an image with a ``data:`` address and loses inline SVG;
so every picture here is such an image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import quote

__all__ = ["HINT", "PREFIX", "seat_html"]

PREFIX: Final = "settlesim-"
"""The class of a twin on the page: this, then the id of the panel's model."""
HINT: Final = "This is a picture of a live panel: run this cell to play."
_SVG: Final = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
_SAFE: Final = ' /:;=,.()!*-_+?@$<>"'
"""What an address within single quotes may hold as it is; the rest is escaped."""


def seat_html(seat: str, twin: str | Mapping[str, str] | None, words: str) -> str:
    """Return the twin of a panel as HTML that survives on a page that is not trusted.

    Parameters
    ----------
    seat : the class by which the panel's script finds it
    twin : SVG, or by media type SVG or HTML with SVG in it; None where there is no picture
    words : the panel as a line of text
    """
    if isinstance(twin, Mapping):
        twin = twin.get("text/html") or twin.get("image/svg+xml")
    if twin is None:
        shown = f"<pre>{escape(words)}</pre>"
    else:
        alternative = escape(words)
        shown = _SVG.sub(lambda found: _image(found[0], alternative), twin)
    return f"<div class='settlesim-twin {seat}'>{shown}<p><em>{HINT}</em></p></div>"


def _image(svg: str, alternative: str) -> str:
    return f"<img alt='{alternative}' src='data:image/svg+xml,{quote(svg, safe=_SAFE)}'>"
