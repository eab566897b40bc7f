"""`RestateClient` with a server that takes requests and never answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim.errors import StoreUnavailableError

pytest.importorskip("restate", reason="settlesim[restate] is not installed")


async def _with_a_silent_server(ask: Any) -> Any:
    from settlesim.engines.restate import RestateClient

    end = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = RestateClient(url, url)
    try:
        return await ask(client)
    finally:
        end.set()
        await client.close()
        server.close()
        await server.wait_closed()


def test_a_server_that_does_not_answer_in_time_is_unavailable() -> None:
    """Callers of an engine expect a StoreError, and the HTTP interface answers it with 503."""

    async def ask(client: Any) -> None:
        with pytest.raises(StoreUnavailableError, match=r"no answer within 0\.05 s"):
            await client.request("GET", f"{client.ingress}/restate/health", timeout=0.05)

    asyncio.run(_with_a_silent_server(ask))


def test_a_call_that_does_not_end_while_it_is_waited_for_still_runs() -> None:
    """Its time-out is the end of the wait, and no error."""

    async def ask(client: Any) -> Any:
        return await client.output("order", "o1", "send", "e1", wait=0.05)

    assert asyncio.run(_with_a_silent_server(ask)) == (470, None)
