"""Answers to requests that fail, as problem documents (RFC 9457)."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from settlesim.engines import NotPromisedError
from settlesim.errors import (
    ChartMismatchError,
    DeduplicationError,
    InvalidEventError,
    InvalidValueError,
    ReadError,
    SettlesimError,
    StoreError,
    UnexpectedRevisionError,
)

__all__ = ["PROBLEMS", "ProblemError", "problem_of", "problem_response"]

PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "missing-id": (400, "The id of an instance is missing"),
    "bad-path": (400, "The path is not valid UTF-8"),
    "bad-json": (400, "The body is not strict JSON"),
    "no-such-state": (400, "The chart has no such state"),
    "host-refused": (403, "This host or origin is not allowed"),
    "not-found": (404, "There is nothing here"),
    "no-such-instance": (404, "There is no such instance"),
    "no-such-event": (404, "No such event is known, or not any more"),
    "no-such-letter": (404, "There is no such dead letter"),
    "no-such-chart": (404, "There is no such chart"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "chart-mismatch": (409, "The instance belongs to another chart"),
    "unexpected-revision": (412, "The instance has changed"),
    "too-large": (413, "The body is too large"),
    "not-json": (415, "The body has to be JSON"),
    "invalid": (422, "The request cannot be processed"),
    "reused-id": (422, "The id was used for another event"),
    "rejected": (422, "The event was rejected"),
    "dead-letter": (422, "The event could not be settled"),
    "too-many-waiting": (429, "Too many events wait"),
    "internal": (500, "The server has failed"),
    "not-promised": (501, "The engine does not promise this"),
    "unavailable": (503, "The engine does not accept events now"),
}
"""The name, status and title of every problem."""

_RETRY_SECONDS: Final = "1"
_BY_ERROR: Final = (
    (ReadError, "bad-json"),
    (InvalidEventError, "invalid"),
    (InvalidValueError, "invalid"),
    (DeduplicationError, "reused-id"),
    (UnexpectedRevisionError, "unexpected-revision"),
    (ChartMismatchError, "chart-mismatch"),
    (NotPromisedError, "not-promised"),
    (StoreError, "unavailable"),
)


class ProblemError(Exception):
    """A request that is answered with a problem document."""

    def __init__(
        self, name: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.headers = dict(headers or {})
        self.more = more
        """Further members of the document."""


def problem_of(error: SettlesimError) -> ProblemError:
    """Return an error of the library as a problem."""
    for kind, name in _BY_ERROR:
        if isinstance(error, kind):
            return ProblemError(name, str(error))
    return ProblemError("internal", str(error))


def problem_response(problem: ProblemError) -> Response:
    """Return a problem as a response."""
    status, title = PROBLEMS[problem.name]
    headers = {"Cache-Control": "no-store", **problem.headers}
    if status in (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE):
        headers.setdefault("Retry-After", _RETRY_SECONDS)
    document = {
        "type": f"urn:settlesim:{problem.name}",
        "title": title,
        "status": status,
        "detail": str(problem),
        **problem.more,
    }
    return JSONResponse(document, status, headers=headers, media_type="application/problem+json")
