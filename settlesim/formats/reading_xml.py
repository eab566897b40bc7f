"""Parses XML into elements, within limits: no entities, no document types, no deep nesting."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from settlesim.errors import MissingExtraError, ReadError
from settlesim.formats.reading_text import MAX_DEPTH

__all__ = ["read_xml"]


def read_xml(text: str, *, source: str) -> Element:
    """Read one XML document.

    Raises
    ------
    ReadError
        No XML; a document type or an entity, which could stand for gigabytes or for a file;
        elements nested too deeply.
    MissingExtraError
        defusedxml is not installed.
    """
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import XMLParser
    except ImportError as error:
        raise MissingExtraError(
            extra="formats", feature="reading SCXML", module="defusedxml"
        ) from error
    parser = XMLParser(target=_Builder(source), forbid_dtd=True)
    try:
        parser.feed(text)
        found: Element = parser.close()
    except DefusedXmlException as error:
        raise ReadError(
            source=source,
            reason=f"has a document type or an entity, which are not read: {type(error).__name__}",
        ) from None
    except ParseError as error:
        raise ReadError(source=source, reason=f"no XML: {error}") from None
    return found


class _Builder(TreeBuilder):
    """Builds the tree, and stops where it becomes too deep."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._depth = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ReadError(source=self._source, reason=f"nests deeper than {MAX_DEPTH} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
