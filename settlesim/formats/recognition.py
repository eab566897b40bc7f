"""Detects the format of a document by its content, and by its suffix where that is not enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, Literal

from settlesim.errors import ReadError
from settlesim.machine.from_markup import MARKUP_KEYS

__all__ = ["FORMATS", "FormatName", "format_of_record", "format_of_text"]

FormatName = Literal[
    "settlesim", "xstate", "xstate4", "xstate5", "transitions", "asl", "scxml", "mermaid", "sismic"
]

FORMATS: Final[Mapping[FormatName, str]] = {
    "settlesim": "settlesim JSON",
    "xstate": "XState JSON, v4 or v5",
    "xstate4": "XState v4 JSON",
    "xstate5": "XState v5 JSON",
    "transitions": "markup of transitions (MarkupMachine)",
    "asl": "Amazon States Language",
    "scxml": "SCXML",
    "mermaid": "Mermaid stateDiagram-v2",
    "sismic": "sismic YAML",
}
"""Every format that can be read, by the name that an option takes."""

_SUFFIXES: Final[Mapping[str, FormatName]] = {
    ".scxml": "scxml",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
}
_XML: Final = re.compile(r"[\ufeff\s]*<(\?xml|!DOCTYPE|(\w+:)?scxml)\b")
_MERMAID: Final = re.compile(r"^\s*stateDiagram(-v2)?\s*$", re.MULTILINE)


def format_of_record(record: Mapping[str, Any]) -> FormatName:
    """Return the format of a mapping: settlesim's own if it is of no other."""
    if "StartAt" in record or "States" in record:
        return "asl"
    if isinstance(record.get("statechart"), Mapping):
        return "sismic"
    states = record.get("states")
    if isinstance(states, Mapping):
        return "xstate"
    if "states" not in record and (
        isinstance(record.get("id"), str) or isinstance(record.get("on"), Mapping)
    ):
        return "xstate"  # a machine of one state
    if isinstance(states, list) and not MARKUP_KEYS.isdisjoint(record):
        return "transitions"
    return "settlesim"


def format_of_text(text: str, path: str | None = None) -> FormatName | Literal["json", "yaml"]:
    """Return the format of a text.

    Returns
    -------
    format : ``"json"`` and ``"yaml"`` have to be read before `format_of_record` can tell

    Raises
    ------
    ReadError
        Neither its content nor the suffix of its file tells.
    """
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if _XML.match(text):
        return "scxml"
    if start in {"{", "["}:
        return "json"
    suffix = PurePath(path).suffix.lower() if path else ""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if _MERMAID.search(text):
        return "mermaid"
    if start == "<":
        return "scxml"
    if suffix == ".json":
        return "json"
    if suffix in {".yaml", ".yml"} or re.search(r"^\s*statechart\s*:", text, re.MULTILINE):
        return "yaml"
    raise ReadError(
        source=path or "text",
        reason="is no chart that can be recognised: JSON begins with a brace, SCXML with <, "
        "Mermaid with stateDiagram-v2, and YAML has the suffix .yaml",
    )
