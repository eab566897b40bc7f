"""Documents as JSON text, which is read no further than somebody looks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import MsgspecError
from msgspec import json as quick

from settlesim.chart.values import encode

__all__ = [
    "StoredDocument",
    "encode_document",
    "encode_strict",
    "read_document",
    "read_value",
    "says_the_same",
]

_ascii_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

read_value: Final = json.JSONDecoder().raw_decode
"""Read one JSON value from a text, from a position on: return it and where it ends."""


def encode_document(value: Any) -> str:
    """Return compact JSON in one line, which UTF-8 can carry.

    Raises
    ------
    ValueError, TypeError
        What JSON cannot carry.
    """
    text = encode(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # Stock TinyDB writes a lone surrogate as an escape; a foreign document that
            # holds one is kept in the same way.
            return _ascii_encoder.encode(value)
    return text


_encode_quickly: Final = quick.Encoder().encode


def encode_strict(value: Any, *, frozen: bool = False) -> str:
    """Return what `encode_document` does for strict JSON, in a fifth of the time.

    Floats may be written in another way; all that is read from the text is the same.

    Parameters
    ----------
    frozen : whether there is no NaN for sure

    Raises
    ------
    ValueError, TypeError
        What JSON cannot carry; some of what only Python's types can, such as a set, is not told.
    """
    try:
        data = _encode_quickly(value)
    except (ValueError, TypeError):
        return encode_document(value)
    if not frozen and b"null" in data:  # which may have been NaN
        return encode_document(value)
    return data.decode()


def says_the_same(text: str, other: str | None) -> bool:
    """Say whether a text by `encode_document` would be no change of another text."""
    return text == other or (other is not None and text == encode_document(read_document(other)))


_decode_quickly: Final = quick.Decoder().decode


def read_document(text: str) -> Any:
    """Read a text that is one JSON value and nothing else."""
    try:
        return _decode_quickly(text)
    except (ValueError, MsgspecError):  # as for a lone surrogate, or NaN in a foreign document
        return read_value(text)[0]


class StoredDocument(Mapping[str, Any]):
    """A document of which there is only the text, as `encode_document` wrote it.

    An index looks at one or two of its first fields; to read those of 100,000 documents
    takes a tenth of the time that it takes to read the documents.
    """

    __slots__ = ("_fields", "_position", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._fields: dict[str, Any] = {}
        self._position = 0 if text == "{}" else 1  # of the next field; 0 when all are read

    def __getitem__(self, name: str) -> Any:
        if name not in self._fields:
            self._read(name)
        return self._fields[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._fields:
            self._read(name)
        return name in self._fields

    def _read(self, wanted: object) -> None:
        text, position = self._text, self._position
        while position:
            name, end = read_value(text, position)
            self._fields[name], end = read_value(text, end + 1)
            position = self._position = 0 if text[end] == "}" else end + 1
            if name == wanted:
                return

    def __iter__(self) -> Iterator[str]:
        self._read(None)
        return iter(self._fields)

    def __len__(self) -> int:
        self._read(None)
        return len(self._fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text})"
