"""A real server on a port: streams, its end, and many idle clients."""

from __future__ import annotations

import json
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from settlesim import MemoryStore, SqliteStore
from settlesim.testing import Work, engine_chart
from tests.http.background import in_background


def open_stream(url: str, place: str) -> socket.socket:
    """Ask for an event stream, and return the connection."""
    address = urlsplit(url)
    assert address.hostname is not None
    found = socket.create_connection((address.hostname, address.port or 80), timeout=30)
    request = f"GET {place} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n\r\n"
    found.sendall(request.encode())
    return found


def read_until(connections: list[socket.socket], wanted: bytes) -> list[bytes]:
    """Read from all of them until each has sent this."""
    found = dict.fromkeys(connections, b"")
    with selectors.DefaultSelector() as selector:
        for each in connections:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout=30)
            assert ready, "nothing comes any more"
            for key, _ in ready:
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                text = connection.recv(65_536)
                found[connection] += text
                if wanted in found[connection]:
                    selector.unregister(connection)
                else:
                    assert text, found[connection]
    return list(found.values())


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have two connections for each client, its own and the server's."""
    resource = pytest.importorskip("resource", reason="Windows counts connections otherwise")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4000)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("clients", [100, pytest.param(1000, marks=pytest.mark.nightly)])
def test_many_idle_streams_are_served(clients: int) -> None:
    """Requests are answered meanwhile, and an event reaches who waits for it, and nobody else."""
    with MemoryStore() as store, in_background(engine_chart(Work()), store, ping=3600) as url:
        places = [f"/machines/idle{number}/settlements" for number in range(clients)]
        idle = [open_stream(url, place) for place in places]
        waiting = open_stream(url, "/machines/a/settlements")
        try:
            read_until([*idle, waiting], b"event: state")
            labels = '{chart="engine_contract",engine="embedded"}'
            counted = f"settlesim_streams{labels} {clients + 1}\n"
            assert counted in httpx.get(f"{url}/metrics").text
            sent = httpx.post(
                f"{url}/machines/a/events?wait=30", json={"type": "ADD", "data": 1}, timeout=60
            )
            assert sent.json()["outcome"] == "resolved"
            (text,) = read_until([waiting], b"event: settled")
            assert b'"applied":[1]' in text
            for each in idle:
                each.setblocking(False)
            assert not any(_has_sent(each) for each in idle)
        finally:
            for each in (*idle, waiting):
                each.close()


def _has_sent(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return False


def test_streams_and_waits_end_with_the_server() -> None:
    """A stream ends, a request that waits gets 202, and the event is there afterwards."""
    work = Work()
    with MemoryStore() as store:
        answers: list[httpx.Response] = []
        with in_background(engine_chart(work), store, max_wait=30) as url:
            stream = open_stream(url, "/machines/a/settlements")
            read_until([stream], b"event: state")

            def send() -> None:
                place = f"{url}/machines/a/events"
                body = {"type": "HOLD", "data": 1}
                answers.append(httpx.post(f"{place}?wait=30", json=body, timeout=60))

            client = threading.Thread(target=send)
            client.start()
            with httpx.Client(timeout=60) as other:
                while not other.get(f"{url}/status").json()["waiting"]:
                    pass
                work.gate.set()
                place = f"{url}/machines/b/events?wait=30"
                assert other.post(place, json={"type": "ADD"}).status_code == 200
        client.join(30)
        assert answers[0].status_code in (200, 202)
        tail = stream.recv(65_536)
        while tail:
            tail = stream.recv(65_536)
        stream.close()
        found = store.load("a")
        assert found is None or found.context == {"applied": [1]}
        assert found is not None or store.queue_names() == ["engine_contract"]


def test_a_stream_resumes_after_the_server_was_started_anew(tmp_path: Path) -> None:
    """Last-Event-ID counts across processes and restarts."""
    chart = engine_chart(Work())
    numbers: list[str] = []
    for first in (True, False):
        with SqliteStore(tmp_path / "s.db") as store, in_background(chart, store) as url:
            for data in (1, 2) if first else (3,):
                place = f"{url}/machines/a/events?wait=30"
                httpx.post(place, json={"type": "ADD", "data": data}, timeout=60)
            cursor = numbers[0] if numbers else "0"
            answer = httpx.get(
                f"{url}/settlements?limit=2", headers={"Last-Event-ID": cursor}, timeout=60
            )
            lines = answer.text.splitlines()
            numbers = [line[4:] for line in lines if line.startswith("id: ")]
            data_lines = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
            assert [each["event"]["data"] for each in data_lines] == ([1, 2] if first else [2, 3])
