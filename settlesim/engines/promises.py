"""The promises in which engines differ: one table for code, docs and notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from settlesim.engines.protocol import Promise

__all__ = ["PROMISES", "PromiseTable"]

PROMISES: Final[Mapping[str, frozenset[Promise]]] = {
    "embedded": frozenset(
        {
            Promise.FOLLOW_ALL,
            Promise.EXPECTED_REVISION,
            Promise.REFUSE_REUSED_ID,
            Promise.REDRIVE_IN_PLACE,
            Promise.VERSIONS_TOGETHER,
        }
    ),
    "restate": frozenset({Promise.REDRIVE_IN_PLACE, Promise.FINISHED_CALLS_KEPT}),
    "aws": frozenset({Promise.REFUSE_REUSED_ID, Promise.REDRIVE_IN_PLACE}),
}
"""By the name of an engine, in the order of the columns in documents."""

_TITLES: Final = {"embedded": "embedded", "restate": "Restate", "aws": "AWS"}
_WITHOUT: Final = {
    Promise.FOLLOW_ALL: "`settlements` wants a key, else `NotPromisedError`",
    Promise.EXPECTED_REVISION: "`send(..., expected=...)` raises `NotPromisedError`",
    Promise.REFUSE_REUSED_ID: (
        "another event with a known id is taken for a repetition, and not applied"
    ),
    Promise.REDRIVE_IN_PLACE: (
        "after `halt`, a retried dead letter comes after the events that were parked"
    ),
    Promise.FINISHED_CALLS_KEPT: (
        "a retried event calls all its services again, with the same idempotency keys"
    ),
    Promise.VERSIONS_TOGETHER: (
        "while engines of two versions work at the same time, an event of an instance that one of "
        "them saved may wait until that one works alone"
    ),
}


@dataclass(frozen=True, slots=True)
class PromiseTable:
    """The differences between the engines, as a table.

    Examples
    --------
    >>> print(PromiseTable().to_text().splitlines()[0])
    | promise | embedded | Restate | AWS | without it |
    """

    @property
    def head(self) -> tuple[str, ...]:
        """The names of the columns."""
        return ("promise", *(_TITLES[name] for name in PROMISES), "without it")

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A row for each promise; code is between backticks."""
        return tuple(
            (
                f"`{promise.value}`",
                *("yes" if promise in promised else "no" for promised in PROMISES.values()),
                _WITHOUT[promise],
            )
            for promise in Promise
        )

    def to_text(self) -> str:
        """Return it as Markdown."""
        ruler = f"|{'---|' * len(self.head)}"
        lines = [f"| {' | '.join(row)} |" for row in (self.head, *self.rows)]
        return "\n".join([lines[0], ruler, *lines[1:]])

    def to_html(self) -> str:
        """Return it as HTML, in the colours of the page."""
        head = "".join(f'<th scope="col" style="{_CELL}">{escape(each)}</th>' for each in self.head)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{_code(cell)}</td>' for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": self.to_html(), "text/plain": self.to_text()}


_CELL: Final = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"


def _code(text: str) -> str:
    """Return HTML; text between backticks becomes code."""
    parts = escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)
    )
