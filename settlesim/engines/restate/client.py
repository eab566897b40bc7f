"""`RestateClient`: the requests to a Restate server that an engine needs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from settlesim.errors import StoreUnavailableError, error_message, shorten

__all__ = ["RestateClient", "idempotency_key"]

_TIMEOUT: Final = 10.0
_LONGEST_ID: Final = 200


def idempotency_key(event_id: str) -> str:
    """Return an event's id in a form for headers and paths; different ids stay different."""
    text = quote(event_id, safe="")
    for plain in "_.~":
        text = text.replace(plain, f"%{ord(plain):02X}")
    if len(text) > _LONGEST_ID:
        return f"sha256~{hashlib.sha256(event_id.encode()).hexdigest()}"
    return text.replace("%", "_")


class _NoAnswerError(StoreUnavailableError):
    """The server did not answer in time."""


class RestateClient:
    """Speaks to one Restate server or cluster.

    Parameters
    ----------
    ingress : where events are accepted
    admin : where services are registered and states are queried
    headers : for both, such as an ``Authorization``
    """

    def __init__(
        self,
        ingress: str = "http://127.0.0.1:8080",
        admin: str = "http://127.0.0.1:9070",
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.ingress = ingress.rstrip("/")
        self.admin = admin.rstrip("/")
        self._headers = dict(headers or {})
        self._http: Any = None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def close(self) -> None:
        """Wait for running requests, then close all connections; later requests open new ones."""
        await self._idle.wait()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        if self._http is None:
            self._http = httpx.AsyncClient(
                headers=self._headers,
                timeout=_TIMEOUT,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
                trust_env=False,
            )
        self._running += 1
        self._idle.clear()
        try:
            yield self._http
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = _TIMEOUT,
        expected: tuple[int, ...] = (200, 201, 202),
    ) -> httpx.Response:
        """Send one request.

        Raises
        ------
        StoreUnavailableError
            The server cannot be reached, answers with another status, or does not answer in time.
            In the last case it may have done what it was asked.
        """
        content = None if body is None else json.dumps(body).encode()
        sent = {"accept": "application/json"}
        if body is not None:  # Restate refuses a type for a handler without argument
            sent["content-type"] = "application/json"
        try:
            async with self._connected() as http:
                found = await http.request(
                    method,
                    url,
                    content=content,
                    headers=sent | dict(headers or {}),
                    timeout=httpx.Timeout(timeout, connect=min(timeout, _TIMEOUT)),
                )
        except httpx.ReadTimeout as error:
            raise _NoAnswerError(path=url, reason=f"no answer within {timeout:g} s") from error
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__} {error_message(error)}".strip()
            raise StoreUnavailableError(path=url, reason=reason) from error
        if found.status_code not in expected:
            reason = f"it answered {found.status_code}: {shorten(found.text, 300)}"
            raise StoreUnavailableError(path=url, reason=reason)
        return found

    # --- objects ------------------------------------------------------------------------------

    async def call(self, service: str, key: str, handler: str, body: Any = None) -> Any:
        """Call a handler, and return what it returns."""
        found = await self.request("POST", self._url(service, key, handler), body=body)
        return found.json() if found.content else None

    async def send(self, service: str, key: str, handler: str, body: Any, event_id: str) -> bool:
        """Send a call of a handler; return whether it is new, and not a duplicate."""
        found = await self.request(
            "POST",
            self._url(service, key, handler) + "/send",
            body=body,
            headers={"idempotency-key": idempotency_key(event_id)},
        )
        return bool(found.json()["status"] == "Accepted")

    async def output(
        self, service: str, key: str, handler: str, event_id: str, *, wait: float = 0.0
    ) -> tuple[int, Any]:
        """Return the result of a call that was sent.

        Parameters
        ----------
        wait : seconds to wait for it

        Returns
        -------
        status, result : the status is 404 for an unknown call, 470 for one that still runs
        """
        path = f"{quote(service, safe='')}/{_quoted(key)}/{handler}"
        call = f"{self.ingress}/restate/invocation/{path}/{idempotency_key(event_id)}"
        known = tuple(range(200, 600))
        if not wait:
            found = await self.request("GET", f"{call}/output", expected=known)
        else:
            try:
                found = await self.request("GET", f"{call}/attach", expected=known, timeout=wait)
            except _NoAnswerError:
                return 470, None
        try:
            return found.status_code, found.json() if found.content else None
        except ValueError:
            return found.status_code, found.text

    def _url(self, service: str, key: str, handler: str) -> str:
        return f"{self.ingress}/{quote(service, safe='')}/{_quoted(key)}/{handler}"

    # --- the server ---------------------------------------------------------------------------

    async def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query of the server's tables."""
        found = await self.request("POST", f"{self.admin}/query", body={"query": sql})
        return list(found.json()["rows"])

    async def register(self, uri: str, *, force: bool = True) -> None:
        """Register an endpoint: the server asks it what it serves.

        Parameters
        ----------
        force : whether to ask again if the endpoint is registered already
        """
        body = {"uri": uri, "force": force}
        await self.request("POST", f"{self.admin}/deployments", body=body, timeout=30.0)

    async def check(self) -> None:
        """Check that events are accepted."""
        await self.request("GET", f"{self.ingress}/restate/health")


def _quoted(key: str) -> str:
    """Return a key as one segment of a path; with dots escaped, since ``..`` is the parent."""
    return quote(key, safe="").replace(".", "%2E")
