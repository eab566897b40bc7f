"""The interfaces of serverless-xstate and durable-entities-xstate, at ``/?id=KEY``."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from settlesim.chart import Snapshot
from settlesim.chart.secrets import hide
from settlesim.engines import EventStage, EventStatus
from settlesim.errors import shorten
from settlesim.http.api import Api, json_response, preference_applied
from settlesim.http.problems import PROBLEMS, ProblemError, problem_response
from settlesim.http.request_parts import (
    SentEvent,
    id_in_query,
    json_body,
    wait_seconds,
    xstate_event,
)
from settlesim.http.resources import entity_tag, fits, snapshot_resource

__all__ = ["EntitiesRoot", "Root", "SeedRoot"]

Root = Literal["seed", "entities"]

_NO_ID: Final = "Must provide an ID"


class SeedRoot:
    """The interface of serverless-xstate: an event is sent, and its settled state is the answer."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def post(self, request: Request) -> Response:
        """Send the body's event to the instance `id`, and answer when it is settled."""
        key = id_in_query(request)
        if not key:
            problem = ProblemError("missing-id", f"{_NO_ID}: POST /?id=KEY", message=_NO_ID)
            return problem_response(problem)
        wait = wait_seconds(request, self.api.max_wait, default=self.api.max_wait)
        body = await json_body(request, self.api.max_body, typed=False)
        event = xstate_event(body, self.api.chart.secret)
        accepted, status = await self.api.send(request, key, event, wait)
        if status is None or status.stage is EventStage.WAITING:
            return self.api.accepted_response(request, accepted)
        self.api.refuse_dead(status)
        state = await self._body(key, event, status)
        if status.outcome == "rejected":
            detail = f"{event.name!r} was rejected; the instance is as it was"
            raise ProblemError("rejected", detail, body=state)
        headers = {"ETag": f'"{status.revision}"', **preference_applied(request, wait)}
        return json_response({"hello": "world", "body": state}, headers=headers)

    async def get(self, request: Request) -> Response:
        """Return the state of the instance `id`."""
        key = id_in_query(request)
        found = None if key is None else await self.api.engine.load(key)
        if found is None:
            raise ProblemError("no-such-instance", f"there is no instance {shorten(key)}")
        body = self._state(found.snapshot, None, final=found.final)
        headers = {"ETag": entity_tag(found.snapshot), "Cache-Control": "no-cache"}
        return json_response({"hello": "world", "body": body}, headers=headers)

    async def _body(self, key: str, event: SentEvent, status: EventStatus) -> dict[str, Any]:
        instance = await self.api.engine.load(key)
        snapshot = status.snapshot
        if snapshot is None:  # nothing was saved: the instance is where it was
            chart = self.api.chart
            snapshot = (
                Snapshot(chart.name, chart.version, chart.initial_configuration, chart.context)
                if instance is None
                else instance.snapshot
            )
        final = status.outcome == "done" or (instance is not None and instance.final)
        body = self._state(snapshot, event, final=final)
        changed = status.outcome in ("resolved", "done")
        return {**body, "changed": changed, "outcome": status.outcome}

    def _state(self, snapshot: Snapshot, event: SentEvent | None, *, final: bool) -> dict[str, Any]:
        """Return a state as serverless-xstate writes a state of XState."""
        chart = self.api.chart
        found = snapshot_resource(chart, snapshot)
        data = hide(event.data, chart.secret) if event else None
        own = data if isinstance(data, dict) else {}
        return {
            "actions": [],
            "activities": {},
            "meta": {},
            "events": [],
            "value": found["value"],
            "context": found["context"],
            "event": {**own, "type": event.name if event else "xstate.init"},
            "children": {},
            "done": final,
            "changed": False,
            "tags": found["tags"] if fits(chart, snapshot) else [],
            "revision": snapshot.revision,
        }


class EntitiesRoot:
    """The interface of durable-entities-xstate: events are signalled, states are read."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def post(self, request: Request) -> Response:
        """Accept the body's event for the entity `id`, and answer in text."""
        key = id_in_query(request)
        if not key:
            return PlainTextResponse("Missing id", 400)
        body = await json_body(request, self.api.max_body, typed=False)
        event = xstate_event(body, self.api.chart.secret)
        accepted, _ = await self.api.send(request, key, event, 0.0)
        path = f"machines/{quote(key, safe='')}/events/{quote(accepted.event_id, safe='')}"
        headers = {"Location": f"{request.scope.get('root_path', '')}/{path}"}
        text = f'Event "{event.name}" sent to entity "{key}".'
        return PlainTextResponse(text, headers={**headers, "Cache-Control": "no-store"})

    async def get(self, request: Request) -> Response:
        """Return whether the entity `id` exists, and its state."""
        key = id_in_query(request)
        if not key:
            return PlainTextResponse("Missing id", PROBLEMS["missing-id"][0])
        found = await self.api.engine.load(key)
        state = None
        if found is not None:
            state = {**snapshot_resource(self.api.chart, found.snapshot), "done": found.final}
        return json_response({"entityExists": found is not None, "entityState": state})
