"""The OpenAPI 3.1 document of the routes, written by hand and checked by tests."""

from __future__ import annotations

import re
from typing import Any, Final

from settlesim.chart import Chart
from settlesim.chart.definition import RESERVED_PREFIXES
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.http.problems import PROBLEMS
from settlesim.http.resources import state_names
from settlesim.http.roots import Root

__all__ = ["openapi_document"]

Document = dict[str, Any]

_MAX_KEY: Final = 1000
_KEY: Final[Document] = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "The instance. Slashes and the like are percent-encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY},
}
_EVENT_ID: Final[Document] = {
    "name": "event_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": _MAX_KEY},
}
_LIMIT: Final[Document] = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
}
_AFTER: Final[Document] = {
    "name": "after",
    "in": "query",
    "description": "The `next` of the page before.",
    "schema": {"type": "string"},
}
_STREAM: Final[list[Document]] = [
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The stream resumes after this settlement; a browser sends it by itself.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "The stream ends after this many events, or at the first silence.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    },
]
_SENDING: Final[list[Document]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The event's id: the same for each repetition of the request.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    {
        "name": "If-Match",
        "in": "header",
        "description": "The event is accepted only if it will be applied to this revision.",
        "schema": {"type": "string"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=SECONDS`: wait for the event's outcome.",
        "schema": {"type": "string"},
    },
]
_REFUSED: Final = (
    "bad-json",
    "host-refused",
    "chart-mismatch",
    "unexpected-revision",
    "too-large",
    "invalid",
    "reused-id",
    "too-many-waiting",
    "not-promised",
    "unavailable",
)
"""The problems for which an event is not accepted."""
_OBJECT: Final[Document] = {"type": "object"}
_CONTROLS: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_RESERVED: Final = "|".join(map(re.escape, RESERVED_PREFIXES))
_NAME_PATTERN: Final = "".join(
    (rf"^(?!{_RESERVED})", rf"[^{_CONTROLS}]*", rf"[^{_CONTROLS}\s]", rf"[^{_CONTROLS}]*$")
)
"""The pattern of names that an event from outside may have."""
_TEXT: Final[Document] = {"type": "string"}
_COUNT: Final[Document] = {"type": ["integer", "null"]}


def openapi_document(chart: Chart, *, root: Root = "seed", max_wait: float = 30.0) -> Document:
    """Return the document, as plain JSON."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{chart.name}, a durable statechart",
            "version": str(chart.version),
            "description": "Events go in, settled states come out.",
        },
        "paths": {
            **_root_paths(root, max_wait),
            **_instance_paths(state_names(chart)),
            **_event_paths(max_wait),
            **_letter_paths(),
            **_chart_paths(),
            **_server_paths(),
        },
        "components": {"schemas": _schemas()},
    }


def _wait(most: float) -> Document:
    return {
        "name": "wait",
        "in": "query",
        "description": "Seconds to wait for the event's outcome.",
        "schema": {"type": "number", "minimum": 0, "maximum": most},
    }


# --- paths --------------------------------------------------------------------------------------


def _root_paths(root: Root, max_wait: float) -> Document:
    key = {**_KEY, "name": "id", "in": "query", "required": False}
    body = {"required": True, "content": {"application/json": {"schema": _ref("XStateEvent")}}}
    sending = _problems(*_REFUSED)
    page = _content("The live page, without an id; with one, the instance.", "text/html", _TEXT)
    text = {"content": {"text/plain": {"schema": _TEXT}}}
    if root == "seed":
        page["content"]["application/json"] = {"schema": _ref("SeedAnswer")}
        answers = {
            "200": _json("The event is settled.", "SeedAnswer"),
            "202": _json("It was accepted, and is not settled yet.", "Accepted"),
            **_problems(*_REFUSED, "missing-id", "rejected", "dead-letter"),
        }
        reading = {"200": page, **_reading("no-such-instance", "invalid")}
    else:
        page["content"]["application/json"] = {"schema": _ref("Entity")}
        answers = {
            "200": {"description": "The event was accepted.", **text},
            **sending,
            "400": {
                "description": "The id is missing, or the body is not strict JSON.",
                "content": {**text["content"], **_problem_content()},
            },
        }
        reading = {"200": page, **_reading("invalid")}
        reading["400"] = {"description": "The id is empty.", **text}
    wait = [_wait(max_wait)] if root == "seed" else []
    sent = [{**key, "required": True}, *wait, *_SENDING]
    return {
        "/": {
            "get": _operation(
                "root", "Read an instance; the live page without an id", [key], reading
            ),
            "post": {
                **_operation("sendToRoot", "Send an event", sent, answers),
                "requestBody": body,
            },
        }
    }


def _instance_paths(states: list[str]) -> Document:
    state = {
        "name": "state",
        "in": "query",
        "description": "Only instances in this state, or in one within it.",
        "schema": {"type": "string", "enum": states},
    }
    none_match = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
    return {
        "/machines": _get(
            "listInstances",
            "List instances",
            [state, _AFTER, _LIMIT],
            _json("A page of them.", "InstancePage"),
            "invalid",
            "no-such-state",
        ),
        "/machines/{key}": {
            "get": _operation(
                "readInstance",
                "Read an instance",
                [_KEY, none_match],
                {
                    "200": _json("Its last settled state; the ETag has its revision.", "Instance"),
                    "304": {"description": "It is the one that If-None-Match names."},
                    **_reading("no-such-instance", "bad-path", "invalid"),
                },
            )
        },
        "/machines/{key}/settlements": _get(
            "followInstance",
            "Follow an instance",
            [_KEY, *_STREAM],
            _content(
                "Server-sent events: `state`, then each `settled`.", "text/event-stream", _TEXT
            ),
            "invalid",
            "bad-path",
        ),
        "/machines/{key}/resume": {
            "post": _operation(
                "resumeInstance",
                "Let a parked instance go on",
                [_KEY],
                {
                    "200": _json("Whether it was parked.", "Resumed"),
                    **_reading("invalid", "bad-path"),
                },
            )
        },
        "/settlements": _get(
            "followAll",
            "Follow all instances",
            list(_STREAM),
            _content("Server-sent events: each `settled`.", "text/event-stream", _TEXT),
            "invalid",
            "not-promised",
        ),
    }


def _event_paths(max_wait: float) -> Document:
    sent = {
        "200": _json("The event is settled; asked for with `wait`.", "SettledEvent"),
        "202": _json("It was accepted: no crash loses it.", "Accepted"),
        **_problems(*_REFUSED, "not-json", "bad-path", "dead-letter"),
    }
    body = {"required": True, "content": {"application/json": {"schema": _ref("Event")}}}
    wait = _wait(max_wait)
    return {
        "/machines/{key}/events": {
            "post": {
                **_operation("sendEvent", "Send an event", [_KEY, wait, *_SENDING], sent),
                "requestBody": body,
            }
        },
        "/machines/{key}/events/{event_id}": {
            "get": _operation(
                "readEvent",
                "Read how far an event is",
                [_KEY, _EVENT_ID, wait],
                {
                    "200": _json("Waiting, settled or dead.", "EventStatus"),
                    **_reading("no-such-event", "bad-path", "invalid"),
                },
            )
        },
    }


def _letter_paths() -> Document:
    letter = {**_EVENT_ID, "name": "id", "description": "Of the letter."}
    page = [_AFTER, _LIMIT]
    return {
        "/dead-letters": _get(
            "listDeadLetters",
            "List events that could not be settled",
            page,
            _json("A page of them.", "LetterPage"),
            "invalid",
        ),
        "/dead-letters/{id}/retry": {
            "post": _operation(
                "retryDeadLetter",
                "Give a dead letter another chance",
                [letter],
                {
                    "202": _json("It waits again.", "Retried"),
                    **_reading("no-such-letter", "bad-path", "invalid"),
                },
            )
        },
        "/parked": _get(
            "listParked",
            "List instances that wait until they are resumed",
            page,
            _json("A page of them.", "ParkedPage"),
            "invalid",
        ),
    }


def _chart_paths() -> Document:
    name = {**_EVENT_ID, "name": "name", "description": "Of the chart."}
    theme = {"name": "theme", "in": "query", "schema": {"enum": ["light", "dark"]}}
    key = {**_KEY, "in": "query", "required": False, "description": "An instance to mark."}
    return {
        "/charts": _get("listCharts", "List charts", [], _json("All of them.", "Charts")),
        "/charts/{name}": _get(
            "readChart",
            "Read a chart",
            [name],
            _json("Its definition.", "Chart"),
            "no-such-chart",
            "bad-path",
            "invalid",
        ),
        "/charts/{name}/picture.svg": _get(
            "drawChart",
            "Draw a chart",
            [name, key, theme],
            _content("The picture.", "image/svg+xml", _TEXT),
            "no-such-chart",
            "bad-path",
            "invalid",
        ),
    }


def _server_paths() -> Document:
    return {
        "/status": _get("status", "Count what waits", [], _json("Counts.", "Status")),
        "/healthz": _get("health", "Say that the process answers", [], _json("It does.", "Health")),
        "/readyz": _get(
            "ready", "Say whether events are accepted", [], _json("They are.", "Health")
        ),
        "/metrics": _get(
            "metrics", "Metrics for Prometheus", [], _content("Metrics.", "text/plain", _TEXT)
        ),
        "/openapi.json": _get(
            "document", "This document", [], _content("It.", "application/json", _OBJECT)
        ),
    }


def _get(
    name: str, summary: str, parameters: list[Document], answer: Document, *problems: str
) -> Document:
    found = {"200": answer, **_reading(*problems)}
    return {"get": _operation(name, summary, parameters, found)}


def _reading(*problems: str) -> Document:
    return _problems("host-refused", "unavailable", *problems)


def _operation(
    name: str, summary: str, parameters: list[Document], responses: Document
) -> Document:
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {status: responses[status] for status in sorted(responses)},
    }


def _problems(*names: str) -> Document:
    """Return the responses for problems; those with the same status are one response."""
    found: dict[str, list[str]] = {}
    for name in names:
        status, title = PROBLEMS[name]
        found.setdefault(str(status), []).append(title)
    return {
        status: {"description": "; ".join(titles), "content": _problem_content()}
        for status, titles in found.items()
    }


def _problem_content() -> Document:
    return {"application/problem+json": {"schema": _ref("Problem")}}


def _json(description: str, schema: str) -> Document:
    return _content(description, "application/json", _ref(schema))


def _content(description: str, media_type: str, schema: Document) -> Document:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


# --- schemas ------------------------------------------------------------------------------------


def _schemas() -> Document:
    name = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_NAME_LENGTH,
        "pattern": _NAME_PATTERN,
    }
    texts = _array(_TEXT)
    return {
        "Event": _object({"type": name, "data": {}}, required=("type",), closed=True),
        "XStateEvent": {
            "oneOf": [name, _object({"type": name}, required=("type",))],
            "description": "A name, or an object with its data beside the type.",
        },
        "Accepted": _object(
            {
                "key": _TEXT,
                "event_id": _TEXT,
                "status": {"enum": ["accepted", "duplicate"]},
                "position": {**_COUNT, "description": "How many events wait before it."},
            }
        ),
        **_state_schemas(),
        "EventStatus": _object(_event_status(texts), optional=("state",)),
        "SettledEvent": _object(
            {
                **_event_status(texts),
                "state": {"oneOf": [_ref("State"), {"type": "null"}]},
                "status": {"const": "settled"},
                "new": {"type": "boolean"},
            }
        ),
        **_page_schemas(texts),
        "Problem": _object(
            {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}
        ),
    }


def _event_status(texts: Document) -> Document:
    return {
        "key": _TEXT,
        "event_id": _TEXT,
        "stage": {"enum": ["waiting", "settled", "dead"]},
        "outcome": {"enum": ["resolved", "rejected", "done", "ignored", None]},
        "revision": _COUNT,
        "errors": texts,
        "state": _ref("State"),
    }


def _state_schemas() -> Document:
    texts = _array(_TEXT)
    state = {
        "chart": _TEXT,
        "version": {"type": "integer"},
        "revision": {"type": "integer"},
        "value": {"type": ["string", "object"], "description": "As XState writes it."},
        "configuration": {**texts, "description": "The active leaves."},
        "tags": texts,
        "context": _OBJECT,
    }
    instance = {
        "key": _TEXT,
        **state,
        "final": {"type": "boolean"},
        "saved_at": {"type": "number"},
        "accepts": {**_OBJECT, "description": "The events that it takes, with their transitions."},
    }
    xstate = {
        "value": {"type": ["string", "object"]},
        "context": _OBJECT,
        "tags": texts,
        "done": {"type": "boolean"},
        "changed": {"type": "boolean"},
        "revision": {"type": "integer"},
    }
    return {
        "State": _object(state),
        "Instance": _object(instance),
        "SeedAnswer": _object({"hello": {"const": "world"}, "body": _object(xstate)}),
        "Entity": _object(
            {"entityExists": {"type": "boolean"}, "entityState": {"type": ["object", "null"]}}
        ),
    }


def _page_schemas(texts: Document) -> Document:
    following = {"type": ["string", "null"], "description": "`after` of the next page."}
    letter = {
        "id": _TEXT,
        "key": _TEXT,
        "event": {"type": ["string", "null"]},
        "data": {},
        "event_id": {"type": ["string", "null"]},
        "errors": texts,
        "failures": {"type": "integer"},
        "reason": _TEXT,
        "at": {"type": ["number", "null"]},
    }
    parked = {
        "key": _TEXT,
        "since": {"type": "number"},
        "reason": _TEXT,
        "waiting": {"type": "integer"},
    }
    status = {
        "waiting": _COUNT,
        "oldest": {"type": ["number", "null"]},
        "dead_letters": _COUNT,
        "parked": _COUNT,
        "timers": _COUNT,
        "engine": _TEXT,
        "promises": texts,
    }
    chart = {"name": _TEXT, "version": {"type": "integer"}, "definition": _OBJECT}
    return {
        "InstancePage": _object({"machines": _array(_ref("Instance")), "next": following}),
        "LetterPage": _object({"dead_letters": _array(_object(letter)), "next": following}),
        "ParkedPage": _object({"parked": _array(_object(parked)), "next": following}),
        "Resumed": _object({"key": _TEXT, "resumed": {"type": "boolean"}}),
        "Retried": _object({"id": _TEXT, "status": {"const": "accepted"}}),
        "Chart": _object(chart),
        "Charts": _object({"charts": _array(_ref("Chart"))}),
        "Status": _object(status),
        "Health": _object({"status": {"enum": ["ok", "ready"]}}),
    }


def _array(items: Document) -> Document:
    return {"type": "array", "items": items}


def _object(
    properties: Document,
    *,
    required: tuple[str, ...] | None = None,
    optional: tuple[str, ...] = (),
    closed: bool = False,
) -> Document:
    """Return an object's schema; by default, all of its properties are required."""
    names = [name for name in properties if name not in optional]
    found = {
        "type": "object",
        "properties": properties,
        "required": names if required is None else list(required),
    }
    return {**found, "additionalProperties": False} if closed else found
