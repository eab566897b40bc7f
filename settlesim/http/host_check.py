"""Refuse requests for other hosts, and from pages of other origins.

Every page that is open in a browser can reach a server on the same machine: directly, or under a
host name of its own that resolves to 127.0.0.1 (DNS rebinding). Host and Origin reveal that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from settlesim.errors import shorten
from settlesim.http.problems import ProblemError, problem_response

__all__ = ["LOCAL_HOSTS", "HostCheck"]

LOCAL_HOSTS: Final = ("127.0.0.1", "localhost", "::1")

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class HostCheck:
    """An ASGI application around another one.

    Parameters
    ----------
    hosts : host names that the server answers to, without ports; ``"*"`` for any
    origins : other origins whose pages may send requests, such as ``"https://shop.example"``
    """

    def __init__(self, app: _App, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Pass on an allowed request; answer any other with 403."""
        if scope["type"] == "http":
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            flaw = self._flaw(headers.get(b"host", ""), headers.get(b"origin"))
            if flaw is not None:
                response = problem_response(ProblemError("host-refused", flaw))
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _flaw(self, host: str, origin: str | None) -> str | None:
        if "*" not in self._hosts and _name(f"//{host}") not in self._hosts:
            return f"the host {shorten(host)} is not served here; allow it by its name"
        if origin is None or origin.lower() in self._origins:
            return None
        # The scheme is not compared, since a proxy may end TLS; host and port are.
        if urlsplit(origin).netloc.lower() == host.lower() and "://" in origin:
            return None
        return f"pages of {shorten(origin)} may not use this server; allow the origin by its name"


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
