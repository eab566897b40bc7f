"""The output of a cell that shows a live panel: its static twin, whose place the panel takes.

Theory of operation
-------------------
Once its kernel has ended, a widget's view is useless: a reopened notebook shows "model not
found" instead of the picture beside it. So the only output is a picture. The script of the
widget finds it on the page by its class and puts the live panel there (``seat.js``).
"""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["HINT", "PREFIX", "seat_html"]

PREFIX: Final = "settlesim-"
"""A twin's class on the page is this, followed by the id of the panel's model."""
HINT: Final = "This is a picture of a live panel: run this cell to play."


def seat_html(seat: str, twin: str | None, words: str) -> str:
    """Return the twin of a panel as HTML that the panel's script finds.

    Parameters
    ----------
    seat : the class by which it is found
    twin : HTML that stays on a page that is not trusted; None where there is no picture
    words : the panel as a line of text
    """
    shown = f"<pre>{escape(words)}</pre>" if twin is None else twin
    return f"<div class='settlesim-twin {seat}'>{shown}<p><em>{HINT}</em></p></div>"
