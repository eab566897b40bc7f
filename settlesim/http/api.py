"""What the routes do: `Api`, one object for each application."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from settlesim.argument_checks import nearest
from settlesim.chart.secrets import hide
from settlesim.display import Theme
from settlesim.engines import Accepted, Engine, EngineStatus, EventStage, EventStatus, Promise
from settlesim.errors import InvalidEventError, RenderError, SettlesimError, StoreError, shorten
from settlesim.http import metrics
from settlesim.http.problems import ProblemError
from settlesim.http.request_parts import (
    SentEvent,
    cursor_of,
    event_in,
    given_event_id,
    id_in_query,
    json_body,
    number_in_query,
    path_text,
    revisions_wanted,
    wait_seconds,
)
from settlesim.http.resources import (
    chart_resource,
    entity_tag,
    instance_resource,
    letter_resource,
    snapshot_resource,
    state_names,
    status_resource,
)
from settlesim.http.streams import first_of, settlement_events
from settlesim.runtime.event_messages import event_body

__all__ = ["Api"]

_MAX_PAGE: Final = 1000
_PAGE: Final = 100
_MAX_STREAM: Final = 1_000_000
_LOOK_SECONDS: Final = 1.0
"""Seconds for which a count of waiting events is reused to accept or refuse events."""
_PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; font-src data:"


class Api:
    """The routes of one application.

    Parameters
    ----------
    max_body : bytes that a body may have
    max_waiting : number of waiting events from which on further ones are refused
    max_wait : seconds for which a request may wait for its event
    ping : seconds of silence after which an event stream gets a comment
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_body: int,
        max_waiting: int,
        max_wait: float,
        ping: float,
    ) -> None:
        self.engine = engine
        self.chart = engine.chart
        self.max_body = max_body
        self.max_waiting = max_waiting
        self.max_wait = max_wait
        self.ping = ping
        self.closing = asyncio.Event()
        """Set when the server stops: waits and streams end then."""
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.streams = 0
        self._looked_at = float("-inf")
        self._waiting = 0

    # --- events -------------------------------------------------------------------------------

    async def send_event(self, request: Request) -> Response:
        """POST /machines/{key}/events."""
        key = path_text(request, "key")
        wait = wait_seconds(request, self.max_wait)
        event = event_in(await json_body(request, self.max_body), self.chart.secret)
        accepted, status = await self.send(request, key, event, wait)
        if status is None or status.stage is EventStage.WAITING:
            return self.accepted_response(request, accepted)
        self.refuse_dead(status)
        found = status_resource(self.chart, status)
        state = found.pop("state", None) or await self._state_now(key)
        document = {**found, "status": "settled", "new": accepted.new, "state": state}
        headers = {"ETag": f'"{status.revision}"', **preference_applied(request, wait)}
        return json_response(document, headers=headers)

    async def _state_now(self, key: str) -> dict[str, Any] | None:
        instance = await self.engine.load(key)
        return None if instance is None else snapshot_resource(self.chart, instance.snapshot)

    async def send(
        self, request: Request, key: str, event: SentEvent, wait: float
    ) -> tuple[Accepted, EventStatus | None]:
        """Send an event as a request says, and wait for it.

        Returns
        -------
        accepted, status : the status is None where the request does not wait

        Raises
        ------
        ProblemError, SettlesimError
            The event was not accepted.
        """
        event_id = given_event_id(request)
        await self._admit()
        expected = await self._expected(request, key, event_id)
        try:
            accepted = await self.engine.send(
                key, event.name, event.data, event_id=event_id, expected=expected
            )
        except InvalidEventError as error:
            raise self._without_secrets(error, event) from None
        if not wait:
            return accepted, None
        try:
            outcome = self.engine.outcome(key, accepted.event_id, wait=wait)
            return accepted, await first_of(outcome, self.closing, None)
        except StoreError:  # the event is accepted nevertheless
            return accepted, None

    def _without_secrets(self, error: InvalidEventError, event: SentEvent) -> Exception:
        """Return an error that may be shown: the given one may quote a secret value."""
        if not self.chart.secret:
            return error
        try:
            event_body(event.name, hide(event.data, self.chart.secret))
        except InvalidEventError as other:
            return other
        detail = f"event {shorten(event.name)} cannot be sent: the value of a secret field cannot"
        return ProblemError("invalid", f"{detail} be written as JSON")

    async def _admit(self) -> None:
        """Refuse an event where too many wait."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            self._waiting = (await self.engine.status()).waiting or 0
        if self._waiting >= self.max_waiting:
            words = "1 event waits" if self._waiting == 1 else f"{self._waiting} events wait"
            detail = f"{words}; the limit is {self.max_waiting}. Nothing was accepted"
            raise ProblemError("too-many-waiting", detail)

    async def _expected(self, request: Request, key: str, event_id: str | None) -> int | None:
        """Return the revision that If-Match asks for; None without it."""
        wanted = revisions_wanted(request)
        if wanted is None:
            return None
        if event_id is not None and await self.engine.outcome(key, event_id) is not None:
            return None  # a duplicate: its condition was checked the first time
        instance = await self.engine.load(key)
        actual = 0 if instance is None else instance.snapshot.revision
        if (actual and not wanted) or (actual in wanted):
            return actual
        detail = f"instance {shorten(key)} is at revision {actual}, If-Match says "
        raise ProblemError("unexpected-revision", detail + request.headers["if-match"][:100])

    def accepted_response(self, request: Request, accepted: Accepted) -> Response:
        """Return 202 with the URL of the event's outcome."""
        path = f"machines/{quote(accepted.key, safe='')}/events/{quote(accepted.event_id, safe='')}"
        document = {
            "key": accepted.key,
            "event_id": accepted.event_id,
            "status": "accepted" if accepted.new else "duplicate",
            "position": accepted.ahead,
        }
        headers = {"Location": f"{request.scope.get('root_path', '')}/{path}"}
        return json_response(document, 202, headers)

    def refuse_dead(self, status: EventStatus) -> None:
        """Raise a problem for an event that is a dead letter."""
        if status.stage is EventStage.DEAD:
            found = status_resource(self.chart, status)
            detail = found["errors"][-1] if found["errors"] else "it could not be settled"
            raise ProblemError("dead-letter", detail, **found)

    async def event_status(self, request: Request) -> Response:
        """GET /machines/{key}/events/{event_id}."""
        key, event_id = path_text(request, "key"), path_text(request, "event_id")
        wait = wait_seconds(request, self.max_wait)
        found = self.engine.outcome(key, event_id, wait=wait)
        status = await first_of(found, self.closing, None)
        if status is None:
            detail = f"instance {shorten(key)} has no event {shorten(event_id)} that is known"
            raise ProblemError("no-such-event", detail)
        return json_response(
            status_resource(self.chart, status), headers=preference_applied(request, wait)
        )

    # --- instances ------------------------------------------------------------------------------

    async def instances(self, request: Request) -> Response:
        """GET /machines."""
        limit = number_in_query(request, "limit", _PAGE, _MAX_PAGE)
        after = request.query_params.get("after")
        state = request.query_params.get("state")
        found = await self.engine.find(state=state, after=after, limit=limit)
        if state is not None and not found:
            self._check_state(state)
        last = found[-1].key if len(found) == limit else None
        headers = {}
        if last is not None:
            more = "" if state is None else f"&state={quote(state, safe='')}"
            query = f"?limit={limit}&after={quote(last, safe='')}{more}"
            headers["Link"] = f'<{request.scope.get("root_path", "")}/machines{query}>; rel="next"'
        machines = [instance_resource(self.chart, each) for each in found]
        return json_response({"machines": machines, "next": last}, headers=headers)

    def _check_state(self, state: str) -> None:
        """Refuse a state that no known version of the chart has."""
        names = state_names(self.chart)
        if state in names:
            return
        close = nearest(state, names)
        hint = "see /charts" if close is None else f"did you mean {shorten(close)}?"
        detail = f"chart {shorten(self.chart.name)} has no state {shorten(state)}; {hint}"
        raise ProblemError("no-such-state", detail)

    async def instance(self, request: Request) -> Response:
        """GET /machines/{key}."""
        key = path_text(request, "key")
        found = await self.engine.load(key)
        if found is None:
            raise ProblemError("no-such-instance", f"there is no instance {shorten(key)}")
        tag = entity_tag(found.snapshot)
        known = [each.strip().removeprefix("W/") for each in _list(request, "if-none-match")]
        if tag in known or "*" in known:
            return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        return json_response(instance_resource(self.chart, found), headers=headers)

    async def settlements(self, request: Request) -> Response:
        """GET /machines/{key}/settlements: an event stream."""
        return self._stream(request, path_text(request, "key"))

    async def all_settlements(self, request: Request) -> Response:
        """GET /settlements: an event stream of all instances."""
        if Promise.FOLLOW_ALL not in self.engine.promises:
            detail = f"the engine {self.engine.name!r} can only follow one instance"
            raise ProblemError("not-promised", f"{detail}: /machines/KEY/settlements")
        return self._stream(request, None)

    def _stream(self, request: Request, key: str | None) -> Response:
        limit = request.query_params.get("limit")
        count = None if limit is None else number_in_query(request, "limit", 1, _MAX_STREAM)
        ping = wait_seconds(request, self.max_wait, default=self.ping) or self.ping

        def opened(change: int) -> None:
            self.streams += change

        return StreamingResponse(
            settlement_events(
                self.engine,
                key,
                cursor=cursor_of(request),
                limit=count,
                ping=ping,
                closing=self.closing,
                opened=opened,
            ),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    # --- what could not be settled --------------------------------------------------------------

    async def dead_letters(self, request: Request) -> Response:
        """GET /dead-letters."""
        limit = number_in_query(request, "limit", _PAGE, _MAX_PAGE)
        found = await self.engine.dead_letters(after=request.query_params.get("after"), limit=limit)
        last = found[-1].id if len(found) == limit else None
        letters = [letter_resource(self.chart, each) for each in found]
        return json_response({"dead_letters": letters, "next": last})

    async def retry(self, request: Request) -> Response:
        """POST /dead-letters/{id}/retry."""
        letter = path_text(request, "id")
        if not await self.engine.retry(letter):
            raise ProblemError("no-such-letter", f"there is no dead letter {shorten(letter)}")
        return json_response({"id": letter, "status": "accepted"}, 202)

    async def parked(self, request: Request) -> Response:
        """GET /parked."""
        limit = number_in_query(request, "limit", _PAGE, _MAX_PAGE)
        found = await self.engine.parked(after=request.query_params.get("after"), limit=limit)
        parked = [
            {
                "key": each.group_id,
                "since": each.since,
                "reason": each.reason,
                "waiting": each.waiting,
            }
            for each in found
        ]
        last = found[-1].group_id if len(found) == limit else None
        return json_response({"parked": parked, "next": last})

    async def resume(self, request: Request) -> Response:
        """POST /machines/{key}/resume."""
        key = path_text(request, "key")
        return json_response({"key": key, "resumed": await self.engine.resume(key)})

    # --- the chart ------------------------------------------------------------------------------

    async def charts(self, request: Request) -> Response:
        """GET /charts."""
        return json_response({"charts": [chart_resource(self.chart)]})

    async def one_chart(self, request: Request) -> Response:
        """GET /charts/{name}."""
        self._check_chart(path_text(request, "name"))
        return json_response(chart_resource(self.chart))

    async def picture(self, request: Request) -> Response:
        """GET /charts/{name}/picture.svg; ``?key=`` marks the states of an instance."""
        self._check_chart(path_text(request, "name"))
        key = id_in_query(request, "key")
        configuration = None
        if key is not None:
            found = await self.engine.load(key)
            if found is None:
                raise ProblemError("no-such-instance", f"there is no instance {shorten(key)}")
            configuration = found.snapshot
        theme: Theme = "dark" if request.query_params.get("theme") == "dark" else "light"
        draw = partial(self.chart.draw, configuration=configuration, theme=theme)
        try:
            svg = (await asyncio.to_thread(draw)).svg
        except RenderError as error:
            raise ProblemError("unavailable", f"the chart cannot be drawn: {error}") from error
        headers = {"Content-Security-Policy": _PICTURE_POLICY, "Cache-Control": "no-cache"}
        return Response(svg, media_type="image/svg+xml", headers=headers)

    def _check_chart(self, name: str) -> None:
        if name != self.chart.name:
            detail = f"there is no chart {shorten(name)}; this server has {self.chart.name!r}"
            raise ProblemError("no-such-chart", detail)

    # --- the server itself ----------------------------------------------------------------------

    async def status(self, request: Request) -> Response:
        """GET /status."""
        found = (await self.engine.status()).to_dict()
        promises = sorted(each.value for each in self.engine.promises)
        return json_response({**found, "engine": self.engine.name, "promises": promises})

    async def healthz(self, request: Request) -> Response:
        """GET /healthz: the process answers."""
        return json_response({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """GET /readyz: events are accepted and worked on."""
        if self.closing.is_set():
            raise ProblemError("unavailable", "the server is ending")
        await self.engine.check()
        return json_response({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """GET /metrics."""
        status, ready = EngineStatus(None, None, None), False
        try:
            await self.engine.check()
            ready = True
            status = await self.engine.status()
        except SettlesimError:
            pass
        labels = {"chart": self.chart.name, "engine": self.engine.name}
        text = metrics.metrics_text(
            labels, status, self.requests, ready=ready, streams=self.streams
        )
        return Response(text, media_type=metrics.MEDIA_TYPE)


Endpoint = Callable[[Request], Awaitable[Response]]


def preference_applied(request: Request, wait: float) -> dict[str, str]:
    """Return the header that says that a preferred wait was used (RFC 7240)."""
    preferred = "wait" in request.headers.get("prefer", "") and "wait" not in request.query_params
    return {"Preference-Applied": f"wait={wait:g}"} if preferred and wait else {}


def json_response(
    document: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return JSON that is not cached, unless `headers` say otherwise."""
    return JSONResponse(document, status, headers={"Cache-Control": "no-store", **(headers or {})})


def _list(request: Request, name: str) -> list[str]:
    return [each for each in request.headers.get(name, "").split(",") if each.strip()]
