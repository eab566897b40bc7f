"""Prepares docstrings for the reference: what a parameter means, and what a user may call."""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(?P<indent> *)(?P<title>\w[\w ]*)\n(?P=indent)-{3,}$", re.MULTILINE)
_ONE_LINE = re.compile(r"^(?P<names>\w+(?:, \w+)*) : (?P<words>.+)$", re.MULTILINE)
_WITH_NAMES = ("Parameters", "Returns")


class ReadableDocstrings(griffe.Extension):
    """Rewrites ``name : meaning`` and hides the handlers of a panel's messages.

    The docstrings of this project say what a parameter means after the colon, where numpydoc has
    a type; types are in the signature.
    """

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Look at one object that was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = with_meanings_below(obj.docstring.value)
        if obj.is_function and obj.name.startswith("on_") and ".widgets." in obj.path:
            obj.public = False


def with_meanings_below(text: str) -> str:
    """Put the meaning of each parameter and result on a line of its own, below the name."""
    parts = []
    starts = [match.start() for match in _SECTION.finditer(text)]
    for start, end in zip([0, *starts], [*starts, len(text)], strict=True):
        part = text[start:end]
        title = _SECTION.match(part)
        if title and title["title"] in _WITH_NAMES:
            colon = " :" if title["title"] == "Returns" else ""
            part = _ONE_LINE.sub(rf"\g<names>{colon}\n    \g<words>", part)
        parts.append(part)
    return "".join(parts)
