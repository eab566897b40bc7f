"""Texts use the plain words of the field, not phrases of our own."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PHRASES = {
    "can not": "cannot",
    "one by one": "one after another",
    "how-manieth": "n-th",
    "order of arrival": "arrival order",
    "place to rest": "settled state",
    "places of rest": "settled states",
    "gone on with": "resumed",
    "a way on": "a transition",
    "ends so": "has this ending",
    "end so": "have this ending",
    "handled side by side": "handled concurrently",
    "comes up again": "becomes visible again",
    "now and then": "at intervals",
    "settled node": "settled state",
    "settled nodes": "settled states",
    "tagged node": "tagged state",
    "parallel node": "parallel state",
    "final node": "final state",
    "stands twice": "appears twice",
    "comes to rest": "stops, or settles",
    "on its way with": "handles",
    "go round in": "repeat",
    "begun anew": "created again",
    "written over": "overwritten",
    "send on purpose": "send although it is not accepted",
    "a line a look": "one line for each update",
    "is no use to": "cannot help",
    "come to its end": "finished",
    "how many there are but": "the number outside",
}
"""What a text must not say, and what it says instead."""


def _texts() -> Iterator[tuple[str, str]]:
    for folder, suffixes in {
        "settlesim": (".py", ".js", ".css", ".html"),
        "docs": (".md", ".py"),
        "benchmarks": (".py",),
    }.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells)


@functools.cache
def _lowered() -> list[tuple[str, str]]:
    """Read the texts once for all phrases."""
    return [(name, text.lower()) for name, text in _texts()]


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_text_has_a_phrase_of_our_own(phrase: str) -> None:
    """Also where a line ends within it."""
    words = phrase.split()
    pattern = re.compile(r"\b" + r"[\s#*]+".join(map(re.escape, words)) + r"\b")
    found = [
        name
        for name, text in _lowered()
        if all(word in text for word in words) and pattern.search(text)
    ]
    assert found == [], f"say {PHRASES[phrase]!r}"
