"""The scripts and styles of the panels: files of the package, joined into one module.

A front end is loaded as one ES module without imports, so the files of a panel are concatenated:
the shared ones first, the panel's own last, with its ``export``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

__all__ = ["asset", "script", "style"]


@lru_cache
def asset(name: str) -> str:
    """Return the text of a file in ``settlesim/view/static``."""
    return (files("settlesim.view") / "static" / name).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """Return the module of a panel: ``base.js`` and ``seat.js``, then these files."""
    return "\n".join(asset(name) for name in ("base.js", "seat.js", *names))


def style(kind: str, *names: str) -> str:
    """Return the style sheet of a panel: ``base.css``, then these files, for its kind alone.

    All sheets end up in one page, and the panels share class names. So every rule is restricted
    to the panels of this kind, by one more class for each, which keeps the order of precedence.
    """
    text = "\n".join(asset(name) for name in ("base.css", *names))
    return re.sub(r"\.settlesim-panel(?![\w-])", f".settlesim-panel.{kind}", text)
