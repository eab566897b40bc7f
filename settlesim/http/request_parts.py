"""The parts of a request: body, ids, preconditions, preferences and pages."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from settlesim.argument_checks import MAX_NAME, check_text
from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import decode
from settlesim.errors import shorten
from settlesim.http.problems import ProblemError

__all__ = [
    "SentEvent",
    "cursor_of",
    "event_in",
    "given_event_id",
    "id_in_query",
    "json_body",
    "number_in_query",
    "path_text",
    "revisions_wanted",
    "wait_seconds",
    "xstate_event",
]

_MAX_ID: Final = 255
_JSON_TYPE: Final = re.compile(r"application/(?:[\w.+-]+\+)?json", re.ASCII | re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_ETAG: Final = re.compile(r'"([0-9]{1,18})(?:\.[0-9]{1,18})?"', re.ASCII)


class SentEvent(NamedTuple):
    """An event in the body of a request."""

    name: str
    data: Any = None


def path_text(request: Request, name: str) -> str:
    """Return a segment of the path, which routes have left percent-encoded.

    Raises
    ------
    ProblemError
        It is not UTF-8.
    InvalidValueError
        It is longer than an id may be.
    """
    try:
        found = unquote_to_bytes(request.path_params[name]).decode()
    except UnicodeDecodeError:
        detail = f"{shorten(request.path_params[name])} is not percent-encoded UTF-8"
        raise ProblemError("bad-path", detail) from None
    check_text(found, where=name, most=MAX_NAME)
    return found


def id_in_query(request: Request, name: str = "id") -> str | None:
    """Return the instance that the query names; None where it names none.

    Raises
    ------
    InvalidValueError
        It is longer than an id may be.
    """
    found = request.query_params.get(name)
    if found:
        check_text(found, where=name, most=MAX_NAME)
    return found or None


async def json_body(request: Request, most: int, *, typed: bool = True) -> Any:
    """Read the body, as strict JSON.

    Parameters
    ----------
    most : bytes that it may have
    typed : whether other content types are refused, which serverless-xstate does not do

    Raises
    ------
    ProblemError
        It is too large, or of another type.
    ReadError
        It is no strict JSON.
    """
    content_type = request.headers.get("content-type", "application/json")
    if typed and not _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip()):
        detail = f"the body is {shorten(content_type)}; send Content-Type: application/json"
        raise ProblemError("not-json", detail)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ProblemError("too-large", f"the body may have {most} bytes")
    return decode(bytes(body), source="the body")


def event_in(body: Any, secret: Collection[str] = ()) -> SentEvent:
    """Return the event of a body ``{"type": NAME, "data": JSON}``.

    Parameters
    ----------
    secret : fields whose values are hidden in errors

    Raises
    ------
    ProblemError
        It is of another shape.
    """
    if isinstance(body, dict) and "type" in body and set(body) <= {"type", "data"}:
        return _named(body["type"], body.get("data"), secret)
    shown = shorten(hide(body, secret))
    detail = f'the body is {shown}; an object {{"type": NAME, "data": JSON}} is needed'
    raise ProblemError("invalid", detail)


def xstate_event(body: Any, secret: Collection[str] = ()) -> SentEvent:
    """Return the event of a body as XState takes it: ``"NAME"``, or data beside the type.

    Parameters
    ----------
    secret : fields whose values are hidden in errors

    Raises
    ------
    ProblemError
        It is of another shape.
    """
    if isinstance(body, str):
        return SentEvent(body)
    if isinstance(body, dict) and "type" in body:
        data = {key: value for key, value in body.items() if key != "type"}
        return _named(body["type"], data or None, secret)
    detail = (
        f'the body is {shorten(hide(body, secret))}; "NAME" or {{"type": "NAME", ...}} is needed'
    )
    raise ProblemError("invalid", f"{detail}, one event for each request")


def _named(name: Any, data: Any, secret: Collection[str]) -> SentEvent:
    if not isinstance(name, str):
        shown = shorten(hide(name, secret))
        raise ProblemError("invalid", f"the event's type is {shown}; a text is needed")
    return SentEvent(name, data)


def given_event_id(request: Request) -> str | None:
    """Return the id of an event from the header Idempotency-Key, without quotes around it.

    Raises
    ------
    ProblemError
        It is empty, too long, or not all visible ASCII.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    text: str = given.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not 0 < len(text) <= _MAX_ID or not all("!" <= each <= "~" for each in text):
        detail = f"Idempotency-Key is {shorten(given)}; 1 to {_MAX_ID} visible ASCII characters"
        raise ProblemError("invalid", f"{detail} are needed")
    return text


def revisions_wanted(request: Request) -> tuple[int, ...] | None:
    """Return the revisions in If-Match; an empty tuple for ``*``, None without the header.

    A weak or foreign entity tag matches nothing, which is revision -1.
    """
    given = request.headers.get("if-match")
    if given is None:
        return None
    tags = [each.strip() for each in given.split(",")]
    if tags == ["*"]:
        return ()
    found = [_ETAG.fullmatch(each) for each in tags]
    return tuple(-1 if each is None else int(each[1]) for each in found)


def wait_seconds(request: Request, most: float, default: float = 0.0) -> float:
    """Return for how long the client wants to wait: the query's `wait`, or ``Prefer: wait=``.

    A preferred time is cut to `most`; a `wait` in the query beyond it is refused.

    Raises
    ------
    ProblemError
        The query's `wait` is no number, or more than `most`.
    """
    asked = request.query_params.get("wait")
    if asked is not None:
        if not _SECONDS.fullmatch(asked) or float(asked) > most:
            detail = f"wait is {shorten(asked)}; seconds from 0 to {most:g} are needed"
            raise ProblemError("invalid", detail)
        return float(asked)
    for preference in re.split(r"[,;]", request.headers.get("prefer", "")):
        name, _, value = (each.strip() for each in preference.partition("="))
        if name.lower() == "respond-async":
            return 0.0
        if name.lower() == "wait" and _SECONDS.fullmatch(value.strip('"')):
            return min(float(value.strip('"')), most)
    return default


def number_in_query(request: Request, name: str, default: int, most: int) -> int:
    """Return a whole number from 1 that the query gives.

    Raises
    ------
    ProblemError
        It is no such number, or more than `most`.
    """
    asked = request.query_params.get(name)
    if asked is None:
        return default
    if asked.isascii() and asked.isdigit() and len(asked) < 10 and 1 <= int(asked) <= most:
        return int(asked)
    raise ProblemError(
        "invalid", f"{name} is {shorten(asked)}; a whole number from 1 to {most} is needed"
    )


def cursor_of(request: Request) -> int | None:
    """Return the settlement after which a stream resumes, from Last-Event-ID or `cursor`.

    Raises
    ------
    ProblemError
        It is no whole number.
    """
    asked = request.headers.get("last-event-id") or request.query_params.get("cursor")
    if asked is None:
        return None
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        return int(asked)
    detail = f"Last-Event-ID is {shorten(asked)}; the id of an event of this stream is needed"
    raise ProblemError("invalid", detail)
