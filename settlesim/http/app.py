"""`create_app`: the routes of an engine, as an application that any ASGI server runs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from settlesim.argument_checks import check_count, check_seconds
from settlesim.engines import Engine
from settlesim.errors import InvalidValueError, SettlesimError, shorten
from settlesim.http.api import Api, Endpoint, json_response
from settlesim.http.host_check import LOCAL_HOSTS, HostCheck
from settlesim.http.live_page import LivePage
from settlesim.http.openapi import openapi_document
from settlesim.http.problems import ProblemError, problem_of, problem_response
from settlesim.http.roots import EntitiesRoot, Root, SeedRoot

__all__ = ["create_app"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]

_SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def create_app(
    engine: Engine,
    *,
    root: Root = "seed",
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    max_body: int = 256 * 1024,
    max_waiting: int = 10_000,
    max_wait: float = 30.0,
    ping: float = 15.0,
) -> Starlette:
    """Return an ASGI application that serves an engine.

    The application enters the engine when it starts and leaves it when it ends. If it is mounted
    in another application, its start and end are not called: the other one has to do both.

    Parameters
    ----------
    root
        What ``/?id=KEY`` is: ``"seed"``, the interface of serverless-xstate, whose answer is the
        settled state; or ``"entities"``, that of durable-entities-xstate, which signals and reads.
    hosts : host names that it answers to, besides those of this machine; ``"*"`` for any
    origins : other origins whose pages may send requests, such as ``"https://shop.example"``. CORS
        headers are left to a middleware
    max_body : bytes that a body may have
    max_waiting : number of waiting events from which on further ones are refused with 429
    max_wait : seconds for which a request may wait for its event
    ping : seconds of silence after which an event stream gets a comment

    Raises
    ------
    InvalidValueError
        An unknown `root`, or a number that is out of its range.

    Notes
    -----
    It has no sign-in: put it behind a proxy, or add a middleware, before others can reach it.

    Examples
    --------
    >>> from settlesim import FifoQueue, MemoryStore, Worker
    >>> from settlesim.engines import EmbeddedEngine
    >>> from settlesim.gallery import count
    >>> from settlesim.http import create_app
    >>> store = MemoryStore()
    >>> app = create_app(EmbeddedEngine(Worker(count, store, FifoQueue(store, "count"))))
    >>> sorted({route.path for route in app.routes})[:3]
    ['/', '/charts', '/charts/{name}']
    """
    if root not in ("seed", "entities"):
        raise InvalidValueError(where="root", reason=f"is {shorten(root)}; 'seed' or 'entities'")
    check_count(max_body, where="max_body")
    check_count(max_waiting, where="max_waiting")
    check_seconds(max_wait, where="max_wait")
    check_seconds(ping, where="ping")
    api = Api(
        engine, max_body=max_body, max_waiting=max_waiting, max_wait=max_wait, ping=ping or 15.0
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with engine:
            try:
                yield
            finally:
                api.closing.set()

    app = Starlette(
        routes=_routes(api, root),
        lifespan=lifespan,
        middleware=[
            Middleware(HostCheck, hosts=(*LOCAL_HOSTS, *hosts), origins=origins),
            Middleware(_Encoded),
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _internal_problem},
    )
    app.state.api = api
    return app


def _routes(api: Api, root: Root) -> list[Route]:
    page = LivePage(api)
    front: SeedRoot | EntitiesRoot = SeedRoot(api) if root == "seed" else EntitiesRoot(api)
    document = openapi_document(api.chart, root=root, max_wait=api.max_wait)

    async def read_root(request: Request) -> Response:
        if "id" in request.query_params:
            return await front.get(request)
        return await page.html(request)

    async def openapi(request: Request) -> Response:
        return json_response(document)

    table: tuple[tuple[str, str, Endpoint], ...] = (
        ("GET", "/", read_root),
        ("POST", "/", front.post),
        ("GET", "/machines", api.instances),
        ("GET", "/machines/{key}", api.instance),
        ("POST", "/machines/{key}/events", api.send_event),
        ("GET", "/machines/{key}/events/{event_id}", api.event_status),
        ("GET", "/machines/{key}/settlements", api.settlements),
        ("POST", "/machines/{key}/resume", api.resume),
        ("GET", "/settlements", api.all_settlements),
        ("GET", "/dead-letters", api.dead_letters),
        ("POST", "/dead-letters/{id}/retry", api.retry),
        ("GET", "/parked", api.parked),
        ("GET", "/charts", api.charts),
        ("GET", "/charts/{name}", api.one_chart),
        ("GET", "/charts/{name}/picture.svg", api.picture),
        ("GET", "/status", api.status),
        ("GET", "/healthz", api.healthz),
        ("GET", "/readyz", api.readyz),
        ("GET", "/metrics", api.metrics),
        ("GET", "/openapi.json", openapi),
        ("GET", "/page/chart.json", page.chart),
        ("GET", "/page/{file}", page.file),
    )
    found: dict[str, dict[str, Endpoint]] = {}
    for method, path, endpoint in table:
        found.setdefault(path, {})[method] = endpoint
    return [
        Route(path, _dispatch(api, path, endpoints), methods=list(endpoints))
        for path, endpoints in found.items()
    ]


def _dispatch(api: Api, path: str, endpoints: dict[str, Endpoint]) -> Endpoint:
    """Return the endpoint for all methods of a path; it answers errors with problems."""

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            response = await endpoints[method](request)
        except ProblemError as problem:
            response = problem_response(problem)
        except SettlesimError as error:
            response = problem_response(problem_of(error))
        api.requests[request.method, path, response.status_code] += 1
        return response

    return answer


def _http_problem(request: Request, error: Exception) -> Response:
    """Answer a request that no route takes."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        detail = f"{request.method} is not allowed here; possible: {headers.get('Allow', '')}"
        return problem_response(ProblemError("method-not-allowed", detail, headers=headers))
    detail = f"there is nothing at {shorten(request.url.path)}; see /openapi.json"
    return problem_response(ProblemError("not-found", detail))


def _internal_problem(request: Request, error: Exception) -> Response:
    """Answer an error that nobody expected; the server logs it."""
    return problem_response(
        ProblemError("internal", f"{type(error).__name__}; see the server's log")
    )


class _Encoded:
    """Routes by the percent-encoded path, so that keys may have slashes; adds headers."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        root = scope.get("root_path", "")
        encoded_root = "/".join(path.split("/")[: root.count("/") + 1])
        if unquote(encoded_root) == root:  # else the path is relative to it already
            root = encoded_root

        async def send_safe(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_SECURITY_HEADERS]
            await send(message)

        await self._app({**scope, "path": path, "root_path": root}, receive, send_safe)
